//! An account without thread, socket or clock, for simulators: the same verbs, rules, vault and engine, moved by hand.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use relevo_protocol::trust::Pseudonym;

use super::rules::Rules;
use super::{Account, AccountFault, run};
use crate::document::Parts;
use crate::membership;
use crate::sync::{ByHand, Effect, Input, Now, Status};
use crate::vault::{Cost, Passphrase, Vault, VaultFault};

/// An account and what its thread would own.
#[derive(Debug)]
pub struct Driven {
    account: Account,
    core: ByHand<Rules>,
    directory: PathBuf,
}

impl Driven {
    /// As [`Account::create`].
    ///
    /// # Errors
    /// The vault's.
    pub fn create(
        directory: &Path,
        passphrase: &Passphrase,
        pseudonym: &Pseudonym,
        seed: u64,
    ) -> Result<Self, AccountFault> {
        let mut vault = Vault::create(directory, passphrase, Cost::FOR_TESTS)?;
        vault.transaction(|tx| membership::init(tx, pseudonym))?;
        Ok(Self::over(directory, vault, seed))
    }

    /// As [`Account::open`]. [`Input::Started`] is to be its first input.
    ///
    /// # Errors
    /// The vault's.
    pub fn open(directory: &Path, passphrase: &Passphrase, seed: u64) -> Result<Self, AccountFault> {
        Ok(Self::over(directory, Vault::open(directory, passphrase)?, seed))
    }

    fn over(directory: &Path, vault: Vault, seed: u64) -> Self {
        let (rules, changes) = Rules::new();
        let (runner, core) = ByHand::new(vault, rules, seed);
        let account = Account { runner, parts: Parts::of(directory), changes, _ticker: None };
        Self { account, core, directory: directory.to_owned() }
    }

    /// Where the vault lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes what happened and says what is to be done.
    ///
    /// # Errors
    /// As [`crate::sync::Engine::step`].
    pub fn step(&mut self, input: Input, now: Now) -> Result<Vec<Effect>, VaultFault> {
        self.core.step(input, now)
    }

    /// Has a verb of the account done, and says what is to be done after it.
    ///
    /// # Errors
    /// The vault's; [`AccountFault::Closed`] for a verb that waits for the network, which nobody moves meanwhile.
    pub fn act<T>(
        &mut self,
        now: Now,
        verb: impl AsyncFnOnce(&Account) -> Result<T, AccountFault>,
    ) -> Result<(Result<T, AccountFault>, Vec<Effect>), AccountFault> {
        let account = self.account.clone();
        let mut doing = pin!(verb(&account));
        let mut effects = Vec::new();
        loop {
            if let Poll::Ready(done) = doing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Ok((done, effects));
            }
            effects.extend(self.core.turn(now)?.ok_or(AccountFault::Closed)?);
        }
    }

    /// Does what time brings and what has come asks for, as the account's ticker would.
    ///
    /// # Errors
    /// The vault's.
    pub fn tend(&mut self, now: Now) -> Result<Vec<Effect>, AccountFault> {
        let (done, effects) = self.act(now, async |account| {
            account.runner.work(|vault, rules, now| run(vault, rules, now.wall, |_| Ok(()))).await?
        })?;
        done?;
        Ok(effects)
    }

    /// The power goes after so many more transactions.
    pub fn stop_after(&mut self, transactions: u64) {
        self.core.vault().stop_after(transactions);
    }

    /// Whether it has gone.
    pub fn has_stopped(&mut self) -> bool {
        self.core.vault().has_stopped()
    }

    /// Whether anything came since this was last asked.
    pub fn has_news(&mut self) -> bool {
        let news = self.account.changes.has_changed().unwrap_or(false);
        self.account.changes.mark_unchanged();
        news
    }

    /// When [`Input::Tick`] is due, in the terms of [`Now::elapsed`].
    #[must_use]
    pub fn wake_at(&self) -> Duration {
        self.core.wake_at()
    }

    /// How things stand with each relay.
    #[must_use]
    pub fn status(&self) -> Status {
        self.core.status()
    }
}
