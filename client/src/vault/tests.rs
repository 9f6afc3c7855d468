//! What the vault promises, tried on real directories.

mod damage;
mod mls;
mod processes;

use tempfile::TempDir;

use super::{settings::Setting, *};

const NOTE: Setting<String> = Setting::named("note");
const PASSPHRASE: &str = "la relève de demain";

fn passphrase() -> Passphrase {
    Passphrase::new(PASSPHRASE.to_owned())
}

fn new_vault() -> (TempDir, Vault) {
    let directory = TempDir::new().unwrap();
    let vault = Vault::create(directory.path(), &passphrase(), Cost::FOR_TESTS).unwrap();
    (directory, vault)
}

fn read_note(vault: &mut Vault) -> Option<String> {
    vault.transaction(|tx| NOTE.read(tx)).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = files(directory).into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}

/// Names and contents of everything in a vault's directory.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

#[test]
fn what_a_transaction_wrote_is_there_after_reopening() {
    let (directory, mut vault) = new_vault();
    vault.transaction(|tx| NOTE.write(tx, &"strike fund".to_owned())).unwrap();
    drop(vault);
    let mut vault = Vault::open(directory.path(), &passphrase()).unwrap();
    assert_eq!(read_note(&mut vault).as_deref(), Some("strike fund"));
    vault.transaction(|tx| NOTE.remove(tx)).unwrap();
    assert_eq!(read_note(&mut vault), None);
}

#[test]
fn a_failed_transaction_leaves_no_trace() {
    let (_directory, mut vault) = new_vault();
    let failed: Result<(), VaultFault> = vault.transaction(|tx| {
        NOTE.write(tx, &"never".to_owned())?;
        Err(VaultFault::NotFound)
    });
    assert!(matches!(failed, Err(VaultFault::NotFound)));
    assert_eq!(read_note(&mut vault), None);
}

