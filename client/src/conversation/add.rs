//! Adding and removing people.

use relevo_protocol::content::{GroupId, InboxAddress, LeaveRequest, Opaque, encode_secret};
use relevo_protocol::sealed::open_shelf;
use relevo_protocol::trust::{MemberKey, Signed};
use relevo_protocol::wire::{Call, Entry, Fingerprint, RelayAddress};

use super::context::Kind;
use super::desk::{Desk, names};
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::intention::{Intention, Invitee};
use super::room::{AlarmKind, Room};
use super::suite::{MAX_ADDS, MAX_LEAVES};
use crate::vault::intentions::{self, IntentionRow};

/// Seconds until a shelf without a key package is asked again; then after as long as it has been without one, at most
/// [`SELDOM`].
const SOON: u64 = 60;
const SELDOM: u64 = 6 * 3600;
/// Seconds that a shelf may be without one before it is said: its owner may be about to open Relevo for the first time.
const QUIET: u64 = 600;
/// Seconds after which whoever has no key package is given up.
const GIVEN_UP: u64 = 28 * 24 * 3600;

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
        mut people: Vec<(MemberKey, InboxAddress)>,
    ) -> Result<(), ConversationFault> {
        for (row, waiting) in self.waiting_adds(&room.id)? {
            people.retain(|(member, _)| waiting.iter().all(|person| person.member != *member));
            // Whoever tries again need not wait.
            if row.due > self.now && waiting.iter().any(is_missing) {
                intentions::set_body(self.tx, row.number, &row.body, self.now)?;
            }
        }
        let mut people = people.into_iter();
        loop {
            let invitees: Vec<Invitee> = people
                .by_ref()
                .take(MAX_ADDS)
                .map(|(member, inbox)| Invitee { member, inbox, package: None, missing: None })
                .collect();
            if invitees.is_empty() {
                return Ok(());
            }
            let takes = invitees.iter().map(take).collect::<Result<Vec<_>, _>>()?;
            let intention = self.intend(&room.id, &Intention::Add { people: invitees }, self.now)?;
            for (relay, member, call) in takes {
                let then = Awaited::KeyPackage { group: room.id, intention, member };
                self.effects.push(Effect::Call { relay, call, then });
            }
        }
    }

    /// Whom we mean to add, and no commit that does it is in flight.
    fn waiting_adds(&self, group: &GroupId) -> Result<Vec<(IntentionRow, Vec<Invitee>)>, ConversationFault> {
        let mut waiting = Vec::new();
        for row in intentions::of(self.tx, group)?.into_iter().filter(|row| row.echo.is_none()) {
            if let Intention::Add { people } = Intention::of(&row)? {
                waiting.push((row, people));
            }
        }
        Ok(waiting)
    }

    /// Asks those shelves again whose time has come.
    pub(super) fn ask_shelves(&mut self, room: &Room) -> Result<(), ConversationFault> {
        for (row, people) in self.waiting_adds(&room.id)? {
            if row.due > self.now || !people.iter().any(is_missing) {
                continue;
            }
            let wanted = room.context.is_administrator(&self.me.member);
            if !wanted || people.iter().all(|person| room.seat_of(&person.member).is_some()) {
                intentions::remove(self.tx, row.number)?;
                continue;
            }
            for person in people.iter().filter(|person| is_missing(person)) {
                let (relay, member, call) = take(person)?;
                let then = Awaited::KeyPackage { group: room.id, intention: row.number, member };
                self.effects.push(Effect::Call { relay, call, then });
            }
            // The answer says when it is due.
            intentions::set_body(self.tx, row.number, &row.body, self.now.plus_seconds(GIVEN_UP))?;
        }
        Ok(())
    }

    /// A shelf had no key package for somebody, who is asked again later, beside whoever else was meant.
    fn ask_later(&mut self, room: &Room, person: Invitee, usable: bool) -> Result<(), ConversationFault> {
        let since = person.missing.unwrap_or(self.now);
        let waited = self.now.0.saturating_sub(since.0);
        if !usable || waited >= QUIET {
            self.alarm(&room.id, AlarmKind::NotAdded, person.member.as_bytes())?;
        }
        if waited < GIVEN_UP {
            let due = self.now.plus_seconds(waited.clamp(SOON, SELDOM));
            let people = vec![Invitee { missing: Some(since), ..person }];
            self.intend(&room.id, &Intention::Add { people }, due)?;
        }
        Ok(())
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
        let Some(at) = people.iter().position(|person| person.member == *member) else { return self.keep(room) };
        let mut person = people.remove(at);
        let charter =
            self.charter(group, &room.context.pins.charter)?.ok_or(ConversationFault::Mls("the pinned charter"))?;
        let package = entry.and_then(|entry| {
            let shelf = person.inbox.shelf.as_ref()?;
            open_shelf(&shelf.key, &shelf.mailbox, entry).ok()
        });
        // Whoever's shelf it is, the key package must be that person's.
        let checked = package.filter(|package| {
            let checked = self.check_key_package(package, &charter, self.now);
            checked.is_ok_and(|(_, leaf)| leaf.member == *member)
        });
        let mut due = row.due;
        match checked {
            Some(package) => {
                if person.missing.take().is_some() {
                    due = self.now;
                }
                person.package = Some(Opaque::new(package.to_vec()));
                people.insert(at, person);
            }
            None => self.ask_later(&room, person, entry.is_none())?,
        }
        if people.is_empty() {
            intentions::remove(self.tx, number)?;
        } else {
            intentions::set_body(self.tx, number, &encode_secret(&Intention::Add { people }), due)?;
        }
        self.go_on(&mut room)?;
        self.keep(room)
    }

    /// Removes members from a group, which moves to a new mailbox. Whoever is not in yet is not added.
    ///
    /// # Errors
    /// [`ConversationFault::NotAdministrator`], [`ConversationFault::NoSuchMember`], [`ConversationFault::Pair`].
    pub fn remove(&mut self, group: &GroupId, members: &[MemberKey]) -> Result<(), ConversationFault> {
        let room = self.enter_live(group)?;
        let (seated, absent): (Vec<_>, Vec<_>) =
            members.iter().partition::<Vec<MemberKey>, _>(|member| room.seat_of(member).is_some());
        let waiting = self.waiting_adds(group)?;
        let is_meant =
            |member: &MemberKey| waiting.iter().any(|(_, people)| people.iter().any(|one| one.member == *member));
        let pair = room.context.kind == Kind::Pair;
        self.keep(room)?;
        if members.is_empty() || seated.contains(&self.me.member) || !absent.iter().all(is_meant) {
            return Err(ConversationFault::NoSuchMember);
        }
        if pair {
            return Err(ConversationFault::Pair);
        }
        for (row, mut people) in waiting {
            let before = people.len();
            people.retain(|person| !absent.contains(&person.member));
            if people.is_empty() {
                intentions::remove(self.tx, row.number)?;
            } else if people.len() < before {
                intentions::set_body(self.tx, row.number, &encode_secret(&Intention::Add { people }), row.due)?;
            }
        }
        for member in &absent {
            intentions::withdraw_alarm(self.tx, group, AlarmKind::NotAdded.code(), member.as_bytes())?;
        }
        if seated.is_empty() {
            return Ok(());
        }
        self.administrate(group, Intention::Remove { members: seated, owner: None })
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

/// Whether a shelf is to be asked for somebody again.
fn is_missing(person: &Invitee) -> bool {
    person.missing.is_some() && person.package.is_none()
}

/// What asks somebody's shelf for a key package, and where.
fn take(person: &Invitee) -> Result<(Fingerprint, MemberKey, Call), ConversationFault> {
    let shelf = person.inbox.shelf.as_ref().ok_or(ConversationFault::NoSuchMember)?;
    let call = Call::Take { mailbox: shelf.mailbox, capability: shelf.take.duplicate() };
    Ok((person.inbox.relay.fingerprint, person.member, call))
}
