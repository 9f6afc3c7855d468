//! One run: a world, what people do in it, and the model that watches.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

use std::time::Duration;

use anyhow::{Context, ensure};
use relevo_client::account::{Account, AccountFault, NewAlert};
use relevo_client::conversation::{Conversation, Kind as Sort, Standing};
use relevo_protocol::content::{AlertAnswer, AlertText, GroupId, Severity};
use relevo_relay::driven::Copied;
use tempfile::TempDir;

use super::dice::Dice;
use super::model::{Model, View};
use super::network::Seat;
use super::op::{Faults, Kind, Op};
use super::town::{NAMES, Town, copy, ground};
use super::world::World;
use relevo_protocol::random::seeded::Seeded;

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// What was done, in order.
    pub ops: Vec<Op>,
    /// One number for everything that happened.
    pub digest: u64,
    /// What took place how often.
    pub counts: std::collections::BTreeMap<String, u64>,
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
        Self { ops: Vec::new(), digest: 0, counts: std::collections::BTreeMap::new(), broken, lines: Vec::new() }
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
    _ground: TempDir,
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
        _ground: under,
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
            self.world.trace.count(op.kind.word());
            self.world.trace.line(self.world.now, format_args!("{place} {op}: {verdict}"));
            // What follows at once.
            let pause = self.world.dice.below(400);
            self.world.run_until(self.world.now + pause).with_context(|| format!("after operation {place}: {op}"))?;
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
            Kind::Create => self.create(op, who),
            Kind::Add => self.in_group(op, who, Verb::Add),
            Kind::Remove => self.in_group(op, who, Verb::Remove),
            Kind::Leave => self.in_group(op, who, Verb::Leave),
            Kind::Rename => self.in_group(op, who, Verb::Rename),
            Kind::Alert => self.alert(op, who % 2),
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
            | Kind::RollRelay => self.fault(op, who),
        }
    }

    /// What machines and weather do.
    fn fault(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let relays = self.world.relays.len();
        let relay = op.place(0, relays);
        let seat = Seat { client: who, relay: op.place(1, relays) };
        match op.kind {
            Kind::Offline => {
                self.world.crash(who);
                self.world.open_after(who, op.number(1) * 1_000);
            }
            Kind::Crash => self.world.crash_after(who, op.number(1)),
            Kind::Power => self.world.stop_after(who, 1 + op.number(1)),
            Kind::Restart => {
                self.world.crash(who);
                self.world.open(who)?;
            }
            Kind::Stop => self.world.stop_relay_after(relay, op.number(1)),
            Kind::Cut => self.world.cut(seat),
            Kind::Part => {
                let until = self.world.now + op.number(2) * 1_000;
                self.world.weather.parted.insert(seat, until);
            }
            Kind::Weather => {
                self.world.weather.delay = op.number(0).clamp(1, 5_000);
                self.world.weather.cut = op.number(1);
            }
            Kind::Fill => self.world.relays[relay].disk.set_free(Some(0)),
            Kind::Free => self.world.relays[relay].disk.set_free(None),
            Kind::Skew => {
                let ahead = i64::try_from(op.number(1)).unwrap_or(0) - 600;
                self.world.clients[who].skew = ahead;
            }
            Kind::Sweep => self.world.sweep(relay)?,
            Kind::Keep => {
                self.world.crash(who);
                let kept = ground()?;
                copy(self.world.directory(who), kept.path())?;
                self.vaults[who] = Some(kept);
                self.world.open(who)?;
            }
            Kind::RollVault => {
                let Some(kept) = &self.vaults[who] else { return Ok("nothing kept".to_owned()) };
                self.world.crash(who);
                let directory = self.world.directory(who).to_owned();
                std::fs::remove_dir_all(&directory)?;
                copy(kept.path(), &directory)?;
                self.model.vault_rolled(who);
                self.world.open(who)?;
            }
            Kind::KeepRelay => self.disks[relay] = Some(self.world.relays[relay].disk.copy()),
            Kind::RollRelay => {
                let Some(kept) = &self.disks[relay] else { return Ok("nothing kept".to_owned()) };
                self.world.stop_relay(relay);
                self.world.relays[relay].disk.put_back(kept);
                self.model.relay_rolled();
                self.world.start_relay_after(relay, 1_000);
            }
            Kind::Send
            | Kind::Tell
            | Kind::Read
            | Kind::Create
            | Kind::Add
            | Kind::Remove
            | Kind::Leave
            | Kind::Rename
            | Kind::Alert
            | Kind::Answer
            | Kind::Pass
            | Kind::Sleep => {}
        }
        Ok("done".to_owned())
    }

    fn send(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let Some(group) = self.group(op, who)? else { return Ok("no group".to_owned()) };
        self.say(who, &group.name, Some(group.id))
    }

    fn tell(&mut self, who: usize, whom: usize) -> anyhow::Result<String> {
        if who == whom {
            return Ok("oneself".to_owned());
        }
        self.say(who, NAMES[whom], None)
    }

    fn say(&mut self, who: usize, to: &str, group: Option<GroupId>) -> anyhow::Result<String> {
        if !self.world.is_open(who) {
            return Ok("away".to_owned());
        }
        let text = self.model.next_text();
        let (words, name) = (text.clone(), to.to_owned());
        let done = self.world.act(who, async move |one| one.send(&name, &words, None).await)?;
        if let Some(Err(fault)) = done {
            return verdict(fault);
        }
        // The power may have gone at any moment of it: what counts is what is in the vault.
        self.world.open(who)?;
        let view = self.view(who)?;
        let Some(found) = view.saying(&text) else { return Ok("lost with the power".to_owned()) };
        let invited = if group.is_none() { NAMES.iter().position(|name| *name == to) } else { None };
        if let Some(invited) = invited {
            self.model.invited(who, found, invited);
        }
        self.model.said(who, &text, &view, found);
        Ok("said".to_owned())
    }

    fn read(&mut self, who: usize) -> anyhow::Result<String> {
        if !self.world.is_open(who) {
            return Ok("away".to_owned());
        }
        let view = self.view(who)?;
        self.model.read(who, &view)?;
        Ok(format!("{} messages", view.messages.len()))
    }

    fn create(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let people = self.world.clients.len();
        let first = op.place(1, people);
        let count = 1 + op.place(2, people.saturating_sub(1));
        let members: Vec<usize> =
            (0..people).map(|at| (first + at) % people).filter(|at| *at != who).take(count).collect();
        self.names += 1;
        let name = format!("Mesa {}", self.names);
        let invited: Vec<String> = members.iter().map(|at| NAMES[*at].to_owned()).collect();
        if !self.world.is_open(who) {
            return Ok("away".to_owned());
        }
        let called = name.clone();
        let done = self.world.act(who, async move |one| one.create_group(&called, &invited).await)?;
        match done {
            None => {
                self.world.open(who)?;
                let made = self.view(who)?.conversations.into_iter().find(|one| one.name == name);
                for (one, member) in made.iter().flat_map(|one| members.iter().map(move |member| (one, member))) {
                    self.model.invited(who, one.id, *member);
                }
                Ok("cut".to_owned())
            }
            Some(Ok(group)) => {
                for member in members {
                    self.model.invited(who, group, member);
                }
                Ok(format!("group {}", self.model.group(&group)))
            }
            Some(Err(fault)) => verdict(fault),
        }
    }

    fn in_group(&mut self, op: &Op, who: usize, verb: Verb) -> anyhow::Result<String> {
        let Some(group) = self.group(op, who)? else { return Ok("no group".to_owned()) };
        let people = self.world.clients.len();
        let whom = op.place(2, people);
        let (name, person) = (group.name.clone(), NAMES[whom].to_owned());
        let done = match verb {
            Verb::Add => self.world.act(who, async move |one| one.add(&name, &[person]).await)?,
            Verb::Remove => self.world.act(who, async move |one| one.remove(&name, &person).await)?,
            Verb::Leave => self.world.act(who, async move |one| one.leave(&name).await)?,
            Verb::Rename => {
                self.names += 1;
                let new = format!("Mesa {}", self.names);
                self.world.act(who, async move |one| one.rename(&name, &new).await)?
            }
        };
        match done {
            // None: the power went, perhaps after it was done.
            None | Some(Ok(())) => {
                match verb {
                    Verb::Add => self.model.invited(who, group.id, whom),
                    Verb::Remove => self.model.out(group.id, whom),
                    Verb::Leave => self.model.out(group.id, who),
                    Verb::Rename => {}
                }
                Ok("meant".to_owned())
            }
            Some(Err(fault)) => verdict(fault),
        }
    }

    fn alert(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let Some(group) = self.group(op, who)? else { return Ok("no group".to_owned()) };
        let text = self.model.next_text();
        let alert = NewAlert {
            texts: vec![AlertText { language: "es".parse()?, text: text.parse()? }],
            severity: Severity::Urgent,
            life: Duration::from_secs(3 * 86_400),
            answer_wanted: true,
            drill: false,
        };
        let name = group.name.clone();
        match self.world.act(who, async move |one| one.send_alert(&name, alert).await)? {
            None => Ok("away".to_owned()),
            Some(Ok(_)) => Ok("alerted".to_owned()),
            Some(Err(fault)) => verdict(fault),
        }
    }

    fn answer(&mut self, who: usize) -> anyhow::Result<String> {
        let Some(alerts) = self.world.act(who, async |one| one.alerts().await)? else { return Ok("away".to_owned()) };
        let Some(open) = alerts?.into_iter().find(|alert| alert.answer.is_none()) else { return Ok("none".to_owned()) };
        let done = self.world.act(who, async move |one| one.answer_alert(open.number, AlertAnswer::Read).await)?;
        match done {
            None => Ok("cut".to_owned()),
            Some(Ok(())) => {
                self.model.answered(who, &open);
                Ok("answered".to_owned())
            }
            Some(Err(fault)) => verdict(fault),
        }
    }

    /// A group that somebody is in, by its number in the order in which groups were first seen.
    fn group(&mut self, op: &Op, who: usize) -> anyhow::Result<Option<Conversation>> {
        let Some(all) = self.world.act(who, async |one| one.conversations().await)? else { return Ok(None) };
        let mut groups: Vec<Conversation> =
            all?.into_iter().filter(|one| one.kind == Sort::Group && one.standing == Standing::Live).collect();
        groups.sort_by_key(|one| self.model.group(&one.id));
        if groups.is_empty() {
            return Ok(None);
        }
        let place = op.place(1, groups.len());
        Ok(Some(groups.swap_remove(place)))
    }

    fn view(&mut self, who: usize) -> anyhow::Result<View> {
        loop {
            if let Some(seen) = self.world.act(who, async |one| look(one).await)? {
                return Ok(seen?);
            }
            self.world.open(who)?;
        }
    }

    /// Faults stop. Everything must converge without a person.
    fn calm(&mut self) -> anyhow::Result<()> {
        self.world.weather = super::network::Weather::fair();
        for relay in 0..self.world.relays.len() {
            self.world.relays[relay].disk.set_free(None);
            self.world.relays[relay].disk.stop_after(u64::MAX);
            self.world.start_relay(relay, relevo_relay::driven::Unsynced::Lost)?;
        }
        for who in 0..self.world.clients.len() {
            self.world.crash_after(who, u64::MAX);
            self.world.stop_after(who, u64::MAX);
            self.world.open(who)?;
        }
        let mut fault = None;
        // A parcel that nobody acknowledges is sent again after a day, three and seven.
        for hours in [0, 1, 2, 6, 12, 24, 48, 96] {
            self.world.run_until(self.world.now + 20_000)?;
            if hours > 0 {
                self.world.sleep(hours * 3_600_000)?;
            }
            self.rest()?;
            let views = (0..self.world.clients.len()).map(|who| self.view(who)).collect::<anyhow::Result<Vec<_>>>()?;
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

#[derive(Clone, Copy)]
enum Verb {
    Add,
    Remove,
    Leave,
    Rename,
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
    })
}

/// A verb that is refused is no fault of anybody; a vault that fails is.
fn verdict(fault: AccountFault) -> anyhow::Result<String> {
    if let AccountFault::Vault(_) | AccountFault::Closed = fault {
        return Err(fault.into());
    }
    Ok(fault.code().to_owned())
}
