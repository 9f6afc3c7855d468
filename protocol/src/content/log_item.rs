//! What lies in a group's log, inside the seal.

use minicbor::{Decode, Encode};

use super::codec::{Opaque, at_most};
use crate::limits::MAX_RETURNED;
use crate::trust::{Charter, CoordinatorSet, MultiSigned, ObjectHash, RevocationList};

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
    /// A relay that was put back to an older copy is given again these commits, which others have followed: what was said before
    /// them since is late for those.
    #[n(2)]
    Returned {
        /// SHA-256 of the entry of each, at most [`MAX_RETURNED`].
        #[cbor(n(0), decode_with = "at_most::<_, _, MAX_RETURNED>")]
        commits: Vec<ObjectHash>,
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
