use relevo_protocol::content::Identity;
use relevo_protocol::trust::{DeviceSecret, DeviceSet, Signed};

use super::{allied, founded, newcomer};
use crate::fixture::Keys;
use crate::membership::comparison::{Comparison, Found};
use crate::membership::contact::{self, How};
use crate::membership::person;
use crate::membership::request::RequestKind;
use crate::membership::town::Town;
use crate::membership::{self, MembershipFault, requests};

/// The number of somebody's only introduction.
fn introduction(town: &mut Town, name: &str) -> u64 {
    let all = town.act(name, |tx, _| requests(tx)).unwrap();
    let [one] = all.as_slice() else { panic!("one request, not {all:?}") };
    assert!(matches!(one.kind, RequestKind::Introduction { .. }), "{one:?}");
    one.number
}

fn introduce(town: &mut Town) {
    town.act_and_settle("Ana", |tx, now| membership::introduce(tx, "Bruno", "Carla", &"meet".parse().unwrap(), now));
}

#[test]
fn an_introduction_connects_two_who_both_accept() {
    let mut town = allied();
    introduce(&mut town);
    for name in ["Bruno", "Carla"] {
        let number = introduction(&mut town, name);
        town.act_and_settle(name, |tx, now| membership::accept(tx, number, now));
    }
    assert!(town.contacts("Bruno").contains(&"Carla".to_owned()));
    assert!(town.contacts("Carla").contains(&"Bruno".to_owned()));
    for name in ["Ana", "Bruno", "Carla"] {
        assert_eq!(town.warnings(name), Vec::<&str>::new(), "{name}");
    }
}

/// Ana introduces Bruno and Carla; Bruno has answered, Carla has heard of nothing.
fn answered_early() -> Town {
    let mut town = allied();
    // Carla's relay does not answer while Ana is there.
    let away = town.relays.remove(&[2; 32]).unwrap();
    introduce(&mut town);
    town.people.get_mut("Ana").unwrap().online = false;
    town.relays.insert([2; 32], away);
    let number = introduction(&mut town, "Bruno");
    town.act_and_settle("Bruno", |tx, now| membership::accept(tx, number, now));
    assert!(!town.contacts("Carla").contains(&"Bruno".to_owned()), "nobody has introduced him");
    assert_eq!(town.warnings("Carla"), Vec::<&str>::new());
    town
}

#[test]
fn an_answer_that_waits_for_its_introduction_is_nothing_to_warn_of_once_they_met_by_code() {
    let mut town = answered_early();
    let code = town.act_and_settle("Bruno", membership::contact_code);
    town.act_and_settle("Carla", |tx, now| membership::add_code(tx, &code, now));
    assert!(town.contacts("Carla").contains(&"Bruno".to_owned()));
    town.now = town.now.plus_seconds(8 * 24 * 3600);
    town.act_and_settle("Carla", membership::tend);
    assert_eq!(town.warnings("Carla"), Vec::<&str>::new());
}

#[test]
fn who_answers_an_introduction_before_the_other_has_heard_of_it_is_known_all_the_same() {
    let mut town = answered_early();
    town.people.get_mut("Ana").unwrap().online = true;
    town.settle();
    let number = introduction(&mut town, "Carla");
    town.act_and_settle("Carla", |tx, now| membership::accept(tx, number, now));
    assert!(town.contacts("Carla").contains(&"Bruno".to_owned()));
    assert!(town.contacts("Bruno").contains(&"Carla".to_owned()));
}

#[test]
fn nobody_becomes_a_contact_who_was_refused_and_nobody_is_told() {
    let mut town = allied();
    introduce(&mut town);
    let number = introduction(&mut town, "Carla");
    town.act_and_settle("Carla", |tx, _| membership::refuse(tx, number));
    let number = introduction(&mut town, "Bruno");
    town.act_and_settle("Bruno", |tx, now| membership::accept(tx, number, now));
    assert!(!town.contacts("Bruno").contains(&"Carla".to_owned()));
    assert!(!town.contacts("Carla").contains(&"Bruno".to_owned()));
    introduce(&mut town);
    assert!(town.act("Carla", |tx, _| requests(tx)).unwrap().is_empty(), "not asked again");
    assert_eq!(town.warnings("Bruno"), Vec::<&str>::new());
}

#[test]
fn a_code_connects_two_and_works_once() {
    let mut town = allied();
    let code = town.act_and_settle("Diego", membership::contact_code);
    town.act_and_settle("Bruno", |tx, now| membership::add_code(tx, &code, now));
    assert!(town.contacts("Bruno").contains(&"Diego".to_owned()));
    assert!(town.contacts("Diego").contains(&"Bruno".to_owned()));
    newcomer(&mut town, "Elena");
    town.act_and_settle("Elena", |tx, now| membership::add_code(tx, &code, now));
    assert!(!town.contacts("Elena").contains(&"Diego".to_owned()));
    let own = town.act("Diego", |tx, now| membership::add_code(tx, &code, now));
    assert!(matches!(own, Err(MembershipFault::OwnLink)));
}

