//! The durable store: mailboxes, grants, admissions and blobs behind one writer.
//!
//! ```text
//! Writer (one thread) -> Ledger::apply(batch) -> Engine::commit (durable) -> Appended -> Stored
//! any thread          -> Store::{read, standing, ...}  what has been committed, nothing else
//! ```
//! The rules live in `ledger` and `rules`, once; an engine only keeps rows.

mod applied;
mod archive;
pub mod blobs;
mod census;
mod change;
mod config;
#[cfg(test)]
mod conformance;
pub(crate) mod disk;
mod draft;
mod engine;
mod fault;
#[cfg(test)]
pub(crate) mod interleavings;
mod journal;
mod keys;
mod ledger;
mod memory;
mod rates;
mod recent;
mod record;
mod rules;
mod segments;
#[cfg(feature = "simulation")]
mod simulated;
mod sled;
mod slice;
mod value;
mod verify;
mod waiting;
mod writer;

use std::collections::HashSet;
use std::fs::TryLockError;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    AdmissionId, AdmissionKey, CapabilityHash, Checkpoint, Cursor, Incarnation, MailboxId, ReadEntry, Refusal,
    Sequence, Standing,
};

pub use applied::{Appended, Applied, Popped, Rest, Touch};
pub(crate) use archive::Item;
pub use census::Census;
pub use change::Change;
pub use config::StoreConfig;
pub use fault::StoreFault;
pub use ledger::{Batched, Ledger};
pub use record::AdmissionKind;
pub use rules::Totals;
#[cfg(feature = "simulation")]
pub use simulated::{Copied, SimulatedDisk, Unsynced};
pub use slice::{Most, Slice};
pub use verify::Verified;
pub use writer::{Clock, Pending, Witness, Writer, WriterThread};

use crate::threads::Mutex;
pub(crate) use disk::free_bytes;
use engine::Engine;
use recent::Recent;
use record::Mailbox;

/// The read half of a store. Clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// What both halves share.
struct Shared {
    engine: Box<dyn Engine>,
    config: StoreConfig,
    blobs: blobs::Blobs,
    totals: Mutex<Totals>,
    recent: Mutex<Recent>,
    /// How the disk keeps up.
    strain: Mutex<Strain>,
    /// Entries and blobs whose damage was logged: whoever reads one again and again fills no disk.
    logged: Mutex<HashSet<(Incarnation, Sequence)>>,
}

/// An admission, to prove and to show.
#[derive(Debug)]
pub struct AdmissionView {
    /// Its key.
    pub key: AdmissionKey,
    /// Its kind.
    pub kind: AdmissionKind,
    /// Its end.
    pub expires: Hour,
    /// Bytes that may still be stored in these 30 days.
    pub bytes_left: u64,
    /// Mailboxes that may still be opened in these 30 days.
    pub mailboxes_left: u64,
}

/// How the disk keeps up with what is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Strain {
    /// Bytes of it that are free; none where there is no disk.
    pub free: Option<u64>,
    /// Batches made durable since the start.
    pub commits: u64,
    /// Time that they took.
    pub commit_time: Duration,
    /// Time that the last one took.
    pub last_commit: Duration,
    /// When that one ended.
    pub ended: Option<Instant>,
    /// Since when one is under way.
    pub begun: Option<Instant>,
}

