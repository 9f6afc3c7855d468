//! `send`, `read`, `listen`.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use relevo_protocol::content::MessageId;
use serde::Serialize;
use tokio::task::JoinSet;

use super::failure::Stop;
use super::screen::Screen;
use super::session::Session;
use super::{alerts, input, shown, when};
use crate::account::{Spoken, What};
use crate::conversation::MessageState;
use crate::i18n::L10nLanguage;

/// Messages asked for at once.
const PAGE: u32 = 500;

#[derive(Serialize)]
struct MessageObject<'a> {
    number: i64,
    id: String,
    conversation: &'a str,
    author: &'a str,
    ours: bool,
    sent: String,
    received: String,
    state: &'static str,
    kind: &'static str,
    text: Option<&'a str>,
}

/// `send`
pub(crate) async fn send(session: &mut Session<'_>, to: &str, text: Option<String>) -> Result<(), Stop> {
    let text = match text {
        Some(text) => text,
        None => input::text().await?,
    };
    let before = last(session).await?;
    let id = session.account.send(to, &text, None).await?;
    let settled = session.settle().await;
    let sent = find(session, before, id).await?;
    if let Some(message) = sent {
        if session.screen.is_json() {
            session.screen.object(&object(&message))?;
        } else {
            let state = state_word(message.state, session.screen.words());
            session.screen.line(&state)?;
        }
    }
    settled
}

/// Number of the newest message here.
async fn last(session: &Session<'_>) -> Result<i64, Stop> {
    let mut last = session.account.shown().await?;
    loop {
        let page = session.account.messages(None, last, PAGE).await?;
        let Some(newest) = page.last() else { return Ok(last) };
        last = newest.number;
    }
}

async fn find(session: &Session<'_>, after: i64, id: MessageId) -> Result<Option<Spoken>, Stop> {
    let page = session.account.messages(None, after, PAGE).await?;
    Ok(page.into_iter().find(|message| message.is_ours && message.id == id))
}

/// `read`: fetches, prints what is new (or all), and notes that it was shown.
pub(crate) async fn read(session: &mut Session<'_>, from: Option<&str>, all: bool) -> Result<(), Stop> {
    let settled = session.settle().await;
    let begin = if all { 0 } else { session.account.shown().await? };
    let printed = print_after(session, from, begin, all).await?;
    if printed.count == 0 && !session.screen.is_json() {
        let none = session.screen.words().msg_read_none();
        session.screen.line(&none)?;
    }
    alerts::print_waiting(session, &mut BTreeSet::new()).await?;
    look(session).await?;
    settled
}

/// `listen`: prints what comes until somebody ends it, and moves documents that are not sent whole.
pub(crate) async fn listen(session: &mut Session<'_>) -> Result<(), Stop> {
    let mut changes = session.account.clone();
    let mut transfers = JoinSet::new();
    for number in session.account.unfinished_documents().await? {
        let account = session.account.clone();
        transfers.spawn(async move { account.upload(number, |_| {}).await });
    }
    let mut after = session.account.shown().await?;
    let mut alerts = BTreeSet::new();
    loop {
        after = print_after(session, None, after, false).await?.last;
        alerts::print_waiting(session, &mut alerts).await?;
        changes.changed().await?;
    }
}

struct Printed {
    count: usize,
    last: i64,
}

/// Prints messages after a number; own ones too if they are wanted. Only a look at everything counts as having shown it.
async fn print_after(
    session: &mut Session<'_>,
    from: Option<&str>,
    mut after: i64,
    own_too: bool,
) -> Result<Printed, Stop> {
    let mut count = 0;
    loop {
        let page = session.account.messages(from, after, PAGE).await?;
        for message in page.iter().filter(|message| own_too || !message.is_ours) {
            print(message, session.screen)?;
            count += 1;
        }
        let Some(newest) = page.last() else { break };
        after = newest.number;
        if from.is_none() {
            session.account.set_shown(after).await?;
        }
    }
    Ok(Printed { count, last: after })
}

/// Points at `status` when something needs attention that is not a message.
async fn look(session: &mut Session<'_>) -> Result<(), Stop> {
    let quiet = session.account.alarms().await?.is_empty() && session.account.warnings().await?.is_empty();
    if quiet || session.screen.is_json() {
        return Ok(());
    }
    let line = session.screen.words().msg_read_look();
    session.screen.line(&line)
}

fn print(message: &Spoken, screen: &mut Screen) -> Result<(), Stop> {
    if screen.is_json() {
        return screen.object(&object(message));
    }
    let words = screen.words();
    let conversation = shown::name(&message.conversation_name);
    let author = if message.is_ours {
        words.msg_message_you()
    } else if message.author.is_empty() {
        words.msg_message_somebody()
    } else {
        shown::name(&message.author)
    };
    let mut head = format!("{}  {author}", when::local(message.sent));
    if message.is_ours || message.author != message.conversation_name {
        head = format!("{head} → {conversation}");
    }
    if message.is_ours {
        head = format!("{head} ({})", state_word(message.state, words));
    }
    let body = match &message.what {
        What::Text(text) => shown::text(text, "    "),
        What::Document(name) => words.msg_message_document(shown::name(name)),
        What::Alert => words.msg_message_alert(),
        What::Leave => words.msg_message_leave(),
        What::Newer => words.msg_message_newer(),
    };
    screen.line(&head)?;
    screen.line(&format!("    {body}"))
}

fn object(message: &Spoken) -> MessageObject<'_> {
    let (kind, text) = match &message.what {
        What::Text(text) => ("text", Some(text.as_str())),
        What::Document(name) => ("document", Some(name.as_str())),
        What::Alert => ("alert", None),
        What::Leave => ("leave", None),
        What::Newer => ("newer", None),
    };
    MessageObject {
        number: message.number,
        id: HEXLOWER.encode(&message.id.0),
        conversation: &message.conversation_name,
        author: &message.author,
        ours: message.is_ours,
        sent: when::utc(message.sent),
        received: when::utc(message.received),
        state: match message.state {
            MessageState::Waiting => "waiting",
            MessageState::Sent => "sent",
            MessageState::Delivered => "delivered",
            MessageState::NotSent => "not-sent",
            MessageState::Undecided => "undecided",
            MessageState::Received | MessageState::Done => "received",
        },
        kind,
        text,
    }
}

fn state_word(state: MessageState, words: &L10nLanguage) -> String {
    match state {
        MessageState::Waiting => words.msg_state_waiting(),
        MessageState::Sent => words.msg_state_sent(),
        MessageState::Delivered => words.msg_state_delivered(),
        MessageState::NotSent => words.msg_state_not_sent(),
        MessageState::Undecided => words.msg_state_undecided(),
        MessageState::Received | MessageState::Done => words.msg_state_received(),
    }
}
