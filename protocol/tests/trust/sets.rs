//! Device sets and coordinator sets: who may speak for a person and for a union.

use relevo_protocol::limits;
use relevo_protocol::secret::Secret;
use relevo_protocol::trust::*;

use crate::world::{Person, Union, cosign};

fn device(seed: u8) -> DeviceKey {
    DeviceSecret::from_seed(&Secret::new([seed; 32])).public()
}

fn devices(person: &Person, change: impl FnOnce(&mut DeviceSet)) -> Result<Verified<DeviceSet>, DeviceSetFault> {
    let mut set = (*person.verified()).clone();
    change(&mut set);
    DeviceSet::verify(&Signed::sign(&set, &person.member).unwrap())
}

#[test]
fn a_device_set_is_signed_by_its_member() {
    let (ana, other) = (Person::new(1), Person::new(2));
    assert_eq!(devices(&ana, |_| ()).unwrap().hash(), ana.devices.hash());
    let fault = devices(&ana, |set| set.member = other.member.public()).map(|_| ());
    assert_eq!(fault, Err(DeviceSetFault::Object(ObjectFault::Signer)));
}

#[test]
fn a_device_set_has_one_to_eight_different_devices() {
    let ana = Person::new(1);
    let with = |devices: Vec<DeviceKey>| self::devices(&ana, |set| set.devices = devices).map(|_| ());
    let most = u8::try_from(limits::MAX_DEVICES).unwrap();
    assert_eq!(with((0..most).map(device).collect()), Ok(()));
    assert_eq!(with((0..=most).map(device).collect()), Err(DeviceSetFault::Devices));
    assert_eq!(with(Vec::new()), Err(DeviceSetFault::Devices));
    assert_eq!(with(vec![device(1), device(1)]), Err(DeviceSetFault::Devices));
}

#[test]
fn a_device_set_follows_the_one_before_it() {
    let (ana, other) = (Person::new(1), Person::new(2));
    let before = ana.verified();
    let next = |number, previous, person: &Person| {
        let set = DeviceSet { member: person.member.public(), number, devices: vec![device(9)], previous };
        DeviceSet::verify_next(&Signed::sign(&set, &person.member).unwrap(), &before).map(|_| ())
    };
    assert_eq!(next(2, Some(before.hash()), &ana), Ok(()));
    assert_eq!(next(3, Some(before.hash()), &ana), Err(DeviceSetFault::Order));
    assert_eq!(next(2, Some(ObjectHash([1; 32])), &ana), Err(DeviceSetFault::Order));
    assert_eq!(next(2, None, &ana), Err(DeviceSetFault::Order));
    assert_eq!(next(1, Some(before.hash()), &ana), Err(DeviceSetFault::Order));
    assert_eq!(next(0, None, &ana), Err(DeviceSetFault::Order));
    assert_eq!(next(2, Some(before.hash()), &other), Err(DeviceSetFault::OtherMember));
}

fn first(union: &Union, change: impl FnOnce(&mut CoordinatorSet)) -> Result<(), SetFault> {
    let mut set = union.set();
    change(&mut set);
    CoordinatorSet::verify_first(&cosign(&set, &union.devices())).map(|_| ())
}

#[test]
fn a_first_set_is_signed_by_all_its_coordinators() {
    let union = Union::of(1, 3);
    assert_eq!(first(&union, |_| ()), Ok(()));
    let two = cosign(&union.set(), &[&union.people[0].device, &union.people[1].device]);
    assert_eq!(CoordinatorSet::verify_first(&two).map(|_| ()), Err(SetFault::TooFew { signed: 2, needed: 3 }));
}

#[test]
fn a_stranger_does_not_sign_a_set() {
    let (union, stranger) = (Union::new(1), Person::new(9));
    let mut secrets = union.devices();
    secrets.push(&stranger.device);
    let signed = cosign(&union.set(), &secrets);
    assert_eq!(CoordinatorSet::verify_first(&signed).map(|_| ()), Err(SetFault::Stranger));
}

#[test]
fn one_forged_signature_spoils_a_set() {
    let union = Union::new(1);
    let draft = Draft::new(&union.set()).unwrap();
    let mut signatures: Vec<CoSignature> = union.devices().into_iter().map(|device| draft.sign(device)).collect();
    signatures[1].signature[0] ^= 1;
    let fault = CoordinatorSet::verify_first(&draft.seal(&signatures).unwrap()).map(|_| ());
    assert_eq!(fault, Err(SetFault::Object(ObjectFault::Signature)));
}

