//! Parcels to others: signed, sealed, counted, and sent again until somebody says that they came.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{InboxAddress, Parcel, ParcelBody, Sender, encode_secret};
use relevo_protocol::sealed::seal_to;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{MemberKey, ObjectHash};
use relevo_protocol::wire::{Call, Capability, Entry, Fingerprint, MailboxId, Refusal, encode};

use super::address::{address_of, learn_relay};
use super::mine::KEY_RETENTION;
use super::{Await, InboxFault};
use crate::membership::{identity, warning};
use crate::sync::{self, Then, Topic};
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};

/// Seconds until a parcel is tried again after the relay refused it: its grant may be on the way.
const AFTER_REFUSAL: [u64; 7] = [2, 10, 60, 600, 3600, 6 * 3600, 24 * 3600];
/// Seconds until a stored parcel that nobody has acknowledged is sent once more.
const AFTER_SILENCE: [u64; 3] = [24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600];

/// What is known of the parcels to one member.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
struct CounterRow {
    #[n(0)]
    last: u64,
    /// The own card that the member has acknowledged: named by its hash from then on.
    #[n(1)]
    knows_card: Option<ObjectHash>,
}

/// A parcel that has not been acknowledged.
#[derive(Encode, Decode)]
#[cbor(map)]
struct SentRow {
    #[n(0)]
    id: ObjectHash,
    #[n(1)]
    to: MemberKey,
    #[n(2)]
    relay: Fingerprint,
    #[n(3)]
    mailbox: MailboxId,
    #[n(4)]
    append: Capability,
    #[n(5)]
    entry: Entry,
    /// The card that it showed, if it showed one.
    #[n(6)]
    shows: Option<ObjectHash>,
    #[n(7)]
    awaits_receipt: bool,
    #[n(8)]
    refused: u8,
    #[n(9)]
    silent: u8,
    /// When to send it again; none while it is in the outbox.
    #[n(10)]
    next: Option<Timestamp>,
    #[n(11)]
    signed: Timestamp,
}

/// Sends a parcel to a member whose address this device knows.
///
/// # Errors
/// [`InboxFault::Unreachable`] when it knows none; [`InboxFault::Seal`] for one that is too large.
pub fn send(tx: &Transaction<'_>, to: &MemberKey, body: &ParcelBody, now: Timestamp) -> Result<(), InboxFault> {
    let address = address_of(tx, to)?.ok_or(InboxFault::Unreachable)?;
    send_to(tx, to, &address, body, now)
}

/// Sends a parcel to a member at an address that somebody has just given.
///
/// # Errors
/// [`InboxFault::Seal`] for one that is too large.
pub fn send_to(
    tx: &Transaction<'_>,
    to: &MemberKey,
    address: &InboxAddress,
    body: &ParcelBody,
    now: Timestamp,
) -> Result<(), InboxFault> {
    learn_relay(tx, &address.relay)?;
    let me = identity::me(tx)?;
    let mut counter: CounterRow = records::get(tx, Noun::Counter, to.as_bytes())?.unwrap_or_default();
    counter.last = counter.last.saturating_add(1);
    let card = me.card.as_ref().map(|card| card.hash());
    let (sender, shows) = match card.filter(|card| counter.knows_card == Some(*card)) {
        Some(card) => (Sender::Known { card }, None),
        None => (Sender::Shown { identity: identity::my_identity(tx)? }, card),
    };
    let parcel = Parcel::sign(body, sender, me.member, (*to, address.mailbox), counter.last, now, &me.device)?;
    let row = SentRow {
        id: parcel.id(),
        to: *to,
        relay: address.relay.fingerprint,
        mailbox: address.mailbox,
        append: address.append.duplicate(),
        entry: seal_to(&address.key, &address.mailbox, &encode_secret(&parcel))?,
        shows,
        awaits_receipt: !matches!(body, ParcelBody::Receipt { .. }),
        refused: 0,
        silent: 0,
        next: None,
        signed: now,
    };
    records::put(tx, Noun::Counter, to.as_bytes(), &counter)?;
    post(tx, row)
}

/// The relay's last word about a parcel.
pub(super) fn answered(
    tx: &Transaction<'_>,
    id: &ObjectHash,
    outcome: Result<(), Refusal>,
    now: Timestamp,
) -> Result<(), InboxFault> {
    let Some(mut row) = records::get::<SentRow>(tx, Noun::ParcelSent, &id.0)? else { return Ok(()) };
    let (tries, waits): (&mut u8, &[u64]) = match outcome {
        Ok(()) if row.awaits_receipt => (&mut row.silent, &AFTER_SILENCE),
        Ok(()) => return Ok(records::remove(tx, Noun::ParcelSent, &id.0)?),
        Err(_) => (&mut row.refused, &AFTER_REFUSAL),
    };
    // What waited here for so long, as for a relay that was full, may be sealed to a key that is destroyed.
    let stale = row.signed.plus_seconds(KEY_RETENTION) < now;
    let wait = waits.get(usize::from(*tries)).copied().filter(|_| !stale);
    *tries = tries.saturating_add(1);
    match wait {
        Some(wait) => {
            row.next = Some(now.plus_seconds(wait));
            Ok(records::put(tx, Noun::ParcelSent, &id.0, &row)?)
        }
        None => {
            records::remove(tx, Noun::ParcelSent, &id.0)?;
            warning::raise(tx, &warning::Kind::Undelivered { to: row.to }, now)?;
            Ok(())
        }
    }
}

/// The recipient says that a parcel came.
pub(super) fn acknowledged(tx: &Transaction<'_>, by: &MemberKey, id: &ObjectHash) -> Result<(), InboxFault> {
    let Some(row) = records::get::<SentRow>(tx, Noun::ParcelSent, &id.0)?.filter(|row| row.to == *by) else {
        return Ok(());
    };
    if row.shows.is_some() {
        let mut counter: CounterRow = records::get(tx, Noun::Counter, by.as_bytes())?.unwrap_or_default();
        counter.knows_card = row.shows;
        records::put(tx, Noun::Counter, by.as_bytes(), &counter)?;
    }
    Ok(records::remove(tx, Noun::ParcelSent, &id.0)?)
}

/// Sends again what is due.
pub(super) fn retry(tx: &Transaction<'_>, now: Timestamp) -> Result<(), InboxFault> {
    for mut row in records::list::<SentRow>(tx, Noun::ParcelSent)? {
        if row.next.is_some_and(|next| next <= now) {
            row.next = None;
            post(tx, row)?;
        }
    }
    Ok(())
}

/// Parcels that no relay has taken yet.
///
/// # Errors
/// [`InboxFault::Vault`].
pub fn undelivered(tx: &Transaction<'_>) -> Result<usize, InboxFault> {
    Ok(records::list::<SentRow>(tx, Noun::ParcelSent)?.iter().filter(|row| row.silent == 0).count())
}

fn post(tx: &Transaction<'_>, row: SentRow) -> Result<(), InboxFault> {
    let call = Call::Append { mailbox: row.mailbox, capability: row.append.duplicate(), entry: row.entry.clone() };
    let then = Then { topic: Topic::Inbox, state: encode(&Await::Parcel { id: row.id }) };
    sync::enqueue(tx, &row.relay, &call, &then)?;
    Ok(records::put(tx, Noun::ParcelSent, &row.id.0, &row)?)
}
