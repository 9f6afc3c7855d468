//! People this member knows, and the code by which somebody becomes one of them.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{CodeKind, ContactCard, Identity, KnownPerson, Note, ParcelBody};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{MemberKey, ObjectHash, Pseudonym, UnionId, Verified};
use relevo_protocol::wire::MailboxId;

use super::received::Arrived;
use super::warning::{self, Kind};
use super::{MembershipFault, charter, code, errand, identity, introduction, joining, person};
use crate::inbox::{self, Holder};
use crate::quiet::shows_only;
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};

/// Seconds for which a contact's code lasts.
const CODE_LIFE: u64 = 7 * 24 * 3600;

/// How somebody became a contact.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum How {
    /// By a code that one side gave to the other.
    #[n(0)]
    Code,
    /// By founding or joining together: inviter, voucher, coordinator, newcomer.
    #[n(1)]
    Union,
    /// Introduced by somebody.
    #[n(2)]
    Introduced,
}

/// The row of a contact, beside its person.
#[derive(Encode, Decode)]
#[cbor(map)]
struct ContactRow {
    #[n(0)]
    member: MemberKey,
    #[n(1)]
    pseudonym: Pseudonym,
    #[n(2)]
    union: Option<UnionId>,
    #[n(3)]
    card: Option<ObjectHash>,
    #[n(4)]
    how: How,
    #[n(5)]
    since: Timestamp,
    /// When the words were compared and found equal.
    #[n(6)]
    verified: Option<Timestamp>,
}

/// A contact as people see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// The member key, which tells two of one name apart.
    pub member: MemberKey,
    /// The pseudonym.
    pub pseudonym: Pseudonym,
    /// Id and name of the union; none without a card.
    pub union: Option<(UnionId, String)>,
    /// Whether it coordinates that union.
    pub is_coordinator: bool,
    /// When the words were compared.
    pub verified: Option<Timestamp>,
    /// How it became a contact.
    pub how: How,
    /// Since when.
    pub since: Timestamp,
}

shows_only! { Contact { is_coordinator, verified, how, since } }

/// All contacts, by name.
///
/// # Errors
/// [`MembershipFault::Vault`].
pub fn contacts(tx: &Transaction<'_>) -> Result<Vec<Contact>, MembershipFault> {
    let charter = charter::current(tx)?;
    let mut all: Vec<Contact> = records::list::<ContactRow>(tx, Noun::Contact)?
        .into_iter()
        .map(|row| {
            let entry = charter.as_ref().zip(row.union).and_then(|(charter, union)| charter.union(&union));
            Contact {
                is_coordinator: entry
                    .is_some_and(|entry| entry.set().coordinators.iter().any(|one| one.member == row.member)),
                union: entry.map(|entry| (entry.id, entry.name.as_str().to_owned())),
                member: row.member,
                pseudonym: row.pseudonym,
                verified: row.verified,
                how: row.how,
                since: row.since,
            }
        })
        .collect();
    all.sort_by(|one, next| one.pseudonym.cmp(&next.pseudonym).then(one.since.cmp(&next.since)));
    Ok(all)
}

/// The contact that a person means: a pseudonym, or `pseudonym@union` or `pseudonym (union)` where several have one name.
///
/// # Errors
/// [`MembershipFault::NoSuchContact`], [`MembershipFault::Ambiguous`].
pub fn find_contact(tx: &Transaction<'_>, named: &str) -> Result<Contact, MembershipFault> {
    let beside = named.strip_suffix(')').and_then(|named| named.rsplit_once(" ("));
    let (name, union) = match beside.or_else(|| named.rsplit_once('@')) {
        Some((name, union)) => (name, Some(union)),
        None => (named, None),
    };
    let label = |contact: &Contact| contact.union.as_ref().map_or("", |(_, name)| name.as_str()).to_owned();
    let mut found: Vec<Contact> = contacts(tx)?
        .into_iter()
        .filter(|one| {
            one.pseudonym.as_str() == named
                || (one.pseudonym.as_str() == name && union.is_some_and(|union| label(one) == union))
        })
        .collect();
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(MembershipFault::NoSuchContact),
        (Some(one), true) => Ok(one),
        (Some(last), false) => {
            found.push(last);
            let choices = found.iter().map(|one| format!("{}@{}", one.pseudonym.as_str(), label(one))).collect();
            Err(MembershipFault::Ambiguous { choices })
        }
    }
}

