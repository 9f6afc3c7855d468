//! `relevo-relay doctor`: looks for what is wrong on this machine, before or while a relay runs on it, and says what to do.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, geteuid, getrlimit};
use serde::Serialize;

use crate::config::{Config, ConfigFault};
use crate::data::{DataFault, UNFINISHED, is_held};
use crate::keys::{Keys, KeysFault};
use crate::observe;
use crate::store::free_bytes;
use crate::transport::{self, ShownCertificate};

/// How a thing stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing to do.
    Good,
    /// To be known; the relay works.
    Note,
    /// The relay does not work, or not safely.
    Bad,
}

/// What was found, in words, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What was looked at; a name for programs.
    pub check: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub what: String,
    /// What to do.
    pub r#do: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Good => "good",
            State::Note => "note",
            State::Bad => "BAD ",
        };
        write!(f, "{state}  {}", self.what)?;
        self.r#do.as_ref().map_or(Ok(()), |advice| write!(f, "\n      do: {advice}"))
    }
}

/// Files that a relay has open at most, with room: blob streams, segments, the engine's.
const FILES: u64 = 512;
/// A clock behind the newest file by more than this was set back.
const CLOCK_SLACK: Duration = Duration::from_secs(60);
/// Memory that the defaults may take: the sum stands in DESIGN, "Front".
const MEMORY: u64 = 466 << 20;
/// How long an answer to a packet is waited for.
const ANSWER: Duration = Duration::from_secs(2);

/// Looks at everything.
#[must_use]
pub fn examine(settings: Result<Config, ConfigFault>) -> Vec<Finding> {
    let config = match settings {
        Ok(config) => config,
        Err(fault) => {
            let shown = "relevo-relay config show prints every field with its reason".to_owned();
            return vec![bad("config", fault.to_string(), shown)];
        }
    };
    let running = is_held(&config.data);
    let mut found = vec![good("config", "the configuration holds together")];
    found.extend(data(&config, running));
    found.extend(disk(&config));
    found.push(port(&config, running));
    found.extend(name(&config, running));
    found.extend(certificate(&config));
    found.push(buffer());
    found.push(clock(&config.data, Path::new("/run/systemd/timesync/synchronized"), SystemTime::now()));
    found.push(files(getrlimit(Resource::Nofile).current));
    found.extend(memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default()));
    found.push(swap(&fs::read_to_string("/proc/swaps").unwrap_or_default()));
    found.push(private_memory());
    if geteuid().is_root() {
        let advice = "run it as a user of its own, as the service of the package does".to_owned();
        found.push(note("user", "this is root: a relay needs no such rights", advice));
    }
    found
}

