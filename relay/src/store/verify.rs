//! Reads everything that a store holds, and says what of it is not as it was written. Mends nothing.

use std::collections::BTreeSet;
use std::io;

use relevo_protocol::wire::{BlobId, Entry, MailboxId};

use super::fault::{BLOB, BODY, StoreFault};
use super::record::{self, EntryHeader, Mailbox};
use super::{Store, each, keys};

/// What was read, and what of it is damaged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Mailboxes.
    pub mailboxes: u64,
    /// Those in which an entry is damaged: their readers come no further than that entry until it expires.
    pub damaged_mailboxes: u64,
    /// Entries and last resorts.
    pub entries: u64,
    /// Those whose bytes are not what was written.
    pub damaged_entries: u64,
    /// Blobs.
    pub blobs: u64,
    /// Those whose bytes are missing or are not the blob: whoever posted the document may send it again.
    pub damaged_blobs: u64,
    /// Bytes read.
    pub bytes: u64,
}

impl Verified {
    /// Whether everything is as it was written.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged_entries == 0 && self.damaged_blobs == 0
    }
}

impl Store {
    /// Reads everything. `watch` hears of it after each entry and blob.
    ///
    /// # Errors
    /// [`StoreFault`]: the disk fails, or the index itself is damaged.
    pub fn verify(&self, mut watch: impl FnMut(&Verified)) -> Result<Verified, StoreFault> {
        let engine = &*self.shared.engine;
        let (mut found, mut damaged) = (Verified::default(), BTreeSet::new());
        let mut last_resorts = Vec::new();
        each::<StoreFault>(engine, keys::MAILBOXES, |key, bytes| {
            let mailbox: Mailbox = record::read(bytes, "mailbox")?;
            found.mailboxes += 1;
            if let (Some(last), Some(id)) = (mailbox.last_resort, id_in(key).map(MailboxId)) {
                last_resorts.push((id, keys::last_resort(&id, mailbox.incarnation, last.serial)));
            }
            Ok(())
        })?;
        let mut look = |found: &mut Verified, id: MailboxId, key: &[u8]| {
            found.entries += 1;
            match engine.row(key) {
                Ok(Some(row)) if Entry::parse(row.body.clone()).is_ok() => {
                    found.bytes = found.bytes.saturating_add(u64::try_from(row.body.len()).unwrap_or(u64::MAX));
                }
                Err(fault) if !is_damage(&fault) => return Err(fault),
                Ok(_) | Err(_) => {
                    found.damaged_entries += 1;
                    damaged.insert(id);
                }
            }
            watch(found);
            Ok(())
        };
        for (id, key) in last_resorts {
            look(&mut found, id, &key)?;
        }
        each::<StoreFault>(engine, keys::ENTRIES, |key, header| {
            EntryHeader::decode(header)?;
            look(&mut found, id_in(key).map(MailboxId).ok_or(StoreFault::Corrupt { what: "entry" })?, key)
        })?;
        found.damaged_mailboxes = u64::try_from(damaged.len()).unwrap_or(u64::MAX);
        each::<StoreFault>(engine, keys::BLOBS, |key, header| {
            let id = id_in(key).map(BlobId).ok_or(StoreFault::Corrupt { what: "blob" })?;
            found.blobs += 1;
            match self.bytes_of(&id, &record::read(header, "blob")?) {
                Ok(Some(bytes)) => {
                    found.bytes = found.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                }
                Err(fault) if !is_damage(&fault) => return Err(fault),
                Ok(None) | Err(_) => found.damaged_blobs += 1,
            }
            watch(&found);
            Ok(())
        })?;
        Ok(found)
    }
}

/// Whether this is one entry's damage, and no reason to stop.
pub(super) fn is_damage(fault: &StoreFault) -> bool {
    match fault {
        StoreFault::Corrupt { what } => [BODY, BLOB].contains(what),
        StoreFault::Disk(fault) => is_unreadable(fault),
        StoreFault::Locked
        | StoreFault::DiskFull
        | StoreFault::Permission
        | StoreFault::Newer
        | StoreFault::Randomness
        | StoreFault::WriterDied => false,
    }
}

/// A part of the disk that does not read any more (EIO).
pub(super) fn is_unreadable(fault: &io::Error) -> bool {
    fault.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// The id behind a key's letter.
pub(super) fn id_in<const N: usize>(key: &[u8]) -> Option<[u8; N]> {
    key.get(1..)?.first_chunk().copied()
}
