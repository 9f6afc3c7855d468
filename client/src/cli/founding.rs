//! Founding, inviting, joining.

use std::time::Duration;

use serde::Serialize;

use super::failure::{Failure, Stop};
use super::handout;
use super::session::Session;
use crate::link::LinkFault;
use crate::membership::ErrandState;

/// Days that links for co-founders, unions and contacts last.
pub(crate) const DAYS: u32 = 7;

const DAY: u64 = 24 * 3600;

/// The alliance that a union is founded for.
pub(crate) enum Alliance {
    /// One that begins with it.
    New {
        /// Its name.
        name: String,
    },
    /// One that a coordinator invites it to.
    Invited {
        /// By this link.
        link: String,
    },
}

/// `found`: an alliance with a first union, or a union for an alliance that somebody invited it to. Again, while nobody
/// has followed the link for the second coordinator: the same with other names or another relay.
pub(crate) async fn found(session: &mut Session<'_>, alliance: Alliance, union: &str, relay: &str) -> Result<(), Stop> {
    let before = session.account.founding().await?.and_then(|founding| founding.cofounder_link);
    match &alliance {
        Alliance::New { name } => session.account.found(name, union, relay).await.map(drop)?,
        Alliance::Invited { link } => session.account.found_union(union, relay, link).await?,
    }
    let settled = reached(session.settle().await);
    if !matches!(settled, Ok(Ok(()))) && !session.screen.is_json() {
        let says = session.screen.words().msg_found_again();
        session.screen.line(&says)?;
    }
    let settled = settled?;
    if let Alliance::Invited { .. } = alliance {
        failed_errand(session).await?;
    }
    let cofounder = session.account.founding().await?.and_then(|founding| founding.cofounder_link);
    if before.is_some() && before != cofounder && !session.screen.is_json() {
        let says = session.screen.words().msg_found_anew();
        session.screen.line(&says)?;
    }
    match cofounder {
        Some(link) => {
            let says = session.screen.words().msg_link_cofounder();
            handout::print(session, &says, &link, DAYS)?;
        }
        None => {
            let says = session.screen.words().msg_link_pending();
            session.tell(&says, &Followed { state: "reading" })?;
        }
    }
    settled
}

#[derive(Serialize)]
struct Undone {
    done: &'static str,
}

/// `found --undo`
pub(crate) async fn undo(session: &mut Session<'_>) -> Result<(), Stop> {
    session.account.give_up_founding().await?;
    let says = session.screen.words().msg_found_undone();
    session.tell(&says, &Undone { done: "undone" })
}

/// `invite`: a link for a newcomer, or for another union.
pub(crate) async fn invite(session: &mut Session<'_>, union: bool, days: u32, note: &str) -> Result<(), Stop> {
    let words = session.screen.words();
    let (says, days, link) = if union {
        (words.msg_link_union(), DAYS, session.account.invite_union(note).await?)
    } else {
        let life = Duration::from_secs(u64::from(days) * DAY);
        (words.msg_link_member(), days, session.account.invite(note, life).await?)
    };
    let settled = reached(session.settle().await)?;
    handout::print(session, &says, &link, days)?;
    settled
}

/// A link is good as soon as the relay can be reached again; one at a relay that is not who it should be is not.
pub(crate) fn reached(settled: Result<(), Stop>) -> Result<Result<(), Stop>, Stop> {
    match settled {
        Err(stop) if !stop.is_network() => Err(stop),
        other => Ok(other),
    }
}

#[derive(Serialize)]
struct Followed {
    state: &'static str,
}

/// `join`: follows a link and says what came of it.
pub(crate) async fn join(session: &mut Session<'_>, link: &str, second: Option<&str>, note: &str) -> Result<(), Stop> {
    session.account.join(link, second, note).await?;
    let settled = reached(session.settle().await).map_err(used)?;
    follow(session).await?;
    settled
}

/// A relay that lets nobody in by a link has seen it used, or its time has come.
pub(crate) fn used(stop: Stop) -> Stop {
    let refused = matches!(&stop, Stop::Failure(failure) if failure.code() == LinkFault::NotAdmitted.code());
    if refused { Failure::of("code-used").into() } else { stop }
}

/// Says how far the link that was followed last has come.
async fn follow(session: &mut Session<'_>) -> Result<(), Stop> {
    failed_errand(session).await?;
    let reading = session.account.errands().await?.iter().any(|errand| errand.state == ErrandState::Reading);
    let words = session.screen.words();
    if reading {
        let says = words.msg_link_unread();
        session.tell(&says, &Followed { state: "reading" })
    } else {
        let says = words.msg_link_followed();
        session.tell(&says, &Followed { state: "asked" })
    }
}

/// The reason of the link that was followed last, if it failed.
pub(crate) async fn failed_errand(session: &Session<'_>) -> Result<(), Stop> {
    let mut errands = session.account.errands().await?;
    errands.sort_by_key(|errand| errand.since);
    match errands.pop().map(|errand| errand.state) {
        Some(ErrandState::Failed { code }) => Err(Failure::told(&code).into()),
        Some(ErrandState::Reading | ErrandState::Asked | ErrandState::Done) | None => Ok(()),
    }
}
