//! quinn as h3 wants it. Beside what `h3-quinn` does it refuses frames that h3 would gather without a bound, and an
//! idle stream keeps nothing but itself: a read leaves no future behind.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

use super::connection::NO_ERROR;
use super::frames::FrameWatch;

/// One-way streams of a peer in the life of a connection: HTTP/3 needs three, and some clients open one more to see whether
/// unknown ones are passed over. h3 stops each of those, and quinn-proto 0.11.19 keeps the word (16 bytes) until it is
/// acknowledged.
const ONE_WAY_STREAMS: u32 = 64;

/// What h3 drives.
pub(super) struct Http3 {
    connection: quinn::Connection,
    two_way: Coming<(quinn::SendStream, quinn::RecvStream)>,
    one_way: Coming<quinn::RecvStream>,
    one_way_left: u32,
    opening: Option<Coming<quinn::SendStream>>,
}

/// The next stream, on its way.
type Coming<T> = Pin<Box<dyn Future<Output = Result<T, ConnectionError>> + Send + Sync>>;

/// A request's stream.
pub(crate) struct TwoWay<B: Buf> {
    send: Sending<B>,
    receive: Receiving,
}

/// Relay to client.
pub(crate) struct Sending<B: Buf> {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<B>>,
}

/// Client to relay.
pub(crate) struct Receiving {
    stream: quinn::RecvStream,
    watch: FrameWatch,
    connection: quinn::Connection,
}

impl Http3 {
    pub(super) fn new(connection: quinn::Connection) -> Self {
        let (two_way, one_way) = (two_way(connection.clone()), one_way(connection.clone()));
        Self { connection, two_way, one_way, one_way_left: ONE_WAY_STREAMS, opening: None }
    }

    fn receiving(&self, stream: quinn::RecvStream, watch: FrameWatch) -> Receiving {
        Receiving { stream, watch, connection: self.connection.clone() }
    }
}

fn two_way(connection: quinn::Connection) -> Coming<(quinn::SendStream, quinn::RecvStream)> {
    Box::pin(async move { connection.accept_bi().await })
}

fn one_way(connection: quinn::Connection) -> Coming<quinn::RecvStream> {
    Box::pin(async move { connection.accept_uni().await })
}

impl<B: Buf> quic::Connection<B> for Http3 {
    type RecvStream = Receiving;
    type OpenStreams = Never;

    fn poll_accept_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<Receiving, ConnectionErrorIncoming>> {
        let stream = ready!(self.one_way.as_mut().poll(context)).map_err(connection_fault)?;
        let Some(left) = self.one_way_left.checked_sub(1) else {
            self.connection.close(NO_ERROR, b"");
            return Poll::Ready(Err(connection_fault(ConnectionError::LocallyClosed)));
        };
        self.one_way_left = left;
        self.one_way = one_way(self.connection.clone());
        Poll::Ready(Ok(self.receiving(stream, FrameWatch::one_way())))
    }

    fn poll_accept_bidi(&mut self, context: &mut Context<'_>) -> Poll<Result<TwoWay<B>, ConnectionErrorIncoming>> {
        let (send, receive) = ready!(self.two_way.as_mut().poll(context)).map_err(connection_fault)?;
        self.two_way = two_way(self.connection.clone());
        let send = Sending { stream: send, writing: None };
        Poll::Ready(Ok(TwoWay { send, receive: self.receiving(receive, FrameWatch::two_way()) }))
    }

    fn opener(&self) -> Never {
        Never(self.connection.clone())
    }
}

impl<B: Buf> quic::OpenStreams<B> for Http3 {
    type BidiStream = TwoWay<B>;
    type SendStream = Sending<B>;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<TwoWay<B>, StreamErrorIncoming>> {
        Poll::Ready(Err(no_request_of_ours()))
    }

    fn poll_open_send(&mut self, context: &mut Context<'_>) -> Poll<Result<Sending<B>, StreamErrorIncoming>> {
        let connection = &self.connection;
        let opening = self.opening.get_or_insert_with(|| {
            let connection = connection.clone();
            Box::pin(async move { connection.open_uni().await })
        });
        let opened = ready!(opening.as_mut().poll(context));
        self.opening = None;
        Poll::Ready(match opened {
            Ok(stream) => Ok(Sending { stream, writing: None }),
            Err(fault) => Err(lost(fault)),
        })
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.connection, code, reason);
    }
}

/// A server opens no requests.
pub(super) struct Never(quinn::Connection);

