//! The journal: a batch is one record of its rows with its large bodies behind it, and one sync makes it durable.
//!
//! ```text
//! record: mark 16, number u64, bytes u64, rows u32, sum u32, the rows; then each body; all from a page on
//! row:    length of the key u16, key, length of the value u32 (all ones for a row that goes), value
//! ```
//! `bytes` counts the record with its bodies, `rows` its rows, `sum` is the CRC-32 of all before it and of the rows; numbers are
//! big-endian. Records follow each other without a gap, in one segment and from one to the next. Their rows are in memory
//! until the index takes them in (`sled`); from then on a record is nothing but space.
//!
//! The mark is drawn for each store and never leaves it: no body that somebody uploads looks like a record.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::engine::Key;
use super::fault::{JOURNAL, StoreFault};
use super::segments::{PAGE, Segments, Span, Tail, to_u64};
use super::value::{Body, Value};
use super::verify::is_unreadable;

/// Bytes of a record before its rows.
const HEAD: usize = 40;
/// Of them, those before the sum.
const SUMMED: usize = 36;
/// Bytes of a row beside its key and its value.
const ROW: usize = 6;
/// The length of a value that is none.
const GONE: u32 = u32::MAX;
const DAMAGED: StoreFault = StoreFault::Corrupt { what: JOURNAL };

/// Rows as the index takes them.
pub(crate) type Rows = Vec<(Key, Option<Bytes>)>;

/// From where the index lacks what the journal has. A row of the index, written with what it takes in. 36 bytes: mark,
/// segment u32, offset u64, number u64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Start {
    mark: [u8; 16],
    pub(crate) segment: u32,
    offset: u64,
    number: u64,
}

impl Start {
    /// Of a store that has no journal yet and no segment behind `segment`.
    pub(crate) fn new(segment: u32) -> Result<Self, StoreFault> {
        let mut mark = [0; 16];
        relevo_protocol::random::fill(&mut mark).map_err(|_| StoreFault::Randomness)?;
        Ok(Self { mark, segment, offset: 0, number: 1 })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { mark, segment, offset, number } = self;
        [&mark[..], &segment.to_be_bytes(), &offset.to_be_bytes(), &number.to_be_bytes()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mark, rest) = bytes.split_first_chunk()?;
        let (segment, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let number = rest.try_into().ok()?;
        Some(Self {
            mark: *mark,
            segment: u32::from_be_bytes(*segment),
            offset: u64::from_be_bytes(*offset),
            number: u64::from_be_bytes(number),
        })
    }
}

/// A record that the index lacks.
pub(crate) struct Record {
    number: u64,
    pub(crate) rows: Rows,
    /// Its own pages, which are space one day.
    pub(crate) head: Span,
    /// Bytes to the next record.
    length: u64,
}

/// The journal being written. Belongs to the writer.
pub(crate) struct Journal {
    mark: [u8; 16],
    /// Of the next record.
    number: u64,
    tail: Tail,
}

impl Journal {
    /// Goes on behind the records that were found.
    pub(crate) fn new(start: &Start, found: usize, tail: Tail) -> Self {
        Self { mark: start.mark, number: start.number.saturating_add(to_u64(found)), tail }
    }

    /// From where an index that has all of it lacks the rest.
    pub(crate) fn end(&self) -> Start {
        let (segment, offset) = self.tail.end();
        Start { mark: self.mark, segment, offset, number: self.number }
    }

    /// The segment to which the next batch goes.
    pub(crate) fn begin(&mut self, segments: &Segments) -> u32 {
        segments.begin(&mut self.tail).0
    }

    /// Writes a batch and makes it durable; gives its rows and the pages of its record. Pointers come as offsets behind the record and
    /// are set to where the bodies lie.
    pub(crate) fn write(
        &mut self,
        segments: &Segments,
        rows: Vec<(Key, Option<Value>)>,
        bodies: &[Bytes],
    ) -> Result<(Rows, Span), StoreFault> {
        let (segment, offset) = segments.begin(&mut self.tail);
        let length = rows.iter().fold(HEAD, |sum, (key, value)| {
            sum.saturating_add(ROW + key.len()).saturating_add(value.as_ref().map_or(0, Value::length))
        });
        let behind = offset.saturating_add(to_u64(length.next_multiple_of(PAGE)));
        let mut placed = Rows::with_capacity(rows.len());
        for (key, mut value) in rows {
            if let Some(Value { body: Body::Beside(pointer), .. }) = &mut value {
                pointer.offset = pointer.offset.saturating_add(behind);
            }
            placed.push((key, value.as_ref().map(Value::encode).transpose()?));
        }
        let pages = |part: usize| to_u64(part.next_multiple_of(PAGE));
        let bytes = bodies.iter().fold(pages(length), |sum, body| sum.saturating_add(pages(body.len())));
        let record = encode(&self.mark, self.number, bytes, &placed, length)?;
        let parts = core::iter::once(record.as_slice()).chain(bodies.iter().map(Bytes::as_ref));
        segments.write(&mut self.tail, parts)?;
        self.number = self.number.saturating_add(1);
        Ok((placed, Span { segment, offset, length: pages(length) }))
    }

