//! Sessions: what opens one, what does not, and what one carries.

use std::path::Path;
use std::time::Duration;

use relevo_client::link::{AdmissionKind, Incoming, Link, LinkFault, RequestFault};
use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{
    Admission, Answer, Call, Cursor, Event, Fingerprint, PathSecret, Refusal, RelayAddress, Resumed, Sequence,
    Subscription, SubscriptionId,
};

use super::{Trial, append, entry, mailbox, open, owner, pushed};

async fn refused(address: &RelayAddress) -> LinkFault {
    Link::new().unwrap().connect(address).await.expect_err("no session may open")
}

#[tokio::test]
async fn a_session_opens_and_says_what_the_relay_allows() {
    let trial = Trial::start().await;
    let connected = trial.connect().await;
    assert_eq!(connected.welcome.identity.fingerprint(), trial.address().fingerprint);
    assert_eq!(connected.admitted.kind, AdmissionKind::Lasting);
    assert_eq!(connected.session.request(Call::Ping).await, Ok(Answer::Done));
}

#[tokio::test]
async fn an_entry_goes_from_one_session_to_another() {
    let trial = Trial::start().await;
    let (mut reader, writer) = (trial.connect().await, trial.connect().await);
    reader.session.request(open(1)).await.unwrap();
    let id = SubscriptionId(5);
    let cursor = Cursor { incarnation: None, after: Sequence::START };
    let subscription = Subscription { id, mailbox: mailbox(1), capability: owner(1), cursor, credit: 10 };
    let resumed = reader.session.request(Call::Resume { subscriptions: vec![subscription] }).await.unwrap();
    assert!(matches!(resumed, Answer::Resumed { mailboxes } if matches!(mailboxes[..], [Resumed::Following { .. }])));
    writer.session.request(append(1, 77)).await.unwrap();
    assert_eq!(pushed(&mut reader).await, entry(77));
}

#[tokio::test]
async fn thousands_of_requests_go_pipelined_on_one_stream() {
    let trial = Trial::start().await;
    let connected = trial.connect().await;
    connected.session.request(open(1)).await.unwrap();
    let mut answers = tokio::task::JoinSet::new();
    for number in 0..3000 {
        let session = connected.session.clone();
        answers.spawn(async move { session.request(append(1, number)).await.unwrap() });
    }
    let mut places: Vec<u64> = answers
        .join_all()
        .await
        .into_iter()
        .map(|answer| match answer {
            Answer::Stored { sequence, .. } => sequence.0,
            other => panic!("{other:?}"),
        })
        .collect();
    places.sort_unstable();
    assert_eq!(places, (1..=3000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_the_session_goes_on() {
    let trial = Trial::start().await;
    let session = trial.connect().await.session;
    assert_eq!(session.request(append(9, 1)).await, Err(RequestFault::Refused(Refusal::NoSuchMailbox)));
    assert_eq!(session.request(Call::Ping).await, Ok(Answer::Done));
}

#[tokio::test]
async fn a_relay_of_another_fingerprint_is_refused() {
    let trial = Trial::start().await;
    let address = RelayAddress { fingerprint: Fingerprint([1; 32]), ..trial.address() };
    assert_eq!(refused(&address).await, LinkFault::WrongRelay);
}

#[tokio::test]
async fn an_address_with_another_path_secret_meets_an_ordinary_site() {
    let trial = Trial::start().await;
    let address = RelayAddress { path: PathSecret::new(Secret::new([1; 16])), ..trial.address() };
    assert_eq!(refused(&address).await, LinkFault::NotARelay);
}

#[tokio::test]
async fn a_wrong_admission_opens_no_session() {
    let trial = Trial::start().await;
    let address = trial.address().with_admission(&Admission::new(Secret::new([1; 32])));
    assert_eq!(refused(&address).await, LinkFault::NotAdmitted);
}

#[tokio::test]
async fn a_dead_relay_is_unreachable() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let trial = Trial::start().await;
    let address = RelayAddress { port: socket.local_addr().unwrap().port(), ..trial.address() };
    assert_eq!(refused(&address).await, LinkFault::Unreachable);
}

#[tokio::test]
async fn an_unknown_host_is_said() {
    let trial = Trial::start().await;
    let address = RelayAddress { host: "nowhere.invalid".to_owned(), ..trial.address() };
    assert_eq!(refused(&address).await, LinkFault::UnknownHost);
}

#[tokio::test]
async fn a_stopping_relay_says_so_and_later_requests_are_lost() {
    let trial = Trial::start().await;
    let mut connected = trial.connect().await;
    let stopping = tokio::spawn(trial.running.shutdown());
    let mut told = Vec::new();
    while let Some(arrival) = connected.arrivals.recv().await {
        let (incoming, _room) = arrival.into_parts();
        if incoming == Incoming::Event(Event::Draining) {
            connected.session.close();
        }
        told.push(incoming);
    }
    assert_eq!(told[0], Incoming::Event(Event::Draining));
    assert!(matches!(told.last(), Some(Incoming::Over(_))));
    assert_eq!(connected.session.request(Call::Ping).await, Err(RequestFault::Lost));
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_relay_that_was_killed_and_is_back_says_so_to_the_clients_of_before() {
    let data = tempfile::tempdir().unwrap();
    let program = relevo_tests::story::relay_beside(Path::new(env!("CARGO_BIN_EXE_relevo-demo"))).unwrap();
    let start = |port: u16| {
        let listen = ([127, 0, 0, 1], port).into();
        relevo_tests::relay_process::RelayProcess::start(&program, &data.path().join("relay"), listen).unwrap()
    };
    let relay = start(0);
    let address: RelayAddress = relay.address().parse().unwrap();
    let mut connected = Link::new().unwrap().connect(&address).await.unwrap();
    // Killed: it says nothing to anybody.
    drop(relay);
    let _back = start(address.port);
    // Less than a connection lives in silence (30 s), so it was told.
    let told = tokio::time::timeout(Duration::from_secs(25), async {
        let asked = connected.session.request(Call::Ping).await;
        (asked, connected.arrivals.recv().await.unwrap().incoming)
    });
    assert_eq!(told.await.unwrap(), (Err(RequestFault::Lost), Incoming::Over(LinkFault::Lost)));
}
