//! Words of a conversation that goes on in another one: what has not left is said there, and said once more for those who were
//! meant and come later (SPEC 11, "Founded anew").

use minicbor::{Decode, Encode};
use relevo_protocol::content::{GroupId, MessageId};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;

use super::desk::Desk;
use super::fault::ConversationFault;
use super::halt::DAY;
use super::list::Decision;
use super::refound::{Sure, taken_out};
use super::room::{MessageState, Room, Standing};
use super::send::{ALERT, is_for_people};
use crate::vault::conversations::{self, SeatRow};
use crate::vault::messages::{self, MessageRow};
use crate::vault::records::{self, Noun};

/// Seconds for which somebody who was meant may come later: as long as an empty shelf is asked for a key package.
const LATECOMERS: u64 = 28 * DAY;

/// Words of ours from a conversation that goes on in another one.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Brought {
    #[n(0)]
    number: i64,
    #[n(1)]
    from: GroupId,
    /// For whom they are: who sat there when they were taken along, and whom their author has let read them since.
    #[n(2)]
    people: Vec<MemberKey>,
    #[n(3)]
    since: Timestamp,
}

impl Desk<'_> {
    /// Looks again at what says that it continues a conversation, and at those that go on elsewhere: what has not left, or will not
    /// be seen, is said there.
    pub(super) fn carry(&mut self) -> Result<(), ConversationFault> {
        self.claims_again()?;
        self.forget_meant()?;
        for row in conversations::list(self.tx)?.into_iter().filter(|row| row.successor.is_some()) {
            self.carry_from(&row.id, Sure::Yes)?;
        }
        Ok(())
    }

    pub(super) fn carry_from(&mut self, before: &GroupId, sure: Sure) -> Result<(), ConversationFault> {
        let anew = self.present(before)?;
        let Some(row) = conversations::find(self.tx, before)? else { return Ok(()) };
        let is_in = conversations::find(self.tx, &anew)?.is_some_and(|row| row.standing != Standing::Left);
        let here = conversations::seats(self.tx, &anew)?;
        let waiting = messages::in_state(self.tx, before, MessageState::Waiting)?;
        let undecided = messages::in_state(self.tx, before, MessageState::Undecided)?;
        for message in waiting.into_iter().chain(undecided) {
            let waits = message.state == MessageState::Waiting;
            let posted = message.epoch == Some(row.epoch);
            let late = message.received.plus_seconds(DAY) <= self.now;
            if waits && posted && row.standing == Standing::Live && !late {
                // Its log may show it yet.
                continue;
            }
            if !is_for_people(message.kind) || !is_in {
                messages::set_state(self.tx, message.number, MessageState::NotSent)?;
                continue;
            }
            let brought = self.bring(message.number, before)?;
            let asks = !waits || posted || sure != Sure::Yes || !self.is_for_all(&self.still_meant(&brought)?, &here);
            let state = if asks { MessageState::Undecided } else { MessageState::Waiting };
            messages::carry(self.tx, message.number, &anew, state)?;
            if asks {
                // Their author says for whom they are, as it stands then.
                records::remove(self.tx, Noun::Brought, &message.number.to_be_bytes())?;
            } else {
                records::put(self.tx, Noun::Carried, &anew.0, &anew)?;
            }
        }
        if is_in { self.carry_on(before, &anew) } else { Ok(()) }
    }

    /// Words that were brought here and have left go along, while somebody is meant who has not come in time.
    fn carry_on(&self, before: &GroupId, anew: &GroupId) -> Result<(), ConversationFault> {
        let (there, here) = (conversations::seats(self.tx, before)?, conversations::seats(self.tx, anew)?);
        for brought in records::list::<Brought>(self.tx, Noun::Brought)? {
            let said = messages::numbered(self.tx, brought.number)?;
            let Some(said) = said.filter(|said| said.conversation == *before && leaves_again(said)) else {
                continue;
            };
            let meant = self.still_meant(&brought)?;
            let missed = |member: &MemberKey| !sits(&there, member);
            if meant.iter().any(missed) {
                messages::carry(self.tx, said.number, anew, said.state)?;
            }
            if meant.iter().any(|member| missed(member) && sits(&here, member)) {
                self.say_once_more(&said, &meant, &here)?;
                records::put(self.tx, Noun::Carried, &anew.0, anew)?;
            }
        }
        Ok(())
    }

    /// Words of ours are meant for whoever was in the conversation that they come from, also for who enters the new one later.
    fn bring(&self, number: i64, from: &GroupId) -> Result<Brought, ConversationFault> {
        let key = number.to_be_bytes();
        if let Some(known) = records::get(self.tx, Noun::Brought, &key)? {
            return Ok(known);
        }
        let people = conversations::seats(self.tx, from)?.into_iter().map(|seat| seat.member).collect();
        let brought = Brought { number, from: *from, people, since: self.now };
        records::put(self.tx, Noun::Brought, &key, &brought)?;
        Ok(brought)
    }

    /// Forgets for whom words were meant that have waited long enough for them.
    fn forget_meant(&self) -> Result<(), ConversationFault> {
        for brought in records::list::<Brought>(self.tx, Noun::Brought)? {
            if brought.since.plus_seconds(LATECOMERS) <= self.now {
                records::remove(self.tx, Noun::Brought, &brought.number.to_be_bytes())?;
            }
        }
        Ok(())
    }

    /// Their author has decided about words: they are for who is there as well, or for nobody any more.
    pub(super) fn decided(&self, number: i64, seats: &[SeatRow], send: Decision) -> Result<(), ConversationFault> {
        let key = number.to_be_bytes();
        let Some(mut brought) = records::get::<Brought>(self.tx, Noun::Brought, &key)? else { return Ok(()) };
        match send {
            Decision::Send => {
                brought.people.extend(seats.iter().map(|seat| seat.member));
                Ok(records::put(self.tx, Noun::Brought, &key, &brought)?)
            }
            Decision::Drop => Ok(records::remove(self.tx, Noun::Brought, &key)?),
        }
    }

    /// Something of ours was begun for a conversation that has gone on in this one: its author is asked where somebody sits here
    /// who did not there.
    pub(super) fn came_from(&self, room: &Room, from: &GroupId, id: MessageId) -> Result<(), ConversationFault> {
        if *from == room.id {
            return Ok(());
        }
        let Some(said) = messages::by_id(self.tx, &room.id, &self.me.member, id)? else { return Ok(()) };
        let brought = self.bring(said.number, from)?;
        if self.is_for_all(&self.still_meant(&brought)?, &room.seats) {
            return Ok(());
        }
        records::remove(self.tx, Noun::Brought, &said.number.to_be_bytes())?;
        Ok(messages::set_state(self.tx, said.number, MessageState::Undecided)?)
    }

    /// People enter a conversation, by a commit or while we were not there. Words that come from one that it continues are said
    /// once more for those who are meant; whoever has them keeps them once. Their author is asked where anybody sits here who is
    /// not meant. Gives those of ours for which all who enter are meant.
    pub(super) fn tell_latecomers(
        &self,
        group: &GroupId,
        before: &[SeatRow],
        seats: &[SeatRow],
    ) -> Result<Vec<i64>, ConversationFault> {
        let mut meant_for_all = Vec::new();
        let came: Vec<MemberKey> = seats.iter().map(|seat| seat.member).filter(|one| !sits(before, one)).collect();
        if came.is_empty() || conversations::find(self.tx, group)?.is_some_and(|row| row.successor.is_some()) {
            return Ok(meant_for_all);
        }
        for mut brought in records::list::<Brought>(self.tx, Noun::Brought)? {
            let key = brought.number.to_be_bytes();
            let said = messages::numbered(self.tx, brought.number)?;
            let Some(said) = said.filter(|said| said.conversation == *group) else { continue };
            // Who was removed is not meant again because somebody adds them.
            brought.people = self.still_meant(&brought)?;
            let meant = &brought.people;
            let for_all = came.iter().all(|member| meant.contains(member));
            if leaves_again(&said) && came.iter().any(|member| meant.contains(member)) {
                self.say_once_more(&said, meant, seats)?;
            } else if said.state == MessageState::Waiting && !for_all {
                messages::set_state(self.tx, said.number, MessageState::Undecided)?;
            }
            if for_all {
                meant_for_all.push(said.number);
            }
            records::put(self.tx, Noun::Brought, &key, &brought)?;
        }
        Ok(meant_for_all)
    }

    /// For whom words are, without those who were left out or removed since in any conversation in which it has gone on.
    fn still_meant(&self, brought: &Brought) -> Result<Vec<MemberKey>, ConversationFault> {
        let line = self.line_from(&brought.from)?;
        let mut meant = Vec::new();
        for member in &brought.people {
            let mut out = false;
            for row in &line {
                let removed = records::has(self.tx, Noun::TakenOut, &taken_out(&row.id, member))?;
                out |= removed || row.excluded.contains(member);
            }
            if !out && !meant.contains(member) {
                meant.push(*member);
            }
        }
        Ok(meant)
    }

    /// Words of ours that have left wait once more, or for their author's word where somebody would read them who is not meant.
    fn say_once_more(
        &self,
        said: &MessageRow,
        meant: &[MemberKey],
        seats: &[SeatRow],
    ) -> Result<(), ConversationFault> {
        if self.is_for_all(meant, seats) {
            return Ok(messages::wait_again(self.tx, said.number, self.now)?);
        }
        Ok(messages::set_state(self.tx, said.number, MessageState::Undecided)?)
    }

    /// Whether all who sit here, but us, are meant.
    fn is_for_all(&self, meant: &[MemberKey], seats: &[SeatRow]) -> bool {
        seats.iter().all(|seat| seat.member == self.me.member || meant.contains(&seat.member))
    }

    /// Conversations into which something was carried that has not been sent yet.
    pub(super) fn take_carried(&self) -> Result<Vec<GroupId>, ConversationFault> {
        let carried = records::list::<GroupId>(self.tx, Noun::Carried)?;
        for group in &carried {
            records::remove(self.tx, Noun::Carried, &group.0)?;
        }
        Ok(carried)
    }
}

/// Whether words of ours have left for whoever was there, and may leave once more. Not an alert: one that has ended by then accuses
/// whoever posts it.
fn leaves_again(said: &MessageRow) -> bool {
    said.kind != ALERT && matches!(said.state, MessageState::Sent | MessageState::Delivered)
}

fn sits(seats: &[SeatRow], member: &MemberKey) -> bool {
    seats.iter().any(|seat| seat.member == *member)
}
