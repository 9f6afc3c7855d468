//! The engine of tests and simulations: rows in a map, durable as long as the process.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::engine::{Batch, Engine, Key, Row};
use super::fault::StoreFault;
use crate::threads::Mutex;

/// Rows in memory.
#[derive(Default)]
pub(crate) struct Memory {
    rows: Mutex<BTreeMap<Key, Row>>,
}

impl Engine for Memory {
    fn header(&self, key: &[u8]) -> Result<Option<Bytes>, StoreFault> {
        Ok(self.rows.lock().get(key).map(|row| row.header.clone()))
    }

    fn row(&self, key: &[u8]) -> Result<Option<Row>, StoreFault> {
        Ok(self.rows.lock().get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<(Key, Bytes)>, StoreFault> {
        let rows = self.rows.lock();
        let start = if from > prefix { from } else { prefix };
        Ok(rows
            .range(start.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, row)| (key.clone(), row.header.clone()))
            .collect())
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreFault> {
        let mut rows = self.rows.lock();
        for (key, row) in batch {
            match row {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreFault> {
        Ok(None)
    }
}
