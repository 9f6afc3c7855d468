use relevo_protocol::wire::{Grant, GrantTable, Head, MailboxId, MailboxKind, Refusal, Sequence};

use super::super::{Applied, Change, Touch};
use super::facts;
use super::world::{World, capability, grant, only_the_purse};

facts!(
    opening_twice_answers_as_the_first_time,
    opening_as_another_kind_is_refused,
    a_wrong_capability_and_no_mailbox_are_one_answer,
    a_shared_mailbox_takes_no_take_grants,
    at_most_512_grants_of_a_table,
    grants_are_revoked_then_added,
    an_expired_grant_opens_nothing,
    a_lease_is_renewed_by_owner_and_by_the_groups_grants,
    a_lease_is_never_shortened,
    a_personal_lease_is_not_renewed_by_append,
    a_frozen_mailbox_is_readable_and_takes_nothing,
    a_personal_mailbox_does_not_freeze,
    a_shared_mailbox_with_entries_does_not_close,
    a_closed_mailbox_is_gone_and_reopens_as_another_life,
    a_mailbox_goes_with_its_lease,
    a_lapsed_mailbox_is_readable_until_its_entries_go,
    what_the_operator_removes_is_gone_with_all_that_is_in_it,
    while_openings_are_paused_the_others_go_on,
);

fn opening_twice_answers_as_the_first_time(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    world.pass_hours(5);
    let again = world.apply(Change::Open {
        admission: world.purse,
        kind: MailboxKind::Personal,
        owner: mailbox.owner,
        read: None,
        append: vec![],
        take: vec![],
        lease_hours: 7,
    });
    assert_eq!(again, Ok(Applied::Opened { incarnation: mailbox.incarnation, expires: mailbox.expires }));
    assert_eq!(world.store.totals().mailboxes, 1);
}

fn opening_as_another_kind_is_refused(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    let again = world.apply(Change::Open {
        admission: world.purse,
        kind: MailboxKind::Shared,
        owner: mailbox.owner,
        read: None,
        append: vec![],
        take: vec![],
        lease_hours: 7,
    });
    assert_eq!(again, Err(Refusal::WrongKind));
}

fn a_wrong_capability_and_no_mailbox_are_one_answer(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    let nowhere = MailboxId([1; 16]);
    for (id, shown) in [(mailbox.id, mailbox.append), (mailbox.id, capability()), (nowhere, mailbox.owner)] {
        let close = world.apply(Change::Close { mailbox: id, capability: shown });
        assert_eq!(close, Err(Refusal::NoSuchMailbox));
        assert_eq!(world.store.standing(&id, &shown, world.now), Err(Refusal::NoSuchMailbox));
        let take = world.apply(Change::Take { mailbox: id, capability: shown });
        assert_eq!(take, Err(Refusal::NoSuchMailbox));
    }
}

fn a_shared_mailbox_takes_no_take_grants(world: &mut World) {
    let refused = world.apply(Change::Open {
        admission: world.purse,
        kind: MailboxKind::Shared,
        owner: capability(),
        read: None,
        append: vec![],
        take: vec![grant(capability())],
        lease_hours: 7,
    });
    assert_eq!(refused, Err(Refusal::WrongKind));
}

fn at_most_512_grants_of_a_table(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    let many = |count: usize| -> Vec<Grant> { (0..count).map(|_| grant(capability())).collect() };
    let change = |add| Change::Grants {
        mailbox: mailbox.id,
        capability: mailbox.owner,
        table: GrantTable::Append,
        revoke: vec![],
        add,
    };
    assert_eq!(world.apply(change(many(511))), Ok(Applied::Done));
    assert_eq!(world.apply(change(many(1))), Err(Refusal::TooManyGrants));
    // One that is known is replaced, not added.
    assert_eq!(world.apply(change(vec![grant(mailbox.append)])), Ok(Applied::Done));
}

fn grants_are_revoked_then_added(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    let other = capability();
    let swap = Change::Grants {
        mailbox: mailbox.id,
        capability: mailbox.owner,
        table: GrantTable::Append,
        revoke: vec![mailbox.append, other],
        add: vec![grant(other)],
    };
    world.apply(swap).unwrap();
    world.reopen();
    let refused = world.append_as(&mailbox, mailbox.append, super::world::entry(1, 0));
    assert_eq!(refused, Err(Refusal::NoSuchMailbox));
    world.append_as(&mailbox, other, super::world::entry(1, 0)).unwrap();
}

