//! What a client asks for. SPEC 6.

use minicbor::{Decode, Encode};

use super::address::{AdmissionId, AdmissionKey};
use super::capability::{Capability, CapabilityHash, Grant, MailboxId};
use super::entry::Entry;
use super::log::{Incarnation, Sequence};
use crate::time::Hour;

/// One frame from client to relay. Answers name the number and may come in any order.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// Chosen by the client, unique among its unanswered requests.
    #[n(0)]
    pub number: u32,
    /// What is asked.
    #[n(1)]
    pub call: Call,
}

/// Two kinds of mailbox, differing in who may remove entries (DESIGN 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum MailboxKind {
    /// An inbox or a shelf: *owner* reads, trims, renews, closes.
    #[n(0)]
    Personal,
    /// A group's log: entries go only by age; the group's grants read, append and renew.
    #[n(1)]
    Shared,
}

/// Which table a grant belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum GrantTable {
    /// May append.
    #[n(0)]
    Append,
    /// May take one entry of a shelf.
    #[n(1)]
    Take,
}

/// Where a reader stands: the last sequence it has, in which life of the mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Cursor {
    /// The life that the sequence belongs to; none for a reader that has nothing yet.
    #[n(0)]
    pub incarnation: Option<Incarnation>,
    /// Last sequence that the reader has.
    #[n(1)]
    pub after: Sequence,
}

/// Number of a subscription in one session, chosen by the client; events name it instead of the mailbox.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct SubscriptionId(#[n(0)] pub u32);

/// One mailbox of a Resume.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Subscription {
    /// Number that events will carry.
    #[n(0)]
    pub id: SubscriptionId,
    /// The mailbox.
    #[n(1)]
    pub mailbox: MailboxId,
    /// *read* of a shared mailbox, or *owner*.
    #[n(2)]
    pub capability: Capability,
    /// Where to go on.
    #[n(3)]
    pub cursor: Cursor,
    /// Entries that may be pushed before more credit is given.
    #[n(4)]
    pub credit: u32,
}

