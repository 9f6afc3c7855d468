//! The secrets of an open vault, laid open on purpose: for those who look whether a relay holds any of them.
//!
//! Who can call this has the passphrase. Nothing in the product does.

use std::fmt;

use ciborium::Value;
use relevo_protocol::content::Location;
use relevo_protocol::sealed::GroupSecrets;
use relevo_protocol::wire::{Capability, Fingerprint, MailboxId, decode_exact};
use zeroize::Zeroizing;

use crate::inbox::{self, InboxFault};
use crate::membership::identity;
use crate::vault::{Part, Transaction, VaultFault, disclosed, documents, followed};

/// Shortest string of an MLS row that counts as a secret: its shortest keys and nonces have 12 and 16 bytes, and shorter
/// strings are indices.
const MIN_SECRET: usize = 16;
/// A secret has more than so many different bytes; what has fewer is padding or a count.
const MIN_DISTINCT: usize = 8;

/// A secret, and what it is.
pub struct Disclosed {
    /// What it is, in words.
    pub what: &'static str,
    /// The secret.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Disclosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, bytes: _ } = self;
        write!(f, "Disclosed({what})")
    }
}

/// Why a vault could not be laid open.
#[derive(Debug, thiserror::Error)]
pub enum DisclosureFault {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultFault),
    /// The inbox.
    #[error(transparent)]
    Inbox(#[from] InboxFault),
    /// The member's own row.
    #[error(transparent)]
    Membership(#[from] crate::membership::MembershipFault),
}

/// Private keys of the member and the device, keys of conversations, of the inbox and the shelf, of documents; and
/// everything in MLS's secret rows, public halves included, since no relay may hold those in clear either.
///
/// # Errors
/// [`DisclosureFault`].
pub fn keys(tx: &Transaction<'_>) -> Result<Vec<Disclosed>, DisclosureFault> {
    let mut all = Vec::new();
    let mut add = |what, bytes: &[u8]| all.push(Disclosed { what, bytes: Zeroizing::new(bytes.to_vec()) });
    let [member, device] = identity::seeds(tx)?;
    add("private key of a member", member.expose());
    add("private key of a device", device.expose());
    for seed in inbox::seeds(tx)? {
        add("private key of an inbox", seed.expose());
    }
    add("key of a shelf", inbox::shelf(tx)?.1.expose());
    for secrets in groups(tx)? {
        add("key of a conversation's log", secrets.wrap.expose());
    }
    for secret in disclosed::leaf_keys(tx)? {
        add("private key of a leaf", &secret);
    }
    for row in documents::list(tx)? {
        let location: Location = decode_exact(&row.location).map_err(|_| damaged())?;
        add("key of a document", location.key.expose());
    }
    for row in disclosed::mls(tx)? {
        let value: Value = ciborium::from_reader(row.as_slice()).map_err(|_| damaged())?;
        strings(&value, &mut |bytes| add("secret of a conversation (MLS)", bytes));
    }
    Ok(all)
}

/// Capabilities for mailboxes, which relays see when they are shown and never write down.
///
/// # Errors
/// [`DisclosureFault`].
pub fn capabilities(tx: &Transaction<'_>) -> Result<Vec<Disclosed>, DisclosureFault> {
    let mut all = Vec::new();
    let mut add = |bytes: &[u8]| all.push(Disclosed { what: "capability", bytes: Zeroizing::new(bytes.to_vec()) });
    for capability in inbox::capabilities(tx)? {
        add(capability.expose());
    }
    for secrets in groups(tx)? {
        add(secrets.read.expose());
        add(secrets.append.expose());
    }
    disclosed::group_owners(tx)?.iter().for_each(|owner| add(owner));
    for (_, _, capability) in read_mailboxes(tx)? {
        add(capability.expose());
    }
    Ok(all)
}

/// The mailboxes that this device's sessions read, with the relay of each and what opens it.
///
/// # Errors
/// The vault's.
pub fn read_mailboxes(tx: &Transaction<'_>) -> Result<Vec<(Fingerprint, MailboxId, Capability)>, VaultFault> {
    let rows = followed::newer(tx, 0)?.into_iter();
    Ok(rows.map(|row| (row.followed.relay, row.followed.mailbox, row.capability)).collect())
}

fn groups(tx: &Transaction<'_>) -> Result<Vec<GroupSecrets>, VaultFault> {
    let rows = disclosed::group_secrets(tx)?;
    rows.iter().map(|row| decode_exact(row).map_err(|_| damaged())).collect()
}

/// Every byte string of a value that may be a secret. openmls writes some as arrays of numbers.
fn strings(value: &Value, found: &mut impl FnMut(&[u8])) {
    match value {
        Value::Bytes(bytes) => string(bytes, found),
        Value::Array(items) => {
            let bytes: Option<Zeroizing<Vec<u8>>> = items
                .iter()
                .map(|item| item.as_integer().and_then(|number| u8::try_from(number).ok()))
                .collect::<Option<Vec<u8>>>()
                .map(Zeroizing::new);
            match bytes {
                Some(bytes) => string(&bytes, found),
                None => items.iter().for_each(|item| strings(item, found)),
            }
        }
        Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            strings(key, found);
            strings(value, found);
        }),
        Value::Tag(_, inner) => strings(inner, found),
        // Numbers, texts and names of variants; whatever else the codec may learn is no byte string.
        Value::Integer(_) | Value::Float(_) | Value::Text(_) | Value::Bool(_) | Value::Null | _ => {}
    }
}

fn string(bytes: &[u8], found: &mut impl FnMut(&[u8])) {
    let distinct = bytes.iter().collect::<std::collections::BTreeSet<_>>().len();
    if bytes.len() >= MIN_SECRET && distinct > MIN_DISTINCT {
        found(bytes);
    }
}

fn damaged() -> VaultFault {
    VaultFault::Damaged { what: Part::Row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_byte_strings_and_arrays_of_numbers_however_deep() {
        let (one, other): (Vec<u8>, Vec<u8>) = ((0..32).collect(), (100..132).collect());
        let numbers = Value::Array(other.iter().map(|byte| Value::Integer((*byte).into())).collect());
        let inside = Value::Array(vec![Value::Null, numbers]);
        let value = Value::Map(vec![
            (Value::Text("pair".into()), inside),
            (Value::Bytes(one.clone()), Value::Bytes(vec![0; 32])),
        ]);
        let mut found = Vec::new();
        strings(&value, &mut |bytes| found.push(bytes.to_vec()));
        assert_eq!(found, [other, one]);
    }
}
