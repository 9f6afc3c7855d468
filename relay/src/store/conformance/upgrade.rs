//! Stores that earlier versions have written are opened by this one, and hold what they held.
//!
//! `RELEVO_FIXTURE=FILE cargo test -p relevo-relay --lib upgrade` writes one more, of the present layout.

use std::path::{Path, PathBuf};
use std::process::Command;

use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    Admission, BlobId, CapabilityHash, Grant, GrantTable, MailboxId, MailboxKind, Refusal, Sequence,
};

use super::super::blobs::Begun;
use super::super::{Applied, Change, LAYOUT, Ledger, Most, Popped, Store};
use super::world::{entry, small};

/// When it was written, and a while later.
const THEN: Timestamp = Timestamp(1_800_000_000);
const NOW: Timestamp = Timestamp(1_800_000_000 + 24 * 3600);
/// Bytes of the blob.
const BLOB: [u8; 6000] = [3; 6000];
/// Fill and bucket of each entry of the shared mailbox: in the index, and beside it.
const ENTRIES: [(u8, usize); 4] = [(1, 0), (2, 1), (3, 3), (4, 0)];

fn admission() -> Admission {
    Admission::new(relevo_protocol::secret::Secret::new([9; 32]))
}

fn capability(number: u8) -> CapabilityHash {
    CapabilityHash([number; 32])
}

/// Something of everything, the last of it in the journal alone as long as the store is open.
fn fill(path: &Path) -> (Store, Ledger) {
    let (store, mut ledger) = Store::open(path, small()).unwrap();
    let (purse, expires) = (admission().id(), Hour(600_000));
    let grant = |number| Grant { hash: capability(number), per_hour: 9, bytes_per_hour: 1 << 20, expires };
    let open = |kind, number, append, take| Change::Open {
        admission: purse,
        kind,
        owner: capability(number),
        read: Some(capability(number + 1)),
        append,
        take,
        lease_hours: 900,
    };
    let (shared, personal) = (MailboxId::of(&capability(10)), MailboxId::of(&capability(20)));
    let append = |mailbox, by, (fill, bucket)| Change::Append {
        admission: purse,
        mailbox,
        capability: capability(by),
        entry: entry(fill, bucket),
    };
    let mut changes = vec![
        Change::Provide { id: purse, key: admission().key(), expires },
        open(MailboxKind::Shared, 10, vec![grant(12)], vec![]),
        open(MailboxKind::Personal, 20, vec![grant(22), grant(23)], vec![grant(24)]),
    ];
    changes.extend(ENTRIES.map(|one| append(shared, 12, one)));
    changes.push(append(personal, 22, (5, 0)));
    changes.push(append(personal, 22, (6, 0)));
    changes.push(Change::Trim { mailbox: personal, capability: capability(20), upto: Sequence(1), incarnation: None });
    let (mailbox, capability) = (personal, capability(20));
    changes.push(Change::LastResort { admission: purse, mailbox, capability, entry: entry(7, 0) });
    let revoke = vec![self::capability(23)];
    changes.push(Change::Grants { mailbox, capability, table: GrantTable::Append, revoke, add: vec![] });
    assert!(ledger.apply(changes, THEN).unwrap().outcomes.iter().all(Result::is_ok));
    let (id, length) = (BlobId::of(&BLOB), 6000);
    let Begun::Wanted(upload) = store.begin_blob(&purse, id, length, THEN).unwrap() else { panic!("it is new") };
    let blob = upload.complete(BLOB.to_vec().into()).unwrap();
    let keep = Change::KeepBlob { admission: purse, blob, lease_hours: 900 };
    assert!(ledger.apply(vec![keep], THEN).unwrap().outcomes[0].is_ok());
    (store, ledger)
}

