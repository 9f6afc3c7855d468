//! How to reach a person, and who that person is.

use minicbor::{Decode, Encode};

use crate::sealed::{EntryKey, InboxPublicKey};
use crate::trust::{
    AllianceId, Card, DeviceSet, DeviceSetFault, MemberKey, Proof, ProofFault, Pseudonym, Signed, Verified,
};
use crate::wire::{Capability, MailboxId, RelayAddress};

/// How to leave something in a person's inbox. Holds bearer secrets: made anew for each contact and each group.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct InboxAddress {
    /// The relay that holds it, with its shared admission.
    #[n(0)]
    pub relay: RelayAddress,
    /// The inbox.
    #[n(1)]
    pub mailbox: MailboxId,
    /// *append* for this contact or group.
    #[n(2)]
    pub append: Capability,
    /// What to seal to.
    #[n(3)]
    pub key: InboxPublicKey,
    /// Where this person's key packages lie.
    #[n(4)]
    pub shelf: Option<ShelfAddress>,
}

/// How to take a person's key package.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ShelfAddress {
    /// The shelf, on the relay of the inbox.
    #[n(0)]
    pub mailbox: MailboxId,
    /// *take* for this contact or group.
    #[n(1)]
    pub take: Capability,
    /// Opens what was taken.
    #[n(2)]
    pub key: EntryKey,
}

impl InboxAddress {
    /// A second holder of the same address, on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let Self { relay, mailbox, append, key, shelf } = self;
        Self {
            relay: relay.duplicate(),
            mailbox: *mailbox,
            append: append.duplicate(),
            key: key.clone(),
            shelf: shelf.as_ref().map(ShelfAddress::duplicate),
        }
    }
}

impl ShelfAddress {
    /// A second holder of the same address, on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let Self { mailbox, take, key } = self;
        Self { mailbox: *mailbox, take: take.duplicate(), key: key.duplicate() }
    }
}

/// Who a person claims to be.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum Identity {
    /// A member of the alliance.
    #[n(0)]
    Member {
        /// The whole chain, from the first charter.
        #[n(0)]
        proof: Proof,
    },
    /// Somebody without a card: a newcomer, or a founder before the charter stands.
    #[n(1)]
    Newcomer {
        /// Keys of its own, signed by its member key.
        #[n(0)]
        devices: Signed<DeviceSet>,
        /// What it wants to be called.
        #[n(1)]
        pseudonym: Pseudonym,
    },
}

/// A person whose keys have been checked; the card says whether the alliance vouches for them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownPerson {
    /// Its member key.
    pub member: MemberKey,
    /// Its devices.
    pub devices: Verified<DeviceSet>,
    /// What it is called: by its card, or by itself if it has none.
    pub pseudonym: Pseudonym,
    /// Its card; none for a newcomer.
    pub card: Option<Verified<Card>>,
}

/// Why an identity is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdentityFault {
    /// The chain from charter to devices does not hold.
    #[error(transparent)]
    Proof(#[from] ProofFault),
    /// The newcomer's devices are not signed by its member key.
    #[error(transparent)]
    Devices(#[from] DeviceSetFault),
    /// It claims membership where nobody is a member yet.
    #[error("a member of an alliance that this device does not know")]
    NoAlliance,
}

impl Identity {
    /// Checks who it is; `alliance` is the one that this device belongs to, if it does.
    ///
    /// # Errors
    /// [`IdentityFault`].
    pub fn verify(&self, alliance: Option<&AllianceId>) -> Result<KnownPerson, IdentityFault> {
        match self {
            Self::Member { proof } => {
                let proven = proof.verify(*alliance.ok_or(IdentityFault::NoAlliance)?)?;
                Ok(KnownPerson {
                    member: proven.card.member,
                    devices: proven.devices,
                    pseudonym: proven.card.pseudonym.clone(),
                    card: Some(proven.card),
                })
            }
            Self::Newcomer { devices, pseudonym } => {
                let devices = DeviceSet::verify(devices)?;
                Ok(KnownPerson { member: devices.member, devices, pseudonym: pseudonym.clone(), card: None })
            }
        }
    }
}

/// A person and how to reach them.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ContactCard {
    /// Who.
    #[n(0)]
    pub identity: Identity,
    /// How.
    #[n(1)]
    pub inbox: InboxAddress,
}

impl ContactCard {
    /// A second holder of the same card, on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self { identity: self.identity.clone(), inbox: self.inbox.duplicate() }
    }
}
