use relevo_protocol::limits::{RESERVED_BYTES, RESERVED_ENTRIES};
use relevo_protocol::wire::{AdmissionId, CapabilityHash, Grant, GrantTable, MailboxId, MailboxKind, Refusal};

use super::super::rules::GRANT_BYTES;
use super::super::{Applied, Change, StoreConfig};
use super::facts;
use super::world::{World, capability, entry, grant};

facts!(
    a_full_mailbox_refuses_and_says_so,
    a_mailbox_is_bounded_by_bytes,
    a_full_relay_refuses_new_data_and_new_mailboxes,
    the_reserve_is_for_owners_of_shared_mailboxes,
    the_reserve_of_entries_ends,
    the_reserve_of_bytes_ends,
    the_reserve_is_free_again_when_its_entries_go,
    a_spent_allowance_leaves_the_reserve,
    room_kept_for_owner_is_paid_for,
    many_mailboxes_have_no_more_reserve_than_their_admission,
    a_spent_allowance_does_not_open_the_reserve_without_end,
    the_reserve_of_all_ends,
    an_exhausted_disk_refuses_even_the_reserve,
    mailboxes_are_bounded,
    a_grants_rate_is_for_one_hour,
    a_grants_bytes_are_for_one_hour,
    a_take_grant_has_a_rate,
    a_renewal_by_grant_takes_from_its_rate,
    grants_count_among_the_bytes_of_a_relay,
    grants_are_paid_for_by_who_opens,
    an_exchange_of_grants_is_done_on_a_full_relay,
    what_a_revoked_grant_used_is_forgotten,
);

fn a_full_mailbox_refuses_and_says_so(world: &mut World) {
    world.configured(|config| config.mailbox_entries = 3);
    let mailbox = world.open(MailboxKind::Personal);
    for n in 0..3 {
        world.append(&mailbox, n);
    }
    for shown in [mailbox.append, mailbox.owner] {
        assert_eq!(world.append_as(&mailbox, shown, entry(9, 0)), Err(Refusal::MailboxFull));
    }
    assert_eq!(world.fills(&mailbox), [0, 1, 2]);
}

fn a_mailbox_is_bounded_by_bytes(world: &mut World) {
    world.configured(|config| config.mailbox_bytes = 4 << 10);
    let mailbox = world.open(MailboxKind::Shared);
    world.append_as(&mailbox, mailbox.append, entry(1, 1)).unwrap();
    assert_eq!(world.append_as(&mailbox, mailbox.append, entry(1, 2)), Err(Refusal::MailboxFull));
    world.append_as(&mailbox, mailbox.append, entry(1, 1)).unwrap();
    assert_eq!(world.append_as(&mailbox, mailbox.append, entry(1, 0)), Err(Refusal::MailboxFull));
}

fn a_full_relay_refuses_new_data_and_new_mailboxes(world: &mut World) {
    world.configured(|config| config.bytes = 1024 + 2 * GRANT_BYTES);
    let mailbox = world.open(MailboxKind::Personal);
    world.append(&mailbox, 1);
    world.append(&mailbox, 2);
    assert_eq!(world.append_as(&mailbox, mailbox.append, entry(3, 0)), Err(Refusal::RelayFull));
    assert_eq!(world.append_as(&mailbox, mailbox.owner, entry(3, 0)), Err(Refusal::RelayFull));
    world.configured(|config| config.bytes = 0);
    // A room of nothing still opens: a mailbox is a row, and rows have a bound of their own.
    world.configured(|config| config.mailboxes = 0);
    assert_eq!(open(world), Err(Refusal::RelayFull));
}

fn open(world: &mut World) -> Result<(), Refusal> {
    open_with(world, world.purse, capability())
}

fn open_with(world: &mut World, admission: AdmissionId, owner: CapabilityHash) -> Result<(), Refusal> {
    let change = Change::Open {
        admission,
        kind: MailboxKind::Shared,
        owner,
        read: None,
        append: vec![],
        take: vec![],
        lease_hours: 1,
    };
    world.apply(change).map(drop)
}

fn the_reserve_is_for_owners_of_shared_mailboxes(world: &mut World) {
    world.configured(|config| config.mailbox_entries = 2);
    let mailbox = world.open(MailboxKind::Shared);
    world.append(&mailbox, 1);
    world.append(&mailbox, 2);
    assert_eq!(world.append_as(&mailbox, mailbox.append, entry(3, 0)), Err(Refusal::MailboxFull));
    world.append_as(&mailbox, mailbox.owner, entry(4, 5)).unwrap();
    assert_eq!(world.append_as(&mailbox, mailbox.append, entry(3, 0)), Err(Refusal::MailboxFull));
    assert_eq!(world.fills(&mailbox), [1, 2, 4]);
}

