//! Signed objects: as they came, and signed by the right key whatever they say. The first byte tells which.

use std::sync::LazyLock;

use relevo_protocol::content::{Alert, LeaveRequest, Manifest};
use relevo_protocol::secret::Secret;
use relevo_protocol::trust::{
    Card, Charter, CoSigned, CoordinatorSet, DeviceSecret, DeviceSet, Draft, LeafCredential, LeafKey, LeafUse,
    MultiSigned, Object, ObjectFault, Pins, RevocationList, Signed, Verified, Vouch,
};
use relevo_protocol::wire::encode;

use super::sign::{COORDINATORS, Cast, MEMBER, NOW, device, member, sign, sign1};

static CAST: LazyLock<Option<Cast>> = LazyLock::new(|| Cast::new().ok());

/// The alliance that all targets know.
///
/// # Panics
/// It cannot be founded.
#[expect(clippy::expect_used, reason = "fixed objects, which a test founds too")]
#[must_use]
pub fn cast() -> &'static Cast {
    CAST.as_ref().expect("the cast can be founded")
}

/// How the bytes of an input are taken.
enum Taken<'b> {
    /// As an object.
    AsItCame(&'b [u8]),
    /// As what somebody signs who may.
    Payload(&'b [u8]),
}

fn taken(bytes: &[u8]) -> Option<Taken<'_>> {
    let (mode, rest) = bytes.split_first()?;
    Some(if mode & 1 == 0 { Taken::AsItCame(rest) } else { Taken::Payload(rest) })
}

/// What holds of every object with one signature.
fn signed<T: Object>(bytes: &[u8], seed: [u8; 32], check: impl Fn(&Signed<T>)) {
    match taken(bytes) {
        Some(Taken::AsItCame(bytes)) => {
            if let Ok(signed) = Signed::<T>::decode(bytes) {
                assert_eq!(signed.bytes(), bytes, "kept as it came");
                check(&signed);
            }
        }
        Some(Taken::Payload(payload)) => {
            if let Ok(signed) = Signed::<T>::decode(&sign1(T::LABEL, payload, seed)) {
                let signer = signed.claimed_signer();
                match signed.verify_with(&signer) {
                    Ok(verified) => deterministic(&verified, payload),
                    Err(fault) => unreachable!("signed by its signer and refused: {fault}"),
                }
                check(&signed);
            }
        }
        None => {}
    }
}

/// What holds of every object that several sign.
fn cosigned<T: CoSigned>(bytes: &[u8], check: impl Fn(&MultiSigned<T>)) {
    match taken(bytes) {
        Some(Taken::AsItCame(bytes)) => {
            if let Ok(signed) = MultiSigned::<T>::decode(bytes) {
                assert_eq!(signed.bytes(), bytes, "kept as it came");
                check(&signed);
            }
        }
        Some(Taken::Payload(payload)) => {
            let drafted = Draft::<T>::decode(payload);
            let signed = MultiSigned::<T>::decode(&sign(T::LABEL, payload, &COORDINATORS.map(device)));
            match (&drafted, &signed) {
                (Ok(draft), Ok(signed)) => {
                    assert_eq!(draft.hash(), signed.hash(), "whoever signs");
                    assert!(signed.signatures().all(|signature| draft.accepts(&signature).is_ok()));
                    check(signed);
                }
                (Err(fault), Err(same)) => assert!(fault == same || matches!(same, ObjectFault::TooLong { .. })),
                (Ok(_), Err(fault)) => assert!(matches!(fault, ObjectFault::TooLong { .. }), "{fault}"),
                (Err(fault), Ok(_)) => unreachable!("signed, but no draft: {fault}"),
            }
        }
        None => {}
    }
}

/// Written again, an object is what came, unless a later version added fields that are skipped.
fn deterministic<T: Object>(object: &Verified<T>, payload: &[u8]) {
    let again = encode(&**object);
    assert!(again.len() <= payload.len());
    if again.len() == payload.len() {
        assert_eq!(again, payload, "one object, one form");
    }
}

/// A card, as a coordinator signs it.
pub fn card(bytes: &[u8]) {
    let [first, _] = COORDINATORS;
    signed::<Card>(bytes, device(first), |signed| {
        if let Ok(card) = Card::verify(signed, &cast().charter) {
            assert!(card.expires > card.issued && card.alliance == cast().alliance());
        }
    });
}

/// A charter, as two coordinators sign it: the first version, and one that follows.
pub fn charter(bytes: &[u8]) {
    cosigned::<Charter>(bytes, |signed| {
        if let Ok(charter) = Charter::verify_first(signed) {
            assert!(charter.version == 1 && !charter.unions.is_empty());
        }
        if let Ok(next) = Charter::verify_amendment(signed, &cast().charter) {
            assert!(next.version == 2 && next.alliance() == cast().alliance());
            assert_eq!(next.fork(&cast().charter), None);
        }
    });
}

