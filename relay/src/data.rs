//! The data directory: made for its owner alone, held by one process.

use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use relevo_protocol::wire::Fingerprint;
use rustix::process::geteuid;

use crate::store::disk;

/// Why the data directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataFault {
    /// Another process has it.
    #[error("{} is in use by another relay: stop that one first, or give this one a directory of its own", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Others than its owner may look into it.
    #[error("{} can be read by others: chmod 700 it", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
    },
    /// It is another user's: what this one writes there, that one could not open.
    #[error("{} belongs to another user: run this as its owner, such as with sudo -u relevo-relay", path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made, read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A restoration was cut off there.
    #[error("a restoration into {} was cut off: run relevo-relay restore again", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// There is no relay in it yet.
    #[error("{} holds no relay yet: start one with relevo-relay run", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}

/// A data directory that this process holds until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: disk::Lock,
}

/// The store's place in a data directory.
pub(crate) const STORE: &str = "store";

/// Marks a directory in which a relay is being restored.
pub(crate) const UNFINISHED: &str = "unfinished";

/// How long a directory that is held is asked for again.
const MOMENT: Duration = Duration::from_millis(250);

/// Where the last start wrote the host and port that it advertised, for `relevo-relay address`.
const ENDPOINT: &str = "endpoint";
const FINGERPRINT: &str = "fingerprint";

impl DataDirectory {
    /// Makes the directory if there is none, and takes it for this process.
    ///
    /// # Errors
    /// [`DataFault`].
    pub(crate) fn open(path: &Path) -> Result<Self, DataFault> {
        let held = Self::open_unfinished(path)?;
        if held.unfinished().exists() { Err(DataFault::Unfinished { path: path.to_owned() }) } else { Ok(held) }
    }

    /// The same of one in which a restoration may have been cut off.
    ///
    /// # Errors
    /// [`DataFault`].
    pub(crate) fn open_unfinished(path: &Path) -> Result<Self, DataFault> {
        let fault = |source| DataFault::File { path: path.to_owned(), source };
        let made: Vec<&Path> = path.ancestors().take_while(|above| !above.exists()).collect();
        DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(fault)?;
        // Their names too: else a power cut soon after the first start takes the whole relay, keys and all.
        for directory in made {
            disk::sync_name(directory).map_err(fault)?;
        }
        let about = fs::metadata(path).map_err(fault)?;
        if about.permissions().mode() & 0o077 != 0 {
            return Err(DataFault::Open { path: path.to_owned() });
        }
        if about.uid() != geteuid().as_raw() {
            return Err(DataFault::Owner { path: path.to_owned() });
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let begun = Instant::now();
        loop {
            match disk::Lock::take(options.open(path.join("lock")).map_err(fault)?) {
                Ok(lock) => return Ok(Self { path: path.to_owned(), _lock: lock }),
                // Whoever asks whether a relay runs here has it for a moment.
                Err(TryLockError::WouldBlock) if begun.elapsed() < MOMENT => std::thread::sleep(MOMENT / 16),
                Err(TryLockError::WouldBlock) => return Err(DataFault::Locked { path: path.to_owned() }),
                Err(TryLockError::Error(source)) => return Err(fault(source)),
            }
        }
    }

    /// As before the first start.
    pub(crate) fn forget_endpoint(&self) -> io::Result<()> {
        disk::remove_file(&self.path.join(FINGERPRINT))?;
        disk::remove_file(&self.path.join(ENDPOINT))
    }

    /// The store's place.
    pub(crate) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// What is here while a relay is being restored.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.path.join(UNFINISHED)
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down where clients are told to come, and to whom.
    ///
    /// # Errors
    /// [`DataFault::File`].
    pub(crate) fn remember_endpoint(&self, host: &str, port: u16, fingerprint: &Fingerprint) -> Result<(), DataFault> {
        self.write(FINGERPRINT, &HEXLOWER.encode(&fingerprint.0))?;
        self.write(ENDPOINT, &format!("{port} {host}"))
    }

    fn write(&self, name: &str, line: &str) -> Result<(), DataFault> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        opened.and_then(|mut file| writeln!(file, "{line}")).map_err(|source| DataFault::File { path, source })
    }
}

/// Whether a relay runs on a data directory. Makes nothing.
pub(crate) fn is_held(path: &Path) -> bool {
    let lock = OpenOptions::new().write(true).open(path.join("lock"));
    lock.is_ok_and(|lock| matches!(disk::Lock::take(lock), Err(TryLockError::WouldBlock)))
}

/// Where the last start of the relay of a data directory told clients to come, as host and port.
///
/// # Errors
/// [`DataFault::Empty`] before the first start.
pub(crate) fn remembered_endpoint(data: &Path) -> Result<(String, u16), DataFault> {
    let empty = || DataFault::Empty { path: data.to_owned() };
    let text = fs::read_to_string(data.join(ENDPOINT)).map_err(|_| empty())?;
    let (port, host) = text.trim().split_once(' ').ok_or_else(empty)?;
    Ok((host.to_owned(), port.parse().map_err(|_| empty())?))
}

/// Who the relay of a data directory was at its last start.
pub(crate) fn remembered_fingerprint(data: &Path) -> Option<Fingerprint> {
    let text = fs::read_to_string(data.join(FINGERPRINT)).ok()?;
    let bytes = HEXLOWER.decode(text.trim().as_bytes()).ok()?;
    bytes.try_into().ok().map(Fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_a_data_directory() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let held = DataDirectory::open(&path).unwrap();
        assert!(matches!(DataDirectory::open(&path), Err(DataFault::Locked { .. })));
        drop(held);
        DataDirectory::open(&path).unwrap();
    }

    #[test]
    fn whoever_looks_whether_a_relay_runs_keeps_none_from_starting() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        drop(DataDirectory::open(&path).unwrap());
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| (0..2000).filter(|_| is_held(&path)).count());
            for _ in 0..200 {
                drop(DataDirectory::open(&path).unwrap());
            }
            looking.join().unwrap();
        });
    }

    #[test]
    fn the_directory_is_its_owners_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        DataDirectory::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(DataDirectory::open(&path), Err(DataFault::Open { .. })));
    }

    #[test]
    fn what_is_anothers_is_left_alone() {
        // Root may, and would leave files that the relay cannot open.
        let fault = DataDirectory::open(Path::new("/proc/1")).unwrap_err();
        assert!(matches!(fault, DataFault::Open { .. } | DataFault::Owner { .. }), "{fault}");
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        DataDirectory::open(&path).unwrap();
        if geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
            assert!(matches!(DataDirectory::open(&path), Err(DataFault::Owner { .. })));
        }
    }

    #[test]
    fn the_endpoint_is_remembered() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        assert!(matches!(remembered_endpoint(&path), Err(DataFault::Empty { .. })));
        DataDirectory::open(&path).unwrap().remember_endpoint("relay.example", 443, &Fingerprint([7; 32])).unwrap();
        assert_eq!(remembered_fingerprint(&path), Some(Fingerprint([7; 32])));
        assert_eq!(remembered_endpoint(&path).unwrap(), ("relay.example".to_owned(), 443));
    }
}
