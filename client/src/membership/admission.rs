//! Admitting a newcomer, and being admitted.

use relevo_protocol::content::{Admission, ContactCard, InboxAddress, ParcelBody};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{Card, MemberKey, Scope, Verified, Vouch};

use super::contact::{self, How};
use super::received::Arrived;
use super::{MembershipFault, charter, draft, errand, identity, joining, person, request, roll};
use crate::inbox::{self, Holder};
use crate::vault::Transaction;

/// Admits the newcomer of a request: checks the vouches, issues the card, tells the fellow coordinators, and gives the
/// newcomer its first contacts.
///
/// # Errors
/// [`MembershipFault::NotCoordinator`], [`MembershipFault::NoSuchRequest`], [`MembershipFault::Vouch`],
/// [`MembershipFault::Voucher`].
pub fn admit(tx: &Transaction<'_>, number: u64, now: Timestamp) -> Result<(), MembershipFault> {
    let (mine, charter) = identity::need_coordinator(tx)?;
    let id = request::join(tx, number)?;
    let row = joining::load(tx, &id)?.filter(|row| !row.settled).ok_or(MembershipFault::NoSuchRequest)?;
    let union =
        charter.union(&row.union).filter(|union| union.id == mine.union).ok_or(MembershipFault::NoSuchRequest)?;

    let mut vouches: Vec<Verified<Vouch>> = Vec::new();
    let mut signed = Vec::new();
    let mut contacts = Vec::new();
    for endorsement in &row.endorsements {
        let voucher = person::verify(tx, &endorsement.voucher.identity)?;
        let card = voucher.card.ok_or(MembershipFault::Voucher)?;
        if card.union != union.id || card.is_expired(now) {
            return Err(MembershipFault::Voucher);
        }
        vouches.push(Vouch::verify(&endorsement.vouch, &card, &voucher.devices)?);
        signed.push(endorsement.vouch.clone());
        if voucher.member != mine.member {
            contacts.push((voucher.member, endorsement.voucher.duplicate()));
        }
    }
    let scope = (&charter.alliance(), &union.id, Scope::Union);
    Vouch::suffice(&vouches, &row.member, scope, union.vouches_needed, now)?;

    let card = roll::issue_card(tx, &charter, union, (row.member, row.pseudonym.clone()), signed, now)?;
    for fellow in charter::fellow_coordinators(tx, &charter, &union.id)? {
        if !contacts.iter().any(|(member, _)| *member == fellow.member)
            && let Some(held) = held_card(tx, &fellow.member)?
        {
            contacts.push((fellow.member, held));
        }
    }
    contacts.push((mine.member, identity::my_contact_card(tx, &Holder::Member(row.member), now)?));
    let body = ParcelBody::Admission(Admission {
        request: Some(row.request),
        card: relevo_protocol::trust::Signed::decode(card.bytes())?,
        charters: charter::all(tx)?,
        contacts: contacts.into_iter().map(|(_, card)| card).collect(),
    });
    inbox::send_to(tx, &row.member, &row.applicant.inbox, &body, now)?;
    joining::settle(tx, &row.member)
}

/// A coordinator has admitted this member.
pub(super) fn arrived(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    admission: Admission,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let request = admission.request.ok_or(MembershipFault::Unexpected)?;
    errand::by_request(tx, &request)?.ok_or(MembershipFault::Unexpected)?;
    let adoption = charter::adopt(tx, &admission.charters)?;
    let charter = charter::need(tx)?;
    let card = Card::verify(&admission.card, &charter)?;
    let me = identity::me(tx)?;
    let issued_by_sender = charter.coordinator(&card.union, &from.device).is_some();
    if card.member != me.member || !issued_by_sender {
        return Err(MembershipFault::Unexpected);
    }
    identity::keep_card(tx, &card)?;
    errand::finish_joining(tx)?;
    draft::after_adoption(tx, adoption, Some(&from.person.member), now)?;
    for card in &admission.contacts {
        let person = person::verify(tx, &card.identity)?;
        if person.card.is_some() && person.member != me.member {
            contact::save(tx, &person, &card.identity, How::Union, now)?;
            inbox::learn(tx, &person.member, &card.inbox, now)?;
            contact::send_mine(tx, &person.member, None, now)?;
        }
    }
    Ok(())
}

/// A contact's card with the address that this member holds, without its shelf: enough for a first word, which brings an
/// address of its own back.
pub(super) fn held_card(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<ContactCard>, MembershipFault> {
    let (Some(identity), Some(address)) = (person::identity_of(tx, member)?, inbox::address_of(tx, member)?) else {
        return Ok(None);
    };
    Ok(Some(ContactCard { identity, inbox: InboxAddress { shelf: None, ..address } }))
}
