//! Founding a conversation anew, where it cannot go on: two logs were followed, its mailbox is lost, or a commit halts its
//! members and nobody can add them again (DESIGN 6, 7; SPEC 11, "Founded anew").
//!
//! The new one is another MLS group with the same people, made and joined as any. Its context says which one it continues
//! and who says so; whoever is let into it by that member, an administrator of the old one as far as its log tells, says no
//! more there, and what has not left is said in the new one. The old one is read on.

use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::RelayAddress;

use super::context::{Context, Kind, MAX_LINE, Origin};
use super::desk::{Desk, names};
use super::fault::ConversationFault;
use super::halt::DAY;
use super::intention::Intention;
use super::join::MAX_CONVERSATIONS;
use super::room::{AlarmKind, Room, Standing};
use crate::vault::conversations::{self, ConversationRow, SeatRow};
use crate::vault::held::Matter;
use crate::vault::records::{self, Noun};
use crate::vault::{held, intentions};

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
        let before = room.context.continues.as_ref().map(|origin| origin.line.clone()).unwrap_or_default();
        let line = core::iter::once(*group).chain(before).take(MAX_LINE).collect();
        let origin = Origin { line, without: without.to_vec() };
        let anew = self.create(kind, name, administrators, people, relay, Some(origin))?;
        self.goes_on_in(group, &anew, Sure::Yes)?;
        room.row.successor = Some(anew);
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
        let last: Option<Timestamp> = records::get(self.tx, Noun::PairRefounded, other.as_bytes())?;
        let today = last.is_some_and(|last| (last.0..last.0.saturating_add(DAY)).contains(&self.now.0));
        let relay = self.relay_of(&row.id)?;
        let full = conversations::count_live(self.tx)? >= MAX_CONVERSATIONS;
        if row.continues.is_some() || today || full || !names(self.me.charter()?, &relay) {
            return Ok(());
        }
        self.refound(&row.id, &[], &relay)?;
        Ok(records::put(self.tx, Noun::PairRefounded, other.as_bytes(), &self.now)?)
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

    /// The newest of those that a conversation says it continues which is known here.
    pub(super) fn known_of(&self, context: &Context, group: &GroupId) -> Result<Option<GroupId>, ConversationFault> {
        for before in context.continues.iter().flat_map(|origin| &origin.line).filter(|before| *before != group) {
            if conversations::find(self.tx, before)?.is_some() {
                return Ok(Some(*before));
            }
        }
        Ok(None)
    }

    /// Whether a conversation is where the one goes on that it says it continues, as far as that is known here. Whoever is let in
    /// takes our word for it.
    pub(super) fn is_vouched(&self, room: &Room) -> Result<bool, ConversationFault> {
        match self.known_of(&room.context, &room.id)? {
            Some(before) => Ok(self.present(&before)? == room.id),
            None => Ok(true),
        }
    }

    /// Looks at what a conversation that we have entered says that it continues. Whether whoever says so still administrates that
    /// one, its log tells.
    pub(super) fn claims(&mut self, entered: &GroupId) -> Result<(), ConversationFault> {
        let row = conversations::find(self.tx, entered)?;
        let Some((before, founder)) = row.and_then(|row| row.continues) else { return Ok(()) };
        let Some(old) = conversations::find(self.tx, &before)? else { return Ok(()) };
        if old.standing != Standing::Live || founder == self.me.member {
            return self.succeed(&before, entered, &founder, Sure::Yes);
        }
        // Looked at again each hour where there is no room for one more.
        let _kept = self.wait_for_log(&before, &founder, &Matter::Succession { anew: *entered })?;
        self.weigh(&before)
    }

    /// Looks again at what was not believed: who says so may be known as an administrator by now.
    pub(super) fn claims_again(&mut self) -> Result<(), ConversationFault> {
        for row in conversations::continuing(self.tx)?.into_iter().filter(|row| row.successor.is_none()) {
            let Some((before, founder)) = row.continues else { continue };
            let waits = held::waits(self.tx, &before, &founder)?;
            if self.present(&before)? != row.id && !waits {
                self.claims(&row.id)?;
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
        let (here, there) = (self.present(before)?, self.present(anew)?);
        if !believed || row.standing == Standing::Left || here == there {
            return Ok(());
        }
        let line = self.line_from(before)?;
        if self.is_ousted(&line, founder)? {
            return Ok(());
        }
        // Several may have founded it anew at once: everybody takes the one whose id comes first, and what that went on in.
        let siblings = line.iter().filter(|one| one.continues.is_some_and(|(origin, _)| origin == *before));
        let wins = siblings.map(|one| one.id).min().is_none_or(|best| *anew < best);
        let (from, to) = if wins { (here, there) } else { (there, here) };
        if self.goes_on_in(&from, &to, sure)? && wins && *founder != self.me.member {
            self.alarm(&to, AlarmKind::Refounded, founder.as_bytes())?;
        }
        Ok(())
    }

    /// The conversations behind this one in which it went on, to the last one.
    pub(super) fn line_from(&self, before: &GroupId) -> Result<Vec<ConversationRow>, ConversationFault> {
        let (mut line, mut at) = (Vec::new(), *before);
        while let Some(next) = conversations::find(self.tx, &at)?.and_then(|row| row.successor) {
            line.extend(conversations::find(self.tx, &next)?);
            at = next;
        }
        Ok(line)
    }

    /// Whether somebody was left out, removed or demoted where a conversation has gone on: they take it over no more. One in which
    /// we are no more ourselves says nothing about it.
    fn is_ousted(&self, line: &[ConversationRow], founder: &MemberKey) -> Result<bool, ConversationFault> {
        let Some(last) = line.last().filter(|last| last.standing != Standing::Left) else { return Ok(false) };
        for row in line {
            if row.excluded.contains(founder) || records::has(self.tx, Noun::TakenOut, &taken_out(&row.id, founder))? {
                return Ok(true);
            }
        }
        let seated = conversations::seats(self.tx, &last.id)?.iter().any(|seat| seat.member == *founder);
        Ok(seated && !last.administrators.contains(founder))
    }

    /// Notes whom a commit has removed from a conversation that continues another one.
    pub(super) fn note_taken_out(&self, room: &Room, seats: &[SeatRow]) -> Result<(), ConversationFault> {
        if room.context.continues.is_none() {
            return Ok(());
        }
        for one in room.seats.iter().filter(|one| seats.iter().all(|seat| seat.member != one.member)) {
            records::put(self.tx, Noun::TakenOut, &taken_out(&room.id, &one.member), &room.id)?;
        }
        for one in seats.iter().filter(|one| room.seat_of(&one.member).is_none()) {
            records::remove(self.tx, Noun::TakenOut, &taken_out(&room.id, &one.member))?;
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
        if self.present(anew)? == *before || self.present(before)? != *before {
            return Ok(false);
        }
        conversations::set_successor(self.tx, before, anew)?;
        let live = conversations::find(self.tx, before)?.is_some_and(|row| row.standing == Standing::Live);
        let ours = conversations::find(self.tx, anew)?.and_then(|row| row.continues);
        let is_ours = ours.is_some_and(|(_, founder)| founder == self.me.member);
        // A commit that is on its way may still win.
        for row in intentions::of(self.tx, before)?.into_iter().filter(|row| row.echo.is_none() || !live) {
            let intention = Intention::of(&row)?;
            let taken_along = is_ours && matches!(intention, Intention::Add { .. } | Intention::Remove { .. });
            intentions::remove(self.tx, row.number)?;
            if intention.changes_the_group() && !taken_along {
                self.alarm(anew, AlarmKind::NotDone, &row.number.to_be_bytes())?;
            }
        }
        for kind in SETTLED {
            intentions::withdraw_alarms(self.tx, before, kind.code())?;
        }
        self.carry_from(before, sure)?;
        Ok(true)
    }

    /// Somebody speaks where a conversation has gone on elsewhere, and is not there: those who administrate it can add them.
    pub(super) fn left_behind(&self, room: &Room, author: &MemberKey) -> Result<(), ConversationFault> {
        if room.row.successor.is_none() {
            return Ok(());
        }
        let present = self.present(&room.id)?;
        let here = conversations::find(self.tx, &present)?;
        let administrate =
            here.is_some_and(|row| row.administrators.contains(&self.me.member) && !row.excluded.contains(author));
        let seated = conversations::seats(self.tx, &present)?.iter().any(|seat| seat.member == *author);
        if administrate && !seated {
            self.alarm(&present, AlarmKind::LeftBehind, author.as_bytes())?;
        }
        Ok(())
    }
}

pub(super) fn taken_out(group: &GroupId, member: &MemberKey) -> Vec<u8> {
    [&group.0[..], member.as_bytes()].concat()
}
