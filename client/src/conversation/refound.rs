//! Founding a conversation anew, where it cannot go on: two logs were followed, its mailbox is lost, or a commit halts its
//! members and nobody can add them again (DESIGN 6, 7; SPEC 11, "Founded anew").
//!
//! The new one is another MLS group with the same people, made and joined as any. It says in its context which one it
//! continues, and whoever was let into it by an administrator of that one says no more there.

use relevo_protocol::content::GroupId;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::RelayAddress;

use super::context::Kind;
use super::desk::{Desk, names};
use super::fault::ConversationFault;
use super::intention::Intention;
use super::room::{AlarmKind, MessageState, Room, Standing};
use super::send::is_for_people;
use crate::vault::conversations::{self, ConversationRow};
use crate::vault::{intentions, messages};

/// What is no trouble any more when a conversation goes on in another one. Lies, gaps and disagreements stay said.
const SETTLED: [AlarmKind; 10] = [
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

impl Desk<'_> {
    /// Founds a conversation anew at a relay, with all its members but `without`, who are also removed where it was, if they
    /// still can be.
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
        let members = self.to_invite(&room, without)?;
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
        let anew = self.create(kind, name, administrators, people, relay, Some(*group))?;
        self.settle_successions()?;
        if !without.is_empty() && room.row.standing == Standing::Live {
            self.intend(group, &Intention::Remove { members: without.to_vec(), owner: None }, self.now)?;
            self.go_on(&mut room)?;
        }
        self.keep(room)?;
        Ok(Anew { group: anew, invited, unreached })
    }

    /// Founds anew the pairs in which we cannot go on, where nobody can add us again. Once: whoever is brought to a stop there
    /// too goes on with the next word that they write.
    pub(super) fn refound_pairs(&mut self) -> Result<(), ConversationFault> {
        let stranded = |row: &ConversationRow| row.standing.is_stranded() && row.continues.is_none();
        for row in conversations::pairs(self.tx)?.into_iter().filter(stranded) {
            let relay = self.relay_of(&row.id)?;
            if !names(self.me.charter()?, &relay) {
                continue;
            }
            match self.refound(&row.id, &[], &relay) {
                Ok(_) | Err(ConversationFault::NobodyReached) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// Whom a conversation that is founded anew takes along: administrators first, since those who come with the first commit
    /// stay administrators.
    fn to_invite(&self, room: &Room, without: &[MemberKey]) -> Result<Vec<MemberKey>, ConversationFault> {
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
        if room.row.continues.is_some() && room.seats.len() < 2 {
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
        members.retain(|member| !without.contains(member));
        members.sort_by_key(|member| !room.context.is_administrator(member));
        Ok(members)
    }

    /// Looks which conversations go on in which others. What says that it continues one is believed of an administrator of that
    /// one, as far as its log is read: later perhaps than now.
    pub(super) fn settle_successions(&mut self) -> Result<(), ConversationFault> {
        for row in conversations::continuing(self.tx)? {
            if let Some((before, founder)) = row.continues {
                self.succeed(&before, &row, &founder)?;
            }
        }
        Ok(())
    }

    fn succeed(
        &mut self,
        before: &GroupId,
        row: &ConversationRow,
        founder: &MemberKey,
    ) -> Result<(), ConversationFault> {
        let Some(old) = conversations::find(self.tx, before)? else { return Ok(()) };
        if old.kind != row.kind || !old.administrators.contains(founder) {
            return Ok(());
        }
        // Two may have founded it anew at once: everybody takes the one whose id comes first.
        let rival = old.successor.unwrap_or(row.id);
        let (winner, loser) = (rival.min(row.id), rival.max(row.id));
        if old.successor != Some(winner) && self.goes_on_in(before, &winner)? {
            self.told(&winner, founder)?;
        }
        if winner != loser && conversations::find(self.tx, &loser)?.is_some_and(|row| row.successor.is_none()) {
            self.goes_on_in(&loser, &winner)?;
        }
        Ok(())
    }

    /// Says that a conversation goes on here, to others than who founded it anew.
    fn told(&self, anew: &GroupId, founder: &MemberKey) -> Result<(), ConversationFault> {
        if *founder == self.me.member {
            return Ok(());
        }
        self.alarm(anew, AlarmKind::Refounded, founder.as_bytes())
    }

    /// Whether one conversation goes on, by way of others, in another.
    fn leads_to(&self, from: &GroupId, to: &GroupId) -> Result<bool, ConversationFault> {
        let mut at = *from;
        while at != *to {
            let next = conversations::find(self.tx, &at)?.and_then(|row| row.successor);
            let Some(next) = next else { return Ok(false) };
            at = next;
        }
        Ok(true)
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

    /// A conversation goes on in another one: nothing more is meant in it, and words of ours that have not left are said there.
    /// False of one that would go round in a circle.
    fn goes_on_in(&mut self, before: &GroupId, anew: &GroupId) -> Result<bool, ConversationFault> {
        if self.leads_to(anew, before)? {
            return Ok(false);
        }
        conversations::set_successor(self.tx, before, anew)?;
        // A commit that is on its way may still win.
        for row in intentions::of(self.tx, before)?.into_iter().filter(|row| row.echo.is_none()) {
            intentions::remove(self.tx, row.number)?;
        }
        for kind in SETTLED {
            intentions::withdraw_alarms(self.tx, before, kind.code())?;
        }
        let Some(row) = conversations::find(self.tx, before)? else { return Ok(true) };
        let known = conversations::seats(self.tx, before)?;
        let same =
            conversations::seats(self.tx, anew)?.iter().all(|seat| known.iter().any(|one| one.member == seat.member));
        let waiting = messages::in_state(self.tx, before, MessageState::Waiting)?;
        let undecided = messages::in_state(self.tx, before, MessageState::Undecided)?;
        for message in waiting.into_iter().chain(undecided).filter(|message| is_for_people(message.kind)) {
            let (waits, posted) = (message.state == MessageState::Waiting, message.epoch.is_some());
            if waits && posted && row.standing == Standing::Live {
                // Its log, which is read on, may show it yet.
                continue;
            }
            let asks = !waits || posted || !same;
            let state = if asks { MessageState::Undecided } else { MessageState::Waiting };
            messages::carry(self.tx, message.number, anew, state)?;
        }
        Ok(true)
    }
}