fn good(check: &'static str, what: impl Into<String>) -> Finding {
    Finding { check, state: State::Good, what: what.into(), r#do: None }
}

fn note(check: &'static str, what: impl Into<String>, advice: String) -> Finding {
    Finding { check, state: State::Note, what: what.into(), r#do: Some(advice) }
}

fn bad(check: &'static str, what: impl Into<String>, advice: String) -> Finding {
    Finding { check, state: State::Bad, what: what.into(), r#do: Some(advice) }
}

/// The directory, who may look into it, and the keys in it.
fn data(config: &Config, running: bool) -> Vec<Finding> {
    let path = config.data.as_path();
    let shown = path.display();
    let Ok(about) = fs::metadata(path) else {
        let advice = "start it once: relevo-relay run makes the directory and the keys".to_owned();
        return vec![note("data", format!("there is no relay in {shown} yet"), advice)];
    };
    let mut found = Vec::new();
    if running {
        found.push(good("running", format!("a relay runs on {shown}")));
    }
    if path.join(UNFINISHED).exists() {
        found.push(bad(
            "restoration",
            format!("a restoration into {shown} was cut short"),
            "run relevo-relay restore again, with the same file: what is half done is thrown away".to_owned(),
        ));
    }
    let mine = about.uid() == geteuid().as_raw() || geteuid().is_root();
    found.push(if about.permissions().mode() & 0o077 != 0 {
        bad("data", DataFault::Open { path: path.to_owned() }.to_string(), format!("chmod -R go= {shown}"))
    } else if mine {
        good("data", format!("{shown} is closed to others"))
    } else {
        bad(
            "data",
            format!("{shown} belongs to somebody else"),
            format!("run this as its owner, or chown -R it: {shown}"),
        )
    });
    found.push(match Keys::load(config.keys()) {
        Ok(_) if config.identity_key.is_some() && config.keys().has_identity_within() => {
            let advice = format!("once you have a copy elsewhere, remove it there: shred -u {shown}/keys/identity");
            note("keys", "the identity key is kept apart, and lies in keys/ as well", advice)
        }
        Ok(_) => good("keys", "the keys are as they were written"),
        Err(KeysFault::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            note("keys", "there are no keys yet", "start it once: relevo-relay run draws them".to_owned())
        }
        Err(KeysFault::Identity { source, .. })
            if config.identity_key.is_none() && source.kind() == io::ErrorKind::NotFound =>
        {
            let advice =
                "fine if the service is given it as a credential, of which this command knows nothing".to_owned();
            note("keys", "the identity key is not in keys/", advice)
        }
        Err(fault) => {
            bad("keys", fault.to_string(), "restore your newest backup elsewhere, and copy its keys/ here".to_owned())
        }
    });
    found
}

/// Room, and what kind of disk it is.
fn disk(config: &Config) -> Vec<Finding> {
    let place = existing(&config.data);
    let (Ok(free), Ok(about)) = (free_bytes(&place), rustix::fs::statfs(&place)) else {
        let advice = "look at it with: df -h".to_owned();
        return vec![bad("disk", format!("the disk under {} does not answer", place.display()), advice)];
    };
    let store = &config.store;
    let mib = free >> 20;
    let mut found = vec![if free < store.free_bytes {
        let least = store.free_bytes >> 20;
        let what = format!("{mib} MiB are free, and below {least} MiB the relay takes nothing new");
        bad("disk", what, "free some, or move the data directory to a larger disk".to_owned())
    } else if free < store.free_bytes.saturating_add(1 << 30) {
        let advice = "free some before the relay has to refuse what members send".to_owned();
        note("disk", format!("{mib} MiB are free"), advice)
    } else {
        good("disk", format!("{mib} MiB are free"))
    }];
    let fleeting = [0x0102_1994_u64, 0x8584_58f6].contains(&u64::try_from(about.f_type).unwrap_or(0));
    let distant = [0x6969_u64, 0xff53_4d42, 0xfe53_4d42].contains(&u64::try_from(about.f_type).unwrap_or(0));
    if fleeting {
        let advice = "put the data directory on a disk".to_owned();
        found.push(bad(
            "filesystem",
            "the data directory lies in memory, and is gone with the machine's power",
            advice,
        ));
    } else if distant {
        let advice = "put the data directory on a disk of this machine".to_owned();
        found.push(bad(
            "filesystem",
            "the data directory lies on another machine: its locks and syncs cannot be trusted",
            advice,
        ));
    }
    found
}

/// The directory, or what of the way to it exists.
fn existing(path: &Path) -> PathBuf {
    let there = path.ancestors().find(|above| above.exists() && !above.as_os_str().is_empty());
    there.unwrap_or(Path::new(".")).to_owned()
}

fn port(config: &Config, running: bool) -> Finding {
    let listen = config.listen;
    if running {
        return good("port", format!("the relay that runs has UDP port {}", listen.port()));
    }
    match UdpSocket::bind(listen) {
        Ok(_) => good("port", format!("UDP port {} is free", listen.port())),
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
            let what = format!("UDP port {} may not be taken by this user", listen.port());
            bad("port", what, "run it as the service of the package, or try --listen [::]:4433".to_owned())
        }
        Err(fault) if fault.kind() == io::ErrorKind::AddrInUse => {
            let what = format!("another program has UDP port {}", listen.port());
            let advice =
                format!("see which with: ss -ulpn 'sport = :{}'; stop it or choose another port", listen.port());
            bad("port", what, advice)
        }
        Err(fault) => bad("port", format!("{listen} cannot be listened on: {fault}"), "look at listen".to_owned()),
    }
}

/// The name that the relay's address carries, and whether a relay answers under it.
fn name(config: &Config, running: bool) -> Vec<Finding> {
    let host = config.advertised_host();
    if config.host.is_none() && config.listen.ip().is_unspecified() {
        let advice = "set host (--host NAME) to the name or address under which members reach it".to_owned();
        return vec![bad("name", "the relay's address names localhost: only this machine can use it", advice)];
    }
    let port = config.port.unwrap_or(config.listen.port());
    let Ok(addresses) = (host.as_str(), port).to_socket_addrs() else {
        let advice =
            "set its A or AAAA record at whoever keeps your names, or set host to the address itself".to_owned();
        return vec![bad("name", format!("{host} leads nowhere"), advice)];
    };
    let addresses: Vec<SocketAddr> = addresses.collect();
    let here = |address: &SocketAddr| UdpSocket::bind((address.ip(), 0)).is_ok();
    let mut found = vec![if addresses.iter().any(here) {
        good("name", format!("{host} is this machine"))
    } else {
        let what = format!("{host} is not an address of this machine itself");
        let advice = format!("right behind a router that forwards UDP port {port} here, and wrong else");
        note("name", what, advice)
    }];
    if running {
        found.push(if addresses.iter().any(|address| answers(*address).unwrap_or(false)) {
            good("reach", format!("the relay answers on UDP port {port} of {host}"))
        } else {
            let what = format!("nothing answers on UDP port {port} of {host}");
            let advice = "open that UDP port (not TCP) in the firewall and at the router. Some routers do not lead \
                          their own network back in: let a member outside run relevo doctor"
                .to_owned();
            bad("reach", what, advice)
        });
    }
    found
}

/// Whether something there speaks QUIC: a packet of a version that nobody has is answered with those that it has
/// (RFC 9000, 6.1).
fn answers(address: SocketAddr) -> io::Result<bool> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_read_timeout(Some(ANSWER))?;
    socket.connect(address)?;
    let mut ids = [0; 16];
    getrandom::fill(&mut ids).map_err(io::Error::other)?;
    let (ours, theirs) = ids.split_at(8);
    // Long header; a version of the reserved kind (15); both connection ids; as long as an Initial must be.
    let mut packet = vec![0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8];
    packet.extend_from_slice(theirs);
    packet.push(8);
    packet.extend_from_slice(ours);
    packet.resize(1200, 0);
    socket.send(&packet)?;
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer)?;
    let answer = answer.get(..length).unwrap_or_default();
    // Version 0, and our ids the other way round.
    let mut expected = vec![0, 0, 0, 0, 8];
    expected.extend_from_slice(ours);
    expected.push(8);
    expected.extend_from_slice(theirs);
    Ok(answer.get(1..).is_some_and(|rest| rest.starts_with(&expected)))
}

