//! Commands on an account that reach no relay.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use relevo_client::vault::{Passphrase, Vault};

use super::{Device, PASSPHRASE, fixture, holds};

fn member(device: Device) -> Device {
    device.open(&["init", "--pseudonym", "Quilla"]).done();
    device
}

#[test]
fn init_makes_a_vault_and_says_what_its_owner_must_know() {
    let device = Device::new();
    device.open(&["init", "--pseudonym", "Quilla", "--lang", "es"]).done().says(&[
        "Tu bóveda está lista",
        "Quilla",
        "Nadie puede restablecer",
        "empleador",
        "relevo join",
    ]);
    device.open(&["status"]).done().says(&["You are Quilla.", "not a member of an alliance yet"]);
    let again = device.open(&["init", "--pseudonym", "Mistral"]);
    again.stopped(1, &["There is already a vault here.", "--vault"]);
    device.open(&["status"]).done().says(&["You are Quilla."]);
}

#[test]
fn init_leaves_other_files_alone() {
    let device = Device::new();
    fs::create_dir_all(device.vault()).unwrap();
    fs::write(device.vault().join("letter.txt"), "mine").unwrap();
    device.open(&["init", "--pseudonym", "Quilla"]).stopped(1, &["The folder holds other files."]);
    assert_eq!(fs::read(device.vault().join("letter.txt")).unwrap(), b"mine");
}

#[test]
fn a_name_that_cannot_be_used_is_refused_before_a_vault_is_made() {
    let device = Device::new();
    device.open(&["init", "--pseudonym", "Qui\u{202e}lla"]).stopped(1, &["cannot be used"]);
    device.open(&["init"]).stopped(2, &["This is missing: --pseudonym"]);
    assert!(!device.vault().exists());
}

#[test]
fn without_a_vault_each_command_says_how_to_make_one() {
    for command in [&["status"][..], &["read"], &["send", "Quilla", "x"], &["contacts", "list"]] {
        Device::new().run(command).stopped(1, &["There is no vault here.", "relevo init"]);
    }
}

#[test]
fn what_is_not_there_is_said() {
    let device = member(Device::new());
    for (command, code, what) in [
        (&["join", "relevo://join/nonsense"][..], 1, "not a link or code of Relevo"),
        (&["send", "Mistral", "x"], 1, "no contact or group of this name"),
        (&["vouch", "7"], 1, "no open request of this number"),
        (&["admit", "seven"], 1, "no open request of this number"),
        (&["document", "get", "1"], 1, "no document of this number"),
        (&["charter", "show"], 4, "Only a member with a card"),
        (&["charter", "sign"], 1, "Nothing waits for your signature"),
        (&["verify", "Mistral"], 1, "no contact or group of this name"),
        (&["found", "--alliance", "A", "--union", "B", "--relay", "relevo://x"], 1, "not the address of a relay"),
    ] {
        device.open(command).stopped(code, &[what, "What to do: "]);
    }
    for command in ["read", "contacts list", "group list", "document list", "requests"] {
        let arguments: Vec<&str> = command.split(' ').collect();
        device.open(&arguments).done();
        assert_eq!(device.open(&[&arguments[..], &["--json"]].concat()).done().out, "", "{command}");
    }
    holds("status", &device.open(&["status", "--json"]).done().objects()[0]);
}

/// An address where nothing answers: the discard port.
fn dead_relay() -> String {
    fixture::relay_address(1).to_text()
}

#[test]
fn a_dead_relay_keeps_what_was_asked_and_says_so() {
    let device = member(Device::new());
    fs::write(device.path("address"), dead_relay()).unwrap();
    let mut found = device.command(&["found", "--alliance", "A", "--union", "B", "--relay", "-", "--wait", "1"]);
    found.args(["--passphrase-file", "passphrase"]).stdin(fs::File::open(device.path("address")).unwrap());
    let said = super::Said::of(found.output().unwrap());
    said.stopped(3, &["The relay does not answer.", "What to do: "]).says(&["relevo://found/"]);
    let said = device.open(&["status", "--wait", "1"]).stopped(3, &["The relay does not answer."]);
    said.says(&["You are founding the union B", "relevo://found/", "Relay 01010101: "]);
    let said = device.open(&["read", "--wait", "1", "--json", "--lang", "pt"]).stopped(3, &[]);
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!((&error["error"], said.out.as_str()), (&"relay-unreachable".into(), ""));
    holds("errors", &error);
    let said = device.open(&["found", "--alliance", "A", "--union", "B"]);
    said.stopped(1, &["No link, code or address was given.", "What to do: "]);
    let link = device.open(&["status", "--offline", "--json"]).done().objects().remove(0);
    holds("status", &link);
}

#[test]
fn ctrl_c_ends_listening_with_130_and_the_vault_closed() {
    let device = member(Device::new());
    let mut command = device.command(&["listen", "--passphrase-file", "passphrase"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // There while the vault is open.
    let log = device.vault().join("vault.db-wal");
    let begun = Instant::now();
    while !log.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never opened the vault");
        std::thread::yield_now();
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{status:?}");
    Vault::open(&device.vault(), &Passphrase::new(PASSPHRASE.to_owned())).unwrap();
}
