//! Members behind bad networks: everything arrives once, in order, verified, and nobody is alarmed. Each trial has hosts,
//! relay and members of its own; those of one test run at the same time. The long campaign: tests/README.md.
#![expect(clippy::panic, reason = "tests")]

use std::path::Path;

use relevo_tests::lab::{Figures, Trial, launch, table};

/// Runs trials together and gives their figures.
#[track_caller]
fn all_go_well<const N: usize>(trials: [Trial; N]) -> [Figures; N] {
    let program = Path::new(env!("CARGO_BIN_EXE_lab"));
    let done = std::thread::scope(|scope| {
        trials.map(|trial| scope.spawn(move || launch(program, trial, &trial.brief()))).map(|running| running.join())
    });
    let told: Vec<String> = done
        .iter()
        .filter_map(|done| match done {
            Ok(Ok(_)) => None,
            Ok(Err(fault)) => Some(format!("{fault:#}")),
            Err(_) => Some("a trial's thread panicked".to_owned()),
        })
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    let figures = done.map(|done| match done {
        Ok(Ok(figures)) => figures,
        Ok(Err(_)) | Err(_) => panic!("told above"),
    });
    let rows: Vec<(String, Figures)> = trials.iter().map(|trial| trial.name()).zip(figures.clone()).collect();
    println!("{}", table(&rows));
    figures
}

#[test]
fn a_lossy_slow_or_disordered_network_loses_and_doubles_nothing() {
    use Trial::{Bursts, Clear, Delay, Disorder, Doubled, Loss, Narrow};
    all_go_well([Clear, Loss, Delay, Narrow, Doubled, Disorder, Bursts]);
}

#[test]
fn a_connection_outlives_another_address_and_another_port() {
    for figures in all_go_well([Trial::Nat, Trial::Roaming]) {
        assert!(figures.back_seconds.is_some(), "it happened in mid-transfer");
        assert_eq!(figures.failures, 0, "the session went on");
    }
}

#[test]
fn transfers_go_on_after_relay_member_or_link_were_gone() {
    all_go_well([Trial::Killed, Trial::Stopped, Trial::Cut, Trial::Reopened, Trial::Names]);
}

#[test]
fn clocks_that_are_a_day_off_change_nothing() {
    all_go_well([Trial::Fast, Trial::Slow, Trial::RelayFast, Trial::RelaySlow]);
}

#[test]
fn small_packets_and_ipv6_alone_are_enough() {
    all_go_well([Trial::Mtu, Trial::MtuSilent, Trial::Six]);
}

#[test]
fn everything_bad_at_once_takes_longer_and_loses_nothing() {
    all_go_well([Trial::All]);
}
