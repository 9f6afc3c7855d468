//! An account without thread, socket or clock, for simulators: the same verbs, rules, vault and engine, moved by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use relevo_protocol::content::GroupId;
use relevo_protocol::trust::Pseudonym;
use relevo_protocol::wire::{Fingerprint, MailboxId};
use tokio::runtime::Runtime;

use super::machine::{HandClock, Machine};
use super::rules::Rules;
use super::{Account, AccountFault, run};
use crate::document::Parts;
use crate::link::{LinkFault, Said, StreamId};
use crate::membership;
use crate::sync::{Attempt, ByHand, Effect, Input, Now, Status};
use crate::vault::{Cost, Passphrase, Vault, VaultFault, conversations};

/// A verb under way that waits for the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Errand(pub u64);

type UnderWay = Pin<Box<dyn Future<Output = Result<(), AccountFault>>>>;

/// Turns given to what is under way before it counts as waiting: a task wakes another, which wakes a third.
const TURNS: usize = 8;

/// An account and what its thread would own.
pub struct Driven {
    errands: Vec<(Errand, UnderWay)>,
    ended: Vec<(Errand, Result<(), AccountFault>)>,
    begun: u64,
    /// For what errands spawn: without clock, sockets or threads.
    runtime: Runtime,
    clock: Arc<HandClock>,
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
        Self::over(directory, vault, seed)
    }

    /// As [`Account::open`]. [`Input::Started`] is to be its first input.
    ///
    /// # Errors
    /// The vault's.
    pub fn open(directory: &Path, passphrase: &Passphrase, seed: u64) -> Result<Self, AccountFault> {
        Self::over(directory, Vault::open(directory, passphrase)?, seed)
    }

    fn over(directory: &Path, vault: Vault, seed: u64) -> Result<Self, AccountFault> {
        let (rules, changes) = Rules::new();
        let (runner, core) = ByHand::new(vault, rules, seed);
        let clock = Arc::new(HandClock::default());
        let machine = Machine::ByHand(clock.clone());
        let account = Account { runner, parts: Parts::of(directory), changes, machine, _ticker: None };
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(LinkFault::from)?;
        let directory = directory.to_owned();
        Ok(Self { errands: Vec::new(), ended: Vec::new(), begun: 0, runtime, clock, account, core, directory })
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
        let mut effects = self.core.step(input, now)?;
        effects.extend(self.go_on(now)?);
        Ok(effects)
    }

    /// Begins a verb that waits for the network; whoever moves that also moves the verb, by [`Self::step`].
    ///
    /// # Errors
    /// The vault's.
    pub fn begin(
        &mut self,
        now: Now,
        verb: impl AsyncFnOnce(&Account) -> Result<(), AccountFault> + 'static,
    ) -> Result<(Errand, Vec<Effect>), VaultFault> {
        self.begun = self.begun.saturating_add(1);
        let (errand, account) = (Errand(self.begun), self.account.clone());
        self.errands.push((errand, Box::pin(async move { verb(&account).await })));
        Ok((errand, self.go_on(now)?))
    }

    /// Errands that have ended since this was last asked.
    pub fn ended(&mut self) -> Vec<(Errand, Result<(), AccountFault>)> {
        std::mem::take(&mut self.ended)
    }

    /// What errands did with blob streams since this was last asked, session by session.
    pub fn said(&self) -> Vec<(Fingerprint, Attempt, StreamId, Said)> {
        let each = self.core.hands().flat_map(|(relay, attempt, hand)| {
            hand.take().into_iter().map(move |(stream, said)| (relay, attempt, stream, said))
        });
        each.collect()
    }

    /// A relay's bytes on a blob stream; none for its end.
    ///
    /// # Errors
    /// The vault's.
    pub fn hear(
        &mut self,
        session: (Fingerprint, Attempt),
        stream: StreamId,
        bytes: Option<bytes::Bytes>,
        now: Now,
    ) -> Result<Vec<Effect>, VaultFault> {
        for (_, _, hand) in self.core.hands().filter(|(relay, attempt, _)| (*relay, *attempt) == session) {
            match &bytes {
                Some(bytes) => hand.give(stream, bytes.clone()),
                None => hand.end(stream),
            }
        }
        self.go_on(now)
    }

    /// Moves the errands as far as they come.
    fn go_on(&mut self, now: Now) -> Result<Vec<Effect>, VaultFault> {
        self.clock.set(now.elapsed);
        let mut effects = Vec::new();
        while !self.errands.is_empty() {
            let (errands, ended) = (&mut self.errands, &mut self.ended);
            self.runtime.block_on(async {
                for _ in 0..TURNS {
                    poll_fn(|context| {
                        errands.retain_mut(|(errand, doing)| match doing.as_mut().poll(context) {
                            Poll::Ready(done) => {
                                ended.push((*errand, done));
                                false
                            }
                            Poll::Pending => true,
                        });
                        Poll::Ready(())
                    })
                    .await;
                    tokio::task::yield_now().await;
                }
            });
            match self.core.turn(now)? {
                Some(more) => effects.extend(more),
                None => break,
            }
        }
        Ok(effects)
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
                effects.extend(self.go_on(now)?);
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
        let core = self.core.wake_at();
        self.clock.wake_at().map_or(core, |sleeper| sleeper.min(core))
    }

    /// How things stand with each relay.
    #[must_use]
    pub fn status(&self) -> Status {
        self.core.status()
    }
}

/// The logs of a conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logs {
    /// Where it goes on.
    pub present: MailboxId,
    /// That one, and those that it has left.
    pub all: BTreeSet<MailboxId>,
}

impl Account {
    /// Where this device reads each conversation, and where it has read it.
    ///
    /// # Errors
    /// The vault's.
    pub async fn logs(&self) -> Result<BTreeMap<GroupId, Logs>, AccountFault> {
        self.look(|tx, _| {
            let places = conversations::places(tx)?;
            let all = |id: &GroupId| places.iter().filter(|(of, _)| of == id).map(|(_, log)| *log).collect();
            let rows = conversations::list(tx)?.into_iter();
            Ok::<_, VaultFault>(rows.map(|row| (row.id, Logs { present: row.mailbox, all: all(&row.id) })).collect())
        })
        .await
    }
}

impl std::fmt::Debug for Driven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driven")
    }
}
