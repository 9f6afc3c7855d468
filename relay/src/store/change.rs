//! What the one writer is asked to do, and what came of it.

use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    AdmissionId, AdmissionKey, Answer, BlobId, CapabilityHash, Entry, Grant, GrantTable, Head, Incarnation, MailboxId,
    MailboxKind, Sequence,
};

/// One change of the store. Capabilities come as their hashes: a queue of changes holds no bearer secret.
#[derive(Debug)]
pub enum Change {
    /// Opens a mailbox; repeated, answers as the first time.
    Open {
        /// Who pays.
        admission: AdmissionId,
        /// Kind of mailbox.
        kind: MailboxKind,
        /// Hash of *owner*.
        owner: CapabilityHash,
        /// Hash of *read*.
        read: Option<CapabilityHash>,
        /// First *append* grants.
        append: Vec<Grant>,
        /// First *take* grants.
        take: Vec<Grant>,
        /// Wished lease.
        lease_hours: u32,
    },
    /// Appends an entry.
    Append {
        /// Who pays.
        admission: AdmissionId,
        /// The mailbox.
        mailbox: MailboxId,
        /// Hash of *append* or *owner*.
        capability: CapabilityHash,
        /// The entry.
        entry: Entry,
    },
    /// Removes entries of a personal mailbox.
    Trim {
        /// The mailbox.
        mailbox: MailboxId,
        /// Hash of *owner*.
        capability: CapabilityHash,
        /// Last sequence to go.
        upto: Sequence,
    },
    /// Pops the oldest entry of a shelf.
    Take {
        /// The shelf.
        mailbox: MailboxId,
        /// Hash of *take*.
        capability: CapabilityHash,
    },
    /// Sets the last resort of a shelf.
    LastResort {
        /// Who pays.
        admission: AdmissionId,
        /// The shelf.
        mailbox: MailboxId,
        /// Hash of *owner*.
        capability: CapabilityHash,
        /// The entry that is never popped.
        entry: Entry,
    },
    /// Revokes, then adds grants.
    Grants {
        /// The mailbox.
        mailbox: MailboxId,
        /// Hash of *owner*.
        capability: CapabilityHash,
        /// Which table.
        table: GrantTable,
        /// Hashes to remove.
        revoke: Vec<CapabilityHash>,
        /// Grants to add.
        add: Vec<Grant>,
    },
    /// Renews the lease.
    Renew {
        /// The mailbox.
        mailbox: MailboxId,
        /// Hash of *owner*, or of *append* for a shared mailbox.
        capability: CapabilityHash,
        /// Wished lease.
        lease_hours: u32,
    },
    /// Ends appends and renewals of a shared mailbox.
    Freeze {
        /// The mailbox.
        mailbox: MailboxId,
        /// Hash of *owner*.
        capability: CapabilityHash,
    },
    /// Removes a mailbox.
    Close {
        /// The mailbox.
        mailbox: MailboxId,
        /// Hash of *owner*.
        capability: CapabilityHash,
    },
    /// Puts the relay's own shared admission in place, or moves its end.
    Provide {
        /// Its id.
        id: AdmissionId,
        /// Its key.
        key: AdmissionKey,
        /// Its end.
        expires: Hour,
    },
    /// Replaces a single-use admission by a lasting one.
    Enroll {
        /// The single-use one.
        by: AdmissionId,
        /// Id of the new one.
        id: AdmissionId,
        /// Its key.
        key: AdmissionKey,
    },
    /// Registers a single-use admission.
    Sponsor {
        /// Who sponsors.
        by: AdmissionId,
        /// Id of the new one.
        id: AdmissionId,
        /// Its key.
        key: AdmissionKey,
        /// Its end.
        expires: Hour,
    },
    /// Enters a blob whose file is whole and on disk. Made by [`super::blobs::Upload`] only.
    KeepBlob {
        /// Who pays.
        admission: AdmissionId,
        /// The blob.
        id: BlobId,
        /// Its length.
        length: u64,
        /// Wished lease.
        lease_hours: u32,
    },
    /// Renews the lease of a blob that is there.
    RenewBlob {
        /// The blob.
        id: BlobId,
        /// Wished lease.
        lease_hours: u32,
    },
    /// Removes what has expired, in a bounded slice.
    Sweep {
        /// Entries, mailboxes, blobs and admissions to remove at most.
        limit: usize,
    },
}

