//! What waits for this member's word: newcomers, introductions, charters, unions.

use minicbor::{Decode, Encode};
use relevo_protocol::content::RequestId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{CoordinatorSet, MemberKey, ObjectHash, UnionEntry};

use super::charter::CharterView;
use super::{MembershipFault, contact, draft, introduction, joining};
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};

/// Requests kept open; more are dropped, so that nobody can fill the vault with them.
const OPEN: usize = 500;

/// What a request is about.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) enum Subject {
    /// A newcomer wants to join.
    #[n(0)]
    Join {
        #[n(0)]
        request: RequestId,
    },
    /// Somebody wants two people to meet.
    #[n(1)]
    Introduction {
        #[n(0)]
        member: MemberKey,
    },
    /// A charter is to be signed.
    #[n(2)]
    Charter {
        #[n(0)]
        draft: ObjectHash,
    },
    /// A union asks to be put into the charter.
    #[n(3)]
    Union {
        #[n(0)]
        from: MemberKey,
        #[n(1)]
        union: UnionEntry,
    },
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct RequestRow {
    #[n(0)]
    number: u64,
    #[n(1)]
    subject: Subject,
    #[n(2)]
    since: Timestamp,
}

/// A request as people see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Names it on the command line.
    pub number: u64,
    /// Since when.
    pub since: Timestamp,
    /// What it is about.
    pub kind: RequestKind,
}

/// What a request is about, as people see it.
#[derive(Clone, PartialEq, Eq)]
pub enum RequestKind {
    /// A newcomer wants to join: vouch, ask somebody to vouch, admit, or refuse.
    Join {
        /// What it wants to be called.
        pseudonym: String,
        /// Who vouches so far.
        vouchers: Vec<String>,
        /// Vouches needed.
        needed: u8,
        /// A second member whom the newcomer names.
        second: Option<String>,
        /// Words of the newcomer, or of who sent it on.
        note: String,
        /// Whether this member has vouched.
        vouched: bool,
    },
    /// Somebody introduces a person: accept or refuse.
    Introduction {
        /// Whom to meet.
        pseudonym: String,
        /// Its union.
        union: Option<String>,
        /// Who introduces.
        by: String,
        /// Words of the introducer.
        note: String,
    },
    /// A charter to be signed.
    Charter {
        /// What it says.
        charter: CharterView,
        /// Who asks.
        by: String,
    },
    /// A union asks to be put into the charter: propose or refuse.
    Union {
        /// Its name.
        name: String,
        /// Its coordinators.
        coordinators: Vec<String>,
        /// Who asks.
        by: String,
    },
}

impl std::fmt::Debug for RequestKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Join { .. } => "Join",
            Self::Introduction { .. } => "Introduction",
            Self::Charter { .. } => "Charter",
            Self::Union { .. } => "Union",
        })
    }
}

/// All open requests, oldest first.
///
/// # Errors
/// [`MembershipFault::Vault`].
pub fn requests(tx: &Transaction<'_>) -> Result<Vec<Request>, MembershipFault> {
    let mut all = Vec::new();
    for row in records::list::<RequestRow>(tx, Noun::Request)? {
        match view(tx, &row.subject) {
            Ok(Some(kind)) => all.push(Request { number: row.number, since: row.since, kind }),
            Ok(None) => {}
            Err(fault) if fault.is_vaults() => return Err(fault),
            // Somebody in it has shown newer devices since, or is borne out by the charter no more.
            Err(fault) => tracing::debug!(code = fault.code(), "request not shown"),
        }
    }
    Ok(all)
}

/// Accepts an introduction.
///
/// # Errors
/// [`MembershipFault::NoSuchRequest`], [`MembershipFault::WrongRequest`] for what is vouched for, admitted, signed or
/// proposed instead.
pub fn accept(tx: &Transaction<'_>, number: u64, now: Timestamp) -> Result<(), MembershipFault> {
    match load(tx, number)?.subject {
        Subject::Introduction { member } => {
            introduction::accept(tx, &member, now)?;
            close(tx, number)
        }
        Subject::Join { .. } | Subject::Charter { .. } | Subject::Union { .. } => Err(MembershipFault::WrongRequest),
    }
}

/// Refuses a request. Nobody is told.
///
/// # Errors
/// [`MembershipFault::NoSuchRequest`].
pub fn refuse(tx: &Transaction<'_>, number: u64) -> Result<(), MembershipFault> {
    match load(tx, number)?.subject {
        Subject::Introduction { member } => introduction::refuse(tx, &member)?,
        Subject::Join { request } => joining::refuse(tx, &request)?,
        Subject::Charter { .. } | Subject::Union { .. } => {}
    }
    close(tx, number)
}