#[test]
fn a_set_has_two_or_more_different_people() {
    let union = Union::new(1);
    assert_eq!(first(&Union::of(1, 1), |_| ()), Err(SetFault::Coordinators));
    let twice = |set: &mut CoordinatorSet| set.coordinators[1] = set.coordinators[0].clone();
    assert_eq!(first(&union, twice), Err(SetFault::Coordinators));
    let tablet = DeviceSet { number: 1, devices: vec![device(77)], ..(*union.people[0].verified()).clone() };
    let tablet = Signed::sign(&tablet, &union.people[0].member).unwrap();
    let same_member = |set: &mut CoordinatorSet| {
        set.coordinators[1] = Coordinator { device_set: tablet, ..set.coordinators[0].clone() };
    };
    assert_eq!(first(&union, same_member), Err(SetFault::Coordinators), "one person with two devices");
    let borrowed = Person::new(1).device.public();
    let shared =
        DeviceSet { member: union.people[1].member.public(), number: 1, devices: vec![borrowed], previous: None };
    let shared = Signed::sign(&shared, &union.people[1].member).unwrap();
    let fault = first(&union, |set| set.coordinators[1].device_set = shared);
    assert_eq!(fault, Err(SetFault::Coordinators), "two people with one device");
}

#[test]
fn a_threshold_is_two_or_more_and_more_than_half() {
    let with = |people, threshold| first(&Union::of(1, people), |set| set.threshold = threshold);
    for (people, threshold) in [(2, 2), (3, 2), (4, 3), (4, 4), (5, 3)] {
        assert_eq!(with(people, threshold), Ok(()), "{threshold} of {people}");
    }
    for (people, threshold) in [(2, 0), (2, 1), (3, 1), (2, 3), (4, 2), (6, 3), (3, 255)] {
        assert_eq!(with(people, threshold), Err(SetFault::Threshold), "{threshold} of {people}");
    }
}

#[test]
fn a_coordinators_devices_are_certified_by_that_coordinator() {
    let union = Union::new(1);
    let other = Person::new(9).devices;
    let fault = first(&union, |set| set.coordinators[0].device_set = other);
    assert_eq!(fault, Err(SetFault::Devices(DeviceSetFault::OtherMember)));
}

#[test]
fn a_term_begins_before_it_ends() {
    let backwards = |set: &mut CoordinatorSet| set.coordinators[0].mandate.until = set.coordinators[0].mandate.from;
    assert_eq!(first(&Union::new(1), backwards), Err(SetFault::Term));
}

#[test]
fn the_first_set_has_number_one_and_nothing_before_it() {
    assert_eq!(first(&Union::new(1), |set| set.number = 2), Err(SetFault::Order));
    assert_eq!(first(&Union::new(1), |set| set.previous = Some(ObjectHash([1; 32]))), Err(SetFault::Order));
}

#[test]
fn the_next_set_is_signed_by_a_threshold_of_the_one_before() {
    let union = Union::of(1, 3);
    let successors = Union { id: union.id, ..Union::of(9, 2) };
    let before = CoordinatorSet::verify_first(&union.signed_set()).unwrap();
    let next = |change: &dyn Fn(&mut CoordinatorSet), secrets: &[&DeviceSecret]| {
        let mut set = CoordinatorSet { number: 2, previous: Some(before.hash()), ..successors.set() };
        change(&mut set);
        CoordinatorSet::verify_next(&cosign(&set, secrets), &before).map(|_| ())
    };
    let old: Vec<&DeviceSecret> = union.devices();
    let new = &successors.people[0].device;
    assert_eq!(next(&|_| (), &old[..2]), Ok(()));
    assert_eq!(next(&|_| (), &[old[0], old[1], new]), Ok(()));
    assert_eq!(next(&|_| (), &[old[0], new]), Err(SetFault::TooFew { signed: 1, needed: 2 }));
    assert_eq!(next(&|_| (), &successors.devices()), Err(SetFault::TooFew { signed: 0, needed: 2 }));
    assert_eq!(next(&|_| (), &[old[0], old[1], &Person::new(77).device]), Err(SetFault::Stranger));
    assert_eq!(next(&|set| set.union = UnionId([5; 16]), &old), Err(SetFault::OtherUnion));
    assert_eq!(next(&|set| set.number = 3, &old), Err(SetFault::Order));
    assert_eq!(next(&|set| set.previous = Some(ObjectHash([5; 32])), &old), Err(SetFault::Order));
}
