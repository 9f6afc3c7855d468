//! Encoding of content that holds secrets, and byte strings that print nothing.

use core::convert::Infallible;
use core::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder};
use zeroize::Zeroizing;

use crate::wire::{FrameFault, decode_exact};

/// CBOR of a value that holds secrets, in one buffer of exactly its size, so that growing leaves no unwiped copy.
#[must_use]
pub fn encode_secret<T: Encode<()>>(value: &T) -> Zeroizing<Vec<u8>> {
    let mut length = Length(0);
    // Neither counting nor writing to a Vec can fail, and no encoder of ours refuses a value.
    let _: Result<(), minicbor::encode::Error<Infallible>> = minicbor::encode(value, &mut length);
    let mut out = Zeroizing::new(Vec::with_capacity(length.0));
    let _: Result<(), minicbor::encode::Error<Infallible>> = minicbor::encode(value, &mut *out);
    out
}

/// A value that fills the bytes whole. Unknown fields are skipped.
///
/// # Errors
/// [`FrameFault::Malformed`], [`FrameFault::UnknownKind`].
pub fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, FrameFault> {
    decode_exact(bytes)
}

struct Length(usize);

impl minicbor::encode::Write for Length {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(())
    }
}

/// Bytes whose meaning is another layer's: wiped on drop, and `Debug` prints none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Opaque(Zeroizing<Vec<u8>>);

impl Opaque {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Takes over bytes that are wiped on drop already.
    #[must_use]
    pub fn wiped(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opaque")
    }
}

impl<C> Encode<C> for Opaque {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Opaque {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self::new(d.bytes()?.to_vec()))
    }
}

/// A list of at most `N` values, for `decode_with`.
pub(super) fn at_most<'b, C, T: Decode<'b, C>, const N: usize>(
    d: &mut Decoder<'b>,
    ctx: &mut C,
) -> Result<Vec<T>, minicbor::decode::Error> {
    let at = d.position();
    let mut values = Vec::new();
    for value in d.array_iter_with(ctx)? {
        if values.len() == N {
            return Err(minicbor::decode::Error::message("list of too many").at(at));
        }
        values.push(value?);
    }
    Ok(values)
}
