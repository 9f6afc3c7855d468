//! A host: a network namespace, held by a process that does nothing else.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

/// A host of its own. Its network goes with it.
#[derive(Debug)]
pub(super) struct Host {
    name: &'static str,
    anchor: Child,
}

/// Bytes that a host has had on its wire, headers included.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wire {
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Wire {
    /// Both ways, since an earlier look.
    pub(super) fn since(self, before: Self) -> u64 {
        self.total().saturating_sub(before.total())
    }

    /// Both ways.
    pub(super) fn total(self) -> u64 {
        self.received.saturating_add(self.sent)
    }
}

impl Host {
    /// A host without any link.
    pub(super) fn new(name: &'static str) -> anyhow::Result<Self> {
        let anchor = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", "echo up; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start unshare")?;
        let mut host = Self { name, anchor };
        // Before it says so, it is still in our own network.
        let mut up = String::new();
        let output = host.anchor.stdout.take().context("the host has no output")?;
        BufReader::new(output).read_line(&mut up)?;
        ensure!(up == "up\n", "no network of its own for {name}");
        host.ip("link set lo up")?;
        Ok(host)
    }

    /// The process that holds it.
    pub(super) fn pid(&self) -> u32 {
        self.anchor.id()
    }

    /// A command that runs here; it becomes the program itself, so that its pid is the program's.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--net").arg("--target").arg(self.pid().to_string()).arg("--").arg(program);
        command
    }

    /// Runs `ip` here.
    pub(super) fn ip(&self, words: &str) -> anyhow::Result<()> {
        let mut command = self.command("ip");
        done(command.args(words.split(' '))).with_context(|| format!("on {}: ip {words}", self.name))
    }

    /// What has been on its wire so far.
    pub(super) fn wire(&self) -> anyhow::Result<Wire> {
        let table = std::fs::read_to_string(format!("/proc/{}/net/dev", self.pid()))?;
        let row = table.lines().find_map(|line| line.trim().strip_prefix("wire:")).context("the host has no wire")?;
        let numbers: Vec<u64> = row.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let number = |column: usize| numbers.get(column).copied().context("/proc/net/dev has few columns");
        Ok(Wire { received: number(0)?, sent: number(8)? })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Ended already: nothing to do.
        let _killed = self.anchor.kill();
        let _waited = self.anchor.wait();
    }
}

/// Runs `ip` between the hosts.
pub(super) fn ip(words: &str) -> anyhow::Result<()> {
    done(Command::new("ip").args(words.split(' '))).with_context(|| format!("ip {words}"))
}

fn done(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().context("cannot start ip (package iproute2)")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
