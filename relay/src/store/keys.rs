//! Keys of the rows. One letter names the family; numbers are big-endian, so that order is the order of the log.
//!
//! ```text
//! m mailbox16                       a mailbox
//! g mailbox16 table1 hash32         a grant (table: a append, t take)
//! e mailbox16 incarnation8 seq8     an entry: header and body
//! l mailbox16 incarnation8 serial8  a last resort: header and body
//! a id16                            an admission
//! b id32                            a blob's length, lease and life
//! d id32 life8                      its bytes, as a body
//! x hour4 family1 id                what is due then: m, a or b
//! ```

use relevo_protocol::time::Hour;
use relevo_protocol::wire::{AdmissionId, BlobId, CapabilityHash, GrantTable, Incarnation, MailboxId, Sequence};

use super::engine::Key;

/// Prefix of all mailboxes.
pub(crate) const MAILBOXES: &[u8] = b"m";
/// Prefix of all entries.
pub(crate) const ENTRIES: &[u8] = b"e";
/// Prefix of all admissions.
pub(crate) const ADMISSIONS: &[u8] = b"a";
/// Prefix of all blobs.
pub(crate) const BLOBS: &[u8] = b"b";
/// Prefix of all that is due.
pub(crate) const DUE: &[u8] = b"x";

pub(crate) fn mailbox(id: &MailboxId) -> Key {
    [MAILBOXES, &id.0].concat()
}

pub(crate) fn grants(id: &MailboxId) -> Key {
    [b"g".as_slice(), &id.0].concat()
}

pub(crate) fn grant(id: &MailboxId, table: GrantTable, hash: &CapabilityHash) -> Key {
    let table: &[u8] = match table {
        GrantTable::Append => b"a",
        GrantTable::Take => b"t",
    };
    [b"g".as_slice(), &id.0, table, &hash.0].concat()
}

/// The incarnation is in the key so that no key with a body is written twice, not even when a closed mailbox is reopened.
pub(crate) fn entry(id: &MailboxId, incarnation: Incarnation, sequence: Sequence) -> Key {
    [ENTRIES, &id.0, &incarnation.0, &sequence.0.to_be_bytes()].concat()
}

pub(crate) fn last_resort(id: &MailboxId, incarnation: Incarnation, serial: u64) -> Key {
    [b"l".as_slice(), &id.0, &incarnation.0, &serial.to_be_bytes()].concat()
}

pub(crate) fn admission(id: &AdmissionId) -> Key {
    [ADMISSIONS, &id.0].concat()
}

pub(crate) fn blob(id: &BlobId) -> Key {
    [BLOBS, &id.0].concat()
}

/// No key with a body is written twice: a blob that comes again has another life.
pub(crate) fn blob_bytes(id: &BlobId, life: Incarnation) -> Key {
    [b"d".as_slice(), &id.0, &life.0].concat()
}

/// What a due row is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    Mailbox(MailboxId),
    Admission(AdmissionId),
    Blob(BlobId),
}

pub(crate) fn due(hour: Hour, due: &Due) -> Key {
    let (family, id): (&[u8], &[u8]) = match due {
        Due::Mailbox(id) => (b"m", &id.0),
        Due::Admission(id) => (b"a", &id.0),
        Due::Blob(id) => (b"b", &id.0),
    };
    [DUE, &hour.0.to_be_bytes(), family, id].concat()
}

/// Reads a due key back; none if it is none.
pub(crate) fn parse_due(key: &[u8]) -> Option<(Hour, Due)> {
    let rest = key.strip_prefix(DUE)?;
    let (hour, rest) = rest.split_first_chunk::<4>()?;
    let (family, id) = rest.split_first()?;
    let due = match family {
        b'm' => Due::Mailbox(MailboxId(id.try_into().ok()?)),
        b'a' => Due::Admission(AdmissionId(id.try_into().ok()?)),
        b'b' => Due::Blob(BlobId(id.try_into().ok()?)),
        _ => return None,
    };
    Some((Hour(u32::from_be_bytes(*hour)), due))
}
