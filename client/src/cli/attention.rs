//! What went wrong that people must see: warnings of membership, alarms of conversations.

use data_encoding::HEXLOWER;
use serde::Serialize;

use super::failure::Stop;
use super::session::Session;
use super::{shown, status, when};
use crate::conversation::{AlarmKind, Conviction, HeldBack, Keeper, Unsure};
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
    /// What a relay signed, of a lie.
    pub(crate) proof: Option<Proof>,
}

/// A relay's own words against it, in hexadecimal: two of one place prove to anybody that it lied, one alone only to who
/// was given something else there. Each signature is Ed25519 by `relay` as SPEC 6 says.
#[derive(Serialize)]
pub(crate) struct Proof {
    /// Its identity key.
    relay: String,
    /// One that is not true of what this device was given, and, if there is one, what it signed for us instead.
    words: Vec<Word>,
}

#[derive(Serialize)]
struct Word {
    statement: String,
    signature: String,
}

impl Proof {
    fn of(conviction: &Conviction) -> Self {
        let words = [Some(&conviction.word), conviction.against.as_ref()].into_iter().flatten();
        let words = words.map(|word| Word {
            statement: HEXLOWER.encode(&word.statement),
            signature: HEXLOWER.encode(&word.signature),
        });
        Self { relay: HEXLOWER.encode(&conviction.relay.0), words: words.collect() }
    }
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
        let (kind, at) = (warning.kind.code(), when::utc(warning.at));
        points.push(Point { kind, about, conversation: None, at, what, proof: None });
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
            AlarmKind::Lie if alarm.proof.as_ref().is_some_and(|proof| proof.against.is_some()) => {
                ("lie", words.msg_alarm_lie_proved(group))
            }
            AlarmKind::Lie => ("lie", words.msg_alarm_lie(group)),
            AlarmKind::MissingCommit => ("missing-commit", words.msg_alarm_missing_commit(group)),
            AlarmKind::Halted => ("halted", words.msg_alarm_halted(group)),
            AlarmKind::LostCommit => ("lost-commit", words.msg_alarm_lost_commit(group)),
            AlarmKind::NotAdded => ("not-added", words.msg_alarm_not_added(group, name)),
            AlarmKind::Complaint => ("complaint", words.msg_alarm_complaint(group, name)),
            AlarmKind::NotMoved => ("not-moved", words.msg_alarm_not_moved(group)),
            AlarmKind::NotDone => ("not-done", words.msg_alarm_not_done(group)),
            AlarmKind::Withheld => ("withheld", words.msg_alarm_withheld(group)),
            AlarmKind::Frozen => ("frozen", words.msg_alarm_frozen(group)),
            AlarmKind::Closed => ("closed", words.msg_alarm_closed(group)),
            AlarmKind::Damaged => ("damaged", words.msg_alarm_damaged(group)),
            AlarmKind::NotWelcomed => ("not-welcomed", words.msg_alarm_not_welcomed(group, name)),
            AlarmKind::OlderCopy => ("older-copy", words.msg_alarm_older_copy(group)),
            AlarmKind::Refounded => ("refounded", words.msg_alarm_refounded(group, name)),
            AlarmKind::LeftBehind => ("left-behind", words.msg_alarm_left_behind(group, name)),
            AlarmKind::Other => ("other", words.msg_alarm_other(group)),
        };
        let about = alarm.about.map(|_| about);
        let (at, proof) = (when::utc(alarm.at), alarm.proof.as_ref().map(Proof::of));
        // The same of another place, or said again: once, with the newest time.
        match points.iter_mut().find(|point| proof.is_none() && point.proof.is_none() && point.what == what) {
            Some(point) => point.at = at,
            None => points.push(Point { kind, about, conversation, at, what, proof }),
        }
    }
    for (group, keeper, since) in session.account.silent().await? {
        let conversation = names.iter().find(|(id, _)| *id == group).map(|(_, name)| name.clone());
        let name = shown::name(conversation.as_deref().unwrap_or_default());
        let (words, time) = (session.screen.words(), when::local(since));
        let (kind, what) = match keeper {
            Keeper::Relay => ("waiting", words.msg_alarm_waiting(name, time)),
            Keeper::Device => ("held-back", words.msg_alarm_held_back(name, time)),
        };
        points.push(Point { kind, about: None, conversation, at: when::utc(since), what, proof: None });
    }
    for held in session.account.changes_held_back().await? {
        let conversation = names.iter().find(|(id, _)| *id == held.group).map(|(_, name)| name.clone());
        let what = change_held_back(session, conversation.as_deref().unwrap_or_default(), &held);
        let at = when::utc(held.until);
        points.push(Point { kind: "change-held-back", about: None, conversation, at, what, proof: None });
    }
    Ok(points)
}

/// That a change of a group waits, and for how long.
pub(crate) fn change_held_back(session: &Session<'_>, group: &str, held: &HeldBack) -> String {
    let (words, group, until) = (session.screen.words(), shown::name(group), when::local(held.until));
    match held.why {
        Unsure::Missed => words.msg_alarm_change_held_back(group, until),
        Unsure::PutBack => words.msg_alarm_change_waits_for_relay(group, until),
    }
}