fn the_reserve_of_entries_ends(world: &mut World) {
    world.configured(|config| config.mailbox_entries = 0);
    let mailbox = world.open(MailboxKind::Shared);
    for _ in 0..RESERVED_ENTRIES {
        world.append_as(&mailbox, mailbox.owner, entry(1, 0)).unwrap();
    }
    world.reopen();
    assert_eq!(world.append_as(&mailbox, mailbox.owner, entry(1, 0)), Err(Refusal::MailboxFull));
}

fn the_reserve_of_bytes_ends(world: &mut World) {
    world.configured(|config| config.bytes = GRANT_BYTES);
    let mailbox = world.open(MailboxKind::Shared);
    assert_eq!(RESERVED_BYTES, 64 * (512 << 10), "64 of the largest fit exactly");
    for _ in 0..64 {
        world.append_as(&mailbox, mailbox.owner, entry(1, 5)).unwrap();
    }
    assert_eq!(world.append_as(&mailbox, mailbox.owner, entry(1, 0)), Err(Refusal::RelayFull));
}

fn the_reserve_is_free_again_when_its_entries_go(world: &mut World) {
    world.configured(|config| config.mailbox_entries = 0);
    let mailbox = world.open(MailboxKind::Shared);
    let renew = Change::Renew { mailbox: mailbox.id, capability: mailbox.owner, lease_hours: 2000 };
    world.apply(renew).unwrap();
    for _ in 0..RESERVED_ENTRIES {
        world.append_as(&mailbox, mailbox.owner, entry(1, 0)).unwrap();
    }
    world.pass_hours(31 * 24);
    world.sweep();
    world.append_as(&mailbox, mailbox.owner, entry(1, 0)).unwrap();
}

fn a_spent_allowance_leaves_the_reserve(world: &mut World) {
    world.configured(|config| config.shared_bytes = 512 + GRANT_BYTES);
    let mailbox = world.open(MailboxKind::Shared);
    world.append(&mailbox, 1);
    assert_eq!(world.append_as(&mailbox, mailbox.append, entry(2, 0)), Err(Refusal::AllowanceSpent));
    world.append_as(&mailbox, mailbox.owner, entry(3, 0)).unwrap();
}

fn room_kept_for_owner_is_paid_for(world: &mut World) {
    world.configured(|config| config.mailbox_entries = 0);
    let mailbox = world.open(MailboxKind::Shared);
    let left = |world: &World| world.store.admission(&world.purse, world.now).unwrap().unwrap().bytes_left;
    let before = left(world);
    world.append_as(&mailbox, mailbox.owner, entry(1, 5)).unwrap();
    assert_eq!((left(world), world.store.totals().reserved_bytes), (before - (512 << 10), 0));
}

/// An admission of its own that has opened shared mailboxes, and where it appends by *owner* into them.
fn infiltrator(world: &mut World, fill: u8, mailboxes: usize) -> (AdmissionId, Vec<CapabilityHash>) {
    let by = super::access::enrolled(world, fill).id();
    let owners: Vec<_> = (0..mailboxes).map(|_| capability()).collect();
    for owner in &owners {
        open_with(world, by, *owner).unwrap();
    }
    (by, owners)
}

/// Appends the largest entries to each mailbox as owner until it is refused; how many were taken.
fn fill(world: &mut World, (admission, owners): &(AdmissionId, Vec<CapabilityHash>), with: Refusal) -> usize {
    let mut taken = 0;
    for owner in owners {
        for _ in 0..4 {
            let (admission, mailbox, capability) = (*admission, MailboxId::of(owner), *owner);
            match world.apply(Change::Append { admission, mailbox, capability, entry: entry(1, 5) }) {
                Ok(_) => taken += 1,
                Err(refusal) => assert_eq!(refusal, with),
            }
        }
    }
    taken
}

fn many_mailboxes_have_no_more_reserve_than_their_admission(world: &mut World) {
    world.configured(|config| config.bytes = GRANT_BYTES);
    world.configured(|config| config.admission_reserve = 1 << 20);
    let group = world.open(MailboxKind::Shared);
    let attacker = infiltrator(world, 10, 8);
    assert_eq!(fill(world, &attacker, Refusal::RelayFull), 2, "2 of 512 KiB");
    world.reopen();
    assert_eq!(fill(world, &attacker, Refusal::RelayFull), 0);
    assert_eq!(world.store.totals().reserved_bytes, 1 << 20);
    world.append_as(&group, group.owner, entry(2, 5)).unwrap();
    world.pass_hours(31 * 24);
    world.sweep();
    assert_eq!(world.store.totals().reserved_bytes, 0);
}

