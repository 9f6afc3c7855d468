//! Append-only files beside the index: what each batch writes (`journal`), and in it the large bodies for good, since the
//! index is slow with values of their size.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::disk;
use super::fault::StoreFault;

/// A new file is begun when the present one has this length.
const SEGMENT_BYTES: u64 = 64 << 20;
/// What is written begins at multiples of a page, so that its space can be given back exactly.
pub(crate) const PAGE: usize = 4096;
/// Bytes that are gathered before they are written. A part that has as many is written from where it is.
const GATHERED: usize = 256 << 10;

/// Where a body lies, and its CRC-32: a bit that the disk lost is found before the body is given to anybody. 20 bytes
/// in a row: segment u32, offset u64, length u32, sum u32, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pointer {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    /// None in rows of the first version.
    pub(crate) sum: Option<u32>,
}

impl Pointer {
    /// The pages that the body has for itself.
    pub(crate) fn span(&self) -> Span {
        let length = u64::from(self.length).next_multiple_of(to_u64(PAGE));
        Span { segment: self.segment, offset: self.offset, length }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { segment, offset, length, sum } = self;
        let mut out = Vec::with_capacity(20);
        out.extend(segment.to_be_bytes());
        out.extend(offset.to_be_bytes());
        out.extend(length.to_be_bytes());
        out.extend(sum.iter().flat_map(|sum| sum.to_be_bytes()));
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (segment, rest) = bytes.split_first_chunk::<4>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let sum = if rest.is_empty() { None } else { Some(u32::from_be_bytes(rest.try_into().ok()?)) };
        Some(Self {
            segment: u32::from_be_bytes(*segment),
            offset: u64::from_be_bytes(*offset),
            length: u32::from_be_bytes(*length),
            sum,
        })
    }
}

/// The directory of segments.
pub(crate) struct Segments {
    directory: PathBuf,
    open: Mutex<OpenFiles>,
}

/// Files kept open, those that were used last. A process may have 1,024 open on most systems, and sockets and
/// unfinished blobs need some: a store of thousands of segments must not take them all.
#[derive(Default)]
struct OpenFiles {
    files: HashMap<u32, (Arc<File>, u64)>,
    /// Counts uses, so that the oldest is known.
    uses: u64,
}

/// Segments open at once. 64 of 64 MiB are half of the bytes that a relay holds by default.
const OPEN_FILES: usize = 64;

impl OpenFiles {
    fn used(&mut self, segment: u32) -> Option<Arc<File>> {
        self.uses = self.uses.saturating_add(1);
        let (file, used) = self.files.get_mut(&segment)?;
        *used = self.uses;
        Some(Arc::clone(file))
    }

    fn keep(&mut self, segment: u32, file: &Arc<File>) {
        if self.files.len() >= OPEN_FILES
            && let Some(oldest) = self.files.iter().min_by_key(|(_, (_, used))| *used).map(|(oldest, _)| *oldest)
        {
            // Whoever reads it has a handle of their own.
            self.files.remove(&oldest);
        }
        self.uses = self.uses.saturating_add(1);
        self.files.insert(segment, (Arc::clone(file), self.uses));
    }
}

/// The segment being written. Belongs to the writer.
pub(crate) struct Tail {
    segment: u32,
    file: Option<Arc<File>>,
    length: u64,
}

