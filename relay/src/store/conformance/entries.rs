use relevo_protocol::wire::{Cursor, Head, Incarnation, MailboxKind, Refusal, Sequence};

use super::super::{Applied, Change, Most, Popped, Touch};
use super::facts;
use super::world::{World, entry};

facts!(
    appends_are_numbered_and_chained,
    a_batch_of_appends_is_in_order,
    entries_of_every_size_are_read_back,
    a_read_is_bounded_by_entries_and_by_bytes,
    a_read_gives_one_entry_however_large,
    a_cursor_of_another_life_reads_nothing,
    only_read_and_owner_read,
    a_trim_moves_the_first_and_its_head,
    a_trim_beyond_the_end_leaves_the_chain,
    entries_go_by_age_and_the_chain_goes_on,
    take_pops_the_oldest_then_copies_the_last_resort,
    a_last_resort_is_replaced_by_owner_only,
    a_shared_mailbox_is_no_shelf,
    readers_are_told_what_happened,
);

fn appends_are_numbered_and_chained(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    let mut head = Head::START;
    for n in 1..=20 {
        let entry = entry(n, usize::from(n % 2));
        let appended = world.append_as(&mailbox, mailbox.append, entry.clone()).unwrap();
        head = head.extend(&mailbox.id, mailbox.incarnation, Sequence(n.into()), &entry);
        assert_eq!((appended.sequence(), appended.head()), (Sequence(n.into()), head));
        assert_eq!(appended.expires(), world.now.round_up().plus(30 * 24));
        if n == 10 {
            world.reopen();
        }
    }
    let checkpoint = world.store.checkpoint(&mailbox.id, &mailbox.read, world.now).unwrap();
    assert_eq!((checkpoint.sequence, checkpoint.head), (Sequence(20), head));
    assert_eq!((checkpoint.first_available, checkpoint.restored_from), (Sequence(1), None));
}

fn a_batch_of_appends_is_in_order(world: &mut World) {
    let (one, two) = (world.open(MailboxKind::Shared), world.open(MailboxKind::Personal));
    let changes = (0..100).map(|n| {
        let mailbox = if n % 2 == 0 { &one } else { &two };
        Change::Append { admission: world.purse, mailbox: mailbox.id, capability: mailbox.append, entry: entry(n, 0) }
    });
    let outcomes = world.batch(changes.collect());
    assert!(outcomes.iter().all(Result::is_ok));
    world.reopen();
    assert_eq!(world.fills(&one), (0..100).step_by(2).collect::<Vec<u8>>());
    assert_eq!(world.fills(&two), (1..100).step_by(2).collect::<Vec<u8>>());
}

fn entries_of_every_size_are_read_back(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    let sent: Vec<_> = (0..6).map(|bucket| entry(40 + u8::try_from(bucket).unwrap(), bucket)).collect();
    for entry in &sent {
        world.append_as(&mailbox, mailbox.append, entry.clone()).unwrap();
    }
    let read = |world: &World| world.read(&mailbox, 0).entries.into_iter().map(|read| read.entry).collect::<Vec<_>>();
    assert_eq!(read(world), sent);
    world.reopen();
    assert_eq!(read(world), sent);
    assert_eq!(world.store.totals().entry_bytes, sent.iter().map(super::super::ledger::size_of).sum::<u64>());
}

fn a_read_is_bounded_by_entries_and_by_bytes(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    for n in 0..10 {
        world.append(&mailbox, n);
    }
    for _ in 0..2 {
        let cursor = Cursor { incarnation: None, after: Sequence(3) };
        let places = |entries, bytes| {
            let most = Most { entries, bytes };
            let slice = world.store.read(&mailbox.id, &mailbox.owner, &cursor, most, world.now).unwrap();
            slice.entries.iter().map(|read| read.sequence.0).collect::<Vec<_>>()
        };
        assert_eq!(places(2, usize::MAX), [4, 5]);
        assert_eq!(places(99, 3 * 512), [4, 5, 6]);
        assert_eq!(places(99, 3 * 512 + 511), [4, 5, 6]);
        world.reopen();
    }
}

fn a_read_gives_one_entry_however_large(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    world.append_as(&mailbox, mailbox.append, entry(1, 5)).unwrap();
    world.append(&mailbox, 2);
    let most = Most { entries: 9, bytes: 1 };
    let slice = world.store.follow(&mailbox.id, Sequence::START, most, world.now).unwrap();
    assert_eq!(slice.entries.len(), 1);
}

fn a_cursor_of_another_life_reads_nothing(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    world.append(&mailbox, 1);
    let cursor = Cursor { incarnation: Some(Incarnation([7; 8])), after: Sequence(0) };
    let most = Most { entries: 9, bytes: 9000 };
    let slice = world.store.read(&mailbox.id, &mailbox.read, &cursor, most, world.now).unwrap();
    assert_eq!((slice.entries.len(), slice.standing.incarnation), (0, mailbox.incarnation));
}

fn only_read_and_owner_read(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    for (shown, may) in [(mailbox.read, true), (mailbox.owner, true), (mailbox.append, false), (mailbox.take, false)] {
        assert_eq!(world.store.standing(&mailbox.id, &shown, world.now).is_ok(), may);
        assert_eq!(world.store.checkpoint(&mailbox.id, &shown, world.now).is_ok(), may);
    }
}

