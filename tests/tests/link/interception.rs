//! An interceptor with a certificate of its own gets no session and learns nothing that it could replay.

use relevo_client::link::{Link, LinkFault};
use relevo_protocol::wire::RelayAddress;

use super::Trial;
use super::interceptor::{Interceptor, Trick};

/// How a client's attempt through the interceptor ends, and what it sent after its opening.
async fn through(interceptor: &Interceptor, trial: &Trial) -> (LinkFault, Vec<u8>) {
    let address = RelayAddress { port: interceptor.address.port(), ..trial.address() };
    let fault = Link::new().unwrap().connect(&address).await.expect_err("no session may open");
    (fault, interceptor.heard.lock().unwrap().clone())
}

#[tokio::test]
async fn an_interceptor_with_its_own_identity_is_refused() {
    let trial = Trial::start().await;
    let interceptor = Interceptor::start(Trick::OwnIdentity);
    assert_eq!(through(&interceptor, &trial).await, (LinkFault::WrongRelay, vec![]));
}

#[tokio::test]
async fn an_interceptor_that_forwards_the_path_meets_an_ordinary_site() {
    let trial = Trial::start().await;
    let interceptor = Interceptor::start(Trick::Forward(trial.running.local_addr()));
    assert_eq!(through(&interceptor, &trial).await, (LinkFault::NotARelay, vec![]));
}

#[tokio::test]
async fn an_interceptor_that_has_the_address_gets_no_signature_for_the_clients_connection() {
    let trial = Trial::start().await;
    let interceptor = Interceptor::start(Trick::Insider(trial.address(), trial.running.local_addr()));
    assert_eq!(through(&interceptor, &trial).await, (LinkFault::NotProved, vec![]));
}
