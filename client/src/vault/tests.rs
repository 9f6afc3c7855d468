//! What the vault promises, tried on real directories.

use openmls::prelude::{
    BasicCredential, CredentialWithKey, GroupId, MlsGroup, MlsGroupCreateConfig, OpenMlsProvider, SignatureScheme,
};
use openmls_traits::{signatures::Signer, signatures::SignerError};
use tempfile::TempDir;

use super::{settings::Setting, *};

const NOTE: Setting<String> = Setting::named("note");

fn passphrase() -> Passphrase {
    Passphrase::new("la relève de demain".to_owned())
}

fn new_vault() -> (TempDir, Vault) {
    let directory = TempDir::new().unwrap();
    let vault = Vault::create(directory.path(), &passphrase(), Cost::FOR_TESTS).unwrap();
    (directory, vault)
}

fn read_note(vault: &mut Vault) -> Option<String> {
    vault.transaction(|tx| NOTE.read(tx)).unwrap()
}

#[test]
fn what_a_transaction_wrote_is_there_after_reopening() {
    let (directory, mut vault) = new_vault();
    vault.transaction(|tx| NOTE.write(tx, &"strike fund".to_owned())).unwrap();
    drop(vault);
    let mut vault = Vault::open(directory.path(), &passphrase()).unwrap();
    assert_eq!(read_note(&mut vault).as_deref(), Some("strike fund"));
}

#[test]
fn a_failed_transaction_leaves_no_trace() {
    let (_directory, mut vault) = new_vault();
    let failed: Result<(), VaultFault> = vault.transaction(|tx| {
        NOTE.write(tx, &"never".to_owned())?;
        Err(VaultFault::NotFound)
    });
    assert!(matches!(failed, Err(VaultFault::NotFound)));
    assert_eq!(read_note(&mut vault), None);
}

mod mls {
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

    fn leaf() -> (LeafKey, CredentialWithKey) {
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let signature_key = key.verifying_key().to_bytes().to_vec().into();
        (LeafKey(key), CredentialWithKey { credential: BasicCredential::new(b"ana".to_vec()).into(), signature_key })
    }

    fn config() -> MlsGroupCreateConfig {
        let capabilities = openmls::prelude::Capabilities::builder().ciphersuites(vec![Crypto::SUITE]).build();
        MlsGroupCreateConfig::builder().ciphersuite(Crypto::SUITE).capabilities(capabilities).build()
    }

    fn id() -> GroupId {
        GroupId::from_slice(b"table of five sites")
    }

    fn create(tx: &Transaction<'_>) -> MlsGroup {
        let (signer, credential) = leaf();
        MlsGroup::new_with_group_id(&MlsProvider::new(tx), &signer, &config(), id(), credential).unwrap()
    }

    fn load(tx: &Transaction<'_>) -> Option<MlsGroup> {
        MlsGroup::load(MlsProvider::new(tx).storage(), &id()).unwrap()
    }

    #[test]
    fn a_group_loads_again_with_its_epoch_and_can_still_send() {
        let (directory, mut vault) = new_vault();
        let (signer, _) = leaf();
        vault
            .transaction::<_, VaultFault>(|tx| {
                let mut group = create(tx);
                let provider = MlsProvider::new(tx);
                group.self_update(&provider, &signer, Default::default()).unwrap();
                group.merge_pending_commit(&provider).unwrap();
                Ok(())
            })
            .unwrap();
        drop(vault);
        let mut vault = Vault::open(directory.path(), &passphrase()).unwrap();
        vault
            .transaction::<_, VaultFault>(|tx| {
                let mut group = load(tx).unwrap();
                assert_eq!(group.epoch().as_u64(), 1);
                group.create_message(&MlsProvider::new(tx), &signer, b"hello").unwrap();
                Ok(())
            })
            .unwrap();
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
        vault.transaction::<_, VaultFault>(|tx| Ok(assert!(load(tx).is_none()))).unwrap();
    }
}