impl Store {
    /// A store in memory, for tests and simulations.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn in_memory(config: StoreConfig) -> Result<(Self, Ledger), StoreFault> {
        Self::assemble(Box::new(memory::Memory::default()), config, blobs::Blobs::nowhere())
    }

    /// The durable store in a directory of its own, which is made if need be and closed to other users.
    ///
    /// # Errors
    /// [`StoreFault`]: in use by another process, disk full, not permitted, damaged.
    pub fn open(directory: &Path, config: StoreConfig) -> Result<(Self, Ledger), StoreFault> {
        disk::private_directory(directory)?;
        let lock = disk::private_file().open(directory.join("lock"))?;
        let lock = disk::Lock::take(lock).map_err(|refused| match refused {
            TryLockError::WouldBlock => StoreFault::Locked,
            TryLockError::Error(error) => error.into(),
        })?;
        let layout = layout(directory)?;
        let ballast = disk::Ballast::new(directory, &config);
        if disk::free_bytes(directory)? < config.ballast_bytes && ballast.drop_it()? == disk::Dropped::Yes {
            tracing::warn!("the disk is full: the ballast file was given up so that the store can open");
        }
        let engine = sled::Sled::open(directory, &config, lock, layout >= Some(WITH_JOURNAL))?;
        ballast.take(disk::free_bytes(directory)?, &config);
        if layout != Some(LAYOUT) {
            disk::private_file().open(directory.join(format!("{LAYOUT_NAME}{LAYOUT}")))?.sync_all()?;
        }
        // What was made since the engine synced it, and the directory's own name.
        disk::sync_directory(directory)?;
        disk::sync_name(directory)?;
        let blobs = blobs::Blobs::open(&directory.join("blobs"), &engine)?;
        Self::assemble(Box::new(engine), config, blobs)
    }

    fn assemble(
        engine: Box<dyn Engine>,
        config: StoreConfig,
        blobs: blobs::Blobs,
    ) -> Result<(Self, Ledger), StoreFault> {
        let totals = count(&*engine)?;
        let recent = Mutex::new(Recent::new(config.recent_bytes));
        let (strain, logged) = (Mutex::default(), Mutex::default());
        let totals = Mutex::new(totals);
        let shared = Arc::new(Shared { engine, config, blobs, totals, recent, strain, logged });
        let ledger = Ledger::new(Arc::clone(&shared), Box::new(random_incarnation));
        Ok((Self { shared }, ledger))
    }

    /// Where a mailbox stands, for one who shows *read* or *owner*.
    ///
    /// # Errors
    /// [`Refusal::NoSuchMailbox`]; [`Refusal::Failed`] when the disk fails.
    pub fn standing(&self, id: &MailboxId, shown: &CapabilityHash, now: Timestamp) -> Result<Standing, Refusal> {
        Ok(self.shared.readable(id, shown, now)?.standing())
    }

    /// The statement to sign about a mailbox, for one who shows *read* or *owner*.
    ///
    /// # Errors
    /// As [`Self::standing`].
    pub fn checkpoint(&self, id: &MailboxId, shown: &CapabilityHash, now: Timestamp) -> Result<Checkpoint, Refusal> {
        Ok(self.shared.readable(id, shown, now)?.checkpoint(*id))
    }

    /// Entries after a cursor, for one who shows *read* or *owner*. None when the cursor is of another life.
    ///
    /// # Errors
    /// As [`Self::standing`].
    pub fn read(
        &self,
        id: &MailboxId,
        shown: &CapabilityHash,
        cursor: &Cursor,
        most: Most,
        now: Timestamp,
    ) -> Result<Slice, Refusal> {
        let mailbox = self.shared.readable(id, shown, now)?;
        if cursor.incarnation.is_some_and(|named| named != mailbox.incarnation) {
            return Ok(Slice { standing: mailbox.standing(), entries: Vec::new() });
        }
        self.shared.slice(id, mailbox, cursor.after, most)
    }

    /// Entries after a sequence, for delivery to a subscription whose capability was checked when it began.
    /// The caller compares the incarnation in the standing with the one it follows.
    ///
    /// # Errors
    /// As [`Self::standing`].
    pub fn follow(&self, id: &MailboxId, after: Sequence, most: Most, now: Timestamp) -> Result<Slice, Refusal> {
        let mailbox = self.shared.live(id, now)?;
        self.shared.slice(id, mailbox, after, most)
    }

    /// An admission that has not expired, whoever asks: the caller checks the proof against its key.
    ///
    /// # Errors
    /// [`Refusal::Failed`] when the disk fails.
    pub fn admission(&self, id: &AdmissionId, now: Timestamp) -> Result<Option<AdmissionView>, Refusal> {
        self.shared.admission(id, now).map_err(failed)
    }

    /// Rows of a family.
    #[cfg(test)]
    fn rows(&self, prefix: &[u8]) -> usize {
        self.shared.engine.scan(prefix, prefix, usize::MAX).unwrap().len()
    }

    /// What is in use.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.totals()
    }

    /// How the disk keeps up.
    #[must_use]
    pub fn strain(&self) -> Strain {
        let strain = *self.shared.strain.lock();
        Strain { free: self.shared.engine.free_bytes().ok().flatten(), ..strain }
    }

    /// The bounds.
    #[must_use]
    pub fn config(&self) -> &StoreConfig {
        &self.shared.config
    }
}

impl Shared {
    fn totals(&self) -> Totals {
        *self.totals.lock()
    }

    /// Shows readers what a durable batch came to.
    fn publish(&self, totals: Totals, touches: &[(MailboxId, Touch)]) {
        *self.totals.lock() = totals;
        let mut recent = self.recent.lock();
        for (mailbox, touch) in touches {
            match touch {
                Touch::Appended { incarnation, sequence, expires, entry } => recent.keep(
                    *mailbox,
                    *incarnation,
                    ReadEntry { sequence: *sequence, expires: *expires, entry: entry.clone() },
                ),
                Touch::Trimmed { .. } | Touch::Frozen | Touch::Closed => {}
            }
        }
    }

