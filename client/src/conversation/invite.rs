//! Those whom this device means to add: their key packages are taken from their shelves, which may be empty for a while.

use relevo_protocol::content::{GroupId, InboxAddress, Opaque, encode_secret};
use relevo_protocol::sealed::open_shelf;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Call, Entry, Fingerprint};

use super::context::Kind;
use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::intention::{Intention, Invitee, Missing};
use super::room::{AlarmKind, Room};
use super::suite::MAX_ADDS;
use crate::vault::conversations::SeatRow;
use crate::vault::intentions::{self, IntentionRow};

/// Seconds until a shelf without a key package is asked again; then after as long as it has been without one, at most
/// [`SELDOM`].
const SOON: u64 = 60;
const SELDOM: u64 = 6 * 3600;
/// Seconds that a shelf may be without one before it is said: its owner may be about to open Relevo for the first time.
const QUIET: u64 = 600;
/// Seconds after which whoever has no key package is given up, but for the other one of a pair.
const GIVEN_UP: u64 = 28 * 24 * 3600;

/// An intention to add people.
pub(super) struct Meant {
    row: IntentionRow,
    pub(super) people: Vec<Invitee>,
}

impl Meant {
    pub(super) fn names(&self, member: &MemberKey) -> bool {
        self.people.iter().any(|person| person.member == *member)
    }

    /// Whether a commit that adds them is under way.
    pub(super) fn in_flight(&self) -> bool {
        self.row.echo.is_some()
    }
}

