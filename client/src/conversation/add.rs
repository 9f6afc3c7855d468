//! Adding and removing people.

use relevo_protocol::content::{GroupId, InboxAddress, LeaveRequest, Opaque, encode_secret};
use relevo_protocol::sealed::open_shelf;
use relevo_protocol::trust::{MemberKey, Signed};
use relevo_protocol::wire::{Call, Entry, RelayAddress};

use super::context::Kind;
use super::desk::{Desk, names};
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::intention::{Intention, Invitee};
use super::room::{AlarmKind, Room};
use super::suite::{MAX_ADDS, MAX_LEAVES};
use crate::vault::intentions;

impl Desk<'_> {
    /// Adds people to a group. Their key packages are taken from their shelves first.
    ///
    /// # Errors
    /// [`ConversationFault::NotAdministrator`], [`ConversationFault::AlreadyMember`], [`ConversationFault::TooMany`],
    /// [`ConversationFault::Pair`], [`ConversationFault::NoSuchMember`] when a person has no shelf.
    pub fn add(&mut self, group: &GroupId, people: Vec<(MemberKey, InboxAddress)>) -> Result<(), ConversationFault> {
        let room = self.enter_live(group)?;
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

    /// Means to add people, at most [`MAX_ADDS`] a commit, and asks their shelves for key packages.
    pub(super) fn invite(
        &mut self,
        room: &Room,
        people: Vec<(MemberKey, InboxAddress)>,
    ) -> Result<(), ConversationFault> {
        let mut people = people.into_iter();
        loop {
            let invitees: Vec<Invitee> = people
                .by_ref()
                .take(MAX_ADDS)
                .map(|(member, inbox)| Invitee { member, inbox, package: None })
                .collect();
            if invitees.is_empty() {
                return Ok(());
            }
            let mut takes = Vec::new();
            for invitee in &invitees {
                let shelf = invitee.inbox.shelf.as_ref().ok_or(ConversationFault::NoSuchMember)?;
                let call = Call::Take { mailbox: shelf.mailbox, capability: shelf.take.duplicate() };
                takes.push((invitee.inbox.relay.fingerprint, invitee.member, call));
            }
            let intention = self.intend(&room.id, &Intention::Add { people: invitees }, self.now)?;
            for (relay, member, call) in takes {
                let then = Awaited::KeyPackage { group: room.id, intention, member };
                self.effects.push(Effect::Call { relay, call, then });
            }
        }
    }

    /// A shelf has answered: with a key package, or not.
    pub(super) fn taken(
        &mut self,
        group: &GroupId,
        number: i64,
        member: &MemberKey,
        entry: Option<&Entry>,
    ) -> Result<(), ConversationFault> {
        let mut room = self.enter(group)?;
        let rows = intentions::of(self.tx, group)?;
        let Some(row) = rows.iter().find(|row| row.number == number && row.echo.is_none()) else {
            return self.keep(room);
        };
        let Intention::Add { mut people } = Intention::of(row)? else { return self.keep(room) };
        let charter =
            self.charter(group, &room.context.pins.charter)?.ok_or(ConversationFault::Mls("the pinned charter"))?;
        if let Some(person) = people.iter_mut().find(|person| person.member == *member) {
            let package = entry.and_then(|entry| {
                let shelf = person.inbox.shelf.as_ref()?;
                open_shelf(&shelf.key, &shelf.mailbox, entry).ok()
            });
            // Whoever's shelf it is, the key package must be that person's.
            let checked = package.filter(|package| {
                let checked = self.check_key_package(package, &charter, self.now);
                checked.is_ok_and(|(_, leaf)| leaf.member == *member)
            });
            person.package = checked.map(|package| Opaque::new(package.to_vec()));
        }
        let missing = |person: &Invitee| person.member == *member && person.package.is_none();
        if people.iter().any(missing) {
            people.retain(|person| !missing(person));
            self.alarm(group, AlarmKind::NotAdded, member.as_bytes())?;
        }
        if people.is_empty() {
            intentions::remove(self.tx, number)?;
        } else {
            intentions::set_body(self.tx, number, &encode_secret(&Intention::Add { people }), row.due)?;
        }
        self.go_on(&mut room)?;
        self.keep(room)
    }

    /// Removes members from a group, which moves to a new mailbox.
    ///
    /// # Errors
    /// [`ConversationFault::NotAdministrator`], [`ConversationFault::NoSuchMember`], [`ConversationFault::Pair`].
    pub fn remove(&mut self, group: &GroupId, members: &[MemberKey]) -> Result<(), ConversationFault> {
        let room = self.enter_live(group)?;
        let known = members.iter().all(|member| room.seat_of(member).is_some() && *member != self.me.member);
        self.keep(room)?;
        if !known || members.is_empty() {
            return Err(ConversationFault::NoSuchMember);
        }
        self.administrate(group, Intention::Remove { members: members.to_vec(), owner: None })
    }

    /// Moves a conversation to another relay of the charter, or to a new mailbox of the same one.
    ///
    /// # Errors
    /// [`ConversationFault::NotAdministrator`], [`ConversationFault::NoSuchRelay`], [`ConversationFault::RelayNotPinned`].
    pub fn move_to(&mut self, group: &GroupId, relay: &RelayAddress) -> Result<(), ConversationFault> {
        let mut room = self.enter_live(group)?;
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
        let room = self.enter_live(group)?;
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
        let mut room = self.enter_live(group)?;
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
