//! Clients, relays and the network between them, in one thread and under one clock, moved by events.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use relevo_client::account::{Account, AccountFault, Driven};
use relevo_client::link::{AdmissionKind, Admitted, Incoming, LinkFault, Ticket};
use relevo_client::sync::{Attempt, Effect, Input, Now};
use relevo_client::vault::Passphrase;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{Answer, Call, Fingerprint, Reply, Request, decode_exact, encode};
use relevo_relay::driven::{DrivenRelay, SessionId, SimulatedDisk, Unsynced};
use relevo_relay::store::{StoreConfig, StoreFault};

use super::dice::Dice;
use super::network::{Adversary, Event, Honest, Link, Seat, Weather};
use super::trace::Trace;

/// When every simulation begins.
pub const START: Timestamp = Timestamp(1_900_000_000);

/// What comes is acknowledged so much later, as in the account (milliseconds).
const GATHERED: u64 = 50;
/// The account's ticker, and the longest pause of ours between two of its looks.
const TICK: (u64, u64) = (1_000, 3_600_000);
/// An attempt that nobody answers fails after so long.
const UNANSWERED: u64 = 15_000;
/// A dead session is noticed after at most so long.
const IDLE: u64 = 30_000;

/// A member and their device.
pub struct Client {
    /// Its pseudonym.
    pub name: String,
    directory: PathBuf,
    driven: Option<Driven>,
    links: BTreeMap<(Fingerprint, Attempt), SessionId>,
    /// Seconds by which its clock is ahead.
    pub skew: i64,
    tend_at: u64,
    pause: u64,
    ticked: u64,
    /// It crashes after so many more effects.
    crash_after: Option<u64>,
}

/// A relay and its disk.
pub struct Relay {
    seed: u8,
    fingerprint: Fingerprint,
    /// Outlives the relay.
    pub disk: SimulatedDisk,
    driven: Option<DrivenRelay>,
    config: StoreConfig,
    committing: bool,
    swept: u64,
    /// Seconds by which its clock is ahead.
    pub skew: i64,
}

/// All of it.
pub struct World {
    /// Milliseconds since the beginning.
    pub now: u64,
    /// Where the choices of network and scheduler come from.
    pub dice: Dice,
    /// What happened.
    pub trace: Trace,
    /// The members.
    pub clients: Vec<Client>,
    /// The relays.
    pub relays: Vec<Relay>,
    /// What the network does.
    pub weather: Weather,
    /// Who sits in it.
    pub adversary: Box<dyn Adversary>,
    links: BTreeMap<SessionId, Link>,
    queue: BTreeMap<(u64, u64), Event>,
    counter: u64,
    ground: PathBuf,
    /// Nonces of entries, each with what it seals.
    nonces: BTreeMap<[u8; 24], u64>,
    /// Something that may never happen has.
    pub broken: Option<String>,
    /// Who forges the bindings of their leaves, when that bug is planted.
    pub forger: Option<usize>,
}

impl World {
    /// An empty world whose vaults lie under `ground`.
    #[must_use]
    pub fn new(seed: u64, ground: &Path, keep: usize) -> Self {
        Self {
            now: 0,
            dice: Dice::new(seed),
            trace: Trace::new(keep),
            clients: Vec::new(),
            relays: Vec::new(),
            weather: Weather::fair(),
            adversary: Box::new(Honest),
            links: BTreeMap::new(),
            queue: BTreeMap::new(),
            counter: 0,
            ground: ground.to_owned(),
            nonces: BTreeMap::new(),
            broken: None,
            forger: None,
        }
    }

    /// Adds a relay on a disk.
    ///
    /// # Errors
    /// It does not open.
    pub fn relay(&mut self, seed: u8, disk: SimulatedDisk, config: StoreConfig) -> anyhow::Result<usize> {
        let fingerprint = DrivenRelay::address(seed).fingerprint;
        let driven = Some(DrivenRelay::open(&disk, config.clone(), seed, START)?);
        let swept = self.now;
        self.relays.push(Relay { seed, fingerprint, disk, driven, config, committing: false, swept, skew: 0 });
        Ok(self.relays.len() - 1)
    }

