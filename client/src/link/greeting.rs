//! From a bare connection to an admitted session. Each step is `protocol::wire`'s; here they get their bytes.

use bytes::Bytes;
use h3::client::SendRequest;
use http::{Method, StatusCode, Uri};
use relevo_protocol::labels;
use relevo_protocol::limits::{MAX_FRAME, MAX_OPENING};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    Answer, Call, Exporter, FrameFault, FrameReader, Hello, Opening, Outcome, Refusal, RelayAddress, Reply, Request,
    Version, Welcome, WelcomeBody, decode_exact, encode, write_frame,
};

use super::LinkFault;
use super::stream::{Receiving, Sending};

pub(super) type Streams = SendRequest<h3_quinn::OpenStreams, Bytes>;

/// Number of the Admit request; the session's own follow.
const ADMIT: u32 = 0;

/// HTTP error code for an end without a fault (RFC 9114, 8.1).
const H3_NO_ERROR: u32 = 0x100;

/// What the relay says of the admission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// End of the admission.
    pub expires: Hour,
    /// Bytes it may still store in these 30 days.
    pub bytes_left: u64,
    /// Mailboxes it may still open.
    pub mailboxes_left: u64,
    /// Whether it is used up by one client.
    pub kind: AdmissionKind,
}

/// How many may use an admission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdmissionKind {
    /// As many as have it.
    Lasting,
    /// One client, which enrolls with an admission of its own making.
    SingleUse,
}

/// A session just begun.
pub(super) struct Greeted {
    pub(super) streams: Streams,
    pub(super) uri: Uri,
    pub(super) sending: Sending,
    pub(super) incoming: Frames,
    pub(super) welcome: WelcomeBody,
    pub(super) admitted: Admitted,
}

pub(super) async fn greet(connection: &quinn::Connection, address: &RelayAddress) -> Result<Greeted, LinkFault> {
    let exporter = exporter(connection)?;
    let uri = uri(address, &exporter)?;
    let mut streams = open_http(connection).await?;

    let hello = Hello::new(nonce()?, vec![Version::CURRENT]);
    let opening = encode(&Opening::Session { hello: hello.clone() });
    // Hello is sent without waiting for the response's head: one round trip less, and there is no secret in it.
    let (sending, receiving) = begin(&mut streams, &uri, &opening).await.map_err(|()| LinkFault::of(connection))?;
    let (mut sending, mut incoming) = (sending, Frames::new(receiving));
    incoming.accepted().await.map_err(|fault| fault.or(LinkFault::of(connection)))?;

    let welcome = incoming.next(MAX_OPENING).await.map_err(|fault| fault.or(LinkFault::of(connection)))?;
    let welcome: Welcome = decode_exact(&welcome).map_err(|_| LinkFault::Malformed)?;
    let welcome = welcome.verify(&address.fingerprint, &exporter, &hello)?;

    let admit = Call::Admit { id: address.admission.id(), proof: address.admission.key().proof(&exporter) };
    let admit = frame(&encode(&Request { number: ADMIT, call: admit })).map_err(|_| LinkFault::Malformed)?;
    sending.send_data(admit).await.map_err(|_| LinkFault::of(connection))?;
    // The relay ends the session of a wrong admission without a word, as it does for any fault.
    let reply = incoming.next(MAX_FRAME).await.map_err(|fault| {
        let end = LinkFault::of(connection);
        fault.or(if end == LinkFault::Ended { LinkFault::NotAdmitted } else { end })
    })?;
    let admitted = admitted(&reply)?;
    Ok(Greeted { streams, uri, sending, incoming, welcome, admitted })
}

/// Opens a request at `uri` and sends the first frame.
pub(super) async fn begin(streams: &mut Streams, uri: &Uri, opening: &[u8]) -> Result<(Sending, Receiving), ()> {
    let request = http::Request::builder().method(Method::POST).uri(uri.clone()).body(()).map_err(|_| ())?;
    let (sending, receiving) = streams.send_request(request).await.map_err(|_| ())?.split();
    let (mut sending, receiving) = (Sending::Http(sending), Receiving::Http(receiving));
    // A page's 404 may stop the sending; what the answer is, the caller reads.
    let _stopped = sending.send_data(frame(opening).map_err(|_| ())?).await;
    Ok((sending, receiving))
}

