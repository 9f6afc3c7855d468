//! Who people are, and how they are reached.

use relevo_protocol::content::{Bundle, Identity, Invitation, Kind, Parcel, ParcelBody, Sender, decode, encode_secret};
use relevo_protocol::labels;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{DeviceSecret, MemberSecret, Proof};
use relevo_protocol::wire::{MailboxId, encode};
use sha2::{Digest, Sha256};

use super::objects::cast;
use super::sign::{MEMBER, device, devices, member, sign1};

/// A member's proof, as somebody shows it.
pub fn proof(bytes: &[u8]) {
    let Ok(proof) = Proof::decode(bytes) else { return };
    assert_eq!(Proof::decode(&proof.encode()).as_ref(), Ok(&proof));
    if let Ok(proven) = proof.verify(cast().alliance()) {
        assert_eq!(proven.card.member, proven.devices.member);
        assert_eq!(proven.charter.alliance(), cast().alliance());
    }
}

/// A `.relevo-proof` file.
pub fn bundle(bytes: &[u8]) {
    let Ok(bundle) = Bundle::from_file(bytes) else { return };
    assert_eq!(Bundle::from_file(&bundle.to_file()).as_ref(), Ok(&bundle));
    let sha256 = [0; 32];
    assert!(bundle.verify(&cast().alliance(), 0, &sha256).is_err(), "of a file that nobody signed");
}

/// What a code opens to.
pub fn invitation(bytes: &[u8]) {
    let Ok(invitation) = decode::<Invitation>(bytes) else { return };
    assert_eq!(decode(&encode_secret(&invitation)).as_ref(), Ok(&invitation));
    if let Ok(person) = invitation.inviter.identity.verify(Some(&cast().alliance())) {
        assert!(person.devices.member == person.member);
    }
}

/// A parcel: as it came, and with any envelope or any body that a known sender signs.
pub fn parcel(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let me = MemberSecret::from_seed(&Secret::new(member(1))).public();
    let from = MemberSecret::from_seed(&Secret::new(member(MEMBER))).public();
    let inbox = MailboxId([1; 16]);
    let Ok(Ok(person)) = devices(MEMBER)
        .map(|devices| "Rosa".parse().map(|pseudonym| Identity::Newcomer { devices, pseudonym }.verify(None)))
    else {
        return;
    };
    let Ok(person) = person else { unreachable!("the member's own devices") };
    let whole = match mode % 3 {
        0 => bytes.to_vec(),
        1 => of_parts(&sign1(labels::PARCEL, bytes, device(MEMBER)), b"body"),
        _ => {
            // An honest envelope over any body.
            let hash = Sha256::new().chain_update(labels::PARCEL_BODY).chain_update([0]).chain_update(bytes).finalize();
            let envelope = relevo_protocol::content::Envelope {
                sender: from,
                recipient: me,
                inbox,
                body: hash.into(),
                counter: 1,
                sent: Timestamp(1),
            };
            of_parts(&sign1(labels::PARCEL, &encode(&envelope), device(MEMBER)), bytes)
        }
    };
    let Ok(parcel) = decode::<Parcel>(&whole) else { return };
    assert_eq!(decode(&encode_secret(&parcel)).as_ref(), Ok(&parcel));
    if let Ok(opened) = parcel.open(&person, &me, &inbox) {
        assert!(opened.envelope.sender == from && opened.envelope.recipient == me && opened.envelope.inbox == inbox);
        assert_eq!(opened.device, DeviceSecret::from_seed(&Secret::new(device(MEMBER))).public());
        assert!(
            parcel.open(&person, &from, &inbox).is_err() && parcel.open(&person, &me, &MailboxId([2; 16])).is_err()
        );
        if mode % 3 == 2 {
            assert_eq!(decode::<Kind<ParcelBody>>(bytes).as_ref(), Ok(&opened.body));
        }
    }
}

/// CBOR of a parcel from a known sender.
fn of_parts(envelope: &[u8], body: &[u8]) -> Vec<u8> {
    let sender = encode(&Sender::Known { card: cast().card.hash() });
    let string = |bytes: &[u8]| encode(&minicbor::bytes::ByteVec::from(bytes.to_vec()));
    [&[0xa3, 0x00], string(envelope).as_slice(), &[0x01], &sender, &[0x02], &string(body)].concat()
}
