//! Frozen bytes. A file of `vectors/` is written once (RELEVO_WRITE_VECTORS=1, when it is missing) and never edited:
//! bytes that change are another version of the protocol. Before the first release the commit that changes bytes on
//! purpose deletes the file and writes it anew.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use relevo_protocol::content::{CodeKind, CodeLink, Invitation, LogItem, Message, ParcelBody, decode, encode_secret};
use relevo_protocol::sealed::{
    CodeSecret, DocumentKey, EntryKey, GroupSecrets, InboxKeyPair, open, open_chunk, open_code, open_shelf, seal,
    seal_chunk, seal_code, seal_shelf, seal_to,
};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    Admission, BlobReply, Capability, Entry, Head, Incarnation, MailboxId, Opening, PathSecret, RelayIdentity, Reply,
    Request, Sequence, SignedCheckpoint, Welcome, decode_exact, encode,
};
use serde_json::{Value, json};

use crate::alliance::Alliance;
use crate::dice::Dice;
use crate::frames::{blob_replies, checkpoint, hello, openings, relay_key, replies, requests, welcome_body};
use crate::said::{invitation, log_items, messages, parcels};

const HERE: MailboxId = MailboxId([1; 16]);

/// What a file of vectors holds; written from `first` if it is missing.
fn frozen(file: &str, first: impl FnOnce() -> Value) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file);
    if std::env::var_os("RELEVO_WRITE_VECTORS").is_some() && !path.exists() {
        std::fs::write(&path, serde_json::to_string_pretty(&first()).unwrap() + "\n").unwrap();
    }
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn entry(value: &Value) -> Entry {
    Entry::parse(bytes(value).into()).unwrap()
}

/// Names with the bytes of one of each.
fn named<T>(samples: &[(&str, T)], encoded: impl Fn(&T) -> Vec<u8>) -> Vec<Value> {
    samples.iter().map(|(name, value)| json!({ "name": name, "cbor": hex(encoded(value)) })).collect()
}

fn frames() -> Value {
    let mut dice = Dice(1);
    let dice = &mut dice;
    json!({
        "requests": named(&requests(dice), encode),
        "replies": named(&replies(dice), encode),
        "first frames": named(&openings(dice), encode),
        "blob replies": named(&blob_replies(dice), encode),
    })
}

#[test]
fn frames_are_those_of_the_frozen_vectors() {
    let frozen = frozen("frames.json", frames);
    assert_eq!(frozen, frames());
    let again = |list: &str, recode: fn(&[u8]) -> Vec<u8>| {
        for vector in frozen[list].as_array().unwrap() {
            let bytes = bytes(&vector["cbor"]);
            assert_eq!(recode(&bytes), bytes, "{}", vector["name"]);
        }
    };
    again("requests", |bytes| encode(&decode_exact::<Request>(bytes).unwrap()));
    again("replies", |bytes| encode(&decode_exact::<Reply>(bytes).unwrap()));
    again("first frames", |bytes| encode(&decode_exact::<Opening>(bytes).unwrap()));
    again("blob replies", |bytes| encode(&decode_exact::<BlobReply>(bytes).unwrap()));
}

fn session() -> Value {
    let exporter = Secret::new([9; 32]);
    let (path, admission) = (PathSecret::new(Secret::new([2; 16])), Admission::new(Secret::new([3; 32])));
    let owner = Capability::new(Secret::new([4; 32]));
    let hello = hello(&mut Dice(2));
    let welcome = Welcome::sign(&welcome_body(), &exporter, &hello, &relay_key());
    let identity = RelayIdentity(relay_key().verifying_key().to_bytes());
    let address = Dice(4).relay();
    json!({
        "exporter": hex(exporter.expose()),
        "path secret": hex(path.expose()),
        "path": path.path(&exporter),
        "admission": hex(admission.expose()),
        "admission id": hex(admission.id().0),
        "admission key": hex(admission.key().expose()),
        "admission proof": hex(admission.key().proof(&exporter)),
        "relay identity": hex(identity.0),
        "relay fingerprint": hex(identity.fingerprint().0),
        "hello": hex(encode(&hello)),
        "welcome": hex(encode(&welcome)),
        "owner": hex(owner.expose()),
        "owner hash": hex(owner.hash().0),
        "mailbox": hex(owner.mailbox().0),
        "address": address.to_text(),
        "address cbor": hex(encode(&address)),
    })
}

#[test]
fn greetings_and_capabilities_are_those_of_the_frozen_vectors() {
    assert_eq!(frozen("session.json", session), session());
}

fn log() -> Value {
    let incarnation = Incarnation([2; 8]);
    let entries = [1_u8, 2, 3].map(|byte| Entry::parse(vec![byte; 512].into()).unwrap());
    let mut head = Head::START;
    let mut heads = Vec::new();
    for (sequence, entry) in (1..).zip(&entries) {
        head = head.extend(&HERE, incarnation, Sequence(sequence), entry);
        heads.push(hex(head.0));
    }
    json!({
        "mailbox": hex(HERE.0),
        "incarnation": hex(incarnation.0),
        "entries": "512 bytes of 01, of 02, of 03",
        "heads": heads,
        "checkpoint": hex(encode(&SignedCheckpoint::sign(&checkpoint(&mut Dice(3)), &relay_key()))),
    })
}

