//! The secret of an invite or contact link, and what comes from it.

use super::derive::derive;
use super::entry::EntryKey;
use crate::labels;
use crate::secret::named_secret;
use crate::wire::{Admission, Capability};

named_secret! {
    /// 32 random bytes in a link. Whoever holds them opens the code's mailbox as owner, once.
    CodeSecret, 32
}

impl CodeSecret {
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
