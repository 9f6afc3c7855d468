//! Charters on their way: drafted by one coordinator, signed by each who must, put together by who drafted.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{CharterDraft, ParcelBody};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{
    AllianceId, Charter, CharterFault, CoSignature, Draft, MemberKey, MultiSigned, ObjectHash, Verified,
};

use super::charter::{self, Adoption, CharterView};
use super::received::Arrived;
use super::request::{self, Subject};
use super::{MembershipFault, contact, errand, identity, roll, warning};
use crate::inbox::{self, InboxFault};
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};

/// A charter that is not signed by all who must.
#[derive(Encode, Decode)]
#[cbor(map)]
struct DraftRow {
    #[n(0)]
    draft: Draft<Charter>,
    /// Who drafted it; none for this member.
    #[n(1)]
    from: Option<MemberKey>,
    #[n(2)]
    signatures: Vec<CoSignature>,
    /// Whether this member has signed.
    #[n(3)]
    signed: bool,
}

/// Signs a charter that waits for it: the one of a request, or the only one. Look at it first, in
/// [`super::requests`].
///
/// # Errors
/// [`MembershipFault::NothingToSign`], [`MembershipFault::SignedAnother`].
pub fn sign(tx: &Transaction<'_>, number: Option<u64>, now: Timestamp) -> Result<(), MembershipFault> {
    let (number, hash) = request::charter_draft(tx, number)?.ok_or(MembershipFault::NothingToSign)?;
    let row = load(tx, &hash)?.ok_or(MembershipFault::NothingToSign)?;
    let proposer = row.from.ok_or(MembershipFault::NothingToSign)?;
    let signature = sign_once(tx, &row.draft)?;
    inbox::send(tx, &proposer, &ParcelBody::CharterSignature { of: hash, signature }, now)?;
    save(tx, &hash, &DraftRow { signed: true, ..row })?;
    request::close(tx, number)
}

/// Proposes the charter that takes in a union which has asked: the one of a request, or the only one. Signs it and sends
/// it to all whose signature it needs.
///
/// # Errors
/// [`MembershipFault::NothingToPropose`], [`MembershipFault::NotCoordinator`].
pub fn propose(tx: &Transaction<'_>, number: Option<u64>, now: Timestamp) -> Result<(), MembershipFault> {
    let (_, charter) = identity::need_coordinator(tx)?;
    let (number, union) = request::union(tx, number)?.ok_or(MembershipFault::NothingToPropose)?;
    let mut unions: Vec<_> = charter.unions.iter().map(relevo_protocol::trust::UnionEntry::duplicate).collect();
    unions.push(union);
    unions.sort_by_key(|union| union.id);
    let next = Charter {
        version: charter.version.saturating_add(1),
        previous: Some(charter.hash()),
        alliance: Some(charter.alliance()),
        name: charter.name.clone(),
        unions,
        recovery: charter.recovery,
    };
    let me = identity::me(tx)?.member;
    let signers: Vec<MemberKey> = coordinators(&next).into_iter().filter(|member| *member != me).collect();
    open(tx, &Draft::new(&next)?, &charter::all(tx)?, &signers, now)?;
    request::close(tx, number)
}

/// Signs an own draft and sends it to those of its signers who can be reached.
pub(super) fn open(
    tx: &Transaction<'_>,
    draft: &Draft<Charter>,
    previous: &[MultiSigned<Charter>],
    signers: &[MemberKey],
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let signature = sign_once(tx, draft)?;
    for signer in signers {
        if inbox::address_of(tx, signer)?.is_some() {
            let draft = Draft::decode(draft.bytes())?;
            let body = ParcelBody::CharterDraft(CharterDraft { draft, previous: previous.to_vec() });
            inbox::send(tx, signer, &body, now)?;
        }
    }
    let kept = Draft::decode(draft.bytes())?;
    save(tx, &draft.hash(), &DraftRow { draft: kept, from: None, signatures: vec![signature], signed: true })
}

/// Somebody asks this coordinator to sign a charter: shown as a request, signed by hand.
pub(super) fn drafted(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    asked: CharterDraft,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    if !asked.previous.is_empty() {
        let adoption = charter::adopt(tx, &asked.previous)?;
        if adoption == Adoption::Older {
            return Err(MembershipFault::Rollback);
        }
        after_adoption(tx, adoption, Some(&from.person.member), now)?;
    } else if !charter::all(tx)?.is_empty() {
        return Err(MembershipFault::Rollback);
    }
    let (next, known) = (asked.draft.object(), charter::current(tx)?);
    let me = identity::me(tx)?;
    let mine = next.unions.iter().any(|union| union.set().coordinator(&me.device.public()).is_some());
    let follows = next.version == known.as_ref().map_or(1, |known| known.version.saturating_add(1))
        && next.previous == known.as_ref().map(Verified::hash)
        && next.alliance == known.as_ref().map(Verified::alliance);
    if !mine || !follows || !contact::is_contact(tx, &from.person.member)? {
        return Err(MembershipFault::Unexpected);
    }
    let hash = asked.draft.hash();
    if load(tx, &hash)?.is_none() {
        let row =
            DraftRow { draft: asked.draft, from: Some(from.person.member), signatures: Vec::new(), signed: false };
        save(tx, &hash, &row)?;
        request::add(tx, Subject::Charter { draft: hash }, now)?;
    }
    Ok(())
}

