//! Relays that this device knows: how to reach each, and what admits us there.

use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{Admission, Fingerprint, RelayAddress, RelayIdentity, decode_exact, encode};
use rusqlite::{OptionalExtension, params};

use super::{Transaction, VaultFault};

pub(super) const TABLES: &str = "
    CREATE TABLE relays (
        fingerprint BLOB PRIMARY KEY,
        address     BLOB NOT NULL,                 -- with the admission that came in it
        identity    BLOB,                          -- proved in a session
        own         BLOB,                          -- admission of our own making
        enrolled    INTEGER NOT NULL DEFAULT 0     -- 1 once the relay has answered for it
    ) STRICT, WITHOUT ROWID;
";

/// Which admissions this device has for a relay.
#[derive(Debug)]
pub(crate) enum Admissions {
    /// The one in the address, which may be shared or single-use.
    Given,
    /// One of our own, proposed to the relay, whose answer was not seen.
    Proposed(Admission),
    /// One of our own.
    Own(Admission),
}

/// A relay as known.
#[derive(Debug)]
pub(crate) struct KnownRelay {
    pub(crate) address: RelayAddress,
    pub(crate) admissions: Admissions,
}

pub(crate) fn remember(tx: &Transaction<'_>, address: &RelayAddress) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "INSERT INTO relays (fingerprint, address) VALUES (?1, ?2)
             ON CONFLICT (fingerprint) DO UPDATE SET address = ?2",
        )?
        .execute(params![address.fingerprint.0, encode(address)])?;
    Ok(())
}

pub(crate) fn find(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<Option<KnownRelay>, VaultFault> {
    type Row = (Vec<u8>, Option<[u8; 32]>, bool);
    let row: Option<Row> = tx
        .sql()
        .prepare_cached("SELECT address, own, enrolled FROM relays WHERE fingerprint = ?")?
        .query_row([relay.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((address, own, enrolled)) = row else { return Ok(None) };
    let Ok(address) = decode_exact(&address) else { return Ok(None) };
    let admissions = match own.map(|own| Admission::new(Secret::new(own))) {
        None => Admissions::Given,
        Some(own) if enrolled => Admissions::Own(own),
        Some(own) => Admissions::Proposed(own),
    };
    Ok(Some(KnownRelay { address, admissions }))
}

/// The relays of which this device wants something: it reads there, or has something to ask.
pub(crate) fn in_use(tx: &Transaction<'_>) -> Result<Vec<KnownRelay>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "SELECT fingerprint FROM relays WHERE fingerprint IN (SELECT relay FROM followed WHERE condition < 3)
             OR fingerprint IN (SELECT relay FROM outbox WHERE kind < 3) ORDER BY fingerprint",
    )?;
    let wanted = statement.query_map([], |row| row.get(0).map(Fingerprint))?.collect::<Result<Vec<_>, _>>()?;
    let mut found = Vec::new();
    for relay in wanted {
        found.extend(find(tx, &relay)?);
    }
    Ok(found)
}

pub(crate) fn forget(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM relays WHERE fingerprint = ?")?.execute([relay.0])?;
    Ok(())
}

pub(crate) fn propose(tx: &Transaction<'_>, relay: &Fingerprint, own: &Admission) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE relays SET own = ?, enrolled = 0 WHERE fingerprint = ?")?
        .execute(params![own.expose(), relay.0])?;
    Ok(())
}

/// The relay does not know an admission of our own any more.
pub(crate) fn forget_own(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE relays SET own = NULL, enrolled = 0 WHERE fingerprint = ?")?.execute([relay.0])?;
    Ok(())
}

pub(crate) fn enrolled(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE relays SET enrolled = 1 WHERE fingerprint = ?")?.execute([relay.0])?;
    Ok(())
}

pub(crate) fn proved(tx: &Transaction<'_>, relay: &Fingerprint, key: &RelayIdentity) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE relays SET identity = ?1 WHERE fingerprint = ?2 AND identity IS NOT ?1")?
        .execute(params![key.0, relay.0])?;
    Ok(())
}

pub(crate) fn identity(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<Option<RelayIdentity>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT identity FROM relays WHERE fingerprint = ?")?
        .query_row([relay.0], |row| row.get::<_, Option<[u8; 32]>>(0))
        .optional()?
        .flatten()
        .map(RelayIdentity))
}
