//! The command line of `relevo-relay`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::{Config, ConfigFault, FILE_VARIABLE, Layered, Origin};

const EXAMPLES: &str = "\
Examples:
  relevo-relay init --host relay.example.org         keys and address, before anything runs
  relevo-relay run --host relay.example.org          serve on UDP port 443, data in ./relevo-relay-data
  relevo-relay run --listen 127.0.0.1:4433           a trial on this machine
  relevo-relay run --config /etc/relevo-relay.toml   everything from a file
  relevo-relay doctor --host relay.example.org       what is wrong here, and what to do
  relevo-relay config show                           every setting with its reason
  relevo-relay status                                how it is
  relevo-relay backup --to age1... relay.backup      a backup, while it runs
  relevo-relay address --qr                          the address again, as a QR code

Exit codes: 0 done, 1 failed, 2 usage.
Log: RELEVO_LOG=warn|info|debug; it never names a client, a mailbox or a size.";

/// A blind relay for sealed entries: it stores what it cannot read.
#[derive(Parser, Debug)]
#[command(name = "relevo-relay", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve until told to stop (SIGTERM or Ctrl-C). Prints the relay's address; makes the keys at the first start.
    Run(Settings),
    /// Make the data directory and the keys without serving, and print the relay's address. What is there stays.
    Init(Settings),
    /// Print the relay's address: whoever has it may use the relay.
    Address {
        /// Where the relay is.
        #[command(flatten)]
        settings: Settings,
        /// As a QR code for a phone's camera.
        #[arg(long)]
        qr: bool,
    },
    /// Look for what is wrong on this machine, and say what to do. Fails if something is bad.
    Doctor {
        /// What the relay is started with.
        #[command(flatten)]
        settings: Settings,
        /// For programs: an object for each finding.
        #[arg(long)]
        json: bool,
    },
    /// Read everything that a stopped relay holds, and say what of it is damaged. Mends nothing. Fails if something is.
    VerifyStore(Settings),
    /// Say how the relay that runs here is: what it holds, what is free, how many are connected.
    Status {
        /// Where the relay is.
        #[command(flatten)]
        settings: Settings,
        /// For programs: one object with every count.
        #[arg(long)]
        json: bool,
    },
    /// Have the relay that runs here take no new mailboxes, or take them again. What is there goes on; a restart ends the pause.
    Openings {
        /// Where the relay is.
        #[command(flatten)]
        settings: Settings,
        /// What is to be.
        #[arg(value_enum)]
        act: Openings,
    },
    /// Have the relay that runs here remove one thing for good, whoever's it is. Its users are told that it is gone.
    Remove {
        /// Where the relay is.
        #[command(flatten)]
        settings: Settings,
        /// What it is.
        #[arg(value_enum)]
        what: Removable,
        /// Its id, in hexadecimal digits.
        id: String,
    },
    /// Give a stopped relay another address, because somebody has the old one who should not. The old one lets people in for
    /// a while yet, in which the founders need the new one; whoever was invited by a link has a way in of their own.
    RotateAdmission {
        /// Where the relay is.
        #[command(flatten)]
        settings: Settings,
        /// Days for which the old address goes on.
        #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=365))]
        overlap_days: u32,
    },
    /// Write everything that the relay is into one file, while it runs or not. Encrypted by age: make a key with
    /// `age-keygen -o backup.key`, keep it elsewhere, and name its public half here.
    Backup {
        /// Where the relay is.
        #[command(flatten)]
        settings: Settings,
        /// Public key of age (age1...) that may open the backup; more than one may.
        #[arg(long, value_name = "KEY", required_unless_present = "unencrypted")]
        to: Vec<String>,
        /// Whoever has the file can then be this relay: for a disk that is encrypted itself.
        #[arg(long, conflicts_with = "to")]
        unencrypted: bool,
        /// The file, which must not exist; - for standard output.
        file: PathBuf,
    },
    /// Make the relay of a backup in a data directory that does not exist yet or is empty. What came after the backup is
    /// lost, and clients tell their people so.
    Restore {
        /// Where the relay is to be.
        #[command(flatten)]
        settings: Settings,
        /// File with the key that age-keygen made.
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        /// Read the backup to its end, say whether it is whole, and restore nothing.
        #[arg(long)]
        check: bool,
        /// The backup.
        file: PathBuf,
    },
    /// Ask the relay that runs here whether it serves: for service managers and containers. Fails if not.
    Healthcheck(Settings),
    /// Look at the configuration without starting anything.
    Config {
        /// What to do with it.
        #[command(subcommand)]
        act: ConfigAct,
    },
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write the manual pages into a directory.
    Man {
        /// The directory, which must exist.
        directory: PathBuf,
    },
}

