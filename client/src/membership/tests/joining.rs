use relevo_protocol::content::Endorsement;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{Card, Scope, Signed, Vouch, VouchFault};
use relevo_protocol::wire::{Answer, Refusal};

use super::{admit, allied, founded, invite, join, join_request, newcomer, vouch};
use crate::inbox::Holder;
use crate::membership::town::Town;
use crate::membership::{
    self, ErrandState, MembershipFault, charter, errand, identity, joining, request, requests, roll,
};

fn errand(town: &mut Town, name: &str) -> ErrandState {
    town.act(name, |tx, _| membership::errands(tx)).unwrap()[0].state.clone()
}

fn failed(code: &str) -> ErrandState {
    ErrandState::Failed { code: code.to_owned() }
}

#[test]
fn a_newcomer_with_two_vouches_gets_a_card_and_first_contacts() {
    let mut town = founded();
    newcomer(&mut town, "Elena");
    let elena = town.act("Elena", |tx, _| membership::about_me(tx)).unwrap();
    assert_eq!(elena.union.map(|(_, name)| name).as_deref(), Some("Local 6500"));
    assert!(!elena.is_coordinator);
    assert_eq!(errand(&mut town, "Elena"), ErrandState::Done);
    assert_eq!(town.contacts("Elena"), ["Ana", "Bruno"]);
    assert_eq!(town.contacts("Ana"), ["Bruno", "Elena"]);
    assert_eq!(town.contacts("Bruno"), ["Ana", "Elena"]);
    for name in ["Ana", "Bruno", "Elena"] {
        assert_eq!(town.warnings(name), Vec::<&str>::new(), "{name}");
        assert!(town.act(name, |tx, _| requests(tx)).unwrap().is_empty(), "{name}");
    }
    let card = town.act("Elena", |tx, _| identity::my_card(tx)).unwrap().unwrap().hash();
    for name in ["Ana", "Bruno"] {
        assert!(town.act(name, |tx, _| Ok::<_, MembershipFault>(roll::holds(tx, &card))).unwrap(), "{name}");
    }
}

