//! The command line of `relevo-relay`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{Config, ConfigFault};

const EXAMPLES: &str = "\
Examples:
  relevo-relay run --host relay.example.org          serve on UDP port 443, data in ./relevo-relay-data
  relevo-relay run --listen 127.0.0.1:4433           a trial on this machine
  relevo-relay run --config /etc/relevo-relay.toml   everything from a file
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
    /// Print the relay's address: whoever has it may use the relay.
    Address {
        /// Where the relay is.
        #[command(flatten)]
        settings: Settings,
        /// As a QR code for a phone's camera.
        #[arg(long)]
        qr: bool,
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

/// What may be set on the command line; each wins over the file.
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
    /// TOML file with the same and more; deploy/samples/relay.toml explains each field
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Settings {
    /// The configuration: the file if one is named, the command line over it.
    ///
    /// # Errors
    /// [`ConfigFault`].
    pub fn config(self) -> Result<Config, ConfigFault> {
        let Self { data, listen, host, config } = self;
        let mut read = config.map_or_else(|| Ok(Config::default()), |path| Config::load(&path))?;
        read.data = data.unwrap_or(read.data);
        read.listen = listen.unwrap_or(read.listen);
        read.host = host.or(read.host);
        read.check()?;
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
    fn the_command_line_wins_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("relay.toml");
        std::fs::write(&file, "host = \"a.example\"\ndata = \"/a\"\n").unwrap();
        let settings = Settings { host: Some("b.example".to_owned()), config: Some(file), ..Settings::default() };
        let config = settings.config().unwrap();
        assert_eq!((config.host.as_deref(), config.data), (Some("b.example"), PathBuf::from("/a")));
    }
}
