//! Attackers with real QUIC and no manners: what they send is decided frame by frame, whatever quinn would allow.

mod half_open;
mod injector;
mod wanderer;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use quinn::crypto::rustls::QuicClientConfig;
use relevo_protocol::labels;
use relevo_protocol::limits::MAX_FRAME;
use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{
    Admission, Call, Exporter, FrameReader, Hello, Opening, Outcome, RelayAddress, Reply, Request, Version,
    decode_exact, encode, write_frame,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio::time::{sleep, timeout};

pub use half_open::HalfOpen;
use injector::{Frames, Injector};
pub use wanderer::Wanderer;

/// How long an attacker waits for what a relay does at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Frames of QUIC (RFC 9000, 19.8) that carry single bytes of a stream, so many and so far apart, and never its first: nothing
/// of it can be read and nothing joined. What a receiver must hold, piece by piece, at the least cost to the sender.
#[must_use]
pub fn gappy(stream: u64, pieces: u64, apart: u64) -> Vec<Vec<u8>> {
    (0..pieces)
        .map(|piece| {
            // STREAM with offset and length.
            let mut frame = vec![0x0e];
            frame.extend(injector::number(stream));
            frame.extend(injector::number(piece * apart + 1));
            frame.extend([1, b'x']);
            frame
        })
        .collect()
}

/// All that the windows of a connection without a session hold: eight streams, just short of the number of pieces (1,024)
/// from which on quinn ends the connection.
#[must_use]
pub fn gappy_visit() -> Vec<Vec<u8>> {
    (0..8).flat_map(|stream| gappy(stream * 4, 1000, 2)).collect()
}

/// The same for an admitted session: fifteen streams beside it.
#[must_use]
pub fn gappy_session() -> Vec<Vec<u8>> {
    (1..16).flat_map(|stream| gappy(stream * 4, 1000, 16)).collect()
}

/// The same by pieces that come in bursts: each in the first of ten packets, and nine of nothing after it. Who keeps a
/// burst for the piece in it keeps ten times what it counts; twenty are what quinn-proto takes before it copies them together.
#[must_use]
pub fn gappy_bursts() -> Vec<Vec<u8>> {
    let packet = || vec![0; MOST_OF_A_PACKET];
    let streams = (1..16).flat_map(|stream| gappy(stream * 4, 20, 16));
    streams.flat_map(|piece| std::iter::once(piece).chain((0..10).map(move |_| packet()))).collect()
}

/// PADDING that leaves room for a piece or two but for no second of its kind.
const MOST_OF_A_PACKET: usize = 1100;

/// RETIRE_CONNECTION_ID (RFC 9000, 19.16) for one id after another but the first, which goes on being used: for each the
/// relay makes a new one.
pub fn retirements() -> impl Iterator<Item = Vec<u8>> {
    (1..).map(|id| [vec![0x19], injector::number(id)].concat())
}

/// Asks for an acknowledgement at once (draft-ietf-quic-ack-frequency).
const IMMEDIATE_ACK: [u8; 1] = [0x1f];

/// A connection of somebody who owes nobody anything.
pub struct Attacker {
    /// Below HTTP.
    pub connection: quinn::Connection,
    frames: Arc<Frames>,
    _endpoint: quinn::Endpoint,
}

/// A handshake whose client answers a Retry, and from there on hears nothing of what the relay says.
pub struct Stalled {
    _connecting: quinn::Connecting,
    _endpoint: quinn::Endpoint,
}

impl Stalled {
    /// Begins it.
    ///
    /// # Errors
    /// This machine refused a socket.
    pub fn begin(to: SocketAddr) -> anyhow::Result<Self> {
        let crypto = Injector::new(Arc::new(QuicClientConfig::try_from(tls()?)?), Arc::default()).deaf();
        let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
        let connecting = endpoint.connect_with(quinn::ClientConfig::new(Arc::new(crypto)), to, "localhost")?;
        Ok(Self { _connecting: connecting, _endpoint: endpoint })
    }
}

/// HTTP/3 on an attacker's connection.
pub struct Http(SendRequest<h3_quinn::OpenStreams, Bytes>);

/// A request's stream.
pub struct Stream {
    /// Towards the relay.
    pub send: RequestStream<h3_quinn::SendStream<Bytes>, Bytes>,
    /// From the relay.
    pub receive: RequestStream<h3_quinn::RecvStream, Bytes>,
    frames: FrameReader,
}

impl Attacker {
    /// Shakes hands with a relay.
    ///
    /// # Errors
    /// The relay would not.
    pub async fn connect(to: SocketAddr) -> anyhow::Result<Self> {
        Self::connect_from(Ipv4Addr::LOCALHOST, to).await
    }

    /// The same from another address of this machine, all of 127.0.0.0/8.
    ///
    /// # Errors
    /// The relay would not.
    pub async fn connect_from(from: Ipv4Addr, to: SocketAddr) -> anyhow::Result<Self> {
        let frames = Arc::new(Frames::default());
        let crypto = Injector::new(Arc::new(QuicClientConfig::try_from(tls()?)?), Arc::clone(&frames));
        let endpoint = quinn::Endpoint::client((from, 0).into())?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        let mut transport = quinn::TransportConfig::default();
        // It lives as long as it likes.
        transport.keep_alive_interval(Some(Duration::from_secs(5)));
        config.transport_config(Arc::new(transport));
        let connecting = endpoint.connect_with(config, to, "localhost")?;
        let connection = timeout(PATIENCE, connecting).await.context("no handshake in time")??;
        Ok(Self { connection, frames, _endpoint: endpoint })
    }

    /// Sends frames in place of all that quinn would send, now and from now on.
    ///
    /// # Errors
    /// The connection ended first.
    pub async fn inject(&self, frames: Vec<Vec<u8>>) -> anyhow::Result<()> {
        // Little at a time: what quinn holds when the last frame has gone follows it as packets of nothing.
        self.inject_by(frames, 4 << 10).await
    }

    /// The same in bursts, which are one for the kernel.
    ///
    /// # Errors
    /// The connection ended first.
    pub async fn inject_in_bursts(&self, frames: Vec<Vec<u8>>) -> anyhow::Result<()> {
        self.inject_by(frames, 64 << 10).await
    }

    async fn inject_by(&self, frames: Vec<Vec<u8>>, step: usize) -> anyhow::Result<()> {
        self.frames.queue(frames);
        // Something for quinn to make packets of. The relay never sees this stream.
        let mut carrier = self.connection.open_uni().await?;
        let sending = async {
            while !self.frames.is_empty() {
                carrier.write_all(&vec![0; step]).await?;
                sleep(Duration::from_millis(2)).await;
            }
            anyhow::Ok(())
        };
        timeout(PATIENCE, sending).await.context("the frames did not go out in time")?
    }

    /// Sends frames in place of all that quinn would send, each in a packet and once the relay has taken the one before.
    ///
    /// # Errors
    /// The connection ended first.
    pub async fn inject_one_by_one(&self, frames: impl Iterator<Item = Vec<u8>>) -> anyhow::Result<()> {
        let mut carrier = self.connection.open_uni().await?;
        let sending = async {
            for frame in frames {
                let before = self.frames.acknowledged();
                self.frames.queue(vec![frame, IMMEDIATE_ACK.to_vec()]);
                carrier.write_all(&[0; 64]).await?;
                while self.frames.acknowledged() == before {
                    ensure!(self.connection.close_reason().is_none(), "the connection ended");
                    sleep(Duration::from_millis(1)).await;
                }
            }
            Ok(())
        };
        timeout(PATIENCE, sending).await.context("the frames did not go out in time")?
    }

    /// Opens HTTP/3.
    ///
    /// # Errors
    /// The connection ended first.
    pub async fn http(&self) -> anyhow::Result<Http> {
        // No stream of grease: with it there would be more than the relay allows, which this client does not see.
        let quic = h3_quinn::Connection::new(self.connection.clone());
        let (mut driver, streams) = h3::client::builder().send_grease(false).build(quic).await?;
        tokio::spawn(async move { driver.wait_idle().await });
        Ok(Http(streams))
    }

    /// A session that the relay admits.
    ///
    /// # Errors
    /// It does not.
    pub async fn admitted(&self, address: &RelayAddress) -> anyhow::Result<(Http, Stream)> {
        self.admitted_as(address, &address.admission).await
    }

    /// The same with another admission than the address has.
    ///
    /// # Errors
    /// It is not admitted.
    pub async fn admitted_as(&self, address: &RelayAddress, admission: &Admission) -> anyhow::Result<(Http, Stream)> {
        let mut http = self.http().await?;
        let mut stream = self.greet(&mut http, address).await?;
        stream.frame().await?.context("no Welcome")?;
        let admit = Call::Admit { id: admission.id(), proof: admission.key().proof(&self.exporter()?) };
        let reply = stream.ask(0, admit).await?;
        let done = matches!(reply, Reply::Answer { outcome: Outcome::Done { .. }, .. });
        ensure!(done, "not admitted: {reply:?}");
        Ok((http, stream))
    }

    /// A stream on the secret path, with a Hello on it.
    ///
    /// # Errors
    /// The connection ended first.
    pub async fn greet(&self, http: &mut Http, address: &RelayAddress) -> anyhow::Result<Stream> {
        let mut stream = self.secret(http, address).await?;
        let hello = Hello::new([4; 32], vec![Version::CURRENT]);
        stream.write(&encode(&Opening::Session { hello })).await?;
        timeout(PATIENCE, stream.receive.recv_response()).await??;
        Ok(stream)
    }

    /// A stream on the secret path, with nothing on it.
    ///
    /// # Errors
    /// The connection ended first.
    pub async fn secret(&self, http: &mut Http, address: &RelayAddress) -> anyhow::Result<Stream> {
        http.begin(http::Method::POST, &address.path.path(&self.exporter()?)).await
    }

    fn exporter(&self) -> anyhow::Result<Exporter> {
        let mut exporter = [0; 32];
        let exported = self.connection.export_keying_material(&mut exporter, labels::EXPORTER.as_bytes(), b"");
        exported.ok().context("no exporter")?;
        Ok(Secret::new(exporter))
    }

    /// Waits until the relay has ended the connection: the code and the reason it gave, or why it ended otherwise.
    ///
    /// # Errors
    /// It did not end in time, or otherwise than by the relay's word.
    pub async fn ended(&self, within: Duration) -> anyhow::Result<(u64, Bytes)> {
        let ended = timeout(within, self.connection.closed()).await.context("the connection goes on")?;
        let quinn::ConnectionError::ApplicationClosed(close) = ended else { bail!("ended otherwise: {ended}") };
        Ok((close.error_code.into_inner(), close.reason))
    }
}

impl Http {
    /// Begins a request.
    ///
    /// # Errors
    /// The connection ended first.
    pub async fn begin(&mut self, method: http::Method, path: &str) -> anyhow::Result<Stream> {
        let uri = format!("https://localhost{path}");
        let request = http::Request::builder().method(method).uri(uri).body(())?;
        let (send, receive) = timeout(PATIENCE, self.0.send_request(request)).await??.split();
        Ok(Stream { send, receive, frames: FrameReader::new() })
    }
}

impl Stream {
    /// Sends one frame of ours.
    ///
    /// # Errors
    /// The stream ended.
    pub async fn write(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let mut out = Vec::new();
        write_frame(&mut out, body, MAX_FRAME)?;
        Ok(self.send.send_data(out.into()).await?)
    }

    /// The next frame of ours, or none at the end.
    ///
    /// # Errors
    /// None came in time.
    pub async fn frame(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            if let Some(frame) = self.frames.next_frame(MAX_FRAME)? {
                return Ok(Some(frame));
            }
            match timeout(PATIENCE, self.receive.recv_data()).await.context("nothing came in time")? {
                Ok(Some(mut data)) => self.frames.push(&data.copy_to_bytes(data.remaining())),
                Ok(None) | Err(_) => return Ok(None),
            }
        }
    }

    /// Asks and takes the next reply, whatever it is.
    ///
    /// # Errors
    /// The session ended.
    pub async fn ask(&mut self, number: u32, call: Call) -> anyhow::Result<Reply> {
        self.write(&encode(&Request { number, call })).await?;
        Ok(decode_exact(&self.frame().await?.context("the session ended")?)?)
    }
}

/// TLS as the product has it, and whatever certificate.
fn tls() -> anyhow::Result<rustls::ClientConfig> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    let provider = Arc::new(provider);
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    Ok(tls)
}

/// An attacker does not care who answers.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
