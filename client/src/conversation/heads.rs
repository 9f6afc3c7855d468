//! Whether others see the log that we see (DESIGN 6, "Forks").

use relevo_protocol::content::{CarriedCheckpoint, GroupId, Message};
use relevo_protocol::wire::{Incarnation, SignedCheckpoint};

use super::desk::Desk;
use super::fault::ConversationFault;
use super::room::{AlarmKind, Room};
use crate::sync::{self, Notice, ReceivedEntry};
use crate::vault::conversations;

impl Desk<'_> {
    /// Compares what an author had seen when it wrote with what we have.
    pub(super) fn compare(
        &mut self,
        room: &Room,
        message: &Message,
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        let seen = &message.seen;
        let other_epoch = seen.authenticator != room.mls.epoch_authenticator().as_slice();
        let future = seen.incarnation == entry.incarnation && seen.sequence >= entry.sequence;
        let ours = sync::head_at(self.tx, &room.context.mailbox, seen.incarnation, seen.sequence)?;
        let other_head = ours.is_some_and(|head| head != seen.head);
        if other_epoch || future || other_head {
            self.alarm(&room.id, AlarmKind::Disagreement, &seen.sequence.0.to_be_bytes())?;
        }
        for carried in &message.carried {
            self.convict(carried)?;
        }
        Ok(())
    }

    /// A relay's signed word about a mailbox of ours that differs from what it gave us: proof of a lie.
    fn convict(&mut self, carried: &CarriedCheckpoint) -> Result<(), ConversationFault> {
        let Ok(checkpoint) = carried.checkpoint.verify(&carried.relay) else { return Ok(()) };
        let Some(place) = conversations::place(self.tx, &checkpoint.mailbox)? else { return Ok(()) };
        if carried.relay.fingerprint() != place.relay {
            return Ok(());
        }
        let ours = sync::head_at(self.tx, &checkpoint.mailbox, checkpoint.incarnation, checkpoint.sequence)?;
        if ours.is_some_and(|head| head != checkpoint.head) {
            self.alarm(&place.conversation, AlarmKind::Lie, &carried.checkpoint.statement)?;
        }
        Ok(())
    }

    /// Checkpoints of other conversations to carry into this one.
    pub(super) fn carried(&self, _room: &Room) -> Result<Vec<CarriedCheckpoint>, ConversationFault> {
        Ok(Vec::new())
    }

    /// The relay has signed where a mailbox of ours stands.
    pub(super) fn checkpointed(
        &mut self,
        _group: &GroupId,
        _checkpoint: &SignedCheckpoint,
    ) -> Result<(), ConversationFault> {
        Ok(())
    }

    /// Something happened to a conversation's mailbox besides entries.
    ///
    /// # Errors
    /// The vault's.
    pub fn noticed(&mut self, group: &GroupId, what: &Notice) -> Result<(), ConversationFault> {
        match what {
            Notice::Gap { from, .. } => self.alarm(group, AlarmKind::Gap, &from.0.to_be_bytes()),
            Notice::OtherIncarnation { before: Incarnation(before), .. } => {
                self.alarm(group, AlarmKind::Rollback, before)
            }
            Notice::ChainBroken { sequence } => self.alarm(group, AlarmKind::ChainBroken, &sequence.0.to_be_bytes()),
            Notice::Repeated { .. } | Notice::Frozen | Notice::Closed | Notice::Refused(_) => Ok(()),
        }
    }
}
