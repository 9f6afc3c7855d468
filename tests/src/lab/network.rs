//! The hosts and the links between them. The lab itself is the middle: it routes, and its proxies stand there.
//!
//! ```text
//! quilla  10.77.2.2 --- .1 \                    / 10.77.1.1 --- 10.77.1.2  relay
//!                           the lab, 10.77.0.1
//! mistral 10.77.3.2 --- .1 /   proxy or route   \ the same in IPv6: fd77:N::
//! ```

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;

use super::host::{Host, ip};
use super::names::NameServer;
use crate::proxy::UdpProxy;

/// Where clients find the relay, whichever way leads there.
pub(super) const FRONT: &str = "10.77.0.1";
/// The same in IPv6.
pub(super) const FRONT6: &str = "fd77::1";
/// The relay's name, where there is a name server.
pub(super) const NAME: &str = "relay.lab";
/// The relay's port.
pub(super) const PORT: u16 = 4433;

/// How packets go between members and relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Through a proxy, which can do anything to them.
    Proxy,
    /// Routed by the kernel.
    Routed,
    /// Routed, and there is no IPv4.
    RoutedSix,
}

/// A network with three hosts.
pub(super) struct Network {
    pub(super) relay: Host,
    pub(super) quilla: Host,
    pub(super) mistral: Host,
    pub(super) proxy: Option<UdpProxy>,
    pub(super) names: NameServer,
}

impl Network {
    pub(super) async fn new(way: Way, mtu: u32, seed: u64) -> anyhow::Result<Self> {
        ip("link set lo up")?;
        for file in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            let path = format!("/proc/sys/net/{file}");
            std::fs::write(&path, "1").with_context(|| format!("cannot write {path}"))?;
        }
        let (relay, quilla, mistral) = (Host::new("relay")?, Host::new("quilla")?, Host::new("mistral")?);
        let four = way != Way::RoutedSix;
        for (number, host) in [(1, &relay), (2, &quilla), (3, &mistral)] {
            connect(number, host, if number == 1 { 1500 } else { mtu }, four)?;
        }
        if way == Way::Proxy {
            ip(&format!("address add {FRONT}/32 dev lo"))?;
        } else {
            for (front, length, route) in [(FRONT, 32, "10.77.1.2"), (FRONT6, 128, "fd77:1::2")] {
                if four || front == FRONT6 {
                    relay.ip(&format!("address add {front}/{length} dev lo"))?;
                    ip(&format!("route add {front}/{length} via {route}"))?;
                }
            }
        }
        let proxy = match way {
            Way::Proxy => {
                let behind = SocketAddr::from(([10, 77, 1, 2], PORT));
                Some(UdpProxy::start_at(format!("{FRONT}:{PORT}").parse()?, behind, seed).await?)
            }
            Way::Routed | Way::RoutedSix => None,
        };
        let server = SocketAddr::from(([127, 0, 0, 53], 53));
        let names = match way {
            Way::Proxy => {
                ip("address add 10.77.0.53/32 dev lo")?;
                NameServer::start("10.77.0.53:53".parse()?, FRONT.parse::<Ipv4Addr>()?).await?
            }
            Way::Routed | Way::RoutedSix => NameServer::start(server, FRONT.parse::<Ipv4Addr>()?).await?,
        };
        Ok(Self { relay, quilla, mistral, proxy, names })
    }

    pub(super) fn proxy(&self) -> anyhow::Result<&UdpProxy> {
        self.proxy.as_ref().context("this trial has no proxy")
    }

    /// Gives a member another address: the old one and its route are gone first, as when a phone changes networks.
    pub(super) fn roam(&self, host: &Host, number: u32, last: u32) -> anyhow::Result<()> {
        host.ip("address flush dev wire scope global")?;
        host.ip(&format!("address add 10.77.{number}.{last}/24 dev wire"))?;
        host.ip(&format!("route add default via 10.77.{number}.1"))
    }
}

/// A cable from the middle to a host. Its end there is called `wire`.
fn connect(number: u32, host: &Host, mtu: u32, four: bool) -> anyhow::Result<()> {
    let near = format!("to{number}");
    ip(&format!("link add {near} mtu {mtu} type veth peer name wire mtu {mtu} netns {}", host.pid()))?;
    if four {
        ip(&format!("address add 10.77.{number}.1/24 dev {near}"))?;
        host.ip(&format!("address add 10.77.{number}.2/24 dev wire"))?;
    }
    ip(&format!("address add fd77:{number}::1/64 dev {near} nodad"))?;
    host.ip(&format!("address add fd77:{number}::2/64 dev wire nodad"))?;
    ip(&format!("link set {near} up"))?;
    host.ip("link set wire up")?;
    if four {
        host.ip(&format!("route add default via 10.77.{number}.1"))?;
    }
    host.ip(&format!("-6 route add default via fd77:{number}::1"))
}
