//! This member's inbox and shelf, and parcels to the inboxes of others. What lies in an inbox is sealed with X-Wing and
//! signed inside for this recipient and this inbox (DESIGN 6; client/DESIGN.md, "Inbox").

mod address;
#[cfg(test)]
pub(crate) mod fake_relay;
mod mine;
mod parcel;
mod received;
mod shelf;

use minicbor::{Decode, Encode};
use relevo_protocol::content::ParcelFault;
use relevo_protocol::sealed::SealFault;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{ObjectFault, ObjectHash};
use relevo_protocol::wire::{Answer, Incarnation, Refusal, decode_exact, encode};

pub use address::{Holder, address_of, learn, my_address_for, revoke};
pub(crate) use address::{learn_relay, posted};
pub(crate) use mine::{abandon, capabilities, establish, home, is_established, seeds};
pub use parcel::{send, send_to, undelivered};
pub(crate) use received::TOO_OLD;
pub use received::received;
pub use shelf::{Stock, restock, shelf, stock, taken, wanted};

use crate::conversation::ConversationFault;
use crate::membership::{self, MembershipFault, warning};
use crate::sync::{Notice, Then, Topic};
use crate::vault::settings::Setting;
use crate::vault::{Transaction, VaultFault};
use mine::Mine;

/// When the inbox was last tended.
const TENDED: Setting<Timestamp> = Setting::named("inbox.tended");

/// There while the relay has gone back and was not given again what it may have lost.
const WENT_BACK: Setting<bool> = Setting::named("inbox.went_back");
/// When it was last given that.
const REGISTERED: Setting<Timestamp> = Setting::named("inbox.registered");
/// The life of the inbox that it had when it was opened again.
const LIFE: Setting<Incarnation> = Setting::named("inbox.life");
/// Seconds between two times, as between two usual looks at the shelf: a relay that says again and again that it went back
/// would have us make key packages without end.
const REGISTER_EACH: u64 = 6 * 3600;

