//! The link to one relay: QUIC, HTTP/3 and the greeting that proves the relay's identity (SPEC 5, DESIGN 3).
//! quinn and h3 are used here and nowhere else in the client.
//!
//! ```text
//! Link::connect(address) -> QUIC handshake (TLS 1.3, X25519MLKEM768 only, any certificate)
//!                        -> POST /HMAC(path secret, exporter)     an interceptor gets a 404 from the real relay
//!                        -> Hello, Welcome verified               an interceptor has no key that signs its exporter
//!                        -> Admit                                 the first thing that is worth anything
//! ```

mod blob;
mod certificate;
mod fault;
mod greeting;
#[cfg(feature = "simulation")]
mod hand;
mod reach;
mod roam;
mod session;
mod stream;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::BbrConfig;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{AckFrequencyConfig, ClientConfig, Endpoint, IdleTimeout, TransportConfig, VarInt};
use relevo_protocol::wire::RelayAddress;
use tokio::task::JoinSet;

pub use blob::{BlobFault, BlobPart};
pub use fault::{LinkFault, RequestFault};
pub use greeting::{AdmissionKind, Admitted};
#[cfg(feature = "simulation")]
pub use hand::{Hand, Said, StreamId};
use reach::Reached;
pub use session::{Arrival, Connected, Incoming, Room, Session, Ticket};

/// From the name to the answered admission: twice what a relay allows for the handshake (10 s).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Keeps the paths of routers and firewalls open; three may be lost before the connection counts as dead.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A connection without a sign of life for so long is dead. The relay uses the same.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What one stream may hold unread: 1 MiB is 14 Mbit/s at 600 ms, more than the links we are for.
const STREAM_WINDOW: u32 = 1 << 20;

/// What one connection may hold unread: the session and three blob streams at full window.
const CONNECTION_WINDOW: u32 = 4 << 20;

/// What one connection may hold unsent or unacknowledged: as much as it may hold unread.
const SEND_WINDOW: u64 = 4 << 20;

/// Packets that the relay need not acknowledge at once (draft-ietf-quic-ack-frequency): every fourth, or after 25 ms, or as
/// soon as one is missing. Every second one costs it a packet for each entry. With BBR's smallest window of four packets each
/// window is still acknowledged at once. We acknowledge every second one: BBR gave half its pace or less with every tenth.
const UNACKNOWLEDGED: u32 = 3;

/// Streams that a relay may open: HTTP/3's control stream and the two of QPACK (RFC 9114, 6.2; RFC 9204, 4.2).
const RELAY_STREAMS: u32 = 3;

/// Client end of all links of one process: one UDP socket.
#[derive(Clone, Debug)]
pub struct Link {
    endpoint: Endpoint,
    reached: Reached,
    /// Ends with the last clone.
    _roaming: Arc<JoinSet<()>>,
}

impl Link {
    /// Binds a socket, for IPv6 and IPv4 where the machine has both. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`LinkFault::System`].
    pub fn new() -> Result<Self, LinkFault> {
        let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let old = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut endpoint = Endpoint::client(both).or_else(|_| Endpoint::client(old)).map_err(LinkFault::from)?;
        endpoint.set_default_client_config(configuration()?);
        let reached = Reached::default();
        let mut roaming = JoinSet::new();
        roaming.spawn(roam::follow(endpoint.clone(), reached.clone()));
        Ok(Self { endpoint, reached, _roaming: Arc::new(roaming) })
    }

    /// Opens a session at the relay of an address, with the address's admission.
    ///
    /// # Errors
    /// [`LinkFault`]. Nothing secret has left this machine unless the relay has proved to be the one of the address.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn connect(&self, address: &RelayAddress) -> Result<Connected, LinkFault> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.greet(address)).await.unwrap_or(Err(LinkFault::Unreachable))
    }

    /// Waits until every closed connection has told its relay.
    pub async fn close(&self) {
        self.endpoint.wait_idle().await;
    }

    async fn greet(&self, address: &RelayAddress) -> Result<Connected, LinkFault> {
        let connection = self.reach(&address.host, address.port).await?;
        let greeted = greeting::greet(&connection, address).await?;
        Ok(session::start(connection, greeted))
    }

    async fn reach(&self, host: &str, port: u16) -> Result<quinn::Connection, LinkFault> {
        let addresses = self.reached.addresses(host, port).await?;
        let connection = reach::first(&self.endpoint, addresses, host).await?;
        self.reached.remember(host, connection.remote_address());
        Ok(connection)
    }
}

fn configuration() -> Result<ClientConfig, LinkFault> {
    let tls = certificate::tls_configuration()?;
    let crypto = QuicClientConfig::try_from(tls).map_err(|_| LinkFault::Handshake)?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport()));
    Ok(config)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    // BBR: 200 kB at 20 % loss each way and 600 ms took 2.9 s against CUBIC's 48 s. It over-sends on clean narrow
    // links, where both took the same 28 s at 64 kbit/s. Our people's links are lossy more often than clean.
    transport.congestion_controller_factory(Arc::new(BbrConfig::default()));
    let mut acknowledgements = AckFrequencyConfig::default();
    acknowledgements
        .ack_eliciting_threshold(VarInt::from_u32(UNACKNOWLEDGED))
        .reordering_threshold(VarInt::from_u32(1));
    transport.ack_frequency_config(Some(acknowledgements));
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    transport.max_idle_timeout(IdleTimeout::try_from(IDLE_TIMEOUT).ok());
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    transport.max_concurrent_uni_streams(VarInt::from_u32(RELAY_STREAMS));
    transport.stream_receive_window(VarInt::from_u32(STREAM_WINDOW));
    transport.receive_window(VarInt::from_u32(CONNECTION_WINDOW));
    transport.send_window(SEND_WINDOW);
    transport.datagram_receive_buffer_size(None);
    transport
}
