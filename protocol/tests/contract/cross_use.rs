//! Every signature, key and seal offered to every other purpose: refused.

use ed25519_dalek::SigningKey;
use relevo_protocol::content::{Alert, AlertText, Envelope, GroupId, LeaveRequest, Manifest, MediaType, Severity};
use relevo_protocol::labels;
use relevo_protocol::sealed::{
    CodeSecret, DocumentKey, EntryKey, GroupSecrets, InboxKeyPair, SMALL_ORDER, SealFault, open, open_chunk, open_code,
    open_shelf, seal, seal_chunk, seal_code, seal_shelf, seal_to,
};
use relevo_protocol::secret::Secret;
use relevo_protocol::trust::{
    Card, Charter, CoordinatorSet, Device, DeviceKey, DeviceSecret, DeviceSet, Draft, LeafBinding, LeafKey, LeafUse,
    Member, MemberSecret, MultiSigned, Object, PublicKey, RevocationList, Role, Scope, Signed, Vouch,
};
use relevo_protocol::wire::{
    Admission, Capability, Entry, Fingerprint, MailboxId, PathSecret, RelayIdentity, SignedCheckpoint, Welcome,
    decode_exact, encode,
};

use sha2::{Digest, Sha256};

use crate::alliance::{Alliance, Person, START, TERM_END, UNION};
use crate::dice::Dice;
use crate::frames::{checkpoint, hello, relay_key, welcome_body};

const HERE: MailboxId = MailboxId([1; 16]);

/// An object of each kind, signed by one device, as bytes.
fn signed_by_a_device(device: &DeviceSecret) -> Vec<(&'static str, Vec<u8>)> {
    let alliance = Alliance::new();
    let (me, other) = (alliance.rosa.key(), alliance.ana.key());
    let card = alliance.card(&alliance.rosa);
    let vouch = Vouch {
        alliance: alliance.id(),
        newcomer: other,
        union: UNION,
        scope: Scope::Union,
        voucher: me,
        voucher_card: card.hash(),
        issued: START,
        expires: TERM_END,
    };
    let alert = Alert {
        alliance: alliance.id(),
        union: UNION,
        scope: Scope::Union,
        sender: me,
        serial: 1,
        supersedes: None,
        severity: Severity::Urgent,
        texts: vec![AlertText { language: "es".parse().unwrap(), text: "Reunión".parse().unwrap() }],
        issued: START,
        expires: START.plus_seconds(60),
        acknowledge: false,
        drill: false,
    };
    let manifest = Manifest {
        alliance: alliance.id(),
        author: me,
        name: "acta.pdf".parse().unwrap(),
        media_type: MediaType::unknown(),
        size: 4,
        sha256: [0; 32],
        made: START,
    };
    let envelope = Envelope { sender: me, recipient: other, inbox: HERE, body: [0; 32], counter: 1, sent: START };
    let bound = LeafBinding { leaf_key: LeafKey([5; 32]), place: LeafUse::KeyPackage, serial: 1, not_after: TERM_END };
    let leave = LeaveRequest { group: GroupId([3; 16]), member: me, asked: START };
    let card = decode_payload::<Card>(&card);
    let set = alliance.charter.unions[0].first_set.draft().unwrap();
    vec![
        ("card", Signed::sign(&card, device).unwrap().bytes().to_vec()),
        ("vouch", Signed::sign(&vouch, device).unwrap().bytes().to_vec()),
        ("alert", Signed::sign(&alert, device).unwrap().bytes().to_vec()),
        ("manifest", Signed::sign(&manifest, device).unwrap().bytes().to_vec()),
        ("envelope", Signed::sign(&envelope, device).unwrap().bytes().to_vec()),
        ("leaf binding", Signed::sign(&bound, device).unwrap().bytes().to_vec()),
        ("leave", Signed::sign(&leave, device).unwrap().bytes().to_vec()),
        ("revocations", Signed::sign(&RevocationList::empty(UNION), device).unwrap().bytes().to_vec()),
        ("coordinator set", Signed::sign(set.object(), device).unwrap().bytes().to_vec()),
        ("charter", Signed::sign(alliance.signed.draft().unwrap().object(), device).unwrap().bytes().to_vec()),
    ]
}

/// What an object says, for signing it again.
fn decode_payload<T: Object>(signed: &Signed<T>) -> T {
    let mut d = minicbor::Decoder::new(signed.bytes());
    d.array().unwrap();
    d.skip().unwrap();
    d.skip().unwrap();
    decode_exact(d.bytes().unwrap()).unwrap()
}

