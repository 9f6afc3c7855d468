//! The whole of the account's thread, engine and link, against a real relay.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use relevo_client::link::LinkFault;
use relevo_client::sync::{
    Follow, Followed, Logic, LogicFault, Notice, ReceivedEntry, Runner, SessionStatus, Start, Stopped, Then, Topic,
    enqueue, follow, remember_relay,
};
use relevo_client::vault::{Cost, Passphrase, Transaction, Vault, VaultFault};
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{Answer, Call, Refusal, RelayAddress};
use relevo_tests::proxy::UdpProxy;
use tempfile::TempDir;

use super::{Trial, append, mailbox, number, open, owner};

const PATIENCE: Duration = Duration::from_secs(60);

/// Rules that remember what they hear.
#[derive(Default)]
struct Heard {
    entries: Vec<u32>,
    notices: Vec<Notice>,
    answers: usize,
}

impl Logic for Heard {
    fn received(
        &mut self,
        _: &Transaction<'_>,
        _: &Followed,
        entry: &ReceivedEntry,
        _: Timestamp,
    ) -> Result<(), LogicFault> {
        self.entries.push(number(&entry.entry));
        Ok(())
    }

    fn noticed(&mut self, _: &Transaction<'_>, _: &Followed, what: &Notice, _: Timestamp) -> Result<(), LogicFault> {
        self.notices.push(what.clone());
        Ok(())
    }

    fn answered(
        &mut self,
        _: &Transaction<'_>,
        _: &Then,
        outcome: Result<&Answer, Refusal>,
        _: Timestamp,
    ) -> Result<(), LogicFault> {
        outcome.expect("nothing is refused here");
        self.answers += 1;
        Ok(())
    }
}

fn client(address: RelayAddress) -> (TempDir, Runner<Heard>) {
    let directory = tempfile::tempdir().unwrap();
    let passphrase = Passphrase::new("a passphrase".to_owned());
    let mut vault = Vault::create(&directory.path().join("vault"), &passphrase, Cost::FOR_TESTS).unwrap();
    vault.transaction(|tx| remember_relay(tx, &address)).unwrap();
    (directory, Runner::start(vault, Heard::default()).unwrap())
}

async fn follow_one(client: &Runner<Heard>, address: &RelayAddress) {
    let follows = Follow {
        relay: address.fingerprint,
        mailbox: mailbox(1),
        capability: owner(1),
        topic: Topic::Inbox,
        key: vec![],
        start: Start::Beginning,
    };
    client.work(move |vault, _, _| vault.transaction(|tx| follow(tx, &follows)).unwrap()).await.unwrap();
}

async fn send(client: &Runner<Heard>, address: &RelayAddress, calls: Vec<Call>) {
    let relay = address.fingerprint;
    let work = move |tx: &Transaction<'_>| {
        for call in &calls {
            enqueue(tx, &relay, call, &Then { topic: Topic::Inbox, state: vec![] })?;
        }
        Ok::<_, VaultFault>(())
    };
    client.work(move |vault, _, _| vault.transaction(work).unwrap()).await.unwrap();
}

