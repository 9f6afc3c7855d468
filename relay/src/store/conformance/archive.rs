//! What a backup holds of a store, read while it changes, fills another one.

use std::sync::atomic::{AtomicBool, Ordering};

use relevo_protocol::wire::{BlobId, MailboxId, MailboxKind, Sequence};

use super::super::archive::Item;
use super::super::{Applied, Change, Most, Store, StoreFault};
use super::durability::{get, put};
use super::world::{Held, World, entry, small};

/// Reads a whole store.
fn archived(store: &Store) -> Vec<Item> {
    let mut items = Vec::new();
    store
        .archive(|item| {
            items.push(item);
            Ok::<_, StoreFault>(())
        })
        .unwrap();
    items
}

fn refill(store: &Store, items: Vec<Item>) {
    let mut filling = store.refill();
    for item in items {
        filling.take(item).unwrap();
    }
    filling.finish().unwrap();
}

/// Fills another world with what one holds.
pub(super) fn refilled(world: &World, mut other: World) -> World {
    other.now = world.now;
    refill(&other.store, archived(&world.store));
    other
}

/// The entries of a mailbox follow each other, and their heads chain.
pub(super) fn is_chained(world: &World, id: &MailboxId) {
    let most = Most { entries: usize::MAX, bytes: usize::MAX };
    let slice = world.store.follow(id, Sequence::START, most, world.now).unwrap();
    let mut head = slice.standing.head_before_first;
    let mut next = slice.standing.first_available;
    for read in &slice.entries {
        assert_eq!(read.sequence, next);
        head = head.extend(id, slice.standing.incarnation, next, &read.entry);
        next = next.next();
    }
    assert_eq!(slice.standing.last.next(), next);
    let row = world.store.shared.live(id, world.now).unwrap();
    assert_eq!(row.head, head);
    let bytes: usize = slice.entries.iter().map(|read| read.entry.size()).sum();
    let beside = row.last_resort.map_or(0, |last| last.bytes);
    assert_eq!(row.bytes, u64::try_from(bytes).unwrap() + beside);
}

#[test]
fn whoever_might_before_may_after() {
    let mut world = World::sled();
    let mailbox = world.open(MailboxKind::Personal);
    world.append(&mailbox, 1);
    let last_resort = entry(7, 0);
    let (id, owner, admission) = (mailbox.id, mailbox.owner, world.purse);
    let change = Change::LastResort { admission, mailbox: id, capability: owner, entry: last_resort.clone() };
    world.apply(change).unwrap();
    let blob = put(&mut world, &[5; 5000], 24).unwrap();

    let mut other = refilled(&world, World::sled());
    assert_eq!(get(&other, &blob, 0, u64::MAX).unwrap(), [5; 5000]);
    let appended = other.append_as(&mailbox, mailbox.append, entry(2, 2)).unwrap();
    assert_eq!(appended.sequence(), Sequence(2));
    for given in [entry(1, 0), entry(2, 2), last_resort] {
        let taken = other.apply(Change::Take { mailbox: id, capability: mailbox.take }).unwrap();
        assert!(matches!(taken, Applied::Taken { entry, .. } if entry == given));
    }
    other.apply(Change::Close { mailbox: id, capability: owner }).unwrap();
    assert_eq!(other.store.rows(b"l") + other.store.rows(b"g"), 0);
}

#[test]
fn an_entry_that_the_disk_had_lost_keeps_its_place_and_those_behind_it_are_read() {
    let mut world = World::sled();
    let mailbox = world.open(MailboxKind::Shared);
    for fill in 1..=3 {
        world.append(&mailbox, fill);
    }
    let mut items = archived(&world.store);
    let Some(Item::Entry { entry, .. }) = items.get_mut(2) else { panic!("the second entry") };
    *entry = None;
    let other = World::memory();
    refill(&other.store, items);
    let read = |after| {
        let most = Most { entries: 9, bytes: usize::MAX };
        let slice = other.store.follow(&mailbox.id, Sequence(after), most, other.now)?;
        Ok::<_, relevo_protocol::wire::Refusal>(slice.entries.iter().map(|one| one.sequence.0).collect::<Vec<_>>())
    };
    assert_eq!((read(0).unwrap(), read(2).unwrap()), (vec![1], vec![3]));
    read(1).unwrap_err();
    assert_eq!(other.store.verify(|_| {}).unwrap().damaged_entries, 1);
}

#[test]
fn parts_that_no_store_gives_are_refused() {
    let mut world = World::sled();
    let mailbox = world.open(MailboxKind::Shared);
    world.append(&mailbox, 1);
    put(&mut world, &[5; 5000], 24).unwrap();
    let parts = || archived(&world.store);
    let (first, second) = (|| parts().remove(0), || parts().remove(1));
    let other_bytes = || {
        let Some(Item::Blob { id, record, .. }) = parts().pop() else { panic!("a blob") };
        assert_eq!(id, BlobId::of(&[5; 5000]));
        Item::Blob { id, record, bytes: vec![6; 5000] }
    };
    let back = || Item::Trimmed { first: Sequence(1), head_before_first: relevo_protocol::wire::Head([0; 32]) };
    for broken in [vec![second()], vec![back()], vec![Item::Gone], vec![other_bytes()], vec![first(), second(), back()]]
    {
        let (store, _ledger) = Store::in_memory(small()).unwrap();
        let mut filling = store.refill();
        let mut last = Ok(());
        for part in broken {
            last.unwrap();
            last = filling.take(part);
        }
        assert!(matches!(last, Err(StoreFault::Corrupt { .. })));
    }
}

