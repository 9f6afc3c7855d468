//! Blobs on streams of their own.

use std::net::Ipv4Addr;

use relevo_protocol::limits::MAX_BLOB;
use relevo_protocol::wire::{BlobCall, BlobId, BlobReply, Opening, Refusal, RelayAddress, decode_exact};

use crate::Trial;
use crate::client::{Link, Session, Stream, hybrid};

fn chunk(fill: u8) -> (Vec<u8>, BlobId) {
    let bytes: Vec<u8> = (0..MAX_BLOB).map(|at| u8::try_from(at % 251).unwrap() ^ fill).collect();
    let id = BlobId::of(&bytes);
    (bytes, id)
}

async fn put(session: &mut Session, address: &RelayAddress, id: BlobId, length: usize) -> Stream {
    let call = BlobCall::Put { id, length: u64::try_from(length).unwrap(), lease_hours: 24 };
    session.link.secret(address, &Opening::Blob { call }).await
}

async fn get(session: &mut Session, address: &RelayAddress, id: BlobId, offset: u64, length: u64) -> Stream {
    session.link.secret(address, &Opening::Blob { call: BlobCall::Get { id, offset, length } }).await
}

async fn reply(stream: &mut Stream) -> BlobReply {
    decode_exact(&stream.frame().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_blob_is_put_and_got_whole_and_in_ranges() {
    let trial = Trial::start().await;
    let address = trial.running.address();
    let mut session = trial.session().await;
    let (bytes, id) = chunk(0);
    let mut stream = put(&mut session, &address, id, bytes.len()).await;
    assert_eq!(reply(&mut stream).await, BlobReply::Have { offset: 0 });
    stream.write_raw(bytes.clone()).await;
    assert!(matches!(reply(&mut stream).await, BlobReply::Stored { .. }));

    let mut stream = get(&mut session, &address, id, 0, MAX_BLOB).await;
    assert_eq!(reply(&mut stream).await, BlobReply::Sending { length: MAX_BLOB, total: MAX_BLOB });
    assert_eq!(stream.rest().await, bytes);
    let mut stream = get(&mut session, &address, id, 1000, 10).await;
    assert_eq!(reply(&mut stream).await, BlobReply::Sending { length: 10, total: MAX_BLOB });
    assert_eq!(stream.rest().await, bytes[1000..1010]);

    // Repeated, it renews and wants no bytes.
    let mut stream = put(&mut session, &address, id, bytes.len()).await;
    assert!(matches!(reply(&mut stream).await, BlobReply::Stored { .. }));
}

#[tokio::test]
async fn a_broken_put_goes_on_where_it_stopped() {
    let trial = Trial::start().await;
    let address = trial.running.address();
    let (bytes, id) = chunk(1);
    let mut session = trial.session().await;
    let mut stream = put(&mut session, &address, id, bytes.len()).await;
    assert_eq!(reply(&mut stream).await, BlobReply::Have { offset: 0 });
    stream.write_raw(bytes[..100_000].to_vec()).await;
    stream.send.finish().await.unwrap();
    // An end before the last byte is told on this stream; a client that lost its link starts over in the same way.
    assert_eq!(reply(&mut stream).await, BlobReply::Refused { refusal: Refusal::Malformed });

    let mut session = trial.session().await;
    let mut stream = put(&mut session, &address, id, bytes.len()).await;
    assert_eq!(reply(&mut stream).await, BlobReply::Have { offset: 100_000 });
    stream.write_raw(bytes[100_000..].to_vec()).await;
    assert!(matches!(reply(&mut stream).await, BlobReply::Stored { .. }));
}

#[tokio::test]
async fn bytes_that_do_not_match_the_id_are_refused() {
    let trial = Trial::start().await;
    let address = trial.running.address();
    let mut session = trial.session().await;
    let (bytes, _) = chunk(2);
    let other = BlobId([9; 32]);
    let mut stream = put(&mut session, &address, other, bytes.len()).await;
    assert_eq!(reply(&mut stream).await, BlobReply::Have { offset: 0 });
    stream.write_raw(bytes).await;
    assert_eq!(reply(&mut stream).await, BlobReply::Refused { refusal: Refusal::BlobMismatch });
    let mut stream = get(&mut session, &address, other, 0, 1).await;
    assert_eq!(reply(&mut stream).await, BlobReply::Refused { refusal: Refusal::NoSuchBlob });
}

#[tokio::test]
async fn a_blob_over_the_limit_is_refused_before_its_bytes() {
    let trial = Trial::start().await;
    let address = trial.running.address();
    let mut session = trial.session().await;
    let over = usize::try_from(MAX_BLOB).unwrap() + 1;
    let mut stream = put(&mut session, &address, BlobId([1; 32]), over).await;
    assert_eq!(reply(&mut stream).await, BlobReply::Refused { refusal: Refusal::Malformed });
}

#[tokio::test]
async fn a_connection_has_only_so_many_blob_streams() {
    let trial = Trial::start_with(|config| config.limits.blobs = 1).await;
    let address = trial.running.address();
    let mut session = trial.session().await;
    let (bytes, id) = chunk(3);
    let mut first = put(&mut session, &address, id, bytes.len()).await;
    assert_eq!(reply(&mut first).await, BlobReply::Have { offset: 0 });
    let mut second = get(&mut session, &address, id, 0, 1).await;
    assert_eq!(reply(&mut second).await, BlobReply::Refused { refusal: Refusal::Busy });
}

/// Begins puts, and goes no further: each that has its place is told so.
async fn begun(session: &mut Session, address: &RelayAddress, ids: std::ops::Range<u8>) -> Vec<(Stream, BlobReply)> {
    let mut begun = Vec::new();
    for id in ids {
        let mut stream = put(session, address, BlobId([id; 32]), 1000).await;
        let reply = reply(&mut stream).await;
        begun.push((stream, reply));
    }
    begun
}

fn said(begun: &[(Stream, BlobReply)]) -> Vec<BlobReply> {
    begun.iter().map(|(_, reply)| reply.clone()).collect()
}

#[tokio::test]
async fn blob_streams_of_one_admission_or_address_leave_places_for_others() {
    const HAVE: BlobReply = BlobReply::Have { offset: 0 };
    const BUSY: BlobReply = BlobReply::Refused { refusal: Refusal::Busy };
    // 2 of one admission, 4 of one address, 16 in all.
    let trial = Trial::start_with(|config| (config.limits.blobs, config.limits.all_blobs) = (2, 16)).await;
    let shared = trial.running.address();
    let (mut first, own) = trial.enrolled().await;
    let mut second = trial.another(&own).await.unwrap();
    let (mut other, _) = trial.enrolled().await;
    let mut of_the_address = trial.session().await;
    let link = Link::open_from(Ipv4Addr::new(127, 0, 0, 2), trial.running.local_addr(), hybrid()).await.unwrap();
    let mut elsewhere = Session::open_on(link, &shared).await.unwrap();

    let held = begun(&mut first, &shared, 0..2).await;
    assert_eq!(said(&held), [HAVE, HAVE]);
    assert_eq!(said(&begun(&mut second, &shared, 2..3).await), [BUSY]);
    let others = begun(&mut other, &shared, 3..5).await;
    assert_eq!(said(&others), [HAVE, HAVE]);
    assert_eq!(said(&begun(&mut of_the_address, &shared, 5..6).await), [BUSY]);
    assert_eq!(said(&begun(&mut elsewhere, &shared, 6..8).await), [HAVE, HAVE]);
}