/// The requests. Each is idempotent, or harmless when repeated after a lost answer.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Call {
    /// Proves an admission. The first request of a session; a wrong proof ends it without a reason.
    #[n(0)]
    Admit {
        /// Which admission.
        #[n(0)]
        id: AdmissionId,
        /// HMAC-SHA256(admission key, label | 0x00 | exporter).
        #[cbor(n(1), with = "minicbor::bytes")]
        proof: [u8; 32],
    },
    /// Replaces the single-use admission of this session by a lasting one of the client's own making.
    #[n(1)]
    Enroll {
        /// Id of the new admission.
        #[n(0)]
        id: AdmissionId,
        /// Its key.
        #[n(1)]
        key: AdmissionKey,
    },
    /// Registers a single-use admission for somebody whom this client invites.
    #[n(2)]
    Sponsor {
        /// Id of the new admission.
        #[n(0)]
        id: AdmissionId,
        /// Its key.
        #[n(1)]
        key: AdmissionKey,
        /// Its end.
        #[n(2)]
        expires: Hour,
    },
    /// Opens a mailbox, whose id follows from the owner hash. Repeated, it answers as the first time.
    #[n(3)]
    Open {
        /// Kind of mailbox.
        #[n(0)]
        kind: MailboxKind,
        /// Hash of *owner*.
        #[n(1)]
        owner: CapabilityHash,
        /// Hash of *read*; none where only *owner* reads.
        #[n(2)]
        read: Option<CapabilityHash>,
        /// First *append* grants.
        #[n(3)]
        append: Vec<Grant>,
        /// First *take* grants.
        #[n(4)]
        take: Vec<Grant>,
        /// Wished lease in hours; the relay may shorten it.
        #[n(5)]
        lease_hours: u32,
    },
    /// Appends an entry; answered when it is on disk.
    #[n(4)]
    Append {
        /// The mailbox.
        #[n(0)]
        mailbox: MailboxId,
        /// *append*, or *owner* for the reserve of a shared mailbox.
        #[n(1)]
        capability: Capability,
        /// The entry.
        #[n(2)]
        entry: Entry,
    },
    /// Reads entries after a cursor.
    #[n(5)]
    Read {
        /// The mailbox.
        #[n(0)]
        mailbox: MailboxId,
        /// *read* or *owner*.
        #[n(1)]
        capability: Capability,
        /// Where to go on.
        #[n(2)]
        cursor: Cursor,
        /// Entries at most.
        #[n(3)]
        limit: u16,
    },
    /// Subscribes to many mailboxes at once.
    #[n(6)]
    Resume {
        /// The mailboxes.
        #[n(0)]
        subscriptions: Vec<Subscription>,
    },
    /// Allows a subscription more entries.
    #[n(7)]
    Credit {
        /// The subscription.
        #[n(0)]
        id: SubscriptionId,
        /// Entries more.
        #[n(1)]
        more: u32,
    },
    /// Ends a subscription.
    #[n(8)]
    Unsubscribe {
        /// The subscription.
        #[n(0)]
        id: SubscriptionId,
    },
    /// Removes the entries of a personal mailbox up to and with a sequence.
    #[n(9)]
    Trim {
        /// The mailbox.
        #[n(0)]
        mailbox: MailboxId,
        /// *owner*.
        #[n(1)]
        capability: Capability,
        /// Last sequence to go.
        #[n(2)]
        upto: Sequence,
        /// In which life; in another one nothing goes. None for whichever it is.
        #[n(3)]
        incarnation: Option<Incarnation>,
    },
    /// Pops the oldest entry of a shelf, or copies its last resort when there is none.
    #[n(10)]
    Take {
        /// The shelf.
        #[n(0)]
        mailbox: MailboxId,
        /// *take*.
        #[n(1)]
        capability: Capability,
    },
    /// Sets or replaces the last resort of a shelf.
    #[n(11)]
    LastResort {
        /// The shelf.
        #[n(0)]
        mailbox: MailboxId,
        /// *owner*.
        #[n(1)]
        capability: Capability,
        /// The entry that is never popped.
        #[n(2)]
        entry: Entry,
    },
    /// Adds and revokes grants: first revokes, then adds; a grant with a known hash replaces it.
    #[n(12)]
    Grants {
        /// The mailbox.
        #[n(0)]
        mailbox: MailboxId,
        /// *owner*.
        #[n(1)]
        capability: Capability,
        /// Which table.
        #[n(2)]
        table: GrantTable,
        /// Hashes to remove.
        #[n(3)]
        revoke: Vec<CapabilityHash>,
        /// Grants to add.
        #[n(4)]
        add: Vec<Grant>,
    },
    /// Renews the lease: *owner*, or any *append* grant of a shared mailbox.
    #[n(13)]
    Renew {
        /// The mailbox.
        #[n(0)]
        mailbox: MailboxId,
        /// *owner* or *append*.
        #[n(1)]
        capability: Capability,
        /// Wished lease in hours.
        #[n(2)]
        lease_hours: u32,
    },
    /// Ends appends and renewals of a shared mailbox; it stays readable until its entries expire.
    #[n(14)]
    Freeze {
        /// The mailbox.
        #[n(0)]
        mailbox: MailboxId,
        /// *owner*.
        #[n(1)]
        capability: Capability,
    },
    /// Removes a mailbox: a personal one, or a shared one that is empty.
    #[n(15)]
    Close {
        /// The mailbox.
        #[n(0)]
        mailbox: MailboxId,
        /// *owner*.
        #[n(1)]
        capability: Capability,
    },
    /// Asks for the relay's signed word about a mailbox.
    #[n(16)]
    Checkpoint {
        /// The mailbox.
        #[n(0)]
        mailbox: MailboxId,
        /// *read* or *owner*.
        #[n(1)]
        capability: Capability,
    },
    /// Asks for an answer, to keep the connection and to measure it.
    #[n(17)]
    Ping,
}