/// Whether the relay of a configuration serves, asked from outside of its process. What is wrong, if anything.
///
/// # Errors
/// In words.
pub fn healthy(config: &Config) -> Result<(), String> {
    if !is_held(&config.data) {
        return Err(format!("no relay runs on {}", config.data.display()));
    }
    if let Some(address) = config.metrics {
        return match observe::ask_ready(address) {
            Ok(None) => Ok(()),
            Ok(Some(wrong)) => Err(wrong),
            Err(fault) => Err(format!("{address} does not answer: {fault}")),
        };
    }
    // A packet may be lost.
    let answered = (0..3).any(|_| reachable(config.listen).into_iter().any(|at| answers(at).unwrap_or(false)));
    if answered { Ok(()) } else { Err(format!("nothing answers on UDP port {}", config.listen.port())) }
}

/// Where this machine reaches an address that is listened on.
fn reachable(listen: SocketAddr) -> Vec<SocketAddr> {
    let (port, v4) = (listen.port(), SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port())));
    match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => vec![v4],
        // Both, or one alone where the machine has no IPv6 or keeps the two apart.
        IpAddr::V6(address) if address.is_unspecified() => vec![v4, (Ipv6Addr::LOCALHOST, port).into()],
        IpAddr::V4(_) | IpAddr::V6(_) => vec![listen],
    }
}

/// The operator's certificate, if there is one.
fn certificate(config: &Config) -> Option<Finding> {
    config.certificate.as_ref()?;
    let keys = Keys::load(config.keys()).ok()?;
    Some(match ShownCertificate::of(config, &keys) {
        Ok(_) => good("certificate", "your certificate and its key are readable and belong together"),
        Err(fault) => {
            let advice = "run this as the relay's own user, to see what it sees; copy the files where it may read them"
                .to_owned();
            bad("certificate", fault.to_string(), advice)
        }
    })
}

