//! From a relay's name to a connection: name servers that fail, and addresses of which only some lead anywhere.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::{Connection, Endpoint};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::LinkFault;

/// Time for the name server. A system's own patience, 10 s and more, would leave none for the relay.
const LOOK_UP: Duration = Duration::from_secs(5);

/// An address that has not answered for so long is not waited for alone: machines with an IPv6 address that leads nowhere
/// are common. RFC 8305 has 250 ms, in which no relay at 600 ms answers.
const NEXT_ADDRESS: Duration = Duration::from_secs(1);

/// Addresses of one host that are tried.
const ADDRESSES: usize = 8;

/// Hosts whose address is remembered.
const HOSTS: usize = 64;

/// Where each host was reached last. Used while no name server answers: whoever is there must prove to be the relay.
#[derive(Clone, Debug, Default)]
pub(super) struct Reached(Arc<Mutex<HashMap<String, SocketAddr>>>);

impl Reached {
    /// The addresses of a host, or else the one that was good before.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, LinkFault> {
        let found: Vec<SocketAddr> = match timeout(LOOK_UP, tokio::net::lookup_host((host, port))).await {
            Ok(Ok(found)) => found.take(ADDRESSES).collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        if !found.is_empty() {
            return Ok(found);
        }
        let before = self.lock().get(host).map(|address| vec![SocketAddr::new(address.ip(), port)]);
        before.ok_or(LinkFault::UnknownHost)
    }

    pub(super) fn remember(&self, host: &str, address: SocketAddr) {
        let mut reached = self.lock();
        if reached.len() < HOSTS || reached.contains_key(host) {
            reached.insert(host.to_owned(), address);
        }
    }

    /// Every relay's address, as it was reached last.
    pub(super) fn relays(&self) -> Vec<SocketAddr> {
        self.lock().values().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, SocketAddr>> {
        // Nothing that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects to the first address that answers: each next one is tried when those before have failed or taken long.
pub(super) async fn first(
    endpoint: &Endpoint,
    addresses: Vec<SocketAddr>,
    host: &str,
) -> Result<Connection, LinkFault> {
    let mut waiting = addresses.into_iter();
    // Dropped with the attempts that came second.
    let mut attempts = JoinSet::new();
    let mut fault = LinkFault::Unreachable;
    loop {
        if let Some(address) = waiting.next() {
            // An address of a kind that this machine has no socket for.
            let Ok(connecting) = endpoint.connect(address, host) else { continue };
            attempts.spawn(connecting);
        } else if attempts.is_empty() {
            return Err(fault);
        }
        loop {
            tokio::select! {
                done = attempts.join_next() => match done {
                    Some(Ok(Ok(connection))) => return Ok(connection),
                    Some(Ok(Err(error))) => fault = LinkFault::while_connecting(&error),
                    Some(Err(_)) | None => {}
                },
                () = sleep(NEXT_ADDRESS), if waiting.len() > 0 => {}
            }
            if waiting.len() > 0 || attempts.is_empty() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_is_found_where_it_was_while_no_name_server_knows_it() {
        let reached = Reached::default();
        // Reserved to have no address (RFC 6761, 6.4).
        let unknown = "relay.invalid";
        assert_eq!(reached.addresses(unknown, 443).await, Err(LinkFault::UnknownHost));
        reached.remember(unknown, SocketAddr::from(([192, 0, 2, 1], 443)));
        assert_eq!(reached.addresses(unknown, 444).await, Ok(vec![SocketAddr::from(([192, 0, 2, 1], 444))]));
    }
}
