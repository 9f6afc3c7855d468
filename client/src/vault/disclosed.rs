//! Rows whose secrets [`crate::disclosure`] lays open.

use zeroize::Zeroizing;

use super::mls_storage::SECRET_KINDS;
use super::{Transaction, VaultFault};

/// Values of MLS rows that hold secrets, as stored.
pub(crate) fn mls(tx: &Transaction<'_>) -> Result<Vec<Zeroizing<Vec<u8>>>, VaultFault> {
    let mut find = tx.sql().prepare_cached("SELECT value FROM mls WHERE kind = ?")?;
    let mut values = Vec::new();
    for kind in SECRET_KINDS {
        for value in find.query_map([kind], |row| row.get(0).map(Zeroizing::new))? {
            values.push(value?);
        }
    }
    Ok(values)
}

/// Keys that sign in leaves.
pub(crate) fn leaf_keys(tx: &Transaction<'_>) -> Result<Vec<Zeroizing<Vec<u8>>>, VaultFault> {
    rows(tx, "SELECT secret FROM leaf_keys")
}

/// What members of groups hold of their mailboxes, as stored.
pub(crate) fn group_secrets(tx: &Transaction<'_>) -> Result<Vec<Zeroizing<Vec<u8>>>, VaultFault> {
    rows(tx, "SELECT secrets FROM conversation_mailboxes")
}

/// *owner* of mailboxes of groups.
pub(crate) fn group_owners(tx: &Transaction<'_>) -> Result<Vec<Zeroizing<Vec<u8>>>, VaultFault> {
    rows(
        tx,
        "SELECT owner FROM conversation_mailboxes WHERE owner IS NOT NULL UNION ALL SELECT owner FROM early_owners",
    )
}

fn rows(tx: &Transaction<'_>, select: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, VaultFault> {
    let mut find = tx.sql().prepare_cached(select)?;
    let values = find.query_map([], |row| row.get(0).map(Zeroizing::new))?;
    Ok(values.collect::<Result<_, _>>()?)
}
