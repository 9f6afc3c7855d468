//! Entries of an inbox: hybrid HPKE (RFC 9180, base mode) to the owner's key, so that only the owner opens them.
//!
//! KEM X-Wing (0x647a: X25519 and ML-KEM-768), KDF HKDF-SHA256, AEAD ChaCha20-Poly1305. Base mode proves no sender:
//! what is inside is signed (`content::Parcel`).

use core::fmt;

use hpke_rs::{Hpke, HpkePrivateKey, HpkePublicKey, Mode, hpke_types};
use hpke_rs_rust_crypto::HpkeRustCrypto;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::SealFault;
use super::padding::{pad, unpad};
use super::x25519::ends_in_small_order;
use crate::labels;
use crate::secret::Secret;
use crate::wire::{Entry, MailboxId};

/// Bytes of the tag of the key, which stands first.
const KEY_TAG: usize = 8;
/// Bytes of an X-Wing ciphertext (draft-connolly-cfrg-xwing-kem, 5.5), which stands second.
const ENCAPSULATED: usize = 1120;
/// Bytes of an X-Wing public key.
const PUBLIC_KEY: usize = 1216;
/// Bytes of the authentication tag, which stands last.
const TAG: usize = 16;

/// Public half of an inbox key: 1,216 bytes of X-Wing.
#[derive(Clone, PartialEq, Eq, Encode)]
#[cbor(transparent)]
pub struct InboxPublicKey(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>);

impl InboxPublicKey {
    /// Takes the bytes of a public key. Whether ML-KEM accepts them shows when something is sealed to it.
    ///
    /// # Errors
    /// [`SealFault::BadKey`] for another length, or when its X25519 half agrees on nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, SealFault> {
        if bytes.len() != PUBLIC_KEY || ends_in_small_order(bytes) {
            return Err(SealFault::BadKey);
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// First 8 bytes of SHA-256(label | 0x00 | public key | X-Wing ciphertext): tells the owner which key it was, and
    /// differs in every entry, so that a relay, which knows no public key, sees nothing that repeats.
    fn tag(&self, encapsulated: &[u8]) -> [u8; KEY_TAG] {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(labels::INBOX_TAG)
            .chain_update([0])
            .chain_update(&self.0)
            .chain_update(encapsulated)
            .finalize()
            .into();
        let mut tag = [0; KEY_TAG];
        tag.copy_from_slice(digest.split_at(KEY_TAG).0);
        tag
    }
}

impl fmt::Debug for InboxPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InboxPublicKey")
    }
}

impl<'b, C> Decode<'b, C> for InboxPublicKey {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        Self::parse(d.bytes()?).map_err(|_| minicbor::decode::Error::message("inbox key of another length").at(at))
    }
}

/// Both halves of an inbox key. Rotated weekly; the old ones are destroyed once entries to them have expired.
#[derive(Debug)]
pub struct InboxKeyPair {
    seed: Secret<32>,
    private: HpkePrivateKey,
    public: InboxPublicKey,
}

impl InboxKeyPair {
    /// Draws a new pair.
    ///
    /// # Errors
    /// [`SealFault::Randomness`].
    pub fn generate() -> Result<Self, SealFault> {
        Self::from_seed(Secret::random()?)
    }

    /// The pair that a seed stands for: DeriveKeyPair (RFC 9180, 7.1.3 as X-Wing's draft has it: SHAKE256) of the seed.
    ///
    /// # Errors
    /// [`SealFault::BadKey`]; does not happen with 32 bytes.
    pub fn from_seed(seed: Secret<32>) -> Result<Self, SealFault> {
        let (private, public) = suite().derive_key_pair(seed.expose()).map_err(|_| SealFault::BadKey)?.into_keys();
        Ok(Self { seed, private, public: InboxPublicKey::parse(public.as_slice())? })
    }

    /// The seed, for the vault.
    #[must_use]
    pub fn seed(&self) -> &Secret<32> {
        &self.seed
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &InboxPublicKey {
        &self.public
    }

    /// Opens an entry of the inbox with this pair.
    ///
    /// # Errors
    /// [`SealFault::UnknownKey`] when it was sealed to another key, [`SealFault::BadKey`] when it was sealed with a point
    /// that agrees on nothing, [`SealFault::NotOurs`], [`SealFault::Malformed`].
    pub fn open(&self, mailbox: &MailboxId, entry: &Entry) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        let parts = entry.bytes().split_first_chunk::<KEY_TAG>();
        let (tag, rest) = parts.ok_or(SealFault::NotOurs)?;
        let (encapsulated, sealed) = rest.split_at_checked(ENCAPSULATED).ok_or(SealFault::UnknownKey)?;
        if self.public.tag(encapsulated) != *tag {
            return Err(SealFault::UnknownKey);
        }
        if ends_in_small_order(encapsulated) {
            return Err(SealFault::BadKey);
        }
        let padded = suite()
            .open(encapsulated, &self.private, &info(), &mailbox.0, sealed, None, None, None)
            .map(Zeroizing::new)
            .map_err(|_| SealFault::NotOurs)?;
        unpad(&padded)
    }

    /// Opens an entry of the inbox with whichever of the pairs it was sealed to.
    ///
    /// # Errors
    /// As [`InboxKeyPair::open`].
    pub fn open_with_any<'k>(
        pairs: impl IntoIterator<Item = &'k Self>,
        mailbox: &MailboxId,
        entry: &Entry,
    ) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        pairs
            .into_iter()
            .map(|pair| pair.open(mailbox, entry))
            .find(|opened| !matches!(opened, Err(SealFault::UnknownKey)))
            .unwrap_or(Err(SealFault::UnknownKey))
    }
}

/// Seals an entry for an inbox: tag of the key | X-Wing ciphertext | HPKE ciphertext of the padded body, with the
/// label as info and the mailbox id as aad. The smallest is 2 KiB.
///
/// # Errors
/// [`SealFault::TooLarge`], [`SealFault::BadKey`].
pub fn seal_to(public: &InboxPublicKey, mailbox: &MailboxId, body: &[u8]) -> Result<Entry, SealFault> {
    let padded = pad(body, KEY_TAG + ENCAPSULATED + TAG)?;
    let key = HpkePublicKey::new(public.0.clone());
    let (encapsulated, sealed) =
        suite().seal(&key, &info(), &mailbox.0, &padded, None, None, None).map_err(|_| SealFault::BadKey)?;
    let tag = public.tag(&encapsulated);
    Entry::parse([&tag[..], &encapsulated, &sealed].concat().into()).map_err(|_| SealFault::BadKey)
}

fn suite() -> Hpke<HpkeRustCrypto> {
    Hpke::new(
        Mode::Base,
        hpke_types::KemAlgorithm::XWingDraft06,
        hpke_types::KdfAlgorithm::HkdfSha256,
        hpke_types::AeadAlgorithm::ChaCha20Poly1305,
    )
}

fn info() -> Vec<u8> {
    [labels::INBOX.as_bytes(), &[0]].concat()
}
