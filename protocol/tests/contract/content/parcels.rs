//! A parcel opens only for its recipient, in its inbox, from its sender.

use relevo_protocol::content::{
    Identity, IdentityFault, Kind, KnownPerson, Parcel, ParcelBody, ParcelFault, ParcelReceipt, Sender, decode,
    encode_secret,
};
use relevo_protocol::trust::{ObjectFault, ObjectHash, ProofFault};
use relevo_protocol::wire::MailboxId;

use crate::alliance::{Alliance, Person, START};

const INBOX: MailboxId = MailboxId([1; 16]);

fn body() -> ParcelBody {
    ParcelBody::Receipt(ParcelReceipt { of: ObjectHash([5; 32]) })
}

fn parcel(alliance: &Alliance) -> Parcel {
    let Alliance { ana, rosa, .. } = alliance;
    let sender = Sender::Shown { identity: alliance.member(rosa) };
    Parcel::sign(&body(), sender, rosa.key(), (ana.key(), INBOX), 3, START, &rosa.device).unwrap()
}

fn shown(alliance: &Alliance, parcel: &Parcel) -> KnownPerson {
    match parcel.sender() {
        Sender::Shown { identity } => identity.verify(Some(&alliance.id())).unwrap(),
        Sender::Known { card: _ } => unreachable!("shown above"),
    }
}

#[test]
fn a_parcel_opens_for_whom_it_is_meant() {
    let alliance = Alliance::new();
    let sent = parcel(&alliance);
    let got: Parcel = decode(&encode_secret(&sent)).unwrap();
    let rosa = shown(&alliance, &got);
    assert_eq!(rosa.pseudonym.as_str(), "Rosa");
    assert!(rosa.card.is_some());
    let opened = got.open(&rosa, &alliance.ana.key(), &INBOX).unwrap();
    assert_eq!(opened.body, Kind::Known(body()));
    assert_eq!((opened.envelope.sender, opened.envelope.counter), (alliance.rosa.key(), 3));
    assert_eq!(opened.id, sent.id());
    assert_eq!(opened.device, alliance.rosa.device.public());
}

#[test]
fn a_parcel_passed_on_to_another_person_or_inbox_is_refused() {
    let alliance = Alliance::new();
    let (parcel, rosa) = (parcel(&alliance), alliance.rosa.known());
    assert_eq!(parcel.open(&rosa, &alliance.luc.key(), &INBOX), Err(ParcelFault::OtherRecipient));
    let elsewhere = MailboxId([2; 16]);
    assert_eq!(parcel.open(&rosa, &alliance.ana.key(), &elsewhere), Err(ParcelFault::OtherRecipient));
}

#[test]
fn a_parcel_from_somebody_elses_device_is_refused() {
    let alliance = Alliance::new();
    let opened = parcel(&alliance).open(&alliance.luc.known(), &alliance.ana.key(), &INBOX);
    assert_eq!(opened, Err(ParcelFault::Envelope(ObjectFault::Signer)));
}

#[test]
fn listing_a_strangers_device_as_ones_own_claims_nothing() {
    let alliance = Alliance::new();
    let thief = Person::new(9, "Thief");
    let devices = thief.claims(alliance.rosa.device.public());
    let identity = Identity::Newcomer { devices, pseudonym: "Thief".parse().unwrap() };
    let known = identity.verify(None).unwrap();
    let opened = parcel(&alliance).open(&known, &alliance.ana.key(), &INBOX);
    assert_eq!(opened, Err(ParcelFault::OtherSender));
}

#[test]
fn another_body_under_the_same_envelope_is_refused() {
    let alliance = Alliance::new();
    let bytes = encode_secret(&parcel(&alliance)).to_vec();
    let hash = bytes.windows(32).position(|window| window == [5; 32]).unwrap();
    let mut changed = bytes;
    changed[hash] ^= 1;
    let changed: Parcel = decode(&changed).unwrap();
    let opened = changed.open(&alliance.rosa.known(), &alliance.ana.key(), &INBOX);
    assert_eq!(opened, Err(ParcelFault::OtherBody));
}

#[test]
fn a_member_is_believed_under_its_own_charter_only() {
    let alliance = Alliance::new();
    let identity = alliance.member(&alliance.rosa);
    assert_eq!(identity.verify(None), Err(IdentityFault::NoAlliance));
    let other = relevo_protocol::trust::AllianceId(ObjectHash([1; 32]));
    assert!(matches!(identity.verify(Some(&other)), Err(IdentityFault::Proof(ProofFault::Charter(_)))));
    let mut proof = alliance.proof(&alliance.rosa);
    proof.device_set = alliance.luc.devices();
    let mixed = Identity::Member { proof }.verify(Some(&alliance.id()));
    assert_eq!(mixed, Err(IdentityFault::Proof(ProofFault::OtherMember)));
}
