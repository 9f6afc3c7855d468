//! A union's log of cards, sets and revocations: a hash chain that only its coordinators hold.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::object::ObjectHash;
use super::scope::UnionId;
use crate::labels;
use crate::time::Timestamp;
use crate::wire::encode;

/// What an entry records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum RollKind {
    /// A card was issued.
    #[n(0)]
    Card,
    /// A coordinator set was signed.
    #[n(1)]
    CoordinatorSet,
    /// A revocation list was signed.
    #[n(2)]
    Revocations,
    /// A charter was signed.
    #[n(3)]
    Charter,
}

/// Where a roll stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct RollHead {
    /// Position of the last entry; 0 before the first.
    #[n(0)]
    pub position: u64,
    /// `head_n = SHA-256(label | 0x00 | head_{n-1} | CBOR of entry n)`; zeros before the first.
    #[n(1)]
    pub hash: ObjectHash,
}

/// One entry of a roll.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct RollEntry {
    /// Whose roll.
    #[n(0)]
    pub union: UnionId,
    /// From 1.
    #[n(1)]
    pub position: u64,
    /// Head before this entry.
    #[n(2)]
    pub previous: ObjectHash,
    /// What it records.
    #[n(3)]
    pub kind: RollKind,
    /// Which object.
    #[n(4)]
    pub object: ObjectHash,
    /// When, as the coordinator claims who wrote it.
    #[n(5)]
    pub time: Timestamp,
}

/// Why an entry does not go on a roll.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RollFault {
    /// Position or previous head are not those of the roll.
    #[error("an entry does not follow the roll")]
    Order,
    /// The roll of another union.
    #[error("an entry belongs to another union's roll")]
    OtherUnion,
    /// The roll has no number left.
    #[error("the roll is full")]
    Full,
}

impl RollHead {
    /// Head of a roll without entries.
    pub const START: Self = Self { position: 0, hash: ObjectHash([0; 32]) };

    /// Writes the next entry: the entry and the head after it.
    ///
    /// # Errors
    /// [`RollFault::Full`].
    pub fn append(
        &self,
        union: UnionId,
        kind: RollKind,
        object: ObjectHash,
        time: Timestamp,
    ) -> Result<(RollEntry, Self), RollFault> {
        let position = self.position.checked_add(1).ok_or(RollFault::Full)?;
        let entry = RollEntry { union, position, previous: self.hash, kind, object, time };
        let head = self.after(&entry);
        Ok((entry, head))
    }

    /// The head after an entry of somebody else's, if it follows this head in the roll of `union`.
    ///
    /// # Errors
    /// [`RollFault::Order`], [`RollFault::OtherUnion`].
    pub fn verify(&self, union: UnionId, entry: &RollEntry) -> Result<Self, RollFault> {
        if entry.union != union {
            return Err(RollFault::OtherUnion);
        }
        let follows = self.position.checked_add(1) == Some(entry.position) && entry.previous == self.hash;
        if follows { Ok(self.after(entry)) } else { Err(RollFault::Order) }
    }

    fn after(&self, entry: &RollEntry) -> Self {
        let hash = Sha256::new()
            .chain_update(labels::ROLL)
            .chain_update([0])
            .chain_update(self.hash.0)
            .chain_update(encode(entry));
        Self { position: entry.position, hash: ObjectHash(hash.finalize().into()) }
    }
}
