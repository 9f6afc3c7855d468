//! The demo: jobs 1 to 6 of Relevo's users on two real relays, and what a seized relay holds.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::Context;
use clap::Parser;
use relevo_tests::story::{self, Narrator, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Shows Relevo at work on this machine alone: two relays, seven members, three countries. Then searches the relays for
/// everything that they must not hold.
#[derive(Debug, Parser)]
#[command(name = "relevo-demo", version)]
struct Arguments {
    /// Keep vaults, relays and files in this folder, which must be empty or missing
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print one JSON object for machines instead of the story
    #[arg(long)]
    json: bool,
    /// Accept that the relays' memory is not searched
    #[arg(long)]
    disk_only: bool,
}

/// As shells say that a program was interrupted.
const INTERRUPTED: u8 = 130;

fn main() -> anyhow::Result<ExitCode> {
    if relevo_tests::scan::proof::hold_if_asked()? {
        return Ok(ExitCode::SUCCESS);
    }
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe()?;
    let (folder, _removed_at_the_end) = match arguments.keep {
        Some(folder) => {
            std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            anyhow::ensure!(std::fs::read_dir(&folder)?.next().is_none(), "{} is not empty", folder.display());
            (folder, None)
        }
        None => {
            let folder = tempfile::tempdir()?;
            (folder.path().to_owned(), Some(folder))
        }
    };
    log(&folder.join(story::CLIENTS_LOG))?;
    let settings = Settings { relay: story::relay_beside(&program)?, folder, disk_only: arguments.disk_only };
    let narrator = if arguments.json { Narrator::default() } else { Narrator::aloud() };
    let report = tokio::select! {
        report = story::tell(&settings, narrator) => report,
        // What was started ends with what holds it.
        () = told_to_stop() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    if let Some(failed) = &report.failed {
        eprintln!("\nFAILED: {failed}");
        return Ok(ExitCode::FAILURE);
    }
    if !arguments.json {
        println!("\nDone in {:.0} s. Everything worked, and nothing was found.", report.seconds);
    }
    Ok(ExitCode::SUCCESS)
}

/// Has our clients log all that they can, to be searched at the end.
fn log(file: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::create(file)?;
    let filter = EnvFilter::new("off,relevo_client=trace,relevo_protocol=trace");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(Mutex::new(file)).init();
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn told_to_stop() {
    let Ok(mut term) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}