#[test]
fn chains_and_checkpoints_are_those_of_the_frozen_vectors() {
    assert_eq!(frozen("log.json", log), log());
}

fn derived() -> Value {
    let secret = Secret::new([5; 32]);
    let (group, code) = (GroupSecrets::derive(&secret), CodeSecret::new(secret.duplicate()));
    let pair = InboxKeyPair::from_seed(secret.duplicate()).unwrap();
    let link = CodeLink::new(CodeKind::Member, &Dice(4).relay(), &code, Timestamp(1_800_000_000));
    json!({
        "secret": hex(secret.expose()),
        "group wrap": hex(group.wrap.expose()),
        "group read": hex(group.read.expose()),
        "group append": hex(group.append.expose()),
        "code owner": hex(code.owner().expose()),
        "code key": hex(code.key().expose()),
        "code admission": hex(code.admission().expose()),
        "inbox public key": hex(pair.public().bytes()),
        "code link": link.to_text(),
    })
}

#[test]
fn derivations_are_those_of_the_frozen_vectors() {
    assert_eq!(frozen("derived.json", derived), derived());
}

fn sealed() -> Value {
    let key = EntryKey::new(Secret::new([6; 32]));
    let pair = InboxKeyPair::from_seed(Secret::new([5; 32])).unwrap();
    let document = DocumentKey::new(Secret::new([7; 32]));
    json!({
        "key": hex(key.expose()),
        "mailbox": hex(HERE.0),
        "body": hex("body"),
        "entry": hex(seal(&key, &HERE, b"body").unwrap().bytes()),
        "shelf entry": hex(seal_shelf(&key, &HERE, b"body").unwrap().bytes()),
        "code entry": hex(seal_code(&key, &HERE, b"body").unwrap().bytes()),
        "inbox seed": hex([5; 32]),
        "inbox entry": hex(seal_to(pair.public(), &HERE, b"body").unwrap().bytes()),
        "document key": hex([7; 32]),
        "chunk 0 of a document of 4 bytes": hex(seal_chunk(&document, 4, 0, b"body").unwrap()),
    })
}

#[test]
fn seals_of_the_frozen_vectors_open() {
    let frozen = frozen("sealed.json", sealed);
    let key = EntryKey::new(Secret::new(bytes(&frozen["key"]).try_into().unwrap()));
    let pair = InboxKeyPair::from_seed(Secret::new(bytes(&frozen["inbox seed"]).try_into().unwrap())).unwrap();
    let document = DocumentKey::new(Secret::new(bytes(&frozen["document key"]).try_into().unwrap()));
    let mailbox = MailboxId(bytes(&frozen["mailbox"]).try_into().unwrap());
    let body = bytes(&frozen["body"]);
    assert_eq!(*open(&key, &mailbox, &entry(&frozen["entry"])).unwrap(), body);
    assert_eq!(*open_shelf(&key, &mailbox, &entry(&frozen["shelf entry"])).unwrap(), body);
    assert_eq!(*open_code(&key, &mailbox, &entry(&frozen["code entry"])).unwrap(), body);
    assert_eq!(*pair.open(&mailbox, &entry(&frozen["inbox entry"])).unwrap(), body);
    let chunk = bytes(&frozen["chunk 0 of a document of 4 bytes"]);
    assert_eq!(*open_chunk(&document, 4, 0, &chunk).unwrap(), body);
    assert_eq!(seal_chunk(&document, 4, 0, &body).unwrap(), chunk);
}

fn content() -> Value {
    let (mut dice, alliance) = (Dice(1), Alliance::new());
    let dice = &mut dice;
    json!({
        "messages": named(&messages(&alliance, dice), encode),
        "log items": named(&log_items(&alliance, dice), encode),
        "parcel bodies": named(&parcels(&alliance, dice), |body| encode_secret(body).to_vec()),
        "invitations": named(&[("invitation", invitation(&alliance, dice))], |one| encode_secret(one).to_vec()),
    })
}

#[test]
fn content_is_that_of_the_frozen_vectors() {
    let frozen = frozen("content.json", content);
    assert_eq!(frozen, content());
    let again = |list: &str, recode: fn(&[u8]) -> Vec<u8>| {
        for vector in frozen[list].as_array().unwrap() {
            let bytes = bytes(&vector["cbor"]);
            assert_eq!(recode(&bytes), bytes, "{}", vector["name"]);
        }
    };
    again("messages", |bytes| encode(&decode::<Message>(bytes).unwrap()));
    again("log items", |bytes| encode(&decode::<LogItem>(bytes).unwrap()));
    again("parcel bodies", |bytes| encode(&decode::<ParcelBody>(bytes).unwrap()));
    again("invitations", |bytes| encode(&decode::<Invitation>(bytes).unwrap()));
}
