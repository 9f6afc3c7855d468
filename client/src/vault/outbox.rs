//! Durable requests to relays, oldest first.

use relevo_protocol::wire::{Call, Entry, Fingerprint, MailboxId, decode_exact, encode};
use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::{Transaction, VaultFault};
use crate::sync::{DispatchId, Then, Topic};

/// `id` is never used twice: the engine knows what is new by it.
pub(super) const TABLES: &str = "
    CREATE TABLE outbox (
        id      INTEGER PRIMARY KEY AUTOINCREMENT,
        relay   BLOB NOT NULL,
        mailbox BLOB NOT NULL,   -- empty for calls that concern no mailbox
        kind    INTEGER NOT NULL,
        once    INTEGER NOT NULL, -- 0: sent until it is answered; 1: to be sent once; 2: was, and its answer may be lost
        call    BLOB NOT NULL,
        digest  BLOB,            -- SHA-256 of the entry that it appends
        topic   INTEGER NOT NULL,
        state   BLOB NOT NULL
    ) STRICT;
    CREATE INDEX outbox_withdrawn ON outbox (kind) WHERE kind = 3;
    CREATE INDEX outbox_once ON outbox (relay) WHERE once = 2;
";

/// What the order of a lane depends on. On disk 3 is a row that was taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DispatchKind {
    /// May be in flight together with its neighbours.
    Append,
    /// Nobody subscribes to the mailbox before it is answered.
    Open,
    /// Waits for everything before it, and everything after waits for it.
    Other,
}

/// One row without the call, which may be large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dispatch {
    pub(crate) id: DispatchId,
    pub(crate) relay: Fingerprint,
    pub(crate) mailbox: Option<MailboxId>,
    pub(crate) kind: DispatchKind,
    /// Bytes of the call.
    pub(crate) size: usize,
}

pub(crate) fn add(
    tx: &Transaction<'_>,
    relay: &Fingerprint,
    call: &Call,
    then: &Then,
    once: bool,
) -> Result<DispatchId, VaultFault> {
    let (mailbox, kind) = lane(call);
    let mailbox = mailbox.map(|mailbox| mailbox.0.to_vec()).unwrap_or_default();
    let entry = if let Call::Append { entry, .. } = call { Some(entry) } else { None };
    let digest: Option<[u8; 32]> = entry.map(|entry| Sha256::digest(entry.bytes()).into());
    tx.sql()
        .prepare_cached(
            "INSERT INTO outbox (relay, mailbox, kind, call, digest, topic, state, once) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            relay.0,
            mailbox,
            kind.code(),
            encode(call),
            digest,
            topic_code(then.topic),
            then.state,
            once
        ])?;
    Ok(DispatchId(tx.sql().last_insert_rowid()))
}

