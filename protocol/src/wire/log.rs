//! A mailbox as a log: sequences, the hash chain over its entries, and the relay's signed word about it.

use core::fmt;

use bytes::Bytes;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::capability::MailboxId;
use super::entry::Entry;
use super::greeting::RelayIdentity;
use super::{decode_exact, encode};
use crate::labels;

/// Place of an entry in its mailbox; the first is 1, and 0 stands before the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Sequence(#[n(0)] pub u64);

impl Sequence {
    /// Before the first entry.
    pub const START: Self = Self(0);

    /// The place after this one, saturating.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Random name of one life of a mailbox: a new one at opening and at every restoration from a backup.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Incarnation(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 8]);

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Incarnation")
    }
}

/// Head of the hash chain at one sequence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Head(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl Head {
    /// Head before the first entry.
    pub const START: Self = Self([0; 32]);

    /// `head_n = SHA-256(label | 0x00 | mailbox | incarnation | n as 8 bytes, big-endian | head_{n-1} | SHA-256(entry_n))`.
    #[must_use]
    pub fn extend(&self, mailbox: &MailboxId, incarnation: Incarnation, sequence: Sequence, entry: &Entry) -> Self {
        self.extend_digest(mailbox, incarnation, sequence, &Sha256::digest(entry.bytes()).into())
    }

    /// As [`Self::extend`], by SHA-256 of the entry.
    #[must_use]
    pub fn extend_digest(
        &self,
        mailbox: &MailboxId,
        incarnation: Incarnation,
        sequence: Sequence,
        digest: &[u8; 32],
    ) -> Self {
        Self(
            Sha256::new()
                .chain_update(labels::HEAD)
                .chain_update([0])
                .chain_update(mailbox.0)
                .chain_update(incarnation.0)
                .chain_update(sequence.0.to_be_bytes())
                .chain_update(self.0)
                .chain_update(digest)
                .finalize()
                .into(),
        )
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Head")
    }
}

/// What a restored mailbox says of the life before it. Always shown to people as a rollback.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Lineage {
    /// The incarnation before the restoration.
    #[n(0)]
    pub incarnation: Incarnation,
    /// Last sequence that the restored copy holds.
    #[n(1)]
    pub sequence: Sequence,
    /// Head at that sequence in that life. The entries that are left are chained anew in the present one.
    #[n(2)]
    pub head: Head,
}

/// A relay's word about one mailbox at one moment. Two heads for one (mailbox, incarnation, sequence) prove a lie.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Checkpoint {
    /// The mailbox.
    #[n(0)]
    pub mailbox: MailboxId,
    /// Its present life.
    #[n(1)]
    pub incarnation: Incarnation,
    /// Last sequence appended.
    #[n(2)]
    pub sequence: Sequence,
    /// Head at that sequence.
    #[n(3)]
    pub head: Head,
    /// First sequence that can still be read; `sequence + 1` when none can.
    #[n(4)]
    pub first_available: Sequence,
    /// The life before a restoration, if there was one.
    #[n(5)]
    pub restored_from: Option<Lineage>,
}

/// Why a checkpoint is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckpointFault {
    /// The statement is no checkpoint.
    #[error("the relay's checkpoint is malformed")]
    Malformed,
    /// The signature is not the relay's.
    #[error("the relay's checkpoint is not signed by that relay")]
    Signature,
}

/// A checkpoint with the relay's Ed25519 signature over (label | 0x00 | statement), as it came.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedCheckpoint {
    /// CBOR of a [`Checkpoint`], verified as received and never encoded again.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub statement: Vec<u8>,
    /// Signature by the relay's identity key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// Prints nothing: the statement names a mailbox.
impl fmt::Debug for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedCheckpoint")
    }
}

impl SignedCheckpoint {
    /// Signs a checkpoint with the relay's identity key.
    #[must_use]
    pub fn sign(checkpoint: &Checkpoint, key: &SigningKey) -> Self {
        let statement = encode(checkpoint);
        let signature = key.sign(&Self::message(&statement)).to_bytes();
        Self { statement, signature }
    }

    /// Opens the checkpoint if `relay` signed it.
    ///
    /// # Errors
    /// [`CheckpointFault`].
    pub fn verify(&self, relay: &RelayIdentity) -> Result<Checkpoint, CheckpointFault> {
        VerifyingKey::from_bytes(&relay.0)
            .and_then(|key| key.verify_strict(&Self::message(&self.statement), &Signature::from_bytes(&self.signature)))
            .map_err(|_| CheckpointFault::Signature)?;
        decode_exact(&self.statement).map_err(|_| CheckpointFault::Malformed)
    }

    fn message(statement: &[u8]) -> Bytes {
        [labels::CHECKPOINT.as_bytes(), &[0], statement].concat().into()
    }
}