fn a_trim_moves_the_first_and_its_head(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    let heads: Vec<_> = (0..5).map(|n| world.append(&mailbox, n).head()).collect();
    world
        .apply(Change::Trim { mailbox: mailbox.id, capability: mailbox.owner, upto: Sequence(3), incarnation: None })
        .unwrap();
    world.reopen();
    let slice = world.read(&mailbox, 0);
    assert_eq!((slice.standing.first_available, slice.standing.head_before_first), (Sequence(4), heads[2]));
    assert_eq!(world.fills(&mailbox), [3, 4]);
    assert_eq!(world.store.totals().entry_bytes, 2 * 512);
    let (another, this) = (Incarnation([9; 8]), mailbox.incarnation);
    for (life, left) in [(another, 2), (this, 1)] {
        let (upto, incarnation) = (Sequence(4), Some(life));
        world.apply(Change::Trim { mailbox: mailbox.id, capability: mailbox.owner, upto, incarnation }).unwrap();
        assert_eq!(world.fills(&mailbox).len(), left, "what was read in another life is somewhere else in this one");
    }
    let refused = world.apply(Change::Trim {
        mailbox: mailbox.id,
        capability: mailbox.read,
        upto: Sequence(9),
        incarnation: None,
    });
    assert_eq!(refused, Err(Refusal::NoSuchMailbox));
}

fn a_trim_beyond_the_end_leaves_the_chain(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    let head = world.append(&mailbox, 1).head();
    world
        .apply(Change::Trim {
            mailbox: mailbox.id,
            capability: mailbox.owner,
            upto: Sequence(u64::MAX),
            incarnation: None,
        })
        .unwrap();
    world.reopen();
    let standing = world.store.standing(&mailbox.id, &mailbox.owner, world.now).unwrap();
    assert_eq!((standing.first_available, standing.last, standing.head_before_first), (Sequence(2), Sequence(1), head));
    let next = world.append_as(&mailbox, mailbox.append, entry(2, 0)).unwrap();
    assert_eq!(next.head(), head.extend(&mailbox.id, mailbox.incarnation, Sequence(2), &entry(2, 0)));
}

fn entries_go_by_age_and_the_chain_goes_on(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    let early: Vec<_> = (0..7).map(|n| world.append(&mailbox, n)).collect();
    world.pass_hours(24);
    world.append(&mailbox, 100);
    world.apply(Change::Renew { mailbox: mailbox.id, capability: mailbox.append, lease_hours: 2000 }).unwrap();
    world.pass_hours(30 * 24 - 12);
    assert!(early[0].expires().is_past(world.now));
    world.touches.clear();
    world.sweep();
    world.reopen();
    let slice = world.read(&mailbox, 0);
    assert_eq!((slice.standing.first_available, slice.standing.head_before_first), (Sequence(8), early[6].head()));
    assert_eq!(world.fills(&mailbox), [100]);
    assert_eq!(world.touches.last(), Some(&(mailbox.id, Touch::Trimmed { first_available: Sequence(8) })));
    assert_eq!(world.store.totals().entry_bytes, 512);
}

fn take_pops_the_oldest_then_copies_the_last_resort(world: &mut World) {
    let shelf = world.open(MailboxKind::Personal);
    let take = || Change::Take { mailbox: shelf.id, capability: shelf.take };
    assert_eq!(world.apply(take()), Err(Refusal::Empty));
    let last =
        Change::LastResort { admission: world.purse, mailbox: shelf.id, capability: shelf.owner, entry: entry(99, 3) };
    world.apply(last).unwrap();
    world.append(&shelf, 1);
    world.append_as(&shelf, shelf.owner, entry(2, 0)).unwrap();
    world.reopen();
    for (fill, bucket, popped) in
        [(1, 0, Popped::Entry), (2, 0, Popped::Entry), (99, 3, Popped::LastResort), (99, 3, Popped::LastResort)]
    {
        assert_eq!(world.apply(take()), Ok(Applied::Taken { entry: entry(fill, bucket), popped }));
    }
    assert_eq!(world.store.totals().entry_bytes, 32 << 10);
}

fn a_last_resort_is_replaced_by_owner_only(world: &mut World) {
    let shelf = world.open(MailboxKind::Personal);
    let set = |world: &mut World, capability, fill| {
        let admission = world.purse;
        world.apply(Change::LastResort { admission, mailbox: shelf.id, capability, entry: entry(fill, 2) })
    };
    assert_eq!(set(world, shelf.append, 1), Err(Refusal::NoSuchMailbox));
    for fill in 1..4 {
        assert_eq!(set(world, shelf.owner, fill), Ok(Applied::Done));
    }
    let taken = world.apply(Change::Take { mailbox: shelf.id, capability: shelf.take });
    assert_eq!(taken, Ok(Applied::Taken { entry: entry(3, 2), popped: Popped::LastResort }));
    assert_eq!(world.store.totals().entry_bytes, 8 << 10);
}

fn a_shared_mailbox_is_no_shelf(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    let refused = world.apply(Change::LastResort {
        admission: world.purse,
        mailbox: mailbox.id,
        capability: mailbox.owner,
        entry: entry(1, 0),
    });
    assert_eq!(refused, Err(Refusal::WrongKind));
}

fn readers_are_told_what_happened(world: &mut World) {
    let mailbox = world.open(MailboxKind::Personal);
    world.touches.clear();
    let appended = world.append(&mailbox, 1);
    world
        .apply(Change::Trim { mailbox: mailbox.id, capability: mailbox.owner, upto: Sequence(1), incarnation: None })
        .unwrap();
    world.apply(Change::Close { mailbox: mailbox.id, capability: mailbox.owner }).unwrap();
    let (incarnation, sequence, expires) = (mailbox.incarnation, appended.sequence(), appended.expires());
    assert_eq!(
        world.touches,
        [
            (mailbox.id, Touch::Appended { incarnation, sequence, expires, entry: entry(1, 0) }),
            (mailbox.id, Touch::Trimmed { first_available: Sequence(2) }),
            (mailbox.id, Touch::Closed),
        ]
    );
}
