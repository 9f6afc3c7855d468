//! From MLS's staged commit to the terms of [`super::validity`], through the check of every leaf in it.

use openmls::group::StagedCommit;
use openmls::prelude::{LeafNodeIndex, ProposalType, Sender};
use relevo_protocol::trust::{Charter, LeafFault, Pins, Verified};

use super::context::Context;
use super::desk::{Desk, names};
use super::fault::{CommitFault, ConversationFault};
use super::leaf::{self, Door};
use super::room::Room;
use super::suite::{CONTEXT_EXTENSION, required};
use super::validity::{Effect, Proposed, validity};
use crate::vault::conversations::{self, SeatRow};

/// A valid commit.
pub(crate) struct Judged {
    pub(crate) effect: Effect,
    /// Leaves that the commit writes: adds without a place yet (leaf 0), and the path's.
    pub(crate) leaves: Vec<SeatRow>,
}

impl Desk<'_> {
    /// Decides about a commit of `committer`, ours before it is appended and at its echo, theirs when it comes. The
    /// outer result is this device's trouble, the inner one the commit's.
    pub(super) fn judge(
        &self,
        room: &Room,
        staged: &StagedCommit,
        committer: LeafNodeIndex,
    ) -> Result<Result<Judged, CommitFault>, ConversationFault> {
        let context = match self.context_after(room, staged) {
            Ok(context) => context,
            Err(fault) => return Ok(Err(fault)),
        };
        let after = context.as_ref().unwrap_or(&room.context);
        let Some(charter) = self.charter(&room.id, &after.pins.charter)? else {
            return Ok(Err(CommitFault::Unpinned));
        };
        if context.as_ref().is_some_and(|next| next.relay != room.context.relay && !names(&charter, &next.relay)) {
            return Ok(Err(CommitFault::ContextChange));
        }
        let pinned = match &context {
            Some(context) if context.pins != room.context.pins => {
                let consistent = context.pins == Pins { policy: context.pins.policy, ..Pins::of(&charter) };
                consistent && conversations::is_pinned(self.tx, &room.id, &context.pins.charter.hash)?
            }
            Some(_) | None => true,
        };
        let parts = match parts(room, staged, committer, &charter) {
            Ok(parts) => parts,
            Err(fault) => return Ok(Err(fault)),
        };
        let proposed = Proposed { context, pinned, ..parts.proposed };
        let effect = validity(&proposed, &room.context, &room.tree());
        Ok(effect.map(|effect| Judged { effect, leaves: parts.leaves }))
    }

    /// The context after the commit, if the commit replaces it; nothing else in the extensions may change.
    fn context_after(&self, room: &Room, staged: &StagedCommit) -> Result<Option<Context>, CommitFault> {
        let after = staged.group_context().extensions();
        if after == room.mls.extensions() {
            return Ok(None);
        }
        let ours = after.contains(openmls::prelude::ExtensionType::Unknown(CONTEXT_EXTENSION));
        if !ours || after.iter().count() != 2 || !after.iter().any(|extension| *extension == required()) {
            return Err(CommitFault::ContextChange);
        }
        Context::of(after).map(Some)
    }
}

struct Parts {
    proposed: Proposed,
    leaves: Vec<SeatRow>,
}

fn parts(
    room: &Room,
    staged: &StagedCommit,
    committer: LeafNodeIndex,
    charter: &Verified<Charter>,
) -> Result<Parts, CommitFault> {
    let mut leaves = Vec::new();
    let mut adds = Vec::new();
    for add in staged.add_proposals() {
        let package = add.add_proposal().key_package();
        let (checked, state) = leaf::check_key_package(package, charter)?;
        adds.push((checked.member, state.policy));
        leaves.push(leaf::seat(0, &checked, state));
    }
    let path = match staged.update_path_leaf_node() {
        Some(node) => {
            let (checked, state) = leaf::check_node(node, Door::Path(&room.id), charter)?;
            let row = leaf::seat(committer.u32(), &checked, state);
            let before = room.seat(committer.u32()).ok_or(CommitFault::PathLeaf)?;
            may_replace(&row, before)?;
            let seat = row.seat();
            leaves.push(row);
            Some(seat)
        }
        None => None,
    };
    let removes = staged.remove_proposals().map(|remove| remove.remove_proposal().removed().u32()).collect();
    // Proposals by reference, or by somebody else, have no place in a commit here.
    let taken = [ProposalType::Add, ProposalType::Remove, ProposalType::GroupContextExtensions];
    let foreign = staged.queued_proposals().any(|queued| {
        !taken.contains(&queued.proposal().proposal_type()) || *queued.sender() != Sender::Member(committer)
    });
    let epoch = room.mls.epoch().as_u64();
    let proposed =
        Proposed { epoch, committer: committer.u32(), path, adds, removes, foreign, context: None, pinned: true };
    Ok(Parts { proposed, leaves })
}

/// As `VerifiedLeaf::may_replace`, against what the vault keeps of the leaf before.
fn may_replace(new: &SeatRow, before: &SeatRow) -> Result<(), CommitFault> {
    if (new.member, new.device) != (before.member, before.device) {
        return Err(CommitFault::Leaf(LeafFault::OtherMember));
    }
    let newer = new.serial > before.serial || (new.serial == before.serial && new.key == before.key);
    if newer && new.devices >= before.devices { Ok(()) } else { Err(CommitFault::Leaf(LeafFault::Older)) }
}

/// The seats of the tree as it is after a merge: leaves that the commit wrote as they were checked, others as they were.
pub(crate) fn seats_after(room: &Room, written: &[SeatRow]) -> Result<Vec<SeatRow>, ConversationFault> {
    let mut seats = Vec::new();
    for (index, node) in room.mls.treesync().full_leaves() {
        let key = node.signature_key().as_slice();
        let state = super::context::LeafState::of(node)?;
        let known = written.iter().chain(&room.seats).find(|seat| seat.key == key);
        let known = known.ok_or(ConversationFault::Mls("a leaf that nobody checked"))?;
        seats.push(SeatRow {
            leaf: index.u32(),
            committed_at: state.committed_at,
            policy: state.policy,
            ..known.clone()
        });
    }
    Ok(seats)
}