impl<B: Buf> quic::OpenStreams<B> for Never {
    type BidiStream = TwoWay<B>;
    type SendStream = Sending<B>;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<TwoWay<B>, StreamErrorIncoming>> {
        Poll::Ready(Err(no_request_of_ours()))
    }

    fn poll_open_send(&mut self, _: &mut Context<'_>) -> Poll<Result<Sending<B>, StreamErrorIncoming>> {
        Poll::Ready(Err(no_request_of_ours()))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.0, code, reason);
    }
}

impl<B: Buf> quic::BidiStream<B> for TwoWay<B> {
    type SendStream = Sending<B>;
    type RecvStream = Receiving;

    fn split(self) -> (Sending<B>, Receiving) {
        (self.send, self.receive)
    }
}

impl<B: Buf> quic::RecvStream for TwoWay<B> {
    type Buf = Bytes;

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receive.poll_data(context)
    }

    fn stop_sending(&mut self, code: u64) {
        self.receive.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.receive.recv_id()
    }
}

impl<B: Buf> quic::SendStream<B> for TwoWay<B> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(context)
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(context)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

impl quic::RecvStream for Receiving {
    type Buf = Bytes;

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        // The future holds nothing of its own: dropped, it has left its waker with the stream.
        let read = ready!(pin!(self.stream.read_chunk(usize::MAX, true)).poll(context));
        let Some(chunk) = read.map_err(read_fault)? else { return Poll::Ready(Ok(None)) };
        if let Err(fault) = self.watch.pass(&chunk.bytes) {
            // Here and not by h3, which would give a reason.
            self.connection.close(NO_ERROR, b"");
            let connection_error = ConnectionErrorIncoming::Undefined(Arc::new(fault));
            return Poll::Ready(Err(StreamErrorIncoming::ConnectionErrorIncoming { connection_error }));
        }
        Poll::Ready(Ok(Some(chunk.bytes)))
    }

    fn stop_sending(&mut self, code: u64) {
        // A stream that has ended needs no stop.
        let _ended = self.stream.stop(VarInt::from_u64(code).unwrap_or(NO_ERROR));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

impl<B: Buf> quic::SendStream<B> for Sending<B> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        if let Some(data) = &mut self.writing {
            while data.has_remaining() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(context, data.chunk()));
                data.advance(written.map_err(write_fault)?);
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        // h3 waits for `poll_ready` in between: two at once would mix their bytes.
        if self.writing.is_some() {
            let connection_error = ConnectionErrorIncoming::InternalError("two writes at once".to_owned());
            return Err(StreamErrorIncoming::ConnectionErrorIncoming { connection_error });
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(self.stream.finish().map_err(|fault| StreamErrorIncoming::Unknown(Box::new(fault))))
    }

    fn reset(&mut self, code: u64) {
        // One that has ended needs no reset.
        let _ended = self.stream.reset(VarInt::from_u64(code).unwrap_or(NO_ERROR));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

#[expect(clippy::expect_used, reason = "both are QUIC's 62-bit numbers")]
fn stream_id(id: quinn::StreamId) -> StreamId {
    u64::from(VarInt::from(id)).try_into().expect("a stream's id fits 62 bits")
}

fn close(connection: &quinn::Connection, code: Code, reason: &[u8]) {
    connection.close(VarInt::from_u64(code.value()).unwrap_or(NO_ERROR), reason);
}

fn no_request_of_ours() -> StreamErrorIncoming {
    let connection_error = ConnectionErrorIncoming::InternalError("a server opens no request".to_owned());
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
}

fn lost(fault: ConnectionError) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error: connection_fault(fault) }
}

fn connection_fault(fault: ConnectionError) -> ConnectionErrorIncoming {
    match fault {
        ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        fault @ (ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted) => ConnectionErrorIncoming::Undefined(Arc::new(fault)),
    }
}

fn read_fault(fault: ReadError) -> StreamErrorIncoming {
    match fault {
        ReadError::Reset(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into() },
        ReadError::ConnectionLost(fault) => lost(fault),
        fault @ (ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected) => {
            StreamErrorIncoming::Unknown(Box::new(fault))
        }
    }
}

fn write_fault(fault: WriteError) -> StreamErrorIncoming {
    match fault {
        WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into() },
        WriteError::ConnectionLost(fault) => lost(fault),
        fault @ (WriteError::ClosedStream | WriteError::ZeroRttRejected) => {
            StreamErrorIncoming::Unknown(Box::new(fault))
        }
    }
}
