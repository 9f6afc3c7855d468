//! How a session begins, and how it does not.

use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    Admission, Answer, BlobCall, BlobId, Call, Capability, Hello, MailboxKind, Opening, Outcome, Refusal, Reply,
    Request, Version, encode,
};

use crate::Trial;
use crate::client::{Link, Session, admit};

/// H3_NO_ERROR, and not a word.
const SILENT: (u64, &[u8]) = (0x100, b"");

async fn ends_silently(link: &Link) {
    let (code, reason) = link.ended().await;
    assert_eq!((code, reason.as_ref()), SILENT);
}

#[tokio::test]
async fn the_address_opens_a_session() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    assert!(matches!(session.admitted, Answer::Admitted { single_use: false, .. }));
    assert!(session.welcome.limits.requests >= 128);
    assert_eq!(session.done(Call::Ping).await, Answer::Done);
    assert_eq!(trial.running.counters().sessions_admitted, 1);
}

#[tokio::test]
async fn a_wrong_admission_ends_the_session_without_a_reason() {
    let trial = Trial::start().await;
    let address = trial.running.address();
    let stranger = Admission::new(Secret::new([1; 32]));
    let mut link = trial.link().await;
    let (mut stream, _) = link.greet(&address).await;
    stream.write(&admit(&stranger, &link.exporter())).await;
    assert_eq!(stream.frame().await, None);
    ends_silently(&link).await;
}

#[tokio::test]
async fn a_recorded_proof_admits_on_no_other_connection() {
    let trial = Trial::start().await;
    let address = trial.running.address();
    let recorded = admit(&address.admission, &trial.link().await.exporter());
    let mut link = trial.link().await;
    let (mut stream, _) = link.greet(&address).await;
    stream.write(&recorded).await;
    assert_eq!(stream.frame().await, None);
    ends_silently(&link).await;
}

#[tokio::test]
async fn every_fault_of_a_greeting_ends_alike() {
    let trial = Trial::start().await;
    let address = trial.running.address();
    let hello = |versions| Opening::Session { hello: Hello::new([1; 32], versions) };

    let mut link = trial.link().await;
    let mut stream = link.secret(&address, &hello(vec![Version(99)])).await;
    assert_eq!(stream.frame().await, None);
    ends_silently(&link).await;

    let mut link = trial.link().await;
    let (mut stream, _) = link.greet(&address).await;
    stream.write(&encode(&Request { number: 1, call: Call::Ping })).await;
    assert_eq!(stream.frame().await, None);
    ends_silently(&link).await;

    // A blob stream before there is a session.
    let mut link = trial.link().await;
    let get = Opening::Blob { call: BlobCall::Get { id: BlobId([0; 32]), offset: 0, length: 1 } };
    let mut stream = link.secret(&address, &get).await;
    assert_eq!(stream.frame().await, None);
    ends_silently(&link).await;
}

#[tokio::test]
async fn an_invited_client_enrolls_once_and_is_then_its_own() {
    let trial = Trial::start().await;
    let (to, address) = (trial.running.local_addr(), trial.running.address());
    let (invite, own) = (Admission::new(Secret::new([5; 32])), Admission::new(Secret::new([6; 32])));
    let mut host = trial.session().await;
    let expires = Timestamp(host.welcome.now.0).plus_seconds(7 * 86_400).round_up();
    let sponsor = Call::Sponsor { id: invite.id(), key: invite.key(), expires };
    assert_eq!(host.done(sponsor).await, Answer::Done);

    let mut guest = Session::open(to, &address.with_admission(&invite)).await;
    assert!(matches!(guest.admitted, Answer::Admitted { single_use: true, .. }));
    let open = || Call::Open {
        kind: MailboxKind::Personal,
        owner: Capability::new(Secret::new([7; 32])).hash(),
        read: None,
        append: vec![],
        take: vec![],
        lease_hours: 24,
    };
    assert_eq!(guest.call(open()).await, Outcome::Refused { refusal: Refusal::AllowanceSpent });
    // Asked in one breath: what follows Enroll is asked under the new admission.
    guest.send(Call::Enroll { id: own.id(), key: own.key() }).await;
    guest.send(open()).await;
    for _ in 0..2 {
        let reply = guest.reply().await;
        assert!(matches!(reply, Some(Reply::Answer { outcome: Outcome::Done { .. }, .. })), "{reply:?}");
    }

    let again = Session::open(to, &address.with_admission(&own)).await;
    assert!(matches!(again.admitted, Answer::Admitted { single_use: false, .. }));
    let mut link = trial.link().await;
    let (mut stream, _) = link.greet(&address).await;
    stream.write(&admit(&invite, &link.exporter())).await;
    assert_eq!(stream.frame().await, None);
    ends_silently(&link).await;
}

#[tokio::test]
async fn an_opening_over_its_limit_ends_the_connection() {
    let trial = Trial::start().await;
    let address = trial.running.address();
    let mut link = trial.link().await;
    let path = address.path.path(&link.exporter());
    let mut stream = link.begin(http::Method::POST, &path).await;
    stream.write_raw(vec![0, 0, 4, 1, 0xa0]).await;
    ends_silently(&link).await;
}

#[tokio::test]
async fn a_connection_has_one_session() {
    let trial = Trial::start().await;
    let address = trial.running.address();
    let mut session = trial.session().await;
    let hello = Hello::new([2; 32], vec![Version::CURRENT]);
    let mut second = session.link.secret(&address, &Opening::Session { hello }).await;
    assert_eq!(second.frame().await, None);
    ends_silently(&session.link).await;
}

#[tokio::test]
async fn a_frame_that_lies_about_its_length_ends_the_session() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    session.stream.write_raw(vec![0x7f, 0xff, 0xff, 0xff, 0]).await;
    ends_silently(&session.link).await;
}

#[tokio::test]
async fn malformed_frames_never_stop_the_relay() {
    let trial = Trial::start().await;
    for (length, fill) in [(0u32, 0u8), (1, 0xff), (9, 0xa0), (40, 0x5f), (600, 0x9f)] {
        let mut session = trial.session().await;
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.resize(bytes.len() + usize::try_from(length).unwrap(), fill);
        session.stream.write_raw(bytes).await;
        ends_silently(&session.link).await;
    }
    Session::open(trial.running.local_addr(), &trial.running.address()).await.done(Call::Ping).await;
}
