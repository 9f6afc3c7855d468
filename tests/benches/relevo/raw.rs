//! QUIC with nothing on it: the bound of what a relay could carry. The server is a process of its own, as a relay is,
//! and both ends have the limits of relay and link.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use data_encoding::HEXLOWER;
use quinn::congestion::BbrConfig;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AckFrequencyConfig, ClientConfig, Connection, Endpoint, MtuDiscoveryConfig, ServerConfig, TransportConfig, VarInt,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::task::JoinSet;

use crate::machine::Process;

/// First argument of the process that serves.
const SERVE: &str = "--serve-raw-quic";
const HOST: &str = "localhost";

/// A server process, ended when dropped.
pub(crate) struct Raw {
    child: Child,
    connection: Connection,
}

impl Raw {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let mut child =
            Command::new(std::env::current_exe()?).arg(SERVE).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let (address, certificate) = line.trim().split_once(' ').context("the raw server said nothing")?;
        let certificate = CertificateDer::from(HEXLOWER.decode(certificate.as_bytes())?);
        let connection = connect(address.parse()?, certificate).await?;
        Ok(Self { child, connection })
    }

    pub(crate) fn process(&self) -> Process {
        Process::of(self.child.id())
    }

    /// Sends pieces, so many at once, each on a stream of its own and each answered by one byte.
    pub(crate) async fn put(&self, pieces: usize, size: usize, at_once: usize) -> anyhow::Result<Duration> {
        let piece = Arc::new(vec![7; size]);
        all(pieces, at_once, || {
            let (connection, piece) = (self.connection.clone(), Arc::clone(&piece));
            async move {
                let (mut send, mut receive) = connection.open_bi().await?;
                send.write_all(&0_u32.to_be_bytes()).await?;
                send.write_all(&piece).await?;
                send.finish()?;
                receive.read_to_end(1).await?;
                Ok(())
            }
        })
        .await
    }

    /// Fetches pieces, so many at once.
    pub(crate) async fn get(&self, pieces: usize, size: usize, at_once: usize) -> anyhow::Result<Duration> {
        let length = u32::try_from(size)?;
        all(pieces, at_once, || {
            let connection = self.connection.clone();
            async move {
                let (mut send, mut receive) = connection.open_bi().await?;
                send.write_all(&length.to_be_bytes()).await?;
                send.finish()?;
                let got = receive.read_to_end(size).await?.len();
                anyhow::ensure!(got == size, "a piece came short");
                Ok(())
            }
        })
        .await
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.connection.close(VarInt::from_u32(0), b"");
        // Ended already: nothing to do.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Does something so many times, `at_once` of them together.
pub(crate) async fn all<F>(count: usize, at_once: usize, mut one: impl FnMut() -> F) -> anyhow::Result<Duration>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for _ in 0..count {
        if working.len() == at_once {
            working.join_next().await.context("nothing is under way")???;
        }
        working.spawn(one());
    }
    while let Some(done) = working.join_next().await {
        done??;
    }
    Ok(begun.elapsed())
}

/// Serves until killed, if this process was started for that.
pub(crate) fn serve_if_asked() -> anyhow::Result<bool> {
    if std::env::args().nth(1).as_deref() != Some(SERVE) {
        return Ok(false);
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve())?;
    Ok(true)
}

async fn serve() -> anyhow::Result<()> {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let mut transport = limits(64 << 10, 256 << 10, 512 << 10);
    transport.max_concurrent_bidi_streams(VarInt::from_u32(16));
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let mut out = std::io::stdout();
    writeln!(out, "{} {}", endpoint.local_addr()?, HEXLOWER.encode(made.cert.der()))?;
    out.flush()?;
    while let Some(incoming) = endpoint.accept().await {
        let connection = incoming.await?;
        tokio::spawn(async move {
            while let Ok((send, receive)) = connection.accept_bi().await {
                // A stream that breaks is seen by its client.
                tokio::spawn(async move { answer(send, receive).await.unwrap_or_default() });
            }
        });
    }
    Ok(())
}

async fn answer(mut send: quinn::SendStream, mut receive: quinn::RecvStream) -> anyhow::Result<()> {
    let mut length = [0; 4];
    receive.read_exact(&mut length).await?;
    let size = usize::try_from(u32::from_be_bytes(length))?;
    if size == 0 {
        while receive.read_chunk(usize::MAX, true).await?.is_some() {}
        send.write_all(&[1]).await?;
    } else {
        send.write_all(&vec![7; size]).await?;
    }
    Ok(send.finish()?)
}

async fn connect(address: SocketAddr, certificate: CertificateDer<'static>) -> anyhow::Result<Connection> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate)?;
    let tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let mut transport = limits(1 << 20, 4 << 20, 4 << 20);
    let mut acknowledgements = AckFrequencyConfig::default();
    acknowledgements.ack_eliciting_threshold(VarInt::from_u32(3)).reordering_threshold(VarInt::from_u32(1));
    transport.ack_frequency_config(Some(acknowledgements));
    config.transport_config(Arc::new(transport));
    let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    endpoint.set_default_client_config(config);
    Ok(endpoint.connect(address, HOST)?.await?)
}

/// Stream, connection and send window: those of relay/src/transport/endpoint.rs and client/src/link.rs.
fn limits(stream: u32, connection: u32, send: u64) -> TransportConfig {
    let mut limits = TransportConfig::default();
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(1452);
    limits
        .stream_receive_window(VarInt::from_u32(stream))
        .receive_window(VarInt::from_u32(connection))
        .send_window(send)
        .mtu_discovery_config(Some(mtu))
        .congestion_controller_factory(Arc::new(BbrConfig::default()));
    limits
}

fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    Arc::new(provider)
}
