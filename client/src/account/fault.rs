//! What a verb may answer instead of doing it.

use relevo_protocol::wire::AddressFault;

use crate::alert::AlertFault;
use crate::conversation::ConversationFault;
use crate::document::DocumentFault;
use crate::inbox::InboxFault;
use crate::link::{BlobFault, LinkFault};
use crate::membership::MembershipFault;
use crate::sync::{LogicFault, Stopped};
use crate::vault::VaultFault;

/// Why a verb was not done. Nothing of it has happened then.
#[derive(Debug, thiserror::Error)]
pub enum AccountFault {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultFault),
    /// The network.
    #[error(transparent)]
    Link(#[from] LinkFault),
    /// Founding, joining, contacts.
    #[error(transparent)]
    Membership(#[from] MembershipFault),
    /// The inbox.
    #[error(transparent)]
    Inbox(#[from] InboxFault),
    /// A conversation.
    #[error(transparent)]
    Conversation(#[from] ConversationFault),
    /// A document.
    #[error(transparent)]
    Document(#[from] DocumentFault),
    /// An alert.
    #[error(transparent)]
    Alert(#[from] AlertFault),
    /// Nobody and nothing here has this name.
    #[error("no contact or group has this name")]
    NoSuchName,
    /// Several have this name.
    #[error("several contacts or groups have this name")]
    AmbiguousName,
    /// A name or note is empty or too long, or holds characters that cannot be seen.
    #[error("a name or note is refused")]
    Name,
    /// The text is no relay address.
    #[error(transparent)]
    Address(#[from] AddressFault),
    /// A conversation has this name already.
    #[error("a conversation has this name already")]
    NameTaken,
    /// A chunk of a document was refused, or is not what it should be.
    #[error(transparent)]
    Blob(#[from] BlobFault),
    /// The account was closed.
    #[error("the account is closed")]
    Closed,
}

impl AccountFault {
    /// Stable name of the fault, by which people's words are found.
    #[must_use]
    pub fn code(&self) -> &'static str {
        if let Some(fault) = self.vaults() {
            return fault.code();
        }
        match self {
            Self::Vault(fault) => fault.code(),
            Self::Link(fault) => fault.code(),
            Self::Membership(fault) => fault.code(),
            Self::Inbox(fault) => fault.code(),
            Self::Conversation(fault) => fault.code(),
            Self::Document(fault) => fault.code(),
            Self::Alert(fault) => fault.code(),
            Self::NoSuchName => "no-such-name",
            Self::AmbiguousName => "ambiguous-name",
            Self::Name => "name",
            Self::Address(_) => "address",
            Self::NameTaken => "name-taken",
            Self::Blob(fault) => fault.code(),
            Self::Closed => "closed",
        }
    }

    /// The vault's fault, however deep it lies: then nothing is skipped, and what was tried is tried again.
    pub(super) fn vaults(&self) -> Option<&VaultFault> {
        match self {
            Self::Vault(fault)
            | Self::Membership(MembershipFault::Vault(fault))
            | Self::Inbox(InboxFault::Vault(fault))
            | Self::Conversation(ConversationFault::Vault(fault))
            | Self::Document(DocumentFault::Vault(fault))
            | Self::Alert(AlertFault::Vault(fault)) => Some(fault),
            Self::Membership(MembershipFault::Inbox(inner)) => {
                if let InboxFault::Vault(fault) = &**inner {
                    Some(fault)
                } else {
                    None
                }
            }
            Self::Link(_)
            | Self::Membership(_)
            | Self::Inbox(_)
            | Self::Conversation(_)
            | Self::Document(_)
            | Self::Alert(_)
            | Self::NoSuchName
            | Self::AmbiguousName
            | Self::Name
            | Self::Address(_)
            | Self::NameTaken
            | Self::Blob(_)
            | Self::Closed => None,
        }
    }

    /// What the sync engine is told when a rule could not take what came.
    pub(super) fn into_logic(self) -> LogicFault {
        match self.vaults() {
            Some(fault) => LogicFault::Vault(*fault),
            None => LogicFault::Rule(self.code()),
        }
    }
}

impl From<Stopped> for AccountFault {
    fn from(_: Stopped) -> Self {
        Self::Closed
    }
}
