//! What an operator may set. Each default stands beside its field, with its sum where it has one.

mod layers;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use self::layers::FILE_VARIABLE;
pub use self::layers::{Layered, Origin};
use crate::keys::Place;
use crate::store::StoreConfig;

/// The whole configuration. Unknown fields are refused, so that a misspelt limit is not silently the default.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything lies that must survive: keys, store, blobs.
    pub data: PathBuf,
    /// UDP address to listen on. Port 443 is what an ordinary web site has, and what firewalls let through.
    pub listen: SocketAddr,
    /// Host name or IP address under which clients reach the relay; what the relay's address carries.
    pub host: Option<String>,
    /// UDP port under which clients reach the relay, where a router translates it.
    pub port: Option<u16>,
    /// TCP address of this machine alone on which the relay says how it is: `/livez`, `/readyz`, `/metrics`.
    pub metrics: Option<SocketAddr>,
    /// File with the relay's identity key, where it is kept apart from `data`, such as a systemd credential; none for
    /// `keys/identity` there.
    pub identity_key: Option<PathBuf>,
    /// PEM file with a certificate of the operator's, and those that vouch for it; none for the relay's own. Clients do not
    /// believe it: it is what visitors of the web site see.
    pub certificate: Option<PathBuf>,
    /// PEM file with its key.
    pub certificate_key: Option<PathBuf>,
    /// What the front allows.
    pub limits: Limits,
    /// What the store keeps.
    pub store: StoreConfig,
}

/// Bounds of the front.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once. 5,120 x 41 KiB idle = 205 MiB: two fifths of a machine with 512 MiB. The whole sum: DESIGN, "Front".
    pub connections: usize,
    /// Connections of one IPv4 address, or of one IPv6 network of 64 bits, at once. 256: a workplace behind one address,
    /// a twentieth of all. Counted in memory while they last, and never written anywhere.
    pub connections_per_address: usize,
    /// Connections without an admitted session at once. 128 x 1 MiB at worst (measured: 0.84) = 128 MiB. A greeting takes
    /// three round trips, so that after a restart 850 clients a second pass at 50 ms, and 70 at 600 ms.
    pub visitors: usize,
    /// Those of one IPv4 address, or of one IPv6 network of 64 bits. 16, an eighth: who takes them all has eight addresses.
    /// A hall behind one address passes too, since whoever is admitted is no visitor any more: 16 at once, three round
    /// trips each, are 100 a second at 50 ms and 9 at 600 ms. A quarter of `visitors` at most.
    pub visitors_per_address: usize,
    /// Sessions of one admission of its own at once. 16: eight devices, each with one that has broken and one that is new.
    pub sessions_per_admission: usize,
    /// Requests of one session that may be unanswered. 1,024 x 0.5 KiB of bookkeeping = 512 KiB.
    pub requests: u32,
    /// Bytes of one session's unanswered requests. At least the largest frame, 516 KiB; two of them are 1 MiB. They wait for
    /// the disk, not for the client.
    pub request_bytes: usize,
    /// Blob streams of one connection at once. 8 x 64 KiB in flight.
    pub blobs: u32,
    /// Blob streams at once in all. 128 x 256 KiB = 32 MiB. Of one admission an eighth of them, 16, of one address a quarter,
    /// 32: in a hall behind one address others are told Busy and come again. At least eight times `blobs`.
    pub all_blobs: usize,
    /// Seconds that a stopping relay gives to what is under way.
    pub drain_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("relevo-relay-data"),
            listen: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 443),
            host: None,
            port: None,
            metrics: None,
            identity_key: None,
            certificate: None,
            certificate_key: None,
            limits: Limits::default(),
            store: StoreConfig::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 5120,
            connections_per_address: 256,
            visitors: 128,
            visitors_per_address: 16,
            sessions_per_admission: 16,
            requests: 1024,
            request_bytes: 2 * relevo_protocol::limits::MAX_FRAME,
            blobs: 8,
            all_blobs: 128,
            drain_seconds: 10,
        }
    }
}

impl Limits {
    /// Time that a stopping relay gives to what is under way.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

/// Why a configuration is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or holds something of another type.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// There is no such field.
    #[error("{origin}: there is no field {name}{}", nearest.as_ref().map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default())]
    Unknown {
        /// Where it stands.
        origin: String,
        /// What it is called there.
        name: String,
        /// The field that is called most alike, if one is.
        nearest: Option<String>,
    },
    /// A variable of the environment does not hold what its field wants.
    #[error("the environment: {name} must be {must}")]
    Variable {
        /// The variable.
        name: String,
        /// What it must be.
        must: &'static str,
    },
    /// A value is out of bounds.
    #[error("{field} must be {must}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it must be.
        must: &'static str,
    },
}

