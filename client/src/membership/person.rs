//! People whose identity this device has verified: contacts or not.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{Identity, KnownPerson};
use relevo_protocol::trust::{DeviceSet, MemberKey, ObjectHash, Signed};

use super::{MembershipFault, charter};
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};

/// A person whose identity this device has verified: contact or not.
#[derive(Encode, Decode)]
#[cbor(map)]
struct PersonRow {
    #[n(0)]
    identity: Identity,
    #[n(1)]
    devices_number: u64,
}

/// Checks who somebody claims to be, by the newest charter that this device has.
pub(crate) fn verify(tx: &Transaction<'_>, claimed: &Identity) -> Result<KnownPerson, MembershipFault> {
    let alliance = charter::known_alliance(tx)?;
    let mut person = claimed.verify(alliance.as_ref())?;
    if let (Identity::Member { proof }, Some(charter)) = (claimed, charter::current(tx)?) {
        let shown = u64::try_from(proof.charters.len()).unwrap_or(u64::MAX);
        if charter.version > shown {
            let proven = proof.verify_under(&charter)?;
            person.card = Some(proven.card);
        }
    }
    if known_devices(tx, &person.member)?.is_some_and(|known| known > person.devices.number) {
        return Err(MembershipFault::Rollback);
    }
    Ok(person)
}

/// Remembers who a verified person is, so that they need not show it again.
pub(crate) fn remember(tx: &Transaction<'_>, person: &KnownPerson, identity: &Identity) -> Result<(), MembershipFault> {
    let carded = identity_of(tx, &person.member)?.is_some_and(|known| matches!(known, Identity::Member { .. }));
    if carded && person.card.is_none() {
        return Ok(());
    }
    let row = PersonRow { identity: identity.clone(), devices_number: person.devices.number };
    records::put(tx, Noun::Person, person.member.as_bytes(), &row)?;
    if let Some(card) = &person.card {
        records::put(tx, Noun::PersonByCard, &card.hash().0, &person.member)?;
    }
    Ok(())
}

/// The person whose card has a hash, if this device knows it.
pub(crate) fn by_card(tx: &Transaction<'_>, card: &ObjectHash) -> Result<Option<KnownPerson>, MembershipFault> {
    let Some(member) = records::get::<MemberKey>(tx, Noun::PersonByCard, &card.0)? else { return Ok(None) };
    known(tx, &member)
}

/// A person whom this device knows, verified again under the charter that stands now.
///
/// # Errors
/// [`MembershipFault::Identity`] if the charter does not bear the card out any more.
pub fn known(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<KnownPerson>, MembershipFault> {
    let row: Option<PersonRow> = records::get(tx, Noun::Person, member.as_bytes())?;
    row.map(|row| verify(tx, &row.identity)).transpose()
}

/// The identity that a known person showed last.
pub(super) fn identity_of(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<Identity>, MembershipFault> {
    Ok(records::get::<PersonRow>(tx, Noun::Person, member.as_bytes())?.map(|row| row.identity))
}

/// The signed devices of a member as last shown.
///
/// # Errors
/// [`MembershipFault::Vault`].
pub fn devices_of(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<Signed<DeviceSet>>, MembershipFault> {
    Ok(identity_of(tx, member)?.map(|identity| match identity {
        Identity::Member { proof } => proof.device_set,
        Identity::Newcomer { devices, .. } => devices,
    }))
}

pub(super) fn known_devices(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<u64>, MembershipFault> {
    Ok(records::get::<PersonRow>(tx, Noun::Person, member.as_bytes())?.map(|row| row.devices_number))
}