    /// Adds somebody new.
    ///
    /// # Errors
    /// The vault's.
    pub fn arrive(&mut self, name: &str) -> anyhow::Result<usize> {
        let directory = self.ground.join(format!("c{}", self.clients.len()));
        let seed = self.dice.roll();
        let driven = Driven::create(&directory, &passphrase(), &name.parse()?, seed)?;
        self.settle_in(name, directory, Some(driven))
    }

    /// Adds somebody whose vault lies in the world's ground already.
    ///
    /// # Errors
    /// The vault's.
    pub fn come_back(&mut self, name: &str) -> anyhow::Result<usize> {
        let directory = self.ground.join(format!("c{}", self.clients.len()));
        self.settle_in(name, directory, None)
    }

    fn settle_in(&mut self, name: &str, directory: PathBuf, driven: Option<Driven>) -> anyhow::Result<usize> {
        let client = Client {
            name: name.to_owned(),
            directory,
            links: BTreeMap::new(),
            skew: 0,
            tend_at: self.now,
            pause: TICK.0,
            ticked: self.now,
            crash_after: None,
            driven,
        };
        self.clients.push(client);
        let place = self.clients.len() - 1;
        if self.clients[place].driven.is_none() {
            self.open(place)?
        } else {
            self.input(place, Input::Started)?
        }
        Ok(place)
    }

    /// A client does something. None when it is not there.
    ///
    /// # Errors
    /// Its vault failed.
    pub fn act<T>(
        &mut self,
        client: usize,
        verb: impl AsyncFnOnce(&Account) -> Result<T, AccountFault>,
    ) -> anyhow::Result<Option<Result<T, AccountFault>>> {
        let now = self.clock(client);
        self.acts(client);
        let Some(driven) = &mut self.clients[client].driven else { return Ok(None) };
        let acted = driven.act(now, verb);
        if driven.has_stopped() {
            self.power_cut(client);
            return Ok(None);
        }
        let (done, effects) = acted?;
        self.clients[client].pause = TICK.0;
        self.clients[client].tend_at = self.clients[client].tend_at.min(self.now + TICK.0);
        self.perform(client, effects)?;
        Ok(Some(done))
    }

