//! What is known not to hold, seen in what somebody does not have.

use relevo_protocol::content::GroupId;
use relevo_protocol::wire::MailboxId;

use super::{Model, View};

impl Model {
    /// Whether a relay that was put back has lost the move behind which one of two members reads a conversation, so that
    /// they read it in two places, or one was taken out in a log that the other had left.
    pub(super) fn parted(&self, group: &GroupId, one: &View, other: &View) -> bool {
        let (Some(here), Some(there)) = (one.logs.get(group), other.logs.get(group)) else { return false };
        let is_lost = |log: &MailboxId| self.lost.contains(log);
        let shared =
            if other.is_live(group) { here.all.union(&there.all).any(is_lost) } else { is_lost(&there.present) };
        here.present != there.present && shared
    }
}
