//! The writing half of a session: answers in the order of the requests, and events between them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use relevo_protocol::wire::{
    Answer, Event, Outcome, Refusal, Reply, Resumed, Subscription, encode, entry_event_prefix,
};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::core::Ask;
use super::requests::{Due, Queued};
use super::{Pull, SessionFault, Subscriptions};
use crate::delivery::{Listener, Ticket};
use crate::relay::Parts;
use crate::service::Pending;
use crate::transport::{Batch, SendHalf};

/// Bytes gathered before a write: what is ready together goes out together, and no slow reader makes us hold more.
const WRITE: usize = 64 << 10;
/// Time for a client to make room for one write. The largest takes 75 s at 64 kbit/s; one that reads nothing for longer
/// would hold a batch and a send window for as long as it likes.
const UNREAD: Duration = Duration::from_secs(180);
/// Entries read from the store for one subscriber before the next has its turn.
const SLICE: u16 = 64;

/// Writes until the queue is closed and all that was in it is answered, then ends the stream.
///
/// # Errors
/// [`SessionFault::Gone`] when the client has left.
pub(super) async fn write(
    mut send: SendHalf,
    queue: mpsc::Receiver<Queued>,
    parts: &Arc<Parts>,
) -> Result<(), SessionFault> {
    let mut phase = parts.phase.subscribe();
    let mut drain_told = false;
    let mut answers = Answers {
        queue,
        waiting: None,
        batch: Batch::default(),
        subscriptions: Subscriptions::new(),
        listener: parts.delivery.listener(),
        parts,
    };
    loop {
        // Looked at before the queue, which closes at the same moment.
        if !drain_told && phase.borrow_and_update().draining() {
            drain_told = true;
            answers.event(Event::Draining);
        }
        let over = answers.gather();
        if !answers.batch.is_empty() {
            let sent = timeout(UNREAD, send.send(std::mem::take(&mut answers.batch))).await;
            sent.map_err(|_| SessionFault::Unread)??;
            continue;
        }
        if over == Over::Yes {
            break;
        }
        let Answers { queue, waiting, listener, .. } = &mut answers;
        tokio::select! {
            outcome = settled(waiting) => {
                if let Some(waiting) = waiting.take() {
                    answers.answer(waiting.number, outcome);
                }
            }
            queued = queue.recv(), if waiting.is_none() => {
                // When there is none, the next round finds the queue over.
                if let Some(queued) = queued {
                    answers.take(queued);
                }
            }
            () = listener.heard() => {}
            _ = phase.wait_for(|phase| phase.draining()), if !drain_told => {}
        }
    }
    send.finish().await?;
    Ok(())
}

/// Whether the queue is closed and everything in it answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Yes,
    No,
}

struct Waiting {
    number: u32,
    pending: Pending,
    _room: Option<OwnedSemaphorePermit>,
}

/// Resolves when the change at the head of the queue is settled; never when there is none.
///
/// # Cancel safety
/// A cancelled wait loses nothing.
async fn settled(waiting: &mut Option<Waiting>) -> Outcome {
    match waiting {
        Some(waiting) => waiting.pending.outcome().await,
        None => std::future::pending().await,
    }
}

struct Answers<'a> {
    queue: mpsc::Receiver<Queued>,
    waiting: Option<Waiting>,
    batch: Batch,
    subscriptions: Subscriptions<Ticket>,
    listener: Arc<Listener>,
    parts: &'a Arc<Parts>,
}

