//! An admitted session: requests pipelined on one stream, answers in any order, events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Uri;
use relevo_protocol::limits::MAX_FRAME;
use relevo_protocol::wire::{
    Answer, Call, Event, FrameFault, Outcome, Refusal, Reply, Request, WelcomeBody, decode_exact, encode, write_frame,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::greeting::{self, Admitted, Frames, Greeted, Stop, Streams};
#[cfg(feature = "simulation")]
use super::hand::Hand;
use super::stream::{Gone, Receiving, Sending};
use super::{LinkFault, RequestFault};

/// Requests handed over and not yet written. Those written are bounded by the relay's own limit.
const OUTGOING: usize = 512;

/// Frames that are ready go out in one write, up to so many bytes: *measured*, 16 at a time doubles the rate.
const COALESCED: usize = 64 << 10;

/// Arrivals not yet taken.
const ARRIVALS: usize = 1024;

/// KiB of entries not yet taken; beyond, the stream's window fills and the relay waits.
const ROOM_KIB: u32 = 8 << 10;

/// Names a request of the caller's, given back with its outcome.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What comes from a relay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// The outcome of a submitted request.
    Answered {
        /// Of this one.
        ticket: Ticket,
        /// What came of it.
        outcome: Outcome,
    },
    /// Something happened.
    Event(Event),
    /// The session is over; requests without an outcome have none. The last arrival.
    Over(LinkFault),
}

/// Something that came, and the room it takes until it is dropped.
#[derive(Debug)]
pub struct Arrival {
    /// What came.
    pub incoming: Incoming,
    room: Room,
}

/// Room that an arrival takes in memory until this is dropped.
#[derive(Debug)]
pub struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Arrival {
    /// What came, and the room it takes.
    #[must_use]
    pub fn into_parts(self) -> (Incoming, Room) {
        (self.incoming, self.room)
    }
}

/// A session just opened.
#[derive(Debug)]
pub struct Connected {
    /// To ask.
    pub session: Session,
    /// To hear. Must be read, or dropped by those who only ask: when it is full, answers wait too.
    pub arrivals: mpsc::Receiver<Arrival>,
    /// What the relay said of itself, verified.
    pub welcome: WelcomeBody,
    /// What it said of our admission.
    pub admitted: Admitted,
}

/// A handle on an admitted session. The connection closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Session(Arc<Open>);

pub(super) struct Open {
    pub(super) way: Way,
    pub(super) blobs: Semaphore,
    outgoing: mpsc::Sender<Outgoing>,
}

/// Where blob streams begin.
pub(super) enum Way {
    Quic {
        connection: quinn::Connection,
        streams: Streams,
        uri: Uri,
    },
    #[cfg(feature = "simulation")]
    Hand(Hand),
}

impl Way {
    /// Begins a stream with an opening.
    pub(super) async fn begin(&self, opening: Vec<u8>) -> Result<(Sending, Receiving), Gone> {
        match self {
            Self::Quic { streams, uri, .. } => {
                greeting::begin(&mut streams.clone(), uri, &opening).await.map_err(|()| Gone)
            }
            #[cfg(feature = "simulation")]
            Self::Hand(hand) => hand.begin(opening),
        }
    }

    fn close(&self) {
        match self {
            Self::Quic { connection, .. } => greeting::close(connection),
            #[cfg(feature = "simulation")]
            Self::Hand(hand) => hand.cut(),
        }
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Open")
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.way.close();
    }
}

impl Session {
    /// A session whose blob streams, so many at once, go through the hand; its requests are the engine's effects.
    #[cfg(feature = "simulation")]
    pub(crate) fn by_hand(blobs: u32) -> (Self, Hand) {
        let hand = Hand::default();
        // Nobody takes requests there.
        let (outgoing, _) = mpsc::channel(1);
        let blobs = Semaphore::new(usize::try_from(blobs).unwrap_or(1).max(1));
        (Self(Arc::new(Open { way: Way::Hand(hand.clone()), blobs, outgoing })), hand)
    }

