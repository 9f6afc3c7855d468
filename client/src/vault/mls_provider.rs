//! What openmls asks for: storage on a transaction, and cryptography for our one suite.

use openmls_rust_crypto::{RandError, RustCrypto};
use openmls_traits::{
    OpenMlsProvider,
    crypto::OpenMlsCrypto,
    random::OpenMlsRand,
    types::{
        AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeCiphertext, HpkeConfig, HpkeKeyPair,
        KemOutput, SignatureScheme,
    },
};
use relevo_protocol::random;
use tls_codec::SecretVLBytes;

use super::{Transaction, mls_storage::MlsStorage};

/// openmls's provider for one transaction.
#[derive(Debug)]
pub struct MlsProvider<'tx> {
    storage: MlsStorage<'tx>,
    crypto: Crypto,
}

impl<'tx> MlsProvider<'tx> {
    /// A provider whose storage is this transaction.
    #[must_use]
    pub fn new(tx: &'tx Transaction<'tx>) -> Self {
        Self { storage: MlsStorage::new(tx), crypto: Crypto::default() }
    }
}

impl<'tx> OpenMlsProvider for MlsProvider<'tx> {
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = MlsStorage<'tx>;

    fn storage(&self) -> &MlsStorage<'tx> {
        &self.storage
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &Crypto {
        &self.crypto
    }
}

/// `RustCrypto`, admitting our one suite, which it can do but doesn't list, and no other: a downgrade fails at every
/// door of openmls.
#[derive(Debug, Default)]
pub struct Crypto(RustCrypto);

impl Crypto {
    /// The one suite: X-Wing, ChaCha20-Poly1305, SHA-256, Ed25519 (DESIGN 7).
    pub const SUITE: Ciphersuite = Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519;
}

impl OpenMlsRand for Crypto {
    type Error = RandError;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], Self::Error> {
        let mut out = [0; N];
        random::fill(&mut out).map_err(|_| RandError::NotEnoughRandomness)?;
        Ok(out)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, Self::Error> {
        let mut out = vec![0; len];
        random::fill(&mut out).map_err(|_| RandError::NotEnoughRandomness)?;
        Ok(out)
    }
}

/// Methods that `RustCrypto` answers as it is.
macro_rules! delegate {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {$(
        fn $name(&self, $($argument: $type),*) -> Result<$answer, CryptoError> {
            self.0.$name($($argument),*)
        }
    )*};
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, suite: Ciphersuite) -> Result<(), CryptoError> {
        if suite == Self::SUITE { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![Self::SUITE]
    }

    delegate! {
        fn hkdf_extract(hash: HashType, salt: &[u8], ikm: &[u8]) -> SecretVLBytes;
        fn hmac(hash: HashType, key: &[u8], message: &[u8]) -> SecretVLBytes;
        fn hkdf_expand(hash: HashType, prk: &[u8], info: &[u8], length: usize) -> SecretVLBytes;
        fn hash(hash: HashType, data: &[u8]) -> Vec<u8>;
        fn aead_encrypt(aead: AeadType, key: &[u8], data: &[u8], nonce: &[u8], aad: &[u8]) -> Vec<u8>;
        fn aead_decrypt(aead: AeadType, key: &[u8], sealed: &[u8], nonce: &[u8], aad: &[u8]) -> Vec<u8>;
        fn signature_key_gen(scheme: SignatureScheme) -> (Vec<u8>, Vec<u8>);
        fn verify_signature(scheme: SignatureScheme, data: &[u8], key: &[u8], signature: &[u8]) -> ();
        fn sign(scheme: SignatureScheme, data: &[u8], key: &[u8]) -> Vec<u8>;
        fn hpke_seal(config: HpkeConfig, public: &[u8], info: &[u8], aad: &[u8], text: &[u8]) -> HpkeCiphertext;
        fn hpke_open(config: HpkeConfig, sealed: &HpkeCiphertext, key: &[u8], info: &[u8], aad: &[u8]) -> Vec<u8>;
        fn hpke_setup_sender_and_export(
            config: HpkeConfig, public: &[u8], info: &[u8], context: &[u8], length: usize
        ) -> (KemOutput, ExporterSecret);
        fn hpke_setup_receiver_and_export(
            config: HpkeConfig, encapsulated: &[u8], key: &[u8], info: &[u8], context: &[u8], length: usize
        ) -> ExporterSecret;
        fn derive_hpke_keypair(config: HpkeConfig, ikm: &[u8]) -> HpkeKeyPair;
    }
}
