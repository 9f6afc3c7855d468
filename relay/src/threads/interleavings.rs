//! Shuttle's locks and threads while it runs, the system's else; and what runs it.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError};

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use tokio::sync::mpsc;

use super::system;

/// Schedules of each of the two schedulers that a test tries unless `RELEVO_SHUTTLE` says otherwise.
const SCHEDULES: usize = 5000;
/// Preemptions that the second scheduler makes at most in one schedule.
const PREEMPTIONS: usize = 3;
/// Bytes of stack for each thread: the store's frames are deeper than shuttle's own tests.
const STACK: usize = 256 << 10;

/// Runs a body under many schedules: drawn evenly at every step, then with few preemptions at drawn steps (PCT). Each
/// failure prints its schedule; `RELEVO_SCHEDULE` runs that one alone.
pub(crate) fn every_way(body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(body);
    if let Ok(schedule) = std::env::var("RELEVO_SCHEDULE") {
        run(ReplayScheduler::new_from_encoded(schedule.trim()), &body);
        return;
    }
    let schedules = std::env::var("RELEVO_SHUTTLE").map_or(SCHEDULES, |number| number.parse().unwrap());
    let tried = run(RandomScheduler::new(schedules), &body) + run(PctScheduler::new(PREEMPTIONS, schedules), &body);
    assert_eq!(tried, 2 * schedules);
}

fn run(scheduler: impl Scheduler + 'static, body: &Arc<impl Fn() + Send + Sync + 'static>) -> usize {
    let mut config = shuttle::Config::new();
    config.stack_size = STACK;
    let body = Arc::clone(body);
    shuttle::Runner::new(scheduler, config).run(move || body())
}

fn led() -> bool {
    shuttle::current::try_get_current_task().is_some()
}

/// As [`system::Mutex`]. It stays what it was made as.
pub(crate) enum Mutex<T> {
    System(system::Mutex<T>),
    Led(shuttle::sync::Mutex<T>),
}

pub(crate) enum MutexGuard<'a, T> {
    System(system::MutexGuard<'a, T>),
    Led(shuttle::sync::MutexGuard<'a, T>),
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        if led() { Self::Led(shuttle::sync::Mutex::new(value)) } else { Self::System(system::Mutex::new(value)) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self {
            Self::System(mutex) => MutexGuard::System(mutex.lock()),
            Self::Led(mutex) => MutexGuard::Led(mutex.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::System(guard) => guard,
            Self::Led(guard) => guard,
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Self::System(guard) => guard,
            Self::Led(guard) => guard,
        }
    }
}

/// As [`system::Thread`].
pub(crate) enum Thread<T> {
    System(system::Thread<T>),
    Led(shuttle::thread::JoinHandle<T>),
}

pub(crate) fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<Thread<T>> {
    if led() {
        Ok(Thread::Led(shuttle::thread::Builder::new().name(name.into()).spawn(work)?))
    } else {
        Ok(Thread::System(system::spawn(name, work)?))
    }
}

impl<T> Thread<T> {
    pub(crate) fn join(self) -> std::thread::Result<T> {
        match self {
            Self::System(thread) => thread.join(),
            Self::Led(thread) => thread.join(),
        }
    }
}

pub(crate) fn receive_many<T>(queue: &mut mpsc::Receiver<T>, into: &mut Vec<T>, most: usize) -> usize {
    if led() { shuttle::future::block_on(queue.recv_many(into, most)) } else { system::receive_many(queue, into, most) }
}