async fn entries(client: &Runner<Heard>) -> Vec<u32> {
    client.work(|_, heard, _| heard.entries.clone()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_cross_a_relay_that_restarts_each_once_and_in_order() {
    let trial = Trial::start().await;
    let address = trial.address();
    let (_here, writer) = client(trial.address());
    let (_there, reader) = client(trial.address());
    send(&writer, &address, vec![open(1)]).await;
    assert!(writer.settle(PATIENCE).await.unwrap().is_settled());
    follow_one(&reader, &address).await;
    send(&writer, &address, (0..200).map(|number| append(1, number)).collect()).await;
    let trial = trial.restart().await;
    send(&writer, &address, (200..300).map(|number| append(1, number)).collect()).await;
    let begun = Instant::now();
    while entries(&reader).await.len() < 300 && begun.elapsed() < PATIENCE {
        // Waiting may end early while the relay is away; it is asked again.
        let _status = writer.settle(Duration::from_secs(5)).await.unwrap();
        let _status = reader.settle(Duration::from_secs(5)).await.unwrap();
    }
    assert_eq!(entries(&reader).await, (0..300).collect::<Vec<_>>());
    writer.stop().await;
    reader.stop().await;
    trial.running.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_last_handle_does_what_was_asked_for_and_closes_the_vault_before_it_is_gone() {
    let trial = Trial::start().await;
    let (directory, client) = client(trial.address());
    let (done, was_done) = std::sync::mpsc::channel();
    let slow = client.work(|_, _, _| std::thread::sleep(Duration::from_millis(300)));
    let after_it = client.work(move |_, _, _| done.send(()).unwrap());
    // Whoever asked goes before either is done; on this runtime nothing else runs meanwhile.
    let both = tokio::time::timeout(Duration::from_millis(30), async { tokio::join!(slow, after_it) });
    both.await.unwrap_err();
    drop(client);
    was_done.try_recv().unwrap();
    let passphrase = Passphrase::new("a passphrase".to_owned());
    Vault::open(&directory.path().join("vault"), &passphrase).unwrap();
    trial.running.shutdown().await.unwrap();
}

/// What a library keeps for a thread, and gives back when the thread has ended: OpenSSL does, and where the process ends
/// at the same time it gives it back twice.
struct KeptForTheThread(Arc<AtomicBool>);

impl Drop for KeptForTheThread {
    fn drop(&mut self) {
        std::thread::sleep(Duration::from_millis(300));
        self.0.store(true, Ordering::SeqCst);
    }
}

thread_local! {
    static KEPT: RefCell<Option<KeptForTheThread>> = const { RefCell::new(None) };
}

#[tokio::test]
async fn nothing_of_the_thread_is_left_when_it_was_stopped_or_its_last_handle_went() {
    let trial = Trial::start().await;
    for stop in [true, false] {
        let (_directory, client) = client(trial.address());
        let other = client.clone();
        let gone = Arc::new(AtomicBool::new(false));
        let kept = KeptForTheThread(Arc::clone(&gone));
        client.work(move |_, _, _| KEPT.set(Some(kept))).await.unwrap();
        if stop {
            client.stop().await;
            assert!(gone.load(Ordering::SeqCst), "stopped, although there is another handle");
            assert_eq!(other.status().await.unwrap_err(), Stopped);
        } else {
            drop(client);
            assert!(!gone.load(Ordering::SeqCst));
            drop(other);
            assert!(gone.load(Ordering::SeqCst));
        }
    }
    trial.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_over_a_link_that_is_cut_arrives_once() {
    let trial = Trial::start().await;
    let proxy = UdpProxy::start(trial.running.local_addr()).await.unwrap();
    let address = RelayAddress { port: proxy.address().port(), ..trial.address() };
    let (_here, writer) = client(address.duplicate());
    follow_one(&writer, &address).await;
    send(&writer, &address, vec![open(1), append(1, 0)]).await;
    assert!(writer.settle(PATIENCE).await.unwrap().is_settled());
    proxy.cut();
    send(&writer, &address, (1..50).map(|number| append(1, number)).collect()).await;
    let status = writer.settle(Duration::from_secs(1)).await.unwrap();
    assert_eq!(status.relays[0].waiting, 49);
    proxy.mend();
    assert!(writer.settle(PATIENCE).await.unwrap().is_settled());
    assert_eq!(entries(&writer).await, (0..50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settling_with_a_wrong_relay_ends_early_and_says_why() {
    let trial = Trial::start().await;
    let address = RelayAddress { fingerprint: relevo_protocol::wire::Fingerprint([8; 32]), ..trial.address() };
    let (_here, writer) = client(address.duplicate());
    send(&writer, &address, vec![append(1, 0)]).await;
    let begun = Instant::now();
    let status = writer.settle(PATIENCE).await.unwrap();
    assert!(begun.elapsed() < PATIENCE / 2);
    assert_eq!(status.relays[0].fault, Some(LinkFault::WrongRelay));
    assert_eq!(status.relays[0].waiting, 1);
    assert!(matches!(status.relays[0].session, SessionStatus::Offline { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_for_blobs_opens_when_it_is_asked_for() {
    let trial = Trial::start().await;
    let (_here, client) = client(trial.address());
    let session = client.session(trial.address().fingerprint, PATIENCE).await.unwrap().unwrap();
    assert_eq!(session.request(Call::Ping).await, Ok(Answer::Done));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_waiting_entries_are_caught_up_with() {
    let trial = Trial::start().await;
    let address = trial.address();
    let session = trial.connect().await.session;
    session.request(open(1)).await.unwrap();
    let mut appends = tokio::task::JoinSet::new();
    for worker in 0..64 {
        let session = session.clone();
        appends.spawn(async move {
            for number in (0..10_000).filter(|number| number % 64 == worker) {
                session.request(append(1, number)).await.unwrap();
            }
        });
    }
    appends.join_all().await;
    let (_here, reader) = client(trial.address());
    let begun = Instant::now();
    follow_one(&reader, &address).await;
    assert!(reader.settle(PATIENCE).await.unwrap().is_settled());
    let took = begun.elapsed();
    assert_eq!(entries(&reader).await.len(), 10_000);
    println!("10,000 entries caught up with in {took:?}");
}
