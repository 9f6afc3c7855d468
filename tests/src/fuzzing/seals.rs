//! Seals: what anybody may put into a mailbox, and what lies inside when a key holder wrote it.

use std::sync::LazyLock;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use relevo_protocol::labels;
use relevo_protocol::limits::{CHUNK, ENTRY_BUCKETS};
use relevo_protocol::sealed::{
    DocumentKey, EntryKey, InboxKeyPair, InboxPublicKey, SealFault, chunk_count, chunk_length, open, open_chunk,
    open_code, open_shelf, seal, seal_chunk, seal_to,
};
use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{Entry, MailboxId};

const MAILBOX: MailboxId = MailboxId([1; 16]);
/// Not the key of the vectors, whose entries are among the seeds.
const KEY: [u8; 32] = [60; 32];

/// Bytes as an entry of the smallest bucket that they fit.
fn entry(bytes: &[u8]) -> Option<Entry> {
    let bucket = ENTRY_BUCKETS.into_iter().find(|bucket| *bucket >= bytes.len())?;
    let mut whole = bytes.to_vec();
    whole.resize(bucket, 0);
    Entry::parse(whole.into()).ok()
}

/// An entry as it came never opens; one that a key holder padded badly is told as malformed; an honest one opens once.
pub fn entries(bytes: &[u8]) {
    let key = EntryKey::new(Secret::new(KEY));
    let Some(foreign) = entry(bytes) else { return };
    for opened in
        [open(&key, &MAILBOX, &foreign), open_shelf(&key, &MAILBOX, &foreign), open_code(&key, &MAILBOX, &foreign)]
    {
        assert_eq!(opened.map(|body| body.len()), Err(SealFault::NotOurs));
    }
    // The padding is the key holder's: any bytes may stand there.
    let Some(inside) = entry(bytes).and_then(|entry| entry.bytes().get(40..).map(<[u8]>::to_vec)) else { return };
    let aad = [labels::ENTRY.as_bytes(), &[0], &MAILBOX.0].concat();
    let cipher = XChaCha20Poly1305::new(&KEY.into());
    let payload = Payload { msg: &inside, aad: &aad };
    let Ok(sealed) = cipher.encrypt(XNonce::from_slice(&[0; 24]), payload) else { return };
    let Ok(sealed) = Entry::parse([&[0; 24], sealed.as_slice()].concat().into()) else { return };
    match open(&key, &MAILBOX, &sealed) {
        Ok(body) => {
            assert!(inside.get(4..).is_some_and(|rest| rest.starts_with(&body)));
            let again = seal(&key, &MAILBOX, &body).and_then(|entry| open(&key, &MAILBOX, &entry));
            assert_eq!(again, Ok(body));
        }
        Err(fault) => assert_eq!(fault, SealFault::Malformed),
    }
    assert_eq!(open_shelf(&key, &MAILBOX, &sealed).map(|_| ()), Err(SealFault::NotOurs), "another purpose");
}

/// What lies in an inbox: anybody who holds a grant may put anything there, with the right tag in front.
pub fn inbox(bytes: &[u8]) {
    static PAIR: LazyLock<Option<InboxKeyPair>> = LazyLock::new(|| InboxKeyPair::from_seed(Secret::new([5; 32])).ok());
    let Some(pair) = PAIR.as_ref() else { return };
    let Some((mode, bytes)) = bytes.split_first() else { return };
    match mode % 3 {
        0 => {
            let Some(entry) = entry(bytes) else { return };
            let _opened = pair.open(&MAILBOX, &entry);
        }
        1 => {
            // A key as a contact's card carries it: whatever it is, sealing to it fails or gives an entry.
            let mut key = bytes.to_vec();
            key.resize(1216, 0);
            let Ok(key) = InboxPublicKey::parse(&key) else { return };
            if let Ok(entry) = seal_to(&key, &MAILBOX, b"body") {
                assert_eq!(pair.open(&MAILBOX, &entry).is_ok(), key == *pair.public(), "only its owner opens it");
            }
        }
        _ => {
            // A sealed entry of which some bytes were changed: position and mask by twos.
            let Ok(sealed) = seal_to(pair.public(), &MAILBOX, b"body") else { return };
            let mut changed = sealed.bytes().to_vec();
            for pair in bytes.chunks_exact(3) {
                let [high, low, mask] = *pair else { continue };
                let place = usize::from(u16::from_be_bytes([high, low])) % changed.len().max(1);
                if let Some(byte) = changed.get_mut(place) {
                    *byte ^= mask;
                }
            }
            let same = changed.as_slice() == sealed.bytes().as_ref();
            let Ok(changed) = Entry::parse(changed.into()) else { return };
            assert_eq!(pair.open(&MAILBOX, &changed).is_ok(), same, "only what was sealed opens");
        }
    }
}

/// A chunk of a document of any claimed size at any place.
pub fn chunk(bytes: &[u8]) {
    let Some((numbers, blob)) = bytes.split_first_chunk::<16>() else { return };
    let (size, index) = numbers.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let (size, index) = (number(size), usize::try_from(number(index)).unwrap_or(usize::MAX));
    let key = DocumentKey::new(Secret::new([7; 32]));
    assert!(open_chunk(&key, size, index, blob).is_err());
    let length = chunk_length(size, index);
    assert_eq!(length.is_some(), chunk_count(size).is_ok_and(|count| index < count));
    if let Some(length) = length.filter(|length| *length <= blob.len()) {
        assert!(length <= CHUNK);
        let plain = blob.get(..length).unwrap_or_default();
        let sealed = seal_chunk(&key, size, index, plain);
        let opened = sealed.and_then(|sealed| open_chunk(&key, size, index, &sealed));
        assert_eq!(opened.as_deref().map(Vec::as_slice), Ok(plain));
    }
}
