//! Relays' signed words about the mailboxes of conversations, the newest of each.

use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{RelayIdentity, SignedCheckpoint, decode_exact, encode};
use rusqlite::{OptionalExtension, params};

use super::conversations::sql;
use super::fault::Part;
use super::{Transaction, VaultFault};

pub(super) const TABLES: &str = "
    CREATE TABLE checkpoints (
        conversation BLOB PRIMARY KEY,
        asked        INTEGER NOT NULL,
        relay        BLOB,
        checkpoint   BLOB,
        carried_into BLOB               -- the conversation that it was last carried into
    ) STRICT, WITHOUT ROWID;
";

/// Seconds between two questions about one conversation.
const DAY: u64 = 24 * 3600;

/// A relay's word.
pub(crate) struct Kept {
    pub(crate) relay: RelayIdentity,
    pub(crate) checkpoint: SignedCheckpoint,
    pub(crate) carried_into: Option<GroupId>,
}

/// Whether it is time to ask.
pub(crate) fn is_due(tx: &Transaction<'_>, conversation: &GroupId, now: Timestamp) -> Result<bool, VaultFault> {
    let since = sql(now.0.saturating_sub(DAY));
    Ok(!tx
        .sql()
        .prepare_cached("SELECT 1 FROM checkpoints WHERE conversation = ? AND asked > ?")?
        .exists(params![conversation.0, since])?)
}

pub(crate) fn asked(tx: &Transaction<'_>, conversation: &GroupId, now: Timestamp) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "INSERT INTO checkpoints (conversation, asked) VALUES (?, ?)
             ON CONFLICT (conversation) DO UPDATE SET asked = excluded.asked",
        )?
        .execute(params![conversation.0, sql(now.0)])?;
    Ok(())
}

pub(crate) fn put(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    relay: &RelayIdentity,
    checkpoint: &SignedCheckpoint,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "INSERT INTO checkpoints (conversation, asked, relay, checkpoint) VALUES (?, 0, ?, ?)
             ON CONFLICT (conversation) DO UPDATE SET relay = excluded.relay, checkpoint = excluded.checkpoint,
                carried_into = NULL",
        )?
        .execute(params![conversation.0, relay.0, encode(checkpoint)])?;
    Ok(())
}

pub(crate) fn find(tx: &Transaction<'_>, conversation: &GroupId) -> Result<Option<Kept>, VaultFault> {
    let found = tx
        .sql()
        .prepare_cached(
            "SELECT relay, checkpoint, carried_into FROM checkpoints
             WHERE conversation = ? AND checkpoint IS NOT NULL",
        )?
        .query_row([conversation.0], |row| {
            Ok((RelayIdentity(row.get(0)?), row.get::<_, Vec<u8>>(1)?, row.get::<_, Option<[u8; 16]>>(2)?))
        })
        .optional()?;
    let Some((relay, checkpoint, carried_into)) = found else { return Ok(None) };
    let checkpoint = decode_exact(&checkpoint).map_err(|_| VaultFault::Damaged { what: Part::Row })?;
    Ok(Some(Kept { relay, checkpoint, carried_into: carried_into.map(GroupId) }))
}

/// Notes where a word was carried, so that it is not repeated in each message.
pub(crate) fn carried(tx: &Transaction<'_>, conversation: &GroupId, into: &GroupId) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE checkpoints SET carried_into = ? WHERE conversation = ?")?
        .execute(params![into.0, conversation.0])?;
    Ok(())
}
