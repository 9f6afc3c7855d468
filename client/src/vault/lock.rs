//! One process at a time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::fault::VaultFault;

/// The lock on an empty file beside the database; the kernel frees it however the process ends.
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock, making its file if it isn't there.
    pub(super) fn take(path: &Path) -> Result<Self, VaultFault> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(VaultFault::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Said, not left to the closing of the file: a process that another thread starts has it open until it is a program of its own.
impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it is next.
        drop(self.file.unlock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_given_back_while_a_process_that_is_being_started_has_the_file_open() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("lock");
        let lock = Lock::take(&path).unwrap();
        let _inherited = lock.file.try_clone().unwrap();
        assert!(matches!(Lock::take(&path), Err(VaultFault::InUse)));
        drop(lock);
        Lock::take(&path).unwrap();
    }
}
