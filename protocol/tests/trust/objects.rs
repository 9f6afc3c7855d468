//! Bytes that are no signed object, and signatures that count for nothing.

use coset::{
    CborSerializable, CoseSign1, CoseSign1Builder, CoseSignBuilder, CoseSignatureBuilder, HeaderBuilder, iana,
};
use ed25519_dalek::{Signer, SigningKey};
use relevo_protocol::trust::*;
use relevo_protocol::wire::encode;
use relevo_protocol::{labels, limits};

use crate::world::{Person, Union, admitted, card, cosign, first_charter, founded, vouch};

const SEED: u8 = 9;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[SEED; 32])
}

fn builder(payload: &[u8]) -> CoseSign1Builder {
    let kid = key().verifying_key().to_bytes().to_vec();
    let header = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(kid).build();
    CoseSign1Builder::new().protected(header).payload(payload.to_vec())
}

/// `COSE_Sign1` by another writer than ours.
fn sign1(label: &str, payload: &[u8]) -> Vec<u8> {
    builder(payload)
        .create_signature(label.as_bytes(), |message| key().sign(message).to_vec())
        .build()
        .to_vec()
        .unwrap()
}

fn cosigned(label: &str, payload: &[u8]) -> Vec<u8> {
    let kid = key().verifying_key().to_bytes().to_vec();
    let header = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(kid).build();
    CoseSignBuilder::new()
        .payload(payload.to_vec())
        .add_created_signature(CoseSignatureBuilder::new().protected(header).build(), label.as_bytes(), |message| {
            key().sign(message).to_vec()
        })
        .build()
        .to_vec()
        .unwrap()
}

fn device() -> DeviceKey {
    DeviceKey::new(key().verifying_key().to_bytes())
}

fn a_vouch() -> Vouch {
    let union = Union::new(1);
    let charter = founded(&union);
    vouch(&union.people[0], &admitted(&union.people[0], &union, &charter), &Person::new(SEED), &charter)
}

#[test]
fn an_independent_writer_makes_the_same_bytes() {
    let vouch = a_vouch();
    let ours =
        Signed::sign(&vouch, &DeviceSecret::from_seed(&relevo_protocol::secret::Secret::new([SEED; 32]))).unwrap();
    assert_eq!(ours.bytes(), sign1(labels::VOUCH, &encode(&vouch)));
    let set = Union::new(1).set();
    let ours = cosign(&set, &[&DeviceSecret::from_seed(&relevo_protocol::secret::Secret::new([SEED; 32]))]);
    assert_eq!(ours.bytes(), cosigned(labels::COORDINATOR_SET, &encode(&set)));
}

/// Whether an object of a kind is refused under every label but its own, and accepted under its own.
fn refused_elsewhere<T: Object<Role = Device>>(object: &T) {
    let payload = encode(object);
    for (name, label) in labels::ALL {
        let opened = Signed::<T>::decode(&sign1(label, &payload)).unwrap().verify_with(&device()).map(|_| ());
        let expected = if *label == T::LABEL { Ok(()) } else { Err(ObjectFault::Signature) };
        assert_eq!(opened, expected, "{name}");
        let draft = Draft::new(object).unwrap();
        let other = MultiSigned::<T>::decode(&cosigned(label, &payload)).unwrap();
        assert_eq!(draft.accepts(&other.signatures().next().unwrap()), expected, "{name}");
    }
}

#[test]
fn a_signature_of_one_kind_is_refused_for_every_other_kind() {
    let union = Union::new(1);
    let charter = founded(&union);
    refused_elsewhere(&a_vouch());
    refused_elsewhere(&card(&Person::new(SEED), &union, &charter));
    refused_elsewhere(&union.set());
    refused_elsewhere(&first_charter(&[&union]));
    refused_elsewhere(&RevocationList::empty(union.id));
    refused_elsewhere(&LeafBinding {
        leaf_key: LeafKey([1; 32]),
        place: LeafUse::Group(vec![1; 16]),
        serial: 1,
        not_after: crate::world::LATER,
    });
}

#[test]
fn a_device_set_signed_under_another_label_is_refused() {
    let member = MemberKey::new(key().verifying_key().to_bytes());
    let set = DeviceSet { member, number: 1, devices: vec![device()], previous: None };
    for (name, label) in labels::ALL {
        let opened = DeviceSet::verify(&Signed::decode(&sign1(label, &encode(&set))).unwrap()).map(|_| ());
        let expected =
            if *label == labels::DEVICE_SET { Ok(()) } else { Err(DeviceSetFault::Object(ObjectFault::Signature)) };
        assert_eq!(opened, expected, "{name}");
    }
}

