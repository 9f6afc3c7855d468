//! `charter`: show, propose, sign, compare.

use serde::Serialize;

use super::arguments::Charter;
use super::failure::Stop;
use super::requests::{names, number};
use super::session::Session;
use super::{shown, spoken};
use crate::membership::charter::{CharterView, UnionView};
use crate::membership::request::RequestKind;

#[derive(Serialize)]
struct CharterObject<'a> {
    /// None for the charter that stands.
    draft: Option<u64>,
    by: Option<&'a str>,
    version: u64,
    alliance: &'a str,
    words: Vec<String>,
    numbers: [u16; 12],
    unions: Vec<UnionObject<'a>>,
}

#[derive(Serialize)]
struct UnionObject<'a> {
    union: &'a str,
    coordinators: &'a [String],
    threshold: u8,
    vouches_needed: u8,
    relays: &'a [String],
}

pub(crate) async fn act(session: &mut Session<'_>, act: Charter) -> Result<(), Stop> {
    match act {
        Charter::Show => show(session).await,
        Charter::Compare => compare(session).await,
        Charter::Propose => {
            session.account.propose(None).await?;
            let says = session.screen.words().msg_propose_done();
            session.tell(&says, &Done { done: "proposed" })?;
            session.settle().await
        }
        Charter::Sign { draft } => {
            session.account.sign(draft.as_deref().map(number).transpose()?).await?;
            let says = session.screen.words().msg_sign_done();
            session.tell(&says, &Done { done: "signed" })?;
            session.settle().await
        }
    }
}

#[derive(Serialize)]
struct Done {
    done: &'static str,
}

/// The charter that stands, then the drafts that wait. Founders see drafts before there is a charter.
async fn show(session: &mut Session<'_>) -> Result<(), Stop> {
    let settled = session.settle().await;
    let standing = session.account.charter().await;
    let mut drafts = Vec::new();
    for request in session.account.requests().await? {
        if let RequestKind::Charter { charter, by } = request.kind {
            drafts.push((request.number, charter, by));
        }
    }
    match standing {
        Ok(charter) => print(session, &charter, None)?,
        Err(fault) if drafts.is_empty() => return Err(fault.into()),
        Err(_) => {}
    }
    for (number, charter, by) in &drafts {
        print(session, charter, Some((*number, by)))?;
    }
    settled
}

fn print(session: &mut Session<'_>, charter: &CharterView, draft: Option<(u64, &str)>) -> Result<(), Stop> {
    let screen = &mut *session.screen;
    if screen.is_json() {
        return screen.object(&CharterObject {
            draft: draft.map(|(number, _)| number),
            by: draft.map(|(_, by)| by),
            version: charter.version,
            alliance: &charter.name,
            words: spoken::words(&charter.words, screen.language()),
            numbers: charter.words,
            unions: charter.unions.iter().map(object).collect(),
        });
    }
    let words = screen.words();
    let mut lines = Vec::new();
    lines.extend(draft.map(|(number, by)| words.msg_charter_draft(number.to_string(), shown::name(by))));
    lines.push(words.msg_charter_title(shown::name(&charter.name), charter.version.to_string()));
    for union in &charter.unions {
        lines.push(words.msg_charter_union(shown::name(&union.name)));
        let coordinators = words.msg_charter_coordinators(union.threshold.to_string());
        lines.push(format!("  {coordinators}: {}", names(&union.coordinators)));
        lines.push(format!("  {}: {}", words.msg_charter_vouches(), union.vouches_needed));
        lines.push(format!("  {}: {}", words.msg_charter_relays(), names(&union.relays)));
    }
    lines.push(String::new());
    lines.iter().try_for_each(|line| screen.line(line))
}

fn object(union: &UnionView) -> UnionObject<'_> {
    UnionObject {
        union: &union.name,
        coordinators: &union.coordinators,
        threshold: union.threshold,
        vouches_needed: union.vouches_needed,
        relays: &union.relays,
    }
}

#[derive(Serialize)]
struct Compared<'a> {
    alliance: &'a str,
    words: Vec<String>,
    numbers: [u16; 12],
}

/// The twelve words. Needs no network: what is compared is what this device holds.
async fn compare(session: &mut Session<'_>) -> Result<(), Stop> {
    let charter = session.account.charter().await?;
    let words = spoken::words(&charter.words, session.screen.language());
    if session.screen.is_json() {
        return session.screen.object(&Compared { alliance: &charter.name, words, numbers: charter.words });
    }
    let says = session.screen.words().msg_charter_words();
    let digits = session.screen.words().msg_attested_digits();
    session.screen.line(&says)?;
    session.screen.line(&spoken::table(&words, 4))?;
    session.screen.line(&format!("{digits} {}", spoken::digits(&charter.words)))
}
