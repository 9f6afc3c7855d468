//! Welcomes into conversations in which this device is still, until their logs are read.

use relevo_protocol::content::{GroupId, Welcome, decode, encode_secret};
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Incarnation, MailboxId, Sequence};
use rusqlite::params;

use super::conversations::{sql, unsql};
use super::fault::Part;
use super::{Transaction, VaultFault};

/// One of each sender: a second one is the better one.
pub(super) const TABLES: &str = "
    CREATE TABLE held_welcomes (
        conversation BLOB NOT NULL,
        sender       BLOB NOT NULL,
        welcome      BLOB NOT NULL,
        mls          BLOB NOT NULL,
        mailbox      BLOB,              -- the log of which the relay was asked where it stands
        incarnation  BLOB,              -- and its answer; absent where there is nothing to be read
        upto         INTEGER,
        PRIMARY KEY (conversation, sender)
    ) STRICT, WITHOUT ROWID;
";

/// Senders whose welcomes into one conversation are kept.
const SENDERS: i64 = 8;

/// A welcome that waits.
pub(crate) struct Held {
    pub(crate) sender: MemberKey,
    /// The log of which the relay was asked where it stands.
    pub(crate) mailbox: Option<MailboxId>,
    pub(crate) upto: Upto,
    pub(crate) welcome: Welcome,
    /// MLS's Welcome.
    pub(crate) bytes: Vec<u8>,
}

/// What is to be read before a welcome is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Upto {
    /// The relay has not answered.
    Unknown,
    /// Everything up to this entry.
    Entry(Incarnation, Sequence),
    /// Nothing more will come.
    Nothing,
}

/// Keeps a welcome; not one more than there is room for.
pub(crate) fn put(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    sender: &MemberKey,
    welcome: &Welcome,
    bytes: &[u8],
) -> Result<bool, VaultFault> {
    remove(tx, conversation, sender)?;
    let put = tx
        .sql()
        .prepare_cached(
            "INSERT INTO held_welcomes (conversation, sender, welcome, mls) SELECT ?1, ?2, ?3, ?4
             WHERE (SELECT count(*) FROM held_welcomes WHERE conversation = ?1) < ?5",
        )?
        .execute(params![conversation.0, sender.as_bytes(), encode_secret(welcome).as_slice(), bytes, SENDERS])?;
    Ok(put > 0)
}

/// Notes that the relay is asked where a log stands.
pub(crate) fn asked(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    sender: &MemberKey,
    mailbox: &MailboxId,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "UPDATE held_welcomes SET mailbox = ?, incarnation = NULL, upto = NULL
             WHERE conversation = ? AND sender = ?",
        )?
        .execute(params![mailbox.0, conversation.0, sender.as_bytes()])?;
    Ok(())
}

/// Notes what is to be read of a log before the welcome of a sender, or of each who waits for that log, is judged.
pub(crate) fn stands(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    sender: Option<&MemberKey>,
    mailbox: &MailboxId,
    upto: Upto,
) -> Result<(), VaultFault> {
    let (incarnation, sequence) = match upto {
        Upto::Unknown => (None, None),
        Upto::Entry(incarnation, sequence) => (Some(incarnation.0), Some(sql(sequence.0))),
        Upto::Nothing => (None, Some(0)),
    };
    tx.sql()
        .prepare_cached(
            "UPDATE held_welcomes SET incarnation = ?1, upto = ?2
             WHERE conversation = ?3 AND mailbox = ?4 AND (?5 IS NULL OR sender = ?5)",
        )?
        .execute(params![incarnation, sequence, conversation.0, mailbox.0, sender.map(MemberKey::as_bytes)])?;
    Ok(())
}

/// The welcomes into a conversation that wait.
pub(crate) fn of(tx: &Transaction<'_>, conversation: &GroupId) -> Result<Vec<Held>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "SELECT sender, mailbox, incarnation, upto, welcome, mls FROM held_welcomes WHERE conversation = ?",
    )?;
    let rows = statement.query_map([conversation.0], |row| {
        let upto = match (row.get::<_, Option<[u8; 8]>>(2)?, row.get::<_, Option<i64>>(3)?) {
            (_, None) => Upto::Unknown,
            (Some(incarnation), Some(upto)) => Upto::Entry(Incarnation(incarnation), Sequence(unsql(upto))),
            (None, Some(_)) => Upto::Nothing,
        };
        let mailbox = row.get::<_, Option<[u8; 16]>>(1)?.map(MailboxId);
        Ok((MemberKey::new(row.get(0)?), mailbox, upto, row.get::<_, Vec<u8>>(4)?, row.get(5)?))
    })?;
    rows.map(|row| {
        let (sender, mailbox, upto, welcome, bytes) = row?;
        let welcome = decode(&welcome).map_err(|_| VaultFault::Damaged { what: Part::Row })?;
        Ok(Held { sender, mailbox, upto, welcome, bytes })
    })
    .collect()
}

/// Forgets a welcome.
pub(crate) fn remove(tx: &Transaction<'_>, conversation: &GroupId, sender: &MemberKey) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("DELETE FROM held_welcomes WHERE conversation = ? AND sender = ?")?
        .execute(params![conversation.0, sender.as_bytes()])?;
    Ok(())
}
