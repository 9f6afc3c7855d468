//! Frozen bytes: what this version signs and hashes, every later one must.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use relevo_protocol::secret::Secret;
use relevo_protocol::trust::*;
use relevo_protocol::wire::encode;
use serde_json::{Value, json};

use crate::world::{LATER, NOW, Person, Union, admitted, amendment, cosign, devices_of, first_charter, founded, vouch};

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn object(bytes: &[u8], hash: ObjectHash) -> Value {
    json!({ "bytes": hex(bytes), "hash": hex(&hash.0) })
}

fn now() -> Value {
    let (one, two, person) = (Union::new(1), Union::new(11), Person::new(9));
    let charter = founded(&one);
    let first = cosign(&first_charter(&[&one]), &one.devices());
    let second = cosign(&amendment(&charter, &[&one, &two]), &devices_of(&[&one, &two]));
    let card = admitted(&person, &one, &charter);
    let vouch = Signed::sign(&vouch(&one.people[0], &card, &person, &charter), &one.people[0].device).unwrap();
    let bound =
        LeafBinding { leaf_key: LeafKey([5; 32]), place: LeafUse::Group(vec![1; 16]), serial: 1, not_after: LATER };
    let binding = Signed::sign(&bound, &person.device).unwrap();
    let leaf = LeafCredential::new(card.clone(), person.devices.clone(), &bound, &person.device).unwrap();
    let opening = VouchOpening::new(VouchSalt(Secret::new([7; 32])), vec![vouch.clone()]).unwrap();
    let list = RevocationList::empty(one.id);
    let (entry, head) = RollHead::START.append(one.id, RollKind::Card, card.hash(), NOW).unwrap();
    let (ana, leo) = (one.people[0].member.public(), one.people[1].member.public());
    let nonces = (SafetyNonce(Secret::new([1; 32])), SafetyNonce(Secret::new([2; 32])));
    let commitment = nonces.0.commit(&ana);
    let set = one.signed_set();
    json!({
        "seeds": {
            "explanation": "member secret = 32 times n, device secret = 32 times (n xor 0x80)",
            "first union": [1, 2], "second union": [11, 12], "member": 9,
        },
        "device set": object(person.devices.bytes(), person.devices.hash()),
        "coordinator set": object(set.bytes(), set.hash()),
        "charter 1": object(first.bytes(), first.hash()),
        "charter 2": object(second.bytes(), second.hash()),
        "card": object(card.bytes(), card.hash()),
        "vouch": object(vouch.bytes(), vouch.hash()),
        "vouch commitment": hex(&opening.commitment().0),
        "empty revocation list": object(&encode(&list), list.pin().hash),
        "roll entry": object(&encode(&entry), head.hash),
        "leaf binding": object(binding.bytes(), binding.hash()),
        "leaf credential": hex(&leaf.encode()),
        "pins": hex(&Pins::of(&charter).encode()),
        "alliance words": alliance_words(&charter.alliance()),
        "safety commitment": hex(&commitment.0),
        "safety words": safety_words((&ana, &nonces.0), (&leo, &nonces.1), &commitment).unwrap(),
    })
}

#[test]
fn signed_objects_are_those_of_the_frozen_vectors() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/trust.json");
    // A vector is written once, when it is missing, and never edited afterwards.
    if std::env::var_os("RELEVO_WRITE_VECTORS").is_some() && !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, serde_json::to_string_pretty(&now()).unwrap() + "\n").unwrap();
    }
    let frozen: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let now = now();
    for (name, value) in frozen.as_object().unwrap() {
        assert_eq!(Some(value), now.get(name), "{name}");
    }
    assert_eq!(frozen.as_object().unwrap().len(), now.as_object().unwrap().len());
}
