//! Joining, vouching, admitting, introducing, comparing.

use minicbor::{Decode, Encode};

use super::body::RequestId;
use crate::content::codec::at_most;
use crate::content::contact::ContactCard;
use crate::content::text::Note;
use crate::limits::{MAX_CHARTERS, MAX_CONTACTS, MAX_VOUCHES};
use crate::trust::{Card, Charter, MultiSigned, Pseudonym, SafetyCommitment, SafetyNonce, Signed, UnionId, Vouch};
use crate::wire::MailboxId;

/// A newcomer's request.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct JoinRequest {
    /// Names it from here on.
    #[n(0)]
    pub request: RequestId,
    /// The code that it answers.
    #[n(1)]
    pub code: MailboxId,
    /// Who asks, and how to answer: grants that the inviter may hand on to vouchers and coordinators.
    #[n(2)]
    pub applicant: ContactCard,
    /// A second member who knows the newcomer, if it names one.
    #[n(3)]
    pub second: Option<Pseudonym>,
    /// Words of the newcomer.
    #[n(4)]
    pub note: Note,
}

/// A request on its way from member to member.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VouchRequest {
    /// Names it.
    #[n(0)]
    pub request: RequestId,
    /// The union to join.
    #[n(1)]
    pub union: UnionId,
    /// Who asks, and how to answer.
    #[n(2)]
    pub applicant: ContactCard,
    /// A second member who knows the newcomer.
    #[n(3)]
    pub second: Option<Pseudonym>,
    /// Vouches given so far, at most [`MAX_VOUCHES`].
    #[cbor(n(4), decode_with = "at_most::<_, _, MAX_VOUCHES>")]
    pub endorsements: Vec<Endorsement>,
    /// Words of who sends it on.
    #[n(5)]
    pub note: Note,
}

/// A vouch, and the voucher as the newcomer will know them.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Endorsement {
    /// The vouch.
    #[n(0)]
    pub vouch: Signed<Vouch>,
    /// Proof of the voucher's card, and an address made for the newcomer.
    #[n(1)]
    pub voucher: ContactCard,
}

/// A card and all that its member starts with.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Admission {
    /// The request that it answers; none for a founder.
    #[n(0)]
    pub request: Option<RequestId>,
    /// The card.
    #[n(1)]
    pub card: Signed<Card>,
    /// All versions of the charter, from the first.
    #[cbor(n(2), decode_with = "at_most::<_, _, MAX_CHARTERS>")]
    pub charters: Vec<MultiSigned<Charter>>,
    /// Inviter, vouchers and coordinators, at most [`MAX_CONTACTS`].
    #[cbor(n(3), decode_with = "at_most::<_, _, MAX_CONTACTS>")]
    pub contacts: Vec<ContactCard>,
}

/// A member makes two of its contacts known to each other.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Introduction {
    /// Whom to meet, with the address that the introducer holds: the first answer brings one of its own.
    #[n(0)]
    pub of: ContactCard,
    /// Words of the introducer.
    #[n(1)]
    pub note: Note,
}

/// Steps of a verification between two people (DESIGN 8), when they compare words by voice.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum SafetyStep {
    /// First side: this binds my share.
    #[n(0)]
    Commit {
        /// The commitment.
        #[n(0)]
        commitment: SafetyCommitment,
    },
    /// Second side: my share.
    #[n(1)]
    Answer {
        /// The commitment that it answers.
        #[n(0)]
        commitment: SafetyCommitment,
        /// The share.
        #[n(1)]
        nonce: SafetyNonce,
    },
    /// First side: the share that I was bound to.
    #[n(2)]
    Reveal {
        /// The commitment that it opens.
        #[n(0)]
        commitment: SafetyCommitment,
        /// The share.
        #[n(1)]
        nonce: SafetyNonce,
    },
}