    /// Everything happens that is due until `until`.
    ///
    /// # Errors
    /// A vault failed, or something can never end.
    pub fn run_until(&mut self, until: u64) -> anyhow::Result<()> {
        let mut steps = 0_u64;
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wake = (0..self.clients.len()).filter_map(|c| self.wake_at(c).map(|at| (at, c))).min();
            let (at, client) = match (event, wake) {
                (Some(event), Some((wake, _))) if event <= wake => (event, None),
                (_, Some((wake, client))) => (wake, Some(client)),
                (Some(event), None) => (event, None),
                (None, None) => break,
            };
            if at > until {
                break;
            }
            self.now = self.now.max(at);
            match client {
                Some(client) => self.wake(client)?,
                None => {
                    if let Some((_, event)) = self.queue.pop_first() {
                        self.happen(event)?;
                    }
                }
            }
            steps += 1;
            ensure!(steps < 200_000, "the world never comes to rest between {} and {until}", self.now);
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Time passes while everybody sleeps; what was due comes late.
    ///
    /// # Errors
    /// As [`Self::run_until`].
    pub fn sleep(&mut self, milliseconds: u64) -> anyhow::Result<()> {
        self.now += milliseconds;
        for relay in 0..self.relays.len() {
            self.sweep(relay)?;
        }
        self.run_until(self.now)
    }

    /// A relay removes what has expired.
    ///
    /// # Errors
    /// Its store failed of itself.
    pub fn sweep(&mut self, relay: usize) -> anyhow::Result<()> {
        let now = self.relay_clock(relay);
        self.relays[relay].swept = self.now;
        let Some(driven) = &mut self.relays[relay].driven else { return Ok(()) };
        match driven.sweep(now) {
            Ok(()) => self.pump(relay),
            Err(fault) => self.stopped(relay, &fault),
        }
    }

    /// The bottom of a client: its crash.
    pub fn crash(&mut self, client: usize) {
        self.clients[client].driven = None;
        self.clients[client].crash_after = None;
        for (_, id) in std::mem::take(&mut self.clients[client].links) {
            self.give_up(id);
        }
        self.trace.line(self.now, format_args!("c{client} is gone"));
    }

    /// A client crashes after so many more effects; the rest of its last ones never leaves.
    pub fn crash_after(&mut self, client: usize, effects: u64) {
        self.clients[client].crash_after = Some(effects);
    }

    /// The power of a client goes after so many more transactions.
    pub fn stop_after(&mut self, client: usize, transactions: u64) {
        if let Some(driven) = &mut self.clients[client].driven {
            driven.stop_after(transactions);
        }
    }

    fn power_cut(&mut self, client: usize) {
        self.trace.count("client crashed between transactions");
        self.crash(client);
        let pause = self.dice.between(1, 60_000);
        self.open_after(client, pause);
    }

    /// Says who acts now, to the planted bug that one member has.
    fn acts(&self, _client: usize) {
        #[cfg(feature = "planted-bugs")]
        relevo_protocol::planted::set_forging(self.forger == Some(_client));
    }

    /// No nonce seals two entries.
    fn sealed(&mut self, call: &Call) {
        let (Call::Append { entry, .. } | Call::LastResort { entry, .. }) = call else { return };
        let Some(nonce) = entry.bytes().first_chunk::<24>() else { return };
        let mut hash = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(entry.bytes().as_ref(), &mut hash);
        let digest = std::hash::Hasher::finish(&hash);
        if self.nonces.insert(*nonce, digest).is_some_and(|known| known != digest) {
            self.broken = Some("one nonce seals two entries".to_owned());
        }
    }

    /// A client starts again.
    ///
    /// # Errors
    /// Its vault does not open.
    pub fn open(&mut self, client: usize) -> anyhow::Result<()> {
        if self.clients[client].driven.is_some() {
            return Ok(());
        }
        let seed = self.dice.roll();
        let driven =
            Driven::open(&self.clients[client].directory, &passphrase(), seed).context("the vault does not open")?;
        let one = &mut self.clients[client];
        one.driven = Some(driven);
        one.tend_at = self.now + TICK.0;
        one.pause = TICK.0;
        self.input(client, Input::Started)
    }

    /// A client comes back after a while.
    pub fn open_after(&mut self, client: usize, milliseconds: u64) {
        self.post(milliseconds, Event::Return { client });
    }

    /// Whether a client runs.
    #[must_use]
    pub fn is_open(&self, client: usize) -> bool {
        self.clients[client].driven.is_some()
    }

    /// Where a client's vault lies.
    #[must_use]
    pub fn directory(&self, client: usize) -> &Path {
        &self.clients[client].directory
    }

    /// A relay dies at its so-manieth store call from now.
    pub fn stop_relay_after(&mut self, relay: usize, calls: u64) {
        self.relays[relay].disk.stop_after(calls);
    }

    /// A relay dies now.
    pub fn stop_relay(&mut self, relay: usize) {
        self.relays[relay].driven = None;
        self.relays[relay].committing = false;
        let its: Vec<SessionId> =
            self.links.iter().filter(|(_, link)| link.seat.relay == relay).map(|(id, _)| *id).collect();
        for id in its {
            self.relay_gone(id);
        }
        self.trace.line(self.now, format_args!("r{relay} is gone"));
    }

    /// A relay starts again after a while.
    pub fn start_relay_after(&mut self, relay: usize, milliseconds: u64) {
        self.post(milliseconds, Event::Restart { relay });
    }

    /// A relay starts again.
    ///
    /// # Errors
    /// Its store does not open.
    pub fn start_relay(&mut self, relay: usize, unsynced: Unsynced) -> anyhow::Result<()> {
        if self.relays[relay].driven.is_some() {
            return Ok(());
        }
        let now = self.relay_clock(relay);
        let Relay { disk, config, seed, .. } = &self.relays[relay];
        disk.restart(unsynced);
        let driven = DrivenRelay::open(disk, config.clone(), *seed, now).context("the store does not open")?;
        self.relays[relay].driven = Some(driven);
        self.trace.line(self.now, format_args!("r{relay} is back {unsynced:?}"));
        Ok(())
    }

    /// Whether a relay runs.
    #[must_use]
    pub fn relay_is_up(&self, relay: usize) -> bool {
        self.relays[relay].driven.is_some()
    }

    /// A relay that runs.
    #[must_use]
    pub fn store(&self, relay: usize) -> Option<&DrivenRelay> {
        self.relays[relay].driven.as_ref()
    }

    /// Cuts every session of a seat. Requests under way may still arrive.
    pub fn cut(&mut self, seat: Seat) {
        let its: Vec<SessionId> = self.links.iter().filter(|(_, link)| link.seat == seat).map(|(id, _)| *id).collect();
        for id in its {
            self.lose(id);
        }
    }

    /// Whether nothing is under way, and nothing waits at anybody who runs.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty()
            && self.clients.iter().all(|one| one.driven.as_ref().is_none_or(|driven| driven.status().is_settled()))
    }

