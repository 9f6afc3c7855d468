//! The UDP endpoint: every limit of quinn's, set and explained by its sum.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::BbrConfig;
use quinn::{Endpoint, IdleTimeout, Incoming, MtuDiscoveryConfig, Runtime as _, ServerConfig, TransportConfig, VarInt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{self, Admittance};
use super::reset;
use super::socket::Socket;
use super::tls::{self, CertificateFault, ShownCertificate};
use crate::config::Limits;
use crate::keys::Keys;
use crate::places::{Most, Places, Source};
use crate::relay::Parts;

/// Why the relay cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenFault {
    /// The port is not to be had.
    #[error("cannot listen on UDP port {port}: {source}")]
    Bind {
        /// The port asked for.
        port: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is no certificate to show.
    #[error(transparent)]
    Certificate(#[from] CertificateFault),
    /// TLS cannot be had as it must be.
    #[error("TLS: {0}")]
    Tls(rustls::Error),
}

/// Attempts that quinn holds for us before we look at them. A ClientHello with ML-KEM is two packets, at most 3 KiB:
/// 256 x 3 KiB < 1 MiB.
const WAITING_ATTEMPTS: usize = 256;
/// Bytes buffered for one such attempt: its ClientHello and some repeats.
const ATTEMPT_BUFFER: u64 = 8 << 10;
/// Bytes buffered for all of them: 256 x 8 KiB.
const ATTEMPT_BUFFERS: u64 = 2 << 20;
/// Handshakes at once. 128 x (16 KiB of CRYPTO + 40 KiB of connection state) = 7 MiB. Of one address 16: who stalls them
/// all has eight addresses, and a hall of 256 behind one address passes in 16 round trips.
const HANDSHAKES: Most = Most { all: 128, each: 16 };
/// Those of them whose address is not proved; from there on a client must first prove its own by a Retry. Forged sources
/// then cost us one packet each and no signature, and take a quarter of the places of somebody else's address at most.
const UNPROVED: Most = Most { all: 32, each: 4 };
/// Two-way streams of a connection: a session, blob streams and a page or two. Memory follows this number: measured
/// 128 KiB per idle connection at 1024, 38 KiB at 16.
const TWO_WAY_STREAMS: u32 = 16;
/// One-way streams that HTTP/3 needs: control, QPACK encoder, QPACK decoder.
const ONE_WAY_STREAMS: u32 = 3;
/// Bytes that a peer may send on one stream before we read them.
const STREAM_WINDOW: u32 = 64 << 10;
/// Bytes that a peer with an admitted session may send on all its streams before we read them: under 3 MiB
/// whatever their pieces and gaps, of which quinn-proto (from 0.11.19 on) holds 1,024 a stream; its defaults allowed 261 MiB.
pub(super) const CONNECTION_WINDOW: u32 = 256 << 10;
/// The same before that: 8 KiB of a request's head, some pages' heads, a greeting. In one-byte pieces under 1 MiB.
const VISIT_WINDOW: u32 = 16 << 10;
/// Bytes that we hold for a peer that does not acknowledge them: at 600 ms this is 850 KB/s.
pub(super) const SEND_WINDOW: u64 = 512 << 10;
/// The same for a visitor: all pages of the site.
const VISIT_SEND_WINDOW: u64 = 64 << 10;
/// Silence after which a connection is gone. Clients send a keep-alive every 10 s.
const IDLE: Duration = Duration::from_secs(30);
/// Bytes of out-of-order handshake data held: a ClientHello fits in 2 KiB.
const CRYPTO_BUFFER: usize = 16 << 10;
/// UDP receive buffer asked of the kernel: its default (208 KiB) tripled fan-out time when measured.
pub(crate) const RECEIVE_BUFFER: usize = 8 << 20;

/// Binds the port and sets the limits.
///
/// # Errors
/// [`ListenFault`].
pub(crate) fn listen(address: SocketAddr, keys: &Keys, shown: Arc<ShownCertificate>) -> Result<Endpoint, ListenFault> {
    let tls = tls::server(shown).map_err(ListenFault::Tls)?;
    let mut server = ServerConfig::with_crypto(Arc::new(tls));
    server
        .transport_config(Arc::new(limits()))
        .max_incoming(WAITING_ATTEMPTS)
        .incoming_buffer_size(ATTEMPT_BUFFER)
        .incoming_buffer_size_total(ATTEMPT_BUFFERS)
        .migration(true);
    // No address tokens: they would let an observer of ours link two visits.
    server.validation_token.sent(0);
    let bind = |source| ListenFault::Bind { port: address.port(), source };
    let socket = UdpSocket::bind(address).or_else(|fault| without_ipv6(address, fault)).map_err(bind)?;
    ask_for_buffer(&socket);
    let runtime = Arc::new(quinn::TokioRuntime);
    let socket = Arc::new(Socket::new(runtime.wrap_udp_socket(socket).map_err(bind)?));
    Endpoint::new_with_abstract_socket(reset::endpoint(&keys.identity), Some(server), socket, runtime).map_err(bind)
}

/// "All addresses" of a machine without IPv6 are those of IPv4.
fn without_ipv6(address: SocketAddr, fault: io::Error) -> io::Result<UdpSocket> {
    const NO_IPV6: i32 = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    if fault.raw_os_error() == Some(NO_IPV6) && address.ip() == Ipv6Addr::UNSPECIFIED {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, address.port()))
    } else {
        Err(fault)
    }
}

