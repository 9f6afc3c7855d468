//! The engine against a relay of the tests' own making, a manual clock and a real vault.

mod facts;
mod relay;
mod simulation;
mod world;
