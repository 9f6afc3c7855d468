//! What a kill, a torn write and a lost bit do to the batches that the index has not taken in yet.

use std::fs;
use std::path::{Path, PathBuf};

use relevo_protocol::limits::ENTRY_BUCKETS;
use relevo_protocol::wire::{Entry, MailboxKind, Sequence};

use super::super::{Change, Most, Store, StoreFault};
use super::damage::{copy, files};
use super::world::{Held, NOW, World, entry, small};

const PAGE: usize = 4096;

/// Batches that the index has not taken in: each a text in the index and one beside it.
fn world(batches: u8) -> (World, Held) {
    let mut world = World::sled();
    let mailbox = world.open(MailboxKind::Shared);
    for fill in 0..batches {
        append(&mut world, &mailbox, vec![entry(fill, 0), entry(fill, 2)]);
    }
    (world, mailbox)
}

fn append(world: &mut World, mailbox: &Held, entries: Vec<Entry>) {
    let change =
        |entry| Change::Append { admission: world.purse, mailbox: mailbox.id, capability: mailbox.append, entry };
    let changes = entries.into_iter().map(change).collect();
    assert!(world.batch(changes).iter().all(Result::is_ok));
}

/// The store's files as a kill at this moment leaves them.
fn killed(world: &World) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    copy(&world.path().unwrap(), &path);
    (folder, path)
}

/// First bytes of all that can be read.
fn fills(path: &Path, mailbox: &Held) -> Result<Vec<u8>, StoreFault> {
    let (store, _ledger) = Store::open(path, small())?;
    assert!(store.verify(|_| {}).unwrap().is_sound());
    let most = Most { entries: usize::MAX, bytes: usize::MAX };
    let slice = store.follow(&mailbox.id, Sequence::START, most, NOW).unwrap();
    assert_eq!(u64::try_from(slice.entries.len()), Ok(slice.standing.last.0));
    Ok(slice.entries.iter().map(|read| read.entry.bytes()[0]).collect())
}

/// The file that is written last, and where each of its records begins.
fn records(path: &Path) -> (PathBuf, Vec<u8>, Vec<usize>) {
    let segment = files(&path.join("bodies")).pop().unwrap();
    let bytes = fs::read(&segment).unwrap();
    let mark = bytes[..16].to_vec();
    let begins = (0..bytes.len()).step_by(PAGE).filter(|at| bytes[*at..].starts_with(&mark)).collect();
    (segment, bytes, begins)
}

#[test]
fn what_the_index_has_not_taken_in_is_there_after_kill_upon_kill() {
    let (mut world, mailbox) = world(3);
    let mut expected = vec![0, 0, 1, 1, 2, 2];
    for fill in 3..7 {
        let (_folder, path) = killed(&world);
        assert_eq!(fills(&path, &mailbox).unwrap(), expected);
        // It goes on from the copy, which is killed again.
        let (store, ledger) = Store::open(&path, small()).unwrap();
        world = World::resume(world, store, ledger, _folder);
        append(&mut world, &mailbox, vec![entry(fill, 2)]);
        expected.push(fill);
    }
    world.reopen();
    assert_eq!(fills(&killed(&world).1, &mailbox).unwrap(), expected);
}

#[test]
fn a_batch_that_a_power_cut_tore_is_gone_whole_and_nothing_else_is() {
    let (mut world, mailbox) = world(3);
    let whole = [0, 0, 1, 1, 2, 2];
    let before = records(&world.path().unwrap()).1.len();
    append(&mut world, &mailbox, vec![entry(9, 0), entry(9, 2), entry(9, 2), entry(9, 0)]);
    let torn = |damage: &dyn Fn(&mut Vec<u8>)| {
        let (folder, path) = killed(&world);
        let (segment, mut bytes, _) = records(&path);
        damage(&mut bytes);
        fs::write(segment, bytes).unwrap();
        (folder, path)
    };
    let after = records(&world.path().unwrap()).1.len();
    for at in (before..after).step_by(PAGE) {
        let lost = torn(&|bytes| bytes[at..at + PAGE].fill(0));
        assert_eq!(fills(&lost.1, &mailbox).unwrap(), whole, "a page at {at} of {after} was not written");
        let cut = torn(&|bytes| bytes.truncate(at));
        assert_eq!(fills(&cut.1, &mailbox).unwrap(), whole, "nothing behind {at} was written");
        // It has been closed and goes on, and another kill later it is still gone.
        let (store, ledger) = Store::open(&cut.1, small()).unwrap();
        let mut next = World::begin(store, ledger, Some(cut.0), small());
        append(&mut next, &mailbox, vec![entry(7, 2)]);
        assert_eq!(fills(&killed(&next).1, &mailbox).unwrap(), [0, 0, 1, 1, 2, 2, 7]);
    }
}

