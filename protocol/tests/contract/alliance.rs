//! A small alliance: one union, coordinators Ana and Luc, member Rosa.

use relevo_protocol::content::{ContactCard, Identity, InboxAddress, KnownPerson, ShelfAddress};
use relevo_protocol::sealed::{EntryKey, InboxKeyPair};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{
    AllianceId, Card, Charter, Coordinator, CoordinatorSet, DeviceKey, DeviceSecret, DeviceSet, Draft, Mandate,
    MemberKey, MemberSecret, MultiSigned, Office, Proof, Recovery, Scope, Signed, UnionEntry, UnionId, Verified,
    VouchCommitment,
};

use crate::dice::Dice;

pub(crate) const START: Timestamp = Timestamp(1_795_000_000);
pub(crate) const TERM_END: Timestamp = Timestamp(1_895_000_000);
pub(crate) const UNION: UnionId = UnionId([4; 16]);

pub(crate) struct Person {
    pub(crate) member: MemberSecret,
    pub(crate) device: DeviceSecret,
    pub(crate) name: &'static str,
}

impl Person {
    pub(crate) fn new(seed: u8, name: &'static str) -> Self {
        Self {
            member: MemberSecret::from_seed(&Secret::new([seed; 32])),
            device: DeviceSecret::from_seed(&Secret::new([seed + 100; 32])),
            name,
        }
    }

    pub(crate) fn key(&self) -> MemberKey {
        self.member.public()
    }

    pub(crate) fn devices(&self) -> Signed<DeviceSet> {
        self.claims(self.device.public())
    }

    /// A device set that holds a device, its own or not: the member key alone signs it.
    pub(crate) fn claims(&self, device: DeviceKey) -> Signed<DeviceSet> {
        let set = DeviceSet { member: self.key(), number: 1, devices: vec![device], previous: None };
        Signed::sign(&set, &self.member).unwrap()
    }

    pub(crate) fn newcomer(&self) -> Identity {
        Identity::Newcomer { devices: self.devices(), pseudonym: self.name.parse().unwrap() }
    }

    pub(crate) fn known(&self) -> KnownPerson {
        self.newcomer().verify(None).unwrap()
    }
}

pub(crate) struct Alliance {
    pub(crate) ana: Person,
    pub(crate) luc: Person,
    pub(crate) rosa: Person,
    pub(crate) signed: MultiSigned<Charter>,
    pub(crate) charter: Verified<Charter>,
}

impl Alliance {
    pub(crate) fn new() -> Self {
        let (ana, luc, rosa) = (Person::new(1, "Ana"), Person::new(2, "Luc"), Person::new(3, "Rosa"));
        let coordinator = |person: &Person| Coordinator {
            member: person.key(),
            pseudonym: person.name.parse().unwrap(),
            device_set: person.devices(),
            mandate: Mandate { office: Office::Coordinator, from: START, until: TERM_END },
        };
        let set = CoordinatorSet {
            union: UNION,
            number: 1,
            previous: None,
            threshold: 2,
            coordinators: vec![coordinator(&ana), coordinator(&luc)],
            roll: None,
        };
        let set = Draft::new(&set).unwrap();
        let first_set = set.seal(&[set.sign(&ana.device), set.sign(&luc.device)]).unwrap();
        let union = UnionEntry {
            id: UNION,
            name: "Local 6500".parse().unwrap(),
            first_set,
            vouches_needed: 2,
            relays: vec![Dice(5).relay()],
        };
        let charter = Charter {
            version: 1,
            previous: None,
            alliance: None,
            name: "Mineras".parse().unwrap(),
            unions: vec![union],
            recovery: Recovery::default(),
        };
        let charter = Draft::new(&charter).unwrap();
        let signed = charter.seal(&[charter.sign(&ana.device), charter.sign(&luc.device)]).unwrap();
        let charter = Charter::verify_first(&signed).unwrap();
        Self { ana, luc, rosa, signed, charter }
    }

    pub(crate) fn id(&self) -> AllianceId {
        self.charter.alliance()
    }

    pub(crate) fn card(&self, person: &Person) -> Signed<Card> {
        let card = Card {
            alliance: self.id(),
            scope: Scope::Union,
            union: UNION,
            member: person.key(),
            pseudonym: person.name.parse().unwrap(),
            issued: START,
            expires: TERM_END,
            vouches: VouchCommitment([0; 32]),
            set: self.charter.unions[0].set_name(),
            roll: Some(1),
        };
        Signed::sign(&card, &self.ana.device).unwrap()
    }

    pub(crate) fn proof(&self, person: &Person) -> Proof {
        Proof { charters: vec![self.signed.clone()], card: self.card(person), device_set: person.devices() }
    }

    pub(crate) fn member(&self, person: &Person) -> Identity {
        Identity::Member { proof: self.proof(person) }
    }

    pub(crate) fn contact(&self, person: &Person) -> ContactCard {
        ContactCard { identity: self.member(person), inbox: inbox(&mut Dice(7)) }
    }
}

pub(crate) fn inbox(dice: &mut Dice) -> InboxAddress {
    InboxAddress {
        relay: dice.relay(),
        mailbox: dice.mailbox(),
        append: dice.capability(),
        key: InboxKeyPair::from_seed(dice.secret()).unwrap().public().clone(),
        shelf: Some(ShelfAddress {
            mailbox: dice.mailbox(),
            take: dice.capability(),
            key: EntryKey::new(dice.secret()),
        }),
    }
}
