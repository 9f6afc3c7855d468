//! What everybody sees who has not the path.

use http::{Method, StatusCode};

use crate::Trial;

#[tokio::test]
async fn everybody_sees_an_ordinary_site() {
    let trial = Trial::start().await;
    let mut link = trial.link().await;
    let (head, body) = link.fetch(Method::GET, "/", b"").await;
    assert_eq!(head.status(), StatusCode::OK);
    assert!(body.starts_with(b"<!doctype html>"));
    let (head, _) = link.fetch(Method::GET, "/style.css", b"").await;
    assert_eq!(head.headers()["content-type"], "text/css; charset=utf-8");
}

#[tokio::test]
async fn a_wrong_secret_path_cannot_be_told_from_any_other_page_that_is_not_there() {
    let trial = Trial::start().await;
    let mut link = trial.link().await;
    let (expected, text) = link.fetch(Method::GET, "/no-such-page", b"").await;
    assert_eq!(expected.status(), StatusCode::NOT_FOUND);
    // The right secret on another connection is a wrong path on this one.
    let other = trial.link().await;
    let stale = trial.running.address().path.path(&other.exporter());
    let right = trial.running.address().path.path(&link.exporter());
    for (method, path) in [
        (Method::POST, stale.as_str()),
        (Method::POST, "/"),
        (Method::POST, "/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        (Method::GET, right.as_str()),
        (Method::PUT, right.as_str()),
        (Method::DELETE, "/index.html"),
    ] {
        let (head, body) = link.fetch(method, path, b"some body").await;
        assert_eq!((head.status(), head.headers(), &body), (expected.status(), expected.headers(), &text));
    }
}

#[tokio::test]
async fn a_key_exchange_without_ml_kem_is_refused() {
    let trial = Trial::start().await;
    let classical: Vec<&'static dyn rustls::crypto::SupportedKxGroup> =
        vec![rustls::crypto::aws_lc_rs::kx_group::X25519, rustls::crypto::aws_lc_rs::kx_group::SECP256R1];
    assert!(crate::client::Link::open_with(trial.running.local_addr(), classical).await.is_err());
}

#[tokio::test]
async fn a_visitor_who_sends_a_frame_without_end_is_not_heard_out() {
    let trial = Trial::start().await;
    let link = trial.link().await;
    let (mut send, _receive) = link.connection.open_bi().await.unwrap();
    // HEADERS of 1 GiB (RFC 9114, 7.2.2).
    send.write_all(&[0x01, 0xc0, 0, 0, 0, 0x40, 0, 0, 0]).await.unwrap();
    let sent = async {
        for _ in 0..64 {
            send.write_all(&[0; 64 << 10]).await?;
        }
        Ok::<_, quinn::WriteError>(())
    };
    let (_broken_off, (code, reason)) = tokio::join!(sent, link.ended());
    assert_eq!((code, reason.as_ref()), (0x100, b"".as_slice()));
}
