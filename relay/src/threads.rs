//! Where threads of the relay meet: locks, and the one thread that it starts itself.
//!
//! In a test of this crate the same names decide at run time: inside [`interleavings::every_way`] they are shuttle's, which
//! says at every lock who goes on, else the system's. So the code that is led through schedules is the code that is sold.

#[cfg(test)]
pub(crate) mod interleavings;
mod system;

#[cfg(test)]
pub(crate) use interleavings::{Mutex, MutexGuard, Thread, receive_many, spawn};
#[cfg(not(test))]
pub(crate) use system::{Mutex, MutexGuard, Thread, receive_many, spawn};
