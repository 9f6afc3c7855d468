//! What goes between the vault and the relays. Nothing but the outbox and the followed mailboxes decides what goes to
//! the network, and both are rows of the vault: a crash anywhere resumes (client/DESIGN.md, "Sync and link").
//!
//! ```text
//! rules -> enqueue, follow (in their own transaction) -> engine -> effects -> link -> relay
//! relay -> link -> engine -> Logic (in the one transaction that moves the cursor or ends the dispatch)
//! ```

mod arrival;
mod backoff;
#[cfg(feature = "simulation")]
mod by_hand;
mod engine;
mod lane;
mod network;
mod peer;
#[cfg(feature = "planted-bugs")]
mod planted;
mod reader;
mod reading;
mod runner;
mod sending;
mod status;
mod waiting;

use minicbor::{Decode, Encode};
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    Answer, Call, Capability, Cursor, Entry, Fingerprint, Head, Incarnation, MailboxId, Refusal, RelayAddress,
    RelayIdentity, Sequence, Standing,
};

use crate::vault::{Transaction, VaultFault, followed, outbox, promises, relays};

pub(crate) use crate::vault::followed::{Held, Told};
#[cfg(feature = "simulation")]
pub use by_hand::ByHand;
pub use engine::{Attempt, Effect, Engine, Input, Now, Reach};
pub(crate) use lane::WINDOW;
pub use runner::{Runner, Stopped};
pub use status::{RelayStatus, SessionStatus, Status};

/// Which part of the client a dispatch or a followed mailbox belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Topic {
    /// Groups and their logs.
    #[n(0)]
    Conversation,
    /// My inbox and shelf, and what goes to the inboxes of others.
    #[n(1)]
    Inbox,
    /// Founding, inviting, joining.
    #[n(2)]
    Membership,
    /// Documents.
    #[n(3)]
    Document,
    /// Alerts.
    #[n(4)]
    Alert,
}

/// What to do when the answer to a dispatch comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Then {
    /// Whose business it is.
    pub topic: Topic,
    /// The topic's own CBOR.
    pub state: Vec<u8>,
}

/// Names a durable request in the outbox. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DispatchId(pub i64);

/// Where a newly followed mailbox is read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// From its first entry.
    Beginning,
    /// After an entry that a welcome named, with the chain's head there. It is who welcomed us who says so, until the
    /// relay does.
    After {
        /// Life of the mailbox.
        incarnation: Incarnation,
        /// Last sequence that is not wanted.
        sequence: Sequence,
        /// Head at that sequence.
        head: Head,
    },
}

/// A mailbox to read from now on.
#[derive(Debug)]
pub struct Follow {
    /// Its relay, known by [`remember_relay`] before it can be reached.
    pub relay: Fingerprint,
    /// The mailbox.
    pub mailbox: MailboxId,
    /// *read*, or *owner* of a personal mailbox.
    pub capability: Capability,
    /// Who gets its entries.
    pub topic: Topic,
    /// The topic's own key, such as a conversation's id.
    pub key: Vec<u8>,
    /// Where to begin. Without meaning for a mailbox that is followed already: its cursor stays.
    pub start: Start,
}

/// A followed mailbox as [`Logic`] sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Followed {
    /// Its relay.
    pub relay: Fingerprint,
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Who gets its entries.
    pub topic: Topic,
    /// The topic's own key.
    pub key: Vec<u8>,
    /// Last entry that is done with.
    pub cursor: Cursor,
    /// Head of the chain there.
    pub head: Head,
}

/// An entry as it came, checked against the chain as far as this device has followed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceivedEntry {
    /// Life of the mailbox.
    pub incarnation: Incarnation,
    /// Its place.
    pub sequence: Sequence,
    /// Head of the chain with it.
    pub head: Head,
    /// When the relay will drop it.
    pub expires: Hour,
    /// The entry.
    pub entry: Entry,
}

