//! Rows that are durable and that the index has not taken in: readers look here first.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use super::engine::Key;
use super::journal::Rows;

/// The last rows, by key; none for one that goes.
#[derive(Default)]
pub(crate) struct Waiting(RwLock<BTreeMap<Key, Option<Bytes>>>);

impl Waiting {
    /// Shows rows that are durable to readers, all at once.
    pub(crate) fn hold(&self, rows: Rows) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(rows);
    }

    /// Forgets them: the index has them.
    pub(crate) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// All of them, as they are now.
    pub(crate) fn rows(&self) -> RwLockReadGuard<'_, BTreeMap<Key, Option<Bytes>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that begin with a prefix, from a key on.
    pub(crate) fn within(&self, prefix: &[u8], from: &[u8]) -> Rows {
        let rows = self.rows();
        let inside = rows.range(from.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        inside.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}
