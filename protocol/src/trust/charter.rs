//! The alliance's founding document, and how it is amended.

use core::fmt;

use minicbor::{Decode, Encode};

use super::coordinator_set::{Coordinator, CoordinatorSet, SetFault, SetName};
use super::cosigned::MultiSigned;
use super::keys::{Device, DeviceKey};
use super::name::Name;
use super::object::{Object, ObjectFault, ObjectHash};
use super::scope::UnionId;
use super::signed::Verified;
use crate::wire::RelayAddress;
use crate::{labels, limits};

/// Names an alliance: the hash of its first charter. People compare it as [`super::alliance_words`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct AllianceId(#[n(0)] pub ObjectHash);

impl fmt::Debug for AllianceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AllianceId")
    }
}

/// How a union whose coordinators are lost gets new ones. Used by a later version; its numbers are agreed now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Recovery {
    /// Days between a proposal and its effect.
    #[n(0)]
    pub delay_days: u16,
    /// Days during which the union's own set may veto it.
    #[n(1)]
    pub notice_days: u16,
}

impl Default for Recovery {
    fn default() -> Self {
        Self { delay_days: 14, notice_days: 14 }
    }
}

/// One union of an alliance.
#[derive(PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct UnionEntry {
    /// Its id, the same in all versions.
    #[n(0)]
    pub id: UnionId,
    /// Its name.
    #[n(1)]
    pub name: Name,
    /// Its first coordinator set, as all of them signed it.
    #[n(2)]
    pub first_set: MultiSigned<CoordinatorSet>,
    /// Vouches that a newcomer needs; 2 if nobody says otherwise.
    #[n(3)]
    pub vouches_needed: u8,
    /// Its relays with the shared admission, so that members of the other unions reach them.
    #[n(4)]
    pub relays: Vec<RelayAddress>,
}

impl UnionEntry {
    /// The union's coordinators. Only what a verified charter holds is to be believed.
    #[must_use]
    pub fn set(&self) -> &CoordinatorSet {
        self.first_set.claimed()
    }

    /// Number and hash of that set.
    #[must_use]
    pub fn set_name(&self) -> SetName {
        SetName { number: self.set().number, hash: self.first_set.hash() }
    }

    /// A second holder of the same entry, on purpose: it carries secrets.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            id: self.id,
            name: self.name.clone(),
            first_set: self.first_set.clone(),
            vouches_needed: self.vouches_needed,
            relays: self.relays.iter().map(RelayAddress::duplicate).collect(),
        }
    }
}

/// One version of an alliance's charter.
#[derive(PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Charter {
    /// 1 for the founding version.
    #[n(0)]
    pub version: u64,
    /// Hash of the version before this one.
    #[n(1)]
    pub previous: Option<ObjectHash>,
    /// Hash of version 1; none in version 1 itself.
    #[n(2)]
    pub alliance: Option<AllianceId>,
    /// The alliance's name.
    #[n(3)]
    pub name: Name,
    /// 1 to [`limits::MAX_UNIONS`] unions, by rising id.
    #[n(4)]
    pub unions: Vec<UnionEntry>,
    /// How a union gets new coordinators.
    #[n(5)]
    pub recovery: Recovery,
}

impl Object for Charter {
    type Role = Device;
    const LABEL: &'static str = labels::CHARTER;
    const MAX: usize = limits::MAX_CHARTER;
}

