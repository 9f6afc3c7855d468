//! Why the vault refused: whose fault it is, and what it concerns.

use std::{fmt, io};

use rusqlite::ErrorCode;

/// Why a vault operation failed. Holds no path, no text and no value of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultFault {
    /// There is no vault in this directory.
    #[error("there is no vault here")]
    NotFound,
    /// There is already a vault in this directory.
    #[error("there is already a vault here")]
    Exists,
    /// The directory holds files that aren't a vault's.
    #[error("the directory holds other files")]
    NotEmpty,
    /// A creation was interrupted before there was a vault; creating again is safe.
    #[error("the creation of this vault was interrupted")]
    HalfMade,
    /// Another process has this vault open.
    #[error("another process has this vault open")]
    InUse,
    /// No slot opens under this passphrase.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// What the disk holds isn't what was written.
    #[error("the vault is damaged: {what}")]
    Damaged {
        /// The part that doesn't read.
        what: Part,
    },
    /// A later version of the program wrote this vault.
    #[error("the vault was written by a later version")]
    TooNew,
    /// The disk is full; nothing was changed.
    #[error("the disk is full")]
    Full,
    /// The operating system refused.
    #[error("the system refused: {0}")]
    System(io::ErrorKind),
    /// The operating system gave no randomness.
    #[error("the system gave no randomness")]
    Randomness,
    /// Statement and schema disagree, or a value doesn't encode: a bug here. The number is SQLite's extended code, or 0.
    #[error("a bug in the vault (code {code})")]
    Bug {
        /// SQLite's extended result code; 0 where SQLite had no part in it.
        code: i32,
    },
}

impl VaultFault {
    /// Stable name, from which the words for people are chosen.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "vault-not-found",
            Self::Exists => "vault-exists",
            Self::NotEmpty => "vault-not-empty",
            Self::HalfMade => "vault-half-made",
            Self::InUse => "vault-in-use",
            Self::WrongPassphrase => "wrong-passphrase",
            Self::Damaged { .. } => "vault-damaged",
            Self::TooNew => "vault-too-new",
            Self::Full => "disk-full",
            Self::System(_) => "system",
            Self::Randomness => "randomness",
            Self::Bug { .. } => "bug",
        }
    }
}

/// A part of a vault that can be damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The file of key slots.
    Slots,
    /// The database.
    Database,
    /// One row that doesn't decode.
    Row,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slots => "the key slots",
            Self::Database => "the database",
            Self::Row => "a record",
        })
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "foreign enums; whatever isn't named here is a bug of ours")]
impl From<rusqlite::Error> for VaultFault {
    fn from(error: rusqlite::Error) -> Self {
        let Some(failure) = error.sqlite_error() else {
            // A value of another type or range than this program ever writes.
            return match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..) => Self::Damaged { what: Part::Row },
                _ => Self::Bug { code: 0 },
            };
        };
        match failure.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged { what: Part::Database },
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => Self::InUse,
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Self::System(io::ErrorKind::Other),
            ErrorCode::PermissionDenied | ErrorCode::ReadOnly => Self::System(io::ErrorKind::PermissionDenied),
            ErrorCode::OutOfMemory => Self::System(io::ErrorKind::OutOfMemory),
            _ => Self::Bug { code: failure.extended_code },
        }
    }
}

impl From<io::Error> for VaultFault {
    fn from(error: io::Error) -> Self {
        let kind = error.kind();
        let full = matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full { Self::Full } else { Self::System(kind) }
    }
}

impl From<getrandom::Error> for VaultFault {
    fn from(_: getrandom::Error) -> Self {
        Self::Randomness
    }
}

impl From<minicbor::decode::Error> for VaultFault {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Damaged { what: Part::Row }
    }
}
