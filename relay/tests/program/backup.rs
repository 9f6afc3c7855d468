//! Backups, by the program itself and by `age`.

use std::path::Path;
use std::process::Command;

use super::{Trial, program, said};

/// Makes a key as an operator does; gives its file and its public half.
fn key(folder: &Path) -> (String, String) {
    let file = folder.join("backup.key").to_str().unwrap().to_owned();
    let made = Command::new("age-keygen").arg("-o").arg(&file).output().unwrap();
    assert!(made.status.success(), "tests/run installs age");
    let public = said(&made).split_whitespace().find(|word| word.starts_with("age1")).unwrap().to_owned();
    (file, public)
}

#[test]
fn a_relay_is_backed_up_while_it_runs_and_restored_by_whoever_has_the_key() {
    let mut trial = Trial::start(&[("PATH", std::env::var("PATH").unwrap().as_str())]);
    let path = std::env::var("PATH").unwrap();
    let by_path = [("PATH", path.as_str())];
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (identity, public) = key(folder.path());
    let file = name("relay.backup");

    // Where there is no age, that is what is said, and nothing is left.
    let without = trial.ask(&["backup", "--to", &public, &file], &[("PATH", "/nowhere")]);
    assert!(!without.status.success() && said(&without).contains("apt-get install age"), "{}", said(&without));
    // A key that is none.
    let no_key = trial.ask(&["backup", "--to", "age1nokey", &file], &by_path);
    assert!(!no_key.status.success() && said(&no_key).contains("age could not encrypt"), "{}", said(&no_key));
    assert!(!Path::new(&file).exists() && std::fs::read_dir(folder.path()).unwrap().count() == 1);
    // Nobody writes one that everybody reads by forgetting something.
    assert!(!trial.ask(&["backup", &file], &by_path).status.success());

    let written = trial.ask(&["backup", "--to", &public, &file], &by_path);
    assert!(written.status.success(), "{}", said(&written));
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1"));

    // A container has no age: what it says is encrypted outside of it.
    let piped = trial.ask(&["backup", "--unencrypted", "-"], &[]);
    assert!(piped.status.success() && piped.stdout.starts_with(b"relevo-relay backup\n"), "{}", said(&piped));
    std::fs::write(name("piped"), &piped.stdout).unwrap();
    assert!(trial.ask(&["restore", "--check", &name("piped")], &[]).status.success());

    let address = said(&trial.ask(&["address"], &[]));
    trial.signal(rustix::process::Signal::KILL);
    assert!(!trial.wait());
    let data = trial.directory.path().join("data");
    std::fs::remove_dir_all(&data).unwrap();

    let restore = |words: &[&str]| trial.ask(&[&["restore"], words].concat(), &by_path);
    assert!(said(&restore(&[&file])).contains("--identity"));
    let other = tempfile::tempdir().unwrap();
    let refused = restore(&["--identity", &key(other.path()).0, &file]);
    assert!(!refused.status.success() && said(&refused).contains("age could not open"), "{}", said(&refused));
    assert!(!data.exists());
    let whole = restore(&["--check", "--identity", &identity, &file]);
    assert!(whole.status.success() && said(&whole).contains("whole"), "{}", said(&whole));
    assert!(!data.exists(), "a check restores nothing");
    // What is wrong with a backup is not said of age, which opened it.
    std::fs::write(name("other"), vec![b'x'; 4 << 20]).unwrap();
    let sealed = Command::new("age").args(["-r", &public, "-o", &name("sealed"), &name("other")]).status().unwrap();
    assert!(sealed.success());
    let other = restore(&["--check", "--identity", &identity, &name("sealed")]);
    assert!(said(&other).contains("this is no backup of a relay"), "{}", said(&other));
    let restored = restore(&["--identity", &identity, &file]);
    assert!(restored.status.success(), "{}", said(&restored));
    assert_eq!(said(&trial.ask(&["address"], &[])), address);
    let sound = trial.ask(&["verify-store"], &[]);
    assert!(sound.status.success(), "{}", said(&sound));
    // It holds nothing in clear that a stranger could use.
    let mut plain = program();
    plain.args(["backup", "--unencrypted", &name("plain")]).arg("--data").arg(&data);
    assert!(plain.output().unwrap().status.success());
    let secret = std::fs::read(data.join("keys/identity")).unwrap();
    let holds = |file: &str| std::fs::read(file).unwrap().windows(32).any(|bytes| bytes == secret);
    assert!(holds(&name("plain")) && !holds(&file));
}
