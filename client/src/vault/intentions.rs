//! What this device means to commit, until it wins; and what it has to tell about a conversation.

use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::MailboxId;
use rusqlite::{OptionalExtension, Row, params};

use super::conversations::{sql, unsql};
use super::{Transaction, VaultFault};

/// At most one intention of a conversation is in flight; its commit is the pending one of the MLS group.
pub(super) const TABLES: &str = "
    CREATE TABLE intentions (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation BLOB NOT NULL,
        body         BLOB NOT NULL,
        due          INTEGER NOT NULL,
        lost         INTEGER NOT NULL DEFAULT 0,  -- races lost so far
        echo         BLOB,                        -- in flight: hash of the commit's MLS message
        sequence     INTEGER,                     -- in flight: where the relay says that it is
        commit_bytes BLOB,                        -- in flight: the MLS message, to send it again as it is
        welcome      BLOB                         -- in flight: for those whom it adds
    ) STRICT;
    CREATE INDEX intentions_of ON intentions (conversation, number);
    CREATE TABLE alarms (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation BLOB NOT NULL,
        kind         INTEGER NOT NULL,
        detail       BLOB NOT NULL,               -- tells one thing from another; never shown
        at           INTEGER NOT NULL,
        seen         INTEGER NOT NULL DEFAULT 0,
        UNIQUE (conversation, kind, detail)
    ) STRICT;
";

/// An intention's row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct IntentionRow {
    pub(crate) number: i64,
    pub(crate) conversation: GroupId,
    pub(crate) body: Vec<u8>,
    pub(crate) due: Timestamp,
    pub(crate) lost: u32,
    pub(crate) echo: Option<[u8; 32]>,
    pub(crate) sequence: Option<u64>,
    pub(crate) commit: Option<Vec<u8>>,
    pub(crate) welcome: Option<Vec<u8>>,
}

/// An alarm's row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AlarmRow {
    pub(crate) number: i64,
    pub(crate) conversation: GroupId,
    pub(crate) kind: u8,
    pub(crate) detail: Vec<u8>,
    pub(crate) at: Timestamp,
}

const COLUMNS: &str = "number, conversation, body, due, lost, echo, sequence, commit_bytes, welcome";

pub(crate) fn add(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    body: &[u8],
    due: Timestamp,
) -> Result<i64, VaultFault> {
    tx.sql().prepare_cached("INSERT INTO intentions (conversation, body, due) VALUES (?, ?, ?)")?.execute(params![
        conversation.0,
        body,
        sql(due.0)
    ])?;
    Ok(tx.sql().last_insert_rowid())
}

/// All of a conversation, oldest first.
pub(crate) fn of(tx: &Transaction<'_>, conversation: &GroupId) -> Result<Vec<IntentionRow>, VaultFault> {
    let mut statement =
        tx.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM intentions WHERE conversation = ? ORDER BY number"))?;
    Ok(statement.query_map([conversation.0], intention_row)?.collect::<Result<_, _>>()?)
}

/// The one in flight.
pub(crate) fn in_flight(tx: &Transaction<'_>, conversation: &GroupId) -> Result<Option<IntentionRow>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM intentions WHERE conversation = ? AND echo IS NOT NULL LIMIT 1"
        ))?
        .query_row([conversation.0], intention_row)
        .optional()?)
}

/// Conversations with an intention that is due and not in flight.
pub(crate) fn due(tx: &Transaction<'_>, now: Timestamp) -> Result<Vec<GroupId>, VaultFault> {
    let mut statement =
        tx.sql().prepare_cached("SELECT DISTINCT conversation FROM intentions WHERE due <= ? AND echo IS NULL")?;
    Ok(statement.query_map([sql(now.0)], |row| row.get(0).map(GroupId))?.collect::<Result<_, _>>()?)
}

/// Notes that an intention's commit is under way.
pub(crate) fn launch(
    tx: &Transaction<'_>,
    number: i64,
    body: &[u8],
    echo: &[u8; 32],
    commit: &[u8],
    welcome: Option<&[u8]>,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "UPDATE intentions SET body = ?, echo = ?, commit_bytes = ?, welcome = ?, sequence = NULL WHERE number = ?",
        )?
        .execute(params![body, echo, commit, welcome, number])?;
    Ok(())
}

/// Notes where the relay says that the commit in flight is.
pub(crate) fn stored(tx: &Transaction<'_>, echo: &[u8; 32], sequence: u64) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE intentions SET sequence = ? WHERE echo = ?")?
        .execute(params![sql(sequence), echo])?;
    Ok(())
}

/// The relay was put back: where the commit in flight was says nothing any more.
pub(crate) fn unplace(tx: &Transaction<'_>, conversation: &GroupId) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE intentions SET sequence = NULL WHERE conversation = ?")?
        .execute([conversation.0])?;
    Ok(())
}

