//! What was said in conversations, ours and theirs.

use relevo_protocol::content::{GroupId, MessageId};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use rusqlite::{OptionalExtension, Row, params};

use super::conversations::{sql, unsql};
use super::{Transaction, VaultFault};
use crate::conversation::{Keeper, MessageState, Standing};

pub(super) const TABLES: &str = "
    CREATE TABLE messages (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation BLOB NOT NULL,
        member       BLOB NOT NULL,
        id           BLOB NOT NULL,
        digest       BLOB NOT NULL,     -- of the body
        kind         INTEGER NOT NULL,
        body         BLOB NOT NULL,
        sent         INTEGER NOT NULL,  -- as its author claims
        received     INTEGER NOT NULL,
        state        INTEGER NOT NULL,
        posted       INTEGER,           -- ours: when it was first on its way
        epoch        INTEGER,           -- ours: of the entry that is under way
        echo         BLOB,              -- ours: hash of the MLS message that is under way
        UNIQUE (conversation, member, id, digest)
    ) STRICT;
    CREATE INDEX messages_under_way ON messages (conversation, state) WHERE state = 0;
    CREATE INDEX messages_echo ON messages (echo) WHERE echo IS NOT NULL;
    CREATE INDEX messages_unacknowledged ON messages (conversation) WHERE state = 5;
";

/// A message's row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MessageRow {
    pub(crate) number: i64,
    pub(crate) conversation: GroupId,
    pub(crate) member: MemberKey,
    pub(crate) id: MessageId,
    pub(crate) body: Vec<u8>,
    pub(crate) kind: u16,
    pub(crate) sent: Timestamp,
    pub(crate) received: Timestamp,
    pub(crate) state: MessageState,
    pub(crate) epoch: Option<u64>,
}

/// A message to write.
pub(crate) struct NewMessage<'a> {
    pub(crate) conversation: &'a GroupId,
    pub(crate) member: &'a MemberKey,
    pub(crate) id: MessageId,
    pub(crate) digest: [u8; 32],
    pub(crate) kind: u16,
    pub(crate) body: &'a [u8],
    pub(crate) sent: Timestamp,
    pub(crate) received: Timestamp,
    pub(crate) state: MessageState,
}

const COLUMNS: &str = "number, conversation, member, id, body, kind, sent, received, state, epoch";

/// Writes a message, unless this author's same message is there already: then none.
pub(crate) fn add(tx: &Transaction<'_>, new: &NewMessage<'_>) -> Result<Option<i64>, VaultFault> {
    let written = tx
        .sql()
        .prepare_cached(
            "INSERT OR IGNORE INTO messages (conversation, member, id, digest, kind, body, sent, received, state)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            new.conversation.0,
            new.member.as_bytes(),
            new.id.0,
            new.digest,
            new.kind,
            new.body,
            sql(new.sent.0),
            sql(new.received.0),
            new.state.code()
        ])?;
    Ok((written > 0).then(|| tx.sql().last_insert_rowid()))
}

/// Notes that a message of ours is under way as the MLS message of this hash.
pub(crate) fn under_way(
    tx: &Transaction<'_>,
    number: i64,
    epoch: u64,
    echo: &[u8; 32],
    now: Timestamp,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "UPDATE messages SET epoch = ?, echo = ?, posted = coalesce(posted, ?), state = 0 WHERE number = ?",
        )?
        .execute(params![sql(epoch), echo, sql(now.0), number])?;
    Ok(())
}

/// Changes the state of a message; nothing is under way any more.
pub(crate) fn set_state(tx: &Transaction<'_>, number: i64, state: MessageState) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE messages SET state = ?, posted = NULL, echo = NULL, epoch = NULL WHERE number = ?")?
        .execute(params![state.code(), number])?;
    Ok(())
}

/// A message of ours that was sent waits again, from now on.
pub(crate) fn wait_again(tx: &Transaction<'_>, number: i64, now: Timestamp) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE messages SET state = 0, posted = ? WHERE number = ?")?
        .execute(params![sql(now.0), number])?;
    Ok(())
}

/// A message of ours that has not left is said in another conversation instead.
pub(crate) fn carry(tx: &Transaction<'_>, number: i64, to: &GroupId, state: MessageState) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "UPDATE messages SET conversation = ?, state = ?, posted = NULL, echo = NULL, epoch = NULL
             WHERE number = ?",
        )?
        .execute(params![to.0, state.code(), number])?;
    Ok(())
}

/// A message by its number.
pub(crate) fn numbered(tx: &Transaction<'_>, number: i64) -> Result<Option<MessageRow>, VaultFault> {
    one(tx, "number = ?", params![number])
}

/// The message of ours that is under way as this MLS message.
pub(crate) fn by_echo(tx: &Transaction<'_>, echo: &[u8; 32]) -> Result<Option<MessageRow>, VaultFault> {
    one(tx, "echo = ?", params![echo])
}

/// A message of ours by its id.
pub(crate) fn by_id(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    member: &MemberKey,
    id: MessageId,
) -> Result<Option<MessageRow>, VaultFault> {
    one(tx, "conversation = ? AND member = ? AND id = ?", params![conversation.0, member.as_bytes(), id.0])
}

