//! A real client process, sending and receiving, which is killed or whose disk loses power, again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use relevo_client::account::What;

use super::Campaign;
use super::client_worker::{OTHER, Work};
use super::relay_rounds::{End, Survived};
use crate::dice::Dice;
use crate::power_cut::PowerCut;
use crate::world::{TestMember, TestRelay, found_first, until};

/// Rounds between two looks at what the other side has.
const LOOK: u64 = 10;
/// Longest round.
const ROUND: Duration = Duration::from_secs(5);
/// Most changes to the disk in one round. Opening takes about 15, one message about 8.
const CHANGES: u64 = 1200;
/// Longest time in milliseconds before a kill.
const KILL: u64 = 900;

/// What the worker has promised.
#[derive(Debug, Default)]
struct Promised {
    /// Texts that `send` returned Ok for.
    sent: BTreeSet<u64>,
    /// Texts that it showed.
    seen: BTreeSet<String>,
    /// Next number to send.
    next: u64,
    /// Texts that the other one has sent.
    received: u64,
}

/// Two people in a conversation, the vault of one of them on the disk under test.
pub(crate) struct Site {
    relay: TestRelay,
    other: TestMember,
    folder: tempfile::TempDir,
    power: Option<PowerCut>,
    promised: Promised,
}

/// Runs the rounds.
///
/// # Errors
/// Something acknowledged was lost, or something came twice, or the vault does not open.
pub fn run(campaign: &Campaign, end: End) -> anyhow::Result<Survived> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut dice = Dice::new(campaign.seed);
        let mut survived = Survived::default();
        let mut site = Site::found(end).await?;
        for round in 1..=campaign.rounds {
            let what = || format!("round {round} of seed {}", campaign.seed);
            site.round(campaign, &mut dice, &mut survived).await.with_context(what)?;
            if round % LOOK == 0 || round == campaign.rounds {
                survived.compared += site.compare(campaign).await.with_context(what)?;
            }
            survived.rounds = round;
        }
        survived.promises = site.promised.sent.len() + site.promised.seen.len();
        site.power.as_ref().map_or(Ok(()), PowerCut::was_used)?;
        survived.proof()
    })
}

