//! Who coordinates a union: numbered sets, each signed by a threshold of the one before it.

use minicbor::{Decode, Encode};

use super::cosigned::MultiSigned;
use super::device_set::{DeviceSet, DeviceSetFault};
use super::keys::{Device, DeviceKey, MemberKey};
use super::name::Pseudonym;
use super::object::{Object, ObjectFault, ObjectHash};
use super::roll::RollHead;
use super::scope::UnionId;
use super::signed::{Signed, Verified};
use crate::time::Timestamp;
use crate::{labels, limits};

/// What a mandate is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Office {
    /// Vets, admits, alerts.
    #[n(0)]
    Coordinator,
    /// Speaks for a union at another table.
    #[n(1)]
    Delegate,
}

/// An office and its term.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Mandate {
    /// The office.
    #[n(0)]
    pub office: Office,
    /// First second of the term.
    #[n(1)]
    pub from: Timestamp,
    /// First second after the term.
    #[n(2)]
    pub until: Timestamp,
}

impl Mandate {
    /// Whether the mandate is for an office and its term holds a time.
    #[must_use]
    pub fn covers(&self, office: Office, time: Timestamp) -> bool {
        self.office == office && self.from <= time && time < self.until
    }
}

/// One coordinator of a set.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Coordinator {
    /// The coordinator's member key.
    #[n(0)]
    pub member: MemberKey,
    /// What people see.
    #[n(1)]
    pub pseudonym: Pseudonym,
    /// The devices that sign for this coordinator, fixed for the life of the set.
    #[n(2)]
    pub device_set: Signed<DeviceSet>,
    /// Office and term.
    #[n(3)]
    pub mandate: Mandate,
}

impl Coordinator {
    /// Whether a device signs for this coordinator. Only asked of a verified set, which has verified the devices.
    fn has(&self, device: &DeviceKey) -> bool {
        self.device_set.claimed().holds(device)
    }
}

/// The coordinators of a union. Number 1 is signed by all of them, number n + 1 by a threshold of number n.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CoordinatorSet {
    /// Whose coordinators.
    #[n(0)]
    pub union: UnionId,
    /// 1 for the first set.
    #[n(1)]
    pub number: u64,
    /// Hash of the set before this one.
    #[n(2)]
    pub previous: Option<ObjectHash>,
    /// Coordinators who must sign together: two or more, and more than half, so that no two sets can both follow this one
    /// without somebody signing both.
    #[n(3)]
    pub threshold: u8,
    /// 2 to [`limits::MAX_COORDINATORS`] different people with different devices.
    #[n(4)]
    pub coordinators: Vec<Coordinator>,
    /// The roll as this set found it.
    #[n(5)]
    pub roll: Option<RollHead>,
}

impl Object for CoordinatorSet {
    type Role = Device;
    const LABEL: &'static str = labels::COORDINATOR_SET;
    const MAX: usize = limits::MAX_COORDINATOR_SET;
}

/// Names a coordinator set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct SetName {
    /// Its number.
    #[n(0)]
    pub number: u64,
    /// Its hash.
    #[n(1)]
    pub hash: ObjectHash,
}

