//! The simulator itself, a small fixed set of its seeds and a few fresh ones, and what it once found. The campaign is
//! `cargo run -p relevo-tests --bin simulate -- --seeds 2000 --ops 200`.

use std::path::Path;

use relevo_tests::simulation::op::{self, Faults};
use relevo_tests::simulation::run::{Report, draw, play};
use relevo_tests::simulation::town::Town;

/// Seeds that are always run, and fresh ones.
const SEEDS: (u64, u64) = (8, 6);
/// Operations of each.
const OPS: usize = 60;

#[test]
fn a_seed_gives_its_run_again() {
    let town = Town::found(4).unwrap();
    let run = |seed| draw(&town, seed, 200, Faults::All, usize::MAX / 4).unwrap();
    let (first, again, other) = (run(5), run(5), run(6));
    let parted = first.lines.iter().zip(&again.lines).find(|(one, two)| one != two);
    assert_eq!(parted, None, "the two runs part here");
    assert_eq!((first.digest, first.lines.len()), (again.digest, again.lines.len()));
    assert_ne!(first.digest, other.digest);
    assert!(first.lines.len() > 1_000, "a run of {} lines is no run", first.lines.len());
}

#[test]
fn what_must_hold_holds_for_fixed_seeds_and_fresh_ones() {
    let town = Town::found(4).unwrap();
    let mut fresh = [0; 4];
    getrandom::fill(&mut fresh).unwrap();
    let fresh = u64::from(u32::from_be_bytes(fresh));
    for seed in (1..=SEEDS.0).chain(fresh..fresh + SEEDS.1) {
        let faults = if seed % 2 == 0 { Faults::All } else { Faults::Passing };
        holds(seed, &draw(&town, seed, OPS, faults, 0).unwrap());
    }
}

#[test]
fn what_was_once_found_stays_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions/simulation");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "ops"));
    files.sort();
    assert!(!files.is_empty(), "the lists are gone");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let number = |word: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("# {word} ")));
            line.unwrap_or_else(|| panic!("{} names no {word}", file.display())).trim().parse().unwrap()
        };
        let town = Town::found(usize::try_from(number("people")).unwrap()).unwrap();
        let report = play(&town, number("seed"), op::read(&text).unwrap(), 0).unwrap();
        assert_eq!(report.broken, None, "{}", file.display());
    }
}

fn holds(seed: u64, report: &Report) {
    let ops: Vec<String> = report.ops.iter().map(ToString::to_string).collect();
    assert_eq!(report.broken, None, "seed {seed}, operations:\n{}", ops.join("\n"));
}
