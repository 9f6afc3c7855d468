//! Mailboxes that this device reads: cursor, head of the chain, and for 30 to 180 days what was read.

use relevo_protocol::limits::MAX_LEASE_HOURS;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Capability, Cursor, Fingerprint, Head, Incarnation, MailboxId, Sequence};
use rusqlite::{OptionalExtension, Row, params};

use super::outbox::{topic_code, topic_from_code};
use super::{Transaction, VaultFault, promises, tails};
use crate::sync::{Follow, Followed, Start, Topic};

/// `id` is never used twice: the engine knows what is new by it.
pub(super) const TABLES: &str = "
    CREATE TABLE followed (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        relay       BLOB NOT NULL,
        mailbox     BLOB NOT NULL UNIQUE,
        capability  BLOB NOT NULL,
        topic       INTEGER NOT NULL,
        key         BLOB NOT NULL,
        incarnation BLOB,
        after       INTEGER NOT NULL,
        head        BLOB NOT NULL,
        condition   INTEGER NOT NULL DEFAULT 0,
        lease       INTEGER,                       -- hour in which the mailbox's lease ends, as the relay last said
        told        INTEGER NOT NULL DEFAULT 0,    -- what of its beginning is a member's word alone
        fresh       INTEGER NOT NULL DEFAULT 0,    -- hour before which nothing behind the cursor expires
        restored    INTEGER                        -- last sequence that a relay which was put back has, until it is given the rest
    ) STRICT;
    CREATE INDEX followed_ended ON followed (condition) WHERE condition = 4;
    CREATE INDEX followed_restored ON followed (restored) WHERE restored IS NOT NULL;
    CREATE TABLE read_entries (
        mailbox     BLOB NOT NULL,
        incarnation BLOB NOT NULL,
        sequence    INTEGER NOT NULL,
        head        BLOB NOT NULL,
        digest      BLOB NOT NULL,
        expires     INTEGER NOT NULL,              -- as the relay says
        kept        INTEGER NOT NULL,              -- hour until which it is remembered, whatever the relay says
        PRIMARY KEY (mailbox, incarnation, sequence, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX read_digest ON read_entries (digest, mailbox);
";

/// What has been said about a mailbox, so that it is said once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Condition {
    /// It is read as it should be.
    Sound,
    /// It takes no more entries.
    Frozen,
    /// The relay refused it.
    Refused,
    /// It is gone, the relay says; asked for again all the same.
    Closed,
    /// Nobody wants it any more; the engine removes the row.
    Unfollowed,
}

/// What of a mailbox's beginning is the word of who welcomed us, and not yet the relay's. A relay is held to nothing that
/// it never said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// Nothing.
    Nothing,
    /// The head, and with it all that this device has made of what was read since.
    Head,
    /// The life and the place too.
    Place,
}

/// How what a relay says of a place compares with what this device has there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// It has not read so far, or forgotten.
    Unread,
    /// Alike.
    Same,
    /// The relay has given this device something else.
    Other,
    /// Whoever welcomed this device told of another log. From now on it has the relay's.
    OtherThanTold,
}

/// A followed mailbox with what the engine needs besides.
#[derive(Debug)]
pub(crate) struct FollowedRow {
    pub(crate) id: i64,
    pub(crate) followed: Followed,
    pub(crate) capability: Capability,
    pub(crate) condition: Condition,
    pub(crate) told: Told,
    /// Nothing behind the cursor expires before.
    pub(crate) fresh: Hour,
}

/// A followed mailbox whose relay was put back.
pub(crate) struct Restored {
    pub(crate) followed: Followed,
    /// Whether all is read that the relay had when it said so.
    pub(crate) is_read: bool,
}

const COLUMNS: &str = "id, relay, mailbox, capability, topic, key, incarnation, after, head, condition, told, fresh";

