//! Frames, greeting and answers.

use ed25519_dalek::{Signer, SigningKey};
use relevo_protocol::labels;
use relevo_protocol::limits::{MAX_FRAME, MAX_OPENING};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    BlobReply, Checkpoint, Event, FrameFault, FrameReader, Hello, Opening, RelayIdentity, Reply, SignedCheckpoint,
    Version, Welcome, WelcomeBody, decode_exact, encode, entry_event_prefix, write_frame,
};
use relevo_relay::Config;
use relevo_relay::session::core as rules;
use relevo_relay::session::greeting::{ExpectAdmit, ExpectHello, limits};
use sha2::{Digest, Sha256};

/// The relay's key in all targets.
fn relay_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// A stream cut into pieces as the first bytes say gives the same frames as in one piece, and holds no more than one.
pub fn frames(bytes: &[u8]) {
    let Some((cuts, stream)) = bytes.split_first_chunk::<4>() else { return };
    let max = 64;
    let whole = read(std::iter::once(stream), max);
    let sizes = cuts.iter().map(|cut| usize::from(*cut).max(1)).cycle();
    let mut rest = stream;
    let pieces = sizes.map_while(|size| {
        let (piece, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(read(pieces, max), whole);
    let mut again = Vec::new();
    for body in &whole.0 {
        write_frame(&mut again, body, max).unwrap_or_default();
    }
    assert!(stream.starts_with(&again), "frames are what was sent");
}

fn read<'b>(pieces: impl Iterator<Item = &'b [u8]>, max: usize) -> (Vec<Vec<u8>>, Option<FrameFault>) {
    let mut reader = FrameReader::new();
    let mut found = Vec::new();
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next_frame(max) {
                Ok(Some(body)) => found.push(body.to_vec()),
                Ok(None) => break,
                Err(fault) => return (found, Some(fault)),
            }
        }
        assert!(reader.buffered() <= max + 4 + piece.len(), "more is held than a frame and a piece");
    }
    (found, reader.finish().err())
}

/// The first frame of a stream, and the greeting that follows a Hello.
pub fn openings(bytes: &[u8]) {
    if bytes.len() > MAX_OPENING {
        return;
    }
    let Ok(opening) = decode_exact::<Opening>(bytes) else { return };
    assert_eq!(decode_exact::<Opening>(&encode(&opening)).as_ref(), Ok(&opening));
    let Opening::Session { hello } = opening else { return };
    let exporter = Secret::new([1; 32]);
    let key = relay_key();
    let greeted = ExpectHello.accept(&hello, &exporter, &key, limits(&Config::default()), Timestamp(1));
    assert_eq!(greeted.is_ok(), hello.versions().contains(&Version::CURRENT));
    if let Ok((welcome, _)) = greeted {
        let fingerprint = RelayIdentity(key.verifying_key().to_bytes()).fingerprint();
        assert!(welcome.verify(&fingerprint, &exporter, &hello).is_ok(), "the client believes what the relay signed");
    }
}

/// A request of anybody: the first of a session must be Admit, and without the right proof nobody is let in.
pub fn requests(bytes: &[u8]) {
    if bytes.len() > MAX_FRAME {
        return;
    }
    let Ok(Ok(request)) = rules::request(bytes) else { return };
    assert_eq!(decode_exact(&encode(&request)).as_ref(), Ok(&request));
    assert!(ExpectAdmit.accept(&request, &Secret::new([1; 32]), |_| None).is_err());
    let _step = rules::step(request.call, crate::fuzzing::session::ENROLLED);
}

/// A relay's welcome: as it came, and signed for this connection whatever it says.
pub fn welcome(bytes: &[u8]) {
    let exporter = Secret::new([1; 32]);
    let hello = Hello::new([5; 32], vec![Version::CURRENT]);
    let key = relay_key();
    let fingerprint = RelayIdentity(key.verifying_key().to_bytes()).fingerprint();
    if let Ok(welcome) = decode_exact::<Welcome>(bytes) {
        let verified = welcome.verify(&fingerprint, &exporter, &hello);
        assert!(verified.is_err(), "nobody but the relay signs for this connection");
    }
    let hashed = Sha256::digest(encode(&hello));
    let message = [labels::WELCOME.as_bytes(), &[0], exporter.expose(), &hashed, bytes].concat();
    let signed = Welcome { body: bytes.to_vec(), signature: key.sign(&message).to_bytes() };
    if let Ok(body) = signed.verify(&fingerprint, &exporter, &hello) {
        assert_eq!(decode_exact::<WelcomeBody>(bytes).as_ref(), Ok(&body));
        assert!(signed.verify(&fingerprint, &Secret::new([2; 32]), &hello).is_err(), "another connection");
    }
}

/// What a relay answers, as the client reads it.
pub fn replies(bytes: &[u8]) {
    let Ok(reply) = decode_exact::<Reply>(bytes) else { return };
    assert_eq!(decode_exact(&encode(&reply)).as_ref(), Ok(&reply));
    if let Reply::Event { event: Event::Entry { id, sequence, expires, entry } } = &reply {
        let mut written = entry_event_prefix(*id, *sequence, *expires, entry);
        written.extend_from_slice(entry.bytes());
        assert_eq!(written, encode(&reply));
    }
}

/// What a relay answers on a blob's stream.
pub fn blob_replies(bytes: &[u8]) {
    let Ok(reply) = decode_exact::<BlobReply>(bytes) else { return };
    assert_eq!(decode_exact(&encode(&reply)).as_ref(), Ok(&reply));
}

/// A checkpoint: as it came, and signed whatever it says.
pub fn checkpoint(bytes: &[u8]) {
    let key = relay_key();
    let relay = RelayIdentity(key.verifying_key().to_bytes());
    if let Ok(signed) = decode_exact::<SignedCheckpoint>(bytes) {
        let _verified = signed.verify(&relay);
    }
    let message = [labels::CHECKPOINT.as_bytes(), &[0], bytes].concat();
    let signed = SignedCheckpoint { statement: bytes.to_vec(), signature: key.sign(&message).to_bytes() };
    assert_eq!(signed.verify(&relay).is_ok(), decode_exact::<Checkpoint>(bytes).is_ok());
}
