//! The network lab: relays and members as real processes, each in a network of its own, over links that do everything
//! to them that networks do (tests/README.md).
//!
//! A trial runs in namespaces of its own for network, mounts and processes, made by `unshare`. Nothing in them has a
//! name outside, and the kernel ends all of it with the trial's first process, which ends when its input does: so
//! whatever happens to a test, nothing of the lab outlives it.

mod course;
mod figures;
mod host;
mod launch;
mod member;
mod names;
mod network;
mod person;
mod place;
mod trial;

pub use course::run;
pub use figures::{Figures, table};
pub use launch::{Size, launch};
pub use member::serve;
pub use trial::Trial;
