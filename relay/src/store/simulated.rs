//! A disk for simulators: rows in memory that forgets what was not synced, stops at any call, is full, goes back.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::engine::{Batch, Engine, Key, Row};
use super::fault::StoreFault;
use super::{Ledger, Store, StoreConfig, blobs};

/// A disk that outlives the relay on it. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<Platters>>);

#[derive(Default)]
struct Platters {
    /// What a reader of the running relay sees.
    rows: BTreeMap<Key, Row>,
    /// What was written since the last sync, as it was before.
    unsynced: BTreeMap<Key, Option<Row>>,
    free: Option<u64>,
    calls: u64,
    stop_at: Option<u64>,
    stopped: bool,
}

/// What of the unsynced writes is there after a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsynced {
    /// Nothing: the power went.
    Lost,
    /// All: the process alone died.
    Kept,
}

/// A whole disk at some moment, to go back to.
#[derive(Clone)]
pub struct Copied(BTreeMap<Key, Row>);

impl SimulatedDisk {
    /// Has the relay die at its so-manieth call from now.
    pub fn stop_after(&self, calls: u64) {
        let mut disk = self.hold();
        disk.stop_at = Some(disk.calls.saturating_add(calls));
    }

    /// Whether the relay on it has died of [`Self::stop_after`].
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.hold().stopped
    }

    /// The machine is there again.
    pub fn restart(&self, unsynced: Unsynced) {
        let mut disk = self.hold();
        let before = std::mem::take(&mut disk.unsynced);
        if unsynced == Unsynced::Lost {
            for (key, row) in before {
                match row {
                    Some(row) => disk.rows.insert(key, row),
                    None => disk.rows.remove(&key),
                };
            }
        }
        disk.stop_at = None;
        disk.stopped = false;
    }

    /// Sets the free bytes; none for a disk without end.
    pub fn set_free(&self, free: Option<u64>) {
        self.hold().free = free;
    }

    /// Calls of the relay so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.hold().calls
    }

    /// What is on it now.
    #[must_use]
    pub fn copy(&self) -> Copied {
        Copied(self.hold().rows.clone())
    }

    /// Goes back to a copy, as after a restoration from a backup.
    pub fn put_back(&self, copy: &Copied) {
        let mut disk = self.hold();
        disk.rows.clone_from(&copy.0);
        disk.unsynced.clear();
    }

    fn hold(&self) -> MutexGuard<'_, Platters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call of the relay: counted, and the end if it is its turn.
    fn call(&self) -> Result<MutexGuard<'_, Platters>, StoreFault> {
        let mut disk = self.hold();
        disk.calls = disk.calls.saturating_add(1);
        disk.stopped |= disk.stop_at.is_some_and(|at| disk.calls >= at);
        if disk.stopped { Err(StoreFault::Disk(io::Error::other("the machine stopped"))) } else { Ok(disk) }
    }
}

impl Engine for SimulatedDisk {
    fn header(&self, key: &[u8]) -> Result<Option<Bytes>, StoreFault> {
        Ok(self.call()?.rows.get(key).map(|row| row.header.clone()))
    }

    fn row(&self, key: &[u8]) -> Result<Option<Row>, StoreFault> {
        Ok(self.call()?.rows.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<(Key, Bytes)>, StoreFault> {
        let disk = self.call()?;
        let start = if from > prefix { from } else { prefix };
        Ok(disk
            .rows
            .range(start.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, row)| (key.clone(), row.header.clone()))
            .collect())
    }

    /// Two calls: the writes, and the sync that makes them durable.
    fn commit(&self, batch: Batch) -> Result<(), StoreFault> {
        let mut disk = self.call()?;
        for (key, row) in batch {
            let before = match row {
                Some(row) => disk.rows.insert(key.clone(), row),
                None => disk.rows.remove(&key),
            };
            disk.unsynced.entry(key).or_insert(before);
        }
        drop(disk);
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::NoSync) {
            return Ok(());
        }
        self.call()?.unsynced.clear();
        Ok(())
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreFault> {
        Ok(self.call()?.free)
    }
}

impl Store {
    /// The store on a simulated disk.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn on_simulated(disk: &SimulatedDisk, config: StoreConfig) -> Result<(Self, Ledger), StoreFault> {
        Self::assemble(Box::new(disk.clone()), config, blobs::Blobs::nowhere())
    }
}
