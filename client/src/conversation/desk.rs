//! Where the verbs of this module are called: one transaction, who we are, what time it is, and what is to be sent.

use std::collections::HashMap;
use std::fmt;

use openmls::group::{GroupId as MlsGroupId, MlsGroup};
use relevo_protocol::content::GroupId;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{Card, Charter, DeviceSecret, DeviceSet, MemberKey, MultiSigned, Pin, Signed, Verified};
use relevo_protocol::wire::{MailboxId, RelayAddress};

use super::context::Context;
use super::effect::Effect;
use super::fault::ConversationFault;
use super::refound::SETTLED;
use super::room::{AlarmKind, Room, Standing};
use super::signer::LeafSigner;
use crate::sync::{self, Topic};
use crate::vault::{MlsProvider, Transaction, conversations, intentions};

/// Groups kept in memory at once.
const MAX_ROOMS: usize = 16;

/// Who we are, as conversations need it.
#[derive(Debug)]
pub struct Me {
    /// Our member key.
    pub member: MemberKey,
    /// The key of this device.
    pub device: DeviceSecret,
    /// Our card.
    pub card: Signed<Card>,
    /// Our devices.
    pub devices: Signed<DeviceSet>,
    /// All versions of the charter, the first one first, each verified with the one before.
    pub charters: Vec<(MultiSigned<Charter>, Verified<Charter>)>,
}

impl Me {
    /// The newest charter.
    pub(crate) fn charter(&self) -> Result<&Verified<Charter>, ConversationFault> {
        self.charters.last().map(|(_, verified)| verified).ok_or(ConversationFault::NotIn)
    }
}

/// Groups as they lie in memory between transactions, so that a batch of entries loads its group once.
///
/// Each is valid only while the vault holds the stamp that it was kept with: after a rollback the group is loaded again.
#[derive(Default)]
pub struct Rooms(HashMap<GroupId, (u64, MlsGroup)>);

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rooms")
    }
}

/// The verbs. One desk serves one transaction.
pub struct Desk<'a> {
    pub(super) tx: &'a Transaction<'a>,
    pub(super) me: &'a Me,
    pub(super) now: Timestamp,
    pub(super) effects: Vec<Effect>,
    rooms: &'a mut Rooms,
}

impl<'a> Desk<'a> {
    /// A desk whose effects the caller carries out in the same transaction.
    #[must_use]
    pub fn new(tx: &'a Transaction<'a>, me: &'a Me, rooms: &'a mut Rooms, now: Timestamp) -> Self {
        Self { tx, me, now, effects: Vec::new(), rooms }
    }

    /// What is to be sent, in order.
    #[must_use]
    pub fn into_effects(self) -> Vec<Effect> {
        self.effects
    }

