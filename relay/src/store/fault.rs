//! Why a store cannot be opened or cannot go on. None of these names a mailbox, an entry or a size of one.

use std::io;

/// What is damaged where one entry alone is.
pub(crate) const BODY: &str = "the body of one entry";

/// What is damaged where one blob alone is.
pub(crate) const BLOB: &str = "one blob";

/// What is damaged where the journal contradicts itself.
pub(crate) const JOURNAL: &str = "journal";

/// What is damaged where the engine's index contradicts itself: it is used no more.
pub(crate) const INDEX: &str = "index";

/// A fault of the machine under the store. After one, nothing more is acknowledged: the process ends and starts anew.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// Another process holds the data directory.
    #[error("the data directory is in use by another process")]
    Locked,
    /// The disk is full and the ballast did not suffice.
    #[error("the disk is full: free some space, then start again")]
    DiskFull,
    /// The data directory may not be read or written.
    #[error("the data directory may not be read and written by this user")]
    Permission,
    /// A later version has written it.
    #[error(
        "the store was written by a later version of relevo-relay: install that one again, or restore a backup that this one made"
    )]
    Newer,
    /// What lies on disk is not what was written.
    #[error("the store is damaged ({what}): {}", advice(what))]
    Corrupt {
        /// Which part does not read.
        what: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
    /// The writer's thread ended by a bug.
    #[error("the writer ended unexpectedly")]
    WriterDied,
    /// The disk failed otherwise. A failed flush is never tried again: the kernel may have dropped the pages.
    #[error("the disk failed: {0}")]
    Disk(io::Error),
}

/// What to do about damage.
fn advice(what: &str) -> &'static str {
    if what == BLOB { "its author can send the document again" } else { "restore it from a backup" }
}

impl From<io::Error> for StoreFault {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let kind = error.kind();
        if kind == Kind::WouldBlock {
            Self::Locked
        } else if [Kind::StorageFull, Kind::QuotaExceeded].contains(&kind) {
            Self::DiskFull
        } else if [Kind::PermissionDenied, Kind::ReadOnlyFilesystem].contains(&kind) {
            Self::Permission
        } else {
            Self::Disk(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_restores_a_backup_for_one_blob() {
        let said = |what| StoreFault::Corrupt { what }.to_string();
        assert_eq!(said(BLOB), "the store is damaged (one blob): its author can send the document again");
        assert_eq!(said(INDEX), "the store is damaged (index): restore it from a backup");
    }
}
