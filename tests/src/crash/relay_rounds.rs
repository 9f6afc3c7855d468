//! A real relay under load whose power is cut, or which is killed, again and again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use relevo_client::link::Link;
use relevo_protocol::wire::RelayAddress;

use super::Campaign;
use super::load::{self, Shared};
use crate::dice::Dice;
use crate::power_cut::{Planted, PowerCut};
use crate::relay_process::RelayProcess;

/// Rounds on one disk, before it is exchanged for an empty one.
const LIFE: u64 = 8;
/// Longest load of one round.
const ROUND: Duration = Duration::from_secs(4);
/// Most changes to the disk in one round. A start makes about 300.
const CHANGES: u64 = 1500;
/// Longest time in milliseconds before a kill.
const KILL: u64 = 700;

/// How a round ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The power is cut, on a disk with this fault.
    PowerCut(Planted),
    /// The process gets SIGKILL.
    Kill,
}

/// What a campaign did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Survived {
    /// Rounds.
    pub rounds: u64,
    /// Ends that came before the relay had started.
    pub starts_cut: u64,
    /// Entries and blobs promised in all.
    pub promises: usize,
    /// Entries and blobs read back and compared.
    pub compared: u64,
}

impl Survived {
    /// # Errors
    /// Nothing was promised or nothing read back: a program that refuses everything breaks no promise either.
    pub(super) fn proof(self) -> anyhow::Result<Self> {
        ensure!(self.promises > 0 && self.compared > 0, "the rounds prove nothing: {self:?}");
        Ok(self)
    }
}

/// Where the relay lives.
struct Site {
    folder: tempfile::TempDir,
    power: Option<PowerCut>,
    identity: Option<RelayAddress>,
    truth: Shared,
}

/// Runs the rounds.
///
/// # Errors
/// A promise was broken, or the relay did not start again; names the round, whose seed repeats its draws.
pub fn run(campaign: &Campaign, end: End) -> anyhow::Result<Survived> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut survived = Survived::default();
    let mut dice = Dice::new(campaign.seed);
    let mut round = 0;
    while round < campaign.rounds {
        let mut site = Site::new(end, &mut dice)?;
        for _ in 0..LIFE.min(campaign.rounds - round) {
            round += 1;
            runtime
                .block_on(site.round(campaign, &mut dice, &mut survived))
                .with_context(|| format!("round {round} of seed {}", campaign.seed))?;
            survived.rounds = round;
        }
        runtime.block_on(site.check(campaign, &mut survived)).with_context(|| format!("after round {round}"))?;
        survived.promises += load::lock(&site.truth).promises();
        site.power.as_ref().map_or(Ok(()), PowerCut::was_used).with_context(|| format!("before round {round}"))?;
    }
    survived.proof()
}

impl Site {
    fn new(end: End, dice: &mut Dice) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let power = match end {
            End::PowerCut(planted) => {
                let place = folder.path().join("disk");
                std::fs::create_dir(&place)?;
                Some(PowerCut::mount(&place, planted)?)
            }
            End::Kill => None,
        };
        std::fs::write(folder.path().join("relay.toml"), "[store]\nballast_bytes = 65536\nfree_bytes = 0\n")?;
        Ok(Self { folder, power, identity: None, truth: load::begin(dice) })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("disk").join("relay")
    }

    fn start(&self, campaign: &Campaign) -> anyhow::Result<RelayProcess> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        RelayProcess::start_logged(&campaign.relay, &self.data(), listen, &self.folder.path().join("relay.toml"), log)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Starts the relay over what is there, and reads everything back.
    async fn check(&mut self, campaign: &Campaign, survived: &mut Survived) -> anyhow::Result<()> {
        let relay = self.start(campaign).with_context(|| self.told("the relay does not start again"))?;
        self.compare(&relay, survived).await
    }

    async fn compare(&mut self, relay: &RelayProcess, survived: &mut Survived) -> anyhow::Result<()> {
        let address = relay.address().parse::<RelayAddress>()?;
        let known = self.identity.get_or_insert_with(|| address.duplicate());
        ensure!(known.fingerprint == address.fingerprint, "the relay has another identity than it had announced");
        let connected = Link::new()?.connect(&address).await?;
        let mut truth = std::mem::take(&mut *load::lock(&self.truth));
        let checked = truth.check(&connected.session, &connected.welcome.identity).await;
        *load::lock(&self.truth) = truth;
        let checked = checked.with_context(|| self.told("a promise was broken"))?;
        survived.compared += checked.entries + checked.blobs;
        Ok(())
    }

    async fn round(&mut self, campaign: &Campaign, dice: &mut Dice, survived: &mut Survived) -> anyhow::Result<()> {
        // One start in six is cut too.
        let mut started = None;
        if let Some(power) = self.power.as_ref().filter(|_| dice.chance(16)) {
            power.cut_after(1 + dice.below(400));
            if let Ok(relay) = self.start(campaign) {
                started = Some(relay);
            } else {
                ensure!(power.is_cut(), self.told("the relay does not start"));
                survived.starts_cut += 1;
                self.reboot(dice)?;
            }
        }
        let mut relay = match started {
            Some(relay) => relay,
            None => {
                let relay = self.start(campaign).with_context(|| self.told("the relay does not start again"))?;
                self.compare(&relay, survived).await?;
                relay
            }
        };
        if let Some(power) = self.power.as_ref().filter(|power| !power.is_cut()) {
            power.cut_after(1 + dice.below(CHANGES));
        }
        let address = relay.address().parse::<RelayAddress>()?;
        self.identity.get_or_insert_with(|| address.duplicate());
        let over = over(self.power.as_ref(), Duration::from_millis(1 + dice.below(KILL)));
        load::run(&address, &self.truth, &mut dice.part(), over).await?;
        relay.kill()?;
        self.reboot(dice)
    }

    fn reboot(&mut self, dice: &mut Dice) -> anyhow::Result<()> {
        match &mut self.power {
            Some(power) => {
                power.cut();
                power.reboot(dice)
            }
            None => Ok(()),
        }
    }

    /// What went wrong, with the relay's last words.
    fn told(&self, what: &str) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(4).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        format!("{what}; the relay said last: {}", last.join(" | "))
    }
}

/// Resolves when the power is gone, or where there is no power to cut, after `kill`.
async fn over(power: Option<&PowerCut>, kill: Duration) {
    let Some(power) = power else { return tokio::time::sleep(kill).await };
    let begun = Instant::now();
    while !power.is_cut() && begun.elapsed() < ROUND {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    power.cut();
}

/// The relay's program, which is built beside this one.
///
/// # Errors
/// It is not there.
pub fn relay_beside(program: &Path) -> anyhow::Result<PathBuf> {
    crate::story::relay_beside(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_in_which_nothing_was_promised_or_compared_prove_nothing() {
        let survived = |promises, compared| Survived { rounds: 9, starts_cut: 0, promises, compared };
        assert!(survived(0, 0).proof().is_err());
        assert!(survived(0, 3).proof().is_err());
        assert!(survived(3, 0).proof().is_err());
        assert!(survived(3, 3).proof().is_ok());
    }
}
