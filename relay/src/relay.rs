//! A whole relay in a process: started, stopped, and told of when its store fails.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{Admission, AdmissionId, PathSecret, RelayAddress};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::blob::BlobPlaces;
use crate::clock;
use crate::config::{Config, ConfigFault};
use crate::control::{Asked, Control};
use crate::data::{DataDirectory, DataFault, remembered_endpoint, remembered_fingerprint};
use crate::delivery::Delivery;
use crate::keys::{self, Keys, KeysFault};
use crate::metrics::{Metrics, Snapshot};
use crate::observe;
use crate::places::{Most, Places};
use crate::service::Service;
use crate::store::{Change, Store, StoreFault, Verified};
use crate::transport::{self, CertificateFault, ListenFault};

/// Starts relays.
pub struct Relay;

/// A relay that runs until it is shut down.
pub struct Running {
    local: SocketAddr,
    address: RelayAddress,
    endpoint: transport::Endpoint,
    front: JoinHandle<()>,
    metrics: Option<Observed>,
    control: Option<Control>,
    parts: Arc<Parts>,
    shown: Arc<transport::ShownCertificate>,
    data: DataDirectory,
}

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The configuration is of no use.
    #[error(transparent)]
    Config(#[from] ConfigFault),
    /// The data directory cannot be had.
    #[error(transparent)]
    Data(#[from] DataFault),
    /// The keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysFault),
    /// The store does not open.
    #[error("the store in {} does not open: {source}", path.display())]
    Store {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        source: StoreFault,
    },
    /// The port cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// The address for counts cannot be had.
    #[error("cannot listen on {address}, which metrics names: {source}")]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Why a relay did not stop in order.
#[derive(Debug, thiserror::Error)]
pub enum StopFault {
    /// The store failed; what was acknowledged is on disk.
    #[error("the store failed: {0}")]
    Store(StoreFault),
}

/// What every connection and session shares.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) keys: Keys,
    pub(crate) service: Service,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) phase: watch::Sender<Phase>,
    /// Sessions of each admission of one's own.
    pub(crate) sessions: Places<AdmissionId>,
    /// Blob streams.
    pub(crate) blobs: BlobPlaces,
    /// Admitted connections.
    pub(crate) watch: transport::Watch,
    /// When it began to serve.
    pub(crate) started: Instant,
}

/// What the relay is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Serving.
    Serving,
    /// Stopping: nothing new, and what is under way is finished.
    Draining,
}

impl Phase {
    pub(crate) fn draining(self) -> bool {
        self == Self::Draining
    }
}

/// How long a change may take before the relay counts as stuck.
const ANSWER: Duration = Duration::from_secs(10);

/// Time for the last packets of closed connections.
const LAST_PACKETS: Duration = Duration::from_millis(500);

impl Relay {
    /// Opens the data directory, making it and the keys at the first start, and begins to serve.
    ///
    /// # Errors
    /// [`StartFault`], with words for the operator.
    pub async fn start(config: Config) -> Result<Running, StartFault> {
        config.check()?;
        let data = DataDirectory::open(&config.data)?;
        let keys = Keys::load_or_draw(config.keys(), &config.advertised_host())?;
        let metrics = Arc::new(Metrics::default());
        let delivery = Arc::new(Delivery::default());
        let path = data.store();
        let service = Service::start(&path, &config.store, &keys.admission, Arc::clone(&delivery))
            .await
            .map_err(|source| StartFault::Store { path, source })?;
        let shown = Arc::new(transport::ShownCertificate::of(&config, &keys).map_err(ListenFault::from)?);
        let endpoint = transport::listen(config.listen, &keys, Arc::clone(&shown))?;
        let local = endpoint.local_addr().map_err(|source| ListenFault::Bind { port: config.listen.port(), source })?;
        let address = address(config.advertised_host(), config.port.unwrap_or(local.port()), &keys);
        data.remember_endpoint(&address.host, address.port, &address.fingerprint)?;
        let parts = Arc::new(Parts {
            sessions: Places::new(Most { all: usize::MAX, each: config.limits.sessions_per_admission }),
            blobs: BlobPlaces::new(config.limits.all_blobs),
            watch: transport::Watch::default(),
            started: Instant::now(),
            config,
            keys,
            service,
            delivery,
            metrics,
            phase: watch::Sender::new(Phase::Serving),
        });
        let metrics = match parts.config.metrics {
            Some(address) => Some(Observed::start(address, &endpoint, &parts).await?),
            None => None,
        };
        let asked = Asked {
            data: data.path().to_owned(),
            host: address.host.clone(),
            port: address.port,
            endpoint: endpoint.clone(),
            parts: Arc::downgrade(&parts),
        };
        let control = match Control::start(asked) {
            Ok(control) => Some(control),
            Err(fault) => {
                tracing::warn!(%fault, "no socket for the operator's commands: stop the relay before them");
                None
            }
        };
        let front = tokio::spawn(transport::serve(endpoint.clone(), Arc::clone(&parts)));
        tracing::info!(port = local.port(), "serving");
        Ok(Running { local, address, endpoint, front, metrics, control, parts, shown, data })
    }
}

