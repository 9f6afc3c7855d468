//! The vault's key slots, as a damaged or planted file.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use relevo_client::vault::{Passphrase, Vault};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Where the cost of a guess stands: memory, passes, lanes, 4 bytes each.
const COST: core::ops::Range<usize> = 14..26;

thread_local! {
    /// In memory where there is such a place: the file is written for each input.
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

fn folder() -> Option<PathBuf> {
    FOLDER.with_borrow_mut(|folder| {
        if folder.is_none() {
            *folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).ok();
        }
        folder.as_ref().map(|folder| folder.path().to_owned())
    })
}

/// A vault whose slots are these: with the digest as it came, or put right.
pub fn slots(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let mut file = bytes.to_vec();
    if mode & 1 == 1 {
        // A guess as dear as a planted file may ask takes seconds, by design: bounded, and tried elsewhere.
        if let Some(cost) = file.get_mut(COST) {
            cost.copy_from_slice(&[0, 0, 0, 64, 0, 0, 0, 1, 0, 0, 0, 1]);
        }
        if let Some((body, digest)) = file.split_last_chunk_mut::<32>() {
            *digest = Sha256::digest(&*body).into();
        }
    }
    let Some(folder) = folder() else { return };
    if fs::write(folder.join("slots"), &file).is_err() || fs::write(folder.join("vault.db"), [0; 4096]).is_err() {
        return;
    }
    let passphrase = Passphrase::new("a passphrase".to_owned());
    assert!(Vault::open(&folder, &passphrase).is_err(), "no database belongs to these slots");
}
