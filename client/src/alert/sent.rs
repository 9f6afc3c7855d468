//! Alerts that this coordinator sent, and who has answered. Silent never means safe.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{Alert, AlertAnswer, AlertText, Body, GroupId, Severity};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{MemberKey, ObjectHash, Scope, Signed};

use super::AlertFault;
use crate::conversation::Desk;
use crate::membership::{MembershipFault, charter, identity};
use crate::quiet::shows_only;
use crate::vault::records::{self, Noun};
use crate::vault::{Transaction, conversations};

/// What a coordinator wants to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlertDraft {
    /// One text for each language.
    pub texts: Vec<AlertText>,
    /// How much it matters.
    pub severity: Severity,
    /// When it ends.
    pub expires: Timestamp,
    /// Whether an answer is asked for.
    pub answer_wanted: bool,
    /// Whether it is an exercise.
    pub drill: bool,
}

/// Somebody of the audience.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Seat {
    #[n(0)]
    member: MemberKey,
    #[n(1)]
    pseudonym: String,
    /// The last answer, and when it came.
    #[n(2)]
    answer: Option<(AlertAnswer, Timestamp)>,
}

/// An alert that this coordinator sent.
#[derive(Encode, Decode)]
#[cbor(map)]
struct SentRow {
    #[n(0)]
    number: u64,
    #[n(1)]
    alert: Signed<Alert>,
    #[n(2)]
    group: GroupId,
    #[n(3)]
    audience: Vec<Seat>,
}

/// Somebody who answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Answered {
    /// Who.
    pub pseudonym: String,
    /// When the answer came.
    pub at: Timestamp,
}

/// Who has answered an alert.
#[derive(Clone, PartialEq, Eq)]
pub struct AlertStatus {
    /// Names it on the command line.
    pub number: u64,
    /// Hash of the alert.
    pub hash: ObjectHash,
    /// The conversation in which it was sent.
    pub group: GroupId,
    /// When it was issued, and when it ends.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// "I have read it."
    pub read: Vec<Answered>,
    /// "I need help."
    pub need_help: Vec<Answered>,
    /// No answer yet.
    pub silent: Vec<String>,
}

shows_only! { Answered { at }, AlertStatus { number, read, need_help } }

/// Signs an alert and posts it in a conversation. Its audience are the members of this moment, and whoever comes in before
/// it leaves.
///
/// # Errors
/// [`AlertFault::Membership`] for who is no coordinator, [`AlertFault::Refused`] for dates or texts that nobody would
/// believe, [`AlertFault::Conversation`].
pub fn send(
    tx: &Transaction<'_>,
    desk: &mut Desk<'_>,
    group: &GroupId,
    draft: AlertDraft,
    now: Timestamp,
) -> Result<u64, AlertFault> {
    let me = identity::me(tx)?.member;
    let audience = conversations::seats(tx, group)?.into_iter().filter(|seat| seat.member != me);
    let audience = audience.map(|seat| (seat.member, seat.pseudonym)).collect();
    let (number, alert) = compose(tx, group, audience, draft, now)?;
    desk.send(group, Body::Alert { alert })?;
    Ok(number)
}

/// Signs an alert and writes down whom it is for.
pub(super) fn compose(
    tx: &Transaction<'_>,
    group: &GroupId,
    audience: Vec<(MemberKey, String)>,
    draft: AlertDraft,
    now: Timestamp,
) -> Result<(u64, Signed<Alert>), AlertFault> {
    let card = identity::my_card(tx)?.ok_or(MembershipFault::NotMember)?;
    let (me, charter) = (identity::me(tx)?, charter::need(tx)?);
    let number = records::next_number(tx, Noun::AlertSent)?;
    let mut texts = draft.texts;
    texts.sort_by(|one, next| one.language.cmp(&next.language));
    let alert = Alert {
        alliance: charter.alliance(),
        union: card.union,
        scope: Scope::Union,
        sender: me.member,
        serial: number,
        supersedes: None,
        severity: draft.severity,
        texts,
        issued: now,
        expires: draft.expires,
        acknowledge: draft.answer_wanted,
        drill: draft.drill,
    };
    let signed = Signed::sign(&alert, &me.device)?;
    Alert::verify(&signed, &charter, now)?;
    // A member with two devices has two leaves and one answer.
    let mut seats: Vec<Seat> = Vec::new();
    for (member, pseudonym) in audience {
        if !seats.iter().any(|seat| seat.member == member) {
            seats.push(Seat { member, pseudonym, answer: None });
        }
    }
    let row = SentRow { number, alert: signed.clone(), group: *group, audience: seats };
    records::put(tx, Noun::AlertSent, &signed.hash().0, &row)?;
    Ok((number, signed))
}

