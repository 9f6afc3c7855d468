//! What an operator installs: the service, as closed as it says.
#![expect(clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How open `systemd-analyze security` may find the service, in tenths: of 100 it is open, of 0 closed.
const EXPOSURE: &str = "15";

fn unit() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd/relevo-relay.service")
}

fn exposure(unit: &Path) -> (bool, String) {
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--no-pager", "--offline=true"]).arg(format!("--threshold={EXPOSURE}")).arg(unit);
    let output = command
        .output()
        .unwrap_or_else(|fault| panic!("systemd-analyze is missing ({fault}): apt-get install systemd"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Overall exposure level"), "{said}");
    (output.status.success(), said)
}

#[test]
fn the_service_is_closed() {
    let (closed, said) = exposure(&unit());
    assert!(closed, "{said}");
    // And it would be seen if it were not.
    let directory = tempfile::tempdir().unwrap();
    let opened = directory.path().join("relevo-relay.service");
    let text: Vec<_> = fs::read_to_string(unit())
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("SystemCall"))
        .map(str::to_owned)
        .collect();
    fs::write(&opened, text.join("\n")).unwrap();
    assert!(!exposure(&opened).0);
}

#[test]
fn the_service_gives_the_relay_longer_than_it_takes_to_stop() {
    let text = fs::read_to_string(unit()).unwrap();
    let seconds = |field: &str| -> u64 {
        let value = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_else(|| panic!("no {field}"));
        value.parse().unwrap()
    };
    let drain = relevo_relay::Limits::default().drain_seconds;
    assert!(seconds("TimeoutStopSec=") >= 2 * drain);
    // The store is asked four times within the watchdog's time, and has 10 s for an answer.
    assert!(seconds("WatchdogSec=") >= 4 * 10);
    // The address lets people in: it must not lie in the journal.
    assert!(text.lines().any(|line| line == "StandardOutput=null"));
}

/// The names of a relay's counts that a text asks for.
fn asked_for(text: &str) -> BTreeSet<String> {
    let names = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    names.filter(|name| name.starts_with("relevo_relay_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_rules_and_the_dashboard_ask_for_counts_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let here = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let data = folder.path().join("data");
    let config = relevo_relay::Config { data, listen: here, metrics: Some(here), ..relevo_relay::Config::default() };
    let running = relevo_relay::Relay::start(config).await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(running.metrics_addr().unwrap()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    running.shutdown().await.unwrap();
    let there = asked_for(&text);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/monitoring");
    let rules = fs::read_to_string(folder.join("alerts.yml")).unwrap();
    let dashboard = fs::read_to_string(folder.join("dashboard.json")).unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(parsed.get("panels").unwrap().as_array().unwrap().len() >= 10);
    for wanted in asked_for(&rules).union(&asked_for(&dashboard)) {
        assert!(there.contains(wanted), "{wanted}");
    }
}