#[test]
fn the_six_words_are_the_same_on_both_sides_and_verify_when_confirmed() {
    let mut town = founded();
    town.act_and_settle("Ana", |tx, now| membership::start_comparison(tx, "Bruno", now));
    let Comparison::Words(ana) = town.act("Ana", |tx, _| membership::compare(tx, "Bruno")).unwrap() else {
        panic!("words")
    };
    assert_eq!(town.act("Bruno", |tx, _| membership::compare(tx, "Ana")).unwrap(), Comparison::Words(ana));
    let verified =
        |town: &mut Town, name: &str| town.act(name, |tx, _| membership::contacts(tx)).unwrap()[0].verified.is_some();
    assert!(!verified(&mut town, "Ana"));
    town.act("Ana", |tx, now| membership::confirm(tx, "Bruno", Found::Equal, now)).unwrap();
    assert!(verified(&mut town, "Ana"));
    town.act("Bruno", |tx, now| membership::confirm(tx, "Ana", Found::Different, now)).unwrap();
    assert!(!verified(&mut town, "Bruno"));
    assert_eq!(town.warnings("Bruno"), ["words-broken"]);
}

#[test]
fn both_who_begin_to_compare_at_once_get_the_same_words() {
    let mut town = founded();
    town.act("Ana", |tx, now| membership::start_comparison(tx, "Bruno", now)).unwrap();
    town.act("Bruno", |tx, now| membership::start_comparison(tx, "Ana", now)).unwrap();
    town.settle();
    let ana = town.act("Ana", |tx, _| membership::compare(tx, "Bruno")).unwrap();
    assert_ne!(ana, Comparison::Waiting);
    assert_eq!(town.act("Bruno", |tx, _| membership::compare(tx, "Ana")).unwrap(), ana);
}

#[test]
fn a_name_that_two_contacts_share_has_to_be_told_apart() {
    let mut town = allied();
    // A second "Diego", in the first union.
    let mut other = crate::membership::town::Town::new();
    other.arrive("Diego");
    let diego = other.people.remove("Diego").unwrap();
    town.people.insert("Diego 2", diego);
    let link = super::invite(&mut town, "Ana");
    super::join(&mut town, "Diego 2", &link, None);
    super::vouch(&mut town, "Ana");
    super::vouch(&mut town, "Bruno");
    super::admit(&mut town, "Bruno");
    let found = town.act("Ana", |tx, _| membership::find_contact(tx, "Diego"));
    let Err(MembershipFault::Ambiguous { mut choices }) = found else { panic!("ambiguous, not {found:?}") };
    choices.sort();
    assert_eq!(choices, ["Diego@Local 6500", "Diego@Sindicato 2"]);
    let found = town.act("Ana", |tx, _| membership::find_contact(tx, "Diego@Sindicato 2")).unwrap();
    assert_eq!(found.member, town.member("Diego"));
    let found = town.act("Ana", |tx, _| membership::find_contact(tx, "Diego (Sindicato 2)")).unwrap();
    assert_eq!(found.member, town.member("Diego"));
    let nobody = town.act("Ana", |tx, _| membership::find_contact(tx, "Nobody"));
    assert!(matches!(nobody, Err(MembershipFault::NoSuchContact)));
}

#[test]
fn a_contact_whose_devices_change_counts_as_not_yet_verified() {
    let mut town = founded();
    let zoe = Keys::new("Zoe");
    let meet = |town: &mut Town, set: &Signed<DeviceSet>| {
        let identity = Identity::Newcomer { devices: set.clone(), pseudonym: "Zoe".parse().unwrap() };
        town.act("Ana", |tx, now| {
            let person = person::verify(tx, &identity)?;
            contact::save(tx, &person, &identity, How::Code, now)
        })
    };
    meet(&mut town, &zoe.device_set).unwrap();
    town.act("Ana", |tx, now| contact::set_verified(tx, &zoe.member.public(), Some(now))).unwrap();
    let previous = DeviceSet::verify(&zoe.device_set).unwrap();
    let devices = vec![DeviceSecret::random().unwrap().public()];
    let next = DeviceSet { number: 2, devices, previous: Some(previous.hash()), ..(*previous).clone() };
    meet(&mut town, &Signed::sign(&next, &zoe.member).unwrap()).unwrap();
    assert_eq!(town.act("Ana", |tx, _| membership::find_contact(tx, "Zoe")).unwrap().verified, None);
    assert_eq!(town.warnings("Ana"), ["key-changed"]);
    // Who stole the old device cannot go back to it.
    assert!(matches!(meet(&mut town, &zoe.device_set), Err(MembershipFault::Rollback)));
}

#[test]
fn a_stranger_with_a_contacts_name_is_said() {
    let mut town = founded();
    for keys in [Keys::new("Zoe"), Keys::new("Zoe")] {
        let identity = Identity::Newcomer { devices: keys.device_set, pseudonym: "Zoe".parse().unwrap() };
        town.act("Ana", |tx, now| {
            let person = person::verify(tx, &identity)?;
            contact::save(tx, &person, &identity, How::Code, now)
        })
        .unwrap();
    }
    assert_eq!(town.warnings("Ana"), ["key-changed"]);
}