/// A signature under a charter that this member drafted: perhaps the last.
pub(super) fn signature_arrived(
    tx: &Transaction<'_>,
    of: &ObjectHash,
    signature: &CoSignature,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let mut row = load(tx, of)?.filter(|row| row.from.is_none()).ok_or(MembershipFault::Unexpected)?;
    row.draft.accepts(signature)?;
    let may_sign = |union: &relevo_protocol::trust::UnionEntry| union.set().coordinator(&signature.signer).is_some();
    if !row.draft.object().unions.iter().any(may_sign) {
        return Err(MembershipFault::Unexpected);
    }
    row.signatures.push(signature.clone());
    save(tx, of, &row)?;
    let mut chain = charter::all(tx)?;
    chain.push(row.draft.seal(&row.signatures)?);
    match charter::adopt(tx, &chain) {
        Ok(adoption) => after_adoption(tx, adoption, None, now),
        // More have to sign, or it was settled without this signature.
        Err(MembershipFault::Charter(
            CharterFault::TooFew { .. } | CharterFault::NewUnion { .. } | CharterFault::Order,
        )) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Somebody shows the charter that stands.
pub(super) fn published(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    charters: &[MultiSigned<Charter>],
    now: Timestamp,
) -> Result<(), MembershipFault> {
    // Whoever holds a founder's link could put the founders into an alliance of their own.
    charter::known_alliance(tx)?.ok_or(MembershipFault::Unexpected)?;
    match charter::adopt(tx, charters)? {
        Adoption::Older => Err(MembershipFault::Rollback),
        adoption @ (Adoption::Same | Adoption::Newer) => after_adoption(tx, adoption, Some(&from.person.member), now),
    }
}

/// What follows from a new charter: a founder's card, and word to those who look to this coordinator.
pub(super) fn after_adoption(
    tx: &Transaction<'_>,
    adoption: Adoption,
    from: Option<&MemberKey>,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let (Adoption::Newer, Some(charter)) = (adoption, charter::current(tx)?) else { return Ok(()) };
    let me = identity::me(tx)?;
    let device = me.device.public();
    let Some(union) = charter.unions.iter().find(|union| union.set().coordinator(&device).is_some()) else {
        return Ok(());
    };
    let mut audience = coordinators(&charter);
    audience.extend(contact::of_union(tx, &union.id)?);
    audience.sort_unstable();
    audience.dedup();
    let charters = charter::all(tx)?;
    for member in audience {
        if member != me.member && Some(&member) != from && inbox::address_of(tx, &member)?.is_some() {
            let body = ParcelBody::CharterPublished { charters: charters.clone() };
            // One who cannot be written to keeps neither us nor others from the charter.
            match records::attempt(tx, || inbox::send(tx, &member, &body, now))? {
                Err(fault) if !matches!(fault, InboxFault::Vault(_)) => {
                    warning::raise(tx, &warning::Kind::Undelivered { to: member }, now)?;
                }
                done => done?,
            }
        }
    }
    if me.card.is_none() {
        roll::issue_own_card(tx, &charter, union, now)?;
        errand::finish_joining(tx)?;
        contact::announce(tx, now)?;
    }
    Ok(())
}

/// The alliance whose first charter this member has signed while it does not stand yet.
pub(super) fn first_signed(tx: &Transaction<'_>) -> Result<Option<AllianceId>, MembershipFault> {
    let rows: Vec<DraftRow> = records::list(tx, Noun::Draft)?;
    Ok(rows.iter().find(|row| row.signed && row.draft.object().version == 1).map(|row| AllianceId(row.draft.hash())))
}

/// A draft as people read it, and who asks for the signature.
pub(super) fn view(
    tx: &Transaction<'_>,
    hash: &ObjectHash,
) -> Result<Option<(CharterView, Option<MemberKey>)>, MembershipFault> {
    Ok(load(tx, hash)?.map(|row| {
        let next = row.draft.object();
        (CharterView::of(next, &next.alliance.unwrap_or(AllianceId(*hash))), row.from)
    }))
}

/// Signs a draft, unless another of the same number was signed: two signatures would fork the charter.
fn sign_once(tx: &Transaction<'_>, draft: &Draft<Charter>) -> Result<CoSignature, MembershipFault> {
    let version = draft.object().version;
    let rows: Vec<DraftRow> = records::list(tx, Noun::Draft)?;
    let another = |row: &DraftRow| row.signed && row.draft.object().version == version && row.draft != *draft;
    if rows.iter().any(another) {
        return Err(MembershipFault::SignedAnother);
    }
    Ok(draft.sign(&identity::me(tx)?.device))
}

fn coordinators(charter: &Charter) -> Vec<MemberKey> {
    charter.unions.iter().flat_map(|union| union.set().coordinators.iter().map(|one| one.member)).collect()
}

fn load(tx: &Transaction<'_>, hash: &ObjectHash) -> Result<Option<DraftRow>, MembershipFault> {
    Ok(records::get(tx, Noun::Draft, &hash.0)?)
}

fn save(tx: &Transaction<'_>, hash: &ObjectHash, row: &DraftRow) -> Result<(), MembershipFault> {
    Ok(records::put(tx, Noun::Draft, &hash.0, row)?)
}
