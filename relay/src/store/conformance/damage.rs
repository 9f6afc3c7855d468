//! Bits that the disk loses: found before anybody is given them, said, and contained to what they hit. Never a panic.
//!
//! `RELEVO_FLIPS=20000 cargo test -p relevo-tests -p relevo-relay --lib damage` draws more flips; `RELEVO_SEED` repeats.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use relevo_protocol::wire::{Admission, BlobId, MailboxKind, Refusal};

use super::super::blobs::Begun;
use super::super::{Applied, Change, Most, Popped, Store, StoreFault, Verified};
use super::world::{Held, NOW, World, entry, small};

/// A store with something of everything, closed, and what it holds.
struct Sound {
    _folder: tempfile::TempDir,
    path: PathBuf,
    mailboxes: Vec<(Held, usize)>,
    blobs: Vec<(BlobId, Vec<u8>)>,
}

fn sound() -> Sound {
    let mut world = World::sled();
    let mut mailboxes = Vec::new();
    for number in 0..4 {
        let mailbox = world.open(if number == 0 { MailboxKind::Shared } else { MailboxKind::Personal });
        for fill in 0..12_u8 {
            let bucket = [0, 0, 1, 2, 3][usize::from(fill) % 5];
            world.append_as(&mailbox, mailbox.append, entry(fill, bucket)).unwrap();
        }
        mailboxes.push((mailbox, 12));
    }
    let mut blobs = Vec::new();
    for number in 0..3_u8 {
        let bytes = vec![number; 5000];
        let id = BlobId::of(&bytes);
        let Begun::Wanted(upload) = world.store.begin_blob(&world.purse, id, 5000, NOW).unwrap() else { panic!() };
        let blob = upload.complete(bytes.clone().into()).unwrap();
        world.apply(Change::KeepBlob { admission: world.purse, blob, lease_hours: 24 }).unwrap();
        blobs.push((id, bytes));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    world.reopen();
    let from = world.path().unwrap();
    drop(world.store.clone());
    let World { store, ledger, .. } = &mut world;
    let (other, others) = Store::in_memory(small()).unwrap();
    drop((std::mem::replace(store, other), std::mem::replace(ledger, others)));
    copy(&from, &path);
    Sound { _folder: folder, path, mailboxes, blobs }
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}

pub(super) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(directory).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Where the first body of so many bytes of one kind lies: its file, and the byte in it.
fn first_body(store: &Path, fill: u8, length: usize) -> (PathBuf, u64) {
    for segment in files(&store.join("bodies")) {
        let bytes = fs::read(&segment).unwrap();
        let mut pages = (0..bytes.len()).step_by(4096);
        let is_there =
            |at: &usize| bytes.get(*at..at + length).is_some_and(|body| body.iter().all(|byte| *byte == fill));
        if let Some(at) = pages.find(is_there) {
            return (segment, u64::try_from(at).unwrap());
        }
    }
    panic!("no such body")
}

/// What an opened store says of a sound one's content.
#[derive(Debug, Default)]
struct Found {
    /// Mailboxes whose every entry was read as it was written.
    whole: usize,
    /// Mailboxes of which some entry is refused; all before it are as they were written.
    refused: usize,
    /// Mailboxes that end before what was acknowledged: gone without a word.
    shorter: usize,
    /// Blobs read as they were written.
    blobs: usize,
}

/// Reads everything. Fails on anything that is served and was not written.
fn examine(sound: &Sound, store: &Store) -> Found {
    let mut found = Found::default();
    for (mailbox, count) in &sound.mailboxes {
        let mut read = 0;
        let outcome = loop {
            let most = Most { entries: 5, bytes: usize::MAX };
            let after = relevo_protocol::wire::Sequence(read);
            match store.follow(&mailbox.id, after, most, NOW) {
                Ok(slice) if slice.entries.is_empty() => break Ok(()),
                Ok(slice) => {
                    for one in slice.entries {
                        let fill = u8::try_from(read).unwrap();
                        assert_eq!(one.sequence.0, read + 1);
                        assert_eq!(one.entry, entry(fill, [0, 0, 1, 2, 3][usize::from(fill) % 5]), "served as good");
                        read += 1;
                    }
                }
                Err(refusal) => break Err(refusal),
            }
        };
        match outcome {
            Ok(()) if read == u64::try_from(*count).unwrap() => found.whole += 1,
            Ok(()) | Err(Refusal::NoSuchMailbox) => found.shorter += 1,
            Err(Refusal::Failed) => found.refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    for (id, bytes) in &sound.blobs {
        match store.open_blob(id, 0, u64::MAX, NOW) {
            Ok(mut download) => {
                assert_eq!(download.next_bytes(usize::MAX).unwrap(), bytes.as_slice(), "served as good");
                found.blobs += 1;
            }
            Err(refusal) => assert!(matches!(refusal, Refusal::NoSuchBlob | Refusal::Failed), "{refusal:?}"),
        }
    }
    found
}

/// A copy of the store of which one bit of a file is flipped.
fn with_flip(sound: &Sound, file: &Path, bit: u64) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    copy(&sound.path, &path);
    let target = path.join(file.strip_prefix(&sound.path).unwrap());
    let mut bytes = fs::read(&target).unwrap();
    bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
    fs::write(&target, bytes).unwrap();
    (folder, path)
}

/// Flips one bit of a file, opens the store, and reads everything.
fn flipped(sound: &Sound, file: &Path, bit: u64) -> Result<Found, StoreFault> {
    let (_folder, path) = with_flip(sound, file, bit);
    let (store, _ledger) = Store::open(&path, small())?;
    Ok(examine(sound, &store))
}

#[test]
fn a_body_that_lost_a_bit_is_refused_and_every_other_mailbox_is_whole() {
    let sound = sound();
    let (segment, first) = first_body(&sound.path, 3, 8192);
    for bit in [0, 12_345, 8 * 8192 - 1] {
        let found = flipped(&sound, &segment, first * 8 + bit).unwrap();
        assert_eq!((found.whole, found.refused, found.shorter, found.blobs), (3, 1, 0, 3), "bit {bit}");
    }
}

/// What a look at the whole store finds after a bit of a file was flipped.
fn verified(sound: &Sound, file: &Path, bit: u64) -> Verified {
    let (_folder, path) = with_flip(sound, file, bit);
    let (store, _ledger) = Store::open(&path, small()).unwrap();
    let mut looks = 0;
    let found = store.verify(|_| looks += 1).unwrap();
    assert_eq!(looks, found.entries + found.blobs);
    // It mends nothing: a second look finds the same.
    assert_eq!(store.verify(|_| {}).unwrap(), found);
    found
}

#[test]
fn a_look_at_the_whole_store_counts_what_lost_a_bit() {
    let sound = sound();
    let (store, ledger) = Store::open(&sound.path, small()).unwrap();
    let whole = store.verify(|_| {}).unwrap();
    assert_eq!((whole.mailboxes, whole.entries, whole.blobs, whole.is_sound()), (4, 48, 3, true));
    assert!(whole.bytes > 3 * 5000 + 48 * 512);
    drop((store, ledger));
    let (segment, body) = first_body(&sound.path, 3, 8192);
    let found = verified(&sound, &segment, body * 8 + 12_345);
    assert_eq!((found.damaged_mailboxes, found.damaged_entries, found.damaged_blobs), (1, 1, 0));
    assert!(!found.is_sound());
    let (segment, blob) = first_body(&sound.path, 1, 5000);
    let found = verified(&sound, &segment, blob * 8 + 999);
    assert_eq!((found.entries, found.damaged_entries, found.damaged_blobs), (48, 0, 1));
}

#[test]
fn a_blob_that_lost_a_bit_is_missing_until_it_is_put_again() {
    let sound = sound();
    let (id, bytes) = &sound.blobs[1];
    let (segment, body) = first_body(&sound.path, 1, 5000);
    let (_folder, path) = with_flip(&sound, &segment, body * 8 + 999);
    let (store, mut ledger) = Store::open(&path, small()).unwrap();
    let found = examine(&sound, &store);
    assert_eq!((found.whole, found.blobs), (4, 2));
    assert_eq!(store.open_blob(id, 0, 10, NOW).unwrap_err(), Refusal::NoSuchBlob);
    let before = store.totals();
    let admission = Admission::new(relevo_protocol::secret::Secret::new([9; 32])).id();
    let left = || store.admission(&admission, NOW).unwrap().unwrap().bytes_left;
    let paid = left();
    let Begun::Wanted(upload) = store.begin_blob(&admission, *id, 5000, NOW).unwrap() else {
        panic!("a blob is said to be there that is damaged")
    };
    let blob = upload.complete(bytes.clone().into()).unwrap();
    let keep = Change::KeepBlob { admission, blob, lease_hours: 24 };
    ledger.apply(vec![keep], NOW).unwrap().outcomes.remove(0).unwrap();
    assert_eq!(store.open_blob(id, 0, 10, NOW).unwrap().next_bytes(10).unwrap(), bytes[..10]);
    assert_eq!((store.totals(), left()), (before, paid), "it was counted and paid for before");
    assert_eq!(store.rows(b"d"), 3, "what was damaged has gone");
}

#[test]
fn a_damaged_package_of_a_shelf_is_passed_over() {
    let mut world = World::sled();
    let shelf = world.open(MailboxKind::Personal);
    for fill in 1..=3 {
        world.append_as(&shelf, shelf.append, entry(fill, 2)).unwrap();
    }
    for fill in 1..=2 {
        let (segment, body) = first_body(&world.path().unwrap(), fill, 8192);
        let mut bytes = fs::read(&segment).unwrap();
        bytes[usize::try_from(body).unwrap() + 100] ^= 1;
        fs::write(&segment, bytes).unwrap();
    }
    world.reopen();
    let take = || Change::Take { mailbox: shelf.id, capability: shelf.take };
    assert_eq!(world.apply(take()), Ok(Applied::Taken { entry: entry(3, 2), popped: Popped::Entry }));
    assert_eq!(world.apply(take()), Err(Refusal::Empty));
    world.append_as(&shelf, shelf.append, entry(4, 2)).unwrap();
    assert_eq!(world.apply(take()), Ok(Applied::Taken { entry: entry(4, 2), popped: Popped::Entry }));
}

/// A partial blob whose bytes a power cut took, though its length stayed.
#[test]
fn a_partial_blob_that_is_not_what_was_sent_is_sent_again_whole() {
    let world = World::sled();
    let bytes = vec![7; 5000];
    let id = BlobId::of(&bytes);
    let begin = || match world.store.begin_blob(&world.purse, id, 5000, NOW).unwrap() {
        Begun::Wanted(upload) => upload,
        Begun::Held => panic!(),
    };
    begin().write(&[0; 2000]).unwrap();
    let mut upload = begin();
    assert_eq!(upload.offset(), 2000);
    upload.write(&bytes[2000..]).unwrap();
    assert_eq!(upload.complete(Bytes::new()).unwrap_err(), Refusal::Busy);
    let mut upload = begin();
    assert_eq!(upload.offset(), 0);
    upload.write(&bytes).unwrap();
    assert!(upload.complete(Bytes::new()).is_ok());
}

/// sled's own settings: it calls most of what may have become of them unsupported, or a bug.
#[test]
fn a_flipped_bit_of_the_indexs_settings_is_damage() {
    let sound = sound();
    let file = sound.path.join("index/conf");
    let bits = fs::metadata(&file).unwrap().len() * 8;
    let mut refused = 0;
    for bit in (0..bits).step_by(23).chain([383]).filter(|bit| *bit < bits) {
        match flipped(&sound, &file, bit) {
            Ok(found) => assert_eq!((found.shorter, found.refused, found.blobs), (0, 0, 3), "bit {bit}"),
            Err(fault) => {
                assert!(matches!(fault, StoreFault::Corrupt { .. }), "bit {bit}: {fault}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "no flip of {bits} bits was noticed");
}

/// Flips all over the store: whatever is said, nothing false is served, nothing is gone without a word and nothing panics.
#[test]
fn no_flip_anywhere_is_served_as_good() {
    let sound = sound();
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let flips = number("RELEVO_FLIPS").unwrap_or(60);
    let mut seed = number("RELEVO_SEED").unwrap_or_else(|| u64::from(getrandom::u32().unwrap()));
    println!("RELEVO_SEED={seed} RELEVO_FLIPS={flips}");
    let files = files(&sound.path);
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 20
    };
    let (mut whole, mut contained, mut refused) = (0, 0, 0);
    for _ in 0..flips {
        let file = &files[usize::try_from(next()).unwrap() % files.len()];
        let length = fs::metadata(file).unwrap().len() * 8;
        if length == 0 {
            continue;
        }
        let bit = next() % length;
        let name = file.strip_prefix(&sound.path).unwrap().display().to_string();
        match flipped(&sound, file, bit) {
            // The end of the index's log looks as after a torn write, and sled drops it: the journal knows better.
            Ok(found) if found.shorter > 0 => panic!("{name}, bit {bit}: gone without a word, {found:?}"),
            Ok(found) if found.refused > 0 || found.blobs < 3 => contained += 1,
            Ok(_) => whole += 1,
            Err(fault) => {
                assert!(matches!(fault, StoreFault::Corrupt { .. }), "{name}, bit {bit}: {fault}");
                refused += 1;
            }
        }
    }
    println!("whole {whole}, contained {contained}, store refused {refused}");
}
