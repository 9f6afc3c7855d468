//! The link of one client.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::shaper::Shaper;
use super::{DATAGRAM, State};

/// Carries what one client sends and gets, until the proxy ends.
pub(super) async fn carry(
    front: Arc<UdpSocket>,
    client: SocketAddr,
    relay: SocketAddr,
    mut datagrams: mpsc::Receiver<Vec<u8>>,
    state: Arc<State>,
) {
    let seed = state.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(client.port());
    let (mut up, mut down) = (Shaper::new(seed), Shaper::new(seed.rotate_left(32)));
    let mut rebinds = state.rebinds.subscribe();
    let Ok(mut back) = towards(relay).await else { return };
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let next = [up.next_arrival(), down.next_arrival()].into_iter().flatten().min();
        tokio::select! {
            datagram = datagrams.recv() => {
                let Some(datagram) = datagram else { return };
                take(&mut up, datagram, &state);
            }
            // The relay's port may be closed for a while: an ICMP error ends here, once each.
            came = back.recv(&mut buffer) => if let Ok(length) = came {
                take(&mut down, buffer.get(..length).unwrap_or_default().to_vec(), &state);
            },
            _ = rebinds.changed() => match towards(relay).await {
                Ok(other) => back = other,
                Err(_) => return,
            },
            () = until(next) => {}
        }
        // A datagram that cannot be sent is lost, which is what this link is for.
        let now = Instant::now();
        while let Some(datagram) = up.arrived(now) {
            let _sent = back.send(&datagram).await;
        }
        while let Some(datagram) = down.arrived(now) {
            let _sent = front.send_to(&datagram, client).await;
        }
    }
}

fn take(shaper: &mut Shaper, datagram: Vec<u8>, state: &State) {
    let bytes = u64::try_from(datagram.len()).unwrap_or(u64::MAX);
    let conditions = *state.conditions.borrow();
    if shaper.take(datagram, &conditions, Instant::now()) {
        state.carried.fetch_add(bytes, Ordering::Relaxed);
    } else {
        state.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

async fn towards(relay: SocketAddr) -> std::io::Result<UdpSocket> {
    let any = match relay {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(relay).await?;
    Ok(socket)
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
