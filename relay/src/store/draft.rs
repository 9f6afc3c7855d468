//! One batch in the making: what the engine holds, overlaid by what the changes before in the batch have written.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{AdmissionId, BlobId, MailboxId};

use super::engine::{Batch, Engine, Key, Row};
use super::fault::StoreFault;
use super::keys::{self, Due};
use super::record::{self, Admission, Blob, Mailbox};

/// A mailbox or an admission before the batch and now: read and written once, however many changes of the batch touch it.
struct Drafted<T> {
    before: Option<T>,
    now: Option<T>,
}

/// The overlay. Nothing of it is seen by readers until the engine has committed it.
pub(crate) struct Draft<'e> {
    engine: &'e dyn Engine,
    rows: BTreeMap<Key, Option<Row>>,
    mailboxes: HashMap<MailboxId, Drafted<Mailbox>>,
    admissions: HashMap<AdmissionId, Drafted<Admission>>,
    grants: HashMap<Key, Option<Bytes>>,
}

impl<'e> Draft<'e> {
    pub(crate) fn new(engine: &'e dyn Engine) -> Self {
        Self {
            engine,
            rows: BTreeMap::new(),
            mailboxes: HashMap::new(),
            admissions: HashMap::new(),
            grants: HashMap::new(),
        }
    }

    pub(crate) fn header(&self, key: &[u8]) -> Result<Option<Bytes>, StoreFault> {
        match self.rows.get(key) {
            Some(row) => Ok(row.as_ref().map(|row| row.header.clone())),
            None => self.engine.header(key),
        }
    }

    /// As [`Self::header`], of a grant: most changes of a batch show the same few.
    pub(crate) fn grant(&mut self, key: Key) -> Result<Option<Bytes>, StoreFault> {
        if let Some(row) = self.rows.get(&key) {
            return Ok(row.as_ref().map(|row| row.header.clone()));
        }
        if let Some(found) = self.grants.get(&key) {
            return Ok(found.clone());
        }
        let found = self.engine.header(&key)?;
        self.grants.insert(key, found.clone());
        Ok(found)
    }

    pub(crate) fn row(&self, key: &[u8]) -> Result<Option<Row>, StoreFault> {
        match self.rows.get(key) {
            Some(row) => Ok(row.clone()),
            None => self.engine.row(key),
        }
    }

    pub(crate) fn put(&mut self, key: Key, header: Bytes, body: Bytes) {
        self.rows.insert(key, Some(Row { header, body }));
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.rows.insert(key, None);
    }

    /// Every key with a prefix, the batch's own included. For prefixes whose number of rows is bounded.
    pub(crate) fn keys(&self, prefix: &[u8]) -> Result<Vec<Key>, StoreFault> {
        let mut found: Vec<Key> =
            self.engine.scan(prefix, prefix, usize::MAX)?.into_iter().map(|(key, _)| key).collect();
        found.extend(
            self.rows
                .range(prefix.to_vec()..)
                .take_while(|(key, _)| key.starts_with(prefix))
                .map(|(key, _)| key.clone()),
        );
        Ok(found)
    }

    pub(crate) fn mailbox(&mut self, id: &MailboxId) -> Result<Option<Mailbox>, StoreFault> {
        if let Some(drafted) = self.mailboxes.get(id) {
            return Ok(drafted.now.clone());
        }
        let found: Option<Mailbox> =
            self.engine.header(&keys::mailbox(id))?.map(|bytes| record::read(&bytes, "mailbox")).transpose()?;
        self.mailboxes.insert(*id, Drafted { before: found.clone(), now: found.clone() });
        Ok(found)
    }

    /// Writes a mailbox loaded before, or removes it.
    pub(crate) fn set_mailbox(&mut self, id: &MailboxId, mailbox: Option<Mailbox>) -> Result<(), StoreFault> {
        if !self.mailboxes.contains_key(id) {
            let _loaded = self.mailbox(id)?;
        }
        if let Some(drafted) = self.mailboxes.get_mut(id) {
            drafted.now = mailbox;
        }
        Ok(())
    }

    pub(crate) fn admission(&mut self, id: &AdmissionId) -> Result<Option<Admission>, StoreFault> {
        if let Some(drafted) = self.admissions.get(id) {
            return Ok(drafted.now.as_ref().map(Admission::duplicate));
        }
        let found: Option<Admission> =
            self.engine.header(&keys::admission(id))?.map(|bytes| record::read(&bytes, "admission")).transpose()?;
        let copy = || found.as_ref().map(Admission::duplicate);
        self.admissions.insert(*id, Drafted { before: copy(), now: copy() });
        Ok(found)
    }

    /// Writes an admission loaded before, or removes it.
    pub(crate) fn set_admission(&mut self, id: &AdmissionId, admission: Option<Admission>) -> Result<(), StoreFault> {
        if !self.admissions.contains_key(id) {
            let _loaded = self.admission(id)?;
        }
        if let Some(drafted) = self.admissions.get_mut(id) {
            drafted.now = admission;
        }
        Ok(())
    }

    pub(crate) fn blob(&self, id: &BlobId) -> Result<Option<Blob>, StoreFault> {
        self.header(&keys::blob(id))?.map(|bytes| record::read(&bytes, "blob")).transpose()
    }

    pub(crate) fn set_blob(&mut self, id: &BlobId, blob: Option<&Blob>) -> Result<(), StoreFault> {
        let before = self.blob(id)?;
        let expires = before.as_ref().map(|before| before.expires);
        self.set_due(Due::Blob(*id), expires, blob.map(|blob| blob.expires));
        self.set(keys::blob(id), blob.map(record::write));
        Ok(())
    }

    fn set(&mut self, key: Key, header: Option<Bytes>) {
        match header {
            Some(header) => self.put(key, header, Bytes::new()),
            None => self.remove(key),
        }
    }

    /// Moves a due row, so that there is exactly one for each thing that can expire.
    fn set_due(&mut self, due: Due, before: Option<Hour>, now: Option<Hour>) {
        if before == now {
            return;
        }
        if let Some(before) = before {
            self.remove(keys::due(before, &due));
        }
        if let Some(now) = now {
            self.put(keys::due(now, &due), Bytes::new(), Bytes::new());
        }
    }

    /// The batch.
    pub(crate) fn finish(mut self) -> Batch {
        for (id, drafted) in core::mem::take(&mut self.mailboxes) {
            if drafted.before == drafted.now {
                continue;
            }
            let due = |mailbox: &Option<Mailbox>| mailbox.as_ref().map(Mailbox::due);
            self.set_due(Due::Mailbox(id), due(&drafted.before), due(&drafted.now));
            self.set(keys::mailbox(&id), drafted.now.as_ref().map(record::write));
        }
        for (id, drafted) in core::mem::take(&mut self.admissions) {
            if drafted.before == drafted.now {
                continue;
            }
            let due = |admission: &Option<Admission>| admission.as_ref().map(|admission| admission.expires);
            self.set_due(Due::Admission(id), due(&drafted.before), due(&drafted.now));
            self.set(keys::admission(&id), drafted.now.as_ref().map(record::write));
        }
        self.rows.into_iter().collect()
    }
}
