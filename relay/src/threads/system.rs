//! The system's locks and threads.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::thread::{Builder, JoinHandle};

use tokio::sync::mpsc;

/// A lock that a panicked holder does not poison: every holder leaves its value whole.
#[derive(Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

/// A lock that is held until this is dropped.
pub(crate) struct MutexGuard<'a, T>(std::sync::MutexGuard<'a, T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A thread of our own.
pub(crate) struct Thread<T>(JoinHandle<T>);

/// Starts one with a name.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<Thread<T>> {
    Ok(Thread(Builder::new().name(name.into()).spawn(work)?))
}

impl<T> Thread<T> {
    /// Waits for its end.
    ///
    /// # Errors
    /// What it panicked with.
    pub(crate) fn join(self) -> std::thread::Result<T> {
        self.0.join()
    }
}

/// Waits on a thread of our own until something has come, and takes at most `most`; 0 when nothing will come any more.
pub(crate) fn receive_many<T>(queue: &mut mpsc::Receiver<T>, into: &mut Vec<T>, most: usize) -> usize {
    queue.blocking_recv_many(into, most)
}
