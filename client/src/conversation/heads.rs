//! Whether others see the log that we see (DESIGN 6, "Forks").

use relevo_protocol::content::{CarriedCheckpoint, GroupId, Message};
use relevo_protocol::limits::MAX_CARRIED;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Call, Checkpoint, Cursor, Incarnation, MailboxId, Sequence, SignedCheckpoint};

use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::room::{AlarmKind, Room, Standing};
use crate::sync::{self, Held, Notice, ReceivedEntry, Told};
use crate::vault::checkpoints::{self, Conviction};
use crate::vault::conversations;
use crate::vault::followed;
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
        let mut other_life = named && !sync::knows_life(self.tx, mailbox, seen.incarnation)?;
        if other_life && self.has_been_put_back(mailbox)? {
            // It had that life while we were away, perhaps: the relay has gone back, which nobody but it is to blame for.
            self.alarm(&room.id, AlarmKind::Rollback, &seen.incarnation.0)?;
            other_life = false;
        }
        let ours = sync::head_at(self.tx, mailbox, seen.incarnation, seen.sequence)?;
        let other_head = ours.is_some_and(|head| head != seen.head);
        if other_epoch || future || other_life || other_head {
            // Where what we have is a member's word too, that member disagrees with the author.
            let told = other_head && sync::told(self.tx, mailbox)? != Told::Nothing;
            let welcomer = conversations::welcomer(self.tx, mailbox)?.filter(|_| told);
            let who = welcomer.as_ref().unwrap_or(author).as_bytes();
            let place: [&[u8]; 3] = [who, &seen.incarnation.0, &seen.sequence.0.to_be_bytes()];
            self.accuse(&room.id, AlarmKind::Disagreement, &place.concat())?;
        }
        for carried in &message.carried {
            self.hold_and_ask(carried)?;
        }
        Ok(())
    }

    /// A place of a log has been read of which the relay may have signed a word before: it needs nothing more of the
    /// relay to convict it.
    pub(super) fn hold_read(
        &mut self,
        mailbox: &MailboxId,
        incarnation: Incarnation,
        sequence: Sequence,
    ) -> Result<(), ConversationFault> {
        let Some(checkpoint) = checkpoints::signed_at(self.tx, mailbox, incarnation, sequence)? else { return Ok(()) };
        let Some(place) = conversations::place(self.tx, mailbox)? else { return Ok(()) };
        match sync::relay_identity(self.tx, &place.relay)? {
            Some(relay) => self.hold_and_ask(&CarriedCheckpoint { relay, checkpoint }),
            None => Ok(()),
        }
    }

    /// A word that has come from others: where it accuses somebody, the relay is asked for another at once.
    pub(super) fn hold_and_ask(&mut self, carried: &CarriedCheckpoint) -> Result<(), ConversationFault> {
        match self.hold(carried)? {
            Some(group) => Ok(checkpoints::ask_again(self.tx, &group)?),
            None => Ok(()),
        }
    }

    /// A relay's signed word about a mailbox of ours. One that differs from what it gave us, or answered us with, is proof
    /// of a lie, which is kept; one about entries that we have not read is held against what it gives us there. Gives the
    /// conversation whose log it is, if it accuses anybody.
    fn hold(&mut self, carried: &CarriedCheckpoint) -> Result<Option<GroupId>, ConversationFault> {
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::HeadsUncompared) {
            return Ok(None);
        }
        let Ok(word) = carried.checkpoint.verify(&carried.relay) else { return Ok(None) };
        let Some(place) = conversations::place(self.tx, &word.mailbox)? else { return Ok(None) };
        if carried.relay.fingerprint() != place.relay {
            return Ok(None);
        }
        let group = place.conversation;
        let Checkpoint { mailbox, incarnation, sequence, head, .. } = word;
        let kept = checkpoints::signed_at(self.tx, &mailbox, incarnation, sequence)?;
        let signed_twice =
            kept.as_ref().is_some_and(|kept| kept.verify(&carried.relay).is_ok_and(|ours| ours.head != head));
        // None of a log that we have left, of which only what we read is compared.
        let cursor = sync::following(self.tx, &mailbox)?.map(|followed| followed.cursor);
        let life = cursor.and_then(|cursor| cursor.incarnation);
        let other_life = life.is_some_and(|life| life != incarnation)
            && word.restored_from.is_none_or(|before| Some(before.incarnation) != life)
            && !sync::knows_life(self.tx, &mailbox, incarnation)?;
        if other_life {
            // It may have been restored more than once while we were away: then it will tell us so itself. Of a life that
            // only a member named, it will too.
            if sync::told(self.tx, &mailbox)? == Told::Place {
                return Ok(None);
            }
            self.alarm(&group, AlarmKind::Rollback, &incarnation.0)?;
            return Ok(Some(group));
        }
        let held = sync::hold(self.tx, &mailbox, incarnation, sequence, head)?;
        let mut accused = false;
        if held == Held::OtherThanTold {
            self.told_otherwise(&group, &mailbox)?;
            accused = true;
        }
        let ahead =
            held == Held::Unread && life == Some(incarnation) && cursor.is_some_and(|cursor| sequence > cursor.after);
        let answered = if ahead { sync::hold_to(self.tx, &mailbox, incarnation, sequence, head)? } else { None };
        if signed_twice || held == Held::Other || answered.is_some_and(|answered| answered != head) {
            let conviction = Conviction {
                conversation: group,
                relay: carried.relay,
                word: carried.checkpoint.clone(),
                against: kept.filter(|_| signed_twice),
            };
            checkpoints::convict(self.tx, &conviction, self.now)?;
            self.alarm(&group, AlarmKind::Lie, &carried.checkpoint.statement)?;
            accused = true;
        }
        checkpoints::put_signed(self.tx, &word, &carried.checkpoint, self.now)?;
        Ok(accused.then_some(group))
    }

    /// A relay has another log than the member who welcomed us told of: one of the two is wrong, and nothing proves which.
    fn told_otherwise(&self, group: &GroupId, mailbox: &MailboxId) -> Result<(), ConversationFault> {
        match conversations::welcomer(self.tx, mailbox)? {
            Some(member) => self.alarm(group, AlarmKind::Disagreement, &[&member.as_bytes()[..], &mailbox.0].concat()),
            None => self.alarm(group, AlarmKind::ChainBroken, &mailbox.0),
        }
    }

    /// Raises an alarm about a relay, and has the relay sign at once where the log stands: its word goes to those who may
    /// have been shown another one, so that a claim becomes a proof.
    fn accuse(&mut self, group: &GroupId, kind: AlarmKind, detail: &[u8]) -> Result<(), ConversationFault> {
        self.alarm(group, kind, detail)?;
        Ok(checkpoints::ask_again(self.tx, group)?)
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
        // It may have moved meanwhile, perhaps for what this word proves.
        let place = conversations::place(self.tx, mailbox)?.filter(|place| place.conversation == *group);
        let Some(place) = place else { return Ok(()) };
        let Some(relay) = sync::relay_identity(self.tx, &place.relay)? else { return Ok(()) };
        let word = checkpoint.verify(&relay).ok().filter(|word| word.mailbox == *mailbox);
        // Not signed, about something else, or older than what it had given us before it was asked.
        let older = |word: &Checkpoint| read.incarnation == Some(word.incarnation) && read.after > word.sequence;
        let Some(word) = word.filter(|word| !older(word)) else {
            return self.alarm(group, AlarmKind::ChainBroken, &checkpoint.signature);
        };
        // It has just been asked: to ask again, because of what it answered, would never end.
        self.hold(&CarriedCheckpoint { relay, checkpoint: checkpoint.clone() })?;
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
                // Of a place that only a member named, the relay has given nothing.
                let ours = sync::told(self.tx, &row.mailbox)? != Told::Place;
                let read = sync::following(self.tx, &row.mailbox)?.filter(|_| ours).map(|followed| followed.cursor);
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
    pub fn noticed(&mut self, group: &GroupId, mailbox: &MailboxId, what: &Notice) -> Result<(), ConversationFault> {
        let live = conversations::find(self.tx, group)?.is_some_and(|row| row.standing == Standing::Live);
        let life = sync::following(self.tx, mailbox)?.and_then(|followed| followed.cursor.incarnation);
        // What was said of one log, or one life of it, hides nothing that is to be said of another.
        let at = |place: Sequence| {
            let life = life.map_or([0; 8], |life| life.0);
            [&mailbox.0[..], &life, &place.0.to_be_bytes()].concat()
        };
        let goes_back =
            matches!(what, Notice::OtherIncarnation { .. } | Notice::ChainBroken { .. } | Notice::OtherThanTold { .. });
        if goes_back && followed::is_restored(self.tx, mailbox)? {
            self.relay_put_back(group, mailbox)?;
        }
        match what {
            Notice::Gap { from, .. } => {
                self.alarm(group, AlarmKind::Gap, &at(*from))?;
                self.lost_entries(group)
            }
            Notice::OtherIncarnation { before: Incarnation(before), .. } => {
                self.alarm(group, AlarmKind::Rollback, before)
            }
            Notice::ChainBroken { sequence } => self.accuse(group, AlarmKind::ChainBroken, &at(*sequence)),
            Notice::OtherThanTold { .. } => {
                self.told_otherwise(group, mailbox)?;
                Ok(checkpoints::ask_again(self.tx, group)?)
            }
            Notice::Withheld { sequence } => {
                self.alarm(group, AlarmKind::Withheld, &at(*sequence))?;
                self.withheld(group, mailbox)
            }
            Notice::Damaged { sequence } => self.alarm(group, AlarmKind::Damaged, &at(*sequence)),
            // Whoever moves the group freezes its log behind the move, which we would have read, unless it has expired.
            Notice::Frozen if live && !intentions::has_alarm(self.tx, group, AlarmKind::Gap.code(), mailbox)? => {
                self.alarm(group, AlarmKind::Frozen, &mailbox.0)
            }
            Notice::Closed | Notice::Refused(_) if live => self.alarm(group, AlarmKind::Closed, &mailbox.0),
            Notice::Repeated { incarnation, sequence } => {
                self.repeated(group, mailbox, *incarnation, *sequence)?;
                self.hold_read(mailbox, *incarnation, *sequence)
            }
            Notice::Frozen | Notice::Closed | Notice::Refused(_) => Ok(()),
        }
    }
}
