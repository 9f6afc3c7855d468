//! The account's thread without the thread: whoever drives it says what time it is and what came, and is told what is to
//! be sent. For simulators.

use std::collections::BTreeMap;
use std::time::Duration;

use relevo_protocol::wire::Fingerprint;
use tokio::sync::mpsc;

use super::Logic;
use super::engine::{Attempt, Effect, Engine, Input, Now};
use super::runner::{MESSAGES, Message, Runner};
use super::status::Status;
use super::waiting::{Goal, Waiting};
use crate::link::{Hand, Session};
use crate::vault::{Vault, VaultFault};

/// What the account's thread owns, moved by hand.
pub struct ByHand<L> {
    vault: Vault,
    logic: L,
    engine: Engine,
    messages: mpsc::Receiver<Message<L>>,
    /// Those who wait, until moments of [`Now::elapsed`].
    waiting: Waiting<Duration>,
    sessions: BTreeMap<Fingerprint, (Attempt, Session, Hand)>,
}

impl<L: Logic + Send + 'static> ByHand<L> {
    /// Rules on a vault, and a handle through which work comes. `seed` is for the engine's jitter.
    pub fn new(vault: Vault, logic: L, seed: u64) -> (Runner<L>, Self) {
        let (to, messages) = mpsc::channel(MESSAGES);
        let (engine, waiting, sessions) = (Engine::new(seed), Waiting::new(), BTreeMap::new());
        (Runner::over(to), Self { vault, logic, engine, messages, waiting, sessions })
    }

    /// Takes what happened and says what is to be done.
    ///
    /// # Errors
    /// As [`Engine::step`].
    pub fn step(&mut self, input: Input, now: Now) -> Result<Vec<Effect>, VaultFault> {
        match &input {
            Input::Connected { relay, attempt, welcome, .. } => {
                let (session, hand) = Session::by_hand(welcome.limits.blobs);
                self.sessions.insert(*relay, (*attempt, session, hand));
            }
            Input::Disconnected { relay, attempt, .. } => self.forget(relay, *attempt),
            Input::Started
            | Input::Arrived { .. }
            | Input::Changed
            | Input::RetryNow
            | Input::Wanted { .. }
            | Input::Tick => {}
        }
        let effects = self.engine.step(input, &mut self.vault, &mut self.logic, now)?;
        for effect in &effects {
            match effect {
                Effect::Disconnect { relay, attempt } => self.forget(relay, *attempt),
                Effect::Connect { .. } | Effect::Request { .. } => {}
            }
        }
        if !self.waiting.is_empty() {
            let sessions = &self.sessions;
            let session = |relay: &Fingerprint| sessions.get(relay).map(|(_, session, _)| session);
            self.waiting.answer(now.elapsed, &self.engine.status(), session);
        }
        Ok(effects)
    }

    /// Does one thing that was asked through the handle; none if nothing was.
    ///
    /// # Errors
    /// As [`Engine::step`].
    pub fn turn(&mut self, now: Now) -> Result<Option<Vec<Effect>>, VaultFault> {
        let Ok(message) = self.messages.try_recv() else { return Ok(None) };
        match message {
            Message::Work(work) => {
                work(&mut self.vault, &mut self.logic, now);
                self.step(Input::Changed, now).map(Some)
            }
            Message::Status(reply) => {
                let _gone = reply.send(self.engine.status());
                Ok(Some(Vec::new()))
            }
            Message::Wait(waiter) => {
                let begun = self.engine.status();
                let wanted = match &waiter.goal {
                    Goal::Session(relay, _) => Some(*relay),
                    Goal::Settled(_) => None,
                };
                self.waiting.add(waiter.goal, now.elapsed.saturating_add(waiter.within), begun);
                let mut effects = Vec::new();
                if let Some(relay) = wanted {
                    effects.extend(self.step(Input::Wanted { relay }, now)?);
                }
                effects.extend(self.step(Input::RetryNow, now)?);
                Ok(Some(effects))
            }
            // There is no network that could tell anything.
            Message::News(_) => Ok(Some(Vec::new())),
        }
    }

    /// The far ends of the sessions that are open.
    pub fn hands(&self) -> impl Iterator<Item = (Fingerprint, Attempt, &Hand)> {
        self.sessions.iter().map(|(relay, (attempt, _, hand))| (*relay, *attempt, hand))
    }

    /// The vault, to have it stop.
    pub fn vault(&mut self) -> &mut Vault {
        &mut self.vault
    }

    /// When [`Input::Tick`] is due, in the terms of [`Now::elapsed`].
    #[must_use]
    pub fn wake_at(&self) -> Duration {
        let engine = self.engine.wake_at();
        self.waiting.until().map_or(engine, |until| until.min(engine))
    }

    /// How things stand with each relay.
    #[must_use]
    pub fn status(&self) -> Status {
        self.engine.status()
    }

    fn forget(&mut self, relay: &Fingerprint, attempt: Attempt) {
        if self.sessions.get(relay).is_some_and(|(ours, ..)| *ours == attempt)
            && let Some((_, session, _)) = self.sessions.remove(relay)
        {
            session.close();
        }
    }
}

impl<L> std::fmt::Debug for ByHand<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ByHand")
    }
}
