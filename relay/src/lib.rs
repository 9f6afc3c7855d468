//! Relevo's relay: a blind store of sealed entries, reached over QUIC.
//!
//! [`Relay::start`] runs one in a process; the program `relevo-relay` is a command line around it.

pub mod backup;
mod blob;
pub mod cli;
mod clock;
mod config;
pub mod control;
mod data;
mod delivery;
pub mod doctor;
#[cfg(feature = "simulation")]
pub mod driven;
mod keys;
mod metrics;
pub mod observe;
mod places;
mod relay;
mod service;
pub mod session;
mod site;
pub mod store;
pub mod sweeper;
mod threads;
mod transport;

pub use config::{Config, ConfigFault, Layered, Limits, Origin};
pub use data::DataFault;
pub use keys::KeysFault;
pub use metrics::Snapshot;
pub use relay::{Relay, Running, StartFault, StopFault, address_of, initialise, rotate_admission, verify_store};
pub use transport::{CertificateFault, ListenFault};
