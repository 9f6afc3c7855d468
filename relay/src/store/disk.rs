//! The few things that files need beyond std: private directories, durable names, free space, the ballast.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::config::StoreConfig;
use super::fault::StoreFault;

/// Makes a directory that only this user enters, or closes it to others.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// A file to write that only this user reads.
pub(crate) fn private_file() -> fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

/// A locked file. The kernel frees it however this process ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    pub(crate) fn take(file: File) -> Result<Self, TryLockError> {
        file.try_lock()?;
        Ok(Self(file))
    }
}

/// Said, not left to the closing of the file: a process that another thread starts has it open until it is a program of its own.
impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it is next.
        drop(self.0.unlock());
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the name of a file or directory durable.
pub(crate) fn sync_name(path: &Path) -> io::Result<()> {
    sync_directory(path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Removes a file, if it is there.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    unless_missing(fs::remove_file(path))
}

/// Removes a directory with all that is in it, if it is there.
pub(crate) fn remove_directory(path: &Path) -> io::Result<()> {
    unless_missing(fs::remove_dir_all(path))
}

fn unless_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Bytes that this user may still write to the disk under `path`.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Gives a range of a file back to the disk. Where the file system cannot, the space comes back with the file's end.
pub(crate) fn punch(file: &File, offset: u64, length: u64) {
    let _not_everywhere =
        rustix::fs::fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length);
}

/// A file that holds space for the one moment when the disk is full and the engine must still open.
pub(crate) struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    pub(crate) fn new(directory: &Path, config: &StoreConfig) -> Self {
        Self { path: directory.join("ballast"), bytes: config.ballast_bytes }
    }

    /// Gives the space up. Says whether there was any to give.
    pub(crate) fn drop_it(&self) -> Result<Dropped, StoreFault> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(Dropped::Yes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Dropped::WasNone),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the space again where the disk has enough beyond its watermark. Best effort: without it the relay still runs.
    pub(crate) fn take(&self, free: u64, config: &StoreConfig) {
        let held = fs::metadata(&self.path).is_ok_and(|held| held.len() == self.bytes);
        if self.bytes == 0 || held || free < self.bytes.saturating_add(config.free_bytes) {
            return;
        }
        let taken = private_file().truncate(true).open(&self.path).and_then(|file| {
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.bytes)?;
            file.sync_all()
        });
        if taken.is_err() {
            tracing::warn!("no ballast file could be made: if the disk fills up, free space by hand before a restart");
        }
    }
}

/// What came of giving the ballast up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dropped {
    Yes,
    WasNone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_given_back_while_a_process_that_is_being_started_has_the_file_open() {
        let directory = tempfile::tempdir().unwrap();
        let open = || private_file().open(directory.path().join("lock")).unwrap();
        let lock = Lock::take(open()).unwrap();
        let _inherited = lock.0.try_clone().unwrap();
        assert!(matches!(Lock::take(open()), Err(TryLockError::WouldBlock)));
        drop(lock);
        Lock::take(open()).unwrap();
    }
}
