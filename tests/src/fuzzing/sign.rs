//! COSE by hand, so that any payload can be signed, and the people of `protocol/vectors/trust.json`.

use ed25519_dalek::{Signer, SigningKey};
use minicbor::bytes::ByteVec;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{
    AllianceId, Card, Charter, Coordinator, CoordinatorSet, DeviceSecret, DeviceSet, Draft, Mandate, MemberSecret,
    MultiSigned, ObjectFault, Office, Recovery, Scope, Signed, UnionEntry, UnionId, Verified, VouchOpening, VouchSalt,
};

/// When the cast lives.
pub const NOW: Timestamp = Timestamp(1_800_000_000);

/// The member of the vectors, whose card the first union gave.
pub const MEMBER: u8 = 9;
/// The coordinators of the first union.
pub const COORDINATORS: [u8; 2] = [1, 2];

/// Seed of the member key of a person.
#[must_use]
pub fn member(person: u8) -> [u8; 32] {
    [person; 32]
}

/// Seed of the device key of a person.
#[must_use]
pub fn device(person: u8) -> [u8; 32] {
    [person ^ 0x80; 32]
}

/// A protected header `{1: -8, 4: key}`.
fn header(key: &SigningKey) -> Vec<u8> {
    [&[0xa2, 0x01, 0x27, 0x04, 0x58, 0x20], key.verifying_key().as_bytes().as_slice()].concat()
}

/// `Sig_structure` (RFC 9052, 4.4).
fn structure(context: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![0x81 + short(parts.len()), 0x60 + short(context.len())];
    out.extend_from_slice(context.as_bytes());
    parts.iter().for_each(|part| bytes(&mut out, part));
    out
}

/// A length that CBOR writes in the first byte.
fn short(length: usize) -> u8 {
    u8::try_from(length).unwrap_or_default().min(22)
}

/// `COSE_Sign1` over any payload.
#[must_use]
pub fn sign1(label: &str, payload: &[u8], seed: [u8; 32]) -> Vec<u8> {
    let key = SigningKey::from_bytes(&seed);
    let header = header(&key);
    let signature = key.sign(&structure("Signature1", &[&header, label.as_bytes(), payload])).to_bytes();
    let mut out = vec![0x84];
    bytes(&mut out, &header);
    out.push(0xa0);
    bytes(&mut out, payload);
    bytes(&mut out, &signature);
    out
}

/// `COSE_Sign` over any payload, signatures in the order of the keys.
#[must_use]
pub fn sign(label: &str, payload: &[u8], seeds: &[[u8; 32]]) -> Vec<u8> {
    let mut keys: Vec<SigningKey> = seeds.iter().map(SigningKey::from_bytes).collect();
    keys.sort_by_key(|key| key.verifying_key().to_bytes());
    let mut out = vec![0x84, 0x40, 0xa0];
    bytes(&mut out, payload);
    out.push(0x80 + short(keys.len()));
    for key in keys {
        let header = header(&key);
        let signature = key.sign(&structure("Signature", &[&[], &header, label.as_bytes(), payload])).to_bytes();
        out.push(0x83);
        bytes(&mut out, &header);
        out.push(0xa0);
        bytes(&mut out, &signature);
    }
    out
}

/// A CBOR byte string.
fn bytes(out: &mut Vec<u8>, body: &[u8]) {
    out.extend(relevo_protocol::wire::encode(&ByteVec::from(body.to_vec())));
}

/// The founded alliance of one union.
#[derive(Debug)]
pub struct Cast {
    /// Its charter.
    pub charter: Verified<Charter>,
    /// The charter as it travels.
    pub signed: MultiSigned<Charter>,
    /// The member's card.
    pub card: Signed<Card>,
    /// The member's devices.
    pub devices: Signed<DeviceSet>,
}

impl Cast {
    /// Founds it.
    ///
    /// # Errors
    /// [`ObjectFault`], which does not happen.
    pub fn new() -> Result<Self, ObjectFault> {
        let union = UnionId([1; 16]);
        let coordinators: Vec<Coordinator> =
            COORDINATORS.iter().map(|person| coordinator(*person)).collect::<Result<_, _>>()?;
        let secrets = COORDINATORS.map(|person| DeviceSecret::from_seed(&Secret::new(device(person))));
        let set = CoordinatorSet { union, number: 1, previous: None, threshold: 2, coordinators, roll: None };
        let draft = Draft::new(&set)?;
        let first_set = draft.seal(&secrets.each_ref().map(|secret| draft.sign(secret)))?;
        let entry = UnionEntry {
            id: union,
            name: "Local 1".parse().map_err(|_| ObjectFault::Malformed)?,
            first_set,
            vouches_needed: 2,
            relays: Vec::new(),
        };
        let charter = Charter {
            version: 1,
            previous: None,
            alliance: None,
            name: "Alliance".parse().map_err(|_| ObjectFault::Malformed)?,
            unions: vec![entry],
            recovery: Recovery::default(),
        };
        let draft = Draft::new(&charter)?;
        let signed = draft.seal(&secrets.each_ref().map(|secret| draft.sign(secret)))?;
        let charter = Charter::verify_first(&signed).map_err(|_| ObjectFault::Signature)?;
        let set = charter.union(&union).ok_or(ObjectFault::Malformed)?.set_name();
        let vouches = VouchOpening::new(VouchSalt(Secret::new([7; 32])), Vec::new());
        let [first, _] = &secrets;
        let card = Card {
            alliance: charter.alliance(),
            scope: Scope::Union,
            union,
            member: MemberSecret::from_seed(&Secret::new(member(MEMBER))).public(),
            pseudonym: "Pedro".parse().map_err(|_| ObjectFault::Malformed)?,
            issued: NOW,
            expires: NOW.plus_seconds(86_400),
            vouches: vouches.map_err(|_| ObjectFault::Malformed)?.commitment(),
            set,
            roll: None,
        };
        Ok(Self { charter, signed, card: Signed::sign(&card, first)?, devices: devices(MEMBER)? })
    }

    /// Its id.
    #[must_use]
    pub fn alliance(&self) -> AllianceId {
        self.charter.alliance()
    }
}

/// The device set of a person.
///
/// # Errors
/// [`ObjectFault`], which does not happen.
pub fn devices(person: u8) -> Result<Signed<DeviceSet>, ObjectFault> {
    let secret = MemberSecret::from_seed(&Secret::new(member(person)));
    let device = DeviceSecret::from_seed(&Secret::new(device(person))).public();
    Signed::sign(&DeviceSet { member: secret.public(), number: 1, devices: vec![device], previous: None }, &secret)
}

fn coordinator(person: u8) -> Result<Coordinator, ObjectFault> {
    Ok(Coordinator {
        member: MemberSecret::from_seed(&Secret::new(member(person))).public(),
        pseudonym: "Ana".parse().map_err(|_| ObjectFault::Malformed)?,
        device_set: devices(person)?,
        mandate: Mandate { office: Office::Coordinator, from: Timestamp(0), until: NOW.plus_seconds(100_000_000) },
    })
}
