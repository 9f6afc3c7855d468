//! A relay that lies: it holds its identity key, speaks the whole protocol over real QUIC, and tells each member what a
//! [`Lie`] makes of the truth. Without a lie it is an honest relay that keeps everything in memory.
//!
//! ```text
//! client => front (QUIC, HTTP/3, greeting) -> desk (sessions, cursors) -> ledger (the truth) -> lie -> client
//! ```

mod desk;
mod front;
mod keys;
mod ledger;
mod lie;
pub mod lies;

use std::sync::{Arc, Mutex, PoisonError};

use relevo_protocol::wire::RelayAddress;
use tokio::task::JoinHandle;

use desk::Hub;
pub use ledger::{Ledger, Log, Written};
pub use lie::{Lie, Who};

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
    /// Takes an honest relay's keys over, and its port.
    ///
    /// # Errors
    /// The honest one did not start, or its port could not be had again.
    pub async fn start() -> anyhow::Result<Self> {
        let mut seized = TestRelay::start().await?;
        let address: RelayAddress = seized.address().parse()?;
        seized.stop().await?;
        let keys = keys::Keys::load(&seized.data())?;
        let hub = Arc::new(Mutex::new(Hub::new(keys.identity.clone())));
        let front = front::Front::bind(seized.listen(), &keys)?;
        let serving = tokio::spawn(front.clone().serve(Arc::new(keys), Arc::clone(&hub)));
        Ok(Self { address, hub, front, serving, _seized: seized })
    }

    /// The address that it hands out: the seized relay's.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_text()
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
