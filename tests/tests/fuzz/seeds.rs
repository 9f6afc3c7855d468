//! Where fuzzing begins: one input of each kind, from the frozen vectors and from the cast of the targets.

use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use relevo_protocol::content::{
    Alert, AlertText, Bundle, Envelope, GroupId, LeaveRequest, Manifest, MediaType, Severity,
};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::trust::{
    DeviceSecret, LeafBinding, LeafCredential, LeafKey, LeafUse, MemberSecret, Pins, Proof, RevocationList, Scope,
    Signed, UnionId, Vouch,
};
use relevo_protocol::wire::{
    Admission, CapabilityHash, Entry, Grant, MailboxId, MailboxKind, Sequence, encode, write_frame,
};
use relevo_relay::backup::{Wanted, back_up};
use relevo_relay::store::{Change, Store, StoreConfig};
use relevo_relay::{Config, initialise};
use relevo_tests::fuzzing::mutation::Dice;
use relevo_tests::fuzzing::objects::cast;
use relevo_tests::fuzzing::sign::{COORDINATORS, MEMBER, NOW, device, member};
use serde_json::Value;

type Seed = (&'static str, String, Vec<u8>);

/// Every seed: its target, its name and its bytes.
pub(crate) fn all() -> Vec<Seed> {
    [frames(), objects(), people(), texts(), histories(), backups()].concat()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn vectors(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("protocol/vectors").join(name)).unwrap()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

/// A list of named vectors; of several with one name, the first.
fn list(target: &'static str, list: &Value) -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    for one in list.as_array().unwrap() {
        let name = one["name"].as_str().unwrap().to_owned();
        if seeds.iter().all(|(_, known, _)| *known != name) {
            seeds.push((target, name, hex(&one["cbor"])));
        }
    }
    seeds
}

/// Bytes for a target whose first byte says how they are taken.
fn mode(mode: u8, bytes: &[u8]) -> Vec<u8> {
    [&[mode], bytes].concat()
}

/// Payload of a `COSE_Sign1` or `COSE_Sign`.
fn payload(object: &[u8]) -> Vec<u8> {
    let mut d = minicbor::Decoder::new(object);
    d.array().unwrap();
    d.skip().unwrap();
    d.skip().unwrap();
    d.bytes().unwrap().to_vec()
}

fn frames() -> Vec<Seed> {
    let (frames, session, log, sealed) =
        (vectors("frames.json"), vectors("session.json"), vectors("log.json"), vectors("sealed.json"));
    let mut stream = vec![1, 3, 200, 7];
    for body in [[1; 3].as_slice(), &[2; 64], &[3; 1]] {
        write_frame(&mut stream, body, 64).unwrap();
    }
    let welcome = hex(&session["welcome"]);
    let mut body = minicbor::Decoder::new(&welcome);
    body.map().unwrap();
    body.u8().unwrap();
    let checkpoint = hex(&log["checkpoint"]);
    let mut statement = minicbor::Decoder::new(&checkpoint);
    statement.map().unwrap();
    statement.u8().unwrap();
    let chunk = [&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0], b"body".as_slice()].concat();
    let padded = [[9; 40].as_slice(), &[0, 0, 0, 4], b"body"].concat();
    let mut seeds = vec![
        ("frames", "three".to_owned(), stream),
        ("openings", "hello".to_owned(), [&[0x82, 0, 0xa1, 0], hex(&session["hello"]).as_slice()].concat()),
        ("welcome", "body".to_owned(), body.bytes().unwrap().to_vec()),
        ("welcome", "signed".to_owned(), welcome.clone()),
        ("checkpoint", "statement".to_owned(), statement.bytes().unwrap().to_vec()),
        ("checkpoint", "signed".to_owned(), checkpoint.clone()),
        ("entries", "entry".to_owned(), hex(&sealed["entry"])),
        ("entries", "padded".to_owned(), padded),
        ("inbox", "entry".to_owned(), mode(0, &hex(&sealed["inbox entry"]))),
        ("inbox", "key".to_owned(), mode(1, &hex(&vectors("derived.json")["inbox public key"]))),
        ("inbox", "changed".to_owned(), mode(2, &[0, 9, 1, 4, 200, 128])),
        ("chunk", "four".to_owned(), chunk),
    ];
    seeds.extend(list("requests", &frames["requests"]));
    seeds.extend(list("replies", &frames["replies"]));
    seeds.extend(list("openings", &frames["first frames"]));
    seeds.extend(list("blob_replies", &frames["blob replies"]));
    seeds
}

