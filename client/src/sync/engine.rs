//! The engine: what came in, and what is to be done. No socket, clock or randomness of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{Call, Fingerprint, RelayAddress, WelcomeBody};

use super::backoff::Jitter;
use super::peer::Peer;
use super::reading::Reading;
use super::status::Status;
use super::{DispatchId, Logic, LogicFault};
use crate::link::{Admitted, Incoming, LinkFault, Ticket};
use crate::vault::{Transaction, Vault, VaultFault, checkpoints, followed, outbox, tails};

/// What was read and has expired at the relay is forgotten so often.
const SWEEP: Duration = Duration::from_secs(3600);

/// The moment of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// By the clock on the wall, for rules.
    pub wall: Timestamp,
    /// Since some beginning, never backwards, for delays.
    pub elapsed: Duration,
}

/// One attempt to have a session, and the session if it succeeds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Attempt(pub u64);

/// What the engine may reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Every relay that something is to be asked of.
    Network,
    /// Nothing: no session is ever begun, and what is asked waits in the vault.
    Nothing,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The vault is open.
    Started,
    /// Somebody else's transaction may have changed the outbox or the followed mailboxes.
    Changed,
    /// A session is open.
    Connected {
        /// At this relay.
        relay: Fingerprint,
        /// By this attempt.
        attempt: Attempt,
        /// What the relay said of itself, verified.
        welcome: WelcomeBody,
        /// What it said of our admission.
        admitted: Admitted,
    },
    /// There is no session, or no longer.
    Disconnected {
        /// At this relay.
        relay: Fingerprint,
        /// By this attempt.
        attempt: Attempt,
        /// Why.
        why: LinkFault,
    },
    /// Answers and events of a session, in order.
    Arrived {
        /// From this relay.
        relay: Fingerprint,
        /// In this session.
        attempt: Attempt,
        /// These. A batch shares one transaction.
        incoming: Vec<Incoming>,
    },
    /// Somebody wants a session, for blobs.
    Wanted {
        /// At this relay.
        relay: Fingerprint,
    },
    /// A person does not want to wait for the next attempt.
    RetryNow,
    /// The moment of [`Engine::wake_at`] has come.
    Tick,
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Open a session; the outcome comes as `Connected` or `Disconnected`.
    Connect {
        /// At this relay.
        relay: Fingerprint,
        /// Named so.
        attempt: Attempt,
        /// There, with that admission.
        address: RelayAddress,
    },
    /// End a session. No input follows.
    Disconnect {
        /// At this relay.
        relay: Fingerprint,
        /// This one.
        attempt: Attempt,
    },
    /// Ask. Every ticket is answered, or the session ends.
    Request {
        /// This relay.
        relay: Fingerprint,
        /// In this session.
        attempt: Attempt,
        /// The answer's name.
        ticket: Ticket,
        /// For this.
        call: Call,
    },
}

/// Decides what goes to the network from the outbox and the followed mailboxes, and gives what comes to the rules.
#[derive(Debug)]
pub struct Engine {
    pub(super) peers: BTreeMap<Fingerprint, Peer>,
    pub(super) jitter: Jitter,
    reach: Reach,
    last_dispatch: DispatchId,
    last_follow: i64,
    attempts: u64,
    sweep_at: Duration,
}

