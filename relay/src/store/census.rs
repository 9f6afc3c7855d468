//! What an operator, or who seizes the machine, can learn from the store: counts, sizes and hours, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use relevo_protocol::time::Hour;
use relevo_protocol::wire::MailboxKind;

use super::fault::StoreFault;
use super::record::{self, EntryHeader, Mailbox};
use super::{Store, each, keys};

/// Counts of everything that a store holds, expired or not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Mailboxes of one owner: inboxes, shelves, codes.
    pub personal: u64,
    /// Mailboxes of conversations.
    pub shared: u64,
    /// Entries and last resorts, by their size in bytes.
    pub entries: BTreeMap<u64, u64>,
    /// The hours in which entries expire.
    pub entry_hours: BTreeSet<Hour>,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of blobs.
    pub blob_bytes: u64,
}

impl Store {
    /// Counts everything; reads every row.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn census(&self) -> Result<Census, StoreFault> {
        let engine = &*self.shared.engine;
        let mut census = Census::default();
        each::<StoreFault>(engine, keys::MAILBOXES, |_, bytes| {
            let mailbox: Mailbox = record::read(bytes, "mailbox")?;
            match mailbox.kind {
                MailboxKind::Personal => census.personal += 1,
                MailboxKind::Shared => census.shared += 1,
            }
            if let Some(last) = mailbox.last_resort {
                *census.entries.entry(last.bytes).or_default() += 1;
            }
            Ok(())
        })?;
        each::<StoreFault>(engine, keys::ENTRIES, |_, bytes| {
            let EntryHeader { expires, size, .. } = EntryHeader::decode(bytes)?;
            *census.entries.entry(u64::from(size)).or_default() += 1;
            census.entry_hours.insert(expires);
            Ok(())
        })?;
        each::<StoreFault>(engine, keys::BLOBS, |_, bytes| {
            let blob: record::Blob = record::read(bytes, "blob")?;
            census.blobs += 1;
            census.blob_bytes = census.blob_bytes.saturating_add(blob.length);
            Ok(())
        })?;
        Ok(census)
    }
}
