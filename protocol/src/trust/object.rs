//! What all signed objects share: a label, a bound, a hash, and the ways in which bytes are no such object.

use core::fmt;

use minicbor::{Decode, Encode};

use super::keys::Role;

/// A kind of signed object. Deterministic CBOR map with explicit numbers; its label separates it from all others.
pub trait Object: Encode<()> + for<'b> Decode<'b, ()> {
    /// Whose keys sign it: [`super::Device`], or [`super::Member`] for device sets alone.
    type Role: Role;
    /// `external_aad` of its signatures (RFC 9052, 4.3). Listed in SPEC 2.
    const LABEL: &'static str;
    /// Largest size in bytes, signatures included. Listed in SPEC 3.
    const MAX: usize;
}

/// SHA-256 of an object's `Sig_structure` (RFC 9052, 4.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct ObjectHash(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl fmt::Debug for ObjectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObjectHash")
    }
}

/// Why bytes are no signed object, or not one of the signer that was expected. The fault is the sender's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ObjectFault {
    /// Over the limit of its kind.
    #[error("a signed object is longer than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// Not the CBOR that its kind asks for, or bytes after it.
    #[error("a signed object does not parse")]
    Malformed,
    /// An item of indefinite length (RFC 8949, 4.2.1).
    #[error("a signed object holds an item of indefinite length")]
    Indefinite,
    /// A number or length that has a shorter form (RFC 8949, 4.2.1).
    #[error("a signed object holds a number that is not in its shortest form")]
    NotShortest,
    /// Keys of a map that do not rise: unsorted or twice.
    #[error("a signed object has keys out of order")]
    KeyOrder,
    /// Nested deeper than anything of ours.
    #[error("a signed object is nested too deep")]
    TooDeep,
    /// A field of the critical range (0 to 63) that this version does not know, or one in a form that it would not write.
    #[error("a signed object has a field that this version does not understand")]
    UnknownField,
    /// Headers that no signature covers.
    #[error("a signed object has unprotected headers")]
    Unprotected,
    /// Another algorithm than EdDSA, or other protected headers than algorithm and signer.
    #[error("a signed object has headers of another kind")]
    Headers,
    /// Signatures that do not rise by signer: unsorted or twice.
    #[error("a signed object has signatures out of order")]
    SignatureOrder,
    /// Nobody has signed.
    #[error("an object has no signature")]
    Unsigned,
    /// Signed, but not by the key that had to.
    #[error("a signed object is not signed by the key that had to sign it")]
    Signer,
    /// The signature does not verify for this kind of object.
    #[error("a signature does not verify")]
    Signature,
}