/// Says how the relay is, until `stop` goes.
struct Observed {
    local: SocketAddr,
    stop: oneshot::Sender<()>,
    answering: JoinHandle<()>,
}

impl Observed {
    async fn start(
        address: SocketAddr,
        endpoint: &transport::Endpoint,
        parts: &Arc<Parts>,
    ) -> Result<Self, StartFault> {
        let fault = |source| StartFault::Metrics { address, source };
        let listener = TcpListener::bind(address).await.map_err(fault)?;
        let local = listener.local_addr().map_err(fault)?;
        let (stop, stopped) = oneshot::channel();
        let answering = tokio::spawn(observe::serve(listener, endpoint.clone(), Arc::downgrade(parts), stopped));
        Ok(Self { local, stop, answering })
    }
}

/// Makes the data directory and the keys if there are none, without serving, and gives the address.
///
/// # Errors
/// [`StartFault`]; in particular while the relay runs.
pub fn initialise(config: &Config) -> Result<RelayAddress, StartFault> {
    config.check()?;
    let data = DataDirectory::open(&config.data)?;
    let keys = Keys::load_or_draw(config.keys(), &config.advertised_host())?;
    let address = address(config.advertised_host(), config.port.unwrap_or(config.listen.port()), &keys);
    data.remember_endpoint(&address.host, address.port, &address.fingerprint)?;
    Ok(address)
}

/// Gives a relay that does not run another admission, and so another address; the old one ends after so many days. Whoever was
/// invited has an admission of their own, which stays; founders have the address's. Gives the new address.
///
/// # Errors
/// [`StartFault`]; in particular while the relay runs.
pub fn rotate_admission(config: &Config, overlap_days: u32) -> Result<RelayAddress, StartFault> {
    // Asked first: to open it would make one.
    let _there = remembered_endpoint(&config.data)?;
    let data = DataDirectory::open(&config.data)?;
    let path = data.store();
    let old = Keys::load(config.keys())?.admission;
    let end = || -> Result<(), StoreFault> {
        let (_store, mut ledger) = Store::open(&path, config.store.clone())?;
        let now = clock::now();
        let expires = now.round_up().plus(overlap_days.saturating_mul(24));
        ledger.apply(vec![Change::Provide { id: old.id(), key: old.key(), expires }], now).map(drop)
    };
    // Ended first: cut off in between, the old one lives on at the next start, and can be rotated again.
    end().map_err(|source| StartFault::Store { path: path.clone(), source })?;
    Keys::rotate_admission(config.keys())?;
    drop(data);
    address_of(config)
}

/// Reads the whole store of a relay that does not run, and says what of it is not as it was written.
///
/// # Errors
/// [`StartFault`]; in particular while the relay runs.
pub fn verify_store(config: &Config, watch: impl FnMut(&Verified)) -> Result<Verified, StartFault> {
    // Asked first: to open it would make one.
    let _there = remembered_endpoint(&config.data)?;
    let data = DataDirectory::open(&config.data)?;
    let path = data.store();
    let store = || -> Result<Verified, StoreFault> {
        let (store, _ledger) = Store::open(&path, config.store.clone())?;
        store.verify(watch)
    };
    store().map_err(|source| StartFault::Store { path: path.clone(), source })
}

/// The address of the relay whose data directory the configuration names, whether it runs or not.
///
/// # Errors
/// [`StartFault`], in particular when no relay was ever started there.
pub fn address_of(config: &Config) -> Result<RelayAddress, StartFault> {
    let (host, port) = remembered_endpoint(&config.data)?;
    let (host, port) = (config.host.clone().unwrap_or(host), config.port.unwrap_or(port));
    match Keys::load(config.keys()) {
        Ok(keys) => Ok(address(host, port, &keys)),
        // Kept apart, where only the service reads it: who it is was written down when it last started.
        Err(fault @ KeysFault::Identity { .. }) => {
            let fingerprint = remembered_fingerprint(&config.data).ok_or(fault)?;
            let (path, admission) = keys::way_in(config.keys())?;
            Ok(RelayAddress { fingerprint, host, port, path, admission })
        }
        Err(fault) => Err(fault.into()),
    }
}

fn address(host: String, port: u16, keys: &Keys) -> RelayAddress {
    RelayAddress {
        fingerprint: keys.public().fingerprint(),
        host,
        port,
        path: PathSecret::new(Secret::new(*keys.path.expose())),
        admission: Admission::duplicate(&keys.admission),
    }
}

