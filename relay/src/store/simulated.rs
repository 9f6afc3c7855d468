//! A disk for simulators: rows in memory that forgets what was not synced, stops at any call, is full, goes back.
//! Unfinished blobs are files, as on any disk, in a folder of the simulator's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use relevo_protocol::wire::MailboxId;

use super::engine::{Batch, Engine, Key, Row};
use super::fault::StoreFault;
use super::{Ledger, Store, StoreConfig, blobs, keys};

/// A disk that outlives the relay on it. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    platters: Arc<Mutex<Platters>>,
    /// Without it the relay keeps no unfinished blobs.
    blobs: Option<PathBuf>,
}

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
pub struct Copied {
    rows: BTreeMap<Key, Row>,
    blobs: Vec<(PathBuf, Vec<u8>)>,
}

impl SimulatedDisk {
    /// A disk whose unfinished blobs are files under `directory`.
    #[must_use]
    pub fn with_blobs(directory: &Path) -> Self {
        Self { platters: Arc::default(), blobs: Some(directory.to_owned()) }
    }

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
    ///
    /// # Errors
    /// The blobs' file system's.
    pub fn restart(&self, unsynced: Unsynced) -> io::Result<()> {
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
        match (&self.blobs, unsynced) {
            (Some(blobs), Unsynced::Lost) => tear(blobs),
            (Some(_), Unsynced::Kept) | (None, _) => Ok(()),
        }
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
    ///
    /// # Errors
    /// The blobs' file system's.
    pub fn copy(&self) -> io::Result<Copied> {
        let mut blobs = Vec::new();
        if let Some(directory) = &self.blobs {
            for path in files(directory)? {
                let bytes = fs::read(&path)?;
                blobs.push((path, bytes));
            }
        }
        Ok(Copied { rows: self.hold().rows.clone(), blobs })
    }

    /// Mailboxes of which entries are here that a copy does not have.
    #[must_use]
    pub fn ahead_of(&self, copy: &Copied) -> BTreeSet<MailboxId> {
        let disk = self.hold();
        let more = disk.rows.keys().filter(|key| !copy.rows.contains_key(*key));
        let ids = more.filter_map(|key| key.strip_prefix(keys::ENTRIES)?.first_chunk());
        ids.map(|id| MailboxId(*id)).collect()
    }

    /// Goes back to a copy without a word, as a snapshot of the machine does.
    ///
    /// # Errors
    /// The blobs' file system's.
    pub fn put_back(&self, copy: &Copied) -> io::Result<()> {
        if let Some(directory) = &self.blobs {
            for path in files(directory)? {
                fs::remove_file(path)?;
            }
            for (path, bytes) in &copy.blobs {
                fs::write(path, bytes)?;
            }
        }
        let mut disk = self.hold();
        disk.rows.clone_from(&copy.rows);
        disk.unsynced.clear();
        Ok(())
    }

    /// Goes back to a copy as a restoration from a backup does: every mailbox in another life, which names the one before.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn restore(&self, copy: &Copied, config: &StoreConfig) -> Result<(), StoreFault> {
        self.put_back(copy).map_err(StoreFault::Disk)?;
        self.restart(Unsynced::Kept).map_err(StoreFault::Disk)?;
        let mut items = Vec::new();
        Store::on_simulated(self, config.clone())?.0.archive(|item| {
            items.push(item);
            Ok::<_, StoreFault>(())
        })?;
        self.hold().rows.clear();
        let (store, _ledger) = Store::on_simulated(self, config.clone())?;
        let mut refill = store.refill();
        for item in items {
            refill.take(item)?;
        }
        refill.finish()
    }

    fn hold(&self) -> MutexGuard<'_, Platters> {
        self.platters.lock().unwrap_or_else(PoisonError::into_inner)
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
        let blobs = match &disk.blobs {
            Some(directory) => blobs::Blobs::open(directory, disk)?,
            None => blobs::Blobs::nowhere(),
        };
        Self::assemble(Box::new(disk.clone()), config, blobs)
    }
}

