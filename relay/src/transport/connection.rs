//! One connection: handshake, then each request to the site, to the session or to a blob stream.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h3::server::{RequestResolver, RequestStream};
use http::{Method, Response};
use quinn::{Incoming, VarInt};
use relevo_protocol::labels;
use relevo_protocol::wire::Exporter;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::endpoint::{CONNECTION_WINDOW, SEND_WINDOW};
use super::http3::{Http3, TwoWay};
use super::stream::{Batch, ReceiveHalf, SendHalf};
use crate::places::{Place, Source};
use crate::relay::Parts;
use crate::{session, site};

/// From the first packet to the end of the handshake, and again from the head of a request to its first frame. On
/// 64 kbit/s with 600 ms and 20 % loss the handshake's six packets go twice or thrice, after 1, 2 and 4 s: 5 s broke off
/// attempts that would have come through. Bounds on number and bytes, not this one, say what attempts may cost.
pub(crate) const HANDSHAKE_AND_HELLO: Duration = Duration::from_secs(10);
/// Life of a connection without an admitted session: enough to read the site.
const VISIT: Duration = Duration::from_secs(60);
/// Bytes of datagrams that a visitor may send: a handshake (5 KiB), some pages and a greeting take 32 KiB. What is held of
/// them windows and the lengths of frames bound; this one bounds what they make us read.
const VISIT_BYTES: u64 = 256 << 10;
/// How often a visitor is looked at. At 100 MB/s that is 5 MB too late.
const LOOK: Duration = Duration::from_millis(50);
/// Answers that QUIC itself gives in the life of a connection. quinn-proto 0.11.19 keeps them until they are acknowledged,
/// which nobody can be made to do: for each of our connection ids that a peer gives back another (96 bytes), for each that
/// it gives and takes back a word (16), for each address that it moves to a challenge (under 300). 1,024 x 300 B < 0.3 MiB.
/// Who moves takes two ids, and in the midst of a fast upload some 200 challenges; after 1,024 it connects anew.
pub(super) const ANSWERS: u64 = 1024;
/// The same of a visitor, who has no reason to move: 64 x 300 B < 20 KiB.
const VISIT_ANSWERS: u64 = 64;
/// Streams whose head nobody could read. h3 0.0.8 remembers the number of each for as long as the connection lives.
const HEADLESS: u32 = 256;
/// Head of a request in bytes, as HTTP/3 counts them (RFC 9114, 4.2.2): a browser sends about 1 KiB.
const REQUEST_HEAD: u64 = 8 << 10;
/// Time for a client to read our last words before the connection closes.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// H3_NO_ERROR (RFC 9114, 8.1): every connection ends with it, so that an end tells nothing.
pub(super) const NO_ERROR: VarInt = VarInt::from_u32(0x100);

/// What the streams of one connection share.
#[derive(Clone)]
pub(crate) struct ConnectionHandle {
    connection: quinn::Connection,
    shared: Arc<Shared>,
}

struct Shared {
    exporter: Exporter,
    /// Given back with the connection. A connection that moves to another address stays counted where it began.
    source: Place<Source>,
    session: AtomicBool,
    blobs: Semaphore,
    headless: AtomicU32,
    seat: tokio::sync::watch::Sender<Option<session::Seat>>,
}

impl ConnectionHandle {
    fn new(connection: quinn::Connection, source: Place<Source>, blobs: usize) -> Option<Self> {
        let mut exporter = zeroize::Zeroizing::new([0; 32]);
        connection.export_keying_material(exporter.as_mut_slice(), labels::EXPORTER.as_bytes(), b"").ok()?;
        let shared = Shared {
            exporter: Exporter::new(*exporter),
            source,
            session: AtomicBool::new(false),
            blobs: Semaphore::new(blobs),
            headless: AtomicU32::new(0),
            seat: tokio::sync::watch::Sender::new(None),
        };
        Some(Self { connection, shared: Arc::new(shared) })
    }

    /// What binds words to this connection.
    pub(crate) fn exporter(&self) -> &Exporter {
        &self.shared.exporter
    }

