//! `status`: how things stand, and what needs attention.

use data_encoding::HEXLOWER;
use relevo_protocol::content::GroupId;
use relevo_protocol::wire::Refusal;
use serde::Serialize;

use super::failure::{Failure, Stop};
use super::session::Session;
use super::{attention, shown, when};
use crate::i18n::L10nLanguage;
use crate::membership::{AboutMe, Errand, ErrandState, Founding};
use crate::sync::{RelayStatus, SessionStatus};

/// Messages counted at most.
const COUNTED: u32 = 1000;

#[derive(Serialize)]
struct StatusObject<'a> {
    pseudonym: &'a str,
    union: Option<&'a str>,
    alliance: Option<&'a str>,
    card_expires: Option<String>,
    coordinator: bool,
    founding: Option<FoundingObject<'a>>,
    links: Vec<LinkObject<'a>>,
    requests: usize,
    new_messages: usize,
    waiting: u64,
    relays: Vec<RelayObject>,
    attention: &'a [attention::Point],
}

#[derive(Serialize)]
struct FoundingObject<'a> {
    union: &'a str,
    link: Option<&'a str>,
    cofounder: bool,
    signed: bool,
}

#[derive(Serialize)]
struct LinkObject<'a> {
    state: &'static str,
    error: Option<&'a str>,
    since: String,
}

#[derive(Serialize)]
struct RelayObject {
    relay: String,
    session: &'static str,
    waiting: usize,
    behind: usize,
    fault: Option<&'static str>,
}

/// `status`
pub(crate) async fn show(session: &mut Session<'_>) -> Result<(), Stop> {
    let settled = session.settle().await;
    let account = &session.account;
    let (me, founding, errands) = (account.about_me().await?, account.founding().await?, account.errands().await?);
    let relays = account.status().await?.relays;
    let (requests, waiting) = (account.requests().await?.len(), account.waiting().await?);
    let new = account.messages(None, account.shown().await?, COUNTED).await?;
    let new = new.iter().filter(|message| !message.is_ours).count();
    let points = attention::points(session).await?;
    if session.screen.is_json() {
        session.screen.object(&StatusObject {
            pseudonym: me.pseudonym.as_str(),
            union: me.union.as_ref().map(|(_, name)| name.as_str()),
            alliance: me.alliance_name.as_deref(),
            card_expires: me.card_expires.map(when::utc),
            coordinator: me.is_coordinator,
            founding: founding.as_ref().map(founding_object),
            links: errands.iter().map(link_object).collect(),
            requests,
            new_messages: new,
            waiting,
            relays: relays.iter().map(relay_object).collect(),
            attention: &points,
        })?;
        return settled;
    }
    let words = session.screen.words();
    let mut lines = who(&me, words);
    lines.extend(founding.filter(|_| me.union.is_none()).map(|founding| begun(&founding, words)).unwrap_or_default());
    lines.extend(errands.iter().filter_map(|errand| followed(errand, words)));
    lines.extend((requests > 0).then(|| words.msg_status_requests(requests)));
    lines.extend((new > 0).then(|| words.msg_status_new(new)));
    lines.extend((waiting > 0).then(|| words.msg_status_waiting(waiting)));
    let all_settled = waiting == 0 && relays.iter().all(RelayStatus::is_settled);
    lines.extend((all_settled && !relays.is_empty()).then(|| words.msg_status_settled()));
    lines.extend(relays.iter().map(|relay| relay_line(relay, words)));
    lines.extend(points.iter().map(|point| format!("! {}", point.what)));
    lines.iter().try_for_each(|line| session.screen.line(line))?;
    settled
}

fn who(me: &AboutMe, words: &L10nLanguage) -> Vec<String> {
    let mut lines = vec![words.msg_status_me(shown::name(me.pseudonym.as_str()))];
    match (&me.union, &me.alliance_name, me.card_expires) {
        (Some((_, union)), Some(alliance), Some(expires)) => {
            lines.push(words.msg_status_member(shown::name(union), shown::name(alliance), when::local(expires)));
        }
        _ => lines.push(words.msg_status_no_card()),
    }
    lines.extend(me.is_coordinator.then(|| words.msg_status_coordinator()));
    lines
}

