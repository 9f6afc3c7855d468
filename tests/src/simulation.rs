//! Whole worlds in one thread: real relays' sessions and stores, real members' accounts with real MLS groups in real
//! vaults; only network, clock and scheduling are made up, all from one seed.
//!
//! ```text
//! op (what people and machines do) -> world (clients, relays, network, one queue of events) -> model (what must hold)
//! ```
//! One seed gives one run again: the same operations, effects, sequences, sizes and verdicts. `cargo run -p relevo-tests
//! --bin simulate -- --help` says how; [`model`] says what must hold.

pub mod dice;
pub mod model;
pub mod network;
pub mod op;
pub mod run;
pub mod shrink;
pub mod town;
pub mod trace;
pub mod world;
