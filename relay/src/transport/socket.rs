//! The UDP socket as quinn sees it: how many datagrams a connection may hand over at once follows the traffic, and those
//! that come are given one by one.
//!
//! quinn keeps for each connection a buffer of as many datagrams as the socket takes at once, from its second datagram
//! on: measured 12.9 KiB of the 51 of an idle session. With two it is 3.6 KiB. Under bulk transfers ten save processor
//! time, and then the buffer is well used.
//!
//! The kernel joins datagrams that come in a burst (GRO), and quinn would take them as one allocation of up to 64 KiB: one
//! byte of a stream that waits for what lies before it would pin them all, and be counted as one datagram's. So they are
//! taken apart here, which costs a copy of each and keeps the system calls few.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// Datagrams handed over at once while little is sent: a handshake's answer is two of these.
const FEW: usize = 2;
/// Length of the windows in which bytes are counted.
const WINDOW_MILLISECONDS: u64 = 16;
/// Bytes sent in a window from which the traffic is bulk: 16 MB/s.
const BULK: u64 = 256 << 10;
/// Bursts taken from the kernel at once.
const BURSTS: usize = 16;
/// Longest burst: UDP's length has 16 bits.
const BURST: usize = 64 << 10;

/// A socket that counts what it sends and takes bursts apart.
#[derive(Debug)]
pub(super) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    begun: Instant,
    traffic: Traffic,
    bursts: Mutex<Bursts>,
}

/// What came at once: 1 MiB, of which the kernel writes what it needs.
struct Bursts {
    bytes: Box<[u8]>,
    /// Datagrams not given yet, and where they lie.
    waiting: VecDeque<(RecvMeta, Range<usize>)>,
}

/// Bytes of the present window and of the one before.
#[derive(Default)]
struct Traffic {
    window: AtomicU64,
    bytes: AtomicU64,
    before: AtomicU64,
}

impl Socket {
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>) -> Self {
        Self { inner, begun: Instant::now(), traffic: Traffic::default(), bursts: Mutex::default() }
    }

    fn window(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX) / WINDOW_MILLISECONDS
    }
}

impl Traffic {
    /// Counts bytes in a window. Two threads may lose some to each other when a window begins: it is a measure.
    fn count(&self, window: u64, bytes: u64) {
        let last = self.window.swap(window, Ordering::Relaxed);
        if last != window {
            let held = self.bytes.swap(0, Ordering::Relaxed);
            self.before.store(if last.saturating_add(1) == window { held } else { 0 }, Ordering::Relaxed);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether much was sent in this window or the one before.
    fn is_bulk(&self, window: u64) -> bool {
        let last = self.window.load(Ordering::Relaxed);
        let recent = last.saturating_add(1) >= window;
        let most = self.bytes.load(Ordering::Relaxed).max(self.before.load(Ordering::Relaxed));
        recent && most >= BULK
    }
}

impl Default for Bursts {
    fn default() -> Self {
        Self { bytes: vec![0; BURSTS * BURST].into(), waiting: VecDeque::new() }
    }
}

impl Bursts {
    /// Takes what the socket has.
    fn take(&mut self, socket: &dyn AsyncUdpSocket, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut metas = [RecvMeta::default(); BURSTS];
        let mut buffers: Vec<_> = self.bytes.chunks_mut(BURST).map(IoSliceMut::new).collect();
        let came = ready!(socket.poll_recv(context, &mut buffers, &mut metas))?;
        for (index, meta) in metas.into_iter().take(came).enumerate() {
            let (begin, end) = (index * BURST, index * BURST + meta.len);
            let datagrams = (begin..end).step_by(meta.stride.max(1));
            self.waiting.extend(datagrams.map(|at| (meta, at..end.min(at + meta.stride))));
        }
        Poll::Ready(Ok(()))
    }

    /// Gives what waits, a datagram to each buffer, and says how many.
    fn give(&mut self, buffers: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> usize {
        let mut given = 0;
        for (buffer, said) in buffers.iter_mut().zip(meta) {
            let Some((burst, place)) = self.waiting.pop_front() else { break };
            let datagram = self.bytes.get(place).unwrap_or_default();
            // One that is longer than our transport parameters allow, which could pin more, is given as one of nothing.
            let datagram = buffer.get_mut(..datagram.len()).map_or(0, |room| {
                room.copy_from_slice(datagram);
                room.len()
            });
            *said = RecvMeta { len: datagram, stride: datagram, ..burst };
            given += 1;
        }
        given
    }
}

impl fmt::Debug for Bursts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bursts")
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // How much is sent when is nobody's business.
        f.write_str("Traffic")
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)?;
        self.traffic.count(self.window(), u64::try_from(transmit.contents.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut bursts = self.bursts.lock().unwrap_or_else(PoisonError::into_inner);
        if bursts.waiting.is_empty() {
            ready!(bursts.take(&*self.inner, context))?;
        }
        Poll::Ready(Ok(bursts.give(buffers, meta)))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        let most = self.inner.max_transmit_segments();
        if self.traffic.is_bulk(self.window()) { most } else { most.min(FEW) }
    }

    fn max_receive_segments(&self) -> usize {
        1
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_given_one_datagram_at_a_time_and_what_is_too_long_as_nothing() {
        let mut bursts = Bursts::default();
        bursts.bytes[..7].copy_from_slice(b"onetwo!");
        bursts.waiting.extend([0..3, 3..6, 6..7, 0..7].map(|place| (RecvMeta::default(), place)));
        let mut given = Vec::new();
        while !bursts.waiting.is_empty() {
            let (mut first, mut second) = ([0; 3], [0; 3]);
            let mut meta = [RecvMeta::default(); 2];
            let count = bursts.give(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)], &mut meta);
            let datagrams = [first, second].into_iter().zip(meta).take(count);
            given.extend(datagrams.map(|(bytes, meta)| {
                assert_eq!(meta.stride, meta.len);
                String::from_utf8(bytes[..meta.len].to_vec()).unwrap()
            }));
        }
        assert_eq!(given, ["one", "two", "!", ""]);
    }

    #[test]
    fn traffic_is_bulk_from_its_second_window_to_the_one_after_its_end() {
        let traffic = Traffic::default();
        assert!(!traffic.is_bulk(0));
        traffic.count(7, BULK - 1);
        assert!(!traffic.is_bulk(7));
        traffic.count(7, 1);
        assert!(traffic.is_bulk(7) && traffic.is_bulk(8));
        assert!(!traffic.is_bulk(9), "nothing was sent since");
        traffic.count(8, 1);
        assert!(traffic.is_bulk(8), "the window before counts");
        traffic.count(9, 1);
        assert!(!traffic.is_bulk(9));
        traffic.count(10, BULK);
        traffic.count(12, 1);
        assert!(!traffic.is_bulk(12), "a window without anything lies between");
    }
}
