//! Vouching for a newcomer, and sending the request on: to the member whom the newcomer names, then to the coordinators.

use relevo_protocol::content::{Endorsement, Note, ParcelBody, VouchRequest};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{MemberKey, Scope, Signed, Vouch};

use super::joining::{self, CandidateRow};
use super::{MembershipFault, charter, contact, identity, person, request};
use crate::inbox::{self, Holder};
use crate::vault::Transaction;

/// Seconds within which a card may be issued on a vouch.
const VOUCH_LIFE: u64 = 14 * 24 * 3600;

/// Vouches for the newcomer of a request and sends it on.
///
/// # Errors
/// [`MembershipFault::NoSuchRequest`], [`MembershipFault::WrongRequest`], [`MembershipFault::AlreadyVouched`],
/// [`MembershipFault::CardExpired`].
pub fn vouch(tx: &Transaction<'_>, number: u64, now: Timestamp) -> Result<(), MembershipFault> {
    let id = request::join(tx, number)?;
    let mut row = joining::load(tx, &id)?.ok_or(MembershipFault::NoSuchRequest)?;
    let (me, card) = (identity::me(tx)?, identity::need_card(tx)?);
    if card.is_expired(now) {
        return Err(MembershipFault::CardExpired);
    }
    if row.vouched {
        return Err(MembershipFault::AlreadyVouched);
    }
    let vouch = Vouch {
        alliance: card.alliance,
        newcomer: row.member,
        union: row.union,
        scope: Scope::Union,
        voucher: me.member,
        voucher_card: card.hash(),
        issued: now,
        expires: now.plus_seconds(VOUCH_LIFE),
    };
    row.endorsements.push(Endorsement {
        vouch: Signed::sign(&vouch, &me.device)?,
        voucher: identity::my_contact_card(tx, &Holder::Member(row.member), now)?,
    });
    row.vouched = true;
    joining::save(tx, &row)?;
    let coordinates = identity::need_coordinator(tx).is_ok();
    match named_second(tx, &row)? {
        Some(second) => inbox::send(tx, &second, &ParcelBody::VouchRequest(sent_on(&row)), now)?,
        None => to_coordinators(tx, &row, now)?,
    }
    // A coordinator keeps the request: it is still to be admitted.
    if coordinates { Ok(()) } else { request::close(tx, number) }
}

/// Asks a contact to vouch for the newcomer of a request. For coordinators who look for a second voucher.
///
/// # Errors
/// [`MembershipFault::NoSuchRequest`], [`MembershipFault::NoSuchContact`], [`MembershipFault::NotCoordinator`].
pub fn ask(tx: &Transaction<'_>, number: u64, whom: &str, now: Timestamp) -> Result<(), MembershipFault> {
    identity::need_coordinator(tx)?;
    let id = request::join(tx, number)?;
    let row = joining::load(tx, &id)?.ok_or(MembershipFault::NoSuchRequest)?;
    let whom = contact::find_contact(tx, whom)?;
    Ok(inbox::send(tx, &whom.member, &ParcelBody::VouchRequest(sent_on(&row)), now)?)
}

/// The member whom the newcomer names, if this member knows them, they can vouch and have not yet.
fn named_second(tx: &Transaction<'_>, row: &CandidateRow) -> Result<Option<MemberKey>, MembershipFault> {
    let Some(second) = &row.second else { return Ok(None) };
    let known = contact::contacts(tx)?
        .into_iter()
        .find(|one| one.pseudonym == *second && one.union.as_ref().is_some_and(|(union, _)| *union == row.union));
    let Some(known) = known else { return Ok(None) };
    for endorsement in &row.endorsements {
        if person::verify(tx, &endorsement.voucher.identity).is_ok_and(|person| person.member == known.member) {
            return Ok(None);
        }
    }
    Ok(Some(known.member))
}

fn to_coordinators(tx: &Transaction<'_>, row: &CandidateRow, now: Timestamp) -> Result<(), MembershipFault> {
    let charter = charter::need(tx)?;
    for coordinator in charter::fellow_coordinators(tx, &charter, &row.union)? {
        if inbox::address_of(tx, &coordinator.member)?.is_some() {
            inbox::send(tx, &coordinator.member, &ParcelBody::VouchGiven(sent_on(row)), now)?;
        }
    }
    Ok(())
}

fn sent_on(row: &CandidateRow) -> VouchRequest {
    let duplicate = |one: &Endorsement| Endorsement { vouch: one.vouch.clone(), voucher: one.voucher.duplicate() };
    VouchRequest {
        request: row.request,
        union: row.union,
        applicant: row.applicant.duplicate(),
        second: row.second.clone(),
        endorsements: row.endorsements.iter().map(duplicate).collect(),
        note: Note::default(),
    }
}