impl Engine {
    /// An engine that knows nothing yet; its first input is [`Input::Started`]. `seed` is for jitter alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::reaching(Reach::Network, seed)
    }

    /// An engine that reaches so far.
    #[must_use]
    pub fn reaching(reach: Reach, seed: u64) -> Self {
        Self {
            peers: BTreeMap::new(),
            jitter: Jitter::new(seed),
            reach,
            last_dispatch: DispatchId(0),
            last_follow: 0,
            attempts: 0,
            sweep_at: Duration::ZERO,
        }
    }

    /// Takes what happened and says what is to be done.
    ///
    /// # Errors
    /// [`VaultFault`] when the vault failed outside any rule. What the input brought is then not lost: sessions whose
    /// answers could not be kept are given up and everything is asked again.
    pub fn step(
        &mut self,
        input: Input,
        vault: &mut Vault,
        logic: &mut dyn Logic,
        now: Now,
    ) -> Result<Vec<Effect>, VaultFault> {
        let mut effects = Vec::new();
        match input {
            Input::Started | Input::Changed | Input::Tick => {}
            Input::Connected { relay, attempt, welcome, admitted } => {
                if let Some(peer) = self.peers.get_mut(&relay) {
                    vault.transaction(|tx| peer.connected(tx, attempt, &welcome, admitted, now, &mut effects))?;
                }
            }
            Input::Disconnected { relay, attempt, why } => {
                if let Some(peer) = self.peers.get_mut(&relay) {
                    peer.disconnected(attempt, why, now.elapsed, &mut self.jitter);
                }
            }
            Input::Arrived { relay, attempt, incoming } => {
                self.arrived(&relay, attempt, incoming, vault, logic, now, &mut effects);
            }
            Input::Wanted { relay } => self.peer(relay).want(),
            Input::RetryNow => self.peers.values_mut().for_each(Peer::retry_now),
        }
        self.tell_silences(vault, logic, now)?;
        let gone_on = vault.transaction(|tx| self.go_on(tx, now, &mut effects));
        if let Err(fault) = gone_on {
            // The effects are lost with it, so whoever waits for what they were to bring would wait for ever.
            for peer in self.peers.values_mut() {
                peer.give_up(now.elapsed, &mut self.jitter);
            }
            return Err(fault);
        }
        Ok(effects)
    }

    /// When a [`Input::Tick`] is due, in the terms of [`Now::elapsed`].
    #[must_use]
    pub fn wake_at(&self) -> Duration {
        let peers = self.peers.values().filter(|_| self.reach == Reach::Network).filter_map(Peer::wake_at);
        peers.chain([self.sweep_at]).min().unwrap_or(self.sweep_at)
    }

    /// How things stand with each relay.
    #[must_use]
    pub fn status(&self) -> Status {
        Status { relays: self.peers.iter().map(|(relay, peer)| peer.status(*relay)).collect() }
    }

    /// Takes up new rows, opens sessions that are needed, sends what may be sent.
    fn go_on(&mut self, tx: &Transaction<'_>, now: Now, effects: &mut Vec<Effect>) -> Result<(), VaultFault> {
        if now.elapsed >= self.sweep_at {
            followed::forget_expired(tx, now.wall)?;
            checkpoints::forget_expired(tx, now.wall)?;
            tails::forget_old(tx, now.wall)?;
            self.sweep_at = now.elapsed + SWEEP;
        }
        self.take_up(tx, effects)?;
        if self.reach == Reach::Nothing {
            return Ok(());
        }
        for (relay, peer) in &mut self.peers {
            let mut next = || {
                self.attempts = self.attempts.saturating_add(1);
                Attempt(self.attempts)
            };
            peer.go_on(tx, *relay, &mut next, now.elapsed, &mut self.jitter, effects)?;
        }
        Ok(())
    }

    /// Says of mailboxes what their relays hold back. Said again by the next session if it could not be written down.
    fn tell_silences(&mut self, vault: &mut Vault, logic: &mut dyn Logic, now: Now) -> Result<(), VaultFault> {
        let readers = self.peers.values_mut().flat_map(|peer| &mut peer.readers);
        let silent: Vec<_> = readers
            .filter_map(|(mailbox, reader)| reader.say_silence(now.elapsed).map(|sequence| (*mailbox, sequence)))
            .collect();
        if silent.is_empty() {
            return Ok(());
        }
        let told = vault.transaction(|tx| {
            for (mailbox, sequence) in &silent {
                Reading { tx, logic, now: now.wall }.withheld(mailbox, *sequence)?;
            }
            Ok::<_, LogicFault>(())
        });
        match told {
            Ok(()) => Ok(()),
            Err(fault) => {
                logic.rolled_back();
                if let LogicFault::Vault(fault) = fault { Err(fault) } else { Ok(()) }
            }
        }
    }

    fn take_up(&mut self, tx: &Transaction<'_>, effects: &mut Vec<Effect>) -> Result<(), VaultFault> {
        for mailbox in followed::sweep_unfollowed(tx)? {
            for (relay, peer) in &mut self.peers {
                peer.stop_reading(*relay, &mailbox, effects);
            }
        }
        for dispatch in outbox::sweep_withdrawn(tx)? {
            self.peers.values_mut().for_each(|peer| peer.withdraw(dispatch));
        }
        for row in followed::newer(tx, self.last_follow)? {
            self.last_follow = row.id;
            let (relay, mailbox) = (row.followed.relay, row.followed.mailbox);
            for (other, peer) in self.peers.iter_mut().filter(|(other, _)| **other != relay) {
                peer.stop_reading(*other, &mailbox, effects);
            }
            let peer = self.peer(relay);
            if peer.reads_elsewhere(&row) {
                peer.stop_reading(relay, &mailbox, effects);
            }
            peer.read(&row);
        }
        for dispatch in outbox::newer(tx, self.last_dispatch)? {
            self.last_dispatch = dispatch.id;
            self.peer(dispatch.relay).enqueue(&dispatch);
        }
        Ok(())
    }

    fn peer(&mut self, relay: Fingerprint) -> &mut Peer {
        self.peers.entry(relay).or_insert_with(Peer::new)
    }
}
