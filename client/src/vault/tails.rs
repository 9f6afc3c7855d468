//! The newest entries of conversations' logs, sealed as they lie at their relays: what a relay that was put back has lost,
//! it is given again.

use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{Entry, Incarnation, MailboxId, Sequence};
use rusqlite::{OptionalExtension, params};

use super::followed::{NOWHERE, sql};
use super::{Transaction, VaultFault};

pub(super) const TABLES: &str = "
    CREATE TABLE tails (
        number      INTEGER PRIMARY KEY,
        mailbox     BLOB NOT NULL,
        digest      BLOB NOT NULL,     -- SHA-256 of the entry
        incarnation BLOB NOT NULL,     -- where it stood last: life,
        sequence    INTEGER NOT NULL,  -- and place
        kept        INTEGER NOT NULL,  -- hour until which it is kept
        won         INTEGER,           -- the epoch that this commit ended
        rival       INTEGER,           -- the epoch that this commit would have ended, had another not been first
        early       INTEGER,           -- the epoch that it is of, and that we have not reached
        message     INTEGER,           -- the message of ours that it carries, until its epoch ends,
        doubt       INTEGER,           -- and whether others may have left that epoch before
        entry       BLOB NOT NULL,
        UNIQUE (mailbox, digest)
    ) STRICT;
    CREATE INDEX tails_kept ON tails (kept);
    CREATE INDEX tails_won ON tails (mailbox, won) WHERE won IS NOT NULL;
    CREATE INDEX tails_early ON tails (mailbox, early) WHERE early IS NOT NULL;
    CREATE INDEX tails_message ON tails (mailbox) WHERE message IS NOT NULL;
";

/// Hours for which an entry is kept: a copy of a relay that is older than a week has lost more than this gives back.
const KEPT_HOURS: u32 = 8 * 24;

/// Bytes of entries that are kept of one log; the oldest go first, but for those that wait for their epoch.
const MAX_BYTES: i64 = 8 << 20;

/// Entries that are given back at once, and their bytes.
const SLICE: u32 = 256;
const SLICE_BYTES: usize = 1 << 20;

/// An entry that a log has lost.
pub(crate) struct Lost {
    pub(crate) entry: Entry,
    pub(crate) digest: [u8; 32],
    /// Whether it was a commit that ended an epoch.
    pub(crate) is_winner: bool,
}

/// Whether others may have left the epoch of a message of ours before it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Doubt {
    /// Its log has lost nothing.
    None,
    /// Its log may have lost commits, which are said to be given back when they are.
    IfSaid,
    /// Its log is given back what it has lost.
    Now,
}

/// Where an entry stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) mailbox: MailboxId,
    pub(crate) incarnation: Incarnation,
    pub(crate) sequence: Sequence,
}

/// Keeps an entry that stands there now.
pub(crate) fn keep(
    tx: &Transaction<'_>,
    place: &Place,
    digest: &[u8; 32],
    entry: &Entry,
    now: Timestamp,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "INSERT INTO tails (mailbox, digest, incarnation, sequence, kept, entry) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET incarnation = excluded.incarnation, sequence = excluded.sequence
             WHERE incarnation <> excluded.incarnation OR sequence <> excluded.sequence",
        )?
        .execute(params![
            place.mailbox.0,
            digest,
            place.incarnation.0,
            sql(place.sequence.0),
            now.round_up().plus(KEPT_HOURS).0,
            &entry.bytes()[..]
        ])?;
    Ok(())
}

/// Entries behind a place stand nowhere any more: the relay says that it never had them there.
pub(crate) fn unplace(tx: &Transaction<'_>, last: &Place) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE tails SET incarnation = ? WHERE mailbox = ? AND incarnation = ? AND sequence > ?")?
        .execute(params![NOWHERE, last.mailbox.0, last.incarnation.0, sql(last.sequence.0)])?;
    Ok(())
}

/// How many entries stand nowhere in a log that lives so.
pub(crate) fn count_lost(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
) -> Result<u64, VaultFault> {
    let mut statement = tx.sql().prepare_cached("SELECT count(*) FROM tails WHERE mailbox = ? AND incarnation <> ?")?;
    Ok(statement.query_row(params![mailbox.0, incarnation.0], |row| row.get::<_, u32>(0))?.into())
}

/// The first of those, in the order in which they stood: as many as are given back at once.
pub(crate) fn lost(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
) -> Result<Vec<Lost>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "SELECT entry, digest, won IS NOT NULL FROM tails WHERE mailbox = ? AND incarnation <> ? ORDER BY sequence, number LIMIT ?",
    )?;
    let rows = statement.query_map(params![mailbox.0, incarnation.0, SLICE], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get(2)?))
    })?;
    let (mut entries, mut bytes) = (Vec::new(), 0_usize);
    for row in rows {
        let (entry, digest, is_winner) = row?;
        bytes = bytes.saturating_add(entry.len());
        entries.extend(Entry::parse(entry.into()).ok().map(|entry| Lost { entry, digest, is_winner }));
        if bytes >= SLICE_BYTES {
            break;
        }
    }
    Ok(entries)
}

