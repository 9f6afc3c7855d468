//! Signing keys, typed by role: a member key signs device sets and nothing else, a device key everything else.

use core::fmt;
use core::marker::PhantomData;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use minicbor::{Decode, Encode};

use super::object::ObjectFault;
use crate::secret::Secret;

/// What a key is for.
pub trait Role: Copy + Ord + core::hash::Hash + 'static {
    /// What `Debug` prints in place of a key, which would name a person.
    const NAME: &'static str;
}

/// Role of the key that signs a member's device sets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Member {}

/// Role of the key of one installation, which signs all that a member says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Device {}

impl Role for Member {
    const NAME: &'static str = "MemberKey";
}

impl Role for Device {
    const NAME: &'static str = "DeviceKey";
}

/// Public Ed25519 key (RFC 8032) of a role. `Debug` prints no byte of it: a key is a person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey<R>([u8; 32], PhantomData<R>);

/// Public key that a card is about. Signs device sets only.
pub type MemberKey = PublicKey<Member>;

/// Public key of one installation.
pub type DeviceKey = PublicKey<Device>;

impl<R: Role> PublicKey<R> {
    /// Wraps 32 bytes. Whether they are a point of the curve shows at the first verification.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes, PhantomData)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies strictly: small-order keys and non-canonical signatures are refused, so that all devices agree.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), ObjectFault> {
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
            .map_err(|_| ObjectFault::Signature)
    }
}

impl<R: Role> fmt::Debug for PublicKey<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(R::NAME)
    }
}

impl<C, R: Role> Encode<C> for PublicKey<R> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C, R: Role> Decode<'b, C> for PublicKey<R> {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        let bytes =
            d.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("key of another length").at(at))?;
        Ok(Self::new(bytes))
    }
}

/// Secret Ed25519 key of a role: wiped on drop, never printed, no `Clone`.
pub struct SigningSecret<R>(Box<SigningKey>, PhantomData<R>);

/// Secret half of a [`MemberKey`].
pub type MemberSecret = SigningSecret<Member>;

/// Secret half of a [`DeviceKey`].
pub type DeviceSecret = SigningSecret<Device>;

impl<R: Role> SigningSecret<R> {
    /// Draws a new key from the operating system.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        Ok(Self::from_seed(&Secret::random()?))
    }

    /// The key of a 32-byte seed (RFC 8032, 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &Secret<32>) -> Self {
        Self(Box::new(SigningKey::from_bytes(seed.expose())), PhantomData)
    }

    /// The seed, to store in the vault.
    #[must_use]
    pub fn seed(&self) -> Secret<32> {
        Secret::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey<R> {
        PublicKey::new(self.0.verifying_key().to_bytes())
    }

    /// Only labelled messages come here: [`super::Signed`] and [`super::Draft`] build them.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl<R: Role> fmt::Debug for SigningSecret<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
