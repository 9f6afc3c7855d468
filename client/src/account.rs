//! One member's account on one device: what every face (command line, web page, bots, phones) is thin over.
//!
//! [`Account`] is a handle; the vault, the rules and the sync engine belong to one thread, and each verb is one
//! transaction on it. The network comes after: what a verb wants sent is in the outbox when it returns.

mod alerts;
mod chunks;
mod converse;
mod documents;
#[cfg(feature = "simulation")]
mod driven;
mod fault;
mod machine;
mod names;
mod pace;
mod people;
mod rules;
mod talk;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::Pseudonym;
use tokio::sync::watch;

pub use alerts::NewAlert;
pub use documents::Progress;
#[cfg(feature = "simulation")]
pub use driven::{Driven, Errand, Logs};
pub use fault::AccountFault;
pub use talk::{Spoken, What};

use crate::document::Parts;
use crate::membership;
use crate::sync::{Reach, Runner, Status};
use crate::vault::{Cost, Passphrase, Transaction, Vault};
use converse::Converse;
use machine::Machine;
use rules::Rules;

/// A handle on an open account. Cloning shares it; the account closes when it is told to, or with its last handle.
#[derive(Clone, Debug)]
pub struct Account {
    runner: Runner<Rules>,
    parts: Parts,
    changes: watch::Receiver<u64>,
    machine: Machine,
    /// None where somebody else looks at the time.
    _ticker: Option<Arc<AbortOnDrop>>,
}

/// How often what time brings is looked at: turns to act, keys to rotate, parcels to send again.
const TICK: Duration = Duration::from_secs(1);
/// How long what comes is gathered before it is acknowledged.
const BATCHED: Duration = Duration::from_millis(50);

impl Account {
    /// Makes a vault in `directory` for a new member of this pseudonym, and opens it.
    ///
    /// # Errors
    /// The vault's; the system's when it gives no socket or thread.
    pub fn create(
        directory: &Path,
        passphrase: &Passphrase,
        cost: Cost,
        pseudonym: &Pseudonym,
    ) -> Result<Self, AccountFault> {
        let mut vault = Vault::create(directory, passphrase, cost)?;
        vault.transaction(|tx| membership::init(tx, pseudonym))?;
        Self::start(directory, vault, Reach::Network)
    }

    /// Opens the vault in `directory`. Must be called inside a tokio runtime, which carries the sockets.
    ///
    /// # Errors
    /// The vault's; the system's when it gives no socket or thread.
    pub fn open(directory: &Path, passphrase: &Passphrase) -> Result<Self, AccountFault> {
        Self::start(directory, Vault::open(directory, passphrase)?, Reach::Network)
    }

    /// Opens the vault in `directory` without any network: no socket, no session. What is asked waits in the vault for
    /// the next opening with one. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The vault's; the system's when it gives no thread.
    pub fn open_offline(directory: &Path, passphrase: &Passphrase) -> Result<Self, AccountFault> {
        Self::start(directory, Vault::open(directory, passphrase)?, Reach::Nothing)
    }

    fn start(directory: &Path, vault: Vault, reach: Reach) -> Result<Self, AccountFault> {
        let (rules, changes) = Rules::new();
        let runner = Runner::start_reaching(reach, vault, rules)?;
        let ticker = tokio::spawn(tick(runner.clone(), changes.clone()));
        let (parts, machine) = (Parts::of(directory), Machine::real());
        Ok(Self { runner, parts, changes, machine, _ticker: Some(Arc::new(AbortOnDrop(ticker))) })
    }

    /// Waits until what waits here has left and what waits at the relays is read; at most for `within`, and not for
    /// relays that cannot be reached. What is left, and why, is in the answer.
    ///
    /// # Errors
    /// [`AccountFault::Closed`].
    pub async fn settle(&self, within: Duration) -> Result<Status, AccountFault> {
        let until = Instant::now() + within;
        let left = || until.saturating_duration_since(Instant::now());
        let status = self.runner.settle(within).await?;
        // What came may ask for something, such as a receipt, which leaves before we call it settled.
        self.converse(|_| Ok(())).await?;
        if status.is_settled() { Ok(self.runner.settle(left()).await?) } else { Ok(status) }
    }

    /// How things stand with each relay.
    ///
    /// # Errors
    /// [`AccountFault::Closed`].
    pub async fn status(&self) -> Result<Status, AccountFault> {
        Ok(self.runner.status().await?)
    }

    /// Waits until something has come or changed since the last call on this handle.
    ///
    /// # Errors
    /// [`AccountFault::Closed`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Result<(), AccountFault> {
        self.changes.changed().await.map_err(|_| AccountFault::Closed)
    }

    /// Closes sessions and vault. What is in the outbox leaves at the next opening.
    pub async fn close(self) {
        self.runner.stop().await;
    }

    /// Runs a verb that only reads. Nothing else is done with it, so that history can be read on a full disk.
    async fn look<T: Send + 'static, E: Into<AccountFault>>(
        &self,
        verb: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T, E> + Send + 'static,
    ) -> Result<T, AccountFault> {
        self.runner.work(move |vault, _, now| vault.transaction(|tx| verb(tx, now.wall).map_err(Into::into))).await?
    }

    /// Runs a verb in a transaction of its own.
    async fn act<T: Send + 'static, E: Into<AccountFault>>(
        &self,
        verb: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T, E> + Send + 'static,
    ) -> Result<T, AccountFault> {
        self.converse(move |with| verb(with.tx, with.now).map_err(Into::into)).await
    }

    /// Runs a verb that needs the conversations, in a transaction of its own.
    async fn converse<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Converse<'_>) -> Result<T, AccountFault> + Send + 'static,
    ) -> Result<T, AccountFault> {
        self.runner.work(move |vault, rules, now| run(vault, rules, now.wall, verb)).await?
    }
}

/// Runs a verb in a transaction, and what follows from it.
fn run<T>(
    vault: &mut Vault,
    rules: &mut Rules,
    now: Timestamp,
    verb: impl FnOnce(&mut Converse<'_>) -> Result<T, AccountFault>,
) -> Result<T, AccountFault> {
    let done = vault.transaction(|tx| {
        let mut with = rules.with(tx, now);
        let done = verb(&mut with)?;
        with.tend()?;
        Ok(done)
    });
    if done.is_err() {
        rules.forget();
    }
    done
}

/// Looks at what time brings, and at what has come, until the account closes.
async fn tick(runner: Runner<Rules>, mut changes: watch::Receiver<u64>) {
    loop {
        let came = async {
            // The sender lives as long as the rules; without it there is only time.
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(BATCHED).await;
        };
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = came => {}
        }
        match runner.work(|vault, rules, now| run(vault, rules, now.wall, |_| Ok(()))).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::error!(code = fault.code(), "what is due could not be done"),
            Err(_) => return,
        }
    }
}

/// Ends the ticker with the last handle of its account.
#[derive(Debug)]
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