/// Why a charter is not believed. The fault is that of the unions who signed it, or of who altered it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CharterFault {
    /// No signed object, or a signature that does not verify.
    #[error(transparent)]
    Object(#[from] ObjectFault),
    /// A union's coordinator set is not to be believed.
    #[error("a union's coordinators are not in order: {0}")]
    Set(#[from] SetFault),
    /// No union, too many, out of order, or a person or device that coordinates two of them.
    #[error("a charter's unions are out of order, or one person coordinates two of them")]
    Unions,
    /// Vouches needed are none or more than a card can hold, or there are too many relays.
    #[error("a charter asks for an impossible number of vouches or relays")]
    Numbers,
    /// Version, previous hash and alliance do not go together, or do not follow the known version.
    #[error("a charter does not follow the version before it")]
    Order,
    /// The charter of another alliance.
    #[error("a charter belongs to another alliance")]
    OtherAlliance,
    /// A union that stays has another first set: recovery is no amendment.
    #[error("an amendment changes a union's coordinators")]
    SetChanged,
    /// A union that is new has not signed with all its coordinators.
    #[error("{signed} of the {needed} coordinators of a new union have signed the charter")]
    NewUnion {
        /// Coordinators who signed.
        signed: usize,
        /// Coordinators who must.
        needed: usize,
    },
    /// Not more than two thirds of the unions have signed.
    #[error("{agreed} of the {needed} unions needed have signed the charter")]
    TooFew {
        /// Unions that signed with their threshold.
        agreed: usize,
        /// Unions that must.
        needed: usize,
    },
    /// Signed by a device of no coordinator who may sign it.
    #[error("a charter is signed by a stranger")]
    Stranger,
}

/// Evidence that an alliance's unions signed two charters with one number. Freezes amendments until it is settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CharterFork {
    /// The number that both have.
    #[n(0)]
    pub version: u64,
    /// Hash of the one, the lower.
    #[n(1)]
    pub first: ObjectHash,
    /// Hash of the other.
    #[n(2)]
    pub second: ObjectHash,
}

impl Charter {
    /// Opens the founding version, signed by all coordinators of all its unions.
    ///
    /// # Errors
    /// [`CharterFault`].
    pub fn verify_first(signed: &MultiSigned<Self>) -> Result<Verified<Self>, CharterFault> {
        let charter = Self::sound(signed)?;
        if charter.version != 1 || charter.previous.is_some() || charter.alliance.is_some() {
            return Err(CharterFault::Order);
        }
        charter.no_stranger(&[])?;
        for union in &charter.unions {
            charter.require_all(union)?;
        }
        Ok(charter)
    }

    /// Opens the version that follows a known one: signed with its threshold by each of more than two thirds of the
    /// unions that were there, and with all its coordinators by each union that is new. If unions go, they have no vote
    /// on it, and more than two thirds of all but one must want it, at least two.
    ///
    /// # Errors
    /// [`CharterFault`].
    pub fn verify_amendment(
        signed: &MultiSigned<Self>,
        previous: &Verified<Self>,
    ) -> Result<Verified<Self>, CharterFault> {
        let charter = Self::sound(signed)?;
        if charter.alliance != Some(previous.alliance()) {
            return Err(CharterFault::OtherAlliance);
        }
        if previous.version.checked_add(1) != Some(charter.version) || charter.previous != Some(previous.hash()) {
            return Err(CharterFault::Order);
        }
        charter.no_stranger(&previous.unions)?;
        let mut staying = 0;
        let mut agreed = 0;
        for union in &charter.unions {
            match previous.union(&union.id) {
                Some(before) if before.set_name() != union.set_name() => return Err(CharterFault::SetChanged),
                Some(before) => {
                    staying += 1;
                    agreed += usize::from(charter.signed(before) >= usize::from(before.set().threshold));
                }
                None => charter.require_all(union)?,
            }
        }
        // Of all the others, as the going of one asks for. Were it of those that stay, two unions of many could agree that
        // all the rest go.
        let all = previous.unions.len();
        let needed = if staying < all { (all.saturating_sub(1) * 2 / 3 + 1).max(2) } else { all * 2 / 3 + 1 };
        if agreed >= needed { Ok(charter) } else { Err(CharterFault::TooFew { agreed, needed }) }
    }

