//! The vault's door: passphrases, second processes, damage.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use relevo_client::vault::{Passphrase, Vault};

use super::{Device, PASSPHRASE, Said};

#[test]
fn without_a_vault_nobody_is_asked_for_a_passphrase() {
    Device::new().run(&["doctor"]).stopped(1, &[]).says(&["bad: There is no vault here.", "relevo init"]);
}

#[test]
fn a_sound_vault_passes_the_doctor() {
    let device = Device::new().with_vault();
    device.open(&["doctor"]).done().says(&["good: The vault opens", "good: Only you", "employer"]);
    device.open(&["doctor", "--lang", "fr"]).done().says(&["bien: Le coffre s'ouvre", "employeur"]);
}

#[test]
fn a_folder_that_others_can_read_is_found() {
    let device = Device::new().with_vault();
    fs::set_permissions(device.vault(), fs::Permissions::from_mode(0o755)).unwrap();
    device.open(&["doctor"]).stopped(1, &[]).says(&["bad: Others on this device", "chmod"]);
}

#[test]
fn a_wrong_passphrase_is_said_and_what_to_try() {
    let device = Device::new().with_vault();
    fs::write(device.path("passphrase"), "la releve de demain\n").unwrap();
    device
        .open(&["doctor"])
        .stopped(1, &[])
        .says(&["bad: This passphrase does not open the vault.", "capital letters"]);
}

#[test]
fn the_passphrase_comes_by_file_or_descriptor_and_not_by_argument_or_environment() {
    let device = Device::new().with_vault();
    let script = r#"exec "$0" doctor --passphrase-fd 7 7<passphrase"#;
    let by_descriptor = std::process::Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_relevo")])
        .env_clear()
        .env("HOME", device.home.path())
        .env("XDG_DATA_HOME", device.path("data"))
        .current_dir(device.home.path())
        .output()
        .unwrap();
    Said::of(by_descriptor).done().says(&["good: The vault opens"]);
    device.run(&["doctor", "--passphrase", PASSPHRASE]).stopped(2, &["--passphrase is not known"]);
    let mut by_environment = device.command(&["doctor"]);
    by_environment.env("RELEVO_PASSPHRASE", PASSPHRASE);
    assert!(!Said::of(by_environment.output().unwrap()).out.contains("The vault opens"));
}

#[test]
fn a_missing_or_empty_passphrase_is_said() {
    let device = Device::new().with_vault();
    device
        .run(&["doctor", "--passphrase-file", "none"])
        .stopped(1, &[])
        .says(&["bad: The passphrase could not be read."]);
    fs::write(device.path("passphrase"), "\n").unwrap();
    device.open(&["doctor"]).stopped(1, &[]).says(&["bad: The passphrase is empty."]);
    device.run(&["doctor", "--passphrase-fd", "99"]).stopped(1, &[]).says(&["bad: The passphrase could not be read."]);
}

#[test]
fn a_second_process_is_told_who_is_in_the_way() {
    let device = Device::new().with_vault();
    let held = Vault::open(&device.vault(), &Passphrase::new(PASSPHRASE.to_owned())).unwrap();
    device.open(&["doctor"]).stopped(1, &[]).says(&["bad: Another Relevo has this vault open.", "End it"]);
    drop(held);
    device.open(&["doctor"]).done();
}

#[test]
fn a_damaged_vault_is_said_and_kept() {
    for (file, at) in [("vault.db", 5000), ("slots", 60)] {
        let device = Device::new().with_vault();
        let path = device.vault().join(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        device.open(&["doctor"]).stopped(1, &[]).says(&["bad: The vault is damaged on this disk.", "Leave the folder"]);
        assert!(path.exists() && device.vault().join("slots").exists(), "{file}: nothing is thrown away");
    }
}

#[test]
fn a_home_that_is_not_known_is_said() {
    let device = Device::new();
    let said = device.command(&["doctor"]).env_clear().stdout(Stdio::piped()).output().unwrap();
    Said::of(said).stopped(1, &["It is not known where", "--vault"]);
}
