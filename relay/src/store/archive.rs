//! What a backup holds of a store: read while the writer goes on, and written into a new store.
//!
//! ```text
//! Mailbox, Entry..., Mailbox, Entry..., ...   each as it stood at one moment
//! Admission...  Blob...
//! ```
//! What becomes due is not in it: it follows from the rest.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use minicbor::{Decode, Encode};
use relevo_protocol::wire::{AdmissionId, BlobId, Entry, Head, Incarnation, Lineage, MailboxId, Sequence};

use super::draft::Draft;
use super::engine::Key;
use super::fault::StoreFault;
use super::record::{self, Admission, Blob, EntryHeader, GrantRow, Mailbox, Place};
use super::verify::{id_in, is_damage};
use super::{Store, count, each, keys, random_incarnation};

/// A part of a backup.
#[derive(Encode, Decode)]
pub(crate) enum Item {
    /// A mailbox. Its entries follow, from the first that can be read.
    #[n(0)]
    Mailbox {
        /// Which.
        #[n(0)]
        id: MailboxId,
        /// As it stood.
        #[n(1)]
        record: Box<Mailbox>,
        /// Its grants.
        #[n(2)]
        grants: Vec<KeptGrant>,
        /// Its last resort.
        #[n(3)]
        last_resort: Option<Entry>,
    },
    /// The next entry of the mailbox.
    #[n(1)]
    Entry {
        /// Its header.
        #[cbor(n(0), with = "minicbor::bytes")]
        header: Vec<u8>,
        /// None if the disk had lost it.
        #[n(1)]
        entry: Option<Entry>,
    },
    /// Entries went while the mailbox was read: those before this one are not to be kept, and it is the next.
    #[n(2)]
    Trimmed {
        /// First that could be read then.
        #[n(0)]
        first: Sequence,
        /// Head before it.
        #[n(1)]
        head_before_first: Head,
    },
    /// The mailbox went while it was read.
    #[n(3)]
    Gone,
    /// An admission.
    #[n(4)]
    Admission {
        /// Which.
        #[n(0)]
        id: AdmissionId,
        /// As it stood.
        #[n(1)]
        record: Admission,
    },
    /// A blob.
    #[n(5)]
    Blob {
        /// Which.
        #[n(0)]
        id: BlobId,
        /// Its lease.
        #[n(1)]
        record: Blob,
        /// Its bytes.
        #[cbor(n(2), with = "minicbor::bytes")]
        bytes: Vec<u8>,
    },
}

/// A grant of a mailbox.
#[derive(PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct KeptGrant {
    /// Its key behind the mailbox: table and hash.
    #[cbor(n(0), with = "minicbor::bytes")]
    key: [u8; 33],
    #[n(1)]
    row: GrantRow,
}

impl Store {
    /// Gives everything that is stored, part by part. The writer goes on meanwhile: each mailbox comes as it stood at one
    /// moment, but not all of them at the same.
    ///
    /// # Errors
    /// The store's, or whatever `put` refuses with.
    pub(crate) fn archive<E: From<StoreFault>>(&self, mut put: impl FnMut(Item) -> Result<(), E>) -> Result<(), E> {
        let engine = &*self.shared.engine;
        each::<E>(engine, keys::MAILBOXES, |key, _| match id_in(key).map(MailboxId) {
            Some(id) => self.archive_mailbox(id, &mut put),
            None => Err(StoreFault::Corrupt { what: "mailbox" }.into()),
        })?;
        each::<E>(engine, keys::ADMISSIONS, |key, header| {
            let id = id_in(key).map(AdmissionId).ok_or(StoreFault::Corrupt { what: "admission" })?;
            put(Item::Admission { id, record: record::read(header, "admission")? })
        })?;
        each::<E>(engine, keys::BLOBS, |key, header| {
            let id = id_in(key).map(BlobId).ok_or(StoreFault::Corrupt { what: "blob" })?;
            let mut record: Blob = record::read(header, "blob")?;
            let mut bytes = self.bytes_of(&id, &record);
            // Its lease has ended since, or it was put again.
            if let (Ok(None), Some(now)) = (&bytes, engine.header(&keys::blob(&id))?) {
                record = record::read(&now, "blob")?;
                bytes = self.bytes_of(&id, &record);
            }
            match bytes {
                Ok(Some(bytes)) => put(Item::Blob { id, record: Blob { life: None, ..record }, bytes: bytes.into() }),
                Ok(None) => Ok(()),
                // One that is damaged is of no use, and whoever posted it may send it again.
                Err(fault) if is_damage(&fault) => Ok(()),
                Err(fault) => Err(fault.into()),
            }
        })
    }