/// What happened to a followed mailbox besides entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Entries expired before this device read them.
    Gap {
        /// First that is missing.
        from: Sequence,
        /// First that can still be read.
        first_available: Sequence,
    },
    /// The relay was restored from a backup or the mailbox opened anew: a rollback. What can be read is read again;
    /// entries that this device has are not given twice.
    OtherIncarnation {
        /// The life that the cursor named.
        before: Incarnation,
        /// Where the mailbox stands now.
        standing: Standing,
    },
    /// The relay contradicts what it said before: an entry is missing, or a head differs.
    ChainBroken {
        /// Where.
        sequence: Sequence,
    },
    /// The log is not the one that whoever named its beginning told of ([`Start::After`]). Either of the two is wrong;
    /// from here on this device has the relay's.
    OtherThanTold {
        /// Where.
        sequence: Sequence,
    },
    /// The relay says that it holds more, and has given nothing for ten minutes of an open session.
    Withheld {
        /// The first that does not come.
        sequence: Sequence,
    },
    /// The relay says that it cannot read an entry: its disk has damaged it.
    Damaged {
        /// Its place.
        sequence: Sequence,
    },
    /// The bytes of an earlier entry once more (a resend after a lost answer, or a relay that replays); not given again.
    Repeated {
        /// Life of the mailbox.
        incarnation: Incarnation,
        /// Its place.
        sequence: Sequence,
    },
    /// The mailbox takes no more entries, and everything in it is read.
    Frozen,
    /// The mailbox was closed or its lease ended, the relay says. Said once; asked for again at each new session.
    Closed,
    /// The relay refuses to let it be read. Said once; tried again at each new session.
    Refused(Refusal),
}

/// Why a rule could not take what came. The transaction is rolled back and tried again later: nothing is skipped.
#[derive(Debug, thiserror::Error)]
pub enum LogicFault {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultFault),
    /// A rule failed for a reason that is not the entry's fault. Bad entries are the rule's business, not a fault.
    #[error("a rule failed: {0}")]
    Rule(&'static str),
}

/// The rules, as the engine calls them. Each call is inside the one transaction that also moves the cursor or deletes
/// the dispatch; a batch of entries shares one transaction.
pub trait Logic {
    /// An entry of a followed mailbox, each once and in order.
    ///
    /// # Errors
    /// [`LogicFault`]: rolled back, tried again later.
    fn received(
        &mut self,
        tx: &Transaction<'_>,
        from: &Followed,
        entry: &ReceivedEntry,
        now: Timestamp,
    ) -> Result<(), LogicFault>;

    /// Something else happened to a followed mailbox.
    ///
    /// # Errors
    /// [`LogicFault`]: rolled back, tried again later.
    fn noticed(
        &mut self,
        tx: &Transaction<'_>,
        from: &Followed,
        what: &Notice,
        now: Timestamp,
    ) -> Result<(), LogicFault>;

    /// The last word about a dispatch. Refusals that pass (Busy, Failed, RateExceeded, RelayFull) never come here:
    /// the engine tries again.
    ///
    /// # Errors
    /// [`LogicFault`]: rolled back, tried again later.
    fn answered(
        &mut self,
        tx: &Transaction<'_>,
        then: &Then,
        outcome: Result<&Answer, Refusal>,
        now: Timestamp,
    ) -> Result<(), LogicFault>;

    /// A transaction in which rules ran was rolled back: whatever they keep in memory is to be loaded again.
    fn rolled_back(&mut self) {}
}

/// Puts a request into the outbox. It is sent until answered, across crashes, in order with the others to the same
/// mailbox of the same relay; the answer goes to [`Logic::answered`].
///
/// # Errors
/// [`VaultFault`].
pub fn enqueue(tx: &Transaction<'_>, relay: &Fingerprint, call: &Call, then: &Then) -> Result<DispatchId, VaultFault> {
    outbox::add(tx, relay, call, then, false)
}

/// As [`enqueue`], but sent once: if the session ends before it is answered, it is forgotten, and nobody hears of it. For
/// what would do harm if the relay had it twice.
///
/// # Errors
/// [`VaultFault`].
pub fn enqueue_once(
    tx: &Transaction<'_>,
    relay: &Fingerprint,
    call: &Call,
    then: &Then,
) -> Result<DispatchId, VaultFault> {
    outbox::add(tx, relay, call, then, true)
}

