use super::{allied, founded, join, second_union_asks};
use crate::membership::request::RequestKind;
use crate::membership::town::Town;
use crate::membership::{self, ErrandState, MembershipFault, errands, requests};

#[test]
fn two_founders_hold_one_charter_and_have_cards() {
    let mut town = founded();
    let ana = town.act("Ana", |tx, _| membership::about_me(tx)).unwrap();
    let bruno = town.act("Bruno", |tx, _| membership::about_me(tx)).unwrap();
    assert!(ana.alliance.is_some());
    assert_eq!(ana.alliance, bruno.alliance);
    assert!(ana.is_coordinator && bruno.is_coordinator);
    assert_eq!((ana.union.clone(), ana.alliance_name.as_deref()), (bruno.union, Some("Mine to mine")));
    assert!(ana.card_expires.is_some() && bruno.card_expires.is_some());
    assert_eq!(town.contacts("Ana"), ["Bruno"]);
    assert_eq!(town.contacts("Bruno"), ["Ana"]);
    for name in ["Ana", "Bruno"] {
        assert_eq!(town.warnings(name), Vec::<&str>::new());
        assert!(town.act(name, |tx, _| requests(tx)).unwrap().is_empty());
        let contacts = town.act(name, |tx, _| membership::contacts(tx)).unwrap();
        assert!(contacts.iter().all(|contact| contact.is_coordinator && contact.union.is_some()), "{name}");
    }
}

#[test]
fn a_charter_stands_only_when_the_second_founder_has_read_and_signed_it() {
    let mut town = crate::membership::town::Town::new();
    let relay = town.relay(1);
    town.arrive("Ana");
    town.arrive("Bruno");
    let (alliance, union) = ("Mine to mine".parse().unwrap(), "Local 6500".parse().unwrap());
    let link = town.act_and_settle("Ana", |tx, now| membership::found(tx, &alliance, &union, &relay, now));
    join(&mut town, "Bruno", &link, None);
    assert_eq!(town.act("Ana", |tx, _| membership::about_me(tx)).unwrap().alliance, None);
    let asked = town.act("Bruno", |tx, _| requests(tx)).unwrap();
    let [request] = asked.as_slice() else { panic!("one request, not {asked:?}") };
    let RequestKind::Charter { charter, by } = &request.kind else { panic!("a charter, not {request:?}") };
    assert_eq!((charter.name.as_str(), charter.version, by.as_str()), ("Mine to mine", 1, "Ana"));
    assert_eq!(charter.unions[0].coordinators, ["Ana", "Bruno"]);
    assert_eq!(charter.unions[0].relays, ["relay1.example"]);
    town.act_and_settle("Bruno", |tx, now| membership::sign(tx, Some(request.number), now));
    assert!(town.act("Ana", |tx, _| membership::about_me(tx)).unwrap().alliance.is_some());
}

#[test]
fn a_second_union_enters_when_both_unions_have_signed() {
    let mut town = second_union_asks();
    let asked = town.act("Ana", |tx, _| requests(tx)).unwrap();
    let [request] = asked.as_slice() else { panic!("one request, not {asked:?}") };
    let RequestKind::Union { name, coordinators, by } = &request.kind else { panic!("a union, not {request:?}") };
    assert_eq!((name.as_str(), by.as_str()), ("Sindicato 2", "Carla"));
    assert_eq!(coordinators, &["Carla", "Diego"]);

    town.act_and_settle("Ana", |tx, now| membership::propose(tx, None, now));
    for name in ["Carla", "Diego"] {
        town.act_and_settle(name, |tx, now| membership::sign(tx, None, now));
    }
    // Ana alone is no threshold of her union: nothing changes without Bruno.
    assert_eq!(town.act("Ana", |tx, _| membership::charter::show(tx)).unwrap().version, 1);
    town.act_and_settle("Bruno", |tx, now| membership::sign(tx, None, now));
    let ana = town.act("Ana", |tx, _| membership::charter::show(tx)).unwrap();
    assert_eq!((ana.version, ana.unions.len()), (2, 2));
    for name in ["Bruno", "Carla", "Diego"] {
        assert_eq!(town.act(name, |tx, _| membership::charter::show(tx)).unwrap(), ana, "{name}");
        assert_eq!(town.warnings(name), Vec::<&str>::new(), "{name}");
    }
    for name in ["Carla", "Diego"] {
        let about = town.act(name, |tx, _| membership::about_me(tx)).unwrap();
        assert!(about.is_coordinator, "{name}");
        assert_eq!(about.union.map(|(_, name)| name).as_deref(), Some("Sindicato 2"));
    }
    assert_eq!(town.contacts("Carla"), ["Ana", "Diego"]);
    assert_eq!(town.contacts("Ana"), ["Bruno", "Carla", "Diego"]);
}

