//! The embedded default engine: sled 0.34.7 for rows, files beside it for large bodies.
//!
//! Its `flush()` calls only `sync_file_range` on Linux, which is no promise about power cuts: we sync its file
//! ourselves, through our own handle, after each flush and before anything is acknowledged. `flush_async` from many
//! tasks deadlocks, so only the writer flushes.
//!
//! ```text
//! lock      held while the store is open
//! index/    sled: db, conf, snap.*
//! bodies/   segments of bodies over 1 KiB, named by number in hex
//! blobs/    whole/<first byte>/<id>, partial/<id>
//! ballast   space for the day when the disk is full
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::config::StoreConfig;
use super::disk;
use super::engine::{Batch, Engine, Key, Row};
use super::fault::{BODY, INDEX, StoreFault};
use super::segments::{Pointer, Segments, Tail};

/// Bodies up to this length lie in the index: receipts and the shortest texts. A leaf of sled holds up to 17 rows and is written whole,
/// which made appends of 50 clients with 2 KiB dearer by 11 to 25 per cent; above 128 KiB it goes to a file of its own which sled
/// never syncs.
const INLINE: usize = 1 << 10;
/// Family of the rows that count what lives in a segment: c, then the segment as u32. No row of the store has it.
const COUNTS: &[u8] = b"c";

/// How long threads of sled's may take to end.
const ENDING: Duration = Duration::from_secs(10);

/// sled has an error of its own making for this.
fn is_locked(fault: &std::io::Error) -> bool {
    fault.to_string().starts_with("could not acquire lock")
}

/// Rows in sled, large bodies beside it.
pub(crate) struct Sled {
    rows: sled::Db,
    /// Our own handle of sled's file, to sync it.
    file: File,
    directory: PathBuf,
    segments: Segments,
    writing: Mutex<Writing>,
    /// Damage of the index was met, by whomever: nothing of sled's is used after it.
    damaged: AtomicBool,
    /// Held as long as the engine, so that no second process writes.
    _lock: File,
}

/// What only the writer uses.
struct Writing {
    tail: Tail,
    /// Bodies alive in each segment.
    live: HashMap<u32, u64>,
}

impl Sled {
    /// Opens or makes the engine in a directory that is locked by `lock`.
    pub(crate) fn open(directory: &Path, config: &StoreConfig, lock: File) -> Result<Self, StoreFault> {
        let index = directory.join("index");
        disk::private_directory(&index)?;
        let begun = Instant::now();
        let rows = loop {
            let opened = guarded(|| {
                sled::Config::new()
                    .path(&index)
                    .cache_capacity(config.cache_bytes)
                    // Only the writer flushes: a flush of sled's own would claim durability that it has not.
                    .flush_every_ms(None)
                    .open()
            });
            match opened {
                // Our own lock is ours: a thread of sled's is just ending, of a store that this process has closed.
                Err(StoreFault::Disk(fault)) if is_locked(&fault) && begun.elapsed() < ENDING => {
                    std::thread::sleep(ENDING / 1000);
                }
                opened => break opened?,
            }
        };
        let file = File::open(index.join("db"))?;
        file.sync_all()?;
        // A database whose configuration was lost in a power cut does not open again.
        File::open(index.join("conf"))?.sync_all()?;
        disk::sync_directory(&index)?;
        disk::sync_directory(directory)?;

        let (segments, tail) = Segments::open(&directory.join("bodies"))?;
        let mut live = HashMap::new();
        for (key, count) in guarded(|| rows.scan_prefix(COUNTS).collect::<Result<Vec<_>, _>>())? {
            let segment = key.strip_prefix(COUNTS).and_then(|key| key.try_into().ok()).map(u32::from_be_bytes);
            let count = count.as_ref().try_into().ok().map(u64::from_be_bytes);
            let (Some(segment), Some(count)) = (segment, count) else {
                return Err(StoreFault::Corrupt { what: "counts" });
            };
            live.insert(segment, count);
        }
        segments.retain(|segment| live.contains_key(&segment))?;
        Ok(Self {
            rows,
            file,
            directory: directory.to_path_buf(),
            segments,
            writing: Mutex::new(Writing { tail, live }),
            damaged: AtomicBool::new(false),
            _lock: lock,
        })
    }

    fn value(&self, key: &[u8]) -> Result<Option<Value>, StoreFault> {
        self.watched(|| guarded(|| self.rows.get(key))?.map(Value::decode).transpose())
    }

