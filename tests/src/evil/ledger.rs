//! The truth: what an honest relay would hold. Capabilities are not looked at: whoever lies does not keep others out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use ed25519_dalek::SigningKey;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    Answer, Call, Checkpoint, Cursor, Entry, Head, Incarnation, Lineage, MailboxId, MailboxKind, Outcome, ReadEntry,
    Refusal, Sequence, SignedCheckpoint, Standing,
};

use super::lie::{Lie, Who};

/// Hours that entries live.
const ENTRY_HOURS: u32 = 720;

/// An entry, and who appended it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// Who.
    pub by: Who,
    /// When it expires.
    pub expires: Hour,
    /// The entry.
    pub entry: Entry,
}

/// A mailbox as it is, or as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    /// Its kind.
    pub kind: MailboxKind,
    /// Its life.
    pub incarnation: Incarnation,
    /// The life before, after a restoration.
    pub restored_from: Option<Lineage>,
    /// All entries ever appended.
    pub entries: Vec<Written>,
    /// How many of them are gone, from the first on.
    pub gone: usize,
    /// Whether it takes no more.
    pub frozen: bool,
    last_resort: Option<Entry>,
}

impl Log {
    /// Whether it is a conversation's.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.kind == MailboxKind::Shared
    }

    /// Head of the chain after so many entries.
    #[must_use]
    pub fn head(&self, mailbox: &MailboxId, count: usize) -> Head {
        let numbered = self.entries.iter().take(count).enumerate();
        numbered.fold(Head::START, |head, (at, written)| {
            head.extend(mailbox, self.incarnation, sequence(at + 1), &written.entry)
        })
    }

    /// The entries that stand, with their sequences.
    pub fn standing_entries(&self) -> impl Iterator<Item = ReadEntry> {
        self.entries.iter().enumerate().skip(self.gone).map(|(at, written)| ReadEntry {
            sequence: sequence(at + 1),
            expires: written.expires,
            entry: written.entry.clone(),
        })
    }

    pub(super) fn standing(&self, mailbox: &MailboxId, now: Hour) -> Standing {
        Standing {
            incarnation: self.incarnation,
            first_available: sequence(self.gone + 1),
            head_before_first: self.head(mailbox, self.gone),
            last: sequence(self.entries.len()),
            expires: now.plus(ENTRY_HOURS),
            frozen: self.frozen,
        }
    }
}

/// All mailboxes.
pub struct Ledger {
    logs: BTreeMap<MailboxId, Log>,
    lives: u64,
    now: Hour,
    identity: SigningKey,
    told: AtomicU64,
}

impl Ledger {
    pub(super) fn new(identity: SigningKey, now: Hour) -> Self {
        Self { logs: BTreeMap::new(), lives: 0, now, identity, told: AtomicU64::new(0) }
    }

    /// The conversations' logs, in no order that means anything.
    pub fn shared(&self) -> impl Iterator<Item = (&MailboxId, &Log)> {
        self.logs.iter().filter(|(_, log)| log.is_shared())
    }

    /// Inboxes, shelves and codes.
    pub fn personal(&self) -> impl Iterator<Item = (&MailboxId, &Log)> {
        self.logs.iter().filter(|(_, log)| !log.is_shared())
    }

    /// A mailbox as it is.
    #[must_use]
    pub fn log(&self, mailbox: &MailboxId) -> Option<&Log> {
        self.logs.get(mailbox)
    }

    /// A mailbox as somebody is shown it.
    pub(super) fn shown(&self, who: Who, mailbox: &MailboxId, lie: Option<&dyn Lie>) -> Result<Log, Refusal> {
        let log = self.logs.get(mailbox).ok_or(Refusal::NoSuchMailbox)?.clone();
        let Some(lie) = lie else { return Ok(log) };
        let shown = lie.log(who, mailbox, log.clone());
        self.told.fetch_add(u64::from(shown != log), Ordering::Relaxed);
        Ok(shown)
    }

    /// Does what is asked, and answers by what is shown. Sessions answer for Resume, Credit and Unsubscribe.
    pub(super) fn ask(&mut self, who: Who, call: &Call, lie: Option<&dyn Lie>) -> Outcome {
        match self.answer(who, call, lie) {
            Ok(answer) => Outcome::Done { answer },
            Err(refusal) => Outcome::Refused { refusal },
        }
    }