#[test]
fn every_errand_of_a_founding_comes_to_its_end() {
    let mut town = allied();
    for name in ["Bruno", "Carla", "Diego"] {
        let states = town.act(name, |tx, _| errands(tx)).unwrap();
        assert_eq!(states.iter().map(|errand| &errand.state).collect::<Vec<_>>(), [&ErrandState::Done], "{name}");
    }
}

#[test]
fn a_member_founds_no_second_alliance() {
    let mut town = founded();
    let relay = town.relay(1);
    let name = "Another".parse().unwrap();
    let again = town.act("Ana", |tx, now| membership::found(tx, &name, &name, &relay, now));
    assert!(matches!(again, Err(MembershipFault::AlreadyIn)));
}

#[test]
fn a_cofounders_link_works_once() {
    let mut town = crate::membership::town::Town::new();
    let relay = town.relay(1);
    for name in ["Ana", "Bruno", "Mallory"] {
        town.arrive(name);
    }
    let (alliance, union) = ("Mine to mine".parse().unwrap(), "Local 6500".parse().unwrap());
    let link = town.act_and_settle("Ana", |tx, now| membership::found(tx, &alliance, &union, &relay, now));
    join(&mut town, "Bruno", &link, None);
    join(&mut town, "Mallory", &link, None);
    let errand = town.act("Mallory", |tx, _| errands(tx)).unwrap();
    assert_eq!(errand[0].state, ErrandState::Failed { code: "code-used".to_owned() });
}

fn founds(town: &mut Town, union: &str, relay: u8) -> Result<String, MembershipFault> {
    let (alliance, union) = ("Mine to mine".parse().unwrap(), union.parse().unwrap());
    let link = town.act("Ana", |tx, now| membership::found(tx, &alliance, &union, &Town::dead_relay(relay), now));
    town.settle();
    link
}

#[test]
fn a_founding_on_a_wrong_relay_is_begun_anew_on_the_right_one() {
    let mut town = Town::new();
    town.relay(1);
    town.arrive("Ana");
    town.arrive("Bruno");
    let dead = founds(&mut town, "Local 6500", 9).unwrap();
    let link = founds(&mut town, "Local 6500", 1).unwrap();
    assert_ne!(dead, link);
    assert_eq!(founds(&mut town, "Local 6501", 1).unwrap(), link, "the same relay keeps the link");
    let used = town.act("Ana", |tx, _| crate::vault::relays::in_use(tx)).unwrap();
    assert_eq!(used.iter().map(|relay| relay.address.host.as_str()).collect::<Vec<_>>(), ["relay1.example"]);

    join(&mut town, "Bruno", &link, None);
    let late = founds(&mut town, "Local 6500", 1);
    assert!(matches!(late, Err(MembershipFault::AlreadyIn)), "somebody has followed the link: {late:?}");
    let late = town.act("Ana", |tx, _| membership::give_up_founding(tx));
    assert!(matches!(late, Err(MembershipFault::AlreadyIn)), "{late:?}");
    town.act_and_settle("Bruno", |tx, now| membership::sign(tx, None, now));
    let ana = town.act("Ana", |tx, _| membership::about_me(tx)).unwrap();
    assert_eq!(ana.union.map(|(_, name)| name).as_deref(), Some("Local 6501"));
    assert!(town.act("Bruno", |tx, _| membership::about_me(tx)).unwrap().is_coordinator);
}

