//! Clients: what they do, what wakes them, how they end and come back.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use relevo_client::account::{Account, AccountFault, Driven, Errand};
use relevo_client::link::LinkFault;
use relevo_client::sync::{Attempt, Effect, Input, Now};
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{Call, Fingerprint, Request, encode};
use relevo_relay::driven::SessionId;

use super::errands::Task;
use super::session::UNANSWERED;
use super::{START, World, passphrase};
use crate::simulation::network::{Event, Link, Seat};

/// What comes is acknowledged so much later, as in the account (milliseconds).
const GATHERED: u64 = 50;
/// The account's ticker, and the longest pause of ours between two of its looks.
const TICK: (u64, u64) = (1_000, 3_600_000);

/// A member and their device.
pub struct Client {
    /// Its pseudonym.
    pub name: String,
    pub(super) directory: PathBuf,
    pub(super) driven: Option<Driven>,
    pub(super) links: BTreeMap<(Fingerprint, Attempt), SessionId>,
    /// Verbs that wait for the network, and what each is.
    pub(super) errands: BTreeMap<Errand, Task>,
    /// Seconds by which its clock is ahead.
    pub skew: i64,
    pub(super) tend_at: u64,
    pub(super) pause: u64,
    pub(super) ticked: u64,
    /// It crashes after so many more effects.
    pub(super) crash_after: Option<u64>,
}

impl World {
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

    pub(super) fn settle_in(
        &mut self,
        name: &str,
        directory: PathBuf,
        driven: Option<Driven>,
    ) -> anyhow::Result<usize> {
        let client = Client {
            name: name.to_owned(),
            directory,
            links: BTreeMap::new(),
            errands: BTreeMap::new(),
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

    /// The bottom of a client: its crash.
    pub fn crash(&mut self, client: usize) {
        self.clients[client].driven = None;
        self.clients[client].crash_after = None;
        let under_way = std::mem::take(&mut self.clients[client].errands);
        if under_way.values().any(|task| task.is_document()) {
            self.trace.count("client crashed with a document under way");
        }
        under_way.into_values().for_each(|task| self.was_under_way(client, task));
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
        self.input(client, Input::Started)?;
        // A power cut may have come between the deed and whoever waited for it.
        self.note_foundings(client)?;
        self.note_posts(client)?;
        self.resume(client)
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

    pub(super) fn clock(&self, client: usize) -> Now {
        let wall = (START.0 + self.now / 1_000).saturating_add_signed(self.clients[client].skew);
        Now { wall: Timestamp(wall), elapsed: Duration::from_millis(self.now) }
    }

    /// When a client has something to do of itself.
    pub(super) fn wake_at(&self, client: usize) -> Option<u64> {
        let one = &self.clients[client];
        let driven = one.driven.as_ref()?;
        let due = u64::try_from(driven.wake_at().as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        // Once a hundredth of a second, as a thread would.
        Some(due.max(one.ticked + 10).min(one.tend_at))
    }

    pub(super) fn wake(&mut self, client: usize) -> anyhow::Result<()> {
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

    pub(super) fn input(&mut self, client: usize, input: Input) -> anyhow::Result<()> {
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

    pub(super) fn perform(&mut self, client: usize, effects: Vec<Effect>) -> anyhow::Result<()> {
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
        self.carry(client);
        self.ended(client)
    }

    pub(super) fn effect(&mut self, client: usize, effect: Effect) {
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

    pub(super) fn power_cut(&mut self, client: usize) {
        self.trace.count("client crashed between transactions");
        self.crash(client);
        let pause = self.dice.between(1, 60_000);
        self.open_after(client, pause);
    }

    /// Says who acts now, to the planted bug that one member has.
    pub(super) fn acts(&self, _client: usize) {
        #[cfg(feature = "planted-bugs")]
        relevo_protocol::planted::set_forging(self.forger == Some(_client));
    }

    /// No nonce seals two entries.
    pub(super) fn sealed(&mut self, call: &Call) {
        let (Call::Append { entry, .. } | Call::LastResort { entry, .. }) = call else { return };
        let Some(nonce) = entry.bytes().first_chunk::<24>() else { return };
        let mut hash = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(entry.bytes().as_ref(), &mut hash);
        let digest = std::hash::Hasher::finish(&hash);
        if self.nonces.insert(*nonce, digest).is_some_and(|known| known != digest) {
            self.broken = Some("one nonce seals two entries".to_owned());
        }
    }
}
