//! MLS state in the vault's transaction.

use openmls::prelude::{
    BasicCredential, Capabilities, CredentialWithKey, GroupId, KeyPackage, MlsGroup, MlsGroupCreateConfig,
    MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut, OpenMlsProvider, ProcessedMessageContent,
    SignatureScheme, StagedWelcome,
};
use openmls_traits::{
    signatures::{Signer, SignerError},
    storage::{CURRENT_VERSION, Entity, Key, StorageProvider, traits},
};
use serde::{Deserialize, Serialize};
use tls_codec::{Deserialize as _, Serialize as _};

use super::*;

struct LeafKey(ed25519_dalek::SigningKey);

impl Signer for LeafKey {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(ed25519_dalek::Signer::sign(&self.0, payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

fn leaf(name: &str) -> (LeafKey, CredentialWithKey) {
    let key = ed25519_dalek::SigningKey::from_bytes(&[name.len().try_into().unwrap(); 32]);
    let signature_key = key.verifying_key().to_bytes().to_vec().into();
    (LeafKey(key), CredentialWithKey { credential: BasicCredential::new(name.into()).into(), signature_key })
}

fn capabilities() -> Capabilities {
    Capabilities::builder().ciphersuites(vec![Crypto::SUITE]).build()
}

fn id() -> GroupId {
    GroupId::from_slice(b"table of five sites")
}

fn create(tx: &Transaction<'_>) -> MlsGroup {
    let (signer, credential) = leaf("ana");
    let config = MlsGroupCreateConfig::builder()
        .ciphersuite(Crypto::SUITE)
        .capabilities(capabilities())
        .use_ratchet_tree_extension(true)
        .build();
    MlsGroup::new_with_group_id(&MlsProvider::new(tx), &signer, &config, id(), credential).unwrap()
}

fn load(tx: &Transaction<'_>) -> Option<MlsGroup> {
    MlsGroup::load(MlsProvider::new(tx).storage(), &id()).unwrap()
}

/// A transaction whose steps panic instead of failing.
fn step<T>(vault: &mut Vault, work: impl FnOnce(&Transaction<'_>) -> T) -> T {
    vault.transaction::<_, VaultFault>(|tx| Ok(work(tx))).unwrap()
}

fn carried(message: &MlsMessageOut) -> MlsMessageIn {
    MlsMessageIn::tls_deserialize_exact(message.tls_serialize_detached().unwrap()).unwrap()
}

#[test]
fn a_group_loads_again_with_its_epoch_and_can_still_send() {
    let (directory, mut vault) = new_vault();
    let (signer, _) = leaf("ana");
    step(&mut vault, |tx| {
        let mut group = create(tx);
        let provider = MlsProvider::new(tx);
        group.self_update(&provider, &signer, Default::default()).unwrap();
        group.merge_pending_commit(&provider).unwrap();
    });
    drop(vault);
    let mut vault = Vault::open(directory.path(), &passphrase()).unwrap();
    step(&mut vault, |tx| {
        let mut group = load(tx).unwrap();
        assert_eq!(group.epoch().as_u64(), 1);
        group.create_message(&MlsProvider::new(tx), &signer, b"hello").unwrap();
    });
}

#[test]
fn a_group_made_in_a_failed_transaction_is_not_there() {
    let (_directory, mut vault) = new_vault();
    let failed: Result<(), VaultFault> = vault.transaction(|tx| {
        create(tx);
        assert!(load(tx).is_some());
        Err(VaultFault::NotFound)
    });
    assert!(failed.is_err());
    step(&mut vault, |tx| assert!(load(tx).is_none()));
}

#[test]
fn two_vaults_join_and_talk_loading_the_group_at_each_step() {
    let ((_one, mut ana), (_other, mut luis)) = (new_vault(), new_vault());
    let ((ana_key, _), (luis_key, luis_credential)) = (leaf("ana"), leaf("luis"));
    step(&mut ana, create);
    let package = step(&mut luis, |tx| {
        let builder = KeyPackage::builder().leaf_node_capabilities(capabilities());
        builder.build(Crypto::SUITE, &MlsProvider::new(tx), &luis_key, luis_credential).unwrap().key_package().clone()
    });
    let welcome = step(&mut ana, |tx| {
        let (mut group, provider) = (load(tx).unwrap(), MlsProvider::new(tx));
        let (_, welcome, _) = group.add_members(&provider, &ana_key, &[package]).unwrap();
        group.merge_pending_commit(&provider).unwrap();
        welcome
    });
    step(&mut luis, |tx| {
        let MlsMessageBodyIn::Welcome(welcome) = carried(&welcome).extract() else { panic!("not a welcome") };
        let (config, provider) = (MlsGroupJoinConfig::default(), MlsProvider::new(tx));
        let staged = StagedWelcome::new_from_welcome(&provider, &config, welcome, None).unwrap();
        staged.into_group(&provider).unwrap();
    });
    // Once from each side across a commit, so that epoch keys, message secrets and trees have all been stored and read.
    let commit = step(&mut luis, |tx| {
        let (mut group, provider) = (load(tx).unwrap(), MlsProvider::new(tx));
        let commit = group.self_update(&provider, &luis_key, Default::default()).unwrap().into_messages().0;
        group.merge_pending_commit(&provider).unwrap();
        commit
    });
    let text =
        step(&mut luis, |tx| load(tx).unwrap().create_message(&MlsProvider::new(tx), &luis_key, b"hola").unwrap());
    let receive = |tx: &Transaction<'_>, message: &MlsMessageOut| {
        let (mut group, provider) = (load(tx).unwrap(), MlsProvider::new(tx));
        let message = carried(message).try_into_protocol_message().unwrap();
        let content = group.process_message(&provider, message).unwrap().into_content();
        if let ProcessedMessageContent::StagedCommitMessage(commit) = content {
            group.merge_staged_commit(&provider, *commit).unwrap();
            return None;
        }
        let ProcessedMessageContent::ApplicationMessage(text) = content else { panic!("neither text nor commit") };
        Some(text.into_bytes())
    };
    assert_eq!(step(&mut ana, |tx| receive(tx, &commit)), None);
    assert_eq!(step(&mut ana, |tx| receive(tx, &text)).as_deref(), Some(b"hola".as_slice()));
}

#[test]
fn another_suite_is_refused() {
    let (_directory, mut vault) = new_vault();
    let (signer, credential) = leaf("ana");
    let weaker = openmls::prelude::Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
    let made = step(&mut vault, |tx| {
        let config = MlsGroupCreateConfig::builder().ciphersuite(weaker).build();
        MlsGroup::new(&MlsProvider::new(tx), &signer, &config, credential).is_ok()
    });
    assert!(!made);
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Reference(u8);
impl Key<CURRENT_VERSION> for Reference {}
impl Entity<CURRENT_VERSION> for Reference {}
impl traits::ProposalRef<CURRENT_VERSION> for Reference {}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Proposal(String);
impl Entity<CURRENT_VERSION> for Proposal {}
impl traits::QueuedProposal<CURRENT_VERSION> for Proposal {}

#[test]
fn proposals_keep_their_order_and_groups_apart() {
    let (_directory, mut vault) = new_vault();
    step(&mut vault, |tx| {
        let (storage, other) = (MlsStorage::new(tx), GroupId::from_slice(b"another"));
        for (group, reference) in [(id(), 9), (id(), 1), (other.clone(), 9), (id(), 5)] {
            storage.queue_proposal(&group, &Reference(reference), &Proposal(format!("about {reference}"))).unwrap();
        }
        let references = |group: &GroupId| -> Vec<Reference> { storage.queued_proposal_refs(group).unwrap() };
        assert_eq!(references(&id()), [Reference(9), Reference(1), Reference(5)]);
        storage.remove_proposal(&id(), &Reference(1)).unwrap();
        let left: Vec<(Reference, Proposal)> = storage.queued_proposals(&id()).unwrap();
        assert_eq!(left, [(Reference(9), Proposal("about 9".into())), (Reference(5), Proposal("about 5".into()))]);
        storage.clear_proposal_queue::<_, Reference>(&id()).unwrap();
        assert_eq!(references(&id()), []);
        assert_eq!(references(&other), [Reference(9)]);
    });
}
