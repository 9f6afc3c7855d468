//! The front: QUIC and HTTP/3, and the only place of this crate that knows of them (DESIGN 3).
//!
//! To everybody it is a small web site. A POST whose path is the HMAC of this connection's exporter reaches
//! a session or a blob stream.

mod connection;
mod endpoint;
mod frames;
mod http3;
mod reset;
mod socket;
mod stream;
mod tls;
mod watch;

pub(crate) use connection::{ConnectionHandle, HANDSHAKE_AND_HELLO, OnlySession};
pub use endpoint::ListenFault;
pub(crate) use endpoint::{RECEIVE_BUFFER, listen, receive_buffer, serve};
pub(crate) use quinn::{Endpoint, VarInt};
pub(crate) use stream::{Batch, PeerGone, ReceiveHalf, Rest, SendHalf, StreamFault};
pub use tls::CertificateFault;
pub(crate) use tls::ShownCertificate;
pub(crate) use watch::Watch;
