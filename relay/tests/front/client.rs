//! A client of a few lines, so that the relay is tested by something that is not the product's own link.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use http::{Method, Response};
use relevo_protocol::labels;
use relevo_protocol::limits::MAX_FRAME;
use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{
    Admission, Answer, Call, Event, Exporter, FrameReader, Hello, Opening, Outcome, Refusal, RelayAddress, Reply,
    Request, Version, Welcome, WelcomeBody, decode_exact, encode, write_frame,
};
use rustls::crypto::{SupportedKxGroup, aws_lc_rs, verify_tls13_signature};
use tokio::time::timeout;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A connection, without a session as yet.
pub(crate) struct Link {
    pub(crate) connection: quinn::Connection,
    _endpoint: quinn::Endpoint,
    streams: SendRequest<h3_quinn::OpenStreams, Bytes>,
}

/// A request's stream.
pub(crate) struct Stream {
    pub(crate) send: RequestStream<h3_quinn::SendStream<Bytes>, Bytes>,
    pub(crate) receive: RequestStream<h3_quinn::RecvStream, Bytes>,
    frames: FrameReader,
}

/// An admitted session.
pub(crate) struct Session {
    pub(crate) link: Link,
    pub(crate) stream: Stream,
    pub(crate) welcome: WelcomeBody,
    pub(crate) admitted: Answer,
    events: Vec<Event>,
    number: u32,
}

/// The product's key exchange.
pub(crate) fn hybrid() -> Vec<&'static dyn SupportedKxGroup> {
    vec![aws_lc_rs::kx_group::X25519MLKEM768]
}

impl Link {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        Self::open_with(to, hybrid()).await.unwrap()
    }

    pub(crate) async fn open_with(
        to: SocketAddr,
        groups: Vec<&'static dyn SupportedKxGroup>,
    ) -> Result<Self, quinn::ConnectionError> {
        Self::open_from(Ipv4Addr::LOCALHOST, to, groups).await
    }

    /// From another address of this machine, all of 127.0.0.0/8.
    pub(crate) async fn open_from(
        from: Ipv4Addr,
        to: SocketAddr,
        groups: Vec<&'static dyn SupportedKxGroup>,
    ) -> Result<Self, quinn::ConnectionError> {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = groups;
        let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
        let mut endpoint = quinn::Endpoint::client((from, 0).into()).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
        let connection = timeout(PATIENCE, endpoint.connect(to, "localhost").unwrap()).await.unwrap()?;
        let (mut driver, streams) = h3::client::new(h3_quinn::Connection::new(connection.clone())).await.unwrap();
        tokio::spawn(async move { driver.wait_idle().await });
        Ok(Self { connection, _endpoint: endpoint, streams })
    }

    pub(crate) fn exporter(&self) -> Exporter {
        let mut exporter = [0; 32];
        self.connection.export_keying_material(&mut exporter, labels::EXPORTER.as_bytes(), b"").unwrap();
        Secret::new(exporter)
    }

    pub(crate) async fn begin(&mut self, method: Method, path: &str) -> Stream {
        let request = http::Request::builder().method(method).uri(format!("https://localhost{path}")).body(()).unwrap();
        let (send, receive) = self.streams.send_request(request).await.unwrap().split();
        Stream { send, receive, frames: FrameReader::new() }
    }

    /// Head and body of an ordinary request.
    pub(crate) async fn fetch(&mut self, method: Method, path: &str, body: &'static [u8]) -> (Response<()>, Bytes) {
        let mut stream = self.begin(method, path).await;
        if !body.is_empty() {
            // The site does not read bodies and may say so first.
            let _stopped = stream.send.send_data(Bytes::from_static(body)).await;
        }
        let _finished = stream.send.finish().await;
        let head = timeout(PATIENCE, stream.receive.recv_response()).await.unwrap().unwrap();
        let mut all = Vec::new();
        while let Some(mut data) = timeout(PATIENCE, stream.receive.recv_data()).await.unwrap().unwrap() {
            all.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        }
        (head, all.into())
    }

    /// A stream on the secret path, its response head read if there is one.
    pub(crate) async fn secret(&mut self, address: &RelayAddress, opening: &Opening) -> Stream {
        let path = address.path.path(&self.exporter());
        let mut stream = self.begin(Method::POST, &path).await;
        stream.write(&encode(opening)).await;
        // The connection may be over before the head is read, which is what some tests are about.
        let _head = stream.receive.recv_response().await;
        stream
    }

    /// The greeting up to Welcome.
    pub(crate) async fn greet(&mut self, address: &RelayAddress) -> (Stream, WelcomeBody) {
        let hello = Hello::new([4; 32], vec![Version::CURRENT]);
        let mut stream = self.secret(address, &Opening::Session { hello: hello.clone() }).await;
        let welcome: Welcome = decode_exact(&stream.frame().await.unwrap()).unwrap();
        let body = welcome.verify(&address.fingerprint, &self.exporter(), &hello).unwrap();
        (stream, body)
    }

    /// Waits for the relay to close the connection: the code and the reason it gives.
    pub(crate) async fn ended(&self) -> (u64, Bytes) {
        let fault = timeout(PATIENCE, self.connection.closed()).await.unwrap();
        let quinn::ConnectionError::ApplicationClosed(close) = fault else { panic!("ended by {fault}") };
        (close.error_code.into_inner(), close.reason)
    }
}