    /// How things stand, for a report.
    #[must_use]
    pub fn standing(&self) -> String {
        let mut text = format!("at {}: {} events under way", self.now, self.queue.len());
        for (place, one) in self.clients.iter().enumerate() {
            if let Some(driven) = &one.driven {
                for row in driven.status().relays {
                    text.push_str(&format!(
                        "\n  c{place} {}: {:?}, {} wait, {} behind, put off {:?}, fault {:?}",
                        one.name, row.session, row.waiting, row.behind, row.put_off, row.fault
                    ));
                }
            }
        }
        text
    }

    fn clock(&self, client: usize) -> Now {
        let wall = (START.0 + self.now / 1_000).saturating_add_signed(self.clients[client].skew);
        Now { wall: Timestamp(wall), elapsed: Duration::from_millis(self.now) }
    }

    fn relay_clock(&self, relay: usize) -> Timestamp {
        Timestamp((START.0 + self.now / 1_000).saturating_add_signed(self.relays[relay].skew))
    }

    fn post(&mut self, after: u64, event: Event) {
        self.counter += 1;
        self.queue.insert((self.now + after, self.counter), event);
    }

    fn post_at(&mut self, at: u64, event: Event) {
        self.post(at.saturating_sub(self.now), event);
    }

    fn delay(&mut self) -> u64 {
        let most = self.weather.delay;
        self.dice.between(most / 10, most)
    }

    fn is_parted(&self, seat: Seat) -> bool {
        self.weather.parted.get(&seat).is_some_and(|until| self.now < *until)
    }

