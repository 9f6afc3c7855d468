//! Where a card counts.

use core::fmt;

use minicbor::{Decode, Encode};

/// Random name of a union, drawn when it is founded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct UnionId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl UnionId {
    /// Draws a new id from the operating system.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        crate::random::fill(&mut id)?;
        Ok(Self(id))
    }
}

impl fmt::Debug for UnionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnionId")
    }
}

/// Where one card counts. Sections (1) and tables (2) have their numbers kept for them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub enum Scope {
    /// The whole union.
    #[n(0)]
    Union,
}
