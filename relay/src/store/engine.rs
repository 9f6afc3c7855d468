//! What the ledger stands on: ordered rows, changed in batches that are durable when `commit` returns.

use bytes::Bytes;

use super::fault::StoreFault;

/// Key of a row; see [`super::keys`] for the families.
pub(crate) type Key = Vec<u8>;

/// A row as it is written: a header, and for entries and blobs a body that the engine may keep elsewhere.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Row {
    /// What scans and rules need.
    pub(crate) header: Bytes,
    /// The entry, or the blob's bytes; empty for all other rows. A key with a body is never written twice.
    pub(crate) body: Bytes,
}

/// Writes and removals of one batch, in the order of their keys.
pub(crate) type Batch = Vec<(Key, Option<Row>)>;

/// A durable, ordered map. Readers may be many; `commit` is called by the one writer only.
pub(crate) trait Engine: Send + Sync {
    /// Header of a row.
    fn header(&self, key: &[u8]) -> Result<Option<Bytes>, StoreFault>;

    /// A whole row.
    fn row(&self, key: &[u8]) -> Result<Option<Row>, StoreFault>;

    /// Keys and headers from `from` on that begin with `prefix`, `limit` at most.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<(Key, Bytes)>, StoreFault>;

    /// Makes a batch durable. Readers see nothing of it before it is, then all of it at once: what somebody has read no power
    /// cut takes back. After an error nothing may be acknowledged any more.
    fn commit(&self, batch: Batch) -> Result<(), StoreFault>;

    /// Called by the writer from time to time when there is nothing to commit.
    fn tidy(&self) -> Result<(), StoreFault> {
        Ok(())
    }

    /// Free bytes of the disk under the engine; none where there is no disk.
    fn free_bytes(&self) -> Result<Option<u64>, StoreFault>;
}