fn a_spent_allowance_does_not_open_the_reserve_without_end(world: &mut World) {
    world.configured(|config| {
        config.admission_bytes = 512 << 10;
        config.admission_reserve = 1 << 20;
    });
    let attacker = infiltrator(world, 10, 8);
    assert_eq!(fill(world, &attacker, Refusal::AllowanceSpent), 1 + 2);
}

fn the_reserve_of_all_ends(world: &mut World) {
    world.configured(|config| {
        config.bytes = 0;
        config.admission_reserve = 1 << 20;
        config.reserve_bytes = 5 << 19;
    });
    let attackers: Vec<_> = (0..4).map(|one| infiltrator(world, 10 + 2 * one, 1)).collect();
    let taken: Vec<_> = attackers.iter().map(|one| fill(world, one, Refusal::RelayFull)).collect();
    assert_eq!(taken, [2, 2, 1, 0]);
    assert_eq!(world.store.totals().bytes(), 5 << 19, "nothing beyond it");
}

fn an_exhausted_disk_refuses_even_the_reserve(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    if world.path().is_none() {
        return;
    }
    world.configured(|config| config.free_bytes = u64::MAX);
    assert_eq!(world.append_as(&mailbox, mailbox.append, entry(1, 0)), Err(Refusal::RelayFull));
    assert_eq!(open(world), Err(Refusal::RelayFull));
    world.append_as(&mailbox, mailbox.owner, entry(1, 0)).unwrap();
    world.configured(|config| config.last_free_bytes = u64::MAX);
    assert_eq!(world.append_as(&mailbox, mailbox.owner, entry(1, 0)), Err(Refusal::RelayFull));
    let (hash, table) = (capability(), GrantTable::Append);
    let grants = |revoke, add| Change::Grants { mailbox: mailbox.id, capability: mailbox.owner, table, revoke, add };
    assert_eq!(world.apply(grants(vec![], vec![grant(hash)])), Err(Refusal::RelayFull));
    assert!(world.apply(grants(vec![mailbox.append], vec![])).is_ok(), "revoking takes no room");
    assert_eq!(world.fills(&mailbox), [1]);
}

fn mailboxes_are_bounded(world: &mut World) {
    world.configured(|config: &mut StoreConfig| config.mailboxes = 2);
    assert_eq!(open(world), Ok(()));
    assert_eq!(open(world), Ok(()));
    assert_eq!(open(world), Err(Refusal::RelayFull));
    world.pass_hours(3);
    world.sweep();
    assert_eq!(open(world), Ok(()));
}

fn rated(world: &mut World, table: GrantTable, per_hour: u32, bytes_per_hour: u64) -> super::world::Held {
    let mut mailbox = world.open(MailboxKind::Personal);
    let hash = capability();
    let add = vec![Grant { per_hour, bytes_per_hour, ..grant(hash) }];
    world.apply(Change::Grants { mailbox: mailbox.id, capability: mailbox.owner, table, revoke: vec![], add }).unwrap();
    match table {
        GrantTable::Append => mailbox.append = hash,
        GrantTable::Take => mailbox.take = hash,
    }
    mailbox
}

fn a_grants_rate_is_for_one_hour(world: &mut World) {
    let mailbox = rated(world, GrantTable::Append, 2, u64::MAX);
    for _ in 0..3 {
        world.append(&mailbox, 1);
        world.append(&mailbox, 1);
        assert_eq!(world.append_as(&mailbox, mailbox.append, entry(1, 0)), Err(Refusal::RateExceeded));
        // Others are not held up by it.
        world.append_as(&mailbox, mailbox.owner, entry(1, 0)).unwrap();
        world.pass_hours(1);
    }
}

fn a_grants_bytes_are_for_one_hour(world: &mut World) {
    let mailbox = rated(world, GrantTable::Append, u32::MAX, 3000);
    world.append_as(&mailbox, mailbox.append, entry(1, 1)).unwrap();
    assert_eq!(world.append_as(&mailbox, mailbox.append, entry(1, 1)), Err(Refusal::RateExceeded));
    world.append_as(&mailbox, mailbox.append, entry(1, 0)).unwrap();
    world.pass_hours(1);
    world.append_as(&mailbox, mailbox.append, entry(1, 1)).unwrap();
}

