//! Backups: everything that a relay is, in one file that is written while it runs, encrypted by `age` to its operator's key.
//!
//! ```text
//! relay that runs --control--> backup --> age -r KEY --> FILE        Head, Item..., End (counts, SHA-256)
//! FILE --> age -d -i KEY --> restore --> DIRECTORY/unfinished --> DIRECTORY
//! ```
//! A backup holds the relay's keys, so whoever reads one can be the relay. `age` is a program of its own: its keys and
//! files are what an operator may open without us, and the relay itself can open nothing.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use data_encoding::HEXLOWER;
use minicbor::{Decode, Encode};
use relevo_protocol::limits::MAX_BLOB;
use relevo_protocol::wire::{RelayAddress, decode_exact, encode, write_frame};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::control::{self, Question};
use crate::data::{DataDirectory, DataFault, STORE, is_held, remembered_endpoint};
use crate::keys::{self, KeyFile, KeysFault, Place};
use crate::relay::{StartFault, address_of};
use crate::store::{Item, Store, StoreFault, disk};

/// Why there is no backup, or nothing was restored from one.
#[derive(Debug, thiserror::Error)]
pub enum BackupFault {
    /// The relay's own trouble.
    #[error(transparent)]
    Relay(#[from] StartFault),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The backup would overwrite something.
    #[error("{} is there already: a backup never overwrites anything, so give it another name", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The store of this process, or its disk.
    #[error("the store failed: {0}")]
    Store(#[from] StoreFault),
    /// The relay that runs has given up in the middle.
    #[error("the relay that runs broke the backup off: journalctl -u relevo-relay, or its log, says why")]
    BrokenOff,
    /// It did not begin.
    #[error("{0}")]
    Refused(String),
    /// Where the relay is to be restored there is something.
    #[error("{} is not empty: restore into a directory that does not exist yet, or move this one away first", path.display())]
    NotEmpty {
        /// What is there.
        path: PathBuf,
    },
    /// There is no program to encrypt with.
    #[error("the program age, which encrypts backups, cannot be started ({0}): install it with apt-get install age")]
    NoAge(io::Error),
    /// `age` said no; what it said stands above.
    #[error("age could not {what}: what it says stands above")]
    Age {
        /// What it was to do.
        what: &'static str,
    },
    /// The file is encrypted, and no key was given.
    #[error("the backup is encrypted: name the file with your key (--identity FILE)")]
    NoIdentity,
    /// The relay that runs does not give its backup.
    #[error("the relay that runs on {} did not answer ({source}): try again, or stop it first", path.display())]
    NoAnswer {
        /// Its data directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is no backup.
    #[error("this is no backup of a relay")]
    NotABackup,
    /// It is of a later version.
    #[error("this backup is of a later version of relevo-relay: restore it with that one")]
    Newer,
    /// It ends before its end.
    #[error("the backup is cut short: it is not whole, and nothing was restored from it")]
    CutShort,
    /// It is not what was written.
    #[error("the backup is damaged, and nothing was restored from it")]
    Damaged,
}

impl From<DataFault> for BackupFault {
    fn from(fault: DataFault) -> Self {
        Self::Relay(fault.into())
    }
}

impl From<KeysFault> for BackupFault {
    fn from(fault: KeysFault) -> Self {
        Self::Relay(fault.into())
    }
}

/// What a backup holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub struct Contents {
    /// Mailboxes.
    #[n(0)]
    pub mailboxes: u64,
    /// Entries.
    #[n(1)]
    pub entries: u64,
    /// Entries that the disk had lost when it was written.
    #[n(2)]
    pub damaged_entries: u64,
    /// Admissions.
    #[n(3)]
    pub admissions: u64,
    /// Blobs.
    #[n(4)]
    pub blobs: u64,
    /// Bytes of the backup before encryption.
    #[n(5)]
    pub bytes: u64,
}

/// What stands before the first frame.
const MAGIC: &[u8] = b"relevo-relay backup\n";
const VERSION: u32 = 1;
/// The largest frame: a blob, or an entry, and a little.
#[expect(clippy::as_conversions, reason = "a constant of 256 KiB")]
const MAX_PART: usize = 4 * MAX_BLOB as usize;
/// With this every encrypted file begins.
const ENCRYPTED: &[u8] = b"age-encryption.org/v1\n";

/// A frame of a backup.
#[derive(Encode, Decode)]
enum Part {
    /// The first: whose backup it is.
    #[n(0)]
    Head {
        #[n(0)]
        version: u32,
        #[n(1)]
        keys: Vec<KeyFile>,
        #[n(2)]
        host: String,
        #[n(3)]
        port: u16,
    },
    /// What the store holds.
    #[n(1)]
    Stored(#[n(0)] Item),
    /// The last.
    #[n(2)]
    End {
        #[n(0)]
        contents: Contents,
        /// SHA-256 of every byte before this frame.
        #[cbor(n(1), with = "minicbor::bytes")]
        sum: [u8; 32],
    },
}

impl Contents {
    fn count(&mut self, item: &Item) {
        let counted = match item {
            Item::Mailbox { .. } => &mut self.mailboxes,
            Item::Entry { entry: Some(_), .. } => &mut self.entries,
            Item::Entry { entry: None, .. } => &mut self.damaged_entries,
            Item::Admission { .. } => &mut self.admissions,
            Item::Blob { .. } => &mut self.blobs,
            Item::Trimmed { .. } | Item::Gone => return,
        };
        *counted = counted.saturating_add(1);
    }
}

/// Writes a backup of an open store, of whichever process.
///
/// # Errors
/// [`BackupFault`].
pub(crate) fn write(config: &Config, store: &Store, out: &mut impl Write) -> Result<Contents, BackupFault> {
    let (host, port) = remembered_endpoint(&config.data)?;
    let head = Part::Head { version: VERSION, keys: keys::files(config.keys())?, host, port };
    let mut writing = Writing { out, sum: Sha256::new(), contents: Contents::default() };
    writing.bytes(MAGIC)?;
    writing.part(&head)?;
    store.archive(|item| {
        writing.contents.count(&item);
        writing.part(&Part::Stored(item))
    })?;
    let Writing { contents, ref sum, .. } = writing;
    let sum = sum.clone().finalize().into();
    writing.part(&Part::End { contents, sum })?;
    writing.out.flush().map_err(ended)?;
    Ok(contents)
}

/// Whoever was to take the backup does not: it says itself why.
fn ended(source: io::Error) -> BackupFault {
    BackupFault::File { path: PathBuf::from("the backup"), source }
}

struct Writing<'w, W> {
    out: &'w mut W,
    sum: Sha256,
    contents: Contents,
}

impl<W: Write> Writing<'_, W> {
    fn part(&mut self, part: &Part) -> Result<(), BackupFault> {
        let mut frame = Zeroizing::new(Vec::new());
        write_frame(&mut frame, &Zeroizing::new(encode(part)), MAX_PART).map_err(|_| BackupFault::Damaged)?;
        self.bytes(&frame)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), BackupFault> {
        self.sum.update(bytes);
        self.contents.bytes = self.contents.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.out.write_all(bytes).map_err(ended)
    }
}

/// Reads a backup to its end, giving each part once, and a copy of every byte to `copy`.
///
/// # Errors
/// [`BackupFault`], also whatever `take` refuses with.
fn read(
    mut from: impl Read,
    mut copy: impl Write,
    mut take: impl FnMut(Taken) -> Result<(), BackupFault>,
) -> Result<Contents, BackupFault> {
    let (mut sum, mut contents) = (Sha256::new(), Contents::default());
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic).map_err(|_| BackupFault::NotABackup)?;
    if magic != MAGIC {
        return Err(BackupFault::NotABackup);
    }
    let mut frame = Zeroizing::new(magic.to_vec());
    let mut first = true;
    loop {
        sum.update(&*frame);
        copy.write_all(&frame).map_err(ended)?;
        contents.bytes = contents.bytes.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        frame = next_frame(&mut from)?;
        let part = decode_exact(frame.get(4..).unwrap_or_default()).map_err(|_| BackupFault::Damaged)?;
        match part {
            Part::Head { version, .. } if version > VERSION => return Err(BackupFault::Newer),
            Part::Head { version: _, keys, host, port } if first => take(Taken::Head { keys, host, port })?,
            Part::Stored(item) if !first => {
                contents.count(&item);
                take(Taken::Stored(item))?;
            }
            Part::End { contents: said, sum: written } if !first => {
                let whole = written == <[u8; 32]>::from(sum.finalize()) && said == contents;
                if !whole || from.read(&mut [0]).map_err(|_| BackupFault::CutShort)? != 0 {
                    return Err(BackupFault::Damaged);
                }
                copy.write_all(&frame).and_then(|()| copy.flush()).map_err(ended)?;
                return Ok(contents);
            }
            Part::Head { .. } | Part::Stored(_) | Part::End { .. } => return Err(BackupFault::Damaged),
        }
        first = false;
    }
}

