//! What can go wrong with a document.

use std::io;

use relevo_protocol::content::BundleFault;
use relevo_protocol::sealed::SealFault;
use relevo_protocol::trust::ObjectFault;

use crate::vault::VaultFault;

/// Why a document could not be sent, fetched, written or verified.
#[derive(Debug, thiserror::Error)]
pub enum DocumentFault {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultFault),
    /// There is no document of this number.
    #[error("there is no such document")]
    NotFound,
    /// Over 2 GiB.
    #[error("the file is larger than 2 GiB")]
    TooLarge,
    /// The file is not what it was when sending began.
    #[error("the file changed while it was being sent")]
    Changed,
    /// A file could not be read or written.
    #[error("the file could not be read or written: {0}")]
    File(#[from] io::Error),
    /// There is a file of this name already; it was left alone.
    #[error("there is a file of this name already")]
    Exists,
    /// This chunk is not here or is damaged: fetch it again.
    #[error("a part of the document is not here yet")]
    Missing {
        /// Its place in the document.
        place: u32,
    },
    /// The chunks do not make the file that its author signed.
    #[error("the document is not the one that its author signed")]
    NotAsSigned,
    /// The manifest or its author is not to be believed.
    #[error("the document's signature does not hold")]
    Author,
    /// The proof does not hold.
    #[error(transparent)]
    Bundle(#[from] BundleFault),
    /// The folder holds no proof, or more than one.
    #[error("the folder must hold one .relevo-proof file and the document")]
    NoProof,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
}

impl DocumentFault {
    /// Stable name of the fault, by which people's words are found.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Vault(fault) => fault.code(),
            Self::NotFound => "document-not-found",
            Self::TooLarge => "document-too-large",
            Self::Changed => "document-changed",
            Self::File(_) => "document-file",
            Self::Exists => "document-exists",
            Self::Missing { .. } => "document-missing",
            Self::NotAsSigned => "document-not-as-signed",
            Self::Author => "document-author",
            Self::Bundle(BundleFault::OtherFile) => "document-other-file",
            Self::Bundle(BundleFault::Malformed) => "document-proof-damaged",
            Self::Bundle(BundleFault::Proof(_) | BundleFault::Manifest(_) | BundleFault::OtherAuthor) => {
                "document-bundle"
            }
            Self::NoProof => "document-no-proof",
            Self::Randomness => "randomness",
        }
    }
}

impl From<SealFault> for DocumentFault {
    fn from(fault: SealFault) -> Self {
        match fault {
            SealFault::TooLarge { .. } => Self::TooLarge,
            SealFault::NotOurs | SealFault::Malformed | SealFault::UnknownKey | SealFault::BadKey => Self::NotAsSigned,
            SealFault::Randomness => Self::Randomness,
        }
    }
}

impl From<ObjectFault> for DocumentFault {
    fn from(_: ObjectFault) -> Self {
        Self::Author
    }
}
