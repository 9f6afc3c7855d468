//! Parcels: what lies in an inbox, signed by the sender's device for this recipient and this inbox.

mod body;
mod conversation;
mod founding;
mod membership;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

pub use body::{ParcelBody, ParcelReceipt, RequestId};
pub use conversation::{Complaint, GroupOwner, Welcome, WelcomeSource};
pub use founding::{CharterDraft, UnionDraft};
pub use membership::{Admission, Endorsement, Introduction, JoinRequest, SafetyStep, VouchRequest};

use super::codec::{Opaque, encode_secret};
use super::contact::{Identity, KnownPerson};
use super::kind::Kind;
use crate::labels;
use crate::limits::MAX_ENVELOPE;
use crate::time::Timestamp;
use crate::trust::{Device, DeviceKey, DeviceSecret, MemberKey, Object, ObjectFault, ObjectHash, Signed};
use crate::wire::{MailboxId, decode_exact};

/// What the sender's device signs. HPKE proves no sender, so this does; it opens nowhere but in this inbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Envelope {
    /// Who sends, so that nobody else can list the device as its own and claim the parcel.
    #[n(0)]
    pub sender: MemberKey,
    /// Whom it is for.
    #[n(1)]
    pub recipient: MemberKey,
    /// Which inbox it is for.
    #[n(2)]
    pub inbox: MailboxId,
    /// SHA-256(label | 0x00 | body), which covers its kind.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub body: [u8; 32],
    /// Counts the sender's parcels to this recipient; one that came before is dropped.
    #[n(4)]
    pub counter: u64,
    /// When it was sent, as the sender claims.
    #[n(5)]
    pub sent: Timestamp,
}

impl Object for Envelope {
    type Role = Device;
    const LABEL: &'static str = labels::PARCEL;
    const MAX: usize = MAX_ENVELOPE;
}

/// How the recipient learns whose device signed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum Sender {
    /// All that is needed to check who it is.
    #[n(0)]
    Shown {
        /// Who.
        #[n(0)]
        identity: Identity,
    },
    /// Somebody whose card the recipient has.
    #[n(1)]
    Known {
        /// Hash of the card.
        #[n(0)]
        card: ObjectHash,
    },
}

/// Plaintext of an inbox entry. Decodes, but does not open before its sender is known.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Parcel {
    #[n(0)]
    envelope: Signed<Envelope>,
    #[n(1)]
    sender: Sender,
    #[n(2)]
    body: Opaque,
}

/// A parcel whose sender and recipient have been checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// Names the parcel, for receipts.
    pub id: ObjectHash,
    /// What the sender signed.
    pub envelope: Envelope,
    /// Which of the sender's devices signed.
    pub device: DeviceKey,
    /// What it says.
    pub body: Kind<ParcelBody>,
}

/// Why a parcel is not opened. It is dropped: the sender may be anybody who could append.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParcelFault {
    /// The envelope is not signed by a device of the sender.
    #[error(transparent)]
    Envelope(#[from] ObjectFault),
    /// The envelope names another sender than the one who was checked.
    #[error("a parcel names another sender than the one that signed it")]
    OtherSender,
    /// Somebody passed on what was meant for another person or another inbox.
    #[error("a parcel is meant for somebody else")]
    OtherRecipient,
    /// The body is not the one that was signed.
    #[error("a parcel's content is not the one that was signed")]
    OtherBody,
    /// The body does not parse.
    #[error("a parcel's content is malformed")]
    Malformed,
}

impl Parcel {
    /// Signs a body from `from` for the inbox of `to`.
    ///
    /// # Errors
    /// [`ObjectFault`]; does not happen with an envelope of ours.
    pub fn sign(
        body: &ParcelBody,
        sender: Sender,
        from: MemberKey,
        to: (MemberKey, MailboxId),
        counter: u64,
        sent: Timestamp,
        device: &DeviceSecret,
    ) -> Result<Self, ObjectFault> {
        let body = encode_secret(body);
        let (recipient, inbox) = to;
        let envelope = Envelope { sender: from, recipient, inbox, body: body_hash(&body), counter, sent };
        let envelope = Signed::sign(&envelope, device)?;
        Ok(Self { envelope, sender, body: Opaque::wiped(body) })
    }

    /// How to find out who sent it.
    #[must_use]
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Names the parcel, for receipts.
    #[must_use]
    pub fn id(&self) -> ObjectHash {
        self.envelope.hash()
    }

    /// Opens a parcel that `from` sent to `me` through `inbox`.
    ///
    /// # Errors
    /// [`ParcelFault`].
    pub fn open(&self, from: &KnownPerson, me: &MemberKey, inbox: &MailboxId) -> Result<Opened, ParcelFault> {
        let device = self.envelope.claimed_signer();
        let envelope = self.envelope.verify_by(&from.devices)?;
        if envelope.sender != from.member {
            return Err(ParcelFault::OtherSender);
        }
        if envelope.recipient != *me || envelope.inbox != *inbox {
            return Err(ParcelFault::OtherRecipient);
        }
        if body_hash(self.body.bytes()) != envelope.body {
            return Err(ParcelFault::OtherBody);
        }
        let body = decode_exact(self.body.bytes()).map_err(|_| ParcelFault::Malformed)?;
        Ok(Opened { id: envelope.hash(), envelope: *envelope, device, body })
    }
}

fn body_hash(body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(labels::PARCEL_BODY).chain_update([0]).chain_update(body).finalize().into()
}
