//! What waits for this member's word: `requests`, `vouch`, `admit`.

use serde::Serialize;

use super::failure::{Failure, Stop};
use super::session::Session;
use super::{shown, when};
use crate::i18n::L10nLanguage;
use crate::membership::request::{Request, RequestKind};

#[derive(Default, Serialize)]
struct RequestObject {
    request: u64,
    since: String,
    kind: &'static str,
    pseudonym: Option<String>,
    union: Option<String>,
    by: Option<String>,
    second: Option<String>,
    note: Option<String>,
    vouchers: Vec<String>,
    needed: Option<u8>,
    vouched: bool,
    version: Option<u64>,
    unions: Vec<String>,
    coordinators: Vec<String>,
}

/// `requests`
pub(crate) async fn list(session: &mut Session<'_>) -> Result<(), Stop> {
    let settled = session.settle().await;
    let requests = session.account.requests().await?;
    if session.screen.is_json() {
        requests.iter().try_for_each(|request| session.screen.object(&object(request)))?;
    } else if requests.is_empty() {
        let none = session.screen.words().msg_requests_none();
        session.screen.line(&none)?;
    }
    if !session.screen.is_json() {
        for request in &requests {
            let [first, rest @ ..] = &lines(request, session.screen.words())[..] else { continue };
            session.screen.line(&format!("{:>3}  {first}", request.number))?;
            rest.iter().try_for_each(|line| session.screen.line(&format!("     {line}")))?;
        }
    }
    settled
}

fn object(request: &Request) -> RequestObject {
    let of = RequestObject { request: request.number, since: when::utc(request.since), ..RequestObject::default() };
    match request.kind.clone() {
        RequestKind::Join { pseudonym, vouchers, needed, second, note, vouched } => RequestObject {
            kind: "join",
            pseudonym: Some(pseudonym),
            vouchers,
            needed: Some(needed),
            second,
            note: Some(note),
            vouched,
            ..of
        },
        RequestKind::Introduction { pseudonym, union, by, note } => RequestObject {
            kind: "introduction",
            pseudonym: Some(pseudonym),
            union,
            by: Some(by),
            note: Some(note),
            ..of
        },
        RequestKind::Charter { charter, by } => RequestObject {
            kind: "charter",
            by: Some(by),
            version: Some(charter.version),
            unions: charter.unions.into_iter().map(|union| union.name).collect(),
            ..of
        },
        RequestKind::Union { name, coordinators, by } => {
            RequestObject { kind: "union", union: Some(name), by: Some(by), coordinators, ..of }
        }
    }
}

/// What a request says and how to answer it: the first line, then the rest.
fn lines(request: &Request, words: &L10nLanguage) -> Vec<String> {
    let number = request.number.to_string();
    let noted = |note: &str| (!note.is_empty()).then(|| words.msg_request_note(shown::text(note, "       ")));
    match &request.kind {
        RequestKind::Join { pseudonym, vouchers, needed, second, note, vouched } => {
            let mut lines = vec![words.msg_request_join(shown::name(pseudonym))];
            lines.push(if vouchers.is_empty() {
                words.msg_request_vouched_nobody(*needed)
            } else {
                words.msg_request_vouched(names(vouchers), vouchers.len(), *needed)
            });
            lines.extend(second.as_ref().map(|name| words.msg_request_second(shown::name(name))));
            lines.extend(noted(note));
            if !vouched {
                lines.push(words.msg_request_do_vouch(&number));
            }
            lines.push(words.msg_request_do_admit(&number));
            lines
        }
        RequestKind::Introduction { pseudonym, union, by, note } => {
            let union = union.as_ref().map_or_else(|| words.msg_request_no_union(), |union| shown::name(union));
            let mut lines = vec![words.msg_request_introduction(shown::name(by), shown::name(pseudonym), union)];
            lines.extend(noted(note));
            lines.push(words.msg_request_do_accept(&number));
            lines
        }
        RequestKind::Charter { charter, by } => {
            let unions: Vec<String> = charter.unions.iter().map(|union| union.name.clone()).collect();
            let (version, name) = (charter.version.to_string(), shown::name(&charter.name));
            let says = words.msg_request_charter(shown::name(by), version, name, names(&unions));
            vec![says, words.msg_request_do_sign(&number)]
        }
        RequestKind::Union { name, coordinators, by } => {
            let says = words.msg_request_union(shown::name(by), shown::name(name), names(coordinators));
            vec![says, words.msg_request_do_propose(&number)]
        }
    }
}

/// Names of people in a line.
pub(crate) fn names(all: &[String]) -> String {
    all.iter().map(|name| shown::name(name)).collect::<Vec<_>>().join(", ")
}

/// The number of a request that somebody typed.
pub(crate) fn number(typed: &str) -> Result<u64, Stop> {
    typed.parse().map_err(|_| Failure::of("no-such-request").into())
}

#[derive(Serialize)]
struct Answered {
    request: u64,
    done: &'static str,
}

/// `vouch`
pub(crate) async fn vouch(session: &mut Session<'_>, request: &str) -> Result<(), Stop> {
    let request = number(request)?;
    session.account.vouch(request).await?;
    let says = session.screen.words().msg_vouch_done();
    session.tell(&says, &Answered { request, done: "vouched" })?;
    session.settle().await
}

/// `admit`: admits, accepts, asks or refuses, by what the request is and what was typed.
pub(crate) async fn admit(
    session: &mut Session<'_>,
    request: &str,
    ask: Option<&str>,
    refuse: bool,
) -> Result<(), Stop> {
    let number = number(request)?;
    let open = session.account.requests().await?.into_iter().find(|open| open.number == number);
    let kind = open.ok_or_else(|| Failure::of("no-such-request"))?.kind;
    let account = session.account.clone();
    let words = session.screen.words();
    let (says, done) = match (kind, ask) {
        (_, None) if refuse => {
            account.refuse(number).await?;
            (words.msg_refuse_done(), "refused")
        }
        (RequestKind::Join { .. }, Some(whom)) => {
            account.ask(number, whom).await?;
            (words.msg_ask_done(shown::name(whom)), "asked")
        }
        (RequestKind::Join { .. }, None) => {
            account.admit(number).await?;
            (words.msg_admit_done(), "admitted")
        }
        (RequestKind::Introduction { .. }, None) => {
            account.accept(number).await?;
            (words.msg_accept_done(), "accepted")
        }
        (RequestKind::Union { .. }, None) => {
            account.propose(Some(number)).await?;
            (words.msg_propose_done(), "proposed")
        }
        // A charter is signed by a command of its own, after reading it.
        (RequestKind::Charter { .. }, None)
        | (RequestKind::Introduction { .. } | RequestKind::Charter { .. } | RequestKind::Union { .. }, Some(_)) => {
            return Err(Failure::of("wrong-request").into());
        }
    };
    session.tell(&says, &Answered { request: number, done })?;
    session.settle().await
}