#[test]
fn a_batch_that_was_torn_is_not_met_again_behind_those_that_come_after_it() {
    let (world, mailbox) = world(3);
    let (folder, path) = killed(&world);
    let (segment, mut bytes, begins) = records(&path);
    // All of it was written but one body.
    let end = bytes.len();
    bytes[end - PAGE..].fill(0);
    assert!(begins.len() > 3);
    fs::write(segment, bytes).unwrap();
    let (store, ledger) = Store::open(&path, small()).unwrap();
    let mut next = World::begin(store, ledger, Some(folder), small());
    append(&mut next, &mailbox, vec![entry(7, 2)]);
    append(&mut next, &mailbox, vec![entry(8, 0)]);
    assert_eq!(fills(&killed(&next).1, &mailbox).unwrap(), [0, 0, 1, 1, 7, 8]);
}

#[test]
fn a_record_that_lost_a_bit_and_has_others_behind_it_is_damage() {
    let (world, mailbox) = world(3);
    let (_, bytes, begins) = records(&world.path().unwrap());
    let (begin, rows) =
        (begins[2], usize::try_from(u32::from_be_bytes(bytes[begins[2] + 32..][..4].try_into().unwrap())).unwrap());
    for bit in (0..40 * 8).step_by(23).chain((40 * 8..(40 + rows) * 8).step_by(311)) {
        let (_folder, path) = killed(&world);
        let (segment, mut bytes, _) = records(&path);
        bytes[begin + bit / 8] ^= 1 << (bit % 8);
        fs::write(segment, bytes).unwrap();
        let outcome = fills(&path, &mailbox);
        assert!(matches!(outcome, Err(StoreFault::Corrupt { what: "journal" })), "bit {bit}: {outcome:?}");
    }
}

#[test]
fn a_file_of_the_journal_that_is_missing_is_damage() {
    let (world, mailbox) = world(3);
    let (folder, path) = killed(&world);
    let (store, ledger) = Store::open(&path, small()).unwrap();
    let mut next = World::begin(store, ledger, Some(folder), small());
    append(&mut next, &mailbox, vec![entry(7, 2)]);
    let (_folder, path) = killed(&next);
    assert_eq!(files(&path.join("bodies")).len(), 2);
    fs::remove_file(&files(&path.join("bodies"))[0]).unwrap();
    assert!(matches!(fills(&path, &mailbox), Err(StoreFault::Corrupt { what: "journal" })));
}

/// Whoever uploads what looks like a record of a journal makes no store that was torn look damaged.
#[test]
fn a_body_that_looks_like_a_record_is_none() {
    let (mut world, mailbox) = world(1);
    // Of another relay: nobody sees the mark of this one.
    let (_, record, _) = records(&self::world(2).0.path().unwrap());
    let mut body = vec![9; ENTRY_BUCKETS[2]];
    let length = body.len().min(record.len());
    body[..length].copy_from_slice(&record[..length]);
    append(&mut world, &mailbox, vec![Entry::parse(body.into()).unwrap()]);
    let (_folder, path) = killed(&world);
    let (segment, mut bytes, begins) = records(&path);
    let last = *begins.last().unwrap();
    bytes[last..last + PAGE].fill(0);
    fs::write(segment, bytes).unwrap();
    assert_eq!(fills(&path, &mailbox).unwrap(), [0, 0]);
}

/// sled drops what it finds damaged at the end of its log, as if a power cut had torn it.
#[test]
fn an_index_that_has_lost_what_it_had_taken_in_is_damage() {
    let mut world = World::sled();
    let mailbox = world.open(MailboxKind::Shared);
    append(&mut world, &mailbox, vec![entry(1, 0), entry(1, 2)]);
    world.reopen();
    let (_folder, older) = killed(&world);
    append(&mut world, &mailbox, vec![entry(2, 0), entry(2, 2)]);
    append(&mut world, &mailbox, vec![entry(3, 0), entry(3, 2)]);
    world.reopen();
    let (_newer_folder, path) = killed(&world);
    fs::remove_dir_all(path.join("index")).unwrap();
    copy(&older.join("index"), &path.join("index"));
    assert!(matches!(fills(&path, &mailbox), Err(StoreFault::Corrupt { what: "journal" })));
    fs::remove_dir_all(path.join("index")).unwrap();
    assert!(matches!(fills(&path, &mailbox), Err(StoreFault::Corrupt { what: "journal" })), "an empty one");
}
