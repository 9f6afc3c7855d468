//! Everything that it takes to check a member offline, by somebody who knows the alliance's id.

use minicbor::{Decode, Encode};

use super::card::{Card, CardFault};
use super::charter::{AllianceId, Charter, CharterFault};
use super::cosigned::MultiSigned;
use super::device_set::{DeviceSet, DeviceSetFault};
use super::signed::{Signed, Verified};
use crate::limits;
use crate::wire::{decode_exact, encode};

/// All versions of a charter, a card, and its member's devices. Decodes, but is worth nothing before [`Proof::verify`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Proof {
    /// Versions 1 to n.
    #[n(0)]
    pub charters: Vec<MultiSigned<Charter>>,
    /// The card.
    #[n(1)]
    pub card: Signed<Card>,
    /// The devices of the card's member.
    #[n(2)]
    pub device_set: Signed<DeviceSet>,
}

/// What a proof proves.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The last version of the charter.
    pub charter: Verified<Charter>,
    /// The card.
    pub card: Verified<Card>,
    /// The devices of its member.
    pub devices: Verified<DeviceSet>,
}

/// Why a proof is not believed. The fault is that of who shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProofFault {
    /// Bytes that are no proof, or too long.
    #[error("a proof does not parse")]
    Malformed,
    /// A charter.
    #[error(transparent)]
    Charter(#[from] CharterFault),
    /// The card.
    #[error(transparent)]
    Card(#[from] CardFault),
    /// The device set.
    #[error(transparent)]
    Devices(#[from] DeviceSetFault),
    /// The devices belong to another member than the card.
    #[error("a proof's devices belong to another member than its card")]
    OtherMember,
}

impl Proof {
    /// The CBOR, to hand on.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Takes bytes as they came. Nothing is verified yet.
    ///
    /// # Errors
    /// [`ProofFault::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofFault> {
        if bytes.len() > limits::MAX_PROOF {
            return Err(ProofFault::Malformed);
        }
        decode_exact(bytes).map_err(|_| ProofFault::Malformed)
    }

    /// Checks everything, for an alliance that is known by its id.
    ///
    /// # Errors
    /// [`ProofFault`].
    pub fn verify(&self, alliance: AllianceId) -> Result<Proven, ProofFault> {
        if self.charters.len() > limits::MAX_CHARTERS {
            return Err(ProofFault::Malformed);
        }
        self.verify_under(&Charter::verify_chain(&self.charters, alliance)?)
    }

    /// Checks card and devices under a charter that is known already; the charters of the proof are not looked at.
    ///
    /// # Errors
    /// [`ProofFault`], but not [`ProofFault::Charter`].
    pub fn verify_under(&self, charter: &Verified<Charter>) -> Result<Proven, ProofFault> {
        let card = Card::verify(&self.card, charter)?;
        let devices = DeviceSet::verify(&self.device_set)?;
        if devices.member != card.member {
            return Err(ProofFault::OtherMember);
        }
        Ok(Proven { charter: charter.clone(), card, devices })
    }
}
