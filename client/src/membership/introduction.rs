//! Making two contacts known to each other. Each side is asked; nothing comes of it unless both accept.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{ContactCard, Introduction, Note, ParcelBody};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;

use super::contact::{self, How};
use super::received::Arrived;
use super::request::{self, RequestKind, Subject};
use super::{MembershipFault, admission, charter, identity, person, warning};
use crate::inbox;
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};

/// Somebody whom this member was told of.
#[derive(Encode, Decode)]
#[cbor(map)]
struct IntroductionRow {
    #[n(0)]
    of: ContactCard,
    #[n(1)]
    by: MemberKey,
    #[n(2)]
    note: Note,
    /// This member's answer; none while it is open.
    #[n(3)]
    accepted: Option<bool>,
    /// What the other side sent when it accepted.
    #[n(4)]
    answer: Option<ContactCard>,
}

/// What somebody sent of whom this member was not told yet.
#[derive(Encode, Decode)]
#[cbor(map)]
struct EarlyRow {
    #[n(0)]
    from: MemberKey,
    #[n(1)]
    answer: ContactCard,
    #[n(2)]
    at: Timestamp,
}

/// Seconds for which an answer waits for its introduction: whoever introduces two sends to each by another relay, and the one
/// who hears first may answer before the other has heard.
const EARLY_LIFE: u64 = 7 * 24 * 3600;
/// Answers that wait.
const EARLY: usize = 16;

/// Introduces two contacts to each other.
///
/// # Errors
/// [`MembershipFault::NoSuchContact`], [`MembershipFault::Ambiguous`], [`MembershipFault::SameContact`].
pub fn introduce(
    tx: &Transaction<'_>,
    one: &str,
    other: &str,
    note: &Note,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    identity::need_card(tx)?;
    let (one, other) = (contact::find_contact(tx, one)?.member, contact::find_contact(tx, other)?.member);
    if one == other {
        return Err(MembershipFault::SameContact);
    }
    for (to, of) in [(one, other), (other, one)] {
        let of = admission::held_card(tx, &of)?.ok_or(MembershipFault::NoSuchContact)?;
        inbox::send(tx, &to, &ParcelBody::Introduction(Introduction { of, note: note.clone() }), now)?;
    }
    Ok(())
}

/// A contact introduces somebody.
pub(super) fn arrived(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    introduction: Introduction,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let person = person::verify(tx, &introduction.of.identity)?;
    let stranger = !contact::is_contact(tx, &from.person.member)? || person.card.is_none();
    if stranger || person.member == identity::me(tx)?.member {
        return Err(MembershipFault::Unexpected);
    }
    if contact::is_contact(tx, &person.member)? {
        return Ok(());
    }
    let before = load(tx, &person.member)?;
    if before.as_ref().is_some_and(|row| row.accepted == Some(false)) {
        return Ok(());
    }
    let early: Option<EarlyRow> = records::get(tx, Noun::EarlyAnswer, person.member.as_bytes())?;
    records::remove(tx, Noun::EarlyAnswer, person.member.as_bytes())?;
    let row = IntroductionRow {
        of: introduction.of,
        by: from.person.member,
        note: introduction.note,
        accepted: before.as_ref().and_then(|row| row.accepted),
        answer: before.and_then(|row| row.answer).or(early.map(|row| row.answer)),
    };
    save(tx, &person.member, &row)?;
    request::add(tx, Subject::Introduction { member: person.member }, now)
}

/// This member wants to meet the other.
pub(super) fn accept(tx: &Transaction<'_>, member: &MemberKey, now: Timestamp) -> Result<(), MembershipFault> {
    let mut row = load(tx, member)?.ok_or(MembershipFault::NoSuchRequest)?;
    row.accepted = Some(true);
    // Who has become a contact meanwhile has told us themselves how they are reached.
    if !contact::is_contact(tx, member)? {
        inbox::learn(tx, member, &row.of.inbox, now)?;
    }
    if let Some(answer) = row.answer.take() {
        meet(tx, &answer, now)?;
    }
    contact::send_mine(tx, member, None, now)?;
    save(tx, member, &row)
}

