//! The secret of an invite or contact link, and what comes from it.

use super::derive::derive;
use super::entry::EntryKey;
use crate::labels;
use crate::secret::Secret;
use crate::wire::{Admission, Capability};

/// 32 random bytes in a link. Whoever holds them opens the code's mailbox as owner, once.
#[derive(Debug, PartialEq, Eq)]
pub struct CodeSecret(Secret<32>);

impl CodeSecret {
    /// Wraps 32 secret bytes.
    #[must_use]
    pub fn new(secret: Secret<32>) -> Self {
        Self(secret)
    }

    /// Draws a new secret from the operating system.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        Secret::random().map(Self)
    }

    /// The secret bytes, for the link and the vault.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// A second holder of the same secret, on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// *owner* of the code's mailbox, a personal one; [`Capability::mailbox`] names it.
    #[must_use]
    pub fn owner(&self) -> Capability {
        Capability::new(derive(&self.0, labels::CODE_OWNER))
    }

    /// Key of the mailbox's entry, for [`super::seal_code`] and [`super::open_code`].
    #[must_use]
    pub fn key(&self) -> EntryKey {
        EntryKey::new(derive(&self.0, labels::CODE_KEY))
    }

    /// The single-use admission that the inviter registers (`Call::Sponsor`) and the newcomer shows.
    #[must_use]
    pub fn admission(&self) -> Admission {
        Admission::new(derive(&self.0, labels::CODE_ADMISSION))
    }
}
