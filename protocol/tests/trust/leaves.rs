//! The chain behind the signature key of an MLS leaf.

use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::*;
use relevo_protocol::wire::encode;

use crate::world::{LATER, NOW, Person, Union, admitted, founded};

const KEY: LeafKey = LeafKey([5; 32]);

fn group(name: u8) -> LeafUse {
    LeafUse::Group(vec![name; 16])
}

fn binding(place: LeafUse, serial: u64) -> LeafBinding {
    LeafBinding { leaf_key: KEY, place, serial, not_after: LATER }
}

fn credential(person: &Person, union: &Union, charter: &Verified<Charter>, binding: &LeafBinding) -> Vec<u8> {
    let card = admitted(person, union, charter);
    LeafCredential::new(card, person.devices.clone(), binding, &person.device).unwrap().encode()
}

fn verify(
    person: &Person,
    binding: &LeafBinding,
    key: &LeafKey,
    places: &[LeafUse],
) -> Result<VerifiedLeaf, LeafFault> {
    let union = Union::new(1);
    let charter = founded(&union);
    LeafCredential::verify(&credential(person, &union, &charter, binding), key, places, &charter)
}

#[test]
fn a_leaf_is_followed_to_its_member_and_device() {
    let person = Person::new(9);
    let leaf = verify(&person, &binding(LeafUse::KeyPackage, 3), &KEY, &[LeafUse::KeyPackage]).unwrap();
    assert_eq!(leaf.member, person.member.public());
    assert_eq!(leaf.device, person.device.public());
    assert_eq!(leaf.binding.serial, 3);
    assert_eq!(leaf.card.pseudonym.as_str(), "Pedro");
}

#[test]
fn a_leaf_with_another_key_is_refused() {
    let fault = verify(&Person::new(9), &binding(group(1), 1), &LeafKey([6; 32]), &[group(1)]).map(|_| ());
    assert_eq!(fault.err(), Some(LeafFault::OtherKey));
}

#[test]
fn a_leaf_bound_to_another_place_is_refused() {
    let person = Person::new(9);
    let fault = |bound, places: &[LeafUse]| verify(&person, &binding(bound, 1), &KEY, places).err();
    assert_eq!(fault(group(1), &[group(2)]), Some(LeafFault::OtherPlace));
    assert_eq!(fault(group(1), &[LeafUse::KeyPackage]), Some(LeafFault::OtherPlace));
    assert_eq!(fault(LeafUse::KeyPackage, &[group(1)]), Some(LeafFault::OtherPlace));
    assert_eq!(fault(LeafUse::KeyPackage, &[group(1), LeafUse::KeyPackage]), None);
}

#[test]
fn a_leaf_bound_by_a_device_of_somebody_else_is_refused() {
    let (person, other, union) = (Person::new(9), Person::new(10), Union::new(1));
    let charter = founded(&union);
    let build = |card: &Person, devices: &Person, device: &Person| {
        let card = admitted(card, &union, &charter);
        let bound = binding(group(1), 1);
        let bytes = LeafCredential::new(card, devices.devices.clone(), &bound, &device.device).unwrap().encode();
        LeafCredential::verify(&bytes, &KEY, &[group(1)], &charter).err()
    };
    assert_eq!(build(&person, &person, &person), None);
    assert_eq!(build(&person, &person, &other), Some(LeafFault::Binding(ObjectFault::Signer)));
    assert_eq!(build(&person, &other, &other), Some(LeafFault::OtherMember));
    assert_eq!(build(&person, &other, &person), Some(LeafFault::OtherMember));
}

#[test]
fn a_leaf_of_another_alliance_is_refused() {
    let (person, union, other) = (Person::new(9), Union::new(1), Union::new(11));
    let bytes = credential(&person, &union, &founded(&union), &binding(group(1), 1));
    let fault = LeafCredential::verify(&bytes, &KEY, &[group(1)], &founded(&other)).err();
    assert_eq!(fault, Some(LeafFault::Card(CardFault::OtherAlliance)));
}

