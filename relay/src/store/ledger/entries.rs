//! Changes of what a mailbox holds: append, trim, take, last resort.

use bytes::Bytes;
use relevo_protocol::wire::{
    AdmissionId, CapabilityHash, Entry, GrantTable, Incarnation, MailboxId, MailboxKind, Refusal, Sequence,
};

use super::super::applied::{Applied, Popped, Touch};
use super::super::fault::{BODY, StoreFault};
use super::super::keys;
use super::super::record::{EntryHeader, LastResort, Mailbox, Place};
use super::super::rules::{self, Shown, Spending};
use super::{Effect, Stop, Work, size_of};

impl Work<'_> {
    pub(super) fn append(
        &mut self,
        admission: AdmissionId,
        id: MailboxId,
        shown: CapabilityHash,
        entry: Entry,
    ) -> Result<Effect, Stop> {
        let mut mailbox = self.live(&id)?;
        let size = size_of(&entry);
        let grant = self.grant(&id, GrantTable::Append, &shown)?;
        let who = match (rules::owner(&mailbox, &shown), grant) {
            (Ok(()), _) => Shown::Owner,
            (Err(_), Some(_)) => Shown::Grant,
            (Err(refusal), None) => return Err(refusal.into()),
        };
        rules::takes_entries(&mailbox, self.now)?;
        let place = self.place(&admission, &mailbox, who, size)?;
        if let (Shown::Grant, Some(grant)) = (who, grant) {
            let key = keys::grant(&id, GrantTable::Append, &shown);
            self.rates.spend(key, GrantTable::Append, &grant, size, self.now)?;
        }
        match place {
            Place::Ordinary => self.spend(&admission, Spending::Bytes(size))?,
            Place::Reserve => {
                self.spend(&admission, Spending::Reserve(size))?;
                mailbox.reserved_entries = mailbox.reserved_entries.saturating_add(1);
                mailbox.reserved_bytes = mailbox.reserved_bytes.saturating_add(size);
                self.totals.reserved_bytes = self.totals.reserved_bytes.saturating_add(size);
            }
        }
        let sequence = mailbox.last.next();
        let head = mailbox.head.extend(&id, mailbox.incarnation, sequence, &entry);
        let hours = self.shared.config.entry_hours;
        #[cfg(feature = "planted-bugs")]
        let hours = if relevo_protocol::planted::is(relevo_protocol::planted::Bug::EarlyExpiry) { 24 } else { hours };
        let expires = self.now.round_up().plus(hours);
        if mailbox.entries() == 0 {
            mailbox.first_expires = expires;
        }
        mailbox.last = sequence;
        mailbox.head = head;
        mailbox.bytes = mailbox.bytes.saturating_add(size);
        let header = EntryHeader { expires, place, size: u32::try_from(size).unwrap_or(u32::MAX), head };
        self.draft.put(keys::entry(&id, mailbox.incarnation, sequence), header.encode(), entry.bytes().clone());
        let incarnation = mailbox.incarnation;
        self.draft.set_mailbox(&id, Some(mailbox))?;
        self.totals.entry_bytes = self.totals.entry_bytes.saturating_add(size);
        self.touches.push((id, Touch::Appended { incarnation, sequence, expires, entry }));
        Ok(Effect::Appended { incarnation, sequence, head, expires })
    }

    /// Where an entry of `size` bytes goes, or why nowhere; nothing is taken yet.
    fn place(&mut self, admission: &AdmissionId, mailbox: &Mailbox, who: Shown, size: u64) -> Result<Place, Stop> {
        let (relay, config) = (self.room(size), &self.shared.config);
        let allowed = self.may_spend(admission, Spending::Bytes(size))?;
        let refusal = match rules::ordinary_room(mailbox, who, size, relay, config).and(allowed) {
            Ok(()) => return Ok(Place::Ordinary),
            Err(refusal) => refusal,
        };
        rules::reserve_room(mailbox, who, size, relay, refusal, &self.totals, config)?;
        self.may_spend(admission, Spending::Reserve(size))?.map_err(|_spent| refusal)?;
        Ok(Place::Reserve)
    }

    pub(super) fn trim(
        &mut self,
        id: MailboxId,
        shown: CapabilityHash,
        upto: Sequence,
        incarnation: Option<Incarnation>,
    ) -> Result<Effect, Stop> {
        let mut mailbox = self.live(&id)?;
        rules::owner(&mailbox, &shown)?;
        // Of another life its owner has read something else at these places.
        if incarnation.is_some_and(|life| life != mailbox.incarnation) {
            return Ok(Effect::Told(Applied::Done));
        }
        if mailbox.entries() > 0 {
            rules::kind(&mailbox, MailboxKind::Personal)?;
            while mailbox.entries() > 0 && mailbox.first <= upto {
                self.drop_first(&id, &mut mailbox)?;
            }
            self.touches.push((id, Touch::Trimmed { first_available: mailbox.first }));
            self.draft.set_mailbox(&id, Some(mailbox))?;
        }
        Ok(Effect::Told(Applied::Done))
    }

    pub(super) fn take(&mut self, id: MailboxId, shown: CapabilityHash) -> Result<Effect, Stop> {
        let mut mailbox = self.live(&id)?;
        let grant = self.grant(&id, GrantTable::Take, &shown)?.ok_or(Refusal::NoSuchMailbox)?;
        rules::kind(&mailbox, MailboxKind::Personal)?;
        if mailbox.entries() == 0 && mailbox.last_resort.is_none() {
            return Err(Refusal::Empty.into());
        }
        self.rates.spend(keys::grant(&id, GrantTable::Take, &shown), GrantTable::Take, &grant, 0, self.now)?;
        // An entry that the disk has damaged is popped and not given: the one after it serves as well.
        let mut given = None;
        while let (None, true) = (&given, mailbox.entries() > 0) {
            given = self.whole(&keys::entry(&id, mailbox.incarnation, mailbox.first))?;
            self.drop_first(&id, &mut mailbox)?;
            self.touches.push((id, Touch::Trimmed { first_available: mailbox.first }));
        }
        let popped = if given.is_some() { Popped::Entry } else { Popped::LastResort };
        if let (None, Some(last_resort)) = (&given, mailbox.last_resort) {
            given = self.whole(&keys::last_resort(&id, mailbox.incarnation, last_resort.serial))?;
        }
        self.draft.set_mailbox(&id, Some(mailbox))?;
        // Nothing whole is left. What was popped stays so; its owner stocks the shelf again, as when it is empty.
        let entry = given.ok_or(Refusal::Empty)?;
        Ok(Effect::Told(Applied::Taken { entry, popped }))
    }

    /// An entry whose body is as it was stored.
    fn whole(&self, key: &[u8]) -> Result<Option<Entry>, StoreFault> {
        match self.draft.row(key) {
            Ok(row) => Ok(row.and_then(|row| Entry::parse(row.body).ok())),
            Err(fault @ StoreFault::Corrupt { what: BODY }) => {
                tracing::error!(%fault, "an entry of a shelf is damaged and was passed over");
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    pub(super) fn last_resort(
        &mut self,
        admission: AdmissionId,
        id: MailboxId,
        shown: CapabilityHash,
        entry: Entry,
    ) -> Result<Effect, Stop> {
        let mut mailbox = self.live(&id)?;
        rules::owner(&mailbox, &shown)?;
        rules::kind(&mailbox, MailboxKind::Personal)?;
        rules::takes_entries(&mailbox, self.now)?;
        let size = size_of(&entry);
        let old = mailbox.last_resort.map_or(0, |old| old.bytes);
        let mut without = mailbox.clone();
        without.bytes = without.bytes.saturating_sub(old);
        rules::ordinary_room(&without, Shown::Owner, size, self.room(size), &self.shared.config)?;
        self.spend(&admission, Spending::Bytes(size))?;
        if let Some(old) = mailbox.last_resort {
            self.draft.remove(keys::last_resort(&id, mailbox.incarnation, old.serial));
        }
        let serial = mailbox.last_resorts;
        mailbox.last_resorts = serial.saturating_add(1);
        mailbox.last_resort = Some(LastResort { serial, bytes: size });
        mailbox.bytes = without.bytes.saturating_add(size);
        self.draft.put(keys::last_resort(&id, mailbox.incarnation, serial), Bytes::new(), entry.bytes().clone());
        self.draft.set_mailbox(&id, Some(mailbox))?;
        self.totals.entry_bytes = self.totals.entry_bytes.saturating_sub(old).saturating_add(size);
        Ok(Effect::Told(Applied::Done))
    }

    /// Removes the first entry; the caller has seen that there is one, and saves the mailbox.
    pub(super) fn drop_first(&mut self, id: &MailboxId, mailbox: &mut Mailbox) -> Result<(), Stop> {
        let header = self.entry_header(id, mailbox, mailbox.first)?;
        self.draft.remove(keys::entry(id, mailbox.incarnation, mailbox.first));
        let size = u64::from(header.size);
        mailbox.bytes = mailbox.bytes.saturating_sub(size);
        self.totals.entry_bytes = self.totals.entry_bytes.saturating_sub(size);
        match header.place {
            Place::Ordinary => {}
            Place::Reserve => {
                mailbox.reserved_entries = mailbox.reserved_entries.saturating_sub(1);
                mailbox.reserved_bytes = mailbox.reserved_bytes.saturating_sub(size);
                self.totals.reserved_bytes = self.totals.reserved_bytes.saturating_sub(size);
            }
        }
        mailbox.head_before_first = header.head;
        mailbox.first = mailbox.first.next();
        if mailbox.entries() > 0 {
            mailbox.first_expires = self.entry_header(id, mailbox, mailbox.first)?.expires;
        }
        Ok(())
    }
}
