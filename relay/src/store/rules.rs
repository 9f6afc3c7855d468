//! Who may do what, and for how much. Pure functions over records: no I/O, no clock, no randomness.

use relevo_protocol::limits::{MAX_GRANTS, RESERVED_BYTES, RESERVED_ENTRIES};
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{CapabilityHash, MailboxKind, Refusal};

use super::config::StoreConfig;
use super::record::{Admission, AdmissionKind, Mailbox};

/// Hours of the period that allowances are counted in.
const PERIOD_HOURS: u32 = 30 * 24;

/// Whether the relay as a whole takes new data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Relay {
    /// There is room.
    Roomy,
    /// At the watermark: only the reserve for owners of shared mailboxes is left.
    Full,
    /// So little disk is left that nothing is taken.
    Exhausted,
}

/// Who shows a capability for an append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shown {
    Owner,
    Grant,
}

/// What of the store is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Mailboxes.
    pub mailboxes: u64,
    /// Bytes of entries and last resorts.
    pub entry_bytes: u64,
    /// Those of them that stand in the reserve.
    pub reserved_bytes: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of blobs.
    pub blob_bytes: u64,
    /// Rows of grants.
    pub grants: u64,
    /// Admissions, expired ones that are not swept yet included.
    pub admissions: u64,
}

/// Bytes that a grant counts for: its key and row are 75, and the index keeps them with as much again.
pub(crate) const GRANT_BYTES: u64 = 128;

impl Totals {
    /// Bytes of entries, blobs and grants.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entry_bytes.saturating_add(self.blob_bytes).saturating_add(grant_bytes(self.grants))
    }
}

/// Bytes that so many grants count for.
pub(crate) fn grant_bytes(grants: u64) -> u64 {
    grants.saturating_mul(GRANT_BYTES)
}

/// Whether one more admission may be sponsored by one of this kind. The last eighth is the shared one's.
pub(crate) fn admissions(totals: &Totals, by: AdmissionKind, config: &StoreConfig) -> Result<(), Refusal> {
    let most = match by {
        AdmissionKind::Shared => config.admissions,
        AdmissionKind::SingleUse | AdmissionKind::Enrolled => config.admissions - config.admissions / 8,
    };
    if totals.admissions < most { Ok(()) } else { Err(Refusal::RelayFull) }
}

/// The relay's room for `size` more bytes.
pub(crate) fn relay(totals: &Totals, free: Option<u64>, size: u64, config: &StoreConfig) -> Relay {
    if free.is_some_and(|free| free < config.last_free_bytes) {
        Relay::Exhausted
    } else if totals.bytes().saturating_add(size) > config.bytes || free.is_some_and(|free| free < config.free_bytes) {
        Relay::Full
    } else {
        Relay::Roomy
    }
}

/// The end of a lease asked for now, no longer than the relay gives and rounded up to the hour.
pub(crate) fn lease(now: Timestamp, wished: u32, config: &StoreConfig) -> Hour {
    now.round_up().plus(wished.clamp(1, config.lease_hours.max(1)))
}

/// Whether a mailbox has neither lease nor entries left: it is gone, swept or not.
pub(crate) fn is_gone(mailbox: &Mailbox, now: Timestamp) -> bool {
    mailbox.lease.is_past(now) && mailbox.entries() == 0
}

/// Whether *owner* is shown.
pub(crate) fn owner(mailbox: &Mailbox, shown: &CapabilityHash) -> Result<(), Refusal> {
    if mailbox.owner == *shown { Ok(()) } else { Err(Refusal::NoSuchMailbox) }
}

/// Whether *read* or *owner* is shown.
pub(crate) fn reader(mailbox: &Mailbox, shown: &CapabilityHash) -> Result<(), Refusal> {
    // Both are compared always: the time tells not which one it was.
    let owner = mailbox.owner == *shown;
    let read = mailbox.read.is_some_and(|read| read == *shown);
    if owner | read { Ok(()) } else { Err(Refusal::NoSuchMailbox) }
}

/// Whether the mailbox is of the kind that an act needs.
pub(crate) fn kind(mailbox: &Mailbox, kind: MailboxKind) -> Result<(), Refusal> {
    if mailbox.kind == kind { Ok(()) } else { Err(Refusal::WrongKind) }
}

/// Whether the mailbox still takes entries. A lapsed lease closes the door before the last entry has gone.
pub(crate) fn takes_entries(mailbox: &Mailbox, now: Timestamp) -> Result<(), Refusal> {
    if mailbox.frozen {
        Err(Refusal::Frozen)
    } else if mailbox.lease.is_past(now) {
        Err(Refusal::NoSuchMailbox)
    } else {
        Ok(())
    }
}

