//! What the members of a group hold in common of its mailbox.

use minicbor::{Decode, Encode};

use super::derive::derive;
use super::entry::EntryKey;
use crate::labels;
use crate::secret::Secret;
use crate::wire::Capability;

/// Wrap key and capabilities of a group's mailbox. They change only when the group moves; a newcomer gets the
/// present ones beside its welcome, since it cannot export an older epoch.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GroupSecrets {
    /// Seals every entry of the log.
    #[n(0)]
    pub wrap: EntryKey,
    /// Reads the log.
    #[n(1)]
    pub read: Capability,
    /// Appends to the log.
    #[n(2)]
    pub append: Capability,
}

impl GroupSecrets {
    /// Derives the three from 32 bytes of MLS exporter (label [`labels::GROUP`], empty context) of the epoch in which
    /// the group moved.
    #[must_use]
    pub fn derive(exporter: &Secret<32>) -> Self {
        Self {
            wrap: EntryKey::new(derive(exporter, labels::GROUP_WRAP)),
            read: Capability::new(derive(exporter, labels::GROUP_READ)),
            append: Capability::new(derive(exporter, labels::GROUP_APPEND)),
        }
    }

    /// A second holder of the same secrets, on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self { wrap: self.wrap.duplicate(), read: self.read.duplicate(), append: self.append.duplicate() }
    }
}
