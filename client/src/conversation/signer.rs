//! The key that signs inside one leaf: Ed25519, fresh for each key package, bound to the device by a `LeafBinding`.

use ed25519_dalek::{Signer as _, SigningKey};
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use relevo_protocol::secret::Secret;

/// Signs for a leaf. The secret lies in the vault beside the MLS state.
#[derive(Debug)]
pub(crate) struct LeafSigner {
    secret: Secret<32>,
}

impl LeafSigner {
    pub(crate) fn new(secret: Secret<32>) -> Self {
        Self { secret }
    }

    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        Secret::random().map(Self::new)
    }

    pub(crate) fn secret(&self) -> &Secret<32> {
        &self.secret
    }

    /// The leaf's signature key.
    pub(crate) fn public(&self) -> [u8; 32] {
        self.key().verifying_key().to_bytes()
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(self.secret.expose())
    }
}

impl Signer for LeafSigner {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key().sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
