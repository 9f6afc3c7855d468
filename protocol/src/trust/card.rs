//! A member's credential for one scope.

use minicbor::{Decode, Encode};

use super::charter::{AllianceId, Charter};
use super::coordinator_set::{Office, SetName};
use super::keys::{Device, MemberKey};
use super::name::Pseudonym;
use super::object::{Object, ObjectFault};
use super::scope::{Scope, UnionId};
use super::signed::{Signed, Verified};
use super::vouch::VouchCommitment;
use crate::time::Timestamp;
use crate::{labels, limits};

/// A card: one coordinator's device of the named set says that a key belongs to a member of a union.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Card {
    /// The alliance.
    #[n(0)]
    pub alliance: AllianceId,
    /// Where it counts.
    #[n(1)]
    pub scope: Scope,
    /// The member's union.
    #[n(2)]
    pub union: UnionId,
    /// The member.
    #[n(3)]
    pub member: MemberKey,
    /// What people see.
    #[n(4)]
    pub pseudonym: Pseudonym,
    /// When, as the signer claims.
    #[n(5)]
    pub issued: Timestamp,
    /// Its end. Never part of validity: devices whose clocks differ must agree on what is valid.
    #[n(6)]
    pub expires: Timestamp,
    /// Commitment to the vouches, opened to coordinators only.
    #[n(7)]
    pub vouches: VouchCommitment,
    /// The set whose coordinator signs.
    #[n(8)]
    pub set: SetName,
    /// Position of the card in the union's roll; none while the union keeps no roll.
    #[n(9)]
    pub roll: Option<u64>,
}

impl Object for Card {
    type Role = Device;
    const LABEL: &'static str = labels::CARD;
    const MAX: usize = limits::MAX_CARD;
}

/// Why a card is not believed. The fault is the bearer's, or of the coordinator who issued it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CardFault {
    /// No signed object, or a signature that does not verify.
    #[error(transparent)]
    Object(#[from] ObjectFault),
    /// Issued for another alliance.
    #[error("a card belongs to another alliance")]
    OtherAlliance,
    /// The charter knows no such union.
    #[error("a card belongs to a union that is not in the charter")]
    UnknownUnion,
    /// The set that it names is not the one that the charter names.
    #[error("a card names another coordinator set than the charter")]
    OtherSet,
    /// Not signed by a coordinator of the set.
    #[error("a card is not signed by a coordinator of its union")]
    NotCoordinator,
    /// Signed by a coordinator outside of the term.
    #[error("a card is signed outside of the coordinator's mandate")]
    NoMandate,
    /// It ends before it begins.
    #[error("a card ends before it begins")]
    Term,
}

impl Card {
    /// Opens a card that a coordinator of the charter signed. Whether it is expired is another question.
    ///
    /// # Errors
    /// [`CardFault`].
    pub fn verify(signed: &Signed<Self>, charter: &Verified<Charter>) -> Result<Verified<Self>, CardFault> {
        let claimed = signed.claimed();
        if claimed.alliance != charter.alliance() {
            return Err(CardFault::OtherAlliance);
        }
        let union = charter.union(&claimed.union).ok_or(CardFault::UnknownUnion)?;
        if claimed.set != union.set_name() {
            return Err(CardFault::OtherSet);
        }
        let coordinator = union.set().coordinator(&signed.claimed_signer()).ok_or(CardFault::NotCoordinator)?;
        let card = signed.authenticate()?;
        if !coordinator.mandate.covers(Office::Coordinator, card.issued) {
            return Err(CardFault::NoMandate);
        }
        if card.expires <= card.issued { Err(CardFault::Term) } else { Ok(card) }
    }

    /// Whether the card is past its end.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }
}
