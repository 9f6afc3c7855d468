//! What this device means to commit. It stays until its commit has won or has become pointless.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{GroupId, InboxAddress, Opaque, decode, encode_secret};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Capability, MailboxId, RelayAddress};

use super::desk::Desk;
use super::fault::ConversationFault;
use crate::vault::intentions::{self, IntentionRow};

/// A commit to be made.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) enum Intention {
    /// Add these people. Ready when all their key packages are in.
    #[n(0)]
    Add {
        /// Whom.
        #[n(0)]
        people: Vec<Invitee>,
    },
    /// Remove these members, and move.
    #[n(1)]
    Remove {
        /// Whom.
        #[n(0)]
        members: Vec<MemberKey>,
        /// *owner* of the mailbox that the commit in flight moves to.
        #[n(1)]
        owner: Option<Capability>,
    },
    /// Name the group.
    #[n(2)]
    Rename {
        /// The name.
        #[n(0)]
        name: String,
    },
    /// Make these members the administrators; moves if somebody is no longer one.
    #[n(3)]
    Administrators {
        /// Who.
        #[n(0)]
        members: Vec<MemberKey>,
        /// *owner* of the mailbox that the commit in flight moves to.
        #[n(1)]
        owner: Option<Capability>,
    },
    /// Write our own leaf anew.
    #[n(4)]
    Rekey,
    /// Pin our newest charter.
    #[n(5)]
    Pins,
    /// Move to a relay of the charter.
    #[n(6)]
    Move {
        /// Which.
        #[n(0)]
        relay: RelayAddress,
        /// The log from which; another move before this one makes it pointless.
        #[n(1)]
        from: MailboxId,
        /// *owner* of the mailbox that the commit in flight moves to.
        #[n(2)]
        owner: Option<Capability>,
    },
}

/// Somebody to be added.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Invitee {
    /// Who.
    #[n(0)]
    pub(crate) member: MemberKey,
    /// Where the welcome goes, and where the key package comes from.
    #[n(1)]
    pub(crate) inbox: InboxAddress,
    /// Its key package, once it is in.
    #[n(2)]
    pub(crate) package: Option<Opaque>,
    /// The shelf has had none that is theirs. It is asked again when the intention is due.
    #[n(3)]
    pub(crate) missing: Option<Missing>,
    /// Whether they are to administrate the group.
    #[cbor(n(4), default)]
    pub(crate) administrator: bool,
}

/// A shelf without a key package.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Missing {
    /// Since when.
    #[n(0)]
    pub(crate) since: Timestamp,
    /// Whether it is being asked just now.
    #[n(1)]
    pub(crate) asked: bool,
}

impl Intention {
    pub(crate) fn of(row: &IntentionRow) -> Result<Self, ConversationFault> {
        decode(&row.body).map_err(|_| ConversationFault::Mls("intention"))
    }

    /// Whether nothing is missing to commit it.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Add { people } => people.iter().all(|person| person.package.is_some()),
            Self::Remove { .. }
            | Self::Rename { .. }
            | Self::Administrators { .. }
            | Self::Move { .. }
            | Self::Rekey
            | Self::Pins => true,
        }
    }

    /// Whether people see its effect: not keys and pins alone.
    pub(crate) fn changes_the_group(&self) -> bool {
        match self {
            Self::Add { .. }
            | Self::Remove { .. }
            | Self::Rename { .. }
            | Self::Administrators { .. }
            | Self::Move { .. } => true,
            Self::Rekey | Self::Pins => false,
        }
    }

    /// *owner* of the mailbox that the commit in flight moves to.
    pub(crate) fn owner(&self) -> Option<&Capability> {
        match self {
            Self::Remove { owner, .. } | Self::Administrators { owner, .. } | Self::Move { owner, .. } => {
                owner.as_ref()
            }
            Self::Add { .. } | Self::Rename { .. } | Self::Rekey | Self::Pins => None,
        }
    }

    /// The relay that the commit in flight moves to, if it is another.
    pub(crate) fn relay(&self) -> Option<&RelayAddress> {
        match self {
            Self::Move { relay, .. } => Some(relay),
            Self::Add { .. }
            | Self::Remove { .. }
            | Self::Rename { .. }
            | Self::Administrators { .. }
            | Self::Rekey
            | Self::Pins => None,
        }
    }

    /// Sets or forgets that owner.
    pub(crate) fn set_owner(&mut self, new: Option<Capability>) {
        match self {
            Self::Remove { owner, .. } | Self::Administrators { owner, .. } | Self::Move { owner, .. } => *owner = new,
            Self::Add { .. } | Self::Rename { .. } | Self::Rekey | Self::Pins => {}
        }
    }
}

impl Desk<'_> {
    /// Means to commit something when it is due.
    pub(super) fn intend(
        &mut self,
        group: &GroupId,
        intention: &Intention,
        due: Timestamp,
    ) -> Result<i64, ConversationFault> {
        Ok(intentions::add(self.tx, group, &encode_secret(intention), due)?)
    }

    /// Whether the removal of a member is meant already, in flight or not.
    pub(super) fn removes(&self, group: &GroupId, member: &MemberKey) -> Result<bool, ConversationFault> {
        Ok(self.last_removal(group, member)?.is_some())
    }

    /// The number of our last intention to remove a member, in flight or not.
    pub(super) fn last_removal(&self, group: &GroupId, member: &MemberKey) -> Result<Option<i64>, ConversationFault> {
        let mut last = None;
        for row in intentions::of(self.tx, group)? {
            if matches!(Intention::of(&row)?, Intention::Remove { members, .. } if members.contains(member)) {
                last = Some(row.number);
            }
        }
        Ok(last)
    }

    /// Whether the same is meant already.
    pub(super) fn is_intended(&self, group: &GroupId, intention: &Intention) -> Result<bool, ConversationFault> {
        for row in intentions::of(self.tx, group)? {
            if Intention::of(&row)? == *intention {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
