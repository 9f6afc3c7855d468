//! What lies in a group's log, inside the seal.

use minicbor::{Decode, Encode};

use super::codec::Opaque;
use crate::trust::{Charter, CoordinatorSet, MultiSigned, RevocationList};

/// Plaintext of one entry of a group's log.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum LogItem {
    /// An MLSMessage (RFC 9420, 6): a commit or an application message, as PrivateMessage.
    #[n(0)]
    Mls {
        /// The message.
        #[n(0)]
        message: Opaque,
    },
    /// An object that a later commit pins. Sealed by the wrap key alone: it is signed, and no secret.
    #[n(1)]
    Pinned {
        /// The object.
        #[n(0)]
        object: PinnedObject,
    },
}

/// A signed object that a group pins by (number, hash).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum PinnedObject {
    /// A version of the charter.
    #[n(0)]
    Charter {
        /// With its signatures.
        #[n(0)]
        charter: MultiSigned<Charter>,
    },
    /// A union's coordinator set.
    #[n(1)]
    CoordinatorSet {
        /// With its signatures.
        #[n(0)]
        set: MultiSigned<CoordinatorSet>,
    },
    /// A union's revocation list.
    #[n(2)]
    RevocationList {
        /// With its signatures.
        #[n(0)]
        list: MultiSigned<RevocationList>,
    },
}
