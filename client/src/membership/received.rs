//! Parcels about membership: who may say what to this member.

use relevo_protocol::content::{KnownPerson, ParcelBody};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::DeviceKey;

use super::{MembershipFault, admission, comparison, contact, draft, founding, introduction, joining, roll};
use crate::vault::Transaction;

/// Who sent a parcel: verified, and by which device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived<'a> {
    /// Who.
    pub(crate) person: &'a KnownPerson,
    /// The device that signed.
    pub(crate) device: DeviceKey,
}

/// Takes a parcel that is about membership; gives back one that is not.
///
/// # Errors
/// [`MembershipFault`]: the parcel is dropped, unless the vault failed.
pub(crate) fn received(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    body: ParcelBody,
    now: Timestamp,
) -> Result<Option<ParcelBody>, MembershipFault> {
    match body {
        ParcelBody::JoinRequest(asks) => joining::asked(tx, from, asks, now)?,
        ParcelBody::VouchRequest(asks) | ParcelBody::VouchGiven(asks) => joining::sent_on(tx, from, asks, now)?,
        ParcelBody::Admission(admission) => admission::arrived(tx, from, admission, now)?,
        ParcelBody::Contact { contact, code } => contact::arrived(tx, from, &contact, code, now)?,
        ParcelBody::Introduction(introduction) => introduction::arrived(tx, from, introduction, now)?,
        ParcelBody::Founder { code, founder } => founding::founder_arrived(tx, from, code, &founder, now)?,
        ParcelBody::SetDraft(draft) => founding::set_drafted(tx, from, &draft, now)?,
        ParcelBody::SetSignature { of, signature } => founding::set_signed(tx, from, &of, &signature, now)?,
        ParcelBody::UnionDraft(asks) => founding::union_asks(tx, from, asks, now)?,
        ParcelBody::CharterDraft(asks) => draft::drafted(tx, from, asks, now)?,
        ParcelBody::CharterSignature { of, signature } => draft::signature_arrived(tx, &of, &signature, now)?,
        ParcelBody::CharterPublished { charters } => draft::published(tx, from, &charters, now)?,
        ParcelBody::Roll { entry, object, opening } => roll::arrived(tx, from, &entry, &object, opening)?,
        ParcelBody::Safety(step) => comparison::stepped(tx, from, step, now)?,
        other @ (ParcelBody::Welcome(_)
        | ParcelBody::GroupOwner(_)
        | ParcelBody::AlertAnswer { .. }
        | ParcelBody::Receipt(_)
        | ParcelBody::Complaint(_)
        | ParcelBody::Leave(_)
        | ParcelBody::ReAdd { .. }) => return Ok(Some(other)),
    }
    Ok(None)
}