impl Config {
    /// The host that the relay's address carries: the configured one, else the address that it listens on, else this
    /// machine itself, which is right for a trial and for nothing else.
    #[must_use]
    pub fn advertised_host(&self) -> String {
        match &self.host {
            Some(host) => host.clone(),
            None if self.listen.ip().is_unspecified() => "localhost".to_owned(),
            None => self.listen.ip().to_string(),
        }
    }

    /// Where the relay's keys lie.
    pub(crate) fn keys(&self) -> Place<'_> {
        Place::new(&self.data, self.identity_key.as_deref())
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`ConfigFault::Value`].
    pub fn check(&self) -> Result<(), ConfigFault> {
        let fault = |field, must| Err(ConfigFault::Value { field, must });
        let largest = relevo_protocol::limits::MAX_FRAME;
        let Limits {
            connections,
            connections_per_address,
            visitors,
            visitors_per_address,
            sessions_per_admission,
            requests,
            request_bytes,
            blobs,
            all_blobs,
            drain_seconds: _,
        } = self.limits;
        if self.metrics.is_some_and(|address| !address.ip().is_loopback()) {
            return fault("metrics", "an address of this machine alone, such as 127.0.0.1:9464");
        }
        if self.certificate.is_some() != self.certificate_key.is_some() {
            return fault("certificate and certificate_key", "both, or neither");
        }
        if connections.min(connections_per_address).min(visitors).min(sessions_per_admission) == 0 {
            return fault(
                "limits.connections, connections_per_address, visitors and sessions_per_admission",
                "at least 1",
            );
        }
        if !(1..=visitors / 4).contains(&visitors_per_address) {
            // Else one address could keep all others out.
            return fault("limits.visitors_per_address", "at least 1 and at most a quarter of limits.visitors");
        }
        if visitors > MOST_VISITORS {
            return fault("limits.visitors", "at most 65536");
        }
        if !(1..=16_384).contains(&requests) {
            return fault("limits.requests", "between 1 and 16384");
        }
        if !(largest..=MOST_BYTES).contains(&request_bytes) {
            return fault("limits.request_bytes", "between 528384 and 1073741824");
        }
        if !(1..=12).contains(&blobs) {
            return fault("limits.blobs", "between 1 and 12");
        }
        if all_blobs > 4096 || all_blobs / 8 < usize::try_from(blobs).unwrap_or(usize::MAX) {
            // An admission has an eighth of them, and a client is told that it may have `blobs`.
            return fault("limits.all_blobs", "at least eight times limits.blobs, and at most 4096");
        }
        if self.store.queue_bytes < largest {
            // The largest entry would wait for room that never comes.
            return fault("store.queue_bytes", "at least 528384");
        }
        if self.store.entry_hours < relevo_protocol::limits::MIN_ENTRY_HOURS {
            // Clients would call it a lie that entries have expired.
            return fault("store.entry_hours", "at least 168");
        }
        if self.store.lease_hours > relevo_protocol::limits::MAX_LEASE_HOURS {
            return fault("store.lease_hours", "at most 2160");
        }
        Ok(())
    }
}

/// Largest bound of connections without a session: none would be a bound beyond it.
const MOST_VISITORS: usize = 65_536;
/// Largest bound of a session's unanswered requests.
const MOST_BYTES: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_bounds() {
        Config::default().check().unwrap();
    }

    #[test]
    fn a_queue_that_never_takes_the_largest_entry_is_refused() {
        let mut config = Config::default();
        config.store.queue_bytes = 512 << 10;
        assert!(matches!(config.check(), Err(ConfigFault::Value { field: "store.queue_bytes", .. })));
    }

    #[test]
    fn entries_that_expire_before_clients_believe_it_are_refused() {
        let mut config = Config::default();
        config.store.entry_hours = 167;
        assert!(matches!(config.check(), Err(ConfigFault::Value { field: "store.entry_hours", .. })));
    }

    #[test]
    fn counts_are_shown_to_this_machine_alone() {
        for (address, fine) in
            [("127.0.0.1:9464", true), ("[::1]:9464", true), ("0.0.0.0:9464", false), ("[::]:9464", false)]
        {
            let config = Config { metrics: Some(address.parse().unwrap()), ..Config::default() };
            assert_eq!(config.check().is_ok(), fine, "{address}");
        }
    }

    #[test]
    fn an_address_that_could_take_the_places_of_all_visitors_is_refused() {
        let mut config = Config::default();
        config.limits.visitors_per_address = config.limits.visitors / 4 + 1;
        assert!(matches!(config.check(), Err(ConfigFault::Value { field: "limits.visitors_per_address", .. })));
    }

    #[test]
    fn an_admission_that_could_not_have_the_blob_streams_of_one_connection_is_refused() {
        let mut config = Config::default();
        config.limits.all_blobs = 8 * 8 - 1;
        assert!(matches!(config.check(), Err(ConfigFault::Value { field: "limits.all_blobs", .. })));
    }
}
