//! Blobs over streams of their own.

use bytes::{Bytes, BytesMut};
use relevo_client::link::BlobFault;
use relevo_protocol::limits::MAX_BLOB;
use relevo_protocol::wire::{Answer, BlobId, Call, Refusal};

use super::Trial;

fn blob(seed: u8, length: usize) -> Bytes {
    (0..length).map(|place| (place % 251) as u8 ^ seed).collect()
}

#[tokio::test]
async fn a_blob_is_put_and_read_back_whole_and_in_ranges() {
    let trial = Trial::start().await;
    let session = trial.connect().await.session;
    let bytes = blob(3, 256 << 10);
    let id = BlobId::of(&bytes);
    session.put_blob(id, bytes.clone(), 24).await.unwrap();
    session.put_blob(id, bytes.clone(), 24).await.unwrap();
    let whole = session.get_blob(id, 0..1 << 20).await.unwrap();
    assert_eq!((whole.bytes, whole.total), (bytes.clone(), 256 << 10));
    let part = session.get_blob(id, 1000..5000).await.unwrap();
    assert_eq!((part.bytes, part.total), (bytes.slice(1000..5000), 256 << 10));
}

#[tokio::test]
async fn a_blob_that_broke_off_is_fetched_from_there_on() {
    let trial = Trial::start().await;
    let session = trial.connect().await.session;
    let bytes = blob(3, 256 << 10);
    let id = BlobId::of(&bytes);
    let mut left = Vec::new();
    session.put_blob_watched(id, bytes.clone(), 24, |bytes| left.push(bytes)).await.unwrap();
    assert!(left.len() >= 16 && left.is_sorted() && left.last() == Some(&bytes.len()), "it is seen to move");
    let (mut held, mut first) = (BytesMut::from(&bytes[..200_000]), None);
    let watch = |bytes| first = first.or(Some(bytes));
    assert_eq!(session.fetch_blob(id, &mut held, 50_000, watch).await, Ok(false));
    assert_eq!(held, bytes[..250_000]);
    assert_eq!(session.fetch_blob(id, &mut held, 50_000, |_| {}).await, Ok(true));
    assert_eq!(held, bytes);
    assert!(first.unwrap() > 200_000);
    let mut wrong = BytesMut::from(&blob(4, 200_000)[..]);
    assert_eq!(session.fetch_blob(id, &mut wrong, MAX_BLOB, |_| {}).await, Err(BlobFault::Mismatch));
}

#[tokio::test]
async fn many_blobs_at_once_wait_for_their_turn_and_hold_no_request_up() {
    let trial = Trial::start().await;
    let session = trial.connect().await.session;
    let mut puts = tokio::task::JoinSet::new();
    for seed in 0..30 {
        let session = session.clone();
        puts.spawn(async move {
            let bytes = blob(seed, 200_000 + usize::from(seed));
            session.put_blob(BlobId::of(&bytes), bytes, 24).await.unwrap();
        });
    }
    assert_eq!(session.request(Call::Ping).await, Ok(Answer::Done));
    puts.join_all().await;
}

#[tokio::test]
async fn what_is_not_there_or_not_the_blob_is_refused() {
    let trial = Trial::start().await;
    let session = trial.connect().await.session;
    let (bytes, other) = (blob(1, 1000), blob(2, 1000));
    let nothing = session.get_blob(BlobId::of(&bytes), 0..1000).await;
    assert_eq!(nothing.unwrap_err(), BlobFault::Refused(Refusal::NoSuchBlob));
    let wrong = session.put_blob(BlobId::of(&bytes), other, 24).await;
    assert_eq!(wrong.unwrap_err(), BlobFault::Refused(Refusal::BlobMismatch));
    let long = blob(1, (256 << 10) + 65);
    let refused = session.put_blob(BlobId::of(&long), long, 24).await;
    assert_eq!(refused.unwrap_err(), BlobFault::Refused(Refusal::Malformed));
}
