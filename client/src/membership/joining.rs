//! Inviting and asking to join; the newcomers that this member has been asked about.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{
    CodeKind, ContactCard, Endorsement, Invitation, JoinRequest, Note, ParcelBody, RequestId, VouchRequest,
};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{MemberKey, Pseudonym, UnionId};
use relevo_protocol::wire::MailboxId;

use super::received::Arrived;
use super::request::{self, RequestKind, Subject};
use super::{MembershipFault, charter, code, errand, founding, identity, person};
use crate::inbox::{self, Holder};
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};

/// A newcomer that this member has been asked about.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct CandidateRow {
    #[n(0)]
    pub(super) request: RequestId,
    #[n(1)]
    pub(super) union: UnionId,
    #[n(2)]
    pub(super) member: MemberKey,
    #[n(3)]
    pub(super) pseudonym: Pseudonym,
    #[n(4)]
    pub(super) applicant: ContactCard,
    #[n(5)]
    pub(super) second: Option<Pseudonym>,
    #[n(6)]
    pub(super) note: Note,
    #[n(7)]
    pub(super) endorsements: Vec<Endorsement>,
    /// Whether this member has vouched.
    #[n(8)]
    pub(super) vouched: bool,
    /// Admitted, here or by a fellow coordinator, or refused here.
    #[n(9)]
    pub(super) settled: bool,
}

/// A link by which one person asks to join this member's union.
///
/// # Errors
/// [`MembershipFault::NotMember`], [`MembershipFault::CardExpired`].
pub fn invite(tx: &Transaction<'_>, note: Note, life_seconds: u64, now: Timestamp) -> Result<String, MembershipFault> {
    if identity::need_card(tx)?.is_expired(now) {
        return Err(MembershipFault::CardExpired);
    }
    Ok(code::create(tx, CodeKind::Member, note, life_seconds, now)?.to_text())
}

/// Follows a link into an alliance: a member's invitation, or a founder's. What comes of it shows in
/// [`super::errands`]. Another link takes the place of one that could not be read yet; one that was answered stays beside
/// it, and whichever leads to a card first ends both.
///
/// # Errors
/// [`MembershipFault::AlreadyIn`], [`MembershipFault::Link`], [`MembershipFault::WrongLink`].
pub fn join(
    tx: &Transaction<'_>,
    link: &str,
    second: Option<&Pseudonym>,
    note: Note,
    now: Timestamp,
) -> Result<MailboxId, MembershipFault> {
    let member = identity::me(tx)?;
    if member.card.is_some() || founding::founding(tx)?.is_some() {
        return Err(MembershipFault::AlreadyIn);
    }
    let parsed: relevo_protocol::content::CodeLink = link.parse()?;
    let purpose = match parsed.kind {
        CodeKind::Member => errand::Purpose::Join { second: second.cloned(), note },
        CodeKind::CoFounder => errand::Purpose::CoFound,
        CodeKind::Union | CodeKind::Contact => return Err(MembershipFault::WrongLink),
    };
    let followed = errand::follow(tx, link, parsed.kind, purpose, now)?;
    errand::give_up_unread(tx, &[CodeKind::Member, CodeKind::CoFounder], Some(&followed))?;
    Ok(followed)
}

/// The invitation was read: asks the inviter.
pub(super) fn code_read(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    invitation: &Invitation,
    second: Option<&Pseudonym>,
    note: &Note,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    inbox::establish(tx, &invitation.inviter.inbox.relay, now)?;
    let inviter = founding::adopt_inviter(tx, mailbox, &invitation.inviter, now)?;
    let request = RequestId::random().map_err(|_| MembershipFault::Randomness)?;
    errand::note_inviter(tx, mailbox, &inviter, Some(request))?;
    let body = ParcelBody::JoinRequest(JoinRequest {
        request,
        code: *mailbox,
        applicant: identity::my_contact_card(tx, &Holder::Member(inviter), now)?,
        second: second.cloned(),
        note: note.clone(),
    });
    Ok(inbox::send(tx, &inviter, &body, now)?)
}

