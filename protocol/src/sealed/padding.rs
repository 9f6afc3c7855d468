//! Padding inside a seal: a 4-byte big-endian length, the body, zeros.

use zeroize::Zeroizing;

use super::SealFault;
use crate::limits::ENTRY_BUCKETS;

/// Bytes that the length takes.
const LENGTH: usize = 4;

/// The body with its length and zeros, so that with `overhead` bytes more it is as long as the smallest entry that fits.
pub(super) fn pad(body: &[u8], overhead: usize) -> Result<Zeroizing<Vec<u8>>, SealFault> {
    let needed = body.len().saturating_add(LENGTH).saturating_add(overhead);
    let largest = ENTRY_BUCKETS.into_iter().max().unwrap_or_default();
    let too_large = SealFault::TooLarge { max: largest.saturating_sub(LENGTH + overhead) };
    let bucket = ENTRY_BUCKETS.into_iter().find(|bucket| *bucket >= needed).ok_or(too_large)?;
    let length = u32::try_from(body.len()).map_err(|_| too_large)?;
    // Allocated once at full size: growing would leave unwiped copies behind.
    let mut padded = Zeroizing::new(Vec::with_capacity(bucket - overhead));
    padded.extend(length.to_be_bytes());
    padded.extend_from_slice(body);
    padded.resize(bucket - overhead, 0);
    Ok(padded)
}

/// The body of a padded plaintext.
pub(super) fn unpad(padded: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealFault> {
    let (length, rest) = padded.split_first_chunk::<LENGTH>().ok_or(SealFault::Malformed)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| SealFault::Malformed)?;
    let (body, zeros) = rest.split_at_checked(length).ok_or(SealFault::Malformed)?;
    // Anything else than zeros would be a channel that no reader sees.
    if zeros.iter().any(|byte| *byte != 0) {
        return Err(SealFault::Malformed);
    }
    Ok(Zeroizing::new(body.to_vec()))
}