/// An alert has left: whoever was brought in meanwhile hears it too.
///
/// # Errors
/// The vault's.
pub(crate) fn left(tx: &Transaction<'_>, group: &GroupId, alert: &ObjectHash) -> Result<(), MembershipFault> {
    let Some(mut row) = records::get::<SentRow>(tx, Noun::AlertSent, &alert.0)? else { return Ok(()) };
    let me = identity::me(tx)?.member;
    for seat in conversations::seats(tx, group)?.into_iter().filter(|seat| seat.member != me) {
        if row.audience.iter().all(|known| known.member != seat.member) {
            row.audience.push(Seat { member: seat.member, pseudonym: seat.pseudonym, answer: None });
        }
    }
    Ok(records::put(tx, Noun::AlertSent, &alert.0, &row)?)
}

/// Somebody answers. Only the audience may, and whoever came into the conversation before the alert left: that waits
/// while its author brings people in. The last answer of each counts.
///
/// # Errors
/// [`MembershipFault::Unexpected`] from anybody else.
pub fn answered(
    tx: &Transaction<'_>,
    from: &MemberKey,
    alert: &ObjectHash,
    answer: AlertAnswer,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let row: Option<SentRow> = records::get(tx, Noun::AlertSent, &alert.0)?;
    let mut row = row.ok_or(MembershipFault::Unexpected)?;
    match row.audience.iter_mut().find(|seat| seat.member == *from) {
        Some(seat) => seat.answer = Some((answer, now)),
        None => {
            let seated = conversations::seats(tx, &row.group)?.into_iter().find(|seat| seat.member == *from);
            let pseudonym = seated.ok_or(MembershipFault::Unexpected)?.pseudonym;
            row.audience.push(Seat { member: *from, pseudonym, answer: Some((answer, now)) });
        }
    }
    Ok(records::put(tx, Noun::AlertSent, &alert.0, &row)?)
}

/// All alerts that this coordinator sent, newest first.
///
/// # Errors
/// [`AlertFault::Vault`].
pub fn sent(tx: &Transaction<'_>) -> Result<Vec<AlertStatus>, AlertFault> {
    let charter = charter::need(tx)?;
    let mut all = Vec::new();
    for row in records::list::<SentRow>(tx, Noun::AlertSent)? {
        let Ok(alert) = Alert::verify_at_any_time(&row.alert, &charter) else { continue };
        let given = |wanted: AlertAnswer| {
            let answered = row.audience.iter().filter_map(|seat| Some((seat, seat.answer?)));
            answered
                .filter(|(_, (answer, _))| *answer == wanted)
                .map(|(seat, (_, at))| Answered { pseudonym: seat.pseudonym.clone(), at })
                .collect()
        };
        all.push(AlertStatus {
            number: row.number,
            hash: alert.hash(),
            group: row.group,
            issued: alert.issued,
            expires: alert.expires,
            read: given(AlertAnswer::Read),
            need_help: given(AlertAnswer::NeedHelp),
            silent: row
                .audience
                .iter()
                .filter(|seat| seat.answer.is_none())
                .map(|seat| seat.pseudonym.clone())
                .collect(),
        });
    }
    all.sort_by_key(|alert| std::cmp::Reverse(alert.number));
    Ok(all)
}

/// Who has answered one alert.
///
/// # Errors
/// [`AlertFault::NoSuchAlert`].
pub fn status(tx: &Transaction<'_>, number: u64) -> Result<AlertStatus, AlertFault> {
    sent(tx)?.into_iter().find(|alert| alert.number == number).ok_or(AlertFault::NoSuchAlert)
}
