//! What relays have answered or signed for places of mailboxes that this device has not read yet.

use relevo_protocol::time::Hour;
use relevo_protocol::wire::{Head, Incarnation, MailboxId, Sequence};
use rusqlite::{OptionalExtension, Row, params};

use super::followed::sql;
use super::{Transaction, VaultFault};

pub(super) const TABLES: &str = "
    CREATE TABLE promised_heads (
        mailbox     BLOB NOT NULL,
        incarnation BLOB NOT NULL,
        sequence    INTEGER NOT NULL,
        head        BLOB NOT NULL,
        expires     INTEGER NOT NULL,              -- hour before which the entry does not expire, 0 if nobody said
        digest      BLOB,                          -- SHA-256 of the entry of ours that it took there, if it is one of ours
        due         INTEGER NOT NULL DEFAULT 0,    -- made before the relay was last asked where the mailbox stands
        PRIMARY KEY (mailbox, incarnation, sequence)
    ) STRICT, WITHOUT ROWID;
";

/// Keeps a head that the relay has answered for, how long it said that the entry lives, and which of ours that is, until the
/// place is read. Gives what it promised for this place before.
pub(crate) fn promise(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    sequence: Sequence,
    head: Head,
    expires: Hour,
    digest: Option<[u8; 32]>,
) -> Result<Option<Promise>, VaultFault> {
    let before = tx
        .sql()
        .prepare_cached(
            "SELECT sequence, head, expires, digest FROM promised_heads
             WHERE mailbox = ? AND incarnation = ? AND sequence = ?",
        )?
        .query_row(params![mailbox.0, incarnation.0, sql(sequence.0)], promised)
        .optional()?;
    tx.sql()
        .prepare_cached(
            "INSERT INTO promised_heads (mailbox, incarnation, sequence, head, expires, digest)
             VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET
                expires = max(expires, excluded.expires), digest = coalesce(digest, excluded.digest)",
        )?
        .execute(params![mailbox.0, incarnation.0, sql(sequence.0), head.0, expires.0, digest])?;
    Ok(before)
}

/// Notes that the relay is asked where a mailbox stands: what it promised before, its answer has to bear out. What it
/// promises while the question is under way, the answer need not know.
pub(crate) fn call_in(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE promised_heads SET due = 1 WHERE mailbox = ? AND due = 0")?.execute([mailbox.0])?;
    Ok(())
}

/// Takes the promises due that a mailbox which lives so, and whose last entry stands there, does not keep: those after
/// its last entry, and those of other lives.
pub(crate) fn take_broken(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    last: Sequence,
) -> Result<Option<Sequence>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "DELETE FROM promised_heads WHERE mailbox = ?1 AND due = 1 AND (incarnation <> ?2 OR sequence > ?3)
         RETURNING sequence",
    )?;
    let broken = statement.query_map(params![mailbox.0, incarnation.0, sql(last.0)], |row| row.get::<_, i64>(0))?;
    let broken = broken.collect::<Result<Vec<_>, _>>()?;
    Ok(broken.into_iter().min().map(|first| Sequence(u64::try_from(first).unwrap_or(0))))
}

/// Forgets what was promised in other lives of a mailbox.
pub(crate) fn forget_other_lives(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("DELETE FROM promised_heads WHERE mailbox = ? AND incarnation <> ?")?
        .execute(params![mailbox.0, incarnation.0])?;
    Ok(())
}

/// What the relay promised for one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Promise {
    pub(crate) sequence: Sequence,
    pub(crate) head: Head,
    /// Hour before which the entry does not expire.
    pub(crate) expires: Hour,
    /// SHA-256 of the entry, if it is one of ours.
    pub(crate) digest: Option<[u8; 32]>,
}

impl Promise {
    /// Whether this place cannot hold an entry of that head, or not the one of ours with that digest.
    pub(crate) fn denies(&self, head: Head, digest: Option<[u8; 32]>) -> bool {
        let another = self.digest.zip(digest).is_some_and(|(ours, there)| ours != there);
        self.head != head || another
    }
}

/// Takes what the relay promised for the places up to this one, oldest first.
pub(crate) fn take(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    incarnation: Incarnation,
    upto: Sequence,
) -> Result<Vec<Promise>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "DELETE FROM promised_heads WHERE mailbox = ? AND incarnation = ? AND sequence <= ?
         RETURNING sequence, head, expires, digest",
    )?;
    let promises = statement.query_map(params![mailbox.0, incarnation.0, sql(upto.0)], promised)?;
    let mut promises = promises.collect::<Result<Vec<_>, _>>()?;
    promises.sort_unstable_by_key(|promise| promise.sequence);
    Ok(promises)
}

fn promised(row: &Row<'_>) -> rusqlite::Result<Promise> {
    let sequence = Sequence(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0));
    Ok(Promise { sequence, head: Head(row.get(1)?), expires: Hour(row.get(2)?), digest: row.get(3)? })
}

/// Forgets all that was promised for a mailbox.
pub(super) fn forget(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM promised_heads WHERE mailbox = ?")?.execute([mailbox.0])?;
    Ok(())
}
