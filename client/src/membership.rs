//! Who belongs to the alliance and who knows whom: founding, inviting, vouching, admitting, introducing, comparing.
//! Each flow is a row that moves a step at each command or parcel; every step can be repeated (client/DESIGN.md,
//! "Membership").

mod admission;
pub mod charter;
mod code;
mod comparison;
pub mod contact;
mod draft;
mod errand;
mod fault;
mod founding;
pub mod identity;
mod introduction;
mod joining;
pub mod person;
mod received;
pub mod request;
mod roll;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) mod town;
mod vouching;
pub mod warning;
pub mod words;

use minicbor::{Decode, Encode};
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{Answer, MailboxId, Refusal, decode_exact, encode};

pub use admission::admit;
pub use comparison::{Comparison, Found, compare, confirm, start_comparison};
pub use contact::{Contact, add_code, announce, contact_code, contacts, find_contact};
pub use draft::{propose, sign};
pub use errand::{Errand, ErrandState, errands};
pub use fault::MembershipFault;
pub use founding::{Founding, found, found_union, founding, give_up_founding, invite_union};
pub use identity::{
    AboutMe, Me, about_me, for_conversations, init, me, my_card, my_contact_card, my_identity, my_proof,
};
pub use introduction::introduce;
pub use joining::{invite, join};
pub(crate) use received::{Arrived, received};
pub use request::{Request, accept, refuse, requests};
pub use vouching::{ask, vouch};

use crate::sync::{Then, Topic};
use crate::vault::Transaction;
use crate::vault::settings::Setting;

/// Seconds in a minute.
const MINUTE: u64 = 60;
/// When membership was last tended.
const TENDED: Setting<Timestamp> = Setting::named("membership.tended");
/// Counts changes of card and charter.
const STAMP: Setting<u64> = Setting::named("membership.stamp");

/// What an answer from a relay is for.
#[derive(Encode, Decode)]
#[cbor(map)]
enum Await {
    /// Nothing follows.
    #[n(0)]
    Nothing,
    /// A code of somebody else was read.
    #[n(1)]
    Code {
        /// Its mailbox.
        #[n(0)]
        mailbox: MailboxId,
    },
}

fn then_nothing() -> Then {
    Then { topic: Topic::Membership, state: encode(&Await::Nothing) }
}

fn then_code(mailbox: MailboxId) -> Then {
    Then { topic: Topic::Membership, state: encode(&Await::Code { mailbox }) }
}

/// Membership's half of [`crate::sync::Logic::answered`].
///
/// # Errors
/// [`MembershipFault::Vault`]; what strangers sent is dealt with.
pub fn answered(
    tx: &Transaction<'_>,
    then: &Then,
    outcome: Result<&Answer, Refusal>,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    match decode_exact::<Await>(&then.state) {
        Ok(Await::Code { mailbox }) => errand::answered(tx, &mailbox, outcome, now),
        Ok(Await::Nothing) | Err(_) => Ok(()),
    }
}

/// What time brings: codes end, and answers wait no longer for their introduction. May be called after every entry: it does its work once a minute.
///
/// # Errors
/// [`MembershipFault::Vault`].
pub fn tend(tx: &Transaction<'_>, now: Timestamp) -> Result<(), MembershipFault> {
    if TENDED.read(tx)?.is_some_and(|tended| now.0 >= tended.0 && now < tended.plus_seconds(MINUTE)) {
        return Ok(());
    }
    TENDED.write(tx, &now)?;
    errand::sweep(tx, now)?;
    introduction::forget_early(tx, now)?;
    code::sweep(tx, now)
}

/// Changes whenever the own card or the charter does. Cheap, so that what was made of both can
/// be kept in memory.
///
/// # Errors
/// [`MembershipFault::Vault`].
pub fn stamp(tx: &Transaction<'_>) -> Result<u64, MembershipFault> {
    Ok(STAMP.read(tx)?.unwrap_or(0))
}

/// Notes that the own card or the charter changed.
fn restamp(tx: &Transaction<'_>) -> Result<(), MembershipFault> {
    Ok(STAMP.write(tx, &stamp(tx)?.saturating_add(1))?)
}
