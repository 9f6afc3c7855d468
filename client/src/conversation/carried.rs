//! Words of a conversation that goes on in another one: what has not left is said there, and said once more for those who were
//! meant and come later (SPEC 11, "Founded anew").

use minicbor::{Decode, Encode};
use relevo_protocol::content::{Body, GroupId, MessageId};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;

use super::desk::Desk;
use super::fault::ConversationFault;
use super::halt::DAY;
use super::judge::Judged;
use super::refound::{Sure, taken_out};
use super::room::{MessageState, Room, Standing};
use super::send::is_for_people;
use crate::vault::conversations;
use crate::vault::messages;
use crate::vault::records::{self, Noun};

/// Seconds for which somebody who was meant may come later: as long as an empty shelf is asked for a key package.
const LATECOMERS: u64 = 28 * DAY;

/// Words of ours from a conversation that goes on in another one.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Brought {
    #[n(0)]
    number: i64,
    /// Its people are meant.
    #[n(1)]
    from: GroupId,
    #[n(2)]
    since: Timestamp,
}

impl Desk<'_> {
    /// Looks again at conversations that go on elsewhere, or of which somebody says so: what has not left, or will not be seen,
    /// is said there.
    pub(super) fn carry(&mut self) -> Result<(), ConversationFault> {
        self.claims_again()?;
        for row in conversations::list(self.tx)?.into_iter().filter(|row| row.successor.is_some()) {
            self.carry_from(&row.id, Sure::Yes)?;
        }
        Ok(())
    }

    pub(super) fn carry_from(&mut self, before: &GroupId, sure: Sure) -> Result<(), ConversationFault> {
        let anew = self.present(before)?;
        let Some(row) = conversations::find(self.tx, before)? else { return Ok(()) };
        let is_in = conversations::find(self.tx, &anew)?.is_some_and(|row| row.standing != Standing::Left);
        let known = conversations::seats(self.tx, before)?;
        let same =
            conversations::seats(self.tx, &anew)?.iter().all(|seat| known.iter().any(|one| one.member == seat.member));
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
            let asks = !waits || posted || !same || sure != Sure::Yes;
            let state = if asks { MessageState::Undecided } else { MessageState::Waiting };
            messages::carry(self.tx, message.number, &anew, state)?;
            self.bring(message.number, before)?;
            if !asks {
                records::put(self.tx, Noun::Carried, &anew.0, &anew)?;
            }
        }
        Ok(())
    }

    /// Words of ours are meant for whoever was in the conversation that they come from, also for who enters the new one later.
    fn bring(&self, number: i64, from: &GroupId) -> Result<(), ConversationFault> {
        let key = number.to_be_bytes();
        if !records::has(self.tx, Noun::Brought, &key)? {
            records::put(self.tx, Noun::Brought, &key, &Brought { number, from: *from, since: self.now })?;
        }
        Ok(())
    }

    /// Posts a document where the conversation goes on for which it was begun.
    ///
    /// # Errors
    /// As [`Desk::send`].
    pub fn post_document(
        &mut self,
        begun_for: &GroupId,
        group: &GroupId,
        document: Body,
    ) -> Result<MessageId, ConversationFault> {
        let id = self.send(group, document)?;
        let said = messages::by_id(self.tx, group, &self.me.member, id)?.filter(|_| begun_for != group);
        if let Some(said) = said {
            self.bring(said.number, begun_for)?;
        }
        Ok(id)
    }

    /// People enter a conversation that continues another one in which they were. Words that come from there are said once more
    /// for them; whoever has them keeps them once. Gives those that only such people would read who were not there before: their
    /// author need not be asked.
    pub(super) fn tell_latecomers(&self, room: &Room, judged: &Judged) -> Result<Vec<i64>, ConversationFault> {
        let mut meant_for_all = Vec::new();
        let came = judged.leaves.iter().map(|seat| seat.member).filter(|member| room.seat_of(member).is_none());
        let came: Vec<MemberKey> = came.collect();
        if room.context.continues.is_none() || came.is_empty() {
            return Ok(meant_for_all);
        }
        for brought in records::list::<Brought>(self.tx, Noun::Brought)? {
            let key = brought.number.to_be_bytes();
            let said = messages::numbered(self.tx, brought.number)?;
            let Some(said) = said.filter(|said| said.conversation == room.id) else { continue };
            let mut meant = Vec::new();
            for seat in conversations::seats(self.tx, &brought.from)? {
                let out = records::has(self.tx, Noun::TakenOut, &taken_out(&room.id, &seat.member))?;
                if !out && !room.row.excluded.contains(&seat.member) {
                    meant.push(seat.member);
                }
            }
            let alone = came.iter().all(|member| meant.contains(member));
            let has_left = matches!(said.state, MessageState::Sent | MessageState::Delivered);
            if alone {
                meant_for_all.push(said.number);
            }
            if has_left && alone {
                messages::wait_again(self.tx, said.number, self.now)?;
            } else if has_left && came.iter().any(|member| meant.contains(member)) {
                messages::set_state(self.tx, said.number, MessageState::Undecided)?;
            }
            let all_in = meant.iter().all(|member| came.contains(member) || room.seat_of(member).is_some());
            if all_in || brought.since.plus_seconds(LATECOMERS) <= self.now {
                records::remove(self.tx, Noun::Brought, &key)?;
            }
        }
        Ok(meant_for_all)
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