/// This member does not; nobody is told.
pub(super) fn refuse(tx: &Transaction<'_>, member: &MemberKey) -> Result<(), MembershipFault> {
    if let Some(row) = load(tx, member)? {
        save(tx, member, &IntroductionRow { accepted: Some(false), answer: None, ..row })?;
    }
    Ok(())
}

/// The other side has accepted. Says whether this member was told of them at all.
pub(super) fn answered(
    tx: &Transaction<'_>,
    member: &MemberKey,
    contact: &ContactCard,
    now: Timestamp,
) -> Result<bool, MembershipFault> {
    let Some(row) = load(tx, member)? else { return Ok(false) };
    match row.accepted {
        Some(true) => meet(tx, contact, now)?,
        Some(false) => {}
        None => save(tx, member, &IntroductionRow { answer: Some(contact.duplicate()), ..row })?,
    }
    Ok(true)
}

/// Somebody sends how they are reached of whom this member was not told. That they may be yet, the answer waits.
pub(super) fn answered_early(
    tx: &Transaction<'_>,
    member: &MemberKey,
    contact: &ContactCard,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let known = records::has(tx, Noun::EarlyAnswer, member.as_bytes())?;
    if !known && records::list::<EarlyRow>(tx, Noun::EarlyAnswer)?.len() >= EARLY {
        return Err(MembershipFault::Unexpected);
    }
    let row = EarlyRow { from: *member, answer: contact.duplicate(), at: now };
    Ok(records::put(tx, Noun::EarlyAnswer, member.as_bytes(), &row)?)
}

/// Somebody is a contact: nothing waits for their introduction.
pub(super) fn settled(tx: &Transaction<'_>, member: &MemberKey) -> Result<(), MembershipFault> {
    Ok(records::remove(tx, Noun::EarlyAnswer, member.as_bytes())?)
}

/// Gives up answers whose introduction has not come: nobody introduced them, and this member is told.
pub(super) fn forget_early(tx: &Transaction<'_>, now: Timestamp) -> Result<(), MembershipFault> {
    for row in records::list::<EarlyRow>(tx, Noun::EarlyAnswer)? {
        if row.at.plus_seconds(EARLY_LIFE) <= now {
            records::remove(tx, Noun::EarlyAnswer, row.from.as_bytes())?;
            warning::raise(tx, &warning::Kind::ParcelRefused, now)?;
        }
    }
    Ok(())
}

pub(super) fn view(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<RequestKind>, MembershipFault> {
    let Some(row) = load(tx, member)? else { return Ok(None) };
    let person = person::verify(tx, &row.of.identity)?;
    let union = match (&person.card, charter::current(tx)?) {
        (Some(card), Some(charter)) => charter.union(&card.union).map(|union| union.name.as_str().to_owned()),
        (Some(_), None) | (None, _) => None,
    };
    Ok(Some(RequestKind::Introduction {
        pseudonym: person.pseudonym.as_str().to_owned(),
        union,
        by: request::name(tx, &row.by)?,
        note: row.note.as_str().to_owned(),
    }))
}

/// Both have accepted.
fn meet(tx: &Transaction<'_>, card: &ContactCard, now: Timestamp) -> Result<(), MembershipFault> {
    let person = person::verify(tx, &card.identity)?;
    contact::save(tx, &person, &card.identity, How::Introduced, now)?;
    Ok(inbox::learn(tx, &person.member, &card.inbox, now)?)
}

fn load(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<IntroductionRow>, MembershipFault> {
    Ok(records::get(tx, Noun::Introduction, member.as_bytes())?)
}

fn save(tx: &Transaction<'_>, member: &MemberKey, row: &IntroductionRow) -> Result<(), MembershipFault> {
    Ok(records::put(tx, Noun::Introduction, member.as_bytes(), row)?)
}
