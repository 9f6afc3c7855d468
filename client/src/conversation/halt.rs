//! Commits that cannot be processed: halt, complain, and be added again (DESIGN 7).

use minicbor::{Decode, Encode};
use relevo_protocol::content::{Complaint, GroupId, Note, ParcelBody};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;

use super::commit::hash;
use super::context::{Context, Kind};
use super::create::staggered;
use super::desk::Desk;
use super::effect::Effect;
use super::fault::ConversationFault;
use super::intention::Intention;
use super::room::{AlarmKind, Room, Standing};
use crate::sync::ReceivedEntry;
use crate::vault::conversations::{self, ConversationRow};
use crate::vault::held::Matter;
use crate::vault::intentions;
use crate::vault::records::{self, Noun};
use crate::vault::{Transaction, VaultFault};

/// Seconds between the administrators' turns to do what each of them would do.
const TURN_SECONDS: u64 = 20;

/// Seconds for which it is remembered why somebody was asked to add us again, and how many reasons are.
const REMEMBERED: u64 = 91 * 24 * 3600;
const ASKED: usize = 256;

/// Seconds after which those who were asked have helped or not, and after which an asking is judged by what is known.
pub(super) const DAY: u64 = 24 * 3600;

/// That somebody was asked to add us to a group.
#[derive(Encode, Decode)]
#[cbor(map)]
struct AskedIn {
    #[n(0)]
    at: Timestamp,
    #[n(1)]
    group: GroupId,
    /// Not said to people yet.
    #[n(2)]
    quiet: bool,
}

