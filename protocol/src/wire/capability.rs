//! Capabilities: 32-byte bearer secrets that open one mailbox for one kind of act. A relay keeps their hashes.

use core::fmt;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::labels;
use crate::secret::named_secret;
use crate::time::Hour;

named_secret! {
    /// A bearer secret: *owner*, *read*, *append* or *take*. Travels only inside a session.
    Capability, 32
}

impl Capability {
    /// What a relay keeps: SHA-256(label | 0x00 | secret).
    #[must_use]
    pub fn hash(&self) -> CapabilityHash {
        CapabilityHash(labelled(labels::CAPABILITY, self.0.expose()))
    }

    /// The id of the mailbox that this *owner* capability opens.
    #[must_use]
    pub fn mailbox(&self) -> MailboxId {
        MailboxId::of(&self.hash())
    }
}

/// Hash of a capability. Equality takes constant time.
#[derive(Clone, Copy, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct CapabilityHash(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl PartialEq for CapabilityHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for CapabilityHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CapabilityHash")
    }
}

/// Names a mailbox: the first 16 bytes of SHA-256(label | 0x00 | owner hash). Nobody can squat one without its owner.
/// Never written to a log: `Debug` prints no byte of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct MailboxId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl MailboxId {
    /// The id that belongs to an owner hash.
    #[must_use]
    pub fn of(owner: &CapabilityHash) -> Self {
        let digest = labelled(labels::MAILBOX, &owner.0);
        let mut id = [0; 16];
        id.copy_from_slice(digest.split_at(16).0);
        Self(id)
    }
}

impl fmt::Debug for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailboxId")
    }
}

/// One row of a mailbox's *append* or *take* table.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// Hash of the capability that the grant admits.
    #[n(0)]
    pub hash: CapabilityHash,
    /// Acts allowed in one hour.
    #[n(1)]
    pub per_hour: u32,
    /// Bytes allowed in one hour; without meaning for *take*.
    #[n(2)]
    pub bytes_per_hour: u64,
    /// End of the grant.
    #[n(3)]
    pub expires: Hour,
}

/// SHA-256(label | 0x00 | bytes).
pub(crate) fn labelled(label: &str, bytes: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(label).chain_update([0]).chain_update(bytes).finalize().into()
}
