//! Why a rule of membership did not do what was asked.

use relevo_protocol::content::{CodeLinkFault, IdentityFault, TextFault};
use relevo_protocol::sealed::SealFault;
use relevo_protocol::trust::{
    CardFault, CharterFault, CharterFork, DeviceSetFault, NameFault, ObjectFault, ProofFault, RollFault, SafetyFault,
    SetFault, VouchFault,
};
use relevo_protocol::wire::FrameFault;

use crate::inbox::InboxFault;
use crate::vault::VaultFault;

/// Why a rule of membership refused.
#[derive(Debug, thiserror::Error)]
pub enum MembershipFault {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultFault),
    /// The inbox did not do what was asked.
    #[error(transparent)]
    Inbox(Box<InboxFault>),
    /// There are no keys yet.
    #[error("this vault has no member yet")]
    NoIdentity,
    /// There are keys already.
    #[error("this vault has a member already")]
    HasIdentity,
    /// The act needs a card.
    #[error("only a member with a card can do this")]
    NotMember,
    /// The own card has expired.
    #[error("the card has expired")]
    CardExpired,
    /// The act is a coordinator's.
    #[error("only a coordinator can do this")]
    NotCoordinator,
    /// This vault belongs to an alliance, or is on its way into one.
    #[error("this vault belongs to an alliance already, or has asked to")]
    AlreadyIn,
    /// No union is being founded here.
    #[error("no union is being founded here")]
    NotFounding,
    /// It concerns another alliance than this vault's.
    #[error("it belongs to another alliance")]
    OtherAlliance,
    /// Text is no code.
    #[error(transparent)]
    Link(#[from] CodeLinkFault),
    /// A code for something else.
    #[error("a code for something else")]
    WrongLink,
    /// The code's time is over.
    #[error("the code has expired")]
    LinkExpired,
    /// Somebody else has used the code, or it was withdrawn: its time is not over.
    #[error("the code was used or withdrawn")]
    LinkUsed,
    /// One's own code.
    #[error("one's own code")]
    OwnLink,
    /// The relay answered what is no answer, or refused for a reason that is not the code's.
    #[error("the relay did not say what becomes of the code")]
    LinkRefused,
    /// Nobody of that name.
    #[error("no contact of that name")]
    NoSuchContact,
    /// Several of that name.
    #[error("several contacts of that name")]
    Ambiguous {
        /// "pseudonym (union)" of each.
        choices: Vec<String>,
    },
    /// The two people of an introduction are one.
    #[error("two different contacts are needed")]
    SameContact,
    /// No request of that number, or it is done with.
    #[error("no such request")]
    NoSuchRequest,
    /// A request that something else answers.
    #[error("the request is of another kind")]
    WrongRequest,
    /// The member has vouched for this newcomer already.
    #[error("already vouched for")]
    AlreadyVouched,
    /// Not enough people vouch, or a vouch is not to be believed.
    #[error(transparent)]
    Vouch(#[from] VouchFault),
    /// A voucher has no card of this union, or one that has expired.
    #[error("a voucher holds no valid card of this union")]
    Voucher,
    /// Nothing waits for a signature.
    #[error("nothing waits to be signed")]
    NothingToSign,
    /// This member has signed another charter of the same number.
    #[error("another charter of this number was signed already")]
    SignedAnother,
    /// No union waits to be put into the charter.
    #[error("nothing waits to be proposed")]
    NothingToPropose,
    /// Charters contradict each other; amendments rest until it is settled.
    #[error("two charters have one number")]
    Fork(CharterFork),
    /// An older charter than the one that stands.
    #[error("an older charter than the one that stands")]
    Rollback,
    /// Words could not be compared.
    #[error(transparent)]
    Safety(#[from] SafetyFault),
    /// No comparison is under way.
    #[error("no comparison of words is under way")]
    NoComparison,
    /// A name is refused.
    #[error(transparent)]
    Name(#[from] NameFault),
    /// A note is refused.
    #[error(transparent)]
    Note(#[from] TextFault),
    /// Somebody sent what nobody asked for.
    #[error("not expected")]
    Unexpected,
    /// Something does not seal or open.
    #[error(transparent)]
    Seal(#[from] SealFault),
    /// A signed object is not one.
    #[error(transparent)]
    Object(#[from] ObjectFault),
    /// Bytes do not parse.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// A person is not believed.
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    /// A proof is not believed.
    #[error(transparent)]
    Proof(#[from] ProofFault),
    /// A card is not believed.
    #[error(transparent)]
    Card(#[from] CardFault),
    /// A charter is not believed.
    #[error(transparent)]
    Charter(#[from] CharterFault),
    /// A coordinator set is not believed.
    #[error(transparent)]
    Set(#[from] SetFault),
    /// A device set is not believed.
    #[error(transparent)]
    Devices(#[from] DeviceSetFault),
    /// A roll does not go on.
    #[error(transparent)]
    Roll(#[from] RollFault),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
}

impl MembershipFault {
    /// Names the fault in every language.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Vault(_) => "vault",
            Self::Inbox(fault) => fault.code(),
            Self::NoIdentity => "no-identity",
            Self::HasIdentity => "has-identity",
            Self::NotMember => "not-a-member",
            Self::CardExpired => "card-expired",
            Self::NotCoordinator => "not-a-coordinator",
            Self::AlreadyIn => "already-in-an-alliance",
            Self::NotFounding => "not-founding",
            Self::OtherAlliance => "other-alliance",
            Self::Link(_) => "code-damaged",
            Self::WrongLink => "code-wrong-kind",
            Self::LinkExpired => "code-expired",
            Self::LinkUsed => "code-used",
            Self::OwnLink => "code-own",
            Self::LinkRefused => "code-refused",
            Self::NoSuchContact => "no-such-contact",
            Self::Ambiguous { .. } => "ambiguous-contact",
            Self::SameContact => "same-contact",
            Self::NoSuchRequest => "no-such-request",
            Self::WrongRequest => "wrong-request",
            Self::AlreadyVouched => "already-vouched",
            Self::Vouch(VouchFault::TooFew { .. }) => "too-few-vouches",
            Self::Vouch(VouchFault::Oneself) => "vouch-for-oneself",
            Self::Vouch(_) => "vouch-refused",
            Self::Voucher => "voucher-without-card",
            Self::NothingToSign => "nothing-to-sign",
            Self::SignedAnother => "signed-another-charter",
            Self::NothingToPropose => "nothing-to-propose",
            Self::Fork(_) => "charter-fork",
            Self::Rollback => "charter-rollback",
            Self::Safety(_) => "words-broken",
            Self::NoComparison => "no-comparison",
            Self::Name(_) => "name-refused",
            Self::Note(_) => "note-refused",
            Self::Seal(SealFault::TooLarge { .. }) => "too-large",
            Self::Unexpected
            | Self::Seal(_)
            | Self::Object(_)
            | Self::Frame(_)
            | Self::Identity(_)
            | Self::Proof(_)
            | Self::Card(_)
            | Self::Charter(_)
            | Self::Set(_)
            | Self::Devices(_)
            | Self::Roll(_) => "refused-object",
            Self::Randomness => "randomness",
        }
    }

    /// Whether the vault itself failed: then nothing is skipped, and the transaction is tried again.
    pub(crate) fn is_vaults(&self) -> bool {
        matches!(self, Self::Vault(_)) || matches!(self, Self::Inbox(fault) if matches!(**fault, InboxFault::Vault(_)))
    }
}

impl From<InboxFault> for MembershipFault {
    fn from(fault: InboxFault) -> Self {
        if let InboxFault::Vault(fault) = fault {
            Self::Vault(fault)
        } else if let InboxFault::Membership(fault) = fault {
            *fault
        } else {
            Self::Inbox(Box::new(fault))
        }
    }
}
