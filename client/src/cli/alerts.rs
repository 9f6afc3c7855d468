//! `alert`: send, list, answer, status.

use std::collections::BTreeSet;
use std::time::Duration;

use relevo_protocol::content::{AlertAnswer, AlertText, Severity};
use serde::Serialize;

use super::arguments::{self, Alert, AnswerWord};
use super::failure::{Failure, Stop};
use super::requests::names;
use super::screen::Screen;
use super::session::Session;
use super::{shown, when};
use crate::account::NewAlert;
use crate::alert::{AlertStatus, AlertView, Answered};
use crate::i18n::L10nLanguage;

const HOUR: u64 = 3600;

#[derive(Serialize)]
struct AlertObject<'a> {
    alert: u64,
    sender: &'a str,
    union: &'a str,
    severity: &'static str,
    texts: Vec<TextObject<'a>>,
    issued: String,
    expires: String,
    expired: bool,
    answer_wanted: bool,
    drill: bool,
    answer: Option<&'static str>,
}

#[derive(Serialize)]
struct TextObject<'a> {
    language: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct SentObject<'a> {
    sent_alert: u64,
    issued: String,
    expires: String,
    read: Vec<AnsweredObject<'a>>,
    need_help: Vec<AnsweredObject<'a>>,
    silent: &'a [String],
}

#[derive(Serialize)]
struct AnsweredObject<'a> {
    pseudonym: &'a str,
    at: String,
}

#[derive(Serialize)]
struct Done {
    alert: u64,
    done: &'static str,
}

pub(crate) async fn act(session: &mut Session<'_>, act: Alert) -> Result<(), Stop> {
    match act {
        Alert::Send { group, texts, severity, hours, no_answer, drill } => {
            let new = NewAlert {
                texts: parsed(&texts)?,
                severity: match severity {
                    arguments::Severity::Info => Severity::Information,
                    arguments::Severity::Urgent => Severity::Urgent,
                    arguments::Severity::Emergency => Severity::Emergency,
                },
                life: Duration::from_secs(u64::from(hours) * HOUR),
                answer_wanted: !no_answer,
                drill,
            };
            let alert = session.account.send_alert(&group, new).await?;
            let says = session.screen.words().msg_alert_sent(alert.to_string());
            session.tell(&says, &Done { alert, done: "sent" })?;
            session.settle().await
        }
        Alert::List => list(session).await,
        Alert::Answer { alert, answer } => {
            let alert = number(&alert)?;
            let answer = match answer {
                AnswerWord::Read => AlertAnswer::Read,
                AnswerWord::Help => AlertAnswer::NeedHelp,
            };
            session.account.answer_alert(alert, answer).await?;
            let says = session.screen.words().msg_alert_answer_done();
            session.tell(&says, &Done { alert, done: "answered" })?;
            session.settle().await
        }
        Alert::Status { alert } => {
            let alert = number(&alert)?;
            let settled = session.settle().await;
            let status = session.account.alert_status(alert).await?;
            print_sent(&status, session.screen)?;
            settled
        }
    }
}

/// Prints the alerts that wait for an answer, but for those that are in `shown` already, and notes them there.
pub(crate) async fn print_waiting(session: &mut Session<'_>, shown: &mut BTreeSet<u64>) -> Result<(), Stop> {
    // Nobody sends alerts to who belongs to no alliance.
    if session.account.about_me().await?.alliance.is_none() {
        return Ok(());
    }
    for alert in session.account.alerts().await? {
        let waits = alert.answer_wanted && alert.answer.is_none() && !alert.expired;
        if waits && shown.insert(alert.number) {
            print(&alert, session.screen)?;
        }
    }
    Ok(())
}

async fn list(session: &mut Session<'_>) -> Result<(), Stop> {
    let settled = session.settle().await;
    let (received, sent) = (session.account.alerts().await?, session.account.sent_alerts().await?);
    if received.is_empty() && sent.is_empty() && !session.screen.is_json() {
        let none = session.screen.words().msg_alert_none();
        session.screen.line(&none)?;
    }
    received.iter().try_for_each(|alert| print(alert, session.screen))?;
    sent.iter().try_for_each(|status| print_sent(status, session.screen))?;
    settled
}

