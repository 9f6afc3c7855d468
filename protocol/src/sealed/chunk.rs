//! Chunks of a document: blobs under a key that belongs to that document alone.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::SealFault;
use crate::labels;
use crate::limits::{CHUNK, MAX_CHUNKS, MAX_DOCUMENT, MIN_LAST_CHUNK};
use crate::secret::named_secret;

named_secret! {
    /// Key of one document, drawn anew for each: its chunks' nonces are their numbers.
    DocumentKey, 32
}

/// Chunks of a document of `size` bytes; an empty one has one.
///
/// # Errors
/// [`SealFault::TooLarge`] above [`MAX_DOCUMENT`].
pub fn chunk_count(size: u64) -> Result<usize, SealFault> {
    let too_large = SealFault::TooLarge { max: MAX_CHUNKS.saturating_mul(CHUNK) };
    if size > MAX_DOCUMENT {
        return Err(too_large);
    }
    let size = usize::try_from(size).map_err(|_| too_large)?;
    Ok(size.div_ceil(CHUNK).max(1))
}

/// Plaintext bytes in chunk `index` of a document of `size` bytes; none when it has no such chunk.
#[must_use]
pub fn chunk_length(size: u64, index: usize) -> Option<usize> {
    let count = chunk_count(size).ok()?;
    let before = index.checked_mul(CHUNK)?;
    let size = usize::try_from(size).ok()?;
    (index < count).then(|| size.saturating_sub(before).min(CHUNK))
}

/// Seals chunk `index` of a document of `size` bytes: XChaCha20-Poly1305(key, 16 zero bytes | index as 8 bytes,
/// big-endian, chunk, aad = label | 0x00 | index | 1 if last else 0). The last chunk is padded with zeros to 4 KiB or
/// one of its doubles up to 256 KiB.
///
/// # Errors
/// [`SealFault::Malformed`] when `chunk` is not as long as [`chunk_length`] says, [`SealFault::TooLarge`].
pub fn seal_chunk(key: &DocumentKey, size: u64, index: usize, chunk: &[u8]) -> Result<Vec<u8>, SealFault> {
    let place = Place::of(size, index)?;
    if chunk.len() != place.length {
        return Err(SealFault::Malformed);
    }
    let mut padded = Zeroizing::new(Vec::with_capacity(place.padded));
    padded.extend_from_slice(chunk);
    padded.resize(place.padded, 0);
    XChaCha20Poly1305::new(key.expose().into())
        .encrypt(XNonce::from_slice(&place.nonce()), Payload { msg: &padded, aad: &place.aad() })
        .map_err(|_| SealFault::Malformed)
}

/// Opens chunk `index` of a document of `size` bytes.
///
/// # Errors
/// [`SealFault::NotOurs`], [`SealFault::Malformed`], [`SealFault::TooLarge`].
pub fn open_chunk(key: &DocumentKey, size: u64, index: usize, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealFault> {
    let place = Place::of(size, index)?;
    let mut padded = XChaCha20Poly1305::new(key.expose().into())
        .decrypt(XNonce::from_slice(&place.nonce()), Payload { msg: blob, aad: &place.aad() })
        .map(Zeroizing::new)
        .map_err(|_| SealFault::NotOurs)?;
    if padded.len() != place.padded || padded.iter().skip(place.length).any(|byte| *byte != 0) {
        return Err(SealFault::Malformed);
    }
    padded.truncate(place.length);
    Ok(padded)
}

/// Where a chunk stands in its document.
struct Place {
    index: u64,
    last: bool,
    length: usize,
    padded: usize,
}

impl Place {
    fn of(size: u64, index: usize) -> Result<Self, SealFault> {
        let count = chunk_count(size)?;
        let length = chunk_length(size, index).ok_or(SealFault::Malformed)?;
        let last = index.saturating_add(1) == count;
        let padded = if last { length.next_power_of_two().clamp(MIN_LAST_CHUNK, CHUNK) } else { CHUNK };
        Ok(Self { index: u64::try_from(index).map_err(|_| SealFault::Malformed)?, last, length, padded })
    }

    fn nonce(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        nonce.split_at_mut(16).1.copy_from_slice(&self.index.to_be_bytes());
        nonce
    }

    fn aad(&self) -> Vec<u8> {
        [labels::CHUNK.as_bytes(), &[0], &self.index.to_be_bytes(), &[u8::from(self.last)]].concat()
    }
}
