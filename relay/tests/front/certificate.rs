//! A certificate of the operator's: shown, read again, and refused when it is of no use.

use std::path::Path;

use data_encoding::BASE64;
use relevo_protocol::wire::{Answer, Call};
use relevo_relay::{CertificateFault, ListenFault, Relay, StartFault};

use super::Trial;

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = BASE64.encode(bytes);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Writes a new certificate and its key; gives the certificate.
fn issue(folder: &Path) -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["relay.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    std::fs::write(folder.join("chain.pem"), pem("CERTIFICATE", &certificate)).unwrap();
    std::fs::write(folder.join("key.pem"), pem("PRIVATE KEY", &key.serialize_der())).unwrap();
    certificate
}

/// What a visitor is shown.
async fn seen(trial: &Trial) -> Vec<u8> {
    let link = trial.link().await;
    let shown = link.connection.peer_identity().unwrap();
    let chain = shown.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().unwrap();
    chain.first().unwrap().to_vec()
}

#[tokio::test]
async fn the_operators_certificate_is_shown_and_read_again_without_a_session_ending() {
    let folder = tempfile::tempdir().unwrap();
    let first = issue(folder.path());
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let trial = Trial::start_with(|config| {
        config.certificate = Some(chain.clone());
        config.certificate_key = Some(key.clone());
    })
    .await;
    assert_eq!(seen(&trial).await, first);
    let mut session = trial.session().await;
    let second = issue(folder.path());
    assert_eq!(seen(&trial).await, first, "nothing is read unasked");
    assert!(trial.running.reload_certificate().unwrap());
    assert_eq!(seen(&trial).await, second);
    // The relay is who it was, to those who are there and to those who come.
    for one in [&mut session, &mut trial.session().await] {
        let own = relevo_protocol::wire::Capability::random().unwrap();
        let open = Call::Open {
            kind: relevo_protocol::wire::MailboxKind::Personal,
            owner: own.hash(),
            read: None,
            append: vec![],
            take: vec![],
            lease_hours: 1,
        };
        assert!(matches!(one.done(open).await, Answer::Opened { .. }));
    }

    // One that is of no use changes nothing.
    issue(folder.path());
    let stranger = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", &stranger.serialize_der())).unwrap();
    assert!(matches!(trial.running.reload_certificate(), Err(CertificateFault::Pair { .. })));
    std::fs::write(&chain, "not a certificate").unwrap();
    trial.running.reload_certificate().unwrap_err();
    std::fs::remove_file(&chain).unwrap();
    assert!(matches!(trial.running.reload_certificate(), Err(CertificateFault::File { .. })));
    assert_eq!(seen(&trial).await, second);
}

#[tokio::test]
async fn a_relay_does_not_start_with_a_certificate_of_no_use_and_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let config = relevo_relay::Config {
        data: folder.path().join("data"),
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate: Some(chain.clone()),
        certificate_key: Some(key),
        ..relevo_relay::Config::default()
    };
    let fault = Relay::start(config.clone()).await.err().unwrap();
    assert!(matches!(fault, StartFault::Listen(ListenFault::Certificate(_))));
    assert!(fault.to_string().contains("chain.pem"), "{fault}");
    let alone = relevo_relay::Config { certificate_key: None, ..config };
    assert!(matches!(Relay::start(alone).await.err().unwrap(), StartFault::Config(_)));
    let own = Trial::start().await;
    assert!(!own.running.reload_certificate().unwrap(), "its own is not read again");
}
