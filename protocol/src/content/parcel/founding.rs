//! Founding a union and putting it into a charter.

use minicbor::{Decode, Encode};

use crate::content::codec::at_most;
use crate::content::contact::ContactCard;
use crate::limits::{MAX_CHARTERS, MAX_CONTACTS};
use crate::trust::{Charter, Draft, MultiSigned, UnionEntry};
use crate::wire::MailboxId;

/// A union that asks to be put into a charter.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct UnionDraft {
    /// The code that it answers.
    #[n(0)]
    pub code: MailboxId,
    /// Its entry, with the first set signed by all its coordinators.
    #[n(1)]
    pub union: UnionEntry,
    /// Its coordinators, who will have to sign the charter; at most [`MAX_CONTACTS`].
    #[cbor(n(2), decode_with = "at_most::<_, _, MAX_CONTACTS>")]
    pub coordinators: Vec<ContactCard>,
}

/// A charter to be signed.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CharterDraft {
    /// What is to be signed.
    #[n(0)]
    pub draft: Draft<Charter>,
    /// The versions before it, from the first; none for the first.
    #[cbor(n(1), decode_with = "at_most::<_, _, MAX_CHARTERS>")]
    pub previous: Vec<MultiSigned<Charter>>,
}
