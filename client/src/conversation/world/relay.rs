//! A relay in memory: groups' logs and shelves.

use std::collections::{HashMap, VecDeque};

use ed25519_dalek::SigningKey;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    Answer, Call, CapabilityHash, Checkpoint, Entry, Head, Incarnation, MailboxId, Refusal, Sequence, SignedCheckpoint,
};

/// The lease of every entry.
pub(super) const EXPIRES: Hour = Hour(u32::MAX);

/// A group's mailbox on the relay.
pub(crate) struct Log {
    pub(crate) incarnation: Incarnation,
    pub(crate) owner: CapabilityHash,
    pub(crate) read: CapabilityHash,
    pub(crate) append: CapabilityHash,
    pub(crate) entries: Vec<(Entry, Head)>,
    pub(crate) frozen: bool,
}

/// The relay, as honest as the test wants it.
#[derive(Default)]
pub(crate) struct Relay {
    pub(crate) logs: HashMap<MailboxId, Log>,
    pub(crate) shelves: HashMap<MailboxId, VecDeque<Entry>>,
    pub(crate) refuse_opens: bool,
    /// What it signs checkpoints with; without it, it does not know of them.
    pub(crate) key: Option<SigningKey>,
}

impl Relay {
    pub(crate) fn answer(&mut self, call: &Call) -> Result<Answer, Refusal> {
        match call {
            Call::Open { owner, read, append, .. } => {
                if self.refuse_opens {
                    return Err(Refusal::AllowanceSpent);
                }
                let log = self.logs.entry(MailboxId::of(owner)).or_insert_with(|| Log {
                    incarnation: Incarnation(rand()),
                    owner: *owner,
                    read: read.unwrap(),
                    append: append[0].hash,
                    entries: Vec::new(),
                    frozen: false,
                });
                Ok(Answer::Opened { incarnation: log.incarnation, expires: EXPIRES })
            }
            Call::Append { mailbox, capability, entry } => {
                let log = self.logs.get_mut(mailbox).ok_or(Refusal::NoSuchMailbox)?;
                if log.append != capability.hash() {
                    return Err(Refusal::NoSuchMailbox);
                }
                if log.frozen {
                    return Err(Refusal::Frozen);
                }
                Ok(log.push(mailbox, entry.clone()))
            }
            Call::Take { mailbox, .. } => {
                let taken = self.shelves.get_mut(mailbox).and_then(VecDeque::pop_front);
                taken.map(|entry| Answer::Taken { entry, last_resort: false }).ok_or(Refusal::Empty)
            }
            Call::Freeze { mailbox, capability } => {
                let log = self.logs.get_mut(mailbox).ok_or(Refusal::NoSuchMailbox)?;
                if log.owner != capability.hash() {
                    return Err(Refusal::NoSuchMailbox);
                }
                log.frozen = true;
                Ok(Answer::Done)
            }
            Call::Checkpoint { mailbox, .. } => {
                let key = self.key.as_ref().ok_or(Refusal::UnknownKind)?;
                let log = self.logs.get(mailbox).ok_or(Refusal::NoSuchMailbox)?;
                let word = Checkpoint {
                    mailbox: *mailbox,
                    incarnation: log.incarnation,
                    sequence: Sequence(u64::try_from(log.entries.len()).unwrap()),
                    head: log.entries.last().map_or(Head::START, |(_, head)| *head),
                    first_available: Sequence(1),
                    restored_from: None,
                };
                Ok(Answer::Checkpointed { checkpoint: SignedCheckpoint::sign(&word, key) })
            }
            Call::Renew { .. } => Ok(Answer::Renewed { expires: EXPIRES }),
            Call::Close { mailbox, capability } => {
                let log = self.logs.get(mailbox).ok_or(Refusal::NoSuchMailbox)?;
                if log.owner != capability.hash() || !log.entries.is_empty() {
                    return Err(Refusal::WrongKind);
                }
                self.logs.remove(mailbox);
                Ok(Answer::Done)
            }
            Call::Admit { .. }
            | Call::Enroll { .. }
            | Call::Sponsor { .. }
            | Call::Read { .. }
            | Call::Resume { .. }
            | Call::Credit { .. }
            | Call::Unsubscribe { .. }
            | Call::Trim { .. }
            | Call::LastResort { .. }
            | Call::Grants { .. }
            | Call::Ping => panic!("no call of conversations: {call:?}"),
        }
    }
}

impl Log {
    /// It is restored from a backup that held so many entries.
    pub(crate) fn go_back(&mut self, mailbox: &MailboxId, upto: usize) {
        self.incarnation = Incarnation(rand());
        for (entry, _) in core::mem::take(&mut self.entries).into_iter().take(upto) {
            self.push(mailbox, entry);
        }
    }

    pub(crate) fn push(&mut self, mailbox: &MailboxId, entry: Entry) -> Answer {
        let sequence = Sequence(u64::try_from(self.entries.len()).unwrap() + 1);
        let before = self.entries.last().map_or(Head::START, |(_, head)| *head);
        let head = before.extend(mailbox, self.incarnation, sequence, &entry);
        self.entries.push((entry, head));
        Answer::Stored { incarnation: self.incarnation, sequence, head, expires: EXPIRES }
    }
}

fn rand() -> [u8; 8] {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}
