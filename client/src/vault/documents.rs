//! Documents sent and received, and how far each chunk has come.

use relevo_protocol::wire::BlobId;
use rusqlite::{OptionalExtension, Row, params};
use zeroize::Zeroizing;

use super::{Part, Transaction, VaultFault};

pub(super) const TABLES: &str = "
    CREATE TABLE documents (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        state        INTEGER NOT NULL,
        conversation BLOB NOT NULL,
        author       BLOB NOT NULL,     -- trust::Proof
        manifest     BLOB NOT NULL,     -- Signed<Manifest>
        location     BLOB NOT NULL,     -- content::Location; chunks are added when all are sealed
        source       BLOB               -- path of the file that is being sent
    ) STRICT;
    CREATE TABLE chunks (
        document INTEGER NOT NULL REFERENCES documents (number) ON DELETE CASCADE,
        place    INTEGER NOT NULL,
        blob     BLOB NOT NULL,
        done     INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (document, place)
    ) STRICT, WITHOUT ROWID;
";

/// How far a document has come. The numbers are on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DocumentState {
    /// Mine; chunks are on their way to the relay.
    Sending,
    /// Mine; posted in its conversation.
    Sent,
    /// Somebody's; not all chunks are here.
    Offered,
    /// Somebody's; all chunks are here and verified.
    Here,
    /// Mine; the file changed or vanished before it was sent whole.
    Failed,
}

impl DocumentState {
    const fn number(self) -> i64 {
        match self {
            Self::Sending => 0,
            Self::Sent => 1,
            Self::Offered => 2,
            Self::Here => 3,
            Self::Failed => 4,
        }
    }

    fn read(number: i64) -> Option<Self> {
        [Self::Sending, Self::Sent, Self::Offered, Self::Here, Self::Failed]
            .into_iter()
            .find(|state| state.number() == number)
    }
}

/// One document, as stored: signed and secret parts are still bytes.
pub(crate) struct DocumentRow {
    pub(crate) number: i64,
    pub(crate) state: DocumentState,
    pub(crate) conversation: Vec<u8>,
    pub(crate) author: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
    pub(crate) location: Zeroizing<Vec<u8>>,
    pub(crate) source: Option<Vec<u8>>,
}

/// Adds a document; its own number is given by the vault.
pub(crate) fn add(tx: &Transaction<'_>, row: &DocumentRow) -> Result<i64, VaultFault> {
    let DocumentRow { number: _, state, conversation, author, manifest, location, source } = row;
    tx.sql()
        .prepare_cached(
            "INSERT INTO documents (state, conversation, author, manifest, location, source)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![state.number(), conversation, author, manifest, &location[..], source])?;
    Ok(tx.sql().last_insert_rowid())
}

pub(crate) fn find(tx: &Transaction<'_>, number: i64) -> Result<Option<DocumentRow>, VaultFault> {
    tx.sql()
        .prepare_cached("SELECT * FROM documents WHERE number = ?1")?
        .query_row([number], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

/// Whether a document with this signed manifest is known in a conversation.
pub(crate) fn is_known(tx: &Transaction<'_>, conversation: &[u8], manifest: &[u8]) -> Result<bool, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT 1 FROM documents WHERE conversation = ?1 AND manifest = ?2")?
        .exists(params![conversation, manifest])?)
}

pub(crate) fn list(tx: &Transaction<'_>) -> Result<Vec<DocumentRow>, VaultFault> {
    tx.sql()
        .prepare_cached("SELECT * FROM documents ORDER BY number")?
        .query_map([], |row| Ok(read(row)))?
        .map(|row| row?)
        .collect()
}

pub(crate) fn set_state(tx: &Transaction<'_>, number: i64, state: DocumentState) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE documents SET state = ?2 WHERE number = ?1")?
        .execute(params![number, state.number()])?;
    Ok(())
}

/// Notes that a document of ours is posted in a conversation, and where it lies.
pub(crate) fn posted(
    tx: &Transaction<'_>,
    number: i64,
    conversation: &[u8],
    location: &[u8],
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE documents SET conversation = ?2, location = ?3, state = ?4 WHERE number = ?1")?
        .execute(params![number, conversation, location, DocumentState::Sent.number()])?;
    Ok(())
}

/// Records the blob that a chunk was sealed into. A chunk keeps its first blob for ever: sealing other bytes in its
/// place would use a nonce twice.
pub(crate) fn add_chunk(tx: &Transaction<'_>, number: i64, place: u32, blob: &BlobId) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("INSERT OR IGNORE INTO chunks (document, place, blob) VALUES (?1, ?2, ?3)")?
        .execute(params![number, place, blob.0])?;
    Ok(())
}

pub(crate) fn chunk(tx: &Transaction<'_>, number: i64, place: u32) -> Result<Option<BlobId>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT blob FROM chunks WHERE document = ?1 AND place = ?2")?
        .query_row(params![number, place], |row| row.get(0))
        .optional()?
        .map(BlobId))
}

pub(crate) fn chunk_done(tx: &Transaction<'_>, number: i64, place: u32) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE chunks SET done = 1 WHERE document = ?1 AND place = ?2")?
        .execute(params![number, place])?;
    Ok(())
}

/// Chunks as stored, in order, each with whether it is done.
pub(crate) fn chunks(tx: &Transaction<'_>, number: i64) -> Result<Vec<(BlobId, bool)>, VaultFault> {
    let mut statement = tx.sql().prepare_cached("SELECT blob, done FROM chunks WHERE document = ?1 ORDER BY place")?;
    let rows = statement.query_map([number], |row| Ok((BlobId(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> Result<DocumentRow, VaultFault> {
    Ok(DocumentRow {
        number: row.get("number")?,
        state: DocumentState::read(row.get("state")?).ok_or(VaultFault::Damaged { what: Part::Row })?,
        conversation: row.get("conversation")?,
        author: row.get("author")?,
        manifest: row.get("manifest")?,
        location: Zeroizing::new(row.get("location")?),
        source: row.get("source")?,
    })
}
