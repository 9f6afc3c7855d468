//! The two halves of a request's stream, as frames and batches of bytes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h3::server::RequestStream;
use relevo_protocol::wire::{FrameFault, FrameReader};

use super::http3::{Receiving, Sending};

/// What is sent in one HTTP/3 DATA frame: segments that lie apart in memory, so that an entry goes out from where it
/// is and is not copied into each reader's buffer.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    segments: VecDeque<Bytes>,
    /// Small frames gather here.
    tail: Vec<u8>,
    remaining: usize,
}

/// Bodies of at least this many bytes are sent from where they are; a copy of less costs less than a segment.
const SHARED_FROM: usize = 4096;

impl Batch {
    /// One frame.
    pub(crate) fn of(body: &[u8]) -> Self {
        let mut batch = Self::default();
        batch.frame(body, &Bytes::new());
        batch
    }

    /// Bytes yet to be sent.
    pub(crate) fn size(&self) -> usize {
        self.remaining
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.remaining == 0
    }

    /// Adds the frame of `prefix` followed by `body`.
    pub(crate) fn frame(&mut self, prefix: &[u8], body: &Bytes) {
        // Bodies are bounded by MAX_FRAME, far below what a u32 holds.
        let length = u32::try_from(prefix.len().saturating_add(body.len())).unwrap_or(u32::MAX);
        self.copy(&length.to_be_bytes());
        self.copy(prefix);
        self.raw(body.clone());
    }

    /// Adds bytes that are no frame.
    pub(crate) fn raw(&mut self, bytes: Bytes) {
        if bytes.len() < SHARED_FROM {
            self.copy(&bytes);
        } else {
            self.seal();
            self.remaining = self.remaining.saturating_add(bytes.len());
            self.segments.push_back(bytes);
        }
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.remaining = self.remaining.saturating_add(bytes.len());
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.segments.push_back(std::mem::take(&mut self.tail).into());
        }
    }
}

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.segments.front().map_or(self.tail.as_slice(), |segment| segment)
    }

    fn advance(&mut self, mut count: usize) {
        self.remaining = self.remaining.saturating_sub(count);
        self.seal();
        while let Some(front) = self.segments.front_mut() {
            let step = count.min(front.len());
            front.advance(step);
            count -= step;
            if !front.is_empty() {
                break;
            }
            self.segments.pop_front();
        }
    }
}

/// The connection or the stream is gone; there is nobody to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the peer is gone")]
pub(crate) struct PeerGone;

/// Why a stream gives no further frame.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum StreamFault {
    /// The peer broke the framing.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// The peer left.
    #[error(transparent)]
    Gone(#[from] PeerGone),
}

/// Relay to client. Boxed, as the other half is: it passes through several futures, each of which would keep room for it.
pub(crate) struct SendHalf(Box<RequestStream<Sending<Batch>, Batch>>);

impl SendHalf {
    /// Wraps the stream of a request whose response head has been sent.
    pub(super) fn new(stream: RequestStream<Sending<Batch>, Batch>) -> Self {
        Self(Box::new(stream))
    }

    /// Sends a batch and waits until the transport has room for the next.
    ///
    /// # Errors
    /// [`PeerGone`].
    ///
    /// # Cancel safety
    /// None: a cancelled send leaves half a batch behind, and the stream is over.
    pub(crate) async fn send(&mut self, batch: Batch) -> Result<(), PeerGone> {
        if batch.is_empty() {
            return Ok(());
        }
        self.0.send_data(batch).await.map_err(|_| PeerGone)
    }

    /// Ends the stream in order.
    ///
    /// # Errors
    /// [`PeerGone`].
    pub(crate) async fn finish(&mut self) -> Result<(), PeerGone> {
        self.0.finish().await.map_err(|_| PeerGone)
    }
}

/// Client to relay.
pub(crate) struct ReceiveHalf {
    stream: Box<RequestStream<Receiving, Batch>>,
    frames: FrameReader,
}

impl ReceiveHalf {
    /// Wraps the stream of a request whose head has been read.
    pub(super) fn new(stream: RequestStream<Receiving, Batch>) -> Self {
        Self { stream: Box::new(stream), frames: FrameReader::new() }
    }

    /// The next frame body of at most `max` bytes, or none at the end of the stream.
    ///
    /// # Errors
    /// [`StreamFault`].
    ///
    /// # Cancel safety
    /// A cancelled call loses nothing.
    pub(crate) async fn frame(&mut self, max: usize) -> Result<Option<Bytes>, StreamFault> {
        loop {
            if let Some(body) = self.frames.next_frame(max)? {
                return Ok(Some(body));
            }
            match self.stream.recv_data().await {
                Ok(Some(mut data)) => push(&mut self.frames, &mut data),
                Ok(None) => {
                    self.frames.finish()?;
                    return Ok(None);
                }
                Err(_) => return Err(PeerGone.into()),
            }
        }
    }

    /// A frame body that has come already.
    ///
    /// # Errors
    /// [`StreamFault::Frame`].
    pub(crate) fn ready_frame(&mut self, max: usize) -> Result<Option<Bytes>, StreamFault> {
        Ok(self.frames.next_frame(max)?)
    }

    /// Waits for bytes of a stream that has gone on as something else than frames, and adds all that have come, until there
    /// are `wanted` or a few more, or it has ended before. A packet at a time would wake, and set a timer, for each.
    ///
    /// # Errors
    /// [`PeerGone`].
    ///
    /// # Cancel safety
    /// A cancelled call loses nothing.
    pub(crate) async fn gather(&mut self, held: &mut BytesMut, wanted: usize) -> Result<Rest, PeerGone> {
        let begun = held.len();
        held.extend_from_slice(&std::mem::take(&mut self.frames).into_rest());
        poll_fn(|context| {
            while held.len() < wanted {
                match self.stream.poll_recv_data(context) {
                    Poll::Ready(Ok(Some(data))) => held.put(data),
                    Poll::Ready(Ok(None)) => return Poll::Ready(Ok(Rest::Nothing)),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(PeerGone)),
                    Poll::Pending if held.len() == begun => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            Poll::Ready(Ok(Rest::More))
        })
        .await
    }
}

/// Whether a stream has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rest {
    /// More may come.
    More,
    /// It has.
    Nothing,
}

fn push(frames: &mut FrameReader, data: &mut impl Buf) {
    while data.has_remaining() {
        let chunk = data.chunk();
        let length = chunk.len();
        frames.push(chunk);
        data.advance(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_gives_its_frames_in_order_however_it_is_cut() {
        let large = Bytes::from(vec![9; SHARED_FROM]);
        for step in [1, 3, 7, 4096, 100_000] {
            let mut batch = Batch::default();
            batch.frame(b"ab", &Bytes::from_static(b"c"));
            batch.frame(b"prefix", &large);
            batch.frame(b"", &Bytes::from_static(b"end"));
            let mut out = Vec::new();
            while batch.has_remaining() {
                let chunk = batch.chunk();
                let length = chunk.len().min(step);
                out.extend_from_slice(&chunk[..length]);
                batch.advance(length);
            }
            let mut frames = FrameReader::new();
            frames.push(&out);
            let mut next = || frames.next_frame(1 << 20).unwrap().unwrap();
            assert_eq!(next(), "abc");
            assert_eq!(next().len(), SHARED_FROM + 6);
            assert_eq!(next(), "end");
        }
    }
}