/// Adds a request, unless it is there.
pub(super) fn add(tx: &Transaction<'_>, subject: Subject, now: Timestamp) -> Result<(), MembershipFault> {
    let rows = records::list::<RequestRow>(tx, Noun::Request)?;
    if rows.iter().any(|row| row.subject == subject) {
        return Ok(());
    }
    if rows.len() >= OPEN {
        // With what it brought: the parcel is refused whole.
        return Err(MembershipFault::Unexpected);
    }
    let number = records::next_number(tx, Noun::Request)?;
    Ok(records::put(tx, Noun::Request, &number.to_be_bytes(), &RequestRow { number, subject, since: now })?)
}

/// Ends a request.
pub(super) fn close(tx: &Transaction<'_>, number: u64) -> Result<(), MembershipFault> {
    Ok(records::remove(tx, Noun::Request, &number.to_be_bytes())?)
}

/// Ends the request of a newcomer.
pub(super) fn close_join(tx: &Transaction<'_>, request: &RequestId) -> Result<(), MembershipFault> {
    for row in records::list::<RequestRow>(tx, Noun::Request)? {
        if matches!(&row.subject, Subject::Join { request: known } if known == request) {
            close(tx, row.number)?;
        }
    }
    Ok(())
}

/// The newcomer of a request.
pub(super) fn join(tx: &Transaction<'_>, number: u64) -> Result<RequestId, MembershipFault> {
    match load(tx, number)?.subject {
        Subject::Join { request } => Ok(request),
        Subject::Introduction { .. } | Subject::Charter { .. } | Subject::Union { .. } => {
            Err(MembershipFault::WrongRequest)
        }
    }
}

/// The charter of a request, or the only one that waits.
pub(super) fn charter_draft(
    tx: &Transaction<'_>,
    number: Option<u64>,
) -> Result<Option<(u64, ObjectHash)>, MembershipFault> {
    only(tx, number, |subject| match subject {
        Subject::Charter { draft } => Some(draft),
        Subject::Join { .. } | Subject::Introduction { .. } | Subject::Union { .. } => None,
    })
}

/// The union of a request, or the only one that waits.
pub(super) fn union(tx: &Transaction<'_>, number: Option<u64>) -> Result<Option<(u64, UnionEntry)>, MembershipFault> {
    only(tx, number, |subject| match subject {
        Subject::Union { union, .. } => Some(union),
        Subject::Join { .. } | Subject::Introduction { .. } | Subject::Charter { .. } => None,
    })
}

fn only<T>(
    tx: &Transaction<'_>,
    number: Option<u64>,
    pick: impl Fn(Subject) -> Option<T>,
) -> Result<Option<(u64, T)>, MembershipFault> {
    let rows = records::list::<RequestRow>(tx, Noun::Request)?;
    let mut fitting = rows
        .into_iter()
        .filter(|row| number.is_none_or(|number| row.number == number))
        .filter_map(|row| pick(row.subject).map(|picked| (row.number, picked)));
    let first = fitting.next();
    // Of several, a person has to say which.
    Ok(if fitting.next().is_some() { None } else { first })
}

fn load(tx: &Transaction<'_>, number: u64) -> Result<RequestRow, MembershipFault> {
    records::get(tx, Noun::Request, &number.to_be_bytes())?.ok_or(MembershipFault::NoSuchRequest)
}

fn view(tx: &Transaction<'_>, subject: &Subject) -> Result<Option<RequestKind>, MembershipFault> {
    Ok(match subject {
        Subject::Join { request } => joining::view(tx, request)?,
        Subject::Introduction { member } => introduction::view(tx, member)?,
        Subject::Charter { draft } => match draft::view(tx, draft)? {
            Some((charter, from)) => {
                let by = from.map(|from| name(tx, &from)).transpose()?.unwrap_or_default();
                Some(RequestKind::Charter { charter, by })
            }
            None => None,
        },
        Subject::Union { from, union } => {
            let set: &CoordinatorSet = union.set();
            Some(RequestKind::Union {
                name: union.name.as_str().to_owned(),
                coordinators: set.coordinators.iter().map(|one| one.pseudonym.as_str().to_owned()).collect(),
                by: name(tx, from)?,
            })
        }
    })
}

/// What a member is called, as far as this device knows.
pub(super) fn name(tx: &Transaction<'_>, member: &MemberKey) -> Result<String, MembershipFault> {
    let known = contact::contacts(tx)?.into_iter().find(|one| one.member == *member);
    Ok(known.map(|one| one.pseudonym.as_str().to_owned()).unwrap_or_default())
}
