//! Somebody between client and relay who terminates TLS with a certificate of their own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes};
use ed25519_dalek::SigningKey;
use http::{Response, StatusCode};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use relevo_protocol::labels::EXPORTER;
use relevo_protocol::limits::MAX_OPENING;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    Exporter, FrameReader, Opening, RelayAddress, RelayIdentity, SessionLimits, Version, Welcome, WelcomeBody,
    decode_exact, encode, write_frame,
};

/// What the interceptor tries.
pub(crate) enum Trick {
    /// Answers with an identity of its own.
    OwnIdentity,
    /// Passes the path on to the real relay.
    Forward(SocketAddr),
    /// Has the address itself: lets the real relay sign the client's Hello on a connection of its own.
    Insider(RelayAddress, SocketAddr),
}

/// A running interceptor.
pub(crate) struct Interceptor {
    pub(crate) address: SocketAddr,
    /// What clients sent after their opening.
    pub(crate) heard: Arc<Mutex<Vec<u8>>>,
}

impl Interceptor {
    pub(crate) fn start(trick: Trick) -> Self {
        let endpoint = quinn::Endpoint::server(server(), "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let (heard_too, trick) = (Arc::clone(&heard), Arc::new(trick));
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                tokio::spawn(intercept(incoming, Arc::clone(&trick), Arc::clone(&heard_too)));
            }
        });
        Self { address, heard }
    }
}

async fn intercept(incoming: quinn::Incoming, trick: Arc<Trick>, heard: Arc<Mutex<Vec<u8>>>) {
    let connection = incoming.await.unwrap();
    let exporter = exporter(&connection);
    let mut http = h3::server::Connection::<_, Bytes>::new(h3_quinn::Connection::new(connection)).await.unwrap();
    let (request, mut stream) = http.accept().await.unwrap().unwrap().resolve_request().await.unwrap();
    let mut reader = FrameReader::new();
    let opening = loop {
        let mut data = stream.recv_data().await.unwrap().unwrap();
        reader.push(&data.copy_to_bytes(data.remaining()));
        if let Some(frame) = reader.next_frame(MAX_OPENING).unwrap() {
            break frame;
        }
    };
    let Opening::Session { hello } = decode_exact(&opening).unwrap() else { panic!("a client opens a session") };
    let (status, welcome) = match &*trick {
        Trick::OwnIdentity => {
            let key = SigningKey::from_bytes(&[5; 32]);
            let limits = SessionLimits { frame: 1 << 20, requests: 8, subscriptions: 8, blobs: 1, lease_hours: 1 };
            let identity = RelayIdentity(key.verifying_key().to_bytes());
            let body = WelcomeBody { identity, version: Version::CURRENT, limits, now: Timestamp(0) };
            (StatusCode::OK, Some(encode(&Welcome::sign(&body, &exporter, &hello, &key))))
        }
        Trick::Forward(relay) => ask(*relay, |_| request.uri().path().to_owned(), &opening).await,
        Trick::Insider(address, relay) => ask(*relay, |exporter| address.path.path(exporter), &opening).await,
    };
    stream.send_response(Response::builder().status(status).body(()).unwrap()).await.unwrap();
    if let Some(welcome) = welcome {
        let mut frame = Vec::new();
        write_frame(&mut frame, &welcome, MAX_OPENING).unwrap();
        stream.send_data(frame.into()).await.unwrap();
    }
    while let Ok(Some(mut data)) = stream.recv_data().await {
        let bytes = data.copy_to_bytes(data.remaining());
        heard.lock().unwrap().extend_from_slice(&bytes);
    }
}

/// What a relay answers to an opening on a connection of the interceptor's own.
async fn ask(
    relay: SocketAddr,
    path: impl FnOnce(&Exporter) -> String,
    opening: &[u8],
) -> (StatusCode, Option<Vec<u8>>) {
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(client());
    let connection = endpoint.connect(relay, "relay").unwrap().await.unwrap();
    let path = path(&exporter(&connection));
    let (mut driver, mut streams) = h3::client::new(h3_quinn::Connection::new(connection)).await.unwrap();
    tokio::spawn(async move { driver.wait_idle().await });
    let request = http::Request::post(format!("https://relay{path}")).body(()).unwrap();
    let mut stream = streams.send_request(request).await.unwrap();
    let mut frame = Vec::new();
    write_frame(&mut frame, opening, MAX_OPENING).unwrap();
    let _stopped = stream.send_data(Bytes::from(frame)).await;
    let status = stream.recv_response().await.unwrap().status();
    if status != StatusCode::OK {
        return (status, None);
    }
    let mut reader = FrameReader::new();
    loop {
        let mut data = stream.recv_data().await.unwrap().unwrap();
        reader.push(&data.copy_to_bytes(data.remaining()));
        if let Some(frame) = reader.next_frame(MAX_OPENING).unwrap() {
            return (status, Some(frame.to_vec()));
        }
    }
}

fn exporter(connection: &quinn::Connection) -> Exporter {
    let mut bytes = [0; 32];
    connection.export_keying_material(&mut bytes, EXPORTER.as_bytes(), &[]).unwrap();
    Secret::new(bytes)
}

fn server() -> quinn::ServerConfig {
    let certified = rcgen::generate_simple_self_signed(vec!["relay".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()))
}

fn client() -> quinn::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Careless(provider)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

/// An interceptor does not care whom it talks to.
#[derive(Debug)]
struct Careless(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Careless {
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
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
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
