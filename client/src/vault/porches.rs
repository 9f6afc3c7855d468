//! Welcomes that are too large for an inbox, on their way in and out.

use relevo_protocol::content::{GroupId, Welcome, decode, encode_secret};
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::MailboxId;
use rusqlite::{OptionalExtension, params};

use super::fault::Part;
use super::{Transaction, VaultFault};

pub(super) const TABLES: &str = "
    CREATE TABLE porches_out (
        mailbox      BLOB PRIMARY KEY,
        conversation BLOB NOT NULL,
        guests       BLOB NOT NULL     -- the parcels to send when the last part is stored
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE porches_in (
        number  INTEGER PRIMARY KEY AUTOINCREMENT,
        mailbox BLOB NOT NULL UNIQUE,
        sender  BLOB NOT NULL,
        conversation BLOB NOT NULL,
        welcome BLOB NOT NULL
    ) STRICT;
    CREATE TABLE porch_parts (
        number  INTEGER PRIMARY KEY AUTOINCREMENT,
        mailbox BLOB NOT NULL,
        part    BLOB NOT NULL
    ) STRICT;
";

pub(crate) fn put_out(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    group: &GroupId,
    guests: &[u8],
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("INSERT INTO porches_out (mailbox, conversation, guests) VALUES (?, ?, ?)")?
        .execute(params![mailbox.0, group.0, guests])?;
    Ok(())
}

/// Takes what was to be sent when the log is complete.
pub(crate) fn take_out(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<Option<Vec<u8>>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("DELETE FROM porches_out WHERE mailbox = ? RETURNING guests")?
        .query_row([mailbox.0], |row| row.get(0))
        .optional()?)
}

pub(crate) fn put_in(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    sender: &MemberKey,
    welcome: &Welcome,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "INSERT OR IGNORE INTO porches_in (mailbox, sender, conversation, welcome) VALUES (?, ?, ?, ?)",
        )?
        .execute(params![mailbox.0, sender.as_bytes(), welcome.group.0, encode_secret(welcome).as_slice()])?;
    Ok(())
}

/// The welcome whose parts come in a log, and who sent it.
pub(crate) fn find_in(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<Option<(MemberKey, Welcome)>, VaultFault> {
    let found: Option<([u8; 32], Vec<u8>)> = tx
        .sql()
        .prepare_cached("SELECT sender, welcome FROM porches_in WHERE mailbox = ?")?
        .query_row([mailbox.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((sender, welcome)) = found else { return Ok(None) };
    let welcome = decode(&welcome).map_err(|_| VaultFault::Damaged { what: Part::Row })?;
    Ok(Some((MemberKey::new(sender), welcome)))
}

/// The logs of the welcomes that wait and came from a member, and their conversations, in the order in which they came.
pub(crate) fn of(tx: &Transaction<'_>, sender: &MemberKey) -> Result<Vec<(MailboxId, GroupId)>, VaultFault> {
    let mut statement =
        tx.sql().prepare_cached("SELECT mailbox, conversation FROM porches_in WHERE sender = ? ORDER BY number")?;
    let rows = statement.query_map([sender.as_bytes()], |row| Ok((MailboxId(row.get(0)?), GroupId(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps one part more and gives all that are there, in order.
pub(crate) fn add_part(tx: &Transaction<'_>, mailbox: &MailboxId, part: &[u8]) -> Result<Vec<Vec<u8>>, VaultFault> {
    tx.sql()
        .prepare_cached("INSERT INTO porch_parts (mailbox, part) VALUES (?, ?)")?
        .execute(params![mailbox.0, part])?;
    let mut statement = tx.sql().prepare_cached("SELECT part FROM porch_parts WHERE mailbox = ? ORDER BY number")?;
    Ok(statement.query_map([mailbox.0], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Forgets a welcome that has come in, or is not wanted.
pub(crate) fn remove_in(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM porches_in WHERE mailbox = ?")?.execute([mailbox.0])?;
    tx.sql().prepare_cached("DELETE FROM porch_parts WHERE mailbox = ?")?.execute([mailbox.0])?;
    Ok(())
}
