//! Where people can be reached: addresses that this member hands out, and those that others gave it.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{GroupId, InboxAddress, ShelfAddress, decode};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Capability, MailboxId, RelayAddress};

use super::InboxFault;
use super::mine::{self, Held, Mine};
use crate::membership::charter;
use crate::sync;
use crate::vault::records::{self, Noun};
use crate::vault::{Transaction, VaultFault, conversations, relays};

/// Seconds after which a holder gets new grants: half of what a grant lasts.
const GRANT_RENEWAL: u64 = 182 * 24 * 3600;

/// Who holds a grant on the own inbox: entries under one grant are linkable, so each holder has its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// A contact.
    Member(MemberKey),
    /// Whoever opens a code.
    Code(MailboxId),
    /// The members of a group.
    Group(GroupId),
}

impl Holder {
    fn key(&self) -> Vec<u8> {
        let (kind, id): (u8, &[u8]) = match self {
            Self::Member(member) => (0, member.as_bytes()),
            Self::Code(mailbox) => (1, &mailbox.0),
            Self::Group(group) => (2, &group.0),
        };
        [&[kind], id].concat()
    }
}

/// Grants that one holder has.
#[derive(Encode, Decode)]
#[cbor(map)]
struct GrantRow {
    #[n(0)]
    append: Capability,
    #[n(1)]
    take: Capability,
    #[n(2)]
    made: Timestamp,
}

/// Where somebody else can be reached.
#[derive(Encode, Decode)]
#[cbor(map)]
struct AddressRow {
    #[n(0)]
    address: InboxAddress,
    #[n(1)]
    learned: Timestamp,
}

/// The own address for one holder, with its own grants and the present key. Asked again, the same grants, until they
/// are half a year old: then new ones, and the old ones end by themselves.
///
/// # Errors
/// [`InboxFault::NoInbox`] before a relay is known.
pub fn my_address_for(tx: &Transaction<'_>, holder: &Holder, now: Timestamp) -> Result<InboxAddress, InboxFault> {
    let mut mine = Mine::load(tx)?;
    let key = holder.key();
    let known: Option<GrantRow> = records::get(tx, Noun::Grant, &key)?;
    let grants = match known.filter(|grants| grants.made.plus_seconds(GRANT_RENEWAL) > now) {
        Some(grants) => grants,
        None => {
            let (append, take) = mine.draw_grants(tx, now)?;
            let grants = GrantRow { append, take, made: now };
            records::put(tx, Noun::Grant, &key, &grants)?;
            grants
        }
    };
    Ok(InboxAddress {
        relay: mine.relay.duplicate(),
        mailbox: mine.mailbox(),
        append: grants.append,
        key: mine.current_key(tx)?.public().clone(),
        shelf: Some(ShelfAddress { mailbox: mine.shelf(), take: grants.take, key: mine.shelf_key.duplicate() }),
    })
}

/// What everybody has who was given an address.
pub(super) fn held(tx: &Transaction<'_>) -> Result<Vec<Held>, InboxFault> {
    let rows: Vec<GrantRow> = records::list(tx, Noun::Grant)?;
    Ok(rows.into_iter().map(|GrantRow { append, take, made }| Held { append, take, made }).collect())
}

/// Takes the grants of a holder away, such as those of a code that has ended.
///
/// # Errors
/// [`InboxFault::Vault`].
pub fn revoke(tx: &Transaction<'_>, holder: &Holder) -> Result<(), InboxFault> {
    let key = holder.key();
    if let Some(grants) = records::get::<GrantRow>(tx, Noun::Grant, &key)? {
        mine::revoke(tx, &Mine::load(tx)?, &grants.append, &grants.take)?;
        records::remove(tx, Noun::Grant, &key)?;
    }
    Ok(())
}

/// Remembers where a member can be reached, and its relay. The latest word counts.
///
/// # Errors
/// [`InboxFault::Vault`].
pub fn learn(
    tx: &Transaction<'_>,
    member: &MemberKey,
    address: &InboxAddress,
    now: Timestamp,
) -> Result<(), InboxFault> {
    learn_relay(tx, &address.relay)?;
    let row = AddressRow { address: address.duplicate(), learned: now };
    Ok(records::put(tx, Noun::Address, member.as_bytes(), &row)?)
}

/// Where a member can be reached, if this device knows: as it told this member, or a group that both are in.
///
/// # Errors
/// [`VaultFault`].
pub fn address_of(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<InboxAddress>, VaultFault> {
    match records::get::<AddressRow>(tx, Noun::Address, member.as_bytes())? {
        Some(row) => Ok(Some(row.address)),
        None => posted(tx, member),
    }
}

/// Where a member said in a group that it can be reached; none on a relay of nobody in the charter.
///
/// # Errors
/// [`VaultFault`].
pub(crate) fn posted(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<InboxAddress>, VaultFault> {
    let Some(posted) = conversations::inbox_of(tx, member)? else { return Ok(None) };
    let Ok(address) = decode::<InboxAddress>(&posted) else { return Ok(None) };
    Ok(relays::find(tx, &address.relay.fingerprint)?.map(|_| address))
}

/// Remembers a relay that somebody named, if it is new: one that is known keeps the address and the admission that
/// work. A member connects to no relay that is not in the charter: who gives an address elsewhere may want to know from
/// where it is used. Before there is a charter, the link decides.
///
/// # Errors
/// [`InboxFault::UnknownRelay`].
pub(crate) fn learn_relay(tx: &Transaction<'_>, relay: &RelayAddress) -> Result<(), InboxFault> {
    if relays::find(tx, &relay.fingerprint)?.is_some() {
        return Ok(());
    }
    // Every relay of the charter is known since the charter was adopted.
    if !charter::all(tx)?.is_empty() {
        return Err(InboxFault::UnknownRelay);
    }
    Ok(sync::remember_relay(tx, relay)?)
}
