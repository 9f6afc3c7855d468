//! What readers and callers see while a commit is under way, and when one fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{Admission, BlobId, MailboxKind, Refusal, Sequence};

use super::super::blobs::{Begun, Blobs};
use super::super::engine::{Batch, Engine, Key, Row};
use super::super::memory::Memory;
use super::super::{Change, Most, Store, StoreFault, Touch, Writer};
use super::world::{NOW, World, entry, small};

/// Run while a batch is being made durable.
type BeforeFlush = Arc<Mutex<Option<Box<dyn FnMut() + Send>>>>;

/// An engine that takes its time to make a batch durable, and can fail to.
struct Slow {
    rows: Memory,
    before_flush: BeforeFlush,
    fails: Arc<AtomicBool>,
}

impl Engine for Slow {
    fn header(&self, key: &[u8]) -> Result<Option<Bytes>, StoreFault> {
        self.rows.header(key)
    }

    fn row(&self, key: &[u8]) -> Result<Option<Row>, StoreFault> {
        self.rows.row(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<(Key, Bytes)>, StoreFault> {
        self.rows.scan(prefix, from, limit)
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreFault> {
        if let Some(look) = self.before_flush.lock().unwrap().as_mut() {
            look();
        }
        if self.fails.load(Ordering::Relaxed) {
            return Err(StoreFault::Disk(std::io::Error::other("fsync")));
        }
        self.rows.commit(batch)
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreFault> {
        Ok(None)
    }
}

fn slow() -> (World, BeforeFlush, Arc<AtomicBool>) {
    let (before_flush, fails) = (BeforeFlush::default(), Arc::new(AtomicBool::new(false)));
    let engine = Slow { rows: Memory::default(), before_flush: Arc::clone(&before_flush), fails: Arc::clone(&fails) };
    let (store, ledger) = Store::assemble(Box::new(engine), small(), Blobs::nowhere()).unwrap();
    (World::begin(store, ledger, None, small()), before_flush, fails)
}

#[test]
fn nobody_reads_what_is_not_durable_yet() {
    let (mut world, before_flush, _) = slow();
    let mailbox = world.open(MailboxKind::Personal);
    world.append(&mailbox, 1);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (store, notes, id) = (world.store.clone(), Arc::clone(&seen), mailbox.id);
    *before_flush.lock().unwrap() = Some(Box::new(move || {
        let slice = store.follow(&id, Sequence::START, Most { entries: 99, bytes: usize::MAX }, NOW);
        let slice = slice.map(|slice| (slice.standing.last.0, slice.entries.len()));
        notes.lock().unwrap().push((slice, store.totals().entry_bytes));
    }));
    world.append(&mailbox, 2);
    world.apply(Change::Close { mailbox: mailbox.id, capability: mailbox.owner }).unwrap();
    let seen = seen.lock().unwrap();
    // During the append the first entry alone; during the close still a mailbox with a last of 2.
    assert_eq!(seen[0], (Ok((1, 1)), 512));
    assert!(matches!(seen[1], (Ok((2, _)), 1024)));
    assert!(world.store.standing(&mailbox.id, &mailbox.owner, NOW).is_err());
}

#[test]
fn nobody_is_admitted_by_what_is_not_durable_yet() {
    let (mut world, before_flush, _) = slow();
    let [invited, own] = [1, 2].map(|byte| Admission::new(Secret::new([byte; 32])));
    let (by, id, key) = (invited.id(), own.id(), own.key());
    let expires = NOW.round_up().plus(10);
    world.apply(Change::Sponsor { by: world.purse, id: by, key: invited.key(), expires }).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (store, notes) = (world.store.clone(), Arc::clone(&seen));
    let look = move || [by, id].map(|id| store.admission(&id, NOW).unwrap().is_some());
    let look_now = look.clone();
    *before_flush.lock().unwrap() = Some(Box::new(move || notes.lock().unwrap().push(look())));
    world.apply(Change::Enroll { by, id, key }).unwrap();
    // A client that is let in by its own admission forgets the invitation.
    assert_eq!(*seen.lock().unwrap(), [[true, false]]);
    assert_eq!(look_now(), [false, true]);
}

/// Else its bytes were written twice.
#[test]
fn a_blob_that_is_not_durable_yet_is_put_by_nobody_else() {
    let (mut world, before_flush, _) = slow();
    let bytes = vec![5; 5000];
    let (id, purse) = (BlobId::of(&bytes), world.purse);
    let Begun::Wanted(upload) = world.store.begin_blob(&purse, id, 5000, NOW).unwrap() else { panic!() };
    let blob = upload.complete(bytes.into()).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (store, notes) = (world.store.clone(), Arc::clone(&seen));
    let look = move || store.begin_blob(&purse, id, 5000, NOW).err();
    *before_flush.lock().unwrap() = Some(Box::new(move || notes.lock().unwrap().push(look())));
    world.apply(Change::KeepBlob { admission: purse, blob, lease_hours: 5 }).unwrap();
    assert_eq!(*seen.lock().unwrap(), [Some(Refusal::Busy)]);
    assert!(matches!(world.store.begin_blob(&purse, id, 5000, NOW), Ok(Begun::Held)));
}

#[test]
fn after_a_failed_flush_nothing_is_acknowledged_and_the_writer_stops() {
    let (mut world, _, fails) = slow();
    let mailbox = world.open(MailboxKind::Shared);
    world.append(&mailbox, 1);
    let (store, ledger) = Store::in_memory(small()).unwrap();
    let ledger = std::mem::replace(&mut world.ledger, ledger);
    drop(store);
    let told: Arc<Mutex<Vec<Touch>>> = Arc::default();
    let touched = Arc::clone(&told);
    let witness = Box::new(move |touches: &[(_, Touch)]| {
        touched.lock().unwrap().extend(touches.iter().map(|(_, touch)| touch.clone()));
    });
    let (writer, thread) = Writer::spawn(ledger, &small(), Arc::new(|| NOW), witness).unwrap();
    fails.store(true, Ordering::Relaxed);
    let change = || Change::Append {
        admission: world.purse,
        mailbox: mailbox.id,
        capability: mailbox.append,
        entry: entry(2, 0),
    };
    assert_eq!(writer.try_submit(change()).unwrap().wait(), Err(Refusal::Failed));
    assert!(matches!(thread.join(), Err(StoreFault::Disk(_))));
    assert!(matches!(writer.try_submit(change()), Err(Refusal::Failed)));
    assert!(told.lock().unwrap().is_empty());
    assert_eq!(world.fills(&mailbox), [1]);
}
