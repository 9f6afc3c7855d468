//! After a commit has won: seats, context, the move, welcomes, and whatever of ours lies behind it.

use openmls_traits::OpenMlsProvider;
use relevo_protocol::content::{GroupOwner, Opaque, ParcelBody, PinnedObject, Welcome, WelcomeSource, encode_secret};
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Call, Capability, Fingerprint};

use super::commit::{moved_secrets, unsure_until};
use super::context::Context;
use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::intention::{Intention, Invitee};
use super::invite::Meant;
use super::judge::{Judged, seats_after};
use super::room::{AlarmKind, MessageState, Room, Standing};
use super::send::is_for_people;
use crate::sync::{ReceivedEntry, Start};
use crate::vault::conversations::{self, Place, SeatRow};
use crate::vault::held;
use crate::vault::intentions::{self, IntentionRow};
use crate::vault::messages;

/// Longest delay before an intention that lost is tried again, in seconds.
const MAX_BACKOFF: u64 = 60;

impl Desk<'_> {
    /// Our commit in flight has come back: it is the first valid one of its epoch.
    pub(super) fn merge_own(
        &mut self,
        room: &mut Room,
        row: &IntentionRow,
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        let staged = room.mls.pending_commit().ok_or(ConversationFault::Mls("pending commit"))?;
        // The same function as before the append, on the same state: a fault now is a bug.
        let judged = self.judge(room, staged, room.mls.own_leaf_index())??;
        let path = staged.update_path_leaf_node().is_some();
        room.mls.merge_pending_commit(&self.provider()).map_err(|_| ConversationFault::Mls("merge"))?;
        let seats = seats_after(room, &judged.leaves)?;
        self.tell_latecomers(&room.id, &room.seats, &seats)?;
        self.send_lost_again(room, entry, judged.effect.adds)?;
        if let Some(echo) = &row.echo {
            conversations::put_merged(self.tx, &room.id, echo)?;
        }
        let seated: Vec<MemberKey> = room.seats.iter().map(|seat| seat.member).collect();
        let before = self.settle(room, &judged, seats, true)?;
        let intention = Intention::of(row)?;
        intentions::remove(self.tx, row.number)?;
        if path {
            room.row.heard = false;
            room.row.rekeyed = self.now;
        }
        if judged.effect.moves {
            self.moved(room, &before, intention.owner())?;
            self.after_own_move(room, &before, intention.owner())?;
        }
        // Nobody is let in any more where a conversation has gone on elsewhere.
        let present = room.row.successor.is_none();
        if let (Intention::Add { people }, Some(welcome), true) = (&intention, &row.welcome, present) {
            // Who was brought in by another commit meanwhile is not among whom this one adds.
            let added: Vec<&Invitee> = people.iter().filter(|person| !seated.contains(&person.member)).collect();
            self.welcome(room, &added, welcome, entry)?;
        }
        self.go_on(room)
    }

    /// Somebody else's commit has won.
    pub(super) fn merge_other(
        &mut self,
        room: &mut Room,
        staged: openmls::group::StagedCommit,
        judged: &Judged,
        hash: &[u8; 32],
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        conversations::put_merged(self.tx, &room.id, hash)?;
        let removed = staged.self_removed();
        room.mls.merge_staged_commit(&self.provider(), staged).map_err(|_| ConversationFault::Mls("merge"))?;
        self.lose(room)?;
        if removed {
            // Whom this commit makes an administrator may take us back into the group.
            room.row.administrators = Context::of(room.mls.extensions())?.administrators;
            self.give_lost_up(room, entry)?;
            return self.removed(room);
        }
        let seats = seats_after(room, &judged.leaves)?;
        let meant_for_all = self.tell_latecomers(&room.id, &room.seats, &seats)?;
        self.send_lost_again(room, entry, judged.effect.adds)?;
        let before = self.settle(room, judged, seats, false)?;
        room.row.heard = true;
        self.heard_in_epoch(&room.id)?;
        if judged.effect.moves {
            self.moved(room, &before, None)?;
        }
        for message in messages::in_state(self.tx, &room.id, MessageState::Waiting)? {
            // Whoever was added since it was written might not have been meant: ask.
            let meant = meant_for_all.contains(&message.number);
            if judged.effect.adds && !meant && is_for_people(message.kind) && asks() {
                messages::set_state(self.tx, message.number, MessageState::Undecided)?;
            }
        }
        self.go_on(room)
    }

    /// Goes on with what was waiting for the epoch: the next commit, else the messages that lie behind the last one.
    pub(super) fn go_on(&mut self, room: &mut Room) -> Result<(), ConversationFault> {
        if room.row.standing != Standing::Live {
            return Ok(());
        }
        if unsure_until(self.tx, self.now, &room.id, &room.context.mailbox)?.is_none() {
            self.launch(room)?;
        }
        self.flush(room)
    }

    /// Writes down the tree and context as they are now, after a commit of ours or another's; gives the context before.
    fn settle(
        &mut self,
        room: &mut Room,
        judged: &Judged,
        seats: Vec<SeatRow>,
        ours: bool,
    ) -> Result<Context, ConversationFault> {
        for seat in judged.leaves.iter().filter(|seat| room.seat_of(&seat.member).is_none()) {
            intentions::withdraw_alarm(self.tx, &room.id, AlarmKind::NotAdded.code(), seat.member.as_bytes())?;
            intentions::withdraw_alarm(self.tx, &room.id, AlarmKind::LeftBehind.code(), seat.member.as_bytes())?;
            held::came(self.tx, &room.id, &seat.member)?;
        }
        self.reseated(room, &seats, ours)?;
        self.note_taken_out(room, &seats)?;
        room.seats = seats;
        conversations::put_seats(self.tx, &room.id, &room.seats)?;
        let context = Context::of(room.mls.extensions())?;
        room.row.name.clone_from(&context.name);
        room.row.mailbox = context.mailbox;
        room.row.administrators.clone_from(&context.administrators);
        Ok(core::mem::replace(&mut room.context, context))
    }

    /// Everyone derives the new mailbox's secrets in the transaction that merges, and reads there from now on.
    fn moved(
        &mut self,
        room: &mut Room,
        before: &Context,
        owner: Option<&Capability>,
    ) -> Result<(), ConversationFault> {
        if !self.is_free(&room.id, &room.context.mailbox)? {
            // The mover named a mailbox that is ours for something else: not read for this, so that it stays what it is.
            self.effects.push(Effect::Unfollow(before.mailbox));
            room.row.standing = Standing::Behind;
            return self.alarm(&room.id, AlarmKind::NotMoved, &room.context.mailbox.0);
        }
        let provider = self.provider();
        let secrets = moved_secrets(|label, length| room.mls.export_secret(provider.crypto(), label, &[], length))?;
        let relay = &room.context.relay;
        let read = secrets.read.duplicate();
        conversations::put_place(
            self.tx,
            &Place {
                mailbox: room.context.mailbox,
                conversation: room.id,
                relay: relay.fingerprint,
                secrets,
                owner: owner.map(Capability::duplicate),
            },
        )?;
        self.effects.push(Effect::Remember(relay.duplicate()));
        self.effects.push(Effect::Unfollow(before.mailbox));
        self.effects.push(Effect::Follow {
            relay: relay.fingerprint,
            mailbox: room.context.mailbox,
            read,
            group: room.id,
            start: Start::Beginning,
        });
        Ok(())
    }

    /// The mover freezes the old mailbox and hands the new one's *owner* to the other administrators.
    fn after_own_move(
        &mut self,
        room: &Room,
        before: &Context,
        owner: Option<&Capability>,
    ) -> Result<(), ConversationFault> {
        if let Some(Place { mailbox, relay, owner: Some(old), .. }) = conversations::place(self.tx, &before.mailbox)? {
            let call = Call::Freeze { mailbox, capability: old };
            self.effects.push(Effect::Call { relay, call, then: Awaited::Nothing });
        }
        if let Some(owner) = owner {
            self.share_owner(room, owner, &room.context.administrators)?;
        }
        Ok(())
    }

    /// Hands the *owner* of the present mailbox to administrators who said where they can be reached.
    pub(super) fn share_owner(
        &mut self,
        room: &Room,
        owner: &Capability,
        to: &[relevo_protocol::trust::MemberKey],
    ) -> Result<(), ConversationFault> {
        for administrator in to.iter().filter(|administrator| **administrator != self.me.member) {
            let Some(inbox) = self.inbox_of(administrator)? else { continue };
            let parcel = GroupOwner { group: room.id, mailbox: room.context.mailbox, owner: owner.duplicate() };
            self.effects.push(Effect::Parcel {
                member: *administrator,
                to: inbox,
                body: ParcelBody::GroupOwner(parcel),
            });
        }
        Ok(())
    }

    /// Our commit in flight has lost: the pending commit is gone, the intention is tried again.
    fn lose(&mut self, room: &Room) -> Result<(), ConversationFault> {
        let Some(row) = intentions::in_flight(self.tx, &room.id)? else { return Ok(()) };
        let mut intention = Intention::of(&row)?;
        self.close_unused(&intention, &room.context.relay.fingerprint);
        if room.row.successor.is_some() {
            return Ok(intentions::remove(self.tx, row.number)?);
        }
        #[cfg(feature = "planted-bugs")]
        self.welcome_all_the_same(room, &intention, row.welcome.as_deref())?;
        intention.set_owner(None);
        // The first retry is at once: of several that lost, the log picks one each time.
        let wait = u64::from(row.lost).saturating_mul(2).min(MAX_BACKOFF);
        intentions::lost(self.tx, row.number, &encode_secret(&intention), self.now.plus_seconds(wait))?;
        Ok(())
    }

    /// Closes the mailbox that was opened for a commit which moves, and has lost.
    pub(super) fn close_unused(&mut self, intention: &Intention, present: &Fingerprint) {
        if let Some(owner) = intention.owner() {
            let relay = intention.relay().map_or(*present, |relay| relay.fingerprint);
            let call = Call::Close { mailbox: owner.mailbox(), capability: owner.duplicate() };
            self.effects.push(Effect::Call { relay, call, then: Awaited::Nothing });
        }
    }

    /// The planted bug "losing-welcome".
    #[cfg(feature = "planted-bugs")]
    fn welcome_all_the_same(
        &mut self,
        room: &Room,
        intention: &Intention,
        welcome: Option<&[u8]>,
    ) -> Result<(), ConversationFault> {
        use relevo_protocol::planted::{Bug, is};
        let (Intention::Add { people }, Some(welcome), true) = (intention, welcome, is(Bug::LosingWelcome)) else {
            return Ok(());
        };
        let place = self.place(room)?;
        let Some(at) = crate::sync::following(self.tx, &place.mailbox)? else { return Ok(()) };
        for person in people {
            let parcel = Welcome {
                group: room.id,
                welcome: WelcomeSource::Inline { welcome: Opaque::new(welcome.to_vec()) },
                secrets: place.secrets.duplicate(),
                relay: room.context.relay.duplicate(),
                mailbox: place.mailbox,
                incarnation: at.cursor.incarnation.unwrap_or(relevo_protocol::wire::Incarnation([0; 8])),
                after: at.cursor.after,
                head: at.head,
                pinned: Vec::new(),
            };
            let body = ParcelBody::Welcome(parcel);
            self.effects.push(Effect::Parcel { member: person.member, to: person.inbox.duplicate(), body });
        }
        Ok(())
    }

    /// We are out.
    fn removed(&mut self, room: &mut Room) -> Result<(), ConversationFault> {
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::StillIn) {
            return Ok(());
        }
        room.row.standing = Standing::Left;
        // Who was taken out with us takes nobody in.
        room.row.administrators = Context::of(room.mls.extensions())?.administrators;
        for Meant { people, .. } in self.meant(&room.id)? {
            for person in people {
                let about = person.member.as_bytes();
                intentions::withdraw_alarm(self.tx, &room.id, AlarmKind::NotAdded.code(), about)?;
            }
        }
        intentions::remove_all(self.tx, &room.id)?;
        for message in messages::in_state(self.tx, &room.id, MessageState::Waiting)? {
            messages::set_state(self.tx, message.number, MessageState::NotSent)?;
        }
        self.effects.push(Effect::Unfollow(room.context.mailbox));
        Ok(())
    }

    /// Sends the welcomes, after the echo: nobody is welcomed into an epoch that did not come.
    fn welcome(
        &mut self,
        room: &Room,
        people: &[&Invitee],
        welcome: &[u8],
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        let place = self.place(room)?;
        let charters = conversations::pinned_charters(self.tx, &room.id)?;
        let mut guests = Vec::new();
        for person in people.iter().filter(|person| room.seat_of(&person.member).is_some()) {
            let parcel = Welcome {
                group: room.id,
                welcome: WelcomeSource::Inline { welcome: Opaque::new(welcome.to_vec()) },
                secrets: place.secrets.duplicate(),
                relay: room.context.relay.duplicate(),
                mailbox: place.mailbox,
                incarnation: entry.incarnation,
                after: entry.sequence,
                head: entry.head,
                pinned: charters.iter().map(|charter| PinnedObject::Charter { charter: charter.clone() }).collect(),
            };
            guests.push((person.member, person.inbox.duplicate(), parcel));
        }
        self.send_welcomes(room, welcome, guests)
    }
}

/// Whether authors are asked before somebody new reads what waits: always, but for the planted bug.
fn asks() -> bool {
    #[cfg(feature = "planted-bugs")]
    if relevo_protocol::planted::is(relevo_protocol::planted::Bug::UnaskedNewcomer) {
        return false;
    }
    true
}
