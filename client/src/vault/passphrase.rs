//! What a person types to open the vault.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

/// A passphrase: wiped on drop, never printed, and the same however a keyboard composes its accents (NFKC).
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes what was typed, without its line ending, and wipes it.
    #[must_use]
    pub fn new(mut typed: String) -> Self {
        // Room for every composition, so that growing leaves no copy behind: NFKC expands to 11 times the bytes at most.
        let mut composed = Zeroizing::new(String::with_capacity(typed.len().saturating_mul(11)));
        composed.extend(typed.nfkc());
        typed.zeroize();
        Self(composed)
    }

    /// Whether nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}
