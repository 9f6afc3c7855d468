//! Founding and amending an alliance.

use relevo_protocol::limits;
use relevo_protocol::trust::*;

use crate::world::{Person, Union, amendment, cosign, devices_of, first_charter, founded, relay};

fn first(union: &Union, change: impl FnOnce(&mut Charter)) -> Result<(), CharterFault> {
    let mut charter = first_charter(&[union]);
    change(&mut charter);
    Charter::verify_first(&cosign(&charter, &union.devices())).map(|_| ())
}

#[test]
fn a_founding_charter_is_signed_by_all_coordinators() {
    let union = Union::of(1, 3);
    assert_eq!(first(&union, |_| ()), Ok(()));
    let charter = first_charter(&[&union]);
    let two = cosign(&charter, &union.devices()[..2]);
    assert_eq!(Charter::verify_first(&two).map(|_| ()), Err(CharterFault::NewUnion { signed: 2, needed: 3 }));
    let stranger = Person::new(99);
    let more = cosign(&charter, &[union.devices(), vec![&stranger.device]].concat());
    assert_eq!(Charter::verify_first(&more).map(|_| ()), Err(CharterFault::Stranger));
}

#[test]
fn the_alliance_is_named_by_its_first_charter() {
    let (one, two) = (Union::new(1), Union::new(11));
    let before = founded(&one);
    assert_eq!(before.alliance(), AllianceId(before.hash()));
    let after = cosign(&amendment(&before, &[&one, &two]), &devices_of(&[&one, &two]));
    let after = Charter::verify_amendment(&after, &before).unwrap();
    assert_eq!(after.alliance(), before.alliance());
    assert_ne!(after.hash(), before.hash());
}

#[test]
fn a_founding_charter_follows_nothing() {
    let union = Union::new(1);
    assert_eq!(first(&union, |charter| charter.version = 2), Err(CharterFault::Order));
    assert_eq!(first(&union, |charter| charter.previous = Some(ObjectHash([1; 32]))), Err(CharterFault::Order));
    let named = |charter: &mut Charter| charter.alliance = Some(AllianceId(ObjectHash([1; 32])));
    assert_eq!(first(&union, named), Err(CharterFault::Order));
}

#[test]
fn a_charter_has_unions_in_order_and_nobody_in_two_of_them() {
    let (one, two) = (Union::new(1), Union::new(11));
    let both =
        |unions: &[&Union]| Charter::verify_first(&cosign(&first_charter(unions), &devices_of(unions))).map(|_| ());
    assert_eq!(both(&[&one, &two]), Ok(()));
    assert_eq!(both(&[&two, &one]), Err(CharterFault::Unions));
    assert_eq!(both(&[&one, &one]), Err(CharterFault::Unions));
    let same_people = Union { id: UnionId([50; 16]), ..Union::new(1) };
    assert_eq!(both(&[&one, &same_people]), Err(CharterFault::Unions));
    assert_eq!(first(&one, |charter| charter.unions.clear()), Err(CharterFault::Unions));
    for (member, device) in [(1, 99), (99, 1)] {
        // The same member key with another device, then the same device under another member key.
        let person = Person::with(member, device);
        let entangled = Union { id: UnionId([50; 16]), people: vec![person, Person::new(60)] };
        assert_eq!(both(&[&one, &entangled]), Err(CharterFault::Unions));
    }
}

#[test]
fn a_union_entry_holds_its_own_set() {
    let (one, two) = (Union::new(1), Union::new(11));
    let fault = first(&one, |charter| charter.unions[0].id = UnionId([9; 16]));
    assert_eq!(fault, Err(CharterFault::Set(SetFault::OtherUnion)));
    let unsigned = cosign(&one.set(), &two.devices());
    assert_eq!(
        first(&one, |charter| charter.unions[0].first_set = unsigned),
        Err(CharterFault::Set(SetFault::Stranger))
    );
}