impl Desk<'_> {
    /// Means to add people, at most [`MAX_ADDS`] a commit, and asks their shelves for key packages. Whoever is meant already
    /// is asked for at once.
    pub(super) fn invite(
        &mut self,
        room: &Room,
        mut people: Vec<(MemberKey, InboxAddress)>,
    ) -> Result<(), ConversationFault> {
        for mut one in self.meant(&room.id)? {
            let mut again = false;
            for person in &mut one.people {
                // Who is removed first is added behind that.
                let stale =
                    self.last_removal(&room.id, &person.member)?.is_some_and(|removal| removal > one.row.number);
                let Some(at) = people.iter().position(|(member, _)| !stale && *member == person.member) else {
                    continue;
                };
                let (_, inbox) = people.remove(at);
                if person.missing.as_ref().is_some_and(|missing| !missing.asked) {
                    person.inbox = inbox;
                    again = true;
                }
            }
            if again && one.row.echo.is_none() {
                intentions::set_body(
                    self.tx,
                    one.row.number,
                    &encode_secret(&Intention::Add { people: one.people }),
                    self.now,
                )?;
            }
        }
        let mut people = people.into_iter();
        loop {
            let invitees: Vec<Invitee> = people
                .by_ref()
                .take(MAX_ADDS)
                .map(|(member, inbox)| {
                    // Of one that is founded anew, those who administrated it: the first commit forgets who does not come with it.
                    let named = room.context.continues.is_some() && room.context.is_administrator(&member);
                    let administrator = named && room.seat_of(&member).is_none();
                    Invitee { member, inbox, package: None, missing: None, administrator }
                })
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

    /// Whom we mean to add.
    pub(super) fn meant(&self, group: &GroupId) -> Result<Vec<Meant>, ConversationFault> {
        let mut meant = Vec::new();
        for row in intentions::of(self.tx, group)? {
            if let Intention::Add { people } = Intention::of(&row)? {
                meant.push(Meant { row, people });
            }
        }
        Ok(meant)
    }

    /// Means some people no more.
    pub(super) fn uninvite(&mut self, one: Meant, gone: impl Fn(&MemberKey) -> bool) -> Result<(), ConversationFault> {
        let Meant { row, mut people } = one;
        let before = people.len();
        people.retain(|person| !gone(&person.member));
        if people.is_empty() {
            intentions::remove(self.tx, row.number)?;
        } else if people.len() < before {
            intentions::set_body(self.tx, row.number, &encode_secret(&Intention::Add { people }), row.due)?;
        }
        Ok(())
    }

    /// A commit has won, by which these are seated. Somebody has seen to whoever came or went by it: what was meant for them
    /// before is not done weeks later. What is meant behind a removal of our own stays, unless somebody else has removed them
    /// first: then they may not be wanted.
    pub(super) fn reseated(&mut self, room: &Room, seats: &[SeatRow], ours: bool) -> Result<(), ConversationFault> {
        for one in self.meant(&room.id)?.into_iter().filter(|one| !one.in_flight()) {
            let mut gone = Vec::new();
            for Invitee { member, .. } in &one.people {
                let (was, is) = (room.seat_of(member).is_some(), seats.iter().any(|seat| seat.member == *member));
                let behind = self.last_removal(&room.id, member)?.is_some_and(|removal| removal < one.row.number);
                if was != is && (!behind || was && !ours) {
                    gone.push(*member);
                }
            }
            self.uninvite(one, |member| gone.contains(member))?;
        }
        for row in intentions::of(self.tx, &room.id)?.into_iter().filter(|row| row.echo.is_none()) {
            let Intention::Remove { mut members, owner } = Intention::of(&row)? else { continue };
            let before = members.len();
            let stays = |member: &MemberKey| seats.iter().any(|seat| seat.member == *member);
            members.retain(|member| room.seat_of(member).is_none() || stays(member));
            if members.is_empty() {
                intentions::remove(self.tx, row.number)?;
            } else if members.len() < before {
                let body = encode_secret(&Intention::Remove { members, owner });
                intentions::set_body(self.tx, row.number, &body, row.due)?;
            }
        }
        Ok(())
    }

    /// Asks those shelves again whose time has come.
    pub(super) fn ask_shelves(&mut self, room: &Room) -> Result<(), ConversationFault> {
        let able = room.context.is_administrator(&self.me.member);
        for Meant { row, mut people } in self.meant(&room.id)? {
            let is_due = row.echo.is_none() && row.due <= self.now;
            if !is_due || !people.iter().any(|person| person.missing.is_some()) {
                continue;
            }
            if !able {
                for person in &people {
                    let about = person.member.as_bytes();
                    intentions::withdraw_alarm(self.tx, &room.id, AlarmKind::NotAdded.code(), about)?;
                }
                intentions::remove(self.tx, row.number)?;
                continue;
            }
            for person in &mut people {
                let Some(missing) = person.missing.as_mut().filter(|missing| !missing.asked) else { continue };
                missing.asked = true;
                let (relay, member, call) = take(person)?;
                let then = Awaited::KeyPackage { group: room.id, intention: row.number, member };
                self.effects.push(Effect::Call { relay, call, then });
            }
            // The answer, however late, says what is due when.
            let later = self.now.plus_seconds(SELDOM);
            intentions::set_body(self.tx, row.number, &encode_secret(&Intention::Add { people }), later)?;
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
        let found = self.meant(group)?.into_iter().find(|one| one.row.number == number && !one.in_flight());
        let Some(Meant { row, mut people }) = found else { return self.keep(room) };
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

    /// A shelf had no key package for somebody, who is asked for again later, apart from whoever else was meant.
    fn ask_later(&mut self, room: &Room, person: Invitee, empty: bool) -> Result<(), ConversationFault> {
        // A clock may have been set back.
        let since = person.missing.as_ref().map_or(self.now, |missing| missing.since.min(self.now));
        let waited = self.now.0.saturating_sub(since.0);
        if !empty || waited >= QUIET {
            self.alarm(&room.id, AlarmKind::NotAdded, person.member.as_bytes())?;
        }
        if waited < GIVEN_UP || room.context.kind == Kind::Pair {
            let due = self.now.plus_seconds(waited.clamp(SOON, SELDOM));
            let people = vec![Invitee { missing: Some(Missing { since, asked: false }), ..person }];
            self.intend(&room.id, &Intention::Add { people }, due)?;
        }
        Ok(())
    }
}

/// What asks somebody's shelf for a key package, and where.
fn take(person: &Invitee) -> Result<(Fingerprint, MemberKey, Call), ConversationFault> {
    let shelf = person.inbox.shelf.as_ref().ok_or(ConversationFault::NoSuchMember)?;
    let call = Call::Take { mailbox: shelf.mailbox, capability: shelf.take.duplicate() };
    Ok((person.inbox.relay.fingerprint, person.member, call))
}
