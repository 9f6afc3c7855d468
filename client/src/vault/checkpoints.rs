//! Relays' signed words about the mailboxes of conversations: the newest of each, to carry, and those to compare.

use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    Checkpoint, Incarnation, MailboxId, RelayIdentity, Sequence, SignedCheckpoint, decode_exact, encode,
};
use rusqlite::{OptionalExtension, params};

use super::conversations::sql;
use super::fault::Part;
use super::{Transaction, VaultFault, followed};

pub(super) const TABLES: &str = "
    CREATE TABLE checkpoints (
        conversation BLOB PRIMARY KEY,
        asked        INTEGER NOT NULL,
        relay        BLOB,
        checkpoint   BLOB,
        carried_into BLOB               -- the conversation that it was last carried into
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE signed_checkpoints (
        mailbox     BLOB NOT NULL,
        incarnation BLOB NOT NULL,
        sequence    INTEGER NOT NULL,
        checkpoint  BLOB NOT NULL,      -- as the relay signed it, for us or for others
        kept        INTEGER NOT NULL,   -- hour until which it is
        PRIMARY KEY (mailbox, incarnation, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE convictions (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation BLOB NOT NULL,
        relay        BLOB NOT NULL,     -- identity key
        word         BLOB NOT NULL UNIQUE,
        against      BLOB,              -- its other word about the same place
        at           INTEGER NOT NULL
    ) STRICT;
";

/// Seconds between two questions about one conversation.
const DAY: u64 = 24 * 3600;

/// A relay's word.
pub(crate) struct Kept {
    pub(crate) relay: RelayIdentity,
    pub(crate) checkpoint: SignedCheckpoint,
    pub(crate) carried_into: Option<GroupId>,
}

/// A relay's signed word that is not true of the log which it gave us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conviction {
    /// The conversation.
    pub conversation: GroupId,
    /// The relay's identity key, which verifies both.
    pub relay: RelayIdentity,
    /// What it signed for somebody else.
    pub word: SignedCheckpoint,
    /// What it signed for us about the same place, if it did: then both together prove the lie to anybody.
    pub against: Option<SignedCheckpoint>,
}

/// Words kept of each mailbox, and lies in all: what others carry cannot fill the vault.
const KEPT: i64 = 64;

/// Keeps what the relay signed about a mailbox, for as long as what was read there may be remembered.
pub(crate) fn put_signed(
    tx: &Transaction<'_>,
    word: &Checkpoint,
    checkpoint: &SignedCheckpoint,
    now: Timestamp,
) -> Result<(), VaultFault> {
    let kept = now.round_up().plus(*followed::REMEMBERED.end());
    tx.sql().prepare_cached("INSERT OR IGNORE INTO signed_checkpoints VALUES (?, ?, ?, ?, ?)")?.execute(params![
        word.mailbox.0,
        word.incarnation.0,
        sql(word.sequence.0),
        encode(checkpoint),
        kept.0
    ])?;
    tx.sql()
        .prepare_cached(
            "DELETE FROM signed_checkpoints WHERE mailbox = ?1 AND sequence <=
                (SELECT sequence FROM signed_checkpoints WHERE mailbox = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![word.mailbox.0, KEPT])?;
    Ok(())
}

/// Forgets what need not be kept after the hour of `now`.
pub(crate) fn forget_expired(tx: &Transaction<'_>, now: Timestamp) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM signed_checkpoints WHERE kept < ?")?.execute([sql(now.0 / 3600)])?;
    Ok(())
}

/// What the relay signed about a place, first.
pub(crate) fn signed_at(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    sequence: Sequence,
) -> Result<Option<SignedCheckpoint>, VaultFault> {
    let found: Option<Vec<u8>> = tx
        .sql()
        .prepare_cached(
            "SELECT checkpoint FROM signed_checkpoints WHERE mailbox = ? AND incarnation = ? AND sequence = ?",
        )?
        .query_row(params![mailbox.0, incarnation.0, sql(sequence.0)], |row| row.get(0))
        .optional()?;
    found.map(|bytes| decode_exact(&bytes).map_err(|_| VaultFault::Damaged { what: Part::Row })).transpose()
}

/// Keeps a proof.
pub(crate) fn convict(tx: &Transaction<'_>, proof: &Conviction, at: Timestamp) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "INSERT OR IGNORE INTO convictions (conversation, relay, word, against, at) SELECT ?1, ?2, ?3, ?4, ?5
             WHERE (SELECT count(*) FROM convictions) < ?6",
        )?
        .execute(params![
            proof.conversation.0,
            proof.relay.0,
            encode(&proof.word),
            proof.against.as_ref().map(encode),
            sql(at.0),
            KEPT
        ])?;
    Ok(())
}

/// The proofs, oldest first.
pub(crate) fn convictions(tx: &Transaction<'_>) -> Result<Vec<Conviction>, VaultFault> {
    let mut statement =
        tx.sql().prepare_cached("SELECT conversation, relay, word, against FROM convictions ORDER BY number")?;
    let rows = statement.query_map([], |row| {
        let conversation = GroupId(row.get(0)?);
        Ok((conversation, RelayIdentity(row.get(1)?), row.get::<_, Vec<u8>>(2)?, row.get::<_, Option<Vec<u8>>>(3)?))
    })?;
    let word = |bytes: Vec<u8>| decode_exact(&bytes).map_err(|_| VaultFault::Damaged { what: Part::Row });
    rows.map(|row| {
        let (conversation, relay, one, other) = row?;
        Ok(Conviction { conversation, relay, word: word(one)?, against: other.map(word).transpose()? })
    })
    .collect()
}

/// Makes it time to ask.
pub(crate) fn ask_again(tx: &Transaction<'_>, conversation: &GroupId) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE checkpoints SET asked = 0 WHERE conversation = ?")?.execute([conversation.0])?;
    Ok(())
}

/// Puts what the relay signed for us beside what it signed for others about the same place.
pub(crate) fn complete(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    relay: &RelayIdentity,
    word: &Checkpoint,
    checkpoint: &SignedCheckpoint,
) -> Result<(), VaultFault> {
    for proof in convictions(tx)? {
        let open = proof.against.is_none() && proof.conversation == *conversation && proof.relay == *relay;
        let Some(said) = proof.word.verify(relay).ok().filter(|_| open) else { continue };
        let same = (said.mailbox, said.incarnation, said.sequence) == (word.mailbox, word.incarnation, word.sequence);
        if same && said.head != word.head {
            tx.sql()
                .prepare_cached("UPDATE convictions SET against = ? WHERE word = ?")?
                .execute(params![encode(checkpoint), encode(&proof.word)])?;
        }
    }
    Ok(())
}

/// Conversations that stand and of which no word was asked for a day.
pub(crate) fn due(tx: &Transaction<'_>, now: Timestamp) -> Result<Vec<GroupId>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "SELECT id FROM conversations WHERE standing = 0 AND NOT EXISTS
            (SELECT 1 FROM checkpoints WHERE checkpoints.conversation = conversations.id AND asked > ?)",
    )?;
    let rows = statement.query_map([sql(now.0.saturating_sub(DAY))], |row| Ok(GroupId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
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
