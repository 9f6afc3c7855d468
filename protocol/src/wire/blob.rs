//! Blobs: encrypted chunks of documents, each on a stream of its own so that a big file never holds an alert up. SPEC 8.

use core::fmt;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::refusal::Refusal;
use crate::time::Hour;

/// SHA-256 of a blob's bytes, which is also what lets one ask for it. Never written to a log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct BlobId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl BlobId {
    /// The id of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobId")
    }
}

/// First frame of a blob stream, on a connection whose session is admitted.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum BlobCall {
    /// Stores a blob. The relay answers `Have`, the client sends the bytes from there, the relay answers `Stored`.
    /// Repeated for a blob that is there, it renews the lease and answers `Stored` at once.
    #[n(0)]
    Put {
        /// The blob.
        #[n(0)]
        id: BlobId,
        /// Its length in bytes, at most [`crate::limits::MAX_BLOB`].
        #[n(1)]
        length: u64,
        /// Wished lease in hours.
        #[n(2)]
        lease_hours: u32,
    },
    /// Reads a range. The relay answers `Sending`, then the bytes.
    #[n(1)]
    Get {
        /// The blob.
        #[n(0)]
        id: BlobId,
        /// First byte.
        #[n(1)]
        offset: u64,
        /// Bytes at most.
        #[n(2)]
        length: u64,
    },
}

/// Frames from relay to client on a blob stream.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum BlobReply {
    /// The relay holds this many bytes of the blob: send the rest.
    #[n(0)]
    Have {
        /// Bytes held from an earlier, broken put.
        #[n(0)]
        offset: u64,
    },
    /// The blob is whole, matches its id, and is on disk.
    #[n(1)]
    Stored {
        /// End of its lease.
        #[n(0)]
        expires: Hour,
    },
    /// The bytes follow this frame.
    #[n(2)]
    Sending {
        /// How many.
        #[n(0)]
        length: u64,
        /// Length of the whole blob.
        #[n(1)]
        total: u64,
    },
    /// It was not done.
    #[n(3)]
    Refused {
        /// For this reason.
        #[n(0)]
        refusal: Refusal,
    },
}
