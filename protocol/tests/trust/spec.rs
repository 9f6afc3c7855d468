//! SPEC 9 lists the fields that the code writes, no more and no fewer.

use minicbor::{Decoder, Encode};
use relevo_protocol::secret::Secret;
use relevo_protocol::trust::*;
use relevo_protocol::wire::encode;

use crate::world::{LATER, NOW, Person, Union, admitted, amendment, card, cosign, first_charter, founded, vouch};

/// Field numbers of `name = { ... }` in the CDDL of SPEC 9.
fn written(name: &str) -> Vec<u64> {
    let spec = include_str!("../../SPEC.md");
    let chapter = spec.split("\n## ").find(|chapter| chapter.starts_with("9 Trust")).unwrap();
    let lines = chapter.lines().map(|line| line.split_once(';').map_or(line, |(code, _)| code));
    let is_start = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with("= {"));
    let rule: String = lines.skip_while(|line| !is_start(line)).collect::<Vec<&str>>().join("\n");
    assert!(!rule.is_empty(), "SPEC 9 has no {name}");
    let (_, body) = rule.split_once('{').unwrap();
    let mut depth = 1;
    let mut fields = Vec::new();
    let mut digits = String::new();
    for c in body.chars() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ':' if depth == 1 && !digits.is_empty() => fields.push(digits.parse().unwrap()),
            _ => {}
        }
        if c.is_ascii_digit() {
            digits.push(c)
        } else {
            digits.clear()
        }
        if depth == 0 {
            break;
        }
    }
    fields
}

fn encoded<T: Encode<()>>(object: &T) -> Vec<u64> {
    let bytes = encode(object);
    let mut decoder = Decoder::new(&bytes);
    let fields = decoder.map().unwrap().unwrap();
    (0..fields)
        .map(|_| {
            let key = decoder.u64().unwrap();
            decoder.skip().unwrap();
            key
        })
        .collect()
}

#[test]
fn every_map_of_the_chapter_has_the_fields_that_are_written() {
    let (one, two, person) = (Union::new(1), Union::new(11), Person::new(9));
    let charter = founded(&one);
    let hash = ObjectHash([1; 32]);
    let device_set = DeviceSet { previous: Some(hash), ..(*person.verified()).clone() };
    let set = CoordinatorSet { previous: Some(hash), roll: Some(RollHead::START), ..one.set() };
    let issued = admitted(&person, &one, &charter);
    let vouch = vouch(&one.people[0], &issued, &person, &charter);
    let binding = LeafBinding { leaf_key: LeafKey([5; 32]), place: LeafUse::KeyPackage, serial: 1, not_after: LATER };
    let leaf = LeafCredential::new(issued.clone(), person.devices.clone(), &binding, &person.device).unwrap();
    let first = cosign(&first_charter(&[&one]), &one.devices());
    let fork = CharterFork { version: 2, first: hash, second: hash };
    let pins = Pins::of(&charter);
    let maps = [
        ("co-signature", encoded(&Draft::new(&set).unwrap().sign(&person.device))),
        ("device-set", encoded(&device_set)),
        ("coordinator-set", encoded(&set)),
        ("coordinator", encoded(&set.coordinators[0])),
        ("mandate", encoded(&set.coordinators[0].mandate)),
        ("set-name", encoded(&charter.unions[0].set_name())),
        ("charter", encoded(&amendment(&charter, &[&one, &two]))),
        ("union-entry", encoded(&one.entry())),
        ("recovery", encoded(&Recovery::default())),
        ("fork", encoded(&fork)),
        ("card", encoded(&Card { roll: Some(1), ..card(&person, &one, &charter) })),
        ("vouch", encoded(&vouch)),
        ("opening", encoded(&VouchOpening::new(VouchSalt(Secret::new([1; 32])), Vec::new()).unwrap())),
        ("revocation-list", encoded(&RevocationList { previous: Some(hash), ..RevocationList::empty(one.id) })),
        ("roll-entry", encoded(&RollHead::START.append(one.id, RollKind::Card, hash, NOW).unwrap().0)),
        ("roll-head", encoded(&RollHead::START)),
        ("leaf-credential", encoded(&leaf)),
        ("leaf-binding", encoded(&binding)),
        ("pin", encoded(&pins.charter)),
        ("pins", encoded(&pins)),
        ("proof", encoded(&Proof { charters: vec![first], card: issued, device_set: person.devices.clone() })),
    ];
    for (name, fields) in maps {
        assert!(!fields.is_empty(), "{name}");
        assert_eq!(written(name), fields, "{name}");
    }
}