impl Stream {
    pub(crate) async fn write(&mut self, body: &[u8]) {
        let mut out = Vec::new();
        write_frame(&mut out, body, MAX_FRAME).unwrap();
        self.send.send_data(out.into()).await.unwrap();
    }

    pub(crate) async fn write_raw(&mut self, bytes: Vec<u8>) {
        // The relay may have ended the connection by now, which is what such tests are about.
        let _ended = self.send.send_data(bytes.into()).await;
    }

    /// The next frame, or none when the stream or the connection ended.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.frames.next_frame(MAX_FRAME).unwrap() {
                return Some(frame);
            }
            match timeout(PATIENCE, self.receive.recv_data()).await.unwrap() {
                Ok(Some(mut data)) => self.frames.push(&data.copy_to_bytes(data.remaining())),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// The bytes after the frames, to the end of the stream.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.frames).into_rest().to_vec();
        while let Ok(Some(mut data)) = timeout(PATIENCE, self.receive.recv_data()).await.unwrap() {
            all.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        }
        all
    }
}

/// The request that proves an admission.
pub(crate) fn admit(admission: &Admission, exporter: &Exporter) -> Vec<u8> {
    let call = Call::Admit { id: admission.id(), proof: admission.key().proof(exporter) };
    encode(&Request { number: 0, call })
}

impl Session {
    pub(crate) async fn open(to: SocketAddr, address: &RelayAddress) -> Self {
        Self::open_on(Link::open(to).await, address).await.unwrap()
    }

    /// On a connection that is there; else the refusal.
    pub(crate) async fn open_on(mut link: Link, address: &RelayAddress) -> Result<Self, Refusal> {
        let (mut stream, welcome) = link.greet(address).await;
        stream.write(&admit(&address.admission, &link.exporter())).await;
        let reply = decode_exact(&stream.frame().await.unwrap()).unwrap();
        let Reply::Answer { number: 0, outcome } = reply else { panic!("{reply:?}") };
        match outcome {
            Outcome::Done { answer: admitted } => {
                Ok(Self { link, stream, welcome, admitted, events: Vec::new(), number: 0 })
            }
            Outcome::Refused { refusal } => Err(refusal),
        }
    }

    pub(crate) async fn send(&mut self, call: Call) -> u32 {
        self.number += 1;
        self.stream.write(&encode(&Request { number: self.number, call })).await;
        self.number
    }

    pub(crate) async fn reply(&mut self) -> Option<Reply> {
        self.stream.frame().await.map(|frame| decode_exact(&frame).unwrap())
    }

    /// Asks and waits; events that come before the answer are kept.
    pub(crate) async fn call(&mut self, call: Call) -> Outcome {
        let asked = self.send(call).await;
        loop {
            match self.reply().await.unwrap() {
                Reply::Answer { number, outcome } => {
                    assert_eq!(number, asked);
                    return outcome;
                }
                Reply::Event { event } => self.events.push(event),
            }
        }
    }

    /// Asks for what must be done.
    pub(crate) async fn done(&mut self, call: Call) -> Answer {
        match self.call(call).await {
            Outcome::Done { answer } => answer,
            Outcome::Refused { refusal } => panic!("{refusal}"),
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        if !self.events.is_empty() {
            return self.events.remove(0);
        }
        match self.reply().await.unwrap() {
            Reply::Event { event } => event,
            Reply::Answer { .. } => panic!("an answer, and nothing was asked"),
        }
    }
}

/// Takes any certificate: identity is proved inside the session.
#[derive(Debug)]
struct AnyCertificate;

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
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

impl AnyCertificate {
    fn algorithms(&self) -> rustls::crypto::WebPkiSupportedAlgorithms {
        aws_lc_rs::default_provider().signature_verification_algorithms
    }
}
