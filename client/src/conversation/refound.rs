//! Founding a conversation anew, where it cannot go on: two logs were followed, its mailbox is lost, or a commit halts its
//! members and nobody can add them again (DESIGN 6, 7; SPEC 11, "Founded anew").
//!
//! The new one is another MLS group with the same people, made and joined as any. Its context says which one it continues
//! and who says so; whoever is let into it by that member, an administrator of the old one as far as its log tells, says no
//! more there, and what has not left is said in the new one. The old one is read on.

use minicbor::{Decode, Encode};
use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::RelayAddress;

use super::context::{Kind, Origin};
use super::desk::{Desk, names};
use super::fault::ConversationFault;
use super::halt::DAY;
use super::intention::Intention;
use super::join::MAX_CONVERSATIONS;
use super::room::{AlarmKind, MessageState, Room, Standing};
use super::send::is_for_people;
use crate::vault::conversations::{self, ConversationRow};
use crate::vault::held::Matter;
use crate::vault::records::{self, Noun};
use crate::vault::{intentions, messages};

/// What is no trouble any more when a conversation goes on in another one. Lies, gaps and disagreements stay said.
pub(super) const SETTLED: [AlarmKind; 10] = [
    AlarmKind::MissingCommit,
    AlarmKind::Halted,
    AlarmKind::LostCommit,
    AlarmKind::NotAdded,
    AlarmKind::NotMoved,
    AlarmKind::NotDone,
    AlarmKind::Withheld,
    AlarmKind::Frozen,
    AlarmKind::Closed,
    AlarmKind::Damaged,
];

/// A conversation that was founded anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anew {
    /// The new one.
    pub group: GroupId,
    /// Who is invited into it.
    pub invited: Vec<MemberKey>,
    /// Members whom this device cannot reach outside of the old one.
    pub unreached: Vec<MemberKey>,
}

/// When a pair with somebody was last founded anew by this device itself.
#[derive(Encode, Decode)]
#[cbor(map)]
struct PairRefounded {
    #[n(0)]
    at: Timestamp,
}

/// How surely a conversation goes on in another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sure {
    /// Its log is read, or cannot be.
    Yes,
    /// Its relay gives nothing, and may keep back who was removed.
    AsFarAsKnown,
}

