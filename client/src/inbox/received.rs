//! Parcels from others: opened, checked, each taken once.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{Kind, KnownPerson, Opened, Parcel, ParcelBody, ParcelReceipt, Sender, decode};
use relevo_protocol::sealed::InboxKeyPair;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::MailboxId;

use super::address::address_of;
use super::mine::{self, Mine};
use super::{InboxFault, parcel};
use crate::membership::{self, Arrived, MembershipFault, identity, person, warning};
use crate::sync::ReceivedEntry;
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};
use crate::vault::settings::Setting;

/// Seconds after which a parcel is too old to be taken: longer than any relay keeps it. What was taken is remembered
/// longer than that, so that none is taken twice.
pub(crate) const TOO_OLD: u64 = 100 * 24 * 3600;
/// Seconds in a day.
const DAY: u64 = 24 * 3600;
/// When old parcels were last forgotten.
const LOOKED: Setting<u64> = Setting::named("inbox.parcels.looked");
/// Entries done with before the inbox is trimmed.
const TRIM_EACH: u64 = 16;

/// A parcel that was taken.
#[derive(Encode, Decode)]
#[cbor(map)]
struct SeenRow {
    #[n(0)]
    at: Timestamp,
}

/// The inbox's half of [`crate::sync::Logic::received`]. Gives back what is not the inbox's or membership's business,
/// with who sent it: the account hands it to conversations or alerts.
///
/// # Errors
/// [`InboxFault::Vault`]; what strangers sent is dropped and noted.
pub fn received(
    tx: &Transaction<'_>,
    entry: &ReceivedEntry,
    deliver: &mut dyn FnMut(&Transaction<'_>, &KnownPerson, ParcelBody) -> Result<(), MembershipFault>,
    now: Timestamp,
) -> Result<(), InboxFault> {
    let mut mine = Mine::load(tx)?;
    (mine.read, mine.life) = (entry.sequence, Some(entry.incarnation));
    if entry.sequence.0 >= mine.trimmed.0.saturating_add(TRIM_EACH) {
        mine::keep(tx, &mut mine, now)?;
    } else {
        mine.save(tx)?;
    }
    let inbox = mine.mailbox();
    match records::attempt(tx, || take(tx, &inbox, entry, deliver, now))? {
        Ok(()) => Ok(()),
        Err(fault) if fault.is_vaults() => Err(fault.into()),
        Err(fault) => note(tx, &fault, now),
    }
}

fn take(
    tx: &Transaction<'_>,
    inbox: &MailboxId,
    entry: &ReceivedEntry,
    deliver: &mut dyn FnMut(&Transaction<'_>, &KnownPerson, ParcelBody) -> Result<(), MembershipFault>,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let keys = mine::keys(tx)?;
    let parcel: Parcel = decode(&InboxKeyPair::open_with_any(&keys, inbox, &entry.entry)?)?;
    let person = match parcel.sender() {
        Sender::Shown { identity } => person::verify(tx, identity)?,
        Sender::Known { card } => person::by_card(tx, card)?.ok_or(MembershipFault::Unexpected)?,
    };
    let me = identity::me(tx)?.member;
    let Opened { id, envelope, device, body } =
        parcel.open(&person, &me, inbox).map_err(|fault| MembershipFault::from(InboxFault::Parcel(fault)))?;
    let Kind::Known(body) = body else {
        // A later version's: nothing to do with it, and no receipt, so that the sender learns that it was not understood.
        return Ok(());
    };
    if envelope.sent.plus_seconds(TOO_OLD) < now {
        return Err(MembershipFault::Unexpected);
    }
    if let ParcelBody::Receipt(ParcelReceipt { of }) = &body {
        return Ok(parcel::acknowledged(tx, &person.member, of)?);
    }
    if !records::has(tx, Noun::ParcelSeen, &id.0)? {
        records::put(tx, Noun::ParcelSeen, &id.0, &SeenRow { at: now })?;
        if let Some(other) = membership::received(tx, &Arrived { person: &person, device }, body, now)? {
            // Only members say anything else; whoever made keys of their own leaves no trace.
            person.card.as_ref().ok_or(MembershipFault::Unexpected)?;
            deliver(tx, &person, other)?;
        }
        if let Sender::Shown { identity } = parcel.sender() {
            person::remember(tx, &person, identity)?;
        }
    }
    // A repeated parcel means that the receipt was lost: it is sent again, the parcel is not taken again.
    if address_of(tx, &person.member)?.is_some() {
        parcel::send(tx, &person.member, &ParcelBody::Receipt(ParcelReceipt { of: id }), now)?;
    }
    Ok(())
}

/// Forgets parcels that are too old to come again; looks once a day.
pub(super) fn forget_old(tx: &Transaction<'_>, now: Timestamp) -> Result<(), InboxFault> {
    if LOOKED.read(tx)?.is_some_and(|looked: u64| now.0 < looked.saturating_add(DAY)) {
        return Ok(());
    }
    LOOKED.write(tx, &now.0)?;
    Ok(records::retain(tx, Noun::ParcelSeen, |row: &SeenRow| row.at.plus_seconds(2 * TOO_OLD) >= now)?)
}

/// Notes what was dropped, once for each kind of trouble.
fn note(tx: &Transaction<'_>, fault: &MembershipFault, now: Timestamp) -> Result<(), InboxFault> {
    let kind = if let MembershipFault::Fork(fork) = fault {
        warning::Kind::CharterFork { fork: *fork }
    } else if matches!(fault, MembershipFault::Rollback) {
        warning::Kind::CharterRollback
    } else if matches!(fault, MembershipFault::Safety(_)) {
        warning::Kind::ComparisonBroken
    } else if matches!(fault, MembershipFault::LinkUsed) {
        warning::Kind::LinkUsedTwice
    } else if matches!(fault, MembershipFault::LinkExpired) {
        warning::Kind::LinkExpired
    } else {
        warning::Kind::ParcelRefused
    };
    tracing::debug!(code = fault.code(), "parcel dropped");
    Ok(warning::raise(tx, &kind, now)?)
}
