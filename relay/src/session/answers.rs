//! The writing half of a session: answers in the order of the requests, and events between them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use relevo_protocol::wire::{Answer, Event, Outcome, Reply, encode, entry_event_prefix};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::desk::{Desk, Pushed, Sources};
use super::queue::{Exit, Next};
use super::requests::{Due, Queued};
use super::{Pull, SessionFault};
use crate::clock;
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
pub(super) async fn write(mut send: SendHalf, queue: Exit<Queued>, parts: &Arc<Parts>) -> Result<(), SessionFault> {
    let mut phase = parts.phase.subscribe();
    let mut drain_told = false;
    let mut answers =
        Answers { queue, waiting: None, batch: Batch::default(), desk: Desk::new(parts.delivery.listener()), parts };
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
        let Answers { queue, waiting, desk, .. } = &mut answers;
        tokio::select! {
            outcome = settled(waiting) => {
                if let Some(waiting) = waiting.take() {
                    answers.answer(waiting.number, outcome);
                }
            }
            () = queue.ready(), if waiting.is_none() => {}
            () = desk.listener.heard() => {}
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
    queue: Exit<Queued>,
    waiting: Option<Waiting>,
    batch: Batch,
    desk: Desk,
    parts: &'a Arc<Parts>,
}

impl Answers<'_> {
    /// Fills the batch with what is ready, answers and events in turn.
    fn gather(&mut self) -> Over {
        self.desk.listen();
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
                match self.queue.next() {
                    Next::Item(queued) => self.take(queued),
                    Next::Empty => break,
                    Next::Over => {
                        over = Over::Yes;
                        break;
                    }
                }
            }
            if self.batch.size() >= WRITE || over == Over::Yes {
                return over;
            }
            match self.desk.subscriptions.next(SLICE) {
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
                let outcome = self.desk.ask(*ask, &sources(self.parts));
                self.answer(number, outcome);
            }
        }
    }

    /// Reads a slice for one subscriber and adds it to the batch.
    fn push(&mut self, pull: Pull) {
        let Pushed { before, id, entries, after } = self.desk.push(pull, WRITE, &sources(self.parts));
        if let Some(event) = before {
            self.event(event);
        }
        for read in &entries {
            let prefix = entry_event_prefix(id, read.sequence, read.expires, &read.entry);
            self.batch.frame(&prefix, read.entry.bytes());
        }
        self.parts.metrics.entries_pushed.many(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        if let Some(event) = after {
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

fn sources(parts: &Parts) -> Sources<'_> {
    Sources {
        store: parts.service.store(),
        delivery: &parts.delivery,
        identity: &parts.keys.identity,
        now: clock::now(),
    }
}
