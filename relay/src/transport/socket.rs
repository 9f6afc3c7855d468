//! The UDP socket as quinn sees it: how many datagrams a connection may hand over at once follows the traffic.
//!
//! quinn keeps for each connection a buffer of as many datagrams as the socket takes at once, from its second datagram
//! on: measured 12.9 KiB of the 51 of an idle session. With two it is 3.6 KiB. Under bulk transfers ten save processor
//! time, and then the buffer is well used.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// Datagrams handed over at once while little is sent: a handshake's answer is two of these.
const FEW: usize = 2;
/// Length of the windows in which bytes are counted.
const WINDOW_MILLISECONDS: u64 = 16;
/// Bytes sent in a window from which the traffic is bulk: 16 MB/s.
const BULK: u64 = 256 << 10;

/// A socket that counts what it sends.
#[derive(Debug)]
pub(super) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    begun: Instant,
    traffic: Traffic,
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
        Self { inner, begun: Instant::now(), traffic: Traffic::default() }
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
        self.inner.poll_recv(context, buffers, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        let most = self.inner.max_transmit_segments();
        if self.traffic.is_bulk(self.window()) { most } else { most.min(FEW) }
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
