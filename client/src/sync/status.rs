//! How things stand with each relay, for people and for those who wait.

use std::time::Duration;

use relevo_protocol::wire::{Fingerprint, Refusal};

use crate::link::LinkFault;

/// How things stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// With each relay that has something to do.
    pub relays: Vec<RelayStatus>,
}

/// How things stand with one relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelayStatus {
    /// The relay.
    pub relay: Fingerprint,
    /// Its session.
    pub session: SessionStatus,
    /// Requests in the outbox.
    pub waiting: usize,
    /// Followed mailboxes not caught up with.
    pub behind: usize,
    /// A request or mailbox that the relay puts off, and why.
    pub put_off: Option<Refusal>,
    /// The latest failure to have a session, if it was not followed by a success.
    pub fault: Option<LinkFault>,
    /// Failures to have a session since the start.
    pub failures: u32,
}

/// The session with a relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionStatus {
    /// None, and none is needed.
    Idle,
    /// None, because no address of the relay is known.
    NoAddress,
    /// Being opened.
    Connecting,
    /// Open.
    Open,
    /// None until the next attempt, at this moment of [`super::Now::elapsed`].
    Offline {
        /// The next attempt.
        until: Duration,
    },
}

impl RelayStatus {
    /// Whether nothing waits and everything is read.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.waiting == 0 && self.behind == 0
    }
}

impl Status {
    /// Whether nothing waits and everything is read, at every relay.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.relays.iter().all(RelayStatus::is_settled)
    }

    /// Whether waiting longer is in vain: everything that keeps `later` from being settled (or, of `only`, from having a
    /// session) is a relay that has failed since `self`. A connection that broke may be tried once more.
    pub(super) fn has_no_hope(&self, later: &Self, only: Option<Fingerprint>) -> bool {
        let failures =
            |relay: &Fingerprint| self.relays.iter().find(|row| row.relay == *relay).map_or(0, |row| row.failures);
        let mut open = later.relays.iter().filter(|row| match only {
            Some(relay) => row.relay == relay,
            None => !row.is_settled(),
        });
        open.clone().count() > 0
            && open.all(|row| match row.session {
                SessionStatus::NoAddress => true,
                SessionStatus::Offline { .. } => {
                    let broke = matches!(row.fault, Some(LinkFault::Lost | LinkFault::Ended));
                    let tries = if broke { 2 } else { 1 };
                    row.failures >= failures(&row.relay).saturating_add(tries)
                }
                SessionStatus::Idle | SessionStatus::Connecting | SessionStatus::Open => false,
            })
    }
}