#[test]
fn a_panic_in_a_transaction_leaves_no_trace_and_a_usable_vault() {
    let (_directory, mut vault) = new_vault();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        vault.transaction::<(), VaultFault>(|tx| {
            NOTE.write(tx, &"never".to_owned())?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(read_note(&mut vault), None);
}

#[test]
fn a_full_disk_is_said_and_changes_nothing() {
    let (_directory, mut vault) = new_vault();
    vault.transaction(|tx| NOTE.write(tx, &"before".to_owned())).unwrap();
    vault.connection.pragma_update(None, "max_page_count", 60).unwrap();
    let full = vault.transaction(|tx| NOTE.write(tx, &"after".repeat(100_000)));
    assert_eq!(full, Err(VaultFault::Full));
    vault.connection.pragma_update(None, "max_page_count", 1000).unwrap();
    assert_eq!(read_note(&mut vault).as_deref(), Some("before"));
    vault.transaction(|tx| NOTE.write(tx, &"after".repeat(100_000))).unwrap();
}

#[test]
fn nothing_is_in_clear_on_disk_while_open_or_closed() {
    let directory = TempDir::new().unwrap();
    let vault = directory.path().join("vault");
    let mut open = Vault::create(&vault, &passphrase(), Cost::FOR_TESTS).unwrap();
    let text = "the meeting is at the parish hall";
    // Large enough to spill out of the cache, sorted so that SQLite wants temporary room.
    open.transaction::<_, VaultFault>(|tx| {
        NOTE.write(tx, &text.repeat(200_000))?;
        tx.sql().execute_batch(
            "CREATE TABLE line (text TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             INSERT INTO line SELECT 'the meeting is at the parish hall' || i FROM n ORDER BY i * 7919 % 20011;",
        )?;
        Ok(())
    })
    .unwrap();
    let scan = |when: &str| {
        for (name, bytes) in files(&vault) {
            for needle in [text.as_bytes(), PASSPHRASE.as_bytes(), b"CREATE TABLE", b"SQLite format 3"] {
                let found = bytes.windows(needle.len()).any(|window| window == needle);
                assert!(!found, "{} is in clear in {name} {when}", String::from_utf8_lossy(needle));
            }
        }
    };
    assert!(files(&vault).iter().any(|(name, bytes)| name == "vault.db-wal" && bytes.len() > text.len() * 200_000));
    scan("while open");
    drop(open);
    scan("after closing");
    assert_eq!(names(&vault), [LOCK, SLOTS, DATABASE]);
}

#[test]
fn another_passphrase_does_not_open() {
    let (directory, vault) = new_vault();
    drop(vault);
    for wrong in ["", "la releve de demain", "la relève de demain "] {
        let opened = Vault::open(directory.path(), &Passphrase::new(wrong.to_owned()));
        assert!(matches!(opened, Err(VaultFault::WrongPassphrase)), "{opened:?}");
    }
}

#[test]
fn a_second_opening_in_this_process_is_told_that_the_vault_is_in_use() {
    let (directory, _vault) = new_vault();
    assert!(matches!(Vault::open(directory.path(), &passphrase()), Err(VaultFault::InUse)));
}

#[test]
fn a_vault_is_never_made_over_another_or_among_strange_files() {
    let (directory, vault) = new_vault();
    let again = |directory: &Path| Vault::create(directory, &passphrase(), Cost::FOR_TESTS);
    assert!(matches!(again(directory.path()), Err(VaultFault::Exists)));
    drop(vault);
    assert!(matches!(again(directory.path()), Err(VaultFault::Exists)));

    let strange = TempDir::new().unwrap();
    fs::write(strange.path().join("letter.txt"), "mine").unwrap();
    assert!(matches!(again(strange.path()), Err(VaultFault::NotEmpty)));
    assert_eq!(names(strange.path()), ["letter.txt"]);
}

#[test]
fn a_creation_cut_anywhere_leaves_nothing_or_a_vault_and_can_be_redone() {
    let (whole, vault) = new_vault();
    drop(vault);
    let file = |name: &str| fs::read(whole.path().join(name)).unwrap();
    let (database, slots) = (file(DATABASE), file(SLOTS));
    let moments: [&[(&str, &[u8])]; 8] = [
        &[],
        &[(LOCK, b"")],
        &[(LOCK, b""), (SLOTS_DRAFT, b"")],
        &[(LOCK, b""), (SLOTS_DRAFT, &slots)],
        &[(LOCK, b""), (SLOTS, &slots)],
        &[(LOCK, b""), (SLOTS, &slots), (DATABASE_DRAFT, b"")],
        &[(LOCK, b""), (SLOTS, &slots), (DATABASE_DRAFT, &database[..4096]), ("vault.db.new-wal", &database)],
        &[(LOCK, b""), (SLOTS, &slots), (DATABASE_DRAFT, &database)],
    ];
    for (number, left) in moments.into_iter().enumerate() {
        let directory = TempDir::new().unwrap();
        left.iter().for_each(|(name, bytes)| fs::write(directory.path().join(name), bytes).unwrap());
        match Vault::open(directory.path(), &passphrase()) {
            Err(VaultFault::NotFound) => assert!(!directory.path().join(SLOTS).exists(), "moment {number}"),
            Err(VaultFault::HalfMade) => assert!(directory.path().join(SLOTS).exists(), "moment {number}"),
            other => panic!("moment {number}: {other:?}"),
        }
        drop(Vault::create(directory.path(), &passphrase(), Cost::FOR_TESTS).unwrap());
        Vault::open(directory.path(), &passphrase()).unwrap();
        assert!(!directory.path().join(SLOTS_DRAFT).exists() && !directory.path().join(DATABASE_DRAFT).exists());
    }
}

#[test]
fn only_the_owner_may_read_what_is_created() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("deep").join("vault");
    let mut vault = Vault::create(&directory, &passphrase(), Cost::FOR_TESTS).unwrap();
    vault.transaction(|tx| NOTE.write(tx, &"x".to_owned())).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(names(&directory), [LOCK, SLOTS, DATABASE, "vault.db-wal"]);
    for name in names(&directory) {
        assert_eq!(mode(&directory.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn erasing_overwrites_the_slots_and_removes_everything_even_under_an_open_vault() {
    let (directory, vault) = new_vault();
    let elsewhere = TempDir::new_in(directory.path().parent().unwrap()).unwrap();
    let link = elsewhere.path().join("link");
    fs::hard_link(directory.path().join(SLOTS), &link).unwrap();
    let before = fs::read(&link).unwrap();

    Vault::erase(directory.path()).unwrap();
    assert_eq!(names(directory.path()), [""; 0]);
    let after = fs::read(&link).unwrap();
    assert_eq!(before.len(), after.len());
    for (before, after) in before.chunks_exact(16).zip(after.chunks_exact(16)) {
        assert_ne!(before, after);
    }
    drop(vault);
    assert!(matches!(Vault::open(directory.path(), &passphrase()), Err(VaultFault::NotFound)));
    assert!(matches!(Vault::erase(directory.path()), Err(VaultFault::NotFound)));
}

#[test]
fn an_open_vault_forbids_core_dumps_and_prints_nothing() {
    let (_directory, vault) = new_vault();
    assert_eq!(rustix::process::getrlimit(rustix::process::Resource::Core).current, Some(0));
    assert_eq!(format!("{vault:?} {:?}", passphrase()), "Vault Passphrase");
}