impl Answers<'_> {
    /// Fills the batch with what is ready, answers and events in turn.
    fn gather(&mut self) -> Over {
        for id in self.listener.take() {
            self.subscriptions.mark(id);
        }
        let mut over = Over::No;
        loop {
            // Half of the room at most, so that answers do not starve events.
            while self.batch.size() < WRITE / 2 {
                if let Some(mut waiting) = self.waiting.take() {
                    match waiting.pending.settled() {
                        Some(outcome) => self.answer(waiting.number, outcome),
                        None => {
                            self.waiting = Some(waiting);
                            break;
                        }
                    }
                }
                match self.queue.try_recv() {
                    Ok(queued) => self.take(queued),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        over = Over::Yes;
                        break;
                    }
                }
            }
            if self.batch.size() >= WRITE || over == Over::Yes {
                return over;
            }
            match self.subscriptions.next(SLICE) {
                Some(pull) => self.push(pull),
                None => return over,
            }
        }
    }

    fn take(&mut self, queued: Queued) {
        let Queued { number, due, _room } = queued;
        match due {
            Due::Ready(outcome) => self.answer(number, *outcome),
            Due::Change(pending) => self.waiting = Some(Waiting { number, pending, _room }),
            Due::Ask(ask) => {
                let outcome = self.ask(*ask);
                self.answer(number, outcome);
            }
        }
    }

    fn ask(&mut self, ask: Ask) -> Outcome {
        let service = &self.parts.service;
        match ask {
            Ask::Read { mailbox, capability, cursor, limit } => service.read(mailbox, capability, cursor, limit),
            Ask::Checkpoint { mailbox, capability } => {
                service.checkpoint(mailbox, capability, &self.parts.keys.identity)
            }
            Ask::Credit { id, more } => done(self.subscriptions.credit(id, more)),
            Ask::Unsubscribe(id) => {
                self.subscriptions.remove(id);
                done(Ok(()))
            }
            Ask::Resume(wanted) => {
                let mut mailboxes = Vec::with_capacity(wanted.len());
                for subscription in wanted {
                    mailboxes.push(self.resume(subscription));
                }
                Outcome::Done { answer: Answer::Resumed { mailboxes } }
            }
        }
    }

    fn resume(&mut self, wanted: Subscription) -> Resumed {
        let Subscription { id, mailbox, capability, cursor, credit } = wanted;
        if let Err(refusal) = self.subscriptions.room_for(id) {
            return Resumed::Refused { id, refusal };
        }
        self.subscriptions.remove(id);
        // In the table first, then read: an entry that comes between is marked.
        let ticket = self.parts.delivery.follow(mailbox, &self.listener, id);
        match self.parts.service.standing(mailbox, capability.hash()) {
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

    /// Reads a slice for one subscriber and adds it to the batch.
    fn push(&mut self, pull: Pull) {
        let id = pull.id;
        let slice = match self.parts.service.slice(pull.mailbox, pull.after, pull.limit, WRITE) {
            Ok(slice) if self.subscriptions.is_same(id, &slice.standing) => slice,
            Ok(_) | Err(Refusal::NoSuchMailbox) => {
                let closed = self.subscriptions.closed(id);
                return self.event(closed);
            }
            // The store has failed, and the relay is stopping: nothing to say here.
            Err(_) => return,
        };
        if let Some(gap) = self.subscriptions.gap(id, &slice.standing) {
            self.event(gap);
        }
        let mut count = 0;
        let mut last = None;
        for read in &slice.entries {
            let prefix = entry_event_prefix(id, read.sequence, read.expires, &read.entry);
            self.batch.frame(&prefix, read.entry.bytes());
            last = Some(read.sequence);
            count += 1;
        }
        self.parts.metrics.entries_pushed.many(u64::from(count));
        if let Some(event) = self.subscriptions.pushed(id, last, count, &slice.standing) {
            self.event(event);
        }
    }

    fn answer(&mut self, number: u32, outcome: Outcome) {
        match &outcome {
            Outcome::Refused { .. } => self.parts.metrics.refusals.one(),
            Outcome::Done { answer: Answer::Stored { .. } } => {
                self.parts.metrics.entries_stored.one();
            }
            Outcome::Done { .. } => {}
        }
        self.reply(&Reply::Answer { number, outcome });
    }

    fn event(&mut self, event: Event) {
        self.reply(&Reply::Event { event });
    }

    fn reply(&mut self, reply: &Reply) {
        self.batch.frame(&encode(reply), &Bytes::new());
    }
}

fn done(result: Result<(), Refusal>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done { answer: Answer::Done },
        Err(refusal) => Outcome::Refused { refusal },
    }
}
