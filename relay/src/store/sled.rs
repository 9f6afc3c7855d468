//! The embedded default engine: a journal that makes batches durable, sled 0.34.7 as the index of their rows, files for
//! large bodies, which are the journal's.
//!
//! A batch is one record of the journal and one sync. Its rows wait in memory, before those of sled, until there are
//! [`WAITING`] of them, much is to be given back, or a minute has passed; then sled takes them all in at once. Its `flush()` calls only `sync_file_range` on Linux, which is
//! no promise about power cuts: we sync its file ourselves, through our own handle, before anything of the journal goes.
//! `flush_async` from many tasks deadlocks, so only the writer flushes.
//!
//! ```text
//! lock      held while the store is open
//! index/    sled: db, conf, snap.*
//! bodies/   segments: the journal and the bodies over 1 KiB, named by number in hex
//! blobs/    partial/<id>: what broken puts have left
//! ballast   space for the day when the disk is full
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::config::StoreConfig;
use super::disk;
use super::engine::{Batch, Engine, Key, Row};
use super::fault::{BODY, INDEX, JOURNAL, StoreFault};
use super::journal::{self, Journal, Start};
use super::segments::{PAGE, Pointer, Segments, Span, to_u64};
use super::value::{Body, INLINE, Value};
use super::waiting::Waiting;

/// Family of the rows that count what lives in a segment: c, then the segment as u32. No row of the store has it.
const COUNTS: &[u8] = b"c";
/// The row that says from where sled lacks what the journal has.
const START: &[u8] = b"j";

/// Rows in memory, or records, at which sled takes them in. A thousand small messages: two syncs for all of them, and a start after
/// a kill reads no more than that.
const WAITING: usize = 1024;
/// Bytes of removed bodies at which it does. 8 MiB: a relay that is full has room again soon.
const SPACE: u64 = 8 << 20;
/// How long rows wait at most on a relay whose writer has anything to do: what was removed is not on the disk for much longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Turns for each row, in which sled frees what it gave up: some hundred things every 128th time that anybody enters it. A
/// batch enters once and gives up some for each row; a million mailboxes left 8 GiB without these.
const TURNS: usize = 16;

/// How long threads of sled's may take to end.
const ENDING: Duration = Duration::from_secs(10);

/// sled has an error of its own making for this.
fn is_locked(fault: &std::io::Error) -> bool {
    fault.to_string().starts_with("could not acquire lock")
}

/// Rows in sled, the last of them in memory, large bodies beside it.
pub(crate) struct Sled {
    rows: sled::Db,
    /// Rows that sled has not taken in.
    waiting: Waiting,
    /// Our own handle of sled's file, to sync it.
    file: File,
    directory: PathBuf,
    segments: Segments,
    writing: Mutex<Writing>,
    /// Damage of the index was met, by whomever: nothing of sled's is used after it.
    damaged: AtomicBool,
    /// Held as long as the engine, so that no second process writes.
    _lock: disk::Lock,
}

/// What only the writer uses.
struct Writing {
    journal: Journal,
    /// Bodies alive in each segment.
    live: HashMap<u32, u64>,
    /// What is space once sled has taken in the rows that wait: their records, and bodies whose rows have gone.
    freed: Vec<Span>,
    /// The last record stays: it shows when sled has lost what it had taken in.
    last: Option<Span>,
    /// Since when rows wait.
    since: Option<Instant>,
    /// A batch could not be made durable: none is after it.
    failed: bool,
}

impl Writing {
    fn is_due(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= PATIENCE)
    }
}

