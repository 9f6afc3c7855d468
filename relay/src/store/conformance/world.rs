//! A store, a clock and the people of a test.

use std::path::Path;

use relevo_protocol::limits::ENTRY_BUCKETS;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    Admission, AdmissionId, Capability, CapabilityHash, Cursor, Entry, Grant, Incarnation, MailboxId, MailboxKind,
    Refusal, Sequence,
};

use super::super::{Appended, Applied, Change, Ledger, Most, Rest, Slice, Store, StoreConfig, Totals, Touch};

/// The start of every test: an hour and a bit, so that rounding shows.
pub(super) const NOW: Timestamp = Timestamp(1_800_000_000 + 17);

pub(super) struct World {
    pub(super) store: Store,
    pub(super) ledger: Ledger,
    pub(super) now: Timestamp,
    pub(super) touches: Vec<(MailboxId, Touch)>,
    /// Pays for everything.
    pub(super) purse: AdmissionId,
    directory: Option<tempfile::TempDir>,
    config: StoreConfig,
}

/// A mailbox with its secrets.
pub(super) struct Held {
    pub(super) id: MailboxId,
    pub(super) owner: CapabilityHash,
    pub(super) read: CapabilityHash,
    pub(super) append: CapabilityHash,
    pub(super) take: CapabilityHash,
    pub(super) incarnation: Incarnation,
    pub(super) expires: Hour,
}

pub(super) fn small() -> StoreConfig {
    StoreConfig { free_bytes: 0, last_free_bytes: 0, ballast_bytes: 0, cache_bytes: 4 << 20, ..StoreConfig::default() }
}

/// What is left in a world where everything has gone but the admission that paid.
pub(super) fn only_the_purse() -> Totals {
    Totals { admissions: 1, ..Totals::default() }
}

pub(super) fn capability() -> CapabilityHash {
    Capability::random().unwrap().hash()
}

pub(super) fn entry(fill: u8, bucket: usize) -> Entry {
    Entry::parse(vec![fill; ENTRY_BUCKETS[bucket]].into()).unwrap()
}

pub(super) fn grant(hash: CapabilityHash) -> Grant {
    Grant { hash, per_hour: u32::MAX, bytes_per_hour: u64::MAX, expires: NOW.round_up().plus(10_000) }
}

impl World {
    pub(super) fn memory() -> Self {
        let config = small();
        let (store, ledger) = Store::in_memory(config.clone()).unwrap();
        Self::begin(store, ledger, None, config)
    }

    pub(super) fn sled() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = small();
        let (store, ledger) = Store::open(&directory.path().join("store"), config.clone()).unwrap();
        Self::begin(store, ledger, Some(directory), config)
    }

    pub(super) fn begin(
        store: Store,
        ledger: Ledger,
        directory: Option<tempfile::TempDir>,
        config: StoreConfig,
    ) -> Self {
        let secret = Admission::new(Secret::new([9; 32]));
        let purse = secret.id();
        let mut world = Self { store, ledger, now: NOW, touches: Vec::new(), purse, directory, config };
        let expires = NOW.round_up().plus(100_000);
        world.apply(Change::Provide { id: purse, key: secret.key(), expires }).unwrap();
        world
    }

    /// Goes on with another store that holds the same.
    pub(super) fn resume(self, store: Store, ledger: Ledger, directory: tempfile::TempDir) -> Self {
        Self { store, ledger, directory: Some(directory), ..self }
    }

    /// Goes on with other bounds, keeping what is stored.
    pub(super) fn configured(&mut self, change: impl FnOnce(&mut StoreConfig)) {
        change(&mut self.config);
        match self.path() {
            Some(path) => self.swap(|config| Store::open(&path, config).unwrap()),
            None => {
                let (store, ledger) = Store::in_memory(self.config.clone()).unwrap();
                let purse = Self::begin(store, ledger, None, self.config.clone());
                *self = purse;
            }
        }
    }

    pub(super) fn path(&self) -> Option<std::path::PathBuf> {
        self.directory.as_ref().map(|directory| Path::join(directory.path(), "store"))
    }

    /// Drops the store and opens it again from its directory; a store in memory stays as it is.
    pub(super) fn reopen(&mut self) {
        if let Some(path) = self.path() {
            self.swap(|config| Store::open(&path, config).unwrap());
        }
    }

    fn swap(&mut self, open: impl FnOnce(StoreConfig) -> (Store, Ledger)) {
        // The lock is held until both halves are gone.
        let (store, ledger) = Store::in_memory(small()).unwrap();
        drop((std::mem::replace(&mut self.store, store), std::mem::replace(&mut self.ledger, ledger)));
        let (store, ledger) = open(self.config.clone());
        self.store = store;
        self.ledger = ledger;
    }

    pub(super) fn apply(&mut self, change: Change) -> Result<Applied, Refusal> {
        self.batch(vec![change]).remove(0)
    }

    pub(super) fn batch(&mut self, changes: Vec<Change>) -> Vec<Result<Applied, Refusal>> {
        let batched = self.ledger.apply(changes, self.now).unwrap();
        self.touches.extend(batched.touches);
        batched.outcomes
    }

    pub(super) fn pass_hours(&mut self, hours: u64) {
        self.now = self.now.plus_seconds(hours * 3600);
    }

    pub(super) fn sweep(&mut self) {
        while self.apply(Change::Sweep { limit: 3 }).unwrap() == (Applied::Swept { rest: Rest::More }) {}
    }

    pub(super) fn open(&mut self, kind: MailboxKind) -> Held {
        let (owner, read, append, take) = (capability(), capability(), capability(), capability());
        let takes = if kind == MailboxKind::Personal { vec![grant(take)] } else { Vec::new() };
        let outcome = self.apply(Change::Open {
            admission: self.purse,
            kind,
            owner,
            read: Some(read),
            append: vec![grant(append)],
            take: takes,
            lease_hours: 48,
        });
        let Ok(Applied::Opened { incarnation, expires }) = outcome else { panic!("{outcome:?}") };
        Held { id: MailboxId::of(&owner), owner, read, append, take, incarnation, expires }
    }

    pub(super) fn append_as(
        &mut self,
        mailbox: &Held,
        capability: CapabilityHash,
        entry: Entry,
    ) -> Result<Appended, Refusal> {
        let change = Change::Append { admission: self.purse, mailbox: mailbox.id, capability, entry };
        self.apply(change).map(|applied| {
            let Applied::Appended(appended) = applied else { panic!("{applied:?}") };
            appended
        })
    }

    pub(super) fn append(&mut self, mailbox: &Held, fill: u8) -> Appended {
        self.append_as(mailbox, mailbox.append, entry(fill, 0)).unwrap()
    }

    pub(super) fn read(&self, mailbox: &Held, after: u64) -> Slice {
        let cursor = Cursor { incarnation: Some(mailbox.incarnation), after: Sequence(after) };
        let most = Most { entries: 1000, bytes: usize::MAX };
        self.store.read(&mailbox.id, &mailbox.read, &cursor, most, self.now).unwrap()
    }

    /// First bytes of the entries that can be read.
    pub(super) fn fills(&self, mailbox: &Held) -> Vec<u8> {
        self.read(mailbox, 0).entries.iter().map(|read| read.entry.bytes()[0]).collect()
    }
}