    /// Uses sled, unless its index was found damaged before. A reader is refused and the relay goes on until the writer
    /// comes here, within the pause of the sweeper: then the store fails, and commits nothing to what contradicts itself.
    fn watched<T>(&self, call: impl FnOnce() -> Result<T, StoreFault>) -> Result<T, StoreFault> {
        const DAMAGED: StoreFault = StoreFault::Corrupt { what: INDEX };
        if self.damaged.load(Ordering::Acquire) {
            return Err(DAMAGED);
        }
        let outcome = call();
        if matches!(outcome, Err(StoreFault::Corrupt { what: INDEX })) {
            self.damaged.store(true, Ordering::Release);
        }
        outcome
    }
}

impl Engine for Sled {
    fn header(&self, key: &[u8]) -> Result<Option<Bytes>, StoreFault> {
        Ok(self.value(key)?.map(|value| value.header))
    }

    fn row(&self, key: &[u8]) -> Result<Option<Row>, StoreFault> {
        let Some(Value { header, body }) = self.value(key)? else { return Ok(None) };
        let pointer = match body {
            Body::Inline(body) => return Ok(Some(Row { header, body })),
            Body::Beside(pointer) => pointer,
        };
        let body = self.segments.read(&pointer)?;
        // Its space is given back after the row is gone: while the row stands, what was read is the body.
        match (body, self.watched(|| guarded(|| self.rows.contains_key(key)))?) {
            (Some(body), true) => Ok(Some(Row { header, body })),
            (_, false) => Ok(None),
            (None, true) => Err(StoreFault::Corrupt { what: BODY }),
        }
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<(Key, Bytes)>, StoreFault> {
        let start = if from > prefix { from } else { prefix };
        let mut found = Vec::new();
        let inside = |row: &Result<(sled::IVec, sled::IVec), _>| match row {
            Ok((key, _)) => key.starts_with(prefix),
            Err(_) => true,
        };
        let rows = || self.rows.range(start..).take(limit).take_while(inside).collect::<Result<Vec<_>, _>>();
        self.watched(|| {
            for (key, value) in guarded(rows)? {
                found.push((key.to_vec(), Value::decode(value)?.header));
            }
            Ok(found)
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreFault> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Writing { tail, live } = &mut *writing;
        let mut rows = sled::Batch::default();
        let mut freed = Vec::new();
        let mut counted = HashMap::new();
        for (key, row) in batch {
            match row {
                Some(Row { header, body }) if body.len() > INLINE => {
                    let pointer = self.segments.append(tail, &body)?;
                    *counted.entry(pointer.segment).or_insert(0_i64) += 1;
                    rows.insert(key, Value { header, body: Body::Beside(pointer) }.encode()?);
                }
                Some(Row { header, body }) => rows.insert(key, Value { header, body: Body::Inline(body) }.encode()?),
                None => {
                    if let Some(Value { body: Body::Beside(pointer), .. }) = self.value(&key)? {
                        *counted.entry(pointer.segment).or_insert(0_i64) -= 1;
                        freed.push(pointer);
                    }
                    rows.remove(key);
                }
            }
        }
        let mut emptied = Vec::new();
        for (segment, change) in counted {
            let count = live.get(&segment).copied().unwrap_or(0).saturating_add_signed(change);
            let key = [COUNTS, &segment.to_be_bytes()].concat();
            if count == 0 {
                live.remove(&segment);
                rows.remove(key);
                emptied.push(segment);
            } else {
                live.insert(segment, count);
                rows.insert(key, &count.to_be_bytes());
            }
        }
        // Bodies first: no row may point at what a power cut can take.
        self.segments.sync(tail)?;
        self.watched(|| guarded(|| self.rows.apply_batch(rows)))?;
        self.watched(|| guarded(|| self.rows.flush()))?;
        self.file.sync_data()?;
        // The tail stays even when nothing lives in it: the next body goes there.
        emptied.retain(|segment| *segment != tail.segment());
        for pointer in freed.iter().filter(|pointer| !emptied.contains(&pointer.segment)) {
            self.segments.free(pointer)?;
        }
        for segment in emptied {
            self.segments.remove(segment)?;
        }
        Ok(())
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreFault> {
        Ok(Some(disk::free_bytes(&self.directory)?))
    }
}

/// A row as sled holds it: kind u8, length of the header u8 for kinds 1 and 2, header, then body or pointer.
struct Value {
    header: Bytes,
    body: Body,
}

enum Body {
    Inline(Bytes),
    Beside(Pointer),
}

impl Value {
    const PLAIN: u8 = 0;
    const INLINE: u8 = 1;
    const BESIDE: u8 = 2;

    fn encode(&self) -> Result<Vec<u8>, StoreFault> {
        let Self { header, body } = self;
        let body: (u8, &[u8]) = match body {
            Body::Inline(body) if body.is_empty() => return Ok([&[Self::PLAIN], header.as_ref()].concat()),
            Body::Inline(body) => (Self::INLINE, body),
            Body::Beside(pointer) => (Self::BESIDE, &pointer.encode()),
        };
        let length = u8::try_from(header.len()).map_err(|_| StoreFault::Corrupt { what: "header" })?;
        Ok([&[body.0, length], header.as_ref(), body.1].concat())
    }

    fn decode(value: sled::IVec) -> Result<Self, StoreFault> {
        const FAULT: StoreFault = StoreFault::Corrupt { what: INDEX };
        let mut rest = Bytes::from_owner(value);
        let kind = *rest.first().ok_or(FAULT)?;
        let _kind = rest.split_to(1);
        if kind == Self::PLAIN {
            return Ok(Self { header: rest, body: Body::Inline(Bytes::new()) });
        }
        let length = usize::from(*rest.first().ok_or(FAULT)?);
        let _length = rest.split_to(1);
        if rest.len() < length {
            return Err(FAULT);
        }
        let header = rest.split_to(length);
        let body = match kind {
            Self::INLINE => Body::Inline(rest),
            Self::BESIDE => Body::Beside(Pointer::decode(&rest).ok_or(FAULT)?),
            _ => return Err(FAULT),
        };
        Ok(Self { header, body })
    }
}

/// Calls sled. It asserts where a damaged file contradicts itself; that is damage here, never a panic: nothing of
/// sled's is used after one, which [`Sled::watched`] holds.
fn guarded<T>(call: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, StoreFault> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        Ok(outcome) => outcome.map_err(fault),
        Err(_panic) => Err(StoreFault::Corrupt { what: INDEX }),
    }
}

/// sled's errors as ours. Its texts name paths and offsets, never keys.
fn fault(error: sled::Error) -> StoreFault {
    match error {
        sled::Error::Io(error) => error.into(),
        // The last three too: we ask for nothing that it does not support, so it is its files that ask.
        sled::Error::Corruption { .. }
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_) => StoreFault::Corrupt { what: INDEX },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(directory: &Path) -> Sled {
        let config = StoreConfig { cache_bytes: 4 << 20, ..StoreConfig::default() };
        Sled::open(directory, &config, File::create(directory.join("lock")).unwrap()).unwrap()
    }

    fn row(header: &'static [u8]) -> Option<Row> {
        Some(Row { header: Bytes::from_static(header), body: Bytes::new() })
    }

    fn is_damage<T>(outcome: &Result<T, StoreFault>) -> bool {
        matches!(outcome, Err(StoreFault::Corrupt { what: INDEX }))
    }

    #[test]
    fn what_a_reader_meets_in_the_index_stops_the_writer() {
        let directory = tempfile::tempdir().unwrap();
        let sled = opened(directory.path());
        sled.commit(vec![(b"m1".to_vec(), row(b"sound"))]).unwrap();
        assert!(!is_damage(&sled.header(b"m1")));
        sled.rows.insert(b"m2", &[9]).unwrap();
        assert!(is_damage(&sled.header(b"m2")), "no kind of row is 9");
        assert!(is_damage(&sled.header(b"m1")), "nothing of the index is used any more");
        assert!(is_damage(&sled.scan(b"m", b"m", 1)));
        assert!(is_damage(&sled.commit(vec![(b"m3".to_vec(), row(b"more"))])));
        assert!(!sled.rows.contains_key(b"m3").unwrap(), "nothing was committed");
    }

    #[test]
    fn an_assertion_of_sleds_that_a_reader_meets_stops_the_writer() {
        let directory = tempfile::tempdir().unwrap();
        let sled = opened(directory.path());
        let asserted: Result<(), _> = sled.watched(|| guarded(|| panic!("planted")));
        assert!(is_damage(&asserted));
        assert!(is_damage(&sled.commit(vec![(b"m1".to_vec(), row(b"more"))])));
    }
}