/// A code by which one person becomes a contact. Give it by hand.
///
/// # Errors
/// [`MembershipFault::NotMember`].
pub fn contact_code(tx: &Transaction<'_>, now: Timestamp) -> Result<String, MembershipFault> {
    identity::need_card(tx)?;
    Ok(code::create(tx, CodeKind::Contact, Note::default(), CODE_LIFE, now)?.to_text())
}

/// Follows a contact's code. What comes of it shows in [`super::errands`].
///
/// # Errors
/// [`MembershipFault::Link`], [`MembershipFault::WrongLink`], [`MembershipFault::NotMember`].
pub fn add_code(tx: &Transaction<'_>, link: &str, now: Timestamp) -> Result<MailboxId, MembershipFault> {
    identity::need_card(tx)?;
    errand::follow(tx, link, CodeKind::Contact, errand::Purpose::Contact, now)
}

/// The code of a contact was read.
pub(super) fn code_read(
    tx: &Transaction<'_>,
    code: &MailboxId,
    of: &ContactCard,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let person = person::verify(tx, &of.identity)?;
    save(tx, &person, &of.identity, How::Code, now)?;
    inbox::learn(tx, &person.member, &of.inbox, now)?;
    send_mine(tx, &person.member, Some(*code), now)
}

/// Sends this member's contact card to somebody, with an address made for them.
pub(super) fn send_mine(
    tx: &Transaction<'_>,
    to: &MemberKey,
    code: Option<MailboxId>,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let contact = identity::my_contact_card(tx, &Holder::Member(*to), now)?;
    Ok(inbox::send(tx, to, &ParcelBody::Contact { contact, code }, now)?)
}

/// Tells all contacts how this member is reached from now on, and who it is.
///
/// # Errors
/// [`MembershipFault::Vault`].
pub fn announce(tx: &Transaction<'_>, now: Timestamp) -> Result<(), MembershipFault> {
    for row in records::list::<ContactRow>(tx, Noun::Contact)? {
        if inbox::address_of(tx, &row.member)?.is_none() {
            continue;
        }
        // One who cannot be written to keeps no others from hearing.
        match records::attempt(tx, || send_mine(tx, &row.member, None, now))? {
            Err(fault) if !fault.is_vaults() => {
                warning::raise(tx, &Kind::Undelivered { to: row.member }, now)?;
            }
            done => done?,
        }
    }
    Ok(())
}

/// Somebody says how they are reached.
pub(super) fn arrived(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    contact: &ContactCard,
    code: Option<MailboxId>,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let person = person::verify(tx, &contact.identity)?;
    if person.member != from.person.member {
        return Err(MembershipFault::Unexpected);
    }
    if is_contact(tx, &person.member)? {
        // Whoever has shown a card is called what the card says, not what they say without it.
        let shown = contact_row(tx, &person.member)?.is_some_and(|row| row.card.is_some());
        if person.card.is_some() || !shown {
            save(tx, &person, &contact.identity, How::Code, now)?;
        }
        return Ok(inbox::learn(tx, &person.member, &contact.inbox, now)?);
    }
    if introduction::answered(tx, &person.member, contact, now)? {
        return Ok(());
    }
    let how = match code {
        Some(mailbox) => {
            code::redeem(tx, &mailbox, CodeKind::Contact, &person.member, now)?;
            How::Code
        }
        None if is_expected(tx, &person, &contact.identity)? => How::Union,
        None if person.card.is_some() => return introduction::answered_early(tx, &person.member, contact, now),
        None => return Err(MembershipFault::Unexpected),
    };
    save(tx, &person, &contact.identity, how, now)?;
    inbox::learn(tx, &person.member, &contact.inbox, now)?;
    send_mine(tx, &person.member, None, now)
}

