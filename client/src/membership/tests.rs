//! Membership from end to end, without a network.

mod charters;
mod contacts;
mod founding;
mod joining;
mod parcels;

use relevo_protocol::trust::Pseudonym;

use super::request::RequestKind;
use super::town::Town;

/// Ana and Bruno found the alliance and its first union on relay 1.
pub(crate) fn founded() -> Town {
    let mut town = Town::new();
    let relay = town.relay(1);
    town.arrive("Ana");
    town.arrive("Bruno");
    let (alliance, union) = ("Mine to mine".parse().unwrap(), "Local 6500".parse().unwrap());
    let link = town.act_and_settle("Ana", |tx, now| super::found(tx, &alliance, &union, &relay, now));
    join(&mut town, "Bruno", &link, None);
    town.act_and_settle("Bruno", |tx, now| super::sign(tx, None, now));
    town
}

/// Carla and Diego have founded a second union on relay 2 and asked Ana to put it into the charter.
fn second_union_asks() -> Town {
    let mut town = founded();
    let relay = town.relay(2);
    town.arrive("Carla");
    town.arrive("Diego");
    let link = town.act_and_settle("Ana", |tx, now| super::invite_union(tx, Default::default(), now));
    let name = "Sindicato 2".parse().unwrap();
    town.act_and_settle("Carla", |tx, now| super::found_union(tx, &name, &relay, &link, now));
    let founding = town.act("Carla", |tx, _| super::founding(tx)).unwrap().unwrap();
    join(&mut town, "Diego", &founding.cofounder_link.unwrap(), None);
    town
}

/// Two unions in one charter.
pub(crate) fn allied() -> Town {
    let mut town = second_union_asks();
    town.act_and_settle("Ana", |tx, now| super::propose(tx, None, now));
    for name in ["Bruno", "Carla", "Diego"] {
        town.act_and_settle(name, |tx, now| super::sign(tx, None, now));
    }
    town
}

/// Follows a link into the alliance.
fn join(town: &mut Town, name: &str, link: &str, second: Option<&str>) {
    let second: Option<Pseudonym> = second.map(|second| second.parse().unwrap());
    town.act_and_settle(name, |tx, now| super::join(tx, link, second.as_ref(), Default::default(), now));
}

/// A link of somebody for a newcomer, for a day.
fn invite(town: &mut Town, name: &str) -> String {
    town.act_and_settle(name, |tx, now| super::invite(tx, Default::default(), 24 * 3600, now))
}

/// The number of the only request to join that somebody has.
fn join_request(town: &mut Town, name: &str) -> u64 {
    let all = town.act(name, |tx, _| super::requests(tx)).unwrap();
    let mut joins = all.iter().filter(|one| matches!(one.kind, RequestKind::Join { .. }));
    let found = joins.next().unwrap_or_else(|| panic!("{name} has no request to join")).number;
    assert!(joins.next().is_none(), "{name} has more than one request to join");
    found
}

fn vouch(town: &mut Town, name: &str) {
    let number = join_request(town, name);
    town.act_and_settle(name, |tx, now| super::vouch(tx, number, now));
}

fn admit(town: &mut Town, name: &str) {
    let number = join_request(town, name);
    town.act_and_settle(name, |tx, now| super::admit(tx, number, now));
}

/// A newcomer joins the first union: both coordinators vouch.
pub(crate) fn newcomer(town: &mut Town, name: &'static str) {
    town.arrive(name);
    let link = invite(town, "Ana");
    join(town, name, &link, None);
    vouch(town, "Ana");
    vouch(town, "Bruno");
    admit(town, "Bruno");
}
