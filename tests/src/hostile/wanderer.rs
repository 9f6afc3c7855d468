//! A way to a relay on which, once told so, each datagram comes from another port than the one before.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// The way, which ends when dropped.
pub struct Wanderer {
    /// Where its entrance is.
    pub entrance: SocketAddr,
    wanders: Arc<AtomicBool>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Wanderer {
    /// Opens a way for one client.
    ///
    /// # Errors
    /// This machine refused a socket.
    pub async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let inside = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let outside =
            [UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?, UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?];
        for socket in &outside {
            socket.connect(to).await?;
        }
        let entrance = inside.local_addr()?;
        let wanders = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(carry(inside, outside, Arc::clone(&wanders)));
        Ok(Self { entrance, wanders, task })
    }

    /// From now on each datagram is a move.
    pub fn wander(&self) {
        self.wanders.store(true, Ordering::Relaxed);
    }
}

impl Drop for Wanderer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(inside: UdpSocket, outside: [UdpSocket; 2], wanders: Arc<AtomicBool>) -> std::io::Result<()> {
    let [mut now, mut next] = outside;
    let (mut out, mut back, mut back_too) = (vec![0; 2048], vec![0; 2048], vec![0; 2048]);
    let mut client = None;
    loop {
        let (datagram, length) = tokio::select! {
            came = inside.recv_from(&mut out) => {
                let (length, from) = came?;
                client = Some(from);
                if wanders.load(Ordering::Relaxed) {
                    std::mem::swap(&mut now, &mut next);
                }
                now.send(out.get(..length).unwrap_or_default()).await?;
                continue;
            }
            came = now.recv(&mut back) => (&back, came?),
            came = next.recv(&mut back_too) => (&back_too, came?),
        };
        if let Some(client) = client {
            inside.send_to(datagram.get(..length).unwrap_or_default(), client).await?;
        }
    }
}