/// Whether bytes open as an object of a kind under a key.
fn opens<T: Object>(bytes: &[u8], key: &[u8; 32]) -> bool {
    Signed::<T>::decode(bytes).is_ok_and(|signed| signed.verify_with(&PublicKey::<T::Role>::new(*key)).is_ok())
}

type Opens = fn(&[u8], &[u8; 32]) -> bool;

/// Every kind of object with one signature, and what opens it.
const KINDS: [(&str, Opens); 11] = [
    ("card", opens::<Card>),
    ("vouch", opens::<Vouch>),
    ("alert", opens::<Alert>),
    ("manifest", opens::<Manifest>),
    ("envelope", opens::<Envelope>),
    ("leaf binding", opens::<LeafBinding>),
    ("leave", opens::<LeaveRequest>),
    ("revocations", opens::<RevocationList>),
    ("coordinator set", opens::<CoordinatorSet>),
    ("charter", opens::<Charter>),
    ("device set", opens::<DeviceSet>),
];

#[test]
fn every_signed_object_is_refused_as_every_other_kind() {
    let device = DeviceSecret::from_seed(&Secret::new([3; 32]));
    let objects = signed_by_a_device(&device);
    assert_eq!(objects.len() + 1, KINDS.len());
    for (name, bytes) in &objects {
        for (kind, opens) in KINDS {
            assert_eq!(opens(bytes, device.public().as_bytes()), *name == kind, "{name} as {kind}");
        }
    }
    let person = Person::new(3, "Rosa");
    for (kind, opens) in KINDS {
        let set = person.devices();
        assert_eq!(opens(set.bytes(), person.key().as_bytes()), kind == "device set", "a device set as {kind}");
    }
}

/// The payload of each object under the signature of each other one: only its own fits.
#[test]
fn every_signature_is_refused_under_every_other_object() {
    let device = DeviceSecret::from_seed(&Secret::new([3; 32]));
    let objects = signed_by_a_device(&device);
    let signature_at = |bytes: &[u8]| bytes.len() - 64;
    for (name, bytes) in &objects {
        for (other, theirs) in &objects {
            let signature = &theirs[signature_at(theirs)..];
            let offered = [&bytes[..signature_at(bytes)], signature].concat();
            let (_, opens) = KINDS.iter().find(|(kind, _)| kind == name).unwrap();
            assert_eq!(opens(&offered, device.public().as_bytes()), name == other, "{name} signed as {other}");
        }
    }
}

#[test]
fn one_key_in_another_role_opens_nothing() {
    // The same 32 bytes as member, device and relay: a program that mixed them up would still be refused.
    let seed = Secret::new([3; 32]);
    let (member, device) = (MemberSecret::from_seed(&seed), DeviceSecret::from_seed(&seed));
    let person = Person::new(3, "Rosa");
    let set = DeviceSet { member: member.public(), number: 1, devices: vec![device.public()], previous: None };
    let by_member = Signed::sign(&set, &member).unwrap();
    for (kind, opens) in KINDS.iter().filter(|(kind, _)| *kind != "device set") {
        assert!(!opens(by_member.bytes(), device.public().as_bytes()), "{kind}");
    }
    let known = DeviceSet::verify(&person.devices()).unwrap();
    let leave = LeaveRequest { group: GroupId([3; 16]), member: person.key(), asked: START };
    let stray = Signed::sign(&leave, &device).unwrap();
    assert!(stray.verify_by(&known).is_err(), "a key that is in no device set");
    assert_ne!(Member::NAME, Device::NAME);
}

#[test]
fn a_lone_signature_and_a_cosignature_do_not_stand_for_each_other() {
    let device = DeviceSecret::from_seed(&Secret::new([3; 32]));
    for (name, bytes) in signed_by_a_device(&device) {
        assert!(MultiSigned::<CoordinatorSet>::decode(&bytes).is_err(), "{name}");
        assert!(MultiSigned::<Charter>::decode(&bytes).is_err(), "{name}");
    }
    let draft = Draft::new(&RevocationList::empty(UNION)).unwrap();
    let together = draft.seal(&[draft.sign(&device)]).unwrap();
    for (kind, opens) in KINDS {
        assert!(!opens(together.bytes(), device.public().as_bytes()), "{kind}");
    }
}

