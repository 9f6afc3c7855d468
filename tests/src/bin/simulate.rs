//! Runs simulations: whole worlds of relays and members, each from a seed, until something does not hold.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use relevo_tests::simulation::op::{self, Faults};
use relevo_tests::simulation::run::{self, Report};
use relevo_tests::simulation::shrink::shrink;
use relevo_tests::simulation::town::Town;
use relevo_tests::simulation::world::FAULTS;

/// Runs so many seeds, so many operations each. One that fails is printed with its seed, made shorter, and written down
/// as a list of operations, which --replay does again.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// Operations of each
    #[arg(long, default_value_t = 200)]
    ops: usize,
    /// The first seed; a fresh random one by default
    #[arg(long)]
    seed: Option<u64>,
    /// Members, from 2 to 5
    #[arg(long, default_value_t = 4)]
    people: usize,
    /// What may go wrong
    #[arg(long, value_enum, default_value_t = Wrong::All)]
    faults: Wrong,
    /// Threads
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Fail if any operation or fault took place less often than this
    #[arg(long, default_value_t = 0)]
    least: u64,
    /// Print what happened, so many last lines of it
    #[arg(long, default_value_t = 0)]
    trace: usize,
    /// Do the operations of this file instead of drawn ones
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Go on after a failure, and do not make lists shorter
    #[arg(long)]
    all: bool,
    /// Put a bug in, or each of them in turn with "all", and see within how many seeds it is found
    #[cfg(feature = "planted-bugs")]
    #[arg(long, value_name = "BUG")]
    planted: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wrong {
    /// Nothing
    None,
    /// What loses nothing for good
    Passing,
    /// Everything
    All,
}

/// What all threads share.
struct Shared {
    next: AtomicU64,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// Seeds that are done.
    done: u64,
    /// What took place how often.
    counts: BTreeMap<String, u64>,
    failures: Vec<(u64, Report)>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    #[cfg(feature = "planted-bugs")]
    if let Some(bug) = &arguments.planted {
        return prove(&arguments, bug);
    }
    let begun = Instant::now();
    let town = Town::found(arguments.people.clamp(2, 5))?;
    println!("a town of {} founded in {:.1} s", arguments.people, begun.elapsed().as_secs_f64());
    let first = match arguments.seed {
        Some(seed) => seed,
        None => u64::from(std::process::id()) ^ fresh()?,
    };
    let faults = match arguments.faults {
        Wrong::None => Faults::None,
        Wrong::Passing => Faults::Passing,
        Wrong::All => Faults::All,
    };
    if let Some(file) = &arguments.replay {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let report = run::play(&town, first, op::read(&text)?, arguments.trace.max(1))?;
        tell(first, &report, arguments.trace);
        return Ok(if report.broken.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    println!(
        "seeds {first} to {}, {} operations each",
        first.wrapping_add(arguments.seeds.saturating_sub(1)),
        arguments.ops
    );
    let shared = Shared { next: AtomicU64::new(0), found: Mutex::default() };
    std::thread::scope(|threads| -> anyhow::Result<()> {
        let work = || work(&town, first, faults, &arguments, &shared);
        let all: Vec<_> = (0..arguments.jobs.max(1)).map(|_| threads.spawn(work)).collect();
        for thread in all {
            thread.join().map_err(|_| anyhow::anyhow!("a simulation panicked"))??;
        }
        Ok(())
    })?;
    let Found { done, counts, failures } =
        shared.found.into_inner().map_err(|_| anyhow::anyhow!("a simulation panicked"))?;
    println!("{done} seeds in {:.0} s, {} failed", begun.elapsed().as_secs_f64(), failures.len());
    for (what, count) in &counts {
        println!("{count:>9}  {what}");
    }
    let rare: Vec<&str> = op::words()
        .chain(FAULTS)
        .filter(|what| counts.get(*what).is_none_or(|count| *count < arguments.least))
        .collect();
    if arguments.least > 0 && rare.is_empty() {
        println!("each operation and fault took place {} times or more", arguments.least);
    } else if arguments.least > 0 {
        println!("less often than {} times: {}", arguments.least, rare.join(", "));
    }
    let Some((seed, report)) = failures.into_iter().next() else {
        return Ok(if arguments.least > 0 && !rare.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    };
    let report = if arguments.all { report } else { shrink(&town, seed, report)? };
    tell(seed, &report, arguments.trace);
    Ok(ExitCode::FAILURE)
}

fn work(town: &Town, first: u64, faults: Faults, arguments: &Arguments, shared: &Shared) -> anyhow::Result<()> {
    loop {
        let at = shared.next.fetch_add(1, Ordering::Relaxed);
        if at >= arguments.seeds {
            return Ok(());
        }
        let seed = first.wrapping_add(at);
        let report = std::panic::catch_unwind(|| run::draw(town, seed, arguments.ops, faults, arguments.trace));
        let report = report.unwrap_or_else(|_| Ok(Report::panicked()))?;
        let Ok(mut found) = shared.found.lock() else { return Ok(()) };
        found.done += 1;
        for (what, count) in &report.counts {
            *found.counts.entry(what.clone()).or_default() += count;
        }
        if let Some(broken) = &report.broken {
            println!("seed {seed}: {broken}");
            found.failures.push((seed, report));
            if !arguments.all {
                shared.next.store(arguments.seeds, Ordering::Relaxed);
            }
        }
    }
}

/// Puts bugs in, one after the other, and looks for each: all must be found.
#[cfg(feature = "planted-bugs")]
fn prove(arguments: &Arguments, wanted: &str) -> anyhow::Result<ExitCode> {
    use relevo_protocol::planted::{BUGS, Bug, plant};
    anyhow::ensure!(wanted == "all" || BUGS.iter().any(|(_, name, _)| *name == wanted), "no bug is called {wanted}");
    let first = arguments.seed.unwrap_or(1);
    let mut missed = false;
    for (bug, name, what) in BUGS.iter().filter(|(_, name, _)| wanted == "all" || *name == wanted) {
        let begun = Instant::now();
        // A town is founded in good order; only who forges has forged from the first day.
        plant(if *bug == Bug::LeafUnchecked { name } else { "" });
        let town = Town::found(arguments.people.clamp(2, 5))?;
        plant(name);
        let mut found = None;
        for at in 0..arguments.seeds {
            let seed = first.wrapping_add(at);
            let report = std::panic::catch_unwind(|| run::draw(&town, seed, arguments.ops, Faults::All, 0));
            let report = report.unwrap_or_else(|_| Ok(Report::panicked()))?;
            if let Some(broken) = report.broken {
                found = Some((at + 1, broken));
                break;
            }
        }
        let seconds = begun.elapsed().as_secs();
        match found {
            Some((seeds, broken)) => println!("{name} ({what}): found in seed {seeds}, {seconds} s: {}", last(&broken)),
            None => {
                missed = true;
                println!("{name} ({what}): NOT FOUND in {} seeds, {seconds} s", arguments.seeds);
            }
        }
    }
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The last line, which says what broke.
#[cfg(feature = "planted-bugs")]
fn last(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

fn tell(seed: u64, report: &Report, lines: usize) {
    if lines > 0 {
        report.lines.iter().for_each(|line| println!("  {line}"));
    }
    match &report.broken {
        Some(broken) => {
            println!("# seed {seed}: {}", broken.replace('\n', "\n# "));
            report.ops.iter().for_each(|op| println!("{op}"));
        }
        None => println!("seed {seed} holds, digest {:016x}", report.digest),
    }
}

fn fresh() -> anyhow::Result<u64> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes)?;
    Ok(u64::from(u32::from_be_bytes(bytes)))
}
