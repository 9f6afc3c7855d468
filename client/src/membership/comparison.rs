//! Comparing six words with a contact by voice. The first side is bound to its share before it sees the other's, so
//! somebody in between has one guess (DESIGN 8).

use minicbor::{Decode, Encode};
use relevo_protocol::content::{ParcelBody, SafetyStep};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{MemberKey, SafetyCommitment, SafetyNonce, SafetyWords, safety_words};

use super::received::Arrived;
use super::warning::{self, Kind};
use super::{MembershipFault, contact, identity};
use crate::inbox;
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};

/// A comparison under way or done.
#[derive(Encode, Decode)]
#[cbor(map)]
struct ComparisonRow {
    /// Whether this member began.
    #[n(0)]
    first: bool,
    #[n(1)]
    commitment: SafetyCommitment,
    #[n(2)]
    nonce: SafetyNonce,
    /// The numbers of the words, once both shares are known.
    #[n(3)]
    words: Option<SafetyWords>,
}

/// A comparison as people see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// The other side's device has to answer first.
    Waiting,
    /// Both read these aloud; see [`super::words::in_language`].
    Words(SafetyWords),
}

/// What people found when they read the words to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The same words.
    Equal,
    /// Other words: somebody may be in between.
    Different,
}

/// Begins to compare words with a contact.
///
/// # Errors
/// [`MembershipFault::NoSuchContact`], [`MembershipFault::Ambiguous`].
pub fn start_comparison(tx: &Transaction<'_>, with: &str, now: Timestamp) -> Result<(), MembershipFault> {
    let with = contact::find_contact(tx, with)?.member;
    let nonce = SafetyNonce::random().map_err(|_| MembershipFault::Randomness)?;
    let commitment = nonce.commit(&identity::me(tx)?.member);
    save(tx, &with, &ComparisonRow { first: true, commitment, nonce, words: None })?;
    Ok(inbox::send(tx, &with, &ParcelBody::Safety(SafetyStep::Commit { commitment }), now)?)
}

/// The words to compare with a contact.
///
/// # Errors
/// [`MembershipFault::NoComparison`] before one of the two has begun.
pub fn compare(tx: &Transaction<'_>, with: &str) -> Result<Comparison, MembershipFault> {
    let with = contact::find_contact(tx, with)?.member;
    let row = load(tx, &with)?.ok_or(MembershipFault::NoComparison)?;
    Ok(row.words.map_or(Comparison::Waiting, Comparison::Words))
}

/// Notes what two people found when they compared.
///
/// # Errors
/// [`MembershipFault::NoComparison`] before there were words.
pub fn confirm(tx: &Transaction<'_>, with: &str, found: Found, now: Timestamp) -> Result<(), MembershipFault> {
    let with = contact::find_contact(tx, with)?.member;
    load(tx, &with)?.and_then(|row| row.words).ok_or(MembershipFault::NoComparison)?;
    records::remove(tx, Noun::Comparison, with.as_bytes())?;
    match found {
        Found::Equal => contact::set_verified(tx, &with, Some(now)),
        Found::Different => {
            contact::set_verified(tx, &with, None)?;
            Ok(warning::raise(tx, &Kind::WordsBroken { with }, now)?)
        }
    }
}

/// A step of the other side.
pub(super) fn stepped(
    tx: &Transaction<'_>,
    from: &Arrived<'_>,
    step: SafetyStep,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let (with, me) = (from.person.member, identity::me(tx)?.member);
    if !contact::is_contact(tx, &with)? {
        return Err(MembershipFault::Unexpected);
    }
    let row = load(tx, &with)?;
    match step {
        SafetyStep::Commit { commitment } => {
            // When both begin at once, the lower key goes first.
            if row.is_some_and(|row| row.first && row.words.is_none() && me < with) {
                return Ok(());
            }
            let nonce = SafetyNonce::random().map_err(|_| MembershipFault::Randomness)?;
            let answer = SafetyNonce(nonce.0.duplicate());
            save(tx, &with, &ComparisonRow { first: false, commitment, nonce, words: None })?;
            let step = SafetyStep::Answer { commitment, nonce: answer };
            Ok(inbox::send(tx, &with, &ParcelBody::Safety(step), now)?)
        }
        SafetyStep::Answer { commitment, nonce } => {
            let row = open(row, commitment, true)?;
            let words = safety_words((&me, &row.nonce), (&with, &nonce), &commitment)?;
            let step = SafetyStep::Reveal { commitment, nonce: SafetyNonce(row.nonce.0.duplicate()) };
            save(tx, &with, &ComparisonRow { words: Some(words), ..row })?;
            Ok(inbox::send(tx, &with, &ParcelBody::Safety(step), now)?)
        }
        SafetyStep::Reveal { commitment, nonce } => {
            let row = open(row, commitment, false)?;
            let words = safety_words((&with, &nonce), (&me, &row.nonce), &commitment)?;
            save(tx, &with, &ComparisonRow { words: Some(words), ..row })
        }
    }
}

/// The comparison that a step goes on with; one that has its words takes no second share.
fn open(
    row: Option<ComparisonRow>,
    commitment: SafetyCommitment,
    first: bool,
) -> Result<ComparisonRow, MembershipFault> {
    row.filter(|row| row.first == first && row.commitment == commitment && row.words.is_none())
        .ok_or(MembershipFault::Unexpected)
}

fn load(tx: &Transaction<'_>, with: &MemberKey) -> Result<Option<ComparisonRow>, MembershipFault> {
    Ok(records::get(tx, Noun::Comparison, with.as_bytes())?)
}

fn save(tx: &Transaction<'_>, with: &MemberKey, row: &ComparisonRow) -> Result<(), MembershipFault> {
    Ok(records::put(tx, Noun::Comparison, with.as_bytes(), row)?)
}
