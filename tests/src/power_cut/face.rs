//! The kernel's side of the disk: FUSE requests (linux/fuse.h, protocol 7.31) to the disk's own calls.
//!
//! Thirty requests in fixed layouts, native byte order. No cache of the kernel's is used: names and attributes are
//! valid for no time, and files are opened for direct I/O.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;

use super::content::Content;
use super::disk::{Disk, Handle, Item};
use super::lock;
use super::names::Node;

/// Largest write; the kernel cuts what is larger.
const MAX_WRITE: u32 = 1 << 20;
/// FUSE_BIG_WRITES and FUSE_MAX_PAGES: else writes come in pieces of 4 KiB.
const INIT_FLAGS: u32 = 1 << 5 | 1 << 22;
const MAX_PAGES: u16 = 256;
/// FOPEN_DIRECT_IO.
const DIRECT_IO: u32 = 1;
/// Of `setattr`: mode, size, modification time and "now".
const SET_MODE: u32 = 1;
const SET_SIZE: u32 = 8;
const SET_MODIFIED: u32 = 32;
const SET_MODIFIED_NOW: u32 = 256;
/// Of `fallocate` (linux/falloc.h): FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE.
const PUNCH: u32 = 3;
/// O_ACCMODE; 0 under it is O_RDONLY.
const ACCESS: u32 = 3;
/// File handles, which tell how a file was opened.
const READ_ONLY: u64 = 1;
const WRITABLE: u64 = 2;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// Serves requests until the disk is unmounted.
pub(super) fn serve(mut device: File, disk: &Arc<Mutex<Disk>>) {
    let mut buffer = vec![0; usize::try_from(MAX_WRITE).unwrap_or(0).saturating_add(64 << 10)];
    loop {
        let length = match device.read(&mut buffer) {
            Ok(length) => length,
            Err(error) => match Errno::from_io_error(&error) {
                // The request was interrupted before we had it.
                Some(Errno::NOENT | Errno::INTR | Errno::AGAIN) => continue,
                _ => return,
            },
        };
        let Some(request) = Request::parse(buffer.get(..length).unwrap_or_default()) else { return };
        let answer = match request.answer(&mut lock(disk)) {
            Reply::Silence => continue,
            Reply::Of(Ok(body)) => frame(request.unique, 0, &body),
            Reply::Of(Err(error)) => frame(request.unique, error.raw_os_error().saturating_neg(), &[]),
        };
        // An interrupted caller wants no answer any more.
        let _gone = device.write(&answer);
    }
}

fn frame(unique: u64, error: i32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).saturating_add(16);
    let mut out = Out::default();
    out.u32(length).u32(u32::from_ne_bytes(error.to_ne_bytes())).u64(unique);
    out.0.extend(body);
    out.0
}

enum Reply {
    /// The kernel waits for none.
    Silence,
    Of(Result<Vec<u8>, Errno>),
}

/// One request: its head, and what follows it.
struct Request<'b> {
    code: u32,
    unique: u64,
    node: Node,
    body: In<'b>,
}

impl<'b> Request<'b> {
    fn parse(bytes: &'b [u8]) -> Option<Self> {
        let mut head = In(bytes);
        let (_length, code, unique, node) = (head.u32(), head.u32(), head.u64(), head.u64());
        let body = In(bytes.get(40..)?);
        Some(Self { code, unique, node, body })
    }

    fn answer(&self, disk: &mut Disk) -> Reply {
        let In(body) = self.body;
        let body = In(body);
        Reply::Of(match self.code {
            // FORGET, INTERRUPT, BATCH_FORGET
            2 | 36 | 42 => return Reply::Silence,
            1 => self.lookup(disk, body),
            3 => attributes(disk, self.node),
            4 => self.set(disk, body),
            9 => self.make_directory(disk, body),
            10 | 11 => nothing(disk.remove(self.node, &body.name())),
            12 => self.rename(disk, body, 8),
            14 => open(disk, self.node, body),
            15 => self.read(disk, body),
            16 => self.write(disk, body),
            17 => Ok(statistics()),
            20 => nothing(self.sync(disk, body)),
            26 => Ok(init()),
            // OPENDIR, RELEASE, RELEASEDIR, DESTROY: nothing is kept for a handle.
            27 => Ok(opened(0)),
            18 | 29 | 38 => Ok(Vec::new()),
            28 => self.list(disk, body),
            30 => nothing(disk.sync_directory(self.node)),
            35 => self.create(disk, body),
            43 => nothing(self.allocate(disk, body)),
            45 => self.rename(disk, body, 16),
            // FLUSH, ACCESS, attributes by name and all else: the kernel does without.
            _ => Err(Errno::NOSYS),
        })
    }

