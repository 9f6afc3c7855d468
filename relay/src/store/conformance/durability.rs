use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use relevo_protocol::limits::MAX_BLOB;
use relevo_protocol::wire::{BlobId, MailboxKind, Refusal, Sequence};

use super::super::blobs::Begun;
use super::super::{Change, LAYOUT, Most, Store, StoreFault, Writer};
use super::facts;
use super::world::{NOW, World, entry, small};

facts!(what_is_acknowledged_is_read_after_reopening, the_writer_answers_everybody_in_order);

fn what_is_acknowledged_is_read_after_reopening(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    for round in 0..5 {
        let changes = (0..40).map(|n| Change::Append {
            admission: world.purse,
            mailbox: mailbox.id,
            capability: mailbox.append,
            entry: entry(n, if n % 10 == 0 { 3 } else { 0 }),
        });
        assert!(world.batch(changes.collect()).iter().all(Result::is_ok));
        world.reopen();
        assert_eq!(world.read(&mailbox, 0).entries.len(), 40 * (round + 1));
    }
}

fn the_writer_answers_everybody_in_order(world: &mut World) {
    let mailbox = world.open(MailboxKind::Shared);
    let (store, ledger) = Store::in_memory(small()).unwrap();
    let ledger = std::mem::replace(&mut world.ledger, ledger);
    drop(store);
    let told = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&told);
    let witness = Box::new(move |touches: &[_]| {
        count.fetch_add(u64::try_from(touches.len()).unwrap(), Ordering::Relaxed);
    });
    let (writer, thread) = Writer::spawn(ledger, &small(), Arc::new(|| NOW), witness).unwrap();
    let change = |n| Change::Append {
        admission: world.purse,
        mailbox: mailbox.id,
        capability: mailbox.append,
        entry: entry(n, 0),
    };
    let pending: Vec<_> = (0..200).map(|n| writer.try_submit(change(n)).unwrap()).collect();
    for (n, pending) in pending.into_iter().enumerate() {
        let super::super::Applied::Appended(appended) = pending.wait().unwrap() else { panic!() };
        assert_eq!(appended.sequence(), Sequence(u64::try_from(n).unwrap() + 1));
    }
    drop(writer);
    thread.join().unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 200);
    assert_eq!(world.read(&mailbox, 0).entries.len(), 200);
}

#[test]
fn a_full_queue_is_said() {
    let config = super::super::StoreConfig { queue_bytes: 2048, ..small() };
    let (_store, ledger) = Store::in_memory(config.clone()).unwrap();
    let (writer, _thread) = Writer::spawn(ledger, &config, Arc::new(|| NOW), Box::new(|_| {})).unwrap();
    let world = World::memory();
    let change = Change::Append {
        admission: world.purse,
        mailbox: relevo_protocol::wire::MailboxId([0; 16]),
        capability: super::world::capability(),
        entry: entry(0, 5),
    };
    assert!(matches!(writer.try_submit(change), Err(Refusal::Busy)));
}

#[test]
fn a_second_process_is_refused() {
    let world = World::sled();
    let second = Store::open(&world.path().unwrap(), small());
    assert!(matches!(second.err(), Some(StoreFault::Locked)));
}

