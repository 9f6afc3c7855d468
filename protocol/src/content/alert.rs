//! Alerts: a coordinator's signed, expiring broadcast, which can be checked wherever it turns up.

use minicbor::{Decode, Encode};

use super::codec::at_most;
use super::text::{Language, Text};
use crate::labels;
use crate::limits::{ALERT_CLOCK_SECONDS, MAX_ALERT, MAX_ALERT_DAYS, MAX_ALERT_TEXTS};
use crate::time::Timestamp;
use crate::trust::{
    AllianceId, Charter, Device, MemberKey, Object, ObjectFault, ObjectHash, Office, Scope, Signed, UnionId, Verified,
};

/// How much an alert matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Severity {
    /// Good to know.
    #[n(0)]
    Information,
    /// Act soon.
    #[n(1)]
    Urgent,
    /// Act now.
    #[n(2)]
    Emergency,
}

/// An alert. Its signer is a device of a coordinator whose mandate covers `issued`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Alert {
    /// The alliance.
    #[n(0)]
    pub alliance: AllianceId,
    /// The union whose coordinator speaks.
    #[n(1)]
    pub union: UnionId,
    /// Whom it was meant for; shown wherever it is forwarded.
    #[n(2)]
    pub scope: Scope,
    /// The coordinator.
    #[n(3)]
    pub sender: MemberKey,
    /// Counts the coordinator's alerts.
    #[n(4)]
    pub serial: u64,
    /// The alert that this one replaces.
    #[n(5)]
    pub supersedes: Option<ObjectHash>,
    /// How much it matters.
    #[n(6)]
    pub severity: Severity,
    /// 1 to [`MAX_ALERT_TEXTS`] texts, each in another language, by rising tag.
    #[cbor(n(7), decode_with = "at_most::<_, _, MAX_ALERT_TEXTS>")]
    pub texts: Vec<AlertText>,
    /// When it was issued, as the coordinator claims.
    #[n(8)]
    pub issued: Timestamp,
    /// First second at which it counts no more; at most [`MAX_ALERT_DAYS`] after `issued`.
    #[n(9)]
    pub expires: Timestamp,
    /// Whether an answer is asked for.
    #[n(10)]
    pub acknowledge: bool,
    /// Whether it is an exercise.
    #[n(11)]
    pub drill: bool,
}

/// An alert in one language.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct AlertText {
    /// The language.
    #[n(0)]
    pub language: Language,
    /// The words.
    #[n(1)]
    pub text: Text,
}

/// A member's answer, which goes to the sender's inbox. Silence never means safe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum AlertAnswer {
    /// "I have read it."
    #[n(0)]
    Read,
    /// "I need help."
    #[n(1)]
    NeedHelp,
}

/// Why an alert is refused. Its words are not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AlertFault {
    /// It is not signed by the coordinator's device.
    #[error(transparent)]
    Object(#[from] ObjectFault),
    /// For another alliance.
    #[error("an alert of another alliance")]
    OtherAlliance,
    /// From nobody who coordinates that union, or outside of the term.
    #[error("an alert from somebody who has no mandate for it")]
    NoMandate,
    /// Past its end.
    #[error("an alert that has expired")]
    Expired,
    /// Dated in the future, or lasting longer than an alert may.
    #[error("an alert with impossible dates")]
    Dates,
    /// No text, or two in one language.
    #[error("an alert with texts that do not fit together")]
    Texts,
}

impl Object for Alert {
    type Role = Device;
    const LABEL: &'static str = labels::ALERT;
    const MAX: usize = MAX_ALERT;
}

impl Alert {
    /// Opens an alert that a coordinator of the charter signed and that counts now.
    ///
    /// # Errors
    /// [`AlertFault`].
    pub fn verify(
        signed: &Signed<Self>,
        charter: &Verified<Charter>,
        now: Timestamp,
    ) -> Result<Verified<Self>, AlertFault> {
        let alert = Self::verify_at_any_time(signed, charter)?;
        if now >= alert.expires {
            return Err(AlertFault::Expired);
        }
        if alert.issued > now.plus_seconds(ALERT_CLOCK_SECONDS) { Err(AlertFault::Dates) } else { Ok(alert) }
    }

    /// Opens an alert as [`Alert::verify`] does, but also an old one: to show what was said, marked as past.
    ///
    /// # Errors
    /// [`AlertFault`], but not [`AlertFault::Expired`].
    pub fn verify_at_any_time(
        signed: &Signed<Self>,
        charter: &Verified<Charter>,
    ) -> Result<Verified<Self>, AlertFault> {
        let device = signed.claimed_signer();
        let alert = signed.verify_with(&device)?;
        if alert.alliance != charter.alliance() {
            return Err(AlertFault::OtherAlliance);
        }
        let coordinator = charter.coordinator(&alert.union, &device).ok_or(AlertFault::NoMandate)?;
        if coordinator.member != alert.sender || !coordinator.mandate.covers(Office::Coordinator, alert.issued) {
            return Err(AlertFault::NoMandate);
        }
        if alert.expires <= alert.issued || alert.expires > alert.issued.plus_seconds(MAX_ALERT_DAYS * 86_400) {
            return Err(AlertFault::Dates);
        }
        let rising = alert.texts.is_sorted_by(|one, next| one.language < next.language);
        if alert.texts.is_empty() || !rising { Err(AlertFault::Texts) } else { Ok(alert) }
    }

    /// The text in the first of `wanted` that there is, else the first text.
    #[must_use]
    pub fn text_in(&self, wanted: &[Language]) -> Option<&AlertText> {
        let in_language = |language: &Language| self.texts.iter().find(|text| text.language == *language);
        wanted.iter().find_map(in_language).or_else(|| self.texts.first())
    }
}
