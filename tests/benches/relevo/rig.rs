//! A relay with wide bounds, and what it takes to use it.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use relevo_client::link::{Connected, Link, Session};
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    Answer, Call, Capability, CapabilityHash, Cursor, Entry, Grant, MailboxId, MailboxKind, RelayAddress, Sequence,
    Subscription, SubscriptionId,
};
use relevo_relay::{Config, Layered};
use relevo_tests::relay_process::RelayProcess;
use tempfile::TempDir;

use crate::machine::Process;
use crate::report::float;

/// Nothing is refused for its number or size; everything that costs speed or memory stays as it is by default.
const BOUNDS: &str = "\
[limits]
connections = 8192
connections_per_address = 8192
visitors = 1024
visitors_per_address = 256
[store]
bytes = 1099511627776
mailboxes = 100000000
shared_mailboxes = 100000000
mailbox_entries = 1000000000
mailbox_bytes = 1099511627776
shared_bytes = 1099511627776
";

/// What every measure is told.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) program: PathBuf,
    pub(crate) directory: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) scale: usize,
    pub(crate) entry: usize,
    /// Each sync of a server takes 2 ms longer.
    pub(crate) slow_sync: bool,
    pub(crate) picture: Option<PathBuf>,
}

/// Calls that bring something to the disk.
const SYNCS: &str = "fsync,fdatasync,sync_file_range,msync";

impl Settings {
    /// The share of an amount that this run is to do.
    pub(crate) fn share(&self, full: usize) -> usize {
        (full * self.scale / 100).max(1)
    }

    /// A command by its words; its syncs are slowed and written down if that is wanted.
    pub(crate) fn slowed(&self, words: &[String]) -> Command {
        let mut words = words.iter();
        let first = words.next().map_or("", String::as_str);
        let mut command = if self.slow_sync {
            let mut command = Command::new("strace");
            // The server is the child, and strace nobody's.
            command.args(["-D", "-f", "--seccomp-bpf", "-qq", "-o"]).arg(self.directory.join("syncs"));
            command.arg("-e").arg(format!("trace={SYNCS}"));
            command.arg("-e").arg(format!("inject={SYNCS}:delay_enter=2000")).arg(first);
            command
        } else {
            Command::new(first)
        };
        command.args(words);
        command
    }

    /// How many syncs of the last server were written down.
    pub(crate) fn syncs(&self) -> f64 {
        let said = std::fs::read_to_string(self.directory.join("syncs")).unwrap_or_default();
        float(said.lines().filter(|line| !line.contains("resumed>")).count())
    }

    /// An empty directory on the disk that is measured.
    pub(crate) fn folder(&self) -> anyhow::Result<TempDir> {
        Ok(tempfile::Builder::new().prefix("relevo-bench-").tempdir_in(&self.directory)?)
    }

    /// The bounds, as the relay reads them.
    pub(crate) fn config(&self, folder: &TempDir) -> anyhow::Result<(PathBuf, Config)> {
        let file = folder.path().join("relay.toml");
        std::fs::write(&file, BOUNDS)?;
        let config = Layered::read(Some(&file), std::iter::empty())?.config;
        Ok((file, config))
    }
}

/// A running relay with an empty store.
#[derive(Debug)]
pub(crate) struct Rig {
    relay: RelayProcess,
    pub(crate) address: RelayAddress,
    /// Removed when the relay has ended.
    folder: TempDir,
}

impl Rig {
    pub(crate) fn start(settings: &Settings) -> anyhow::Result<Self> {
        Self::again(settings, settings.folder()?)
    }

    /// Over what one has left.
    pub(crate) fn again(settings: &Settings, folder: TempDir) -> anyhow::Result<Self> {
        let (config, _) = settings.config(&folder)?;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let program = settings.slowed(&[settings.program.display().to_string()]);
        let more = [OsStr::new("--config"), config.as_os_str()];
        let relay = RelayProcess::start_by(program, &folder.path().join("data"), listen, &more)?;
        let address = relay.address().parse()?;
        Ok(Self { relay, address, folder })
    }

    /// Ends it, and gives what it leaves.
    pub(crate) fn rest(mut self) -> anyhow::Result<TempDir> {
        self.relay.stop()?;
        Ok(self.folder)
    }

    /// Kills it, and gives what it leaves.
    pub(crate) fn kill(mut self) -> anyhow::Result<TempDir> {
        self.relay.kill()?;
        Ok(self.folder)
    }

    pub(crate) fn socket(&self) -> anyhow::Result<SocketAddr> {
        Ok(SocketAddr::new(self.address.host.parse()?, self.address.port))
    }

    pub(crate) fn process(&self) -> Process {
        Process::of(self.relay.pid())
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.relay.stop()
    }

    /// A session of a process of its own, as far as sockets go.
    pub(crate) async fn client(&self) -> anyhow::Result<Connected> {
        Ok(Link::new()?.connect(&self.address).await?)
    }
}

/// A group's log.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) id: MailboxId,
    read: Capability,
    append: Capability,
}

impl Mailbox {
    /// Opens one with a grant that has no bound.
    pub(crate) async fn open(session: &Session) -> anyhow::Result<Self> {
        let (owner, read, append) = (Capability::random()?, Capability::random()?, Capability::random()?);
        let grant = unbounded(&append);
        let call = Call::Open {
            kind: MailboxKind::Shared,
            owner: owner.hash(),
            read: Some(read.hash()),
            append: vec![grant],
            take: Vec::new(),
            lease_hours: 48,
        };
        let answer = session.request(call).await?;
        anyhow::ensure!(matches!(answer, Answer::Opened { .. }), "the relay did not open the mailbox");
        Ok(Self { id: owner.mailbox(), read, append })
    }

    /// One that was opened in process.
    pub(crate) fn known(id: MailboxId, read: Capability, append: Capability) -> Self {
        Self { id, read, append }
    }

    pub(crate) fn append_hash(&self) -> CapabilityHash {
        self.append.hash()
    }

    pub(crate) fn read_capability(&self) -> Capability {
        self.read.duplicate()
    }

    pub(crate) fn append(&self, entry: &Entry) -> Call {
        Call::Append { mailbox: self.id, capability: self.append.duplicate(), entry: entry.clone() }
    }

    pub(crate) fn read(&self, after: u64, limit: u16) -> Call {
        let cursor = Cursor { incarnation: None, after: Sequence(after) };
        Call::Read { mailbox: self.id, capability: self.read.duplicate(), cursor, limit }
    }

    /// Follows from the beginning.
    pub(crate) fn resume(&self, id: SubscriptionId, credit: u32) -> Call {
        let cursor = Cursor { incarnation: None, after: Sequence(0) };
        let subscription = Subscription { id, mailbox: self.id, capability: self.read.duplicate(), cursor, credit };
        Call::Resume { subscriptions: vec![subscription] }
    }
}

pub(crate) fn unbounded(append: &Capability) -> Grant {
    Grant { hash: append.hash(), per_hour: u32::MAX, bytes_per_hour: u64::MAX, expires: Hour(u32::MAX) }
}

/// Random bytes, as sealed ones are.
pub(crate) fn entry(size: usize) -> anyhow::Result<Entry> {
    let mut bytes = vec![0; size];
    getrandom::fill(&mut bytes).context("the operating system gave no randomness")?;
    Ok(Entry::parse(bytes.into())?)
}
