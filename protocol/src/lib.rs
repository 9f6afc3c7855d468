//! The contract between Relevo's relays and clients.
//!
//! Five layers, each knowing nothing of the one inside it (DESIGN 1): [`wire`] is what a relay may know;
//! `sealed`, `trust` and `content` are features that a relay is never built with.
//! Nothing here does I/O or reads a clock. `SPEC.md` beside this crate is the text of the contract.

pub mod labels;
pub mod limits;
#[cfg(feature = "planted-bugs")]
pub mod planted;
pub mod random;
pub mod secret;
pub mod time;
pub mod wire;

#[cfg(feature = "content")]
pub mod content;
#[cfg(feature = "sealed")]
pub mod sealed;
#[cfg(feature = "trust")]
pub mod trust;
