//! Who sits in a conversation, as somebody outside it can check, and where it is.

use relevo_protocol::content::GroupId;
use relevo_protocol::trust::{MemberKey, Proof, Signed};
use relevo_protocol::wire::RelayAddress;

use super::desk::Desk;
use super::fault::{CommitFault, ConversationFault};
use super::leaf::{self, Door};

impl Desk<'_> {
    /// The chain from the first charter to a member of a conversation: what its leaf shows, under the charters we have.
    ///
    /// # Errors
    /// [`ConversationFault::NoSuchMember`].
    pub fn proof_of(&mut self, group: &GroupId, member: &MemberKey) -> Result<Proof, ConversationFault> {
        let room = self.enter(group)?;
        let seat = room.seat_of(member).map(|seat| seat.leaf).ok_or(ConversationFault::NoSuchMember)?;
        let charter =
            self.charter(group, &room.context.pins.charter)?.ok_or(ConversationFault::Mls("the pinned charter"))?;
        let leaves = room.mls.treesync().full_leaves();
        let node = leaves.into_iter().find(|(index, _)| index.u32() == seat).map(|(_, node)| node);
        let node = node.ok_or(ConversationFault::NoSuchMember)?;
        let (checked, _) = leaf::check_node(node, Door::Tree(group), &charter)?;
        let refused = |_| ConversationFault::Commit(CommitFault::LeafState);
        let proof = Proof {
            charters: self.me.charters.iter().map(|(signed, _)| signed.clone()).collect(),
            card: Signed::decode(checked.card.bytes()).map_err(refused)?,
            device_set: Signed::decode(checked.devices.bytes()).map_err(refused)?,
        };
        self.keep(room)?;
        Ok(proof)
    }

    /// The relay that holds a conversation's mailbox now.
    ///
    /// # Errors
    /// [`ConversationFault::NoSuchConversation`].
    pub fn relay_of(&mut self, group: &GroupId) -> Result<RelayAddress, ConversationFault> {
        let room = self.enter(group)?;
        let relay = room.context.relay.duplicate();
        self.keep(room)?;
        Ok(relay)
    }
}