#[test]
fn the_directory_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::sled();
    let path = world.path().unwrap();
    for directory in [path.clone(), path.join("index"), path.join("bodies"), path.join("blobs/whole")] {
        assert_eq!(fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

/// Files as a killed process leaves them, in the middle of the run. (What a power cut leaves is tried in `tests`.)
#[test]
fn a_copy_taken_in_mid_run_holds_all_that_was_acknowledged() {
    let mut world = World::sled();
    let mailbox = world.open(MailboxKind::Shared);
    let path = world.path().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let (acknowledged, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let taken = std::thread::scope(|scope| {
        let copier = scope.spawn(|| {
            let mut taken = Vec::new();
            let mut number = 0;
            while !done.load(Ordering::Acquire) {
                let floor = acknowledged.load(Ordering::Acquire);
                let copy = copies.path().join(number.to_string());
                number += 1;
                let index = || fs::metadata(path.join("index/db")).unwrap().modified().unwrap();
                let before = index();
                copy_until(&path, &copy);
                // Behind what the index takes in nothing of the journal is kept: such a copy is of no one moment.
                if index() == before {
                    taken.push((floor, copy));
                }
            }
            taken
        });
        for round in 0..60 {
            let changes = (0..20).map(|n| Change::Append {
                admission: world.purse,
                mailbox: mailbox.id,
                capability: mailbox.append,
                entry: entry(n, if (n + round) % 7 == 0 { 3 } else { 1 }),
            });
            assert!(world.batch(changes.collect()).iter().all(Result::is_ok));
            acknowledged.fetch_add(20, Ordering::Release);
        }
        done.store(true, Ordering::Release);
        copier.join().unwrap()
    });
    assert!(!taken.is_empty());
    for (floor, copy) in taken {
        let (store, _ledger) = Store::open(&copy, small()).unwrap();
        let most = Most { entries: usize::MAX, bytes: usize::MAX };
        let slice = store.follow(&mailbox.id, Sequence::START, most, NOW).unwrap();
        assert!(slice.standing.last.0 >= floor);
        assert_eq!(u64::try_from(slice.entries.len()).unwrap(), slice.standing.last.0);
        let mut head = slice.standing.head_before_first;
        for read in &slice.entries {
            head = head.extend(&mailbox.id, mailbox.incarnation, read.sequence, &read.entry);
        }
        assert_eq!(head, store.checkpoint(&mailbox.id, &mailbox.read, NOW).unwrap().head);
    }
}

/// Copies a directory, the index before the journal, which only grows meanwhile.
fn copy_until(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut children: Vec<_> = fs::read_dir(from).unwrap().map(|child| child.unwrap().path()).collect();
    children.sort_by_key(|path| path.file_name().map(|name| name != "index" && name != "conf"));
    for child in children {
        let target = to.join(child.file_name().unwrap());
        if child.is_dir() {
            copy_until(&child, &target);
        } else if let Err(error) = fs::copy(&child, &target) {
            // sled replaces its snapshots while it runs.
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
    }
}

#[test]
fn large_bodies_lie_beside_the_index_and_go_when_they_are_trimmed() {
    let mut world = World::sled();
    let mailbox = world.open(MailboxKind::Personal);
    let bodies = world.path().unwrap().join("bodies");
    let used = || -> u64 {
        use std::os::unix::fs::MetadataExt;
        fs::read_dir(&bodies).unwrap().map(|file| file.unwrap().metadata().unwrap().blocks() * 512).sum()
    };
    for _ in 0..4 {
        world.append_as(&mailbox, mailbox.append, entry(1, 4)).unwrap();
    }
    assert!(used() >= 4 * (128 << 10));
    world
        .apply(Change::Trim { mailbox: mailbox.id, capability: mailbox.owner, upto: Sequence(3), incarnation: None })
        .unwrap();
    world.reopen();
    assert_eq!(world.fills(&mailbox), [1]);
    world
        .apply(Change::Trim { mailbox: mailbox.id, capability: mailbox.owner, upto: Sequence(4), incarnation: None })
        .unwrap();
    // The space comes back when the index has taken it in, but for the last record's.
    world.reopen();
    assert_eq!(used(), 4096);
}

pub(super) fn put(world: &mut World, bytes: &[u8], hours: u32) -> Result<BlobId, Refusal> {
    let id = BlobId::of(bytes);
    let (purse, now, length) = (world.purse, world.now, u64::try_from(bytes.len()).unwrap());
    match world.store.begin_blob(&purse, id, length, now)? {
        Begun::Held => world.apply(Change::RenewBlob { id, lease_hours: hours })?,
        Begun::Wanted(mut upload) => {
            let rest = &bytes[usize::try_from(upload.offset()).unwrap()..];
            // In one go, and in two.
            let _whole = match rest.len() % 2 {
                0 => upload.complete(rest)?,
                _ => {
                    upload.write(&rest[..1])?;
                    upload.complete(&rest[1..])?
                }
            };
            world.apply(Change::KeepBlob { admission: purse, id, length, lease_hours: hours })?
        }
    };
    Ok(id)
}

pub(super) fn get(world: &World, id: &BlobId, offset: u64, length: u64) -> Result<Vec<u8>, Refusal> {
    let mut download = world.store.open_blob(id, offset, length, world.now)?;
    let mut all = Vec::new();
    loop {
        let bytes = download.next_bytes(1000)?;
        if bytes.is_empty() {
            return Ok(all);
        }
        all.extend(bytes);
    }
}

#[test]
fn a_blob_is_stored_renewed_and_read_in_ranges() {
    let mut world = World::sled();
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let id = put(&mut world, &bytes, 10).unwrap();
    assert_eq!(put(&mut world, &bytes, 50), Ok(id));
    world.reopen();
    assert_eq!(get(&world, &id, 0, u64::MAX).unwrap(), bytes);
    assert_eq!(get(&world, &id, 99_990, 50).unwrap(), bytes[99_990..]);
    assert!(get(&world, &id, 500_000, 50).unwrap().is_empty());
    let totals = world.store.totals();
    assert_eq!((totals.blobs, totals.blob_bytes), (1, 100_000));
    world.pass_hours(40);
    world.sweep();
    assert!(get(&world, &id, 0, 1).is_ok(), "the second put renewed the lease");
    world.pass_hours(12);
    world.sweep();
    assert_eq!(get(&world, &id, 0, 1), Err(Refusal::NoSuchBlob));
    assert_eq!(world.store.totals(), super::world::only_the_purse());
    assert!(put(&mut world, &bytes, 50).is_ok());
}

#[test]
fn a_broken_put_goes_on_where_it_stopped() {
    let mut world = World::sled();
    let bytes = vec![5; 50_000];
    let id = BlobId::of(&bytes);
    {
        let Begun::Wanted(mut upload) = world.store.begin_blob(&world.purse, id, 50_000, world.now).unwrap() else {
            panic!()
        };
        upload.write(&bytes[..20_000]).unwrap();
        // One upload at a time for each blob.
        let second = world.store.begin_blob(&world.purse, id, 50_000, world.now);
        assert!(matches!(second, Err(Refusal::Busy)));
    }
    world.reopen();
    let Begun::Wanted(upload) = world.store.begin_blob(&world.purse, id, 50_000, world.now).unwrap() else { panic!() };
    assert_eq!((upload.offset(), upload.wanted()), (20_000, 30_000));
    drop(upload);
    assert_eq!(put(&mut world, &bytes, 1), Ok(id));
}

#[test]
fn bytes_that_do_not_match_their_id_are_not_kept() {
    let world = World::sled();
    let id = BlobId::of(b"other");
    let Begun::Wanted(mut upload) = world.store.begin_blob(&world.purse, id, 5, world.now).unwrap() else { panic!() };
    assert_eq!(upload.write(b"longer"), Err(Refusal::Malformed));
    upload.write(b"wrong").unwrap();
    assert!(matches!(upload.finish(), Err(Refusal::BlobMismatch)));
    let Begun::Wanted(upload) = world.store.begin_blob(&world.purse, id, 5, world.now).unwrap() else { panic!() };
    assert_eq!(upload.offset(), 0);
    assert!(matches!(upload.finish(), Err(Refusal::Malformed)));
}

#[test]
fn bytes_that_come_in_one_go_and_do_not_match_leave_no_file() {
    let world = World::sled();
    let whole = world.path().unwrap().join("blobs");
    let files = || -> usize {
        let folders = fs::read_dir(whole.join("whole")).unwrap().map(|folder| folder.unwrap().path());
        folders.chain([whole.join("partial")]).map(|folder| fs::read_dir(folder).unwrap().count()).sum()
    };
    for wrong in [b"wrong".as_slice(), b"short", b"too long"] {
        let id = BlobId::of(b"other");
        let Begun::Wanted(upload) = world.store.begin_blob(&world.purse, id, 5, world.now).unwrap() else { panic!() };
        assert!(upload.complete(wrong).is_err());
        assert_eq!(files(), 0);
    }
}

#[test]
fn blobs_are_bounded() {
    let mut world = World::sled();
    // Each leaves a byte behind, so that there is something unfinished.
    let left = |world: &World, fill: u8, length| match world.store.begin_blob(
        &world.purse,
        BlobId([fill; 32]),
        length,
        world.now,
    )? {
        Begun::Wanted(mut upload) => upload.write(b"1").map(|()| upload),
        Begun::Held => panic!("no such blob was ever whole"),
    };
    let begin = |world: &World, length| left(world, 1, length).map(drop);
    assert_eq!(begin(&world, MAX_BLOB + 1), Err(Refusal::Malformed));
    assert_eq!(begin(&world, 0), Err(Refusal::Malformed));
    assert_eq!(begin(&world, MAX_BLOB), Ok(()));
    world.configured(|config| config.partial_blobs = 1);
    let other = left(&world, 2, 5);
    assert!(other.is_ok(), "the unfinished one, which nobody goes on with, gives way");
    assert_eq!(begin(&world, 5), Err(Refusal::Busy), "one is being uploaded already");
    drop(other);
    assert_eq!(begin(&world, 5), Ok(()));
    world.store.sweep_partial_blobs(world.now.plus_seconds(1 << 32)).unwrap();
    assert!(left(&world, 2, 5).is_ok());
    world.configured(|config| config.bytes = 4);
    assert_eq!(begin(&world, 5), Err(Refusal::RelayFull));
    world.configured(|config| config.shared_bytes = 4);
    assert_eq!(begin(&world, 5), Err(Refusal::AllowanceSpent));
}

#[test]
fn a_row_without_a_file_is_mended_by_a_new_put() {
    let mut world = World::sled();
    let id = put(&mut world, b"kept", 5).unwrap();
    let name = data_encoding::HEXLOWER.encode(&id.0);
    fs::remove_file(world.path().unwrap().join("blobs/whole").join(&name[..2]).join(&name)).unwrap();
    assert_eq!(get(&world, &id, 0, 9), Err(Refusal::NoSuchBlob));
    assert_eq!(put(&mut world, b"kept", 5), Ok(id));
    assert_eq!(get(&world, &id, 0, 9).unwrap(), b"kept");
}

#[test]
fn a_blob_whose_file_is_gone_is_not_entered() {
    let mut world = World::sled();
    let keep = Change::KeepBlob { admission: world.purse, id: BlobId([3; 32]), length: 5, lease_hours: 1 };
    assert_eq!(world.apply(keep), Err(Refusal::Busy));
}

#[test]
fn a_file_without_a_row_is_removed_at_opening() {
    let mut world = World::sled();
    let id = put(&mut world, b"kept", 5).unwrap();
    let whole = world.path().unwrap().join("blobs/whole");
    fs::create_dir_all(whole.join("00")).unwrap();
    let orphan = whole.join("00").join("00".repeat(32));
    fs::write(&orphan, b"orphan").unwrap();
    world.reopen();
    assert!(!orphan.exists());
    assert_eq!(get(&world, &id, 0, 9).unwrap(), b"kept");
}

#[test]
fn a_missing_ballast_is_taken_again_and_kept_whole() {
    let mut world = World::sled();
    world.configured(|config| config.ballast_bytes = 1 << 20);
    assert_eq!(fs::metadata(world.path().unwrap().join("ballast")).unwrap().len(), 1 << 20);
}

#[test]
fn what_a_later_version_has_written_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let opened = || Store::open(&path, small()).map(drop);
    opened().unwrap();
    let names = || -> Vec<String> {
        let all = fs::read_dir(&path).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        all.filter(|name| name.starts_with("layout")).collect()
    };
    let present = format!("layout-{LAYOUT}");
    assert_eq!(names(), [present.as_str()]);
    let later = path.join(format!("layout-{}", LAYOUT + 1));
    fs::write(&later, "").unwrap();
    assert!(matches!(opened(), Err(StoreFault::Newer)));
    fs::remove_file(&later).unwrap();
    // Of before layouts were counted.
    fs::remove_file(path.join(&present)).unwrap();
    opened().unwrap();
    assert_eq!(names(), [present.as_str()]);
}

#[test]
fn a_blob_that_the_operator_removes_is_gone_with_its_file() {
    let mut world = World::sled();
    let id = put(&mut world, &[5; 5000], 24).unwrap();
    let kept = put(&mut world, &[6; 5000], 24).unwrap();
    world.apply(Change::RemoveBlob { id }).unwrap();
    assert_eq!(world.apply(Change::RemoveBlob { id }), Err(Refusal::NoSuchBlob));
    assert_eq!(get(&world, &id, 0, 9), Err(Refusal::NoSuchBlob));
    assert!(!world.store.shared.blobs.holds(&id) && world.store.shared.blobs.holds(&kept));
    assert_eq!(world.store.totals().blobs, 1);
}