fn a_take_grant_has_a_rate(world: &mut World) {
    let mailbox = rated(world, GrantTable::Take, 1, 0);
    world.append(&mailbox, 1);
    world.append(&mailbox, 2);
    let take = || Change::Take { mailbox: mailbox.id, capability: mailbox.take };
    assert!(world.apply(take()).is_ok());
    assert_eq!(world.apply(take()), Err(Refusal::RateExceeded));
    assert_eq!(world.fills(&mailbox), [2]);
}

fn what_a_revoked_grant_used_is_forgotten(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    let (id, owner, table) = (mailbox.id, mailbox.owner, GrantTable::Append);
    for _ in 0..3 {
        let hash = capability();
        let grants = |revoke, add| Change::Grants { mailbox: id, capability: owner, table, revoke, add };
        world.apply(grants(vec![], vec![grant(hash)])).unwrap();
        world.append_as(&mailbox, hash, entry(1, 0)).unwrap();
        assert_eq!(world.ledger.counted(), 1);
        world.apply(grants(vec![hash], vec![])).unwrap();
        assert_eq!(world.ledger.counted(), 0, "a list of grants that are no more grows without end");
    }
    world.append(&mailbox, 1);
    world.apply(Change::Close { mailbox: id, capability: owner }).unwrap();
    assert_eq!(world.ledger.counted(), 0);
}

fn a_renewal_by_grant_takes_from_its_rate(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    let hash = capability();
    let add = vec![Grant { per_hour: 2, bytes_per_hour: 0, ..grant(hash) }];
    let table = GrantTable::Append;
    world.apply(Change::Grants { mailbox: mailbox.id, capability: mailbox.owner, table, revoke: vec![], add }).unwrap();
    let renew = |capability| Change::Renew { mailbox: mailbox.id, capability, lease_hours: 2000 };
    assert!(world.apply(renew(hash)).is_ok());
    assert!(world.apply(renew(hash)).is_ok());
    assert_eq!(world.apply(renew(hash)), Err(Refusal::RateExceeded));
    assert!(world.apply(renew(mailbox.owner)).is_ok(), "who owns it renews whatever others did");
    world.pass_hours(1);
    assert!(world.apply(renew(hash)).is_ok());
}

fn open_with_grants(world: &mut World, count: usize) -> Result<Applied, Refusal> {
    let append = (0..count).map(|_| grant(capability())).collect();
    let kind = MailboxKind::Personal;
    let (admission, owner) = (world.purse, capability());
    world.apply(Change::Open { admission, kind, owner, read: None, append, take: vec![], lease_hours: 1 })
}

fn grants_count_among_the_bytes_of_a_relay(world: &mut World) {
    world.configured(|config| config.bytes = 5 * GRANT_BYTES);
    assert!(open_with_grants(world, 3).is_ok());
    assert_eq!(open_with_grants(world, 3), Err(Refusal::RelayFull));
    assert!(open_with_grants(world, 2).is_ok());
    assert_eq!(world.store.totals().bytes(), 5 * GRANT_BYTES);
    world.pass_hours(3);
    world.sweep();
    assert!(open_with_grants(world, 5).is_ok(), "what has gone gives its room back");
}

fn grants_are_paid_for_by_who_opens(world: &mut World) {
    world.configured(|config| config.shared_bytes = 3 * GRANT_BYTES);
    assert_eq!(open_with_grants(world, 4), Err(Refusal::AllowanceSpent));
    let view = world.store.admission(&world.purse, world.now).unwrap().unwrap();
    assert_eq!(view.mailboxes_left, world.store.config().shared_mailboxes, "a refusal takes nothing");
    assert!(open_with_grants(world, 3).is_ok());
}

fn an_exchange_of_grants_is_done_on_a_full_relay(world: &mut World) {
    world.configured(|config| config.bytes = GRANT_BYTES);
    let mailbox = world.open(MailboxKind::Shared);
    let (new, table) = (capability(), GrantTable::Append);
    let grants = |revoke, add| Change::Grants { mailbox: mailbox.id, capability: mailbox.owner, table, revoke, add };
    assert_eq!(world.apply(grants(vec![], vec![grant(new)])), Err(Refusal::RelayFull));
    assert!(world.apply(grants(vec![mailbox.append], vec![grant(new)])).is_ok());
    assert_eq!(world.store.totals().grants, 1);
}
