//! Blobs on their way in and out.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{AdmissionId, BlobId, Refusal};

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
    /// Where that file is or would be; none where nothing is kept of a broken put.
    pub(super) partial: Option<PathBuf>,
    /// Unfinished blobs that there may be.
    pub(super) most: u64,
    pub(super) busy: Busy,
}

/// The bytes of a blob, all of them and compared with its id; on no disk yet.
pub struct Whole {
    pub(in crate::store) id: BlobId,
    pub(in crate::store) bytes: Bytes,
    pub(in crate::store) busy: Busy,
    /// What came before a break, which goes when the blob is kept.
    partial: Option<PathBuf>,
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

    /// Keeps bytes for a later try.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for more than was announced, [`Refusal::RelayFull`] when the disk is, [`Refusal::Failed`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let more = u64::try_from(bytes.len()).map_err(|_| Refusal::Malformed)?;
        if more > self.wanted() {
            return Err(Refusal::Malformed);
        }
        // One of which nothing has come takes nobody's room.
        if more == 0 {
            return Ok(());
        }
        let offset = self.offset;
        let Some(file) = self.partial_file()? else { return Ok(()) };
        file.write_all_at(bytes, offset).map_err(full_or_failed)?;
        self.offset = self.offset.saturating_add(more);
        Ok(())
    }

    /// Takes all that is wanted and verifies the blob.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when bytes are missing or too many, [`Refusal::Failed`], [`Refusal::BlobMismatch`], after which
    /// nothing is kept. [`Refusal::Busy`] when it may be our own part of the bytes that is wrong, as after a power cut: the client
    /// comes again and sends all of them.
    pub fn complete(self, rest: Bytes) -> Result<Whole, Refusal> {
        if u64::try_from(rest.len()) != Ok(self.wanted()) {
            return Err(Refusal::Malformed);
        }
        let bytes = match &self.file {
            // What does not read any more is as good as other bytes.
            Some(file) => {
                let joined = self.joined(file, &rest);
                joined.inspect_err(|error| tracing::error!(%error, "part of an unfinished blob does not read")).ok()
            }
            None => Some(rest),
        };
        let partial = self.partial.filter(|_| self.file.is_some());
        let Some(bytes) = bytes.filter(|bytes| BlobId::of(bytes) == self.id) else {
            remove_if(partial.as_deref())?;
            return Err(if self.found > 0 { Refusal::Busy } else { Refusal::BlobMismatch });
        };
        Ok(Whole { id: self.id, bytes, busy: self.busy, partial })
    }

    /// What came before, and the rest.
    fn joined(&self, file: &File, rest: &[u8]) -> io::Result<Bytes> {
        let held = usize::try_from(self.offset).map_err(io::Error::other)?;
        let mut all = vec![0; held];
        file.read_exact_at(&mut all, 0)?;
        all.extend_from_slice(rest);
        Ok(all.into())
    }

    /// The file of what came before a break, made if there is room for one more; none where nothing is kept.
    fn partial_file(&mut self) -> Result<Option<&File>, Refusal> {
        let Some(partial) = &self.partial else { return Ok(None) };
        if self.file.is_none() {
            let directory = partial.parent().ok_or(Refusal::Failed)?;
            let room = make_room(directory, &self.busy.busy, self.most).map_err(|error| failed(error.into()))?;
            if !room {
                return Err(Refusal::Busy);
            }
            self.file = Some(disk::private_file().open(partial).map_err(full_or_failed)?);
        }
        Ok(self.file.as_ref())
    }
}

impl Whole {
    /// Makes the blob durable, takes the allowance, answers with the end of its lease.
    ///
    /// # Errors
    /// As the change was refused.
    ///
    /// # Cancel safety
    /// Dropped before it is done, what came before a break may stay until nobody has gone on with it for long.
    pub async fn keep(self, writer: &Writer, admission: AdmissionId, lease_hours: u32) -> Result<Hour, Refusal> {
        let (change, leftover) = self.change(admission, lease_hours);
        let outcome = writer.apply(change).await;
        match leftover.0 {
            None => leftover.settle(outcome),
            // A file is removed.
            Some(_) => {
                let settled = tokio::task::spawn_blocking(move || leftover.settle(outcome)).await;
                settled.unwrap_or(Err(Refusal::Failed))
            }
        }
    }

    /// What keeps the blob, and what is to be told of the outcome.
    pub(crate) fn change(mut self, admission: AdmissionId, lease_hours: u32) -> (Change, Leftover) {
        let partial = self.partial.take();
        (Change::KeepBlob { admission, blob: self, lease_hours }, Leftover(partial))
    }

    pub(in crate::store) fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Whole")
    }
}

/// What came of a blob before a break, while the whole of it is being kept.
pub(crate) struct Leftover(Option<PathBuf>);

impl Leftover {
    /// What came of keeping the blob: the end of its lease, or a refusal, after which the put may be tried again.
    pub(crate) fn settle(self, outcome: Result<Applied, Refusal>) -> Result<Hour, Refusal> {
        match outcome? {
            Applied::Renewed { expires } => remove_if(self.0.as_deref()).map(|()| expires),
            Applied::Done
            | Applied::Opened { .. }
            | Applied::Appended(_)
            | Applied::Taken { .. }
            | Applied::Swept { .. } => Err(Refusal::Failed),
        }
    }
}

fn remove_if(partial: Option<&Path>) -> Result<(), Refusal> {
    partial.map_or(Ok(()), remove).map_err(failed)
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
