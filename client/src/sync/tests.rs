//! The engine against a relay of the tests' own making, a manual clock and a real vault.

#![expect(
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test's numbers are small, and its relay does what the tests need"
)]

mod asking;
mod facts;
mod lies;
mod relay;
mod simulation;
mod world;
