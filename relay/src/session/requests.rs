//! The reading half of a session.

use std::sync::Arc;

use relevo_protocol::limits::MAX_FRAME;
use relevo_protocol::wire::{Answer, Outcome, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::core::{self, Admitted, Ask, Step};
use super::queue::Entrance;
use super::{Seat, SessionFault};
use crate::relay::Parts;
use crate::service::Pending;
use crate::transport::{ConnectionHandle, ReceiveHalf};

/// A request that waits for its answer to be written.
pub(super) struct Queued {
    pub(super) number: u32,
    pub(super) due: Due,
    /// What the request takes of its session's bytes, given back with the answer.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// Where the answer comes from.
pub(super) enum Due {
    /// It is here. Boxed, as the other is: a request that waits is small.
    Ready(Box<Outcome>),
    /// The store has the change.
    Change(Pending),
    /// Found when there is room to write it, so that answers do not pile up in memory.
    Ask(Box<Ask>),
}

/// Reads requests until the client ends its half or the relay is stopping.
///
/// # Errors
/// [`SessionFault`]: the session ends at once.
pub(super) async fn read(
    mut receive: ReceiveHalf,
    queue: Entrance<Queued>,
    mut who: Admitted,
    handle: &ConnectionHandle,
    parts: &Arc<Parts>,
) -> Result<(), SessionFault> {
    let own = Arc::new(Semaphore::new(parts.config.limits.request_bytes));
    let mut phase = parts.phase.subscribe();
    loop {
        let frame = match receive.ready_frame(MAX_FRAME)? {
            Some(frame) => frame,
            None => tokio::select! {
                frame = receive.frame(MAX_FRAME) => match frame? {
                    Some(frame) => frame,
                    None => return Ok(()),
                },
                _ = phase.wait_for(|phase| phase.draining()) => return Ok(()),
            },
        };
        parts.metrics.requests.one();
        // Boxed: a session that idles does not keep the room of a request.
        let queued = Box::pin(take(&frame, &mut who, &own, handle, parts)).await?;
        if queue.add(queued).await.is_err() {
            return Ok(());
        }
    }
}

/// Takes one request apart and hands it to whoever has it done.
async fn take(
    frame: &[u8],
    who: &mut Admitted,
    own: &Arc<Semaphore>,
    handle: &ConnectionHandle,
    parts: &Arc<Parts>,
) -> Result<Queued, SessionFault> {
    let (number, step) = match core::request(frame)? {
        Ok(request) => (request.number, core::step(request.call, *who)),
        Err((number, refusal)) => (number, Step::Answer(Outcome::Refused { refusal })),
    };
    let (due, room) = match step {
        Step::Answer(outcome) => (Due::Ready(Box::new(outcome)), None),
        Step::Ask(ask) => {
            let room = room(own, ask.weight()).await?;
            (Due::Ask(Box::new(ask)), Some(room))
        }
        Step::Change(change) => {
            let room = room(own, change.weight()).await?;
            (Due::Change(parts.service.change(change).await), Some(room))
        }
        Step::Enroll { change, then } => {
            let outcome = match parts.sessions.take(then.id) {
                // The invitation is not spent.
                None => Outcome::Refused { refusal: Refusal::Busy },
                Some(place) => {
                    // Rare, and what follows is asked under the new admission: so it is waited for here.
                    let outcome = parts.service.change(change).await.outcome().await;
                    if matches!(outcome, Outcome::Done { answer: Answer::Done }) {
                        *who = then;
                        handle.admit(Seat { admitted: then, _place: Some(place) });
                    }
                    outcome
                }
            };
            (Due::Ready(Box::new(outcome)), None)
        }
    };
    Ok(Queued { number, due, _room: room })
}

/// Waits until the requests before have left so many of the session's bytes.
async fn room(own: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, SessionFault> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Arc::clone(own).acquire_many_owned(bytes).await.map_err(|_| SessionFault::Store)
}
