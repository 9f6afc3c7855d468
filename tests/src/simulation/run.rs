//! One run: a world, what people do in it, and the model that watches.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

mod documents;
mod faults;
mod people;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use relevo_client::account::{Account, AccountFault};
use relevo_protocol::random::seeded::Seeded;
use relevo_relay::driven::Copied;
use tempfile::TempDir;

use super::dice::Dice;
use super::model::{Model, View};
use super::op::{Faults, Kind, Op};
use super::town::{Town, coordinators, ground};
use super::world::World;
use people::Verb;

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// What was done, in order.
    pub ops: Vec<Op>,
    /// One number for everything that happened.
    pub digest: u64,
    /// What took place how often.
    pub counts: BTreeMap<String, u64>,
    /// What did not hold, if anything.
    pub broken: Option<String>,
    /// The last lines of the trace.
    pub lines: Vec<String>,
}

impl Report {
    /// Of a run that ended in a panic.
    #[must_use]
    pub fn panicked() -> Self {
        let broken = Some("something panicked".to_owned());
        Self { ops: Vec::new(), digest: 0, counts: BTreeMap::new(), broken, lines: Vec::new() }
    }
}

/// One run under way.
struct Run {
    world: World,
    model: Model,
    names: usize,
    vaults: Vec<Option<TempDir>>,
    disks: Vec<Option<Copied>>,
    /// Outlives the world.
    ground: TempDir,
}

/// Draws and does so many operations from a seed.
///
/// # Errors
/// The town cannot be copied: no fault of what is tested.
pub fn draw(town: &Town, seed: u64, ops: usize, faults: Faults, keep: usize) -> anyhow::Result<Report> {
    let mut dice = Dice::new(seed ^ 0x6f70_7321);
    let ops = (0..ops).map(|_| Op::draw(&mut dice, faults)).collect();
    play(town, seed, ops, keep)
}

/// Does a list of operations from a seed.
///
/// # Errors
/// As [`draw`].
pub fn play(town: &Town, seed: u64, ops: Vec<Op>, keep: usize) -> anyhow::Result<Report> {
    let _seeded = Seeded::begin(seed);
    let under = ground()?;
    let world = town.world(seed, under.path(), keep)?;
    let people = world.clients.len();
    let relays = world.relays.len();
    let mut run = Run {
        model: Model::new(people, world.forger),
        world,
        names: 0,
        vaults: (0..people).map(|_| None).collect(),
        disks: (0..relays).map(|_| None).collect(),
        ground: under,
    };
    let done = run.all(&ops);
    let trace = &run.world.trace;
    Ok(Report {
        broken: done.err().map(|fault| format!("{fault:#}")),
        digest: trace.digest(),
        counts: trace.counts().clone(),
        lines: trace.lines().to_vec(),
        ops,
    })
}

impl Run {
    fn all(&mut self, ops: &[Op]) -> anyhow::Result<()> {
        for (place, op) in ops.iter().enumerate() {
            let verdict = self.one(op).with_context(|| format!("at operation {place}: {op}"))?;
            self.note_ended();
            self.world.trace.count(op.kind.word());
            self.world.trace.line(self.world.now, format_args!("{place} {op}: {verdict}"));
            // What follows at once.
            let pause = self.world.dice.below(400);
            self.world.run_until(self.world.now + pause).with_context(|| format!("after operation {place}: {op}"))?;
            self.note_ended();
            ensure!(self.world.broken.is_none(), "{}", self.world.broken.take().unwrap_or_default());
        }
        self.calm()
    }