fn objects() -> Vec<Seed> {
    let cast = cast();
    let (secret, person) = (
        DeviceSecret::from_seed(&Secret::new(device(MEMBER))),
        MemberSecret::from_seed(&Secret::new(member(MEMBER))).public(),
    );
    let [first, _] = COORDINATORS;
    let coordinator = MemberSecret::from_seed(&Secret::new(member(first))).public();
    let union = UnionId([1; 16]);
    let vouch = Vouch {
        alliance: cast.alliance(),
        newcomer: coordinator,
        union,
        scope: Scope::Union,
        voucher: person,
        voucher_card: cast.card.hash(),
        issued: NOW,
        expires: NOW.plus_seconds(3600),
    };
    let alert = Alert {
        alliance: cast.alliance(),
        union,
        scope: Scope::Union,
        sender: coordinator,
        serial: 1,
        supersedes: None,
        severity: Severity::Urgent,
        texts: vec![AlertText { language: "es".parse().unwrap(), text: "Reunión".parse().unwrap() }],
        issued: NOW,
        expires: NOW.plus_seconds(3600),
        acknowledge: true,
        drill: false,
    };
    let leave = LeaveRequest { group: GroupId([3; 16]), member: person, asked: NOW };
    let bound = LeafBinding {
        leaf_key: LeafKey([5; 32]),
        place: LeafUse::KeyPackage,
        serial: 1,
        not_after: Timestamp(2_000_000_000),
    };
    let leaf = LeafCredential::new(cast.card.clone(), cast.devices.clone(), &bound, &secret).unwrap();
    let set = cast.charter.unions.first().unwrap().first_set.bytes();
    let trust = vectors("trust.json");
    let second = hex(&trust["charter 2"]["bytes"]);
    let mut seeds = vec![
        ("revocations", "signs".to_owned(), mode(1, &encode(&RevocationList::empty(union)))),
        ("pins", "charter".to_owned(), Pins::of(&cast.charter).encode()),
        ("leaf_credential", "whole".to_owned(), mode(0, &leaf.encode())),
        ("leaf_credential", "binding".to_owned(), mode(1, &encode(&bound))),
        ("charter", "second".to_owned(), mode(0, &second)),
        ("charter", "second-signs".to_owned(), mode(1, &payload(&second))),
    ];
    for (target, object) in [
        ("card", cast.card.bytes().to_vec()),
        ("device_set", cast.devices.bytes().to_vec()),
        ("charter", cast.signed.bytes().to_vec()),
        ("coordinator_set", set.to_vec()),
        ("vouch", Signed::sign(&vouch, &secret).unwrap().bytes().to_vec()),
        ("alert", Signed::sign(&alert, &secret).unwrap().bytes().to_vec()),
        ("manifest", Signed::sign(&manifest(), &secret).unwrap().bytes().to_vec()),
        ("leave", Signed::sign(&leave, &secret).unwrap().bytes().to_vec()),
    ] {
        seeds.push((target, "whole".to_owned(), mode(0, &object)));
        seeds.push((target, "signs".to_owned(), mode(1, &payload(&object))));
    }
    seeds
}

fn manifest() -> Manifest {
    Manifest {
        alliance: cast().alliance(),
        author: MemberSecret::from_seed(&Secret::new(member(MEMBER))).public(),
        name: "acta.pdf".parse().unwrap(),
        media_type: MediaType::unknown(),
        size: 4,
        sha256: [0; 32],
        made: NOW,
    }
}

fn people() -> Vec<Seed> {
    let (cast, content) = (cast(), vectors("content.json"));
    let secret = DeviceSecret::from_seed(&Secret::new(device(MEMBER)));
    let proof =
        Proof { charters: vec![cast.signed.clone()], card: cast.card.clone(), device_set: cast.devices.clone() };
    let bundle = Bundle { manifest: Signed::sign(&manifest(), &secret).unwrap(), author: proof.clone() };
    let envelope = Envelope {
        sender: MemberSecret::from_seed(&Secret::new(member(MEMBER))).public(),
        recipient: MemberSecret::from_seed(&Secret::new(member(1))).public(),
        inbox: MailboxId([1; 16]),
        body: [0; 32],
        counter: 1,
        sent: NOW,
    };
    let bodies = list("parcel_body", &content["parcel bodies"]);
    let mut seeds = vec![
        ("proof", "member".to_owned(), proof.encode()),
        ("bundle", "file".to_owned(), bundle.to_file()),
        ("parcel", "envelope".to_owned(), mode(1, &encode(&envelope))),
    ];
    seeds.extend(bodies.iter().take(6).map(|(_, name, body)| ("parcel", name.clone(), mode(2, body))));
    seeds.extend(bodies);
    seeds.extend(list("invitation", &content["invitations"]));
    let messages = list("message", &content["messages"]);
    let document = messages.iter().find(|(_, name, _)| name == "document").map(|(_, _, bytes)| bytes.clone()).unwrap();
    seeds.push(("location", "of-a-message".to_owned(), location(&document)));
    seeds.extend(messages);
    seeds.extend(list("log_item", &content["log items"]));
    seeds
}