#[test]
fn a_charter_asks_for_vouches_that_a_card_can_hold_and_few_relays() {
    let union = Union::new(1);
    let most = u8::try_from(limits::MAX_VOUCHES).unwrap();
    let with = |vouches| first(&union, |charter| charter.unions[0].vouches_needed = vouches);
    assert_eq!((with(1), with(most)), (Ok(()), Ok(())));
    let relays = |count| first(&union, |charter| charter.unions[0].relays = (0..count).map(|_| relay()).collect());
    assert_eq!(relays(limits::MAX_UNION_RELAYS), Ok(()));
    assert_eq!(relays(limits::MAX_UNION_RELAYS + 1), Err(CharterFault::Numbers));
    assert_eq!((with(0), with(most + 1)), (Err(CharterFault::Numbers), Err(CharterFault::Numbers)));
}

#[test]
fn the_second_union_joins_by_the_word_of_both() {
    let (one, two) = (Union::new(1), Union::new(11));
    let before = founded(&one);
    let charter = amendment(&before, &[&one, &two]);
    let signed_by =
        |secrets: &[&DeviceSecret]| Charter::verify_amendment(&cosign(&charter, secrets), &before).map(|_| ());
    let all = devices_of(&[&one, &two]);
    assert_eq!(signed_by(&all), Ok(()));
    assert_eq!(signed_by(&all[..3]), Err(CharterFault::NewUnion { signed: 1, needed: 2 }));
    assert_eq!(signed_by(&all[..2]), Err(CharterFault::NewUnion { signed: 0, needed: 2 }));
    assert_eq!(signed_by(&all[1..]), Err(CharterFault::TooFew { agreed: 0, needed: 1 }));
    assert_eq!(signed_by(&[all[0], all[1], all[2], all[3], &Person::new(99).device]), Err(CharterFault::Stranger));
}

#[test]
fn neither_of_two_unions_can_change_the_charter_alone() {
    let (one, two) = (Union::new(1), Union::new(11));
    let first = founded(&one);
    let before = cosign(&amendment(&first, &[&one, &two]), &devices_of(&[&one, &two]));
    let before = Charter::verify_amendment(&before, &first).unwrap();
    let charter = Charter { name: "Another".parse().unwrap(), ..amendment(&before, &[&one, &two]) };
    let try_with = |charter: &Charter, secrets: &[&DeviceSecret]| {
        Charter::verify_amendment(&cosign(charter, secrets), &before).map(|_| ())
    };
    assert_eq!(try_with(&charter, &devices_of(&[&one, &two])), Ok(()));
    assert_eq!(try_with(&charter, &one.devices()), Err(CharterFault::TooFew { agreed: 1, needed: 2 }));
    assert_eq!(try_with(&charter, &two.devices()), Err(CharterFault::TooFew { agreed: 1, needed: 2 }));
    let expelled = amendment(&before, &[&one]);
    assert_eq!(try_with(&expelled, &one.devices()), Err(CharterFault::TooFew { agreed: 1, needed: 2 }));
    let voted_out = devices_of(&[&one, &two]);
    assert_eq!(
        try_with(&expelled, &voted_out),
        Err(CharterFault::TooFew { agreed: 1, needed: 2 }),
        "nor expel by force"
    );
}

#[test]
fn more_than_two_thirds_of_the_unions_amend() {
    let unions = [Union::new(1), Union::new(11), Union::new(21)];
    let [a, b, c] = &unions;
    let before = cosign(&first_charter(&[a, b, c]), &devices_of(&[a, b, c]));
    let before = Charter::verify_first(&before).unwrap();
    let try_with = |unions: &[&Union], signers: &[&Union]| {
        let charter = Charter { name: "Another".parse().unwrap(), ..amendment(&before, unions) };
        Charter::verify_amendment(&cosign(&charter, &devices_of(signers)), &before).map(|_| ())
    };
    assert_eq!(try_with(&[a, b, c], &[a, b, c]), Ok(()));
    assert_eq!(try_with(&[a, b, c], &[a, b]), Err(CharterFault::TooFew { agreed: 2, needed: 3 }));
    assert_eq!(try_with(&[a, b], &[a, b]), Ok(()), "two others expel the third, which has no vote");
    assert_eq!(try_with(&[a, b], &[a]), Err(CharterFault::TooFew { agreed: 1, needed: 2 }));
    assert_eq!(try_with(&[a, b], &[a, c]), Err(CharterFault::TooFew { agreed: 1, needed: 2 }));
}