impl Change {
    /// Bytes that the change keeps in memory while it waits, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        const FIXED: usize = 256;
        const GRANT: usize = 64;
        match self {
            Self::Append { entry, .. } | Self::LastResort { entry, .. } => FIXED + entry.size(),
            Self::Open { append, take, .. } => FIXED + GRANT * (append.len() + take.len()),
            Self::Grants { revoke, add, .. } => FIXED + GRANT * (revoke.len() + add.len()),
            Self::Trim { .. }
            | Self::Take { .. }
            | Self::Renew { .. }
            | Self::Freeze { .. }
            | Self::Close { .. }
            | Self::Provide { .. }
            | Self::Enroll { .. }
            | Self::Sponsor { .. }
            | Self::KeepBlob { .. }
            | Self::RenewBlob { .. }
            | Self::Sweep { .. } => FIXED,
        }
    }
}

/// Proof that an entry is on disk. Only the ledger makes one, after the flush; only from one can `Stored` be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    pub(super) incarnation: Incarnation,
    pub(super) sequence: Sequence,
    pub(super) head: Head,
    pub(super) expires: Hour,
}

impl Appended {
    /// Life of the mailbox.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Place of the entry.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Chain with the entry.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// When the entry goes.
    #[must_use]
    pub fn expires(&self) -> Hour {
        self.expires
    }
}

impl From<Appended> for Answer {
    fn from(appended: Appended) -> Self {
        let Appended { incarnation, sequence, head, expires } = appended;
        Self::Stored { incarnation, sequence, head, expires }
    }
}

/// Which entry a take gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Popped {
    /// One of the log, which nobody else gets.
    Entry,
    /// A copy of the last resort.
    LastResort,
}

/// What came of a change, durable by the time anybody sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Applied {
    /// Done, with nothing to tell.
    Done,
    /// The mailbox is open.
    Opened {
        /// Its life.
        incarnation: Incarnation,
        /// End of its lease.
        expires: Hour,
    },
    /// The entry is on disk.
    Appended(Appended),
    /// An entry of a shelf.
    Taken {
        /// The entry.
        entry: Entry,
        /// Whose it is now.
        popped: Popped,
    },
    /// A lease of a mailbox or a blob.
    Renewed {
        /// Its end.
        expires: Hour,
    },
    /// A slice of the sweep.
    Swept {
        /// Whether more waits.
        rest: Rest,
    },
}

/// Whether a sweep is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// Nothing more has expired.
    Nothing,
    /// The limit was reached.
    More,
}

impl From<Applied> for Answer {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::Done | Applied::Swept { .. } => Self::Done,
            Applied::Opened { incarnation, expires } => Self::Opened { incarnation, expires },
            Applied::Appended(appended) => appended.into(),
            Applied::Taken { entry, popped } => {
                Self::Taken { entry, last_resort: matches!(popped, Popped::LastResort) }
            }
            Applied::Renewed { expires } => Self::Renewed { expires },
        }
    }
}

/// Something readers of a mailbox wait for, told after the flush.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Touch {
    /// An entry came.
    Appended {
        /// Life of the mailbox.
        incarnation: Incarnation,
        /// Its place.
        sequence: Sequence,
        /// When it goes.
        expires: Hour,
        /// Its bytes, shared.
        entry: Entry,
    },
    /// Entries went, by trim, take or age.
    Trimmed {
        /// First sequence that can still be read.
        first_available: Sequence,
    },
    /// No more entries will come.
    Frozen,
    /// The mailbox is gone.
    Closed,
}