    fn answer(&mut self, who: Who, call: &Call, lie: Option<&dyn Lie>) -> Result<Answer, Refusal> {
        match call {
            Call::Open { kind, owner, .. } => Ok(self.open(MailboxId::of(owner), *kind)),
            Call::Append { mailbox, entry, .. } => self.append(who, mailbox, entry, lie),
            Call::Read { mailbox, cursor, limit, .. } => self.read(who, mailbox, cursor, *limit, lie),
            Call::Trim { mailbox, upto, .. } => {
                let log = self.find(mailbox)?;
                log.gone = log.gone.max(usize::try_from(upto.0).unwrap_or(0)).min(log.entries.len());
                Ok(Answer::Done)
            }
            Call::Take { mailbox, .. } => self.take(mailbox),
            Call::LastResort { mailbox, entry, .. } => {
                self.find(mailbox)?.last_resort = Some(entry.clone());
                Ok(Answer::Done)
            }
            Call::Renew { mailbox, lease_hours, .. } => {
                let expires = self.now.plus(*lease_hours);
                self.find(mailbox).map(|_| Answer::Renewed { expires })
            }
            Call::Freeze { mailbox, .. } => {
                self.find(mailbox)?.frozen = true;
                Ok(Answer::Done)
            }
            Call::Close { mailbox, .. } => {
                self.logs.remove(mailbox).ok_or(Refusal::NoSuchMailbox)?;
                Ok(Answer::Done)
            }
            Call::Checkpoint { mailbox, .. } => {
                let log = self.shown(who, mailbox, lie)?;
                Ok(Answer::Checkpointed { checkpoint: self.sign(mailbox, &log) })
            }
            Call::Grants { mailbox, .. } => self.find(mailbox).map(|_| Answer::Done),
            Call::Ping | Call::Enroll { .. } | Call::Sponsor { .. } => Ok(Answer::Done),
            Call::Admit { .. } | Call::Resume { .. } | Call::Credit { .. } | Call::Unsubscribe { .. } => {
                Err(Refusal::Malformed)
            }
        }
    }

    /// The relay's signed word about a log.
    pub(super) fn sign(&self, mailbox: &MailboxId, log: &Log) -> SignedCheckpoint {
        let checkpoint = Checkpoint {
            mailbox: *mailbox,
            incarnation: log.incarnation,
            sequence: sequence(log.entries.len()),
            head: log.head(mailbox, log.entries.len()),
            first_available: sequence(log.gone + 1),
            restored_from: log.restored_from,
        };
        SignedCheckpoint::sign(&checkpoint, &self.identity)
    }

    /// How often a log was shown as it is not.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    pub(super) fn now(&self) -> Hour {
        self.now
    }

    fn find(&mut self, mailbox: &MailboxId) -> Result<&mut Log, Refusal> {
        self.logs.get_mut(mailbox).ok_or(Refusal::NoSuchMailbox)
    }

    fn open(&mut self, mailbox: MailboxId, kind: MailboxKind) -> Answer {
        self.lives += 1;
        let log = self.logs.entry(mailbox).or_insert_with(|| Log {
            kind,
            incarnation: Incarnation(self.lives.to_be_bytes()),
            restored_from: None,
            entries: Vec::new(),
            gone: 0,
            frozen: false,
            last_resort: None,
        });
        Answer::Opened { incarnation: log.incarnation, expires: self.now.plus(2160) }
    }

    fn append(
        &mut self,
        who: Who,
        mailbox: &MailboxId,
        entry: &Entry,
        lie: Option<&dyn Lie>,
    ) -> Result<Answer, Refusal> {
        let expires = self.now.plus(ENTRY_HOURS);
        let log = self.find(mailbox)?;
        if log.frozen {
            return Err(Refusal::Frozen);
        }
        log.entries.push(Written { by: who, expires, entry: entry.clone() });
        let mut shown = self.shown(who, mailbox, lie)?;
        // An entry that its author is not shown is answered for all the same.
        let at = match shown.entries.iter().rposition(|written| written.entry == *entry) {
            Some(at) => at,
            None => {
                shown.entries.push(Written { by: who, expires, entry: entry.clone() });
                shown.entries.len() - 1
            }
        };
        let head = shown.head(mailbox, at + 1);
        Ok(Answer::Stored { incarnation: shown.incarnation, sequence: sequence(at + 1), head, expires })
    }

    fn read(
        &self,
        who: Who,
        mailbox: &MailboxId,
        cursor: &Cursor,
        limit: u16,
        lie: Option<&dyn Lie>,
    ) -> Result<Answer, Refusal> {
        let log = self.shown(who, mailbox, lie)?;
        let entries = log.standing_entries().filter(|entry| entry.sequence > cursor.after).take(limit.into());
        Ok(Answer::Entries { standing: log.standing(mailbox, self.now), entries: entries.collect() })
    }

    fn take(&mut self, mailbox: &MailboxId) -> Result<Answer, Refusal> {
        let log = self.find(mailbox)?;
        match log.entries.get(log.gone) {
            Some(written) => {
                log.gone += 1;
                Ok(Answer::Taken { entry: written.entry.clone(), last_resort: false })
            }
            None => match &log.last_resort {
                Some(entry) => Ok(Answer::Taken { entry: entry.clone(), last_resort: true }),
                None => Err(Refusal::Empty),
            },
        }
    }
}

/// A place, counted from 1.
pub(super) fn sequence(place: usize) -> Sequence {
    Sequence(u64::try_from(place).unwrap_or(u64::MAX))
}