/// Who may become a contact unasked: a coordinator of the own union, a newcomer whom this member invited, vouched for
/// or admitted, for a coordinator every member of the own union, and for a founder every coordinator of the alliance
/// that its union asks to enter.
fn is_expected(tx: &Transaction<'_>, person: &KnownPerson, claimed: &Identity) -> Result<bool, MembershipFault> {
    let (Some(card), Identity::Member { proof }) = (&person.card, claimed) else { return Ok(false) };
    let (Some(mine), Some(charter)) = (identity::my_card(tx)?, charter::current(tx)?) else {
        let Some(alliance) = charter::known_alliance(tx)? else { return Ok(false) };
        let shown = proof.verify(alliance)?.charter;
        return Ok(errand::is_joining(tx)? && charter::coordinates(&shown, &card.union, &person.member));
    };
    let same_union = card.union == mine.union;
    Ok(same_union
        && (charter::coordinates(&charter, &card.union, &person.member)
            || charter::coordinates(&charter, &mine.union, &mine.member)
            || joining::knows_newcomer(tx, &person.member)?))
}

/// Makes a verified person a contact, or notes what changed about one.
pub(super) fn save(
    tx: &Transaction<'_>,
    person: &KnownPerson,
    identity: &Identity,
    how: How,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    if person.member == identity::me(tx)?.member {
        return Err(MembershipFault::Unexpected);
    }
    let key = person.member.as_bytes();
    let before: Option<ContactRow> = records::get(tx, Noun::Contact, key)?;
    let changed = person::known_devices(tx, &person.member)?.is_some_and(|known| known != person.devices.number);
    let union = person.card.as_ref().map(|card| card.union);
    let impostor = before.is_none()
        && records::list::<ContactRow>(tx, Noun::Contact)?
            .iter()
            .any(|row| row.pseudonym == person.pseudonym && row.union == union);
    if (before.is_some() && changed) || impostor {
        warning::raise(tx, &Kind::KeyChanged { member: person.member }, now)?;
    }
    person::remember(tx, person, identity)?;
    introduction::settled(tx, &person.member)?;
    let row = ContactRow {
        member: person.member,
        pseudonym: person.pseudonym.clone(),
        union,
        card: person.card.as_ref().map(Verified::hash),
        how: before.as_ref().map_or(how, |row| row.how),
        since: before.as_ref().map_or(now, |row| row.since),
        verified: before.and_then(|row| row.verified).filter(|_| !changed),
    };
    Ok(records::put(tx, Noun::Contact, key, &row)?)
}

fn contact_row(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<ContactRow>, MembershipFault> {
    Ok(records::get(tx, Noun::Contact, member.as_bytes())?)
}

/// Whether a member is a contact.
pub(crate) fn is_contact(tx: &Transaction<'_>, member: &MemberKey) -> Result<bool, MembershipFault> {
    Ok(records::has(tx, Noun::Contact, member.as_bytes())?)
}

/// Notes when the words were compared and found equal, or that they were not.
pub(super) fn set_verified(
    tx: &Transaction<'_>,
    member: &MemberKey,
    verified: Option<Timestamp>,
) -> Result<(), MembershipFault> {
    let row: ContactRow = records::get(tx, Noun::Contact, member.as_bytes())?.ok_or(MembershipFault::NoSuchContact)?;
    Ok(records::put(tx, Noun::Contact, member.as_bytes(), &ContactRow { verified, ..row })?)
}

/// Members of a union among the contacts: whom its coordinators tell of a new charter.
pub(super) fn of_union(tx: &Transaction<'_>, union: &UnionId) -> Result<Vec<MemberKey>, MembershipFault> {
    let rows: Vec<ContactRow> = records::list(tx, Noun::Contact)?;
    Ok(rows.into_iter().filter(|row| row.union == Some(*union)).map(|row| row.member).collect())
}