fn frame(body: &[u8]) -> Result<Bytes, FrameFault> {
    let mut out = Vec::new();
    write_frame(&mut out, body, MAX_FRAME)?;
    Ok(out.into())
}

fn admitted(reply: &[u8]) -> Result<Admitted, LinkFault> {
    let Ok(Reply::Answer { number: ADMIT, outcome }) = decode_exact(reply) else { return Err(LinkFault::Malformed) };
    match outcome {
        Outcome::Done { answer: Answer::Admitted { expires, bytes_left, mailboxes_left, single_use } } => {
            let kind = if single_use { AdmissionKind::SingleUse } else { AdmissionKind::Lasting };
            Ok(Admitted { expires, bytes_left, mailboxes_left, kind })
        }
        Outcome::Done { answer: _ } => Err(LinkFault::Malformed),
        // It has as many sessions of this admission as it allows: one of ours that has broken ends in time.
        Outcome::Refused { refusal: Refusal::Busy } => Err(LinkFault::Ended),
        Outcome::Refused { refusal: _ } => Err(LinkFault::NotAdmitted),
    }
}

fn exporter(connection: &quinn::Connection) -> Result<Exporter, LinkFault> {
    let mut exporter = [0; 32];
    connection
        .export_keying_material(&mut exporter, labels::EXPORTER.as_bytes(), &[])
        .map_err(|_| LinkFault::Handshake)?;
    Ok(Secret::new(exporter))
}

fn uri(address: &RelayAddress, exporter: &Exporter) -> Result<Uri, LinkFault> {
    let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
    Uri::builder()
        .scheme("https")
        .authority(format!("{host}:{}", address.port))
        .path_and_query(address.path.path(exporter))
        .build()
        .map_err(|_| LinkFault::UnknownHost)
}

async fn open_http(connection: &quinn::Connection) -> Result<Streams, LinkFault> {
    let (mut driver, streams) =
        h3::client::new(h3_quinn::Connection::new(connection.clone())).await.map_err(|_| LinkFault::of(connection))?;
    // Ends with the connection, which the session owns.
    tokio::spawn(async move {
        let _ended = driver.wait_idle().await;
    });
    Ok(streams)
}

fn nonce() -> Result<[u8; 32], LinkFault> {
    let mut nonce = [0; 32];
    relevo_protocol::random::fill(&mut nonce).map_err(|_| LinkFault::System(std::io::ErrorKind::Other))?;
    Ok(nonce)
}

/// Says the end of a connection that is not wanted any more.
pub(super) fn close(connection: &quinn::Connection) {
    connection.close(quinn::VarInt::from_u32(H3_NO_ERROR), &[]);
}

/// Why there is no next frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// The stream or the connection ended.
    Ended,
    /// The relay's fault.
    Fault(LinkFault),
}

impl Stop {
    fn or(self, ended: LinkFault) -> LinkFault {
        match self {
            Self::Ended => ended,
            Self::Fault(fault) => fault,
        }
    }
}

/// The relay's half of a stream, cut into frames.
pub(super) struct Frames {
    stream: Receiving,
    reader: FrameReader,
}

impl Frames {
    pub(super) fn new(stream: Receiving) -> Self {
        Self { stream, reader: FrameReader::new() }
    }

    /// Waits for the response's head.
    pub(super) async fn accepted(&mut self) -> Result<(), Stop> {
        let status = self.stream.response().await.map_err(|_| Stop::Ended)?;
        if status == StatusCode::OK { Ok(()) } else { Err(Stop::Fault(LinkFault::NotARelay)) }
    }

    /// The next frame body.
    ///
    /// # Cancel safety
    /// Safe: what came is kept.
    pub(super) async fn next(&mut self, max: usize) -> Result<Bytes, Stop> {
        loop {
            if let Some(frame) = self.reader.next_frame(max).map_err(|_| Stop::Fault(LinkFault::Malformed))? {
                return Ok(frame);
            }
            self.stream.more(|bytes| self.reader.push(bytes)).await.map_err(|_| Stop::Ended)?;
        }
    }

    /// The stream as bytes, for one that goes on as something else than frames.
    pub(super) fn into_parts(self) -> (Bytes, Receiving) {
        (self.reader.into_rest(), self.stream)
    }
}
