//! The fuzz targets without libFuzzer: over the committed corpus, and over mutations of it by a fixed seed. Campaigns
//! are `tests/fuzz/run`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

#[path = "fuzz/seeds.rs"]
mod seeds;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use relevo_tests::fuzzing::mutation::Dice;
use relevo_tests::fuzzing::{TARGETS, Target};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The corpus of a target, in the order of the names of its files.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = folder().join("corpus").join(target.name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Runs a target, and says which bytes broke it.
fn run(target: &Target, bytes: &[u8]) {
    if catch_unwind(|| (target.run)(bytes)).is_err() {
        let hex = HEXLOWER.encode(bytes);
        panic!("{} breaks; keep these bytes in tests/fuzz/corpus/{}: {hex}", target.name, target.name);
    }
}

#[test]
fn no_committed_input_breaks_a_target() {
    for target in TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        corpus.iter().for_each(|bytes| run(target, bytes));
    }
}

#[test]
fn no_mutation_of_the_corpus_breaks_a_target() {
    std::thread::scope(|scope| {
        for half in [0, 1] {
            scope.spawn(move || {
                for target in TARGETS.iter().skip(half).step_by(2) {
                    let corpus = corpus(target);
                    let mut dice = Dice(1);
                    for _ in 0..target.rounds {
                        run(target, &dice.mutated(&corpus));
                    }
                }
            });
        }
    });
}

#[test]
fn every_target_has_its_binary_and_every_binary_its_target() {
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"\n", target.name)), "{} is in no manifest", target.name);
        let body = fs::read_to_string(folder().join("fuzz_targets").join(format!("{}.rs", target.name))).unwrap();
        assert!(body.contains(&format!("::{}(bytes)", target.name)), "{} runs something else", target.name);
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    let hours = fs::read_to_string(folder().join("hours.tsv")).unwrap();
    let timed: Vec<&str> = hours.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(timed, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), "hours.tsv");
    let folders: BTreeSet<String> = fs::read_dir(folder().join("corpus"))
        .unwrap()
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, TARGETS.iter().map(|target| target.name.to_owned()).collect());
}

/// `RELEVO_WRITE_SEEDS=1 cargo test -p relevo-tests --test fuzz seeds` writes the seeds that are missing.
#[test]
fn the_seeds_are_in_the_corpus() {
    for (target, name, bytes) in seeds::all() {
        let folder = folder().join("corpus").join(target);
        let file = folder.join(format!("seed-{name}"));
        if std::env::var_os("RELEVO_WRITE_SEEDS").is_some() && !file.exists() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, &bytes).unwrap();
        }
        assert!(file.exists(), "{target} lacks its seed {name}");
    }
}
