//! Whether others see the log that we see (DESIGN 6, "Forks").

use relevo_protocol::content::{CarriedCheckpoint, GroupId, Message};
use relevo_protocol::limits::MAX_CARRIED;
use relevo_protocol::wire::{Call, Incarnation, SignedCheckpoint};

use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::room::{AlarmKind, Room, Standing};
use crate::sync::{self, Notice, ReceivedEntry};
use crate::vault::{checkpoints, conversations};

impl Desk<'_> {
    /// Compares what an author had seen when it wrote with what we have.
    pub(super) fn compare(
        &mut self,
        room: &Room,
        message: &Message,
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::HeadsUncompared) {
            return Ok(());
        }
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
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::HeadsUncompared) {
            return Ok(());
        }
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

    /// Checkpoints to carry into this conversation: of others whose mailboxes are on other relays and whose members
    /// include everybody here, so that nobody learns of a group that it is not in.
    pub(super) fn carried(&self, room: &Room) -> Result<Vec<CarriedCheckpoint>, ConversationFault> {
        let mut carried = Vec::new();
        for row in conversations::list(self.tx)? {
            let Some(kept) = checkpoints::find(self.tx, &row.id)? else { continue };
            let fresh = kept.carried_into != Some(room.id);
            if row.id == room.id || kept.relay.fingerprint() == room.context.relay.fingerprint || !fresh {
                continue;
            }
            let members = conversations::seats(self.tx, &row.id)?;
            if room.seats.iter().all(|seat| members.iter().any(|member| member.member == seat.member)) {
                carried.push(CarriedCheckpoint { relay: kept.relay, checkpoint: kept.checkpoint });
                checkpoints::carried(self.tx, &row.id, &room.id)?;
            }
            if carried.len() == MAX_CARRIED {
                break;
            }
        }
        Ok(carried)
    }

    /// The relay has signed where a mailbox of ours stands. A head that differs from what it gave us is a lie already;
    /// else the word is kept, to be carried where it may meet its contradiction.
    pub(super) fn checkpointed(
        &mut self,
        group: &GroupId,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(), ConversationFault> {
        let Some(row) = conversations::find(self.tx, group)? else { return Ok(()) };
        let Some(place) = conversations::place(self.tx, &row.mailbox)? else { return Ok(()) };
        let Some(relay) = sync::relay_identity(self.tx, &place.relay)? else { return Ok(()) };
        self.convict(&CarriedCheckpoint { relay, checkpoint: checkpoint.clone() })?;
        let sound = checkpoint.verify(&relay).is_ok_and(|word| word.mailbox == row.mailbox);
        if sound {
            checkpoints::put(self.tx, group, &relay, checkpoint)?;
        }
        Ok(())
    }

    /// Asks relays, once a day and conversation, to sign where its mailbox stands.
    pub(super) fn ask_checkpoints(&mut self) -> Result<(), ConversationFault> {
        for row in conversations::list(self.tx)?.into_iter().filter(|row| row.standing == Standing::Live) {
            if !checkpoints::is_due(self.tx, &row.id, self.now)? {
                continue;
            }
            if let Some(place) = conversations::place(self.tx, &row.mailbox)? {
                checkpoints::asked(self.tx, &row.id, self.now)?;
                let call = Call::Checkpoint { mailbox: place.mailbox, capability: place.secrets.read };
                let then = Awaited::Checkpoint { group: row.id };
                self.effects.push(Effect::Call { relay: place.relay, call, then });
            }
        }
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
