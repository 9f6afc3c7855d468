//! `contacts`, `introduce`, `verify`.

use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::failure::Stop;
use super::founding::{DAYS, failed_errand, reached, used};
use super::session::Session;
use super::{handout, shown, spoken, when};
use crate::account::AccountFault;
use crate::membership::{Comparison, Found, MembershipFault};

#[derive(Serialize)]
struct ContactObject<'a> {
    pseudonym: &'a str,
    union: Option<&'a str>,
    member: String,
    coordinator: bool,
    verified: Option<String>,
    since: String,
}

/// `contacts list`
pub(crate) async fn list(session: &mut Session<'_>) -> Result<(), Stop> {
    let contacts = session.account.contacts().await?;
    let screen = &mut *session.screen;
    if contacts.is_empty() && !screen.is_json() {
        let none = screen.words().msg_contacts_none();
        return screen.line(&none);
    }
    for contact in &contacts {
        let union = contact.union.as_ref().map(|(_, name)| name.as_str());
        if screen.is_json() {
            screen.object(&ContactObject {
                pseudonym: contact.pseudonym.as_str(),
                union,
                member: HEXLOWER.encode(contact.member.as_bytes()),
                coordinator: contact.is_coordinator,
                verified: contact.verified.map(when::utc),
                since: when::utc(contact.since),
            })?;
            continue;
        }
        let words = screen.words();
        let mut about = vec![shown::name(contact.pseudonym.as_str())];
        about.push(union.map_or_else(|| words.msg_request_no_union(), shown::name));
        about.extend(contact.is_coordinator.then(|| words.msg_contact_coordinator()));
        about.push(
            contact
                .verified
                .map_or_else(|| words.msg_contact_unverified(), |time| words.msg_contact_verified(when::local(time))),
        );
        screen.line(&about.join(", "))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Done {
    done: &'static str,
}

/// `contacts add`
pub(crate) async fn add(session: &mut Session<'_>, code: &str) -> Result<(), Stop> {
    session.account.add_contact(code).await?;
    let settled = reached(session.settle().await).map_err(used)?;
    failed_errand(session).await?;
    settled?;
    let says = session.screen.words().msg_contacts_added();
    session.tell(&says, &Done { done: "added" })
}

/// `contacts code`
pub(crate) async fn code(session: &mut Session<'_>) -> Result<(), Stop> {
    let code = session.account.contact_code().await?;
    let settled = reached(session.settle().await)?;
    let says = session.screen.words().msg_link_contact();
    handout::print(session, &says, &code, DAYS)?;
    settled
}

/// `introduce`
pub(crate) async fn introduce(session: &mut Session<'_>, one: &str, other: &str, note: &str) -> Result<(), Stop> {
    session.account.introduce(one, other, note).await?;
    let says = session.screen.words().msg_introduce_done();
    session.tell(&says, &Done { done: "introduced" })?;
    session.settle().await
}

#[derive(Serialize)]
struct Verification {
    state: &'static str,
    words: Option<Vec<String>>,
    numbers: Option<[u16; 6]>,
}

/// `verify`: shows the six words, or records what two people found.
pub(crate) async fn verify(session: &mut Session<'_>, with: &str, same: bool, different: bool) -> Result<(), Stop> {
    let words = session.screen.words();
    let (found, says, state) = match (same, different) {
        (true, _) => (Found::Equal, words.msg_verify_same(shown::name(with)), "same"),
        (false, true) => (Found::Different, words.msg_verify_different(shown::name(with)), "different"),
        (false, false) => return compare(session, with).await,
    };
    session.account.confirm(with, found).await?;
    session.tell(&says, &Verification { state, words: None, numbers: None })
}

async fn compare(session: &mut Session<'_>, with: &str) -> Result<(), Stop> {
    let settled = session.settle().await;
    let begun = session.account.compare(with).await;
    if let Err(AccountFault::Membership(MembershipFault::NoComparison)) = begun {
        session.account.start_comparison(with).await?;
    } else {
        begun?;
    }
    let Some(numbers) = words(session, with).await? else {
        let says = session.screen.words().msg_verify_waiting(shown::name(with));
        session.tell(&says, &Verification { state: "waiting", words: None, numbers: None })?;
        return settled;
    };
    let spoken = spoken::words(&numbers, session.screen.language());
    if session.screen.is_json() {
        return session.screen.object(&Verification { state: "words", words: Some(spoken), numbers: Some(numbers) });
    }
    let words = session.screen.words();
    let lines = [
        words.msg_verify_words(shown::name(with)),
        String::new(),
        spoken::table(&spoken, 3),
        String::new(),
        format!("{} {}", words.msg_attested_digits(), spoken::digits(&numbers)),
        words.msg_verify_then(shown::name(with)),
    ];
    lines.iter().try_for_each(|line| session.screen.line(line))
}

/// The words, waited for as long as was asked: the other side's device answers by itself when it is connected.
async fn words(session: &Session<'_>, with: &str) -> Result<Option<[u16; 6]>, Stop> {
    let mut account = session.account.clone();
    let until = Instant::now() + session.wait.unwrap_or(Duration::ZERO);
    loop {
        if let Comparison::Words(numbers) = account.compare(with).await? {
            // The last step of the exchange may still have to leave.
            session.settle().await?;
            return Ok(Some(numbers));
        }
        match timeout_at(until, account.changed()).await {
            Ok(changed) => changed?,
            Err(_elapsed) => return Ok(None),
        }
    }
}
