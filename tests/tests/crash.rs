//! A few rounds of each crash campaign. tests/README.md has the commands for hundreds.
//!
//! They mount file systems, in namespaces of their own. Where the machine does not allow that they fail and say what
//! it needs: a proof that was not made is no proof.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::process::{Command, Output};

fn run(what: &[&str]) -> Output {
    let done = Command::new(env!("CARGO_BIN_EXE_relevo-crash")).args(what).output().unwrap();
    // Shown when the test fails: the seed that repeats it.
    println!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    done
}

fn survives(what: &[&str]) {
    assert!(run(what).status.success());
}

/// The fault must be found by what it breaks, not by a disk that was not mounted.
fn fails_by(what: &[&str], words: &[&str]) {
    let done = run(what);
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success(), "the planted fault was not found");
    assert!(words.iter().any(|words| told.contains(words)), "it failed for another reason");
}

#[test]
fn a_relay_whose_power_is_cut_keeps_what_it_acknowledged() {
    survives(&["power-cut-relay", "--rounds", "3", "--seed", "1"]);
    survives(&["power-cut-relay", "--rounds", "4"]);
}

#[test]
fn sled_without_our_syncs_is_found_out() {
    // The journal misses what sled has lost.
    let broken = ["a promise was broken", "the relay does not start again", "the store is damaged"];
    fails_by(&["power-cut-relay", "--planted", "sled-alone", "--rounds", "100", "--seed", "1"], &broken);
}

#[test]
fn names_and_bodies_that_are_not_synced_are_found_out() {
    let lost = ["a promise was broken", "the relay does not start", "another identity", "was opened anew"];
    for planted in ["names-not-synced", "bodies-not-synced"] {
        fails_by(&["power-cut-relay", "--planted", planted, "--rounds", "100", "--seed", "1"], &lost);
    }
}

#[test]
fn a_client_whose_power_is_cut_loses_and_repeats_nothing() {
    survives(&["power-cut-client", "--rounds", "3", "--seed", "1"]);
    survives(&["power-cut-client", "--rounds", "4"]);
}

#[test]
fn a_vault_whose_log_is_not_synced_is_found_out() {
    let broken = ["was acknowledged and", "was shown and is gone", "ended by itself"];
    fails_by(&["power-cut-client", "--planted", "log-not-synced", "--rounds", "100", "--seed", "1"], &broken);
}

#[test]
fn a_killed_relay_keeps_what_it_acknowledged() {
    survives(&["kill-relay", "--rounds", "5"]);
}

#[test]
fn a_killed_client_loses_and_repeats_nothing() {
    survives(&["kill-client", "--rounds", "5"]);
}

#[test]
fn a_relay_on_a_full_disk_says_so_and_goes_on_when_there_is_room() {
    survives(&["full-relay"]);
}

#[test]
fn a_vault_on_a_full_disk_says_so_and_goes_on_when_there_is_room() {
    survives(&["full-client"]);
}