    /// Asks and waits for the answer. Many may be under way at once.
    ///
    /// # Errors
    /// [`RequestFault`].
    ///
    /// # Cancel safety
    /// Dropping the future does not take the request back.
    pub async fn request(&self, call: Call) -> Result<Answer, RequestFault> {
        let (to, answer) = oneshot::channel();
        let outgoing = Outgoing { call, to: ReplyTo::Caller(to) };
        self.0.outgoing.send(outgoing).await.map_err(|_| RequestFault::Lost)?;
        match answer.await.map_err(|_| RequestFault::Lost)? {
            Outcome::Done { answer } => Ok(answer),
            Outcome::Refused { refusal } => Err(RequestFault::Refused(refusal)),
        }
    }

    /// Hands a request over without waiting; its outcome comes as an [`Incoming::Answered`].
    ///
    /// # Errors
    /// [`RequestFault::Lost`] when the session is over or more is waiting to be written than may.
    pub fn submit(&self, ticket: Ticket, call: Call) -> Result<(), RequestFault> {
        self.0.outgoing.try_send(Outgoing { call, to: ReplyTo::Ticket(ticket) }).map_err(|_| RequestFault::Lost)
    }

    /// Ends the session for all its handles.
    pub fn close(&self) {
        self.0.way.close();
    }

    pub(super) fn open(&self) -> &Open {
        &self.0
    }
}

struct Outgoing {
    call: Call,
    to: ReplyTo,
}

enum ReplyTo {
    Caller(oneshot::Sender<Outcome>),
    Ticket(Ticket),
}

/// Requests written and not answered, by number.
type Unanswered = Arc<Mutex<HashMap<u32, ReplyTo>>>;

pub(super) fn start(connection: quinn::Connection, greeted: Greeted) -> Connected {
    let Greeted { streams, uri, sending, incoming, welcome, admitted } = greeted;
    let (outgoing, requests) = mpsc::channel(OUTGOING);
    let (deliver, arrivals) = mpsc::channel(ARRIVALS);
    let unanswered = Unanswered::default();
    let count = |number: u32| usize::try_from(number).unwrap_or(1).max(1);
    let room = Arc::new(Semaphore::new(count(welcome.limits.requests)));
    let writer = Writer {
        stream: sending,
        requests,
        unanswered: Arc::clone(&unanswered),
        room: Arc::clone(&room),
        deliver: deliver.clone(),
        connection: connection.clone(),
        number: 0,
    };
    let reader = Reader {
        frames: incoming,
        unanswered,
        answered: room,
        deliver,
        kib: Arc::new(Semaphore::new(count(ROOM_KIB))),
        connection: connection.clone(),
    };
    // Both end with the connection, which Open closes when the last handle is dropped.
    tokio::spawn(writer.run());
    tokio::spawn(reader.run());
    let blobs = Semaphore::new(count(welcome.limits.blobs));
    let session = Session(Arc::new(Open { way: Way::Quic { connection, streams, uri }, blobs, outgoing }));
    Connected { session, arrivals, welcome, admitted }
}

struct Writer {
    stream: Sending,
    requests: mpsc::Receiver<Outgoing>,
    unanswered: Unanswered,
    /// One permit for each request that may be unanswered; the reader gives them back.
    room: Arc<Semaphore>,
    deliver: mpsc::Sender<Arrival>,
    connection: quinn::Connection,
    number: u32,
}

impl Writer {
    async fn run(mut self) {
        let connection = self.connection.clone();
        loop {
            let first = tokio::select! {
                first = self.requests.recv() => first,
                _over = connection.closed() => return,
            };
            let Some(first) = first else { break };
            let Ok(permit) = self.room.acquire().await else { return };
            permit.forget();
            let mut batch = Vec::new();
            self.add(&mut batch, first).await;
            while batch.len() < COALESCED {
                let Ok(permit) = self.room.try_acquire() else { break };
                let Ok(next) = self.requests.try_recv() else { break };
                permit.forget();
                self.add(&mut batch, next).await;
            }
            if !batch.is_empty() && self.stream.send_data(Bytes::from(batch)).await.is_err() {
                return;
            }
        }
        let _closed = self.stream.finish().await;
    }

