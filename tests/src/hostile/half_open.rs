//! Handshakes that are begun and never answered, each from a port of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// First flights of clients, recorded once and sent from new ports.
pub struct HalfOpen {
    flights: Vec<Vec<Vec<u8>>>,
    sockets: Vec<UdpSocket>,
}

/// Time in which a client sends its whole first flight: two datagrams, for ML-KEM's key.
const FLIGHT: Duration = Duration::from_millis(30);

impl HalfOpen {
    /// Records the first flights of so many clients, each with keys and connection ids of its own.
    ///
    /// # Errors
    /// This machine refused a socket.
    pub async fn record(count: usize) -> anyhow::Result<Self> {
        let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
        let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(super::tls()?)?));
        let mut flights = Vec::with_capacity(count);
        for _ in 0..count {
            let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let connecting = endpoint.connect_with(config.clone(), sink.local_addr()?, "localhost")?;
            let mut flight = Vec::new();
            let mut datagram = vec![0; 2048];
            while flight.len() < 2 {
                let Ok(came) = timeout(FLIGHT, sink.recv(&mut datagram)).await else { break };
                flight.push(datagram.iter().take(came?).copied().collect());
            }
            drop(connecting);
            flights.push(flight);
        }
        Ok(Self { flights, sockets: Vec::new() })
    }

    /// Sends them all, and answers nothing that comes back. The ports stay open, else the kernel would tell the relay.
    ///
    /// # Errors
    /// This machine refused a socket.
    pub async fn send(&mut self, to: SocketAddr) -> anyhow::Result<()> {
        for flight in &self.flights {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            for datagram in flight {
                socket.send_to(datagram, to).await?;
            }
            self.sockets.push(socket);
        }
        Ok(())
    }

    /// Gives the ports up.
    pub fn forget(&mut self) {
        self.sockets.clear();
    }

    /// Bytes that came back to all ports: what the relay spends on unproved addresses.
    #[must_use]
    pub fn answered(&self) -> usize {
        let mut sum = 0;
        let mut datagram = vec![0; 2048];
        for socket in &self.sockets {
            while let Ok(length) = socket.try_recv(&mut datagram) {
                sum += length;
            }
        }
        sum
    }

    /// Bytes sent.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.flights.iter().flatten().map(Vec::len).sum()
    }
}
