//! What the one writer is asked to do.

use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    AdmissionId, AdmissionKey, BlobId, CapabilityHash, Entry, Grant, GrantTable, Incarnation, MailboxId, MailboxKind,
    Sequence,
};

use super::blobs::Whole;

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
        /// In which life, if it is said.
        incarnation: Option<Incarnation>,
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
    /// Keeps a blob.
    KeepBlob {
        /// Who pays.
        admission: AdmissionId,
        /// The blob.
        blob: Whole,
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
    /// Removes a mailbox with all that is in it, whoever's it is: the operator's word.
    RemoveMailbox {
        /// The mailbox.
        mailbox: MailboxId,
    },
    /// Removes a blob: the operator's word.
    RemoveBlob {
        /// The blob.
        id: BlobId,
    },
    /// Lets mailboxes be opened or not, until the next start: the operator's word.
    Openings {
        /// Whether they are refused.
        paused: bool,
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
            Self::KeepBlob { blob, .. } => FIXED + blob.size(),
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
            | Self::RenewBlob { .. }
            | Self::RemoveMailbox { .. }
            | Self::RemoveBlob { .. }
            | Self::Openings { .. }
            | Self::Sweep { .. } => FIXED,
        }
    }
}
