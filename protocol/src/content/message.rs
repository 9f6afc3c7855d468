//! What one MLS application message holds.

use core::fmt;

use minicbor::{Decode, Encode};

use super::alert::Alert;
use super::codec::at_most;
use super::contact::InboxAddress;
use super::document::{Location, Manifest};
use super::kind::Kind;
use super::leave::LeaveRequest;
use super::text::{Language, Text};
use crate::limits::{MAX_CARRIED, MAX_RECEIPTS};
use crate::time::Timestamp;
use crate::trust::Signed;
use crate::wire::{Head, Incarnation, RelayIdentity, Sequence, SignedCheckpoint};

/// Random name of a message, drawn once by its author: a message that is sent again keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct MessageId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl MessageId {
    /// Draws a new id from the operating system.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        crate::random::fill(&mut id)?;
        Ok(Self(id))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageId")
    }
}

/// Plaintext of an MLS application message. Its author is whom MLS says it is.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Message {
    /// Names it for receipts, and for dropping what came twice.
    #[n(0)]
    pub id: MessageId,
    /// When it was written, as its author claims.
    #[n(1)]
    pub sent: Timestamp,
    /// How the author saw this log: two members who saw different logs find out.
    #[n(2)]
    pub seen: LogSeen,
    /// Checkpoints of other groups' relays, at most [`MAX_CARRIED`], so that a lie meets its contradiction elsewhere.
    #[cbor(n(3), decode_with = "at_most::<_, _, MAX_CARRIED>")]
    pub carried: Vec<CarriedCheckpoint>,
    /// Seconds after which it disappears; none keeps it.
    #[n(4)]
    pub timer: Option<u32>,
    /// What it says.
    #[n(5)]
    pub body: Kind<Body>,
}

/// Where the author stood in the group's log when it wrote.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LogSeen {
    /// MLS epoch authenticator (RFC 9420, 8.7) of the epoch it wrote in.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub authenticator: [u8; 32],
    /// Life of the mailbox.
    #[n(1)]
    pub incarnation: Incarnation,
    /// Last sequence it had read.
    #[n(2)]
    pub sequence: Sequence,
    /// Head at that sequence.
    #[n(3)]
    pub head: Head,
}

/// Prints nothing of the authenticator, which only members may know.
impl fmt::Debug for LogSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authenticator: _, incarnation: _, sequence, head: _ } = self;
        f.debug_struct("LogSeen").field("sequence", sequence).finish_non_exhaustive()
    }
}

/// A relay's signed word about the mailbox of another group, all of whose members are also here.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CarriedCheckpoint {
    /// Whose word.
    #[n(0)]
    pub relay: RelayIdentity,
    /// The word.
    #[n(1)]
    pub checkpoint: SignedCheckpoint,
}

/// Kinds of message. 7 (timer), 8 (agreement), 9 (vote) have their numbers kept for them.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Body {
    /// Words.
    #[n(0)]
    Text {
        /// The words.
        #[n(0)]
        text: Text,
        /// Their language, if the author says it.
        #[n(1)]
        language: Option<Language>,
    },
    /// "These have reached my device", at most [`MAX_RECEIPTS`].
    #[n(1)]
    Receipt {
        /// Which.
        #[cbor(n(0), decode_with = "at_most::<_, _, MAX_RECEIPTS>")]
        of: Vec<MessageId>,
    },
    /// A sign beside another message.
    #[n(2)]
    Reaction {
        /// Which message.
        #[n(0)]
        to: MessageId,
        /// The sign; empty takes it back.
        #[n(1)]
        with: Text,
    },
    /// A coordinator's alert, which is checked on its own whoever posts it.
    #[n(3)]
    Alert {
        /// The alert.
        #[n(0)]
        alert: Signed<Alert>,
    },
    /// A document.
    #[n(4)]
    Document {
        /// What it is, signed by its author.
        #[n(0)]
        manifest: Signed<Manifest>,
        /// Where its chunks lie.
        #[n(1)]
        location: Location,
    },
    /// How administrators reach the author outside this group, to add it again or to refound.
    #[n(5)]
    Posted {
        /// With grants made for this group.
        #[n(0)]
        inbox: InboxAddress,
    },
    /// The author wants out.
    #[n(6)]
    Leave {
        /// Its signed request.
        #[n(0)]
        request: Signed<LeaveRequest>,
    },
}
