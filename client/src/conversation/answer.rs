//! What relays answer to our requests.

use openmls_traits::OpenMlsProvider;
use relevo_protocol::content::{GroupId, encode_secret};
use relevo_protocol::wire::{Answer, Call, Refusal};

use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::intention::Intention;
use super::room::{AlarmKind, MessageState};
use crate::vault::intentions;
use crate::vault::messages;

impl Desk<'_> {
    /// The last word about a request of ours.
    ///
    /// # Errors
    /// This device's own trouble.
    pub fn answered(&mut self, then: &Awaited, outcome: Result<&Answer, Refusal>) -> Result<(), ConversationFault> {
        match then {
            Awaited::Nothing => Ok(()),
            Awaited::KeyPackage { group, intention, member } => {
                let entry = match outcome {
                    Ok(Answer::Taken { entry, .. }) => Some(entry),
                    Ok(_) | Err(_) => None,
                };
                self.taken(group, *intention, member, entry)
            }
            Awaited::Commit { group, echo, reserve } => match outcome {
                // The echo decides; this only lets us notice that it does not come.
                Ok(Answer::Stored { sequence, .. }) => Ok(intentions::stored(self.tx, echo, sequence.0)?),
                // A frozen log has a move in it, which wins.
                Ok(_) | Err(Refusal::Frozen) => Ok(()),
                // An earlier attempt may have been stored, so the commit stays pending until the log shows a winner.
                Err(_) if *reserve => self.alarm(group, AlarmKind::NotMoved, echo),
                Err(_) => self.append_reserved(group, echo),
            },
            Awaited::Message { group, echo } => match outcome {
                // A frozen log has a move in it, behind which the message is sent again.
                Ok(_) | Err(Refusal::Frozen) => Ok(()),
                Err(_) => self.not_stored(group, echo),
            },
            Awaited::Moving { group, echo } => self.opened(group, echo, outcome.is_ok()),
            Awaited::Porch { group, mailbox } => self.porch_answered(group, mailbox, outcome.is_ok()),
            Awaited::Opening { group } => match outcome {
                Ok(_) => Ok(()),
                Err(_) => self.alarm(group, AlarmKind::NotMoved, &[]),
            },
            Awaited::Checkpoint { group, read, mailbox } => match outcome {
                Ok(Answer::Checkpointed { checkpoint }) => self.checkpointed(group, mailbox, read, checkpoint),
                Ok(_) | Err(_) => Ok(()),
            },
            Awaited::GivenBack { mailbox } => self.given_back(mailbox, outcome.is_ok()),
            Awaited::Standing { group, held, mailbox } => self.stands(group, *held, mailbox, outcome),
        }
    }

    /// A full mailbox keeps room for those who show *owner*: the same commit once more, as an administrator.
    fn append_reserved(&mut self, group: &GroupId, echo: &[u8; 32]) -> Result<(), ConversationFault> {
        let room = self.enter(group)?;
        let place = self.place(&room)?;
        let in_flight = intentions::in_flight(self.tx, group)?.filter(|row| row.echo == Some(*echo));
        match (in_flight.and_then(|row| row.commit), place.owner) {
            (Some(bytes), Some(owner)) => {
                let (relay, entry) = self.seal(&room, &bytes)?;
                let call = Call::Append { mailbox: place.mailbox, capability: owner, entry };
                let then = Awaited::Commit { group: *group, echo: *echo, reserve: true };
                self.effects.push(Effect::Call { relay, call, then });
            }
            _ => self.alarm(group, AlarmKind::NotMoved, echo)?,
        }
        self.keep(room)
    }

    /// The relay takes this message for good no more: said to its author.
    fn not_stored(&mut self, group: &GroupId, echo: &[u8; 32]) -> Result<(), ConversationFault> {
        match messages::by_echo(self.tx, echo)?.filter(|message| message.conversation == *group) {
            Some(message) => Ok(messages::set_state(self.tx, message.number, MessageState::NotSent)?),
            None => Ok(()),
        }
    }

    /// The mailbox to move to is open: now the commit that says so goes into the present one.
    fn opened(&mut self, group: &GroupId, echo: &[u8; 32], open: bool) -> Result<(), ConversationFault> {
        let mut room = self.enter(group)?;
        // A commit that has lost meanwhile is no longer in flight, and its mailbox is being closed.
        let Some(row) = intentions::in_flight(self.tx, group)?.filter(|row| row.echo == Some(*echo)) else {
            return self.keep(room);
        };
        if open {
            let bytes = row.commit.ok_or(ConversationFault::Mls("commit in flight"))?;
            let (_, entry) = self.seal(&room, &bytes)?;
            self.append(&room, entry, Awaited::Commit { group: *group, echo: *echo, reserve: false })?;
        } else {
            // Nothing of this commit has left, so it may go.
            room.mls.clear_pending_commit(self.provider().storage())?;
            let mut intention = Intention::of(&row)?;
            intention.set_owner(None);
            let body = encode_secret(&intention);
            intentions::lost(self.tx, row.number, &body, self.now.plus_seconds(3600))?;
            self.alarm(group, AlarmKind::NotMoved, &[])?;
            self.go_on(&mut room)?;
        }
        self.keep(room)
    }
}
