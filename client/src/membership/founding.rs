//! Founding a union: two coordinators sign its first set. The first union's founders make the charter; those of a later
//! one ask a coordinator of the alliance to put their union into it.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{CodeKind, CodeLink, ContactCard, Invitation, Note, ParcelBody, UnionDraft};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{
    Charter, CoSignature, Coordinator, CoordinatorSet, DeviceSet, Draft, Mandate, MemberKey, Name, ObjectHash, Office,
    Recovery, UnionEntry, UnionId,
};
use relevo_protocol::wire::{MailboxId, RelayAddress};

use super::contact::How;
use super::received::Arrived;
use super::request::{self, Subject};
use super::{MembershipFault, charter, code, contact, draft, errand, identity, person};
use crate::inbox::{self, Holder};
use crate::quiet::shows_only;
use crate::sync;
use crate::vault::records::{self, Noun, ONE};
use crate::vault::{Transaction, relays};

/// Seconds for which a co-founder's or a union's code lasts.
const CODE_LIFE: u64 = 7 * 24 * 3600;
/// Seconds before its signing at which a first mandate begins: clocks of founders differ.
const MANDATE_BEFORE: u64 = 24 * 3600;
/// Seconds that a first mandate lasts: three years, the longest term that the sources name.
const MANDATE: u64 = 3 * 365 * 24 * 3600;
/// Coordinators who found a union, and who must all sign.
const FOUNDERS: u8 = 2;
/// Vouches that a newcomer needs if nobody says otherwise.
const VOUCHES_NEEDED: u8 = 2;

/// A union that this member is founding.
#[derive(Encode, Decode)]
#[cbor(map)]
struct FoundingRow {
    /// Name of the alliance; none when the union enters one that is there.
    #[n(0)]
    alliance_name: Option<Name>,
    #[n(1)]
    union: UnionId,
    #[n(2)]
    union_name: Name,
    #[n(3)]
    relay: RelayAddress,
    /// Code and inviter of the alliance that the union asks to enter.
    #[n(4)]
    invited: Option<(MailboxId, MemberKey)>,
    /// The link for the co-founder.
    #[n(5)]
    link: Option<String>,
    #[n(6)]
    cofounder: Option<ContactCard>,
    #[n(7)]
    set: Option<Draft<CoordinatorSet>>,
    #[n(8)]
    signatures: Vec<CoSignature>,
    #[n(9)]
    signed: bool,
}

/// How far the founding of a union is, as people see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Founding {
    /// Name of the union.
    pub union: String,
    /// The link for the co-founder; none while the invitation of the alliance is being read.
    pub cofounder_link: Option<String>,
    /// Whether somebody has followed it.
    pub has_cofounder: bool,
    /// Whether both have signed the first set.
    pub set_signed: bool,
}

shows_only! { Founding { has_cofounder, set_signed } }

/// Begins to found an alliance and its first union on a relay. Gives the link for the co-founder.
///
/// Until somebody has followed that link, it can be begun anew, with other names or on another relay: the same relay
/// keeps the link as long as it lasts, another one makes it worthless.
///
/// # Errors
/// [`MembershipFault::AlreadyIn`], [`MembershipFault::NoIdentity`].
pub fn found(
    tx: &Transaction<'_>,
    alliance: &Name,
    union: &Name,
    relay: &RelayAddress,
    now: Timestamp,
) -> Result<String, MembershipFault> {
    let row = begin(tx, Some(alliance), union, relay, now)?;
    let row = if row.link.is_some() { row } else { invite_cofounder(tx, row, now)? };
    row.link.ok_or(MembershipFault::Unexpected)
}

/// Begins to found a union on a relay and to bring it into the alliance of a link. The link for the co-founder shows in
/// [`founding`] once the alliance's invitation has been read. Begun anew as [`found`] is; the alliance's link may be the
/// same one or another.
///
/// # Errors
/// [`MembershipFault::AlreadyIn`], [`MembershipFault::Link`], [`MembershipFault::WrongLink`].
pub fn found_union(
    tx: &Transaction<'_>,
    union: &Name,
    relay: &RelayAddress,
    link: &str,
    now: Timestamp,
) -> Result<MailboxId, MembershipFault> {
    let row = begin(tx, None, union, relay, now)?;
    let followed = errand::follow(tx, link, CodeKind::Union, errand::Purpose::Union, now)?;
    errand::give_up_unread(tx, &[CodeKind::Union], Some(&followed))?;
    // Read before, for a beginning that was given up.
    let invited = errand::inviter_of(tx, &followed)?.map(|inviter| (followed, inviter));
    let row = FoundingRow { invited, ..row };
    if invited.is_some() && row.link.is_none() {
        invite_cofounder(tx, row, now)?;
    } else {
        save(tx, &row)?;
    }
    Ok(followed)
}

