//! The account's thread without the thread: whoever drives it says what time it is and what came, and is told what is to
//! be sent. For simulators.

use tokio::sync::mpsc;

use super::Logic;
use super::engine::{Effect, Engine, Input, Now};
use super::runner::{MESSAGES, Message, Runner};
use super::status::Status;
use crate::vault::{Vault, VaultFault};

/// What the account's thread owns, moved by hand.
#[derive(Debug)]
pub struct ByHand<L> {
    vault: Vault,
    logic: L,
    engine: Engine,
    messages: mpsc::Receiver<Message<L>>,
}

impl<L: Logic + Send + 'static> ByHand<L> {
    /// Rules on a vault, and a handle through which work comes. `seed` is for the engine's jitter.
    pub fn new(vault: Vault, logic: L, seed: u64) -> (Runner<L>, Self) {
        let (to, messages) = mpsc::channel(MESSAGES);
        (Runner::over(to), Self { vault, logic, engine: Engine::new(seed), messages })
    }

    /// Takes what happened and says what is to be done.
    ///
    /// # Errors
    /// As [`Engine::step`].
    pub fn step(&mut self, input: Input, now: Now) -> Result<Vec<Effect>, VaultFault> {
        self.engine.step(input, &mut self.vault, &mut self.logic, now)
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
            // Nobody waits for the network here: whoever drives moves it.
            Message::Wait(_) | Message::News(_) | Message::Stop(_) => Ok(Some(Vec::new())),
        }
    }

    /// The vault, to have it stop.
    pub fn vault(&mut self) -> &mut Vault {
        &mut self.vault
    }

    /// When [`Input::Tick`] is due, in the terms of [`Now::elapsed`].
    #[must_use]
    pub fn wake_at(&self) -> core::time::Duration {
        self.engine.wake_at()
    }

    /// How things stand with each relay.
    #[must_use]
    pub fn status(&self) -> Status {
        self.engine.status()
    }
}
