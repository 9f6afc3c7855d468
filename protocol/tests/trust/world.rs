//! People, unions and charters made from numbers, the same in every run.

use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::*;
use relevo_protocol::wire::RelayAddress;

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);
pub(crate) const LATER: Timestamp = Timestamp(1_900_000_000);

/// A member with one device.
pub(crate) struct Person {
    pub(crate) member: MemberSecret,
    pub(crate) device: DeviceSecret,
    pub(crate) devices: Signed<DeviceSet>,
}

impl Person {
    pub(crate) fn new(seed: u8) -> Self {
        Self::with(seed, seed)
    }

    pub(crate) fn with(member: u8, device: u8) -> Self {
        let member = MemberSecret::from_seed(&Secret::new([member; 32]));
        let device = DeviceSecret::from_seed(&Secret::new([device ^ 0x80; 32]));
        let set = DeviceSet { member: member.public(), number: 1, devices: vec![device.public()], previous: None };
        let devices = Signed::sign(&set, &member).unwrap();
        Self { member, device, devices }
    }

    pub(crate) fn verified(&self) -> Verified<DeviceSet> {
        DeviceSet::verify(&self.devices).unwrap()
    }
}

/// A union with two coordinators.
pub(crate) struct Union {
    pub(crate) id: UnionId,
    pub(crate) people: Vec<Person>,
}

impl Union {
    /// `first` is the seed of its first coordinator; the second has the next.
    pub(crate) fn new(first: u8) -> Self {
        Self::of(first, 2)
    }

    pub(crate) fn of(first: u8, people: u8) -> Self {
        Self { id: UnionId([first; 16]), people: (first..first + people).map(Person::new).collect() }
    }

    pub(crate) fn set(&self) -> CoordinatorSet {
        let coordinator = |person: &Person| Coordinator {
            member: person.member.public(),
            pseudonym: "Ana".parse().unwrap(),
            device_set: person.devices.clone(),
            mandate: Mandate { office: Office::Coordinator, from: Timestamp(1_700_000_000), until: LATER },
        };
        CoordinatorSet {
            union: self.id,
            number: 1,
            previous: None,
            threshold: 2,
            coordinators: self.people.iter().map(coordinator).collect(),
            roll: None,
        }
    }

    pub(crate) fn signed_set(&self) -> MultiSigned<CoordinatorSet> {
        cosign(&self.set(), &self.devices())
    }

    pub(crate) fn devices(&self) -> Vec<&DeviceSecret> {
        self.people.iter().map(|person| &person.device).collect()
    }

    pub(crate) fn entry(&self) -> UnionEntry {
        UnionEntry {
            id: self.id,
            name: "Local 1".parse().unwrap(),
            first_set: self.signed_set(),
            vouches_needed: 2,
            relays: vec![relay()],
        }
    }
}

pub(crate) fn relay() -> RelayAddress {
    let text = format!("relevo://{}@relay.example/#{}.{}", "a".repeat(52), "a".repeat(26), "a".repeat(52));
    text.parse().unwrap()
}

pub(crate) fn cosign<T: CoSigned>(object: &T, secrets: &[&DeviceSecret]) -> MultiSigned<T> {
    let draft = Draft::new(object).unwrap();
    let signatures: Vec<CoSignature> = secrets.iter().map(|secret| draft.sign(secret)).collect();
    draft.seal(&signatures).unwrap()
}

pub(crate) fn first_charter(unions: &[&Union]) -> Charter {
    Charter {
        version: 1,
        previous: None,
        alliance: None,
        name: "Alliance".parse().unwrap(),
        unions: unions.iter().map(|union| union.entry()).collect(),
        recovery: Recovery::default(),
    }
}

/// The next version, with these unions.
pub(crate) fn amendment(before: &Verified<Charter>, unions: &[&Union]) -> Charter {
    Charter {
        version: before.version + 1,
        previous: Some(before.hash()),
        alliance: Some(before.alliance()),
        ..first_charter(unions)
    }
}

pub(crate) fn devices_of<'u>(unions: &[&'u Union]) -> Vec<&'u DeviceSecret> {
    unions.iter().flat_map(|union| union.devices()).collect()
}

/// Version 1, with one union.
pub(crate) fn founded(union: &Union) -> Verified<Charter> {
    Charter::verify_first(&cosign(&first_charter(&[union]), &union.devices())).unwrap()
}

pub(crate) fn card(person: &Person, union: &Union, charter: &Verified<Charter>) -> Card {
    Card {
        alliance: charter.alliance(),
        scope: Scope::Union,
        union: union.id,
        member: person.member.public(),
        pseudonym: "Pedro".parse().unwrap(),
        issued: NOW,
        expires: NOW.plus_seconds(86_400),
        vouches: VouchOpening::new(VouchSalt(Secret::new([7; 32])), Vec::new()).unwrap().commitment(),
        set: charter.union(&union.id).unwrap().set_name(),
        roll: None,
    }
}

/// A card that the union's first coordinator issued.
pub(crate) fn admitted(person: &Person, union: &Union, charter: &Verified<Charter>) -> Signed<Card> {
    Signed::sign(&card(person, union, charter), &union.people[0].device).unwrap()
}

pub(crate) fn vouch(voucher: &Person, card: &Signed<Card>, newcomer: &Person, charter: &Verified<Charter>) -> Vouch {
    Vouch {
        alliance: charter.alliance(),
        newcomer: newcomer.member.public(),
        union: charter.unions[0].id,
        scope: Scope::Union,
        voucher: voucher.member.public(),
        voucher_card: card.hash(),
        issued: NOW,
        expires: NOW.plus_seconds(3600),
    }
}