    /// A mailbox as of the last durable batch.
    fn live(&self, id: &MailboxId, now: Timestamp) -> Result<Mailbox, Refusal> {
        let header = self.engine.header(&keys::mailbox(id)).map_err(failed)?;
        let mailbox: Option<Mailbox> =
            header.map(|bytes| record::read(&bytes, "mailbox")).transpose().map_err(failed)?;
        mailbox.filter(|mailbox| !rules::is_gone(mailbox, now)).ok_or(Refusal::NoSuchMailbox)
    }

    fn readable(&self, id: &MailboxId, shown: &CapabilityHash, now: Timestamp) -> Result<Mailbox, Refusal> {
        let mailbox = self.live(id, now)?;
        rules::reader(&mailbox, shown)?;
        Ok(mailbox)
    }

    fn admission(&self, id: &AdmissionId, now: Timestamp) -> Result<Option<AdmissionView>, StoreFault> {
        let Some(bytes) = self.engine.header(&keys::admission(id))? else { return Ok(None) };
        let mut admission: record::Admission = record::read(&bytes, "admission")?;
        if admission.expires.is_past(now) {
            return Ok(None);
        }
        rules::current(&mut admission, now);
        let allowance = rules::allowance(admission.kind, &self.config);
        Ok(Some(AdmissionView {
            kind: admission.kind,
            expires: admission.expires,
            bytes_left: allowance.bytes.saturating_sub(admission.bytes),
            mailboxes_left: allowance.mailboxes.saturating_sub(admission.mailboxes),
            key: admission.key,
        }))
    }
}

/// How a store lies on the disk. One more with each change that an earlier version would misread.
const LAYOUT: u32 = 3;
/// From this one on there is a journal.
const WITH_JOURNAL: u32 = 2;
/// An empty file of this name and the number says so: there is nothing in it that the disk could lose.
const LAYOUT_NAME: &str = "layout-";

/// The layout of a store, none of one that is new or older than this number.
fn layout(directory: &Path) -> Result<Option<u32>, StoreFault> {
    let mut found = None;
    for file in std::fs::read_dir(directory)? {
        let name = file?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(LAYOUT_NAME)?.parse::<u32>().ok());
        found = found.max(number);
    }
    if found > Some(LAYOUT) { Err(StoreFault::Newer) } else { Ok(found) }
}

/// Sums what is stored, page by page: counted at every opening, so that no crash can make the sums drift.
fn count(engine: &dyn Engine) -> Result<Totals, StoreFault> {
    let mut totals = Totals::default();
    each::<StoreFault>(engine, keys::MAILBOXES, |_, bytes| {
        let mailbox: Mailbox = record::read(bytes, "mailbox")?;
        totals.mailboxes += 1;
        totals.entry_bytes = totals.entry_bytes.saturating_add(mailbox.bytes);
        totals.reserved_bytes = totals.reserved_bytes.saturating_add(mailbox.reserved_bytes);
        totals.grants = totals.grants.saturating_add(mailbox.grants());
        Ok(())
    })?;
    each::<StoreFault>(engine, keys::ADMISSIONS, |_, _| {
        totals.admissions += 1;
        Ok(())
    })?;
    each::<StoreFault>(engine, keys::BLOBS, |_, bytes| {
        let blob: record::Blob = record::read(bytes, "blob")?;
        totals.blobs += 1;
        totals.blob_bytes = totals.blob_bytes.saturating_add(blob.length);
        Ok(())
    })?;
    Ok(totals)
}

/// Visits every row with a prefix, a page at a time.
fn each<E: From<StoreFault>>(
    engine: &dyn Engine,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    const PAGE: usize = 1024;
    let mut from = prefix.to_vec();
    loop {
        let page = engine.scan(prefix, &from, PAGE)?;
        for (key, bytes) in &page {
            visit(key, bytes)?;
        }
        match page.last() {
            // The next key after this one in byte order.
            Some((last, _)) if page.len() == PAGE => from = [last.as_slice(), &[0]].concat(),
            Some(_) | None => return Ok(()),
        }
    }
}

fn random_incarnation() -> Result<Incarnation, StoreFault> {
    let mut bytes = [0; 8];
    relevo_protocol::random::fill(&mut bytes).map_err(|_| StoreFault::Randomness)?;
    Ok(Incarnation(bytes))
}

/// A fault of the disk met by a reader: told to the operator, refused to the client.
fn failed(fault: StoreFault) -> Refusal {
    tracing::error!(%fault, "reading the store failed");
    Refusal::Failed
}