    /// openmls's provider on this transaction.
    pub(super) fn provider(&self) -> MlsProvider<'a> {
        MlsProvider::new(self.tx)
    }

    /// Takes a group out to work on it. Put it back with [`Desk::keep`]; a room that is dropped is loaded again.
    pub(super) fn enter(&mut self, id: &GroupId) -> Result<Room, ConversationFault> {
        let row = conversations::find(self.tx, id)?.ok_or(ConversationFault::NoSuchConversation)?;
        let kept = self.rooms.0.remove(id).filter(|(stamp, _)| *stamp == row.stamp);
        let mls = match kept {
            Some((_, mls)) => mls,
            None => {
                let storage = crate::vault::MlsStorage::new(self.tx);
                MlsGroup::load(&storage, &MlsGroupId::from_slice(&id.0))?
                    .ok_or(ConversationFault::Mls("no such group"))?
            }
        };
        let context = Context::of(mls.extensions())?;
        let seats = conversations::seats(self.tx, id)?;
        Ok(Room { id: *id, mls, row, context, seats })
    }

    /// As [`Desk::enter`], for verbs that need a conversation in which one can act.
    pub(super) fn enter_live(&mut self, id: &GroupId) -> Result<Room, ConversationFault> {
        let room = self.enter(id)?;
        match room.row.standing {
            Standing::Live => Ok(room),
            Standing::Halted => Err(ConversationFault::Halted),
            Standing::Left | Standing::Behind => Err(ConversationFault::NotIn),
        }
    }

    /// As [`Desk::enter_live`], for verbs of a conversation that goes on here and in no other one.
    pub(super) fn enter_present(&mut self, id: &GroupId) -> Result<Room, ConversationFault> {
        let row = conversations::find(self.tx, id)?;
        if row.is_some_and(|row| row.successor.is_some()) {
            return Err(ConversationFault::GoesOnElsewhere);
        }
        self.enter_live(id)
    }

    /// Writes the row and keeps the group.
    pub(super) fn keep(&mut self, mut room: Room) -> Result<(), ConversationFault> {
        room.row.stamp = room.row.stamp.saturating_add(1);
        room.row.epoch = room.mls.epoch().as_u64();
        conversations::put(self.tx, &room.row)?;
        if self.rooms.0.len() >= MAX_ROOMS {
            self.rooms.0.clear();
        }
        self.rooms.0.insert(room.id, (room.row.stamp, room.mls));
        Ok(())
    }

    /// The key that signs in our leaf.
    pub(super) fn signer(&self, room: &Room) -> Result<LeafSigner, ConversationFault> {
        let leaf = room.mls.own_leaf().ok_or(ConversationFault::NotIn)?;
        let key = leaf.signature_key().as_slice().try_into().map_err(|_| ConversationFault::Mls("own leaf"))?;
        let secret = conversations::leaf_secret(self.tx, &key)?.ok_or(ConversationFault::Mls("own leaf's key"))?;
        Ok(LeafSigner::new(Secret::new(secret)))
    }

    /// The charter that a pin names, if we or the conversation's log have it.
    pub(super) fn charter(&self, group: &GroupId, pin: &Pin) -> Result<Option<Verified<Charter>>, ConversationFault> {
        if let Some(known) = self.own_charter(pin) {
            return Ok(Some(known.clone()));
        }
        Ok(self.charter_among(pin, &conversations::pinned_charters(self.tx, group)?))
    }

    /// The charter that a pin names, ours or one that follows ours.
    pub(super) fn charter_among(&self, pin: &Pin, carried: &[MultiSigned<Charter>]) -> Option<Verified<Charter>> {
        if let Some(known) = self.own_charter(pin) {
            return Some(known.clone());
        }
        self.following_charters(carried).find(|charter| charter.hash() == pin.hash)
    }

    /// Our newest charter and those that follow it among what somebody carried.
    pub(super) fn following_charters(
        &self,
        carried: &[MultiSigned<Charter>],
    ) -> impl Iterator<Item = Verified<Charter>> {
        following(self.me.charters.last().map(|(_, verified)| verified.clone()), carried)
    }

    /// Whether a mailbox belongs to nobody but this conversation: one that names our inbox or the log of another
    /// conversation as its own would have us read it no more.
    pub(super) fn is_free(&self, group: &GroupId, mailbox: &MailboxId) -> Result<bool, ConversationFault> {
        let place = conversations::place(self.tx, mailbox)?;
        let followed = sync::following(self.tx, mailbox)?;
        Ok(place.is_none_or(|place| place.conversation == *group)
            && followed.is_none_or(|row| row.topic == Topic::Conversation && row.key == group.0))
    }

    fn own_charter(&self, pin: &Pin) -> Option<&Verified<Charter>> {
        self.me.charters.iter().map(|(_, verified)| verified).find(|charter| charter.hash() == pin.hash)
    }

    pub(super) fn alarm(&self, group: &GroupId, kind: AlarmKind, detail: &[u8]) -> Result<(), ConversationFault> {
        let over = |row: conversations::ConversationRow| row.successor.is_some();
        if SETTLED.contains(&kind) && conversations::find(self.tx, group)?.is_some_and(over) {
            return Ok(());
        }
        intentions::alarm(self.tx, group, kind.code(), detail, self.now)?;
        Ok(())
    }
}

impl fmt::Debug for Desk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

/// Whether a charter names a relay: conversations live at no other.
pub(super) fn names(charter: &Charter, relay: &RelayAddress) -> bool {
    charter.unions.iter().flat_map(|union| &union.relays).any(|known| known.fingerprint == relay.fingerprint)
}

/// A charter and those that follow it among others.
pub(super) fn following(
    first: Option<Verified<Charter>>,
    others: &[MultiSigned<Charter>],
) -> impl Iterator<Item = Verified<Charter>> {
    core::iter::successors(first, |previous| {
        others.iter().find_map(|signed| Charter::verify_amendment(signed, previous).ok())
    })
}
