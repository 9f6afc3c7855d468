//! What rows hold. All but entry headers is CBOR with numbered fields, so that fields can be added.

use bytes::Bytes;
use minicbor::{Decode, Encode};
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    AdmissionKey, CapabilityHash, Checkpoint, Head, Incarnation, Lineage, MailboxId, MailboxKind, Sequence, Standing,
    decode_exact, encode,
};

use super::fault::StoreFault;

/// A mailbox, its grants and entries not included.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Mailbox {
    #[n(0)]
    pub(crate) kind: MailboxKind,
    #[n(1)]
    pub(crate) owner: CapabilityHash,
    #[n(2)]
    pub(crate) read: Option<CapabilityHash>,
    #[n(3)]
    pub(crate) incarnation: Incarnation,
    /// First sequence that can be read, `last + 1` when there is none.
    #[n(4)]
    pub(crate) first: Sequence,
    #[n(5)]
    pub(crate) head_before_first: Head,
    #[n(6)]
    pub(crate) last: Sequence,
    #[n(7)]
    pub(crate) head: Head,
    /// Bytes of entries and last resort.
    #[n(8)]
    pub(crate) bytes: u64,
    /// Entries that stand in the relay's reserve.
    #[n(9)]
    pub(crate) reserved_entries: u64,
    #[n(10)]
    pub(crate) reserved_bytes: u64,
    /// When the first entry goes; without meaning when there is none.
    #[n(11)]
    pub(crate) first_expires: Hour,
    #[n(12)]
    pub(crate) lease: Hour,
    #[n(13)]
    pub(crate) frozen: bool,
    #[n(14)]
    pub(crate) append_grants: u32,
    #[n(15)]
    pub(crate) take_grants: u32,
    /// Serial and size of the last resort; serials are never used twice.
    #[n(16)]
    pub(crate) last_resort: Option<LastResort>,
    #[n(17)]
    pub(crate) last_resorts: u64,
    #[n(18)]
    pub(crate) restored_from: Option<Lineage>,
}

/// Where a last resort lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct LastResort {
    #[n(0)]
    pub(crate) serial: u64,
    #[n(1)]
    pub(crate) bytes: u64,
}

impl Mailbox {
    /// Entries that can be read.
    pub(crate) fn entries(&self) -> u64 {
        self.last.next().0.saturating_sub(self.first.0)
    }

    /// Grants of both tables.
    pub(crate) fn grants(&self) -> u64 {
        u64::from(self.append_grants).saturating_add(u64::from(self.take_grants))
    }

    /// The hour in which something of the mailbox is due: its first entry, or else its lease.
    pub(crate) fn due(&self) -> Hour {
        if self.entries() > 0 { self.first_expires } else { self.lease }
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing {
            incarnation: self.incarnation,
            first_available: self.first,
            head_before_first: self.head_before_first,
            last: self.last,
            expires: self.lease,
            frozen: self.frozen,
        }
    }

    pub(crate) fn checkpoint(&self, mailbox: MailboxId) -> Checkpoint {
        Checkpoint {
            mailbox,
            incarnation: self.incarnation,
            sequence: self.last,
            head: self.head,
            first_available: self.first,
            restored_from: self.restored_from,
        }
    }
}

/// A grant; its table and hash are in the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct GrantRow {
    #[n(0)]
    pub(crate) per_hour: u32,
    #[n(1)]
    pub(crate) bytes_per_hour: u64,
    #[n(2)]
    pub(crate) expires: Hour,
}

/// Three ways to be admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum AdmissionKind {
    /// The one in the relay's address, for all who have it.
    #[n(0)]
    Shared,
    /// Good for one Enroll and nothing else.
    #[n(1)]
    SingleUse,
    /// One client's own. Using it prolongs it.
    #[n(2)]
    Enrolled,
}

