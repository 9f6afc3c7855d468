//! Alerts: what coordinators broadcast, who has answered, and what was refused. An alert is believed for its own
//! signature and mandate, not for who passes it on (DESIGN 9).

mod fault;
mod sent;
#[cfg(test)]
mod tests;

use minicbor::{Decode, Encode};
use relevo_protocol::content::{Alert, AlertAnswer, AlertFault as Disbelief, GroupId, ParcelBody, Severity};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{MemberKey, ObjectHash, Signed};

pub use fault::AlertFault;
pub(crate) use sent::left;
pub use sent::{AlertDraft, AlertStatus, Answered, answered, send, sent, status};

use crate::inbox;
use crate::membership::{charter, identity, warning};
use crate::quiet::shows_only;
use crate::vault::records::{self, Noun};
use crate::vault::{Transaction, VaultFault};

/// What this device makes of an alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A coordinator with a mandate says it, and it counts.
    Believed,
    /// Forged, expired, or from nobody with a mandate: noted, and its words dropped.
    Refused,
}

/// An alert that was believed when it came.
#[derive(Encode, Decode)]
#[cbor(map)]
struct ReceivedRow {
    #[n(0)]
    number: u64,
    #[n(1)]
    alert: Signed<Alert>,
    #[n(2)]
    group: GroupId,
    #[n(3)]
    at: Timestamp,
    #[n(4)]
    answer: Option<AlertAnswer>,
}

/// An alert as people see it.
#[derive(Clone, PartialEq, Eq)]
pub struct AlertView {
    /// Names it on the command line.
    pub number: u64,
    /// Hash of the alert.
    pub hash: ObjectHash,
    /// Pseudonym of the coordinator.
    pub sender: String,
    /// Its union.
    pub union: String,
    /// How much it matters.
    pub severity: Severity,
    /// Tag of the language and words, for each language.
    pub texts: Vec<(String, String)>,
    /// When it was issued, as the coordinator claims.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Whether it has ended.
    pub expired: bool,
    /// Whether an answer is asked for.
    pub answer_wanted: bool,
    /// Whether it is an exercise.
    pub drill: bool,
    /// This member's answer.
    pub answer: Option<AlertAnswer>,
    /// The conversation in which it came.
    pub group: GroupId,
}

shows_only! { AlertView { number, severity, expired, answer_wanted, drill, answer } }

/// An alert came in a conversation. Believed once; a second time it changes nothing.
///
/// # Errors
/// [`VaultFault`].
pub fn received(
    tx: &Transaction<'_>,
    group: &GroupId,
    posted_by: &MemberKey,
    alert: &Signed<Alert>,
    now: Timestamp,
) -> Result<Verdict, VaultFault> {
    let hash = alert.hash();
    // Sent again, it may have ended since.
    if records::has(tx, Noun::AlertReceived, &hash.0)? {
        return Ok(Verdict::Believed);
    }
    if believe(tx, alert, now)?.is_err() {
        warning::raise(tx, &warning::Kind::AlertRefused { from: *posted_by, alert: hash }, now)?;
        return Ok(Verdict::Refused);
    }
    let number = records::next_number(tx, Noun::AlertReceived)?;
    let row = ReceivedRow { number, alert: alert.clone(), group: *group, at: now, answer: None };
    records::put(tx, Noun::AlertReceived, &hash.0, &row)?;
    Ok(Verdict::Believed)
}

fn believe(tx: &Transaction<'_>, alert: &Signed<Alert>, now: Timestamp) -> Result<Result<(), Disbelief>, VaultFault> {
    match charter::current(tx) {
        Ok(Some(charter)) => Ok(Alert::verify(alert, &charter, now).map(|_| ())),
        Ok(None) => Ok(Err(Disbelief::OtherAlliance)),
        Err(crate::membership::MembershipFault::Vault(fault)) => Err(fault),
        Err(_) => Ok(Err(Disbelief::OtherAlliance)),
    }
}

/// All alerts that were believed, newest first.
///
/// # Errors
/// [`AlertFault::Vault`].
pub fn list(tx: &Transaction<'_>, now: Timestamp) -> Result<Vec<AlertView>, AlertFault> {
    let charter = charter::need(tx)?;
    let mut all = Vec::new();
    for row in records::list::<ReceivedRow>(tx, Noun::AlertReceived)? {
        // A charter may have dropped the union since: then there is nobody left who speaks for it.
        let Ok(alert) = Alert::verify_at_any_time(&row.alert, &charter) else { continue };
        let union = charter.union(&alert.union);
        let sender = union.and_then(|union| union.set().coordinators.iter().find(|one| one.member == alert.sender));
        all.push(AlertView {
            number: row.number,
            hash: alert.hash(),
            sender: sender.map(|one| one.pseudonym.as_str().to_owned()).unwrap_or_default(),
            union: union.map(|union| union.name.as_str().to_owned()).unwrap_or_default(),
            severity: alert.severity,
            texts: alert
                .texts
                .iter()
                .map(|one| (one.language.as_str().to_owned(), one.text.as_str().to_owned()))
                .collect(),
            issued: alert.issued,
            expires: alert.expires,
            expired: now >= alert.expires,
            answer_wanted: alert.acknowledge,
            drill: alert.drill,
            answer: row.answer,
            group: row.group,
        });
    }
    all.sort_by_key(|alert| std::cmp::Reverse(alert.number));
    Ok(all)
}

/// Answers an alert: the answer goes to the coordinator's inbox, not to the group.
///
/// # Errors
/// [`AlertFault::NoSuchAlert`], [`AlertFault::Inbox`] when the coordinator cannot be reached.
pub fn answer(tx: &Transaction<'_>, number: u64, answer: AlertAnswer, now: Timestamp) -> Result<(), AlertFault> {
    let rows = records::list::<ReceivedRow>(tx, Noun::AlertReceived)?;
    let row = rows.into_iter().find(|row| row.number == number).ok_or(AlertFault::NoSuchAlert)?;
    let alert = Alert::verify_at_any_time(&row.alert, &charter::need(tx)?)?;
    let hash = alert.hash();
    if alert.sender == identity::me(tx)?.member {
        return Err(AlertFault::OwnAlert);
    }
    inbox::send(tx, &alert.sender, &ParcelBody::AlertAnswer { alert: hash, answer }, now)?;
    Ok(records::put(tx, Noun::AlertReceived, &hash.0, &ReceivedRow { answer: Some(answer), ..row })?)
}
