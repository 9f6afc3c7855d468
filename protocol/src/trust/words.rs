//! Numbers of words that people compare by voice. The lists of words are the client's (BIP 39, 2048 words of 11 bits).

use core::fmt;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::charter::AllianceId;
use super::keys::MemberKey;
use crate::labels;
use crate::secret::Secret;

/// Twelve words, 132 bits, that name an alliance: SHA-256(label | 0x00 | id), 11 bits at a time from the left.
#[must_use]
pub fn alliance_words(alliance: &AllianceId) -> [u16; 12] {
    words(labelled(labels::ALLIANCE_WORDS, &[&alliance.0.0]))
}

/// A side's random share in a verification between two people.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct SafetyNonce(#[n(0)] pub Secret<32>);

impl SafetyNonce {
    /// Draws a share from the operating system.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        Secret::random().map(Self)
    }

    /// What the first side sends before it sees the other's share: SHA-256(label | 0x00 | key | nonce).
    /// So neither side can choose its share by the other's, and somebody in between has one guess at 66 bits.
    #[must_use]
    pub fn commit(&self, mine: &MemberKey) -> SafetyCommitment {
        SafetyCommitment(labelled(labels::SAFETY_COMMITMENT, &[mine.as_bytes(), self.0.expose()]))
    }
}

/// The first side's commitment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SafetyCommitment(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl fmt::Debug for SafetyCommitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SafetyCommitment")
    }
}

/// Why there are no words to compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SafetyFault {
    /// The first side opened something else than it had committed to: somebody may be in between.
    #[error("the other side did not keep to its commitment")]
    Commitment,
}

/// Numbers of six words, 66 bits.
pub type SafetyWords = [u16; 6];

/// Six words for both sides to say aloud: SHA-256(label | 0x00 | first key | second key | first nonce | second nonce).
///
/// # Errors
/// [`SafetyFault::Commitment`] when the first side's key and share are not those of its commitment.
pub fn safety_words(
    first: (&MemberKey, &SafetyNonce),
    second: (&MemberKey, &SafetyNonce),
    commitment: &SafetyCommitment,
) -> Result<SafetyWords, SafetyFault> {
    if first.1.commit(first.0) != *commitment {
        return Err(SafetyFault::Commitment);
    }
    let parts: [&[u8]; 4] = [first.0.as_bytes(), second.0.as_bytes(), first.1.0.expose(), second.1.0.expose()];
    Ok(words(labelled(labels::SAFETY_WORDS, &parts)))
}

fn labelled(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let start = Sha256::new().chain_update(label).chain_update([0]);
    parts.iter().fold(start, |hash, part| hash.chain_update(part)).finalize().into()
}

/// The first `N` groups of 11 bits. A digest of 256 bits has 23 of them.
fn words<const N: usize>(digest: [u8; 32]) -> [u16; N] {
    let bit = |at: usize| digest.get(at / 8).map_or(0, |byte| u16::from((byte >> (7 - at % 8)) & 1));
    core::array::from_fn(|word| (0..11).fold(0, |sum, at| (sum << 1) | bit(word * 11 + at)))
}
