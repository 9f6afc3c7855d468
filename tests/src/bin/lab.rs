//! The network lab: relays and members over bad networks (tests/README.md).

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};
use relevo_tests::lab::{Figures, Size, Trial, launch, run, serve, table};

/// Moves messages and a document over bad networks, and tells what came of it. Needs root or user namespaces.
#[derive(Debug, Parser)]
#[command(name = "lab")]
struct Arguments {
    #[command(subcommand)]
    command: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Run trials, all of them unless some are named
    Run {
        trials: Vec<Trial>,
        #[command(flatten)]
        size: Size,
        /// Trials at once
        #[arg(long, default_value_t = 4)]
        at_once: usize,
        /// As small as the tests run them
        #[arg(long)]
        brief: bool,
    },
    /// One trial, in namespaces that are there already
    #[command(hide = true)]
    Inside {
        trial: Trial,
        #[command(flatten)]
        size: Size,
    },
    /// A member, told what to do on its input
    #[command(hide = true)]
    Member { vault: PathBuf, name: String },
}

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Arguments::parse().command {
        Act::Run { trials, size, at_once, brief } => {
            campaign(&trials, at_once, |trial| if brief { trial.brief() } else { size.of(trial) })
        }
        Act::Inside { trial, size } => {
            match runtime.block_on(run(trial, &size)) {
                Ok(figures) => println!("{}", serde_json::to_string(&figures)?),
                Err(fault) => {
                    eprintln!("{fault:#}");
                    return Ok(ExitCode::FAILURE);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Act::Member { vault, name } => {
            runtime.block_on(serve(&vault, &name))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn campaign(trials: &[Trial], at_once: usize, size: impl Fn(Trial) -> Size + Sync) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe()?;
    let trials = if trials.is_empty() { Trial::value_variants() } else { trials };
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(trial) = trials.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            done.push((*trial, one(&program, *trial, &size(*trial))));
        }
        done
    };
    let mut done = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            done.extend(worker.join().unwrap_or_default());
        }
    });
    done.sort_by_key(|(trial, _)| Trial::value_variants().iter().position(|other| other == trial));
    let failed: Vec<_> = done.iter().filter(|(_, figures)| figures.is_err()).map(|(trial, _)| trial.name()).collect();
    let rows: Vec<(String, Figures)> =
        done.into_iter().filter_map(|(trial, figures)| Some((trial.name(), figures.ok()?))).collect();
    println!("\n{}", table(&rows));
    if failed.is_empty() {
        println!("{} trials, all well.", rows.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("FAILED: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

fn one(program: &Path, trial: Trial, size: &Size) -> anyhow::Result<Figures> {
    let begun = Instant::now();
    let figures = launch(program, trial, size);
    match &figures {
        Ok(figures) => {
            println!("{:<12} well, {:.0} s: {figures:?}", trial.name(), begun.elapsed().as_secs_f64());
        }
        Err(why) => println!("{:<12} FAILED after {:.0} s: {why:#}", trial.name(), begun.elapsed().as_secs_f64()),
    }
    figures
}
