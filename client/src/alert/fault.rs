//! Why an alert was not sent or answered.

use relevo_protocol::content::{AlertFault as Disbelief, LanguageFault, TextFault};
use relevo_protocol::trust::ObjectFault;

use crate::conversation::ConversationFault;
use crate::inbox::InboxFault;
use crate::membership::MembershipFault;
use crate::vault::VaultFault;

/// Why a rule about alerts refused.
#[derive(Debug, thiserror::Error)]
pub enum AlertFault {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultFault),
    /// Not a member, or not a coordinator.
    #[error(transparent)]
    Membership(#[from] MembershipFault),
    /// The inbox did not do what was asked.
    #[error(transparent)]
    Inbox(#[from] InboxFault),
    /// The conversation did not take it.
    #[error(transparent)]
    Conversation(#[from] ConversationFault),
    /// The alert would not be believed: its dates or its texts do not fit.
    #[error(transparent)]
    Refused(#[from] Disbelief),
    /// No alert of that number.
    #[error("no such alert")]
    NoSuchAlert,
    /// One's own alert.
    #[error("one's own alert")]
    OwnAlert,
    /// A text is too long.
    #[error(transparent)]
    Text(#[from] TextFault),
    /// No language tag.
    #[error(transparent)]
    Language(#[from] LanguageFault),
    /// The alert does not sign: too large.
    #[error(transparent)]
    Object(#[from] ObjectFault),
}

impl AlertFault {
    /// Names the fault in every language.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Vault(_) => "vault",
            Self::Membership(fault) => fault.code(),
            Self::Inbox(fault) => fault.code(),
            Self::Conversation(fault) => fault.code(),
            Self::Refused(Disbelief::NoMandate) => "not-a-coordinator",
            Self::Refused(Disbelief::Dates | Disbelief::Expired) => "alert-dates",
            Self::Refused(Disbelief::Texts) | Self::Text(_) | Self::Language(_) => "alert-texts",
            Self::Refused(Disbelief::OtherAlliance) => "other-alliance",
            Self::Refused(Disbelief::Object(_)) | Self::Object(_) => "refused-object",
            Self::NoSuchAlert => "no-such-alert",
            Self::OwnAlert => "own-alert",
        }
    }
}
