//! `document verify`, offline and without an account.

use std::fs;

use relevo_protocol::content::{Bundle, FileName, Manifest};
use relevo_protocol::trust::Signed;
use sha2::{Digest, Sha256};

use super::{Device, fixture};

const FILE: &[u8] = b"Collective agreement, valid until 2028";

/// A folder with a document that a member of the fixture's alliance signed.
fn signed(device: &Device, made: u64) {
    let alliance = fixture::Alliance::found(2);
    let member = alliance.admit(1, "Quilla");
    let manifest = Manifest {
        alliance: alliance.id,
        author: member.keys.member.public(),
        name: FileName::nearest("agreement.txt"),
        media_type: "text/plain".parse().unwrap(),
        size: u64::try_from(FILE.len()).unwrap(),
        sha256: Sha256::digest(FILE).into(),
        made: relevo_protocol::time::Timestamp(made),
    };
    let manifest = Signed::sign(&manifest, &member.keys.device).unwrap();
    let bundle = Bundle { manifest, author: member.proof.clone() };
    fs::create_dir(device.path("proof")).unwrap();
    fs::write(device.path("proof/agreement.txt"), FILE).unwrap();
    fs::write(device.path("proof/agreement.txt.relevo-proof"), bundle.to_file()).unwrap();
}

#[test]
fn a_signed_document_names_its_author_and_the_words_to_compare() {
    let device = Device::new();
    signed(&device, fixture::NOW.0);
    let said = device.run(&["document", "verify", "proof"]).done();
    let said = said.says(&[
        "The file is the one that was signed",
        "SHA-256: ",
        "Signed by: Quilla, Union 2",
        "2027-01-15 08:00 UTC+00:00",
        "Alliance: Alliance of tests",
        "twelve words",
        "   1 ",
    ]);
    let english = said.out.lines().find(|line| line.starts_with("   1 ")).unwrap().to_owned();
    let said = device.run(&["document", "verify", "proof/agreement.txt.relevo-proof", "--lang", "pt"]).done();
    let said = said.says(&["O ficheiro é o que foi assinado", "Assinado por: Quilla, Union 2", "   1 "]);
    assert!(!said.out.contains(&english), "the words are in the person's language");
}

#[test]
fn the_words_for_programs_are_the_numbers_too() {
    let device = Device::new();
    signed(&device, fixture::NOW.0);
    let found = &device.run(&["document", "verify", "proof", "--json"]).done().objects()[0];
    super::holds("document verify", found);
    assert_eq!((&found["author"], &found["union"]), (&"Quilla".into(), &"Union 2".into()));
    assert_eq!(found["sha256"], data_encoding::HEXLOWER.encode(&Sha256::digest(FILE)));
    assert_eq!((found["words"].as_array().unwrap().len(), found["numbers"].as_array().unwrap().len()), (12, 12));
}

#[test]
fn a_signature_after_the_cards_end_is_shown_with_a_doubt() {
    let device = Device::new();
    signed(&device, fixture::END.0 + 1);
    device.run(&["document", "verify", "proof"]).done().says(&["The card had expired"]);
}

#[test]
fn an_altered_file_and_a_damaged_proof_prove_nothing() {
    let device = Device::new();
    signed(&device, fixture::NOW.0);
    fs::write(device.path("proof/agreement.txt"), b"Collective agreement, valid until 2026").unwrap();
    device.run(&["document", "verify", "proof"]).stopped(1, &["not the one that was signed", "Do not rely"]);
    fs::write(device.path("proof/agreement.txt"), FILE).unwrap();
    let path = device.path("proof/agreement.txt.relevo-proof");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    device.run(&["document", "verify", "proof", "--lang", "es"]).stopped(1, &["Error: ", "Qué hacer: "]);
    fs::write(&path, b"nothing of the kind").unwrap();
    let said = device.run(&["document", "verify", "proof", "--json"]).stopped(1, &[]);
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"], "document-proof-damaged");
    super::holds("errors", &error);
}

#[test]
fn a_folder_without_a_proof_is_said() {
    let device = Device::new();
    fs::create_dir(device.path("empty")).unwrap();
    device.run(&["document", "verify", "empty"]).stopped(1, &["one .relevo-proof file"]);
    device.run(&["document", "verify", "nowhere"]).stopped(1, &["must hold the document"]);
}