/// Rows newer than `after`, oldest first.
pub(crate) fn newer(tx: &Transaction<'_>, after: DispatchId) -> Result<Vec<Dispatch>, VaultFault> {
    let mut statement = tx
        .sql()
        .prepare_cached("SELECT id, relay, mailbox, kind, length(call) FROM outbox WHERE id > ? ORDER BY id")?;
    let rows = statement.query_map([after.0], |row| {
        Ok(Dispatch {
            id: DispatchId(row.get(0)?),
            relay: Fingerprint(row.get(1)?),
            mailbox: <[u8; 16]>::try_from(row.get::<_, Vec<u8>>(2)?).ok().map(MailboxId),
            kind: DispatchKind::from_code(row.get(3)?),
            size: row.get::<_, u32>(4).map(|size| usize::try_from(size).unwrap_or(usize::MAX))?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The request itself; none when the row is gone or cannot be read.
pub(crate) fn call(tx: &Transaction<'_>, id: DispatchId) -> Result<Option<Call>, VaultFault> {
    let bytes: Option<Vec<u8>> = tx
        .sql()
        .prepare_cached("SELECT call FROM outbox WHERE id = ?")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    Ok(bytes.and_then(|bytes| decode_exact(&bytes).ok()))
}

/// The request itself, which goes to its relay now; none as in [`call`].
pub(crate) fn send(tx: &Transaction<'_>, id: DispatchId) -> Result<Option<Call>, VaultFault> {
    let row: Option<(i64, Vec<u8>)> = tx
        .sql()
        .prepare_cached("SELECT once, call FROM outbox WHERE id = ?")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((once, bytes)) = row else { return Ok(None) };
    if once == 1 {
        tx.sql().prepare_cached("UPDATE outbox SET once = 2 WHERE id = ?")?.execute([id.0])?;
    }
    Ok(decode_exact(&bytes).ok())
}

/// Takes back what was to be sent once, and was, in a session that is over.
pub(crate) fn withdraw_sent(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE outbox SET kind = 3 WHERE relay = ? AND once = 2")?.execute([relay.0])?;
    Ok(())
}

/// Takes back what waits for one mailbox of a relay, or for none. The engine forgets it, and removes the rows.
pub(crate) fn withdraw(
    tx: &Transaction<'_>,
    relay: &Fingerprint,
    mailbox: Option<&MailboxId>,
) -> Result<(), VaultFault> {
    let mailbox = mailbox.map(|mailbox| mailbox.0.to_vec()).unwrap_or_default();
    tx.sql()
        .prepare_cached("UPDATE outbox SET kind = 3 WHERE relay = ? AND mailbox = ?")?
        .execute(params![relay.0, mailbox])?;
    Ok(())
}

/// Removes the rows that were taken back, and says which.
pub(crate) fn sweep_withdrawn(tx: &Transaction<'_>) -> Result<Vec<DispatchId>, VaultFault> {
    let mut statement = tx.sql().prepare_cached("DELETE FROM outbox WHERE kind = 3 RETURNING id")?;
    Ok(statement.query_map([], |row| row.get(0).map(DispatchId))?.collect::<Result<_, _>>()?)
}

/// Whether anything waits for a relay.
pub(crate) fn has_any(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<bool, VaultFault> {
    Ok(tx.sql().prepare_cached("SELECT 1 FROM outbox WHERE relay = ? AND kind < 3")?.exists([relay.0])?)
}

/// A dispatch that has ended.
pub(crate) struct Finished {
    /// What was to follow.
    pub(crate) then: Then,
    /// SHA-256 of the entry that it appended, if that is what it did; and the entry, of a conversation's log.
    pub(crate) appended: Option<([u8; 32], Option<Entry>)>,
}

/// Ends a dispatch; none when it ended before.
pub(crate) fn finish(tx: &Transaction<'_>, id: DispatchId) -> Result<Option<Finished>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("DELETE FROM outbox WHERE id = ? RETURNING topic, state, digest, call")?
        .query_row([id.0], |row| {
            let then = Then { topic: topic_from_code(row.get(0)?), state: row.get(1)? };
            let digest: Option<[u8; 32]> = row.get(2)?;
            // Parcels and documents are not kept: their calls are not read again.
            let kept = digest.is_some() && then.topic == Topic::Conversation;
            let bytes: Vec<u8> = if kept { row.get(3)? } else { Vec::new() };
            let entry = if let Ok(Call::Append { entry, .. }) = decode_exact(&bytes) { Some(entry) } else { None };
            Ok(Finished { then, appended: digest.map(|digest| (digest, entry)) })
        })
        .optional()?)
}

impl DispatchKind {
    fn code(self) -> i64 {
        match self {
            Self::Append => 0,
            Self::Open => 1,
            Self::Other => 2,
        }
    }

    fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Append,
            1 => Self::Open,
            _ => Self::Other,
        }
    }
}

pub(super) fn topic_code(topic: Topic) -> i64 {
    match topic {
        Topic::Conversation => 0,
        Topic::Inbox => 1,
        Topic::Membership => 2,
        Topic::Document => 3,
        Topic::Alert => 4,
    }
}

/// Codes are written by [`topic_code`] alone.
pub(super) fn topic_from_code(code: i64) -> Topic {
    match code {
        0 => Topic::Conversation,
        1 => Topic::Inbox,
        2 => Topic::Membership,
        3 => Topic::Document,
        _ => Topic::Alert,
    }
}

fn lane(call: &Call) -> (Option<MailboxId>, DispatchKind) {
    match call {
        Call::Open { owner, .. } => (Some(MailboxId::of(owner)), DispatchKind::Open),
        Call::Append { mailbox, .. } => (Some(*mailbox), DispatchKind::Append),
        Call::Read { mailbox, .. }
        | Call::Trim { mailbox, .. }
        | Call::Take { mailbox, .. }
        | Call::LastResort { mailbox, .. }
        | Call::Grants { mailbox, .. }
        | Call::Renew { mailbox, .. }
        | Call::Freeze { mailbox, .. }
        | Call::Close { mailbox, .. }
        | Call::Checkpoint { mailbox, .. } => (Some(*mailbox), DispatchKind::Other),
        Call::Admit { .. }
        | Call::Enroll { .. }
        | Call::Sponsor { .. }
        | Call::Resume { .. }
        | Call::Credit { .. }
        | Call::Unsubscribe { .. }
        | Call::Ping => (None, DispatchKind::Other),
    }
}
