//! The tables: each noun under `vault/` declares its own, this file lists them and keeps the version.

use std::path::Path;

use relevo_protocol::secret::Secret;
use rusqlite::{Connection, TransactionBehavior};

use super::{
    checkpoints, connection, conversations, documents,
    fault::{Part, VaultFault},
    followed, held, intentions, messages, mls_storage, outbox, porches, promises, records, relays, settings, tails,
};

/// The schema this program writes. From the first release on, a change adds a step from the version before.
const VERSION: i64 = 1;

/// Every noun's tables, in the order their references need.
const TABLES: &[&str] = &[
    settings::TABLES,
    mls_storage::TABLES,
    relays::TABLES,
    followed::TABLES,
    promises::TABLES,
    tails::TABLES,
    outbox::TABLES,
    documents::TABLES,
    conversations::TABLES,
    messages::TABLES,
    intentions::TABLES,
    porches::TABLES,
    held::TABLES,
    checkpoints::TABLES,
    records::TABLES,
];

/// Makes a whole database at `path` and has it on disk, in one file.
pub(super) fn create(path: &Path, key: &Secret<32>) -> Result<(), VaultFault> {
    let mut connection = connection::create(path, key)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for tables in TABLES {
        transaction.execute_batch(tables)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    connection::purge(&connection)?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(std::fs::File::open(path)?.sync_all()?)
}

/// Opens the database at `path`, if this program knows its schema.
pub(super) fn open(path: &Path, key: &Secret<32>) -> Result<Connection, VaultFault> {
    let connection = connection::open(path, key)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        VERSION => Ok(connection),
        later if later > VERSION => Err(VaultFault::TooNew),
        _ => Err(VaultFault::Damaged { what: Part::Database }),
    }
}
