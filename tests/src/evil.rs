//! A relay that lies: it holds its identity key, speaks the whole protocol over real QUIC, and tells each member what a
//! [`Lie`] makes of the truth. Without a lie it is an honest relay that keeps everything in memory.
//!
//! ```text
//! client => front (QUIC, HTTP/3, greeting) -> desk (sessions, cursors) -> ledger (the truth) -> lie -> client
//! ```

#![expect(clippy::wildcard_enum_match_arm, reason = "a lie is about one thing, and leaves the rest as it is")]

mod desk;
mod front;
mod keys;
mod ledger;
mod lie;
pub mod lies;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use relevo_protocol::wire::{Entry, RelayAddress};
use tokio::task::JoinHandle;

use desk::Hub;
pub use ledger::{Ledger, Log, Written};
pub use lie::{Lie, Who};
use lies::Spot;

use crate::world::TestRelay;

/// A running relay of this kind.
pub struct EvilRelay {
    address: RelayAddress,
    hub: Arc<Mutex<Hub>>,
    front: front::Front,
    serving: JoinHandle<()>,
    /// Holds the data directory in which the keys lie.
    _seized: TestRelay,
}

impl EvilRelay {
    /// Takes an honest relay's keys over.
    ///
    /// # Errors
    /// The honest one did not start, or no port could be had.
    pub async fn start() -> anyhow::Result<Self> {
        let mut seized = TestRelay::start().await?;
        let mut address: RelayAddress = seized.address().parse()?;
        seized.stop().await?;
        let keys = keys::Keys::load(&seized.data())?;
        let hub = Arc::new(Mutex::new(Hub::new(keys.identity.clone())));
        // A port of its own: the seized relay's may have gone to somebody else by now.
        let front = front::Front::bind("127.0.0.1:0".parse()?, &keys)?;
        address.port = front.local_addr()?.port();
        let serving = tokio::spawn(front.clone().serve(Arc::new(keys), Arc::clone(&hub)));
        Ok(Self { address, hub, front, serving, _seized: seized })
    }

    /// The address that it hands out: the seized relay's.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_text()
    }

    /// Host and port, as people name it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.address.host, self.address.port)
    }

    /// Lies from now on, with what it says next.
    pub fn lie(&self, lie: impl Lie + 'static) {
        self.with(|hub| hub.set(Some(Box::new(lie))));
    }

    /// Tells the truth from now on.
    pub fn repent(&self) {
        self.with(|hub| hub.set(None));
    }

    /// Ends every connection, so that clients come back and ask how things stand.
    pub fn hang_up(&self) {
        self.front.hang_up();
    }

    /// Looks at the truth.
    pub fn truth<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        self.with(|hub| look(hub.ledger()))
    }

    /// The log of the conversation that was begun last, or moved here last, from here on.
    ///
    /// # Errors
    /// There is none.
    pub fn spot(&self) -> anyhow::Result<Spot> {
        let newest = |ledger: &Ledger| {
            let newest = ledger.shared().max_by_key(|(_, log)| log.incarnation.0)?;
            Some(Spot { mailbox: *newest.0, since: newest.1.entries.len() })
        };
        self.truth(newest).context("no conversation")
    }

    /// The inbox of a member, from here on.
    ///
    /// # Errors
    /// There is none.
    pub fn inbox(&self, member: usize) -> anyhow::Result<Spot> {
        let mailbox = self.with(|hub| hub.inbox(member)).context("no such member")?;
        let since = self.truth(|ledger| ledger.log(&mailbox).map_or(0, |log| log.entries.len()));
        Ok(Spot { mailbox, since })
    }

    /// The entries of a log.
    #[must_use]
    pub fn entries(&self, spot: Spot) -> Vec<Entry> {
        let log = self.truth(|ledger| ledger.log(&spot.mailbox).cloned());
        log.map(|log| log.entries.into_iter().map(|written| written.entry).collect()).unwrap_or_default()
    }

    /// How often the lie had its way.
    #[must_use]
    pub fn lies_told(&self) -> u64 {
        self.with(|hub| hub.told())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Hub) -> T) -> T {
        act(&mut self.hub.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for EvilRelay {
    fn drop(&mut self) {
        self.front.close();
        self.serving.abort();
    }
}
