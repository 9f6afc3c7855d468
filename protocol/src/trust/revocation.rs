//! A union's numbered list of keys that count no more. Its place in the formats: only its hash is used so far.

use minicbor::{Decode, Encode};

use super::keys::Device;
use super::object::{Object, ObjectHash};
use super::pins::Pin;
use super::scope::UnionId;
use crate::wire::encode;
use crate::{labels, limits};

/// Keys that a union has revoked. Number 0 is empty and signed by nobody.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct RevocationList {
    /// Whose list.
    #[n(0)]
    pub union: UnionId,
    /// 0 for the empty list that every union begins with.
    #[n(1)]
    pub number: u64,
    /// Hash of the list before this one.
    #[n(2)]
    pub previous: Option<ObjectHash>,
    /// Member and device keys, rising.
    #[n(3)]
    pub keys: Vec<minicbor::bytes::ByteArray<32>>,
}

impl Object for RevocationList {
    type Role = Device;
    const LABEL: &'static str = labels::REVOCATIONS;
    const MAX: usize = limits::MAX_REVOCATIONS;
}

impl RevocationList {
    /// The list that a union begins with.
    #[must_use]
    pub fn empty(union: UnionId) -> Self {
        Self { union, number: 0, previous: None, keys: Vec::new() }
    }

    /// Number and hash of the list, whoever signs it.
    #[must_use]
    pub fn pin(&self) -> Pin {
        Pin { number: self.number, hash: super::cosigned::hash::<Self>(&encode(self)) }
    }
}
