//! Campaigns that kill, cut, fill and damage. Each is one command; see tests/README.md.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use relevo_tests::crash::client_worker::{self, Work};
use relevo_tests::crash::relay_rounds::{self, End, relay_beside};
use relevo_tests::crash::{Campaign, client_rounds, full_disk, inside};
use relevo_tests::dice::Dice;
use relevo_tests::power_cut::Planted;

/// Proves that nothing acknowledged is lost, whatever happens to processes and disks.
#[derive(Debug, Parser)]
#[command(name = "relevo-crash")]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Rounds
    #[arg(long, global = true, default_value_t = 100)]
    rounds: u64,
    /// Repeats the draws of an earlier run
    #[arg(long, global = true)]
    seed: Option<u64>,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// The power of a relay's disk is cut
    PowerCutRelay {
        /// A fault in the disk, which must make the rounds fail
        #[arg(long, value_enum, default_value_t)]
        planted: PlantedFault,
    },
    /// The power of a client's disk is cut
    PowerCutClient {
        /// A fault in the disk, which must make the rounds fail
        #[arg(long, value_enum, default_value_t)]
        planted: PlantedFault,
    },
    /// A relay is killed
    KillRelay,
    /// A client is killed
    KillClient,
    /// The disk under a relay is full
    FullRelay,
    /// The disk under a client is full
    FullClient,
    /// The client of the campaigns
    #[command(hide = true)]
    ClientWorker {
        #[arg(long)]
        vault: PathBuf,
        #[arg(long)]
        send_from: Option<u64>,
        #[arg(long)]
        send_one: Option<u64>,
        #[arg(long)]
        settle: bool,
    },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum PlantedFault {
    #[default]
    Nothing,
    SledAlone,
    LogNotSynced,
    NamesNotSynced,
    BodiesNotSynced,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let What::ClientWorker { vault, send_from, send_one, .. } = &arguments.what {
        let work = match (send_from, send_one) {
            (Some(first), _) => Work::SendFrom(*first),
            (None, Some(number)) => Work::SendOne(*number),
            (None, None) => Work::Settle,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(client_worker::run(vault, work))?;
        return Ok(ExitCode::SUCCESS);
    }
    inside::enter()?;
    let itself = std::env::current_exe()?;
    let seed = arguments.seed.map_or_else(Dice::fresh_seed, Ok)?;
    let campaign = Campaign { relay: relay_beside(&itself)?, itself, rounds: arguments.rounds, seed };
    println!("{:?}: {} rounds, seed {seed}", arguments.what, campaign.rounds);
    run(&campaign, arguments.what).with_context(|| format!("seed {seed}"))?;
    Ok(ExitCode::SUCCESS)
}

fn run(campaign: &Campaign, what: What) -> anyhow::Result<()> {
    match what {
        What::PowerCutRelay { planted } => {
            println!("{:?}", relay_rounds::run(campaign, End::PowerCut(planted.into()))?);
        }
        What::PowerCutClient { planted } => {
            println!("{:?}", client_rounds::run(campaign, End::PowerCut(planted.into()))?);
        }
        What::KillRelay => println!("{:?}", relay_rounds::run(campaign, End::Kill)?),
        What::KillClient => println!("{:?}", client_rounds::run(campaign, End::Kill)?),
        What::FullRelay => full_disk::relay(campaign)?,
        What::FullClient => full_disk::client(campaign)?,
        What::ClientWorker { .. } => {}
    }
    Ok(())
}

impl From<PlantedFault> for Planted {
    fn from(fault: PlantedFault) -> Self {
        match fault {
            PlantedFault::Nothing => Self::Nothing,
            PlantedFault::SledAlone => Self::SledAlone,
            PlantedFault::LogNotSynced => Self::LogNotSynced,
            PlantedFault::NamesNotSynced => Self::NamesNotSynced,
            PlantedFault::BodiesNotSynced => Self::BodiesNotSynced,
        }
    }
}