/// It holds all of that, and goes on.
fn holds(path: &Path) {
    let (store, mut ledger) = Store::open(path, small()).unwrap();
    assert!(store.verify(|_| {}).unwrap().is_sound());
    let totals = store.totals();
    assert_eq!((totals.mailboxes, totals.admissions, totals.blobs, totals.grants), (2, 1, 1, 3));
    let (shared, personal) = (MailboxId::of(&capability(10)), MailboxId::of(&capability(20)));
    let most = Most { entries: usize::MAX, bytes: usize::MAX };
    let read = |id: &MailboxId| {
        let slice = store.follow(id, Sequence::START, most, NOW).unwrap();
        slice.entries.into_iter().map(|read| (read.sequence.0, read.entry)).collect::<Vec<_>>()
    };
    assert_eq!(read(&shared), (1..).zip(ENTRIES.map(|(fill, bucket)| entry(fill, bucket))).collect::<Vec<_>>());
    assert_eq!(read(&personal), [(2, entry(6, 0))]);
    let mut blob = store.open_blob(&BlobId::of(&BLOB), 0, u64::MAX, NOW).unwrap();
    assert_eq!(blob.next_bytes(usize::MAX).unwrap(), &BLOB[..]);

    let mut apply = |change| ledger.apply(vec![change], NOW).unwrap().outcomes.remove(0);
    let append = |by| Change::Append {
        admission: admission().id(),
        mailbox: personal,
        capability: capability(by),
        entry: entry(8, 2),
    };
    assert!(matches!(apply(append(22)), Ok(Applied::Appended(appended)) if appended.sequence() == Sequence(3)));
    assert_eq!(apply(append(23)).unwrap_err(), Refusal::NoSuchMailbox);
    for (given, popped) in [(6, Popped::Entry), (8, Popped::Entry), (7, Popped::LastResort)] {
        let taken = apply(Change::Take { mailbox: personal, capability: capability(24) }).unwrap();
        assert!(matches!(taken, Applied::Taken { entry, popped: of } if entry.bytes()[0] == given && of == popped));
    }
}

/// The only blob's file in a store of the second layout.
fn blob_file(store: &Path) -> PathBuf {
    let name = data_encoding::HEXLOWER.encode(&BlobId::of(&BLOB).0);
    store.join("blobs/whole").join(&name[..2]).join(name)
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn tar(words: &[&str], file: &Path, directory: &Path) {
    let done = Command::new("tar").args(words).arg(file).arg("-C").arg(directory).arg("store").status().unwrap();
    assert!(done.success());
}

#[test]
fn stores_of_every_layout_so_far_are_opened_and_go_on() {
    if let Some(file) = std::env::var_os("RELEVO_FIXTURE") {
        let folder = tempfile::tempdir().unwrap();
        let _open = fill(&folder.path().join("store"));
        tar(&["--sparse", "-czf"], Path::new(&file), folder.path());
    }
    for layout in 1..=LAYOUT {
        let folder = of_layout(layout);
        holds(&folder.path().join("store"));
    }
}

fn of_layout(layout: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tar(&["-xzf"], &fixtures().join(format!("store-{layout}.tar.gz")), folder.path());
    folder
}

/// A power cut brings back the files that had been taken in, or not all had been.
#[test]
fn an_upgrade_that_was_cut_short_goes_on_at_the_next_opening() {
    let folder = of_layout(2);
    let path = folder.path().join("store");
    let file = blob_file(&path);
    assert!(file.exists());
    drop(Store::open(&path, small()).unwrap());
    assert!(!path.join("blobs/whole").exists(), "all of them were taken in");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, BLOB).unwrap();
    std::fs::write(file.with_file_name("not a blob"), b"left").unwrap();
    let (store, _ledger) = Store::open(&path, small()).unwrap();
    assert!(!path.join("blobs/whole").exists());
    assert_eq!(store.rows(b"d"), 1, "none was taken in twice");
    drop((store, _ledger));
    holds(&path);
}

#[test]
fn a_blob_whose_file_an_earlier_version_had_lost_is_missing_until_it_is_put_again() {
    for damaged in [None, Some([4; 6000].as_slice())] {
        let folder = of_layout(2);
        let path = folder.path().join("store");
        match damaged {
            None => std::fs::remove_file(blob_file(&path)).unwrap(),
            Some(bytes) => std::fs::write(blob_file(&path), bytes).unwrap(),
        }
        let (store, mut ledger) = Store::open(&path, small()).unwrap();
        let (id, purse) = (BlobId::of(&BLOB), admission().id());
        assert_eq!(store.open_blob(&id, 0, 9, NOW).unwrap_err(), Refusal::NoSuchBlob);
        assert_eq!(store.verify(|_| {}).unwrap().damaged_blobs, 1);
        let Begun::Wanted(upload) = store.begin_blob(&purse, id, 6000, NOW).unwrap() else { panic!("it is gone") };
        let blob = upload.complete(BLOB.to_vec().into()).unwrap();
        let keep = Change::KeepBlob { admission: purse, blob, lease_hours: 900 };
        assert!(ledger.apply(vec![keep], NOW).unwrap().outcomes[0].is_ok());
        drop((store, ledger));
        holds(&path);
    }
}
