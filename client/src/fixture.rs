//! An alliance for tests: unions with two coordinators each, and as many carded members as wanted.

use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{
    AllianceId, Card, Charter, Coordinator, CoordinatorSet, DeviceSecret, DeviceSet, Draft, Mandate, MemberSecret,
    MultiSigned, Office, Proof, Recovery, Scope, Signed, UnionEntry, UnionId, Verified, VouchOpening, VouchSalt,
};
use relevo_protocol::wire::{Admission, Fingerprint, PathSecret, RelayAddress};

/// When everything in the fixture was signed.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);
/// When every card and mandate ends.
pub(crate) const END: Timestamp = Timestamp(1_860_000_000);

/// Keys of one person.
pub(crate) struct Keys {
    pub(crate) pseudonym: String,
    pub(crate) member: MemberSecret,
    pub(crate) device: DeviceSecret,
    pub(crate) device_set: Signed<DeviceSet>,
}

/// A person with a card.
pub(crate) struct Member {
    pub(crate) keys: Keys,
    pub(crate) card: Signed<Card>,
    pub(crate) proof: Proof,
}

/// A founded alliance.
pub(crate) struct Alliance {
    pub(crate) id: AllianceId,
    pub(crate) charter: Verified<Charter>,
    pub(crate) signed: MultiSigned<Charter>,
    /// Two coordinators for each union.
    pub(crate) coordinators: Vec<[Keys; 2]>,
}

impl Keys {
    pub(crate) fn new(pseudonym: &str) -> Self {
        let (member, device) = (MemberSecret::random().unwrap(), DeviceSecret::random().unwrap());
        let set = DeviceSet { member: member.public(), number: 1, devices: vec![device.public()], previous: None };
        let device_set = Signed::sign(&set, &member).unwrap();
        Self { pseudonym: pseudonym.to_owned(), member, device, device_set }
    }
}

/// An address that leads nowhere.
pub(crate) fn relay_address(number: u8) -> RelayAddress {
    RelayAddress {
        fingerprint: Fingerprint([number; 32]),
        host: "127.0.0.1".to_owned(),
        port: 9,
        path: PathSecret::new(Secret::new([number; 16])),
        admission: Admission::new(Secret::new([number; 32])),
    }
}

impl Alliance {
    /// Founds an alliance of so many unions in one charter.
    pub(crate) fn found(unions: u8) -> Self {
        let coordinators: Vec<[Keys; 2]> =
            (0..unions).map(|union| [1, 2].map(|n| Keys::new(&format!("Coordinator {union}.{n}")))).collect();
        let entries = coordinators.iter().zip(1..).map(|(pair, number)| union_entry(pair, number)).collect();
        let charter = Charter {
            version: 1,
            previous: None,
            alliance: None,
            name: "Alliance of tests".parse().unwrap(),
            unions: entries,
            recovery: Recovery::default(),
        };
        let draft = Draft::new(&charter).unwrap();
        let signatures: Vec<_> = coordinators.iter().flatten().map(|keys| draft.sign(&keys.device)).collect();
        let signed = draft.seal(&signatures).unwrap();
        let charter = Charter::verify_first(&signed).unwrap();
        Self { id: AllianceId(signed.hash()), charter, signed, coordinators }
    }

    /// The next version, in which the first union names one relay more.
    pub(crate) fn with_relay(&self, relay: &RelayAddress) -> (MultiSigned<Charter>, Verified<Charter>) {
        let mut unions: Vec<UnionEntry> = self.charter.unions.iter().map(UnionEntry::duplicate).collect();
        unions[0].relays.push(relay.duplicate());
        let next = Charter {
            version: self.charter.version + 1,
            previous: Some(self.charter.hash()),
            alliance: Some(self.id),
            name: self.charter.name.clone(),
            unions,
            recovery: self.charter.recovery,
        };
        let draft = Draft::new(&next).unwrap();
        let signatures: Vec<_> = self.coordinators.iter().flatten().map(|keys| draft.sign(&keys.device)).collect();
        let signed = draft.seal(&signatures).unwrap();
        let verified = Charter::verify_amendment(&signed, &self.charter).unwrap();
        (signed, verified)
    }

    /// Admits somebody to a union.
    pub(crate) fn admit(&self, union: usize, pseudonym: &str) -> Member {
        self.give_card(union, Keys::new(pseudonym))
    }

    /// Gives a card of a union to somebody's keys.
    pub(crate) fn give_card(&self, union: usize, keys: Keys) -> Member {
        let entry = &self.charter.unions[union];
        let opening = VouchOpening::new(VouchSalt(Secret::random().unwrap()), Vec::new()).unwrap();
        let card = Card {
            alliance: self.id,
            scope: Scope::Union,
            union: entry.id,
            member: keys.member.public(),
            pseudonym: keys.pseudonym.parse().unwrap(),
            issued: NOW,
            expires: END,
            vouches: opening.commitment(),
            set: entry.set_name(),
            roll: None,
        };
        let card = Signed::sign(&card, &self.coordinators[union][0].device).unwrap();
        let proof =
            Proof { charters: vec![self.signed.clone()], card: card.clone(), device_set: keys.device_set.clone() };
        Member { keys, card, proof }
    }
}

fn union_entry(pair: &[Keys; 2], number: u8) -> UnionEntry {
    let id = UnionId([number; 16]);
    let coordinators = pair
        .iter()
        .map(|keys| Coordinator {
            member: keys.member.public(),
            pseudonym: keys.pseudonym.parse().unwrap(),
            device_set: keys.device_set.clone(),
            mandate: Mandate { office: Office::Coordinator, from: Timestamp(0), until: END },
        })
        .collect();
    let set = CoordinatorSet { union: id, number: 1, previous: None, threshold: 2, coordinators, roll: None };
    let draft = Draft::new(&set).unwrap();
    let signatures: Vec<_> = pair.iter().map(|keys| draft.sign(&keys.device)).collect();
    UnionEntry {
        id,
        name: format!("Union {number}").parse().unwrap(),
        first_set: draft.seal(&signatures).unwrap(),
        vouches_needed: 2,
        relays: vec![relay_address(number)],
    }
}
