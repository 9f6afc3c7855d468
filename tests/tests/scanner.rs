//! The scanner finds what is there, and says so when it could not look.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;
use std::process::{Command, Stdio};

use relevo_tests::scan::{Findings, Form, Needle, Scanner, proof};

const PROGRAM: &str = env!("CARGO_BIN_EXE_relevo-demo");

fn scanner() -> Scanner {
    let key: [u8; 32] = core::array::from_fn(|i| u8::try_from(i * 7 + 130).unwrap_or(0));
    let needles = [
        Needle::new("a text", "La huelga empieza el lunes a las seis, compañeros".as_bytes()),
        Needle::new("a name", b"Quilla de Antofagasta"),
        Needle::new("a key", &key),
    ];
    Scanner::new(needles.into_iter().collect::<Result<_, _>>().unwrap()).unwrap()
}

#[test]
fn every_needle_is_found_in_every_form_in_a_file_and_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let planted = proof::planted(&scanner(), folder.path(), Path::new(PROGRAM), proof::Places::FileAndMemory).unwrap();
    assert_eq!(planted, 3 * Form::ALL.len());
}

#[test]
fn a_name_of_a_file_is_searched_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Quilla de Antofagasta.txt"), "x").unwrap();
    assert!(scanner().directory(folder.path()).unwrap().findings.has("a name", Form::Raw));
}

#[test]
fn a_needle_across_the_edge_of_two_reads_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for offset in (1 << 20) - 60..(1 << 20) + 4 {
        let bytes = [vec![0; offset], b"Quilla de Antofagasta".to_vec(), vec![0; 5000]].concat();
        std::fs::write(folder.path().join("f"), bytes).unwrap();
        assert!(scanner().directory(folder.path()).unwrap().findings.has("a name", Form::Raw), "{offset}");
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let mut findings = Findings::default();
    scanner().bytes("noise", &[0xA5; 100_000], &mut findings);
    assert!(findings.is_empty());
}

#[test]
fn a_process_that_is_gone_is_not_scanned_rather_than_clean() {
    let mut child = Command::new("true").stdout(Stdio::null()).spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let refused = scanner().process(pid).unwrap_err();
    assert!(refused.to_string().starts_with("memory NOT scanned: run as root"));
}
