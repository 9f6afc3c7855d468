//! The own shelf, from which contacts take key packages, and the shelves of others.

use relevo_protocol::content::InboxAddress;
use relevo_protocol::sealed::{EntryKey, open_shelf, seal_shelf};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Answer, Call, Cursor, MailboxId, Sequence, encode};
use zeroize::Zeroizing;

use super::address::address_of;
use super::mine::Mine;
use super::{Await, InboxFault, then_nothing};
use crate::conversation::Desk;
use crate::membership::identity;
use crate::sync::{self, Then, Topic};
use crate::vault::Transaction;
use crate::vault::settings::Setting;

/// Key packages that lie on a full shelf.
const FULL: u64 = 24;
/// Below this many, the shelf is filled up.
const LOW: u64 = 12;
/// Seconds between looks at the shelf.
const LOOK: u64 = 6 * 3600;
/// And after something was put there, which may be lost on its way.
const LOOK_AGAIN: u64 = 600;
/// Seconds after which the last resort is replaced.
const LAST_RESORT_LIFE: u64 = 7 * 24 * 3600;

/// How many key packages the shelf wants now; written here, done by the conversations, which make them.
const WANTED: Setting<u64> = Setting::named("inbox.shelf.wanted");
/// Whether the shelf wants a new last resort.
const WANTS_LAST_RESORT: Setting<bool> = Setting::named("inbox.shelf.last_resort");

/// What the shelf wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stock {
    /// Key packages.
    pub packages: u64,
    /// Whether a last resort as well.
    pub last_resort: bool,
}

/// The own shelf and the key that seals what lies on it.
///
/// # Errors
/// [`InboxFault::NoInbox`].
pub fn shelf(tx: &Transaction<'_>) -> Result<(MailboxId, EntryKey), InboxFault> {
    let mine = Mine::load(tx)?;
    Ok((mine.shelf(), mine.shelf_key))
}

/// What the shelf wants; nothing before there is a card, since a key package shows one.
///
/// # Errors
/// [`InboxFault::Vault`].
pub fn wanted(tx: &Transaction<'_>) -> Result<Stock, InboxFault> {
    if !super::is_established(tx)? || identity::me(tx)?.card.is_none() {
        return Ok(Stock { packages: 0, last_resort: false });
    }
    Ok(Stock { packages: WANTED.read(tx)?.unwrap_or(FULL), last_resort: WANTS_LAST_RESORT.read(tx)?.unwrap_or(true) })
}

/// Has the conversations make what the shelf wants, and puts it there. Call it after a card came and now and then.
///
/// # Errors
/// [`InboxFault::Conversation`] when they cannot.
pub fn stock(tx: &Transaction<'_>, desk: &mut Desk<'_>) -> Result<(), InboxFault> {
    let Stock { packages, last_resort } = wanted(tx)?;
    if packages == 0 && !last_resort {
        return Ok(());
    }
    let made = desk.publish_key_packages(usize::try_from(packages).unwrap_or(0)).map_err(Box::new)?;
    let beneath = if last_resort { Some(desk.last_resort().map_err(Box::new)?) } else { None };
    restock(tx, &made, beneath.as_deref())
}

/// Puts key packages on the own shelf and, if given, a new last resort beneath them.
///
/// # Errors
/// [`InboxFault::NoInbox`], [`InboxFault::Seal`].
pub fn restock(tx: &Transaction<'_>, packages: &[Vec<u8>], last_resort: Option<&[u8]>) -> Result<(), InboxFault> {
    let mut mine = Mine::load(tx)?;
    let (mailbox, relay) = (mine.shelf(), mine.relay.fingerprint);
    if !packages.is_empty() && !mine.hurried {
        mine.restocked = true;
        mine.save(tx)?;
    }
    for package in packages {
        let entry = seal_shelf(&mine.shelf_key, &mailbox, package)?;
        let call = Call::Append { mailbox, capability: mine.shelf_append.duplicate(), entry };
        // Twice on the shelf it would be given to two, and open for one of them.
        sync::enqueue_once(tx, &relay, &call, &then_nothing())?;
    }
    WANTED.write(tx, &0)?;
    if let Some(package) = last_resort {
        let entry = seal_shelf(&mine.shelf_key, &mailbox, package)?;
        let call = Call::LastResort { mailbox, capability: mine.shelf_owner.duplicate(), entry };
        sync::enqueue(tx, &relay, &call, &then_nothing())?;
        WANTS_LAST_RESORT.write(tx, &false)?;
    }
    Ok(())
}

/// Opens what was taken from a member's shelf: the bytes of a key package, which nobody has checked yet.
///
/// # Errors
/// [`InboxFault::Unreachable`] without a shelf, [`InboxFault::Seal`] when it does not open.
pub fn taken(
    tx: &Transaction<'_>,
    from: &MemberKey,
    answer: &Answer,
) -> Result<Option<Zeroizing<Vec<u8>>>, InboxFault> {
    let Answer::Taken { entry, .. } = answer else { return Ok(None) };
    let InboxAddress { shelf, .. } = address_of(tx, from)?.ok_or(InboxFault::Unreachable)?;
    let shelf = shelf.ok_or(InboxFault::Unreachable)?;
    Ok(Some(open_shelf(&shelf.key, &shelf.mailbox, entry)?))
}

/// Has the whole shelf made anew.
pub(super) fn fill(tx: &Transaction<'_>) -> Result<(), InboxFault> {
    WANTED.write(tx, &FULL)?;
    Ok(WANTS_LAST_RESORT.write(tx, &true)?)
}

/// Asks how many are left, now and then.
pub(super) fn look(tx: &Transaction<'_>, now: Timestamp) -> Result<(), InboxFault> {
    let mut mine = Mine::load(tx)?;
    if mine.looked.plus_seconds(if mine.restocked { LOOK_AGAIN } else { LOOK }) > now
        || identity::me(tx)?.card.is_none()
    {
        return Ok(());
    }
    mine.looked = now;
    mine.hurried = core::mem::take(&mut mine.restocked);
    if mine.last_resort.plus_seconds(LAST_RESORT_LIFE) <= now {
        mine.last_resort = now;
        WANTS_LAST_RESORT.write(tx, &true)?;
    }
    let call = Call::Read {
        mailbox: mine.shelf(),
        capability: mine.shelf_owner.duplicate(),
        cursor: Cursor { incarnation: None, after: Sequence::START },
        limit: 1,
    };
    sync::enqueue(tx, &mine.relay.fingerprint, &call, &Then { topic: Topic::Inbox, state: encode(&Await::Shelf) })?;
    mine.save(tx)
}

/// Notes how many are wanted.
pub(super) fn looked(tx: &Transaction<'_>, answer: Option<&Answer>, _now: Timestamp) -> Result<(), InboxFault> {
    if let Some(Answer::Entries { standing, .. }) = answer {
        let left = standing.last.next().0.saturating_sub(standing.first_available.0);
        if left < LOW {
            WANTED.write(tx, &FULL.saturating_sub(left))?;
        }
        if left == 0 {
            // The last resort may have been used: it is not to be used twice for long.
            WANTS_LAST_RESORT.write(tx, &true)?;
        }
    }
    Ok(())
}
