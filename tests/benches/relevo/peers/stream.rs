//! A client of somebody else's server: TLS 1.3, so many requests in flight.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dialect::Dialect;
use super::server::Server;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that has said who it is.
pub(super) struct Client {
    stream: TlsStream<TcpStream>,
    dialect: Dialect,
    heard: Vec<u8>,
    number: usize,
}

impl Client {
    /// The first of a server that may still be starting.
    pub(super) async fn enter_first(server: &Server, dialect: Dialect, number: usize) -> anyhow::Result<Self> {
        let begun = Instant::now();
        loop {
            match Self::enter(server, dialect, number).await {
                Err(_) if begun.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(100)).await,
                entered => return entered,
            }
        }
    }

    pub(super) async fn enter(server: &Server, dialect: Dialect, number: usize) -> anyhow::Result<Self> {
        let mut socket = TcpStream::connect(server.at).await?;
        socket.set_nodelay(true)?;
        dialect.before_tls(&mut socket).await?;
        let stream = connector()?.connect(ServerName::try_from("localhost")?, socket).await?;
        let mut client = Self { stream, dialect, heard: Vec::new(), number };
        for (said, until) in dialect.greeting(number) {
            client.stream.write_all(&said).await?;
            client.stream.flush().await?;
            client.hear_until(&until).await?;
        }
        client.heard.clear();
        Ok(client)
    }

    /// Reads until something was said.
    async fn hear_until(&mut self, wanted: &[u8]) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !self.heard.windows(wanted.len().max(1)).any(|some| some == wanted) {
            ensure!(begun.elapsed() < PATIENCE, "said {}", String::from_utf8_lossy(&self.heard));
            self.hear().await?;
        }
        self.heard.clear();
        Ok(())
    }

    async fn hear(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read_buf(&mut self.heard).await?;
        ensure!(read > 0, "the server hung up after {}", String::from_utf8_lossy(&self.heard));
        Ok(())
    }

    /// Stores up to `count` messages, `depth` of them unanswered at any moment, for `time` at most. How many were answered,
    /// and how long it took.
    pub(super) async fn keep_in_flight(
        &mut self,
        depth: usize,
        count: usize,
        time: Duration,
        payload: &[u8],
    ) -> anyhow::Result<(usize, Duration)> {
        let begun = Instant::now();
        let mut out = Vec::new();
        let (mut asked, mut answered) = (0, 0);
        let mut more = depth.min(count);
        loop {
            for _ in 0..more {
                self.dialect.request(self.number, asked, payload, &mut out)?;
                asked += 1;
            }
            if !out.is_empty() {
                self.stream.write_all(&out).await?;
                self.stream.flush().await?;
                out.clear();
            }
            if answered == asked {
                return Ok((answered, begun.elapsed()));
            }
            self.hear().await?;
            let heard = self.dialect.answers(&mut self.heard)?;
            answered += heard;
            more = if begun.elapsed() < time { heard.min(count - asked) } else { 0 };
        }
    }
}

fn connector() -> anyhow::Result<TlsConnector> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("TLS 1.3")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The server was started a moment ago by ourselves.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
