//! The real program: started, signalled, started again.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use relevo_protocol::wire::{Answer, Call, Event, MailboxKind, Outcome, RelayAddress, Reply};
use rustix::process::{Pid, Signal, kill_process};

use crate::client::Session;
use crate::mailboxes::{Mailbox, entry};

const PROGRAM: &str = env!("CARGO_BIN_EXE_relevo-relay");

/// A running program, killed when dropped.
struct Process {
    child: Child,
    address: RelayAddress,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["run", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().parse().ok()).unwrap();
        Self { child, address }
    }

    fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address.host.parse().unwrap(), self.address.port)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end on a thread of its own, so that the session's task goes on.
    async fn code(mut self) -> Option<i32> {
        tokio::task::spawn_blocking(move || self.child.wait().unwrap().code()).await.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn sigterm_tells_the_sessions_answers_what_is_under_way_and_ends_with_0() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(&data.path().join("relay"));
    let mut session = Session::open(process.socket(), &process.address).await;
    let mailbox = Mailbox::open(&mut session, MailboxKind::Personal).await;
    session.done(mailbox.append(entry(1))).await;
    process.signal(Signal::TERM);
    assert_eq!(session.event().await, Event::Draining);
    assert_eq!(session.reply().await, None);
    drop(session);
    assert_eq!(process.code().await, Some(0));
}

#[tokio::test]
async fn a_second_start_has_the_same_address_and_every_acknowledged_entry() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("relay");
    let process = Process::start(&path);
    let first = process.address.duplicate();
    let mut session = Session::open(process.socket(), &process.address).await;
    let mailbox = Mailbox::open(&mut session, MailboxKind::Personal).await;
    // Sent at once: what is answered before the end must be there after it.
    let mut asked = 0;
    for _ in 0..50 {
        session.send(mailbox.append(entry(1))).await;
        asked += 1;
    }
    let mut stored = 0;
    while stored < asked / 2 {
        let Some(Reply::Answer { outcome: Outcome::Done { .. }, .. }) = session.reply().await else { panic!() };
        stored += 1;
    }
    process.signal(Signal::KILL);
    assert_eq!(process.code().await, None);

    let process = Process::start(&path);
    assert_eq!(
        (process.address.fingerprint, &process.address.path, &process.address.admission),
        (first.fingerprint, &first.path, &first.admission)
    );
    let mut session = Session::open(process.socket(), &process.address).await;
    let Answer::Entries { standing, .. } = session.done(mailbox.read(0, 1)).await else { panic!() };
    assert!(standing.last.0 >= stored);
    assert_eq!(session.done(Call::Ping).await, Answer::Done);
}

#[tokio::test]
async fn sigint_ends_it_too() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(&data.path().join("relay"));
    process.signal(Signal::INT);
    assert_eq!(process.code().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(&data.path().join("relay"));
    // A client that stays holds the end up for as long as its last words may take.
    let mut session = Session::open(process.socket(), &process.address).await;
    process.signal(Signal::TERM);
    assert_eq!(session.event().await, Event::Draining);
    process.signal(Signal::TERM);
    assert_eq!(process.code().await, Some(1));
}

#[tokio::test]
async fn a_data_directory_has_one_relay() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("relay");
    let _process = Process::start(&path);
    let second = run(&["run", "--listen", "127.0.0.1:0", "--data", path.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    assert!(said(&second).contains("in use by another relay"), "{}", said(&second));
}

#[tokio::test]
async fn the_address_can_be_asked_for_again() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("relay");
    let process = Process::start(&path);
    let path = path.to_str().unwrap();
    let again = run(&["address", "--data", path]);
    assert_eq!(String::from_utf8(again.stdout).unwrap().trim(), process.address.to_text());
    assert!(run(&["address", "--data", path, "--qr"]).stdout.len() > 1000);
}

#[test]
fn what_is_wrong_is_said_and_coded() {
    let data = tempfile::tempdir().unwrap();
    let never = run(&["address", "--data", data.path().join("none").to_str().unwrap()]);
    assert_eq!(never.status.code(), Some(1));
    assert!(said(&never).contains("start one with relevo-relay run"));
    assert_eq!(run(&["ran"]).status.code(), Some(2));
    let file = data.path().join("relay.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n").unwrap();
    let misspelt = run(&["run", "--config", file.to_str().unwrap()]);
    assert_eq!(misspelt.status.code(), Some(1));
    assert!(said(&misspelt).contains("lisen"), "{}", said(&misspelt));
}

#[test]
fn completions_and_manual_pages_are_made() {
    let directory = tempfile::tempdir().unwrap();
    assert!(run(&["completions", "bash"]).stdout.len() > 500);
    assert!(run(&["man", directory.path().to_str().unwrap()]).status.success());
    assert!(directory.path().join("relevo-relay-run.1").exists());
}
