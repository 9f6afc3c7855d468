//! Servers of others, each over a directory of its own, ended by their pid.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::machine::Process;
use crate::rig::Settings;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// The servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// NATS JetStream that syncs each message before it answers.
    NatsAlways,
    /// NATS JetStream as it comes: it syncs every two minutes.
    Nats,
    /// PostgreSQL, one row and one transaction a message.
    Postgres,
    /// Redis with its log synced before it answers.
    Redis,
    /// Mosquitto, QoS 1, for a reader that is away: it answers from memory.
    Mosquitto,
}

/// What the issue asks of the relay beside a server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Goals {
    pub(super) one: &'static str,
    pub(super) many: &'static str,
    pub(super) half: &'static str,
    pub(super) cpu: &'static str,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::NatsAlways, Self::Nats, Self::Postgres, Self::Redis, Self::Mosquitto];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NatsAlways => "NATS always",
            Self::Nats => "NATS (answers before the disk has it)",
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis always",
            Self::Mosquitto => "Mosquitto (answers before the disk has it)",
        }
    }

    pub(super) fn goals(self, slow_sync: bool) -> Goals {
        match (self, slow_sync) {
            (Self::NatsAlways, false) => Goals { one: "at least 30", many: "at least 50", ..Goals::default() },
            (Self::NatsAlways, true) => {
                Goals { one: "at least 40", many: "at least 40", half: "at most 1.2", ..Goals::default() }
            }
            (Self::Nats, false) => Goals { many: "at least 0.6", cpu: "at most 2.5", ..Goals::default() },
            (Self::Postgres, false) => Goals { one: "at least 10", many: "at least 4", ..Goals::default() },
            (Self::Redis, false) => Goals { one: "at least 2", ..Goals::default() },
            (Self::Nats | Self::Postgres | Self::Redis | Self::Mosquitto, _) => Goals::default(),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) at: SocketAddr,
    /// Removed when the server has ended.
    _folder: TempDir,
}

impl Server {
    pub(super) async fn start(settings: &Settings, kind: Kind) -> anyhow::Result<Self> {
        let folder = settings.folder()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let place = Place { data: &data, certificate: &certificate, key: &key, port };
        let program = place.command(kind, folder.path())?;
        let said = fs::File::create(folder.path().join("said"))?;
        let mut command = settings.slowed(&program);
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {name}; see tests/benches/peers"))?;
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { child, at, _folder: folder };
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(at).await.is_err() {
            let ended = server.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let said = fs::read_to_string(server._folder.path().join("said")).unwrap_or_default();
                anyhow::bail!("it does not listen: {}", said.chars().take(2000).collect::<String>());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    pub(super) fn process(&self) -> Process {
        Process::of(self.child.id())
    }

    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.end()
    }

    fn end(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).context("no pid")?;
        // Fast, for PostgreSQL; the same as a polite end for the rest.
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                self.child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.end();
    }
}

/// Where a server lies and listens.
struct Place<'a> {
    data: &'a Path,
    certificate: &'a Path,
    key: &'a Path,
    port: u16,
}

impl Place<'_> {
    /// The words that start the server; what it needs before is made.
    fn command(&self, kind: Kind, folder: &Path) -> anyhow::Result<Vec<String>> {
        let Self { data, certificate, key, port } = self;
        let (data, certificate, key) = (data.display(), certificate.display(), key.display());
        let file = folder.join("settings");
        let named = file.display().to_string();
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Ok(match kind {
            Kind::Nats | Kind::NatsAlways => {
                let sync = if kind == Kind::NatsAlways { "sync_interval: always" } else { "" };
                fs::write(
                    &file,
                    format!(
                        "listen: 127.0.0.1:{port}\nmax_payload: 8MB\n\
                         jetstream {{ store_dir: \"{data}\"\n {sync} }}\n\
                         tls {{ cert_file: \"{certificate}\"\n key_file: \"{key}\"\n handshake_first: true }}\n"
                    ),
                )?;
                own(&[&nats()?, "-c", &named])
            }
            Kind::Redis => {
                fs::write(
                    &file,
                    format!(
                        "port 0\ntls-port {port}\nbind 127.0.0.1\ndir {data}\nappendonly yes\nappendfsync always\n\
                         save \"\"\ntls-cert-file {certificate}\ntls-key-file {key}\ntls-auth-clients no\n"
                    ),
                )?;
                own(&["redis-server", &named])
            }
            Kind::Mosquitto => {
                fs::write(
                    &file,
                    format!(
                        "listener {port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\nallow_anonymous true\n\
                         persistence true\npersistence_location {data}/\nmax_queued_messages 0\nuser root\n"
                    ),
                )?;
                own(&["mosquitto", "-c", &named])
            }
            Kind::Postgres => {
                let bin = newest(Path::new("/usr/lib/postgresql"))?.join("bin");
                // It refuses to be root.
                for path in [self.data, self.certificate, self.key] {
                    said_well(Command::new("chown").arg("postgres:").arg(path))?;
                }
                fs::set_permissions(self.key, fs::Permissions::from_mode(0o600))?;
                fs::set_permissions(self.data, fs::Permissions::from_mode(0o700))?;
                let init = bin.join("initdb");
                let as_postgres = ["--reuid=postgres", "--regid=postgres", "--clear-groups"];
                said_well(
                    Command::new("setpriv").args(as_postgres).arg(init).args(["-A", "trust", "-D"]).arg(self.data),
                )?;
                let mut words = own(&["setpriv"]);
                words.extend(own(&as_postgres));
                words.push(bin.join("postgres").display().to_string());
                words.extend(own(&["-D", &data.to_string()]));
                let mut options = String::new();
                write!(options, "port={port} listen_addresses=127.0.0.1 ssl=on max_connections=100")?;
                write!(options, " ssl_cert_file={certificate} ssl_key_file={key} unix_socket_directories={data}")?;
                for option in options.split(' ') {
                    words.extend(own(&["-c", option]));
                }
                words
            }
        })
    }
}

/// As `tests/benches/peers` lays it.
fn nats() -> anyhow::Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/bin/nats-server");
    ensure!(path.exists(), "nats-server is missing: run tests/benches/peers first");
    Ok(path.display().to_string())
}

fn newest(folder: &Path) -> anyhow::Result<PathBuf> {
    let versions = fs::read_dir(folder).context("PostgreSQL is missing: run tests/benches/peers first")?;
    let mut versions: Vec<PathBuf> = versions.map(|item| item.map(|item| item.path())).collect::<Result<_, _>>()?;
    versions.sort();
    versions.pop().context("PostgreSQL is missing: run tests/benches/peers first")
}

fn said_well(command: &mut Command) -> anyhow::Result<()> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