#[test]
fn a_lone_signature_is_no_cosignature() {
    let set = Union::new(1).set();
    let payload = encode(&set);
    let alone = CoseSign1::from_slice(&sign1(labels::COORDINATOR_SET, &payload)).unwrap();
    let signature = CoSignature { signer: device(), signature: alone.signature.try_into().unwrap() };
    assert_eq!(Draft::new(&set).unwrap().accepts(&signature), Err(ObjectFault::Signature));
    assert!(MultiSigned::<CoordinatorSet>::decode(&sign1(labels::COORDINATOR_SET, &payload)).is_err());
}

#[test]
fn another_signer_is_refused() {
    let signed = Signed::<Vouch>::decode(&sign1(labels::VOUCH, &encode(&a_vouch()))).unwrap();
    assert!(signed.verify_with(&device()).is_ok());
    assert_eq!(signed.verify_with(&DeviceKey::new([3; 32])).map(|_| ()), Err(ObjectFault::Signer));
    assert_eq!(signed.verify_by(&Person::new(4).verified()).map(|_| ()), Err(ObjectFault::Signer));
}

#[test]
fn a_signature_claimed_by_another_is_refused() {
    let other = SigningKey::from_bytes(&[8; 32]);
    let kid = other.verifying_key().to_bytes();
    let header = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(kid.to_vec()).build();
    let sign1 = CoseSign1Builder::new()
        .protected(header)
        .payload(encode(&a_vouch()))
        .create_signature(labels::VOUCH.as_bytes(), |message| key().sign(message).to_vec())
        .build();
    let signed = Signed::<Vouch>::decode(&sign1.to_vec().unwrap()).unwrap();
    assert_eq!(signed.verify_with(&DeviceKey::new(kid)).map(|_| ()), Err(ObjectFault::Signature));
}

/// The identity point verifies anything under lenient rules (RFC 8032 leaves the check out).
#[test]
fn a_key_of_small_order_signs_nothing() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let header = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(identity.to_vec()).build();
    let mut signature = [0; 64];
    signature[0] = 1;
    let sign1 =
        CoseSign1Builder::new().protected(header).payload(encode(&a_vouch())).signature(signature.to_vec()).build();
    let signed = Signed::<Vouch>::decode(&sign1.to_vec().unwrap()).unwrap();
    assert_eq!(signed.verify_with(&DeviceKey::new(identity)).map(|_| ()), Err(ObjectFault::Signature));
}

fn fault(bytes: &[u8]) -> Option<ObjectFault> {
    Signed::<Vouch>::decode(bytes).err()
}

#[test]
fn headers_that_no_signature_covers_are_refused() {
    let unprotected = HeaderBuilder::new().key_id(vec![1]).build();
    let bytes = builder(&encode(&a_vouch())).unprotected(unprotected).signature(vec![0; 64]).build().to_vec().unwrap();
    assert_eq!(fault(&bytes), Some(ObjectFault::Unprotected));
    let loose = CoseSignatureBuilder::new().unprotected(HeaderBuilder::new().iv(vec![1]).build()).build();
    let set = CoseSignBuilder::new().payload(encode(&Union::new(1).set())).add_signature(loose).build();
    let fault = MultiSigned::<CoordinatorSet>::decode(&set.to_vec().unwrap()).err();
    assert_eq!(fault, Some(ObjectFault::Unprotected));
}

#[test]
fn other_protected_headers_are_refused() {
    let kid = || HeaderBuilder::new().key_id(vec![1; 32]);
    let headers = [
        kid().build(),
        kid().algorithm(iana::Algorithm::ES256).build(),
        kid().algorithm(iana::Algorithm::EdDSA).iv(vec![1]).build(),
        HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(vec![1; 31]).build(),
    ];
    for header in headers {
        let sign1 = CoseSign1Builder::new().protected(header).payload(encode(&a_vouch())).signature(vec![0; 64]);
        assert_eq!(fault(&sign1.build().to_vec().unwrap()), Some(ObjectFault::Headers));
    }
}

#[test]
fn an_envelope_of_another_shape_is_refused() {
    let good = sign1(labels::VOUCH, &encode(&a_vouch()));
    assert_eq!(fault(&[good.as_slice(), &[0]].concat()), Some(ObjectFault::Malformed));
    assert_eq!(fault(&[&[0xd2], good.as_slice()].concat()), Some(ObjectFault::Malformed), "a tag");
    let detached = builder(&[]).build();
    let detached = CoseSign1 { payload: None, signature: vec![0; 64], ..detached };
    assert_eq!(fault(&detached.to_vec().unwrap()), Some(ObjectFault::Malformed));
    let short = builder(&encode(&a_vouch())).signature(vec![0; 63]).build().to_vec().unwrap();
    assert_eq!(fault(&short), Some(ObjectFault::Malformed));
    assert_eq!(fault(&vec![0; limits::MAX_VOUCH + 1]), Some(ObjectFault::TooLong { max: limits::MAX_VOUCH }));
}

