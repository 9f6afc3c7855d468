//! One session: a greeting, then requests and answers until either side leaves (DESIGN 3).
//!
//! Requests are read, handed to the store and queued; answers are written in the order of the requests, those that are
//! ready together in one write. A client that reads slowly fills the queue, and then is read no further.

mod answers;
pub mod core;
mod desk;
#[cfg(feature = "simulation")]
pub(crate) mod driven;
pub mod greeting;
#[cfg(test)]
mod interleavings;
mod queue;
mod requests;
pub mod subscriptions;

use std::sync::Arc;

use bytes::Bytes;
use relevo_protocol::limits::MAX_OPENING;
use relevo_protocol::wire::{
    AdmissionId, Answer, BlobCall, FrameFault, Opening, Outcome, Refusal, Reply, decode_exact, encode,
};
use tokio::time::timeout;

pub(crate) use self::core::Admitted;
use self::greeting::{ExpectHello, GreetingFault};
pub(crate) use self::subscriptions::Pull;
use crate::places::Place;
use crate::relay::Parts;
use crate::store::AdmissionKind;
use crate::transport::{
    Batch, ConnectionHandle, HANDSHAKE_AND_HELLO, OnlySession, PeerGone, ReceiveHalf, SendHalf, StreamFault,
};
use crate::{blob, clock};

/// Why a session ends before its time. The peer is told none of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum SessionFault {
    /// The peer broke the framing.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// The peer failed the greeting.
    #[error(transparent)]
    Greeting(#[from] GreetingFault),
    /// The peer was silent for too long.
    #[error("the peer was silent in the greeting")]
    Silent,
    /// The peer reads nothing.
    #[error("the peer does not read")]
    Unread,
    /// The connection has a session already, or none yet for a blob stream.
    #[error("a stream came out of turn")]
    OutOfTurn,
    /// The admission has as many sessions as it may.
    #[error("the admission has as many sessions as it may")]
    TooMany,
    /// The peer left.
    #[error(transparent)]
    Gone(#[from] PeerGone),
    /// The store has stopped.
    #[error("the store has stopped")]
    Store,
}

impl From<StreamFault> for SessionFault {
    fn from(fault: StreamFault) -> Self {
        match fault {
            StreamFault::Frame(fault) => fault.into(),
            StreamFault::Gone(gone) => gone.into(),
        }
    }
}

/// Serves a stream that came on the secret path: a session, or a blob of one.
pub(crate) async fn open(send: SendHalf, receive: ReceiveHalf, handle: ConnectionHandle, parts: Arc<Parts>) {
    // Boxed one by one: what a session needs to begin is not kept while it lasts.
    let served = match Box::pin(begin(send, receive, &handle, &parts)).await {
        Ok(Begun::Session(send, receive, admitted, only)) => {
            Box::pin(session(send, receive, admitted, only, &handle, &parts)).await
        }
        Ok(Begun::Blob(call, send, receive, admitted)) => {
            let served = Box::pin(blob::serve(call, admitted, send, receive, &handle, &parts)).await;
            served.map_err(SessionFault::from)
        }
        Err(fault) => Err(fault),
    };
    match served {
        Ok(()) | Err(SessionFault::Gone(_)) => {}
        Err(fault) => {
            tracing::debug!(%fault, "session ended");
            parts.metrics.sessions_faulted.one();
            handle.end();
        }
    }
}

/// An admitted session's, kept for as long as its connection lasts.
pub(crate) struct Seat {
    pub(crate) admitted: Admitted,
    /// Among the sessions of an admission of one's own.
    _place: Option<Place<AdmissionId>>,
}

/// What a stream turned out to be.
enum Begun<'c> {
    Session(SendHalf, ReceiveHalf, Admitted, OnlySession<'c>),
    Blob(BlobCall, SendHalf, ReceiveHalf, Admitted),
}

/// Reads the opening, and of a session the rest of the greeting.
async fn begin<'c>(
    mut send: SendHalf,
    mut receive: ReceiveHalf,
    handle: &'c ConnectionHandle,
    parts: &Arc<Parts>,
) -> Result<Begun<'c>, SessionFault> {
    let hello = match decode_exact(&frame_in_time(&mut receive, MAX_OPENING).await?)? {
        Opening::Session { hello } => hello,
        Opening::Blob { call } => {
            let admitted = handle.admitted().ok_or(SessionFault::OutOfTurn)?;
            return Ok(Begun::Blob(call, send, receive, admitted));
        }
    };
    let only = handle.claim_session().ok_or(SessionFault::OutOfTurn)?;
    let limits = greeting::limits(&parts.config);
    let greeted = ExpectHello.accept(&hello, handle.exporter(), &parts.keys.identity, limits, clock::now());
    let (welcome, expecting) = greeted?;
    send.send(Batch::of(&encode(&welcome))).await?;

    // Nothing is proved yet: what comes here is as short as an opening.
    let request = decode_exact(&frame_in_time(&mut receive, MAX_OPENING).await?)?;
    let now = clock::now();
    let find = |id: &AdmissionId| parts.service.admission(id, now);
    let (number, id, found) = expecting.accept(&request, handle.exporter(), find)?;
    let admitted = Admitted { id, kind: found.kind };
    let place = match admitted.kind {
        // Everybody who has the address has this one: connections bound it.
        AdmissionKind::Shared => None,
        AdmissionKind::SingleUse | AdmissionKind::Enrolled => {
            let Some(place) = parts.sessions.take(id) else {
                let outcome = Outcome::Refused { refusal: Refusal::Busy };
                send.send(Batch::of(&encode(&Reply::Answer { number, outcome }))).await?;
                send.finish().await?;
                handle.end_after_last_words().await;
                return Err(SessionFault::TooMany);
            };
            Some(place)
        }
    };
    handle.admit(Seat { admitted, _place: place });
    parts.metrics.sessions_admitted.one();
    let reply = Reply::Answer { number, outcome: Outcome::Done { answer: Answer::from(found) } };
    send.send(Batch::of(&encode(&reply))).await?;
    Ok(Begun::Session(send, receive, admitted, only))
}

async fn frame_in_time(receive: &mut ReceiveHalf, max: usize) -> Result<Bytes, SessionFault> {
    let frame = timeout(HANDSHAKE_AND_HELLO, receive.frame(max)).await.map_err(|_| SessionFault::Silent)??;
    Ok(frame.ok_or(FrameFault::Truncated)?)
}

/// Reads requests and writes answers until one side leaves.
async fn session(
    send: SendHalf,
    receive: ReceiveHalf,
    admitted: Admitted,
    _only: OnlySession<'_>,
    handle: &ConnectionHandle,
    parts: &Arc<Parts>,
) -> Result<(), SessionFault> {
    let (queue, queued) = queue::bounded(usize::try_from(parts.config.limits.requests).unwrap_or(1));
    let mut writing = Box::pin(answers::write(send, queued, parts));
    let mut reading = Box::pin(requests::read(receive, queue, admitted, handle, parts));
    tokio::select! {
        // The client has left, or the relay is stopping: what was asked is still answered.
        read = &mut reading => { read?; writing.await?; }
        written = &mut writing => written?,
    }
    handle.end_after_last_words().await;
    Ok(())
}