/// An admission. Nothing links it to a mailbox; the 30 days it was last used in are all it tells of time.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Admission {
    #[n(0)]
    pub(crate) key: AdmissionKey,
    #[n(1)]
    pub(crate) kind: AdmissionKind,
    #[n(2)]
    pub(crate) expires: Hour,
    /// Number of the 30 days, counted from the Unix epoch, that the sums below belong to.
    #[n(3)]
    pub(crate) period: u32,
    #[n(4)]
    pub(crate) bytes: u64,
    #[n(5)]
    pub(crate) mailboxes: u64,
    #[n(6)]
    pub(crate) sponsored: u32,
    /// Bytes of the relay's reserve. Rows of the first version have none.
    #[n(7)]
    #[cbor(default)]
    pub(crate) reserve: u64,
}

impl Admission {
    /// Another copy of this secret.
    pub(crate) fn duplicate(&self) -> Self {
        Self { key: self.key.duplicate(), ..*self }
    }
}

/// A blob; its bytes are the body of a row of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Blob {
    #[n(0)]
    pub(crate) length: u64,
    #[n(1)]
    pub(crate) expires: Hour,
    /// Which writing of its bytes counts: what the disk has lost is written anew, under another. None where none does: in
    /// layouts before the third they were a file.
    #[n(2)]
    pub(crate) life: Option<Incarnation>,
}

/// Whose room an entry takes: that of all, or the reserve of a relay that is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Ordinary,
    Reserve,
}

/// Header of an entry: expires u32, place u8, size u32, head after it. 41 bytes, numbers big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EntryHeader {
    pub(crate) expires: Hour,
    pub(crate) place: Place,
    pub(crate) size: u32,
    pub(crate) head: Head,
}

impl EntryHeader {
    pub(crate) fn encode(&self) -> Bytes {
        let place: u8 = match self.place {
            Place::Ordinary => 0,
            Place::Reserve => 1,
        };
        let mut out = Vec::with_capacity(41);
        out.extend(self.expires.0.to_be_bytes());
        out.push(place);
        out.extend(self.size.to_be_bytes());
        out.extend(self.head.0);
        out.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreFault> {
        const FAULT: StoreFault = StoreFault::Corrupt { what: "entry" };
        let (expires, rest) = bytes.split_first_chunk::<4>().ok_or(FAULT)?;
        let (place, rest) = rest.split_first().ok_or(FAULT)?;
        let (size, rest) = rest.split_first_chunk::<4>().ok_or(FAULT)?;
        let place = match place {
            0 => Place::Ordinary,
            1 => Place::Reserve,
            _ => return Err(FAULT),
        };
        Ok(Self {
            expires: Hour(u32::from_be_bytes(*expires)),
            place,
            size: u32::from_be_bytes(*size),
            head: Head(rest.try_into().map_err(|_| FAULT)?),
        })
    }
}

/// CBOR of a record.
pub(crate) fn write<T: Encode<()>>(record: &T) -> Bytes {
    encode(record).into()
}

/// A record from its CBOR; `what` names the family in the fault.
pub(crate) fn read<T: for<'b> Decode<'b, ()>>(bytes: &[u8], what: &'static str) -> Result<T, StoreFault> {
    decode_exact(bytes).map_err(|_| StoreFault::Corrupt { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admission_of_the_first_version_has_used_no_reserve() {
        /// As it was written then.
        #[derive(Encode)]
        #[cbor(map)]
        struct First {
            #[n(0)]
            key: AdmissionKey,
            #[n(1)]
            kind: AdmissionKind,
            #[n(2)]
            expires: Hour,
            #[n(3)]
            period: u32,
            #[n(4)]
            bytes: u64,
            #[n(5)]
            mailboxes: u64,
            #[n(6)]
            sponsored: u32,
        }
        let key = || relevo_protocol::wire::Admission::new(relevo_protocol::secret::Secret::new([1; 32])).key();
        let (kind, expires) = (AdmissionKind::Enrolled, Hour(9));
        let first = First { key: key(), kind, expires, period: 3, bytes: 4, mailboxes: 5, sponsored: 6 };
        let now = Admission { key: key(), kind, expires, period: 3, bytes: 4, mailboxes: 5, sponsored: 6, reserve: 0 };
        assert_eq!(read::<Admission>(&encode(&first), "admission").unwrap(), now);
    }
}