/// An envelope by hand: what stands before the payload, the payload, the signature.
fn enveloped(start: &[u8], payload: &[u8], end: &[u8]) -> Vec<u8> {
    let payload = encode(&minicbor::bytes::ByteVec::from(payload.to_vec()));
    [start, &payload, end].concat()
}

#[test]
fn an_envelope_is_read_as_strictly_as_its_payload() {
    let (kid, signature) = ([&[0x58, 32], [1; 32].as_slice()].concat(), [&[0x58, 64], [0; 64].as_slice()].concat());
    let headers = |algorithm_first: bool| {
        let (algorithm, kid) = ([0x01, 0x27].to_vec(), [&[0x04], kid.as_slice()].concat());
        let map = if algorithm_first { [algorithm, kid].concat() } else { [kid, algorithm].concat() };
        [&[0x58, 38, 0xa2], map.as_slice()].concat()
    };
    let one = |start: &[u8], headers: &[u8]| {
        fault(&enveloped(&[start, headers, &[0xa0]].concat(), &encode(&a_vouch()), &signature))
    };
    assert_eq!(one(&[0x84], &headers(true)), None);
    assert_eq!(one(&[0x84], &headers(false)), Some(ObjectFault::Headers));
    assert_eq!(one(&[0x98, 4], &headers(true)), Some(ObjectFault::NotShortest));
    let open = [[0x9f].as_slice(), &headers(true), &[0xa0]].concat();
    let open = enveloped(&open, &encode(&a_vouch()), &[signature.as_slice(), &[0xff]].concat());
    assert_eq!(fault(&open), Some(ObjectFault::Indefinite));

    let set = encode(&Union::new(1).set());
    let many = |start: &[u8], headers: &[u8]| {
        let end = [&[0x81, 0x83], headers, &[0xa0], signature.as_slice()].concat();
        MultiSigned::<CoordinatorSet>::decode(&enveloped(&[start, &[0xa0]].concat(), &set, &end)).err()
    };
    assert_eq!(many(&[0x84, 0x40], &headers(true)), None);
    assert_eq!(many(&[0x84, 0x40], &headers(false)), Some(ObjectFault::Headers));
    assert_eq!(
        many(&[0x84, 0x41, 0xa0], &headers(true)),
        Some(ObjectFault::Headers),
        "an empty map has no second form"
    );
    assert_eq!(many(&[0x98, 4, 0x40], &headers(true)), Some(ObjectFault::NotShortest));
}

/// A payload of pins' size, small enough to be written by hand: `{0: union, 1: 0, 3: []}`.
fn list(fields: &[&[u8]]) -> Option<ObjectFault> {
    let payload = fields.concat();
    let drafted = Draft::<RevocationList>::decode(&payload).err();
    assert_eq!(Signed::<RevocationList>::decode(&sign1(labels::REVOCATIONS, &payload)).err(), drafted);
    assert_eq!(MultiSigned::<RevocationList>::decode(&cosigned(labels::REVOCATIONS, &payload)).err(), drafted);
    drafted
}