    /// When a client has something to do of itself.
    fn wake_at(&self, client: usize) -> Option<u64> {
        let one = &self.clients[client];
        let driven = one.driven.as_ref()?;
        let due = u64::try_from(driven.wake_at().as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        // Once a hundredth of a second, as a thread would.
        Some(due.max(one.ticked + 10).min(one.tend_at))
    }

    fn wake(&mut self, client: usize) -> anyhow::Result<()> {
        let one = &mut self.clients[client];
        one.ticked = self.now;
        if one.tend_at > self.now {
            return self.input(client, Input::Tick);
        }
        // Nothing to do for long: looked at less and less often, since a simulation would do nothing else.
        one.pause = one.pause.saturating_mul(2).clamp(TICK.0, TICK.1);
        one.tend_at = self.now + one.pause;
        let now = self.clock(client);
        self.acts(client);
        let Some(driven) = &mut self.clients[client].driven else { return Ok(()) };
        let tended = driven.tend(now);
        if driven.has_stopped() {
            self.power_cut(client);
            return Ok(());
        }
        let effects = tended?;
        if !effects.is_empty() {
            self.clients[client].pause = TICK.0;
            self.clients[client].tend_at = self.now + TICK.0;
        }
        self.perform(client, effects)
    }

    fn input(&mut self, client: usize, input: Input) -> anyhow::Result<()> {
        let now = self.clock(client);
        self.acts(client);
        let one = &mut self.clients[client];
        let Some(driven) = &mut one.driven else { return Ok(()) };
        let stepped = driven.step(input, now);
        if driven.has_stopped() {
            self.power_cut(client);
            return Ok(());
        }
        let effects = stepped?;
        if driven.has_news() {
            one.tend_at = one.tend_at.min(self.now + GATHERED);
            one.pause = TICK.0;
        }
        self.perform(client, effects)
    }

    fn perform(&mut self, client: usize, effects: Vec<Effect>) -> anyhow::Result<()> {
        for effect in effects {
            match &mut self.clients[client].crash_after {
                Some(0) => {
                    self.trace.count("client crashed between effects");
                    self.crash(client);
                    let pause = self.dice.between(1, 60_000);
                    self.open_after(client, pause);
                    return Ok(());
                }
                Some(left) => *left -= 1,
                None => {}
            }
            self.effect(client, effect);
        }
        Ok(())
    }

    fn effect(&mut self, client: usize, effect: Effect) {
        match effect {
            Effect::Connect { relay, attempt, address } => {
                let Some(place) = self.relays.iter().position(|one| one.fingerprint == relay) else { return };
                let seat = Seat { client, relay: place };
                self.counter += 1;
                let link = SessionId(self.counter);
                self.links.insert(link, Link { seat, attempt, client: true, relay: false, up: 0, down: 0 });
                self.clients[client].links.insert((relay, attempt), link);
                self.trace.line(self.now, format_args!("c{client} -> r{place} connect"));
                if self.is_parted(seat) {
                    self.trace.count("attempt parted");
                    self.post(UNANSWERED, Event::Failed { link, why: LinkFault::Unreachable });
                } else {
                    let delay = self.delay() + self.delay();
                    self.post(delay, Event::Knock { link, address });
                }
            }
            Effect::Disconnect { relay, attempt } => {
                if let Some(link) = self.clients[client].links.remove(&(relay, attempt)) {
                    self.trace.line(self.now, format_args!("c{client} disconnects"));
                    self.give_up(link);
                }
            }
            Effect::Request { relay, attempt, ticket, call } => {
                let Some(link) = self.clients[client].links.get(&(relay, attempt)).copied() else { return };
                self.sealed(&call);
                let words = self.trace.call(&call);
                self.trace.line(self.now, format_args!("c{client} -> {} #{} {words}", link.0, ticket.0));
                let number = u32::try_from(ticket.0).unwrap_or(u32::MAX);
                let Some(seat) = self.links.get(&link).map(|link| link.seat) else { return };
                for request in self.adversary.up(seat, link, Request { number, call }) {
                    self.send_up(link, encode(&request));
                }
            }
        }
    }

    fn send_up(&mut self, id: SessionId, frame: Vec<u8>) {
        let delay = self.delay();
        let (now, cut) = (self.now, self.weather.cut);
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.client {
            return;
        }
        let at = link.up.max(now + delay);
        link.up = at;
        let seat = link.seat;
        if self.is_parted(seat) || (cut > 0 && self.dice.one_in(cut)) {
            self.trace.count("session cut");
            self.lose(id);
            return;
        }
        self.post_at(at, Event::Up { link: id, frame });
    }

    /// The network breaks a session. Both sides notice in their own time.
    fn lose(&mut self, id: SessionId) {
        let Some(link) = self.links.get(&id).copied() else { return };
        self.trace.line(self.now, format_args!("link {} breaks", id.0));
        let (client, relay) = (self.dice.between(0, IDLE), self.dice.between(0, IDLE));
        if link.client {
            self.post(client, Event::Failed { link: id, why: LinkFault::Lost });
        }
        self.post(relay, Event::Forgotten { link: id });
        // What was on its way to the client is gone; what was on its way to the relay may still arrive.
        let lost: Vec<(u64, u64)> = self
            .queue
            .iter()
            .filter(
                |(_, event)| matches!(event, Event::Down { link, .. } | Event::Welcomed { link, .. } if *link == id),
            )
            .map(|(key, _)| *key)
            .collect();
        for key in lost {
            self.queue.remove(&key);
        }
        if self.dice.one_in(2) {
            let up: Vec<(u64, u64)> = self
                .queue
                .iter()
                .filter(|(_, event)| matches!(event, Event::Up { link, .. } if *link == id))
                .map(|(key, _)| *key)
                .collect();
            for key in up {
                self.queue.remove(&key);
            }
        } else {
            self.trace.count("requests of a broken session arrive");
        }
        if let Some(link) = self.links.get_mut(&id) {
            // Nothing more gets through in either direction.
            link.down = u64::MAX;
        }
    }

    /// The client has left a session.
    fn give_up(&mut self, id: SessionId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.client = false;
        }
        let delay = self.dice.between(0, IDLE);
        self.post(delay, Event::Forgotten { link: id });
    }

