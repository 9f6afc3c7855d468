//! The contract from outside: what it says, byte by byte, and what it refuses.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, reason = "tests")]

mod alliance;
mod cddl;
mod content;
mod cross_use;
mod dice;
mod frames;
mod said;
mod sealed;
mod spec;
mod vectors;
mod wire;