fn begun(founding: &Founding, words: &L10nLanguage) -> Vec<String> {
    let mut lines = vec![words.msg_status_founding(shown::name(&founding.union))];
    if founding.set_signed {
        lines.push(words.msg_status_founding_signed());
    } else if founding.has_cofounder {
        lines.push(words.msg_status_founding_sign());
    } else if let Some(link) = &founding.cofounder_link {
        lines.extend([words.msg_status_founding_waits(), link.clone()]);
    } else {
        lines.push(words.msg_link_pending());
    }
    lines
}

fn followed(errand: &Errand, words: &L10nLanguage) -> Option<String> {
    match &errand.state {
        ErrandState::Reading => Some(words.msg_status_link_reading()),
        ErrandState::Asked => Some(words.msg_status_link_asked()),
        ErrandState::Done => None,
        ErrandState::Failed { code } => Some(words.msg_status_link_failed(Failure::told(code).what(words))),
    }
}

fn relay_line(relay: &RelayStatus, words: &L10nLanguage) -> String {
    let session = match (relay.session, relay.fault) {
        (SessionStatus::Idle, _) => words.msg_relay_idle(),
        (SessionStatus::NoAddress, _) => words.msg_relay_no_address(),
        (SessionStatus::Connecting, None) => words.msg_relay_connecting(),
        (SessionStatus::Open, _) => words.msg_relay_open(),
        (SessionStatus::Connecting | SessionStatus::Offline { .. }, Some(fault)) => {
            words.msg_relay_offline(Failure::of(fault.code()).what(words))
        }
        (SessionStatus::Offline { .. }, None) => words.msg_relay_waiting(),
    };
    let put_off = relay.put_off.map(|refusal| format!("; {}", refused(refusal, words))).unwrap_or_default();
    format!("{}: {session}{put_off}", words.msg_status_relay(name(relay)))
}

fn refused(refusal: Refusal, words: &L10nLanguage) -> String {
    match refusal {
        Refusal::MailboxFull => words.msg_refusal_mailbox_full(),
        Refusal::RelayFull => words.msg_refusal_relay_full(),
        Refusal::RateExceeded => words.msg_refusal_rate(),
        Refusal::AllowanceSpent => words.msg_refusal_allowance(),
        Refusal::Busy | Refusal::Failed => words.msg_refusal_busy(),
        Refusal::NoSuchMailbox
        | Refusal::Frozen
        | Refusal::WrongKind
        | Refusal::Malformed
        | Refusal::UnknownKind
        | Refusal::TooManyGrants
        | Refusal::TooManySubscriptions
        | Refusal::Empty
        | Refusal::NoSuchBlob
        | Refusal::BlobMismatch => words.msg_refusal_other(),
    }
}

fn founding_object(founding: &Founding) -> FoundingObject<'_> {
    FoundingObject {
        union: &founding.union,
        link: founding.cofounder_link.as_deref(),
        cofounder: founding.has_cofounder,
        signed: founding.set_signed,
    }
}

fn link_object(errand: &Errand) -> LinkObject<'_> {
    let (state, error) = match &errand.state {
        ErrandState::Reading => ("reading", None),
        ErrandState::Asked => ("asked", None),
        ErrandState::Done => ("done", None),
        ErrandState::Failed { code } => ("failed", Some(code.as_str())),
    };
    LinkObject { state, error, since: when::utc(errand.since) }
}

fn relay_object(relay: &RelayStatus) -> RelayObject {
    RelayObject {
        relay: name(relay),
        session: match relay.session {
            SessionStatus::Idle => "idle",
            SessionStatus::NoAddress => "no-address",
            SessionStatus::Connecting => "connecting",
            SessionStatus::Open => "open",
            SessionStatus::Offline { .. } => "offline",
        },
        waiting: relay.waiting,
        behind: relay.behind,
        fault: relay.fault.map(|fault| fault.code()),
    }
}

/// The beginning of its fingerprint, as its address shows it.
fn name(relay: &RelayStatus) -> String {
    HEXLOWER.encode(&relay.relay.0).chars().take(8).collect()
}

/// What people call each conversation.
pub(crate) async fn conversation_names(session: &Session<'_>) -> Result<Vec<(GroupId, String)>, Stop> {
    Ok(session.account.conversations().await?.into_iter().map(|one| (one.id, one.name)).collect())
}
