//! Blobs: on their way in, whole, and on their way out. A whole one is a row and a body, as an entry is; what a broken put has
//! left is a file.
//!
//! ```text
//! begin -> Upload (partial/<id>) -> complete: verified -> Whole -> keep: durable
//! ```

mod transfer;
mod upgrade;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use relevo_protocol::limits::MAX_BLOB;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{AdmissionId, BlobId, Refusal, Sequence};

use super::engine::Engine;
use super::fault::{BLOB, BODY, StoreFault};
use super::record::{self, Blob};
use super::verify::is_damage;
use super::{Store, disk, failed, keys, rules};

#[cfg(feature = "simulation")]
pub(crate) use transfer::Leftover;
pub use transfer::{Download, Upload, Whole};

/// Blobs that are not whole.
pub(crate) struct Blobs {
    /// None for a store in memory, which keeps nothing of a broken put.
    partial: Option<PathBuf>,
    /// Blobs being uploaded: one upload at a time for each.
    busy: Arc<Mutex<HashSet<BlobId>>>,
}

/// How a put begins.
pub enum Begun {
    /// The blob is there: renew its lease with [`super::Change::RenewBlob`].
    Held,
    /// The bytes are wanted from [`Upload::offset`] on.
    Wanted(Upload),
}

/// Marks a blob as being uploaded until it is dropped.
pub(crate) struct Busy {
    id: BlobId,
    busy: Arc<Mutex<HashSet<BlobId>>>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Store {
    /// Begins a put. Checks allowance and room, which are taken when the blob is kept.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for an impossible length, [`Refusal::Busy`] while another session uploads the same blob
    /// or too many are being uploaded, [`Refusal::RelayFull`], [`Refusal::AllowanceSpent`], [`Refusal::Failed`].
    pub fn begin_blob(
        &self,
        admission: &AdmissionId,
        id: BlobId,
        length: u64,
        now: Timestamp,
    ) -> Result<Begun, Refusal> {
        if length == 0 || length > MAX_BLOB {
            return Err(Refusal::Malformed);
        }
        let before = self.blob(&id)?;
        if let Some(blob) = &before {
            match self.bytes_of(&id, blob) {
                Ok(Some(_)) => return Ok(Begun::Held),
                Ok(None) => {}
                // One that the disk has lost, or does not read, is mended by a new put.
                Err(fault) if is_damage(&fault) => drop(self.told(fault, blob)),
                Err(fault) => return Err(failed(fault)),
            }
        }
        let left = self.admission(admission, now)?.map_or(0, |admission| admission.bytes_left);
        if length > left {
            return Err(Refusal::AllowanceSpent);
        }
        let free = self.shared.engine.free_bytes().map_err(failed)?;
        match rules::relay(&self.totals(), free, length, self.config()) {
            rules::Relay::Roomy => {}
            rules::Relay::Full | rules::Relay::Exhausted => return Err(Refusal::RelayFull),
        }
        let upload = self.shared.blobs.begin(id, length, self.config().partial_blobs)?;
        // Somebody else's put of it may have ended between the two.
        let now = self.blob(&id)?.and_then(|blob| blob.life);
        let is_kept = now.is_some() && now != before.and_then(|blob| blob.life);
        Ok(if is_kept { Begun::Held } else { Begun::Wanted(upload) })
    }

    /// Opens a range of a blob, cut to the blob's end.
    ///
    /// # Errors
    /// [`Refusal::NoSuchBlob`], [`Refusal::Failed`].
    pub fn open_blob(&self, id: &BlobId, offset: u64, length: u64, now: Timestamp) -> Result<Download, Refusal> {
        let blob = self.blob(id)?.filter(|blob| !blob.expires.is_past(now)).ok_or(Refusal::NoSuchBlob)?;
        let whole = match self.bytes_of(id, &blob) {
            Ok(whole) => whole.ok_or(Refusal::NoSuchBlob)?,
            Err(fault) => {
                let is_lost = matches!(fault, StoreFault::Corrupt { what: BLOB });
                let refusal = self.told(fault, &blob);
                // What is damaged is not there, and whoever has the bytes may put them; what does not read now may read later.
                return Err(if is_lost { Refusal::NoSuchBlob } else { refusal });
            }
        };
        let range = |at: u64| usize::try_from(at.min(blob.length)).unwrap_or(usize::MAX).min(whole.len());
        let (start, end) = (range(offset), range(offset.saturating_add(length)));
        Ok(Download { bytes: whole.slice(start..end), total: blob.length })
    }

    /// Removes unfinished blobs that nobody went on with. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn sweep_partial_blobs(&self, now: Timestamp) -> Result<(), StoreFault> {
        self.shared.blobs.sweep_partial(now, self.config().partial_hours)
    }

    fn blob(&self, id: &BlobId) -> Result<Option<Blob>, Refusal> {
        let row = self.shared.engine.header(&keys::blob(id)).map_err(failed)?;
        row.map(|bytes| record::read(&bytes, "blob")).transpose().map_err(failed)
    }

