//! The one thread that changes the store: it drains what has gathered, makes it durable once, answers all.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{MailboxId, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::applied::{Applied, Touch};
use super::change::Change;
use super::config::StoreConfig;
use super::fault::StoreFault;
use super::ledger::Ledger;
use crate::threads::{self, Thread};

/// Bytes that one permit of the queue stands for.
const PERMIT_BYTES: usize = 256;
/// Changes that wait at most, whatever their size.
const QUEUE: usize = 8192;
/// Blobs that wait at once, 2 MiB. An entry that comes then is behind the batch under way, and in the next with as many more.
const BLOBS: usize = 8;

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Told on the writer's thread after each flush, before the answers go out. Must not block.
pub type Witness = Box<dyn FnMut(&[(MailboxId, Touch)]) + Send>;

/// A handle of the writer; clones feed the same thread, which ends when the last is dropped and the queue is empty.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    blobs: Arc<Semaphore>,
}

/// The writer's thread.
pub struct WriterThread(Thread<Result<(), StoreFault>>);

struct Job {
    change: Change,
    answer: oneshot::Sender<Result<Applied, Refusal>>,
    /// In the queue, and among the blobs.
    _room: [OwnedSemaphorePermit; 2],
}

/// An answer on its way; comes after the flush. `Refusal::Failed` when the writer has stopped.
///
/// # Cancel safety
/// Dropping it does not undo the change.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Applied, Refusal>>);

impl Future for Pending {
    type Output = Result<Applied, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(Refusal::Failed)))
    }
}

impl Pending {
    /// Waits on a thread that is not a worker of tokio.
    ///
    /// # Errors
    /// As the change was refused.
    pub fn wait(self) -> Result<Applied, Refusal> {
        self.0.blocking_recv().unwrap_or(Err(Refusal::Failed))
    }
}

impl Writer {
    /// Starts the thread "relevo-writer".
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn(
        ledger: Ledger,
        config: &StoreConfig,
        clock: Clock,
        witness: Witness,
    ) -> Result<(Self, WriterThread), StoreFault> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let permits = (config.queue_bytes / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        let batch = config.batch.max(1);
        let thread = threads::spawn("relevo-writer", move || run(ledger, jobs, batch, &clock, witness))?;
        let (room, blobs) = (Arc::new(Semaphore::new(permits)), Arc::new(Semaphore::new(BLOBS)));
        Ok((Self { queue, room, blobs }, WriterThread(thread)))
    }

    /// Queues a change, waiting for room. Changes of one caller are applied in the order of its calls.
    ///
    /// # Errors
    /// [`Refusal::Failed`] when the writer has stopped.
    ///
    /// # Cancel safety
    /// Dropped before it is done, nothing was queued.
    pub async fn submit(&self, change: Change) -> Result<Pending, Refusal> {
        let closed = |_| Refusal::Failed;
        let among_blobs = Arc::clone(&self.blobs).acquire_many_owned(blobs(&change)).await.map_err(closed)?;
        let room = Arc::clone(&self.room).acquire_many_owned(permits(&change)).await.map_err(closed)?;
        let room = [room, among_blobs];
        let (answer, pending) = oneshot::channel();
        self.queue.send(Job { change, answer, _room: room }).await.map_err(|_| Refusal::Failed)?;
        Ok(Pending(pending))
    }

    /// Queues a change if there is room now.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when the queue is full, [`Refusal::Failed`] when the writer has stopped.
    pub fn try_submit(&self, change: Change) -> Result<Pending, Refusal> {
        let full = |_| Refusal::Busy;
        let among_blobs = Arc::clone(&self.blobs).try_acquire_many_owned(blobs(&change)).map_err(full)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(permits(&change)).map_err(full)?;
        let room = [room, among_blobs];
        let (answer, pending) = oneshot::channel();
        self.queue.try_send(Job { change, answer, _room: room }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Refusal::Busy,
            mpsc::error::TrySendError::Closed(_) => Refusal::Failed,
        })?;
        Ok(Pending(pending))
    }

    /// Queues a change and waits for what comes of it.
    ///
    /// # Errors
    /// As the change was refused.
    pub async fn apply(&self, change: Change) -> Result<Applied, Refusal> {
        self.submit(change).await?.await
    }

    /// Resolves when the writer has stopped, which without a shutdown means a fault: the process must end.
    pub async fn stopped(&self) {
        self.queue.closed().await;
    }

    /// Whether the writer has stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.queue.is_closed()
    }
}

impl WriterThread {
    /// Waits for the thread. Every [`Writer`] must be dropped before, or the writer have failed.
    ///
    /// # Errors
    /// The fault that stopped it.
    pub fn join(self) -> Result<(), StoreFault> {
        self.0.join().unwrap_or(Err(StoreFault::WriterDied))
    }
}

/// Places that a change takes among the blobs.
fn blobs(change: &Change) -> u32 {
    u32::from(matches!(change, Change::KeepBlob { .. }))
}

fn permits(change: &Change) -> u32 {
    u32::try_from(change.weight() / PERMIT_BYTES).unwrap_or(u32::MAX)
}

fn run(
    mut ledger: Ledger,
    mut jobs: mpsc::Receiver<Job>,
    batch: usize,
    clock: &Clock,
    mut witness: Witness,
) -> Result<(), StoreFault> {
    let mut gathered = Vec::with_capacity(batch);
    while threads::receive_many(&mut jobs, &mut gathered, batch) > 0 {
        let (changes, waiting): (Vec<_>, Vec<_>) =
            gathered.drain(..).map(|Job { change, answer, _room }| (change, (answer, _room))).unzip();
        let batched = match ledger.apply(changes, clock()) {
            Ok(batched) => batched,
            Err(fault) => {
                // Those who wait see their senders dropped: nothing is acknowledged.
                tracing::error!(%fault, "the store failed, the relay must stop");
                return Err(fault);
            }
        };
        witness(&batched.touches);
        // The last first: a session waits for the first of its own, and is woken once, when the others are there too.
        // In the other order fifty sessions write each answer by itself.
        for ((answer, _room), outcome) in waiting.into_iter().zip(batched.outcomes).rev() {
            // A caller that has gone needs no answer.
            let _gone = answer.send(outcome);
        }
    }
    Ok(())
}
