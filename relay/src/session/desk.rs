//! What a session answers to what it is asked, and what it pushes: without I/O or clock, so that a simulator drives the
//! same.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use relevo_protocol::limits::{MAX_READ, MAX_READ_BYTES};
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    Answer, CapabilityHash, Cursor, Event, MailboxId, Outcome, ReadEntry, Refusal, Resumed, SignedCheckpoint,
    Subscription, SubscriptionId,
};

use super::core::Ask;
use super::subscriptions::{Pull, Subscriptions};
use crate::delivery::{Delivery, Listener, Ticket};
use crate::store::{Most, Slice, Store};

/// Bytes of entries in one Read answer: with 256 envelopes of at most 23 bytes the frame stays under its limit, and one
/// of the largest entries is given whatever this says.
const READ_BYTES: usize = MAX_READ_BYTES - (8 << 10);

/// Where answers come from.
pub(super) struct Sources<'a> {
    pub(super) store: &'a Store,
    pub(super) delivery: &'a Arc<Delivery>,
    pub(super) identity: &'a SigningKey,
    pub(super) now: Timestamp,
}

/// The subscriptions of one session, and its ear.
pub(super) struct Desk {
    pub(super) subscriptions: Subscriptions<Ticket>,
    pub(super) listener: Arc<Listener>,
}

/// What one subscriber is given in one turn.
pub(super) struct Pushed {
    /// To say before the entries.
    pub(super) before: Option<Event>,
    pub(super) id: SubscriptionId,
    pub(super) entries: Vec<ReadEntry>,
    /// To say after them.
    pub(super) after: Option<Event>,
}

impl Desk {
    pub(super) fn new(listener: Arc<Listener>) -> Self {
        Self { subscriptions: Subscriptions::new(), listener }
    }

    /// Takes up which mailboxes may have something new.
    pub(super) fn listen(&mut self) {
        for id in self.listener.take() {
            self.subscriptions.mark(id);
        }
    }

    pub(super) fn ask(&mut self, ask: Ask, from: &Sources<'_>) -> Outcome {
        match ask {
            Ask::Read { mailbox, capability, cursor, limit } => from.read(mailbox, capability, cursor, limit),
            Ask::Checkpoint { mailbox, capability } => from.checkpoint(mailbox, capability),
            Ask::Credit { id, more } => done(self.subscriptions.credit(id, more)),
            Ask::Unsubscribe(id) => {
                self.subscriptions.remove(id);
                done(Ok(()))
            }
            Ask::Resume(wanted) => {
                let mut mailboxes = Vec::with_capacity(wanted.len());
                for subscription in wanted {
                    mailboxes.push(self.resume(subscription, from));
                }
                Outcome::Done { answer: Answer::Resumed { mailboxes } }
            }
        }
    }

    fn resume(&mut self, wanted: Subscription, from: &Sources<'_>) -> Resumed {
        let Subscription { id, mailbox, capability, cursor, credit } = wanted;
        if let Err(refusal) = self.subscriptions.room_for(id) {
            return Resumed::Refused { id, refusal };
        }
        self.subscriptions.remove(id);
        // In the table first, then read: an entry that comes between is marked.
        let ticket = from.delivery.follow(mailbox, &self.listener, id);
        match from.store.standing(&mailbox, &capability.hash(), from.now) {
            Err(refusal) => Resumed::Refused { id, refusal },
            Ok(standing) if cursor.incarnation.is_some_and(|life| life != standing.incarnation) => {
                Resumed::OtherIncarnation { id, standing }
            }
            Ok(standing) => {
                self.subscriptions.follow(id, mailbox, cursor.after, credit, &standing, ticket);
                Resumed::Following { id, standing }
            }
        }
    }

    /// Reads a slice of at most `bytes` for one subscriber.
    pub(super) fn push(&mut self, pull: Pull, bytes: usize, from: &Sources<'_>) -> Pushed {
        let Pull { id, mailbox, after, limit } = pull;
        let nothing = |before| Pushed { before, id, entries: Vec::new(), after: None };
        // Of a subscriber who has shown that they may read.
        let most = Most { entries: usize::from(limit), bytes };
        let slice = match from.store.follow(&mailbox, after, most, from.now) {
            Ok(slice) if self.subscriptions.is_same(id, &slice.standing) => slice,
            Ok(_) | Err(Refusal::NoSuchMailbox) => return nothing(Some(self.subscriptions.closed(id))),
            // What lies before it was pushed. To wait in silence would look like a quiet group.
            Err(_failed) => return nothing(Some(self.subscriptions.failed(id))),
        };
        let Slice { standing, entries } = slice;
        let before = self.subscriptions.gap(id, &standing);
        let last = entries.last().map(|read| read.sequence);
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let after = self.subscriptions.pushed(id, last, count, &standing);
        Pushed { before, id, entries, after }
    }
}

impl Sources<'_> {
    /// Entries after a cursor.
    fn read(&self, mailbox: MailboxId, shown: CapabilityHash, cursor: Cursor, limit: u16) -> Outcome {
        let most = Most { entries: usize::from(limit.min(MAX_READ)), bytes: READ_BYTES };
        outcome(self.store.read(&mailbox, &shown, &cursor, most, self.now).map(|slice| {
            let Slice { standing, entries } = slice;
            Answer::Entries { standing, entries }
        }))
    }

    /// The relay's signed word about a mailbox.
    fn checkpoint(&self, mailbox: MailboxId, shown: CapabilityHash) -> Outcome {
        let stated = self.store.checkpoint(&mailbox, &shown, self.now);
        outcome(
            stated.map(|checkpoint| Answer::Checkpointed {
                checkpoint: SignedCheckpoint::sign(&checkpoint, self.identity),
            }),
        )
    }
}

fn outcome(result: Result<Answer, Refusal>) -> Outcome {
    match result {
        Ok(answer) => Outcome::Done { answer },
        Err(refusal) => Outcome::Refused { refusal },
    }
}

fn done(result: Result<(), Refusal>) -> Outcome {
    outcome(result.map(|()| Answer::Done))
}