/// Why a coordinator set is not believed. The fault is that of the union's coordinators, or of who altered it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SetFault {
    /// No signed object, or a signature that does not verify.
    #[error(transparent)]
    Object(#[from] ObjectFault),
    /// A coordinator's devices are not certified.
    #[error("a coordinator's devices are not certified: {0}")]
    Devices(#[from] DeviceSetFault),
    /// Too few or too many coordinators, or a person or device twice.
    #[error("a coordinator set has too few or too many coordinators, or one twice")]
    Coordinators,
    /// A threshold of less than two, of half or less, or of more than there are.
    #[error("a coordinator set has a threshold that does not fit it")]
    Threshold,
    /// A term that ends before it begins.
    #[error("a mandate ends before it begins")]
    Term,
    /// Number and previous hash do not go together, or do not follow the known set.
    #[error("a coordinator set does not follow the one before it")]
    Order,
    /// The set of another union.
    #[error("a coordinator set belongs to another union")]
    OtherUnion,
    /// Not enough of the coordinators who must sign have signed.
    #[error("{signed} of the {needed} coordinators needed have signed a coordinator set")]
    TooFew {
        /// Coordinators who signed.
        signed: usize,
        /// Coordinators who must.
        needed: usize,
    },
    /// Signed by a device of nobody who may sign it.
    #[error("a coordinator set is signed by a stranger")]
    Stranger,
}

impl CoordinatorSet {
    /// Opens a union's first set, signed by all its coordinators.
    ///
    /// # Errors
    /// [`SetFault`].
    pub fn verify_first(signed: &MultiSigned<Self>) -> Result<Verified<Self>, SetFault> {
        let set = Self::sound(signed)?;
        if set.number != 1 || set.previous.is_some() {
            return Err(SetFault::Order);
        }
        set.require(&set, set.coordinators.len())?;
        Ok(set)
    }

    /// Opens the set that follows a known one, signed by a threshold of it; the newcomers may sign too.
    ///
    /// # Errors
    /// [`SetFault`].
    pub fn verify_next(signed: &MultiSigned<Self>, previous: &Verified<Self>) -> Result<Verified<Self>, SetFault> {
        let set = Self::sound(signed)?;
        if set.union != previous.union {
            return Err(SetFault::OtherUnion);
        }
        if previous.number.checked_add(1) != Some(set.number) || set.previous != Some(previous.hash()) {
            return Err(SetFault::Order);
        }
        previous.require(&set, usize::from(previous.threshold))?;
        Ok(set)
    }

    /// The coordinator for whom a device signs.
    #[must_use]
    pub fn coordinator(&self, device: &DeviceKey) -> Option<&Coordinator> {
        self.coordinators.iter().find(|coordinator| coordinator.has(device))
    }

    /// How many different coordinators of this set are among some signers.
    pub(super) fn count(&self, signers: impl Iterator<Item = DeviceKey> + Clone) -> usize {
        self.coordinators.iter().filter(|one| signers.clone().any(|signer| one.has(&signer))).count()
    }

    /// Signatures that verify over a set that is sound in itself. Who had to sign, the caller has still to ask.
    fn sound(signed: &MultiSigned<Self>) -> Result<Verified<Self>, SetFault> {
        let set = signed.authenticate()?;
        if !(2..=limits::MAX_COORDINATORS).contains(&set.coordinators.len()) {
            return Err(SetFault::Coordinators);
        }
        let threshold = usize::from(set.threshold);
        if threshold < 2 || threshold > set.coordinators.len() || threshold * 2 <= set.coordinators.len() {
            return Err(SetFault::Threshold);
        }
        let mut members = Vec::new();
        let mut devices = Vec::new();
        for coordinator in &set.coordinators {
            let certified = DeviceSet::verify(&coordinator.device_set)?;
            if certified.member != coordinator.member {
                return Err(SetFault::Devices(DeviceSetFault::OtherMember));
            }
            if coordinator.mandate.from >= coordinator.mandate.until {
                return Err(SetFault::Term);
            }
            let known =
                members.contains(&certified.member) || certified.devices.iter().any(|key| devices.contains(key));
            if known {
                return Err(SetFault::Coordinators);
            }
            members.push(certified.member);
            devices.extend(certified.devices.iter().copied());
        }
        Ok(set)
    }

    /// Asks that `needed` coordinators of this set have signed `next`, and no stranger to both.
    fn require(&self, next: &Verified<Self>, needed: usize) -> Result<(), SetFault> {
        if next.signers().any(|signer| self.coordinator(&signer).is_none() && next.coordinator(&signer).is_none()) {
            return Err(SetFault::Stranger);
        }
        let signers: Vec<DeviceKey> = next.signers().collect();
        let signed = self.count(signers.iter().copied());
        if signed >= needed { Ok(()) } else { Err(SetFault::TooFew { signed, needed }) }
    }
}

impl Verified<CoordinatorSet> {
    /// Number and hash of the set.
    #[must_use]
    pub fn name(&self) -> SetName {
        SetName { number: self.number, hash: self.hash() }
    }
}