/// A range of a segment, in whole pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Segments {
    /// Opens the directory. What is written goes to a new file after each opening, behind `last`: what a crash left behind
    /// is never met.
    pub(crate) fn open(directory: &Path, last: u32) -> Result<(Self, Tail), StoreFault> {
        disk::private_directory(directory)?;
        let segments = Self { directory: directory.to_path_buf(), open: Mutex::default() };
        let last = segments.numbers()?.into_iter().max().unwrap_or(0).max(last);
        Ok((segments, Tail { segment: last.saturating_add(1), file: None, length: 0 }))
    }

    /// Removes the files that nobody wants.
    pub(crate) fn retain(&self, wanted: impl Fn(u32) -> bool) -> Result<(), StoreFault> {
        for segment in self.numbers()?.into_iter().filter(|segment| !wanted(*segment)) {
            self.remove(segment)?;
        }
        Ok(())
    }

    /// Where the next bytes go.
    pub(crate) fn begin(&self, tail: &mut Tail) -> (u32, u64) {
        if tail.file.is_some() && tail.length >= SEGMENT_BYTES {
            *tail = Tail { segment: tail.segment.saturating_add(1), file: None, length: 0 };
        }
        (tail.segment, tail.length)
    }

    /// Writes parts to the tail, each from a page on, and makes them durable.
    pub(crate) fn write<'p>(
        &self,
        tail: &mut Tail,
        parts: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<(), StoreFault> {
        let file = match &tail.file {
            Some(file) => Arc::clone(file),
            None => {
                let file = Arc::new(disk::private_file().create_new(true).open(self.path(tail.segment))?);
                disk::sync_directory(&self.directory)?;
                self.handles().keep(tail.segment, &file);
                tail.file = Some(Arc::clone(&file));
                file
            }
        };
        let mut gathered = Vec::new();
        let write = |tail: &mut Tail, bytes: &[u8]| -> Result<(), StoreFault> {
            file.write_all_at(bytes, tail.length)?;
            tail.length = tail.length.saturating_add(to_u64(bytes.len()));
            Ok(())
        };
        for part in parts {
            if gathered.len().saturating_add(part.len()) >= GATHERED {
                write(tail, &gathered)?;
                gathered.clear();
            }
            if part.len() >= GATHERED {
                write(tail, part)?;
            } else {
                gathered.extend_from_slice(part);
            }
            let rest = part.len().next_multiple_of(PAGE).saturating_sub(part.len());
            gathered.resize(gathered.len().saturating_add(rest), 0);
        }
        write(tail, &gathered)?;
        Ok(file.sync_data()?)
    }

    /// Reads a body as it was appended. None when its file has gone or what lies there is not the body.
    pub(crate) fn read(&self, pointer: &Pointer) -> Result<Option<Bytes>, StoreFault> {
        let Some(file) = self.file(pointer.segment)? else { return Ok(None) };
        let length = usize::try_from(pointer.length).map_err(|_| StoreFault::Corrupt { what: "body" })?;
        let mut body = vec![0; length];
        match file.read_exact_at(&mut body, pointer.offset) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
            Err(_cut_short) => return Ok(None),
            Ok(()) => {}
        }
        let is_whole = pointer.sum.is_none_or(|sum| sum == crc32fast::hash(&body));
        Ok(is_whole.then(|| body.into()))
    }

    /// Gives space back that nothing points at any more.
    pub(crate) fn free(&self, span: &Span) -> Result<(), StoreFault> {
        if let Some(file) = self.file(span.segment)? {
            disk::punch(&file, span.offset, span.length);
        }
        Ok(())
    }

    /// The files that there are, in their order.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>, StoreFault> {
        let mut found = Vec::new();
        for file in fs::read_dir(&self.directory)? {
            if let Some(number) = file?.file_name().to_str().and_then(|name| u32::from_str_radix(name, 16).ok()) {
                found.push(number);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Removes a file without bodies.
    pub(crate) fn remove(&self, segment: u32) -> Result<(), StoreFault> {
        self.handles().files.remove(&segment);
        Ok(disk::remove_file(&self.path(segment))?)
    }

    /// A file, if it is there.
    pub(crate) fn file(&self, segment: u32) -> Result<Option<Arc<File>>, StoreFault> {
        if let Some(file) = self.handles().used(segment) {
            return Ok(Some(file));
        }
        let file = match File::options().read(true).write(true).open(self.path(segment)) {
            Ok(file) => Arc::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        self.handles().keep(segment, &file);
        Ok(Some(file))
    }

    fn handles(&self) -> std::sync::MutexGuard<'_, OpenFiles> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.directory.join(format!("{segment:08x}"))
    }
}

impl Tail {
    /// The segment being written, which stays even when it holds nothing, and its length.
    pub(crate) fn end(&self) -> (u32, u64) {
        (self.segment, self.length)
    }
}

/// Lengths in memory as lengths in a file.
pub(crate) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_any_size_begin_at_a_page_and_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let (segments, mut tail) = Segments::open(directory.path(), 0).unwrap();
        let sizes = [1, GATHERED, PAGE, GATHERED - 1, GATHERED + 1, 3 * GATHERED, PAGE - 1, PAGE + 1, GATHERED, 40];
        for turn in 0..2 {
            let (segment, mut offset) = segments.begin(&mut tail);
            let parts: Vec<Vec<u8>> = (1..).zip(sizes).map(|(fill, size)| vec![fill + turn; size]).collect();
            segments.write(&mut tail, parts.iter().map(Vec::as_slice)).unwrap();
            for part in parts {
                let length = u32::try_from(part.len()).unwrap();
                assert_eq!(segments.read(&Pointer { segment, offset, length, sum: None }).unwrap().unwrap(), part);
                offset += to_u64(part.len().next_multiple_of(PAGE));
            }
            assert_eq!(tail.end(), (segment, offset));
        }
    }

    #[test]
    fn many_segments_are_read_with_few_of_them_open() {
        let directory = tempfile::tempdir().unwrap();
        let mut pointers = Vec::new();
        // Each opening begins a new file.
        for _ in 0..OPEN_FILES * 2 {
            let (segments, mut tail) = Segments::open(directory.path(), 0).unwrap();
            let (segment, offset) = segments.begin(&mut tail);
            segments.write(&mut tail, [b"body".as_slice()]).unwrap();
            pointers.push(Pointer { segment, offset, length: 4, sum: None });
        }
        let (segments, _tail) = Segments::open(directory.path(), 0).unwrap();
        for pointer in pointers.iter().chain(&pointers) {
            assert_eq!(segments.read(pointer).unwrap().unwrap(), "body");
            assert!(segments.handles().files.len() <= OPEN_FILES);
        }
    }
}
