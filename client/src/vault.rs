//! The encrypted store of one member on one device.

pub(crate) mod followed;
pub(crate) mod outbox;
pub(crate) mod relays;

/// Why the vault did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultFault {
    /// The database failed.
    #[error("the vault's database failed")]
    Database(#[from] rusqlite::Error),
}

/// One transaction of the vault.
pub struct Transaction<'a>(rusqlite::Transaction<'a>);

impl Transaction<'_> {
    pub(crate) fn sql(&self) -> &rusqlite::Connection {
        &self.0
    }
}

/// The store, open.
pub struct Vault(rusqlite::Connection);

impl Vault {
    /// Runs `work` in one transaction: `Ok` commits, `Err` rolls back.
    ///
    /// # Errors
    /// What `work` says, or the vault's own fault.
    pub fn transaction<T, E: From<VaultFault>>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let tx = self.0.transaction().map_err(VaultFault::from)?;
        let tx = Transaction(tx);
        let done = work(&tx)?;
        tx.0.commit().map_err(VaultFault::from)?;
        Ok(done)
    }
}