pub(crate) fn add(tx: &Transaction<'_>, follow: &Follow) -> Result<(), VaultFault> {
    let known = find_row(tx, &follow.mailbox)?.filter(|row| row.condition != Condition::Unfollowed);
    let restored: Option<i64> = tx
        .sql()
        .prepare_cached("SELECT restored FROM followed WHERE mailbox = ? AND condition < 4")?
        .query_row([follow.mailbox.0], |row| row.get(0))
        .optional()?
        .flatten();
    let is_new = known.is_none();
    let unseen = Hour(0);
    let (incarnation, after, head, told, fresh) = match (known, follow.start) {
        (Some(FollowedRow { followed: Followed { cursor, head, .. }, told, fresh, .. }), _) => {
            (cursor.incarnation, cursor.after, head, told, fresh)
        }
        (None, Start::Beginning) => (None, Sequence::START, Head::START, Told::Nothing, unseen),
        (None, Start::After { incarnation, sequence, head }) => {
            (Some(incarnation), sequence, head, Told::Place, unseen)
        }
    };
    tx.sql()
        .prepare_cached(
            "INSERT OR REPLACE INTO followed
                (relay, mailbox, capability, topic, key, incarnation, after, head, told, fresh, restored)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            follow.relay.0,
            follow.mailbox.0,
            follow.capability.expose(),
            topic_code(follow.topic),
            follow.key,
            incarnation.map(|incarnation| incarnation.0),
            sql(after.0),
            head.0,
            told.code(),
            fresh.0,
            restored
        ])?;
    if let (true, Start::After { incarnation, sequence, head }) = (is_new, follow.start) {
        // What a welcome says of this place is compared as if it had been read, and as `told` says it.
        let (digest, forever) = ([0; 32], Hour(u32::MAX));
        let mark = ReadMark { mailbox: follow.mailbox, incarnation, sequence, head, digest, expires: Hour(0) };
        put_mark(tx, &mark, forever)?;
    }
    Ok(())
}

