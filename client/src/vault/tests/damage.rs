//! Damage is said, never guessed over, and never a panic.

use super::*;

/// A closed vault whose database has a few dozen pages.
fn closed_vault() -> TempDir {
    let (directory, mut vault) = new_vault();
    vault.transaction(|tx| NOTE.write(tx, &"expiry dates ".repeat(4000))).unwrap();
    directory
}

/// Opens, reads and checks, as a person who looks for trouble does.
fn examine(directory: &Path) -> Result<(), VaultFault> {
    let mut vault = Vault::open(directory, &passphrase())?;
    vault.transaction(|tx| NOTE.read(tx))?;
    vault.check()
}

#[test]
fn a_sound_vault_passes_the_check() {
    examine(closed_vault().path()).unwrap();
}

#[test]
fn a_flipped_bit_anywhere_in_the_database_is_damage() {
    let directory = closed_vault();
    let database = directory.path().join(DATABASE);
    let sound = fs::read(&database).unwrap();
    for at in (0..16).chain((16..sound.len()).step_by(1111)) {
        let mut flipped = sound.clone();
        flipped[at] ^= 4;
        fs::write(&database, &flipped).unwrap();
        let found = examine(directory.path());
        assert!(matches!(found, Err(VaultFault::Damaged { what: Part::Database })), "byte {at}: {found:?}");
    }
}

#[test]
fn a_truncated_database_is_damage() {
    let directory = closed_vault();
    let database = directory.path().join(DATABASE);
    let sound = fs::read(&database).unwrap();
    for length in [0, 1, 100, 4096, 5000, sound.len() / 4096 / 2 * 4096] {
        fs::write(&database, &sound[..length]).unwrap();
        let found = examine(directory.path());
        assert!(matches!(found, Err(VaultFault::Damaged { what: Part::Database })), "{length} bytes: {found:?}");
    }
}

#[test]
fn damaged_or_missing_slots_are_said_as_such() {
    let directory = closed_vault();
    let slots = directory.path().join(SLOTS);
    let mut bytes = fs::read(&slots).unwrap();
    bytes[60] ^= 1;
    fs::write(&slots, bytes).unwrap();
    assert!(matches!(examine(directory.path()), Err(VaultFault::Damaged { what: Part::Slots })));
    fs::remove_file(&slots).unwrap();
    assert!(matches!(examine(directory.path()), Err(VaultFault::Damaged { what: Part::Slots })));
}

#[test]
fn a_value_of_another_type_is_a_damaged_row() {
    const NUMBER: Setting<u32> = Setting::named("note");
    let (_directory, mut vault) = new_vault();
    vault.transaction(|tx| NOTE.write(tx, &"text".to_owned())).unwrap();
    let read = vault.transaction(|tx| NUMBER.read(tx));
    assert!(matches!(read, Err(VaultFault::Damaged { what: Part::Row })));
}

#[test]
fn a_later_schema_is_told_from_damage() {
    let (directory, mut vault) = new_vault();
    vault.transaction::<_, VaultFault>(|tx| Ok(tx.sql().pragma_update(None, "user_version", 1000)?)).unwrap();
    drop(vault);
    assert!(matches!(examine(directory.path()), Err(VaultFault::TooNew)));
}
