//! The write half of a store: applies changes in batches. There is one, and it belongs to the writer.

mod access;
mod entries;
mod mailboxes;
mod sweep;

use std::sync::Arc;
use std::time::Instant;

use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Entry, Head, Incarnation, MailboxId, Refusal, Sequence};

use super::Shared;
use super::applied::{Appended, Applied, Touch};
use super::blobs::Busy;
use super::change::Change;
use super::draft::Draft;
use super::fault::StoreFault;
use super::rates::Rates;
use super::rules::{self, Relay, Totals};

/// Where new incarnations come from: the operating system, or a seed in simulations.
pub(crate) type Incarnations = Box<dyn FnMut() -> Result<Incarnation, StoreFault> + Send>;

/// The write half of a store.
pub struct Ledger {
    shared: Arc<Shared>,
    rates: Rates,
    incarnations: Incarnations,
    /// Whether no mailbox is to be opened, by the word of an operator.
    paused: bool,
}

/// Why a change stops: the client's fault ends the change, the machine's fault ends the store.
pub(crate) enum Stop {
    Refused(Refusal),
    Fault(StoreFault),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreFault> for Stop {
    fn from(fault: StoreFault) -> Self {
        Self::Fault(fault)
    }
}

/// What a change came to, before the flush. Kept apart from [`Applied`], which claims durability.
pub(crate) enum Effect {
    Told(Applied),
    Appended { incarnation: Incarnation, sequence: Sequence, head: Head, expires: Hour },
}

/// One batch under way: what the rules may see and change.
pub(crate) struct Work<'l> {
    pub(crate) draft: Draft<'l>,
    pub(crate) rates: &'l mut Rates,
    pub(crate) incarnations: &'l mut Incarnations,
    /// Whether no mailbox is to be opened.
    pub(crate) paused: &'l mut bool,
    pub(crate) shared: &'l Shared,
    pub(crate) totals: Totals,
    pub(crate) free: Option<u64>,
    pub(crate) now: Timestamp,
    pub(crate) touches: Vec<(MailboxId, Touch)>,
    /// Blobs that nobody else may put until the batch is durable.
    pub(crate) busy: Vec<Busy>,
}

/// What a batch came to. Everything in it is on disk.
pub struct Batched {
    /// One for each change, in order.
    pub outcomes: Vec<Result<Applied, Refusal>>,
    /// What readers wait for, in order.
    pub touches: Vec<(MailboxId, Touch)>,
}

impl Ledger {
    pub(super) fn new(shared: Arc<Shared>, incarnations: Incarnations) -> Self {
        Self { shared, rates: Rates::new(), incarnations, paused: false }
    }

    /// Takes new incarnations from elsewhere than the operating system.
    #[cfg(test)]
    pub(super) fn number_lives(&mut self, incarnations: Incarnations) {
        self.incarnations = incarnations;
    }

    /// Grants that are counted in this hour.
    #[cfg(test)]
    pub(super) fn counted(&self) -> usize {
        self.rates.count()
    }

    /// Applies changes in order as one batch and makes it durable before it returns.
    ///
    /// # Errors
    /// [`StoreFault`]: nothing of the batch may be acknowledged, and the ledger must not be used again.
    pub fn apply(&mut self, changes: Vec<Change>, now: Timestamp) -> Result<Batched, StoreFault> {
        let shared = &*self.shared;
        let mut work = Work {
            draft: Draft::new(&*shared.engine),
            rates: &mut self.rates,
            incarnations: &mut self.incarnations,
            paused: &mut self.paused,
            shared,
            totals: shared.totals(),
            free: shared.engine.free_bytes()?,
            now,
            touches: Vec::new(),
            busy: Vec::new(),
        };
        let mut effects = Vec::with_capacity(changes.len());
        for change in changes {
            effects.push(match work.change(change) {
                Ok(effect) => Ok(effect),
                Err(Stop::Refused(refusal)) => Err(refusal),
                Err(Stop::Fault(fault)) => return Err(fault),
            });
        }
        let Work { draft, totals, touches, busy: _until_the_end, .. } = work;
        let batch = draft.finish();
        if batch.is_empty() {
            shared.engine.tidy()?;
        } else {
            let begun = Instant::now();
            shared.strain.lock().begun = Some(begun);
            shared.engine.commit(batch)?;
            let took = begun.elapsed();
            let mut strain = shared.strain.lock();
            (strain.begun, strain.ended) = (None, Some(Instant::now()));
            strain.commits += 1;
            strain.commit_time = strain.commit_time.saturating_add(took);
            strain.last_commit = took;
            drop(strain);
            shared.publish(totals, &touches);
        }
        let outcomes = effects.into_iter().map(|effect| effect.map(durable)).collect();
        Ok(Batched { outcomes, touches })
    }
}

/// Called after the flush only.
fn durable(effect: Effect) -> Applied {
    match effect {
        Effect::Told(applied) => applied,
        Effect::Appended { incarnation, sequence, head, expires } => {
            Applied::Appended(Appended { incarnation, sequence, head, expires })
        }
    }
}

impl Work<'_> {
    fn change(&mut self, change: Change) -> Result<Effect, Stop> {
        match change {
            Change::Open { admission, kind, owner, read, append, take, lease_hours } => {
                self.open(admission, mailboxes::Wish { kind, owner, read, append, take, lease_hours })
            }
            Change::Append { admission, mailbox, capability, entry } => {
                self.append(admission, mailbox, capability, entry)
            }
            Change::Trim { mailbox, capability, upto, incarnation } => {
                self.trim(mailbox, capability, upto, incarnation)
            }
            Change::Take { mailbox, capability } => self.take(mailbox, capability),
            Change::LastResort { admission, mailbox, capability, entry } => {
                self.last_resort(admission, mailbox, capability, entry)
            }
            Change::Grants { mailbox, capability, table, revoke, add } => {
                self.grants(mailbox, capability, table, revoke, add)
            }
            Change::Renew { mailbox, capability, lease_hours } => self.renew(mailbox, capability, lease_hours),
            Change::Freeze { mailbox, capability } => self.freeze(mailbox, capability),
            Change::Close { mailbox, capability } => self.close(mailbox, capability),
            Change::Provide { id, key, expires } => self.provide(id, key, expires),
            Change::Enroll { by, id, key } => self.enroll(by, id, key),
            Change::Sponsor { by, id, key, expires } => self.sponsor(by, id, key, expires),
            Change::KeepBlob { admission, blob, lease_hours } => self.keep_blob(admission, blob, lease_hours),
            Change::RenewBlob { id, lease_hours } => self.renew_blob(id, lease_hours),
            Change::RemoveMailbox { mailbox } => self.remove_mailbox(&mailbox),
            Change::RemoveBlob { id } => self.remove_blob(id),
            Change::Openings { paused } => {
                *self.paused = paused;
                Ok(Effect::Told(Applied::Done))
            }
            Change::Sweep { limit } => self.sweep(limit),
        }
    }

    /// The relay's room for `size` more bytes.
    pub(crate) fn room(&self, size: u64) -> Relay {
        rules::relay(&self.totals, self.free, size, &self.shared.config)
    }
}

/// Size of an entry as a number of the store.
pub(super) fn size_of(entry: &Entry) -> u64 {
    u64::try_from(entry.size()).unwrap_or(u64::MAX)
}
