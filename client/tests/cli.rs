//! The real `relevo`, run as people and programs run it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "cli/account.rs"]
mod account;
#[path = "cli/attest.rs"]
mod attest;
#[path = "cli/documented.rs"]
mod documented;
#[path = "../src/fixture.rs"]
#[expect(dead_code, reason = "shared with the library's own tests, which use more of it")]
mod fixture;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/shape.rs"]
mod shape;
#[path = "cli/vault.rs"]
mod vault;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use relevo_client::vault::{Cost, Passphrase, Vault};
use tempfile::TempDir;

const PASSPHRASE: &str = "la relève de demain";

/// One person's device: a home of its own and nothing of ours in the environment.
struct Device {
    home: TempDir,
}

/// What a run printed, and its exit code.
struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Device {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        std::fs::write(home.path().join("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
        Self { home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn vault(&self) -> PathBuf {
        self.path("data/relevo")
    }

    /// Makes the vault as quickly as can be.
    fn with_vault(self) -> Self {
        drop(Vault::create(&self.vault(), &Passphrase::new(PASSPHRASE.to_owned()), Cost::FOR_TESTS).unwrap());
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relevo"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("XDG_DATA_HOME", self.path("data"))
            .env("TZ", "UTC")
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    /// Runs with the passphrase's file.
    fn open(&self, arguments: &[&str]) -> Said {
        self.run(&[arguments, &["--passphrase-file", "passphrase"]].concat())
    }
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
    }

    /// The run did what it was asked.
    #[track_caller]
    fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        assert_eq!(self.err, "");
        self
    }

    /// The run stopped with this exit code and these words, in this order, and no panic.
    #[track_caller]
    fn stopped(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.says_in(&self.err, words);
        self
    }

    #[track_caller]
    fn says(self, words: &[&str]) -> Self {
        self.says_in(&self.out, words);
        self
    }

    #[track_caller]
    fn says_in(&self, text: &str, words: &[&str]) {
        let mut rest = text;
        for word in words {
            let Some((_, after)) = rest.split_once(word) else { panic!("{word:?} is not (in this place) in: {text}") };
            rest = after;
        }
        assert!(!text.contains(['\u{2068}', '\u{2069}']), "isolation marks reach the terminal: {text:?}");
    }

    /// The objects printed, one a line.
    #[track_caller]
    fn objects(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Fails unless JSON.md documents an object of this shape for `command`.
#[track_caller]
fn holds(command: &str, found: &serde_json::Value) {
    documented::holds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("JSON.md"), command, found);
}
