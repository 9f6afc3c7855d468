//! The seal from outside: what opens, what does not, what a relay sees.

use proptest::prelude::*;
use relevo_protocol::limits::{CHUNK, ENTRY_BUCKETS, MAX_BLOB, MAX_CHUNKS, MAX_DOCUMENT, MAX_INBOX_SEALED, MAX_SEALED};
use relevo_protocol::sealed::{
    CodeSecret, DocumentKey, EntryKey, GroupSecrets, InboxKeyPair, InboxPublicKey, SealFault, chunk_count,
    chunk_length, open, open_chunk, open_code, open_shelf, seal, seal_chunk, seal_code, seal_shelf, seal_to,
};
use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{Capability, Entry, MailboxId};

const HERE: MailboxId = MailboxId([1; 16]);
const ELSEWHERE: MailboxId = MailboxId([2; 16]);

fn key(byte: u8) -> EntryKey {
    EntryKey::new(Secret::new([byte; 32]))
}

fn flipped(entry: &Entry, at: usize) -> Entry {
    let mut bytes = entry.bytes().to_vec();
    let at = at % bytes.len();
    bytes[at] ^= 1;
    Entry::parse(bytes.into()).unwrap()
}

#[test]
fn an_entry_takes_the_smallest_size_that_fits() {
    for bucket in ENTRY_BUCKETS {
        assert_eq!(seal(&key(1), &HERE, &vec![7; bucket - 44]).unwrap().size(), bucket);
    }
    for (bucket, next) in ENTRY_BUCKETS.iter().zip(ENTRY_BUCKETS.iter().skip(1)) {
        assert_eq!(seal(&key(1), &HERE, &vec![7; bucket - 43]).unwrap().size(), *next);
    }
    assert_eq!(seal(&key(1), &HERE, &vec![7; MAX_SEALED + 1]), Err(SealFault::TooLarge { max: MAX_SEALED }));
}

#[test]
fn an_entry_opens_only_with_its_key_its_mailbox_and_its_purpose() {
    let entry = seal(&key(1), &HERE, b"text").unwrap();
    assert_eq!(*open(&key(1), &HERE, &entry).unwrap(), b"text");
    assert_eq!(open(&key(2), &HERE, &entry), Err(SealFault::NotOurs));
    assert_eq!(open(&key(1), &ELSEWHERE, &entry), Err(SealFault::NotOurs));
    assert_eq!(open_shelf(&key(1), &HERE, &entry), Err(SealFault::NotOurs));
    assert_eq!(open_code(&key(1), &HERE, &entry), Err(SealFault::NotOurs));
    assert_eq!(*open_shelf(&key(1), &HERE, &seal_shelf(&key(1), &HERE, b"a").unwrap()).unwrap(), b"a");
    assert_eq!(*open_code(&key(1), &HERE, &seal_code(&key(1), &HERE, b"b").unwrap()).unwrap(), b"b");
}

#[test]
fn one_body_sealed_twice_shows_nothing_in_common() {
    let (one, other) = (seal(&key(1), &HERE, b"text").unwrap(), seal(&key(1), &HERE, b"text").unwrap());
    assert_ne!(one.bytes()[..24], other.bytes()[..24]);
    assert_ne!(one.bytes()[24..], other.bytes()[24..]);
}

#[test]
fn an_inbox_entry_opens_only_with_the_key_and_mailbox_it_was_sealed_to() {
    let (mine, older) = (InboxKeyPair::generate().unwrap(), InboxKeyPair::generate().unwrap());
    let entry = seal_to(mine.public(), &HERE, b"parcel").unwrap();
    assert_eq!(entry.size(), 2048);
    assert_eq!(*mine.open(&HERE, &entry).unwrap(), b"parcel");
    assert_eq!(mine.open(&ELSEWHERE, &entry), Err(SealFault::NotOurs));
    assert_eq!(older.open(&HERE, &entry), Err(SealFault::UnknownKey));
    assert_eq!(*InboxKeyPair::open_with_any([&older, &mine], &HERE, &entry).unwrap(), b"parcel");
    assert_eq!(InboxKeyPair::open_with_any([&older], &HERE, &entry), Err(SealFault::UnknownKey));
    let again = InboxKeyPair::from_seed(mine.seed().duplicate()).unwrap();
    assert_eq!(again.public(), mine.public());
    assert_eq!(*again.open(&HERE, &entry).unwrap(), b"parcel");
}

#[test]
fn two_entries_of_one_inbox_share_no_prefix() {
    let mine = InboxKeyPair::generate().unwrap();
    let (one, other) = (seal_to(mine.public(), &HERE, b"").unwrap(), seal_to(mine.public(), &HERE, b"").unwrap());
    assert_ne!(one.bytes()[..8], other.bytes()[..8]);
}

#[test]
fn an_inbox_entry_holds_as_much_as_the_limit_says() {
    let mine = InboxKeyPair::generate().unwrap();
    assert_eq!(seal_to(mine.public(), &HERE, &vec![7; MAX_INBOX_SEALED]).unwrap().size(), 512 << 10);
    let more = seal_to(mine.public(), &HERE, &vec![7; MAX_INBOX_SEALED + 1]);
    assert_eq!(more, Err(SealFault::TooLarge { max: MAX_INBOX_SEALED }));
}