pub(crate) fn remove(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<(), VaultFault> {
    set_condition(tx, mailbox, Condition::Unfollowed)
}

pub(crate) fn find(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<Option<Followed>, VaultFault> {
    Ok(find_row(tx, mailbox)?.filter(|row| row.condition != Condition::Unfollowed).map(|row| row.followed))
}

pub(crate) fn find_row(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<Option<FollowedRow>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM followed WHERE mailbox = ?"))?
        .query_row([mailbox.0], followed_row)
        .optional()?)
}

/// Rows newer than `after`, oldest first.
pub(crate) fn newer(tx: &Transaction<'_>, after: i64) -> Result<Vec<FollowedRow>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM followed WHERE id > ? ORDER BY id"))?;
    let rows = statement.query_map([after], followed_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether any mailbox of a relay is followed.
pub(crate) fn has_any(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<bool, VaultFault> {
    Ok(tx.sql().prepare_cached("SELECT 1 FROM followed WHERE relay = ? AND condition < 4")?.exists([relay.0])?)
}

/// Removes the rows that nobody wants any more, and says which. What was read of a conversation's log is remembered as
/// before: what its relay signed may come to light after the conversation has moved away from it. What rests on a
/// member's word is not.
pub(crate) fn sweep_unfollowed(tx: &Transaction<'_>) -> Result<Vec<MailboxId>, VaultFault> {
    let mut statement =
        tx.sql().prepare_cached("DELETE FROM followed WHERE condition = 4 RETURNING mailbox, topic, told")?;
    let gone = statement.query_map([], |row| {
        let lasts =
            topic_from_code(row.get(1)?) == Topic::Conversation && Told::from_code(row.get(2)?) == Told::Nothing;
        Ok((MailboxId(row.get(0)?), lasts))
    })?;
    let gone = gone.collect::<Result<Vec<_>, _>>()?;
    for (mailbox, lasts) in &gone {
        promises::forget(tx, mailbox)?;
        tails::forget(tx, mailbox)?;
        if !lasts {
            tx.sql().prepare_cached("DELETE FROM read_entries WHERE mailbox = ?")?.execute([mailbox.0])?;
        }
    }
    Ok(gone.into_iter().map(|(mailbox, _)| mailbox).collect())
}

pub(crate) fn set_condition(tx: &Transaction<'_>, mailbox: &MailboxId, condition: Condition) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE followed SET condition = ? WHERE mailbox = ?")?
        .execute(params![condition.code(), mailbox.0])?;
    Ok(())
}

/// Moves the cursor.
pub(crate) fn advance(tx: &Transaction<'_>, to: &Followed) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE followed SET incarnation = ?, after = ?, head = ? WHERE mailbox = ?")?
        .execute(params![to.cursor.incarnation.map(|life| life.0), sql(to.cursor.after.0), to.head.0, to.mailbox.0])?;
    Ok(())
}

pub(crate) fn set_lease(tx: &Transaction<'_>, mailbox: &MailboxId, end: Hour) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE followed SET lease = ?1 WHERE mailbox = ?2 AND lease IS NOT ?1")?
        .execute(params![end.0, mailbox.0])?;
    Ok(())
}

/// Followed mailboxes whose lease, as the relay last said, ends before an hour.
pub(crate) fn leases_ending(tx: &Transaction<'_>, before: Hour) -> Result<Vec<Followed>, VaultFault> {
    let mut statement =
        tx.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM followed WHERE condition < 3 AND lease < ?"))?;
    let rows = statement.query_map([before.0], |row| Ok(followed_row(row)?.followed))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What is kept of an entry that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadMark {
    pub(crate) mailbox: MailboxId,
    pub(crate) incarnation: Incarnation,
    pub(crate) sequence: Sequence,
    pub(crate) head: Head,
    pub(crate) digest: [u8; 32],
    pub(crate) expires: Hour,
}

/// Hours for which what was read is remembered at least, and at most. A relay that says that an entry has expired at once
/// would have this device forget what it was shown; one that says never would fill its vault.
pub(super) const REMEMBERED: core::ops::RangeInclusive<u32> = 720..=2 * MAX_LEASE_HOURS;

/// Remembers an entry that was read.
pub(crate) fn mark_read(tx: &Transaction<'_>, mark: &ReadMark, now: Timestamp) -> Result<(), VaultFault> {
    let hour = now.round_up();
    let kept = mark.expires.clamp(hour.plus(*REMEMBERED.start()), hour.plus(*REMEMBERED.end()));
    put_mark(tx, mark, kept)
}

fn put_mark(tx: &Transaction<'_>, mark: &ReadMark, kept: Hour) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("INSERT OR IGNORE INTO read_entries VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        mark.mailbox.0,
        mark.incarnation.0,
        sql(mark.sequence.0),
        mark.head.0,
        mark.digest,
        mark.expires.0,
        kept.0
    ])?;
    Ok(())
}

/// Forgets where entries behind a place stood, which the relay says it never had there. That they were read stays known.
pub(crate) fn unplace(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    last: Sequence,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "UPDATE OR REPLACE read_entries SET incarnation = ?4 WHERE mailbox = ?1 AND incarnation = ?2 AND sequence > ?3",
        )?
        .execute(params![mailbox.0, incarnation.0, sql(last.0), NOWHERE])?;
    Ok(())
}

/// In the place of the life of what was read and stands nowhere: no relay draws it, but by a chance of one in 2^64.
pub(super) const NOWHERE: [u8; 8] = [0; 8];

/// Notes that the relay was put back, and how far what it has now goes; or that it was given what it had lost.
pub(crate) fn set_restored(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    last: Option<Sequence>,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE followed SET restored = ? WHERE mailbox = ?")?
        .execute(params![last.map(|last| sql(last.0)), mailbox.0])?;
    Ok(())
}

/// Whether a mailbox's relay was put back and is to be given what it has lost.
pub(crate) fn is_restored(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<bool, VaultFault> {
    let mut statement = tx.sql().prepare_cached("SELECT 1 FROM followed WHERE mailbox = ? AND restored IS NOT NULL")?;
    Ok(statement.exists([mailbox.0])?)
}

/// Mailboxes whose relay was put back and is to be given what it has lost.
pub(crate) fn restored(tx: &Transaction<'_>) -> Result<Vec<Restored>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(&format!(
        "SELECT {COLUMNS}, restored <= after FROM followed WHERE condition < 4 AND restored IS NOT NULL ORDER BY id"
    ))?;
    let rows =
        statement.query_map([], |row| Ok(Restored { followed: followed_row(row)?.followed, is_read: row.get(12)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes before which hour nothing behind the cursor expires.
pub(crate) fn set_fresh(tx: &Transaction<'_>, mailbox: &MailboxId, fresh: Hour) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE followed SET fresh = ?1 WHERE mailbox = ?2 AND fresh <> ?1")?
        .execute(params![fresh.0, mailbox.0])?;
    Ok(())
}

/// When the relay said that an entry, which was read, would expire.
pub(crate) fn expiry_at(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    sequence: Sequence,
) -> Result<Option<Hour>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT max(expires) FROM read_entries WHERE mailbox = ? AND incarnation = ? AND sequence = ?")?
        .query_row(params![mailbox.0, incarnation.0, sql(sequence.0)], |row| row.get::<_, Option<u32>>(0))?
        .map(Hour))
}

/// Compares what the relay says of a place with what this device has. As long as that rests on a member's word, the
/// relay's either bears it out or takes its place.
pub(crate) fn hold(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    sequence: Sequence,
    head: Head,
) -> Result<Held, VaultFault> {
    let Some(ours) = head_at(tx, mailbox, incarnation, sequence)? else { return Ok(Held::Unread) };
    let row = find_row(tx, mailbox)?.filter(|row| row.told != Told::Nothing);
    match (ours == head, row) {
        (true, row) => row.map_or(Ok(()), |_| set_told(tx, mailbox, Told::Nothing)).map(|()| Held::Same),
        (false, None) => Ok(Held::Other),
        (false, Some(mut row)) => {
            begin_at(tx, &mut row, incarnation, sequence, head)?;
            Ok(Held::OtherThanTold)
        }
    }
}

/// Takes the relay's word for the head at a place in the stead of a member's: what was read behind it is chained to it,
/// and where that stood before it proves nothing. That it was read stays known.
pub(crate) fn begin_at(
    tx: &Transaction<'_>,
    row: &mut FollowedRow,
    incarnation: Incarnation,
    sequence: Sequence,
    head: Head,
) -> Result<(), VaultFault> {
    let mailbox = row.followed.mailbox;
    tx.sql()
        .prepare_cached(
            "UPDATE OR REPLACE read_entries SET incarnation = ?1
             WHERE mailbox = ?2 AND (incarnation <> ?3 OR sequence < ?4)",
        )?
        .execute(params![NOWHERE, mailbox.0, incarnation.0, sql(sequence.0)])?;
    let mut statement = tx.sql().prepare_cached(
        "SELECT sequence, digest FROM read_entries WHERE mailbox = ? AND incarnation = ? ORDER BY sequence",
    )?;
    let behind = statement.query_map(params![mailbox.0, incarnation.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let behind = behind.collect::<Result<Vec<(i64, [u8; 32])>, _>>()?;
    let mut chained = head;
    for (at, digest) in behind {
        let place = Sequence(u64::try_from(at).unwrap_or(0));
        if place > sequence {
            chained = chained.extend_digest(&mailbox, incarnation, place, &digest);
        }
        tx.sql()
            .prepare_cached("UPDATE read_entries SET head = ? WHERE mailbox = ? AND incarnation = ? AND sequence = ?")?
            .execute(params![chained.0, mailbox.0, incarnation.0, at])?;
    }
    row.followed.head = chained;
    row.told = Told::Nothing;
    advance(tx, &row.followed)?;
    set_told(tx, &mailbox, Told::Nothing)
}

pub(crate) fn set_told(tx: &Transaction<'_>, mailbox: &MailboxId, told: Told) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE followed SET told = ? WHERE mailbox = ?")?
        .execute(params![told.code(), mailbox.0])?;
    Ok(())
}

/// Whether this device has read anything of a mailbox in one of its lives.
pub(crate) fn knows_life(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
) -> Result<bool, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT 1 FROM read_entries WHERE mailbox = ? AND incarnation = ?")?
        .exists(params![mailbox.0, incarnation.0])?)
}

/// Whether an entry of these bytes was read from the mailbox before, in any life of it.
pub(crate) fn was_read(tx: &Transaction<'_>, mailbox: &MailboxId, digest: &[u8; 32]) -> Result<bool, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT 1 FROM read_entries WHERE digest = ? AND mailbox = ?")?
        .exists(params![digest, mailbox.0])?)
}

pub(crate) fn head_at(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    sequence: Sequence,
) -> Result<Option<Head>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT head FROM read_entries WHERE mailbox = ? AND incarnation = ? AND sequence = ?")?
        .query_row(params![mailbox.0, incarnation.0, sql(sequence.0)], |row| row.get(0).map(Head))
        .optional()?)
}

