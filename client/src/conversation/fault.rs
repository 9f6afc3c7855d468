//! What can go wrong, named by whose fault it is.

use openmls::group::CreateCommitError;
use relevo_protocol::sealed::SealFault;
use relevo_protocol::trust::{LeafFault, MemberKey};

use crate::vault::VaultFault;

/// Why a verb of this module does nothing.
#[derive(Debug, thiserror::Error)]
pub enum ConversationFault {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultFault),
    /// There is no such conversation here.
    #[error("no such conversation")]
    NoSuchConversation,
    /// Only administrators do this.
    #[error("only an administrator of the group can do this")]
    NotAdministrator,
    /// The charter that the conversation goes by names no such relay.
    #[error("the charter names no such relay")]
    NoSuchRelay,
    /// Our newest charter names the relay; the one that the conversation goes by does not yet.
    #[error("the charter that the conversation goes by does not name the relay yet")]
    RelayNotPinned,
    /// The person is no member of the group.
    #[error("not a member of this group")]
    NoSuchMember,
    /// The person is a member already.
    #[error("already a member of this group")]
    AlreadyMember,
    /// We are no longer a member.
    #[error("this device is no longer in the conversation")]
    NotIn,
    /// The conversation stands still after a commit that could not be processed.
    #[error("the conversation is halted")]
    Halted,
    /// The conversation was founded anew, and goes on in that one.
    #[error("the conversation goes on in another one")]
    GoesOnElsewhere,
    /// A conversation was just founded anew, and nobody has joined it yet.
    #[error("the conversation was founded anew already, and nobody has joined yet")]
    JustRefounded,
    /// There is nobody in the conversation whom this device can reach outside of it.
    #[error("nobody of the conversation can be reached")]
    NobodyReached,
    /// A pair takes nobody else, has no name and is not left: start a group.
    #[error("a conversation of two stays one of two")]
    Pair,
    /// More people than a group or a commit may hold.
    #[error("at most {max} people")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// A group above two members needs at least two administrators.
    #[error("a group needs at least two administrators")]
    TooFewAdministrators,
    /// The text or commit is longer than an entry takes.
    #[error("too long to send")]
    TooLong,
    /// A name is empty or too long, or holds characters that cannot be seen.
    #[error("the name is refused")]
    Name,
    /// Somebody's key package or leaf does not prove who it is.
    #[error(transparent)]
    Leaf(#[from] LeafFault),
    /// Somebody's key package is damaged or past its term.
    #[error("a key package is damaged or past its term")]
    KeyPackage,
    /// Our own commit would break the group's rules.
    #[error(transparent)]
    Commit(#[from] CommitFault),
    /// A welcome does not open, is for another device, or shows another group than it says.
    #[error("the invitation into the group is damaged or not for this device")]
    Welcome,
    /// A welcome for none of the key packages that this device holds (one was given twice, or the vault is an older copy),
    /// or of somebody who was no administrator when we were taken out. Its sender counts us in: others add us again.
    #[error("the invitation into the group does not take this device in")]
    NotTakenIn {
        /// Who is to be asked.
        ask: Vec<MemberKey>,
        /// A hash of the reason.
        why: [u8; 32],
        /// Whether they are likely to help: then people hear of it only where they have not, a day later.
        quiet: bool,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
    /// The MLS library refused what this module asked: a bug here or a damaged vault.
    #[error("the conversation's state is damaged ({0})")]
    Mls(&'static str),
}

impl ConversationFault {
    /// Stable name, under which the faces keep the words.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Vault(_) => "vault",
            Self::NoSuchConversation => "no-such-conversation",
            Self::NotAdministrator => "not-administrator",
            Self::NoSuchRelay => "no-such-relay",
            Self::RelayNotPinned => "relay-not-pinned",
            Self::NoSuchMember => "no-such-member",
            Self::AlreadyMember => "already-member",
            Self::NotIn => "not-in-conversation",
            Self::Halted => "conversation-halted",
            Self::GoesOnElsewhere => "goes-on-elsewhere",
            Self::JustRefounded => "just-refounded",
            Self::NobodyReached => "nobody-reached",
            Self::Pair => "conversation-pair",
            Self::TooMany { .. } => "too-many-members",
            Self::TooFewAdministrators => "too-few-administrators",
            Self::TooLong => "message-too-long",
            Self::Name => "group-name",
            Self::KeyPackage => "key-package",
            Self::Leaf(_) => "leaf",
            Self::Commit(_) => "commit",
            Self::Welcome | Self::NotTakenIn { .. } => "welcome",
            Self::Randomness => "randomness",
            Self::Mls(_) => "mls",
        }
    }
}

impl From<CreateCommitError> for ConversationFault {
    fn from(_: CreateCommitError) -> Self {
        Self::Commit(CommitFault::Refused)
    }
}

impl From<getrandom::Error> for ConversationFault {
    fn from(_: getrandom::Error) -> Self {
        Self::Randomness
    }
}

impl From<SealFault> for ConversationFault {
    fn from(fault: SealFault) -> Self {
        match fault {
            SealFault::TooLarge { .. } => Self::TooLong,
            SealFault::Randomness => Self::Randomness,
            SealFault::NotOurs | SealFault::Malformed | SealFault::UnknownKey | SealFault::BadKey => Self::Mls("seal"),
        }
    }
}

/// Why a commit is invalid. The same for every member, whatever its clock: a pure function of the commit, the tree and
/// the group context.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommitFault {
    /// The group context is not one of ours.
    #[error("the group context is malformed")]
    Context,
    /// A leaf lacks our extension.
    #[error("a leaf is malformed")]
    LeafState,
    /// A leaf does not prove who it is.
    #[error("a leaf does not prove who it is: {0}")]
    Leaf(LeafFault),
    /// It holds a proposal other than add, remove and context.
    #[error("a kind of proposal that groups here do not take")]
    Proposal,
    /// The committer is no administrator.
    #[error("only an administrator may commit this")]
    NotAdministrator,
    /// Adds and removes in one commit.
    #[error("one commit both adds and removes")]
    AddAndRemove,
    /// More adds than a commit may hold.
    #[error("too many added in one commit")]
    TooManyAdds,
    /// More leaves than a group may hold.
    #[error("too many leaves")]
    TooManyLeaves,
    /// One person twice.
    #[error("a member is added twice")]
    Twice,
    /// A pair takes nobody else and loses nobody.
    #[error("a pair stays a pair")]
    Pair,
    /// Too few administrators, or one who is no member.
    #[error("the administrators are too few or no members")]
    Administrators,
    /// A removal or demotion that does not move the group.
    #[error("a removal that does not move the group")]
    MustMove,
    /// A commit that moves the group without reason to, or onto the mailbox where it is.
    #[error("a move to where the group is")]
    SameMailbox,
    /// Policy version, a pin, the kind or another extension went a way that is closed.
    #[error("the group context changed in a way that it may not")]
    ContextChange,
    /// A pin whose object is not earlier in the log.
    #[error("a pinned object is not in the log")]
    Unpinned,
    /// A commit without a path where one is due.
    #[error("a commit without a path")]
    NoPath,
    /// The path's leaf is another person's or says a wrong epoch.
    #[error("the path's leaf is not the committer's")]
    PathLeaf,
    /// MLS itself refuses it: somebody's key package lacks what the group requires, or repeats a key.
    #[error("MLS refuses the commit")]
    Refused,
    /// The committer updated its own leaf too recently.
    #[error("too early for another update of the own leaf")]
    TooEarly,
}
