//! What came of a change, and what readers are told of it.

use relevo_protocol::time::Hour;
use relevo_protocol::wire::{Answer, Entry, Head, Incarnation, Sequence};

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
