//! A UDP link that behaves as bad networks do: loses, delays, doubles and reorders datagrams, is narrow, is cut, and
//! forgets where its clients are, as a NAT does. It stands between clients and a relay.

mod client;
mod conditions;
mod shaper;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use conditions::Conditions;

/// Largest datagram that is carried.
const DATAGRAM: usize = 65_536;
/// Clients at most; further ones get nothing.
const CLIENTS: usize = 64;
/// Datagrams of one client that have come and are not looked at.
const WAITING: usize = 1024;

/// A proxy on a port of its own. Ends when dropped.
#[derive(Debug)]
pub struct UdpProxy {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    conditions: watch::Sender<Conditions>,
    /// Grows each time when the NAT forgets.
    rebinds: watch::Sender<u64>,
    seed: u64,
    carried: AtomicU64,
    dropped: AtomicU64,
}

impl UdpProxy {
    /// Carries datagrams to and from `relay`, on a loopback port.
    ///
    /// # Errors
    /// No loopback port could be bound.
    pub async fn start(relay: SocketAddr) -> std::io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), relay, 1).await
    }

    /// Carries datagrams between `front`, where clients connect, and `relay`. What chance decides repeats with `seed`.
    ///
    /// # Errors
    /// `front` could not be bound.
    pub async fn start_at(front: SocketAddr, relay: SocketAddr, seed: u64) -> std::io::Result<Self> {
        let front = Arc::new(UdpSocket::bind(front).await?);
        let address = front.local_addr()?;
        let state = Arc::new(State {
            conditions: watch::Sender::new(Conditions::default()),
            rebinds: watch::Sender::new(0),
            seed,
            carried: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(front, relay, state.clone()));
        Ok(Self { address, state, _tasks: tasks })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves so from now on, both ways and for each client alone.
    pub fn set(&self, conditions: Conditions) {
        self.state.conditions.send_replace(conditions);
    }

    /// Drops everything, both ways.
    pub fn cut(&self) {
        self.state.conditions.send_modify(|conditions| conditions.cut = true);
    }

    /// Carries again.
    pub fn mend(&self) {
        self.state.conditions.send_modify(|conditions| conditions.cut = false);
    }

    /// Whether it drops everything.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.state.conditions.borrow().cut
    }

    /// Forgets its clients, as a NAT does that was restarted: what they send next comes to the relay from another port,
    /// and what the relay sends to the old ones is lost.
    pub fn rebind(&self) {
        self.state.rebinds.send_modify(|rebinds| *rebinds += 1);
    }

    /// Bytes carried so far, both ways.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.state.carried.load(Ordering::Relaxed)
    }

    /// Datagrams dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }
}

/// Each client has a socket of its own towards the relay, so that the relay tells them apart.
async fn forward(front: Arc<UdpSocket>, relay: SocketAddr, state: Arc<State>) {
    let mut clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        // An ICMP error of an earlier send shows here; the next datagram may be fine.
        let Ok((length, client)) = front.recv_from(&mut buffer).await else { continue };
        if !clients.contains_key(&client) && clients.len() < CLIENTS {
            let (to, datagrams) = mpsc::channel(WAITING);
            tasks.spawn(client::carry(front.clone(), client, relay, datagrams, state.clone()));
            clients.insert(client, to);
        }
        if let Some(to) = clients.get(&client) {
            // One that finds no room is lost.
            let _lost = to.try_send(buffer.get(..length).unwrap_or_default().to_vec());
        }
    }
}
