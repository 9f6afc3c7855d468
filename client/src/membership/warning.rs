//! What this member must know went wrong: shown until it is dismissed.

use minicbor::{Decode, Encode};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{CharterFork, MemberKey, ObjectHash};

use crate::vault::records::{self, Noun};
use crate::vault::{Transaction, VaultFault};

/// Warnings kept; the oldest go first, so that nobody can fill the vault with them.
const KEPT: usize = 200;

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum Kind {
    /// A parcel could not be delivered, or nobody has said that it came.
    #[n(0)]
    Undelivered {
        /// To whom.
        #[n(0)]
        to: MemberKey,
    },
    /// Two charters have one number: the unions' coordinators signed both, or one was forged with their keys.
    #[n(1)]
    CharterFork {
        /// The evidence.
        #[n(0)]
        fork: CharterFork,
    },
    /// Somebody sent an older charter as the newest.
    #[n(2)]
    CharterRollback,
    /// An alert was forged, expired or from somebody without a mandate; its words were not shown.
    #[n(3)]
    AlertRefused {
        /// Who posted it.
        #[n(0)]
        from: MemberKey,
        /// Which.
        #[n(1)]
        alert: ObjectHash,
    },
    /// A contact's devices changed, or somebody new uses a contact's name: it counts as not yet verified.
    #[n(4)]
    KeyChanged {
        /// Who.
        #[n(0)]
        member: MemberKey,
    },
    /// Something in the inbox was not believed and dropped.
    #[n(5)]
    ParcelRefused,
    /// A comparison of words broke: somebody may be in between.
    #[n(6)]
    WordsBroken {
        /// With whom.
        #[n(0)]
        with: MemberKey,
    },
    /// The relay lost or changed what lay in the inbox.
    #[n(7)]
    InboxDamaged,
    /// The other side did not keep to its share while words were to be compared: somebody may be in between.
    #[n(8)]
    ComparisonBroken,
    /// Two people followed one link of this member's: one of them was not meant to have it.
    #[n(9)]
    LinkUsedTwice,
    /// Somebody followed a link of this member's when its time was over.
    #[n(10)]
    LinkExpired,
}

impl Kind {
    /// Names the warning in every language.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Undelivered { .. } => "undelivered",
            Self::CharterFork { .. } => "charter-fork",
            Self::CharterRollback => "charter-rollback",
            Self::AlertRefused { .. } => "alert-refused",
            Self::KeyChanged { .. } => "key-changed",
            Self::ParcelRefused => "parcel-refused",
            Self::WordsBroken { .. } => "words-broken",
            Self::ComparisonBroken => "comparison-broken",
            Self::InboxDamaged => "inbox-damaged",
            Self::LinkUsedTwice => "link-used-twice",
            Self::LinkExpired => "link-expired",
        }
    }
}

/// A warning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Warning {
    /// Its number.
    #[n(0)]
    pub number: u64,
    /// When.
    #[n(1)]
    pub at: Timestamp,
    /// What.
    #[n(2)]
    pub kind: Kind,
}

/// Raises a warning, unless the same one stands already.
pub(crate) fn raise(tx: &Transaction<'_>, kind: &Kind, now: Timestamp) -> Result<(), VaultFault> {
    let standing = list(tx)?;
    if standing.iter().any(|warning| warning.kind == *kind) {
        return Ok(());
    }
    if let Some(oldest) = standing.first().filter(|_| standing.len() >= KEPT) {
        dismiss(tx, oldest.number)?;
    }
    let number = records::next_number(tx, Noun::Warning)?;
    records::put(tx, Noun::Warning, &number.to_be_bytes(), &Warning { number, at: now, kind: *kind })
}

/// All warnings, oldest first.
///
/// # Errors
/// [`VaultFault`].
pub fn list(tx: &Transaction<'_>) -> Result<Vec<Warning>, VaultFault> {
    records::list(tx, Noun::Warning)
}

/// Takes a warning away that somebody has read.
///
/// # Errors
/// [`VaultFault`].
pub fn dismiss(tx: &Transaction<'_>, number: u64) -> Result<(), VaultFault> {
    records::remove(tx, Noun::Warning, &number.to_be_bytes())
}