/// Gives up founding a union while nobody has followed the link for the co-founder.
///
/// # Errors
/// [`MembershipFault::AlreadyIn`] later, [`MembershipFault::NotFounding`] before.
pub fn give_up_founding(tx: &Transaction<'_>) -> Result<(), MembershipFault> {
    let row = records::get::<FoundingRow>(tx, Noun::Founding, ONE)?.ok_or(MembershipFault::NotFounding)?;
    abandon(tx, &row)?;
    errand::give_up_unread(tx, &[CodeKind::Union], None)?;
    Ok(records::remove(tx, Noun::Founding, ONE)?)
}

/// Takes back what was prepared for a co-founder who has not come: the link, and the inbox that answers would come to.
fn abandon(tx: &Transaction<'_>, row: &FoundingRow) -> Result<(), MembershipFault> {
    if row.cofounder.is_some() {
        return Err(MembershipFault::AlreadyIn);
    }
    if let Some(code) = code_of(row) {
        code::abandon(tx, &code)?;
    }
    Ok(inbox::abandon(tx)?)
}

/// The mailbox of the link for the co-founder.
fn code_of(row: &FoundingRow) -> Option<MailboxId> {
    let link: CodeLink = row.link.as_ref()?.parse().ok()?;
    Some(link.secret.owner().mailbox())
}

/// How far the founding of a union is.
///
/// # Errors
/// [`MembershipFault::Vault`].
pub fn founding(tx: &Transaction<'_>) -> Result<Option<Founding>, MembershipFault> {
    Ok(records::get::<FoundingRow>(tx, Noun::Founding, ONE)?.map(|row| Founding {
        union: row.union_name.as_str().to_owned(),
        cofounder_link: row.link,
        has_cofounder: row.cofounder.is_some(),
        set_signed: row.signed,
    }))
}

/// A link by which the founder of another union asks to enter this alliance.
///
/// # Errors
/// [`MembershipFault::NotCoordinator`].
pub fn invite_union(tx: &Transaction<'_>, note: Note, now: Timestamp) -> Result<String, MembershipFault> {
    identity::need_coordinator(tx)?;
    Ok(code::create(tx, CodeKind::Union, note, CODE_LIFE, now)?.to_text())
}

fn begin(
    tx: &Transaction<'_>,
    alliance: Option<&Name>,
    union: &Name,
    relay: &RelayAddress,
    now: Timestamp,
) -> Result<FoundingRow, MembershipFault> {
    identity::me(tx)?;
    let begun = records::get::<FoundingRow>(tx, Noun::Founding, ONE)?;
    // Who founds a later union knows the alliance's charter by the invitation, and founds no alliance of its own.
    let may_know = alliance.is_none() && errand::is_answered(tx, &[CodeKind::Union])?;
    let asked = errand::is_answered(tx, &[CodeKind::Member, CodeKind::CoFounder])?;
    if asked || (charter::current(tx)?.is_some() && !may_know) {
        return Err(MembershipFault::AlreadyIn);
    }
    errand::give_up_unread(tx, &[CodeKind::Member, CodeKind::CoFounder], None)?;
    if let Some(begun) = &begun {
        if begun.cofounder.is_some() {
            return Err(MembershipFault::AlreadyIn);
        }
        if begun.relay != *relay {
            abandon(tx, begun)?;
        }
    }
    sync::remember_relay(tx, relay)?;
    inbox::establish(tx, relay, now)?;
    if let Some(begun) = begun {
        let lives = match code_of(&begun) {
            Some(code) => code::is_live(tx, &code, now)?,
            None => false,
        };
        let (alliance_name, union_name, relay) = (alliance.cloned(), union.clone(), relay.duplicate());
        let link = begun.link.filter(|_| lives);
        let row = FoundingRow { alliance_name, union_name, relay, link, ..begun };
        save(tx, &row)?;
        return Ok(row);
    }
    let row = FoundingRow {
        alliance_name: alliance.cloned(),
        union: UnionId::random().map_err(|_| MembershipFault::Randomness)?,
        union_name: union.clone(),
        relay: relay.duplicate(),
        invited: None,
        link: None,
        cofounder: None,
        set: None,
        signatures: Vec::new(),
        signed: false,
    };
    save(tx, &row)?;
    Ok(row)
}

