//! Whatever bytes come, a decoder answers; and what it lets through is what was written.

use proptest::prelude::*;
use relevo_protocol::secret::Secret;
use relevo_protocol::trust::*;
use relevo_protocol::wire::{decode_exact, encode};

use crate::world::{
    LATER, NOW, Person, Union, admitted, amendment, card, cosign, devices_of, first_charter, founded, vouch,
};

/// One good example of everything that decodes, with its name.
fn examples() -> Vec<(&'static str, Vec<u8>)> {
    let (one, two, person) = (Union::new(1), Union::new(11), Person::new(9));
    let charter = founded(&one);
    let card = admitted(&person, &one, &charter);
    let by_first = Signed::sign(&vouch(&one.people[0], &card, &person, &charter), &one.people[0].device).unwrap();
    let bound =
        LeafBinding { leaf_key: LeafKey([5; 32]), place: LeafUse::Group(vec![1; 16]), serial: 1, not_after: LATER };
    let second = cosign(&amendment(&charter, &[&one, &two]), &devices_of(&[&one, &two]));
    let first = cosign(&first_charter(&[&one]), &one.devices());
    let proof = Proof { charters: vec![first, second.clone()], card: card.clone(), device_set: person.devices.clone() };
    let opening = VouchOpening::new(VouchSalt(Secret::new([1; 32])), vec![by_first.clone()]).unwrap();
    let leaf = LeafCredential::new(card.clone(), person.devices.clone(), &bound, &person.device).unwrap();
    let entry = RollHead::START.append(one.id, RollKind::Card, card.hash(), NOW).unwrap().0;
    vec![
        ("device set", person.devices.bytes().to_vec()),
        ("coordinator set", one.signed_set().bytes().to_vec()),
        ("coordinator set draft", encode(&one.set())),
        ("charter", second.bytes().to_vec()),
        ("card", card.bytes().to_vec()),
        ("vouch", by_first.bytes().to_vec()),
        ("vouch opening", encode(&opening)),
        ("revocations", cosign(&RevocationList::empty(one.id), &one.devices()).bytes().to_vec()),
        ("roll entry", encode(&entry)),
        ("leaf binding", Signed::sign(&bound, &person.device).unwrap().bytes().to_vec()),
        ("leaf credential", leaf.encode()),
        ("pins", Pins::of(&charter).encode()),
        ("proof", proof.encode()),
    ]
}

fn opens<T: Object<Role = Device>>(bytes: &[u8]) -> Option<Vec<u8>> {
    let signed = Signed::<T>::decode(bytes).ok()?;
    Some(signed.verify_with(&signed.claimed_signer()).ok()?.bytes().to_vec())
}

/// Offers bytes to every decoder and verifier, and gives what they made of it, written again, where they believed it.
fn offer(bytes: &[u8]) -> Vec<(&'static str, Option<Vec<u8>>)> {
    let charter = founded(&Union::new(1));
    let alliance = charter.alliance();
    let set = MultiSigned::<CoordinatorSet>::decode(bytes).ok();
    let later = MultiSigned::<Charter>::decode(bytes).ok();
    let lists = MultiSigned::<RevocationList>::decode(bytes).ok();
    let devices = Signed::decode(bytes).ok().and_then(|signed| DeviceSet::verify(&signed).ok());
    let proof = Proof::decode(bytes).ok().filter(|proof| proof.verify(alliance).is_ok());
    let places = [LeafUse::Group(vec![1; 16])];
    let leaf = LeafCredential::verify(bytes, &LeafKey([5; 32]), &places, &charter).ok();
    vec![
        ("device set", devices.map(|set| set.bytes().to_vec())),
        (
            "coordinator set",
            set.and_then(|set| CoordinatorSet::verify_first(&set).ok()).map(|set| set.bytes().to_vec()),
        ),
        ("coordinator set draft", Draft::<CoordinatorSet>::decode(bytes).ok().map(|draft| encode(draft.object()))),
        ("charter", later.and_then(|next| Charter::verify_amendment(&next, &charter).ok()).map(|c| c.bytes().to_vec())),
        ("card", opens::<Card>(bytes)),
        ("vouch", opens::<Vouch>(bytes)),
        ("vouch opening", decode_exact::<VouchOpening>(bytes).ok().map(|opening| encode(&opening))),
        ("revocations", lists.map(|list| list.bytes().to_vec())),
        ("roll entry", decode_exact::<RollEntry>(bytes).ok().map(|entry| encode(&entry))),
        ("leaf binding", opens::<LeafBinding>(bytes)),
        ("leaf credential", leaf.map(|_| bytes.to_vec())),
        ("pins", Pins::decode(bytes).ok().map(|pins| pins.encode())),
        ("proof", proof.map(|proof| proof.encode())),
    ]
}