impl Sled {
    /// Opens the engine in a directory that is locked by `lock`, or makes it where none has been.
    pub(crate) fn open(
        directory: &Path,
        config: &StoreConfig,
        lock: disk::Lock,
        has_journal: bool,
    ) -> Result<Self, StoreFault> {
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

        // What an upgrade that was cut short has left is no start: the version before has gone on since.
        let begun = guarded(|| rows.get(START))?.filter(|_| has_journal);
        let begun =
            begun.map(|start| Start::decode(&start).ok_or(StoreFault::Corrupt { what: JOURNAL })).transpose()?;
        let last = begun.map_or(0, |start| start.segment);
        let (segments, tail) = Segments::open(&directory.join("bodies"), last)?;
        let start = match begun {
            Some(start) => start,
            None if has_journal => return Err(StoreFault::Corrupt { what: JOURNAL }),
            None => {
                let start = Start::new(tail.end().0)?;
                guarded(|| rows.insert(START, start.encode()).and_then(|_| rows.flush()))?;
                file.sync_data()?;
                start
            }
        };
        let records = journal::replay(&segments, &start)?;
        let journal = Journal::new(&start, records.len(), tail);
        let writing =
            Writing { journal, live: HashMap::new(), freed: Vec::new(), last: None, since: None, failed: false };
        let engine = Self {
            rows,
            waiting: Waiting::default(),
            file,
            directory: directory.to_path_buf(),
            segments,
            writing: Mutex::new(writing),
            damaged: AtomicBool::new(false),
            _lock: lock,
        };
        engine.resume(records, &start)?;
        Ok(engine)
    }

    /// Takes up what the journal had when the store was closed, and counts.
    fn resume(&self, records: Vec<journal::Record>, start: &Start) -> Result<(), StoreFault> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Writing { live, freed, last, since, .. } = &mut *writing;
        *since = (!records.is_empty()).then(Instant::now);
        for record in records {
            for (key, _) in record.rows.iter().filter(|(_, value)| value.is_none()) {
                freed.extend(self.pointer(key)?.map(|pointer| pointer.span()));
            }
            freed.extend(last.replace(record.head));
            self.waiting.hold(record.rows);
        }
        for (key, count) in self.scan(COUNTS, COUNTS, usize::MAX)? {
            let segment = key.strip_prefix(COUNTS).and_then(|key| key.try_into().ok()).map(u32::from_be_bytes);
            // The first layout wrote no kind: there the first byte of the count, which is nought, has been read as it.
            let is_count = (7..=8).contains(&count.len());
            let Some(segment) = segment.filter(|_| is_count) else {
                return Err(StoreFault::Corrupt { what: "counts" });
            };
            live.insert(segment, count.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        }
        self.segments.retain(|segment| live.contains_key(&segment) || segment >= start.segment)
    }

    /// Where the body of a row lies that has one beside the index.
    fn pointer(&self, key: &[u8]) -> Result<Option<Pointer>, StoreFault> {
        match self.value(key)? {
            Some(Value { body: Body::Beside(pointer), .. }) => Ok(Some(pointer)),
            Some(Value { body: Body::Inline(_), .. }) | None => Ok(None),
        }
    }

    /// Has sled take in the rows that wait, and gives back what is space then.
    fn take_in(&self, writing: &mut Writing) -> Result<(), StoreFault> {
        let mut rows = sled::Batch::default();
        for (key, value) in &*self.waiting.rows() {
            match value {
                Some(value) => rows.insert(key.as_slice(), value.as_ref()),
                None => rows.remove(key.as_slice()),
            }
        }
        rows.insert(START, writing.journal.end().encode());
        // As one: sled's own log says that all of it is there or nothing, and uses no part of its file again before.
        self.watched(|| guarded(|| self.rows.apply_batch(rows)))?;
        self.watched(|| guarded(|| self.rows.flush()))?;
        self.file.sync_data()?;
        for _ in 0..self.waiting.rows().len().saturating_mul(TURNS) {
            drop(sled::pin());
        }
        self.waiting.clear();
        writing.since = None;
        let (freed, tail) = (std::mem::take(&mut writing.freed), writing.journal.segment());
        let last = writing.last.map(|last| last.segment);
        // The tail stays even when nothing lives in it: the next batch goes there.
        let (kept, emptied): (Vec<_>, Vec<_>) = freed.into_iter().partition(|Span { segment, .. }| {
            *segment == tail || Some(*segment) == last || writing.live.contains_key(segment)
        });
        for span in kept {
            self.segments.free(&span)?;
        }
        for segment in emptied.into_iter().map(|span| span.segment).collect::<BTreeSet<_>>() {
            self.segments.remove(segment)?;
        }
        Ok(())
    }

