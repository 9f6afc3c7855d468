//! QUIC, HTTP/3 and the greeting, with the seized relay's own keys.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use bytes::{Buf, Bytes};
use http::{Method, Response, StatusCode};
use quinn::crypto::rustls::QuicServerConfig;
use relevo_protocol::labels::EXPORTER;
use relevo_protocol::limits::{MAX_FRAME, MAX_OPENING};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    Call, Exporter, FrameReader, Opening, Outcome, RelayIdentity, Reply, Request, SessionLimits, Version, Welcome,
    WelcomeBody, decode_exact, encode, write_frame,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::desk::{Desk, Hub};
use super::keys::Keys;

type Stream = h3::server::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;
type Sending = h3::server::RequestStream<h3_quinn::SendStream<Bytes>, Bytes>;
type Receiving = h3::server::RequestStream<h3_quinn::RecvStream, Bytes>;

/// The port.
#[derive(Clone)]
pub(super) struct Front {
    endpoint: quinn::Endpoint,
    /// Counts how often everybody was thrown out.
    hung_up: watch::Sender<u64>,
}

impl Front {
    /// Listens.
    ///
    /// # Errors
    /// The port is not free, or the certificate is of no use.
    pub(super) fn bind(listen: SocketAddr, keys: &Keys) -> anyhow::Result<Self> {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768];
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(keys.certificate_key.clone());
        let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![keys.certificate.clone().into()], key.into())?;
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
        Ok(Self { endpoint: quinn::Endpoint::server(config, listen)?, hung_up: watch::Sender::new(0) })
    }

    pub(super) fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.endpoint.local_addr()?)
    }

    pub(super) fn hang_up(&self) {
        self.hung_up.send_modify(|count| *count += 1);
    }

    pub(super) fn close(&self) {
        self.endpoint.close(quinn::VarInt::from_u32(0x100), b"");
    }

    pub(super) async fn serve(self, keys: Arc<Keys>, hub: Arc<Mutex<Hub>>) {
        let mut connections = JoinSet::new();
        while let Some(incoming) = self.endpoint.accept().await {
            let (keys, hub, hung_up) = (Arc::clone(&keys), Arc::clone(&hub), self.hung_up.subscribe());
            connections.spawn(async move {
                // A client that leaves is nobody's fault.
                let _left = connection(incoming, &keys, &hub, hung_up).await;
            });
            while connections.try_join_next().is_some() {}
        }
    }
}

async fn connection(
    incoming: quinn::Incoming,
    keys: &Arc<Keys>,
    hub: &Arc<Mutex<Hub>>,
    mut hung_up: watch::Receiver<u64>,
) -> anyhow::Result<()> {
    let connection = incoming.await?;
    let mut bytes = [0; 32];
    if connection.export_keying_material(&mut bytes, EXPORTER.as_bytes(), &[]).is_err() {
        bail!("no exporter");
    }
    let exporter = Arc::new(Secret::new(bytes));
    let mut http = h3::server::Connection::<_, Bytes>::new(h3_quinn::Connection::new(connection.clone())).await?;
    let mut streams = JoinSet::new();
    loop {
        let request = tokio::select! {
            request = http.accept() => request,
            _ = hung_up.changed() => break,
            Some(_) = streams.join_next() => continue,
        };
        let Ok(Some(request)) = request else { break };
        let (keys, hub, exporter) = (Arc::clone(keys), Arc::clone(hub), Arc::clone(&exporter));
        streams.spawn(async move {
            let (head, mut stream) = request.resolve_request().await?;
            if *head.method() == Method::POST && keys.path.matches(head.uri().path(), &exporter) {
                session(stream, &keys, &exporter, &hub).await
            } else {
                stream.send_response(Response::builder().status(StatusCode::NOT_FOUND).body(())?).await?;
                Ok(stream.finish().await?)
            }
        });
    }
    connection.close(quinn::VarInt::from_u32(0x100), b"");
    Ok::<(), anyhow::Error>(())
}

async fn session(mut stream: Stream, keys: &Keys, exporter: &Exporter, hub: &Mutex<Hub>) -> anyhow::Result<()> {
    stream.send_response(Response::new(())).await?;
    let (mut sending, receiving) = stream.split();
    let mut frames = Frames { stream: receiving, reader: FrameReader::new() };
    let opening = frames.next(MAX_OPENING).await?.context("no opening")?;
    let Opening::Session { hello } = decode_exact(&opening)? else { bail!("no blobs here") };
    let limits = SessionLimits { frame: 528_384, requests: 1024, subscriptions: 512, blobs: 8, lease_hours: 2160 };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let body = WelcomeBody {
        identity: RelayIdentity(keys.identity.verifying_key().to_bytes()),
        version: Version::CURRENT,
        limits,
        now: Timestamp(now.as_secs()),
    };
    send(&mut sending, &encode(&Welcome::sign(&body, exporter, &hello, &keys.identity))).await?;
    let admit = frames.next(MAX_OPENING).await?.context("no admit")?;
    let Request { number, call: Call::Admit { id, .. } } = decode_exact(&admit)? else { bail!("no admit") };
    let (admitted, mut changes) = {
        let hub = lock(hub);
        (hub.admitted(&id), hub.changes())
    };
    send(&mut sending, &encode(&Reply::Answer { number, outcome: Outcome::Done { answer: admitted } })).await?;
    let mut desk = Desk::new();
    loop {
        let replies = tokio::select! {
            frame = frames.next(MAX_FRAME) => {
                let Some(frame) = frame? else { break };
                let request: Request = decode_exact(&frame)?;
                vec![lock(hub).ask(&mut desk, &request)]
            }
            changed = changes.changed() => {
                changed?;
                lock(hub).news(&mut desk)
            }
        };
        for reply in replies {
            send(&mut sending, &encode(&reply)).await?;
        }
    }
    Ok(sending.finish().await?)
}

fn lock(hub: &Mutex<Hub>) -> std::sync::MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn send(sending: &mut Sending, body: &[u8]) -> anyhow::Result<()> {
    let mut frame = Vec::new();
    write_frame(&mut frame, body, MAX_FRAME)?;
    Ok(sending.send_data(frame.into()).await?)
}

struct Frames {
    stream: Receiving,
    reader: FrameReader,
}

impl Frames {
    /// The next frame, or none at the end. What came is kept when the wait is given up.
    async fn next(&mut self, max: usize) -> anyhow::Result<Option<Bytes>> {
        loop {
            if let Some(frame) = self.reader.next_frame(max)? {
                return Ok(Some(frame));
            }
            match self.stream.recv_data().await? {
                Some(mut data) => self.reader.push(&data.copy_to_bytes(data.remaining())),
                None => return Ok(None),
            }
        }
    }
}
