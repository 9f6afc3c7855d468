//! A member's devices, certified by the member key.

use minicbor::{Decode, Encode};

use super::keys::{DeviceKey, Member, MemberKey};
use super::object::{Object, ObjectFault, ObjectHash};
use super::signed::{Signed, Verified};
use crate::{labels, limits};

/// The devices that speak for a member. Numbered from 1 and chained by hash; signed by the member key alone.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct DeviceSet {
    /// Whose devices.
    #[n(0)]
    pub member: MemberKey,
    /// 1 for the first set.
    #[n(1)]
    pub number: u64,
    /// 1 to [`limits::MAX_DEVICES`] different keys. The first form has one.
    #[n(2)]
    pub devices: Vec<DeviceKey>,
    /// Hash of the set before this one.
    #[n(3)]
    pub previous: Option<ObjectHash>,
}

impl Object for DeviceSet {
    type Role = Member;
    const LABEL: &'static str = labels::DEVICE_SET;
    const MAX: usize = limits::MAX_DEVICE_SET;
}

/// Why a device set is not believed. The fault is the member's, or of who altered it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeviceSetFault {
    /// No signed object, or not by the member key that it names.
    #[error(transparent)]
    Object(#[from] ObjectFault),
    /// No device, too many, or one twice.
    #[error("a device set has no devices, too many, or one twice")]
    Devices,
    /// Number and previous hash do not go together, or do not follow the known set.
    #[error("a device set does not follow the one before it")]
    Order,
    /// The set of another member.
    #[error("a device set belongs to another member")]
    OtherMember,
}

impl DeviceSet {
    /// Opens a device set that its member key signed. Whether it is the newest, the caller has still to know.
    ///
    /// # Errors
    /// [`DeviceSetFault`], but not [`DeviceSetFault::OtherMember`].
    pub fn verify(signed: &Signed<Self>) -> Result<Verified<Self>, DeviceSetFault> {
        let set = signed.verify_with(&signed.claimed().member)?;
        let distinct =
            set.devices.iter().enumerate().all(|(at, device)| !set.devices.iter().take(at).any(|d| d == device));
        if set.devices.is_empty() || set.devices.len() > limits::MAX_DEVICES || !distinct {
            return Err(DeviceSetFault::Devices);
        }
        match (set.number, set.previous) {
            (0, _) | (1, Some(_)) | (2.., None) => Err(DeviceSetFault::Order),
            (1, None) | (2.., Some(_)) => Ok(set),
        }
    }

    /// Opens the device set that follows a known one.
    ///
    /// # Errors
    /// [`DeviceSetFault`].
    pub fn verify_next(signed: &Signed<Self>, previous: &Verified<Self>) -> Result<Verified<Self>, DeviceSetFault> {
        let set = Self::verify(signed)?;
        if set.member != previous.member {
            return Err(DeviceSetFault::OtherMember);
        }
        let follows = previous.number.checked_add(1) == Some(set.number) && set.previous == Some(previous.hash());
        if follows { Ok(set) } else { Err(DeviceSetFault::Order) }
    }

    /// Whether a device is in the set.
    #[must_use]
    pub fn holds(&self, device: &DeviceKey) -> bool {
        self.devices.contains(device)
    }
}
