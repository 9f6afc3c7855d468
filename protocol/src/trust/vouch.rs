//! Members' signed words for a newcomer, and the commitment by which a card keeps them from view.

use core::fmt;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::card::Card;
use super::charter::AllianceId;
use super::device_set::DeviceSet;
use super::keys::{Device, MemberKey};
use super::object::{Object, ObjectFault, ObjectHash};
use super::scope::{Scope, UnionId};
use super::signed::{Signed, Verified};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::wire::encode;
use crate::{labels, limits};

/// A vouch, signed by a device of the voucher.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Vouch {
    /// The alliance.
    #[n(0)]
    pub alliance: AllianceId,
    /// For whom.
    #[n(1)]
    pub newcomer: MemberKey,
    /// For which union.
    #[n(2)]
    pub union: UnionId,
    /// For which scope.
    #[n(3)]
    pub scope: Scope,
    /// Who vouches.
    #[n(4)]
    pub voucher: MemberKey,
    /// The card with which.
    #[n(5)]
    pub voucher_card: ObjectHash,
    /// When, as the voucher claims.
    #[n(6)]
    pub issued: Timestamp,
    /// The last moment at which a card may be issued on it.
    #[n(7)]
    pub expires: Timestamp,
}

impl Object for Vouch {
    type Role = Device;
    const LABEL: &'static str = labels::VOUCH;
    const MAX: usize = limits::MAX_VOUCH;
}

/// Why a vouch, or the vouches of a card, are not believed. The fault is the voucher's or the issuing coordinator's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum VouchFault {
    /// No signed object, or not by the voucher's devices.
    #[error(transparent)]
    Object(#[from] ObjectFault),
    /// For another newcomer, union, scope or alliance.
    #[error("a vouch is for somebody else or another union")]
    OtherNewcomer,
    /// It does not name the card and key that were shown as the voucher's, or those do not go together.
    #[error("a vouch does not name the voucher's card")]
    OtherVoucher,
    /// The newcomer vouches for themselves.
    #[error("nobody vouches for themselves")]
    Oneself,
    /// Past its end.
    #[error("a vouch is expired")]
    Expired,
    /// Not enough different people vouch.
    #[error("{given} of the {needed} vouches needed are there")]
    TooFew {
        /// Different vouchers.
        given: usize,
        /// Vouches that the charter asks for.
        needed: usize,
    },
    /// The vouches are not those to which the card is bound.
    #[error("the vouches are not those that the card was issued on")]
    Commitment,
    /// More vouches than a card can have.
    #[error("a card has at most {max} vouches")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

impl Vouch {
    /// Opens a vouch that a device of the voucher signed. Card and device set are the voucher's, verified.
    ///
    /// # Errors
    /// [`VouchFault::Object`], [`VouchFault::OtherVoucher`], [`VouchFault::Oneself`].
    pub fn verify(
        signed: &Signed<Self>,
        card: &Verified<Card>,
        devices: &Verified<DeviceSet>,
    ) -> Result<Verified<Self>, VouchFault> {
        let vouch = signed.verify_by(devices)?;
        let same_person = vouch.voucher == card.member && card.member == devices.member;
        if !same_person || vouch.voucher_card != card.hash() || vouch.alliance != card.alliance {
            return Err(VouchFault::OtherVoucher);
        }
        if vouch.newcomer == vouch.voucher { Err(VouchFault::Oneself) } else { Ok(vouch) }
    }

    /// Whether vouches of enough different people speak for a newcomer to a union of an alliance at a time.
    ///
    /// # Errors
    /// [`VouchFault::OtherNewcomer`], [`VouchFault::Expired`], [`VouchFault::TooFew`].
    pub fn suffice(
        vouches: &[Verified<Self>],
        newcomer: &MemberKey,
        union: (&AllianceId, &UnionId, Scope),
        needed: u8,
        now: Timestamp,
    ) -> Result<(), VouchFault> {
        let mut vouchers = Vec::new();
        for vouch in vouches {
            if vouch.newcomer != *newcomer || (&vouch.alliance, &vouch.union, vouch.scope) != union {
                return Err(VouchFault::OtherNewcomer);
            }
            if vouch.expires <= now {
                return Err(VouchFault::Expired);
            }
            if !vouchers.contains(&vouch.voucher) {
                vouchers.push(vouch.voucher);
            }
        }
        let (given, needed) = (vouchers.len(), usize::from(needed));
        if given >= needed { Ok(()) } else { Err(VouchFault::TooFew { given, needed }) }
    }
}

/// Secret salt of a commitment: without it nobody can try out who vouched.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct VouchSalt(#[n(0)] pub Secret<32>);

/// SHA-256(label | 0x00 | salt | CBOR array of the vouches as byte strings).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct VouchCommitment(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl fmt::Debug for VouchCommitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VouchCommitment")
    }
}

/// What opens a card's commitment. Goes to coordinators only. Founding coordinators have no vouches.
#[derive(PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct VouchOpening {
    /// The salt.
    #[n(0)]
    pub salt: VouchSalt,
    /// The vouches.
    #[n(1)]
    pub vouches: Vec<Signed<Vouch>>,
}

impl VouchOpening {
    /// Binds vouches to a salt, which the caller draws at random.
    ///
    /// # Errors
    /// [`VouchFault::TooMany`].
    pub fn new(salt: VouchSalt, vouches: Vec<Signed<Vouch>>) -> Result<Self, VouchFault> {
        let max = limits::MAX_VOUCHES;
        if vouches.len() > max { Err(VouchFault::TooMany { max }) } else { Ok(Self { salt, vouches }) }
    }

    /// What the card carries.
    #[must_use]
    pub fn commitment(&self) -> VouchCommitment {
        let hash = Sha256::new()
            .chain_update(labels::VOUCHES)
            .chain_update([0])
            .chain_update(self.salt.0.expose())
            .chain_update(encode(&self.vouches));
        VouchCommitment(hash.finalize().into())
    }

    /// The vouches that a card was issued on, still to be verified one by one.
    ///
    /// # Errors
    /// [`VouchFault::Commitment`], [`VouchFault::TooMany`].
    pub fn open(&self, card: &Verified<Card>) -> Result<&[Signed<Vouch>], VouchFault> {
        let max = limits::MAX_VOUCHES;
        if self.vouches.len() > max {
            return Err(VouchFault::TooMany { max });
        }
        if self.commitment() == card.vouches { Ok(&self.vouches) } else { Err(VouchFault::Commitment) }
    }
}
