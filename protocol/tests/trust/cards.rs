//! Cards, and the proof that carries one to a stranger.

use relevo_protocol::limits;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::*;

use crate::world::{LATER, NOW, Person, Union, admitted, amendment, card, cosign, devices_of, first_charter, founded};

/// An alliance of two unions, a member of the first, and what a change to their card makes of it.
fn changed(
    change: impl FnOnce(&mut Card),
    signer: impl FnOnce(&Union, &Union) -> DeviceSecret,
) -> Result<(), CardFault> {
    let (one, two) = (Union::new(1), Union::new(11));
    let charter = Charter::verify_first(&cosign(&first_charter(&[&one, &two]), &devices_of(&[&one, &two]))).unwrap();
    let mut card = card(&Person::new(9), &one, &charter);
    change(&mut card);
    Card::verify(&Signed::sign(&card, &signer(&one, &two)).unwrap(), &charter).map(|_| ())
}

fn secret(person: &Person) -> DeviceSecret {
    DeviceSecret::from_seed(&person.device.seed())
}

fn issued(change: impl FnOnce(&mut Card)) -> Result<(), CardFault> {
    changed(change, |one, _| secret(&one.people[1]))
}

#[test]
fn any_coordinator_of_the_union_issues_cards() {
    assert_eq!(issued(|_| ()), Ok(()));
    assert_eq!(changed(|_| (), |one, _| secret(&one.people[0])), Ok(()));
}

#[test]
fn nobody_else_issues_cards() {
    assert_eq!(changed(|_| (), |_, two| secret(&two.people[0])), Err(CardFault::NotCoordinator));
    assert_eq!(changed(|_| (), |_, _| secret(&Person::new(9))), Err(CardFault::NotCoordinator), "nor its own member");
    let member_key = |one: &Union, _: &Union| DeviceSecret::from_seed(&one.people[0].member.seed());
    assert_eq!(changed(|_| (), member_key), Err(CardFault::NotCoordinator), "nor a coordinator's member key");
}

#[test]
fn a_card_belongs_to_one_alliance_and_union() {
    let other = AllianceId(ObjectHash([1; 32]));
    assert_eq!(issued(|card| card.alliance = other), Err(CardFault::OtherAlliance));
    assert_eq!(issued(|card| card.union = UnionId([7; 16])), Err(CardFault::UnknownUnion));
    assert_eq!(issued(|card| card.union = UnionId([11; 16])), Err(CardFault::OtherSet));
}

#[test]
fn a_card_names_the_set_of_the_charter() {
    assert_eq!(issued(|card| card.set.number = 2), Err(CardFault::OtherSet));
    assert_eq!(issued(|card| card.set.hash = ObjectHash([1; 32])), Err(CardFault::OtherSet));
}

#[test]
fn a_card_is_issued_within_the_mandate() {
    let at = |time: u64| {
        issued(|card| {
            card.issued = Timestamp(time);
            card.expires = LATER.plus_seconds(86_400);
        })
    };
    assert_eq!(at(1_700_000_000), Ok(()));
    assert_eq!(at(1_700_000_000 - 1), Err(CardFault::NoMandate));
    assert_eq!(at(LATER.0 - 1), Ok(()));
    assert_eq!(at(LATER.0), Err(CardFault::NoMandate));
}

#[test]
fn a_card_ends_after_it_begins_and_its_end_is_no_part_of_validity() {
    assert_eq!(issued(|card| card.expires = card.issued), Err(CardFault::Term));
    let union = Union::new(1);
    let charter = founded(&union);
    let card = Card::verify(&admitted(&Person::new(9), &union, &charter), &charter).unwrap();
    assert!(!card.is_expired(NOW));
    assert!(!card.is_expired(Timestamp(card.expires.0 - 1)));
    assert!(card.is_expired(card.expires));
}

#[test]
fn a_card_of_an_earlier_version_counts_under_a_later_one() {
    let (one, two) = (Union::new(1), Union::new(11));
    let before = founded(&one);
    let card = admitted(&Person::new(9), &one, &before);
    let after = cosign(&amendment(&before, &[&one, &two]), &devices_of(&[&one, &two]));
    let after = Charter::verify_amendment(&after, &before).unwrap();
    assert_eq!(Card::verify(&card, &after).unwrap().hash(), Card::verify(&card, &before).unwrap().hash());
}

#[test]
fn a_card_altered_after_signing_is_refused() {
    let union = Union::new(1);
    let charter = founded(&union);
    let good = admitted(&Person::new(9), &union, &charter);
    let mut bytes = good.bytes().to_vec();
    let at = bytes.windows(5).position(|window| window == b"Pedro").unwrap();
    bytes[at] = b'T';
    let fault = Card::verify(&Signed::decode(&bytes).unwrap(), &charter).map(|_| ());
    assert_eq!(fault, Err(CardFault::Object(ObjectFault::Signature)));
}

fn proof(person: &Person, union: &Union) -> (Proof, AllianceId) {
    let charter = founded(union);
    let first = cosign(&first_charter(&[union]), &union.devices());
    let card = admitted(person, union, &charter);
    (Proof { charters: vec![first], card, device_set: person.devices.clone() }, charter.alliance())
}

#[test]
fn a_proof_shows_a_member_to_who_knows_only_the_alliance() {
    let person = Person::new(9);
    let (proof, alliance) = proof(&person, &Union::new(1));
    let proven = Proof::decode(&proof.encode()).unwrap().verify(alliance).unwrap();
    assert_eq!(proven.card.member, person.member.public());
    assert!(proven.devices.holds(&person.device.public()));
    assert_eq!(proof.verify_under(&proven.charter).unwrap().card.hash(), proven.card.hash());
}

#[test]
fn a_proof_of_another_alliance_or_of_mixed_people_is_refused() {
    let (good, alliance) = proof(&Person::new(9), &Union::new(1));
    let (other, elsewhere) = proof(&Person::new(10), &Union::new(11));
    let fault = |proof: &Proof, alliance| proof.verify(alliance).map(|_| ());
    assert_eq!(fault(&good, elsewhere), Err(ProofFault::Charter(CharterFault::OtherAlliance)));
    let mixed = Proof { card: other.card.clone(), ..good.clone() };
    assert_eq!(fault(&mixed, alliance), Err(ProofFault::Card(CardFault::OtherAlliance)));
    let mixed = Proof { device_set: other.device_set.clone(), ..good.clone() };
    assert_eq!(fault(&mixed, alliance), Err(ProofFault::OtherMember));
    let of = |count| Proof { charters: vec![good.charters[0].clone(); count], ..good.clone() };
    assert_eq!(fault(&of(limits::MAX_CHARTERS), alliance), Err(ProofFault::Charter(CharterFault::OtherAlliance)));
    assert_eq!(fault(&of(limits::MAX_CHARTERS + 1), alliance), Err(ProofFault::Malformed));
    let longest = limits::MAX_PROOF / (good.charters[0].bytes().len() + 3);
    assert!(Proof::decode(&of(longest - 1).encode()).is_ok());
    assert_eq!(Proof::decode(&of(longest + 1).encode()).err(), Some(ProofFault::Malformed));
    let none = Proof { charters: Vec::new(), ..good.clone() };
    assert_eq!(fault(&none, alliance), Err(ProofFault::Charter(CharterFault::Order)));
}
