//! What a conversation agrees that everyone in it knows: versions that never go back.

use minicbor::{Decode, Encode};

use super::charter::Charter;
use super::object::ObjectHash;
use super::revocation::RevocationList;
use super::scope::UnionId;
use super::signed::Verified;
use crate::limits;
use crate::wire::{decode_exact, encode};

/// Version of the rules by which members judge commits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct PolicyVersion(#[n(0)] pub u16);

impl PolicyVersion {
    /// The rules of this crate.
    pub const CURRENT: Self = Self(1);
}

/// Number and hash of a chained object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Pin {
    /// Its number.
    #[n(0)]
    pub number: u64,
    /// Its hash.
    #[n(1)]
    pub hash: ObjectHash,
}

/// Number and hash of an object of one union.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct UnionPin {
    /// The union.
    #[n(0)]
    pub union: UnionId,
    /// The object.
    #[n(1)]
    pub pin: Pin,
}

/// The pins of a conversation, in its GroupContext.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Pins {
    /// Rules by which commits are judged.
    #[n(0)]
    pub policy: PolicyVersion,
    /// The charter.
    #[n(1)]
    pub charter: Pin,
    /// Each union's coordinator set, by rising id.
    #[n(2)]
    pub sets: Vec<UnionPin>,
    /// Each union's revocation list, by rising id.
    #[n(3)]
    pub revocations: Vec<UnionPin>,
}

/// Why pins are refused. The fault is that of the member who committed them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinFault {
    /// Bytes that are no pins, too long, or unions out of order.
    #[error("pins do not parse")]
    Malformed,
    /// A number went down, or a union went without a newer charter.
    #[error("pins go back to an older version")]
    Decrease,
    /// The same number with another hash.
    #[error("pins name another object under the same number")]
    Fork,
}

impl Pins {
    /// What a verified charter pins.
    #[must_use]
    pub fn of(charter: &Verified<Charter>) -> Self {
        let set = |union: &super::UnionEntry| {
            let name = union.set_name();
            UnionPin { union: union.id, pin: Pin { number: name.number, hash: name.hash } }
        };
        let list = |union: &super::UnionEntry| UnionPin { union: union.id, pin: RevocationList::empty(union.id).pin() };
        Self {
            policy: PolicyVersion::CURRENT,
            charter: Pin { number: charter.version, hash: charter.hash() },
            sets: charter.unions.iter().map(set).collect(),
            revocations: charter.unions.iter().map(list).collect(),
        }
    }

    /// The CBOR that the GroupContext carries.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads pins from a GroupContext.
    ///
    /// # Errors
    /// [`PinFault::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, PinFault> {
        if bytes.len() > limits::MAX_PINS {
            return Err(PinFault::Malformed);
        }
        let pins: Self = decode_exact(bytes).map_err(|_| PinFault::Malformed)?;
        let rising = |list: &[UnionPin]| list.is_sorted_by(|one, next| one.union < next.union);
        let sound = rising(&pins.sets) && rising(&pins.revocations) && pins.encode() == bytes;
        if sound { Ok(pins) } else { Err(PinFault::Malformed) }
    }

    /// Whether these pins may be followed by `next`.
    ///
    /// # Errors
    /// [`PinFault::Decrease`], [`PinFault::Fork`].
    pub fn never_decreases(&self, next: &Self) -> Result<(), PinFault> {
        if next.policy < self.policy {
            return Err(PinFault::Decrease);
        }
        follows(&self.charter, &next.charter)?;
        let newer_charter = next.charter.number > self.charter.number;
        for (before, after) in [(&self.sets, &next.sets), (&self.revocations, &next.revocations)] {
            for known in before {
                match after.iter().find(|pin| pin.union == known.union) {
                    Some(pin) => follows(&known.pin, &pin.pin)?,
                    None if newer_charter => {}
                    None => return Err(PinFault::Decrease),
                }
            }
        }
        Ok(())
    }
}

fn follows(before: &Pin, after: &Pin) -> Result<(), PinFault> {
    if after.number < before.number {
        return Err(PinFault::Decrease);
    }
    if after.number == before.number && after.hash != before.hash { Err(PinFault::Fork) } else { Ok(()) }
}
