//! The demo, as people and machines run it.

use std::process::Command;

use serde_json::Value;

const DEMO: &str = env!("CARGO_BIN_EXE_relevo-demo");

/// Another process's memory is root's to read; without root the rest is still shown.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn the_whole_story_works_and_nothing_is_found_on_the_relays() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let mut demo = Command::new(DEMO);
    let temporary = folder.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    demo.arg("--json").arg("--keep").arg(&kept).env("TMPDIR", &temporary);
    if !is_root() {
        demo.arg("--disk-only");
    }
    let done = demo.output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{told}");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["ok"], true);
    assert_eq!(report["memory"]["state"], if is_root() { "searched" } else { "left_out" });
    let steps = report["steps"].as_array().unwrap();
    for job in 1..=6 {
        assert!(steps.iter().any(|step| step["job"].as_str().unwrap().starts_with(&format!("{job}. "))), "job {job}");
    }
    let searches = report["searches"].as_array().unwrap();
    assert_eq!(searches.len(), if is_root() { 8 } else { 6 });
    for search in searches {
        assert_eq!(search["found"].as_array().unwrap().len(), 0);
        // A log is quiet by design; that it says what it can, the story checks.
        let least = if search["place"] == "log" { 0 } else { 1 << 20 };
        assert!(search["bytes"].as_u64().unwrap() >= least, "a search that read next to nothing: {search}");
        let logged = search["place"] == "log" || search["place"] == "vault";
        assert_eq!(logged, search["needles"]["mailbox id"].as_u64().is_some(), "{search}");
        for kind in ["pseudonym", "text in a group", "line of a document", "private key of a member"] {
            assert!(search["needles"][kind].as_u64().unwrap() > 0, "{kind} was not looked for");
        }
    }
    let operators = report["operators"].as_array().unwrap();
    assert_eq!(operators.len(), 2);
    assert_eq!(operators[0]["blobs"], 21, "5 MiB are 21 chunks");
    for operator in operators {
        assert!(operator["shared_mailboxes"].as_u64().unwrap() > 0, "{operator}");
        let entries = operator["entries"].as_object().unwrap();
        assert!(!entries.is_empty());
        for size in entries.keys() {
            let size: usize = size.parse().unwrap();
            assert!(relevo_protocol::limits::ENTRY_BUCKETS.contains(&size), "an entry of {size} bytes");
        }
        assert!(!operator["sessions"].as_array().unwrap().is_empty(), "{operator}");
    }
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "temporary files were left: {left:?}");
    assert!(kept.join("relay-north").is_dir() && kept.join("vaults").is_dir(), "--keep kept nothing");
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "mine").unwrap();
    let done = Command::new(DEMO).arg("--keep").arg(folder.path()).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_unknown_option_is_a_usage_error() {
    assert_eq!(Command::new(DEMO).arg("--nothing").output().unwrap().status.code(), Some(2));
}
