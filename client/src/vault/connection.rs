//! The one SQLCipher connection: its key and its settings.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, sync::Once};

use data_encoding::HEXLOWER;
use relevo_protocol::secret::Secret;
use rusqlite::{Connection, OpenFlags};
use zeroize::Zeroizing;

use super::fault::{Part, VaultFault};

/// How many parsed statements are kept: more than the client has.
const STATEMENTS: usize = 256;

/// Makes an empty database file that only its owner may read; its log inherits that.
pub(super) fn create(path: &Path, key: &Secret<32>) -> Result<Connection, VaultFault> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let connection = keyed(path, key)?;
    // Before the first page is written. On a database that is there, SQLite would write this anew at each opening, and
    // could not on a full disk.
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL;")?;
    tune(&connection)?;
    Ok(connection)
}

/// Opens a database under its raw key. Writes nothing, so that a full disk can be read.
pub(super) fn open(path: &Path, key: &Secret<32>) -> Result<Connection, VaultFault> {
    let connection = keyed(path, key)?;
    tune(&connection)?;
    Ok(connection)
}

/// SQLite says that it is ready before it has prepared SQLCipher: a thread that opens its first database while another one does would
/// have no cipher.
static PREPARED: Once = Once::new();

fn keyed(path: &Path, key: &Secret<32>) -> Result<Connection, VaultFault> {
    PREPARED.call_once(|| drop(Connection::open_in_memory()));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // SQLCipher otherwise explains a wrong key on standard error.
    connection.execute_batch("PRAGMA cipher_log_level = NONE;")?;
    let mut hex = Zeroizing::new([0; 64]);
    HEXLOWER.encode_mut(key.expose(), hex.as_mut_slice());
    let hex = std::str::from_utf8(hex.as_slice()).map_err(|_| VaultFault::Bug { code: 0 })?;
    let mut statement = Zeroizing::new(String::with_capacity(128));
    statement.push_str("PRAGMA key = \"x'");
    statement.push_str(hex);
    statement.push_str("'\";");
    connection.execute_batch(&statement)?;
    Ok(connection)
}

/// Durable, alone, and leaving nothing behind: neither deleted rows in pages nor temporary files on disk.
///
/// Exclusive locking comes before anything that reads the file: set later, SQLite has made its shared-memory file.
fn tune(connection: &Connection) -> Result<(), VaultFault> {
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA temp_store = MEMORY;
         PRAGMA secure_delete = ON;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;",
    )?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Gives freed pages back and moves the log into the database, where `secure_delete` has zeroed what was deleted.
pub(super) fn purge(connection: &Connection) -> Result<(), VaultFault> {
    let mut vacuum = connection.prepare_cached("PRAGMA incremental_vacuum")?;
    let mut freed = vacuum.query([])?;
    while freed.next()?.is_some() {}
    drop(freed);
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 { Ok(()) } else { Err(VaultFault::InUse) }
}

/// Authenticates every page, then asks SQLite whether they make sense together.
pub(super) fn check(connection: &Connection) -> Result<(), VaultFault> {
    let mut pages = connection.prepare("PRAGMA cipher_integrity_check")?;
    let damaged = pages.exists([])?;
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let orphans = connection.prepare("PRAGMA foreign_key_check")?.exists([])?;
    if damaged || verdict != "ok" || orphans {
        return Err(VaultFault::Damaged { what: Part::Database });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::{Arc, Barrier};

    use super::*;

    const TEXT: &str = "the plant at the border will be closed";

    #[test]
    fn opening_writes_nothing() {
        let directory = tempfile::TempDir::new().unwrap();
        let (database, log) = (directory.path().join("vault.db"), directory.path().join("vault.db-wal"));
        let key = Secret::new([7; 32]);
        let connection = create(&database, &key).unwrap();
        connection.execute_batch("CREATE TABLE note (text TEXT)").unwrap();
        purge(&connection).unwrap();
        drop(connection);
        let before = fs::read(&database).unwrap();
        let connection = open(&database, &key).unwrap();
        let notes: i64 = connection.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).unwrap();
        assert_eq!((notes, fs::metadata(&log).unwrap().len()), (0, 0));
        let freed: i64 = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
        assert_eq!(freed, 2, "incremental, as it was made");
        drop(connection);
        assert!(fs::read(&database).unwrap() == before);
    }

    /// A process of its own for each try: only the first opening of a process prepares SQLCipher.
    #[test]
    fn the_first_vaults_of_a_process_may_be_opened_at_the_same_moment() {
        const ALONE: &str = "RELEVO_FIRST_OPENING";
        if std::env::var_os(ALONE).is_some() {
            let moment = Arc::new(Barrier::new(16));
            let open = |_| {
                let moment = Arc::clone(&moment);
                std::thread::spawn(move || {
                    let directory = tempfile::TempDir::new().unwrap();
                    moment.wait();
                    create(&directory.path().join("vault.db"), &Secret::new([7; 32])).unwrap();
                })
            };
            let opening: Vec<_> = (0..16).map(open).collect();
            // Joined, and this thread goes with the process: OpenSSL's end at exit does not bear a thread that is just ending.
            let opened = opening.into_iter().all(|thread| thread.join().is_ok());
            std::process::exit(i32::from(!opened));
        }
        // Unprepared, one in fifty fails.
        for _ in 0..150 {
            let name = "vault::connection::tests::the_first_vaults_of_a_process_may_be_opened_at_the_same_moment";
            let mut this = std::process::Command::new(std::env::current_exe().unwrap());
            let done = this.args(["--exact", name]).env(ALONE, "1").output().unwrap();
            assert!(done.status.success(), "{done:?}");
        }
    }

    /// SQLCipher without a key is plain SQLite, so the file shows what an owner of the key would see.
    #[test]
    fn deleted_text_is_gone_from_the_pages_and_the_log_after_a_purge() {
        let directory = tempfile::TempDir::new().unwrap();
        let database = directory.path().join("plain.db");
        let connection = Connection::open(&database).unwrap();
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL;").unwrap();
        tune(&connection).unwrap();
        connection.execute_batch("CREATE TABLE note (text TEXT)").unwrap();
        for _ in 0..500 {
            connection.execute("INSERT INTO note VALUES (?1)", [TEXT]).unwrap();
        }
        purge(&connection).unwrap();
        let log = directory.path().join("plain.db-wal");
        let holds = |file| fs::read(file).unwrap().windows(TEXT.len()).any(|bytes| bytes == TEXT.as_bytes());
        let size = fs::metadata(&database).unwrap().len();
        assert!(holds(&database));

        connection.execute("DELETE FROM note", []).unwrap();
        assert!(holds(&database), "a deletion alone leaves the text in the database until the log is moved");
        purge(&connection).unwrap();
        assert!(!holds(&database) && !holds(&log));
        assert_eq!(fs::metadata(&log).unwrap().len(), 0);
        assert!(fs::metadata(&database).unwrap().len() < size, "freed pages are given back");
    }
}