    fn lookup(&self, disk: &Disk, body: In<'_>) -> Result<Vec<u8>, Errno> {
        let node = disk.find(self.node, &body.name())?;
        entry(disk, node)
    }

    fn set(&self, disk: &mut Disk, mut body: In<'_>) -> Result<Vec<u8>, Errno> {
        let (valid, _) = (body.u32(), body.u32());
        let (_handle, length, _owner, _accessed, seconds) =
            (body.u64(), body.u64(), body.u64(), body.u64(), body.u64());
        let (_changed, _, nanos, _, mode) = (body.u64(), body.u32(), body.u32(), body.u32(), body.u32());
        if valid & SET_SIZE != 0 {
            disk.alter(self.node, |content| content.resize(size(length)))?;
        }
        let item = disk.item_mut(self.node)?;
        if valid & SET_MODE != 0 {
            item.mode = mode & 0o7777;
        }
        if valid & SET_MODIFIED_NOW != 0 {
            item.modified = SystemTime::now();
        } else if valid & SET_MODIFIED != 0 {
            item.modified = UNIX_EPOCH + Duration::new(seconds, nanos);
        }
        attributes(disk, self.node)
    }

    fn make_directory(&self, disk: &mut Disk, mut body: In<'_>) -> Result<Vec<u8>, Errno> {
        let (mode, _umask) = (body.u32(), body.u32());
        let node = disk.make(self.node, &body.name(), mode & 0o7777, None)?;
        entry(disk, node)
    }

    fn create(&self, disk: &mut Disk, mut body: In<'_>) -> Result<Vec<u8>, Errno> {
        let (flags, mode, _umask, _) = (body.u32(), body.u32(), body.u32(), body.u32());
        let node = disk.make(self.node, &body.name(), mode & 0o7777, Some(Content::default()))?;
        Ok([entry(disk, node)?, opened(flags)].concat())
    }

    fn rename(&self, disk: &mut Disk, mut body: In<'_>, head: usize) -> Result<Vec<u8>, Errno> {
        let to = body.u64();
        if head > 8 && (body.u32(), body.u32()).0 != 0 {
            return Err(Errno::INVAL);
        }
        let mut names = body.0.split(|byte| *byte == 0).map(OsStr::from_bytes);
        let (Some(old), Some(new)) = (names.next(), names.next()) else { return Err(Errno::INVAL) };
        nothing(disk.rename((self.node, old), (to, new)))
    }

    fn read(&self, disk: &Disk, mut body: In<'_>) -> Result<Vec<u8>, Errno> {
        let (_handle, offset, length) = (body.u64(), body.u64(), body.u32());
        let bytes = disk.item(self.node)?.content.as_ref().ok_or(Errno::ISDIR)?.now();
        let start = size(offset).min(bytes.len());
        let end = start.saturating_add(size(length.into())).min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }

    fn write(&self, disk: &mut Disk, mut body: In<'_>) -> Result<Vec<u8>, Errno> {
        let (_handle, offset, length, _) = (body.u64(), body.u64(), body.u32(), body.u32());
        let (_owner, _flags, _) = (body.u64(), body.u32(), body.u32());
        let bytes = body.0.get(..size(length.into())).ok_or(Errno::INVAL)?;
        disk.alter(self.node, |content| content.write(size(offset), bytes))?;
        let mut out = Out::default();
        out.u32(length).u32(0);
        Ok(out.0)
    }

    fn sync(&self, disk: &mut Disk, mut body: In<'_>) -> Result<(), Errno> {
        let handle = if body.u64() == READ_ONLY { Handle::ReadOnly } else { Handle::Writable };
        disk.sync(self.node, handle)
    }

