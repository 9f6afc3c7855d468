//! Small single values: one typed setting a name.

use std::marker::PhantomData;

use minicbor::{Decode, Encode};
use rusqlite::OptionalExtension;
use zeroize::Zeroizing;

use super::{Transaction, fault::VaultFault};

pub(super) const TABLES: &str = "
    CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;";

/// A setting of type `T`; whoever owns it declares it as a constant.
#[derive(Debug)]
pub struct Setting<T> {
    name: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Setting<T> {
    /// Declares a setting; its name is stored, so it stays.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    /// Forgets the value.
    ///
    /// # Errors
    /// The database's.
    pub fn remove(&self, tx: &Transaction<'_>) -> Result<(), VaultFault> {
        tx.sql().prepare_cached("DELETE FROM settings WHERE name = ?1")?.execute([self.name])?;
        Ok(())
    }
}

impl<T: Encode<()> + for<'b> Decode<'b, ()>> Setting<T> {
    /// The value, if one was written.
    ///
    /// # Errors
    /// The database's, or [`VaultFault::Damaged`] if it isn't a `T`.
    pub fn read(&self, tx: &Transaction<'_>) -> Result<Option<T>, VaultFault> {
        let mut find = tx.sql().prepare_cached("SELECT value FROM settings WHERE name = ?1")?;
        let found: Option<Vec<u8>> = find.query_row([self.name], |row| row.get(0)).optional()?;
        Ok(found.map(Zeroizing::new).map(|value| minicbor::decode(&value)).transpose()?)
    }

    /// Writes the value over what was there.
    ///
    /// # Errors
    /// The database's.
    pub fn write(&self, tx: &Transaction<'_>, value: &T) -> Result<(), VaultFault> {
        let value = Zeroizing::new(minicbor::to_vec(value).map_err(|_| VaultFault::Bug { code: 0 })?);
        let mut put = tx.sql().prepare_cached(
            "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?;
        put.execute((self.name, value.as_slice()))?;
        Ok(())
    }
}
