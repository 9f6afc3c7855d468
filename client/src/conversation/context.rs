//! What a group agrees on: our extension of the group context, and of each leaf.

use core::fmt;

use minicbor::{Decode, Encode};
use openmls::prelude::{Extensions, GroupContext, LeafNode};
use relevo_protocol::content::GroupId;
use relevo_protocol::trust::{MemberKey, Name, Pins, PolicyVersion};
use relevo_protocol::wire::{MailboxId, RelayAddress, decode_exact, encode};

use super::fault::CommitFault;
use super::suite::{CONTEXT_EXTENSION, LEAF_EXTENSION, MAX_LEAVES};

/// Two people, or many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// Two people, both administrators. It takes nobody else.
    #[n(0)]
    Pair,
    /// A group with a name.
    #[n(1)]
    Group,
}

impl Kind {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Pair => 0,
            Self::Group => 1,
        }
    }

    pub(crate) fn from_code(code: u8) -> Self {
        if code == 0 { Self::Pair } else { Self::Group }
    }
}

/// The group's own rules and place, in the group context: every member holds the same bytes, or MLS breaks.
#[derive(PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Context {
    /// Two people, or many.
    #[n(0)]
    pub kind: Kind,
    /// Name that people see; empty for a pair.
    #[n(1)]
    pub name: String,
    /// Members who may add, remove and rename, in rising order.
    #[n(2)]
    pub administrators: Vec<MemberKey>,
    /// Relay of the group's mailbox.
    #[n(3)]
    pub relay: RelayAddress,
    /// The group's mailbox.
    #[n(4)]
    pub mailbox: MailboxId,
    /// Policy version, charter, coordinator sets and revocation lists that the group follows, never decreasing.
    #[n(5)]
    pub pins: Pins,
    /// The conversation that this one was founded to continue.
    #[n(6)]
    pub continues: Option<Origin>,
}

/// What a conversation was founded to continue.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Origin {
    /// The conversation that it continues, and those that that one continued, 1 to [`MAX_LINE`], the newest first: not everybody
    /// knows each of them.
    #[n(0)]
    pub line: Vec<GroupId>,
    /// Members of that one who were not to come along.
    #[n(1)]
    pub without: Vec<MemberKey>,
}

/// Conversations that one says it continues.
pub(crate) const MAX_LINE: usize = 8;

impl Context {
    /// Reads the extension of a group context.
    pub(crate) fn of(extensions: &Extensions<GroupContext>) -> Result<Self, CommitFault> {
        let ours = extensions.unknown(CONTEXT_EXTENSION).ok_or(CommitFault::Context)?;
        let context: Self = decode_exact(&ours.0).map_err(|_| CommitFault::Context)?;
        let named = match context.kind {
            Kind::Pair => context.name.is_empty(),
            Kind::Group => context.name.parse::<Name>().is_ok(),
        };
        let bounded =
            |origin: &Origin| (1..=MAX_LINE).contains(&origin.line.len()) && origin.without.len() <= MAX_LEAVES;
        let named = named && context.continues.as_ref().is_none_or(bounded);
        if named && encode(&context) == ours.0 { Ok(context) } else { Err(CommitFault::Context) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Whether a member may add, remove and rename.
    #[must_use]
    pub fn is_administrator(&self, member: &MemberKey) -> bool {
        self.administrators.contains(member)
    }

    /// A second copy, to change.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            kind: self.kind,
            name: self.name.clone(),
            administrators: self.administrators.clone(),
            relay: self.relay.duplicate(),
            mailbox: self.mailbox,
            pins: self.pins.clone(),
            continues: self.continues.clone(),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name: _, administrators: _, relay: _, mailbox: _, pins: _, continues: _ } = self;
        f.debug_struct("Context").field("kind", kind).finish_non_exhaustive()
    }
}

/// Our extension of a leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct LeafState {
    /// Epoch of the commit that wrote this leaf; none for a leaf from a key package.
    #[n(0)]
    pub(crate) committed_at: Option<u64>,
    /// Newest policy version that this member's program can follow.
    #[n(1)]
    pub(crate) policy: PolicyVersion,
}

impl LeafState {
    /// A leaf of a key package.
    pub(crate) const FRESH: Self = Self { committed_at: None, policy: PolicyVersion::CURRENT };

    /// A leaf written by a commit made in `epoch`.
    pub(crate) fn committed(epoch: u64) -> Self {
        Self { committed_at: Some(epoch), policy: PolicyVersion::CURRENT }
    }

    /// Reads the extension of a leaf.
    pub(crate) fn of(leaf: &LeafNode) -> Result<Self, CommitFault> {
        let ours = leaf.extensions().unknown(LEAF_EXTENSION).ok_or(CommitFault::LeafState)?;
        decode_exact(&ours.0).map_err(|_| CommitFault::LeafState)
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        encode(&self)
    }
}
