//! Blobs: each on a stream of its own, so that a big file never holds an alert up. SPEC 8.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use relevo_protocol::limits::{MAX_BLOB, MAX_FRAME};
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{BlobCall, BlobId, BlobReply, Opening, Refusal, decode_exact, encode};

use super::Session;
use super::greeting::Frames;
use super::stream::Sending;

/// Bytes that go into one DATA frame: after each, whoever watches sees the blob move. 2 s at 64 kbit/s.
const PIECE: usize = 16 << 10;

/// Why a blob was not moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlobFault {
    /// The relay refused.
    #[error("the relay refused: {0}")]
    Refused(#[from] Refusal),
    /// The connection broke; what the relay has of the blob it keeps.
    #[error("the connection to the relay broke")]
    Lost,
    /// The relay broke the protocol.
    #[error("the relay's words do not parse")]
    Malformed,
    /// The bytes are not the blob's.
    #[error("the relay sent other bytes than the blob's")]
    Mismatch,
}

impl BlobFault {
    /// Stable name, from which the words for people are chosen.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(Refusal::NoSuchBlob) => "blob-gone",
            Self::Refused(Refusal::RelayFull) => "relay-full",
            Self::Refused(Refusal::AllowanceSpent) => "allowance-spent",
            Self::Refused(_) => "blob-refused",
            Self::Lost => "relay-lost",
            Self::Malformed => "relay-malformed",
            Self::Mismatch => "blob-mismatch",
        }
    }

    /// Whether waiting may help, without anybody doing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Lost | Self::Refused(Refusal::Busy | Refusal::Failed | Refusal::RateExceeded))
    }
}

/// A part of a blob. A whole one has been checked against its id.
#[derive(Clone, PartialEq, Eq)]
pub struct BlobPart {
    /// The bytes from the range's start.
    pub bytes: Bytes,
    /// Length of the whole blob.
    pub total: u64,
}

impl std::fmt::Debug for BlobPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlobPart")
    }
}

impl Session {
    /// Stores a blob and waits until it is on the relay's disk. Goes on where an earlier, broken put stopped; repeated,
    /// it renews the lease. As many at once as the relay allows; more wait here.
    ///
    /// # Errors
    /// [`BlobFault`].
    ///
    /// # Cancel safety
    /// Dropping the future stops the put; a later one resumes it.
    pub async fn put_blob(&self, id: BlobId, bytes: Bytes, lease_hours: u32) -> Result<Hour, BlobFault> {
        self.put_blob_watched(id, bytes, lease_hours, |_| {}).await
    }

    /// As [`Session::put_blob`]; says how many of the bytes have left, at most a stream's window ahead of the relay.
    ///
    /// # Errors
    /// [`BlobFault`].
    ///
    /// # Cancel safety
    /// As [`Session::put_blob`].
    pub async fn put_blob_watched(
        &self,
        id: BlobId,
        bytes: Bytes,
        lease_hours: u32,
        mut left: impl FnMut(usize) + Send,
    ) -> Result<Hour, BlobFault> {
        let length = u64::try_from(bytes.len()).map_err(|_| Refusal::Malformed)?;
        if length > MAX_BLOB {
            return Err(Refusal::Malformed.into());
        }
        let (mut sending, mut frames, _turn) = self.blob_stream(BlobCall::Put { id, length, lease_hours }).await?;
        let offset = match reply(&mut frames).await? {
            BlobReply::Stored { expires } => return Ok(expires),
            BlobReply::Have { offset } => usize::try_from(offset).map_err(|_| BlobFault::Malformed)?,
            BlobReply::Refused { refusal } => return Err(refusal.into()),
            BlobReply::Sending { .. } => return Err(BlobFault::Malformed),
        };
        if offset > bytes.len() {
            return Err(BlobFault::Malformed);
        }
        let mut rest = bytes.slice(offset..);
        while !rest.is_empty() {
            let piece = rest.split_to(PIECE.min(rest.len()));
            sending.send_data(piece).await.map_err(|_| BlobFault::Lost)?;
            left(bytes.len().saturating_sub(rest.len()));
        }
        sending.finish().await.map_err(|_| BlobFault::Lost)?;
        match reply(&mut frames).await? {
            BlobReply::Stored { expires } => Ok(expires),
            BlobReply::Refused { refusal } => Err(refusal.into()),
            BlobReply::Have { .. } | BlobReply::Sending { .. } => Err(BlobFault::Malformed),
        }
    }