#[test]
fn a_relays_words_stand_for_nothing_else() {
    let (key, exporter, hello) = (relay_key(), Secret::new([9; 32]), hello(&mut Dice(3)));
    let relay = RelayIdentity(key.verifying_key().to_bytes());
    let welcome = Welcome::sign(&welcome_body(), &exporter, &hello, &key);
    let checkpoint = SignedCheckpoint::sign(&checkpoint(&mut Dice(4)), &key);
    assert!(welcome.verify(&relay.fingerprint(), &exporter, &hello).is_ok() && checkpoint.verify(&relay).is_ok());
    let as_checkpoint = SignedCheckpoint { statement: welcome.body.clone(), signature: welcome.signature };
    assert!(as_checkpoint.verify(&relay).is_err());
    let crossed = SignedCheckpoint { statement: checkpoint.statement.clone(), signature: welcome.signature };
    assert!(crossed.verify(&relay).is_err());
    let as_welcome = Welcome { body: welcome.body.clone(), signature: checkpoint.signature };
    assert!(as_welcome.verify(&relay.fingerprint(), &exporter, &hello).is_err());
    // A relay whose key somebody listed as a device signs no object with what it says to clients.
    for (kind, opens) in KINDS {
        for bytes in [encode(&welcome), encode(&checkpoint)] {
            assert!(!opens(&bytes, &relay.0), "{kind}");
        }
    }
}

#[test]
fn every_seal_opens_for_its_own_purpose_alone() {
    let (key, document) = (EntryKey::new(Secret::new([6; 32])), DocumentKey::new(Secret::new([6; 32])));
    let inbox = InboxKeyPair::from_seed(Secret::new([6; 32])).unwrap();
    let sealed: [(&str, Vec<u8>); 5] = [
        ("entry", seal(&key, &HERE, b"body").unwrap().bytes().to_vec()),
        ("shelf", seal_shelf(&key, &HERE, b"body").unwrap().bytes().to_vec()),
        ("code", seal_code(&key, &HERE, b"body").unwrap().bytes().to_vec()),
        ("inbox", seal_to(inbox.public(), &HERE, b"body").unwrap().bytes().to_vec()),
        ("chunk", seal_chunk(&document, 4, 0, b"body").unwrap()),
    ];
    let open_as = |purpose: &str, bytes: &[u8]| -> bool {
        if purpose == "chunk" {
            return open_chunk(&document, 4, 0, bytes).is_ok();
        }
        let Ok(entry) = Entry::parse(bytes.to_vec().into()) else { return false };
        match purpose {
            "entry" => open(&key, &HERE, &entry).is_ok(),
            "shelf" => open_shelf(&key, &HERE, &entry).is_ok(),
            "code" => open_code(&key, &HERE, &entry).is_ok(),
            _ => inbox.open(&HERE, &entry).is_ok(),
        }
    };
    for (name, bytes) in &sealed {
        for (purpose, _) in &sealed {
            assert_eq!(open_as(purpose, bytes), name == purpose, "{name} as {purpose}");
        }
        // No tag of fewer bytes, and none of a longer text.
        assert!(!open_as(name, &bytes[..bytes.len() - 1]) && !open_as(name, &[bytes.as_slice(), &[0]].concat()));
    }
}

/// 32 bytes that serve every purpose by mistake give no two values alike.
#[test]
fn nothing_derived_for_one_purpose_equals_what_is_derived_for_another() {
    let from = || Secret::new([5; 32]);
    let (group, code) = (GroupSecrets::derive(&from()), CodeSecret::new(from()));
    let admission = Admission::new(from());
    let half = |id: &[u8; 16]| [*id, [0; 16]].concat().try_into().unwrap();
    let all: [[u8; 32]; 16] = [
        [5; 32],
        *group.wrap.expose(),
        *group.read.expose(),
        *group.append.expose(),
        *code.owner().expose(),
        *code.key().expose(),
        *code.admission().expose(),
        half(&admission.id().0),
        *admission.key().expose(),
        admission.key().proof(&from()),
        Capability::new(from()).hash().0,
        half(&MailboxId::of(&Capability::new(from()).hash()).0),
        RelayIdentity([5; 32]).fingerprint().0,
        *InboxKeyPair::from_seed(from()).unwrap().public().bytes().last_chunk().unwrap(),
        SigningKey::from_bytes(&[5; 32]).verifying_key().to_bytes(),
        {
            let path = PathSecret::new(Secret::new([5; 16])).path(&from());
            data_encoding::BASE64URL_NOPAD.decode(path.trim_start_matches('/').as_bytes()).unwrap().try_into().unwrap()
        },
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[index + 1..].contains(one), "{index}");
    }
    assert_ne!(Fingerprint([5; 32]), RelayIdentity([5; 32]).fingerprint());
    assert_ne!(DeviceKey::new([5; 32]), DeviceSecret::from_seed(&from()).public());
}

