//! What an operator asks of the relay that runs.

use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Admission, Capability, Entry, MailboxId, MailboxKind};
use relevo_relay::store::{Change, Store};

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
    let mut trial = Trial::start_over(with_much_in_it(), &[]);
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
    let mut second = UnixStream::connect(&socket).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    second.write_all(b"\"backup\"\n").unwrap();
    let mut text = String::new();
    second.read_to_string(&mut text).unwrap();
    assert!(text.contains("another backup is under way"), "{text}");
    let file = trial.directory.path().join("backup");
    let refused = trial.ask(&["backup", "--unencrypted", file.to_str().unwrap()], &[]);
    assert!(said(&refused).contains("another backup is under way") && !file.exists(), "{}", said(&refused));
    assert!(trial.ask(&["status"], &[]).status.code().is_some_and(|code| code < 2), "others are answered meanwhile");
    let _silent = UnixStream::connect(&socket).unwrap();
    let begun = std::time::Instant::now();
    trial.signal(rustix::process::Signal::TERM);
    assert!(trial.wait());
    // Nobody read for longer than that.
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
}

/// A directory with a relay that holds more than a socket takes unread.
fn with_much_in_it() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let config = relevo_relay::Config { data: directory.path().join("data"), ..relevo_relay::Config::default() };
    relevo_relay::initialise(&config).unwrap();
    let (_store, mut ledger) = Store::open(&config.data.join("store"), config.store).unwrap();
    let purse = Admission::new(Secret::new([9; 32]));
    let owner = Capability::random().unwrap().hash();
    let (admission, mailbox) = (purse.id(), MailboxId::of(&owner));
    let append = |fill| {
        let entry = Entry::parse(vec![fill; 128 << 10].into()).unwrap();
        Change::Append { admission, mailbox, capability: owner, entry }
    };
    let mut changes = vec![
        Change::Provide { id: admission, key: purse.key(), expires: Hour(u32::MAX) },
        Change::Open {
            admission,
            kind: MailboxKind::Shared,
            owner,
            read: None,
            append: vec![],
            take: vec![],
            lease_hours: 48,
        },
    ];
    changes.extend((0..64).map(append));
    assert!(ledger.apply(changes, Timestamp(1_800_000_000)).unwrap().outcomes.iter().all(Result::is_ok));
    directory
}
