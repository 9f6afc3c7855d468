//! What a relay answers. SPEC 6.

use minicbor::{Decode, Encode};

use super::entry::Entry;
use super::event::Event;
use super::log::{Head, Incarnation, Sequence, SignedCheckpoint};
use super::refusal::Refusal;
use super::request::SubscriptionId;
use crate::time::Hour;

/// One frame from relay to client.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum Reply {
    /// The answer to a request.
    #[n(0)]
    Answer {
        /// Number of the request.
        #[n(0)]
        number: u32,
        /// What came of it.
        #[n(1)]
        outcome: Outcome,
    },
    /// Something that happened in a subscribed mailbox, or in the relay.
    #[n(1)]
    Event {
        /// What happened.
        #[n(0)]
        event: Event,
    },
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum Outcome {
    /// It was done.
    #[n(0)]
    Done {
        /// With this result.
        #[n(0)]
        answer: Answer,
    },
    /// It was not done.
    #[n(1)]
    Refused {
        /// For this reason.
        #[n(0)]
        refusal: Refusal,
    },
}

/// An entry as read.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ReadEntry {
    /// Its place.
    #[n(0)]
    pub sequence: Sequence,
    /// When the relay will drop it.
    #[n(1)]
    pub expires: Hour,
    /// The entry.
    #[n(2)]
    pub entry: Entry,
}

/// Where a mailbox stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Standing {
    /// Its present life. Another one than the cursor's means that the relay was restored or the mailbox opened anew.
    #[n(0)]
    pub incarnation: Incarnation,
    /// First sequence that can be read; more than `cursor + 1` is a gap, to be shown.
    #[n(1)]
    pub first_available: Sequence,
    /// Head before `first_available`, from which the reader goes on checking.
    #[n(2)]
    pub head_before_first: Head,
    /// Last sequence appended.
    #[n(3)]
    pub last: Sequence,
    /// End of the lease.
    #[n(4)]
    pub expires: Hour,
    /// Whether the mailbox takes no more entries.
    #[n(5)]
    pub frozen: bool,
}

/// One mailbox of a Resumed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum Resumed {
    /// Entries after the cursor will be pushed.
    #[n(0)]
    Following {
        /// The subscription.
        #[n(0)]
        id: SubscriptionId,
        /// Where the mailbox stands.
        #[n(1)]
        standing: Standing,
    },
    /// The cursor belongs to another life of the mailbox: nothing is pushed until the client resumes with a new cursor.
    #[n(1)]
    OtherIncarnation {
        /// The subscription.
        #[n(0)]
        id: SubscriptionId,
        /// Where the mailbox stands.
        #[n(1)]
        standing: Standing,
    },
    /// Refused.
    #[n(2)]
    Refused {
        /// The subscription.
        #[n(0)]
        id: SubscriptionId,
        /// For this reason.
        #[n(1)]
        refusal: Refusal,
    },
}

/// Results, one for each call that has one.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum Answer {
    /// Done, with nothing to tell (Enroll, Sponsor, Credit, Unsubscribe, Trim, LastResort, Grants, Freeze, Close, Ping).
    #[n(0)]
    Done,
    /// The session is admitted.
    #[n(1)]
    Admitted {
        /// End of the admission.
        #[n(0)]
        expires: Hour,
        /// Bytes it may still store in this 30 days.
        #[n(1)]
        bytes_left: u64,
        /// Mailboxes it may still open.
        #[n(2)]
        mailboxes_left: u64,
        /// Whether it admits one client only, which then enrolls.
        #[n(3)]
        single_use: bool,
    },
    /// The mailbox is open.
    #[n(2)]
    Opened {
        /// Its life.
        #[n(0)]
        incarnation: Incarnation,
        /// End of its lease.
        #[n(1)]
        expires: Hour,
    },
    /// The entry is on disk.
    #[n(3)]
    Stored {
        /// In this life of the mailbox.
        #[n(0)]
        incarnation: Incarnation,
        /// At this place.
        #[n(1)]
        sequence: Sequence,
        /// The chain with it.
        #[n(2)]
        head: Head,
        /// When the relay will drop it.
        #[n(3)]
        expires: Hour,
    },
    /// Entries in order.
    #[n(4)]
    Entries {
        /// Where the mailbox stands.
        #[n(0)]
        standing: Standing,
        /// The entries; empty when the cursor is of another incarnation.
        #[n(1)]
        entries: Vec<ReadEntry>,
    },
    /// Subscriptions, in the order asked.
    #[n(5)]
    Resumed {
        /// One for each.
        #[n(0)]
        mailboxes: Vec<Resumed>,
    },
    /// An entry of a shelf.
    #[n(6)]
    Taken {
        /// The entry.
        #[n(0)]
        entry: Entry,
        /// Whether it is the last resort, which others may have too.
        #[n(1)]
        last_resort: bool,
    },
    /// The lease.
    #[n(7)]
    Renewed {
        /// Its new end.
        #[n(0)]
        expires: Hour,
    },
    /// The relay's signed word.
    #[n(8)]
    Checkpointed {
        /// Signed by the relay's identity key.
        #[n(0)]
        checkpoint: SignedCheckpoint,
    },
}