/// A backup of a mailbox with six entries, in which something is done once so many of them have been read.
fn changed_after(read: usize, act: impl FnOnce(&mut World, &Held)) -> (Held, World) {
    let mut world = World::memory();
    let mailbox = world.open(MailboxKind::Personal);
    for fill in 1..=6 {
        world.append(&mailbox, fill);
    }
    let (store, mut act, mut items) = (world.store.clone(), Some(act), Vec::new());
    store
        .archive(|item| {
            items.push(item);
            if items.len() == read + 1
                && let Some(act) = act.take()
            {
                act(&mut world, &mailbox);
            }
            Ok::<_, StoreFault>(())
        })
        .unwrap();
    let other = World::memory();
    refill(&other.store, items);
    (mailbox, other)
}

fn trim(world: &mut World, mailbox: &Held, upto: u64) {
    let change =
        Change::Trim { mailbox: mailbox.id, capability: mailbox.owner, upto: Sequence(upto), incarnation: None };
    world.apply(change).unwrap();
}

fn close(world: &mut World, mailbox: &Held) {
    world.apply(Change::Close { mailbox: mailbox.id, capability: mailbox.owner }).unwrap();
}

/// The first bytes of what can be read.
fn fills(world: &World, mailbox: &Held) -> Vec<u8> {
    let most = Most { entries: usize::MAX, bytes: usize::MAX };
    let slice = world.store.follow(&mailbox.id, Sequence::START, most, world.now).unwrap();
    is_chained(world, &mailbox.id);
    slice.entries.iter().map(|read| read.entry.bytes()[0]).collect()
}

#[test]
fn what_changes_while_it_is_read_leaves_each_mailbox_as_it_stood_at_one_moment() {
    for read in 0..=6 {
        // What comes is not in it, what goes may be.
        let (mailbox, other) = changed_after(read, |world, mailbox| {
            world.append(mailbox, 7);
            trim(world, mailbox, 4);
        });
        let kept = if read < 4 { vec![5, 6] } else { vec![1, 2, 3, 4, 5, 6] };
        assert_eq!(fills(&other, &mailbox), kept, "after {read}");

        let (mailbox, other) = changed_after(read, |world, mailbox| trim(world, mailbox, 6));
        assert_eq!(fills(&other, &mailbox).len(), if read < 6 { 0 } else { 6 }, "after {read}");

        // Closed, and opened again by its owner: nothing of the two lives is mixed.
        let (mailbox, other) = changed_after(read, |world, mailbox| {
            trim(world, mailbox, 6);
            close(world, mailbox);
            let (admission, owner, kind) = (world.purse, mailbox.owner, MailboxKind::Personal);
            let append = vec![super::world::grant(mailbox.append)];
            let wish = Change::Open { admission, kind, owner, read: None, append, take: vec![], lease_hours: 48 };
            world.apply(wish).unwrap();
            world.append(mailbox, 9);
        });
        let left = if read < 6 { 0 } else { 6 };
        if left > 0 {
            assert_eq!(fills(&other, &mailbox).len(), left, "after {read}");
        }
        let rows = [b"m", b"g", b"e"].map(|family| other.store.rows(family));
        assert_eq!(rows, if read < 6 { [0, 0, 0] } else { [1, 2, left] }, "after {read}");
        assert!(other.store.verify(|_| {}).unwrap().is_sound());
    }
}

#[test]
fn a_backup_that_is_read_beside_a_writer_is_whole() {
    let mut world = World::sled();
    let mailboxes: Vec<Held> = (0..4).map(|_| world.open(MailboxKind::Personal)).collect();
    let (store, stop) = (world.store.clone(), AtomicBool::new(false));
    let backups = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut backups = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let items = archived(&store);
                if items.iter().any(|item| matches!(item, Item::Trimmed { .. })) || backups.is_empty() {
                    backups.push(items);
                    backups.truncate(8);
                }
            }
            backups
        });
        for round in 0..60 {
            let mailbox = &mailboxes[round % mailboxes.len()];
            for fill in 0..4 {
                world.append_as(mailbox, mailbox.append, entry(fill, 0)).unwrap();
            }
            let upto = world.store.checkpoint(&mailbox.id, &mailbox.owner, world.now).unwrap().sequence;
            trim(&mut world, mailbox, upto.0 - 2);
        }
        stop.store(true, Ordering::Relaxed);
        reading.join().unwrap()
    });
    assert!(!backups.is_empty());
    for items in backups {
        let other = World::sled();
        refill(&other.store, items);
        for mailbox in &mailboxes {
            is_chained(&other, &mailbox.id);
        }
        assert!(other.store.verify(|_| {}).unwrap().is_sound());
    }
}
