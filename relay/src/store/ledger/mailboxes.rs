//! Changes of a mailbox itself: open, grants, renew, freeze, close.

use std::collections::BTreeSet;

use bytes::Bytes;
use relevo_protocol::limits::MAX_GRANTS;
use relevo_protocol::wire::{
    AdmissionId, CapabilityHash, Grant, GrantTable, Head, MailboxId, MailboxKind, Refusal, Sequence,
};

use super::super::applied::{Applied, Touch};
use super::super::engine::Key;
use super::super::record::{self, GrantRow, Mailbox};
use super::super::rules::{self, Relay, Spending};
use super::super::{keys, record::EntryHeader};
use super::{Effect, Stop, Work};

const DONE: Result<Effect, Stop> = Ok(Effect::Told(Applied::Done));

/// A mailbox as asked for.
pub(crate) struct Wish {
    pub(crate) kind: MailboxKind,
    pub(crate) owner: CapabilityHash,
    pub(crate) read: Option<CapabilityHash>,
    pub(crate) append: Vec<Grant>,
    pub(crate) take: Vec<Grant>,
    pub(crate) lease_hours: u32,
}

impl Work<'_> {
    pub(super) fn open(&mut self, admission: AdmissionId, wish: Wish) -> Result<Effect, Stop> {
        let id = MailboxId::of(&wish.owner);
        if let Some(mailbox) = self.draft.mailbox(&id)? {
            if !rules::is_gone(&mailbox, self.now) {
                rules::kind(&mailbox, wish.kind)?;
                return Ok(Effect::Told(Applied::Opened { incarnation: mailbox.incarnation, expires: mailbox.lease }));
            }
            self.erase(&id, &mailbox)?;
        }
        if wish.kind == MailboxKind::Shared && !wish.take.is_empty() {
            return Err(Refusal::WrongKind.into());
        }
        rules::grants(wish.append.len())?;
        rules::grants(wish.take.len())?;
        let size = rules::grant_bytes(u64::try_from(wish.append.len() + wish.take.len()).unwrap_or(u64::MAX));
        let full = self.totals.mailboxes >= self.shared.config.mailboxes || self.room(size) != Relay::Roomy;
        if full || *self.paused {
            return Err(Refusal::RelayFull.into());
        }
        // Both or none: a refusal takes nothing.
        self.may_spend(&admission, Spending::Bytes(size))??;
        self.spend(&admission, Spending::Mailbox)?;
        self.spend(&admission, Spending::Bytes(size))?;
        let incarnation = (self.incarnations)()?;
        let lease = rules::lease(self.now, wish.lease_hours, &self.shared.config);
        let append_grants = self.put_grants(&id, GrantTable::Append, &wish.append)?;
        let take_grants = self.put_grants(&id, GrantTable::Take, &wish.take)?;
        let mailbox = Mailbox {
            kind: wish.kind,
            owner: wish.owner,
            read: wish.read,
            incarnation,
            first: Sequence::START.next(),
            head_before_first: Head::START,
            last: Sequence::START,
            head: Head::START,
            bytes: 0,
            reserved_entries: 0,
            reserved_bytes: 0,
            first_expires: lease,
            lease,
            frozen: false,
            append_grants,
            take_grants,
            last_resort: None,
            last_resorts: 0,
            restored_from: None,
        };
        self.totals.grants = self.totals.grants.saturating_add(mailbox.grants());
        self.draft.set_mailbox(&id, Some(mailbox))?;
        self.totals.mailboxes = self.totals.mailboxes.saturating_add(1);
        Ok(Effect::Told(Applied::Opened { incarnation, expires: lease }))
    }

    pub(super) fn grants(
        &mut self,
        id: MailboxId,
        shown: CapabilityHash,
        table: GrantTable,
        revoke: Vec<CapabilityHash>,
        add: Vec<Grant>,
    ) -> Result<Effect, Stop> {
        let mut mailbox = self.live(&id)?;
        rules::owner(&mailbox, &shown)?;
        if table == GrantTable::Take {
            rules::kind(&mailbox, MailboxKind::Personal)?;
        }
        if revoke.len() > MAX_GRANTS || add.len() > MAX_GRANTS {
            return Err(Refusal::TooManyGrants.into());
        }
        if !add.is_empty() && self.room(0) == Relay::Exhausted {
            return Err(Refusal::RelayFull.into());
        }
        let held_before = mailbox.grants();
        // Counted before anything is written: a refusal leaves the table as it was.
        let mut gone: BTreeSet<Key> = revoke.iter().map(|hash| keys::grant(&id, table, hash)).collect();
        let mut absent = Vec::new();
        for key in &gone {
            if self.draft.header(key)?.is_none() {
                absent.push(key.clone());
            }
        }
        gone.retain(|key| !absent.contains(key));
        let added: BTreeSet<Key> = add.iter().map(|grant| keys::grant(&id, table, &grant.hash)).collect();
        let mut new = 0;
        for key in &added {
            if gone.contains(key) || self.draft.header(key)?.is_none() {
                new += 1;
            }
        }
        let held = match table {
            GrantTable::Append => &mut mailbox.append_grants,
            GrantTable::Take => &mut mailbox.take_grants,
        };
        let before = usize::try_from(*held).unwrap_or(usize::MAX);
        *held = rules::grants(before.saturating_sub(gone.len()).saturating_add(new))?;
        // What replaces as many as it adds takes no room, and is done on a full relay too.
        let more = mailbox.grants().saturating_sub(held_before);
        if more > 0 && self.room(rules::grant_bytes(more)) != Relay::Roomy {
            return Err(Refusal::RelayFull.into());
        }
        self.totals.grants = self.totals.grants.saturating_sub(held_before).saturating_add(mailbox.grants());
        for key in gone {
            // One that is revoked and added again in one call keeps what it has used.
            if !added.contains(&key) {
                self.rates.forget(&key);
            }
            self.draft.remove(key);
        }
        self.put_grants(&id, table, &add)?;
        self.draft.set_mailbox(&id, Some(mailbox))?;
        DONE
    }

    /// Writes grants and says how many distinct ones they are.
    fn put_grants(&mut self, id: &MailboxId, table: GrantTable, grants: &[Grant]) -> Result<u32, Stop> {
        let mut written = BTreeSet::new();
        for Grant { hash, per_hour, bytes_per_hour, expires } in grants {
            let row = GrantRow { per_hour: *per_hour, bytes_per_hour: *bytes_per_hour, expires: *expires };
            let key = keys::grant(id, table, hash);
            self.draft.put(key.clone(), record::write(&row), Bytes::new());
            written.insert(key);
        }
        Ok(rules::grants(written.len())?)
    }

    pub(super) fn renew(&mut self, id: MailboxId, shown: CapabilityHash, wished: u32) -> Result<Effect, Stop> {
        let mut mailbox = self.live(&id)?;
        let granted = match rules::owner(&mailbox, &shown) {
            Ok(()) => None,
            Err(refusal) if mailbox.kind == MailboxKind::Shared => {
                Some(self.grant(&id, GrantTable::Append, &shown)?.ok_or(refusal)?)
            }
            Err(refusal) => return Err(refusal.into()),
        };
        if mailbox.frozen {
            return Err(Refusal::Frozen.into());
        }
        if let Some(grant) = granted {
            // An act as an append is: each renewal is a write to the disk.
            let key = keys::grant(&id, GrantTable::Append, &shown);
            self.rates.spend(key, GrantTable::Append, &grant, 0, self.now)?;
        }
        mailbox.lease = mailbox.lease.max(rules::lease(self.now, wished, &self.shared.config));
        let expires = mailbox.lease;
        self.draft.set_mailbox(&id, Some(mailbox))?;
        Ok(Effect::Told(Applied::Renewed { expires }))
    }

    pub(super) fn freeze(&mut self, id: MailboxId, shown: CapabilityHash) -> Result<Effect, Stop> {
        let mut mailbox = self.live(&id)?;
        rules::owner(&mailbox, &shown)?;
        rules::kind(&mailbox, MailboxKind::Shared)?;
        if !mailbox.frozen {
            mailbox.frozen = true;
            self.draft.set_mailbox(&id, Some(mailbox))?;
            self.touches.push((id, Touch::Frozen));
        }
        DONE
    }

    pub(super) fn close(&mut self, id: MailboxId, shown: CapabilityHash) -> Result<Effect, Stop> {
        let mailbox = self.live(&id)?;
        rules::owner(&mailbox, &shown)?;
        if mailbox.kind == MailboxKind::Shared && mailbox.entries() > 0 {
            return Err(Refusal::WrongKind.into());
        }
        self.erase(&id, &mailbox)?;
        DONE
    }

    pub(super) fn remove_mailbox(&mut self, id: &MailboxId) -> Result<Effect, Stop> {
        let mailbox = self.live(id)?;
        self.erase(id, &mailbox)?;
        Ok(Effect::Told(Applied::Done))
    }

    /// Removes a mailbox with all that belongs to it.
    pub(super) fn erase(&mut self, id: &MailboxId, mailbox: &Mailbox) -> Result<(), Stop> {
        for key in self.draft.keys(&keys::grants(id))? {
            self.rates.forget(&key);
            self.draft.remove(key);
        }
        for sequence in mailbox.first.0..=mailbox.last.0 {
            self.draft.remove(keys::entry(id, mailbox.incarnation, Sequence(sequence)));
        }
        if let Some(last_resort) = mailbox.last_resort {
            self.draft.remove(keys::last_resort(id, mailbox.incarnation, last_resort.serial));
        }
        self.draft.set_mailbox(id, None)?;
        self.totals.mailboxes = self.totals.mailboxes.saturating_sub(1);
        self.totals.entry_bytes = self.totals.entry_bytes.saturating_sub(mailbox.bytes);
        self.totals.reserved_bytes = self.totals.reserved_bytes.saturating_sub(mailbox.reserved_bytes);
        self.totals.grants = self.totals.grants.saturating_sub(mailbox.grants());
        self.touches.push((*id, Touch::Closed));
        Ok(())
    }

    /// The mailbox, or the one refusal for "none" and "not yours".
    pub(super) fn live(&mut self, id: &MailboxId) -> Result<Mailbox, Stop> {
        let mailbox = self.draft.mailbox(id)?.filter(|mailbox| !rules::is_gone(mailbox, self.now));
        Ok(mailbox.ok_or(Refusal::NoSuchMailbox)?)
    }

    /// A grant that has not expired.
    pub(super) fn grant(
        &mut self,
        id: &MailboxId,
        table: GrantTable,
        shown: &CapabilityHash,
    ) -> Result<Option<GrantRow>, Stop> {
        let Some(bytes) = self.draft.grant(keys::grant(id, table, shown))? else { return Ok(None) };
        let grant: GrantRow = record::read(&bytes, "grant")?;
        Ok(Some(grant).filter(|grant| !grant.expires.is_past(self.now)))
    }

    /// Header of an entry that the mailbox says is there.
    pub(super) fn entry_header(
        &self,
        id: &MailboxId,
        mailbox: &Mailbox,
        sequence: Sequence,
    ) -> Result<EntryHeader, Stop> {
        let bytes = self.draft.header(&keys::entry(id, mailbox.incarnation, sequence))?;
        let bytes = bytes.ok_or(super::StoreFault::Corrupt { what: "log" })?;
        Ok(EntryHeader::decode(&bytes)?)
    }
}