/// SHA-256 of what was read at a place; none of one where this device was welcomed.
pub(crate) fn digest_at(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    sequence: Sequence,
) -> Result<Option<[u8; 32]>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached(
            "SELECT digest FROM read_entries
             WHERE mailbox = ? AND incarnation = ? AND sequence = ? AND digest <> zeroblob(32)",
        )?
        .query_row(params![mailbox.0, incarnation.0, sql(sequence.0)], |row| row.get(0))
        .optional()?)
}

/// Forgets entries that need not be remembered after the hour of `now`.
pub(crate) fn forget_expired(tx: &Transaction<'_>, now: Timestamp) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM read_entries WHERE kept < ?")?.execute([sql(now.0 / 3600)])?;
    Ok(())
}

fn followed_row(row: &Row<'_>) -> rusqlite::Result<FollowedRow> {
    Ok(FollowedRow {
        id: row.get(0)?,
        followed: Followed {
            relay: Fingerprint(row.get(1)?),
            mailbox: MailboxId(row.get(2)?),
            topic: topic_from_code(row.get(4)?),
            key: row.get(5)?,
            cursor: Cursor {
                incarnation: row.get::<_, Option<[u8; 8]>>(6)?.map(Incarnation),
                after: Sequence(u64::try_from(row.get::<_, i64>(7)?).unwrap_or(0)),
            },
            head: Head(row.get(8)?),
        },
        capability: Capability::new(Secret::new(row.get(3)?)),
        condition: Condition::from_code(row.get(9)?),
        told: Told::from_code(row.get(10)?),
        fresh: Hour(row.get(11)?),
    })
}

impl Told {
    fn code(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Head => 1,
            Self::Place => 2,
        }
    }

    fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Nothing,
            1 => Self::Head,
            _ => Self::Place,
        }
    }
}

impl Condition {
    fn code(self) -> i64 {
        match self {
            Self::Sound => 0,
            Self::Frozen => 1,
            Self::Refused => 2,
            Self::Closed => 3,
            Self::Unfollowed => 4,
        }
    }

    fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Sound,
            1 => Self::Frozen,
            2 => Self::Refused,
            3 => Self::Closed,
            _ => Self::Unfollowed,
        }
    }
}

/// A sequence as SQLite keeps it: no mailbox ever reaches 2^63 entries, and a lie about it only blocks that mailbox.
pub(super) fn sql(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