/// What is taken from a backup.
enum Taken {
    Head { keys: Vec<KeyFile>, host: String, port: u16 },
    Stored(Item),
}

fn next_frame(from: &mut impl Read) -> Result<Zeroizing<Vec<u8>>, BackupFault> {
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(|_| BackupFault::CutShort)?;
    let body = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if body > MAX_PART {
        return Err(BackupFault::Damaged);
    }
    let mut frame = Zeroizing::new(vec![0; body.saturating_add(4)]);
    let (head, rest) = frame.split_at_mut(4);
    head.copy_from_slice(&length);
    from.read_exact(rest).map_err(|_| BackupFault::CutShort)?;
    Ok(frame)
}

/// How a backup is written.
#[derive(Debug)]
pub struct Wanted {
    /// The file, which is not there yet; `-` for what this process says.
    pub file: PathBuf,
    /// Public keys of `age` for which it is encrypted; none for a file that anybody can read.
    pub to: Vec<String>,
}

/// Writes a backup of a relay, whether it runs or not. The file appears whole or not at all.
///
/// # Errors
/// [`BackupFault`].
pub fn back_up(config: &Config, wanted: &Wanted) -> Result<Contents, BackupFault> {
    let Wanted { file, to } = wanted;
    if file.as_os_str() == "-" {
        return fill(config, Sink::open(io::stdout(), Stdio::inherit(), to)?);
    }
    let exists = || BackupFault::Exists { path: file.clone() };
    if file.symlink_metadata().is_ok() {
        return Err(exists());
    }
    // Beside it, under a name that nobody else has; whoever else writes the same backup finds it there in the end.
    let mut random = [0; 8];
    relevo_protocol::random::fill(&mut random).map_err(|_| StoreFault::Randomness)?;
    let part = beside(file, &format!(".{}.part", HEXLOWER.encode(&random)));
    let fault = |source| BackupFault::File { path: part.clone(), source };
    let written = disk::private_file().create_new(true).open(&part).map_err(fault)?;
    let done = (|| {
        let copy = || written.try_clone().map_err(fault);
        let contents = fill(config, Sink::open(copy()?, copy()?.into(), to)?)?;
        written.sync_all().map_err(fault)?;
        match renameat_with(CWD, &part, CWD, file, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => return Err(exists()),
            renamed => renamed.map_err(|errno| fault(errno.into()))?,
        }
        disk::sync_name(file).map_err(fault)?;
        Ok(contents)
    })();
    if done.is_err() {
        // What is left of it is no backup.
        let _gone = fs::remove_file(&part);
    }
    done
}