/// Why the inbox did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum InboxFault {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultFault),
    /// This member has no inbox: it has not founded or joined anything yet.
    #[error("there is no inbox yet")]
    NoInbox,
    /// This device does not know how to reach the member.
    #[error("no address of that member is known")]
    Unreachable,
    /// The address lies on a relay of nobody in the charter: to use it would show its operator where this device is.
    #[error("an address on a relay that is not in the charter")]
    UnknownRelay,
    /// Something does not seal: too large, above all.
    #[error(transparent)]
    Seal(#[from] SealFault),
    /// An own object does not sign.
    #[error(transparent)]
    Object(#[from] ObjectFault),
    /// A parcel is not believed.
    #[error(transparent)]
    Parcel(#[from] ParcelFault),
    /// A rule of membership.
    #[error(transparent)]
    Membership(Box<MembershipFault>),
    /// The conversations could not make key packages.
    #[error(transparent)]
    Conversation(#[from] Box<ConversationFault>),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
}

impl InboxFault {
    /// Names the fault in every language.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Vault(_) => "vault",
            Self::NoInbox => "no-inbox",
            Self::Unreachable => "unreachable-member",
            Self::UnknownRelay => "unknown-relay",
            Self::Seal(SealFault::TooLarge { .. }) => "too-large",
            Self::Seal(_) | Self::Object(_) | Self::Parcel(_) => "refused-object",
            Self::Membership(fault) => fault.code(),
            Self::Conversation(fault) => fault.code(),
            Self::Randomness => "randomness",
        }
    }
}

impl From<MembershipFault> for InboxFault {
    fn from(fault: MembershipFault) -> Self {
        if let MembershipFault::Vault(fault) = fault {
            Self::Vault(fault)
        } else if let MembershipFault::Inbox(fault) = fault {
            *fault
        } else {
            Self::Membership(Box::new(fault))
        }
    }
}

/// What an answer from a relay is for.
#[derive(Encode, Decode)]
#[cbor(map)]
enum Await {
    /// Nothing follows.
    #[n(0)]
    Nothing,
    /// A parcel was appended.
    #[n(1)]
    Parcel {
        /// Which.
        #[n(0)]
        id: ObjectHash,
    },
    /// The shelf was looked at.
    #[n(2)]
    Shelf,
    /// The inbox was opened again at a relay that went back.
    #[n(3)]
    Reopened,
}

/// Forgets what was registered where the inbox was.
fn forget_registration(tx: &Transaction<'_>) -> Result<(), InboxFault> {
    WENT_BACK.remove(tx)?;
    REGISTERED.remove(tx)?;
    Ok(LIFE.remove(tx)?)
}

/// The life that the inbox has now is no news, even if we have just begun it.
fn reopened(tx: &Transaction<'_>, answer: Option<&Answer>) -> Result<(), InboxFault> {
    let Some(Answer::Opened { incarnation, .. }) = answer else { return Ok(()) };
    if !is_established(tx)? {
        return Ok(());
    }
    LIFE.write(tx, incarnation)?;
    mine::follow(tx, &Mine::load(tx)?)
}

fn then_nothing() -> Then {
    Then { topic: Topic::Inbox, state: encode(&Await::Nothing) }
}

/// The inbox's half of [`crate::sync::Logic::answered`].
///
/// # Errors
/// [`InboxFault::Vault`]; refusals are dealt with.
pub fn answered(
    tx: &Transaction<'_>,
    then: &Then,
    outcome: Result<&Answer, Refusal>,
    now: Timestamp,
) -> Result<(), InboxFault> {
    match decode_exact::<Await>(&then.state) {
        Ok(Await::Parcel { id }) => parcel::answered(tx, &id, outcome.map(|_| ()), now),
        Ok(Await::Shelf) => shelf::looked(tx, outcome.ok(), now),
        Ok(Await::Reopened) => reopened(tx, outcome.ok()),
        Ok(Await::Nothing) | Err(_) => Ok(()),
    }
}

/// The inbox's half of [`crate::sync::Logic::noticed`]: a relay that loses or changes what lay in the inbox is a warning,
/// and may have lost who may write there.
///
/// # Errors
/// [`InboxFault::Vault`].
pub fn noticed(tx: &Transaction<'_>, what: &Notice, now: Timestamp) -> Result<(), InboxFault> {
    match what {
        Notice::OtherIncarnation { standing, .. } if LIFE.read(tx)? == Some(standing.incarnation) => {
            return mine::went_back(tx);
        }
        Notice::OtherIncarnation { .. }
        | Notice::ChainBroken { .. }
        | Notice::Closed
        | Notice::Refused(Refusal::NoSuchMailbox) => {
            mine::went_back(tx)?;
            WENT_BACK.write(tx, &true)?;
        }
        Notice::Gap { .. } | Notice::Withheld { .. } | Notice::Damaged { .. } | Notice::Refused(_) => {}
        Notice::Repeated { .. } | Notice::OtherThanTold { .. } | Notice::Frozen => return Ok(()),
    }
    Ok(warning::raise(tx, &warning::Kind::InboxDamaged, now)?)
}

/// Gives a relay that went back again what it may know no more: inbox, shelf and grants.
fn register_again(tx: &Transaction<'_>, mine: &mut Mine, now: Timestamp) -> Result<(), InboxFault> {
    let recently = REGISTERED.read(tx)?.is_some_and(|at| (at.0..at.0.saturating_add(REGISTER_EACH)).contains(&now.0));
    if recently || WENT_BACK.read(tx)?.is_none() {
        return Ok(());
    }
    WENT_BACK.remove(tx)?;
    REGISTERED.write(tx, &now)?;
    mine::open_again(tx, mine, &address::held(tx)?, now)?;
    shelf::fill(tx)
}

/// What time brings: keys are rotated, leases renewed, the inbox trimmed, parcels sent again, the shelf looked at, and a relay
/// that went back given again what it has lost. May be called after every entry: it does its work once a second.
///
/// # Errors
/// [`InboxFault::Vault`].
pub fn tend(tx: &Transaction<'_>, now: Timestamp) -> Result<(), InboxFault> {
    if TENDED.read(tx)? == Some(now) || !is_established(tx)? {
        return Ok(());
    }
    TENDED.write(tx, &now)?;
    let mut mine = Mine::load(tx)?;
    if mine::rotate_key(tx, &mut mine, now)? {
        membership::announce(tx, now)?;
    }
    let mut mine = Mine::load(tx)?;
    mine::keep(tx, &mut mine, now)?;
    register_again(tx, &mut mine, now)?;
    parcel::retry(tx, now)?;
    received::forget_old(tx, now)?;
    shelf::look(tx, now)
}