impl Site {
    async fn found(end: End) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let place = folder.path().join("disk");
        std::fs::create_dir(&place)?;
        let power = match end {
            End::PowerCut(planted) => Some(PowerCut::mount(&place, planted)?),
            End::Kill => None,
        };
        Self::found_at(folder, power).await
    }

    /// The vault will lie below `disk` in the folder.
    pub(crate) async fn found_at(folder: tempfile::TempDir, power: Option<PowerCut>) -> anyhow::Result<Self> {
        let relay = TestRelay::start().await?;
        let (mut quilla, other) = found_first(&relay).await?;
        quilla.send(OTHER, "hola", None).await?;
        until("both are in a conversation", &[&quilla, &other], async || {
            Ok((other.messages(None, 0, 10).await?.len() == 1).then_some(()))
        })
        .await?;
        quilla.sync().await?;
        quilla.offline().await;
        let place = folder.path().join("disk");
        copy_synced(&quilla.folder().join("vault"), &place.join("vault"))?;
        std::fs::File::open(&place)?.sync_all()?;
        let promised = Promised { next: 1, ..Promised::default() };
        Ok(Self { relay, other, folder, power, promised })
    }

    fn vault(&self) -> PathBuf {
        self.folder.path().join("disk").join("vault")
    }

    async fn round(&mut self, campaign: &Campaign, dice: &mut Dice, survived: &mut Survived) -> anyhow::Result<()> {
        if let Some(power) = &self.power {
            power.cut_after(1 + dice.below(CHANGES));
        }
        let kill = Duration::from_millis(1 + dice.below(KILL));
        let mut worker = Worker::start(campaign, &self.vault(), Work::SendFrom(self.promised.next))?;
        let begun = Instant::now();
        let mut last = Instant::now();
        loop {
            let over = match &self.power {
                Some(power) => power.is_cut(),
                None => begun.elapsed() > kill,
            };
            if over || begun.elapsed() > ROUND {
                break;
            }
            if last.elapsed() > Duration::from_millis(60) {
                last = Instant::now();
                self.say().await?;
            }
            if let Some(status) = worker.ended()? {
                // It may have met the cut before we looked.
                ensure!(self.power.as_ref().is_some_and(PowerCut::is_cut), "the client ended by itself: {status}");
                break;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        if let Some(power) = &self.power {
            power.cut();
        }
        let lines = worker.kill()?;
        let started = self.promised.hear(&lines, self.power.is_some())?;
        survived.starts_cut += u64::from(!started);
        if let Some(power) = &mut self.power {
            power.reboot(dice)?;
        }
        Ok(())
    }

    /// The other one sends a text.
    pub(crate) async fn say(&mut self) -> anyhow::Result<()> {
        self.promised.received += 1;
        self.other.send("Quilla", &format!("m-{}", self.promised.received), None).await?;
        Ok(())
    }

    /// Runs a worker to its end, in which nothing may fail.
    pub(crate) async fn work(&mut self, campaign: &Campaign, work: Work) -> anyhow::Result<Vec<String>> {
        let lines = self.run(campaign, work).await?;
        self.promised.hear(&lines, false)?;
        Ok(lines)
    }

    /// Runs a worker to its end on a disk that is full.
    pub(crate) async fn work_full(&mut self, campaign: &Campaign, work: Work) -> anyhow::Result<Vec<String>> {
        let lines = self.run(campaign, work).await?;
        self.promised.hear(&lines, true)?;
        Ok(lines)
    }

    async fn run(&self, campaign: &Campaign, work: Work) -> anyhow::Result<Vec<String>> {
        let mut worker = Worker::start(campaign, &self.vault(), work)?;
        let begun = Instant::now();
        while worker.ended()?.is_none() {
            ensure!(begun.elapsed() < Duration::from_secs(90), "the client does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        worker.kill()
    }

    /// Lets both sides settle, and compares what each has with what was promised.
    pub(crate) async fn compare(&mut self, campaign: &Campaign) -> anyhow::Result<u64> {
        let lines = self.work(campaign, Work::Settle).await?;
        ensure!(lines.last().is_some_and(|line| line == "settled"), "the client does not settle: {:?}", lines.last());
        let theirs = once(lines.iter().filter_map(|line| line.strip_prefix("has 0 ")))?;
        for number in 1..=self.promised.received {
            ensure!(theirs.contains(&format!("m-{number}")), "m-{number} was sent and is not there");
        }
        self.other.sync().await?;
        let said = self.other.messages(None, 0, 1 << 20).await?;
        let texts: Vec<String> = said
            .into_iter()
            .filter(|one| !one.is_ours)
            .filter_map(|one| match one.what {
                What::Text(text) => text.split_whitespace().next().map(str::to_owned),
                What::Document(_) | What::Alert | What::Leave | What::Newer => None,
            })
            .collect();
        let ours = once(texts.iter().map(String::as_str))?;
        for number in &self.promised.sent {
            ensure!(ours.contains(&format!("q-{number}")), "q-{number} was acknowledged and never arrived");
        }
        // A key that was used twice shows here: the other side's ratchet has moved on and cannot open the second.
        let alarms = self.other.alarms().await?;
        ensure!(alarms.is_empty(), "the other side is alarmed: {:?}", alarms.first().map(|alarm| alarm.kind));
        let _listening = self.relay.listen();
        Ok(u64::try_from(theirs.len() + ours.len())?)
    }
}

impl Promised {
    /// Takes in what the worker said. Returns whether it had opened its vault and told its history.
    fn hear(&mut self, lines: &[String], faults_may_be: bool) -> anyhow::Result<bool> {
        let first = self.next;
        let mut history = Vec::new();
        let (mut ready, mut sent) = (false, Vec::new());
        for line in lines {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("has", what) => history.push(what),
                ("ready" | "settled", _) => ready = true,
                ("sent", number) => sent.push(number.parse::<u64>()?),
                ("seen", what) => history.push(what),
                ("fault", code) if !faults_may_be => bail!("a call failed: {code}"),
                ("alarm", kind) => bail!("the client is alarmed: {kind}"),
                _ => {}
            }
        }
        if ready {
            let held = once(history.iter().copied())?;
            for number in &self.sent {
                ensure!(held.contains(&format!("1 q-{number}")), "q-{number} was acknowledged and is gone");
            }
            for text in &self.seen {
                ensure!(held.contains(text), "{text} was shown and is gone");
            }
            self.seen.extend(held.into_iter().filter(|text| text.starts_with("0 ")));
            let last = history.iter().filter_map(|text| text.strip_prefix("1 q-")?.parse::<u64>().ok()).max();
            self.next = self.next.max(last.unwrap_or(0) + 1);
        }
        // The one after the last, or the very first, may have been written and not acknowledged.
        self.next = self.next.max(sent.last().map_or(first, |last| last + 1) + 1);
        self.sent.extend(sent);
        Ok(ready)
    }
}

/// A set of what must be there once.
fn once<'l>(lines: impl Iterator<Item = &'l str>) -> anyhow::Result<BTreeSet<String>> {
    let mut times: BTreeMap<&str, u64> = BTreeMap::new();
    for line in lines {
        *times.entry(line).or_default() += 1;
    }
    if let Some((line, times)) = times.iter().find(|(_, times)| **times > 1) {
        bail!("{line} is there {times} times");
    }
    Ok(times.into_keys().map(str::to_owned).collect())
}

/// The worker's process. Killed when dropped.
pub(crate) struct Worker {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Worker {
    pub(crate) fn start(campaign: &Campaign, vault: &Path, work: Work) -> anyhow::Result<Self> {
        let mut command = Command::new(&campaign.itself);
        command.arg("client-worker").arg("--vault").arg(vault);
        match work {
            Work::SendFrom(first) => command.arg("--send-from").arg(first.to_string()),
            Work::SendOne(number) => command.arg("--send-one").arg(number.to_string()),
            Work::Settle => command.arg("--settle"),
        };
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("the worker has no output")?;
        let (tell, lines) = mpsc::channel();
        std::thread::Builder::new().name("worker-output".into()).spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _gone = tell.send(line);
            }
        })?;
        Ok(Self { child, lines })
    }

    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<std::process::ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Kills it (SIGKILL), and gives everything that it said.
    pub(crate) fn kill(mut self) -> anyhow::Result<Vec<String>> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.lines.iter().collect())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Copies a directory and has the copy on disk.
pub(crate) fn copy_synced(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for item in std::fs::read_dir(from)? {
        let item = item?;
        let target = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            copy_synced(&item.path(), &target)?;
        } else {
            std::fs::copy(item.path(), &target)?;
            std::fs::File::open(&target)?.sync_all()?;
        }
    }
    Ok(std::fs::File::open(to)?.sync_all()?)
}