fn an_expired_grant_opens_nothing(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    let brief = capability();
    let add = vec![Grant { expires: world.now.round_up().plus(1), ..grant(brief) }];
    let table = GrantTable::Append;
    world.apply(Change::Grants { mailbox: mailbox.id, capability: mailbox.owner, table, revoke: vec![], add }).unwrap();
    world.append_as(&mailbox, brief, super::world::entry(1, 0)).unwrap();
    world.pass_hours(2);
    assert_eq!(world.append_as(&mailbox, brief, super::world::entry(1, 0)), Err(Refusal::NoSuchMailbox));
    let renew = world.apply(Change::Renew { mailbox: mailbox.id, capability: brief, lease_hours: 90 });
    assert_eq!(renew, Err(Refusal::NoSuchMailbox));
}

fn a_lease_is_renewed_by_owner_and_by_the_groups_grants(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    for (shown, hours) in [(mailbox.owner, 100), (mailbox.append, 200)] {
        let expires = world.now.round_up().plus(hours);
        let renewed = world.apply(Change::Renew { mailbox: mailbox.id, capability: shown, lease_hours: hours });
        assert_eq!(renewed, Ok(Applied::Renewed { expires }));
        assert_eq!(world.store.standing(&mailbox.id, &mailbox.read, world.now).unwrap().expires, expires);
    }
    let longest = world.apply(Change::Renew { mailbox: mailbox.id, capability: mailbox.owner, lease_hours: u32::MAX });
    assert_eq!(longest, Ok(Applied::Renewed { expires: world.now.round_up().plus(90 * 24) }));
}

fn a_lease_is_never_shortened(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    let renewed = world.apply(Change::Renew { mailbox: mailbox.id, capability: mailbox.owner, lease_hours: 1 });
    assert_eq!(renewed, Ok(Applied::Renewed { expires: mailbox.expires }));
}

fn a_personal_lease_is_not_renewed_by_append(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    let renewed = world.apply(Change::Renew { mailbox: mailbox.id, capability: mailbox.append, lease_hours: 100 });
    assert_eq!(renewed, Err(Refusal::NoSuchMailbox));
}

fn a_frozen_mailbox_is_readable_and_takes_nothing(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    world.append(&mailbox, 1);
    let freeze = || Change::Freeze { mailbox: mailbox.id, capability: mailbox.owner };
    world.touches.clear();
    assert_eq!(world.apply(freeze()), Ok(Applied::Done));
    assert_eq!(world.apply(freeze()), Ok(Applied::Done));
    assert_eq!(world.touches, [(mailbox.id, Touch::Frozen)]);
    world.reopen();
    for shown in [mailbox.append, mailbox.owner] {
        assert_eq!(world.append_as(&mailbox, shown, super::world::entry(2, 0)), Err(Refusal::Frozen));
        let renew = world.apply(Change::Renew { mailbox: mailbox.id, capability: shown, lease_hours: 100 });
        assert_eq!(renew, Err(Refusal::Frozen));
    }
    assert!(world.read(&mailbox, 0).standing.frozen);
    assert_eq!(world.fills(&mailbox), [1]);
}

fn a_personal_mailbox_does_not_freeze(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    let refused = world.apply(Change::Freeze { mailbox: mailbox.id, capability: mailbox.owner });
    assert_eq!(refused, Err(Refusal::WrongKind));
}

fn a_shared_mailbox_with_entries_does_not_close(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    world.append(&mailbox, 1);
    let close = || Change::Close { mailbox: mailbox.id, capability: mailbox.owner };
    assert_eq!(world.apply(close()), Err(Refusal::WrongKind));
    let trim = Change::Trim { mailbox: mailbox.id, capability: mailbox.owner, upto: Sequence(9), incarnation: None };
    assert_eq!(world.apply(trim), Err(Refusal::WrongKind));
    let empty = world.open(MailboxKind::Shared);
    assert_eq!(world.apply(Change::Close { mailbox: empty.id, capability: empty.owner }), Ok(Applied::Done));
}