impl StartFault {
    /// What the operator may do about it, where it does not say so itself.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        let Self::Listen(ListenFault::Bind { port: _, source }) = self else { return None };
        if source.kind() == ErrorKind::PermissionDenied {
            Some("Ports below 1024 need a right: run it as the service in deploy/systemd, or try --listen [::]:4433.")
        } else if source.kind() == ErrorKind::AddrInUse {
            Some("Another program listens there: stop it, or choose another port with --listen.")
        } else {
            None
        }
    }
}

impl Running {
    /// The UDP address that it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The address to hand out, secrets and all.
    #[must_use]
    pub fn address(&self) -> RelayAddress {
        self.address.duplicate()
    }

    /// Where it says how it is, if anywhere.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|observed| observed.local)
    }

    /// Whether the writer takes a change within 10 s. Packets are not asked for: under a flood they are lost, and a relay
    /// that serves as well as it can is not to be ended for that.
    pub async fn answers(&self) -> bool {
        // What has expired may go, which is as good as any other change.
        let written = timeout(ANSWER, self.parts.service.writer().apply(Change::Sweep { limit: 1 })).await;
        matches!(written, Ok(Ok(_)))
    }

    /// Reads the operator's certificate again. Handshakes from now on show it; sessions that are open go on. False when the
    /// relay shows its own.
    ///
    /// # Errors
    /// [`CertificateFault`]; then it goes on with the one before.
    pub fn reload_certificate(&self) -> Result<bool, CertificateFault> {
        self.shown.reload()
    }

    /// The relay's counts of itself.
    #[must_use]
    pub fn counters(&self) -> Snapshot {
        self.parts.metrics.snapshot()
    }

    /// Waits until the store has failed, after which the process must end. Never returns while it is sound.
    ///
    /// # Cancel safety
    /// A cancelled wait loses nothing.
    pub async fn failed(&self) {
        self.parts.service.failed().await;
    }

    /// Stops in order: tells every session, answers what is under way within the configured time, closes the
    /// connections, and returns when everything acknowledged is on disk and the data directory is free.
    ///
    /// # Errors
    /// [`StopFault`].
    pub async fn shutdown(self) -> Result<(), StopFault> {
        let Self { local: _, address: _, endpoint, front, metrics, control, parts, shown: _, data } = self;
        tracing::info!("draining");
        parts.phase.send_replace(Phase::Draining);
        if let Some(control) = control {
            control.stop().await;
        }
        // Ends by itself: `serve` closes the endpoint when the time is up.
        let _served = front.await;
        endpoint.close(transport::VarInt::from_u32(0x100), b"");
        let _idle = timeout(LAST_PACKETS, endpoint.wait_idle()).await;
        parts.metrics.snapshot().log();
        if let Some(Observed { local: _, stop, answering }) = metrics {
            drop(stop);
            let _ended = answering.await;
        }
        // Every connection has ended, so nobody else holds the parts.
        let stopped = match Arc::into_inner(parts) {
            Some(parts) => parts.service.stop().await,
            None => Err(StoreFault::WriterDied),
        };
        drop(data);
        stopped.map_err(StopFault::Store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::AdmissionKind;

    #[test]
    fn another_admission_ends_the_old_one_after_a_while_and_changes_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data: folder.path().join("data"), ..Config::default() };
        let old = initialise(&config).unwrap();
        let new = rotate_admission(&config, 2).unwrap();
        assert_ne!(new.admission.id(), old.admission.id());
        let same = |address: &RelayAddress| (address.fingerprint, address.host.clone(), *address.path.expose());
        assert_eq!(same(&new), same(&old));
        assert_eq!(initialise(&config).unwrap().to_text(), new.to_text());
        let (store, _ledger) = Store::open(&config.data.join("store"), config.store.clone()).unwrap();
        let admission =
            |hours: u64| store.admission(&old.admission.id(), clock::now().plus_seconds(hours * 3600)).unwrap();
        assert_eq!(admission(0).unwrap().kind, AdmissionKind::Shared);
        assert!(admission(47).is_some() && admission(50).is_none());
        // No key of before is left.
        assert!(!config.data.join("keys.new").exists());
    }

    #[tokio::test]
    async fn a_relay_that_runs_keeps_its_admission() {
        let folder = tempfile::tempdir().unwrap();
        let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
        let config = Config { data: folder.path().join("data"), listen, ..Config::default() };
        let running = Relay::start(config.clone()).await.unwrap();
        let refused = rotate_admission(&config, 2);
        assert!(matches!(refused, Err(StartFault::Data(DataFault::Locked { .. }))));
        let before = running.address().to_text();
        running.shutdown().await.unwrap();
        assert_eq!(address_of(&config).unwrap().to_text(), before);
    }
}
