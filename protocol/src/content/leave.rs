//! Leaving a group: a signed request, which others carry out.

use core::fmt;

use minicbor::{Decode, Encode};

use crate::labels;
use crate::limits::MAX_LEAVE;
use crate::time::Timestamp;
use crate::trust::{Device, MemberKey, Object};

/// Names a conversation: the MLS group id, 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct GroupId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl GroupId {
    /// Draws a new id from the operating system.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        crate::random::fill(&mut id)?;
        Ok(Self(id))
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupId")
    }
}

/// A member's word that it wants out. Signed, since the commit that removes its leaf carries it for all to check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct LeaveRequest {
    /// The group to leave.
    #[n(0)]
    pub group: GroupId,
    /// Who leaves.
    #[n(1)]
    pub member: MemberKey,
    /// When it was asked, as the member claims.
    #[n(2)]
    pub asked: Timestamp,
}

impl Object for LeaveRequest {
    type Role = Device;
    const LABEL: &'static str = labels::LEAVE;
    const MAX: usize = MAX_LEAVE;
}
