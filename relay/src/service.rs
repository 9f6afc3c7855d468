//! From what a session asks to what the store does, and back to what the session answers.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Admission, AdmissionId, Answer, Outcome, Refusal};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::delivery::Delivery;
use crate::store::{self, AdmissionView, Change, Store, StoreConfig, StoreFault, Witness, Writer, WriterThread};
use crate::{clock, sweeper};

/// The store as sessions see it.
pub(crate) struct Service {
    store: Store,
    writer: Writer,
    thread: WriterThread,
    stop: watch::Sender<bool>,
    sweeping: JoinHandle<()>,
}

impl Service {
    /// Opens the store and puts the relay's own admission in place.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) async fn start(
        directory: &Path,
        config: &StoreConfig,
        admission: &Admission,
        delivery: Arc<Delivery>,
    ) -> Result<Self, StoreFault> {
        let (place, bounds) = (directory.to_owned(), config.clone());
        let opened = tokio::task::spawn_blocking(move || Store::open(&place, bounds)).await;
        let (store, ledger) = opened.unwrap_or(Err(StoreFault::WriterDied))?;
        let (writer, thread) = Writer::spawn(ledger, config, Arc::new(clock::now), witness(delivery))?;
        let (stop, stopped) = watch::channel(false);
        let sweeping = tokio::spawn(sweeper::run(store.clone(), writer.clone(), Arc::new(clock::now), stopped));
        let service = Self { store, writer, thread, stop, sweeping };
        // It has no end of its own: it is replaced when the operator rotates it.
        let provide = Change::Provide { id: admission.id(), key: admission.key(), expires: Hour(u32::MAX) };
        match service.writer.apply(provide).await {
            Ok(_) => Ok(service),
            Err(_) => Err(service.stop().await.err().unwrap_or(StoreFault::WriterDied)),
        }
    }

    /// Hands a change to the writer, waiting for room in its queue.
    pub(crate) async fn change(&self, change: Change) -> Pending {
        Pending::submit(&self.writer, change).await
    }

    /// The reading half.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The one that changes it.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// An admission that has not ended, if the store has it.
    pub(crate) fn admission(&self, id: &AdmissionId, now: Timestamp) -> Option<AdmissionView> {
        // A failing disk admits nobody.
        self.store.admission(id, now).ok().flatten()
    }

    /// Waits until the writer has stopped, after which nothing is acknowledged any more.
    pub(crate) async fn failed(&self) {
        self.writer.stopped().await;
    }

    /// Lets the writer finish what it has and waits for it.
    ///
    /// # Errors
    /// The fault that had stopped it.
    pub(crate) async fn stop(self) -> Result<(), StoreFault> {
        let Self { store, writer, thread, stop, sweeping } = self;
        // It holds a writer, and the thread ends with the last of them. A slice that it had asked for is still done.
        stop.send_replace(true);
        sweeping.abort();
        let _swept = sweeping.await;
        drop(writer);
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        drop(store);
        joined.unwrap_or(Err(StoreFault::WriterDied))
    }
}

/// Has the writer wake whoever follows a mailbox that has changed.
pub(crate) fn witness(delivery: Arc<Delivery>) -> Witness {
    Box::new(move |touches| {
        let mut woken = None;
        for (mailbox, _touch) in touches {
            if woken != Some(mailbox) {
                delivery.wake(mailbox);
                woken = Some(mailbox);
            }
        }
    })
}

/// An answer that the store owes. It comes after the flush.
pub(crate) struct Pending(State);

enum State {
    Waiting(store::Pending),
    Refused(Refusal),
}

impl Pending {
    /// Hands a change to the writer, waiting for room in its queue.
    pub(crate) async fn submit(writer: &Writer, change: Change) -> Self {
        Self(match writer.submit(change).await {
            Ok(pending) => State::Waiting(pending),
            Err(refusal) => State::Refused(refusal),
        })
    }

    /// Waits for the answer; not called again after it has come.
    ///
    /// # Cancel safety
    /// A cancelled wait loses nothing.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        match &mut self.0 {
            State::Waiting(pending) => outcome(pending.await.map(Answer::from)),
            State::Refused(refusal) => Outcome::Refused { refusal: *refusal },
        }
    }

    /// The answer if it has come. Wakes nobody when it comes later: [`Pending::outcome`] does.
    pub(crate) fn settled(&mut self) -> Option<Outcome> {
        let future = std::pin::pin!(self.outcome());
        match Future::poll(future, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }
}

impl From<AdmissionView> for Answer {
    fn from(view: AdmissionView) -> Self {
        let AdmissionView { key: _, kind, expires, bytes_left, mailboxes_left } = view;
        Self::Admitted { expires, bytes_left, mailboxes_left, single_use: kind == store::AdmissionKind::SingleUse }
    }
}

fn outcome(result: Result<Answer, Refusal>) -> Outcome {
    match result {
        Ok(answer) => Outcome::Done { answer },
        Err(refusal) => Outcome::Refused { refusal },
    }
}