#[test]
fn a_credential_has_one_form() {
    let (person, union) = (Person::new(9), Union::new(1));
    let charter = founded(&union);
    let good = credential(&person, &union, &charter, &binding(group(1), 1));
    let fault = |bytes: &[u8]| LeafCredential::verify(bytes, &KEY, &[group(1)], &charter).err();
    assert_eq!(fault(&good), None);
    assert_eq!(good[0], 0xa3);
    assert_eq!(fault(&[&[0xb8, 3], &good[1..]].concat()), Some(LeafFault::Malformed));
    assert_eq!(fault(&[&[0xa4], &good[1..], &[0x18, 0x40, 0]].concat()), Some(LeafFault::Malformed));
    assert_eq!(fault(&[good.as_slice(), &[0]].concat()), Some(LeafFault::Malformed));
    assert_eq!(fault(&[]), Some(LeafFault::Malformed));
}

#[test]
fn an_older_leaf_never_replaces_a_newer_one() {
    let person = Person::new(9);
    let leaf = |serial, key: u8| {
        let bound = LeafBinding { leaf_key: LeafKey([key; 32]), ..binding(group(1), serial) };
        verify(&person, &bound, &LeafKey([key; 32]), &[group(1)]).unwrap()
    };
    assert_eq!(leaf(2, 1).may_replace(&leaf(1, 2)), Ok(()));
    assert_eq!(leaf(2, 1).may_replace(&leaf(2, 1)), Ok(()), "a commit that keeps the leaf key");
    assert_eq!(leaf(2, 1).may_replace(&leaf(2, 2)), Err(LeafFault::Older));
    assert_eq!(leaf(1, 1).may_replace(&leaf(2, 2)), Err(LeafFault::Older));
    let other = verify(&Person::new(10), &binding(group(1), 9), &KEY, &[group(1)]).unwrap();
    assert_eq!(other.may_replace(&leaf(1, 1)), Err(LeafFault::OtherMember));
}

#[test]
fn an_older_device_set_never_replaces_a_newer_one() {
    let (person, union) = (Person::new(9), Union::new(1));
    let charter = founded(&union);
    let before = person.verified();
    let tablet = DeviceSecret::from_seed(&Secret::new([77; 32])).public();
    let set = DeviceSet {
        number: 2,
        devices: vec![person.device.public(), tablet],
        previous: Some(before.hash()),
        ..(*before).clone()
    };
    let second = Person { devices: Signed::sign(&set, &person.member).unwrap(), ..Person::new(9) };
    let leaf = |person: &Person, serial| {
        let bytes = credential(person, &union, &charter, &binding(group(1), serial));
        LeafCredential::verify(&bytes, &KEY, &[group(1)], &charter).unwrap()
    };
    assert_eq!(leaf(&second, 2).may_replace(&leaf(&person, 1)), Ok(()));
    assert_eq!(leaf(&person, 2).may_replace(&leaf(&second, 1)), Err(LeafFault::Older));
}

#[test]
fn a_leaf_past_its_end_is_shown_and_still_valid() {
    let leaf =
        verify(&Person::new(9), &LeafBinding { not_after: NOW, ..binding(group(1), 1) }, &KEY, &[group(1)]).unwrap();
    assert!(leaf.is_expired(NOW));
    assert!(!leaf.is_expired(Timestamp(NOW.0 - 1)));
    let long = verify(&Person::new(9), &binding(group(1), 1), &KEY, &[group(1)]).unwrap();
    assert!(long.is_expired(long.card.expires), "the card ends before the binding");
}

#[test]
fn the_longest_credential_fits_its_limit() {
    let (person, union) = (Person::new(9), Union::new(1));
    let charter = founded(&union);
    let devices = (0..8).map(|seed| DeviceSecret::from_seed(&Secret::new([seed; 32])).public()).take(7);
    let set = DeviceSet {
        member: person.member.public(),
        number: u64::MAX,
        devices: devices.chain([person.device.public()]).collect(),
        previous: Some(ObjectHash([1; 32])),
    };
    let card = Card {
        pseudonym: "\u{20000}".repeat(64).parse().unwrap(),
        expires: Timestamp(u64::MAX),
        roll: Some(u64::MAX),
        ..crate::world::card(&person, &union, &charter)
    };
    let card = Signed::sign(&card, &union.people[0].device).unwrap();
    let bound = LeafBinding {
        leaf_key: KEY,
        place: LeafUse::Group(vec![1; relevo_protocol::limits::MAX_GROUP_ID]),
        serial: u64::MAX,
        not_after: Timestamp(u64::MAX),
    };
    let set = Signed::sign(&set, &person.member).unwrap();
    let credential = LeafCredential::new(card, set, &bound, &person.device).unwrap();
    assert!(LeafCredential::verify(&encode(&credential), &KEY, &[bound.place], &charter).is_ok());
}
