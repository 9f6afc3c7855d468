//! The program `relevo-relay` as an operator and a service manager run it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod backup;
mod control;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relevo-relay"));
    command.env_clear().stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A relay with a directory and a port of its own, ended with this.
struct Trial {
    directory: TempDir,
    port: u16,
    child: Child,
}

impl Trial {
    /// Starts one, and waits until it has printed its address.
    fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_over(tempfile::tempdir().unwrap(), environment)
    }

    /// The same over what lies in `data` of a directory.
    fn start_over(directory: TempDir, environment: &[(&str, &str)]) -> Self {
        // Free a moment ago, and nobody else is there to take it.
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut command = program();
        command.arg("run").arg("--data").arg(directory.path().join("data"));
        command.arg("--listen").arg(format!("127.0.0.1:{port}")).envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("relevo://")), "it prints its address");
        Self { directory, port, child }
    }

    fn ask(&self, words: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = program();
        command.args(words).arg("--data").arg(self.directory.path().join("data"));
        command.arg("--listen").arg(format!("127.0.0.1:{}", self.port)).envs(environment.iter().copied());
        command.output().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn wait(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _code = self.child.wait();
    }
}

/// What the service manager hears, up to a message that holds this.
fn hear(manager: &UnixDatagram, wanted: &str) -> Vec<String> {
    let (mut heard, begun) = (Vec::new(), Instant::now());
    while begun.elapsed() < PATIENCE {
        let mut message = [0; 256];
        let Ok(length) = manager.recv(&mut message) else { continue };
        heard.push(String::from_utf8_lossy(message.get(..length).unwrap()).into_owned());
        if heard.last().unwrap().contains(wanted) {
            return heard;
        }
    }
    panic!("no {wanted} in {heard:?}")
}

fn manager(place: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(place).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    socket
}

#[test]
fn a_service_manager_hears_that_it_is_ready_alive_and_stopping() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notify");
    let manager = manager(&path);
    let mut trial = Trial::start(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "600000")]);
    assert!(hear(&manager, "READY=1").len() == 1, "nothing comes before it");
    for _ in 0..3 {
        hear(&manager, "WATCHDOG=1");
    }
    // A relay that hangs says nothing, so that it is ended and started again.
    trial.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(1));
    let mut message = [0; 256];
    // What it had said before.
    let said_before = (0..20).take_while(|_| manager.recv(&mut message).is_ok()).count();
    assert!(said_before < 20);
    assert!(manager.recv(&mut message).is_err(), "it is silent");
    trial.signal(Signal::CONT);
    hear(&manager, "WATCHDOG=1");
    trial.signal(Signal::TERM);
    hear(&manager, "STOPPING=1");
    assert!(trial.wait());
}

#[test]
fn a_healthcheck_fails_until_a_relay_runs_and_after() {
    let metrics = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().to_string();
    for environment in [vec![], vec![("RELEVO_RELAY_METRICS", metrics.as_str())]] {
        let mut trial = Trial::start(&environment);
        let well = trial.ask(&["healthcheck"], &environment);
        assert!(well.status.success(), "{}", said(&well));
        assert_eq!(said(&well), "ok\n");
        trial.signal(Signal::TERM);
        assert!(trial.wait());
        let gone = trial.ask(&["healthcheck"], &environment);
        assert_eq!(gone.status.code(), Some(1));
        assert!(said(&gone).contains("no relay runs on"), "{}", said(&gone));
    }
}

#[test]
fn keys_are_made_once_and_the_address_stays() {
    let directory = tempfile::tempdir().unwrap();
    let ask = |words: &[&str], host: &str| {
        let mut command = program();
        command.args(words).arg("--data").arg(directory.path().join("data")).args([
            "--listen",
            "127.0.0.1:4433",
            "--host",
            host,
        ]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output).lines().find(|line| line.starts_with("relevo://")).unwrap().to_owned()
    };
    let first = ask(&["init"], "relay.example.org");
    assert!(first.contains("relay.example.org:4433"), "{first}");
    assert_eq!(ask(&["init"], "relay.example.org"), first);
    assert_eq!(ask(&["address"], "relay.example.org"), first);
    assert_ne!(ask(&["init"], "other.example.org"), first, "by its new name");
}

