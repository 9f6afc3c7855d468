//! Notices that this device has another address, and tells the relays.
//!
//! A client that sends is found again by its first packet. One that only reads would say nothing for up to 10 s, and the
//! relay would go on sending to where it was.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use quinn::Endpoint;
use tokio::time::sleep;

use super::reach::Reached;

/// Between two looks. A look asks the kernel for its route and sends nothing.
const LOOK: Duration = Duration::from_secs(2);

/// Moves the endpoint to a new socket whenever the address changes from which relays are reached. Never ends.
pub(super) async fn follow(endpoint: Endpoint, reached: Reached) {
    let mut before: HashMap<SocketAddr, IpAddr> = HashMap::new();
    loop {
        sleep(LOOK).await;
        let now: HashMap<SocketAddr, IpAddr> =
            reached.relays().into_iter().filter_map(|relay| Some((relay, address_towards(relay)?))).collect();
        let moved = now.iter().any(|(relay, address)| before.get(relay).is_some_and(|before| before != address));
        // Where there is no route now, the address of before is what a new one is compared with.
        before.extend(now);
        if moved && let Ok(socket) = any_socket(&endpoint) {
            // Without it the next packet tells, as before.
            let _moved = endpoint.rebind(socket);
        }
    }
}

/// A socket like the endpoint's: on Linux one for IPv6 serves IPv4 too.
fn any_socket(endpoint: &Endpoint) -> std::io::Result<UdpSocket> {
    UdpSocket::bind(any(endpoint.local_addr()?))
}

fn any(like: SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

/// The address from which packets to a relay would go.
fn address_towards(relay: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(any(relay)).ok()?;
    socket.connect(relay).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