fn fill(config: &Config, mut sink: Sink) -> Result<Contents, BackupFault> {
    let contents = give(config, &mut sink);
    // What age says is the cause, where it has ended.
    sink.close()?;
    contents
}

/// The backup of a relay: its own, if it runs.
fn give(config: &Config, out: &mut Sink) -> Result<Contents, BackupFault> {
    let data = &config.data;
    if is_held(data) {
        let no_answer = |source| BackupFault::NoAnswer { path: data.clone(), source };
        let mut stream = BufReader::new(control::ask(data, &Question::Backup).map_err(no_answer)?);
        if stream.fill_buf().map_err(no_answer)?.first() == Some(&control::SHORT) {
            return Err(BackupFault::Refused(control::refusal(stream).map_err(no_answer)?));
        }
        let is_ours = |fault: &BackupFault| {
            matches!(fault, BackupFault::NotABackup | BackupFault::CutShort | BackupFault::Damaged)
        };
        let given = read(stream, out, |_| Ok(()));
        return given.map_err(|fault| if is_ours(&fault) { BackupFault::BrokenOff } else { fault });
    }
    // Asked first: to open it would make one.
    let _there = remembered_endpoint(data)?;
    let held = DataDirectory::open(data)?;
    let (store, _ledger) = Store::open(&held.store(), config.store.clone())?;
    write(config, &store, out)
}

