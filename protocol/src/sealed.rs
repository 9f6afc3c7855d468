//! The seal: outer encryption and padding of every entry, so that a relay sees random bytes of six sizes. SPEC 10.
//!
//! Wrapping hides metadata. What is said in a group is confidential by MLS, inside; what lies in an inbox by X-Wing, here.

mod chunk;
mod code;
mod derive;
mod entry;
mod group;
mod inbox;
mod padding;
mod x25519;

pub use chunk::{DocumentKey, chunk_count, chunk_length, open_chunk, seal_chunk};
pub use code::CodeSecret;
pub use entry::{EntryKey, open, open_code, open_shelf, seal, seal_code, seal_shelf};
pub use group::GroupSecrets;
pub use inbox::{InboxKeyPair, InboxPublicKey, seal_to};
pub use x25519::SMALL_ORDER;

/// Why something does not seal or open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealFault {
    /// The body is longer than the largest entry takes.
    #[error("longer than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// Another key, another mailbox, or changed bytes.
    #[error("the seal does not open: another key, or the bytes were changed")]
    NotOurs,
    /// It opened, but what is inside breaks the format: the sender's fault, not the relay's.
    #[error("what was sealed is malformed")]
    Malformed,
    /// None of the keys given is the one that the entry was sealed to: rotated away, or never ours.
    #[error("sealed to a key that this device does not have")]
    UnknownKey,
    /// The public key is not one.
    #[error("the inbox key is damaged")]
    BadKey,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
}

impl From<getrandom::Error> for SealFault {
    fn from(_: getrandom::Error) -> Self {
        Self::Randomness
    }
}
