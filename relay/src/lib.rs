//! Relevo's relay: a blind store of sealed entries.

pub mod store;
pub mod sweeper;
