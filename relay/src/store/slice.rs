//! Reading a log: from memory what is recent, from the engine the rest.

use relevo_protocol::wire::{Entry, Incarnation, MailboxId, ReadEntry, Refusal, Sequence, Standing};

use super::fault::{BODY, StoreFault};
use super::record::Mailbox;
use super::{Shared, failed, keys, record, verify};

/// Damaged entries and blobs of which the log speaks. With so many of them the disk is worth no more words.
const LOGGED: usize = 1024;

/// Entries of a mailbox in order, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slice {
    /// Where the mailbox stood when it was read.
    pub standing: Standing,
    /// The entries.
    pub entries: Vec<ReadEntry>,
}

/// How much of a mailbox is read at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Most {
    /// Entries.
    pub entries: usize,
    /// Bytes of entries; the first entry is given whatever its size.
    pub bytes: usize,
}

impl Shared {
    /// Entries after `after` as the record says.
    pub(super) fn slice(
        &self,
        id: &MailboxId,
        mailbox: Mailbox,
        after: Sequence,
        most: Most,
    ) -> Result<Slice, Refusal> {
        let mut page = Page { most, last: mailbox.last, entries: Vec::new(), bytes: 0 };
        let mut sequence = after.next().max(mailbox.first);
        while page.wants(sequence) {
            let remembered = self.recent.lock().entry(id, mailbox.incarnation, sequence);
            let entry = match remembered {
                Some(entry) => entry,
                None => match self.entry(id, mailbox.incarnation, sequence) {
                    Ok(Some(entry)) => entry,
                    // Removed by the batch under way: its touch comes when it is durable, and the reader looks again.
                    Ok(None) => break,
                    // What lies before a damaged entry is read; the entry itself is refused, never passed over.
                    Err(fault) if page.entries.is_empty() => {
                        return Err(self.failed_once(fault, mailbox.incarnation, sequence));
                    }
                    Err(_) => break,
                },
            };
            page.take(entry);
            sequence = sequence.next();
        }
        let entries = page.entries;
        Ok(Slice { standing: mailbox.standing(), entries })
    }

    /// As [`failed`]; the damage of one entry, or of the blob of this life, is logged once.
    pub(super) fn failed_once(&self, fault: StoreFault, incarnation: Incarnation, sequence: Sequence) -> Refusal {
        let mut logged = self.logged.lock();
        if verify::is_damage(&fault) && (logged.len() >= LOGGED || !logged.insert((incarnation, sequence))) {
            return Refusal::Failed;
        }
        failed(fault)
    }

    fn entry(
        &self,
        id: &MailboxId,
        incarnation: Incarnation,
        sequence: Sequence,
    ) -> Result<Option<ReadEntry>, StoreFault> {
        let Some(row) = self.engine.row(&keys::entry(id, incarnation, sequence))? else { return Ok(None) };
        let expires = record::EntryHeader::decode(&row.header)?.expires;
        let entry = Entry::parse(row.body).map_err(|_| StoreFault::Corrupt { what: BODY })?;
        Ok(Some(ReadEntry { sequence, expires, entry }))
    }
}

/// A slice being filled.
struct Page {
    most: Most,
    last: Sequence,
    entries: Vec<ReadEntry>,
    bytes: usize,
}

impl Page {
    fn wants(&self, sequence: Sequence) -> bool {
        sequence <= self.last && self.entries.len() < self.most.entries && self.bytes < self.most.bytes.max(1)
    }

    fn take(&mut self, entry: ReadEntry) {
        let bytes = self.bytes.saturating_add(entry.entry.size());
        if bytes > self.most.bytes && !self.entries.is_empty() {
            // No smaller entry may slip in behind: the order would break.
            self.bytes = usize::MAX;
            return;
        }
        self.bytes = bytes;
        self.entries.push(entry);
    }
}