impl Desk<'_> {
    /// Complains to the administrators' inboxes, never into the log.
    pub(super) fn complain(
        &mut self,
        room: &Room,
        commit: &[u8; 32],
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        let mine = self.me.member;
        for administrator in room.context.administrators.iter().filter(|member| **member != mine) {
            let Some(to) = self.inbox_of(administrator)? else { continue };
            let body = ParcelBody::Complaint(Complaint {
                group: room.id,
                sequence: entry.sequence,
                commit: *commit,
                reason: Note::default(),
            });
            self.effects.push(Effect::Parcel { member: *administrator, to, body });
        }
        Ok(())
    }

    /// A member cannot process a commit. An administrator who could apply it adds the member again.
    ///
    /// # Errors
    /// This device's own trouble.
    pub fn complaint_received(&mut self, sender: &MemberKey, parcel: &Complaint) -> Result<(), ConversationFault> {
        if conversations::find(self.tx, &parcel.group)?.is_none() {
            return Ok(());
        }
        self.alarm(&parcel.group, AlarmKind::Complaint, sender.as_bytes())?;
        self.asked(&parcel.group, sender, &Matter::Complaint { commit: parcel.commit })
    }

    /// A member cannot go on, or could not come in, and asks to be added again.
    ///
    /// # Errors
    /// This device's own trouble.
    pub fn re_add_received(&mut self, sender: &MemberKey, group: &GroupId) -> Result<(), ConversationFault> {
        self.asked(group, sender, &Matter::ReAdd)
    }

    /// Whether they are in, and whether we administrate the group, is judged when the log is read: who asks has read more of
    /// it than we, or less.
    fn asked(&mut self, group: &GroupId, sender: &MemberKey, matter: &Matter) -> Result<(), ConversationFault> {
        let row = conversations::find(self.tx, group)?;
        let present = |row: ConversationRow| row.standing == Standing::Live && row.successor.is_none();
        if row.is_some_and(|row| row.kind == Kind::Group && present(row)) {
            // Not one more than there is room for: the next one who asks finds some.
            let _kept = self.wait_for_log(group, sender, matter)?;
        }
        Ok(())
    }

    /// A welcome into a group that we were in came from somebody who was none of its administrators then. It may be another
    /// group of that id; or they became one since, and all others count us in. So those whom we know are to be asked, once a
    /// day for one sender.
    pub(super) fn unknown_welcomer(&self, row: &ConversationRow, sender: &MemberKey) -> ConversationFault {
        let day = (self.now.0 / DAY).to_be_bytes();
        let why = hash(&[&row.id.0[..], sender.as_bytes(), &day].concat());
        ConversationFault::NotTakenIn { ask: row.administrators.clone(), why, quiet: true }
    }

    /// A welcome has not taken us in, though whoever sent it counts us as a member: these are asked to add us again. Once for
    /// one reason, so that a relay which gives a used key package for ever has no group run in circles.
    ///
    /// # Errors
    /// This device's own trouble.
    pub fn ask_in(
        &mut self,
        group: &GroupId,
        ask: &[MemberKey],
        why: &[u8; 32],
        quiet: bool,
    ) -> Result<(), ConversationFault> {
        let now = self.now;
        records::retain(self.tx, Noun::AskedIn, |asked: &AskedIn| now < asked.at.plus_seconds(REMEMBERED))?;
        let full = records::list::<AskedIn>(self.tx, Noun::AskedIn)?.len() >= ASKED;
        if records::has(self.tx, Noun::AskedIn, why)? {
            return Ok(());
        }
        if full {
            self.effects.extend(quiet.then_some(Effect::NotTakenIn));
            return Ok(());
        }
        let mut asked = false;
        for member in ask.iter().filter(|member| **member != self.me.member) {
            if let Some(to) = self.inbox_of(member)? {
                self.effects.push(Effect::Parcel { member: *member, to, body: ParcelBody::ReAdd { group: *group } });
                asked = true;
            }
        }
        if asked {
            records::put(self.tx, Noun::AskedIn, why, &AskedIn { at: now, group: *group, quiet })?;
        } else if quiet {
            self.effects.push(Effect::NotTakenIn);
        }
        Ok(())
    }

    /// As [`Self::ask_in`], for a welcome that was not judged as it came: then nobody else says that it was refused.
    pub(super) fn not_taken_in(&mut self, group: &GroupId, fault: &ConversationFault) -> Result<(), ConversationFault> {
        if let ConversationFault::NotTakenIn { ask, why, quiet } = fault {
            self.ask_in(group, ask, why, *quiet)?;
            self.effects.extend((!quiet).then_some(Effect::NotTakenIn));
        }
        Ok(())
    }

    /// Says of those who were asked in silence a day ago that they have not helped, where they have not.
    pub(super) fn still_out(&mut self) -> Result<(), ConversationFault> {
        let now = self.now;
        let due = |asked: &AskedIn| asked.quiet && asked.at.plus_seconds(DAY) <= now;
        for asked in records::list::<AskedIn>(self.tx, Noun::AskedIn)?.into_iter().filter(due) {
            let row = conversations::find(self.tx, &asked.group)?;
            if row.is_some_and(|row| row.standing != Standing::Live) {
                self.effects.push(Effect::NotTakenIn);
            }
        }
        Ok(records::retain(self.tx, Noun::AskedIn, |asked: &AskedIn| !due(asked))?)
    }

    pub(super) fn add_again(&mut self, group: &GroupId, member: &MemberKey) -> Result<(), ConversationFault> {
        let mut room = self.enter(group)?;
        self.again(&mut room, member)?;
        self.go_on(&mut room)?;
        self.keep(room)
    }

    /// Removes a member and adds it by a new key package, when our turn among the administrators comes; with an administrator
    /// also those who have not been heard of since they were added.
    fn again(&mut self, room: &mut Room, member: &MemberKey) -> Result<(), ConversationFault> {
        let live = room.row.standing == Standing::Live && room.context.kind == Kind::Group;
        let able = live && room.context.is_administrator(&self.me.member) && room.seat_of(member).is_some();
        // Whom an administrator had brought in may lack the welcome, which only its device had: their leaves are as they lay
        // on the shelf. One whose welcome is still under way loses nothing by a second one.
        let brought = able && room.context.is_administrator(member);
        let unheard = room.seats.iter().filter(|seat| brought && seat.committed_at.is_none()).map(|seat| seat.member);
        let unheard = unheard.filter(|one| !room.context.is_administrator(one));
        let mut people = Vec::new();
        for member in core::iter::once(*member).filter(|_| able).chain(unheard) {
            let inbox = self.inbox_of(&member)?.filter(|inbox| inbox.shelf.is_some());
            if let (Some(inbox), false) = (inbox, self.removes(&room.id, &member)?) {
                people.push((member, inbox));
            }
        }
        if people.iter().any(|(one, _)| one == member) {
            let due = self.turn(room, member);
            let members = people.iter().map(|(member, _)| *member).collect();
            self.intend(&room.id, &Intention::Remove { members, owner: None }, due)?;
            self.invite(room, people)?;
        }
        Ok(())
    }

    /// When it is our turn to do what each administrator would do: in the order of their leaves.
    pub(super) fn turn(&self, room: &Room, about: &MemberKey) -> Timestamp {
        let others = room.seats.iter().map(|seat| seat.member).filter(|member| member != about);
        let mut administrators = others.filter(|member| room.context.is_administrator(member));
        let rank = administrators.position(|member| member == self.me.member).unwrap_or(0);
        staggered(self.now, rank, TURN_SECONDS)
    }

    /// A message of an epoch that we have not reached: a commit is missing from what we were given.
    pub(super) fn missed(&mut self, room: &mut Room, epoch: u64) -> Result<(), ConversationFault> {
        if !intentions::has_alarm(self.tx, &room.id, AlarmKind::Gap.code(), &room.context.mailbox)? {
            return self.alarm(&room.id, AlarmKind::MissingCommit, &epoch.to_be_bytes());
        }
        self.behind(room)
    }

    /// Entries of the group's log are lost to us, and may have been commits.
    pub(super) fn lost_entries(&self, group: &GroupId) -> Result<(), ConversationFault> {
        // Once a month: a relay that loses entries every day would keep us from removing anybody.
        let lost: Option<Timestamp> = records::get(self.tx, Noun::LogGap, &group.0)?;
        if lost.is_some_and(|at| self.now < at.plus_seconds(30 * DAY)) {
            return Ok(());
        }
        Ok(records::put(self.tx, Noun::LogGap, &group.0, &self.now)?)
    }

    /// Somebody else is in our epoch: no commit is missing. Says whether one might have been.
    pub(super) fn heard_in_epoch(&self, group: &GroupId) -> Result<bool, ConversationFault> {
        let lost = records::has(self.tx, Noun::LogGap, &group.0)?;
        if lost {
            records::remove(self.tx, Noun::LogGap, &group.0)?;
        }
        Ok(lost)
    }

    /// The others are in an epoch that this device cannot reach: it asks their administrators to be added again, also those
    /// whom its commit in flight makes so, and those whom it meant to bring in, who may be in already.
    pub(super) fn behind(&mut self, room: &mut Room) -> Result<(), ConversationFault> {
        room.row.standing = Standing::Behind;
        if room.row.successor.is_some() {
            return Ok(());
        }
        let mine = self.me.member;
        let mut administrators = room.context.administrators.clone();
        if let Some(staged) = room.mls.pending_commit() {
            administrators.extend(Context::of(staged.group_context().extensions())?.administrators);
        }
        administrators.sort_unstable();
        administrators.dedup();
        // They may take us back into the group.
        room.row.administrators.clone_from(&administrators);
        let mut asked = Vec::new();
        for administrator in administrators.into_iter().filter(|member| *member != mine) {
            asked.extend(self.inbox_of(&administrator)?.map(|inbox| (administrator, inbox)));
        }
        for person in self.meant(&room.id)?.into_iter().flat_map(|one| one.people) {
            if room.seat_of(&person.member).is_none() && asked.iter().all(|(member, _)| *member != person.member) {
                asked.push((person.member, person.inbox));
            }
        }
        for (member, to) in asked {
            self.effects.push(Effect::Parcel { member, to, body: ParcelBody::ReAdd { group: room.id } });
        }
        Ok(())
    }
}

/// Until when the others may be in an epoch that we have not heard of, unless one of them is heard before. A commit of ours
/// would part us from them, and draw after us whom it adds and who has missed the same. Not for ever: all of them may have
/// lost the same entries, or have nothing to say.
pub(super) fn may_have_missed_commits_until(
    tx: &Transaction<'_>,
    now: Timestamp,
    group: &GroupId,
) -> Result<Option<Timestamp>, VaultFault> {
    let lost: Option<Timestamp> = records::get(tx, Noun::LogGap, &group.0)?;
    let today = |at: &Timestamp| (at.0..at.0.saturating_add(DAY)).contains(&now.0);
    Ok(lost.filter(today).map(|at| at.plus_seconds(DAY)))
}