/// Notes that an entry was the commit which ended an epoch.
pub(crate) fn won(tx: &Transaction<'_>, mailbox: &MailboxId, digest: &[u8; 32], epoch: u64) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE tails SET won = ? WHERE mailbox = ? AND digest = ?")?.execute(params![
        sql(epoch),
        mailbox.0,
        digest
    ])?;
    Ok(())
}

/// Notes that an entry was a commit of an epoch which another one had ended.
pub(crate) fn set_rival(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    digest: &[u8; 32],
    epoch: u64,
) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE tails SET rival = ? WHERE mailbox = ? AND digest = ?")?.execute(params![
        sql(epoch),
        mailbox.0,
        digest
    ])?;
    Ok(())
}

/// The epoch that an entry would have ended, if it is such a commit.
pub(crate) fn rival(tx: &Transaction<'_>, mailbox: &MailboxId, digest: &[u8; 32]) -> Result<Option<u64>, VaultFault> {
    let epoch: Option<i64> = tx
        .sql()
        .prepare_cached("SELECT rival FROM tails WHERE mailbox = ? AND digest = ? AND rival IS NOT NULL")?
        .query_row(params![mailbox.0, digest], |row| row.get(0))
        .optional()?;
    Ok(epoch.and_then(|epoch| u64::try_from(epoch).ok()))
}

/// Whether the commit that ended an epoch is lost to a log that lives so.
pub(crate) fn winner_is_lost(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    epoch: u64,
) -> Result<bool, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT 1 FROM tails WHERE mailbox = ? AND won = ? AND incarnation <> ?")?
        .exists(params![mailbox.0, sql(epoch), incarnation.0])?)
}

/// Notes that an entry is of an epoch that we have not reached.
pub(crate) fn set_early(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    digest: &[u8; 32],
    epoch: u64,
) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE tails SET early = ? WHERE mailbox = ? AND digest = ?")?.execute(params![
        sql(epoch),
        mailbox.0,
        digest
    ])?;
    Ok(())
}

/// The first entry that came before its epoch, which has come now.
pub(crate) fn take_early(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    epoch: u64,
) -> Result<Option<(Place, Entry)>, VaultFault> {
    let row = tx
        .sql()
        .prepare_cached(
            "UPDATE tails SET early = NULL WHERE number =
                 (SELECT number FROM tails WHERE mailbox = ? AND early = ? ORDER BY sequence, number LIMIT 1)
             RETURNING incarnation, sequence, entry",
        )?
        .query_row(params![mailbox.0, sql(epoch)], |row| {
            let sequence = Sequence(u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0));
            let place = Place { mailbox: *mailbox, incarnation: Incarnation(row.get(0)?), sequence };
            Ok((place, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()?;
    Ok(row.and_then(|(place, bytes)| Some((place, Entry::parse(bytes.into()).ok()?))))
}

/// Notes that an entry carries a message of ours.
pub(crate) fn set_message(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    digest: &[u8; 32],
    message: i64,
    doubt: Doubt,
) -> Result<(), VaultFault> {
    let doubt = match doubt {
        Doubt::None => 0,
        Doubt::IfSaid => 1,
        Doubt::Now => 2,
    };
    tx.sql()
        .prepare_cached("UPDATE tails SET message = ?, doubt = ? WHERE mailbox = ? AND digest = ?")?
        .execute(params![message, doubt, mailbox.0, digest])?;
    Ok(())
}

/// Forgets which entries carry messages of ours, and gives those of them that do not stand before a place of their log, and
/// those in doubt; where nothing is `said` of that place, only those in doubt now.
pub(crate) fn take_messages(tx: &Transaction<'_>, before: &Place, said: bool) -> Result<Vec<i64>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "SELECT message FROM tails
         WHERE mailbox = ? AND message IS NOT NULL AND (incarnation <> ? OR sequence > ? OR doubt >= ?)",
    )?;
    let Place { mailbox, incarnation, sequence } = before;
    let least = if said { 1 } else { 2 };
    let rows = statement.query_map(params![mailbox.0, incarnation.0, sql(sequence.0), least], |row| row.get(0))?;
    let messages = rows.collect::<Result<_, _>>()?;
    tx.sql()
        .prepare_cached("UPDATE tails SET message = NULL WHERE mailbox = ? AND message IS NOT NULL")?
        .execute([mailbox.0])?;
    Ok(messages)
}

/// Keeps nothing of a mailbox any more.
pub(crate) fn forget(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM tails WHERE mailbox = ?")?.execute([mailbox.0])?;
    Ok(())
}

/// Forgets what was kept long enough, and what there is no room for.
pub(crate) fn forget_old(tx: &Transaction<'_>, now: Timestamp) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM tails WHERE kept < ?")?.execute([sql(now.0 / 3600)])?;
    tx.sql()
        .prepare_cached(
            "DELETE FROM tails WHERE early IS NULL AND number IN (SELECT number FROM
                 (SELECT number, sum(length(entry)) OVER (PARTITION BY mailbox ORDER BY number DESC) AS newer FROM tails)
             WHERE newer > ?)",
        )?
        .execute([MAX_BYTES])?;
    Ok(())
}
