//! One process at a time, and what a killed one leaves.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use super::*;

const COUNT: Setting<u64> = Setting::named("count");
const DIRECTORY: &str = "RELEVO_TEST_DIRECTORY";

/// The other process, when the tests beside it start this one again with the variable set; otherwise nothing. Counts up in
/// the vault for ever, saying each number once it is on disk.
#[test]
fn another_process() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let mut vault = Vault::open(Path::new(&directory), &passphrase()).unwrap();
    loop {
        let count = vault.transaction::<_, VaultFault>(|tx| {
            let count = COUNT.read(tx)?.unwrap_or_default() + 1;
            COUNT.write(tx, &count)?;
            NOTE.write(tx, &count.to_string())?;
            Ok(count)
        });
        writeln!(std::io::stdout(), "on disk {}", count.unwrap()).unwrap();
    }
}

struct Other {
    child: Child,
    says: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(directory: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "vault::tests::processes::another_process", "--nocapture"])
            .env(DIRECTORY, directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        Self { child, says }
    }

    /// The next number the other process says is on disk, `None` after its end.
    fn hear(&mut self) -> Option<u64> {
        let mut line = String::new();
        while self.says.read_line(&mut line).unwrap() > 0 {
            // The harness writes "test ... " before the first number, on its line.
            if let Some((_, number)) = line.trim_end().rsplit_once("on disk ") {
                return Some(number.parse().unwrap());
            }
            line.clear();
        }
        None
    }

    /// Kills it and drains what it had said.
    fn kill(mut self) -> u64 {
        self.child.kill().unwrap();
        let last = std::iter::from_fn(|| self.hear()).last();
        self.child.wait().unwrap();
        last.unwrap_or_default()
    }
}

#[test]
fn a_second_process_is_told_that_the_vault_is_in_use() {
    let (directory, vault) = new_vault();
    drop(vault);
    let mut other = Other::start(directory.path());
    other.hear().unwrap();
    let opened = Vault::open(directory.path(), &passphrase());
    assert!(matches!(opened, Err(VaultFault::InUse)), "{opened:?}");
    other.kill();
    Vault::open(directory.path(), &passphrase()).unwrap();
}

#[test]
fn nothing_acknowledged_is_lost_to_kills() {
    let (directory, vault) = new_vault();
    drop(vault);
    let mut least = 0;
    for round in 0..10 {
        let mut other = Other::start(directory.path());
        for _ in 0..=round * 7 % 20 {
            least = other.hear().unwrap();
        }
        least = least.max(other.kill());
        let mut vault = Vault::open(directory.path(), &passphrase()).unwrap();
        let (count, note) = vault.transaction(|tx| Ok::<_, VaultFault>((COUNT.read(tx)?, NOTE.read(tx)?))).unwrap();
        assert!(count.unwrap() == least || count.unwrap() == least + 1, "{count:?} after {least} was acknowledged");
        assert_eq!(note, Some(count.unwrap().to_string()), "both values are of one transaction");
        vault.check().unwrap();
    }
}