    fn allocate(&self, disk: &mut Disk, mut body: In<'_>) -> Result<(), Errno> {
        let (_handle, offset, length, mode) = (body.u64(), body.u64(), body.u64(), body.u32());
        match mode {
            0 => {
                let end = size(offset.saturating_add(length));
                disk.alter(self.node, |content| content.resize(end.max(content.now().len())))
            }
            PUNCH => disk.alter(self.node, |content| content.punch(size(offset), size(length))),
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    fn list(&self, disk: &Disk, mut body: In<'_>) -> Result<Vec<u8>, Errno> {
        let (_handle, offset, most) = (body.u64(), body.u64(), size(body.u32().into()));
        disk.item(self.node)?;
        let mut out = Out::default();
        for (next, (name, node)) in (1_u64..).zip(disk.list(self.node)).skip(size(offset)) {
            let kind = if disk.item(node)?.content.is_some() { REGULAR } else { DIRECTORY };
            let mut one = Out::default();
            one.u64(node).u64(next).u32(u32::try_from(name.len()).unwrap_or(0)).u32(kind >> 12);
            one.0.extend(name.as_bytes());
            one.0.resize(one.0.len().next_multiple_of(8), 0);
            if out.0.len().saturating_add(one.0.len()) > most {
                break;
            }
            out.0.extend(one.0);
        }
        Ok(out.0)
    }
}

fn nothing(done: Result<(), Errno>) -> Result<Vec<u8>, Errno> {
    done.map(|()| Vec::new())
}

fn init() -> Vec<u8> {
    let mut out = Out::default();
    // Version, no read-ahead, flags, requests in the background, largest write, granularity of time, pages.
    out.u32(7).u32(31).u32(0).u32(INIT_FLAGS).u16(16).u16(12).u32(MAX_WRITE).u32(1).u16(MAX_PAGES).u16(0);
    out.0.resize(64, 0);
    out.0
}

fn open(disk: &Disk, node: Node, mut body: In<'_>) -> Result<Vec<u8>, Errno> {
    disk.item(node)?;
    Ok(opened(body.u32()))
}

fn opened(flags: u32) -> Vec<u8> {
    let mut out = Out::default();
    out.u64(if flags & ACCESS == 0 { READ_ONLY } else { WRITABLE }).u32(DIRECT_IO).u32(0);
    out.0
}

fn entry(disk: &Disk, node: Node) -> Result<Vec<u8>, Errno> {
    let mut out = Out::default();
    // Generation, and for how long name and attributes are valid.
    out.u64(node).u64(0).u64(0).u64(0).u32(0).u32(0);
    out.attributes(node, disk.item(node)?);
    Ok(out.0)
}

fn attributes(disk: &Disk, node: Node) -> Result<Vec<u8>, Errno> {
    let mut out = Out::default();
    out.u64(0).u32(0).u32(0);
    out.attributes(node, disk.item(node)?);
    Ok(out.0)
}

/// 4 GiB, always free.
fn statistics() -> Vec<u8> {
    let mut out = Out::default();
    out.u64(1 << 20).u64(1 << 20).u64(1 << 20).u64(1 << 20).u64(1 << 20).u32(4096).u32(255).u32(4096);
    out.0.resize(80, 0);
    out.0
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Bytes being read. What is missing reads as 0: the kernel sends whole structures.
struct In<'b>(&'b [u8]);

impl In<'_> {
    fn u32(&mut self) -> u32 {
        let Some((first, rest)) = self.0.split_first_chunk() else { return 0 };
        self.0 = rest;
        u32::from_ne_bytes(*first)
    }

    fn u64(&mut self) -> u64 {
        let Some((first, rest)) = self.0.split_first_chunk() else { return 0 };
        self.0 = rest;
        u64::from_ne_bytes(*first)
    }

    fn name(&self) -> OsString {
        OsStr::from_bytes(self.0.split(|byte| *byte == 0).next().unwrap_or_default()).to_owned()
    }
}

/// Bytes being written.
#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn u16(&mut self, number: u16) -> &mut Self {
        self.0.extend(number.to_ne_bytes());
        self
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.0.extend(number.to_ne_bytes());
        self
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.0.extend(number.to_ne_bytes());
        self
    }

    fn attributes(&mut self, node: Node, item: &Item) {
        let (kind, length) = match &item.content {
            Some(content) => (REGULAR, content.now().len()),
            None => (DIRECTORY, 4096),
        };
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let since = item.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.u64(node).u64(length).u64(length.div_ceil(512));
        self.u64(since.as_secs()).u64(since.as_secs()).u64(since.as_secs());
        self.u32(since.subsec_nanos()).u32(since.subsec_nanos()).u32(since.subsec_nanos());
        let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        self.u32(kind | item.mode).u32(1).u32(user).u32(group).u32(0).u32(4096).u32(0);
    }
}
