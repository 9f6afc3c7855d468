//! The charter as this device knows it: all versions, never fewer.

use relevo_protocol::content::Opaque;
use relevo_protocol::trust::{AllianceId, Charter, Coordinator, MemberKey, MultiSigned, UnionEntry, UnionId, Verified};
use relevo_protocol::wire::RelayAddress;

use super::{MembershipFault, errand, identity, words};
use crate::quiet::shows_only;
use crate::sync;
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};
use crate::vault::relays::{self, Admissions, KnownRelay};

/// What came of a chain of charters that somebody showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Adoption {
    /// It is the one that stands.
    Same,
    /// It is newer and stands now.
    Newer,
    /// It is older than the one that stands, of which it is a part.
    Older,
}

/// A charter as people read it.
#[derive(Clone, PartialEq, Eq)]
pub struct CharterView {
    /// Number of the version.
    pub version: u64,
    /// Name of the alliance.
    pub name: String,
    /// Numbers of the twelve words that name the alliance; see [`words::english`].
    pub words: [u16; 12],
    /// Its unions.
    pub unions: Vec<UnionView>,
}

/// A union as people read it.
#[derive(Clone, PartialEq, Eq)]
pub struct UnionView {
    /// Its id.
    pub id: UnionId,
    /// Its name.
    pub name: String,
    /// Pseudonyms of its coordinators.
    pub coordinators: Vec<String>,
    /// Coordinators who must sign together.
    pub threshold: u8,
    /// Vouches that a newcomer needs.
    pub vouches_needed: u8,
    /// Hosts of its relays.
    pub relays: Vec<String>,
}

shows_only! { CharterView { version }, UnionView { threshold, vouches_needed } }

impl CharterView {
    /// A charter as people read it; of a draft, what it would say.
    #[must_use]
    pub fn of(charter: &Charter, alliance: &AllianceId) -> Self {
        Self {
            version: charter.version,
            name: charter.name.as_str().to_owned(),
            words: words::alliance(alliance),
            unions: charter.unions.iter().map(UnionView::of).collect(),
        }
    }
}

impl UnionView {
    fn of(union: &UnionEntry) -> Self {
        Self {
            id: union.id,
            name: union.name.as_str().to_owned(),
            coordinators: union.set().coordinators.iter().map(|one| one.pseudonym.as_str().to_owned()).collect(),
            threshold: union.set().threshold,
            vouches_needed: union.vouches_needed,
            relays: union.relays.iter().map(|relay| relay.host.clone()).collect(),
        }
    }
}

/// All versions, from the first.
///
/// # Errors
/// [`MembershipFault::Vault`].
pub fn all(tx: &Transaction<'_>) -> Result<Vec<MultiSigned<Charter>>, MembershipFault> {
    let kept: Vec<Opaque> = records::list(tx, Noun::Charter)?;
    Ok(kept.iter().map(|bytes| MultiSigned::decode(bytes.bytes())).collect::<Result<_, _>>()?)
}

/// The version that stands; none before this device belongs to an alliance. Verifies the whole chain: not for each
/// message of a batch.
///
/// # Errors
/// [`MembershipFault::Vault`].
pub fn current(tx: &Transaction<'_>) -> Result<Option<Verified<Charter>>, MembershipFault> {
    let charters = all(tx)?;
    let Some(first) = charters.first() else { return Ok(None) };
    Ok(Some(Charter::verify_chain(&charters, AllianceId(first.hash()))?))
}

/// The version that stands, for acts that need one.
pub(crate) fn need(tx: &Transaction<'_>) -> Result<Verified<Charter>, MembershipFault> {
    current(tx)?.ok_or(MembershipFault::NotMember)
}

/// The alliance of this device: of its charter, or of the code that it follows.
pub(crate) fn known_alliance(tx: &Transaction<'_>) -> Result<Option<AllianceId>, MembershipFault> {
    match all(tx)?.first() {
        Some(first) => Ok(Some(AllianceId(first.hash()))),
        None => errand::expected_alliance(tx),
    }
}

/// The charter that stands, as people read it.
///
/// # Errors
/// [`MembershipFault::NotMember`] before there is one.
pub fn show(tx: &Transaction<'_>) -> Result<CharterView, MembershipFault> {
    let charter = need(tx)?;
    Ok(CharterView::of(&charter, &charter.alliance()))
}

/// The coordinators of a union, but for this member.
pub(super) fn fellow_coordinators(
    tx: &Transaction<'_>,
    charter: &Charter,
    union: &UnionId,
) -> Result<Vec<Coordinator>, MembershipFault> {
    let me = identity::me(tx)?.member;
    let all = charter.union(union).map(|union| union.set().coordinators.clone()).unwrap_or_default();
    Ok(all.into_iter().filter(|one| one.member != me).collect())
}

/// Whether a member coordinates a union of a charter.
pub(super) fn coordinates(charter: &Charter, union: &UnionId, member: &MemberKey) -> bool {
    charter.union(union).is_some_and(|union| union.set().coordinators.iter().any(|one| one.member == *member))
}