#[test]
fn a_few_unions_cannot_agree_that_the_rest_go() {
    let unions = [Union::new(1), Union::new(11), Union::new(21), Union::new(31), Union::new(41)];
    let [a, b, c, d, e] = &unions;
    let everybody = [a, b, c, d, e];
    let before = cosign(&first_charter(&everybody), &devices_of(&everybody));
    let before = Charter::verify_first(&before).unwrap();
    let stay = |unions: &[&Union]| {
        let charter = amendment(&before, unions);
        Charter::verify_amendment(&cosign(&charter, &devices_of(unions)), &before).map(|_| ())
    };
    assert_eq!(stay(&[a, b]), Err(CharterFault::TooFew { agreed: 2, needed: 3 }));
    assert_eq!(stay(&[a, b, c]), Ok(()));
    assert_eq!(stay(&[a, b, c, d]), Ok(()));
}

#[test]
fn an_amendment_leaves_a_unions_coordinators_alone() {
    let union = Union::new(1);
    let before = founded(&union);
    let others = Union { id: union.id, ..Union::new(11) };
    let charter = cosign(&amendment(&before, &[&others]), &devices_of(&[&union, &others]));
    assert_eq!(Charter::verify_amendment(&charter, &before).map(|_| ()), Err(CharterFault::SetChanged));
}

#[test]
fn an_amendment_follows_the_known_version_of_the_same_alliance() {
    let union = Union::new(1);
    let before = founded(&union);
    let with = |change: &dyn Fn(&mut Charter)| {
        let mut charter = amendment(&before, &[&union]);
        change(&mut charter);
        Charter::verify_amendment(&cosign(&charter, &union.devices()), &before).map(|_| ())
    };
    assert_eq!(with(&|_| ()), Ok(()));
    assert_eq!(with(&|charter| charter.version = 1), Err(CharterFault::Order));
    assert_eq!(with(&|charter| charter.version = 3), Err(CharterFault::Order));
    assert_eq!(with(&|charter| charter.previous = Some(ObjectHash([1; 32]))), Err(CharterFault::Order));
    assert_eq!(with(&|charter| charter.alliance = None), Err(CharterFault::OtherAlliance));
    let other = AllianceId(ObjectHash([1; 32]));
    assert_eq!(with(&|charter| charter.alliance = Some(other)), Err(CharterFault::OtherAlliance));
}

#[test]
fn two_charters_with_one_number_are_evidence() {
    let union = Union::new(1);
    let before = founded(&union);
    let sign = |name: &str| {
        let charter = Charter { name: name.parse().unwrap(), ..amendment(&before, &[&union]) };
        Charter::verify_amendment(&cosign(&charter, &union.devices()), &before).unwrap()
    };
    let (one, two) = (sign("One"), sign("Two"));
    let fork = one.fork(&two).unwrap();
    assert_eq!(fork.version, 2);
    assert_eq!(two.fork(&one), Some(fork), "the same evidence from both sides");
    assert_eq!(one.fork(&one.clone()), None);
    assert_eq!(one.fork(&before), None);
    assert_eq!(founded(&Union::new(11)).fork(&before), None, "another alliance is no fork");
}

#[test]
fn a_chain_is_followed_from_the_alliances_id() {
    let (one, two) = (Union::new(1), Union::new(11));
    let before = founded(&one);
    let first = cosign(&first_charter(&[&one]), &one.devices());
    let second = cosign(&amendment(&before, &[&one, &two]), &devices_of(&[&one, &two]));
    let follow = |chain: &[&MultiSigned<Charter>], alliance| {
        let chain: Vec<MultiSigned<Charter>> = chain.iter().map(|charter| (*charter).clone()).collect();
        Charter::verify_chain(&chain, alliance).map(|charter| charter.version)
    };
    assert_eq!(follow(&[&first, &second], before.alliance()), Ok(2));
    assert_eq!(follow(&[&first], before.alliance()), Ok(1));
    assert_eq!(follow(&[], before.alliance()), Err(CharterFault::Order));
    assert_eq!(follow(&[&second], before.alliance()), Err(CharterFault::OtherAlliance));
    assert_eq!(follow(&[&first, &first], before.alliance()), Err(CharterFault::OtherAlliance));
    assert_eq!(follow(&[&first, &second, &second], before.alliance()), Err(CharterFault::Order));
    let other = founded(&two).alliance();
    assert_eq!(follow(&[&first, &second], other), Err(CharterFault::OtherAlliance));
}