    async fn add(&mut self, batch: &mut Vec<u8>, outgoing: Outgoing) {
        self.number = self.number.wrapping_add(1);
        let Outgoing { call, to } = outgoing;
        let body = encode(&Request { number: self.number, call });
        if write_frame(batch, &body, MAX_FRAME).is_ok() {
            lock(&self.unanswered).insert(self.number, to);
        } else {
            self.room.add_permits(1);
            answer(to, Outcome::Refused { refusal: Refusal::Malformed }, &self.deliver).await;
        }
    }
}

struct Reader {
    frames: Frames,
    unanswered: Unanswered,
    answered: Arc<Semaphore>,
    deliver: mpsc::Sender<Arrival>,
    kib: Arc<Semaphore>,
    connection: quinn::Connection,
}

impl Reader {
    async fn run(mut self) {
        let fault = loop {
            match self.frames.next(MAX_FRAME).await {
                Ok(frame) => match decode_exact(&frame) {
                    Ok(Reply::Answer { number, outcome }) => {
                        let Some(to) = lock(&self.unanswered).remove(&number) else { break LinkFault::Malformed };
                        self.answered.add_permits(1);
                        answer(to, outcome, &self.deliver).await;
                    }
                    Ok(Reply::Event { event }) => self.deliver_event(event, frame.len()).await,
                    // An event of a later version.
                    Err(FrameFault::UnknownKind) if is_event(&frame) => {}
                    Err(_) => break LinkFault::Malformed,
                },
                Err(Stop::Fault(fault)) => break fault,
                Err(Stop::Ended) => break LinkFault::of(&self.connection),
            }
        };
        greeting::close(&self.connection);
        self.answered.close();
        // Dropping the senders tells the callers that their requests are lost.
        lock(&self.unanswered).clear();
        let _gone = self.deliver.send(Arrival { incoming: Incoming::Over(fault), room: Room { _permit: None } }).await;
    }

    async fn deliver_event(&self, event: Event, size: usize) {
        let kib = u32::try_from(size / 1024).unwrap_or(ROOM_KIB).saturating_add(1).min(ROOM_KIB);
        let room = Arc::clone(&self.kib).acquire_many_owned(kib).await.ok();
        let _gone = self.deliver.send(Arrival { incoming: Incoming::Event(event), room: Room { _permit: room } }).await;
    }
}

/// Whether a frame is an event, known or not: variant 1 of a reply.
fn is_event(frame: &[u8]) -> bool {
    frame.starts_with(&[0x82, 1])
}

async fn answer(to: ReplyTo, outcome: Outcome, deliver: &mpsc::Sender<Arrival>) {
    match to {
        // A caller that went away does not want it.
        ReplyTo::Caller(caller) => drop(caller.send(outcome)),
        ReplyTo::Ticket(ticket) => {
            let incoming = Incoming::Answered { ticket, outcome };
            let _gone = deliver.send(Arrival { incoming, room: Room { _permit: None } }).await;
        }
    }
}

fn lock(unanswered: &Unanswered) -> std::sync::MutexGuard<'_, HashMap<u32, ReplyTo>> {
    // Nothing that can panic runs under this lock.
    unanswered.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use relevo_protocol::wire::SubscriptionId;

    #[test]
    fn an_event_of_a_later_version_is_skipped_and_an_answer_is_not() {
        let event = |event| encode(&Reply::Event { event });
        assert!(is_event(&event(Event::Draining)) && is_event(&event(Event::Closed { id: SubscriptionId(300) })));
        // [1, {0: [99, {}]}]
        let later = [0x82, 0x01, 0xa1, 0x00, 0x82, 0x18, 99, 0xa0];
        assert!(is_event(&later) && decode_exact::<Reply>(&later) == Err(FrameFault::UnknownKind));
        let outcome = Outcome::Refused { refusal: Refusal::Failed };
        assert!(!is_event(&encode(&Reply::Answer { number: 1, outcome })));
    }
}
