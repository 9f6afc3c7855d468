//! Words that people compare.

use relevo_protocol::secret::Secret;
use relevo_protocol::trust::*;
use sha2::{Digest, Sha256};

use crate::world::{Person, Union, founded};

fn nonce(byte: u8) -> SafetyNonce {
    SafetyNonce(Secret::new([byte; 32]))
}

#[test]
fn an_alliance_has_twelve_words_cut_from_the_left_of_its_digest() {
    let alliance = founded(&Union::new(1)).alliance();
    let digest = Sha256::digest([b"relevo/1 alliance words\0".as_slice(), &alliance.0.0].concat());
    let bits: String = digest.iter().map(|byte| format!("{byte:08b}")).collect();
    let words: Vec<u16> = (0..12).map(|at| u16::from_str_radix(&bits[at * 11..at * 11 + 11], 2).unwrap()).collect();
    assert_eq!(alliance_words(&alliance).to_vec(), words);
    assert_ne!(alliance_words(&founded(&Union::new(11)).alliance()).to_vec(), words);
}

#[test]
fn both_sides_see_the_same_six_words() {
    let (ana, leo) = (Person::new(1).member.public(), Person::new(2).member.public());
    let commitment = nonce(1).commit(&ana);
    let words =
        |a: (&MemberKey, u8), b: (&MemberKey, u8)| safety_words((a.0, &nonce(a.1)), (b.0, &nonce(b.1)), &commitment);
    let agreed = words((&ana, 1), (&leo, 2)).unwrap();
    assert!(agreed.iter().all(|word| *word < 2048));
    assert_eq!(words((&ana, 1), (&leo, 2)), Ok(agreed));
    assert_ne!(words((&ana, 1), (&leo, 3)), Ok(agreed), "another share of the second side");
    assert_ne!(words((&ana, 1), (&Person::new(3).member.public(), 2)), Ok(agreed), "another second key");
}

#[test]
fn the_first_side_keeps_to_its_commitment() {
    let (ana, leo) = (Person::new(1).member.public(), Person::new(2).member.public());
    let commitment = nonce(1).commit(&ana);
    let words = |key, share| safety_words((key, &nonce(share)), (&leo, &nonce(2)), &commitment);
    assert!(words(&ana, 1).is_ok());
    assert_eq!(words(&ana, 4), Err(SafetyFault::Commitment));
    assert_eq!(words(&Person::new(3).member.public(), 1), Err(SafetyFault::Commitment));
}