/// Takes a chain of charters that somebody showed. Never goes back; two charters with one number are an alarm
/// and change nothing.
///
/// # Errors
/// [`MembershipFault::Fork`], [`MembershipFault::OtherAlliance`], [`MembershipFault::Charter`].
pub(crate) fn adopt(tx: &Transaction<'_>, shown: &[MultiSigned<Charter>]) -> Result<Adoption, MembershipFault> {
    let first = shown.first().ok_or(MembershipFault::Unexpected)?;
    let alliance = known_alliance(tx)?.unwrap_or_else(|| AllianceId(first.hash()));
    if AllianceId(first.hash()) != alliance {
        return Err(MembershipFault::OtherAlliance);
    }
    let newest = Charter::verify_chain(shown, alliance)?;
    let known = all(tx)?;
    for at in 1..known.len().min(shown.len()) {
        if known.get(at).map(MultiSigned::hash) != shown.get(at).map(MultiSigned::hash) {
            // Only charters that both verify are evidence: `shown` has just been, what is kept was when it came.
            let length = at.saturating_add(1);
            let ours = Charter::verify_chain(known.get(..length).unwrap_or_default(), alliance)?;
            let theirs = Charter::verify_chain(shown.get(..length).unwrap_or_default(), alliance)?;
            return Err(ours.fork(&theirs).map_or(MembershipFault::Unexpected, MembershipFault::Fork));
        }
    }
    if shown.len() <= known.len() {
        return Ok(if shown.len() == known.len() { Adoption::Same } else { Adoption::Older });
    }
    for charter in shown.iter().skip(known.len()) {
        let version = u64::try_from(records::list::<Opaque>(tx, Noun::Charter)?.len()).unwrap_or(u64::MAX);
        records::put(tx, Noun::Charter, &version.to_be_bytes(), &Opaque::new(charter.bytes().to_vec()))?;
    }
    let before = if known.is_empty() { None } else { Some(Charter::verify_chain(&known, alliance)?) };
    let relays_of = |charter: &Verified<Charter>| -> Vec<RelayAddress> {
        charter.unions.iter().flat_map(|union| &union.relays).map(RelayAddress::duplicate).collect()
    };
    let earlier = before.as_ref().map(relays_of).unwrap_or_default();
    for relay in relays_of(&newest) {
        let Some(KnownRelay { address, admissions }) = relays::find(tx, &relay.fingerprint)? else {
            sync::remember_relay(tx, &relay)?;
            continue;
        };
        // The one that came with a link is used up: should the relay forget ours, the charter's admits us still. And the
        // charter's may have been replaced.
        let is_ours = matches!(admissions, Admissions::Own(_));
        let is_charters =
            |one: &RelayAddress| one.fingerprint == relay.fingerprint && one.admission == address.admission;
        if is_ours || earlier.iter().any(is_charters) {
            sync::remember_relay(tx, &address.with_admission(&relay.admission))?;
        }
    }
    super::restamp(tx)?;
    Ok(Adoption::Newer)
}

/// The relay of our charter that a person names by host, `host:port` or the beginning of its fingerprint; none when there
/// is none, or several.
pub(crate) fn relay_named(tx: &Transaction<'_>, name: &str) -> Result<Option<RelayAddress>, MembershipFault> {
    Ok(current(tx)?.and_then(|charter| named(&charter, name).map(RelayAddress::duplicate)))
}

/// The one relay of a charter with this name. Several unions may share it.
fn named<'a>(charter: &'a Charter, name: &str) -> Option<&'a RelayAddress> {
    let matches = |relay: &&RelayAddress| {
        let print = data_encoding::HEXLOWER.encode(&relay.fingerprint.0);
        let by_print = name.len() >= FINGERPRINT_SHOWN && print.starts_with(name);
        relay.host == name || format!("{}:{}", relay.host, relay.port) == name || by_print
    };
    let mut found = charter.unions.iter().flat_map(|union| &union.relays).filter(matches);
    let first = found.next()?;
    found.all(|other| other.fingerprint == first.fingerprint).then_some(first)
}

/// Characters of a fingerprint that are shown to people.
const FINGERPRINT_SHOWN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Alliance, relay_address};

    #[test]
    fn a_relay_that_unions_share_is_named_like_any_other_and_two_of_one_host_are_not() {
        let first = Alliance::found(3).charter;
        let mut charter = Charter {
            version: 1,
            previous: None,
            alliance: None,
            name: first.name.clone(),
            unions: first.unions.iter().map(UnionEntry::duplicate).collect(),
            recovery: first.recovery,
        };
        let shared = RelayAddress { host: "shared.invalid".to_owned(), ..relay_address(7) };
        let other = RelayAddress { port: 10, ..RelayAddress { host: "two.invalid".to_owned(), ..relay_address(9) } };
        let one = RelayAddress { host: "two.invalid".to_owned(), ..relay_address(8) };
        for (union, relays) in charter.unions.iter_mut().zip([vec![&shared, &one], vec![&shared], vec![&other]]) {
            union.relays = relays.into_iter().map(RelayAddress::duplicate).collect();
        }
        let print = |name: &str| named(&charter, name).map(|relay| relay.fingerprint.0[0]);
        for name in ["shared.invalid", "shared.invalid:9", "07070707"] {
            assert_eq!(print(name), Some(7), "{name}");
        }
        assert_eq!([print("two.invalid"), print("two.invalid:10"), print("nowhere")], [None, Some(9), None]);
    }
}
