//! Who this member is: keys, pseudonym, card.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{ContactCard, Identity};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{
    AllianceId, Card, Charter, DeviceSecret, DeviceSet, MemberKey, MemberSecret, MultiSigned, Proof, Pseudonym, Signed,
    UnionId, Verified,
};

use super::{MembershipFault, charter};
use crate::conversation;
use crate::inbox::{self, Holder};
use crate::quiet::shows_only;
use crate::vault::Transaction;
use crate::vault::records::{self, Noun, ONE};

/// The one row about this member. The member key stays in the vault in this first form: the recovery sheet that takes
/// it out is a later version's.
#[derive(Encode, Decode)]
#[cbor(map)]
struct MeRow {
    #[n(0)]
    pseudonym: Pseudonym,
    #[n(1)]
    member_seed: Secret<32>,
    #[n(2)]
    device_seed: Secret<32>,
    #[n(3)]
    devices: Signed<DeviceSet>,
    #[n(4)]
    card: Option<Signed<Card>>,
}

/// This member, as the rules need it.
#[derive(Debug)]
pub struct Me {
    /// What others see.
    pub pseudonym: Pseudonym,
    /// The member key.
    pub member: MemberKey,
    /// Signs for this device.
    pub device: DeviceSecret,
    /// The devices of this member.
    pub devices: Signed<DeviceSet>,
    /// The card, once admitted. It has been verified against the charter when it came.
    pub card: Option<Signed<Card>>,
}

/// What a person may be told about themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct AboutMe {
    /// The pseudonym.
    pub pseudonym: Pseudonym,
    /// The member key.
    pub member: MemberKey,
    /// The alliance, once there is one.
    pub alliance: Option<AllianceId>,
    /// Its name.
    pub alliance_name: Option<String>,
    /// The union that the card names, and its name.
    pub union: Option<(UnionId, String)>,
    /// End of the card.
    pub card_expires: Option<Timestamp>,
    /// Whether this member coordinates its union.
    pub is_coordinator: bool,
}

shows_only! { AboutMe { card_expires, is_coordinator } }

/// Draws the member's and the device's key and signs the first device set.
///
/// # Errors
/// [`MembershipFault::HasIdentity`] the second time.
pub fn init(tx: &Transaction<'_>, pseudonym: &Pseudonym) -> Result<(), MembershipFault> {
    if records::has(tx, Noun::Me, ONE)? {
        return Err(MembershipFault::HasIdentity);
    }
    let member = MemberSecret::random().map_err(|_| MembershipFault::Randomness)?;
    let device = DeviceSecret::random().map_err(|_| MembershipFault::Randomness)?;
    let set = DeviceSet { member: member.public(), number: 1, devices: vec![device.public()], previous: None };
    let row = MeRow {
        pseudonym: pseudonym.clone(),
        devices: Signed::sign(&set, &member)?,
        member_seed: member.seed(),
        device_seed: device.seed(),
        card: None,
    };
    Ok(records::put(tx, Noun::Me, ONE, &row)?)
}

/// This member.
///
/// # Errors
/// [`MembershipFault::NoIdentity`] before [`init`].
pub fn me(tx: &Transaction<'_>) -> Result<Me, MembershipFault> {
    let row = row(tx)?;
    let device = DeviceSecret::from_seed(&row.device_seed);
    let member = MemberSecret::from_seed(&row.member_seed).public();
    Ok(Me { pseudonym: row.pseudonym, member, device, devices: row.devices, card: row.card })
}

/// What the keys of member and device grow from, for [`crate::disclosure`].
pub(crate) fn seeds(tx: &Transaction<'_>) -> Result<[Secret<32>; 2], MembershipFault> {
    row(tx).map(|row| [row.member_seed, row.device_seed])
}

/// What a person may be told about themselves.
///
/// # Errors
/// [`MembershipFault::NoIdentity`].
pub fn about_me(tx: &Transaction<'_>) -> Result<AboutMe, MembershipFault> {
    let me = me(tx)?;
    let charter = charter::current(tx)?;
    let card = my_card(tx)?;
    let entry = charter.as_ref().zip(card.as_ref()).and_then(|(charter, card)| charter.union(&card.union));
    Ok(AboutMe {
        is_coordinator: entry.is_some_and(|entry| entry.set().coordinator(&me.device.public()).is_some()),
        union: entry.map(|entry| (entry.id, entry.name.as_str().to_owned())),
        alliance: charter.as_ref().map(Verified::alliance),
        alliance_name: charter.as_ref().map(|charter| charter.name.as_str().to_owned()),
        card_expires: card.map(|card| card.expires),
        pseudonym: me.pseudonym,
        member: me.member,
    })
}