fn print(alert: &AlertView, screen: &mut Screen) -> Result<(), Stop> {
    if screen.is_json() {
        return screen.object(&object(alert));
    }
    let words = screen.words();
    let number = alert.number.to_string();
    let severity = severity_word(alert.severity, words);
    let mut lines =
        vec![words.msg_alert_title(&number, severity, shown::name(&alert.sender), shown::name(&alert.union))];
    lines.extend(alert.drill.then(|| words.msg_alert_drill()));
    let mine = alert.texts.iter().find(|(language, _)| **language == *screen.language());
    let texts = mine.map_or(alert.texts.as_slice(), std::slice::from_ref);
    lines.extend(
        texts.iter().map(|(language, text)| format!("{}: {}", shown::name(language), shown::text(text, "        "))),
    );
    lines.push(if alert.expired {
        words.msg_alert_expired(when::exact(alert.expires))
    } else {
        words.msg_alert_until(when::exact(alert.expires))
    });
    match alert.answer {
        Some(AlertAnswer::Read) => lines.push(words.msg_alert_answered_read()),
        Some(AlertAnswer::NeedHelp) => lines.push(words.msg_alert_answered_help()),
        None if alert.answer_wanted && !alert.expired => lines.push(words.msg_alert_do(&number)),
        None => {}
    }
    let [first, rest @ ..] = lines.as_slice() else { return Ok(()) };
    screen.line(first)?;
    rest.iter().try_for_each(|line| screen.line(&format!("    {line}")))
}

/// Who has answered: those who need help first, then the silent, who may need it too.
fn print_sent(status: &AlertStatus, screen: &mut Screen) -> Result<(), Stop> {
    if screen.is_json() {
        return screen.object(&SentObject {
            sent_alert: status.number,
            issued: when::utc(status.issued),
            expires: when::utc(status.expires),
            read: status.read.iter().map(answered).collect(),
            need_help: status.need_help.iter().map(answered).collect(),
            silent: &status.silent,
        });
    }
    let words = screen.words();
    let people = |all: &[Answered]| names(&all.iter().map(|one| one.pseudonym.clone()).collect::<Vec<_>>());
    let count = status.read.len() + status.need_help.len();
    let total = count + status.silent.len();
    let groups = [
        (words.msg_alert_help(), people(&status.need_help)),
        (words.msg_alert_silent(), names(&status.silent)),
        (words.msg_alert_read(), people(&status.read)),
    ];
    let title = words.msg_alert_own(status.number.to_string(), when::exact(status.issued), when::exact(status.expires));
    let summary = words.msg_alert_summary(count, total);
    screen.line(&title)?;
    screen.line(&format!("    {summary}"))?;
    groups
        .iter()
        .filter(|(_, who)| !who.is_empty())
        .try_for_each(|(state, who)| screen.field(&format!("    {state}"), who))
}

fn answered(one: &Answered) -> AnsweredObject<'_> {
    AnsweredObject { pseudonym: &one.pseudonym, at: when::utc(one.at) }
}

fn object(alert: &AlertView) -> AlertObject<'_> {
    AlertObject {
        alert: alert.number,
        sender: &alert.sender,
        union: &alert.union,
        severity: match alert.severity {
            Severity::Information => "info",
            Severity::Urgent => "urgent",
            Severity::Emergency => "emergency",
        },
        texts: alert.texts.iter().map(|(language, text)| TextObject { language, text }).collect(),
        issued: when::utc(alert.issued),
        expires: when::utc(alert.expires),
        expired: alert.expired,
        answer_wanted: alert.answer_wanted,
        drill: alert.drill,
        answer: alert.answer.map(|answer| match answer {
            AlertAnswer::Read => "read",
            AlertAnswer::NeedHelp => "help",
        }),
    }
}

fn severity_word(severity: Severity, words: &L10nLanguage) -> String {
    match severity {
        Severity::Information => words.msg_severity_info(),
        Severity::Urgent => words.msg_severity_urgent(),
        Severity::Emergency => words.msg_severity_emergency(),
    }
}

/// `es=texto` for each language.
fn parsed(texts: &[String]) -> Result<Vec<AlertText>, Stop> {
    let one = |typed: &String| {
        let (language, text) = typed.split_once('=')?;
        Some(AlertText { language: language.parse().ok()?, text: text.parse().ok()? })
    };
    let mut all: Vec<AlertText> =
        texts.iter().map(one).collect::<Option<_>>().ok_or_else(|| Failure::of("alert-texts"))?;
    // In the order in which they are signed.
    all.sort_by(|one, other| one.language.as_str().cmp(other.language.as_str()));
    Ok(all)
}

fn number(typed: &str) -> Result<u64, Stop> {
    typed.parse().map_err(|_| Failure::of("no-such-alert").into())
}
