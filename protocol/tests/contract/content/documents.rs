//! Manifests, file names, bundles.

use proptest::prelude::*;
use relevo_protocol::content::{Bundle, BundleFault, FileName, Location, Manifest, MediaType, decode};
use relevo_protocol::limits::{CHUNK, MAX_CHUNKS, MAX_DOCUMENT, MAX_FILE_NAME, MAX_SEALED};
use relevo_protocol::trust::{AllianceId, ObjectFault, ObjectHash, Signed};
use relevo_protocol::wire::{BlobId, encode};

use crate::alliance::{Alliance, Person};
use crate::dice::Dice;
use crate::said::{location, manifest};

fn bundle(alliance: &Alliance) -> Bundle {
    let manifest = Signed::sign(&manifest(alliance), &alliance.rosa.device).unwrap();
    Bundle { manifest, author: alliance.proof(&alliance.rosa) }
}

#[test]
fn a_bundle_tells_who_signed_which_file() {
    let alliance = Alliance::new();
    let file = bundle(&alliance).to_file();
    assert!(file.starts_with(b"relevo-proof 1\n"));
    let attested = Bundle::from_file(&file).unwrap().verify(&alliance.id(), 300_000, &[3; 32]).unwrap();
    assert_eq!(attested.author.card.pseudonym.as_str(), "Rosa");
    assert_eq!(attested.manifest.name.as_str(), "convenio 2026.pdf");
}

#[test]
fn a_bundle_says_nothing_about_another_file() {
    let alliance = Alliance::new();
    let verify = |size: u64, byte: u8| bundle(&alliance).verify(&alliance.id(), size, &[byte; 32]).err();
    assert_eq!(verify(300_000, 4), Some(BundleFault::OtherFile));
    assert_eq!(verify(300_001, 3), Some(BundleFault::OtherFile));
}

#[test]
fn a_bundle_of_another_alliance_is_refused() {
    let alliance = Alliance::new();
    let other = AllianceId(ObjectHash([1; 32]));
    assert!(matches!(bundle(&alliance).verify(&other, 300_000, &[3; 32]), Err(BundleFault::Proof(_))));
}

#[test]
fn nobody_else_can_claim_a_document() {
    let alliance = Alliance::new();
    let mut claimed = bundle(&alliance);
    claimed.author = alliance.proof(&alliance.luc);
    let fault = claimed.verify(&alliance.id(), 300_000, &[3; 32]).err();
    assert_eq!(fault, Some(BundleFault::Manifest(ObjectFault::Signer)));
    // Not even by listing the author's device as an own one.
    let thief = Person::new(9, "Thief");
    claimed.author = alliance.proof(&thief);
    claimed.author.device_set = thief.claims(alliance.rosa.device.public());
    let fault = claimed.verify(&alliance.id(), 300_000, &[3; 32]).err();
    assert_eq!(fault, Some(BundleFault::OtherAuthor));
}

#[test]
fn a_damaged_bundle_never_verifies() {
    let alliance = Alliance::new();
    let file = bundle(&alliance).to_file();
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        let verified = Bundle::from_file(&damaged).and_then(|b| b.verify(&alliance.id(), 300_000, &[3; 32]));
        assert!(verified.is_err(), "byte {at}");
    }
}

#[test]
fn the_chunks_of_the_largest_document_fit_one_entry() {
    let mut location = location(&mut Dice(1));
    location.chunks = vec![BlobId([7; 32]); MAX_CHUNKS];
    let bytes = encode(&location);
    assert!(bytes.len() < MAX_SEALED / 2 + 1024);
    assert!(location.fits(MAX_DOCUMENT));
    assert!(!location.fits(MAX_DOCUMENT - u64::try_from(CHUNK).unwrap()));
    location.chunks.push(BlobId([7; 32]));
    assert!(decode::<Location>(&encode(&location)).is_err());
}

#[test]
fn a_location_without_a_relay_fits_nothing() {
    let mut location = location(&mut Dice(1));
    assert!(location.fits(300_000));
    location.relays.clear();
    assert!(!location.fits(300_000));
}

#[test]
fn a_manifest_over_the_largest_document_is_refused() {
    let alliance = Alliance::new();
    let mut manifest = manifest(&alliance);
    manifest.size = MAX_DOCUMENT;
    assert!(Signed::sign(&manifest, &alliance.rosa.device).is_ok());
    manifest.size += 1;
    assert!(Signed::<Manifest>::sign(&manifest, &alliance.rosa.device).is_err());
}

#[test]
fn a_file_name_has_no_tricks() {
    for name in ["", ".", "..", "a/b", "a\\b", "C:x", ".bashrc", "a.", " a", "a ", "a\nb", "a\u{202e}fdp.exe", "a\0"] {
        assert!(name.parse::<FileName>().is_err(), "{}", name.escape_debug());
    }
    assert!("a".repeat(MAX_FILE_NAME + 1).parse::<FileName>().is_err());
    for name in ["convenio.pdf", "Año 2026 (final).tar.gz", "李"] {
        assert_eq!(name.parse::<FileName>().unwrap().as_str(), name);
    }
}

#[test]
fn a_name_from_elsewhere_becomes_the_nearest_allowed_one() {
    assert_eq!(FileName::nearest("../../etc/passwd").as_str(), "_.._etc_passwd");
    assert_eq!(FileName::nearest("...").as_str(), "_");
    assert_eq!(FileName::nearest("Zoë .pt-br").as_str(), "Zoë .pt-br", "what is allowed stays as it is");
    let long = FileName::nearest(&format!("{}.pdf", "ñ".repeat(300)));
    assert!(long.as_str().ends_with(".pdf") && long.as_str().len() > MAX_FILE_NAME - 2);
}

#[test]
fn a_media_type_is_two_words() {
    for good in ["application/pdf", "image/svg+xml", "text/x-c++"] {
        assert!(good.parse::<MediaType>().is_ok());
    }
    for bad in ["", "pdf", "a/", "/b", "a/b/c", "text/html; charset=x", "a/\n"] {
        assert!(bad.parse::<MediaType>().is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn the_nearest_name_is_always_allowed(text in "\\PC{0,300}|[./\\\\ a\u{0}\u{202e}]{0,20}") {
        let nearest = FileName::nearest(&text);
        prop_assert_eq!(nearest.as_str().parse::<FileName>(), Ok(nearest));
    }
}
