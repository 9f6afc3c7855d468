//! A real `relevo-relay` process on loopback, ended by its pid when dropped.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// How long a relay may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running relay.
#[derive(Debug)]
pub struct RelayProcess {
    child: Child,
    data: PathBuf,
    address: String,
}

impl RelayProcess {
    /// Starts a relay over `data`, which is made if it is missing, on a loopback port. Port 0 takes a free one. It logs as
    /// much as it can, into a file beside `data`.
    ///
    /// # Errors
    /// The program could not be started, or did not print its address in time.
    pub fn start(program: &Path, data: &Path, listen: SocketAddr) -> anyhow::Result<Self> {
        // A relay that is started again goes on in the same file.
        let said = File::options().create(true).append(true).open(log_beside(data)).context("no log file")?;
        let mut command = Command::new(program);
        command.stderr(said);
        Self::run(command, data, listen, &[], "trace")
    }

    /// As [`Self::start`], with a configuration file, and logging no more than warnings.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(program: &Path, data: &Path, listen: SocketAddr, config: &Path) -> anyhow::Result<Self> {
        Self::start_by(Command::new(program), data, listen, &[OsStr::new("--config"), config.as_os_str()])
    }

    /// As [`Self::start_with`], its log going to a file.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_logged(
        program: &Path,
        data: &Path,
        listen: SocketAddr,
        config: &Path,
        log: File,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.stderr(log);
        Self::start_by(command, data, listen, &[OsStr::new("--config"), config.as_os_str()])
    }

    /// As [`Self::start_with`], with any arguments, by a command that becomes the program, such as one that enters another
    /// network first.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_by(command: Command, data: &Path, listen: SocketAddr, more: &[&OsStr]) -> anyhow::Result<Self> {
        Self::run(command, data, listen, more, "warn")
    }

    fn run(
        mut command: Command,
        data: &Path,
        listen: SocketAddr,
        more: &[&OsStr],
        level: &str,
    ) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .arg("run")
            .arg("--data")
            .arg(data)
            .arg("--listen")
            .arg(listen.to_string())
            .args(more)
            .env("RELEVO_LOG", level)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let output = child.stdout.take().context("the relay has no output")?;
        let (tell, hear) = std::sync::mpsc::channel();
        // Reads to the end, so that the relay never blocks on a full pipe.
        std::thread::Builder::new().name("relay-output".into()).spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let address = line.split_whitespace().find(|word| word.starts_with("relevo://")).map(str::to_owned);
                if let Some(address) = address {
                    // Nobody listens after the first.
                    let _heard = tell.send(address);
                }
            }
        })?;
        let address = hear.recv_timeout(PATIENCE);
        let mut relay = Self { child, data: data.to_owned(), address: String::new() };
        match address {
            Ok(address) => relay.address = address,
            Err(_) => bail!("the relay ended or printed no address within {} s", PATIENCE.as_secs()),
        }
        Ok(relay)
    }

    /// Its address, as it printed it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it logs, if it was started by [`Self::start`].
    #[must_use]
    pub fn log(&self) -> PathBuf {
        log_beside(&self.data)
    }

    /// Kills it (SIGKILL) and waits for its end.
    ///
    /// # Errors
    /// The system refused.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// The system refused.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Asks it to stop (SIGTERM) and waits.
    ///
    /// # Errors
    /// It did not stop in time, or said that it failed.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).context("no pid")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the relay ended with {status}");
                return Ok(());
            }
            ensure!(asked.elapsed() < PATIENCE, "the relay did not stop within {} s", PATIENCE.as_secs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn log_beside(data: &Path) -> PathBuf {
    data.with_extension("log")
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        // Already ended: nothing to do.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}