    /// The segment being written, which stays even when nothing lives in it.
    pub(crate) fn segment(&self) -> u32 {
        self.tail.end().0
    }
}

fn encode(mark: &[u8; 16], number: u64, bytes: u64, rows: &Rows, length: usize) -> Result<Vec<u8>, StoreFault> {
    const TOO_LONG: StoreFault = StoreFault::Corrupt { what: "a row" };
    let mut record = Vec::with_capacity(length);
    record.extend(mark);
    record.extend(number.to_be_bytes());
    record.extend(bytes.to_be_bytes());
    record.extend(u32::try_from(length.saturating_sub(HEAD)).map_err(|_| TOO_LONG)?.to_be_bytes());
    record.extend([0; 4]);
    for (key, value) in rows {
        record.extend(u16::try_from(key.len()).map_err(|_| TOO_LONG)?.to_be_bytes());
        record.extend(key);
        let length = value.as_ref().map_or(Ok(GONE), |value| u32::try_from(value.len())).map_err(|_| TOO_LONG)?;
        record.extend(length.to_be_bytes());
        record.extend(value.iter().flatten());
    }
    let sum = sum(&record).ok_or(TOO_LONG)?;
    if let Some(place) = record.get_mut(SUMMED..HEAD) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    Ok(record)
}

fn sum(record: &[u8]) -> Option<u32> {
    let mut sum = crc32fast::Hasher::new();
    sum.update(record.get(..SUMMED)?);
    sum.update(record.get(HEAD..)?);
    Some(sum.finalize())
}

/// What the index lacks, in order. What a power cut tore at the end was acknowledged to nobody and is cut off; a record that is
/// damaged with others behind it is damage.
pub(crate) fn replay(segments: &Segments, start: &Start) -> Result<Vec<Record>, StoreFault> {
    let mut found: Vec<Record> = Vec::new();
    let mut ends = Vec::new();
    let mut number = start.number;
    for segment in segments.numbers()?.into_iter().filter(|segment| *segment >= start.segment) {
        let Some(file) = segments.file(segment)? else { continue };
        // A process that was killed may have left it in the kernel alone: whoever reads it now must find it again.
        file.sync_data()?;
        let mut offset = if segment == start.segment { start.offset } else { 0 };
        while let Some(record) = read(&file, &start.mark, segment, offset)? {
            if record.number != number {
                return Err(DAMAGED);
            }
            number = number.saturating_add(1);
            offset = offset.saturating_add(record.length);
            found.push(record);
        }
        let end = offset;
        while offset < file.metadata()?.len() {
            if read(&file, &start.mark, segment, offset)?.is_some() {
                return Err(DAMAGED);
            }
            offset = offset.saturating_add(to_u64(PAGE));
        }
        ends.push((file, segment, end));
    }
    // Each was synced before the next was written, but the last.
    if let Some(last) = found.last() {
        let Span { segment, offset, .. } = last.head;
        let (is_whole, length) = (is_whole(segments, last)?, last.length);
        if !is_whole {
            found.pop();
        }
        for (file, _, end) in ends.iter_mut().filter(|(_, of, _)| *of == segment) {
            if is_whole {
                write_again(file, offset, length)?;
            } else {
                *end = offset;
            }
        }
    }
    for (file, _, end) in ends {
        if file.metadata()?.len() > end {
            tracing::warn!("the end of the journal was not whole, as a power cut may leave it: it was cut off");
            file.set_len(end)?;
            file.sync_all()?;
        }
    }
    Ok(found)
}

/// Writes what is there once more. A kernel whose disk has failed a sync calls its pages clean, and says so to nobody a second
/// time: only what is written anew is synced anew.
fn write_again(file: &File, mut offset: u64, length: u64) -> Result<(), StoreFault> {
    let end = offset.saturating_add(length);
    let mut page = [0; PAGE];
    while offset < end && fill(file, &mut page, offset)? {
        file.write_all_at(&page, offset)?;
        offset = offset.saturating_add(to_u64(PAGE));
    }
    Ok(file.sync_data()?)
}

/// Whether all bodies of a record are on the disk.
fn is_whole(segments: &Segments, record: &Record) -> Result<bool, StoreFault> {
    for value in record.rows.iter().filter_map(|(_, value)| value.clone()) {
        let Body::Beside(pointer) = Value::decode(value)?.body else { continue };
        match segments.read(&pointer) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(false),
            Err(StoreFault::Disk(fault)) if is_unreadable(&fault) => return Ok(false),
            Err(fault) => return Err(fault),
        }
    }
    Ok(true)
}

