//! Frames: a 4-byte big-endian length, then that many bytes of CBOR. SPEC 5.

use minicbor::{Decode, Encode};

/// Why bytes are no frame.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameFault {
    /// The length is over the limit that stands here.
    #[error("a frame is longer than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// A frame of no bytes.
    #[error("a frame is empty")]
    Empty,
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// The body is not the CBOR that was awaited.
    #[error("a frame does not parse")]
    Malformed,
    /// The body is of a kind that this side does not know.
    #[error("a frame is of an unknown kind")]
    UnknownKind,
}

/// CBOR of a value of ours.
#[must_use]
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a Vec cannot fail, and no encoder of ours refuses a value.
    let _: Result<(), minicbor::encode::Error<core::convert::Infallible>> = minicbor::encode(value, &mut out);
    out
}

/// A value that fills the bytes whole.
///
/// # Errors
/// [`FrameFault::UnknownKind`] for an unknown variant, [`FrameFault::Malformed`] for anything else, trailing bytes included.
pub fn decode_exact<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, FrameFault> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().map_err(|fault: minicbor::decode::Error| {
        if fault.is_unknown_variant() { FrameFault::UnknownKind } else { FrameFault::Malformed }
    })?;
    if decoder.position() == bytes.len() { Ok(value) } else { Err(FrameFault::Malformed) }
}

/// Appends the frame of a body to `out`.
///
/// # Errors
/// [`FrameFault::TooLong`] when the body is over `max`.
pub fn write_frame(out: &mut Vec<u8>, body: &[u8], max: usize) -> Result<(), FrameFault> {
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= max).ok_or(FrameFault::TooLong { max })?;
    out.extend(length.to_be_bytes());
    out.extend_from_slice(body);
    Ok(())
}

/// Cuts a stream of bytes into frame bodies. Holds at most one frame and what came with its end.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: bytes::BytesMut,
}

impl FrameReader {
    /// An empty reader.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes held.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole frame body, or none until more bytes come.
    ///
    /// # Errors
    /// [`FrameFault::TooLong`] or [`FrameFault::Empty`], as soon as the length is read: the stream cannot go on.
    pub fn next_frame(&mut self, max: usize) -> Result<Option<bytes::Bytes>, FrameFault> {
        let Some((header, rest)) = self.buffer.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*header)).map_err(|_| FrameFault::TooLong { max })?;
        if length == 0 {
            return Err(FrameFault::Empty);
        }
        if length > max {
            return Err(FrameFault::TooLong { max });
        }
        if rest.len() < length {
            self.buffer.reserve(length - rest.len());
            return Ok(None);
        }
        let _header = self.buffer.split_to(4);
        let body = self.buffer.split_to(length).freeze();
        if self.buffer.is_empty() {
            // What is left would keep the room of the frame, up to half a MiB of each idle session.
            self.buffer = bytes::BytesMut::new();
        }
        Ok(Some(body))
    }

    /// Bytes after the last frame, for a stream that goes on as something else than frames.
    pub fn into_rest(self) -> bytes::Bytes {
        self.buffer.freeze()
    }

    /// Says that the stream has ended.
    ///
    /// # Errors
    /// [`FrameFault::Truncated`] when it ended inside a frame.
    pub fn finish(&self) -> Result<(), FrameFault> {
        if self.buffer.is_empty() { Ok(()) } else { Err(FrameFault::Truncated) }
    }
}
