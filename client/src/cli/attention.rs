//! What went wrong that people must see: warnings of membership, alarms of conversations.

use serde::Serialize;

use super::failure::Stop;
use super::session::Session;
use super::{shown, status, when};
use crate::conversation::AlarmKind;
use crate::membership::warning::Kind;

/// One thing to know and what to do about it.
#[derive(Serialize)]
pub(crate) struct Point {
    /// Stable name of what it is.
    pub(crate) kind: &'static str,
    /// Whom it is about.
    pub(crate) about: Option<String>,
    /// In which conversation.
    pub(crate) conversation: Option<String>,
    pub(crate) at: String,
    pub(crate) what: String,
}

/// Everything that stands, oldest first of each sort.
pub(crate) async fn points(session: &Session<'_>) -> Result<Vec<Point>, Stop> {
    let mut points = Vec::new();
    for warning in session.account.warnings().await? {
        let about = match &warning.kind {
            Kind::Undelivered { to: who }
            | Kind::AlertRefused { from: who, alert: _ }
            | Kind::KeyChanged { member: who }
            | Kind::WordsBroken { with: who } => Some(session.name_of(Some(who)).await?),
            Kind::CharterFork { fork: _ }
            | Kind::CharterRollback
            | Kind::ParcelRefused
            | Kind::InboxDamaged
            | Kind::ComparisonBroken
            | Kind::LinkUsedTwice
            | Kind::LinkExpired => None,
        };
        let name = shown::name(about.as_deref().unwrap_or_default());
        let words = session.screen.words();
        let what = match warning.kind {
            Kind::Undelivered { .. } => words.msg_warning_undelivered(name),
            Kind::CharterFork { .. } => words.msg_warning_charter_fork(),
            Kind::CharterRollback => words.msg_warning_charter_rollback(),
            Kind::AlertRefused { .. } => words.msg_warning_alert_refused(name),
            Kind::KeyChanged { .. } => words.msg_warning_key_changed(name),
            Kind::ParcelRefused => words.msg_warning_parcel_refused(),
            Kind::WordsBroken { .. } => words.msg_warning_words_broken(name),
            Kind::InboxDamaged => words.msg_warning_inbox_damaged(),
            Kind::ComparisonBroken => words.msg_warning_comparison_broken(),
            Kind::LinkUsedTwice => words.msg_warning_link_used_twice(),
            Kind::LinkExpired => words.msg_warning_link_expired(),
        };
        points.push(Point { kind: warning.kind.code(), about, conversation: None, at: when::utc(warning.at), what });
    }
    let names = status::conversation_names(session).await?;
    for alarm in session.account.alarms().await? {
        let conversation = names.iter().find(|(id, _)| *id == alarm.group).map(|(_, name)| name.clone());
        let about = session.name_of(alarm.about.as_ref()).await?;
        let (group, name) = (shown::name(conversation.as_deref().unwrap_or_default()), shown::name(&about));
        let words = session.screen.words();
        let (kind, what) = match alarm.kind {
            AlarmKind::Rollback => ("rollback", words.msg_alarm_rollback(group)),
            AlarmKind::Gap => ("gap", words.msg_alarm_gap(group)),
            AlarmKind::ChainBroken => ("chain-broken", words.msg_alarm_chain_broken(group)),
            AlarmKind::Disagreement => ("disagreement", words.msg_alarm_disagreement(group, name)),
            AlarmKind::Lie => ("lie", words.msg_alarm_lie(group)),
            AlarmKind::MissingCommit => ("missing-commit", words.msg_alarm_missing_commit(group)),
            AlarmKind::Halted => ("halted", words.msg_alarm_halted(group)),
            AlarmKind::LostCommit => ("lost-commit", words.msg_alarm_lost_commit(group)),
            AlarmKind::NotAdded => ("not-added", words.msg_alarm_not_added(group, name)),
            AlarmKind::Complaint => ("complaint", words.msg_alarm_complaint(group, name)),
            AlarmKind::NotMoved => ("not-moved", words.msg_alarm_not_moved(group)),
            AlarmKind::NotDone => ("not-done", words.msg_alarm_not_done(group)),
            AlarmKind::Other => ("other", words.msg_alarm_other(group)),
        };
        let about = alarm.about.map(|_| about);
        points.push(Point { kind, about, conversation, at: when::utc(alarm.at), what });
    }
    Ok(points)
}