/// Reads a backup to its end and restores nothing.
///
/// # Errors
/// [`BackupFault`].
pub fn check(file: &Path, identity: Option<&Path>) -> Result<Contents, BackupFault> {
    let mut source = Source::open(file, identity)?;
    let contents = read(&mut source.from, io::sink(), |_| Ok(()));
    source.close()?;
    contents
}

/// Restores a backup into a store in memory: for those who try to break it.
///
/// # Errors
/// [`BackupFault`].
#[cfg(feature = "simulation")]
pub fn rehearse(from: impl Read) -> Result<Contents, BackupFault> {
    let (store, _ledger) = Store::in_memory(crate::store::StoreConfig::default())?;
    let mut filling = store.refill();
    let contents = read(from, io::sink(), |taken| match taken {
        Taken::Head { .. } => Ok(()),
        Taken::Stored(item) => Ok(filling.take(item)?),
    })?;
    filling.finish()?;
    Ok(contents)
}

/// Makes the relay of a backup in the configured directory, which must not hold anything. It appears whole or not at all.
/// Every mailbox begins another life, which clients tell their people.
///
/// # Errors
/// [`BackupFault`].
pub fn restore(config: &Config, file: &Path, identity: Option<&Path>) -> Result<(Contents, RelayAddress), BackupFault> {
    let data = &config.data;
    let fault = |source| BackupFault::File { path: data.clone(), source };
    let new = !data.exists();
    // Held to the end: no relay starts on what is half there, and no other restoration fills it beside this one.
    let directory = DataDirectory::open_unfinished(data)?;
    let done = refill(config, &directory, file, identity);
    if done.is_err() {
        // Nothing was there before but what an earlier one had left.
        let _gone = fs::remove_dir_all(directory.unfinished());
        if new {
            let _gone = fs::remove_dir_all(data);
        }
    }
    let contents = done?;
    disk::sync_name(data).map_err(fault)?;
    drop(directory);
    Ok((contents, address_of(config)?))
}

fn refill(
    config: &Config,
    directory: &DataDirectory,
    file: &Path,
    identity: Option<&Path>,
) -> Result<Contents, BackupFault> {
    let data = directory.path();
    let unfinished = directory.unfinished();
    let fault = |source| BackupFault::File { path: data.to_owned(), source };
    if unfinished.exists() {
        // An earlier restoration was cut off: all that is here is its own.
        for left in [keys::DIRECTORY, STORE] {
            disk::remove_directory(&data.join(left)).map_err(fault)?;
        }
        directory.forget_endpoint().map_err(fault)?;
        fs::remove_dir_all(&unfinished).map_err(fault)?;
    }
    // A disk of its own has the second one.
    let may_be_there = |name: &OsStr| name == "lock" || name == "lost+found";
    for found in fs::read_dir(data).map_err(fault)? {
        if !may_be_there(&found.map_err(fault)?.file_name()) {
            return Err(BackupFault::NotEmpty { path: data.to_owned() });
        }
    }
    disk::private_directory(&unfinished).map_err(fault)?;
    let mut source = Source::open(file, identity)?;
    let (store, ledger) = Store::open(&unfinished.join(STORE), config.store.clone())?;
    let mut filling = store.refill();
    let mut endpoint = None;
    let contents = read(&mut source.from, io::sink(), |taken| match taken {
        Taken::Head { keys, host, port } => {
            let place = Place::new(&unfinished, config.identity_key.as_deref());
            endpoint = Some((host, port, keys::put_files(place, &keys)?.public().fingerprint()));
            Ok(())
        }
        Taken::Stored(item) => Ok(filling.take(item)?),
    });
    source.close()?;
    let contents = contents?;
    filling.finish()?;
    drop((store, ledger));
    disk::sync_directory(&unfinished).map_err(fault)?;
    let (host, port, fingerprint) = endpoint.ok_or(BackupFault::Damaged)?;
    directory.remember_endpoint(&host, port, &fingerprint)?;
    // Its mark goes last: until then no relay starts here.
    for part in [STORE, keys::DIRECTORY] {
        fs::rename(unfinished.join(part), data.join(part)).map_err(fault)?;
    }
    disk::sync_directory(data).map_err(fault)?;
    fs::remove_dir(&unfinished).and_then(|()| disk::sync_directory(data)).map_err(fault)?;
    Ok(contents)
}