#[test]
fn a_founding_whose_link_expired_is_begun_anew_with_a_link_that_works() {
    let mut town = Town::new();
    town.relay(1);
    town.arrive("Ana");
    town.arrive("Bruno");
    let old = founds(&mut town, "Local 6500", 1).unwrap();
    town.now = town.now.plus_seconds(8 * 24 * 3600);
    let new = founds(&mut town, "Local 6500", 1).unwrap();
    assert_ne!(old, new);
    join(&mut town, "Bruno", &new, None);
    town.act_and_settle("Bruno", |tx, now| membership::sign(tx, None, now));
    assert!(town.act("Ana", |tx, _| membership::about_me(tx)).unwrap().is_coordinator);
}

#[test]
fn a_founding_that_was_given_up_leaves_nothing_and_its_founder_may_join() {
    let mut town = founded();
    town.arrive("Carla");
    let (alliance, union) = ("Another".parse().unwrap(), "Sindicato 2".parse().unwrap());
    let link =
        town.act_and_settle("Carla", |tx, now| membership::found(tx, &alliance, &union, &Town::dead_relay(9), now));
    let invited = super::invite(&mut town, "Ana");
    let early = town.act("Carla", |tx, now| membership::join(tx, &invited, None, Default::default(), now));
    assert!(matches!(early, Err(MembershipFault::AlreadyIn)), "{early:?}");
    town.act_and_settle("Carla", |tx, _| membership::give_up_founding(tx));
    assert!(
        town.act("Carla", |tx, _| crate::vault::relays::in_use(tx)).unwrap().is_empty(),
        "nothing waits for {link}"
    );
    assert_eq!(town.act("Carla", |tx, _| membership::founding(tx)).unwrap(), None);
    let again = town.act("Carla", |tx, _| membership::give_up_founding(tx));
    assert!(matches!(again, Err(MembershipFault::NotFounding)), "{again:?}");
    join(&mut town, "Carla", &invited, None);
    super::join_request(&mut town, "Ana");
}

#[test]
fn a_second_union_is_begun_anew_on_another_relay_with_the_link_it_has_read() {
    let mut town = founded();
    town.arrive("Carla");
    town.arrive("Diego");
    let link = town.act_and_settle("Ana", |tx, now| membership::invite_union(tx, Default::default(), now));
    let name = "Sindicato 2".parse().unwrap();
    let founds = |town: &mut Town, relay: u8| {
        let relay = Town::dead_relay(relay);
        town.act_and_settle("Carla", |tx, now| membership::found_union(tx, &name, &relay, &link, now));
        town.act("Carla", |tx, _| membership::founding(tx)).unwrap().unwrap().cofounder_link.unwrap()
    };
    let dead = founds(&mut town, 9);
    // Given up in between, too: the alliance's link stays read.
    town.act_and_settle("Carla", |tx, _| membership::give_up_founding(tx));
    town.relay(2);
    let right = founds(&mut town, 2);
    assert_ne!(dead, right);
    assert_eq!(founds(&mut town, 2), right);
    join(&mut town, "Diego", &right, None);
    town.act_and_settle("Ana", |tx, now| membership::propose(tx, None, now));
    for name in ["Bruno", "Carla", "Diego"] {
        town.act_and_settle(name, |tx, now| membership::sign(tx, None, now));
    }
    assert!(town.act("Diego", |tx, _| membership::about_me(tx)).unwrap().is_coordinator);
}
