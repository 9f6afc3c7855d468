//! Relevo's benchmarks: real relay processes on loopback, the client's own link as the load. README.md tells how to
//! read the table. Ratios are of one run; absolutes are of one machine.

mod catch_up;
mod client;
mod direct;
mod fan_out;
mod hostile;
mod load;
mod machine;
mod peers;
mod picture;
mod raw;
mod report;
mod rig;
mod scale;
mod sessions;
mod throughput;
mod transfer;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use report::Row;

/// What to measure, and how much of it.
#[derive(Parser, Debug)]
#[command(about = "Measures Relevo and prints a Markdown table", max_term_width = 100)]
struct Options {
    /// Only these; all if none is named
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',')]
    only: Vec<Measure>,
    /// Times that each is measured; the table has the median and the range
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Per cent of the full amounts, for a first look
    #[arg(long, default_value_t = 100)]
    scale: usize,
    /// Size of the entries in bytes; 1 KiB of text seals into 2,048
    #[arg(long, default_value_t = 2048)]
    entry: usize,
    /// Directory on the disk that is to be measured
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    directory: PathBuf,
    /// Each sync of a server takes 2 ms longer, as on a slow disk (strace)
    #[arg(long)]
    slow_sync: bool,
    /// Where the curves of scale go, as SVG
    #[arg(long)]
    picture: Option<PathBuf>,
    /// The relay's program [default: beside this one]
    #[arg(long)]
    relay: Option<PathBuf>,
    /// cargo bench passes it
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Measure {
    /// Appends and reads at a relay, and the same store in process
    Throughput,
    /// One entry to a thousand subscribers
    FanOut,
    /// Memory of an idle relay and of idle sessions
    Sessions,
    /// Documents against raw QUIC
    Transfer,
    /// Opening a vault, syncing nothing, catching up without MLS
    Client,
    /// Messages that wait for a member who was away
    CatchUp,
    /// An honest client's wait, and the relay's memory, beside attackers
    Hostile,
    /// A thousand to a million mailboxes; only if it is named
    Scale,
    /// Appends while a million leases end at once; only if it is named
    Sweep,
    /// The same work at other servers; only if it is named (tests/benches/peers lays them)
    Peers,
}

fn main() -> anyhow::Result<()> {
    if raw::serve_if_asked()? {
        return Ok(());
    }
    let options = Options::parse();
    let rig = rig::Settings {
        program: match options.relay {
            Some(program) => program,
            None => beside()?,
        },
        directory: options.directory,
        rounds: options.rounds.max(1),
        scale: options.scale.max(1),
        entry: options.entry,
        slow_sync: options.slow_sync,
        picture: options.picture,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let wanted = |measure: &&Measure| match options.only.as_slice() {
        [] => !matches!(measure, Measure::Peers | Measure::Scale | Measure::Sweep),
        only => only.contains(measure),
    };
    let mut rows = Vec::new();
    for measure in Measure::value_variants().iter().filter(wanted) {
        writeln!(std::io::stderr(), "measuring {measure:?} ...")?;
        rows.extend(runtime.block_on(measured(*measure, &rig))?);
    }
    report::print(&rows)
}

async fn measured(measure: Measure, settings: &rig::Settings) -> anyhow::Result<Vec<Row>> {
    match measure {
        Measure::Throughput => throughput::measure(settings).await,
        Measure::FanOut => fan_out::measure(settings).await,
        Measure::Sessions => sessions::measure(settings).await,
        Measure::Transfer => transfer::measure(settings).await,
        Measure::Client => client::measure(settings).await,
        Measure::CatchUp => catch_up::measure(settings).await,
        Measure::Hostile => hostile::measure(settings).await,
        Measure::Scale => scale::measure(settings).await,
        Measure::Sweep => scale::sweeping(settings).await,
        Measure::Peers => peers::measure(settings).await,
    }
}

/// The relay that was built with this program: `target/<profile>/deps/relevo-<hash>` has it one folder up.
fn beside() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(std::path::Path::parent).context("this program lies nowhere")?;
    let program = folder.join("relevo-relay");
    anyhow::ensure!(program.exists(), "build relevo-relay first, as tests/benches/run does");
    Ok(program)
}