    fn value(&self, key: &[u8]) -> Result<Option<Value>, StoreFault> {
        self.watched(|| {
            // In this order: a row leaves the memory when sled has it.
            let waits = self.waiting.rows().get(key).cloned();
            let value = match waits {
                Some(value) => value,
                None => guarded(|| self.rows.get(key))?.map(Bytes::from_owner),
            };
            value.map(Value::decode).transpose()
        })
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
        match (body, self.value(key)?.is_some()) {
            (Some(body), true) => Ok(Some(Row { header, body })),
            (_, false) => Ok(None),
            (None, true) => Err(StoreFault::Corrupt { what: BODY }),
        }
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<(Key, Bytes)>, StoreFault> {
        let start = if from > prefix { from } else { prefix };
        let is_inside = |key: &[u8]| key.starts_with(prefix);
        self.watched(|| {
            let waiting = self.waiting.within(prefix, start);
            let gone = waiting.iter().filter(|(_, value)| value.is_none()).count();
            let mut found = BTreeMap::new();
            let rows = || {
                let rows = self.rows.range(start..).take(limit.saturating_add(gone));
                rows.take_while(|row| row.as_ref().map_or(true, |(key, _)| is_inside(key)))
                    .collect::<Result<Vec<_>, _>>()
            };
            for (key, value) in guarded(rows)? {
                found.insert(key.to_vec(), Bytes::from_owner(value));
            }
            for (key, value) in waiting {
                match value {
                    Some(value) => found.insert(key, value),
                    None => found.remove(&key),
                };
            }
            found.into_iter().take(limit).map(|(key, value)| Ok((key, Value::decode(value)?.header))).collect()
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreFault> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if writing.failed {
            return Err(StoreFault::WriterDied);
        }
        let outcome = self.write(&mut writing, batch);
        writing.failed = outcome.is_err();
        outcome
    }

    fn tidy(&self) -> Result<(), StoreFault> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if !writing.is_due() || writing.failed {
            return Ok(());
        }
        let outcome = self.take_in(&mut writing);
        writing.failed = outcome.is_err();
        outcome
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreFault> {
        Ok(Some(disk::free_bytes(&self.directory)?))
    }
}

impl Sled {
    fn write(&self, writing: &mut Writing, batch: Batch) -> Result<(), StoreFault> {
        let mut rows = Vec::with_capacity(batch.len());
        let (mut bodies, mut behind) = (Vec::new(), 0);
        let mut counted = HashMap::new();
        let mut freed = Vec::new();
        let segment = writing.journal.begin(&self.segments);
        for (key, row) in batch {
            let value = match row {
                Some(Row { header, body }) if body.len() > INLINE => {
                    let length = u32::try_from(body.len()).map_err(|_| StoreFault::Corrupt { what: "body" })?;
                    let pointer = Pointer { segment, offset: behind, length, sum: Some(crc32fast::hash(&body)) };
                    behind = behind.saturating_add(to_u64(body.len().next_multiple_of(PAGE)));
                    bodies.push(body);
                    *counted.entry(segment).or_insert(0_i64) += 1;
                    Some(Value { header, body: Body::Beside(pointer) })
                }
                Some(Row { header, body }) => Some(Value { header, body: Body::Inline(body) }),
                None => {
                    if let Some(pointer) = self.pointer(&key)? {
                        *counted.entry(pointer.segment).or_insert(0_i64) -= 1;
                        freed.push(pointer.span());
                    }
                    None
                }
            };
            rows.push((key, value));
        }
        for (segment, change) in counted {
            let count = writing.live.get(&segment).copied().unwrap_or(0).saturating_add_signed(change);
            let header = Bytes::copy_from_slice(&count.to_be_bytes());
            let count = if count == 0 {
                writing.live.remove(&segment);
                None
            } else {
                writing.live.insert(segment, count);
                Some(Value { header, body: Body::Inline(Bytes::new()) })
            };
            rows.push(([COUNTS, &segment.to_be_bytes()].concat(), count));
        }
        self.watched(|| Ok(()))?;
        let (rows, record) = writing.journal.write(&self.segments, rows, &bodies)?;
        self.waiting.hold(rows);
        writing.freed.extend(freed);
        writing.freed.extend(writing.last.replace(record));
        writing.since.get_or_insert_with(Instant::now);
        let rows = self.waiting.rows().len();
        let space = writing.freed.iter().fold(0_u64, |sum, span| sum.saturating_add(span.length));
        let is_much = rows >= WAITING || writing.freed.len() >= WAITING || space >= SPACE;
        if is_much || writing.is_due() { self.take_in(writing) } else { Ok(()) }
    }
}

impl Drop for Sled {
    fn drop(&mut self) {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = !self.waiting.rows().is_empty();
        // All of it is durable: this only spares the next start the work.
        if waits
            && !writing.failed
            && let Err(fault) = self.take_in(&mut writing)
        {
            tracing::warn!(%fault, "the last rows stay in the journal");
        }
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
    use super::super::memory::Memory;
    use super::*;

    fn opened(directory: &Path) -> Sled {
        let config = StoreConfig { cache_bytes: 4 << 20, ..StoreConfig::default() };
        let lock = disk::Lock::take(File::create(directory.join("lock")).unwrap()).unwrap();
        Sled::open(directory, &config, lock, false).unwrap()
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
        assert!(!sled.waiting.rows().contains_key(b"m3".as_slice()), "nothing was committed");
    }

    /// Numbers by a fixed seed.
    fn draw(seed: &mut u64, below: usize) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*seed >> 33).unwrap() % below
    }

    #[test]
    fn what_waits_and_what_the_index_has_are_read_as_one() {
        let directory = tempfile::tempdir().unwrap();
        let (sled, memory) = (opened(directory.path()), Memory::default());
        let mut seed = 7;
        for round in 0..400_usize {
            let mut batch = BTreeMap::new();
            for _ in 0..draw(&mut seed, 20) {
                let key = format!("{}{:03}", ["m", "x"][draw(&mut seed, 2)], draw(&mut seed, 400)).into_bytes();
                let header = Bytes::from(vec![u8::try_from(round % 256).unwrap(); draw(&mut seed, 9)]);
                batch.insert(key, (draw(&mut seed, 3) > 0).then(|| Row { header, body: Bytes::new() }));
            }
            // A key with a body is never written twice.
            let body = Bytes::from(vec![1; 2000]);
            batch.insert(format!("e{round:03}").into_bytes(), Some(Row { header: Bytes::from("h"), body }));
            batch.insert(format!("e{:03}", round / 2).into_bytes(), None);
            let batch: Batch = batch.into_iter().collect();
            memory.commit(batch.clone()).unwrap();
            sled.commit(batch).unwrap();
            for prefix in [b"m".as_slice(), b"x", b"e"] {
                let from = [prefix, format!("{:03}", draw(&mut seed, 400)).as_bytes()].concat();
                let limit = [1, 5, 1000][draw(&mut seed, 3)];
                assert_eq!(sled.scan(prefix, &from, limit).unwrap(), memory.scan(prefix, &from, limit).unwrap());
            }
            let key = format!("e{:03}", draw(&mut seed, round + 1)).into_bytes();
            assert_eq!(sled.row(&key).unwrap(), memory.row(&key).unwrap());
        }
        let waiting = sled.waiting.rows().len();
        assert!(waiting < WAITING && !sled.rows.is_empty(), "some wait, and some the index has");
    }

    #[test]
    fn files_in_which_nothing_lives_go_when_the_index_has_their_rows() {
        let directory = tempfile::tempdir().unwrap();
        let body =
            |key: &str| (key.as_bytes().to_vec(), Some(Row { header: Bytes::new(), body: vec![1; 2000].into() }));
        for (number, key) in [("0", "e0"), ("1", "e1"), ("2", "e2")] {
            let sled = opened(directory.path());
            sled.commit(vec![body(key)]).unwrap();
            sled.commit(vec![(number.as_bytes().to_vec(), row(b"beside it"))]).unwrap();
        }
        let sled = opened(directory.path());
        assert_eq!(sled.segments.numbers().unwrap(), [1, 2, 3]);
        sled.commit(vec![(b"e1".to_vec(), None), (b"e2".to_vec(), None)]).unwrap();
        assert_eq!(sled.segments.numbers().unwrap(), [1, 2, 3, 4], "a power cut may bring them back");
        sled.take_in(&mut sled.writing.lock().unwrap()).unwrap();
        assert_eq!(sled.segments.numbers().unwrap(), [1, 4]);
        drop(sled);
        assert_eq!(opened(directory.path()).row(b"e0").unwrap().unwrap().body.len(), 2000);
    }

    #[test]
    fn rows_that_are_written_again_and_again_fill_no_disk() {
        let directory = tempfile::tempdir().unwrap();
        let sled = opened(directory.path());
        for _ in 0..WAITING + 5 {
            sled.commit(vec![(b"m1".to_vec(), row(b"the same"))]).unwrap();
        }
        assert!(sled.writing.lock().unwrap().freed.len() < 10, "records are space, and it was given back");
    }

    #[test]
    fn much_that_was_removed_makes_room_soon_and_little_within_a_minute() {
        let directory = tempfile::tempdir().unwrap();
        let sled = opened(directory.path());
        let body = Bytes::from(vec![1; 512 << 10]);
        let keys: Vec<Key> = (0..16_u8).map(|number| vec![b'e', number]).collect();
        let put = |key: &Key| (key.clone(), Some(Row { header: Bytes::new(), body: body.clone() }));
        sled.commit(keys.iter().map(put).collect()).unwrap();
        sled.commit(keys[..15].iter().map(|key| (key.clone(), None)).collect()).unwrap();
        assert!(!sled.waiting.rows().is_empty(), "15 of them are little");
        sled.tidy().unwrap();
        assert!(!sled.waiting.rows().is_empty(), "not yet");
        sled.writing.lock().unwrap().since = Instant::now().checked_sub(PATIENCE);
        sled.tidy().unwrap();
        assert!(sled.waiting.rows().is_empty() && sled.writing.lock().unwrap().freed.is_empty());
        sled.commit(keys[..15].iter().map(put).collect()).unwrap();
        sled.commit(keys.iter().map(|key| (key.clone(), None)).collect()).unwrap();
        assert!(sled.waiting.rows().is_empty(), "16 are much");
    }

    /// A version with a journal has begun to open the store and was ended; the one before has gone on with it.
    #[test]
    fn an_upgrade_that_was_cut_short_takes_nothing_from_what_came_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let body = Bytes::from(vec![7; 3 * PAGE]);
        let pointer = Pointer { segment: 9, offset: 0, length: 3 << 12, sum: Some(crc32fast::hash(&body)) };
        let value = Value { header: Bytes::new(), body: Body::Beside(pointer) };
        let sled = opened(directory.path());
        std::fs::write(directory.path().join("bodies/00000009"), &body).unwrap();
        sled.rows.insert(b"e9", value.encode().unwrap().as_ref()).unwrap();
        sled.rows.insert([COUNTS, &9_u32.to_be_bytes()].concat(), &1_u64.to_be_bytes()).unwrap();
        drop(sled);
        assert_eq!(opened(directory.path()).row(b"e9").unwrap().unwrap().body, body);
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