impl Desk<'_> {
    /// Founds a conversation anew at a relay, with all its members but `without`, who are also removed where it was, if they
    /// still can be, and but those whom this device was about to remove.
    ///
    /// # Errors
    /// [`ConversationFault::NotAdministrator`], [`ConversationFault::NotIn`], [`ConversationFault::GoesOnElsewhere`],
    /// [`ConversationFault::JustRefounded`], [`ConversationFault::NoSuchMember`], [`ConversationFault::Pair`],
    /// [`ConversationFault::NobodyReached`].
    pub fn refound(
        &mut self,
        group: &GroupId,
        without: &[MemberKey],
        relay: &RelayAddress,
    ) -> Result<Anew, ConversationFault> {
        let mut room = self.enter(group)?;
        let members = self.to_invite(&room, without, relay)?;
        let mut people = Vec::new();
        let (mut invited, mut unreached) = (Vec::new(), Vec::new());
        for member in members {
            match self.inbox_of(&member)?.filter(|inbox| inbox.shelf.is_some()) {
                Some(inbox) => {
                    invited.push(member);
                    people.push((member, inbox));
                }
                None => unreached.push(member),
            }
        }
        if people.is_empty() {
            return Err(ConversationFault::NobodyReached);
        }
        let administrators = room.context.administrators.iter().copied();
        let administrators = administrators.filter(|member| !without.contains(member)).collect();
        let (kind, name) = (room.context.kind, room.context.name.clone());
        // Nobody has heard of one in which we are alone.
        let alone = room.row.continues.filter(|_| room.seats.len() < 2);
        let origin = Origin { group: alone.map_or(*group, |(before, _)| before), founder: self.me.member };
        let anew = self.create(kind, name, administrators, people, relay, Some(origin))?;
        self.goes_on_in(group, &anew, Sure::Yes)?;
        if !without.is_empty() && room.row.standing == Standing::Live {
            self.intend(group, &Intention::Remove { members: without.to_vec(), owner: None }, self.now)?;
            self.go_on(&mut room)?;
        }
        self.keep(room)?;
        Ok(Anew { group: anew, invited, unreached })
    }

    /// Whom a conversation that is founded anew takes along: administrators first, since those who come with the first commit
    /// help to administrate it at once.
    fn to_invite(
        &self,
        room: &Room,
        without: &[MemberKey],
        relay: &RelayAddress,
    ) -> Result<Vec<MemberKey>, ConversationFault> {
        let me = self.me.member;
        if room.row.standing == Standing::Left {
            return Err(ConversationFault::NotIn);
        }
        if room.row.successor.is_some() {
            return Err(ConversationFault::GoesOnElsewhere);
        }
        if !room.context.is_administrator(&me) {
            return Err(ConversationFault::NotAdministrator);
        }
        let alone = room.row.continues.is_some() && room.seats.len() < 2;
        let refused = intentions::is_alarmed(self.tx, &room.id, AlarmKind::NotMoved.code())?;
        if alone && !refused && room.context.relay == *relay {
            return Err(ConversationFault::JustRefounded);
        }
        let mut members: Vec<MemberKey> = room.seats.iter().map(|seat| seat.member).collect();
        members.extend(self.meant(&room.id)?.into_iter().flat_map(|one| one.people).map(|person| person.member));
        if room.context.kind == Kind::Pair {
            members.extend(&room.context.administrators);
        }
        members.sort_unstable();
        members.dedup();
        members.retain(|member| *member != me);
        if !without.iter().all(|member| members.contains(member)) {
            return Err(ConversationFault::NoSuchMember);
        }
        if room.context.kind == Kind::Pair && !without.is_empty() {
            return Err(ConversationFault::Pair);
        }
        let mut staying = Vec::new();
        for member in members.into_iter().filter(|member| !without.contains(member)) {
            if !self.removes(&room.id, &member)? {
                staying.push(member);
            }
        }
        staying.sort_by_key(|member| !room.context.is_administrator(member));
        Ok(staying)
    }

    /// Founds anew the pairs in which we cannot go on, since nobody can add us again there. Once for each pair, and once in a day
    /// with the same member: whoever brings us to a stop again is written to first.
    pub(super) fn refound_pairs(&mut self) -> Result<(), ConversationFault> {
        for row in conversations::pairs(self.tx)?.into_iter().filter(|row| row.standing.is_stranded()) {
            let (tx, wanted) = (self.tx, self.effects.len());
            match records::attempt(tx, || self.refound_pair(&row))? {
                Ok(()) | Err(ConversationFault::NobodyReached) => {}
                Err(ConversationFault::Vault(fault)) => return Err(fault.into()),
                Err(fault) => {
                    tracing::error!(code = fault.code(), "a conversation of two could not be founded anew");
                    self.effects.truncate(wanted);
                }
            }
        }
        Ok(())
    }

    fn refound_pair(&mut self, row: &ConversationRow) -> Result<(), ConversationFault> {
        let Some(other) = row.administrators.iter().find(|member| **member != self.me.member) else { return Ok(()) };
        if let Some(pair) = conversations::pair_with(self.tx, other)? {
            return self.goes_on_in(&row.id, &pair, Sure::Yes).map(|_| ());
        }
        let last: Option<PairRefounded> = records::get(self.tx, Noun::PairRefounded, other.as_bytes())?;
        let today = last.is_some_and(|last| (last.at.0..last.at.0.saturating_add(DAY)).contains(&self.now.0));
        let relay = self.relay_of(&row.id)?;
        let full = conversations::count_present(self.tx)? >= MAX_CONVERSATIONS;
        if row.continues.is_some() || today || full || !names(self.me.charter()?, &relay) {
            return Ok(());
        }
        self.refound(&row.id, &[], &relay)?;
        Ok(records::put(self.tx, Noun::PairRefounded, other.as_bytes(), &PairRefounded { at: self.now })?)
    }

    /// Where a person goes on who writes in a conversation: there, or, of a pair in which we cannot go on, in one that is founded
    /// anew.
    ///
    /// # Errors
    /// As [`Desk::refound`].
    pub fn revived(&mut self, group: &GroupId) -> Result<GroupId, ConversationFault> {
        let row = conversations::find(self.tx, group)?.ok_or(ConversationFault::NoSuchConversation)?;
        if row.kind == Kind::Pair && row.standing.is_stranded() && row.successor.is_none() {
            let relay = self.relay_of(group)?;
            return self.refound(group, &[], &relay).map(|anew| anew.group);
        }
        Ok(*group)
    }

    /// Looks at what a conversation that we have entered says that it continues, and at those that continue it. Whether whoever
    /// says so still administrates the old one, its log tells.
    pub(super) fn claims(&mut self, entered: &GroupId) -> Result<(), ConversationFault> {
        for row in conversations::continuing(self.tx)? {
            let Some((before, founder)) = row.continues else { continue };
            if row.id != *entered && before != *entered {
                continue;
            }
            let Some(old) = conversations::find(self.tx, &before)? else { continue };
            if old.standing == Standing::Live && founder != self.me.member {
                // Not one more than there is room for.
                let _kept = self.wait_for_log(&before, &founder, &Matter::Succession { anew: row.id })?;
                self.weigh(&before)?;
            } else {
                self.succeed(&before, &row.id, &founder, Sure::Yes)?;
            }
        }
        Ok(())
    }

    /// A conversation goes on in another one, if whoever says so administrated it.
    pub(super) fn succeed(
        &mut self,
        before: &GroupId,
        anew: &GroupId,
        founder: &MemberKey,
        sure: Sure,
    ) -> Result<(), ConversationFault> {
        let (Some(old), Some(row)) = (conversations::find(self.tx, before)?, conversations::find(self.tx, anew)?)
        else {
            return Ok(());
        };
        let believed = old.kind == row.kind && old.administrators.contains(founder);
        let last = self.present(before)?;
        if !believed || row.standing != Standing::Live || last == *anew {
            return Ok(());
        }
        let (mut winner, mut loser) = (*anew, last);
        if let Some(rival) = conversations::find(self.tx, &last)?.filter(|rival| rival.id != *before) {
            // Who was left out of it, or administrates it no more, takes it over no more.
            if rival.standing != Standing::Left && !rival.administrators.contains(founder) {
                return Ok(());
            }
            // Two may have founded it anew at once: everybody takes the one whose id comes first.
            if rival.standing != Standing::Left && rival.id < *anew {
                (winner, loser) = (rival.id, *anew);
            }
        }
        if self.goes_on_in(&loser, &winner, sure)? && winner == *anew && *founder != self.me.member {
            self.alarm(anew, AlarmKind::Refounded, founder.as_bytes())?;
        }
        Ok(())
    }

    /// Where a conversation goes on: there, or in itself.
    ///
    /// # Errors
    /// The vault's.
    pub fn present(&self, group: &GroupId) -> Result<GroupId, ConversationFault> {
        let mut at = *group;
        while let Some(next) = conversations::find(self.tx, &at)?.and_then(|row| row.successor) {
            at = next;
        }
        Ok(at)
    }

    /// A conversation that went on nowhere else goes on in another one. False of one that would go round in a circle.
    fn goes_on_in(&mut self, before: &GroupId, anew: &GroupId, sure: Sure) -> Result<bool, ConversationFault> {
        if self.present(anew)? == *before {
            return Ok(false);
        }
        conversations::set_successor(self.tx, before, anew)?;
        for row in intentions::of(self.tx, before)? {
            let intention = Intention::of(&row)?;
            let ours = conversations::find(self.tx, anew)?.and_then(|row| row.continues);
            let taken_along = ours.is_some_and(|(_, founder)| founder == self.me.member)
                && matches!(intention, Intention::Add { .. } | Intention::Remove { .. });
            // A commit that is on its way may still win.
            if row.echo.is_none() {
                intentions::remove(self.tx, row.number)?;
                if intention.changes_the_group() && !taken_along {
                    self.alarm(anew, AlarmKind::NotDone, &row.number.to_be_bytes())?;
                }
            }
        }
        for kind in SETTLED {
            intentions::withdraw_alarms(self.tx, before, kind.code())?;
        }
        self.carry_from(before, sure)?;
        Ok(true)
    }

    /// What has not left, or will not be seen, where a conversation has gone on elsewhere, is said there.
    pub(super) fn carry(&mut self) -> Result<(), ConversationFault> {
        for row in conversations::list(self.tx)?.into_iter().filter(|row| row.successor.is_some()) {
            self.carry_from(&row.id, Sure::Yes)?;
        }
        Ok(())
    }

    fn carry_from(&mut self, before: &GroupId, sure: Sure) -> Result<(), ConversationFault> {
        let anew = self.present(before)?;
        let Some(row) = conversations::find(self.tx, before)? else { return Ok(()) };
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
            if !is_for_people(message.kind) {
                messages::set_state(self.tx, message.number, MessageState::NotSent)?;
                continue;
            }
            let asks = !waits || posted || !same || sure != Sure::Yes;
            let state = if asks { MessageState::Undecided } else { MessageState::Waiting };
            messages::carry(self.tx, message.number, &anew, state)?;
            if !asks {
                records::put(self.tx, Noun::Carried, &anew.0, &anew)?;
            }
        }
        Ok(())
    }

    /// Sends what was carried into conversations.
    pub(super) fn send_carried(&mut self) -> Result<(), ConversationFault> {
        for group in records::list::<GroupId>(self.tx, Noun::Carried)? {
            records::remove(self.tx, Noun::Carried, &group.0)?;
            let mut room = self.enter(&group)?;
            self.go_on(&mut room)?;
            self.keep(room)?;
        }
        Ok(())
    }

    /// Somebody speaks where a conversation has gone on elsewhere, and is not there: those who administrate it can add them.
    pub(super) fn left_behind(&self, room: &Room, author: &MemberKey) -> Result<(), ConversationFault> {
        let present = self.present(&room.id)?;
        let here = conversations::find(self.tx, &present)?;
        let administrate = here.is_some_and(|row| row.administrators.contains(&self.me.member));
        let seated = conversations::seats(self.tx, &present)?.iter().any(|seat| seat.member == *author);
        if present != room.id && administrate && !seated {
            self.alarm(&present, AlarmKind::LeftBehind, author.as_bytes())?;
        }
        Ok(())
    }
}