    /// Begins the connection's one session; none when it has begun already.
    pub(crate) fn claim_session(&self) -> Option<OnlySession<'_>> {
        (!self.shared.session.swap(true, Ordering::Relaxed)).then(|| OnlySession(self))
    }

    /// Says that the session is admitted: blob streams may come, and the connection may stay. The seat is given back with
    /// the connection, since what it counts is what a connection holds.
    pub(crate) fn admit(&self, seat: session::Seat) {
        self.connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW));
        self.connection.set_send_window(SEND_WINDOW);
        self.shared.seat.send_replace(Some(seat));
    }

    /// The admission of this connection's session, if it has one.
    pub(crate) fn admitted(&self) -> Option<session::Admitted> {
        self.shared.seat.borrow().as_ref().map(|seat| seat.admitted)
    }

    /// Where the connection came from.
    pub(crate) fn source(&self) -> Source {
        self.shared.source.key()
    }

    /// Room for one more blob stream of this connection, held as long as what is returned.
    pub(crate) fn blob_room(&self) -> Option<SemaphorePermit<'_>> {
        self.shared.blobs.try_acquire().ok()
    }

    /// Counts a stream whose head could not be read; one too many ends the connection.
    fn without_head(&self) {
        if self.shared.headless.fetch_add(1, Ordering::Relaxed) >= HEADLESS {
            self.end();
        }
    }

    /// Ends the connection at once and without a reason, the same for every fault.
    pub(crate) fn end(&self) {
        self.connection.close(NO_ERROR, b"");
    }

    /// Leaves the client a moment to read what was sent, then ends the connection.
    pub(crate) async fn end_after_last_words(&self) {
        let _left = timeout(LAST_WORDS, self.connection.closed()).await;
        self.end();
    }
}

/// The connection's one session. The connection ends with it, however it ends: one that went on would be admitted and
/// have nothing that says so.
pub(crate) struct OnlySession<'c>(&'c ConnectionHandle);

impl Drop for OnlySession<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What an attempt takes of the relay's room.
pub(super) struct Admittance {
    /// Given back when the handshake is over.
    pub(super) handshake: Place<Source>,
    /// The same, of an attempt whose address is not proved.
    pub(super) unproved: Option<Place<Source>>,
    /// Given back when the visit is over: the connection has ended, or its session is admitted.
    pub(super) visitor: Place<Source>,
    /// Given back with the connection.
    pub(super) source: Place<Source>,
}

/// Serves one connection to its end.
pub(super) async fn serve(incoming: Incoming, room: Admittance, parts: Arc<Parts>) {
    let Admittance { handshake: place, unproved, visitor, source } = room;
    let begun = Box::pin(handshake(incoming, source, (place, unproved), &parts)).await;
    let Some((http, handle)) = begun else { return };
    // Bounded by the number of streams that the peer may have open.
    let mut streams = JoinSet::new();
    requests(http, &mut streams, &handle, visitor, parts).await;
    // They see that the connection is over, and keep what they have of a broken put. Waited for, so that a stopped
    // relay has no task left.
    let ended = async { while streams.join_next().await.is_some() {} };
    if timeout(LAST_WORDS, ended).await.is_err() {
        streams.shutdown().await;
    }
}

/// A request whose head is to be read.
type Resolver = RequestResolver<Http3, Batch>;
/// HTTP/3 on one connection.
type Http = Box<h3::server::Connection<Http3, Batch>>;

async fn handshake(
    incoming: Incoming,
    source: Place<Source>,
    _places: (Place<Source>, Option<Place<Source>>),
    parts: &Arc<Parts>,
) -> Option<(Http, ConnectionHandle)> {
    let blobs = usize::try_from(parts.config.limits.blobs).unwrap_or(1);
    let begin = async {
        let connection = incoming.accept().ok()?.await.ok()?;
        let handle = ConnectionHandle::new(connection.clone(), source, blobs)?;
        let mut builder = h3::server::builder();
        builder.max_field_section_size(REQUEST_HEAD).send_grease(false);
        Some((Box::new(builder.build(Http3::new(connection)).await.ok()?), handle))
    };
    let begun = timeout(HANDSHAKE_AND_HELLO, begin).await.ok().flatten();
    if begun.is_none() {
        parts.metrics.handshakes_failed.one();
    }
    begun
}

/// Whether a connection may stay after its visit.
enum Stays {
    /// Its session is admitted.
    Yes,
    /// It has no session, and has stayed for the length of a visit or sent too much, or the relay is stopping.
    No,
}

