//! Whether others see the log that we see (DESIGN 6, "Forks").

use relevo_protocol::content::{CarriedCheckpoint, GroupId, Message};
use relevo_protocol::limits::MAX_CARRIED;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Call, Checkpoint, Cursor, Incarnation, MailboxId, Sequence, SignedCheckpoint};

use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::room::{AlarmKind, Room, Standing};
use crate::sync::{self, Notice, ReceivedEntry};
use crate::vault::checkpoints::{self, Conviction};
use crate::vault::conversations;
use crate::vault::intentions;

impl Desk<'_> {
    /// Compares what an author had seen when it wrote with what we have.
    pub(super) fn compare(
        &mut self,
        room: &Room,
        author: &MemberKey,
        message: &Message,
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::HeadsUncompared) {
            return Ok(());
        }
        let seen = &message.seen;
        let mailbox = &room.context.mailbox;
        let other_epoch = seen.authenticator != room.mls.epoch_authenticator().as_slice();
        let future = seen.incarnation == entry.incarnation && seen.sequence >= entry.sequence;
        // A life that we never heard of: the relay has opened another log for the author.
        let named = seen.sequence != Sequence::START && seen.incarnation != entry.incarnation;
        let other_life = named && !sync::knows_life(self.tx, mailbox, seen.incarnation)?;
        let ours = sync::head_at(self.tx, mailbox, seen.incarnation, seen.sequence)?;
        let other_head = ours.is_some_and(|head| head != seen.head);
        if other_epoch || future || other_life || other_head {
            self.accuse(&room.id, AlarmKind::Disagreement, author.as_bytes())?;
        }
        for carried in &message.carried {
            self.hold(carried)?;
        }
        Ok(())
    }

    /// A relay's signed word about a mailbox of ours. One that differs from what it gave us is proof of a lie, which is
    /// kept; one about entries that we have not read is held against what it gives us there.
    fn hold(&mut self, carried: &CarriedCheckpoint) -> Result<(), ConversationFault> {
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::HeadsUncompared) {
            return Ok(());
        }
        let Ok(word) = carried.checkpoint.verify(&carried.relay) else { return Ok(()) };
        let Some(place) = conversations::place(self.tx, &word.mailbox)? else { return Ok(()) };
        let Some(followed) = sync::following(self.tx, &word.mailbox)? else { return Ok(()) };
        if carried.relay.fingerprint() != place.relay {
            return Ok(());
        }
        let Checkpoint { mailbox, incarnation, sequence, head, .. } = word;
        let ours = sync::head_at(self.tx, &mailbox, incarnation, sequence)?;
        let kept = checkpoints::signed_at(self.tx, &mailbox, incarnation, sequence)?;
        let signed_twice =
            kept.as_ref().is_some_and(|kept| kept.verify(&carried.relay).is_ok_and(|ours| ours.head != head));
        let life = followed.cursor.incarnation;
        let other_life = life.is_some_and(|life| life != incarnation)
            && word.restored_from.is_none_or(|before| Some(before.incarnation) != life)
            && !sync::knows_life(self.tx, &mailbox, incarnation)?;
        if other_life {
            // It may have been restored more than once while we were away: then it will tell us so itself.
            return self.accuse(&place.conversation, AlarmKind::Rollback, &incarnation.0);
        }
        if signed_twice || ours.is_some_and(|ours| ours != head) {
            let conviction = Conviction {
                conversation: place.conversation,
                relay: carried.relay,
                word: carried.checkpoint.clone(),
                against: kept.filter(|_| signed_twice),
            };
            checkpoints::convict(self.tx, &conviction, self.now)?;
            self.accuse(&place.conversation, AlarmKind::Lie, &carried.checkpoint.statement)?;
        } else if life == Some(incarnation) && sequence > followed.cursor.after {
            sync::hold_to(self.tx, &mailbox, incarnation, sequence, head)?;
            checkpoints::put_signed(self.tx, &word, &carried.checkpoint)?;
        }
        Ok(())
    }

    /// Raises an alarm about a relay, and has the relay sign at once where the log stands: its word goes to those who may
    /// have been shown another one, so that a claim becomes a proof.
    fn accuse(&mut self, group: &GroupId, kind: AlarmKind, detail: &[u8]) -> Result<(), ConversationFault> {
        if intentions::alarm(self.tx, group, kind.code(), detail, self.now)? {
            checkpoints::ask_again(self.tx, group)?;
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
        mailbox: &MailboxId,
        read: &Cursor,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(), ConversationFault> {
        // It may have moved meanwhile.
        let row = conversations::find(self.tx, group)?.filter(|row| row.mailbox == *mailbox);
        let Some(row) = row else { return Ok(()) };
        let Some(place) = conversations::place(self.tx, &row.mailbox)? else { return Ok(()) };
        let Some(relay) = sync::relay_identity(self.tx, &place.relay)? else { return Ok(()) };
        let word = checkpoint.verify(&relay).ok().filter(|word| word.mailbox == row.mailbox);
        // Not signed, about something else, or older than what it had given us before it was asked.
        let older = |word: &Checkpoint| read.incarnation == Some(word.incarnation) && read.after > word.sequence;
        let Some(word) = word.filter(|word| !older(word)) else {
            return self.alarm(group, AlarmKind::ChainBroken, &checkpoint.signature);
        };
        self.hold(&CarriedCheckpoint { relay, checkpoint: checkpoint.clone() })?;
        checkpoints::put_signed(self.tx, &word, checkpoint)?;
        // What it signed for others, about places that we have read since.
        for signed in checkpoints::signed(self.tx, &row.mailbox)? {
            self.hold(&CarriedCheckpoint { relay, checkpoint: signed })?;
        }
        checkpoints::complete(self.tx, group, &relay, &word, checkpoint)?;
        Ok(checkpoints::put(self.tx, group, &relay, checkpoint)?)
    }

    /// Asks relays, once a day and conversation, to sign where its mailbox stands.
    pub(super) fn ask_checkpoints(&mut self) -> Result<(), ConversationFault> {
        for group in checkpoints::due(self.tx, self.now)? {
            let Some(row) = conversations::find(self.tx, &group)? else { continue };
            if let Some(place) = conversations::place(self.tx, &row.mailbox)? {
                checkpoints::asked(self.tx, &row.id, self.now)?;
                let call = Call::Checkpoint { mailbox: place.mailbox, capability: place.secrets.read };
                let read = sync::following(self.tx, &row.mailbox)?.map(|followed| followed.cursor);
                let read = read.unwrap_or(Cursor { incarnation: None, after: Sequence::START });
                let then = Awaited::Checkpoint { group: row.id, read, mailbox: place.mailbox };
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
        let live = conversations::find(self.tx, group)?.is_some_and(|row| row.standing == Standing::Live);
        match what {
            Notice::Gap { from, .. } => self.alarm(group, AlarmKind::Gap, &from.0.to_be_bytes()),
            Notice::OtherIncarnation { before: Incarnation(before), .. } => {
                self.alarm(group, AlarmKind::Rollback, before)
            }
            Notice::ChainBroken { sequence } => self.accuse(group, AlarmKind::ChainBroken, &sequence.0.to_be_bytes()),
            Notice::Withheld { sequence } => self.alarm(group, AlarmKind::Withheld, &sequence.0.to_be_bytes()),
            Notice::Damaged { sequence } => self.alarm(group, AlarmKind::Damaged, &sequence.0.to_be_bytes()),
            // Whoever moves the group freezes its log behind the move, which we would have read, unless it has expired.
            Notice::Frozen if live && !intentions::has_alarm(self.tx, group, AlarmKind::Gap.code())? => {
                self.alarm(group, AlarmKind::Frozen, &[])
            }
            Notice::Closed | Notice::Refused(_) if live => self.alarm(group, AlarmKind::Closed, &[]),
            Notice::Repeated { .. } | Notice::Frozen | Notice::Closed | Notice::Refused(_) => Ok(()),
        }
    }
}