    /// Opens all versions from the first to the last, for an alliance that is known by its id.
    ///
    /// # Errors
    /// [`CharterFault`] of the first version that fails.
    pub fn verify_chain(charters: &[MultiSigned<Self>], alliance: AllianceId) -> Result<Verified<Self>, CharterFault> {
        let (first, amendments) = charters.split_first().ok_or(CharterFault::Order)?;
        if AllianceId(first.hash()) != alliance {
            return Err(CharterFault::OtherAlliance);
        }
        amendments.iter().try_fold(Self::verify_first(first)?, |known, next| Self::verify_amendment(next, &known))
    }

    /// The entry of a union.
    #[must_use]
    pub fn union(&self, id: &UnionId) -> Option<&UnionEntry> {
        self.unions.iter().find(|union| union.id == *id)
    }

    /// The coordinator of a union for whom a device signs.
    #[must_use]
    pub fn coordinator(&self, union: &UnionId, device: &DeviceKey) -> Option<&Coordinator> {
        self.union(union)?.set().coordinator(device)
    }

    /// Signatures that verify over a charter that is sound in itself. Who had to sign, the caller has still to ask.
    fn sound(signed: &MultiSigned<Self>) -> Result<Verified<Self>, CharterFault> {
        let charter = signed.authenticate()?;
        let rising = charter.unions.is_sorted_by(|one, next| one.id < next.id);
        if charter.unions.is_empty() || charter.unions.len() > limits::MAX_UNIONS || !rising {
            return Err(CharterFault::Unions);
        }
        let mut members = Vec::new();
        let mut devices = Vec::new();
        for union in &charter.unions {
            let set = CoordinatorSet::verify_first(&union.first_set)?;
            if set.union != union.id {
                return Err(CharterFault::Set(SetFault::OtherUnion));
            }
            let vouches = 1..=limits::MAX_VOUCHES;
            if !vouches.contains(&usize::from(union.vouches_needed)) || union.relays.len() > limits::MAX_UNION_RELAYS {
                return Err(CharterFault::Numbers);
            }
            for coordinator in &set.coordinators {
                let theirs = &coordinator.device_set.claimed().devices;
                if members.contains(&coordinator.member) || theirs.iter().any(|device| devices.contains(device)) {
                    return Err(CharterFault::Unions);
                }
                members.push(coordinator.member);
                devices.extend(theirs.iter().copied());
            }
        }
        Ok(charter)
    }
}

impl Verified<Charter> {
    /// The alliance: the hash of version 1.
    #[must_use]
    pub fn alliance(&self) -> AllianceId {
        self.alliance.unwrap_or_else(|| AllianceId(self.hash()))
    }

    /// Evidence of a fork, if another verified charter has the same alliance and number and another hash.
    #[must_use]
    pub fn fork(&self, other: &Self) -> Option<CharterFork> {
        let (first, second) = (self.hash().min(other.hash()), self.hash().max(other.hash()));
        let forked = self.alliance() == other.alliance() && self.version == other.version && first != second;
        forked.then_some(CharterFork { version: self.version, first, second })
    }

    /// Coordinators of a union who signed this charter.
    fn signed(&self, union: &UnionEntry) -> usize {
        let signers: Vec<DeviceKey> = self.signers().collect();
        union.set().count(signers.iter().copied())
    }

    fn require_all(&self, union: &UnionEntry) -> Result<(), CharterFault> {
        let (signed, needed) = (self.signed(union), union.set().coordinators.len());
        if signed == needed { Ok(()) } else { Err(CharterFault::NewUnion { signed, needed }) }
    }

    /// Every signer coordinates a union of this version or of the one before it.
    fn no_stranger(&self, before: &[UnionEntry]) -> Result<(), CharterFault> {
        let known = |signer: &DeviceKey| {
            self.unions.iter().chain(before).any(|union| union.set().coordinator(signer).is_some())
        };
        if self.signers().all(|signer| known(&signer)) { Ok(()) } else { Err(CharterFault::Stranger) }
    }
}
