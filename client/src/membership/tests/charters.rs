use relevo_protocol::trust::{Charter, Draft, MultiSigned};

use super::{allied, founded};
use crate::inbox;
use crate::membership::town::Town;
use crate::membership::{self, MembershipFault, charter, identity};
use relevo_protocol::content::ParcelBody;

/// Another second version of the charter, signed by everybody who must: what colluding coordinators could make.
fn other_second_version(town: &mut Town) -> Vec<MultiSigned<Charter>> {
    let chain = town.act("Ana", |tx, _| charter::all(tx)).unwrap();
    let first = Charter::verify_first(&chain[0]).unwrap();
    let next = Charter {
        version: 2,
        previous: Some(first.hash()),
        alliance: Some(first.alliance()),
        name: "Another name".parse().unwrap(),
        unions: first.unions.iter().map(relevo_protocol::trust::UnionEntry::duplicate).collect(),
        recovery: first.recovery,
    };
    let draft = Draft::new(&next).unwrap();
    let signatures: Vec<_> = ["Ana", "Bruno"]
        .into_iter()
        .map(|name| draft.sign(&town.act(name, |tx, _| identity::me(tx)).unwrap().device))
        .collect();
    vec![chain[0].clone(), draft.seal(&signatures).unwrap()]
}

#[test]
fn two_charters_with_one_number_raise_an_alarm_and_change_nothing() {
    let mut town = allied();
    let other = other_second_version(&mut town);
    let before = town.act("Carla", |tx, _| charter::show(tx)).unwrap();
    let carla = town.member("Carla");
    town.act_and_settle("Ana", |tx, now| {
        inbox::send(tx, &carla, &ParcelBody::CharterPublished { charters: other }, now)
    });
    assert_eq!(town.warnings("Carla"), ["charter-fork"]);
    assert_eq!(town.act("Carla", |tx, _| charter::show(tx)).unwrap(), before);
}

#[test]
fn an_older_charter_is_refused_and_said() {
    let mut town = allied();
    let older = town.act("Ana", |tx, _| charter::all(tx)).unwrap()[..1].to_vec();
    let carla = town.member("Carla");
    town.act_and_settle("Ana", |tx, now| {
        inbox::send(tx, &carla, &ParcelBody::CharterPublished { charters: older }, now)
    });
    assert_eq!(town.warnings("Carla"), ["charter-rollback"]);
    assert_eq!(town.act("Carla", |tx, _| charter::show(tx)).unwrap().version, 2);
}

#[test]
fn nobody_signs_two_charters_of_one_number() {
    let mut town = super::second_union_asks();
    town.act_and_settle("Ana", |tx, now| membership::propose(tx, None, now));
    town.act("Bruno", |tx, now| membership::sign(tx, None, now)).unwrap();
    let other = other_second_version(&mut town);
    let draft = other[1].draft().unwrap();
    let previous = other[..1].to_vec();
    let bruno = town.member("Bruno");
    let body = ParcelBody::CharterDraft(relevo_protocol::content::CharterDraft { draft, previous });
    town.act_and_settle("Ana", |tx, now| inbox::send(tx, &bruno, &body, now));
    let again = town.act("Bruno", |tx, now| membership::sign(tx, None, now));
    assert!(matches!(again, Err(MembershipFault::SignedAnother)), "{again:?}");
}

#[test]
fn a_new_charter_reaches_the_members() {
    let mut town = founded();
    super::newcomer(&mut town, "Elena");
    let relay = town.relay(2);
    town.arrive("Carla");
    town.arrive("Diego");
    let link = town.act_and_settle("Ana", |tx, now| membership::invite_union(tx, Default::default(), now));
    let name = "Sindicato 2".parse().unwrap();
    town.act_and_settle("Carla", |tx, now| membership::found_union(tx, &name, &relay, &link, now));
    let founding = town.act("Carla", |tx, _| membership::founding(tx)).unwrap().unwrap();
    super::join(&mut town, "Diego", &founding.cofounder_link.unwrap(), None);
    town.act_and_settle("Ana", |tx, now| membership::propose(tx, None, now));
    for name in ["Bruno", "Carla", "Diego"] {
        town.act_and_settle(name, |tx, now| membership::sign(tx, None, now));
    }
    assert_eq!(town.act("Elena", |tx, _| charter::show(tx)).unwrap().version, 2);
    assert_eq!(town.warnings("Elena"), Vec::<&str>::new());
}
