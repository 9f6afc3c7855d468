//! A `.relevo-proof` file: who signed a document, checkable offline and without an account.

use minicbor::{Decode, Encode};

use super::document::Manifest;
use crate::limits::MAX_BUNDLE;
use crate::trust::{AllianceId, ObjectFault, Proof, ProofFault, Proven, Signed, Verified};
use crate::wire::{decode_exact, encode};

/// First line of the file.
const MAGIC: &[u8] = b"relevo-proof 1\n";

/// The signed manifest and the chain from the first charter to the author's device. Holds no key and no place.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Bundle {
    /// What the author signed.
    #[n(0)]
    pub manifest: Signed<Manifest>,
    /// Who the author is.
    #[n(1)]
    pub author: Proof,
}

/// A document whose author has been checked.
#[derive(Clone, Debug)]
pub struct Attested {
    /// What was signed.
    pub manifest: Verified<Manifest>,
    /// Who signed: card, devices, charter.
    pub author: Proven,
}

/// Why a bundle proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BundleFault {
    /// Not a file of this kind, or a damaged one.
    #[error("this is no relevo-proof file, or it is damaged")]
    Malformed,
    /// The author's chain does not lead to the alliance.
    #[error(transparent)]
    Proof(#[from] ProofFault),
    /// The manifest is not signed by the author's device.
    #[error(transparent)]
    Manifest(#[from] ObjectFault),
    /// The manifest names another author or another alliance than the proof.
    #[error("the proof is about somebody else than the document's author")]
    OtherAuthor,
    /// The file is not the one that was signed.
    #[error("the file is not the one that was signed")]
    OtherFile,
}

impl Bundle {
    /// Bytes of the file.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        [MAGIC, &encode(self)].concat()
    }

    /// Reads a file. Nothing is verified yet.
    ///
    /// # Errors
    /// [`BundleFault::Malformed`].
    pub fn from_file(bytes: &[u8]) -> Result<Self, BundleFault> {
        if bytes.len() > MAX_BUNDLE {
            return Err(BundleFault::Malformed);
        }
        let body = bytes.strip_prefix(MAGIC).ok_or(BundleFault::Malformed)?;
        decode_exact(body).map_err(|_| BundleFault::Malformed)
    }

    /// Checks that a card holder of `alliance` signed the file of this size and SHA-256. Expiry of the card is for the
    /// caller to show beside the claimed time: it makes no signature invalid.
    ///
    /// # Errors
    /// [`BundleFault`].
    pub fn verify(&self, alliance: &AllianceId, size: u64, sha256: &[u8; 32]) -> Result<Attested, BundleFault> {
        let author = self.author.verify(*alliance)?;
        let manifest = self.manifest.verify_by(&author.devices)?;
        if manifest.author != author.card.member || manifest.alliance != *alliance {
            return Err(BundleFault::OtherAuthor);
        }
        if manifest.size != size || manifest.sha256 != *sha256 {
            return Err(BundleFault::OtherFile);
        }
        Ok(Attested { manifest, author })
    }
}
