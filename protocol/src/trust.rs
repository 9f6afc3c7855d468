//! Who may say what: keys, cards, coordinator sets and the charter, all signed and chained. SPEC 9.
//!
//! ```text
//! alliance id = hash of charter 1 -> charter n -> a union's coordinator set -> a coordinator's device set -> device
//!   -> card -> member key -> device set -> device key -> leaf binding -> MLS leaf key
//! ```
//!
//! [`Signed`] and [`MultiSigned`] decode but cannot be read; [`Verified`] reads but cannot be decoded. A [`Draft`]
//! decodes and reads, and proves nothing.

mod card;
mod charter;
mod coordinator_set;
mod cosigned;
mod device_set;
mod keys;
mod leaf;
mod name;
mod object;
mod pins;
mod proof;
mod revocation;
mod roll;
mod scope;
mod signed;
mod vouch;
mod walker;
mod words;

pub use card::{Card, CardFault};
pub use charter::{AllianceId, Charter, CharterFault, CharterFork, Recovery, UnionEntry};
pub use coordinator_set::{Coordinator, CoordinatorSet, Mandate, Office, SetFault, SetName};
pub use cosigned::{CoSignature, CoSigned, Draft, MultiSigned};
pub use device_set::{DeviceSet, DeviceSetFault};
pub use keys::{Device, DeviceKey, DeviceSecret, Member, MemberKey, MemberSecret, PublicKey, Role, SigningSecret};
pub use leaf::{LeafBinding, LeafCredential, LeafFault, LeafKey, LeafUse, VerifiedLeaf};
#[cfg(feature = "content")]
pub(crate) use name::is_invisible;
pub use name::{Name, NameFault, Pseudonym};
pub use object::{Object, ObjectFault, ObjectHash};
pub use pins::{Pin, PinFault, Pins, PolicyVersion, UnionPin};
pub use proof::{Proof, ProofFault, Proven};
pub use revocation::RevocationList;
pub use roll::{RollEntry, RollFault, RollHead, RollKind};
pub use scope::{Scope, UnionId};
pub use signed::{Signed, Verified};
pub use vouch::{Vouch, VouchCommitment, VouchFault, VouchOpening, VouchSalt};
pub use words::{SafetyCommitment, SafetyFault, SafetyNonce, SafetyWords, alliance_words, safety_words};
