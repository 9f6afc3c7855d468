//! Cards that coordinators issue, and the roll that records them. In this first form each coordinator's device writes
//! its own lane of the roll, so that two who admit at the same time cannot contradict each other; all coordinators of the
//! union hold all lanes.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{Opaque, ParcelBody};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{
    Card, Charter, DeviceKey, MemberKey, Pseudonym, RollEntry, RollHead, RollKind, Scope, Signed, UnionEntry, Verified,
    VouchOpening, VouchSalt,
};

use super::received::Arrived;
use super::{MembershipFault, charter, identity, joining};
use crate::inbox;
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};

/// Seconds that a member's card lasts: two years.
const CARD_LIFE: u64 = 2 * 365 * 24 * 3600;

/// An entry of the roll with the object that it records.
#[derive(Encode, Decode)]
#[cbor(map)]
struct RollRow {
    #[n(0)]
    entry: RollEntry,
    #[n(1)]
    object: Opaque,
}

/// A card that this coordinator knows, with the opening of its vouches if it issued it.
#[derive(Encode, Decode)]
#[cbor(map)]
struct CardRow {
    #[n(0)]
    card: Signed<Card>,
    #[n(1)]
    opening: Option<VouchOpening>,
}

/// Issues the card of a founder, who needs no vouches: the set that both founders signed names it.
pub(super) fn issue_own_card(
    tx: &Transaction<'_>,
    charter: &Verified<Charter>,
    union: &UnionEntry,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let me = identity::me(tx)?;
    let seat = union.set().coordinator(&me.device.public()).ok_or(MembershipFault::NotCoordinator)?;
    let card = issue(tx, charter, union, (me.member, seat.pseudonym.clone()), Vec::new(), seat.mandate.until, now)?;
    identity::keep_card(tx, &card)
}

/// Issues a member's card on vouches that have been checked.
pub(super) fn issue_card(
    tx: &Transaction<'_>,
    charter: &Verified<Charter>,
    union: &UnionEntry,
    member: (MemberKey, Pseudonym),
    vouches: Vec<Signed<relevo_protocol::trust::Vouch>>,
    now: Timestamp,
) -> Result<Verified<Card>, MembershipFault> {
    issue(tx, charter, union, member, vouches, now.plus_seconds(CARD_LIFE), now)
}

fn issue(
    tx: &Transaction<'_>,
    charter: &Verified<Charter>,
    union: &UnionEntry,
    (member, pseudonym): (MemberKey, Pseudonym),
    vouches: Vec<Signed<relevo_protocol::trust::Vouch>>,
    expires: Timestamp,
    now: Timestamp,
) -> Result<Verified<Card>, MembershipFault> {
    let me = identity::me(tx)?;
    let device = me.device.public();
    let salt = VouchSalt(Secret::random().map_err(|_| MembershipFault::Randomness)?);
    let opening = VouchOpening::new(salt, vouches)?;
    let head = head(tx, &device)?;
    let card = Card {
        alliance: charter.alliance(),
        scope: Scope::Union,
        union: union.id,
        member,
        pseudonym,
        issued: now,
        expires,
        vouches: opening.commitment(),
        set: union.set_name(),
        roll: Some(head.position.saturating_add(1)),
    };
    let signed = Signed::sign(&card, &me.device)?;
    let verified = Card::verify(&signed, charter)?;
    let (entry, after) = head.append(union.id, RollKind::Card, verified.hash(), now)?;
    let object = Opaque::new(verified.bytes().to_vec());
    records::put(tx, Noun::RollHead, device.as_bytes(), &after)?;
    records::put(
        tx,
        Noun::Roll,
        &key(&device, entry.position),
        &RollRow { entry: entry.clone(), object: object.clone() },
    )?;
    let row = CardRow { card: signed, opening: Some(duplicate(&opening)) };
    records::put(tx, Noun::Card, &verified.hash().0, &row)?;
    for fellow in charter::fellow_coordinators(tx, charter, &union.id)? {
        if inbox::address_of(tx, &fellow.member)?.is_some() {
            let opening = Some(duplicate(&opening));
            let body = ParcelBody::Roll { entry: entry.clone(), object: object.clone(), opening };
            inbox::send(tx, &fellow.member, &body, now)?;
        }
    }
    Ok(verified)
}

/// A fellow coordinator has written on its lane of the roll.
pub(super) fn arrived(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    entry: &RollEntry,
    object: &Opaque,
    opening: Option<VouchOpening>,
) -> Result<(), MembershipFault> {
    let (mine, charter) = identity::need_coordinator(tx)?;
    let lane = from.device;
    if entry.union != mine.union || charter.coordinator(&mine.union, &lane).is_none() {
        return Err(MembershipFault::Unexpected);
    }
    if entry.kind == RollKind::Card {
        let signed = Signed::decode(object.bytes())?;
        let card = Card::verify(&signed, &charter)?;
        if card.hash() != entry.object || signed.claimed_signer() != lane || card.roll != Some(entry.position) {
            return Err(MembershipFault::Unexpected);
        }
        if let Some(opening) = &opening {
            opening.open(&card)?;
        }
        records::put(tx, Noun::Card, &card.hash().0, &CardRow { card: signed, opening })?;
        joining::settle(tx, &card.member)?;
    }
    let row = RollRow { entry: entry.clone(), object: object.clone() };
    records::put(tx, Noun::Roll, &key(&lane, entry.position), &row)?;
    // Parcels may overtake each other: the head moves as far as the chain goes on.
    let mut head = head(tx, &lane)?;
    while let Some(next) = records::get::<RollRow>(tx, Noun::Roll, &key(&lane, head.position.saturating_add(1)))? {
        head = head.verify(mine.union, &next.entry)?;
    }
    Ok(records::put(tx, Noun::RollHead, lane.as_bytes(), &head)?)
}

/// Whether a card of this hash is on the roll that this coordinator holds.
#[cfg(test)]
pub(super) fn holds(tx: &Transaction<'_>, card: &relevo_protocol::trust::ObjectHash) -> bool {
    records::has(tx, Noun::Card, &card.0).unwrap_or(false)
}

fn duplicate(opening: &VouchOpening) -> VouchOpening {
    VouchOpening { salt: VouchSalt(opening.salt.0.duplicate()), vouches: opening.vouches.clone() }
}

fn head(tx: &Transaction<'_>, lane: &DeviceKey) -> Result<RollHead, MembershipFault> {
    Ok(records::get(tx, Noun::RollHead, lane.as_bytes())?.unwrap_or(RollHead::START))
}

fn key(lane: &DeviceKey, position: u64) -> Vec<u8> {
    [lane.as_bytes().as_slice(), &position.to_be_bytes()].concat()
}
