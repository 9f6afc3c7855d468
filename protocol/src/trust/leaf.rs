//! What an MLS leaf carries, and the chain from a charter to its signature key. openmls checks none of it.

use core::fmt;

use minicbor::{Decode, Encode};

use super::card::{Card, CardFault};
use super::charter::Charter;
use super::device_set::{DeviceSet, DeviceSetFault};
use super::keys::{Device, DeviceKey, DeviceSecret, MemberKey};
use super::object::{Object, ObjectFault};
use super::signed::{Signed, Verified};
use crate::time::Timestamp;
use crate::wire::{decode_exact, encode};
use crate::{labels, limits};

/// Public signature key of an MLS leaf (Ed25519).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct LeafKey(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl fmt::Debug for LeafKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeafKey")
    }
}

/// Where a leaf key may stand.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub enum LeafUse {
    /// In a key package, and in the leaf that it becomes until the joiner re-keys.
    #[n(0)]
    KeyPackage,
    /// In one group.
    #[n(1)]
    Group(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
}

impl fmt::Debug for LeafUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyPackage => "KeyPackage",
            Self::Group(_) => "Group",
        })
    }
}

/// A device's word that a leaf key is its own, in one place.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct LeafBinding {
    /// The leaf key.
    #[n(0)]
    pub leaf_key: LeafKey,
    /// Where.
    #[n(1)]
    pub place: LeafUse,
    /// Rises with each new leaf key of this device: an older one never replaces a newer.
    #[n(2)]
    pub serial: u64,
    /// Its end. Never part of validity.
    #[n(3)]
    pub not_after: Timestamp,
}

impl Object for LeafBinding {
    type Role = Device;
    const LABEL: &'static str = labels::LEAF;
    const MAX: usize = limits::MAX_LEAF_BINDING;
}

/// The credential of an MLS leaf. Decodes, but is worth nothing before [`LeafCredential::verify`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct LeafCredential {
    #[n(0)]
    card: Signed<Card>,
    #[n(1)]
    device_set: Signed<DeviceSet>,
    #[n(2)]
    binding: Signed<LeafBinding>,
}

/// Why a leaf is not believed. The fault is that of the leaf's owner, or of who put it there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LeafFault {
    /// The credential does not parse or is too long.
    #[error("a leaf's credential does not parse")]
    Malformed,
    /// The card.
    #[error(transparent)]
    Card(#[from] CardFault),
    /// The device set.
    #[error(transparent)]
    Devices(#[from] DeviceSetFault),
    /// The device set belongs to another member than the card.
    #[error("a leaf's devices belong to another member than its card")]
    OtherMember,
    /// The binding, or its signature by a device of the member.
    #[error("a leaf's key is not bound to its device: {0}")]
    Binding(ObjectFault),
    /// The binding is for another leaf key.
    #[error("a leaf's binding is for another key")]
    OtherKey,
    /// The binding is for another place.
    #[error("a leaf's binding is for another place")]
    OtherPlace,
    /// Older than the leaf that it would replace.
    #[error("a leaf is older than the one that it would replace")]
    Older,
}

/// A leaf whose whole chain has been checked.
#[derive(Clone, Debug)]
pub struct VerifiedLeaf {
    /// Whose leaf.
    pub member: MemberKey,
    /// Which device.
    pub device: DeviceKey,
    /// The member's card.
    pub card: Verified<Card>,
    /// The member's devices.
    pub devices: Verified<DeviceSet>,
    /// The binding of the leaf key.
    pub binding: Verified<LeafBinding>,
}

impl LeafCredential {
    /// Binds a leaf key to a device in one place.
    ///
    /// # Errors
    /// [`LeafFault::Malformed`] when the parts do not fit, [`LeafFault::Binding`].
    pub fn new(
        card: Signed<Card>,
        device_set: Signed<DeviceSet>,
        binding: &LeafBinding,
        device: &DeviceSecret,
    ) -> Result<Self, LeafFault> {
        let binding = Signed::sign(binding, device).map_err(LeafFault::Binding)?;
        let credential = Self { card, device_set, binding };
        if credential.encode().len() > limits::MAX_LEAF_CREDENTIAL { Err(LeafFault::Malformed) } else { Ok(credential) }
    }

    /// The bytes that the leaf carries.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Follows the chain charter, coordinator, card, member key, device set, device key, binding, leaf key.
    ///
    /// `places` are those that the door at hand accepts: a key package and the adds of a commit only
    /// [`LeafUse::KeyPackage`]; an update or a commit's path only its group; the tree of a welcome both.
    ///
    /// # Errors
    /// [`LeafFault`], but not [`LeafFault::Older`]: that is [`VerifiedLeaf::may_replace`].
    pub fn verify(
        bytes: &[u8],
        leaf_key: &LeafKey,
        places: &[LeafUse],
        charter: &Verified<Charter>,
    ) -> Result<VerifiedLeaf, LeafFault> {
        if bytes.len() > limits::MAX_LEAF_CREDENTIAL {
            return Err(LeafFault::Malformed);
        }
        let credential: Self = decode_exact(bytes).map_err(|_| LeafFault::Malformed)?;
        // Nothing signs the credential as a whole, so it must have one form: else one leaf would have many.
        if credential.encode() != bytes {
            return Err(LeafFault::Malformed);
        }
        let card = Card::verify(&credential.card, charter)?;
        let devices = DeviceSet::verify(&credential.device_set)?;
        if devices.member != card.member {
            return Err(LeafFault::OtherMember);
        }
        let binding = credential.binding.verify_by(&devices).map_err(LeafFault::Binding)?;
        #[cfg(feature = "planted-bugs")]
        let leaf_key =
            if crate::planted::is(crate::planted::Bug::LeafUnchecked) { &binding.leaf_key } else { leaf_key };
        if binding.leaf_key != *leaf_key {
            return Err(LeafFault::OtherKey);
        }
        if !places.contains(&binding.place) {
            return Err(LeafFault::OtherPlace);
        }
        Ok(VerifiedLeaf { member: card.member, device: credential.binding.claimed_signer(), card, devices, binding })
    }
}

impl VerifiedLeaf {
    /// Whether this leaf may take the place of another: same device of the same member, and newer, or with the same key.
    ///
    /// # Errors
    /// [`LeafFault::OtherMember`], [`LeafFault::Older`].
    pub fn may_replace(&self, before: &Self) -> Result<(), LeafFault> {
        if (self.member, self.device) != (before.member, before.device) {
            return Err(LeafFault::OtherMember);
        }
        let same_key = self.binding.leaf_key == before.binding.leaf_key;
        let newer = self.binding.serial > before.binding.serial;
        let again = self.binding.serial == before.binding.serial && same_key;
        let devices = self.devices.number >= before.devices.number;
        if (newer || again) && devices { Ok(()) } else { Err(LeafFault::Older) }
    }

    /// Whether the binding or the card is past its end: something to show, never part of validity.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.binding.not_after <= now || self.card.is_expired(now)
    }
}