/// Every file under a folder, in the order of their names.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        let items = match fs::read_dir(folder) {
            // No relay has opened it yet.
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => continue,
            items => items?,
        };
        for item in items {
            let item = item?;
            let to = if item.file_type()?.is_dir() { &mut folders } else { &mut found };
            to.push(item.path());
        }
    }
    found.sort();
    Ok(found)
}

/// What was written of unfinished blobs was never synced: the second half of each is zeros, as a power cut may leave it.
fn tear(blobs: &Path) -> io::Result<()> {
    for path in files(&blobs.join("partial"))? {
        let mut bytes = fs::read(&path)?;
        let half = bytes.len() / 2;
        bytes.iter_mut().skip(half).for_each(|byte| *byte = 0);
        fs::write(path, bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use relevo_protocol::secret::Secret;
    use relevo_protocol::time::{Hour, Timestamp};
    use relevo_protocol::wire::{Admission, BlobId};

    use super::*;
    use crate::store::Change;
    use crate::store::blobs::Begun;
    use crate::store::record::{self, Blob};

    const NOW: Timestamp = Timestamp(1_800_000_000);

    /// Three blobs as layouts before the third had them: rows without bytes, and files.
    fn of_the_second_layout(disk: &SimulatedDisk, folder: &Path) -> Vec<Vec<u8>> {
        let (store, mut ledger) = Store::on_simulated(disk, StoreConfig::default()).unwrap();
        let admission = Admission::new(Secret::new([9; 32]));
        let provide = Change::Provide { id: admission.id(), key: admission.key(), expires: Hour(u32::MAX) };
        ledger.apply(vec![provide], NOW).unwrap();
        let blobs: Vec<Vec<u8>> = [7, 8, 9].map(|fill| vec![fill; 100_000]).into();
        for bytes in &blobs {
            let id = BlobId::of(bytes);
            let Begun::Wanted(upload) = store.begin_blob(&admission.id(), id, 100_000, NOW).unwrap() else { panic!() };
            let blob = upload.complete(bytes.clone().into()).unwrap();
            let keep = Change::KeepBlob { admission: admission.id(), blob, lease_hours: 24 };
            ledger.apply(vec![keep], NOW).unwrap().outcomes.remove(0).unwrap();
            let mut rows = disk.hold();
            let row = rows.rows.get_mut(&keys::blob(&id)).unwrap();
            let now: Blob = record::read(&row.header, "blob").unwrap();
            row.header = record::write(&Blob { life: None, ..now });
            rows.rows.retain(|key, _| !key.starts_with(b"d"));
            let name = data_encoding::HEXLOWER.encode(&id.0);
            let place = folder.join("whole").join(&name[..2]);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(name), bytes).unwrap();
        }
        blobs
    }

    #[test]
    fn an_upgrade_that_is_stopped_at_any_call_loses_no_blob() {
        for calls in 1.. {
            let folder = tempfile::tempdir().unwrap();
            let disk = SimulatedDisk::with_blobs(folder.path());
            let blobs = of_the_second_layout(&disk, folder.path());
            disk.stop_after(calls);
            let stopped = Store::on_simulated(&disk, StoreConfig::default()).is_err();
            disk.restart(Unsynced::Lost).unwrap();
            let (store, _ledger) = Store::on_simulated(&disk, StoreConfig::default()).unwrap();
            for bytes in blobs {
                let mut download = store.open_blob(&BlobId::of(&bytes), 0, u64::MAX, NOW).unwrap();
                assert_eq!(download.next_bytes(usize::MAX).unwrap(), bytes, "stopped at call {calls}");
            }
            assert_eq!(store.totals().blobs, 3);
            assert!(!folder.path().join("whole").exists());
            if !stopped {
                assert!(calls > 12, "it was stopped at each call");
                return;
            }
        }
    }
}