/// A coordinator set, as two coordinators sign it.
pub fn coordinator_set(bytes: &[u8]) {
    cosigned::<CoordinatorSet>(bytes, |signed| {
        if let Ok(set) = CoordinatorSet::verify_first(signed) {
            assert!(usize::from(set.threshold) <= set.coordinators.len() && set.threshold > 0);
            let _next = CoordinatorSet::verify_next(signed, &set).is_ok();
        }
        for union in &cast().charter.unions {
            if let Ok(known) = CoordinatorSet::verify_first(&union.first_set)
                && let Ok(next) = CoordinatorSet::verify_next(signed, &known)
            {
                assert!(next.number == known.number + 1 && next.union == known.union);
            }
        }
    });
}

/// A device set, as its member key signs it.
pub fn device_set(bytes: &[u8]) {
    signed::<DeviceSet>(bytes, member(MEMBER), |signed| {
        if let Ok(set) = DeviceSet::verify(signed) {
            assert!(!set.devices.is_empty() && set.devices.iter().all(|device| set.holds(device)));
            if let Ok(known) = DeviceSet::verify(&cast().devices)
                && let Ok(next) = DeviceSet::verify_next(signed, &known)
            {
                assert!(next.number == known.number + 1 && next.member == known.member);
            }
        }
    });
}

/// A vouch, as the member's device signs it.
pub fn vouch(bytes: &[u8]) {
    signed::<Vouch>(bytes, device(MEMBER), |signed| {
        let (Ok(card), Ok(devices)) = (Card::verify(&cast().card, &cast().charter), DeviceSet::verify(&cast().devices))
        else {
            unreachable!("the member's own card and devices");
        };
        if let Ok(vouch) = Vouch::verify(signed, &card, &devices) {
            assert!(vouch.newcomer != vouch.voucher);
            let union = (&vouch.alliance.clone(), &vouch.union.clone(), vouch.scope);
            let newcomer = vouch.newcomer;
            let enough = Vouch::suffice(&[vouch.clone(), vouch], &newcomer, union, 2, NOW);
            assert!(enough.is_err(), "one person counts once");
        }
    });
}

/// A revocation list, as coordinators sign it.
pub fn revocations(bytes: &[u8]) {
    cosigned::<RevocationList>(bytes, |_| {});
}

/// An alert, as a coordinator's device signs it.
pub fn alert(bytes: &[u8]) {
    let [first, _] = COORDINATORS;
    signed::<Alert>(bytes, device(first), |signed| {
        let known = Alert::verify_at_any_time(signed, &cast().charter);
        let now = Alert::verify(signed, &cast().charter, NOW);
        assert!(known.is_ok() || now.is_err(), "an alert that counts now counts at any time");
        if let Ok(alert) = known {
            assert!(alert.text_in(&[]).is_some());
        }
    });
}

/// The manifest of a document.
pub fn manifest(bytes: &[u8]) {
    signed::<Manifest>(bytes, device(MEMBER), |_| {});
}

/// A request to leave a group.
pub fn leave(bytes: &[u8]) {
    signed::<LeaveRequest>(bytes, device(MEMBER), |_| {});
}

/// The pins of a group.
pub fn pins(bytes: &[u8]) {
    if let Ok(pins) = Pins::decode(bytes) {
        assert_eq!(Pins::decode(&pins.encode()).as_ref(), Ok(&pins));
        assert_eq!(pins.never_decreases(&pins), Ok(()));
        let ours = Pins::of(&cast().charter);
        if ours.never_decreases(&pins).is_ok() && pins.never_decreases(&ours).is_ok() {
            assert_eq!(ours, pins, "neither is older than the other");
        }
    }
}

/// What a leaf carries: as it came, or a binding that the member's device signs.
pub fn leaf_credential(bytes: &[u8]) {
    let key = LeafKey([5; 32]);
    let places = [LeafUse::KeyPackage, LeafUse::Group(vec![1; 16])];
    let credential = match taken(bytes) {
        Some(Taken::AsItCame(bytes)) => bytes.to_vec(),
        Some(Taken::Payload(payload)) => {
            let secret = DeviceSecret::from_seed(&Secret::new(device(MEMBER)));
            let Ok(binding) = Signed::decode(&sign1(relevo_protocol::labels::LEAF, payload, device(MEMBER))) else {
                return;
            };
            let Ok(binding) = binding.verify_with(&secret.public()) else { unreachable!("its own signature") };
            match LeafCredential::new(cast().card.clone(), cast().devices.clone(), &binding, &secret) {
                Ok(credential) => credential.encode(),
                Err(_) => return,
            }
        }
        None => return,
    };
    if let Ok(leaf) = LeafCredential::verify(&credential, &key, &places, &cast().charter) {
        assert!(leaf.binding.leaf_key == key && places.contains(&leaf.binding.place));
        assert_eq!(leaf.may_replace(&leaf), Ok(()), "a commit may keep the leaf key");
    }
}