#[test]
fn a_member_invites_and_the_second_whom_the_newcomer_names_vouches() {
    let mut town = founded();
    newcomer(&mut town, "Elena");
    newcomer(&mut town, "Fatima");
    // Elena knows Fatima by a code.
    let code = town.act_and_settle("Fatima", membership::contact_code);
    town.act_and_settle("Elena", |tx, now| membership::add_code(tx, &code, now));
    town.arrive("Goran");
    let link = invite(&mut town, "Elena");
    join(&mut town, "Goran", &link, Some("Fatima"));
    vouch(&mut town, "Elena");
    assert!(town.act("Ana", |tx, _| requests(tx)).unwrap().is_empty(), "coordinators come last");
    vouch(&mut town, "Fatima");
    admit(&mut town, "Ana");
    assert!(town.act("Goran", |tx, _| membership::about_me(tx)).unwrap().card_expires.is_some());
    assert_eq!(town.contacts("Goran"), ["Ana", "Bruno", "Elena", "Fatima"]);
    for name in ["Ana", "Bruno", "Elena", "Fatima"] {
        assert!(town.contacts(name).contains(&"Goran".to_owned()), "{name}");
        assert_eq!(town.warnings(name), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn a_coordinator_asks_another_member_to_vouch() {
    let mut town = founded();
    newcomer(&mut town, "Elena");
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    join(&mut town, "Goran", &link, None);
    vouch(&mut town, "Ana");
    let number = join_request(&mut town, "Ana");
    town.act_and_settle("Ana", |tx, now| membership::ask(tx, number, "Elena", now));
    vouch(&mut town, "Elena");
    admit(&mut town, "Ana");
    assert!(town.contacts("Goran").contains(&"Elena".to_owned()));
}

#[test]
fn one_vouch_is_not_enough_even_if_given_twice() {
    let mut town = founded();
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    join(&mut town, "Goran", &link, None);
    vouch(&mut town, "Ana");
    let number = join_request(&mut town, "Ana");
    let once = town.act("Ana", |tx, now| membership::admit(tx, number, now));
    assert!(matches!(once, Err(MembershipFault::Vouch(VouchFault::TooFew { given: 1, needed: 2 }))), "{once:?}");
    let again = town.act("Ana", |tx, now| membership::vouch(tx, number, now));
    assert!(matches!(again, Err(MembershipFault::AlreadyVouched)));
    // A client that is not ours may still write two vouches of one voucher.
    town.act("Ana", |tx, now| {
        let id = request::join(tx, number)?;
        let mut row = joining::load(tx, &id)?.ok_or(MembershipFault::NoSuchRequest)?;
        let second = endorse(tx, &row, Timestamp(now.0 + 1))?;
        row.endorsements.push(second);
        joining::save(tx, &row)
    })
    .unwrap();
    let twice = town.act("Ana", |tx, now| membership::admit(tx, number, now));
    assert!(matches!(twice, Err(MembershipFault::Vouch(VouchFault::TooFew { given: 1, needed: 2 }))), "{twice:?}");
}

fn endorse(
    tx: &crate::vault::Transaction<'_>,
    row: &joining::CandidateRow,
    issued: Timestamp,
) -> Result<Endorsement, MembershipFault> {
    let (me, card) = (identity::me(tx)?, identity::need_card(tx)?);
    let vouch = Vouch {
        alliance: card.alliance,
        newcomer: row.member,
        union: row.union,
        scope: Scope::Union,
        voucher: me.member,
        voucher_card: card.hash(),
        issued,
        expires: issued.plus_seconds(3600),
    };
    let voucher = identity::my_contact_card(tx, &Holder::Member(row.member), issued)?;
    Ok(Endorsement { vouch: Signed::sign(&vouch, &me.device)?, voucher })
}

/// Ana has Goran's request, with her own vouch, and a second one that `forge` makes.
fn with_second(forge: impl FnOnce(&mut Town, &joining::CandidateRow) -> Endorsement) -> Result<(), MembershipFault> {
    let mut town = allied();
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    join(&mut town, "Goran", &link, None);
    vouch(&mut town, "Ana");
    let number = join_request(&mut town, "Ana");
    let load = |town: &mut Town| {
        town.act("Ana", |tx, _| {
            let id = request::join(tx, number)?;
            joining::load(tx, &id)?.ok_or(MembershipFault::NoSuchRequest)
        })
        .unwrap()
    };
    let mut row = load(&mut town);
    let forged = forge(&mut town, &row);
    row.endorsements.push(forged);
    town.act("Ana", |tx, _| joining::save(tx, &row)).unwrap();
    town.act("Ana", |tx, now| membership::admit(tx, number, now))
}

#[test]
fn a_vouch_by_the_newcomer_counts_for_nothing() {
    let refused = with_second(|town, row| {
        town.act("Goran", |tx, now| {
            let me = identity::me(tx)?;
            let vouch = Vouch {
                alliance: charter::need(tx)?.alliance(),
                newcomer: row.member,
                union: row.union,
                scope: Scope::Union,
                voucher: me.member,
                voucher_card: charter::need(tx)?.hash(),
                issued: now,
                expires: now.plus_seconds(3600),
            };
            let voucher = identity::my_contact_card(tx, &Holder::Member(row.member), now)?;
            Ok::<_, MembershipFault>(Endorsement { vouch: Signed::sign(&vouch, &me.device)?, voucher })
        })
        .unwrap()
    });
    assert!(matches!(refused, Err(MembershipFault::Voucher)), "{refused:?}");
}

#[test]
fn a_member_of_another_union_cannot_vouch() {
    let refused = with_second(|town, row| town.act("Carla", |tx, now| endorse(tx, row, now)).unwrap());
    assert!(matches!(refused, Err(MembershipFault::Voucher)), "{refused:?}");
}

#[test]
fn a_vouch_that_has_expired_counts_for_nothing() {
    let refused =
        with_second(|town, row| town.act("Bruno", |tx, now| endorse(tx, row, Timestamp(now.0 - 7200))).unwrap());
    assert!(matches!(refused, Err(MembershipFault::Vouch(VouchFault::Expired))), "{refused:?}");
}

#[test]
fn a_card_that_a_member_forges_for_itself_is_not_believed() {
    let mut town = founded();
    newcomer(&mut town, "Elena");
    // Elena signs a card that names her coordinator's set, with her own device.
    let forged = town
        .act("Elena", |tx, now| {
            let (me, mine) = (identity::me(tx)?, identity::need_card(tx)?);
            let card = Card {
                pseudonym: "Ana".parse().unwrap(),
                expires: now.plus_seconds(u64::from(u32::MAX)),
                ..(*mine).clone()
            };
            Ok::<_, MembershipFault>(Signed::sign(&card, &me.device)?)
        })
        .unwrap();
    let charter = town.act("Ana", |tx, _| charter::need(tx)).unwrap();
    assert!(Card::verify(&forged, &charter).is_err());
}

#[test]
fn a_link_that_was_used_or_withdrawn_says_so() {
    let mut town = founded();
    town.arrive("Goran");
    town.arrive("Hilda");
    let link = invite(&mut town, "Ana");
    join(&mut town, "Goran", &link, None);
    join(&mut town, "Hilda", &link, None);
    assert_eq!(errand(&mut town, "Hilda"), failed("code-used"));
    assert_eq!(errand(&mut town, "Goran"), ErrandState::Asked);
}

#[test]
fn an_answer_that_says_nothing_of_a_link_does_not_say_that_it_was_used() {
    let mut town = founded();
    town.arrive("Goran");
    town.people.get_mut("Goran").unwrap().online = false;
    let link = invite(&mut town, "Ana");
    for nothing in [Ok(&Answer::Done), Err(Refusal::UnknownKind)] {
        join(&mut town, "Goran", &link, None);
        let mailbox = town.act("Goran", |tx, _| membership::errands(tx)).unwrap()[0].mailbox;
        town.act("Goran", |tx, now| errand::answered(tx, &mailbox, nothing, now)).unwrap();
        assert_eq!(errand(&mut town, "Goran"), failed("code-refused"));
    }
    // Followed once more, it is read.
    join(&mut town, "Goran", &link, None);
    town.people.get_mut("Goran").unwrap().online = true;
    town.settle();
    assert_eq!(errand(&mut town, "Goran"), ErrandState::Asked);
}

#[test]
fn two_who_read_a_link_at_the_same_time_are_one_request() {
    let mut town = founded();
    town.arrive("Goran");
    town.arrive("Hilda");
    let link = invite(&mut town, "Ana");
    town.people.get_mut("Ana").unwrap().online = false;
    join(&mut town, "Goran", &link, None);
    join(&mut town, "Hilda", &link, None);
    town.people.get_mut("Ana").unwrap().online = true;
    town.settle();
    join_request(&mut town, "Ana");
    assert_eq!(town.warnings("Ana"), ["link-used-twice"], "one of the two was not meant to have it");
}

#[test]
fn a_link_that_has_expired_says_so() {
    let mut town = founded();
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    // Followed in time, and read when it is over.
    town.people.get_mut("Goran").unwrap().online = false;
    join(&mut town, "Goran", &link, None);
    town.now = town.now.plus_seconds(25 * 3600);
    town.people.get_mut("Goran").unwrap().online = true;
    town.settle();
    assert_eq!(errand(&mut town, "Goran"), failed("code-expired"));
    // Without any relay too, and after Ana's device has taken it away.
    for ana_looks in [false, true] {
        if ana_looks {
            town.act_and_settle("Ana", membership::tend);
        }
        let refused = town.act("Goran", |tx, now| membership::join(tx, &link, None, Default::default(), now));
        assert!(matches!(refused, Err(MembershipFault::LinkExpired)), "{refused:?}");
    }
}

#[test]
fn a_link_that_expires_before_its_relay_answers_is_given_up() {
    let mut town = founded();
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    let relay = town.relays.remove(&[1; 32]).unwrap();
    join(&mut town, "Goran", &link, None);
    town.now = town.now.plus_seconds(25 * 3600);
    town.act_and_settle("Goran", membership::tend);
    assert_eq!(errand(&mut town, "Goran"), failed("code-expired"));
    town.relays.insert([1; 32], relay);
    town.settle();
    assert!(town.act("Ana", |tx, _| requests(tx)).unwrap().is_empty(), "nothing was asked after that");
}

#[test]
fn who_answers_a_link_when_it_is_over_is_not_let_in_and_the_inviter_hears_of_it() {
    let mut town = founded();
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    town.people.get_mut("Ana").unwrap().online = false;
    join(&mut town, "Goran", &link, None);
    assert_eq!(errand(&mut town, "Goran"), ErrandState::Asked);
    town.now = town.now.plus_seconds(25 * 3600);
    town.people.get_mut("Ana").unwrap().online = true;
    town.settle();
    assert!(town.act("Ana", |tx, _| requests(tx)).unwrap().is_empty());
    assert_eq!(town.warnings("Ana"), ["link-expired"]);
    // A new link goes on from there.
    let link = invite(&mut town, "Ana");
    join(&mut town, "Goran", &link, None);
    vouch(&mut town, "Ana");
    vouch(&mut town, "Bruno");
    admit(&mut town, "Bruno");
    assert!(town.act("Goran", |tx, _| membership::about_me(tx)).unwrap().card_expires.is_some());
    let states = town.act("Goran", |tx, _| membership::errands(tx)).unwrap();
    assert!(states.iter().all(|errand| errand.state == ErrandState::Done), "{states:?}");
}

#[test]
fn another_link_takes_the_place_of_one_whose_relay_never_answers() {
    let mut town = founded();
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    let wrong = relevo_protocol::content::CodeLink::new(
        relevo_protocol::content::CodeKind::Member,
        &Town::dead_relay(9),
        &relevo_protocol::sealed::CodeSecret::random().unwrap(),
        town.now.plus_seconds(3600),
    );
    join(&mut town, "Goran", &wrong.to_text(), None);
    assert_eq!(errand(&mut town, "Goran"), ErrandState::Reading);
    join(&mut town, "Goran", &link, None);
    assert_eq!(errand(&mut town, "Goran"), ErrandState::Asked, "the only one");
    let waits = town.act("Goran", |tx, _| crate::vault::relays::in_use(tx)).unwrap();
    assert_eq!(waits.len(), 1, "nothing waits for the relay that never answers");
    join_request(&mut town, "Ana");
}

#[test]
fn a_damaged_or_wrong_link_says_so_at_once() {
    let mut town = founded();
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    let damaged = link[..link.len() - 3].to_owned();
    let refused = town.act("Goran", |tx, now| membership::join(tx, &damaged, None, Default::default(), now));
    assert!(matches!(refused, Err(MembershipFault::Link(_))));
    let contact = town.act_and_settle("Ana", membership::contact_code);
    let refused = town.act("Goran", |tx, now| membership::join(tx, &contact, None, Default::default(), now));
    assert!(matches!(refused, Err(MembershipFault::WrongLink)));
    let refused = town.act("Ana", |tx, now| membership::join(tx, &link, None, Default::default(), now));
    assert!(matches!(refused, Err(MembershipFault::AlreadyIn)));
}

#[test]
fn a_member_who_is_no_coordinator_admits_nobody() {
    let mut town = founded();
    newcomer(&mut town, "Elena");
    town.arrive("Goran");
    let link = invite(&mut town, "Elena");
    join(&mut town, "Goran", &link, None);
    let number = join_request(&mut town, "Elena");
    let refused = town.act("Elena", |tx, now| membership::admit(tx, number, now));
    assert!(matches!(refused, Err(MembershipFault::NotCoordinator)));
}

#[test]
fn refusing_a_newcomer_is_silent() {
    let mut town = founded();
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    join(&mut town, "Goran", &link, None);
    let number = join_request(&mut town, "Ana");
    let before = town.people["Goran"].entries.len();
    town.act_and_settle("Ana", |tx, _| membership::refuse(tx, number));
    assert_eq!(town.people["Goran"].entries.len(), before);
    assert_eq!(errand(&mut town, "Goran"), ErrandState::Asked);
    assert!(town.act("Ana", |tx, _| requests(tx)).unwrap().is_empty());
}
