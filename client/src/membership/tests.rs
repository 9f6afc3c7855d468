//! Membership from end to end, without a network.

mod founding;

use super::town::Town;

/// Ana and Bruno found the alliance and its first union on relay 1.
pub(super) fn founded() -> Town {
    let mut town = Town::new();
    let relay = town.relay(1);
    town.arrive("Ana");
    town.arrive("Bruno");
    let (alliance, union) = ("Mine to mine".parse().unwrap(), "Local 6500".parse().unwrap());
    let link = town.act_and_settle("Ana", |tx, now| super::found(tx, &alliance, &union, &relay, now));
    town.act_and_settle("Bruno", |tx, now| super::join(tx, &link, None, Default::default(), now));
    town.act_and_settle("Bruno", |tx, now| super::sign(tx, None, now));
    town
}
