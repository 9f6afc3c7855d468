//! Sessions whose blob streams a simulator carries: it takes what the client says on them, and gives what the relay says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::stream::{Gone, Receiving, Sending};

/// What a relay may say on one stream before the client takes it: a blob in small pieces.
const UNREAD: usize = 64;

/// Names a blob stream of one session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u64);

/// What a client does with a stream.
#[derive(Clone, PartialEq, Eq)]
pub enum Said {
    /// Begins it, with the opening frame's body.
    Opened(Bytes),
    /// Sends bytes.
    Bytes(Bytes),
    /// Sends no more.
    Finished,
    /// Goes away before it has sent everything.
    Left,
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Opened(_) => "Opened",
            Self::Bytes(_) => "Bytes",
            Self::Finished => "Finished",
            Self::Left => "Left",
        })
    }
}

/// The far end of a session's blob streams.
#[derive(Clone, Default)]
pub struct Hand(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    next: u64,
    said: VecDeque<(StreamId, Said)>,
    /// Where the client waits for the relay's words.
    open: BTreeMap<StreamId, mpsc::Sender<Bytes>>,
    is_over: bool,
}

impl Hand {
    /// What the client has done since this was last asked, in order.
    #[must_use]
    pub fn take(&self) -> Vec<(StreamId, Said)> {
        self.hold().said.drain(..).collect()
    }

    /// The relay's next bytes on a stream.
    pub fn give(&self, stream: StreamId, bytes: Bytes) {
        let mut ends = self.hold();
        // One that takes nothing more has gone.
        if ends.open.get(&stream).is_some_and(|to| to.try_send(bytes).is_err()) {
            ends.open.remove(&stream);
        }
    }

    /// The relay says no more on a stream.
    pub fn end(&self, stream: StreamId) {
        self.hold().open.remove(&stream);
    }

    /// The session is over: every stream has ended, and none begins.
    pub fn cut(&self) {
        let mut ends = self.hold();
        ends.is_over = true;
        ends.open.clear();
    }

    pub(super) fn begin(&self, opening: Vec<u8>) -> Result<(Sending, Receiving), Gone> {
        let mut ends = self.hold();
        if ends.is_over {
            return Err(Gone);
        }
        ends.next = ends.next.saturating_add(1);
        let stream = StreamId(ends.next);
        let (to, heard) = mpsc::channel(UNREAD);
        ends.open.insert(stream, to);
        ends.said.push_back((stream, Said::Opened(opening.into())));
        let sending = HandSending { hand: self.clone(), stream, is_finished: false };
        Ok((Sending::Hand(sending), Receiving::Hand(heard)))
    }

    fn say(&self, stream: StreamId, said: Said) -> Result<(), Gone> {
        let mut ends = self.hold();
        if ends.is_over {
            return Err(Gone);
        }
        ends.said.push_back((stream, said));
        Ok(())
    }

    fn hold(&self) -> MutexGuard<'_, Ends> {
        // Nothing that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Hand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hand")
    }
}

/// The client's half of a stream.
pub(super) struct HandSending {
    hand: Hand,
    stream: StreamId,
    is_finished: bool,
}

impl HandSending {
    pub(super) fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        self.hand.say(self.stream, Said::Bytes(bytes))
    }

    pub(super) fn finish(&mut self) -> Result<(), Gone> {
        self.is_finished = true;
        self.hand.say(self.stream, Said::Finished)
    }
}

impl Drop for HandSending {
    fn drop(&mut self) {
        if !self.is_finished {
            let _over = self.hand.say(self.stream, Said::Left);
        }
    }
}