fn limits() -> TransportConfig {
    let mut limits = TransportConfig::default();
    let mut mtu = MtuDiscoveryConfig::default();
    // Ethernet's 1500 less IPv6 and UDP headers. Without discovery bulk transfers cost a third more CPU (measured).
    mtu.upper_bound(1452);
    limits
        .max_concurrent_bidi_streams(VarInt::from_u32(TWO_WAY_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(ONE_WAY_STREAMS))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(VISIT_WINDOW))
        .send_window(VISIT_SEND_WINDOW)
        .max_idle_timeout(IdleTimeout::try_from(IDLE).ok())
        .keep_alive_interval(None)
        .crypto_buffer_size(CRYPTO_BUFFER)
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0)
        .allow_spin(false)
        .mtu_discovery_config(Some(mtu))
        // On 20 % loss and 600 ms, 200 kB took 2.9 s with BBR and 48 s with CUBIC (measured).
        .congestion_controller_factory(Arc::new(BbrConfig::default()));
    limits
}

/// Asks the kernel for the receive buffer, and says what it gives: twice the bytes, as Linux reports it.
///
/// # Errors
/// The kernel's.
pub(crate) fn receive_buffer(socket: &UdpSocket) -> io::Result<usize> {
    let reference = || quinn::udp::UdpSockRef::from(socket);
    let state = quinn::udp::UdpSocketState::new(reference())?;
    state.set_recv_buffer_size(reference(), RECEIVE_BUFFER)?;
    state.recv_buffer_size(reference())
}

fn ask_for_buffer(socket: &UdpSocket) {
    match receive_buffer(socket) {
        Ok(granted) if granted >= RECEIVE_BUFFER => {}
        Ok(granted) => tracing::warn!(
            asked = RECEIVE_BUFFER,
            granted = granted / 2,
            advice = "sysctl -w net.core.rmem_max=8388608",
            "the kernel gave a small UDP receive buffer; bursts will be slower"
        ),
        Err(fault) => tracing::warn!(%fault, "the UDP receive buffer could not be set"),
    }
}

/// The places of connections, from their first packet on.
struct Doors {
    connections: Places<Source>,
    visitors: Places<Source>,
    handshakes: Places<Source>,
    unproved: Places<Source>,
}

/// Why an attempt is not let in.
enum Shut {
    /// It has to prove its address first.
    Unproved,
    /// As many as may be are here, of its address or in all.
    Full,
    /// As many handshakes as may be are under way. They pass: its client's next packet may be luckier, and hears nothing
    /// until then.
    Busy,
}

impl Doors {
    fn new(limits: &Limits) -> Self {
        Self {
            connections: Places::new(Most { all: limits.connections, each: limits.connections_per_address }),
            visitors: Places::new(Most { all: limits.visitors, each: limits.visitors_per_address }),
            handshakes: Places::new(HANDSHAKES),
            unproved: Places::new(UNPROVED),
        }
    }

    fn admit(&self, incoming: &Incoming) -> Result<Admittance, Shut> {
        let address = Source::from(incoming.remote_address().ip());
        let source = self.connections.take(address).ok_or(Shut::Full)?;
        let visitor = self.visitors.take(address).ok_or(Shut::Full)?;
        let unproved = if incoming.remote_address_validated() {
            None
        } else {
            Some(self.unproved.take(address).ok_or(Shut::Unproved)?)
        };
        let handshake = self.handshakes.take(address).ok_or(Shut::Busy)?;
        Ok(Admittance { handshake, unproved, visitor, source })
    }
}

/// Serves connections until the endpoint closes and the last of them has ended.
pub(crate) async fn serve(endpoint: Endpoint, parts: Arc<Parts>) {
    tokio::select! {
        () = accept(endpoint, &parts) => {}
        () = parts.watch.look() => {}
    }
}

/// Accepts connections until the endpoint closes, then waits for those that are left.
async fn accept(endpoint: Endpoint, parts: &Arc<Parts>) {
    let doors = Doors::new(&parts.config.limits);
    let mut connections = JoinSet::new();
    let mut phase = parts.phase.subscribe();
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            Some(_) = connections.join_next() => continue,
            _ = phase.wait_for(|phase| phase.draining()) => break,
        };
        let Some(incoming) = incoming else { break };
        match doors.admit(&incoming) {
            Ok(room) => {
                parts.metrics.connections_begun.one();
                connections.spawn(connection::serve(incoming, room, Arc::clone(parts)));
            }
            Err(Shut::Unproved) => {
                parts.metrics.retries_asked.one();
                // Only an attempt that has been retried refuses this, and that one has proved its address.
                let _asked = incoming.retry();
            }
            Err(Shut::Full) => {
                parts.metrics.connections_refused.one();
                incoming.refuse();
            }
            Err(Shut::Busy) => {
                parts.metrics.connections_refused.one();
                incoming.ignore();
            }
        }
    }
    // New connections are refused from here on; those that are open end by themselves or when the time is up.
    endpoint.set_server_config(None);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(parts.config.limits.drain(), ended).await.is_err() {
        tracing::warn!("some sessions did not end in time");
        endpoint.close(connection::NO_ERROR, b"");
        while connections.join_next().await.is_some() {}
    }
}