    fn archive_mailbox<E: From<StoreFault>>(
        &self,
        id: MailboxId,
        put: &mut impl FnMut(Item) -> Result<(), E>,
    ) -> Result<(), E> {
        let engine = &*self.shared.engine;
        let (record, grants, last_resort) = loop {
            let Some(record) = self.durable(&id)? else { return Ok(()) };
            let grants = self.grants_of(&id)?;
            let last = record.last_resort.map(|last| keys::last_resort(&id, record.incarnation, last.serial));
            let last_resort = last.map(|key| self.body(&key)).transpose()?.flatten();
            // Entries may have come since, and go. One grant may have taken another's place.
            let same = |now: &Mailbox| {
                now.incarnation == record.incarnation
                    && now.last_resort == record.last_resort
                    && (now.append_grants, now.take_grants) == (record.append_grants, record.take_grants)
            };
            if self.durable(&id)?.is_some_and(|now| same(&now)) && self.grants_of(&id)? == grants {
                break (record, grants, last_resort);
            }
        };
        let (incarnation, last) = (record.incarnation, record.last);
        let mut next = record.first;
        put(Item::Mailbox { id, record: Box::new(record), grants, last_resort })?;
        while next <= last {
            let key = keys::entry(&id, incarnation, next);
            // The header first: who finds it without a body finds it damaged, unless it has gone.
            let header = engine.header(&key)?;
            let entry = self.body(&key)?;
            match (header, engine.header(&key)?) {
                (Some(header), Some(_)) => {
                    put(Item::Entry { header: header.to_vec(), entry })?;
                    next = next.next();
                }
                (_, None) | (None, Some(_)) => match self.after(&id, incarnation, next)? {
                    Some(now) => {
                        put(Item::Trimmed { first: now.first, head_before_first: now.head_before_first })?;
                        next = now.first;
                    }
                    None => return put(Item::Gone),
                },
            }
        }
        Ok(())
    }

    fn grants_of(&self, id: &MailboxId) -> Result<Vec<KeptGrant>, StoreFault> {
        let prefix = keys::grants(id);
        let rows = self.shared.engine.scan(&prefix, &prefix, usize::MAX)?.into_iter().map(|(key, header)| {
            let key = key.get(prefix.len()..).and_then(|key| key.try_into().ok());
            let key = key.ok_or(StoreFault::Corrupt { what: "grant" })?;
            Ok(KeptGrant { key, row: record::read(&header, "grant")? })
        });
        rows.collect()
    }

    /// A mailbox from which an entry has gone; none if it has gone itself. The batch that took it may not be durable yet.
    fn after(&self, id: &MailboxId, incarnation: Incarnation, gone: Sequence) -> Result<Option<Mailbox>, StoreFault> {
        for _ in 0..PATIENCE {
            match self.durable(id)?.filter(|now| now.incarnation == incarnation) {
                Some(now) if now.first <= gone => std::thread::sleep(Duration::from_millis(1)),
                now => return Ok(now),
            }
        }
        Err(StoreFault::Disk(io::Error::other("a batch was not durable within 10 s")))
    }

    /// A mailbox as of the last durable batch.
    fn durable(&self, id: &MailboxId) -> Result<Option<Mailbox>, StoreFault> {
        let header = self.shared.engine.header(&keys::mailbox(id))?;
        header.map(|bytes| record::read(&bytes, "mailbox")).transpose()
    }

