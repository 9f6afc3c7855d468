//! What a group sends to one person outside of its log.

use core::fmt;

use minicbor::{Decode, Encode};

use crate::content::codec::{Opaque, at_most};
use crate::content::document::Location;
use crate::content::leave::GroupId;
use crate::content::log_item::PinnedObject;
use crate::content::text::Note;
use crate::limits::MAX_PINNED;
use crate::sealed::{EntryKey, GroupSecrets};
use crate::wire::{Capability, Head, Incarnation, MailboxId, RelayAddress, Sequence};

/// What it takes to join a group: MLS's Welcome, and what a newcomer cannot derive.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Welcome {
    /// The group.
    #[n(0)]
    pub group: GroupId,
    /// MLS's Welcome (RFC 9420, 12.4.3.1).
    #[n(1)]
    pub welcome: WelcomeSource,
    /// Present wrap key and capabilities.
    #[n(2)]
    pub secrets: GroupSecrets,
    /// The relay of the log, with its shared admission.
    #[n(3)]
    pub relay: RelayAddress,
    /// The log.
    #[n(4)]
    pub mailbox: MailboxId,
    /// Its life.
    #[n(5)]
    pub incarnation: Incarnation,
    /// The commit that added the newcomer; it reads what comes after.
    #[n(6)]
    pub after: Sequence,
    /// Head at that sequence: from here the newcomer checks the chain as the others do.
    #[n(7)]
    pub head: Head,
    /// The objects that the group pins, at most [`MAX_PINNED`].
    #[cbor(n(8), decode_with = "at_most::<_, _, MAX_PINNED>")]
    pub pinned: Vec<PinnedObject>,
}

/// Where MLS's Welcome is.
#[derive(PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum WelcomeSource {
    /// Here.
    #[n(0)]
    Inline {
        /// The Welcome, with the ratchet tree in its extension.
        #[n(0)]
        welcome: Opaque,
    },
    /// Too large for an entry: in chunks on the group's relay, sealed as a document is.
    #[n(1)]
    Blobs {
        /// Bytes of the Welcome.
        #[n(0)]
        size: u64,
        /// SHA-256 of the Welcome.
        #[cbor(n(1), with = "minicbor::bytes")]
        sha256: [u8; 32],
        /// Its chunks.
        #[n(2)]
        location: Location,
    },
    /// Too large for an entry: in order in a log of its own on the group's relay, for all who were added with it.
    #[n(2)]
    Log {
        /// The log.
        #[n(0)]
        mailbox: MailboxId,
        /// Reads it.
        #[n(1)]
        read: Capability,
        /// Seals its entries.
        #[n(2)]
        key: EntryKey,
        /// How many entries hold the Welcome, 1 to [`crate::limits::MAX_WELCOME_PARTS`].
        #[n(3)]
        parts: u16,
        /// SHA-256 of the Welcome.
        #[cbor(n(4), with = "minicbor::bytes")]
        sha256: [u8; 32],
    },
}

/// Prints no size: it tells how large the group is.
impl fmt::Debug for WelcomeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inline { .. } => "Inline",
            Self::Blobs { .. } => "Blobs",
            Self::Log { .. } => "Log",
        })
    }
}

/// *owner* of a group's mailbox, from who moved it to the other administrators.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GroupOwner {
    /// The group.
    #[n(0)]
    pub group: GroupId,
    /// Its mailbox.
    #[n(1)]
    pub mailbox: MailboxId,
    /// Its owner.
    #[n(2)]
    pub owner: Capability,
}

/// A commit by a current leaf that the complainant cannot process.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Complaint {
    /// The group.
    #[n(0)]
    pub group: GroupId,
    /// Where the commit stands in the log.
    #[n(1)]
    pub sequence: Sequence,
    /// SHA-256 of the MLSMessage.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub commit: [u8; 32],
    /// What failed, for an administrator to read.
    #[n(3)]
    pub reason: Note,
}

/// Prints no hash: the relay has the commit, so the hash would name the group's mailbox.
impl fmt::Debug for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, sequence, commit: _, reason } = self;
        f.debug_struct("Complaint").field("group", group).field("sequence", sequence).field("reason", reason).finish()
    }
}