/// The location in the message of a document.
fn location(message: &[u8]) -> Vec<u8> {
    let message: relevo_protocol::content::Message = relevo_protocol::content::decode(message).unwrap();
    let relevo_protocol::content::Kind::Known(relevo_protocol::content::Body::Document { location, .. }) = message.body
    else {
        panic!("the vector's message is a document")
    };
    relevo_protocol::content::encode_secret(&location).to_vec()
}

fn texts() -> Vec<Seed> {
    let (session, derived) = (vectors("session.json"), vectors("derived.json"));
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    let slots: String = fs::read_to_string(root().join("client/src/vault/slots_v1.hex")).unwrap();
    let slots: String = slots.chars().filter(char::is_ascii_hexdigit).collect();
    let slots = HEXLOWER.decode(slots.as_bytes()).unwrap();
    vec![
        ("relay_address", "vector".to_owned(), text(&session["address"])),
        ("code_link", "vector".to_owned(), text(&derived["code link"])),
        ("names", "person".to_owned(), "Zoë Peña".as_bytes().to_vec()),
        ("names", "file".to_owned(), "..acta: final?.tar.gz ".as_bytes().to_vec()),
        ("names", "language".to_owned(), b"pt-br".to_vec()),
        ("names", "media".to_owned(), b"application/pdf".to_vec()),
        ("names", "hidden".to_owned(), "a\u{202e}b\r\n\u{7}\t".as_bytes().to_vec()),
        ("config", "sample".to_owned(), fs::read(root().join("deploy/samples/relay.toml")).unwrap()),
        ("config", "set".to_owned(), b"listen = \"0.0.0.0:1\"\n[limits]\nblobs = 3\n[store]\nbytes = 9\n".to_vec()),
        ("slots", "as-it-came".to_owned(), mode(0, &slots)),
        ("slots", "digest-put-right".to_owned(), mode(1, &slots)),
    ]
}

/// Histories by the throw: campaigns leave better ones in the corpus.
fn histories() -> Vec<Seed> {
    let mut dice = Dice(3);
    let mut seeds = Vec::new();
    for target in ["session", "ledger", "engine"] {
        for number in 1..=6 {
            let bytes = (0..number * 60).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
            seeds.push((target, format!("thrown-{number}"), bytes));
        }
    }
    seeds
}

/// A backup of a relay with two mailboxes, one of which was trimmed.
fn backups() -> Vec<Seed> {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { data: folder.path().join("data"), ..Config::default() };
    initialise(&config).unwrap();
    let bounds = StoreConfig { ballast_bytes: 0, cache_bytes: 4 << 20, ..StoreConfig::default() };
    let (store, mut ledger) = Store::open(&config.data.join("store"), bounds).unwrap();
    let purse = Admission::new(Secret::new([9; 32]));
    let grant = |number| {
        let hash = CapabilityHash([number; 32]);
        Grant { hash, per_hour: 9, bytes_per_hour: 1 << 20, expires: Hour(u32::MAX) }
    };
    let mut changes = vec![Change::Provide { id: purse.id(), key: purse.key(), expires: Hour(u32::MAX) }];
    for (number, kind) in [(1, MailboxKind::Shared), (2, MailboxKind::Personal)] {
        let (owner, admission) = (CapabilityHash([number; 32]), purse.id());
        let take = if kind == MailboxKind::Personal { vec![grant(8)] } else { vec![] };
        let read = None;
        changes.push(Change::Open { admission, kind, owner, read, append: vec![grant(7)], take, lease_hours: 900 });
        for fill in 0..3 {
            let (mailbox, entry) = (MailboxId::of(&owner), Entry::parse(vec![fill; 512].into()).unwrap());
            changes.push(Change::Append { admission, mailbox, capability: CapabilityHash([7; 32]), entry });
        }
    }
    let (mailbox, capability) = (MailboxId::of(&CapabilityHash([2; 32])), CapabilityHash([2; 32]));
    changes.push(Change::Trim { mailbox, capability, upto: Sequence(1), incarnation: None });
    assert!(ledger.apply(changes, NOW).unwrap().outcomes.iter().all(Result::is_ok));
    drop((store, ledger));
    let file = folder.path().join("backup");
    back_up(&config, &Wanted { file: file.clone(), to: vec![] }).unwrap();
    vec![("backup", "two-mailboxes".to_owned(), fs::read(file).unwrap())]
}