/// The own card, if there is one.
///
/// # Errors
/// [`MembershipFault::NoIdentity`], [`MembershipFault::Card`] if the charter does not bear it out any more.
pub fn my_card(tx: &Transaction<'_>) -> Result<Option<Verified<Card>>, MembershipFault> {
    let Some(card) = row(tx)?.card else { return Ok(None) };
    let Some(charter) = charter::current(tx)? else { return Ok(None) };
    Ok(Some(Card::verify(&card, &charter)?))
}

/// The own card, for acts that need one.
///
/// # Errors
/// [`MembershipFault::NotMember`].
pub(super) fn need_card(tx: &Transaction<'_>) -> Result<Verified<Card>, MembershipFault> {
    my_card(tx)?.ok_or(MembershipFault::NotMember)
}

/// The own card and the charter, for acts that are a coordinator's.
///
/// # Errors
/// [`MembershipFault::NotMember`], [`MembershipFault::NotCoordinator`].
pub(super) fn need_coordinator(tx: &Transaction<'_>) -> Result<(Verified<Card>, Verified<Charter>), MembershipFault> {
    let (card, charter) = (need_card(tx)?, charter::need(tx)?);
    let device = me(tx)?.device.public();
    let mandated = charter.coordinator(&card.union, &device).is_some();
    if mandated { Ok((card, charter)) } else { Err(MembershipFault::NotCoordinator) }
}

/// This member as the conversations need it; none before there is a card. Verifies all charters: keep it while neither
/// card nor charter changes.
///
/// # Errors
/// [`MembershipFault::NoIdentity`].
pub fn for_conversations(tx: &Transaction<'_>) -> Result<Option<conversation::Me>, MembershipFault> {
    let Me { member, device, devices, card: Some(card), .. } = me(tx)? else { return Ok(None) };
    let mut charters: Vec<(MultiSigned<Charter>, Verified<Charter>)> = Vec::new();
    for signed in charter::all(tx)? {
        let verified = match charters.last() {
            None => Charter::verify_first(&signed)?,
            Some((_, known)) => Charter::verify_amendment(&signed, known)?,
        };
        charters.push((signed, verified));
    }
    Ok(Some(conversation::Me { member, device, card, devices, charters }))
}

/// Everything that it takes to check this member offline.
///
/// # Errors
/// [`MembershipFault::NotMember`] without a card.
pub fn my_proof(tx: &Transaction<'_>) -> Result<Proof, MembershipFault> {
    let row = row(tx)?;
    let card = row.card.ok_or(MembershipFault::NotMember)?;
    Ok(Proof { charters: charter::all(tx)?, card, device_set: row.devices })
}

/// Who this member claims to be: by card, or by its own keys before it has one.
///
/// # Errors
/// [`MembershipFault::NoIdentity`].
pub fn my_identity(tx: &Transaction<'_>) -> Result<Identity, MembershipFault> {
    let row = row(tx)?;
    Ok(if row.card.is_some() {
        Identity::Member { proof: my_proof(tx)? }
    } else {
        Identity::Newcomer { devices: row.devices, pseudonym: row.pseudonym }
    })
}

/// This member's contact card for one holder.
///
/// # Errors
/// [`MembershipFault::Inbox`] before there is an inbox.
pub fn my_contact_card(tx: &Transaction<'_>, holder: &Holder, now: Timestamp) -> Result<ContactCard, MembershipFault> {
    Ok(ContactCard { identity: my_identity(tx)?, inbox: inbox::my_address_for(tx, holder, now)? })
}

/// Keeps the own card, verified.
pub(super) fn keep_card(tx: &Transaction<'_>, card: &Verified<Card>) -> Result<(), MembershipFault> {
    let kept = MeRow { card: Some(Signed::decode(card.bytes())?), ..row(tx)? };
    records::put(tx, Noun::Me, ONE, &kept)?;
    super::restamp(tx)
}

fn row(tx: &Transaction<'_>) -> Result<MeRow, MembershipFault> {
    records::get(tx, Noun::Me, ONE)?.ok_or(MembershipFault::NoIdentity)
}
