//! Clients, relays and the network between them, in one thread and under one clock, moved by events.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

mod blobs;
mod client;
mod errands;
mod relay;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::ensure;
use relevo_client::link::{AdmissionKind, Admitted};
use relevo_client::sync::Input;
use relevo_client::vault::Passphrase;
use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::Answer;
use relevo_relay::driven::{BlobStream, SessionId, Unsynced};

pub use client::Client;
pub use errands::{Posted, Refounded};
pub use relay::Relay;

use super::dice::Dice;
use super::network::{Adversary, Event, Honest, Link, Way, Weather};
use super::trace::Trace;

/// When every simulation begins.
pub const START: Timestamp = Timestamp(1_900_000_000);

/// What befalls clients, relays and sessions, by the words under which it is counted.
pub const FAULTS: [&str; 12] = [
    "attempt parted",
    "client crashed between effects",
    "client crashed between transactions",
    "client crashed with a document under way",
    "document posted",
    "download: done",
    "moving: done",
    "refounding: done",
    "relay crashed at a store call",
    "relay crashed with a document under way",
    "requests of a broken session arrive",
    "session cut",
];

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
    ways: BTreeMap<BlobStream, Way>,
    posted: Vec<Posted>,
    /// Conversations founded anew since the run last asked.
    refounded: Vec<Refounded>,
    /// Who was founding what anew, and without whom, when the power went: whether it is done is seen when it comes back.
    founding: Vec<(usize, GroupId, Option<usize>)>,
    /// Whose documents were noted as posted.
    noted: BTreeSet<(usize, String)>,
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
            ways: BTreeMap::new(),
            posted: Vec::new(),
            refounded: Vec::new(),
            founding: Vec::new(),
            noted: BTreeSet::new(),
            queue: BTreeMap::new(),
            counter: 0,
            ground: ground.to_owned(),
            nonces: BTreeMap::new(),
            broken: None,
            forger: None,
        }
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

    /// Whether nothing is under way, and nothing waits at anybody who runs.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let is_settled = |one: &Client| one.driven.as_ref().is_none_or(|driven| driven.status().is_settled());
        self.queue.is_empty() && self.clients.iter().all(|one| one.errands.is_empty() && is_settled(one))
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
                if !one.errands.is_empty() {
                    text.push_str(&format!("\n  c{place} {}: {:?}", one.name, one.errands.values()));
                }
            }
        }
        text
    }

    fn post(&mut self, after: u64, event: Event) {
        self.counter += 1;
        self.queue.insert((self.now + after, self.counter), event);
    }

    fn post_at(&mut self, at: u64, event: Event) {
        self.post(at.saturating_sub(self.now), event);
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
            Event::BlobUp { link, stream, said } => self.blob_asked(link, stream, said),
            Event::BlobDown { link, stream, bytes } => self.blob_heard(link, stream, bytes),
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