    /// The relay has left a session.
    fn relay_gone(&mut self, id: SessionId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.relay = false;
        link.down = u64::MAX;
        let noticed = self.dice.between(0, IDLE);
        self.post(noticed, Event::Failed { link: id, why: LinkFault::Lost });
    }

    fn happen(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Knock { link, address } => self.knock(link, &address),
            Event::Welcomed { link, welcome, answer } => {
                let Some((client, relay, attempt)) = self.believed(link) else { return Ok(()) };
                let Answer::Admitted { expires, bytes_left, mailboxes_left, single_use } = answer else {
                    return Ok(());
                };
                let kind = if single_use { AdmissionKind::SingleUse } else { AdmissionKind::Lasting };
                let admitted = Admitted { expires, bytes_left, mailboxes_left, kind };
                self.trace.line(self.now, format_args!("c{client} is welcomed {kind:?}"));
                self.input(client, Input::Connected { relay, attempt, welcome: *welcome, admitted })
            }
            Event::Failed { link, why } => {
                let Some((client, relay, attempt)) = self.believed(link) else { return Ok(()) };
                self.clients[client].links.remove(&(relay, attempt));
                if let Some(link) = self.links.get_mut(&link) {
                    link.client = false;
                }
                self.forget_if_done(link);
                self.trace.line(self.now, format_args!("c{client} hears {}", why.code()));
                self.input(client, Input::Disconnected { relay, attempt, why })
            }
            Event::Up { link, frame } => self.asked(link, &frame),
            Event::Down { link, replies } => self.heard(link, replies),
            Event::Forgotten { link } => {
                let Some(known) = self.links.get_mut(&link) else { return Ok(()) };
                known.relay = false;
                let relay = known.seat.relay;
                if let Some(driven) = &mut self.relays[relay].driven {
                    driven.end(link);
                }
                self.forget_if_done(link);
                Ok(())
            }
            Event::Commit { relay } => {
                self.relays[relay].committing = false;
                let now = self.relay_clock(relay);
                let Some(driven) = &mut self.relays[relay].driven else { return Ok(()) };
                match driven.commit(now) {
                    Ok(()) => self.pump(relay),
                    Err(fault) => self.stopped(relay, &fault),
                }
            }
            Event::Restart { relay } => {
                let unsynced = if self.dice.one_in(2) { Unsynced::Lost } else { Unsynced::Kept };
                self.start_relay(relay, unsynced)
            }
            Event::Return { client } => self.open(client),
        }
    }

    fn knock(&mut self, id: SessionId, address: &relevo_protocol::wire::RelayAddress) -> anyhow::Result<()> {
        let Some(seat) = self.links.get(&id).map(|link| link.seat) else { return Ok(()) };
        let now = self.relay_clock(seat.relay);
        let Some(driven) = &mut self.relays[seat.relay].driven else {
            self.post(UNANSWERED, Event::Failed { link: id, why: LinkFault::Unreachable });
            return Ok(());
        };
        let greeted = driven.greet(id, address, now);
        if self.relays[seat.relay].disk.has_stopped() {
            return self.died(seat.relay);
        }
        let delay = self.delay();
        match greeted {
            Some((welcome, answer)) => {
                let at = self.now + delay;
                if let Some(link) = self.links.get_mut(&id) {
                    link.relay = true;
                    link.down = at;
                }
                self.post_at(at, Event::Welcomed { link: id, welcome: Box::new(welcome), answer });
            }
            None => self.post(delay, Event::Failed { link: id, why: LinkFault::NotAdmitted }),
        }
        Ok(())
    }

    fn asked(&mut self, id: SessionId, frame: &[u8]) -> anyhow::Result<()> {
        let Some(seat) = self.links.get(&id).filter(|link| link.relay).map(|link| link.seat) else { return Ok(()) };
        let Some(driven) = &mut self.relays[seat.relay].driven else { return Ok(()) };
        if !driven.request(id, frame) {
            self.relay_gone(id);
        }
        if !self.relays[seat.relay].committing {
            self.relays[seat.relay].committing = true;
            let gather = self.dice.between(0, 5);
            self.post(gather, Event::Commit { relay: seat.relay });
        }
        Ok(())
    }

    /// Everything that a relay has to say goes on its way.
    fn pump(&mut self, relay: usize) -> anyhow::Result<()> {
        let now = self.relay_clock(relay);
        let Some(driven) = &mut self.relays[relay].driven else { return Ok(()) };
        let sessions: Vec<SessionId> = driven.sessions().collect();
        for id in sessions {
            let Some(driven) = &mut self.relays[relay].driven else { return Ok(()) };
            let frames = driven.take(id, now);
            if self.relays[relay].disk.has_stopped() {
                return self.died(relay);
            }
            let Some(link) = self.links.get(&id).copied() else { continue };
            let mut replies = Vec::with_capacity(frames.len());
            for frame in frames {
                replies.push(decode_exact::<Reply>(&frame).context("a relay's frame does not parse")?);
            }
            let replies = self.adversary.down(link.seat, id, replies);
            if replies.is_empty() || link.down == u64::MAX {
                continue;
            }
            if self.is_parted(link.seat) || (self.weather.cut > 0 && self.dice.one_in(self.weather.cut)) {
                self.trace.count("session cut");
                self.lose(id);
                continue;
            }
            let delay = self.delay();
            let at = link.down.max(self.now + delay);
            if let Some(link) = self.links.get_mut(&id) {
                link.down = at;
            }
            // What comes together is sometimes taken together and sometimes not.
            let cut = self.dice.place(replies.len() + 1);
            let mut first = replies;
            let second = first.split_off(cut);
            for replies in [first, second] {
                if !replies.is_empty() {
                    self.post_at(at, Event::Down { link: id, replies });
                }
            }
        }
        Ok(())
    }

    fn heard(&mut self, id: SessionId, replies: Vec<Reply>) -> anyhow::Result<()> {
        let Some((client, relay, attempt)) = self.believed(id) else { return Ok(()) };
        let mut incoming = Vec::with_capacity(replies.len());
        for reply in replies {
            self.trace.line(self.now, format_args!("c{client} <- {} {}", id.0, Trace::reply(&reply)));
            incoming.push(match reply {
                Reply::Answer { number, outcome } => Incoming::Answered { ticket: Ticket(number.into()), outcome },
                Reply::Event { event } => Incoming::Event(event),
            });
        }
        self.input(client, Input::Arrived { relay, attempt, incoming })
    }

    /// The client of a session, if it believes in it.
    fn believed(&self, id: SessionId) -> Option<(usize, Fingerprint, Attempt)> {
        let link = self.links.get(&id).filter(|link| link.client)?;
        Some((link.seat.client, self.relays[link.seat.relay].fingerprint, link.attempt))
    }

    fn forget_if_done(&mut self, id: SessionId) {
        if self.links.get(&id).is_some_and(|link| !link.client && !link.relay) {
            self.links.remove(&id);
        }
    }

    /// A store call has failed: by our will, or by a fault of its own.
    fn stopped(&mut self, relay: usize, fault: &StoreFault) -> anyhow::Result<()> {
        ensure!(self.relays[relay].disk.has_stopped(), "the store of r{relay} failed of itself: {fault}");
        self.died(relay)
    }

    fn died(&mut self, relay: usize) -> anyhow::Result<()> {
        self.trace.count("relay crashed at a store call");
        self.stop_relay(relay);
        let pause = self.dice.between(1, 120_000);
        self.start_relay_after(relay, pause);
        Ok(())
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

/// Of every vault.
pub(super) fn passphrase() -> Passphrase {
    Passphrase::new("una frase de simulación".to_owned())
}
