//! One process at a time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::fault::VaultFault;

/// The lock on an empty file beside the database; the kernel frees it however the process ends.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, making its file if it isn't there.
    pub(super) fn take(path: &Path) -> Result<Self, VaultFault> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(VaultFault::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}