    /// The bytes of a blob; none where they are gone.
    ///
    /// # Errors
    /// [`StoreFault`]: damage, if what lies there is not the blob.
    pub(super) fn bytes_of(&self, id: &BlobId, blob: &Blob) -> Result<Option<Bytes>, StoreFault> {
        const DAMAGED: StoreFault = StoreFault::Corrupt { what: BLOB };
        let Some(life) = blob.life else { return Ok(None) };
        match self.shared.engine.row(&keys::blob_bytes(id, life)) {
            Ok(Some(row)) if BlobId::of(&row.body) != *id => Err(DAMAGED),
            Err(StoreFault::Corrupt { what: BODY }) => Err(DAMAGED),
            row => Ok(row?.map(|row| row.body)),
        }
    }

    /// Says a fault of a blob, once.
    fn told(&self, fault: StoreFault, blob: &Blob) -> Refusal {
        match blob.life {
            Some(life) => self.shared.failed_once(fault, life, Sequence::START),
            None => failed(fault),
        }
    }
}

impl Blobs {
    pub(crate) fn nowhere() -> Self {
        Self { partial: None, busy: Arc::default() }
    }

    /// Opens the directory, and has the engine take in what layouts before the third kept there.
    pub(crate) fn open(directory: &Path, engine: &dyn Engine) -> Result<Self, StoreFault> {
        let partial = directory.join("partial");
        disk::private_directory(&partial)?;
        upgrade::take_in(engine, &directory.join("whole"))?;
        disk::sync_directory(directory)?;
        Ok(Self { partial: Some(partial), busy: Arc::default() })
    }

    /// Marks a blob as being written; none while somebody else does.
    fn occupy(&self, id: BlobId) -> Option<Busy> {
        let new = self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        new.then(|| Busy { id, busy: Arc::clone(&self.busy) })
    }

    fn begin(&self, id: BlobId, length: u64, most: u64) -> Result<Upload, Refusal> {
        let busy = self.occupy(id).ok_or(Refusal::Busy)?;
        let partial = self.partial.as_ref().map(|partial| partial.join(HEXLOWER.encode(&id.0)));
        let open = || -> io::Result<(Option<File>, u64)> {
            let Some(partial) = &partial else { return Ok((None, 0)) };
            // Made when there is something to keep: most blobs come in one go.
            let file = match File::options().read(true).write(true).open(partial) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, 0)),
                Err(error) => return Err(error),
            };
            let held = file.metadata()?.len();
            if held <= length {
                return Ok((Some(file), held));
            }
            file.set_len(0)?;
            Ok((Some(file), 0))
        };
        let (file, offset) = open().map_err(|error| failed(error.into()))?;
        Ok(Upload { id, length, file, offset, found: offset, partial, most, busy })
    }

    fn sweep_partial(&self, now: Timestamp, hours: u32) -> Result<(), StoreFault> {
        let Some(partial) = &self.partial else { return Ok(()) };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.0);
        let patience = Duration::from_secs(u64::from(hours) * 3600);
        for file in fs::read_dir(partial)? {
            let file = file?;
            let idle = now.duration_since(file.metadata()?.modified()?).unwrap_or(Duration::ZERO);
            let busy = parse(&file.file_name())
                .is_some_and(|id| self.busy.lock().unwrap_or_else(PoisonError::into_inner).contains(&id));
            if idle >= patience && !busy {
                remove(&file.path())?;
            }
        }
        Ok(())
    }
}

/// Whether one more unfinished blob fits in a directory of them. The one that was left for longest gives way: else
/// whoever leaves many unfinished would keep everybody's documents out.
fn make_room(partial: &Path, busy: &Mutex<HashSet<BlobId>>, most: u64) -> io::Result<bool> {
    let mut files = Vec::new();
    for file in fs::read_dir(partial)? {
        files.push(file?);
    }
    if u64::try_from(files.len()).unwrap_or(u64::MAX) < most {
        return Ok(true);
    }
    // One that has just become whole has left.
    let modified = |file: &fs::DirEntry| file.metadata().and_then(|held| held.modified()).ok();
    let mut files: Vec<_> = files.iter().filter_map(|file| Some((modified(file)?, file.file_name()))).collect();
    files.sort_unstable();
    // The writer waits for this lock: nothing is looked at under it but one name at a time.
    for (_, name) in files {
        let busy = busy.lock().unwrap_or_else(PoisonError::into_inner);
        if parse(&name).is_none_or(|id| !busy.contains(&id)) {
            // Under the lock, so that nobody goes on with what is removed.
            disk::remove_file(&partial.join(name))?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn parse(name: &std::ffi::OsStr) -> Option<BlobId> {
    let bytes = HEXLOWER.decode(name.to_str()?.as_bytes()).ok()?;
    bytes.try_into().ok().map(BlobId)
}

fn remove(path: &Path) -> Result<(), StoreFault> {
    Ok(disk::remove_file(path)?)
}
