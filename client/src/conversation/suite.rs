//! The one cipher suite and the few MLS settings, all chosen on purpose (DESIGN 7, MEASURED "MLS").

use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, Extension, ExtensionType, Extensions, GroupContext, LeafNode, Lifetime,
    MlsGroupCreateConfig, MlsGroupJoinConfig, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, ProposalType, ProtocolVersion,
    RequiredCapabilitiesExtension, SenderRatchetConfiguration, UnknownExtension,
};
use openmls_traits::crypto::OpenMlsCrypto;
use tls_codec::Deserialize;

use super::fault::ConversationFault;
use crate::vault::Crypto;

/// `MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519`, 0x004D. The code point may move: our formats carry
/// the policy version of the pins.
pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519;

/// Private-use credential type: a `trust::LeafCredential`.
pub(crate) const CREDENTIAL: CredentialType = CredentialType::Other(0xF0C0);

/// Private-use extension of the group context: a `Context`.
pub(crate) const CONTEXT_EXTENSION: u16 = 0xF0C1;

/// Private-use extension of a leaf: a `LeafState`.
pub(crate) const LEAF_EXTENSION: u16 = 0xF0C2;

/// Leaves of one group.
pub(crate) const MAX_LEAVES: usize = 250;

/// Leaves that one commit adds.
pub(crate) const MAX_ADDS: usize = 64;

/// Epochs of a group that a newcomer enters are below this. A commit each second takes 34,000 years to come here; a group
/// that its founder began near 2^64 has one commit left, or none, and the library's sum of the next epoch overflows.
pub(crate) const EPOCHS: u64 = 1 << 40;

/// Messages of one sender that may be out of order: as many as may overtake one that the relay put off. Beyond them MLS
/// opens nothing, and its author, who sees it in the log, would not know.
const BACKWARD: u32 = crate::sync::WINDOW;

/// Messages of one sender that may be missing. An author spends generations on messages that did not
/// reach the log.
pub(super) const FORWARD: u32 = 4096;

/// Reads a TLS-encoded object that fills the bytes whole. By the reader, not `DeserializeBytes`, which in tls_codec 0.5
/// asserts on truncated input in builds with debug assertions.
pub(crate) fn read<T: Deserialize>(mut bytes: &[u8]) -> Option<T> {
    let object = T::tls_deserialize(&mut bytes).ok()?;
    bytes.is_empty().then_some(object)
}

/// Whether one can encrypt to a public key, given as MLS writes it.
pub(crate) fn is_encryption_key(written: &[u8]) -> bool {
    let Some(key) = read::<tls_codec::VLBytes>(written) else { return false };
    Crypto::default().hpke_seal(SUITE.hpke_config(), key.as_slice(), &[], &[], &[]).is_ok()
}

/// What every leaf lists. openmls's defaults leave this suite out.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities::builder()
        .versions(vec![ProtocolVersion::Mls10])
        .ciphersuites(vec![SUITE])
        .extensions(vec![ExtensionType::Unknown(CONTEXT_EXTENSION), ExtensionType::Unknown(LEAF_EXTENSION)])
        .proposals(Vec::<ProposalType>::new())
        .credentials(vec![CREDENTIAL])
        .build()
}

/// What every leaf must list to be added.
pub(crate) fn required() -> Extension {
    Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(
        &[ExtensionType::Unknown(CONTEXT_EXTENSION), ExtensionType::Unknown(LEAF_EXTENSION)],
        &[],
        &[CREDENTIAL],
    ))
}

/// The group context's extensions with `context` as ours.
pub(crate) fn context_extensions(context: Vec<u8>) -> Result<Extensions<GroupContext>, ConversationFault> {
    let ours = Extension::Unknown(CONTEXT_EXTENSION, UnknownExtension(context));
    Extensions::from_vec(vec![required(), ours]).map_err(|_| ConversationFault::Mls("group context extensions"))
}

/// A leaf's extensions with `state` as ours.
pub(crate) fn leaf_extensions(state: Vec<u8>) -> Result<Extensions<LeafNode>, ConversationFault> {
    Extensions::single(Extension::Unknown(LEAF_EXTENSION, UnknownExtension(state)))
        .map_err(|_| ConversationFault::Mls("leaf extensions"))
}

/// A leaf's lifetime never ends for MLS: openmls would compare it with the clock when it stages a commit, and members
/// with different clocks would fork. Our own terms (`not_after` of the binding) rule instead, before an add.
pub(crate) fn lifetime() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

/// Always PrivateMessage; no past epochs (the log is in order, and late messages are sent again); padding outside.
pub(crate) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(0)
        .max_past_epochs(0)
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(BACKWARD, FORWARD))
        .build()
}

/// As [`join_config`], for the creator.
pub(crate) fn create_config(context: Vec<u8>, leaf: Vec<u8>) -> Result<MlsGroupCreateConfig, ConversationFault> {
    let config = MlsGroupCreateConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(0)
        .max_past_epochs(0)
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(BACKWARD, FORWARD))
        .lifetime(lifetime())
        .ciphersuite(SUITE)
        .capabilities(capabilities())
        .with_group_context_extensions(context_extensions(context)?)
        .with_leaf_node_extensions(leaf_extensions(leaf)?)
        .map_err(|_| ConversationFault::Mls("leaf extensions"))?;
    Ok(config.build())
}
