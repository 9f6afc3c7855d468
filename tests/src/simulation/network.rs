//! The network between clients and relays: weather that delays, cuts and parts, and an adversary who may sit in it.
//!
//! A session is a QUIC stream, and so is each blob on its way, so within one direction of one stream bytes come in order
//! or not at all. What is lost is a session, with its blob streams; what is duplicated is a request that reached the relay after its client had given the session up and asked
//! again; what is reordered is sessions among each other.

use std::collections::BTreeMap;

use relevo_client::sync::Attempt;
use relevo_protocol::wire::{Reply, Request};
use relevo_relay::driven::{BlobStream, SessionId};

/// One end of a session: which client at which relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Seat {
    /// Number of the client in its world.
    pub client: usize,
    /// Number of the relay in its world.
    pub relay: usize,
}

/// Who sits between a relay and its clients, or is the relay: sees and changes everything that passes after the greeting.
///
/// What comes must be given on to have an effect; the default gives everything on as it is.
pub trait Adversary {
    /// Requests of a client on their way to the relay. Called for each; what is returned arrives, in order.
    fn up(&mut self, _seat: Seat, _session: SessionId, request: Request) -> Vec<Request> {
        vec![request]
    }

    /// Answers and events on their way to a client. Called for what the relay says in one turn, and with nothing when time
    /// passes, so that what was held back can be given.
    fn down(&mut self, _seat: Seat, _session: SessionId, replies: Vec<Reply>) -> Vec<Reply> {
        replies
    }
}

/// Nobody.
#[derive(Debug)]
pub struct Honest;

impl Adversary for Honest {}

/// What the network does to everything that passes.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Longest delay of a frame, in milliseconds; the shortest is a tenth of it.
    pub delay: u64,
    /// A session is cut once in so many frames; never if 0.
    pub cut: u64,
    /// Seats that reach nothing, until when.
    pub parted: BTreeMap<Seat, u64>,
}

impl Weather {
    /// A good line.
    #[must_use]
    pub fn fair() -> Self {
        Self { delay: 30, cut: 0, parted: BTreeMap::new() }
    }
}

/// A session as the network knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) seat: Seat,
    pub(super) attempt: Attempt,
    /// Whether the client still believes in it.
    pub(super) client: bool,
    /// Whether the relay still believes in it.
    pub(super) relay: bool,
    /// When the last frame arrives in each direction: none may overtake it.
    pub(super) up: u64,
    pub(super) down: u64,
}

/// When the last bytes of a blob stream arrive in each direction: none may overtake them.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Way {
    pub(super) up: u64,
    pub(super) down: u64,
}

/// What is under way.
#[derive(Debug)]
pub(super) enum Event {
    /// An attempt reaches its relay.
    Knock { link: SessionId, address: relevo_protocol::wire::RelayAddress },
    /// The greeting is over, at the client.
    Welcomed {
        link: SessionId,
        welcome: Box<relevo_protocol::wire::WelcomeBody>,
        answer: relevo_protocol::wire::Answer,
    },
    /// There is no session, or no longer.
    Failed { link: SessionId, why: relevo_client::link::LinkFault },
    /// A request reaches the relay.
    Up { link: SessionId, frame: Vec<u8> },
    /// Answers and events reach the client.
    Down { link: SessionId, replies: Vec<Reply> },
    /// A client's words on a blob stream reach the relay.
    BlobUp { link: SessionId, stream: relevo_client::link::StreamId, said: relevo_client::link::Said },
    /// A relay's words on a blob stream reach the client; none at their end.
    BlobDown { link: SessionId, stream: relevo_client::link::StreamId, bytes: Option<bytes::Bytes> },
    /// The relay notices that a client is gone.
    Forgotten { link: SessionId },
    /// A relay's writer takes what has gathered.
    Commit { relay: usize },
    /// A relay comes back.
    Restart { relay: usize },
    /// A client comes back.
    Return { client: usize },
}

impl Event {
    /// The blob stream on which something is under way.
    pub(super) fn blob_stream(&self) -> Option<BlobStream> {
        match self {
            Self::BlobUp { link, stream, .. } | Self::BlobDown { link, stream, .. } => {
                Some(BlobStream { session: *link, number: stream.0 })
            }
            Self::Knock { .. }
            | Self::Welcomed { .. }
            | Self::Failed { .. }
            | Self::Up { .. }
            | Self::Down { .. }
            | Self::Forgotten { .. }
            | Self::Commit { .. }
            | Self::Restart { .. }
            | Self::Return { .. } => None,
        }
    }
}