fn a_closed_mailbox_is_gone_and_reopens_as_another_life(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    for fill in 0..5 {
        world.append(&mailbox, fill);
    }
    world.apply(Change::Close { mailbox: mailbox.id, capability: mailbox.owner }).unwrap();
    world.reopen();
    assert_eq!(world.store.totals(), only_the_purse());
    assert_eq!(world.store.standing(&mailbox.id, &mailbox.owner, world.now), Err(Refusal::NoSuchMailbox));
    let outcome = world.apply(Change::Open {
        admission: world.purse,
        kind: MailboxKind::Personal,
        owner: mailbox.owner,
        read: None,
        append: vec![],
        take: vec![],
        lease_hours: 7,
    });
    let Ok(Applied::Opened { incarnation, .. }) = outcome else { panic!("{outcome:?}") };
    assert_ne!(incarnation, mailbox.incarnation);
    let standing = world.store.standing(&mailbox.id, &mailbox.owner, world.now).unwrap();
    assert_eq!((standing.last, standing.head_before_first), (Sequence::START, Head::START));
    // The grants of the life before are gone with it.
    assert_eq!(world.append_as(&mailbox, mailbox.append, super::world::entry(1, 0)), Err(Refusal::NoSuchMailbox));
}

fn a_mailbox_goes_with_its_lease(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    world.pass_hours(48);
    assert!(world.store.standing(&mailbox.id, &mailbox.owner, world.now).is_ok());
    world.pass_hours(2);
    // Gone by the clock, swept or not.
    assert_eq!(world.store.standing(&mailbox.id, &mailbox.owner, world.now), Err(Refusal::NoSuchMailbox));
    world.touches.clear();
    world.sweep();
    assert_eq!(world.touches, [(mailbox.id, Touch::Closed)]);
    assert_eq!(world.store.totals().mailboxes, 0);
}

fn a_lapsed_mailbox_is_readable_until_its_entries_go(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    world.append(&mailbox, 1);
    world.pass_hours(50);
    world.sweep();
    assert_eq!(world.append_as(&mailbox, mailbox.append, super::world::entry(2, 0)), Err(Refusal::NoSuchMailbox));
    assert_eq!(world.fills(&mailbox), [1]);
    world.pass_hours(30 * 24);
    world.sweep();
    assert_eq!(world.store.totals(), only_the_purse());
}

fn what_the_operator_removes_is_gone_with_all_that_is_in_it(world: &mut World) {
    // Even one that its owner may not close.
    let mailbox = world.open(MailboxKind::Shared);
    let other = world.open(MailboxKind::Shared);
    for fill in 0..3 {
        world.append(&mailbox, fill);
    }
    world.append(&other, 9);
    world.touches.clear();
    let remove = || Change::RemoveMailbox { mailbox: mailbox.id };
    assert_eq!(world.apply(remove()), Ok(Applied::Done));
    assert_eq!(world.touches, [(mailbox.id, Touch::Closed)], "whoever follows it is told");
    assert_eq!(world.apply(remove()), Err(Refusal::NoSuchMailbox));
    assert_eq!(world.fills(&other), [9]);
    assert_eq!((world.store.rows(b"e"), world.store.rows(b"g"), world.store.rows(b"m")), (1, 1, 1));
    world.pass_hours(100 * 24);
    world.sweep();
    assert_eq!(world.store.totals(), only_the_purse());
}

fn while_openings_are_paused_the_others_go_on(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    let open = |world: &mut World, owner| {
        world.apply(Change::Open {
            admission: world.purse,
            kind: MailboxKind::Personal,
            owner,
            read: None,
            append: vec![],
            take: vec![],
            lease_hours: 7,
        })
    };
    world.apply(Change::Openings { paused: true }).unwrap();
    assert_eq!(open(world, capability()), Err(Refusal::RelayFull));
    assert!(open(world, mailbox.owner).is_ok(), "it is there already");
    world.append(&mailbox, 1);
    world.apply(Change::Openings { paused: false }).unwrap();
    assert!(open(world, capability()).is_ok());
}
