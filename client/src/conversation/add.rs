//! Adding and removing people.

use relevo_protocol::content::{GroupId, InboxAddress, LeaveRequest};
use relevo_protocol::trust::{MemberKey, Signed};
use relevo_protocol::wire::RelayAddress;

use super::context::Kind;
use super::desk::{Desk, names};
use super::fault::ConversationFault;
use super::intention::Intention;
use super::room::{AlarmKind, Room};
use super::suite::MAX_LEAVES;
use crate::vault::intentions;

impl Desk<'_> {
    /// Adds people to a group. Their key packages are taken from their shelves first.
    ///
    /// # Errors
    /// [`ConversationFault::NotAdministrator`], [`ConversationFault::AlreadyMember`], [`ConversationFault::TooMany`],
    /// [`ConversationFault::Pair`], [`ConversationFault::NoSuchMember`] when a person has no shelf.
    pub fn add(&mut self, group: &GroupId, people: Vec<(MemberKey, InboxAddress)>) -> Result<(), ConversationFault> {
        let room = self.enter_present(group)?;
        if room.context.kind == Kind::Pair {
            return Err(ConversationFault::Pair);
        }
        if !room.context.is_administrator(&self.me.member) {
            return Err(ConversationFault::NotAdministrator);
        }
        if people.iter().any(|(member, _)| room.seat_of(member).is_some()) {
            return Err(ConversationFault::AlreadyMember);
        }
        if room.seats.len().saturating_add(people.len()) > MAX_LEAVES {
            return Err(ConversationFault::TooMany { max: MAX_LEAVES });
        }
        self.invite(&room, people)?;
        self.keep(room)
    }

    /// Removes members from a group, which moves to a new mailbox. Whoever is not in yet is not added.
    /// Says whether anybody has to be removed.
    ///
    /// # Errors
    /// [`ConversationFault::NotAdministrator`], [`ConversationFault::NoSuchMember`], [`ConversationFault::Pair`].
    pub fn remove(&mut self, group: &GroupId, members: &[MemberKey]) -> Result<bool, ConversationFault> {
        let room = self.enter_present(group)?;
        let meant = self.meant(group)?;
        let (mut leaving, absent): (Vec<_>, Vec<_>) =
            members.iter().partition::<Vec<MemberKey>, _>(|member| room.seat_of(member).is_some());
        let pair = room.context.kind == Kind::Pair;
        self.keep(room)?;
        let is_meant = |member| meant.iter().any(|one| one.names(member));
        if members.is_empty() || leaving.contains(&self.me.member) || !absent.iter().all(is_meant) {
            return Err(ConversationFault::NoSuchMember);
        }
        if pair {
            return Err(ConversationFault::Pair);
        }
        // A commit that adds them is on its way, and cannot be called back: they are removed behind it.
        let arriving = |member: &MemberKey| meant.iter().any(|one| one.in_flight() && one.names(member));
        leaving.extend(absent.iter().copied().filter(arriving));
        for one in meant.into_iter().filter(|one| !one.in_flight()) {
            self.uninvite(one, |member| absent.contains(member))?;
        }
        for member in &absent {
            intentions::withdraw_alarm(self.tx, group, AlarmKind::NotAdded.code(), member.as_bytes())?;
        }
        if leaving.is_empty() {
            return Ok(false);
        }
        self.administrate(group, Intention::Remove { members: leaving, owner: None })?;
        Ok(true)
    }

    /// Moves a conversation to another relay of the charter, or to a new mailbox of the same one.
    ///
    /// # Errors
    /// [`ConversationFault::NotAdministrator`], [`ConversationFault::NoSuchRelay`], [`ConversationFault::RelayNotPinned`].
    pub fn move_to(&mut self, group: &GroupId, relay: &RelayAddress) -> Result<(), ConversationFault> {
        let mut room = self.enter_present(group)?;
        if !room.context.is_administrator(&self.me.member) {
            return Err(ConversationFault::NotAdministrator);
        }
        let charter = self.charter(group, &room.context.pins.charter)?;
        if *relay != room.context.relay && !charter.is_some_and(|charter| names(&charter, relay)) {
            let newer = names(self.me.charter()?, relay);
            return Err(if newer { ConversationFault::RelayNotPinned } else { ConversationFault::NoSuchRelay });
        }
        let intention = Intention::Move { relay: relay.duplicate(), from: room.context.mailbox, owner: None };
        if !self.is_intended(group, &intention)? {
            self.intend(group, &intention, self.now)?;
        }
        self.go_on(&mut room)?;
        self.keep(room)
    }

    /// Makes these members the administrators of a group.
    ///
    /// # Errors
    /// [`ConversationFault::NotAdministrator`], [`ConversationFault::NoSuchMember`],
    /// [`ConversationFault::TooFewAdministrators`], [`ConversationFault::Pair`].
    pub fn set_administrators(&mut self, group: &GroupId, members: &[MemberKey]) -> Result<(), ConversationFault> {
        let room = self.enter_present(group)?;
        let known = members.iter().all(|member| room.seat_of(member).is_some());
        let enough = members.len() >= if room.seats.len() > 2 { 2 } else { 1 };
        self.keep(room)?;
        match (known, enough) {
            (false, _) => Err(ConversationFault::NoSuchMember),
            (true, false) => Err(ConversationFault::TooFewAdministrators),
            (true, true) => {
                self.administrate(group, Intention::Administrators { members: members.to_vec(), owner: None })
            }
        }
    }

    /// Asks to be let out of a group: a signed request, which the first administrator online carries out.
    ///
    /// # Errors
    /// [`ConversationFault::Pair`], [`ConversationFault::NotIn`].
    pub fn leave(&mut self, group: &GroupId) -> Result<(), ConversationFault> {
        let mut room = self.enter_present(group)?;
        if room.context.kind == Kind::Pair {
            return Err(ConversationFault::Pair);
        }
        let request = LeaveRequest { group: *group, member: self.me.member, asked: self.now };
        let request = Signed::sign(&request, &self.me.device).map_err(|_| ConversationFault::Mls("leave request"))?;
        self.say(&mut room, relevo_protocol::content::Body::Leave { request })?;
        self.go_on(&mut room)?;
        self.keep(room)
    }

    /// A member wants out: each administrator means to remove it when its turn comes, and the first wins.
    pub(super) fn leaves(
        &mut self,
        room: &mut Room,
        author: &MemberKey,
        request: &Signed<LeaveRequest>,
    ) -> Result<(), ConversationFault> {
        let Some(device) = room.seat_of(author).map(|seat| seat.device) else { return Ok(()) };
        let Ok(request) = request.verify_with(&device) else { return Ok(()) };
        let mine = self.me.member;
        if request.member != *author || request.group != room.id || !room.context.is_administrator(&mine) {
            return Ok(());
        }
        if room.context.kind == Kind::Pair || self.removes(&room.id, author)? {
            return Ok(());
        }
        let due = self.turn(room, author);
        self.intend(&room.id, &Intention::Remove { members: vec![*author], owner: None }, due)?;
        self.go_on(room)
    }
}