/// Notes that the commit in flight lost; the intention is to be tried again.
pub(crate) fn lost(tx: &Transaction<'_>, number: i64, body: &[u8], due: Timestamp) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "UPDATE intentions SET body = ?, due = ?, lost = lost + 1, echo = NULL, sequence = NULL,
                commit_bytes = NULL, welcome = NULL
             WHERE number = ?",
        )?
        .execute(params![body, sql(due.0), number])?;
    Ok(())
}

/// Changes what is meant, before it is in flight.
pub(crate) fn set_body(tx: &Transaction<'_>, number: i64, body: &[u8], due: Timestamp) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE intentions SET body = ?, due = ? WHERE number = ?")?.execute(params![
        body,
        sql(due.0),
        number
    ])?;
    Ok(())
}

pub(crate) fn remove(tx: &Transaction<'_>, number: i64) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM intentions WHERE number = ?")?.execute([number])?;
    Ok(())
}

/// Removes all of a conversation.
pub(crate) fn remove_all(tx: &Transaction<'_>, conversation: &GroupId) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM intentions WHERE conversation = ?")?.execute([conversation.0])?;
    Ok(())
}

/// Alarms of one kind kept for a conversation: what others write cannot fill the vault with them.
const ALARMS: i64 = 32;

/// Raises an alarm, once for the same thing, and not without end. Says whether it is a new one.
pub(crate) fn alarm(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    kind: u8,
    detail: &[u8],
    at: Timestamp,
) -> Result<bool, VaultFault> {
    let raised = tx
        .sql()
        .prepare_cached(
            "INSERT OR IGNORE INTO alarms (conversation, kind, detail, at) SELECT ?1, ?2, ?3, ?4
             WHERE (SELECT count(*) FROM alarms WHERE conversation = ?1 AND kind = ?2) < ?5",
        )?
        .execute(params![conversation.0, kind, detail, sql(at.0), ALARMS])?;
    Ok(raised > 0)
}

/// Whether a conversation has an alarm of a kind.
pub(crate) fn is_alarmed(tx: &Transaction<'_>, conversation: &GroupId, kind: u8) -> Result<bool, VaultFault> {
    let mut statement = tx.sql().prepare_cached("SELECT 1 FROM alarms WHERE conversation = ? AND kind = ?")?;
    Ok(statement.exists(params![conversation.0, kind])?)
}

/// Takes back all alarms of a kind of a conversation.
pub(crate) fn withdraw_alarms(tx: &Transaction<'_>, conversation: &GroupId, kind: u8) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("DELETE FROM alarms WHERE conversation = ? AND kind = ?")?
        .execute(params![conversation.0, kind])?;
    Ok(())
}

/// Takes back an alarm whose reason is gone.
pub(crate) fn withdraw_alarm(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    kind: u8,
    detail: &[u8],
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("DELETE FROM alarms WHERE conversation = ? AND kind = ? AND detail = ?")?
        .execute(params![conversation.0, kind, detail])?;
    Ok(())
}

/// Whether a conversation has an alarm of a kind about one of its mailboxes, with which the detail begins.
pub(crate) fn has_alarm(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    kind: u8,
    mailbox: &MailboxId,
) -> Result<bool, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT 1 FROM alarms WHERE conversation = ? AND kind = ? AND substr(detail, 1, 16) = ?")?
        .exists(params![conversation.0, kind, mailbox.0])?)
}

/// Conversations with an intention that waits for nothing but its turn or its echo.
pub(crate) fn under_way(tx: &Transaction<'_>) -> Result<u64, VaultFault> {
    let count: i64 = tx
        .sql()
        .prepare_cached(
            "SELECT count(*) FROM intentions JOIN conversations ON conversations.id = conversation
             WHERE echo IS NOT NULL AND successor IS NULL",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(unsql(count))
}

/// Alarms, oldest first.
pub(crate) fn alarms(tx: &Transaction<'_>) -> Result<Vec<AlarmRow>, VaultFault> {
    let mut statement =
        tx.sql().prepare_cached("SELECT number, conversation, kind, detail, at FROM alarms ORDER BY number")?;
    let rows = statement.query_map([], |row| {
        Ok(AlarmRow {
            number: row.get(0)?,
            conversation: GroupId(row.get(1)?),
            kind: row.get(2)?,
            detail: row.get(3)?,
            at: Timestamp(unsql(row.get(4)?)),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn intention_row(row: &Row<'_>) -> rusqlite::Result<IntentionRow> {
    Ok(IntentionRow {
        number: row.get(0)?,
        conversation: GroupId(row.get(1)?),
        body: row.get(2)?,
        due: Timestamp(unsql(row.get(3)?)),
        lost: row.get(4)?,
        echo: row.get(5)?,
        sequence: row.get::<_, Option<i64>>(6)?.map(unsql),
        commit: row.get(7)?,
        welcome: row.get(8)?,
    })
}
