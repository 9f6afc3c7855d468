//! What an operator asks of the relay that runs.

use super::{Trial, said};

#[test]
fn a_relay_says_how_it_is_in_words_and_to_programs() {
    let trial = Trial::start(&[]);
    let words = trial.ask(&["status"], &[]);
    let text = said(&words);
    // On a machine that is busy a batch may take its time, which is said too.
    assert!(words.status.success() || text.contains("NOT WELL: the disk is slow"), "{text}");
    for part in [
        "serves as 127.0.0.1:",
        "0 connections, 0 sessions",
        "of 8.0 GiB: 0 mailboxes",
        "free; nothing new below 512 MiB",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let json = trial.ask(&["status", "--json"], &[]);
    let status: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(status.pointer("/numbers/admissions").and_then(serde_json::Value::as_f64), Some(1.0));
    let full = Trial::start(&[("RELEVO_RELAY_STORE_FREE_BYTES", "9000000000000000000")]);
    let full = full.ask(&["status"], &[]);
    assert_eq!(full.status.code(), Some(1));
    assert!(said(&full).contains("NOT WELL: the disk is almost full"), "{}", said(&full));
}

#[test]
fn what_an_operator_asks_for_is_done_or_refused_with_a_reason() {
    let mut trial = Trial::start(&[]);
    let blob = "ab".repeat(32);
    for (words, code, answer) in [
        (&["openings", "pause"][..], 0, "No new mailboxes"),
        (&["openings", "resume"], 0, "may be opened"),
        (&["remove", "mailbox", "00112233445566778899AABBCCDDEEFF"], 1, "there is no such mailbox"),
        (&["remove", "mailbox", "0011"], 1, "32 hexadecimal digits"),
        (&["remove", "blob", blob.as_str()], 1, "there is no such blob"),
        (&["remove", "everything", "00"], 2, "invalid value"),
        (&["rotate-admission"], 1, "in use by another relay"),
    ] {
        let output = trial.ask(words, &[]);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(answer), "{words:?}: {}", said(&output));
    }
    trial.signal(rustix::process::Signal::TERM);
    assert!(trial.wait());
    for words in [&["status"][..], &["openings", "pause"]] {
        let nobody = trial.ask(words, &[]);
        assert_eq!(nobody.status.code(), Some(1));
        assert!(said(&nobody).contains("no relay runs on"), "{}", said(&nobody));
    }
    let rotated = trial.ask(&["rotate-admission", "--overlap-days", "7"], &[]);
    assert!(rotated.status.success() && said(&rotated).contains("7 days more"), "{}", said(&rotated));
}

#[test]
fn whoever_asks_nothing_or_nonsense_holds_nobody_up() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    let mut trial = Trial::start(&[]);
    let socket = trial.directory.path().join("data/control");
    let mut nonsense = UnixStream::connect(&socket).unwrap();
    nonsense.write_all(b"\xff\xfe nonsense\n").unwrap();
    let mut text = String::new();
    nonsense.read_to_string(&mut text).unwrap();
    assert!(text.contains("does not know this question"), "{text}");
    let mut long = UnixStream::connect(&socket).unwrap();
    let _cut = long.write_all(&[b'a'; 1 << 20]);
    // Asked for and never read, and one that says nothing: a stop breaks both off.
    let mut unread = UnixStream::connect(&socket).unwrap();
    unread.write_all(b"\"backup\"\n").unwrap();
    let _silent = UnixStream::connect(&socket).unwrap();
    let begun = std::time::Instant::now();
    trial.signal(rustix::process::Signal::TERM);
    assert!(trial.wait());
    assert!(begun.elapsed() < super::PATIENCE);
}
