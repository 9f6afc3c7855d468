//! A relay in memory, for tests: executes wire calls as a relay would, without leases, rates or disks.

use std::collections::{BTreeMap, VecDeque};

use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    Answer, Call, Capability, CapabilityHash, Cursor, Entry, Grant, GrantTable, Head, Incarnation, MailboxId,
    MailboxKind, ReadEntry, Refusal, Sequence, Standing,
};

/// One mailbox of a [`FakeRelay`].
#[derive(Clone)]
struct Mailbox {
    kind: MailboxKind,
    owner: CapabilityHash,
    read: Option<CapabilityHash>,
    append: Vec<Grant>,
    take: Vec<Grant>,
    entries: VecDeque<(Sequence, Head, Entry)>,
    head: Head,
    last: Sequence,
    head_before_first: Head,
    last_resort: Option<Entry>,
    frozen: bool,
}

/// Mailboxes by id. A clone is a backup.
#[derive(Clone, Default)]
pub(crate) struct FakeRelay {
    mailboxes: BTreeMap<MailboxId, Mailbox>,
}

const INCARNATION: Incarnation = Incarnation([1; 8]);
const FAR: Hour = Hour(u32::MAX);

impl FakeRelay {
    /// Does what a relay would do.
    pub(crate) fn call(&mut self, call: &Call, now: Timestamp) -> Result<Answer, Refusal> {
        match call {
            Call::Admit { .. }
            | Call::Enroll { .. }
            | Call::Sponsor { .. }
            | Call::Credit { .. }
            | Call::Unsubscribe { .. }
            | Call::Ping => Ok(Answer::Done),
            Call::Open { kind, owner, read, append, take, .. } => {
                self.mailboxes.entry(MailboxId::of(owner)).or_insert_with(|| Mailbox {
                    kind: *kind,
                    owner: *owner,
                    read: *read,
                    append: append.clone(),
                    take: take.clone(),
                    entries: VecDeque::new(),
                    head: Head::START,
                    last: Sequence::START,
                    head_before_first: Head::START,
                    last_resort: None,
                    frozen: false,
                });
                Ok(Answer::Opened { incarnation: INCARNATION, expires: FAR })
            }
            Call::Append { mailbox, capability, entry } => self.append(*mailbox, capability, entry, now),
            Call::Read { mailbox, capability, cursor, limit } => {
                let found = self.reader(*mailbox, capability)?;
                Ok(Answer::Entries { standing: found.standing(), entries: found.after(*cursor, usize::from(*limit)) })
            }
            Call::Resume { .. } | Call::Checkpoint { .. } => Err(Refusal::UnknownKind),
            Call::Trim { mailbox, capability, upto, incarnation } => {
                assert!(incarnation.is_none_or(|life| life == INCARNATION));
                let found = self.owner(*mailbox, capability)?;
                if found.kind == MailboxKind::Shared {
                    return Err(Refusal::WrongKind);
                }
                while found.entries.front().is_some_and(|(sequence, ..)| sequence <= upto) {
                    if let Some((_, head, _)) = found.entries.pop_front() {
                        found.head_before_first = head;
                    }
                }
                Ok(Answer::Done)
            }
            Call::Take { mailbox, capability } => {
                let found = self.mailboxes.get_mut(mailbox).ok_or(Refusal::NoSuchMailbox)?;
                if !granted(&found.take, capability, now) {
                    return Err(Refusal::NoSuchMailbox);
                }
                match found.entries.pop_front() {
                    Some((_, head, entry)) => {
                        found.head_before_first = head;
                        Ok(Answer::Taken { entry, last_resort: false })
                    }
                    None => found
                        .last_resort
                        .clone()
                        .map(|entry| Answer::Taken { entry, last_resort: true })
                        .ok_or(Refusal::NoSuchMailbox),
                }
            }
            Call::LastResort { mailbox, capability, entry } => {
                self.owner(*mailbox, capability)?.last_resort = Some(entry.clone());
                Ok(Answer::Done)
            }
            Call::Grants { mailbox, capability, table, revoke, add } => {
                let found = self.owner(*mailbox, capability)?;
                let grants = match table {
                    GrantTable::Append => &mut found.append,
                    GrantTable::Take => &mut found.take,
                };
                let again = |hash| add.iter().any(|grant| grant.hash == hash);
                grants.retain(|grant| !revoke.contains(&grant.hash) && !again(grant.hash));
                grants.extend(add.iter().cloned());
                Ok(Answer::Done)
            }
            Call::Renew { mailbox, .. } => {
                self.mailboxes.get(mailbox).ok_or(Refusal::NoSuchMailbox).map(|_| Answer::Renewed { expires: FAR })
            }
            Call::Freeze { mailbox, capability } => {
                self.owner(*mailbox, capability)?.frozen = true;
                Ok(Answer::Done)
            }
            Call::Close { mailbox, capability } => {
                self.owner(*mailbox, capability)?;
                self.mailboxes.remove(mailbox);
                Ok(Answer::Done)
            }
        }
    }

