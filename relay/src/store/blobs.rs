//! Blobs on the file system: two levels of directories by the first byte of the id, one file each.
//!
//! ```text
//! begin -> Upload (partial/<id>) -> write... -> finish: fsync, verify, rename, fsync directory -> Whole -> keep: index row
//! ```
//! A file without a row is removed at the next opening; a row is entered only when its file is durable.

mod transfer;

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
use relevo_protocol::wire::{AdmissionId, BlobId, Refusal};

use super::fault::StoreFault;
use super::{Store, disk, failed, keys, record, rules};

pub use transfer::{Download, Upload, Whole};

/// The directories of blobs.
pub(crate) struct Blobs {
    /// None for a store in memory, which keeps no blobs.
    place: Option<Place>,
    /// Blobs being uploaded: one upload at a time for each.
    busy: Arc<Mutex<HashSet<BlobId>>>,
}

struct Place {
    whole: PathBuf,
    partial: PathBuf,
}

/// How a put begins.
pub enum Begun {
    /// The blob is there: renew its lease with [`super::Change::RenewBlob`].
    Held,
    /// The bytes are wanted from [`Upload::offset`] on.
    Wanted(Upload),
}

/// Marks a blob as being uploaded until it is dropped.
struct Busy {
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
        // A row whose file is missing or damaged is mended by a new put.
        if self.blob(&id)?.is_some() && self.shared.blobs.sound(id)?.is_some() {
            return Ok(Begun::Held);
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
        self.shared.blobs.begin(id, length, self.config().partial_blobs).map(Begun::Wanted)
    }

    /// Opens a range of a blob, cut to the blob's end.
    ///
    /// # Errors
    /// [`Refusal::NoSuchBlob`], [`Refusal::Failed`].
    pub fn open_blob(&self, id: &BlobId, offset: u64, length: u64, now: Timestamp) -> Result<Download, Refusal> {
        let blob = self.blob(id)?.filter(|blob| !blob.expires.is_past(now)).ok_or(Refusal::NoSuchBlob)?;
        let whole = self.shared.blobs.sound(*id)?.ok_or(Refusal::NoSuchBlob)?;
        let range = |at: u64| usize::try_from(at.min(blob.length)).unwrap_or(usize::MAX).min(whole.len());
        let (start, end) = (range(offset), range(offset.saturating_add(length)));
        Ok(Download { bytes: Bytes::from(whole).slice(start..end), total: blob.length })
    }

    /// Removes unfinished blobs that nobody went on with. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn sweep_partial_blobs(&self, now: Timestamp) -> Result<(), StoreFault> {
        self.shared.blobs.sweep_partial(now, self.config().partial_hours)
    }

    fn blob(&self, id: &BlobId) -> Result<Option<record::Blob>, Refusal> {
        let row = self.shared.engine.header(&keys::blob(id)).map_err(failed)?;
        row.map(|bytes| record::read(&bytes, "blob")).transpose().map_err(failed)
    }
}

impl Blobs {
    pub(crate) fn nowhere() -> Self {
        Self { place: None, busy: Arc::default() }
    }

    /// Opens the directories and removes the files that have no row.
    pub(crate) fn open(
        directory: &Path,
        has_row: impl Fn(&BlobId) -> Result<bool, StoreFault>,
    ) -> Result<Self, StoreFault> {
        let place = Place { whole: directory.join("whole"), partial: directory.join("partial") };
        disk::private_directory(&place.whole)?;
        disk::private_directory(&place.partial)?;
        // All of them now: one made while its first blob comes would have to be durable before a second one's answer.
        for first in 0..=u8::MAX {
            disk::private_directory(&place.whole.join(HEXLOWER.encode(&[first])))?;
        }
        for first in fs::read_dir(&place.whole)? {
            for file in fs::read_dir(first?.path())? {
                let file = file?;
                let known = match parse(&file.file_name()) {
                    Some(id) => has_row(&id)?,
                    None => false,
                };
                if !known {
                    fs::remove_file(file.path())?;
                }
            }
        }
        disk::sync_directory(&place.whole)?;
        disk::sync_directory(directory)?;
        Ok(Self { place: Some(place), busy: Arc::default() })
    }

