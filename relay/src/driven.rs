//! A relay without thread, socket or clock, for simulators: the same greeting, session rules, subscriptions, delivery
//! and store, moved by hand.
//!
//! ```text
//! greet -> request(frame)... -> commit (one batch of all that waits) -> take (answers and events, as frames)
//!          blob(what a client says on a stream)... -> commit -> take_blobs
//! ```

mod blobs;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    Admission, Answer, Call, Exporter, Hello, Outcome, PathSecret, RelayAddress, RelayIdentity, Request, Version,
    WelcomeBody,
};

use crate::config::Config;
use crate::delivery::Delivery;
use crate::session::driven::{Speaking, Taken};
use crate::store::{Applied, Batched, Change, Ledger, Rest, Store, StoreConfig, StoreFault};

pub use blobs::{BlobSaid, BlobStream};

pub use crate::store::{Copied, SimulatedDisk, Unsynced};

/// Names a session of a driven relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

/// A relay that has a disk and is moved by hand. Dropped, it has crashed.
pub struct DrivenRelay {
    store: Store,
    ledger: Ledger,
    delivery: Arc<Delivery>,
    identity: SigningKey,
    sessions: BTreeMap<SessionId, Speaking>,
    /// Changes that wait for the next batch, in the order in which they came.
    waiting: VecDeque<(Whose, Change)>,
    puts: BTreeMap<BlobStream, blobs::Put>,
    /// What is to be said on blob streams.
    replies: VecDeque<(BlobStream, Option<Bytes>)>,
}

/// Whose change it is.
#[derive(Clone, Copy)]
enum Whose {
    Session(SessionId),
    Blob(BlobStream),
}

/// Rows removed in one slice of a sweep.
const SLICE: usize = 512;

impl DrivenRelay {
    /// Opens the relay on a disk; its keys grow from `seed`.
    ///
    /// # Errors
    /// [`StoreFault`], also when the disk stops it.
    pub fn open(disk: &SimulatedDisk, config: StoreConfig, seed: u8, now: Timestamp) -> Result<Self, StoreFault> {
        Self::over(Store::on_simulated(disk, config)?, seed, now)
    }

    /// Opens the relay over the durable store of a directory; its keys grow from `seed`.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn open_in(directory: &Path, config: StoreConfig, seed: u8, now: Timestamp) -> Result<Self, StoreFault> {
        Self::over(Store::open(directory, config)?, seed, now)
    }

    fn over((store, mut ledger): (Store, Ledger), seed: u8, now: Timestamp) -> Result<Self, StoreFault> {
        let admission = admission(seed);
        let provide = Change::Provide { id: admission.id(), key: admission.key(), expires: Hour(u32::MAX) };
        ledger.apply(vec![provide], now)?;
        Ok(Self {
            store,
            ledger,
            delivery: Arc::default(),
            identity: identity(seed),
            sessions: BTreeMap::new(),
            waiting: VecDeque::new(),
            puts: BTreeMap::new(),
            replies: VecDeque::new(),
        })
    }

    /// The address that a relay of this seed hands out.
    #[must_use]
    pub fn address(seed: u8) -> RelayAddress {
        RelayAddress {
            fingerprint: RelayIdentity(identity(seed).verifying_key().to_bytes()).fingerprint(),
            host: format!("relay{seed}.example"),
            port: 443,
            path: PathSecret::new(Secret::new([seed; 16])),
            admission: admission(seed),
        }
    }

    /// Greets a client that has this address; none when it is not admitted.
    pub fn greet(&mut self, id: SessionId, address: &RelayAddress, now: Timestamp) -> Option<(WelcomeBody, Answer)> {
        // One connection's; nobody stands between the two here.
        let exporter: Exporter = Secret::new([7; 32]);
        let hello = Hello::new([0; 32], vec![Version::CURRENT]);
        let proof = address.admission.key().proof(&exporter);
        let admit = Request { number: 0, call: Call::Admit { id: address.admission.id(), proof } };
        let limits = Config::default();
        let greeted =
            Speaking::greet(&hello, &admit, &exporter, &self.identity, &limits, &self.store, &self.delivery, now);
        let (welcome, answer, speaking) = greeted?;
        let welcome = welcome.verify(&address.fingerprint, &exporter, &hello).ok()?;
        self.sessions.insert(id, speaking);
        Some((welcome, answer))
    }

    /// Takes one frame of a session; false when it ends the session.
    pub fn request(&mut self, id: SessionId, frame: &[u8]) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        match session.take(frame) {
            Ok(Taken::Change(change)) => {
                self.waiting.push_back((Whose::Session(id), change));
                true
            }
            Ok(Taken::Queued) => true,
            Err(_) => {
                self.end(id);
                false
            }
        }
    }

    /// Makes all changes that wait durable as one batch, as the writer does. Afterwards their answers are ready.
    ///
    /// # Errors
    /// [`StoreFault`]: the relay is dead and is to be dropped.
    pub fn commit(&mut self, now: Timestamp) -> Result<(), StoreFault> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (whose, changes): (Vec<_>, Vec<_>) = self.waiting.drain(..).unzip();
        let Batched { outcomes, touches } = self.ledger.apply(changes, now)?;
        for (mailbox, _) in &touches {
            self.delivery.wake(mailbox);
        }
        for (whose, outcome) in whose.into_iter().zip(outcomes) {
            match whose {
                // A session that has ended needs no answer.
                Whose::Session(id) => {
                    if let Some(session) = self.sessions.get_mut(&id) {
                        session.settle(match outcome {
                            Ok(applied) => Outcome::Done { answer: applied.into() },
                            Err(refusal) => Outcome::Refused { refusal },
                        });
                    }
                }
                Whose::Blob(stream) => self.settle_blob(stream, outcome),
            }
        }
        Ok(())
    }

    /// What a session has to say now.
    pub fn take(&mut self, id: SessionId, now: Timestamp) -> Vec<Bytes> {
        let Self { sessions, store, delivery, identity, .. } = self;
        sessions.get_mut(&id).map_or_else(Vec::new, |session| session.gather(store, delivery, identity, now))
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.sessions.keys().copied()
    }

    /// The client is gone.
    pub fn end(&mut self, id: SessionId) {
        self.break_blobs(id);
        self.sessions.remove(&id);
    }

    /// Removes what has expired.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn sweep(&mut self, now: Timestamp) -> Result<(), StoreFault> {
        loop {
            let Batched { outcomes, touches } = self.ledger.apply(vec![Change::Sweep { limit: SLICE }], now)?;
            for (mailbox, _) in &touches {
                self.delivery.wake(mailbox);
            }
            if !matches!(outcomes.first(), Some(Ok(Applied::Swept { rest: Rest::More }))) {
                return Ok(());
            }
        }
    }

    /// The reading half of its store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }
}

impl std::fmt::Debug for DrivenRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DrivenRelay")
    }
}

fn identity(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn admission(seed: u8) -> Admission {
    Admission::new(Secret::new([seed; 32]))
}
