//! What a verb wants sent. Carried out in the verb's own transaction, or it never happened.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{GroupId, InboxAddress, ParcelBody};
use relevo_protocol::trust::{MemberKey, ObjectHash};
use relevo_protocol::wire::{Call, Capability, Cursor, Fingerprint, MailboxId, RelayAddress};

use crate::sync::Start;

/// One thing to send or to read.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a verb has a handful of effects, and they live as long as its transaction"
)]
pub enum Effect {
    /// How a relay is reached.
    Remember(RelayAddress),
    /// A request, and what its answer is for.
    Call {
        /// The relay.
        relay: Fingerprint,
        /// The request.
        call: Call,
        /// Given back to [`super::Desk::answered`].
        then: Awaited,
    },
    /// A mailbox to read from now on.
    Follow {
        /// The relay.
        relay: Fingerprint,
        /// The mailbox.
        mailbox: MailboxId,
        /// *read*.
        read: Capability,
        /// Whose log it is.
        group: GroupId,
        /// From where.
        start: Start,
    },
    /// A mailbox not to be read any more.
    Unfollow(MailboxId),
    /// We are in a group: post how its administrators reach us.
    Joined {
        /// The group.
        group: GroupId,
    },
    /// An alert of ours is in the log, for those who are in the group now.
    AlertLeft {
        /// The group.
        group: GroupId,
        /// Which.
        alert: ObjectHash,
    },
    /// We are counted in a group, and nobody takes us in.
    NotTakenIn,
    /// Something for somebody's inbox.
    Parcel {
        /// Whose.
        member: MemberKey,
        /// Where.
        to: InboxAddress,
        /// What.
        body: ParcelBody,
    },
}

/// What the answer to a request is for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum Awaited {
    /// Nothing: a refusal changes nothing either.
    #[n(0)]
    Nothing,
    /// An application message.
    #[n(1)]
    Message {
        /// The conversation.
        #[n(0)]
        group: GroupId,
        /// Hash of the MLS message.
        #[cbor(n(1), with = "minicbor::bytes")]
        echo: [u8; 32],
    },
    /// A commit.
    #[n(2)]
    Commit {
        /// The conversation.
        #[n(0)]
        group: GroupId,
        /// Hash of the MLS message.
        #[cbor(n(1), with = "minicbor::bytes")]
        echo: [u8; 32],
        /// Whether *owner* was shown, for the room that a full mailbox keeps.
        #[n(2)]
        reserve: bool,
    },
    /// The mailbox that a conversation moves to: its commit goes out when it is open.
    #[n(3)]
    Moving {
        /// The conversation.
        #[n(0)]
        group: GroupId,
        /// Hash of the MLS message of the commit.
        #[cbor(n(1), with = "minicbor::bytes")]
        echo: [u8; 32],
    },
    /// Somebody's key package.
    #[n(4)]
    KeyPackage {
        /// The conversation.
        #[n(0)]
        group: GroupId,
        /// The intention that asked.
        #[n(1)]
        intention: i64,
        /// Whose.
        #[n(2)]
        member: MemberKey,
    },
    /// The first mailbox of a conversation.
    #[n(5)]
    Opening {
        /// The conversation.
        #[n(0)]
        group: GroupId,
    },
    /// A relay's signed word about a mailbox.
    #[n(6)]
    Checkpoint {
        /// The conversation.
        #[n(0)]
        group: GroupId,
        /// What had been read of it when the relay was asked.
        #[n(1)]
        read: Cursor,
        /// Its log then.
        #[n(2)]
        mailbox: MailboxId,
    },
    /// The last part of a Welcome that lies in a log of its own.
    #[n(7)]
    Porch {
        /// The conversation.
        #[n(0)]
        group: GroupId,
        /// The log.
        #[n(1)]
        mailbox: MailboxId,
    },
    /// A relay's signed word about the log that is read before what somebody says of the conversation is judged.
    #[n(8)]
    Standing {
        /// The conversation.
        #[n(0)]
        group: GroupId,
        /// The number of what they say.
        #[n(1)]
        held: i64,
        /// Its log then.
        #[n(2)]
        mailbox: MailboxId,
    },
    /// An entry that its relay has lost and is given again.
    #[n(9)]
    GivenBack {
        /// Its log.
        #[n(0)]
        mailbox: MailboxId,
    },
}