#[test]
fn every_example_is_believed_by_its_own_kind_and_by_no_other() {
    for (name, bytes) in examples() {
        for (kind, believed) in offer(&bytes) {
            assert_eq!(believed, (kind == name).then(|| bytes.clone()), "{name} offered as {kind}");
        }
    }
}

/// Kinds whose every byte is under a signature.
const SIGNED: [&str; 6] = ["device set", "coordinator set", "charter", "card", "vouch", "leaf binding"];

/// Kinds that nothing signs, or not yet, and that must have one form all the same.
const ONE_FORM: [&str; 3] = ["coordinator set draft", "leaf credential", "pins"];

#[test]
fn a_signed_object_with_any_one_bit_turned_is_not_believed() {
    for (name, bytes) in examples().into_iter().filter(|(name, bytes)| SIGNED.contains(name) && bytes.len() < 600) {
        for at in 0..bytes.len() * 8 {
            let mut turned = bytes.clone();
            turned[at / 8] ^= 1 << (at % 8);
            let believed = offer_one(name, &turned);
            assert_eq!(believed, None, "{name}, bit {at}");
        }
    }
}

fn offer_one(name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    match name {
        "device set" => Some(DeviceSet::verify(&Signed::decode(bytes).ok()?).ok()?.bytes().to_vec()),
        "card" => opens::<Card>(bytes),
        "vouch" => opens::<Vouch>(bytes),
        "leaf binding" => opens::<LeafBinding>(bytes),
        _ => None,
    }
}

#[test]
fn a_cut_object_is_not_believed() {
    for (name, bytes) in examples() {
        let step = (bytes.len() / 40).max(1);
        for length in (0..bytes.len()).step_by(step) {
            for (kind, believed) in offer(&bytes[..length]) {
                assert_eq!(believed, None, "{name} cut to {length} bytes offered as {kind}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _answers = offer(&bytes);
    }

    #[test]
    fn turned_bytes_are_answered_and_never_believed_under_a_signature(
        which in 0..13_usize, at in any::<proptest::sample::Index>(), with in 1..=255_u8,
    ) {
        let (name, mut bytes) = examples().remove(which);
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        for (kind, believed) in offer(&bytes) {
            if let Some(again) = believed {
                prop_assert!(!SIGNED.contains(&kind), "{name} turned, believed as {kind}");
                if ONE_FORM.contains(&kind) {
                    prop_assert_eq!(again, bytes.clone(), "{} has a second form", kind);
                }
            }
        }
    }

    #[test]
    fn a_card_comes_back_as_it_was_written(
        pseudonym in "[a-zA-Zéñ]{1,64}", issued in 1_700_000_000..1_900_000_000_u64, life in 1..1_000_000_u64, roll: Option<u64>,
    ) {
        let union = Union::new(1);
        let charter = founded(&union);
        let issued = relevo_protocol::time::Timestamp(issued);
        let card = Card {
            pseudonym: pseudonym.parse().unwrap(),
            issued,
            expires: issued.plus_seconds(life),
            roll,
            ..card(&Person::new(9), &union, &charter)
        };
        let signed = Signed::sign(&card, &union.people[0].device).unwrap();
        let again = Signed::decode(signed.bytes()).unwrap();
        prop_assert_eq!(again.hash(), signed.hash());
        prop_assert_eq!(&*Card::verify(&again, &charter).unwrap(), &card);
    }
}
