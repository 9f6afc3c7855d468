//! The relay's front, seen by an HTTP/3 client that shares no code with it (qh3, see `tests/independent`).

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;
use std::process::Command;

use relevo_tests::relay_process::RelayProcess;
use serde_json::Value;

/// What that client got for each (method, path).
fn fetch(port: u16, asked: &[(&str, &str)]) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = root.join("target/independent/bin/python");
    assert!(python.exists(), "the independent client is not there: run tests/independent/prepare (tests/run does)");
    let mut command = Command::new(python);
    command.arg(root.join("tests/independent/fetch.py")).arg(port.to_string());
    for (method, path) in asked {
        command.arg(method).arg(path);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "the client failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_independent_client_sees_an_ordinary_site_and_one_404() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_relevo-demo")).with_file_name("relevo-relay");
    let mut relay = RelayProcess::start(&program, &folder.path().join("data"), "127.0.0.1:0".parse().unwrap()).unwrap();
    let port = relay.address().split(['@', '/']).nth(3).unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let secret_like = format!("/{}", "k3".repeat(26));
    let seen = fetch(
        port,
        &[
            ("GET", "/"),
            ("HEAD", "/"),
            ("GET", "/robots.txt"),
            ("GET", "/nothing"),
            ("POST", "/nothing"),
            ("POST", &secret_like),
            ("GET", &secret_like),
            ("POST", "/"),
        ],
    );
    let status: Vec<u64> = seen.iter().map(|page| page["status"].as_u64().unwrap()).collect();
    assert_eq!(status, [200, 200, 200, 404, 404, 404, 404, 404]);
    assert!(seen[0]["body"].as_str().unwrap().starts_with("<!doctype html>"));
    assert_eq!(seen[1]["body"], "");
    for page in &seen[4..] {
        assert_eq!(page, &seen[3], "every 404 is the same");
    }
    relay.stop().unwrap();
}