/// Where a backup goes: a file, through `age` if somebody is to open it.
struct Sink {
    out: Option<Box<dyn Write>>,
    age: Option<Child>,
}

impl Sink {
    /// To `clear`, or through `age` to what is the same place, if somebody is to open it.
    fn open(clear: impl Write + 'static, place: Stdio, to: &[String]) -> Result<Self, BackupFault> {
        if to.is_empty() {
            return Ok(Self { out: Some(Box::new(BufWriter::new(clear))), age: None });
        }
        let mut command = Command::new("age");
        command
            .arg("--encrypt")
            .args(to.iter().flat_map(|key| ["--recipient", key]))
            .stdin(Stdio::piped())
            .stdout(place);
        let mut age = command.spawn().map_err(BackupFault::NoAge)?;
        let mut sink = Self { out: None, age: None };
        if let Some(input) = age.stdin.take() {
            sink.out = Some(Box::new(BufWriter::new(input)));
        }
        sink.age = Some(age);
        Ok(sink)
    }

    /// Waits for the last of it to be written.
    fn close(mut self) -> Result<(), BackupFault> {
        self.out = None;
        finished(self.age.take(), "encrypt the backup")
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.as_mut().map_or(Ok(0), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), |out| out.flush())
    }
}

/// Where a backup comes from.
struct Source {
    from: Box<dyn Read>,
    age: Option<Child>,
}

impl Source {
    fn open(file: &Path, identity: Option<&Path>) -> Result<Self, BackupFault> {
        let fault = |source| BackupFault::File { path: file.to_owned(), source };
        let mut start = Vec::new();
        File::open(file).and_then(|file| file.take(64).read_to_end(&mut start)).map_err(fault)?;
        if !start.starts_with(ENCRYPTED) {
            return Ok(Self { from: Box::new(BufReader::new(File::open(file).map_err(fault)?)), age: None });
        }
        let identity = identity.ok_or(BackupFault::NoIdentity)?;
        let arguments: [OsString; 4] = ["--decrypt".into(), "--identity".into(), identity.into(), file.into()];
        let mut command = Command::new("age");
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut age = command.spawn().map_err(BackupFault::NoAge)?;
        let from: Box<dyn Read> = match age.stdout.take() {
            Some(output) => Box::new(BufReader::new(output)),
            None => Box::new(io::empty()),
        };
        Ok(Self { from, age: Some(age) })
    }

    fn close(mut self) -> Result<(), BackupFault> {
        // To its end, whoever stopped reading: else age would end for that, and be blamed for what is wrong with the backup.
        let _rest = io::copy(&mut self.from, &mut io::sink());
        finished(self.age.take(), "open the backup")
    }
}

