//! The vault: everything a client keeps, in one encrypted database that one process opens at a time.
//!
//! Nothing is ever written in clear, temporary files included. Every rule of the client runs inside one
//! [`Vault::transaction`]: MLS state, history, cursors and outbox change together or not at all (DESIGN 7, 10).

pub(crate) mod checkpoints;
mod connection;
pub(crate) mod conversations;
mod cost;
pub(crate) mod disclosed;
pub(crate) mod documents;
mod fault;
pub(crate) mod followed;
pub(crate) mod held;
pub(crate) mod intentions;
mod lock;
pub(crate) mod messages;
mod mls_provider;
mod mls_storage;
pub(crate) mod outbox;
mod passphrase;
pub(crate) mod porches;
pub(crate) mod promises;
pub(crate) mod records;
pub(crate) mod relays;
mod schema;
pub mod settings;
mod slots;
pub(crate) mod tails;

use std::{
    fmt, fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use relevo_protocol::secret::Secret;
use rusqlite::{Connection, TransactionBehavior};

pub use self::{
    cost::Cost,
    fault::{Part, VaultFault},
    mls_provider::{Crypto, MlsProvider},
    mls_storage::MlsStorage,
    passphrase::Passphrase,
};
use self::{lock::Lock, slots::Slots};

/// File names inside the vault's directory.
const DATABASE: &str = "vault.db";
const DATABASE_DRAFT: &str = "vault.db.new";
const SLOTS: &str = "slots";
const SLOTS_DRAFT: &str = "slots.new";
const LOCK: &str = "lock";
/// What SQLite may keep beside the database.
const SIDECARS: [&str; 2] = ["vault.db-wal", "vault.db-journal"];
/// What an interrupted creation may leave besides the slots, which the next one replaces.
const LEFTOVERS: [&str; 4] = [DATABASE_DRAFT, "vault.db.new-wal", "vault.db.new-journal", SLOTS_DRAFT];

/// An open vault: the one database connection, and the lock that keeps every other process out.
pub struct Vault {
    connection: Connection,
    directory: PathBuf,
    _lock: Lock,
    /// A simulator's power cut: so many more transactions come to their end.
    #[cfg(feature = "simulation")]
    left: Option<u64>,
}

impl Vault {
    /// Creates a vault in `directory`, which is made if it isn't there and must otherwise hold nothing but what an
    /// interrupted creation left behind.
    ///
    /// A crash at any moment leaves no vault or a whole one.
    ///
    /// # Errors
    /// [`VaultFault::Exists`], [`VaultFault::NotEmpty`], [`VaultFault::InUse`], or the system's refusal.
    pub fn create(directory: &Path, passphrase: &Passphrase, cost: Cost) -> Result<Self, VaultFault> {
        forbid_core_dumps()?;
        let (database, draft) = (directory.join(DATABASE), directory.join(DATABASE_DRAFT));
        if database.try_exists()? {
            return Err(VaultFault::Exists);
        }
        prepare_directory(directory)?;
        let lock = Lock::take(&directory.join(LOCK))?;
        // Asked again under the lock: another process may have finished a creation since.
        if database.try_exists()? {
            return Err(VaultFault::Exists);
        }
        for leftover in LEFTOVERS {
            remove_if_there(&directory.join(leftover))?;
        }

        let key = Secret::random()?;
        Slots::seal(passphrase, cost, &key)?.write(&directory.join(SLOTS_DRAFT))?;
        fs::rename(directory.join(SLOTS_DRAFT), directory.join(SLOTS))?;
        schema::create(&draft, &key)?;
        fs::File::open(directory)?.sync_all()?;
        // The vault exists from this rename on: until then `open` says `HalfMade` and `create` may start again.
        fs::rename(&draft, &database)?;
        fs::File::open(directory)?.sync_all()?;

        let connection = schema::open(&database, &key)?;
        Ok(Self::of(connection, directory, lock))
    }

    /// Opens the vault in `directory`.
    ///
    /// # Errors
    /// [`VaultFault::NotFound`], [`VaultFault::HalfMade`], [`VaultFault::InUse`], [`VaultFault::WrongPassphrase`],
    /// [`VaultFault::Damaged`], [`VaultFault::TooNew`], or the system's refusal.
    pub fn open(directory: &Path, passphrase: &Passphrase) -> Result<Self, VaultFault> {
        forbid_core_dumps()?;
        Self::look(directory)?;
        let (database, slots) = (directory.join(DATABASE), directory.join(SLOTS));
        let lock = Lock::take(&directory.join(LOCK))?;
        let key = Slots::read(&slots)?.open(passphrase)?;
        let connection = schema::open(&database, &key)?;
        Ok(Self::of(connection, directory, lock))
    }

    fn of(connection: Connection, directory: &Path, lock: Lock) -> Self {
        Self {
            connection,
            directory: directory.to_owned(),
            _lock: lock,
            #[cfg(feature = "simulation")]
            left: None,
        }
    }

    /// Lets so many more transactions come to their end, and none after them: a power cut, for simulators.
    #[cfg(feature = "simulation")]
    pub fn stop_after(&mut self, transactions: u64) {
        self.left = Some(transactions);
    }

    /// Whether [`Self::stop_after`] has come.
    #[cfg(feature = "simulation")]
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.left == Some(0)
    }

    /// Whether there is a vault in `directory`, so that nobody is asked for a passphrase in vain.
    ///
    /// # Errors
    /// [`VaultFault::NotFound`], [`VaultFault::HalfMade`], [`VaultFault::Damaged`], or the system's refusal.
    pub fn look(directory: &Path) -> Result<(), VaultFault> {
        match (directory.join(DATABASE).try_exists()?, directory.join(SLOTS).try_exists()?) {
            (false, false) => Err(VaultFault::NotFound),
            (false, true) => Err(VaultFault::HalfMade),
            (true, false) => Err(VaultFault::Damaged { what: Part::Slots }),
            (true, true) => Ok(()),
        }
    }

    /// Runs `work` in one transaction: `Ok` is on disk when this returns, `Err` leaves no trace.
    ///
    /// After an `Err`, drop every MLS group object that `work` loaded: what it remembers was rolled back.
    ///
    /// # Errors
    /// Those of `work`, or the database's.
    pub fn transaction<T, E: From<VaultFault>>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        #[cfg(feature = "simulation")]
        match &mut self.left {
            Some(0) => return Err(VaultFault::System(std::io::ErrorKind::Other).into()),
            Some(left) => *left -= 1,
            None => {}
        }
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = Transaction(begun.map_err(VaultFault::from)?);
        let done = work(&transaction)?;
        transaction.0.commit().map_err(VaultFault::from)?;
        Ok(done)
    }

    /// Makes what was deleted unrecoverable even by who has the passphrase: frees its pages and empties the write-ahead log.
    ///
    /// # Errors
    /// The database's.
    pub fn purge(&mut self) -> Result<(), VaultFault> {
        connection::purge(&self.connection)
    }

    /// Reads and authenticates every page: minutes for a large vault, so for `doctor` and after trouble.
    ///
    /// # Errors
    /// [`VaultFault::Damaged`].
    pub fn check(&self) -> Result<(), VaultFault> {
        connection::check(&self.connection)
    }

    /// Destroys the vault in `directory` without a passphrase, even under a process that has it open.
    ///
    /// The keys go first: from then on the database can't be read. On flash storage the overwritten block may survive in
    /// spare cells until the drive reuses them.
    ///
    /// # Errors
    /// [`VaultFault::NotFound`], or the system's refusal; calling again goes on where it stopped.
    pub fn erase(directory: &Path) -> Result<(), VaultFault> {
        let (database, slots) = (directory.join(DATABASE), directory.join(SLOTS));
        if !slots.try_exists()? && !database.try_exists()? {
            return Err(VaultFault::NotFound);
        }
        slots::overwrite(&slots)?;
        for file in [DATABASE, LOCK].iter().chain(&SIDECARS).chain(&LEFTOVERS) {
            remove_if_there(&directory.join(file))?;
        }
        Ok(fs::File::open(directory)?.sync_all()?)
    }

    /// Where this vault lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// One transaction on the vault: what every rule of the client is given instead of a database.
pub struct Transaction<'vault>(rusqlite::Transaction<'vault>);

impl Transaction<'_> {
    /// The connection, for the files under `vault/` alone; use `prepare_cached`.
    pub(crate) fn sql(&self) -> &Connection {
        &self.0
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transaction")
    }
}

/// Keeps keys out of core files: the limit for those written to disk, the flag for those piped to a crash collector.
fn forbid_core_dumps() -> Result<(), VaultFault> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(std::io::Error::from)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(std::io::Error::from)?;
    Ok(())
}

/// Makes the directory, or accepts one that holds nothing of anybody else's.
fn prepare_directory(directory: &Path) -> Result<(), VaultFault> {
    if !directory.try_exists()? {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::File::open(parent)?.sync_all()?;
        }
    }
    for file in fs::read_dir(directory)? {
        let name = file?.file_name();
        if ![SLOTS, LOCK].iter().chain(&LEFTOVERS).any(|ours| name == *ours) {
            return Err(VaultFault::NotEmpty);
        }
    }
    Ok(fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?)
}

fn remove_if_there(file: &Path) -> Result<(), VaultFault> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
