//! Starts a trial in namespaces of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::{Figures, Trial};

/// How much is moved, and how long it may take.
#[derive(Clone, Debug, Args)]
pub struct Size {
    /// Bytes of the document
    #[arg(long, default_value_t = 5 << 20)]
    pub bytes: u32,
    /// Texts
    #[arg(long, default_value_t = 200)]
    pub messages: u32,
    /// Seconds after which a trial has failed
    #[arg(long, default_value_t = 3600)]
    pub patience: u64,
    /// Number from which everything is drawn that chance decides
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Longer disturbances than the tests have
    #[arg(long)]
    pub full: bool,
}

impl Size {
    /// So much for one trial: of all together nothing wide is left, so it has less to do (issue 3).
    #[must_use]
    pub fn of(&self, trial: Trial) -> Self {
        let bytes = if trial == Trial::All { self.bytes.min(256 << 10) } else { self.bytes };
        Self { bytes, ..self.clone() }
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

/// The first process of a trial's namespaces; with it all the others end.
struct Namespaces(Child);

impl Drop for Namespaces {
    fn drop(&mut self) {
        // Ended already: nothing to do.
        let _killed = self.0.kill();
        let _waited = self.0.wait();
    }
}

/// Runs a trial with the lab's own program and waits for its figures.
///
/// # Errors
/// The trial failed, or this machine gives no namespaces.
pub fn launch(program: &Path, trial: Trial, size: &Size) -> anyhow::Result<Figures> {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]).arg(program);
    command.args(["inside", &trial.name()]);
    for (option, value) in [("--bytes", size.bytes.into()), ("--messages", size.messages.into())] {
        let value: u64 = value;
        command.args([option, &value.to_string()]);
    }
    command.args(["--patience", &size.patience.to_string(), "--seed", &size.seed.to_string()]);
    command.args(size.full.then_some("--full"));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut namespaces = Namespaces(child.context("cannot start unshare (package util-linux)")?);
    let (output, errors) = (namespaces.0.stdout.take(), namespaces.0.stderr.take());
    let (output, mut errors) = (output.context("no output")?, errors.context("no errors")?);
    let told = std::thread::spawn(move || {
        let mut told = Vec::new();
        let read = errors.read_to_end(&mut told);
        read.map(|_| String::from_utf8_lossy(&told).into_owned())
    });
    let last = BufReader::new(output).lines().map_while(Result::ok).last();
    let status = namespaces.0.wait()?;
    let told = told.join().ok().context("the reader of errors ended")??;
    match last {
        Some(line) if status.success() => serde_json::from_str(&line).context("the trial's figures do not parse"),
        _ => bail!(
            "the trial \"{}\" failed ({status}); it needs root or user namespaces, iproute2 and libfaketime:\n{told}",
            trial.name()
        ),
    }
}