#[test]
fn a_relay_whose_identity_is_kept_apart_is_the_same_one_and_neither_disk_nor_backup_is() {
    let (directory, apart) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = directory.path().join("data");
    let made = program().args(["init", "--listen", "127.0.0.1:4433"]).arg("--data").arg(&data).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let file = apart.path().join("identity");
    std::fs::rename(data.join("keys/identity"), &file).unwrap();
    let given = [("RELEVO_RELAY_IDENTITY_KEY", file.to_str().unwrap())];

    let refused = program().arg("run").arg("--data").arg(&data).output().unwrap();
    assert!(!refused.status.success() && said(&refused).contains("identity_key"), "{}", said(&refused));
    let mut trial = Trial::start_over(directory, &given);
    let fingerprint = |output: &Output| {
        let address = said(output).lines().find_map(|line| line.strip_prefix("relevo://").map(str::to_owned));
        address.unwrap().split('@').next().unwrap().to_owned()
    };
    let first = fingerprint(&made);
    // Whoever is not the service knows the address, and sees nothing wrong.
    assert_eq!(fingerprint(&trial.ask(&["address"], &[])), first);
    let doctor = said(&trial.ask(&["doctor"], &[]));
    assert!(doctor.contains("the identity key is not in keys/"), "{doctor}");

    let backup = trial.ask(&["backup", "--unencrypted", "-"], &[]);
    assert!(backup.status.success(), "{}", String::from_utf8_lossy(&backup.stderr));
    let secret = std::fs::read(&file).unwrap();
    assert!(!backup.stdout.windows(32).any(|bytes| bytes == secret));
    let kept = apart.path().join("backup");
    std::fs::write(&kept, &backup.stdout).unwrap();
    trial.signal(Signal::TERM);
    assert!(trial.wait());
    let restored = trial.directory.path().join("data");
    std::fs::remove_dir_all(&restored).unwrap();
    let restore = |environment: &[(&str, &str)]| trial.ask(&["restore", kept.to_str().unwrap()], environment);
    let refused = restore(&[]);
    assert!(!refused.status.success() && said(&refused).contains("identity_key"), "{}", said(&refused));
    assert!(!restored.exists());
    let done = restore(&given);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(fingerprint(&trial.ask(&["address"], &[])), first);
}

#[test]
fn a_store_is_verified_when_its_relay_has_stopped() {
    let mut trial = Trial::start(&[]);
    let running = trial.ask(&["verify-store"], &[]);
    assert_eq!(running.status.code(), Some(1));
    assert!(said(&running).contains("is in use by another relay"), "{}", said(&running));
    trial.signal(Signal::TERM);
    assert!(trial.wait());
    let sound = trial.ask(&["verify-store"], &[]);
    assert!(sound.status.success(), "{}", said(&sound));
    assert!(said(&sound).ends_with("Everything is as it was written.\n"), "{}", said(&sound));
    let nowhere = tempfile::tempdir().unwrap();
    let none = program().args(["verify-store", "--data"]).arg(nowhere.path().join("none")).output().unwrap();
    assert!(said(&none).contains("holds no relay yet"), "{}", said(&none));
    assert!(!nowhere.path().join("none").exists(), "looking makes nothing");
}

#[test]
fn a_full_relay_is_alive_and_not_healthy() {
    let metrics = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().to_string();
    let environment =
        [("RELEVO_RELAY_METRICS", metrics.as_str()), ("RELEVO_RELAY_STORE_FREE_BYTES", "9000000000000000000")];
    let trial = Trial::start(&environment);
    let full = trial.ask(&["healthcheck"], &environment);
    assert_eq!(full.status.code(), Some(1));
    assert!(said(&full).contains("the disk is almost full"), "{}", said(&full));
}

#[test]
fn the_doctor_says_what_is_bad_and_fails_by_it() {
    let trial = Trial::start(&[]);
    let well = trial.ask(&["doctor", "--json"], &[]);
    assert!(well.status.success(), "{}", said(&well));
    let findings: Vec<serde_json::Value> = well
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let state = |check: &str| {
        findings.iter().find(|one| one.get("check").unwrap() == check).and_then(|one| one.get("state")).unwrap().clone()
    };
    assert_eq!((state("running"), state("reach")), ("good".into(), "good".into()));
    let nowhere = trial.ask(&["doctor", "--host", "relay.invalid"], &[]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(said(&nowhere).contains("BAD   relay.invalid leads nowhere\n      do: "), "{}", said(&nowhere));
    let misspelt = trial.ask(&["doctor"], &[("RELEVO_RELAY_HOTS", "a")]);
    assert!(said(&misspelt).contains("did you mean RELEVO_RELAY_HOST?"), "{}", said(&misspelt));
}

#[test]
fn the_configuration_is_shown_with_where_it_comes_from_and_checked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("relay.toml");
    std::fs::write(&file, "[limits]\nvisitors = 64\n").unwrap();
    let run = |act: &str, environment: &[(&str, &str)]| {
        program().args(["config", act, "--config"]).arg(&file).envs(environment.iter().copied()).output().unwrap()
    };
    let shown = run("show", &[("RELEVO_RELAY_HOST", "relay.example.org")]);
    let text = said(&shown);
    assert!(shown.status.success() && text.contains("visitors = 64 # from the file\n"), "{text}");
    assert!(text.contains("host = \"relay.example.org\" # from the environment\n"), "{text}");
    assert!(run("check", &[]).status.success());
    std::fs::write(&file, "[limits]\nvisitorz = 64\n").unwrap();
    let misspelt = run("check", &[]);
    assert_eq!(misspelt.status.code(), Some(1));
    assert!(said(&misspelt).contains("line 2: there is no field limits.visitorz; did you mean limits.visitors?"));
}