/// A newcomer has followed this member's link.
pub(super) fn asked(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    asks: JoinRequest,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let card = identity::need_card(tx)?;
    let person = person::verify(tx, &asks.applicant.identity)?;
    if person.member != from.person.member || person.card.is_some() {
        return Err(MembershipFault::Unexpected);
    }
    code::redeem(tx, &asks.code, CodeKind::Member, &person.member, now)?;
    inbox::learn(tx, &person.member, &asks.applicant.inbox, now)?;
    let row = CandidateRow {
        request: asks.request,
        union: card.union,
        member: person.member,
        pseudonym: person.pseudonym,
        applicant: asks.applicant,
        second: asks.second,
        note: asks.note,
        endorsements: Vec::new(),
        vouched: false,
        settled: false,
    };
    if load(tx, &asks.request)?.is_some() {
        return Err(MembershipFault::Unexpected);
    }
    save(tx, &row)?;
    request::add(tx, Subject::Join { request: row.request }, now)
}

/// A member sends a newcomer's request on: to be vouched for, or with vouches for a coordinator.
pub(super) fn sent_on(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    asks: VouchRequest,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let card = identity::need_card(tx)?;
    let same_union = from.person.card.as_ref().is_some_and(|theirs| theirs.union == card.union);
    let person = person::verify(tx, &asks.applicant.identity)?;
    if !same_union || asks.union != card.union || person.card.is_some() || person.member == card.member {
        return Err(MembershipFault::Unexpected);
    }
    let mut row = match load(tx, &asks.request)? {
        // The request names one person for good: nobody slips another in under vouches that were given.
        Some(known) if known.member != person.member => return Err(MembershipFault::Unexpected),
        Some(known) => known,
        None => CandidateRow {
            request: asks.request,
            union: asks.union,
            member: person.member,
            pseudonym: person.pseudonym,
            applicant: asks.applicant,
            second: asks.second,
            note: asks.note,
            endorsements: Vec::new(),
            vouched: false,
            settled: false,
        },
    };
    if row.settled {
        return Ok(());
    }
    for endorsement in asks.endorsements {
        let signer = endorsement.vouch.hash();
        let full = row.endorsements.len() >= relevo_protocol::limits::MAX_VOUCHES;
        if !full && !row.endorsements.iter().any(|known| known.vouch.hash() == signer) {
            row.endorsements.push(endorsement);
        }
    }
    save(tx, &row)?;
    request::add(tx, Subject::Join { request: row.request }, now)
}

/// Whether this member invited, vouched for, or has to do with the admission of a member.
pub(super) fn knows_newcomer(tx: &Transaction<'_>, member: &MemberKey) -> Result<bool, MembershipFault> {
    let rows = records::list::<CandidateRow>(tx, Noun::Candidate)?;
    Ok(rows.iter().any(|row| row.member == *member && row.vouched))
}

/// A member was admitted, here or elsewhere: its requests are done with.
pub(super) fn settle(tx: &Transaction<'_>, member: &MemberKey) -> Result<(), MembershipFault> {
    for row in records::list::<CandidateRow>(tx, Noun::Candidate)? {
        if row.member == *member {
            request::close_join(tx, &row.request)?;
            save(tx, &CandidateRow { settled: true, ..row })?;
        }
    }
    Ok(())
}

/// Nobody is told, and the newcomer is not asked about again.
pub(super) fn refuse(tx: &Transaction<'_>, request: &RequestId) -> Result<(), MembershipFault> {
    if let Some(row) = load(tx, request)? {
        save(tx, &CandidateRow { settled: true, ..row })?;
    }
    Ok(())
}

pub(super) fn view(tx: &Transaction<'_>, request: &RequestId) -> Result<Option<RequestKind>, MembershipFault> {
    let Some(row) = load(tx, request)? else { return Ok(None) };
    let needed = charter::need(tx)?.union(&row.union).map_or(0, |union| union.vouches_needed);
    let mut vouchers = Vec::new();
    for endorsement in &row.endorsements {
        // One that does not verify counts for nothing, here as when admitting.
        if let Ok(person) = person::verify(tx, &endorsement.voucher.identity) {
            vouchers.push(person.pseudonym.as_str().to_owned());
        }
    }
    Ok(Some(RequestKind::Join {
        pseudonym: row.pseudonym.as_str().to_owned(),
        vouchers,
        needed,
        second: row.second.map(|second| second.as_str().to_owned()),
        note: row.note.as_str().to_owned(),
        vouched: row.vouched,
    }))
}

pub(super) fn load(tx: &Transaction<'_>, request: &RequestId) -> Result<Option<CandidateRow>, MembershipFault> {
    Ok(records::get(tx, Noun::Candidate, &request.0)?)
}

pub(super) fn save(tx: &Transaction<'_>, row: &CandidateRow) -> Result<(), MembershipFault> {
    Ok(records::put(tx, Noun::Candidate, &row.request.0, row)?)
}
