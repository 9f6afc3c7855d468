//! The relay proves itself on this connection, to this Hello, or the session ends.

use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{
    Fingerprint, GreetingFault, Hello, RelayIdentity, Version, Welcome, WelcomeBody, decode_exact, encode,
};

use crate::dice::Dice;
use crate::frames::{hello, relay_key, welcome_body};

fn fingerprint() -> Fingerprint {
    welcome_body().identity.fingerprint()
}

#[test]
fn a_greeting_holds_on_its_own_connection_only() {
    let (here, there) = (Secret::new([1; 32]), Secret::new([2; 32]));
    let hello = hello(&mut Dice(1));
    let welcome = Welcome::sign(&welcome_body(), &here, &hello, &relay_key());
    assert_eq!(welcome.verify(&fingerprint(), &here, &hello), Ok(welcome_body()));
    assert_eq!(welcome.verify(&fingerprint(), &there, &hello), Err(GreetingFault::Signature));
}

#[test]
fn a_greeting_answers_one_hello_only() {
    let here = Secret::new([1; 32]);
    let (one, other) = (hello(&mut Dice(1)), hello(&mut Dice(2)));
    let welcome = Welcome::sign(&welcome_body(), &here, &one, &relay_key());
    assert_eq!(welcome.verify(&fingerprint(), &here, &other), Err(GreetingFault::Signature));
}

#[test]
fn another_relay_is_told_by_its_fingerprint_even_if_it_signs_well() {
    let here = Secret::new([1; 32]);
    let hello = hello(&mut Dice(1));
    let key = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let body = WelcomeBody { identity: RelayIdentity(key.verifying_key().to_bytes()), ..welcome_body() };
    let welcome = Welcome::sign(&body, &here, &hello, &key);
    assert_eq!(welcome.verify(&fingerprint(), &here, &hello), Err(GreetingFault::Fingerprint));
    // It names the right key and cannot sign with it.
    let forged = Welcome::sign(&welcome_body(), &here, &hello, &key);
    assert_eq!(forged.verify(&fingerprint(), &here, &hello), Err(GreetingFault::Signature));
}

#[test]
fn changed_limits_do_not_verify() {
    let here = Secret::new([1; 32]);
    let hello = hello(&mut Dice(1));
    let signed = Welcome::sign(&welcome_body(), &here, &hello, &relay_key());
    let mut body = welcome_body();
    body.limits.requests += 1;
    let changed = Welcome { body: encode(&body), signature: signed.signature };
    assert_eq!(changed.verify(&fingerprint(), &here, &hello), Err(GreetingFault::Signature));
    let broken = Welcome { body: vec![0], signature: signed.signature };
    assert_eq!(broken.verify(&fingerprint(), &here, &hello), Err(GreetingFault::Malformed));
}

#[test]
fn a_version_that_the_client_did_not_offer_is_refused() {
    let here = Secret::new([1; 32]);
    let hello = Hello::new([1; 32], vec![Version(9)]);
    let welcome = Welcome::sign(&welcome_body(), &here, &hello, &relay_key());
    assert_eq!(welcome.verify(&fingerprint(), &here, &hello), Err(GreetingFault::Version));
}

#[test]
fn a_hello_that_says_more_than_this_version_knows_is_still_answered() {
    let here = Secret::new([1; 32]);
    // {0: nonce, 1: [1], 2: true}: a field of a later version.
    let mut later = vec![0xa3, 0, 0x58, 32];
    later.extend([7; 32]);
    later.extend([1, 0x81, 1, 2, 0xf5]);
    let hello: Hello = decode_exact(&later).unwrap();
    assert_eq!(encode(&hello), later, "it is kept as it came");
    let welcome = Welcome::sign(&welcome_body(), &here, &hello, &relay_key());
    assert_eq!(welcome.verify(&fingerprint(), &here, &hello), Ok(welcome_body()));
    let known = Hello::new([7; 32], vec![Version::CURRENT]);
    assert_eq!(welcome.verify(&fingerprint(), &here, &known), Err(GreetingFault::Signature));
}