#[test]
fn a_payload_is_read_as_strictly_as_it_must_be_written() {
    let union: &[u8] = &[0x00, 0x50, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let (number, keys): (&[u8], &[u8]) = (&[0x01, 0x00], &[0x03, 0x80]);
    assert_eq!(list(&[&[0xa3], union, number, keys]), None);
    assert_eq!(list(&[&[0xbf], union, number, keys, &[0xff]]), Some(ObjectFault::Indefinite));
    assert_eq!(list(&[&[0xa3], union, number, &[0x03, 0x9f, 0xff]]), Some(ObjectFault::Indefinite));
    assert_eq!(list(&[&[0xb8, 0x03], union, number, keys]), Some(ObjectFault::NotShortest));
    assert_eq!(list(&[&[0xa3], union, &[0x01, 0x18, 0x17], keys]), Some(ObjectFault::NotShortest));
    assert_eq!(list(&[&[0xa3], union, &[0x01, 0x19, 0x00, 0xff], keys]), Some(ObjectFault::NotShortest));
    assert_eq!(list(&[&[0xa3], union, &[0x18, 0x01, 0x00], keys]), Some(ObjectFault::NotShortest));
    assert_eq!(list(&[&[0xa3], number, union, keys]), Some(ObjectFault::KeyOrder));
    assert_eq!(list(&[&[0xa4], union, number, number, keys]), Some(ObjectFault::KeyOrder));
    assert_eq!(list(&[&[0xa3], union, number, &[0x61, 0x33, 0x80]]), Some(ObjectFault::Malformed), "a text key");
    assert_eq!(list(&[&[0xa3], union, &[0x01, 0xf9, 0, 0], keys]), Some(ObjectFault::Malformed), "a float");
    assert_eq!(list(&[&[0xa3], union, &[0x01, 0xc1, 0], keys]), Some(ObjectFault::Malformed), "a tag");
    assert_eq!(list(&[&[0xa2], union, number]), Some(ObjectFault::Malformed), "a field is missing");
    assert_eq!(list(&[&[0xa3], union, number, keys, &[0]]), Some(ObjectFault::Malformed), "bytes after it");
    assert_eq!(list(&[&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]), Some(ObjectFault::Malformed));
    // Absent and null would be two ways to say the same.
    assert_eq!(list(&[&[0xa4], union, number, &[0x02, 0xf6], keys]), Some(ObjectFault::UnknownField));
}

#[test]
fn an_unknown_field_is_refused_in_the_critical_range_and_skipped_past_it() {
    let union: &[u8] = &[0x00, 0x50, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let (number, keys): (&[u8], &[u8]) = (&[0x01, 0x00], &[0x03, 0x80]);
    assert_eq!(list(&[&[0xa4], union, number, keys, &[0x04, 0x00]]), Some(ObjectFault::UnknownField));
    assert_eq!(list(&[&[0xa4], union, number, keys, &[0x18, 0x3f, 0x00]]), Some(ObjectFault::UnknownField));
    assert_eq!(list(&[&[0xa4], union, number, keys, &[0x18, 0x40, 0x00]]), None);
    assert_eq!(list(&[&[0xa4], union, number, keys, &[0x18, 0x40, 0x18, 0x00]]), Some(ObjectFault::NotShortest));
    assert_eq!(
        list(&[&[0xa4], union, number, keys, &[0x18, 0x40, 0x61, 0xff]]),
        Some(ObjectFault::Malformed),
        "no text"
    );
    assert_eq!(
        list(&[&[0xa4], union, number, keys, &[0x18, 0x40, 0xf8, 0x14]]),
        Some(ObjectFault::Malformed),
        "long false"
    );
    let deep = |levels: usize| [&[0x18, 0x40], vec![0x81; levels].as_slice(), &[0]].concat();
    assert_eq!(list(&[&[0xa4], union, number, keys, &deep(limits::MAX_DEPTH - 1)]), None);
    assert_eq!(list(&[&[0xa4], union, number, keys, &deep(limits::MAX_DEPTH)]), Some(ObjectFault::TooDeep));
}

#[test]
fn signatures_rise_by_signer_and_none_is_not_enough() {
    let union = Union::of(1, 3);
    let draft = Draft::new(&union.set()).unwrap();
    let mut signatures: Vec<CoSignature> = union.devices().into_iter().map(|device| draft.sign(device)).collect();
    assert_eq!(draft.seal(&[]).err(), Some(ObjectFault::Unsigned));
    signatures.sort_by_key(|signature| signature.signer);
    let write = |signatures: &[&CoSignature]| {
        let sign = signatures.iter().fold(CoseSignBuilder::new().payload(draft.bytes().to_vec()), |sign, one| {
            let kid = one.signer.as_bytes().to_vec();
            let header = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(kid).build();
            sign.add_signature(CoseSignatureBuilder::new().protected(header).signature(one.signature.to_vec()).build())
        });
        MultiSigned::<CoordinatorSet>::decode(&sign.build().to_vec().unwrap()).err()
    };
    let [a, b, c] = signatures.as_slice() else { unreachable!() };
    assert_eq!(write(&[a, b, c]), None);
    assert_eq!(write(&[b, a, c]), Some(ObjectFault::SignatureOrder));
    assert_eq!(write(&[a, a, b]), Some(ObjectFault::SignatureOrder));
}

#[test]
fn the_hash_of_a_cosigned_object_is_the_same_whoever_signed() {
    let union = Union::of(1, 3);
    let draft = Draft::new(&union.set()).unwrap();
    let all = cosign(&union.set(), &union.devices());
    assert_eq!(cosign(&union.set(), &[&union.people[2].device]).hash(), all.hash());
    assert_eq!(draft.hash(), all.hash());
    assert_eq!(all.draft().unwrap(), draft);
}

#[test]
fn nothing_that_names_somebody_is_printed() {
    let union = Union::new(1);
    let charter = founded(&union);
    let card = card(&Person::new(SEED), &union, &charter);
    let printed = format!("{card:?} {:?} {:?}", union.set(), first_charter(&[&union]));
    for word in ["Pedro", "Ana", "Local", "relay.example"] {
        assert!(!printed.contains(word), "{word}: {printed}");
    }
    assert!(!printed.contains("[1, 1"), "{printed}");
}
