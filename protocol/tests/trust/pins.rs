//! Pins, rolls, and the lists that they name.

use relevo_protocol::trust::*;

use crate::world::{NOW, Union, amendment, cosign, devices_of, founded};

fn pinned() -> Pins {
    Pins::of(&founded(&Union::new(1)))
}

fn after(change: impl FnOnce(&mut Pins)) -> Result<(), PinFault> {
    let mut next = pinned();
    change(&mut next);
    pinned().never_decreases(&next)
}

#[test]
fn pins_name_the_charter_its_sets_and_empty_lists() {
    let union = Union::new(1);
    let charter = founded(&union);
    let pins = Pins::of(&charter);
    assert_eq!(pins.charter, Pin { number: 1, hash: charter.hash() });
    assert_eq!(pins.sets[0].pin.hash, union.signed_set().hash());
    assert_eq!(pins.revocations[0].pin, RevocationList::empty(union.id).pin());
    assert_eq!(pins.revocations[0].pin.hash, Draft::new(&RevocationList::empty(union.id)).unwrap().hash());
    assert_eq!(Pins::decode(&pins.encode()), Ok(pins));
}

#[test]
fn pins_stay_or_rise() {
    let raise = |pin: &mut Pin| *pin = Pin { number: pin.number + 1, hash: ObjectHash([9; 32]) };
    assert_eq!(after(|_| ()), Ok(()));
    assert_eq!(after(|pins| raise(&mut pins.charter)), Ok(()));
    assert_eq!(after(|pins| raise(&mut pins.sets[0].pin)), Ok(()));
    assert_eq!(after(|pins| raise(&mut pins.revocations[0].pin)), Ok(()));
    assert_eq!(after(|pins| pins.policy = PolicyVersion(2)), Ok(()));
    assert_eq!(after(|pins| pins.policy = PolicyVersion(0)), Err(PinFault::Decrease));
    assert_eq!(after(|pins| pins.charter.number = 0), Err(PinFault::Decrease));
    assert_eq!(after(|pins| pins.sets[0].pin.number = 0), Err(PinFault::Decrease));
    assert_eq!(after(|pins| pins.charter.hash = ObjectHash([9; 32])), Err(PinFault::Fork));
    assert_eq!(after(|pins| pins.revocations[0].pin.hash = ObjectHash([9; 32])), Err(PinFault::Fork));
}

#[test]
fn a_unions_pins_go_only_with_a_newer_charter() {
    assert_eq!(after(|pins| pins.sets.clear()), Err(PinFault::Decrease));
    assert_eq!(after(|pins| pins.revocations.clear()), Err(PinFault::Decrease));
    let expelled = after(|pins| {
        pins.charter = Pin { number: 2, hash: ObjectHash([9; 32]) };
        pins.sets.clear();
        pins.revocations.clear();
    });
    assert_eq!(expelled, Ok(()));
}

#[test]
fn pins_of_an_amendment_follow_those_before_it() {
    let (one, two) = (Union::new(1), Union::new(11));
    let before = founded(&one);
    let next = cosign(&amendment(&before, &[&one, &two]), &devices_of(&[&one, &two]));
    let next = Pins::of(&Charter::verify_amendment(&next, &before).unwrap());
    assert_eq!(Pins::of(&before).never_decreases(&next), Ok(()));
    assert_eq!(next.never_decreases(&Pins::of(&before)), Err(PinFault::Decrease));
}

#[test]
fn pins_have_one_form() {
    let good = pinned().encode();
    assert_eq!(Pins::decode(&[&[0xb8, good[0] & 0x1f], &good[1..]].concat()), Err(PinFault::Malformed));
    let mut twice = pinned();
    twice.sets.push(twice.sets[0]);
    assert_eq!(Pins::decode(&twice.encode()), Err(PinFault::Malformed));
    let mut twice = pinned();
    twice.revocations.push(twice.revocations[0]);
    assert_eq!(Pins::decode(&twice.encode()), Err(PinFault::Malformed));
}

#[test]
fn a_roll_is_followed_entry_by_entry() {
    let union = UnionId([1; 16]);
    let (first, one) = RollHead::START.append(union, RollKind::Charter, ObjectHash([1; 32]), NOW).unwrap();
    let (second, two) = one.append(union, RollKind::Card, ObjectHash([2; 32]), NOW).unwrap();
    assert_eq!(two.position, 2);
    assert_eq!(RollHead::START.verify(union, &first), Ok(one));
    assert_eq!(one.verify(union, &second), Ok(two));
    assert_eq!(RollHead::START.verify(union, &second), Err(RollFault::Order));
    assert_eq!(one.verify(union, &first), Err(RollFault::Order));
    assert_eq!(one.verify(UnionId([2; 16]), &second), Err(RollFault::OtherUnion));
    let altered = RollEntry { object: ObjectHash([3; 32]), ..first };
    assert_ne!(RollHead::START.verify(union, &altered), Ok(one));
    let full = RollHead { position: u64::MAX, ..one };
    assert_eq!(full.append(union, RollKind::Card, ObjectHash([2; 32]), NOW), Err(RollFault::Full));
}
