//! What a parcel may say.

use core::fmt;

use minicbor::{Decode, Encode};

use super::conversation::{Complaint, GroupOwner, Welcome};
use super::founding::{CharterDraft, UnionDraft};
use super::membership::{Admission, Introduction, JoinRequest, SafetyStep, VouchRequest};
use crate::content::alert::AlertAnswer;
use crate::content::codec::{Opaque, at_most};
use crate::content::contact::ContactCard;
use crate::content::leave::{GroupId, LeaveRequest};
use crate::limits::MAX_CHARTERS;
use crate::trust::{
    Charter, CoSignature, CoordinatorSet, Draft, MultiSigned, ObjectHash, RollEntry, Signed, VouchOpening,
};
use crate::wire::MailboxId;

/// Random name of a request to join, drawn by the newcomer: all who work on it use it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct RequestId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl RequestId {
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

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestId")
    }
}

/// "This parcel has arrived and was understood": ends its retries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ParcelReceipt {
    /// [`super::Parcel::id`] of the parcel.
    #[n(0)]
    pub of: ObjectHash,
}

/// Kinds of parcel.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum ParcelBody {
    /// Newcomer to inviter: let me in.
    #[n(0)]
    JoinRequest(#[n(0)] JoinRequest),
    /// Member to member: would you vouch?
    #[n(1)]
    VouchRequest(#[n(0)] VouchRequest),
    /// Voucher to coordinator: these vouch; admit, or ask another.
    #[n(2)]
    VouchGiven(#[n(0)] VouchRequest),
    /// Coordinator to newcomer or co-founder: your card.
    #[n(3)]
    Admission(#[n(0)] Admission),
    /// Here is how you reach me; also after each rotation of inbox or key.
    #[n(4)]
    Contact {
        /// Who and how.
        #[n(0)]
        contact: ContactCard,
        /// The code that it answers: one of the recipient's own.
        #[n(1)]
        code: Option<MailboxId>,
    },
    /// Meet this person.
    #[n(5)]
    Introduction(#[n(0)] Introduction),
    /// You were added to a group.
    #[n(6)]
    Welcome(#[n(0)] Welcome),
    /// Administrator to administrators: owner of the group's mailbox.
    #[n(7)]
    GroupOwner(#[n(0)] GroupOwner),
    /// Member to coordinator: answer to an alert.
    #[n(8)]
    AlertAnswer {
        /// Which alert.
        #[n(0)]
        alert: ObjectHash,
        /// The answer.
        #[n(1)]
        answer: AlertAnswer,
    },
    /// A parcel has arrived.
    #[n(9)]
    Receipt(#[n(0)] ParcelReceipt),
    /// Answer to a co-founder's or a union's code: the keys of who will coordinate.
    #[n(10)]
    Founder {
        /// The code that it answers.
        #[n(0)]
        code: MailboxId,
        /// Who, and how to answer.
        #[n(1)]
        founder: ContactCard,
    },
    /// Please check and sign this coordinator set.
    #[n(11)]
    SetDraft(#[n(0)] Draft<CoordinatorSet>),
    /// My signature under a coordinator set.
    #[n(12)]
    SetSignature {
        /// Hash of the draft.
        #[n(0)]
        of: ObjectHash,
        /// The signature.
        #[n(1)]
        signature: CoSignature,
    },
    /// A union's founded set, for a charter that is to hold it.
    #[n(13)]
    UnionDraft(#[n(0)] UnionDraft),
    /// Please check and sign this charter.
    #[n(14)]
    CharterDraft(#[n(0)] CharterDraft),
    /// My signature under a charter.
    #[n(15)]
    CharterSignature {
        /// Hash of the draft.
        #[n(0)]
        of: ObjectHash,
        /// The signature.
        #[n(1)]
        signature: CoSignature,
    },
    /// A new version of the charter stands.
    #[n(16)]
    CharterPublished {
        /// All versions from the first.
        #[cbor(n(0), decode_with = "at_most::<_, _, MAX_CHARTERS>")]
        charters: Vec<MultiSigned<Charter>>,
    },
    /// Member to administrators: this commit cannot be processed.
    #[n(17)]
    Complaint(#[n(0)] Complaint),
    /// Member to administrators: let me out. Used when the group's log cannot be reached.
    #[n(18)]
    Leave(#[n(0)] Signed<LeaveRequest>),
    /// Member to administrators: I was away too long, add me again.
    #[n(19)]
    ReAdd {
        /// To which group.
        #[n(0)]
        group: GroupId,
    },
    /// Coordinator to coordinators of the same union: an entry of the roll, and the object that it records.
    #[n(20)]
    Roll {
        /// The entry.
        #[n(0)]
        entry: RollEntry,
        /// The object as it was signed.
        #[n(1)]
        object: Opaque,
        /// Opens the vouches of a card.
        #[n(2)]
        opening: Option<VouchOpening>,
    },
    /// One step of comparing words.
    #[n(21)]
    Safety(#[n(0)] SafetyStep),
}
