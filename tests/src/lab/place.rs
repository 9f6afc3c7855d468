//! Where a trial takes place: the network, and the processes in it.

use std::ffi::OsStr;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use relevo_protocol::wire::RelayAddress;

use super::course::beside;
use super::host::{Host, Wire};
use super::member::LOOK;
use super::names::Mood;
use super::network::{NAME, Network, PORT};
use super::person::Person;
use super::trial::{Event, Setup};
use crate::proxy::Conditions;
use crate::relay_process::RelayProcess;

/// Where the trial's files lie: on a file system of its own, in memory.
const FOLDER: &str = "/mnt";

/// One of the members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    Quilla,
    Mistral,
}

pub(super) struct Place {
    pub(super) network: Network,
    host: &'static str,
    clocks: [Option<&'static str>; 3],
    relay: Option<RelayProcess>,
    quilla: Option<Person>,
    mistral: Option<Person>,
    reopened: Option<Who>,
    roamed: u32,
    /// The largest of processes that have ended since.
    relay_kib: u64,
}

impl Place {
    pub(super) async fn new(setup: &Setup, seed: u64) -> anyhow::Result<Self> {
        end_with_input()?;
        private_files(setup.host == NAME)?;
        let network = Network::new(setup.way, setup.mtu, seed).await?;
        let mut place = Self {
            network,
            host: setup.host,
            clocks: setup.clocks,
            relay: None,
            quilla: None,
            mistral: None,
            reopened: None,
            roamed: 2,
            relay_kib: 0,
        };
        place.start_relay()?;
        place.quilla = Some(place.start(Who::Quilla)?);
        place.mistral = Some(place.start(Who::Mistral)?);
        Ok(place)
    }

    pub(super) fn folder(&self) -> &Path {
        Path::new(FOLDER)
    }

    fn start_relay(&mut self) -> anyhow::Result<()> {
        let program = beside(&std::env::current_exe()?, "relevo-relay")?;
        let mut command = self.network.relay.command(program);
        set_clock(&mut command, self.clocks[0])?;
        let listen = SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT));
        let host = [OsStr::new("--host"), OsStr::new(self.host)];
        self.relay = Some(RelayProcess::start_by(command, &self.folder().join("relay"), listen, &host)?);
        Ok(())
    }

    fn start(&self, who: Who) -> anyhow::Result<Person> {
        let (name, clock) = match who {
            Who::Quilla => ("Quilla", self.clocks[1]),
            Who::Mistral => ("Mistral", self.clocks[2]),
        };
        let mut command = self.host_of(who).command(std::env::current_exe()?);
        set_clock(&mut command, clock)?;
        command.arg("member").arg(self.folder().join(name)).arg(name);
        Person::start(command)
    }

    fn host_of(&self, who: Who) -> &Host {
        match who {
            Who::Quilla => &self.network.quilla,
            Who::Mistral => &self.network.mistral,
        }
    }

    pub(super) fn person(&self, who: Who) -> anyhow::Result<&Person> {
        match who {
            Who::Quilla => self.quilla.as_ref(),
            Who::Mistral => self.mistral.as_ref(),
        }
        .context("nobody is there")
    }

    /// What has been on a member's wire so far.
    pub(super) fn wire(&self, who: Who) -> anyhow::Result<Wire> {
        self.host_of(who).wire()
    }

    pub(super) fn quilla(&self) -> anyhow::Result<&Person> {
        self.person(Who::Quilla)
    }

    pub(super) fn mistral(&self) -> anyhow::Result<&Person> {
        self.person(Who::Mistral)
    }

    /// The relay's address as it hands it out.
    pub(super) fn address(&self) -> anyhow::Result<String> {
        let address: RelayAddress = self.relay.as_ref().context("no relay")?.address().parse()?;
        ensure!(address.host == self.host && address.port == PORT, "the relay hands out {}", address.host);
        Ok(address.to_text())
    }

    pub(super) fn impose(&self, conditions: Conditions) -> anyhow::Result<()> {
        if let Some(proxy) = &self.network.proxy {
            proxy.set(conditions);
        }
        Ok(())
    }

    /// Whether a member's process was started anew by the last event; said once.
    pub(super) fn reopened(&mut self, who: Who) -> bool {
        self.reopened.take_if(|reopened| *reopened == who).is_some()
    }

    /// Lets something happen, to its end. Gives the failures that a process had seen which has ended by it.
    pub(super) async fn happens(&mut self, event: Event) -> anyhow::Result<u32> {
        match event {
            Event::Rebind => self.network.proxy()?.rebind(),
            Event::Roam => {
                self.roamed += 1;
                self.network.roam(&self.network.quilla, 2, self.roamed)?;
                self.network.roam(&self.network.mistral, 3, self.roamed)?;
            }
            Event::Kill => self.restart(killed)?,
            Event::Stop => self.restart(|mut relay| relay.stop())?,
            Event::Cut(time) => {
                self.network.proxy()?.cut();
                tokio::time::sleep(time).await;
                self.network.proxy()?.mend();
            }
            Event::Reopen => return self.reopen().await,
            Event::NamesFail => {
                // A session that breaks now comes back by the address that was good before.
                self.network.names.set(Mood::Silent);
                let before = self.failures().await?;
                self.restart(killed)?;
                self.until_open(before).await?;
                // Who begins anew has none: it is told why it waits.
                self.network.names.set(Mood::Fails);
                let failures = self.reopen().await?;
                while self.mistral()?.looks().await?.fault.as_deref() != Some("relay-unknown-host") {
                    tokio::time::sleep(LOOK).await;
                }
                self.network.names.set(Mood::Answers);
                return Ok(failures);
            }
        }
        Ok(0)
    }

    fn restart(&mut self, end: impl FnOnce(RelayProcess) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let relay = self.relay.take().context("no relay")?;
        self.relay_kib = self.relay_kib.max(peak_kib(relay.pid())?);
        end(relay)?;
        self.start_relay()
    }

    async fn reopen(&mut self) -> anyhow::Result<u32> {
        let failures = self.mistral()?.looks().await?.failures;
        // Killed, and its vault unlocked, before the next one opens it.
        drop(self.mistral.take());
        self.mistral = Some(self.start(Who::Mistral)?);
        self.reopened = Some(Who::Mistral);
        Ok(failures)
    }

    async fn failures(&self) -> anyhow::Result<[u32; 2]> {
        Ok([self.quilla()?.looks().await?.failures, self.mistral()?.looks().await?.failures])
    }

    /// Waits until both have a session that was made since.
    async fn until_open(&self, before: [u32; 2]) -> anyhow::Result<()> {
        loop {
            let now = [self.quilla()?.looks().await?, self.mistral()?.looks().await?];
            if now.iter().zip(before).all(|(now, before)| now.open && now.failures > before) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) fn relay_mib(&self) -> anyhow::Result<u64> {
        let now = peak_kib(self.relay.as_ref().context("no relay")?.pid())?;
        Ok(self.relay_kib.max(now) / 1024)
    }

    pub(super) fn member_mib(&self) -> anyhow::Result<u64> {
        Ok(peak_kib(self.quilla()?.pid())?.max(peak_kib(self.mistral()?.pid())?) / 1024)
    }
}