    /// The bytes of a blob, none when its file is missing or is not the blob. Such a file is removed, unless it is just
    /// being written: without it the row is mended by the next put, and whoever has the bytes may put them.
    fn sound(&self, id: BlobId) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(place) = &self.place else { return Ok(None) };
        let path = place.file(&id);
        match fs::read(&path) {
            Ok(whole) if BlobId::of(&whole) == id => return Ok(Some(whole)),
            Ok(_damaged) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        }
        if let Some(_busy) = self.occupy(id)
            && fs::read(&path).is_ok_and(|bytes| BlobId::of(&bytes) != id)
        {
            tracing::error!("a blob is damaged on disk and was removed: its author can send the document again");
            remove(&path).map_err(failed)?;
        }
        Ok(None)
    }

    /// The file of a blob, whatever it holds.
    pub(super) fn whole(&self, id: &BlobId) -> io::Result<Vec<u8>> {
        self.place.as_ref().map_or(Err(io::ErrorKind::NotFound.into()), |place| fs::read(place.file(id)))
    }

    /// Marks a blob as being written; none while somebody else does.
    fn occupy(&self, id: BlobId) -> Option<Busy> {
        let new = self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        new.then(|| Busy { id, busy: Arc::clone(&self.busy) })
    }

    fn begin(&self, id: BlobId, length: u64, most: u64) -> Result<Upload, Refusal> {
        let place = self.place.as_ref().ok_or(Refusal::RelayFull)?;
        let busy = self.occupy(id).ok_or(Refusal::Busy)?;
        let partial = place.partial.join(HEXLOWER.encode(&id.0));
        let open = || -> io::Result<(Option<File>, u64)> {
            // Made when there is something to keep: most blobs come in one go.
            let file = match File::options().read(true).write(true).open(&partial) {
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
        Ok(Upload { id, length, file, offset, found: offset, partial, whole: place.file(&id), most, busy })
    }

    /// Writes a whole blob, without a row.
    pub(super) fn put(&self, id: BlobId, bytes: &[u8]) -> Result<(), StoreFault> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match self.begin(id, length, u64::MAX).and_then(|upload| upload.complete(bytes)) {
            Ok(_whole) => Ok(()),
            Err(Refusal::RelayFull) => Err(StoreFault::DiskFull),
            Err(_) => Err(StoreFault::Corrupt { what: "blob" }),
        }
    }

    /// Whether the file of a blob is there; a store in memory has no files to miss.
    pub(crate) fn holds(&self, id: &BlobId) -> bool {
        self.place.as_ref().is_none_or(|place| place.file(id).exists())
    }

    /// Removes the files of blobs whose rows are gone.
    pub(crate) fn unlink(&self, blobs: &[BlobId]) -> Result<(), StoreFault> {
        let Some(place) = &self.place else { return Ok(()) };
        for id in blobs {
            remove(&place.file(id))?;
        }
        Ok(())
    }

    fn sweep_partial(&self, now: Timestamp, hours: u32) -> Result<(), StoreFault> {
        let Some(place) = &self.place else { return Ok(()) };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.0);
        let patience = Duration::from_secs(u64::from(hours) * 3600);
        for file in fs::read_dir(&place.partial)? {
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

impl Place {
    fn file(&self, id: &BlobId) -> PathBuf {
        let name = HEXLOWER.encode(&id.0);
        let (first, _) = name.split_at(2);
        self.whole.join(first).join(&name)
    }
}

/// Whether one more unfinished blob fits in a directory of them. The one that was left for longest gives way: else
/// whoever leaves many unfinished would keep everybody's documents out.
fn make_room(partial: &Path, busy: &Mutex<HashSet<BlobId>>, most: u64) -> io::Result<bool> {
    if u64::try_from(fs::read_dir(partial)?.count()).unwrap_or(u64::MAX) < most {
        return Ok(true);
    }
    // Held to the end, so that nobody goes on with what is removed.
    let busy = busy.lock().unwrap_or_else(PoisonError::into_inner);
    let mut oldest = None;
    for file in fs::read_dir(partial)? {
        let file = file?;
        let idle = parse(&file.file_name()).is_none_or(|id| !busy.contains(&id));
        // One that has just become whole has left.
        let modified = file.metadata().and_then(|held| held.modified());
        if let (true, Ok(modified)) = (idle, modified)
            && oldest.as_ref().is_none_or(|(first, _)| modified < *first)
        {
            oldest = Some((modified, file.path()));
        }
    }
    oldest.map_or(Ok(false), |(_, path)| fs::remove_file(path).map(|()| true))
}

fn parse(name: &std::ffi::OsStr) -> Option<BlobId> {
    let bytes = HEXLOWER.decode(name.to_str()?.as_bytes()).ok()?;
    bytes.try_into().ok().map(BlobId)
}

fn remove(path: &Path) -> Result<(), StoreFault> {
    Ok(disk::remove_file(path)?)
}