/// Whether mailboxes may be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Openings {
    /// They may not.
    Pause,
    /// They may.
    Resume,
}

/// What an operator may remove.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Removable {
    /// A mailbox with all that is in it.
    Mailbox,
    /// One chunk of a document.
    Blob,
}

/// What is done with the configuration.
#[derive(Subcommand, Debug)]
pub enum ConfigAct {
    /// Say whether it holds together.
    Check(Settings),
    /// Print what is in force, with where it comes from, and the defaults with their reasons.
    Show(Settings),
}

/// What may be set on the command line; each wins over the environment, and that over the file.
#[derive(Args, Debug, Default)]
pub struct Settings {
    /// Directory for keys, store and blobs, made if missing [default: relevo-relay-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// UDP address and port to listen on [default: [::]:443]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Host name or IP address under which clients reach the relay
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// TOML file with the same and more; `relevo-relay config show` explains each field [default: $RELEVO_RELAY_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Settings {
    /// The configuration: the file if one is named, the environment over it, the command line over both.
    ///
    /// # Errors
    /// [`ConfigFault`].
    pub fn config(self) -> Result<Config, ConfigFault> {
        self.layered(std::env::vars_os()).map(|layered| layered.config)
    }

    /// The same with where each value comes from, in this environment.
    ///
    /// # Errors
    /// [`ConfigFault`].
    pub fn layered(self, environment: impl Iterator<Item = (OsString, OsString)>) -> Result<Layered, ConfigFault> {
        let Self { data, listen, host, config } = self;
        let environment: Vec<_> = environment.collect();
        let named = environment.iter().find(|(name, _)| name == FILE_VARIABLE).map(|(_, file)| PathBuf::from(file));
        let mut read = Layered::read(config.or(named).as_deref(), environment.into_iter())?;
        let set = [("data", data.is_some()), ("listen", listen.is_some()), ("host", host.is_some())];
        for (name, _) in set.into_iter().filter(|(_, set)| *set) {
            read.origins.insert(name.to_owned(), Origin::CommandLine);
        }
        let Layered { config, .. } = &mut read;
        config.data = data.unwrap_or_else(|| std::mem::take(&mut config.data));
        config.listen = listen.unwrap_or(config.listen);
        config.host = host.or_else(|| config.host.take());
        config.check()?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("relay.toml");
        std::fs::write(&file, "host = \"a.example\"\ndata = \"/a\"\n").unwrap();
        let settings = || Settings { host: Some("b.example".to_owned()), ..Settings::default() };
        // The file may be named in the environment too.
        let named = (OsString::from(FILE_VARIABLE), file.clone().into_os_string());
        let host = (OsString::from("RELEVO_RELAY_HOST"), OsString::from("c.example"));
        for (settings, environment) in
            [(Settings { config: Some(file), ..settings() }, vec![host.clone()]), (settings(), vec![named, host])]
        {
            let read = settings.layered(environment.into_iter()).unwrap();
            let (host, data) = (read.config.host.as_deref(), read.config.data.as_path());
            assert_eq!((host, data), (Some("b.example"), std::path::Path::new("/a")));
            assert_eq!(read.origins["host"], Origin::CommandLine);
        }
    }
}