    /// The entry in a row; none if there is no such row or it is damaged.
    fn body(&self, key: &[u8]) -> Result<Option<Entry>, StoreFault> {
        match self.shared.engine.row(key) {
            Ok(row) => Ok(row.and_then(|row| Entry::parse(row.body).ok())),
            Err(fault) if is_damage(&fault) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Fills this store, which is empty, from the parts of a backup.
    pub(crate) fn refill(&self) -> Refill<'_> {
        Refill { store: self, draft: Draft::new(&*self.shared.engine), open: None, waiting: 0 }
    }
}

/// Milliseconds for a batch to become durable.
const PATIENCE: u32 = 10_000;
/// Bytes after which what was taken is made durable.
const BATCH: usize = 4 << 20;
/// What a row counts for beside its body.
const ROW: usize = 256;

/// A store that is being filled from a backup. Every mailbox begins another life, and says which one it had.
pub(crate) struct Refill<'s> {
    store: &'s Store,
    draft: Draft<'s>,
    open: Option<Filling>,
    waiting: usize,
}

/// The mailbox whose entries are coming.
struct Filling {
    id: MailboxId,
    /// As it will stand; `last` and `head` grow.
    record: Mailbox,
    /// What the life before says of itself at `last`.
    lineage: Lineage,
    /// Keys of the entries so far.
    kept: Vec<Key>,
    /// Keys of its grants and its last resort.
    beside: Vec<Key>,
}