/// The largest resident memory of a process so far.
fn peak_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let row = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    row.split_whitespace().next().and_then(|number| number.parse().ok()).context("VmHWM is no number")
}

/// Ends this process, and with it its namespaces, when its input ends: whoever started the trial is gone then.
fn end_with_input() -> anyhow::Result<()> {
    let watch = || {
        let _read = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(1);
    };
    std::thread::Builder::new().name("input".into()).spawn(watch)?;
    Ok(())
}

/// A file system of our own, and in this mount namespace alone another name server.
fn private_files(names: bool) -> anyhow::Result<()> {
    mount(&["-t", "tmpfs", "tmpfs", FOLDER])?;
    for (file, text) in [("resolv.conf", "nameserver 10.77.0.53\n"), ("nsswitch.conf", "hosts: files dns\n")] {
        if names {
            let ours = Path::new(FOLDER).join(file);
            std::fs::write(&ours, text)?;
            mount(&["--bind", &ours.to_string_lossy(), &format!("/etc/{file}")])?;
        }
    }
    Ok(())
}

fn mount(words: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("mount").args(words).output().context("cannot start mount")?;
    ensure!(output.status.success(), "mount {words:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Makes a program believe another time of day; its clock for delays stays true.
fn set_clock(command: &mut Command, clock: Option<&str>) -> anyhow::Result<()> {
    if let Some(clock) = clock {
        command.env("LD_PRELOAD", libfaketime()?).env("FAKETIME", clock).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        // Times of files stay as they are.
        command.env("NO_FAKE_STAT", "1");
    }
    Ok(())
}

/// A relay's end without notice, which dropping its process is.
#[expect(clippy::unnecessary_wraps, reason = "an end as `restart` takes them")]
fn killed(_: RelayProcess) -> anyhow::Result<()> {
    Ok(())
}

fn libfaketime() -> anyhow::Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.filter_map(Result::ok).map(|folder| folder.path());
    let mut files = folders.map(|folder| folder.join("faketime/libfaketime.so.1"));
    files.find(|file| file.is_file()).context("libfaketime is missing: apt-get install libfaketime")
}
