use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use relevo_protocol::limits::MAX_BLOB;
use relevo_protocol::wire::{BlobId, MailboxKind, Refusal, Sequence};

use super::super::blobs::Begun;
use super::super::{Change, LAYOUT, Most, Store, StoreFault, Writer, WriterThread};
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
    for directory in [path.clone(), path.join("index"), path.join("bodies"), path.join("blobs/partial")] {
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
            let rest = bytes[usize::try_from(upload.offset()).unwrap()..].to_vec();
            // In one go, and in two.
            let blob = match rest.len() % 2 {
                0 => upload.complete(rest.into())?,
                _ => {
                    upload.write(&rest[..1])?;
                    upload.complete(rest[1..].to_vec().into())?
                }
            };
            world.apply(Change::KeepBlob { admission: purse, blob, lease_hours: hours })?
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
    assert_eq!(upload.complete(Bytes::new()).unwrap_err(), Refusal::BlobMismatch);
    let Begun::Wanted(upload) = world.store.begin_blob(&world.purse, id, 5, world.now).unwrap() else { panic!() };
    assert_eq!(upload.offset(), 0);
    assert_eq!(upload.complete(Bytes::new()).unwrap_err(), Refusal::Malformed);
}

#[test]
fn bytes_that_come_in_one_go_and_do_not_match_leave_no_file() {
    let world = World::sled();
    for wrong in [b"wrong".as_slice(), b"short", b"too long"] {
        let id = BlobId::of(b"other");
        let Begun::Wanted(upload) = world.store.begin_blob(&world.purse, id, 5, world.now).unwrap() else { panic!() };
        assert!(upload.complete(Bytes::from_static(wrong)).is_err());
        assert_eq!(unfinished(&world), 0);
    }
}

fn unfinished(world: &World) -> usize {
    fs::read_dir(world.path().unwrap().join("blobs/partial")).unwrap().count()
}

#[test]
fn what_a_broken_put_left_goes_when_the_blob_is_kept() {
    let mut world = World::sled();
    let bytes = vec![5; 5000];
    let Begun::Wanted(mut upload) = world.store.begin_blob(&world.purse, BlobId::of(&bytes), 5000, world.now).unwrap()
    else {
        panic!()
    };
    upload.write(&bytes[..2000]).unwrap();
    drop(upload);
    assert_eq!(unfinished(&world), 1);
    let (writer, thread) = writer_of(&mut world);
    let Begun::Wanted(upload) = world.store.begin_blob(&world.purse, BlobId::of(&bytes), 5000, world.now).unwrap()
    else {
        panic!()
    };
    let whole = upload.complete(bytes[2000..].to_vec().into()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(whole.keep(&writer, world.purse, 5)).unwrap();
    assert_eq!(unfinished(&world), 0);
    assert_eq!(get(&world, &BlobId::of(&bytes), 0, 9000).unwrap(), bytes);
    drop(writer);
    thread.join().unwrap();
}

/// The writer of a world, which has none of its own then.
fn writer_of(world: &mut World) -> (Writer, WriterThread) {
    let (_store, ledger) = Store::in_memory(small()).unwrap();
    let ledger = std::mem::replace(&mut world.ledger, ledger);
    let now = world.now;
    Writer::spawn(ledger, &small(), Arc::new(move || now), Box::new(|_| {})).unwrap()
}

/// Texts must not wait behind all documents.
#[test]
fn no_more_blobs_wait_than_an_entry_may_have_before_it() {
    let (store, ledger) = Store::in_memory(small()).unwrap();
    let mut world = World::begin(store, ledger, None, small());
    let bytes: Vec<Vec<u8>> = (0..9_u8).map(|number| vec![number; 9]).collect();
    let mut changes: Vec<Change> = bytes
        .iter()
        .map(|bytes| {
            let begun = world.store.begin_blob(&world.purse, BlobId::of(bytes), 9, world.now).unwrap();
            let Begun::Wanted(upload) = begun else { panic!() };
            let blob = upload.complete(bytes.clone().into()).unwrap();
            Change::KeepBlob { admission: world.purse, blob, lease_hours: 1 }
        })
        .collect();
    let open = Arc::new(Mutex::new(()));
    let closed = open.lock().unwrap();
    let (_other, ledger) = Store::in_memory(small()).unwrap();
    let ledger = std::mem::replace(&mut world.ledger, ledger);
    // The clock is asked by the writer before each batch: there it stands.
    let (door, now) = (Arc::clone(&open), world.now);
    let clock = Arc::new(move || {
        let _through = door.lock();
        now
    });
    let (writer, thread) = Writer::spawn(ledger, &small(), clock, Box::new(|_| {})).unwrap();
    let last = changes.pop().unwrap();
    let waiting: Vec<_> = changes.into_iter().map(|change| writer.try_submit(change).unwrap()).collect();
    assert_eq!(writer.try_submit(last).unwrap_err(), Refusal::Busy);
    let other = writer.try_submit(Change::Sweep { limit: 1 }).unwrap();
    // Nobody else puts one before it is durable.
    let again = || world.store.begin_blob(&world.purse, BlobId::of(&bytes[0]), 9, world.now);
    assert!(matches!(again(), Err(Refusal::Busy)));
    drop(closed);
    assert!(other.wait().is_ok() && waiting.into_iter().all(|waiting| waiting.wait().is_ok()));
    assert_eq!(world.store.totals().blobs, 8);
    assert!(matches!(again(), Ok(Begun::Held)));
    drop(writer);
    thread.join().unwrap();
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
fn the_space_of_a_blob_is_given_back_with_its_lease() {
    let mut world = World::sled();
    let used = |world: &World| -> u64 {
        use std::os::unix::fs::MetadataExt;
        let bodies = fs::read_dir(world.path().unwrap().join("bodies")).unwrap();
        bodies.map(|file| file.unwrap().metadata().unwrap().blocks() * 512).sum()
    };
    let bytes = vec![5; 200_000];
    let id = put(&mut world, &bytes, 5).unwrap();
    assert!(used(&world) > 200_000);
    assert_eq!(world.store.rows(b"d"), 1);
    world.pass_hours(6);
    world.sweep();
    assert_eq!((world.store.rows(b"d"), world.store.rows(b"b")), (0, 0));
    world.reopen();
    assert!(used(&world) < 20_000);
    assert_eq!(put(&mut world, &bytes, 5), Ok(id));
    assert_eq!(get(&world, &id, 0, u64::MAX).unwrap(), bytes);
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
fn a_blob_that_the_operator_removes_is_gone_with_its_bytes() {
    let mut world = World::sled();
    let id = put(&mut world, &[5; 5000], 24).unwrap();
    let kept = put(&mut world, &[6; 5000], 24).unwrap();
    world.apply(Change::RemoveBlob { id }).unwrap();
    assert_eq!(world.apply(Change::RemoveBlob { id }), Err(Refusal::NoSuchBlob));
    assert_eq!(get(&world, &id, 0, 9), Err(Refusal::NoSuchBlob));
    assert_eq!((get(&world, &kept, 0, 2).unwrap(), world.store.rows(b"d")), (vec![6; 2], 1));
    assert_eq!(world.store.totals().blobs, 1);
}