/// Room for everybody's entries. *owner* of a shared mailbox has more of it than any grant, and pays for it alike:
/// nobody can fill a group's log against its administrators.
pub(crate) fn ordinary_room(
    mailbox: &Mailbox,
    shown: Shown,
    size: u64,
    relay: Relay,
    config: &StoreConfig,
) -> Result<(), Refusal> {
    let (held, kept) = match (shown, mailbox.kind) {
        (Shown::Owner, MailboxKind::Shared) => ((0, 0), (RESERVED_ENTRIES, RESERVED_BYTES)),
        // What owners have in the reserve is no grant's.
        (Shown::Owner | Shown::Grant, MailboxKind::Shared | MailboxKind::Personal) => {
            ((mailbox.reserved_entries, mailbox.reserved_bytes), (0, 0))
        }
    };
    let entries = mailbox.entries().saturating_sub(held.0);
    let bytes = mailbox.bytes.saturating_sub(held.1);
    if entries >= config.mailbox_entries.saturating_add(kept.0)
        || bytes.saturating_add(size) > config.mailbox_bytes.saturating_add(kept.1)
    {
        Err(Refusal::MailboxFull)
    } else if relay != Relay::Roomy {
        Err(Refusal::RelayFull)
    } else {
        Ok(())
    }
}

/// Whether the reserve of the relay takes what was refused. It is for owners of shared mailboxes when the relay or their
/// allowance is full, and is bounded for each mailbox and in all; for each admission [`Spending::Reserve`] bounds it.
pub(crate) fn reserve_room(
    mailbox: &Mailbox,
    shown: Shown,
    size: u64,
    relay: Relay,
    refusal: Refusal,
    totals: &Totals,
    config: &StoreConfig,
) -> Result<(), Refusal> {
    let is_theirs = shown == Shown::Owner && mailbox.kind == MailboxKind::Shared && refusal != Refusal::MailboxFull;
    let has_room = relay != Relay::Exhausted
        && mailbox.reserved_entries < RESERVED_ENTRIES
        && mailbox.reserved_bytes.saturating_add(size) <= RESERVED_BYTES
        && totals.reserved_bytes.saturating_add(size) <= config.reserve_bytes;
    if is_theirs && has_room { Ok(()) } else { Err(refusal) }
}

/// Whether a table may hold `count` grants.
pub(crate) fn grants(count: usize) -> Result<u32, Refusal> {
    u32::try_from(count).ok().filter(|_| count <= MAX_GRANTS).ok_or(Refusal::TooManyGrants)
}

/// Number of the 30 days that allowances are counted in now.
pub(crate) fn period(now: Timestamp) -> u32 {
    now.round_up().0 / PERIOD_HOURS
}

/// What an admission may use in 30 days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allowance {
    pub(crate) bytes: u64,
    pub(crate) mailboxes: u64,
    /// Single-use admissions.
    pub(crate) sponsored: u32,
    /// Bytes of the relay's reserve.
    pub(crate) reserve: u64,
}

/// The allowance of a kind.
pub(crate) fn allowance(kind: AdmissionKind, config: &StoreConfig) -> Allowance {
    match kind {
        AdmissionKind::Shared => Allowance {
            bytes: config.shared_bytes,
            mailboxes: config.shared_mailboxes,
            sponsored: config.shared_sponsored,
            reserve: config.shared_reserve,
        },
        AdmissionKind::SingleUse => Allowance { bytes: 0, mailboxes: 0, sponsored: 0, reserve: 0 },
        AdmissionKind::Enrolled => Allowance {
            bytes: config.admission_bytes,
            mailboxes: config.admission_mailboxes,
            sponsored: config.sponsored,
            reserve: config.admission_reserve,
        },
    }
}

/// The admission as it stands in the 30 days of `now`: older sums are forgotten.
pub(crate) fn current(admission: &mut Admission, now: Timestamp) {
    let period = period(now);
    if admission.period != period {
        admission.period = period;
        admission.bytes = 0;
        admission.mailboxes = 0;
        admission.sponsored = 0;
        admission.reserve = 0;
    }
}

/// What is taken from an admission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spending {
    Bytes(u64),
    /// Bytes that the relay or the allowance has no ordinary room for.
    Reserve(u64),
    Mailbox,
    Sponsorship,
}

/// Takes it from the admission and prolongs an enrolled one, or refuses and changes nothing that counts.
pub(crate) fn spend(
    admission: &mut Admission,
    spending: Spending,
    now: Timestamp,
    config: &StoreConfig,
) -> Result<(), Refusal> {
    current(admission, now);
    let allowance = allowance(admission.kind, config);
    let sum = |used: u64, more, most| {
        Some(used.saturating_add(more)).filter(|sum| *sum <= most).ok_or(Refusal::AllowanceSpent)
    };
    match spending {
        Spending::Bytes(more) => admission.bytes = sum(admission.bytes, more, allowance.bytes)?,
        Spending::Reserve(more) => admission.reserve = sum(admission.reserve, more, allowance.reserve)?,
        Spending::Mailbox if admission.mailboxes < allowance.mailboxes => admission.mailboxes += 1,
        Spending::Sponsorship if admission.sponsored < allowance.sponsored => admission.sponsored += 1,
        Spending::Mailbox | Spending::Sponsorship => return Err(Refusal::AllowanceSpent),
    }
    match admission.kind {
        AdmissionKind::Enrolled => admission.expires = admission.expires.max(enrolled_until(now, config)),
        AdmissionKind::Shared | AdmissionKind::SingleUse => {}
    }
    Ok(())
}

/// End of an enrolled admission used now: counted from the end of the 30 days, so that it tells no time of use.
pub(crate) fn enrolled_until(now: Timestamp, config: &StoreConfig) -> Hour {
    Hour(period(now).saturating_add(1).saturating_mul(PERIOD_HOURS)).plus(config.admission_hours)
}