    /// Entries after a sequence, as a subscription would push them; none for a mailbox that is not there.
    pub(crate) fn follow(&mut self, mailbox: MailboxId, capability: &Capability, after: Sequence) -> Vec<ReadEntry> {
        let cursor = Cursor { incarnation: Some(INCARNATION), after };
        self.reader(mailbox, capability).map(|found| found.after(cursor, usize::MAX)).unwrap_or_default()
    }

    /// Entries that lie in a mailbox.
    pub(crate) fn depth(&self, mailbox: MailboxId) -> usize {
        self.mailboxes.get(&mailbox).map_or(0, |found| found.entries.len())
    }

    /// Hashes of the grants by which an inbox is written to, or a shelf taken from, in the order in which they came.
    pub(crate) fn grants_of(&self, mailbox: MailboxId) -> Vec<[u8; 32]> {
        let found = &self.mailboxes[&mailbox];
        let grants = if found.take.is_empty() { &found.append } else { &found.take };
        grants.iter().map(|grant| grant.hash.0).collect()
    }

    /// Forgets the entries of a mailbox, as a relay that lies would.
    pub(crate) fn forget(&mut self, mailbox: MailboxId) {
        if let Some(found) = self.mailboxes.get_mut(&mailbox) {
            found.entries.clear();
        }
    }

    /// All bytes of all entries.
    pub(crate) fn everything(&self) -> Vec<u8> {
        let entries = self.mailboxes.values().flat_map(|mailbox| &mailbox.entries);
        entries.flat_map(|(.., entry)| entry.bytes().to_vec()).collect()
    }

    fn append(
        &mut self,
        mailbox: MailboxId,
        capability: &Capability,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let found = self.mailboxes.get_mut(&mailbox).ok_or(Refusal::NoSuchMailbox)?;
        let reserve = found.kind == MailboxKind::Shared && found.owner == capability.hash();
        if !reserve && !granted(&found.append, capability, now) {
            return Err(Refusal::NoSuchMailbox);
        }
        if found.frozen {
            return Err(Refusal::Frozen);
        }
        let (sequence, head) = found.push(mailbox, entry);
        Ok(Answer::Stored { incarnation: INCARNATION, sequence, head, expires: FAR })
    }

    fn owner(&mut self, mailbox: MailboxId, capability: &Capability) -> Result<&mut Mailbox, Refusal> {
        self.mailboxes.get_mut(&mailbox).filter(|found| found.owner == capability.hash()).ok_or(Refusal::NoSuchMailbox)
    }

    fn reader(&mut self, mailbox: MailboxId, capability: &Capability) -> Result<&mut Mailbox, Refusal> {
        let hash = capability.hash();
        self.mailboxes
            .get_mut(&mailbox)
            .filter(|found| found.owner == hash || found.read == Some(hash))
            .ok_or(Refusal::NoSuchMailbox)
    }
}

impl Mailbox {
    fn push(&mut self, mailbox: MailboxId, entry: &Entry) -> (Sequence, Head) {
        self.last = self.last.next();
        self.head = self.head.extend(&mailbox, INCARNATION, self.last, entry);
        self.entries.push_back((self.last, self.head, entry.clone()));
        (self.last, self.head)
    }

    fn after(&self, cursor: Cursor, limit: usize) -> Vec<ReadEntry> {
        self.entries
            .iter()
            .filter(|(sequence, ..)| *sequence > cursor.after)
            .take(limit)
            .map(|(sequence, _, entry)| ReadEntry { sequence: *sequence, expires: FAR, entry: entry.clone() })
            .collect()
    }

    fn standing(&self) -> Standing {
        Standing {
            incarnation: INCARNATION,
            first_available: self.entries.front().map_or(self.last.next(), |(sequence, ..)| *sequence),
            head_before_first: self.head_before_first,
            last: self.last,
            expires: FAR,
            frozen: self.frozen,
        }
    }
}

fn granted(grants: &[Grant], capability: &Capability, now: Timestamp) -> bool {
    grants.iter().any(|grant| grant.hash == capability.hash() && !grant.expires.is_past(now))
}