fn finished(age: Option<Child>, what: &'static str) -> Result<(), BackupFault> {
    match age.map(|mut age| age.wait()) {
        None => Ok(()),
        Some(Ok(status)) if status.success() => Ok(()),
        Some(_) => Err(BackupFault::Age { what }),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Change, StoreConfig};
    use crate::{initialise, rotate_admission};
    use relevo_protocol::time::{Hour, Timestamp};
    use relevo_protocol::wire::{Admission, Capability, CapabilityHash, Entry, MailboxId, MailboxKind};
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    /// A relay that does not run, with one mailbox of two entries, and a folder for its backups.
    struct Kept {
        folder: TempDir,
        config: Config,
        owner: CapabilityHash,
    }

    impl Kept {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = StoreConfig { ballast_bytes: 0, cache_bytes: 4 << 20, ..StoreConfig::default() };
            let config = Config { data: folder.path().join("data"), store, ..Config::default() };
            initialise(&config).unwrap();
            let owner = Capability::random().unwrap().hash();
            let (_store, mut ledger) = Store::open(&config.data.join("store"), config.store.clone()).unwrap();
            let purse = Admission::new(relevo_protocol::secret::Secret::new([9; 32]));
            let (admission, mailbox) = (purse.id(), MailboxId::of(&owner));
            let entry = |fill, size| Entry::parse(vec![fill; size].into()).unwrap();
            let append = |entry| Change::Append { admission, mailbox, capability: owner, entry };
            let changes = vec![
                Change::Provide { id: admission, key: purse.key(), expires: Hour(u32::MAX) },
                Change::Open {
                    admission,
                    kind: MailboxKind::Shared,
                    owner,
                    read: None,
                    append: vec![],
                    take: vec![],
                    lease_hours: 48,
                },
                append(entry(1, 512)),
                append(entry(2, 8192)),
            ];
            let outcomes = ledger.apply(changes, NOW).unwrap().outcomes;
            assert!(outcomes.iter().all(Result::is_ok));
            Self { folder, config, owner }
        }

        fn back_up(&self, name: &str) -> PathBuf {
            let file = self.folder.path().join(name);
            back_up(&self.config, &Wanted { file: file.clone(), to: vec![] }).unwrap();
            file
        }

        /// Restores into another directory.
        fn restore(&self, file: &Path) -> Result<Config, BackupFault> {
            let config = Config { data: self.folder.path().join("restored"), ..self.config.clone() };
            restore(&config, file, None).map(|_| config)
        }

        fn nothing_is_left(&self) {
            assert!(!self.folder.path().join("restored").exists());
        }
    }

    #[test]
    fn a_restored_relay_has_the_address_and_the_entries() {
        let kept = Kept::new();
        let file = kept.back_up("backup");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let contents = check(&file, None).unwrap();
        assert_eq!((contents.mailboxes, contents.entries, contents.admissions, contents.blobs), (1, 2, 1, 0));
        let config = kept.restore(&file).unwrap();
        assert_eq!(address_of(&config).unwrap().to_text(), address_of(&kept.config).unwrap().to_text());
        let (store, _ledger) = Store::open(&config.data.join("store"), config.store).unwrap();
        let checkpoint = store.checkpoint(&MailboxId::of(&kept.owner), &kept.owner, NOW).unwrap();
        assert_eq!(checkpoint.sequence.0, 2);
        assert!(checkpoint.restored_from.is_some());
    }

    #[test]
    fn nothing_is_overwritten() {
        let kept = Kept::new();
        let file = kept.back_up("backup");
        let again = back_up(&kept.config, &Wanted { file: file.clone(), to: vec![] });
        assert!(matches!(again, Err(BackupFault::Exists { .. })));
        assert!(matches!(restore(&kept.config, &file, None), Err(BackupFault::NotEmpty { .. })));
    }

    #[test]
    fn a_backup_that_is_cut_or_damaged_restores_nothing() {
        let kept = Kept::new();
        let file = kept.back_up("backup");
        let whole = fs::read(&file).unwrap();
        let broken = kept.folder.path().join("broken");
        let cut = (0..whole.len()).step_by(whole.len() / 40).chain([whole.len() - 1]).map(|at| whole[..at].to_vec());
        let flipped = (0..whole.len()).step_by(whole.len() / 60).map(|at| {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            flipped
        });
        for (number, bytes) in cut.chain(flipped).enumerate() {
            fs::write(&broken, bytes).unwrap();
            check(&broken, None).unwrap_err();
            // To make a store takes a while.
            if number % 8 == 0 {
                kept.restore(&broken).unwrap_err();
                kept.nothing_is_left();
            }
        }
        fs::write(&broken, [whole.as_slice(), b"more"].concat()).unwrap();
        assert!(matches!(check(&broken, None), Err(BackupFault::Damaged)));
        fs::write(&broken, b"something else altogether").unwrap();
        assert!(matches!(check(&broken, None), Err(BackupFault::NotABackup)));
    }

    #[test]
    fn a_restoration_that_was_cut_off_is_no_relay_and_begins_anew() {
        let kept = Kept::new();
        let file = kept.back_up("backup");
        let data = kept.folder.path().join("restored");
        let config = Config { data: data.clone(), ..kept.config.clone() };
        // Cut off between its last steps: the store is in its place, the keys are not.
        kept.restore(&file).unwrap();
        fs::create_dir(data.join("unfinished")).unwrap();
        fs::rename(data.join("keys"), data.join("unfinished/keys")).unwrap();
        for refused in [initialise(&config), rotate_admission(&config, 1)] {
            assert!(matches!(refused, Err(StartFault::Data(DataFault::Unfinished { .. }))));
        }
        assert!(!data.join("keys").exists(), "no other keys were drawn");
        kept.restore(&file).unwrap();
        assert!(!data.join("unfinished").exists());
        assert_eq!(address_of(&config).unwrap().to_text(), address_of(&kept.config).unwrap().to_text());
        // And beside another one.
        let held = DataDirectory::open(&kept.folder.path().join("other")).unwrap();
        let other = Config { data: held.path().to_owned(), ..kept.config.clone() };
        let beside = restore(&other, &file, None);
        assert!(matches!(beside, Err(BackupFault::Relay(StartFault::Data(DataFault::Locked { .. })))));
    }

    #[test]
    fn a_disk_of_its_own_a_link_and_a_path_with_an_end_take_a_relay() {
        let kept = Kept::new();
        let file = kept.back_up("backup");
        let place = |name: &str| kept.folder.path().join(name);
        fs::create_dir(place("disk")).unwrap();
        fs::create_dir(place("disk/lost+found")).unwrap();
        fs::create_dir(place("linked")).unwrap();
        std::os::unix::fs::symlink(place("linked"), place("link")).unwrap();
        for name in ["disk", "linked"] {
            fs::set_permissions(place(name), fs::Permissions::from_mode(0o700)).unwrap();
        }
        for name in ["disk", "link", "ended/"] {
            let config = Config { data: place(name), ..kept.config.clone() };
            restore(&config, &file, None).unwrap();
            assert!(address_of(&config).is_ok() && !place(name).join("unfinished").exists(), "{name}");
        }
        // What stands there is not touched when it fails.
        let broken = place("broken");
        fs::write(&broken, "no backup").unwrap();
        fs::create_dir(place("empty")).unwrap();
        fs::set_permissions(place("empty"), fs::Permissions::from_mode(0o700)).unwrap();
        let config = Config { data: place("empty"), ..kept.config.clone() };
        restore(&config, &broken, None).unwrap_err();
        restore(&config, &file, None).unwrap();
    }

    #[test]
    fn two_who_write_the_same_backup_leave_one_whole_and_follow_no_link() {
        let kept = Kept::new();
        let file = kept.folder.path().join("backup");
        let wanted = || Wanted { file: file.clone(), to: vec![] };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let each: Vec<_> = (0..4).map(|_| scope.spawn(|| back_up(&kept.config, &wanted()))).collect();
            each.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 1);
        check(&file, None).unwrap();
        let left = fs::read_dir(kept.folder.path()).unwrap().count();
        assert_eq!(left, 2, "the data and one backup");
        let victim = kept.folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, kept.folder.path().join("link")).unwrap();
        let link = Wanted { file: kept.folder.path().join("link"), to: vec![] };
        assert!(matches!(back_up(&kept.config, &link), Err(BackupFault::Exists { .. })));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn a_later_versions_backup_is_left_to_that_version() {
        let mut later = MAGIC.to_vec();
        let head = Part::Head { version: VERSION + 1, keys: vec![], host: "relay.example".to_owned(), port: 443 };
        write_frame(&mut later, &encode(&head), MAX_PART).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("later"), later).unwrap();
        assert!(matches!(check(&folder.path().join("later"), None), Err(BackupFault::Newer)));
    }

    #[test]
    fn there_is_nothing_to_back_up_before_the_first_start() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data: folder.path().join("data"), ..Config::default() };
        let file = folder.path().join("backup");
        let fault = back_up(&config, &Wanted { file: file.clone(), to: vec![] }).unwrap_err();
        let said = fault.to_string();
        assert!(said.contains("holds no relay yet"), "{said}");
        assert!(!config.data.exists() && fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
