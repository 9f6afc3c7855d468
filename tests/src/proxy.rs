//! A UDP link that can be cut: stands between a client and a relay, as a bad network would.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// Largest datagram that is carried.
const DATAGRAM: usize = 65_536;
/// Clients at most; further ones get nothing.
const CLIENTS: usize = 64;

/// A proxy on a loopback port of its own. Ends when dropped.
#[derive(Debug)]
pub struct UdpProxy {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    down: AtomicBool,
    carried: AtomicU64,
    dropped: AtomicU64,
}

impl State {
    /// Whether a datagram goes through; counted either way.
    fn passes(&self, bytes: usize) -> bool {
        let down = self.down.load(Ordering::Acquire);
        if down {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.carried.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        !down
    }
}

impl UdpProxy {
    /// Carries datagrams to and from `relay`.
    ///
    /// # Errors
    /// No loopback port could be bound.
    pub async fn start(relay: SocketAddr) -> std::io::Result<Self> {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let address = front.local_addr()?;
        let state =
            Arc::new(State { down: AtomicBool::new(false), carried: AtomicU64::new(0), dropped: AtomicU64::new(0) });
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(front, relay, state.clone()));
        Ok(Self { address, state, _tasks: tasks })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drops everything, both ways.
    pub fn cut(&self) {
        self.state.down.store(true, Ordering::Release);
    }

    /// Carries again.
    pub fn mend(&self) {
        self.state.down.store(false, Ordering::Release);
    }

    /// Whether it drops everything.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.state.down.load(Ordering::Acquire)
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

/// One socket towards the relay for each client, so that the relay tells them apart.
async fn forward(front: Arc<UdpSocket>, relay: SocketAddr, state: Arc<State>) {
    let mut backs: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        // An ICMP error of an earlier send shows here; the next datagram may be fine.
        let Ok((length, client)) = front.recv_from(&mut buffer).await else { continue };
        let back = match backs.get(&client) {
            Some(back) => back.clone(),
            None if backs.len() < CLIENTS => {
                let Ok(back) = UdpSocket::bind("127.0.0.1:0").await else { continue };
                if back.connect(relay).await.is_err() {
                    continue;
                }
                let back = Arc::new(back);
                tasks.spawn(answer(back.clone(), front.clone(), client, state.clone()));
                backs.insert(client, back.clone());
                back
            }
            None => continue,
        };
        if state.passes(length) {
            // A lost datagram is what this link is for.
            let _sent = back.send(buffer.get(..length).unwrap_or_default()).await;
        }
    }
}

async fn answer(back: Arc<UdpSocket>, front: Arc<UdpSocket>, client: SocketAddr, state: Arc<State>) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok(length) = back.recv(&mut buffer).await else {
            // The relay's port may be closed for a while: do not spin.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        if state.passes(length) {
            let _sent = front.send_to(buffer.get(..length).unwrap_or_default(), client).await;
        }
    }
}