fn buffer() -> Finding {
    let granted = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| transport::receive_buffer(&socket));
    match granted {
        Ok(granted) if granted >= transport::RECEIVE_BUFFER => good("buffer", "the kernel gives a large UDP buffer"),
        Ok(granted) => {
            let what = format!("the kernel gives {} KiB of UDP buffer: bursts will be slower", granted >> 10);
            let advice =
                "put net.core.rmem_max = 8388608 into /etc/sysctl.d/60-relevo-relay.conf, then: sysctl --system";
            note("buffer", what, advice.to_owned())
        }
        Err(fault) => {
            note("buffer", format!("the UDP buffer cannot be set: {fault}"), "ask whoever runs this machine".to_owned())
        }
    }
}

/// Expiry and what members believe of the relay hang on the clock.
fn clock(data: &Path, synchronized: &Path, now: SystemTime) -> Finding {
    let files = ["lock", "endpoint", "store"].map(|name| data.join(name));
    let newest = files.iter().filter_map(|file| fs::metadata(file).and_then(|about| about.modified()).ok()).max();
    if newest.is_some_and(|newest| newest > now + CLOCK_SLACK) {
        let advice = "set it, and have it kept: timedatectl set-ntp true".to_owned();
        return bad("clock", "the clock is behind the relay's own files: it was set back", advice);
    }
    if synchronized.exists() {
        good("clock", "the clock is kept right over the network")
    } else {
        let advice = "look with: timedatectl; have it kept with: timedatectl set-ntp true".to_owned();
        note("clock", "what keeps the clock right cannot be seen from here", advice)
    }
}

fn files(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < FILES => {
            let what = format!("at most {limit} files may be open at once, and the relay needs {FILES}");
            bad("files", what, format!("ulimit -n {FILES}, or LimitNOFILE={FILES} in the service"))
        }
        _ => good("files", "enough files may be open at once"),
    }
}

fn memory(meminfo: &str) -> Option<Finding> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let total = line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024);
    let mib = total >> 20;
    Some(if total < MEMORY {
        let what = format!("{mib} MiB of memory: full of sessions the relay may take {} MiB", MEMORY >> 20);
        note("memory", what, "lower limits.connections: each idle session takes 47 KiB".to_owned())
    } else {
        good("memory", format!("{mib} MiB of memory"))
    })
}

/// Swap in compressed memory (zram) never reaches a disk.
fn swap(swaps: &str) -> Finding {
    if swaps.lines().skip(1).any(|line| !line.starts_with("/dev/zram")) {
        let what = "memory may be swapped to disk, and with it what lets clients in";
        note("swap", what, "swapoff -a, or encrypt the swap".to_owned())
    } else {
        good("swap", "memory is not swapped to disk")
    }
}

fn private_memory() -> Finding {
    match keep_memory_private() {
        Ok(()) => good("core", "the relay switches core files off, and is closed to debuggers"),
        Err(fault) => {
            let advice = "LimitCORE=0 in the service, or ulimit -c 0".to_owned();
            bad("core", format!("core files cannot be switched off: {fault}"), advice)
        }
    }
}