/// Resolves when a connection may stay no longer.
async fn stay(handle: ConnectionHandle, visitor: Place<Source>, parts: Arc<Parts>) {
    // Boxed, so that a session does not keep the room of its visit.
    match Box::pin(visit(&handle, visitor, &parts)).await {
        Stays::Yes => {
            let _watched = parts.watch.add(&handle.connection);
            pending().await
        }
        Stays::No => {}
    }
}

async fn visit(handle: &ConnectionHandle, _visitor: Place<Source>, parts: &Parts) -> Stays {
    let mut seat = handle.shared.seat.subscribe();
    let mut phase = parts.phase.subscribe();
    tokio::select! {
        biased;
        _ = seat.wait_for(Option::is_some) => Stays::Yes,
        () = sleep(VISIT) => Stays::No,
        () = above_visit(&handle.connection) => Stays::No,
        _ = phase.wait_for(|phase| phase.draining()) => Stays::No,
    }
}

/// Resolves when more bytes have come than a visit takes, or QUIC itself has had to give more answers.
async fn above_visit(connection: &quinn::Connection) {
    while connection.stats().udp_rx.bytes <= VISIT_BYTES && answers(connection) <= VISIT_ANSWERS {
        sleep(LOOK).await;
    }
}

/// Answers that QUIC itself has had to give so far.
pub(super) fn answers(connection: &quinn::Connection) -> u64 {
    let stats = connection.stats();
    let ids = stats.frame_rx.retire_connection_id.saturating_add(stats.frame_rx.new_connection_id);
    ids.saturating_add(stats.frame_tx.path_challenge)
}

async fn requests(
    mut http: Http,
    streams: &mut JoinSet<()>,
    handle: &ConnectionHandle,
    visitor: Place<Source>,
    parts: Arc<Parts>,
) {
    let mut stay = pin!(stay(handle.clone(), visitor, Arc::clone(&parts)));
    loop {
        tokio::select! {
            () = &mut stay => break,
            request = http.accept() => match request {
                Ok(Some(request)) => {
                    streams.spawn(stream(Box::new(request), handle.clone(), Arc::clone(&parts)));
                }
                Ok(None) | Err(_) => break,
            },
            Some(_) = streams.join_next() => {}
        }
    }
    // Before h3 is dropped, which would give a reason.
    handle.end();
}

/// Answers a page, or serves what came on the secret path. Each step is boxed, so that a session that idles for days
/// does not keep the room of the steps before it.
async fn stream(request: Box<Resolver>, handle: ConnectionHandle, parts: Arc<Parts>) {
    if let Some((send, receive)) = Box::pin(route(request, &handle, &parts)).await {
        session::open(send, receive, handle, parts).await;
    }
}

/// Reads the head of a request: gives the stream if it came on the secret path, else answers it.
async fn route(
    request: Box<Resolver>,
    handle: &ConnectionHandle,
    parts: &Arc<Parts>,
) -> Option<(SendHalf, ReceiveHalf)> {
    let resolved = timeout(HANDSHAKE_AND_HELLO, request.resolve_request()).await;
    let Ok(Ok((request, mut stream))) = resolved else {
        handle.without_head();
        return None;
    };
    let path = request.uri().path();
    if *request.method() == Method::POST && parts.keys.path.matches(path, handle.exporter()) {
        stream.send_response(Response::new(())).await.ok()?;
        let (send, receive) = stream.split();
        return Some((SendHalf::new(send), ReceiveHalf::new(receive)));
    }
    parts.metrics.site_answers.one();
    let (head, body) = site::answer(request.method(), path);
    // A visitor who has left is nobody's fault.
    let _sent = timeout(HANDSHAKE_AND_HELLO, page(&mut stream, head, body)).await;
    None
}

async fn page(
    stream: &mut RequestStream<TwoWay<Batch>, Batch>,
    head: Response<()>,
    body: Bytes,
) -> Result<(), h3::error::StreamError> {
    stream.send_response(head).await?;
    if !body.is_empty() {
        let mut batch = Batch::default();
        batch.raw(body);
        stream.send_data(batch).await?;
    }
    stream.finish().await?;
    stream.stop_sending(h3::error::Code::H3_NO_ERROR);
    Ok(())
}