#[test]
fn nothing_is_sealed_to_bytes_that_are_no_key() {
    assert_eq!(InboxPublicKey::parse(&[0; 1215]), Err(SealFault::BadKey));
    // Coefficients above the modulus: FIPS 203, 7.2, has the encapsulator refuse them.
    let bad = InboxPublicKey::parse(&[0xff; 1216]).unwrap();
    assert_eq!(seal_to(&bad, &HERE, b"parcel"), Err(SealFault::BadKey));
}

#[test]
fn each_secret_of_a_group_and_of_a_code_is_another() {
    let from = Secret::new([5; 32]);
    let group = GroupSecrets::derive(&from);
    let code = CodeSecret::new(from.duplicate());
    let all = [
        *from.expose(),
        *group.wrap.expose(),
        *group.read.expose(),
        *group.append.expose(),
        *code.owner().expose(),
        *code.key().expose(),
        *code.admission().expose(),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[index + 1..].contains(one));
    }
    assert_eq!(GroupSecrets::derive(&from), group);
    assert_eq!(code.owner(), Capability::new(Secret::new(*code.owner().expose())));
}

#[test]
fn a_chunk_opens_only_in_its_place_of_its_document() {
    let key = DocumentKey::random().unwrap();
    let size = (CHUNK * 2 + 5000) as u64;
    assert_eq!(chunk_count(size), Ok(3));
    let chunk = vec![9; CHUNK];
    let blob = seal_chunk(&key, size, 0, &chunk).unwrap();
    assert_eq!(*open_chunk(&key, size, 0, &blob).unwrap(), chunk);
    assert_eq!(open_chunk(&key, size, 1, &blob), Err(SealFault::NotOurs));
    assert_eq!(open_chunk(&key, CHUNK as u64, 0, &blob), Err(SealFault::NotOurs));
    assert_eq!(open_chunk(&DocumentKey::random().unwrap(), size, 0, &blob), Err(SealFault::NotOurs));
    assert_eq!(open_chunk(&key, size, 3, &blob), Err(SealFault::Malformed));
    let last = seal_chunk(&key, size, 2, &[9; 5000]).unwrap();
    assert_eq!(last.len(), (8 << 10) + 16);
    assert_eq!(*open_chunk(&key, size, 2, &last).unwrap(), vec![9; 5000]);
    assert_eq!(seal_chunk(&key, size, 2, &[9; 4999]), Err(SealFault::Malformed));
}

#[test]
fn a_last_chunk_padded_with_anything_but_zeros_is_refused() {
    let key = DocumentKey::random().unwrap();
    // 4096 bytes and 100 bytes take the same bucket, so one's blob decrypts in the other's place.
    let blob = seal_chunk(&key, 4096, 0, &[9; 4096]).unwrap();
    assert_eq!(open_chunk(&key, 100, 0, &blob), Err(SealFault::Malformed));
}

#[test]
fn the_largest_document_has_as_many_chunks_as_the_limit_and_a_larger_one_is_refused() {
    assert_eq!(chunk_count(MAX_DOCUMENT), Ok(MAX_CHUNKS));
    assert!(chunk_count(MAX_DOCUMENT + 1).is_err());
    assert_eq!(chunk_count(0), Ok(1));
    assert_eq!(chunk_length(0, 0), Some(0));
    assert_eq!(chunk_length(0, 1), None);
    let whole = seal_chunk(&DocumentKey::random().unwrap(), CHUNK as u64, 0, &vec![1; CHUNK]).unwrap();
    assert!(whole.len() as u64 <= MAX_BLOB);
}

proptest! {
    #[test]
    fn any_body_comes_back(body in prop::collection::vec(any::<u8>(), 0..3000)) {
        let entry = seal(&key(1), &HERE, &body).unwrap();
        prop_assert_eq!(&*open(&key(1), &HERE, &entry).unwrap(), &body);
    }

    #[test]
    fn any_flipped_bit_of_an_entry_is_noticed(at in any::<usize>()) {
        let entry = seal(&key(1), &HERE, b"text").unwrap();
        prop_assert_eq!(open(&key(1), &HERE, &flipped(&entry, at)), Err(SealFault::NotOurs));
    }

    #[test]
    fn no_bytes_at_all_make_opening_panic(bytes in prop::collection::vec(any::<u8>(), 512)) {
        let entry = Entry::parse(bytes.clone().into()).unwrap();
        prop_assert_eq!(open(&key(1), &HERE, &entry), Err(SealFault::NotOurs));
        prop_assert_eq!(open_chunk(&DocumentKey::new(Secret::new([1; 32])), 100, 0, &bytes), Err(SealFault::NotOurs));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_flipped_bit_of_an_inbox_entry_is_noticed(at in any::<usize>()) {
        let mine = InboxKeyPair::from_seed(Secret::new([3; 32])).unwrap();
        let entry = seal_to(mine.public(), &HERE, b"parcel").unwrap();
        prop_assert!(mine.open(&HERE, &flipped(&entry, at)).is_err());
    }
}