/// The record at an offset, if there is one: its span is that of the bodies too.
fn read(file: &File, mark: &[u8; 16], segment: u32, offset: u64) -> Result<Option<Record>, StoreFault> {
    let mut head = [0; HEAD];
    if !fill(file, &mut head, offset)? || !head.starts_with(mark) {
        return Ok(None);
    }
    let Some((number, length, rows)) = fields(&head) else { return Ok(None) };
    let left = file.metadata()?.len().saturating_sub(offset);
    let Some(whole) = usize::try_from(rows).ok().and_then(|rows| rows.checked_add(HEAD)) else { return Ok(None) };
    if to_u64(whole) > left {
        return Ok(None);
    }
    let mut record = vec![0; whole];
    if !fill(file, &mut record, offset)? || sum(&record) != head.last_chunk().copied().map(u32::from_be_bytes) {
        return Ok(None);
    }
    let is_sound = length >= to_u64(whole.next_multiple_of(PAGE)) && length.is_multiple_of(to_u64(PAGE));
    let rows = record.get(HEAD..).and_then(decode).filter(|_| is_sound).ok_or(DAMAGED)?;
    let head = Span { segment, offset, length: to_u64(whole.next_multiple_of(PAGE)) };
    Ok(Some(Record { number, rows, head, length }))
}

fn fields(head: &[u8; HEAD]) -> Option<(u64, u64, u32)> {
    let (_mark, rest) = head.split_first_chunk::<16>()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (rows, _sum) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), u64::from_be_bytes(*length), u32::from_be_bytes(*rows)))
}

fn decode(mut rest: &[u8]) -> Option<Rows> {
    let mut rows = Rows::new();
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk()?;
        let (key, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (length, behind) = behind.split_first_chunk()?;
        let length = u32::from_be_bytes(*length);
        let (value, behind) = match length {
            GONE => (None, behind),
            _ => {
                let (value, behind) = behind.split_at_checked(usize::try_from(length).ok()?)?;
                (Some(Bytes::copy_from_slice(value)), behind)
            }
        };
        rows.push((key.to_vec(), value));
        rest = behind;
    }
    Some(rows)
}

/// Fills the buffer from an offset; false where the file is shorter, or the disk gives it no more.
fn fill(file: &File, buffer: &mut [u8], offset: u64) -> Result<bool, StoreFault> {
    match file.read_exact_at(buffer, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof || is_unreadable(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let row = |key: &[u8], value: Option<&'static [u8]>| (key.to_vec(), value.map(Bytes::from_static));
        vec![row(b"m1", Some(b"\0header")), row(b"e1", None), row(b"", Some(b"")), row(b"x", Some(&[7; 300]))]
    }

    #[test]
    fn a_record_gives_its_rows_and_every_part_of_it_is_read_without_a_panic() {
        let length = HEAD
            + rows().iter().map(|(key, value)| ROW + key.len() + value.as_ref().map_or(0, Bytes::len)).sum::<usize>();
        let record = encode(&[3; 16], 9, 4096, &rows(), length).unwrap();
        assert_eq!(record.len(), length);
        assert_eq!(fields(record.first_chunk().unwrap()).unwrap(), (9, 4096, u32::try_from(length - HEAD).unwrap()));
        assert_eq!(decode(&record[HEAD..]).unwrap(), rows());
        for end in HEAD..length {
            // Behind a sum that is right nobody but we have written it; a bug of ours is damage all the same, and no panic.
            assert!(decode(&record[HEAD..end]).is_none_or(|rows| rows.len() < 4), "cut at {end}");
            let mut flipped = record[HEAD..].to_vec();
            flipped[end - HEAD] ^= 0xff;
            let _whatever = decode(&flipped);
        }
    }

    #[test]
    fn where_the_journal_goes_on_is_read_as_it_was_written() {
        let start = Start { segment: 5, offset: 1 << 40, number: u64::MAX, ..Start::new(1).unwrap() };
        assert_eq!(Start::decode(&start.encode()), Some(start));
        for end in 0..36 {
            assert_eq!(Start::decode(&start.encode()[..end]), None);
        }
        assert_ne!(Start::new(1).unwrap(), Start::new(1).unwrap(), "a mark is drawn for each store");
    }
}
