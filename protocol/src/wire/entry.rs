//! An entry as a relay sees it: random bytes of one of six sizes.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::limits::ENTRY_BUCKETS;

/// One sealed, padded item of a mailbox. Its length is one of [`ENTRY_BUCKETS`].
/// Cloning shares the bytes, so that a thousand readers cost one copy.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry(Bytes);

/// Why bytes are no entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EntryFault {
    /// The length is none of the six sizes.
    #[error("an entry must have one of the six sizes")]
    Size,
}

impl Entry {
    /// Takes bytes whose length is one of [`ENTRY_BUCKETS`].
    ///
    /// # Errors
    /// [`EntryFault::Size`] for any other length.
    pub fn parse(bytes: Bytes) -> Result<Self, EntryFault> {
        if ENTRY_BUCKETS.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(EntryFault::Size) }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

impl core::fmt::Debug for Entry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entry")
    }
}

impl<C> Encode<C> for Entry {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Entry {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        let bytes = d.bytes()?;
        if !ENTRY_BUCKETS.contains(&bytes.len()) {
            return Err(minicbor::decode::Error::message("entry of another size").at(at));
        }
        Ok(Self(Bytes::copy_from_slice(bytes)))
    }
}
