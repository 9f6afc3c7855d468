//! Kinds of content that a later version may add.

use minicbor::{Decode, Decoder, Encode, Encoder};

/// One of the kinds that this version knows, or the number of a newer one, which is shown as "needs a newer version".
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind<T> {
    /// A kind that this version knows.
    Known(T),
    /// A kind of a later version. Its content is dropped; it is never sent on.
    Newer(u32),
}

impl<T> From<T> for Kind<T> {
    fn from(known: T) -> Self {
        Self::Known(known)
    }
}

impl<C, T: Encode<C>> Encode<C> for Kind<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::Known(known) => known.encode(e, ctx),
            Self::Newer(number) => e.array(2)?.u32(*number)?.map(0)?.ok(),
        }
    }
}

impl<'b, C, T: Decode<'b, C>> Decode<'b, C> for Kind<T> {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let start = d.position();
        // A kind is [number, {fields}].
        let length = d.array()?;
        let at_number = d.position();
        let number = d.u32()?;
        let after_number = d.position();
        d.set_position(start);
        match T::decode(d, ctx) {
            Ok(known) => Ok(Self::Known(known)),
            // Only the outermost number may be news: an unknown kind deeper inside is the sender's fault.
            Err(fault) if length == Some(2) && fault.is_unknown_variant() && fault.position() == Some(at_number) => {
                d.set_position(after_number);
                d.skip()?;
                Ok(Self::Newer(number))
            }
            Err(fault) => Err(fault),
        }
    }
}
