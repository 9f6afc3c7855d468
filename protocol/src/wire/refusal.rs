//! Why a relay does not do what it was asked. One code per cause that the client can act on.

use minicbor::{Decode, Encode};

/// A relay's refusal. "No such mailbox" and "not yours" are one code, so that guessing tells nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, thiserror::Error)]
#[cbor(index_only)]
pub enum Refusal {
    /// There is no such mailbox, or the capability does not open it for this act.
    #[n(0)]
    #[error("no such mailbox")]
    NoSuchMailbox,
    /// The mailbox holds as many entries or bytes as it may. Said to the sender; nothing was stored.
    #[n(1)]
    #[error("the mailbox is full")]
    MailboxFull,
    /// The relay holds as much as it may, or its disk is near its limit; nothing was stored.
    #[n(2)]
    #[error("the relay is full")]
    RelayFull,
    /// The grant's rate for this hour is used up.
    #[n(3)]
    #[error("too many for this hour")]
    RateExceeded,
    /// The mailbox was frozen: a group has moved.
    #[n(4)]
    #[error("the mailbox is frozen")]
    Frozen,
    /// The act does not fit the kind of mailbox, such as a trim of a shared one that holds entries.
    #[n(5)]
    #[error("the mailbox is not of that kind")]
    WrongKind,
    /// The frame does not parse or breaks a limit.
    #[n(6)]
    #[error("the request is malformed")]
    Malformed,
    /// The relay does not know this kind of request.
    #[n(7)]
    #[error("the relay does not know this request")]
    UnknownKind,
    /// The admission's allowance of bytes or mailboxes is used up.
    #[n(8)]
    #[error("the allowance is used up")]
    AllowanceSpent,
    /// The grant table is full.
    #[n(9)]
    #[error("the mailbox has as many grants as it may")]
    TooManyGrants,
    /// The session has as many subscriptions as it may.
    #[n(10)]
    #[error("the session has as many subscriptions as it may")]
    TooManySubscriptions,
    /// Take found no entry and no last resort.
    #[n(11)]
    #[error("the shelf is empty")]
    Empty,
    /// There is no such blob.
    #[n(12)]
    #[error("no such blob")]
    NoSuchBlob,
    /// The bytes of a blob do not hash to its id; nothing was stored.
    #[n(13)]
    #[error("the blob does not match its id")]
    BlobMismatch,
    /// The relay is stopping or overloaded: come back after a pause.
    #[n(14)]
    #[error("the relay is busy, try again")]
    Busy,
    /// The relay failed; nothing was acknowledged.
    #[n(15)]
    #[error("the relay failed")]
    Failed,
}