fn invite_cofounder(
    tx: &Transaction<'_>,
    mut row: FoundingRow,
    now: Timestamp,
) -> Result<FoundingRow, MembershipFault> {
    row.link = Some(code::create(tx, CodeKind::CoFounder, Note::default(), CODE_LIFE, now)?.to_text());
    save(tx, &row)?;
    Ok(row)
}

/// The founder of a later union has read the alliance's invitation.
pub(super) fn union_code_read(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    invitation: &Invitation,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let row = row(tx)?;
    let inviter = adopt_inviter(tx, mailbox, &invitation.inviter, now)?;
    invite_cofounder(tx, FoundingRow { invited: Some((*mailbox, inviter)), ..row }, now)?;
    Ok(())
}

/// A co-founder has read the founder's invitation.
pub(super) fn cofounder_code_read(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    invitation: &Invitation,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    inbox::establish(tx, &invitation.inviter.inbox.relay, now)?;
    let inviter = adopt_inviter(tx, mailbox, &invitation.inviter, now)?;
    let founder = identity::my_contact_card(tx, &Holder::Member(inviter), now)?;
    Ok(inbox::send(tx, &inviter, &ParcelBody::Founder { code: *mailbox, founder }, now)?)
}

/// Takes over the charter that an inviter shows and makes them a contact: both are trusted because the link was.
pub(super) fn adopt_inviter(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    inviter: &ContactCard,
    now: Timestamp,
) -> Result<MemberKey, MembershipFault> {
    use relevo_protocol::content::Identity;
    let person = person::verify(tx, &inviter.identity)?;
    if let Identity::Member { proof } = &inviter.identity {
        charter::adopt(tx, &proof.charters)?;
    }
    contact::save(tx, &person, &inviter.identity, How::Union, now)?;
    inbox::learn(tx, &person.member, &inviter.inbox, now)?;
    errand::note_inviter(tx, mailbox, &person.member, None)?;
    Ok(person.member)
}

/// A co-founder shows its keys: the founder drafts and signs the first set.
pub(super) fn founder_arrived(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    code: MailboxId,
    founder: &ContactCard,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let mut row = row(tx)?;
    let person = person::verify(tx, &founder.identity)?;
    if person.member != from.person.member {
        return Err(MembershipFault::Unexpected);
    }
    code::redeem(tx, &code, CodeKind::CoFounder, &person.member, now)?;
    if row.cofounder.is_some() {
        return Err(MembershipFault::Unexpected);
    }
    contact::save(tx, &person, &founder.identity, How::Union, now)?;
    inbox::learn(tx, &person.member, &founder.inbox, now)?;

    let me = identity::me(tx)?;
    let from = now.0.saturating_sub(MANDATE_BEFORE);
    let mandate = Mandate { office: Office::Coordinator, from: Timestamp(from), until: now.plus_seconds(MANDATE) };
    let theirs = person::devices_of(tx, &person.member)?.ok_or(MembershipFault::Unexpected)?;
    let seat = |member, pseudonym, device_set| Coordinator { member, pseudonym, device_set, mandate };
    let set = CoordinatorSet {
        union: row.union,
        number: 1,
        previous: None,
        threshold: FOUNDERS,
        coordinators: vec![seat(me.member, me.pseudonym, me.devices), seat(person.member, person.pseudonym, theirs)],
        roll: None,
    };
    let draft = Draft::new(&set)?;
    row.signatures = vec![draft.sign(&me.device)];
    inbox::send(tx, &person.member, &ParcelBody::SetDraft(Draft::decode(draft.bytes())?), now)?;
    row.cofounder = Some(founder.duplicate());
    row.set = Some(draft);
    save(tx, &row)
}