    fn one(&mut self, op: &Op) -> anyhow::Result<String> {
        let people = self.world.clients.len();
        let who = op.place(0, people);
        match op.kind {
            Kind::Send => self.send(op, who),
            Kind::Tell => self.tell(who, op.place(1, people)),
            Kind::Read => self.read(who),
            Kind::Document => self.document(op, who),
            Kind::Fetch => self.fetch(op, who),
            Kind::Create => self.create(op, who),
            Kind::Add => self.in_group(op, who, Verb::Add),
            Kind::Remove => self.in_group(op, who, Verb::Remove),
            Kind::Leave => self.in_group(op, who, Verb::Leave),
            Kind::Rename => self.in_group(op, who, Verb::Rename),
            Kind::Move => self.move_away(op, who),
            Kind::Refound => self.refound(op, who),
            Kind::Alert => self.alert(op, who % coordinators(people)),
            Kind::Answer => self.answer(who),
            Kind::Pass => {
                self.world.run_until(self.world.now + op.number(0))?;
                Ok("done".to_owned())
            }
            Kind::Sleep => {
                self.model.slept(op.number(0));
                self.world.sleep(op.number(0) * 1_000)?;
                Ok("done".to_owned())
            }
            Kind::Offline
            | Kind::Crash
            | Kind::Power
            | Kind::Restart
            | Kind::Stop
            | Kind::Cut
            | Kind::Part
            | Kind::Weather
            | Kind::Fill
            | Kind::Free
            | Kind::Skew
            | Kind::Sweep
            | Kind::Keep
            | Kind::RollVault
            | Kind::KeepRelay
            | Kind::RollRelay
            | Kind::RestoreRelay => self.fault(op, who),
        }
    }

    fn view(&mut self, who: usize) -> anyhow::Result<View> {
        loop {
            if let Some(seen) = self.world.act(who, async |one| look(one).await)? {
                let seen = seen?;
                self.model.goes_on(&seen.conversations);
                return Ok(seen);
            }
            self.world.open(who)?;
        }
    }

    /// Faults stop. Everything must converge without a person.
    fn calm(&mut self) -> anyhow::Result<()> {
        self.world.weather = super::network::Weather::fair();
        for relay in 0..self.world.relays.len() {
            self.world.relays[relay].disk.set_free(None);
            self.world.spare_relay(relay);
            self.world.start_relay(relay, relevo_relay::driven::Unsynced::Lost)?;
        }
        for who in 0..self.world.clients.len() {
            self.world.crash_after(who, u64::MAX);
            self.world.stop_after(who, u64::MAX);
            self.world.open(who)?;
        }
        self.note_ended();
        let mut fault = None;
        // A parcel that nobody acknowledges is sent again after a day, three and seven, and then said not to have come.
        for hours in [0, 1, 2, 6, 12, 24, 48, 96, 96] {
            self.world.run_until(self.world.now + 20_000)?;
            if hours > 0 {
                self.world.sleep(hours * 3_600_000)?;
            }
            self.move_documents()?;
            self.rest()?;
            self.note_ended();
            let mut views = Vec::with_capacity(self.world.clients.len());
            for who in 0..self.world.clients.len() {
                let mut view = self.view(who)?;
                view.copies = self.copies(who)?;
                view.logs = self.world.act(who, async |one| one.logs().await)?.context("nobody there")??;
                views.push(view);
            }
            match self.model.check(&views) {
                Ok(()) => return Ok(()),
                Err(not_yet) if not_yet.is_final() => return Err(not_yet.into()),
                Err(not_yet) => fault = Some(not_yet),
            }
        }
        match fault {
            Some(fault) => Err(fault).with_context(|| format!("it does not converge; {}", self.world.standing())),
            None => Ok(()),
        }
    }

    /// Runs until nothing moves any more.
    fn rest(&mut self) -> anyhow::Result<()> {
        for _ in 0..200 {
            self.world.run_until(self.world.now + 5_000)?;
            if self.world.is_quiet() {
                return Ok(());
            }
        }
        // Told by what does not converge.
        Ok(())
    }
}

async fn look(one: &Account) -> Result<View, AccountFault> {
    let mut messages = one.messages(None, 0, u32::MAX).await?;
    messages.sort_by_key(|message| message.number);
    Ok(View {
        conversations: one.conversations().await?,
        messages,
        alarms: one.alarms().await?,
        warnings: one.warnings().await?,
        sent_alerts: one.sent_alerts().await?,
        alerts: one.alerts().await?,
        waiting: one.waiting().await?,
        logs: BTreeMap::new(),
        copies: Vec::new(),
    })
}
