//! Whether a commit is valid: a pure function of its content, the tree before it and the group context (DESIGN 7).
//!
//! No clock, no expiry, no list newer than the pins: members with different clocks would fork for ever. Authors run the
//! same function before they append and again at the echo.

use relevo_protocol::trust::{MemberKey, PolicyVersion};

use super::context::{Context, Kind};
use super::fault::CommitFault;
use super::suite::{MAX_ADDS, MAX_LEAVES};

/// One leaf of the tree before the commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    /// Index of the leaf.
    pub(crate) index: u32,
    /// Whose leaf.
    pub(crate) member: MemberKey,
    /// Epoch of the commit that wrote it.
    pub(crate) committed_at: Option<u64>,
    /// Newest policy version that its program can follow.
    pub(crate) policy: PolicyVersion,
}

/// A commit in the terms of this function. Every leaf in it has been checked already, with its signature key.
#[derive(Debug)]
pub(crate) struct Proposed {
    /// Epoch in which it was made.
    pub(crate) epoch: u64,
    /// Leaf that made it.
    pub(crate) committer: u32,
    /// The leaf of its path, if it has one.
    pub(crate) path: Option<Seat>,
    /// Members added, with the policy each can follow.
    pub(crate) adds: Vec<(MemberKey, PolicyVersion)>,
    /// Leaves removed.
    pub(crate) removes: Vec<u32>,
    /// Whether it holds a proposal of another kind.
    pub(crate) foreign: bool,
    /// The context after it; none when it leaves the context as it is.
    pub(crate) context: Option<Context>,
    /// Whether every object that `context` pins newly is earlier in the log.
    pub(crate) pinned: bool,
}

/// What a valid commit does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Effect {
    /// It adds somebody.
    pub(crate) adds: bool,
    /// It moves the group to another mailbox.
    pub(crate) moves: bool,
}

/// Decides.
pub(crate) fn validity(commit: &Proposed, before: &Context, tree: &[Seat]) -> Result<Effect, CommitFault> {
    let committer = tree.iter().find(|seat| seat.index == commit.committer).ok_or(CommitFault::PathLeaf)?;
    if commit.foreign {
        return Err(CommitFault::Proposal);
    }
    let own_leaf_only = commit.adds.is_empty() && commit.removes.is_empty() && commit.context.is_none();
    if !own_leaf_only && !before.is_administrator(&committer.member) {
        return Err(CommitFault::NotAdministrator);
    }
    path(commit, committer, own_leaf_only)?;
    if own_leaf_only {
        own_leaf_limit(commit.epoch, before, tree, &committer.member)?;
        return Ok(Effect { adds: false, moves: false });
    }
    let after = members_after(commit, tree)?;
    if before.kind == Kind::Pair && (after.len() > 2 || !commit.removes.is_empty()) {
        return Err(CommitFault::Pair);
    }
    let context = commit.context.as_ref().unwrap_or(before);
    administrators(context, &after)?;
    let moves = change(commit, before, context, &after)?;
    // An administrator who was named but never joined is not demoted.
    let demotes =
        tree.iter().any(|seat| before.is_administrator(&seat.member) && !context.is_administrator(&seat.member));
    if (demotes || !commit.removes.is_empty()) && !moves {
        return Err(CommitFault::MustMove);
    }
    Ok(Effect { adds: !commit.adds.is_empty(), moves })
}

/// Epochs that a member waits between two updates of its own leaf, so that nobody can block a removal by winning every
/// epoch.
pub(crate) fn own_leaf_pause(before: &Context, members: usize) -> u64 {
    let others = members.saturating_sub(before.administrators.len());
    u64::try_from(others.saturating_sub(1).clamp(1, 8)).unwrap_or(8)
}

/// Whether a member may update its own leaf in `epoch`.
pub(crate) fn own_leaf_limit(
    epoch: u64,
    before: &Context,
    tree: &[Seat],
    member: &MemberKey,
) -> Result<(), CommitFault> {
    let since = epoch.saturating_sub(own_leaf_pause(before, tree.len()));
    let recent = |seat: &Seat| seat.member == *member && seat.committed_at.is_some_and(|at| at >= since);
    if tree.iter().any(recent) { Err(CommitFault::TooEarly) } else { Ok(()) }
}

fn path(commit: &Proposed, committer: &Seat, own_leaf_only: bool) -> Result<(), CommitFault> {
    match &commit.path {
        Some(leaf) if leaf.member != committer.member || leaf.committed_at != Some(commit.epoch) => {
            Err(CommitFault::PathLeaf)
        }
        None if own_leaf_only || !commit.removes.is_empty() => Err(CommitFault::NoPath),
        Some(_) | None => Ok(()),
    }
}

fn members_after(commit: &Proposed, tree: &[Seat]) -> Result<Vec<(MemberKey, PolicyVersion)>, CommitFault> {
    if !commit.adds.is_empty() && !commit.removes.is_empty() {
        return Err(CommitFault::AddAndRemove);
    }
    if commit.adds.len() > MAX_ADDS {
        return Err(CommitFault::TooManyAdds);
    }
    let stays = tree.iter().filter(|seat| !commit.removes.contains(&seat.index));
    let mut after: Vec<(MemberKey, PolicyVersion)> =
        stays.map(|seat| (seat.member, seat.policy)).chain(commit.adds.iter().copied()).collect();
    if after.len() > MAX_LEAVES {
        return Err(CommitFault::TooManyLeaves);
    }
    let all = after.len();
    after.sort_by_key(|(member, _)| *member);
    after.dedup_by_key(|(member, _)| *member);
    if after.len() == all { Ok(after) } else { Err(CommitFault::Twice) }
}

fn administrators(context: &Context, after: &[(MemberKey, PolicyVersion)]) -> Result<(), CommitFault> {
    let list = &context.administrators;
    let members = list.iter().all(|administrator| after.iter().any(|(member, _)| member == administrator));
    let needed = match context.kind {
        Kind::Pair => after.len(),
        Kind::Group if after.len() > 2 => 2,
        Kind::Group => 1,
    };
    let rising = list.is_sorted_by(|one, next| one < next);
    if members && rising && list.len() >= needed { Ok(()) } else { Err(CommitFault::Administrators) }
}

/// Whether the context moves the group, if it changes only as it may.
fn change(
    commit: &Proposed,
    before: &Context,
    after: &Context,
    members: &[(MemberKey, PolicyVersion)],
) -> Result<bool, CommitFault> {
    let policy = after.pins.policy;
    let followed = members.iter().all(|(_, can)| *can >= policy);
    let same = after.kind == before.kind && after.continues == before.continues;
    if (policy > before.pins.policy && !followed) || !same {
        return Err(CommitFault::ContextChange);
    }
    before.pins.never_decreases(&after.pins).map_err(|_| CommitFault::ContextChange)?;
    if !commit.pinned {
        return Err(CommitFault::Unpinned);
    }
    let moves = before.mailbox != after.mailbox;
    if !moves && before.relay != after.relay {
        return Err(CommitFault::SameMailbox);
    }
    Ok(moves)
}

#[cfg(test)]
mod tests;