/// The founder sends the first set to the co-founder, who followed the link to sign exactly this: the two of them, and
/// nothing without both.
pub(super) fn set_drafted(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    draft: &Draft<CoordinatorSet>,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let founder = from.person.member;
    errand::asked_of(tx, CodeKind::CoFounder, &founder)?.ok_or(MembershipFault::Unexpected)?;
    let (me, set) = (identity::me(tx)?, draft.object());
    let [one, other] = set.coordinators.as_slice() else { return Err(MembershipFault::Unexpected) };
    let (mine, theirs) = if one.member == me.member { (one, other) } else { (other, one) };
    let expected = mine.member == me.member
        && mine.device_set == me.devices
        && mine.pseudonym == me.pseudonym
        && theirs.member == founder
        && DeviceSet::verify(&theirs.device_set)? == from.person.devices
        && set.threshold == FOUNDERS
        && set.number == 1;
    if !expected {
        return Err(MembershipFault::Unexpected);
    }
    let body = ParcelBody::SetSignature { of: draft.hash(), signature: draft.sign(&me.device) };
    Ok(inbox::send(tx, &founder, &body, now)?)
}

/// The co-founder has signed: the union stands.
pub(super) fn set_signed(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    of: &ObjectHash,
    signature: &CoSignature,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let mut row = row(tx)?;
    let (Some(draft), Some(cofounder)) = (row.set.take(), row.cofounder.take()) else {
        return Err(MembershipFault::Unexpected);
    };
    if draft.hash() != *of || !from.person.devices.holds(&signature.signer) || row.signed {
        return Err(MembershipFault::Unexpected);
    }
    draft.accepts(signature)?;
    row.signatures.push(signature.clone());
    let signed = draft.seal(&row.signatures)?;
    CoordinatorSet::verify_first(&signed)?;
    let entry = UnionEntry {
        id: row.union,
        name: row.union_name.clone(),
        first_set: signed,
        vouches_needed: VOUCHES_NEEDED,
        relays: vec![row.relay.duplicate()],
    };
    match (&row.alliance_name, row.invited) {
        (Some(name), _) => {
            let first = Charter {
                version: 1,
                previous: None,
                alliance: None,
                name: name.clone(),
                unions: vec![entry],
                recovery: Recovery::default(),
            };
            draft::open(tx, &Draft::new(&first)?, &[], &[from.person.member], now)?;
        }
        (None, Some((code, inviter))) => {
            let mine = identity::my_contact_card(tx, &Holder::Member(inviter), now)?;
            let coordinators = vec![mine, cofounder.duplicate()];
            let body = ParcelBody::UnionDraft(UnionDraft { code, union: entry, coordinators });
            inbox::send(tx, &inviter, &body, now)?;
        }
        (None, None) => return Err(MembershipFault::Unexpected),
    }
    save(tx, &FoundingRow { set: Some(draft), cofounder: Some(cofounder), signed: true, ..row })
}

/// A union asks a coordinator to be put into the charter: shown as a request, proposed by hand.
pub(super) fn union_asks(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    asks: UnionDraft,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    identity::need_coordinator(tx)?;
    let set = CoordinatorSet::verify_first(&asks.union.first_set)?;
    let founder = from.person.member;
    if set.union != asks.union.id || !set.coordinators.iter().any(|one| one.member == founder) {
        return Err(MembershipFault::Unexpected);
    }
    code::redeem(tx, &asks.code, CodeKind::Union, &founder, now)?;
    // This member gave the link by hand to who founds the union: its relays are used before the charter names them.
    for relay in &asks.union.relays {
        if relays::find(tx, &relay.fingerprint)?.is_none() {
            sync::remember_relay(tx, relay)?;
        }
    }
    for card in &asks.coordinators {
        let person = person::verify(tx, &card.identity)?;
        if !set.coordinators.iter().any(|one| one.member == person.member) {
            return Err(MembershipFault::Unexpected);
        }
        contact::save(tx, &person, &card.identity, How::Union, now)?;
        inbox::learn(tx, &person.member, &card.inbox, now)?;
        // How they send their signatures back.
        contact::send_mine(tx, &person.member, None, now)?;
    }
    request::add(tx, Subject::Union { from: founder, union: asks.union }, now)
}

fn row(tx: &Transaction<'_>) -> Result<FoundingRow, MembershipFault> {
    records::get(tx, Noun::Founding, ONE)?.ok_or(MembershipFault::Unexpected)
}

fn save(tx: &Transaction<'_>, row: &FoundingRow) -> Result<(), MembershipFault> {
    Ok(records::put(tx, Noun::Founding, ONE, row)?)
}
