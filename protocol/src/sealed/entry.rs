//! Entries under a symmetric key: a group's log, a shelf, a code's mailbox.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::SealFault;
use super::padding::{pad, unpad};
use crate::labels;
use crate::secret::named_secret;
use crate::wire::{Entry, MailboxId};

/// Bytes of the nonce, which stands first in the entry.
const NONCE: usize = 24;
/// Bytes of the authentication tag, which stands last.
const TAG: usize = 16;

named_secret! {
    /// A key that seals entries: a group's wrap key, a shelf's key, or the key of a code.
    EntryKey, 32
}

/// Seals an entry of a group's log: nonce | XChaCha20-Poly1305(key, nonce, padded body, aad = label | 0x00 | mailbox id).
///
/// # Errors
/// [`SealFault::TooLarge`], [`SealFault::Randomness`].
pub fn seal(key: &EntryKey, mailbox: &MailboxId, body: &[u8]) -> Result<Entry, SealFault> {
    seal_as(labels::ENTRY, key, mailbox, body)
}

/// Opens an entry of a group's log.
///
/// # Errors
/// [`SealFault::NotOurs`], [`SealFault::Malformed`].
pub fn open(key: &EntryKey, mailbox: &MailboxId, entry: &Entry) -> Result<Zeroizing<Vec<u8>>, SealFault> {
    open_as(labels::ENTRY, key, mailbox, entry)
}

/// Seals a key package for a shelf, as [`seal`] with the shelf's label.
///
/// # Errors
/// [`SealFault::TooLarge`], [`SealFault::Randomness`].
pub fn seal_shelf(key: &EntryKey, mailbox: &MailboxId, body: &[u8]) -> Result<Entry, SealFault> {
    seal_as(labels::SHELF, key, mailbox, body)
}

/// Opens an entry of a shelf.
///
/// # Errors
/// [`SealFault::NotOurs`], [`SealFault::Malformed`].
pub fn open_shelf(key: &EntryKey, mailbox: &MailboxId, entry: &Entry) -> Result<Zeroizing<Vec<u8>>, SealFault> {
    open_as(labels::SHELF, key, mailbox, entry)
}

/// Seals the content of a code's mailbox, as [`seal`] with the code's label.
///
/// # Errors
/// [`SealFault::TooLarge`], [`SealFault::Randomness`].
pub fn seal_code(key: &EntryKey, mailbox: &MailboxId, body: &[u8]) -> Result<Entry, SealFault> {
    seal_as(labels::CODE, key, mailbox, body)
}

/// Opens the content of a code's mailbox.
///
/// # Errors
/// [`SealFault::NotOurs`], [`SealFault::Malformed`].
pub fn open_code(key: &EntryKey, mailbox: &MailboxId, entry: &Entry) -> Result<Zeroizing<Vec<u8>>, SealFault> {
    open_as(labels::CODE, key, mailbox, entry)
}

fn seal_as(label: &str, key: &EntryKey, mailbox: &MailboxId, body: &[u8]) -> Result<Entry, SealFault> {
    // 192 random bits do not repeat in any number of entries that a group can write.
    let mut nonce = [0; NONCE];
    crate::random::fill(&mut nonce)?;
    #[cfg(feature = "planted-bugs")]
    if crate::planted::is(crate::planted::Bug::NonceRepeated) {
        nonce = [7; NONCE];
    }
    seal_with_nonce(label, key, mailbox, body, nonce)
}

fn seal_with_nonce(
    label: &str,
    key: &EntryKey,
    mailbox: &MailboxId,
    body: &[u8],
    nonce: [u8; NONCE],
) -> Result<Entry, SealFault> {
    let padded = pad(body, NONCE + TAG)?;
    let aad = aad(label, mailbox);
    let sealed = XChaCha20Poly1305::new(key.expose().into())
        .encrypt(XNonce::from_slice(&nonce), Payload { msg: &padded, aad: &aad })
        .map_err(|_| SealFault::Malformed)?;
    Entry::parse([&nonce[..], &sealed].concat().into()).map_err(|_| SealFault::Malformed)
}

fn open_as(label: &str, key: &EntryKey, mailbox: &MailboxId, entry: &Entry) -> Result<Zeroizing<Vec<u8>>, SealFault> {
    let (nonce, sealed) = entry.bytes().split_first_chunk::<NONCE>().ok_or(SealFault::NotOurs)?;
    let aad = aad(label, mailbox);
    let padded = XChaCha20Poly1305::new(key.expose().into())
        .decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: &aad })
        .map(Zeroizing::new)
        .map_err(|_| SealFault::NotOurs)?;
    unpad(&padded)
}

fn aad(label: &str, mailbox: &MailboxId) -> Vec<u8> {
    [label.as_bytes(), &[0], &mailbox.0].concat()
}
