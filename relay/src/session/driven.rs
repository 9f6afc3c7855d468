//! A session without streams, for simulators: frames in, frames out.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    Answer, Event, Exporter, FrameFault, Hello, Outcome, Reply, Request, Welcome, encode, entry_event_prefix,
};

use super::core::{self, Admitted, Ask, Step};
use super::desk::{Desk, Pushed, Sources};
use super::greeting::{self, ExpectHello};
use crate::config::Config;
use crate::delivery::Delivery;
use crate::store::{Change, Store};

/// Entries read from the store for one subscriber before the next has its turn, and their bytes.
const SLICE: (u16, usize) = (64, 64 << 10);

/// An admitted session.
pub(crate) struct Speaking {
    admitted: Admitted,
    desk: Desk,
    /// Requests in order, whose answers go out in this order.
    queue: VecDeque<(u32, Due)>,
}

/// Where an answer comes from.
enum Due {
    Ready(Outcome),
    /// The next batch.
    Change(Option<Admitted>),
    /// Found when its turn has come.
    Ask(Ask),
}

/// What is to be done with a request.
pub(crate) enum Taken {
    /// The store is to change; [`Speaking::settle`] follows.
    Change(Change),
    /// Nothing.
    Queued,
}

impl Speaking {
    /// The whole greeting; none when the client is not let in.
    #[expect(clippy::too_many_arguments, reason = "both sides of a greeting")]
    pub(crate) fn greet(
        hello: &Hello,
        admit: &Request,
        exporter: &Exporter,
        identity: &SigningKey,
        config: &Config,
        store: &Store,
        delivery: &Arc<Delivery>,
        now: Timestamp,
    ) -> Option<(Welcome, Answer, Self)> {
        let greeted = ExpectHello.accept(hello, exporter, identity, greeting::limits(config), now);
        let (welcome, expecting) = greeted.ok()?;
        let find = |id: &_| store.admission(id, now).ok().flatten();
        let (_, id, found) = expecting.accept(admit, exporter, find).ok()?;
        let admitted = Admitted { id, kind: found.kind };
        let session = Self { admitted, desk: Desk::new(delivery.listener()), queue: VecDeque::new() };
        Some((welcome, Answer::from(found), session))
    }

    /// Who it was admitted as.
    pub(crate) fn admitted(&self) -> Admitted {
        self.admitted
    }

    /// Takes one frame.
    ///
    /// # Errors
    /// [`FrameFault`]: the session ends.
    pub(crate) fn take(&mut self, frame: &[u8]) -> Result<Taken, FrameFault> {
        let (number, step) = match core::request(frame)? {
            Ok(request) => (request.number, core::step(request.call, self.admitted)),
            Err((number, refusal)) => (number, Step::Answer(Outcome::Refused { refusal })),
        };
        let (due, taken) = match step {
            Step::Answer(outcome) => (Due::Ready(outcome), Taken::Queued),
            Step::Ask(ask) => (Due::Ask(ask), Taken::Queued),
            Step::Change(change) => (Due::Change(None), Taken::Change(change)),
            Step::Enroll { change, then } => (Due::Change(Some(then)), Taken::Change(change)),
        };
        self.queue.push_back((number, due));
        Ok(taken)
    }

    /// The outcome of the oldest change that waits.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        let waiting = self.queue.iter_mut().find_map(|(_, due)| match due {
            Due::Change(then) => Some((then.take(), due)),
            Due::Ready(_) | Due::Ask(_) => None,
        });
        if let Some((then, due)) = waiting {
            if let (Some(then), Outcome::Done { answer: Answer::Done }) = (then, &outcome) {
                self.admitted = then;
            }
            *due = Due::Ready(outcome);
        }
    }

    /// Answers up to the first that waits for the store, then everything there is to push.
    pub(crate) fn gather(
        &mut self,
        store: &Store,
        delivery: &Arc<Delivery>,
        identity: &SigningKey,
        now: Timestamp,
    ) -> Vec<Bytes> {
        let from = Sources { store, delivery, identity, now };
        let mut frames = Vec::new();
        self.desk.listen();
        while let Some((number, due)) = self.queue.pop_front() {
            let outcome = match due {
                Due::Ready(outcome) => outcome,
                Due::Ask(ask) => self.desk.ask(ask, &from),
                due @ Due::Change(_) => {
                    self.queue.push_front((number, due));
                    break;
                }
            };
            frames.push(encode(&Reply::Answer { number, outcome }).into());
        }
        while let Some(pull) = self.desk.subscriptions.next(SLICE.0) {
            let Pushed { before, id, entries, after } = self.desk.push(pull, SLICE.1, &from);
            let event = |event: Event| Bytes::from(encode(&Reply::Event { event }));
            frames.extend(before.map(event));
            for read in entries {
                let mut frame = entry_event_prefix(id, read.sequence, read.expires, &read.entry);
                frame.extend_from_slice(read.entry.bytes());
                frames.push(frame.into());
            }
            frames.extend(after.map(event));
        }
        frames
    }
}
