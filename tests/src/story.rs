//! The demo's story: jobs 1 to 6 of USERS.md with two unions, three countries and seven people, on real parts, and then
//! what a seized relay holds.

mod alerting;
mod cast;
mod documents;
mod fed;
mod forgery;
mod founding;
mod joining;
mod narrator;
mod needles;
mod report;
mod seizure;
mod talking;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use relevo_protocol::wire::RelayAddress;

use crate::proxy::UdpProxy;
use crate::relay_process::RelayProcess;
use cast::Cast;
use founding::{NORTH, QUEBEC};
pub use narrator::{Narrator, Step};
pub use report::{Found, Operator, Report, Search};
pub use seizure::CLIENTS_LOG;

/// How long anything may take that needs other people's devices. Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(45);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(40);

/// How the story is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The relay's program.
    pub relay: PathBuf,
    /// Where vaults, relays and files are put.
    pub folder: PathBuf,
    /// Whether a relay's memory may be left out of the search.
    pub disk_only: bool,
}

/// What has happened so far, and who is there.
pub(crate) struct Story {
    settings: Settings,
    narrator: Narrator,
    cast: Cast,
    relays: Relays,
    /// Everything that was said or named, by what it is: no relay may hold any of it.
    said: Vec<(String, String)>,
}

/// The two relays, and the link to the first one, which can be cut.
struct Relays {
    north: RelayProcess,
    north_link: UdpProxy,
    /// The first relay's address as it is handed out: through the link.
    north_address: String,
    quebec: RelayProcess,
}

/// Tells the whole story, and what failed in it.
pub async fn tell(settings: &Settings, narrator: Narrator) -> Report {
    let begun = Instant::now();
    let mut report = Report::default();
    let done = tell_into(settings, narrator, &mut report).await;
    report.judge(done);
    report.seconds = begun.elapsed().as_secs_f64();
    report
}

async fn tell_into(settings: &Settings, mut narrator: Narrator, report: &mut Report) -> anyhow::Result<()> {
    let relays = Relays::start(settings, &mut narrator).await.context("job 1, starting")?;
    let cast = Cast::arrive(&settings.folder)?;
    let mut story = Story { settings: settings.clone(), narrator, cast, relays, said: Vec::new() };
    let told = story.run(report).await;
    if told.is_err() {
        eprintln!("{}", story.cast.describe().await.unwrap_or_else(|fault| fault.to_string()));
    }
    story.cast.leave().await;
    report.steps = story.narrator.into_steps();
    told
}

impl Story {
    async fn run(&mut self, report: &mut Report) -> anyhow::Result<()> {
        self.found().await.context("job 2, founding")?;
        self.join().await.context("job 3, joining")?;
        self.talk().await.context("job 4, talking across borders")?;
        self.alert().await.context("job 5, alerting")?;
        self.carry_document().await.context("job 6, documents")?;
        self.seize(report).await.context("searching the relays")?;
        report.show(&mut self.narrator);
        Ok(())
    }

    /// Notes that something was said or named.
    fn note(&mut self, what: impl Into<String>, text: impl Into<String>) {
        self.said.push((what.into(), text.into()));
    }
}

impl Relays {
    async fn start(settings: &Settings, narrator: &mut Narrator) -> anyhow::Result<Self> {
        narrator.job("1. Start: each union starts its relay with one command and gets one address to hand out");
        let listen: SocketAddr = "127.0.0.1:0".parse()?;
        let start = |name: &str| RelayProcess::start(&settings.relay, &settings.folder.join(name), listen);
        let north = start("relay-north")?;
        let mut address: RelayAddress = north.address().parse().context("the relay's address")?;
        let north_link = UdpProxy::start(SocketAddr::new(listen.ip(), address.port)).await?;
        address.port = north_link.address().port();
        let north_address = address.to_text();
        narrator.done(format!("{NORTH} (Chile and Peru): process {}", north.pid()));
        narrator.more(&north_address);
        let quebec = start("relay-quebec")?;
        narrator.done(format!("{QUEBEC} (Quebec): process {}", quebec.pid()));
        narrator.more(quebec.address());
        Ok(Self { north, north_link, north_address, quebec })
    }
}

/// Looks again and again until it holds.
///
/// # Errors
/// It does not hold in time, or the looking fails.
async fn until<T>(what: &str, mut holds: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = holds().await.with_context(|| format!("waiting until {what}"))? {
            return Ok(found);
        }
        if begun.elapsed() > PATIENCE {
            bail!("not within {} s: {what}", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The relay's program, which is built beside this one.
///
/// # Errors
/// It is not there.
pub fn relay_beside(program: &Path) -> anyhow::Result<PathBuf> {
    let relay = program.with_file_name("relevo-relay");
    anyhow::ensure!(relay.is_file(), "{} is missing: build the workspace's programs first", relay.display());
    Ok(relay)
}
