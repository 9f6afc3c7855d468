//! Who sits on a leaf. openmls validates no credential for us, so every leaf passes here at every door, with its
//! signature key: key packages, the tree of a welcome, the adds and the path of every commit (DESIGN 7).

use openmls::prelude::{Credential, KeyPackage, LeafNode, Member};
use relevo_protocol::content::GroupId;
use relevo_protocol::trust::{Charter, LeafCredential, LeafFault, LeafKey, LeafUse, Verified, VerifiedLeaf};
use tls_codec::Serialize;

use super::context::LeafState;
use super::fault::CommitFault;
use super::suite::{CREDENTIAL, is_encryption_key, lifetime};
use crate::vault::conversations::SeatRow;

/// Where a leaf is met, which says what its binding may be for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door<'a> {
    /// A key package, or an add of a commit.
    KeyPackage,
    /// A path of a commit in this group.
    Path(&'a GroupId),
    /// The tree of a welcome: some have re-keyed, some not yet.
    Tree(&'a GroupId),
}

impl Door<'_> {
    fn places(self) -> Vec<LeafUse> {
        match self {
            Self::KeyPackage => vec![LeafUse::KeyPackage],
            Self::Path(group) => vec![LeafUse::Group(group.0.to_vec())],
            Self::Tree(group) => vec![LeafUse::KeyPackage, LeafUse::Group(group.0.to_vec())],
        }
    }
}

/// Checks the chain from the charter to a signature key.
pub(crate) fn check(
    credential: &Credential,
    signature_key: &[u8],
    door: Door<'_>,
    charter: &Verified<Charter>,
) -> Result<VerifiedLeaf, LeafFault> {
    if credential.credential_type() != CREDENTIAL {
        return Err(LeafFault::Malformed);
    }
    let key = LeafKey(signature_key.try_into().map_err(|_| LeafFault::OtherKey)?);
    LeafCredential::verify(credential.serialized_content(), &key, &door.places(), charter)
}

/// Checks a whole leaf: the chain and our extension. What it lists, openmls holds against the required capabilities.
pub(crate) fn check_node(
    leaf: &LeafNode,
    door: Door<'_>,
    charter: &Verified<Charter>,
) -> Result<(VerifiedLeaf, LeafState), CommitFault> {
    let checked =
        check(leaf.credential(), leaf.signature_key().as_slice(), door, charter).map_err(CommitFault::Leaf)?;
    // MLS looks at this key first when somebody encrypts to it: whoever does would fail ever after.
    let key = leaf.encryption_key().tls_serialize_detached().map_err(|_| CommitFault::LeafState)?;
    if !is_encryption_key(&key) {
        return Err(CommitFault::LeafState);
    }
    Ok((checked, LeafState::of(leaf)?))
}

/// Checks a key package before it is added.
pub(crate) fn check_key_package(
    package: &KeyPackage,
    charter: &Verified<Charter>,
) -> Result<(VerifiedLeaf, LeafState), CommitFault> {
    let (checked, state) = check_node(package.leaf_node(), Door::KeyPackage, charter)?;
    // Another lifetime would be held against each member's own clock.
    let whole = *package.life_time() == lifetime()
        && package.hpke_init_key().tls_serialize_detached().is_ok_and(|key| is_encryption_key(&key));
    if state.committed_at.is_some() || !whole { Err(CommitFault::LeafState) } else { Ok((checked, state)) }
}

/// Checks a leaf of a welcome's tree, all that openmls shows of it before the group is entered.
pub(crate) fn check_member(
    member: &Member,
    group: &GroupId,
    charter: &Verified<Charter>,
) -> Result<VerifiedLeaf, LeafFault> {
    check(&member.credential, &member.signature_key, Door::Tree(group), charter)
}

/// The row of a checked leaf.
pub(crate) fn seat(leaf: u32, checked: &VerifiedLeaf, state: LeafState) -> SeatRow {
    SeatRow {
        leaf,
        member: checked.member,
        device: checked.device,
        pseudonym: checked.card.pseudonym.as_str().to_owned(),
        key: checked.binding.leaf_key.0,
        serial: checked.binding.serial,
        devices: checked.devices.number,
        committed_at: state.committed_at,
        policy: state.policy,
    }
}