/// No core file, and no look into this process for others than root: capabilities pass through its memory.
///
/// # Errors
/// What the kernel says.
pub fn keep_memory_private() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, Rlimit, set_dumpable_behavior, setrlimit};
    // Each for itself: a service manager that has done the one may forbid it.
    let core = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(core?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(data: &Path) -> Config {
        Config { data: data.to_owned(), listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Config::default() }
    }

    fn states(found: &[Finding], check: &str) -> Vec<State> {
        found.iter().filter(|finding| finding.check == check).map(|finding| finding.state).collect()
    }

    #[test]
    fn before_the_first_start_it_says_what_to_do_next() {
        let parent = tempfile::tempdir().unwrap();
        let found = examine(Ok(trial(&parent.path().join("data"))));
        assert_eq!(states(&found, "data"), [State::Note]);
        assert_eq!(states(&found, "port"), [State::Good]);
        assert!(!parent.path().join("data").exists(), "looking makes nothing");
        assert!(found.iter().all(|finding| (finding.state == State::Good) == finding.r#do.is_none()));
    }

    #[tokio::test]
    async fn a_relay_that_runs_is_found_and_answers() {
        let parent = tempfile::tempdir().unwrap();
        let mut config = trial(&parent.path().join("data"));
        let running = crate::Relay::start(config.clone()).await.unwrap();
        config.listen = running.local_addr();
        let found = tokio::task::spawn_blocking(move || examine(Ok(config))).await.unwrap();
        for check in ["running", "data", "keys", "port", "name", "reach"] {
            assert_eq!(states(&found, check), [State::Good], "{check}: {found:?}");
        }
        running.shutdown().await.unwrap();
    }

    #[test]
    fn a_port_where_nothing_speaks_quic_is_no_relay() {
        let deaf = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = deaf.local_addr().unwrap();
        let other = std::thread::spawn(move || {
            let mut packet = [0; 1500];
            let (length, from) = deaf.recv_from(&mut packet).unwrap();
            deaf.send_to(&packet[..length], from).unwrap();
        });
        assert!(!answers(address).unwrap());
        other.join().unwrap();
        let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        assert!(answers(gone).is_err());
    }

    #[test]
    fn a_taken_port_open_data_and_damaged_keys_are_bad() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        drop(crate::data::DataDirectory::open(&path).unwrap());
        Keys::load_or_draw(Config { data: path.clone(), ..Config::default() }.keys(), "localhost").unwrap();
        fs::write(path.join("keys/identity"), b"short").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let found = examine(Ok(Config { listen: taken.local_addr().unwrap(), ..trial(&path) }));
        for check in ["data", "keys", "port"] {
            assert_eq!(states(&found, check), [State::Bad], "{check}: {found:?}");
        }
    }

    #[test]
    fn a_restoration_that_was_cut_short_is_bad() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        drop(crate::data::DataDirectory::open(&path).unwrap());
        assert!(states(&examine(Ok(trial(&path))), "restoration").is_empty());
        fs::create_dir(path.join(UNFINISHED)).unwrap();
        assert_eq!(states(&examine(Ok(trial(&path))), "restoration"), [State::Bad]);
    }

    #[test]
    fn a_name_that_is_missing_or_leads_nowhere_is_bad() {
        let parent = tempfile::tempdir().unwrap();
        let everywhere = Config { listen: SocketAddr::from(([0, 0, 0, 0], 4433)), ..trial(parent.path()) };
        assert_eq!(states(&name(&everywhere, false), "name"), [State::Bad]);
        let nowhere = Config { host: Some("relay.invalid".to_owned()), ..everywhere.clone() };
        assert_eq!(states(&name(&nowhere, false), "name"), [State::Bad]);
        let router = Config { host: Some("192.0.2.1".to_owned()), ..everywhere };
        assert_eq!(states(&name(&router, false), "name"), [State::Note]);
    }

    #[test]
    fn a_full_disk_one_in_memory_and_a_clock_set_back_are_bad() {
        let parent = tempfile::tempdir().unwrap();
        let mut config = trial(parent.path());
        config.store.free_bytes = u64::MAX;
        assert_eq!(states(&disk(&config), "disk"), [State::Bad]);
        let shared = Config { data: PathBuf::from("/dev/shm/relevo-none"), ..trial(parent.path()) };
        assert_eq!(states(&disk(&shared), "filesystem"), [State::Bad]);
        fs::write(parent.path().join("endpoint"), "443 a").unwrap();
        let kept = parent.path().join("endpoint");
        let now = SystemTime::now();
        assert_eq!(clock(parent.path(), &kept, now).state, State::Good);
        assert_eq!(clock(parent.path(), Path::new("/nowhere"), now).state, State::Note);
        assert_eq!(clock(parent.path(), &kept, now - Duration::from_secs(3600)).state, State::Bad);
    }

    #[test]
    fn few_files_little_memory_and_swap_are_said() {
        assert_eq!(
            (files(Some(256)).state, files(Some(1024)).state, files(None).state),
            (State::Bad, State::Good, State::Good)
        );
        let of = |kib: u64| memory(&format!("MemTotal:  {kib} kB\nMemFree: 1 kB\n")).unwrap().state;
        assert_eq!((of(256 << 10), of(512 << 10)), (State::Note, State::Good));
        let head = "Filename Type Size Used Priority\n";
        let state = |line: &str| swap(&format!("{head}{line}")).state;
        assert_eq!(
            [state(""), state("/dev/zram0 p 1 0 5\n"), state("/dev/sda2 p 1 0 -2\n")],
            [State::Good, State::Good, State::Note]
        );
    }

    #[test]
    fn a_configuration_that_does_not_hold_together_is_all_that_is_said() {
        let fault = ConfigFault::Value { field: "limits.blobs", must: "between 1 and 12" };
        let found = examine(Err(fault));
        assert_eq!((found.len(), found[0].state), (1, State::Bad));
    }
}
