//! A store on a disk that remembers every state it was durable in, with mailboxes to play with.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use relevo_protocol::limits::ENTRY_BUCKETS;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    Admission, Capability, CapabilityHash, Entry, Incarnation, MailboxId, MailboxKind, Sequence,
};

use super::super::blobs::Blobs;
use super::super::engine::{Batch, Engine, Key, Row};
use super::super::memory::Memory;
use super::super::record::{self, Admission as AdmissionRow, Mailbox};
use super::super::{Change, Clock, Ledger, Store, StoreConfig, StoreFault, Witness, Writer, WriterThread, keys};

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000 + 17);

/// A disk that makes a batch durable, and shows it then. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Platters>);

struct Platters {
    rows: Memory,
    /// Every state that a power cut could have left, in order. The system's lock: to look is no step of a schedule.
    durable: Mutex<Vec<BTreeMap<Key, Row>>>,
    /// Flushes that still succeed.
    good_for: AtomicUsize,
}

impl Disk {
    fn new() -> Self {
        let durable = Mutex::new(vec![BTreeMap::new()]);
        Self(Arc::new(Platters { rows: Memory::default(), durable, good_for: AtomicUsize::new(usize::MAX) }))
    }

    /// Fails after so many flushes, for good.
    pub(crate) fn fail_after(&self, flushes: usize) {
        self.0.good_for.store(flushes, Ordering::Relaxed);
    }

    /// Whether the entry has ever been safe from a power cut.
    pub(crate) fn kept(&self, id: &MailboxId, sequence: Sequence) -> bool {
        let key = keys::entry(id, LIFE, sequence);
        self.0.durable.lock().unwrap().iter().any(|rows| rows.contains_key(&key))
    }

    /// The durable states so far, each as `look` sees it.
    pub(crate) fn history<T>(&self, look: impl Fn(&BTreeMap<Key, Row>) -> T) -> Vec<T> {
        self.0.durable.lock().unwrap().iter().map(look).collect()
    }
}

/// A mailbox in one of the states of [`Disk::history`].
pub(super) fn mailbox(rows: &BTreeMap<Key, Row>, id: &MailboxId) -> Option<Mailbox> {
    rows.get(&keys::mailbox(id)).map(|row| record::read(&row.header, "mailbox").unwrap())
}

/// Bytes that the admission which pays has taken, in one of the states of [`Disk::history`].
pub(super) fn taken(rows: &BTreeMap<Key, Row>) -> Option<u64> {
    let row = rows.get(&keys::admission(&purse().id()));
    row.map(|row| record::read::<AdmissionRow>(&row.header, "admission").unwrap().bytes)
}

impl Engine for Disk {
    fn header(&self, key: &[u8]) -> Result<Option<Bytes>, StoreFault> {
        self.0.rows.header(key)
    }

    fn row(&self, key: &[u8]) -> Result<Option<Row>, StoreFault> {
        self.0.rows.row(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<(Key, Bytes)>, StoreFault> {
        self.0.rows.scan(prefix, from, limit)
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreFault> {
        let mut state = self.0.durable.lock().unwrap().last().cloned().unwrap_or_default();
        for (key, row) in &batch {
            match row {
                Some(row) => state.insert(key.clone(), row.clone()),
                None => state.remove(key),
            };
        }
        if self.0.good_for.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.0.good_for.store(0, Ordering::Relaxed);
            return Err(StoreFault::Disk(io::Error::other("fsync")));
        }
        self.0.durable.lock().unwrap().push(state);
        self.0.rows.commit(batch)
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreFault> {
        Ok(None)
    }
}

/// Every mailbox's life.
const LIFE: Incarnation = Incarnation([3; 8]);

/// What a test begins with. Nothing of it is drawn, so that a schedule can be run again.
pub(crate) struct Stage {
    pub(crate) store: Store,
    pub(crate) disk: Disk,
    ledger: Ledger,
    config: StoreConfig,
}

/// A mailbox of the stage.
#[derive(Clone, Copy)]
pub(crate) struct Held(u8);

pub(super) fn purse() -> Admission {
    Admission::new(Secret::new([9; 32]))
}

impl Stage {
    /// A store whose writer makes at most `batch` changes durable together.
    pub(crate) fn set(batch: usize) -> Self {
        Self::configured(StoreConfig { batch, ..StoreConfig::default() })
    }

    pub(crate) fn configured(config: StoreConfig) -> Self {
        let disk = Disk::new();
        let (store, mut ledger) = Store::assemble(Box::new(disk.clone()), config.clone(), Blobs::nowhere()).unwrap();
        ledger.number_lives(Box::new(|| Ok(LIFE)));
        let expires = NOW.round_up().plus(100_000);
        ledger.apply(vec![Change::Provide { id: purse().id(), key: purse().key(), expires }], NOW).unwrap();
        Self { store, disk, ledger, config }
    }

    /// Opens a mailbox.
    pub(crate) fn open(&mut self, number: u8) -> Held {
        let held = Held(number);
        let opened = self.ledger.apply(vec![held.open()], NOW).unwrap();
        assert!(opened.outcomes.iter().all(Result::is_ok));
        held
    }

    /// Starts the writer.
    pub(crate) fn write(self, witness: Witness) -> (Store, Disk, Writer, WriterThread) {
        let Self { store, disk, ledger, config } = self;
        let clock: Clock = Arc::new(|| NOW);
        let (writer, thread) = Writer::spawn(ledger, &config, clock, witness).unwrap();
        (store, disk, writer, thread)
    }
}

impl Held {
    /// A mailbox that is not open yet.
    pub(super) fn numbered(number: u8) -> Self {
        Self(number)
    }

    pub(crate) fn owner(self) -> Capability {
        Capability::new(Secret::new([self.0; 32]))
    }

    pub(crate) fn shown(self) -> CapabilityHash {
        self.owner().hash()
    }

    pub(crate) fn id(self) -> MailboxId {
        self.owner().mailbox()
    }

    pub(super) fn open(self) -> Change {
        Change::Open {
            admission: purse().id(),
            kind: MailboxKind::Personal,
            owner: self.shown(),
            read: Some(CapabilityHash([self.0; 32])),
            append: Vec::new(),
            take: Vec::new(),
            lease_hours: 48,
        }
    }

    pub(crate) fn append(self, fill: u8) -> Change {
        Change::Append {
            admission: purse().id(),
            mailbox: self.id(),
            capability: self.shown(),
            entry: Entry::parse(vec![fill; ENTRY_BUCKETS[0]].into()).unwrap(),
        }
    }

    pub(crate) fn trim(self, upto: u64) -> Change {
        Change::Trim { mailbox: self.id(), capability: self.shown(), upto: Sequence(upto), incarnation: None }
    }

    pub(crate) fn close(self) -> Change {
        Change::Close { mailbox: self.id(), capability: self.shown() }
    }
}
