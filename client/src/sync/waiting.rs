//! Those who wait for the network, by whatever clock: each is answered once.

use std::time::Duration;

use relevo_protocol::wire::Fingerprint;
use tokio::sync::oneshot;

use super::status::{SessionStatus, Status};
use crate::link::Session;

/// Somebody who wants to wait.
pub(super) struct Waiter {
    /// For so long.
    pub(super) within: Duration,
    /// For this.
    pub(super) goal: Goal,
}

pub(super) enum Goal {
    Settled(oneshot::Sender<Status>),
    Session(Fingerprint, oneshot::Sender<Result<Session, Status>>),
}

/// All who wait, in moments `M`.
pub(super) struct Waiting<M>(Vec<Place<M>>);

struct Place<M> {
    until: M,
    goal: Goal,
    /// Failures of each relay when the waiting began.
    begun: Status,
}

impl<M: Copy + Ord> Waiting<M> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn add(&mut self, goal: Goal, until: M, begun: Status) {
        self.0.push(Place { until, goal, begun });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the first has waited long enough.
    pub(super) fn until(&self) -> Option<M> {
        self.0.iter().map(|place| place.until).min()
    }

    /// Answers whoever has what they wait for, no hope of it, or no time left.
    pub(super) fn answer<'s>(
        &mut self,
        now: M,
        status: &Status,
        session: impl Fn(&Fingerprint) -> Option<&'s Session>,
    ) {
        for place in std::mem::take(&mut self.0) {
            let late = place.until <= now;
            match place.goal {
                Goal::Settled(reply) if late || place.begun.has_no_hope(status, None) || status.is_settled() => {
                    let _gone = reply.send(status.clone());
                }
                Goal::Session(relay, reply) => {
                    if let Some(session) = session(&relay).filter(|_| is_open(status, &relay)) {
                        let _gone = reply.send(Ok(session.clone()));
                    } else if late || place.begun.has_no_hope(status, Some(relay)) {
                        let _gone = reply.send(Err(status.clone()));
                    } else {
                        self.0.push(Place { goal: Goal::Session(relay, reply), ..place });
                    }
                }
                Goal::Settled(reply) => self.0.push(Place { goal: Goal::Settled(reply), ..place }),
            }
        }
    }
}

fn is_open(status: &Status, relay: &Fingerprint) -> bool {
    status.relays.iter().any(|row| row.relay == *relay && row.session == SessionStatus::Open)
}