/// Whether this author's same message is there in another conversation that goes on in this one, or where this one goes on. Not in
/// one that merely claims so: its founder would choose where somebody reads what all read here.
pub(crate) fn was_heard(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    member: &MemberKey,
    id: MessageId,
    body: &[u8],
) -> Result<bool, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached(
            "WITH RECURSIVE line (id) AS (
                VALUES (?1)
                UNION SELECT successor FROM conversations JOIN line ON conversations.id = line.id
                    WHERE successor IS NOT NULL
                UNION SELECT conversations.id FROM conversations JOIN line ON successor = line.id)
             SELECT EXISTS (
                SELECT 1 FROM line JOIN messages ON conversation = line.id
                WHERE line.id != ?1 AND member = ?2 AND messages.id = ?3 AND body = ?4)",
        )?
        .query_row(params![conversation.0, member.as_bytes(), id.0, body], |row| row.get(0))?)
}

/// Messages of a conversation in one state, oldest first.
pub(crate) fn in_state(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    state: MessageState,
) -> Result<Vec<MessageRow>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM messages WHERE conversation = ? AND state = ? ORDER BY number"
    ))?;
    let rows = statement.query_map(params![conversation.0, state.code()], message_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Messages of ours that wait and are not under way in an epoch, oldest first.
pub(crate) fn unsent(tx: &Transaction<'_>, conversation: &GroupId, epoch: u64) -> Result<Vec<MessageRow>, VaultFault> {
    #[cfg(feature = "planted-bugs")]
    if relevo_protocol::planted::is(relevo_protocol::planted::Bug::StrandedWords) {
        let mut rows = in_state(tx, conversation, MessageState::Waiting)?;
        rows.retain(|row| row.epoch.is_none());
        return Ok(rows);
    }
    let mut statement = tx.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM messages WHERE conversation = ? AND state = 0 AND epoch IS NOT ? ORDER BY number"
    ))?;
    let rows = statement.query_map(params![conversation.0, sql(epoch)], message_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// At most `limit` messages of a conversation after a number, oldest first.
pub(crate) fn after(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    number: i64,
    limit: u32,
) -> Result<Vec<MessageRow>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM messages WHERE conversation = ? AND number > ? ORDER BY number LIMIT ?"
    ))?;
    let rows = statement.query_map(params![conversation.0, number, limit], message_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Conversations with messages whose authors do not know yet that we have them.
pub(crate) fn unacknowledged(tx: &Transaction<'_>) -> Result<Vec<GroupId>, VaultFault> {
    let mut statement = tx.sql().prepare_cached("SELECT DISTINCT conversation FROM messages WHERE state = 5")?;
    Ok(statement.query_map([], |row| row.get(0).map(GroupId))?.collect::<Result<_, _>>()?)
}

/// The oldest words of ours that wait, of each conversation with somebody else in it and by who holds them. What was never
/// sent waits for the relay too while a commit of ours, behind which it goes, is under way.
pub(crate) fn waiting_since(tx: &Transaction<'_>) -> Result<Vec<(GroupId, Keeper, Timestamp)>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "SELECT c.id, c.standing, min(coalesce(m.posted, m.received))
         FROM messages m JOIN conversations c ON c.id = m.conversation
         WHERE m.state = 0 AND m.kind NOT IN (1, 5, 6)
             AND (SELECT count(*) FROM seats WHERE seats.conversation = c.id) > 1
             AND (c.standing <> 0 OR m.posted IS NOT NULL OR EXISTS
                 (SELECT 1 FROM intentions WHERE intentions.conversation = c.id AND intentions.echo IS NOT NULL))
         GROUP BY c.id",
    )?;
    let rows = statement.query_map([], |row| {
        let keeper = match Standing::from_code(row.get(1)?) {
            Standing::Live => Keeper::Relay,
            Standing::Halted | Standing::Left | Standing::Behind => Keeper::Device,
        };
        Ok((GroupId(row.get(0)?), keeper, Timestamp(unsql(row.get(2)?))))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many messages wait for the network, in all conversations.
pub(crate) fn waiting(tx: &Transaction<'_>) -> Result<u64, VaultFault> {
    let count: i64 =
        tx.sql().prepare_cached("SELECT count(*) FROM messages WHERE state = 0")?.query_row([], |row| row.get(0))?;
    Ok(unsql(count))
}

fn one(
    tx: &Transaction<'_>,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Result<Option<MessageRow>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE {condition} LIMIT 1"))?
        .query_row(parameters, message_row)
        .optional()?)
}

fn message_row(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        number: row.get(0)?,
        conversation: GroupId(row.get(1)?),
        member: MemberKey::new(row.get(2)?),
        id: MessageId(row.get(3)?),
        body: row.get(4)?,
        kind: row.get(5)?,
        sent: Timestamp(unsql(row.get(6)?)),
        received: Timestamp(unsql(row.get(7)?)),
        state: MessageState::from_code(row.get(8)?),
        epoch: row.get::<_, Option<i64>>(9)?.map(unsql),
    })
}

/// Number of the newest message, in any conversation; 0 when there is none.
pub(crate) fn newest(tx: &Transaction<'_>) -> Result<i64, VaultFault> {
    let mut newest = tx.sql().prepare_cached("SELECT max(number) FROM messages")?;
    Ok(newest.query_row([], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0))
}

/// At most `limit` messages after a number, in all conversations, oldest first.
pub(crate) fn newer(tx: &Transaction<'_>, number: i64, limit: u32) -> Result<Vec<MessageRow>, VaultFault> {
    let mut statement =
        tx.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE number > ? ORDER BY number LIMIT ?"))?;
    let rows = statement.query_map(params![number, limit], message_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