impl Refill<'_> {
    /// Takes the next part.
    ///
    /// # Errors
    /// [`StoreFault`]; [`StoreFault::Corrupt`] for parts that no store gives.
    pub(crate) fn take(&mut self, item: Item) -> Result<(), StoreFault> {
        match item {
            Item::Mailbox { id, record, grants, last_resort } => self.begin(id, *record, grants, last_resort)?,
            Item::Entry { header, entry } => self.entry(&header, entry)?,
            Item::Trimmed { first, head_before_first } => {
                let Some(filling) = &mut self.open else { return Err(MISPLACED) };
                let Some(before) = first.0.checked_sub(1).filter(|before| *before >= filling.record.last.0) else {
                    return Err(MISPLACED);
                };
                for key in filling.kept.drain(..) {
                    self.draft.remove(key);
                }
                filling.record = emptied(&filling.record, first, head_before_first);
                filling.lineage = Lineage { sequence: Sequence(before), head: head_before_first, ..filling.lineage };
            }
            Item::Gone => {
                let Some(Filling { kept, beside, .. }) = self.open.take() else { return Err(MISPLACED) };
                for key in kept.into_iter().chain(beside) {
                    self.draft.remove(key);
                }
            }
            Item::Admission { id, record } => {
                self.close()?;
                self.draft.set_admission(&id, Some(record))?;
            }
            Item::Blob { id, record, bytes } => {
                self.close()?;
                let damaged = StoreFault::Corrupt { what: "blob" };
                if BlobId::of(&bytes) != id || u64::try_from(bytes.len()) != Ok(record.length) {
                    return Err(damaged);
                }
                let life = random_incarnation()?;
                self.waiting = self.waiting.saturating_add(bytes.len());
                self.draft.put(keys::blob_bytes(&id, life), Bytes::new(), bytes.into());
                self.draft.set_blob(&id, Some(&Blob { life: Some(life), ..record }))?;
            }
        }
        self.waiting = self.waiting.saturating_add(ROW);
        if self.waiting >= BATCH { self.commit() } else { Ok(()) }
    }

    /// Makes the last of it durable.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn finish(mut self) -> Result<(), StoreFault> {
        self.close()?;
        self.commit()?;
        let shared = &self.store.shared;
        *shared.totals.lock() = count(&*shared.engine)?;
        Ok(())
    }

    fn begin(
        &mut self,
        id: MailboxId,
        before: Mailbox,
        grants: Vec<KeptGrant>,
        last_resort: Option<Entry>,
    ) -> Result<(), StoreFault> {
        self.close()?;
        let Some(last) = before.first.0.checked_sub(1).map(Sequence) else { return Err(MISPLACED) };
        let lineage = Lineage { incarnation: before.incarnation, sequence: last, head: before.head_before_first };
        let (first, head) = (before.first, before.head_before_first);
        let last_resort = before.last_resort.zip(last_resort);
        let incarnation = random_incarnation()?;
        let kept = Mailbox {
            incarnation,
            last_resort: last_resort.as_ref().map(|(last, _)| *last),
            append_grants: 0,
            take_grants: 0,
            ..before
        };
        let mut record = emptied(&kept, first, head);
        let mut beside = Vec::new();
        for KeptGrant { key, row } in &grants {
            match key.first() {
                Some(b'a') => record.append_grants = record.append_grants.saturating_add(1),
                Some(b't') => record.take_grants = record.take_grants.saturating_add(1),
                Some(_) | None => return Err(MISPLACED),
            }
            let key = [keys::grants(&id), key.to_vec()].concat();
            beside.push(key.clone());
            self.draft.put(key, record::write(row), Bytes::new());
            self.waiting = self.waiting.saturating_add(ROW);
        }
        if let Some((last, entry)) = last_resort {
            let key = keys::last_resort(&id, incarnation, last.serial);
            beside.push(key.clone());
            self.draft.put(key, Bytes::new(), entry.bytes().clone());
            self.waiting = self.waiting.saturating_add(entry.size());
        }
        self.open = Some(Filling { id, record, lineage, kept: Vec::new(), beside });
        Ok(())
    }

    fn entry(&mut self, header: &[u8], entry: Option<Entry>) -> Result<(), StoreFault> {
        let Some(Filling { id, record, lineage, kept, beside: _ }) = &mut self.open else { return Err(MISPLACED) };
        let mut header = EntryHeader::decode(header)?;
        let sequence = record.last.next();
        if record.entries() == 0 {
            record.first_expires = header.expires;
        }
        (lineage.sequence, lineage.head) = (sequence, header.head);
        // What the disk had lost keeps its place, and its readers are told that it is damaged.
        if let Some(entry) = &entry {
            header.head = record.head.extend(id, record.incarnation, sequence, entry);
        }
        (record.last, record.head) = (sequence, header.head);
        record.bytes = record.bytes.saturating_add(header.size.into());
        match header.place {
            Place::Ordinary => {}
            Place::Reserve => {
                record.reserved_entries = record.reserved_entries.saturating_add(1);
                record.reserved_bytes = record.reserved_bytes.saturating_add(header.size.into());
            }
        }
        let key = keys::entry(id, record.incarnation, sequence);
        let body = entry.map_or_else(Bytes::new, |entry| entry.bytes().clone());
        self.waiting = self.waiting.saturating_add(body.len());
        kept.push(key.clone());
        self.draft.put(key, header.encode(), body);
        Ok(())
    }

    /// The last entry of a mailbox has come.
    fn close(&mut self) -> Result<(), StoreFault> {
        let Some(Filling { id, record, lineage, .. }) = self.open.take() else { return Ok(()) };
        self.draft.set_mailbox(&id, Some(Mailbox { restored_from: Some(lineage), ..record }))
    }

    fn commit(&mut self) -> Result<(), StoreFault> {
        let engine = &*self.store.shared.engine;
        let batch = std::mem::replace(&mut self.draft, Draft::new(engine)).finish();
        self.waiting = 0;
        engine.commit(batch)
    }
}

const MISPLACED: StoreFault = StoreFault::Corrupt { what: "the order of a backup" };

/// A mailbox without entries, whose next one is `first`.
fn emptied(of: &Mailbox, first: Sequence, head_before_first: Head) -> Mailbox {
    Mailbox {
        first,
        head_before_first,
        last: Sequence(first.0.saturating_sub(1)),
        head: head_before_first,
        bytes: of.last_resort.map_or(0, |last| last.bytes),
        reserved_entries: 0,
        reserved_bytes: 0,
        ..of.clone()
    }
}
