//! Blobs on their way in and out. Everything here blocks on the disk.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{AdmissionId, BlobId, Refusal};
use sha2::{Digest, Sha256};

use super::super::applied::Applied;
use super::super::change::Change;
use super::super::fault::StoreFault;
use super::super::writer::Writer;
use super::super::{disk, failed};
use super::{Busy, make_room, remove};

/// A blob on its way in. Dropped, it leaves what it has for a later try. Its methods block on the disk.
pub struct Upload {
    pub(super) id: BlobId,
    pub(super) length: u64,
    /// What came before a break; made when the first byte is written.
    pub(super) file: Option<File>,
    pub(super) offset: u64,
    /// Bytes that were there before.
    pub(super) found: u64,
    pub(super) partial: PathBuf,
    pub(super) whole: PathBuf,
    /// Unfinished blobs that there may be.
    pub(super) most: u64,
    pub(super) busy: Busy,
}

/// A blob that is whole and durable, but not yet in the index.
pub struct Whole {
    pub(super) id: BlobId,
    pub(super) length: u64,
    pub(super) path: PathBuf,
    pub(super) _busy: Busy,
}

/// A range of a blob to send, read whole and compared with its id before: at most 256 KiB in memory.
#[derive(Debug)]
pub struct Download {
    pub(super) bytes: Bytes,
    pub(super) total: u64,
}

impl Upload {
    /// Bytes held from an earlier, broken put.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes still wanted.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.length.saturating_sub(self.offset)
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for more than was announced, [`Refusal::RelayFull`] when the disk is, [`Refusal::Failed`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let more = u64::try_from(bytes.len()).map_err(|_| Refusal::Malformed)?;
        if more > self.wanted() {
            return Err(Refusal::Malformed);
        }
        let offset = self.offset;
        self.partial_file()?.write_all_at(bytes, offset).map_err(full_or_failed)?;
        self.offset = self.offset.saturating_add(more);
        Ok(())
    }

    /// Takes all that is wanted, verifies it and makes the blob durable. One that comes in one go touches the disk once.
    ///
    /// # Errors
    /// As [`Self::write`] and [`Self::finish`].
    pub fn complete(mut self, bytes: &[u8]) -> Result<Whole, Refusal> {
        if self.offset > 0 || self.file.is_some() {
            self.write(bytes)?;
            return self.finish();
        }
        if u64::try_from(bytes.len()) != Ok(self.length) {
            return Err(Refusal::Malformed);
        }
        if <[u8; 32]>::from(Sha256::digest(bytes)) != self.id.0 {
            return Err(Refusal::BlobMismatch);
        }
        // Under its own name at once: without a row it is no blob yet, and an opening removes what has none.
        let write = || -> io::Result<()> {
            let file = disk::private_file().open(&self.whole)?;
            file.set_len(0)?;
            file.write_all_at(bytes, 0)?;
            settle(&file, &self.whole)
        };
        if let Err(error) = write() {
            // Half a file would keep its room until the next opening.
            remove(&self.whole).map_err(failed)?;
            return Err(full_or_failed(error));
        }
        Ok(Whole { id: self.id, length: self.length, path: self.whole, _busy: self.busy })
    }

    /// The file of what came before a break, made if there is room for one more.
    fn partial_file(&mut self) -> Result<&File, Refusal> {
        if self.file.is_none() {
            let directory = self.partial.parent().ok_or(Refusal::Failed)?;
            let room = make_room(directory, &self.busy.busy, self.most).map_err(|error| failed(error.into()))?;
            if !room {
                return Err(Refusal::Busy);
            }
        }
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(disk::private_file().open(&self.partial).map_err(full_or_failed)?)),
        }
    }

    /// Verifies the bytes and makes the blob durable under its name.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when bytes are missing, [`Refusal::BlobMismatch`], [`Refusal::RelayFull`],
    /// [`Refusal::Failed`]. After a mismatch nothing is kept. [`Refusal::Busy`] when it may be our own part of the bytes
    /// that is wrong, as after a power cut: the client comes again and sends all of them.
    pub fn finish(mut self) -> Result<Whole, Refusal> {
        if self.wanted() > 0 {
            return Err(Refusal::Malformed);
        }
        let length = self.length;
        let digest = digest(self.partial_file()?, length).map_err(|error| failed(error.into()))?;
        if digest != self.id.0 {
            remove(&self.partial).map_err(failed)?;
            return Err(if self.found > 0 { Refusal::Busy } else { Refusal::BlobMismatch });
        }
        let (partial, whole) = (self.partial.clone(), self.whole.clone());
        let moved = |file: &File| {
            settle(file, &partial)?;
            fs::rename(&partial, &whole)?;
            disk::sync_name(&whole)
        };
        moved(self.partial_file()?).map_err(full_or_failed)?;
        Ok(Whole { id: self.id, length: self.length, path: self.whole, _busy: self.busy })
    }
}

/// Makes a file and its name durable.
fn settle(file: &File, path: &Path) -> io::Result<()> {
    // The time of the last write would tell when the blob came.
    file.set_modified(SystemTime::UNIX_EPOCH)?;
    file.sync_all()?;
    disk::sync_name(path)
}

impl Whole {
    /// Enters the blob into the index, takes the allowance, answers with the end of its lease.
    ///
    /// # Errors
    /// As the change was refused; the file is then removed.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the file may stay without a row until the next opening.
    pub async fn keep(self, writer: &Writer, admission: AdmissionId, lease_hours: u32) -> Result<Hour, Refusal> {
        let change = self.change(admission, lease_hours);
        self.kept(writer.apply(change).await)
    }

    /// What enters the blob into the index.
    pub(crate) fn change(&self, admission: AdmissionId, lease_hours: u32) -> Change {
        Change::KeepBlob { admission, id: self.id, length: self.length, lease_hours }
    }

    /// What came of entering it: the end of its lease, or a refusal, after which the file is removed.
    pub(crate) fn kept(self, outcome: Result<Applied, Refusal>) -> Result<Hour, Refusal> {
        match outcome {
            Ok(Applied::Renewed { expires }) => Ok(expires),
            Ok(
                Applied::Done
                | Applied::Opened { .. }
                | Applied::Appended(_)
                | Applied::Taken { .. }
                | Applied::Swept { .. },
            ) => Err(Refusal::Failed),
            Err(refusal) => {
                remove(&self.path).map_err(failed)?;
                Err(refusal)
            }
        }
    }
}

impl Download {
    /// Length of the range.
    #[must_use]
    pub fn length(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    /// Length of the whole blob.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The next bytes, `most` at most; empty at the end.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    pub fn next_bytes(&mut self, most: usize) -> Result<Bytes, Refusal> {
        Ok(self.bytes.split_to(most.min(self.bytes.len())))
    }
}

fn digest(file: &File, length: u64) -> io::Result<[u8; 32]> {
    let mut file = file.try_clone()?;
    io::Seek::rewind(&mut file)?;
    let mut hash = Sha256::new();
    let mut file = file.take(length);
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut bytes)?;
        match bytes.get(..read) {
            Some([]) | None => return Ok(hash.finalize().into()),
            Some(read) => hash.update(read),
        }
    }
}

fn full_or_failed(error: io::Error) -> Refusal {
    match StoreFault::from(error) {
        StoreFault::DiskFull => Refusal::RelayFull,
        fault @ (StoreFault::Locked
        | StoreFault::Permission
        | StoreFault::Newer
        | StoreFault::Corrupt { .. }
        | StoreFault::Randomness
        | StoreFault::WriterDied
        | StoreFault::Disk(_)) => failed(fault),
    }
}