/// Takes back what waits in the outbox for one mailbox of a relay, or for none. A request that is under way may still
/// be carried out; nobody hears of its answer.
///
/// # Errors
/// [`VaultFault`].
pub fn withdraw(tx: &Transaction<'_>, relay: &Fingerprint, mailbox: Option<&MailboxId>) -> Result<(), VaultFault> {
    outbox::withdraw(tx, relay, mailbox)
}

/// Follows a mailbox. For one that is followed already, replaces capability, topic and key and keeps the cursor.
///
/// # Errors
/// [`VaultFault`].
pub fn follow(tx: &Transaction<'_>, follow: &Follow) -> Result<(), VaultFault> {
    followed::add(tx, follow)
}

/// Stops following a mailbox and forgets its cursor.
///
/// # Errors
/// [`VaultFault`].
pub fn unfollow(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<(), VaultFault> {
    followed::remove(tx, mailbox)
}

/// A followed mailbox, if it is one.
///
/// # Errors
/// [`VaultFault`].
pub fn following(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<Option<Followed>, VaultFault> {
    followed::find(tx, mailbox)
}

/// The head of a followed mailbox's chain at a sequence that this device has read and that has not expired.
///
/// # Errors
/// [`VaultFault`].
pub fn head_at(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    sequence: Sequence,
) -> Result<Option<Head>, VaultFault> {
    followed::head_at(tx, mailbox, incarnation, sequence)
}

/// Whether this device has read anything of a mailbox in one of its lives, or was welcomed into it.
///
/// # Errors
/// [`VaultFault`].
pub fn knows_life(tx: &Transaction<'_>, mailbox: &MailboxId, incarnation: Incarnation) -> Result<bool, VaultFault> {
    followed::knows_life(tx, mailbox, incarnation)
}

/// Compares what a relay has signed of a place with what this device has there.
///
/// # Errors
/// [`VaultFault`].
pub(crate) fn hold(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    sequence: Sequence,
    head: Head,
) -> Result<Held, VaultFault> {
    followed::hold(tx, mailbox, incarnation, sequence, head)
}

/// What of a followed mailbox's beginning rests on a member's word alone.
///
/// # Errors
/// [`VaultFault`].
pub(crate) fn told(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<Told, VaultFault> {
    Ok(followed::find_row(tx, mailbox)?.map_or(Told::Nothing, |row| row.told))
}

/// Holds a relay to a head that it has signed for a place which this device has not read yet. Gives the one that it
/// answered with for this place before.
///
/// # Errors
/// [`VaultFault`].
pub fn hold_to(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    sequence: Sequence,
    head: Head,
) -> Result<Option<Head>, VaultFault> {
    // Nothing is said of how long the entry lives.
    let before = promises::promise(tx, mailbox, incarnation, sequence, head, Hour(0), None)?;
    Ok(before.map(|before| before.head))
}

/// Followed mailboxes whose lease, as the relay last said, ends before an hour.
///
/// # Errors
/// [`VaultFault`].
pub fn leases_ending(tx: &Transaction<'_>, before: Hour) -> Result<Vec<Followed>, VaultFault> {
    followed::leases_ending(tx, before)
}

/// Remembers how to reach a relay. A known relay takes the new host, port and path; an admission of our own stays.
///
/// # Errors
/// [`VaultFault`].
pub fn remember_relay(tx: &Transaction<'_>, address: &RelayAddress) -> Result<(), VaultFault> {
    relays::remember(tx, address)
}

/// Forgets a relay of which nothing is wanted any more; one that is in use stays.
///
/// # Errors
/// [`VaultFault`].
pub fn forget_relay(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<(), VaultFault> {
    if outbox::has_any(tx, relay)? || followed::has_any(tx, relay)? { Ok(()) } else { relays::forget(tx, relay) }
}

/// The identity key that a relay has proved to us, to verify its checkpoints; none before the first session.
///
/// # Errors
/// [`VaultFault`].
pub fn relay_identity(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<Option<RelayIdentity>, VaultFault> {
    relays::identity(tx, relay)
}

#[cfg(test)]
mod tests;