/// `S + L` verifies under lenient rules: one signature would have two forms, and one object two names.
#[test]
fn a_signature_has_one_form() {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let device = DeviceSecret::from_seed(&Secret::new([3; 32]));
    for (name, bytes) in signed_by_a_device(&device) {
        let (_, opens) = KINDS.iter().find(|(kind, _)| *kind == name).unwrap();
        let (before, s) = bytes.split_at(bytes.len() - 32);
        let mut carry = 0_u16;
        let sum: Vec<u8> = s
            .iter()
            .zip(L)
            .map(|(a, b)| {
                carry += u16::from(*a) + u16::from(b);
                let [low, high] = carry.to_le_bytes();
                carry = u16::from(high);
                low
            })
            .collect();
        assert!(!opens(&[before, &sum].concat(), device.public().as_bytes()), "{name}: S + L");
        for flipped in [31, 63] {
            let mut changed = bytes.clone();
            let at = bytes.len() - 64 + flipped;
            changed[at] ^= 0x80;
            assert!(!opens(&changed, device.public().as_bytes()), "{name}: the sign of R or S");
        }
    }
}

/// The eight points of small order and their forms that are not reduced (Chalkias and others, "Taming the many EdDSAs",
/// table 1; libsodium's list). Under lenient rules each of them, as key and as R with S = 0, signs some or all messages.
#[test]
fn points_of_small_order_sign_nothing() {
    const POINTS: [&str; 14] = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    let points = POINTS
        .map(|point| -> [u8; 32] { data_encoding::HEXLOWER.decode(point.as_bytes()).unwrap().try_into().unwrap() });
    let device = DeviceSecret::from_seed(&Secret::new([3; 32]));
    let (_, object) = signed_by_a_device(&device).swap_remove(6);
    let (exporter, hello) = (Secret::new([9; 32]), hello(&mut Dice(3)));
    for key in points {
        for r in points {
            // 84 | 58 26 | a2 01 27 04 58 20 key ...: the key stands at 9.
            let mut forged = object.clone();
            forged[9..41].copy_from_slice(&key);
            let at = forged.len() - 64;
            forged[at..].copy_from_slice(&[r, [0; 32]].concat());
            assert!(!opens::<LeaveRequest>(&forged, &key), "as a device");
            let signature: [u8; 64] = [r, [0; 32]].concat().try_into().unwrap();
            let statement = encode(&checkpoint(&mut Dice(4)));
            assert!(SignedCheckpoint { statement, signature }.verify(&RelayIdentity(key)).is_err(), "as a relay");
            let mut body = welcome_body();
            body.identity = RelayIdentity(key);
            let welcome = Welcome { body: encode(&body), signature };
            assert!(welcome.verify(&RelayIdentity(key).fingerprint(), &exporter, &hello).is_err(), "in a greeting");
        }
    }
}

/// X25519 gives zero for these whatever the secret (RFC 7748, 6.1): nothing is sealed to them, and nothing that came
/// from them is opened, though ML-KEM alone would still keep the secret.
#[test]
fn points_of_small_order_agree_on_nothing() {
    let pair = InboxKeyPair::from_seed(Secret::new([6; 32])).unwrap();
    let sealed = seal_to(pair.public(), &HERE, b"body").unwrap();
    for point in SMALL_ORDER {
        for top in [0, 0x80] {
            let mut point = point;
            point[31] |= top;
            let mut key = pair.public().bytes().to_vec();
            let at = key.len() - 32;
            key[at..].copy_from_slice(&point);
            assert!(relevo_protocol::sealed::InboxPublicKey::parse(&key).is_err());
            let mut entry = sealed.bytes().to_vec();
            entry[8 + 1120 - 32..8 + 1120].copy_from_slice(&point);
            let tagged = [labels::INBOX_TAG.as_bytes(), &[0], pair.public().bytes(), &entry[8..8 + 1120]].concat();
            entry[..8].copy_from_slice(&Sha256::digest(tagged)[..8]);
            let opened = pair.open(&HERE, &Entry::parse(entry.into()).unwrap());
            assert_eq!(opened.map(|_| ()), Err(SealFault::BadKey));
        }
    }
}