    /// Reads a range of a blob, as far as the blob reaches.
    ///
    /// # Errors
    /// [`BlobFault`].
    ///
    /// # Cancel safety
    /// Dropping the future stops the read.
    pub async fn get_blob(&self, id: BlobId, range: Range<u64>) -> Result<BlobPart, BlobFault> {
        let wanted = range.end.saturating_sub(range.start).min(MAX_BLOB);
        let call = BlobCall::Get { id, offset: range.start, length: wanted };
        let (length, total, frames, _turn) = self.open_blob(call).await?;
        if length > wanted || total > MAX_BLOB {
            return Err(BlobFault::Malformed);
        }
        let mut bytes = BytesMut::new();
        rest(frames, usize::try_from(length).map_err(|_| BlobFault::Malformed)?, &mut bytes, |_| {}).await?;
        let bytes = bytes.freeze();
        if range.start == 0 && length == total && BlobId::of(&bytes) != id {
            return Err(BlobFault::Mismatch);
        }
        Ok(BlobPart { bytes, total })
    }

    /// Fetches more of a blob, going on after what `held` has of it, at most so many bytes; what comes before a break is in
    /// `held` afterwards. Says how many bytes are held. True when the blob is whole.
    ///
    /// # Errors
    /// [`BlobFault`]; after [`BlobFault::Mismatch`] what is held is worth nothing.
    ///
    /// # Cancel safety
    /// Dropping the future stops the read; what came is kept.
    pub async fn fetch_blob(
        &self,
        id: BlobId,
        held: &mut BytesMut,
        most: u64,
        came: impl FnMut(usize) + Send,
    ) -> Result<bool, BlobFault> {
        let offset = u64::try_from(held.len()).map_err(|_| BlobFault::Malformed)?;
        let wanted = MAX_BLOB.saturating_sub(offset).min(most);
        let (length, total, frames, _turn) = self.open_blob(BlobCall::Get { id, offset, length: wanted }).await?;
        let upto = offset.saturating_add(length);
        // All that was asked for, or all that there is.
        if length > wanted || upto > total || total > MAX_BLOB || (length < wanted && upto < total) {
            return Err(BlobFault::Malformed);
        }
        rest(frames, usize::try_from(upto).map_err(|_| BlobFault::Malformed)?, held, came).await?;
        if upto < total {
            return Ok(false);
        }
        if BlobId::of(held) == id { Ok(true) } else { Err(BlobFault::Mismatch) }
    }

    /// Asks for a blob: length and total that the relay promises, and the stream after its promise.
    async fn open_blob(
        &self,
        call: BlobCall,
    ) -> Result<(u64, u64, Frames, tokio::sync::SemaphorePermit<'_>), BlobFault> {
        let (mut sending, mut frames, turn) = self.blob_stream(call).await?;
        sending.finish().await.map_err(|_| BlobFault::Lost)?;
        match reply(&mut frames).await? {
            BlobReply::Sending { length, total } => Ok((length, total, frames, turn)),
            BlobReply::Refused { refusal } => Err(refusal.into()),
            BlobReply::Have { .. } | BlobReply::Stored { .. } => Err(BlobFault::Malformed),
        }
    }

    async fn blob_stream(
        &self,
        call: BlobCall,
    ) -> Result<(Sending, Frames, tokio::sync::SemaphorePermit<'_>), BlobFault> {
        let open = self.open();
        let turn = open.blobs.acquire().await.map_err(|_| BlobFault::Lost)?;
        let opening = encode(&Opening::Blob { call });
        let (sending, receiving) = open.way.begin(opening).await.map_err(|_| BlobFault::Lost)?;
        let mut frames = Frames::new(receiving);
        frames.accepted().await.map_err(|_| BlobFault::Lost)?;
        Ok((sending, frames, turn))
    }
}

async fn reply(frames: &mut Frames) -> Result<BlobReply, BlobFault> {
    let frame = frames.next(MAX_FRAME).await.map_err(|_| BlobFault::Lost)?;
    decode_exact(&frame).map_err(|_| BlobFault::Malformed)
}

/// Fills `held` up to `length` with the bytes after the last frame. What comes before a break stays in it.
async fn rest(
    frames: Frames,
    length: usize,
    held: &mut BytesMut,
    mut came: impl FnMut(usize) + Send,
) -> Result<(), BlobFault> {
    let (first, mut stream) = frames.into_parts();
    held.reserve(length.saturating_sub(held.len()));
    held.extend_from_slice(&first);
    while held.len() < length {
        stream.more(|bytes| held.extend_from_slice(bytes)).await.map_err(|_| BlobFault::Lost)?;
        came(held.len());
    }
    if held.len() == length { Ok(()) } else { Err(BlobFault::Malformed) }
}
