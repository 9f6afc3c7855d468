//! A relay that was put back to an older copy is given again what it has lost of a log (DESIGN 2, SPEC 11).
//!
//! Whoever has read further than the relay now knows appends what is missing, as it lay there and in its old order. So do
//! all who have it, each in their turn; what has come back by then is left out, and what comes back twice is read once.

use minicbor::{Decode, Encode};
use openmls::prelude::ContentType;
use relevo_protocol::content::{GroupId, LogItem, decode};
use relevo_protocol::sealed::open;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Head, MailboxId};
use sha2::{Digest, Sha256};

use super::create::staggered;
use super::desk::Desk;
use super::effect::Awaited;
use super::fault::ConversationFault;
use super::room::{AlarmKind, Room, Standing};
use crate::sync::{self, Followed, ReceivedEntry};
use crate::vault::followed::{self, Restored};
use crate::vault::records::{self, Noun};
use crate::vault::{conversations, intentions, tails};

/// Seconds between the members' turns.
const TURN_SECONDS: u64 = 2;

/// Seconds for which nobody commits: what was lost may have been commits, and they come first. Once in a day, so that a
/// relay which says every hour that it was put back keeps nobody from removing anybody.
const NO_COMMITS: u64 = 3600;
const DAY: u64 = 24 * 3600;

/// Seconds between two times that a relay is given what it has lost.
const PAUSE: u64 = 3600;

/// A log whose relay was put back.
#[derive(Clone, Copy, Encode, Decode)]
#[cbor(map)]
struct PutBack {
    /// When that was noticed.
    #[n(0)]
    noticed: Timestamp,
    /// Since when nothing is committed.
    #[n(1)]
    held: Timestamp,
    /// When it was given what it had lost.
    #[n(2)]
    given: Option<Timestamp>,
}

impl Desk<'_> {
    /// The relay of a conversation's log has gone back. What it is said to be, a restoration or a contradiction, is others' to
    /// say.
    pub(super) fn relay_put_back(&self, group: &GroupId) -> Result<(), ConversationFault> {
        intentions::unplace(self.tx, group)?;
        let before: Option<PutBack> = records::get(self.tx, Noun::PutBack, &group.0)?;
        let held = before.map(|before| before.held).filter(|held| self.now < held.plus_seconds(DAY));
        let noticed = match before {
            // It was not given anything since.
            Some(PutBack { noticed, given: None, .. }) => noticed,
            Some(PutBack { given: Some(given), .. }) => given.plus_seconds(PAUSE).max(self.now),
            None => self.now,
        };
        // A clock that was ahead puts nothing off for longer than that.
        let noticed = noticed.min(self.now.plus_seconds(PAUSE));
        let row = PutBack { noticed, held: held.unwrap_or(self.now), given: None };
        Ok(records::put(self.tx, Noun::PutBack, &group.0, &row)?)
    }

    /// Whether the relay went back a moment ago, so that commits which others know may be missing from the log.
    pub(super) fn is_put_back(&self, group: &GroupId) -> Result<bool, ConversationFault> {
        let row: Option<PutBack> = records::get(self.tx, Noun::PutBack, &group.0)?;
        Ok(row.is_some_and(|row| (row.held.0..row.held.0.saturating_add(NO_COMMITS)).contains(&self.now.0)))
    }

    /// Gives relays what they have lost, where all is read that they still have and our turn has come.
    pub(super) fn give_back(&mut self) -> Result<(), ConversationFault> {
        for Restored { followed: log, is_read } in followed::restored(self.tx)? {
            let Some(place) = conversations::place(self.tx, &log.mailbox)?.filter(|_| is_read) else { continue };
            let group = place.conversation;
            let Some(row) = records::get::<PutBack>(self.tx, Noun::PutBack, &group.0)? else { continue };
            let seats = conversations::seats(self.tx, &group)?;
            let rank = seats.iter().position(|seat| seat.member == self.me.member).unwrap_or(seats.len());
            if self.now < staggered(row.noticed, rank, TURN_SECONDS) {
                continue;
            }
            self.give_back_to(&group, &log)?;
            followed::set_restored(self.tx, &log.mailbox, None)?;
            records::put(self.tx, Noun::PutBack, &group.0, &PutBack { given: Some(self.now), ..row })?;
        }
        Ok(())
    }

    fn give_back_to(&mut self, group: &GroupId, log: &Followed) -> Result<(), ConversationFault> {
        let (Some(life), Some(row)) = (log.cursor.incarnation, conversations::find(self.tx, group)?) else {
            return Ok(());
        };
        // A log that was left behind a move is frozen.
        if row.mailbox != log.mailbox {
            return Ok(());
        }
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::NothingGivenBack) {
            return Ok(());
        }
        let room = self.enter(group)?;
        for entry in tails::lost(self.tx, &log.mailbox, life)? {
            self.append(&room, entry, Awaited::Nothing)?;
        }
        self.keep(room)
    }

    /// A message of an epoch that has passed here. If it is a commit, and the one that ended this epoch is lost to the log, it
    /// wins there: who had not read ours follows it, and the others are elsewhere than we are.
    pub(super) fn late(
        &mut self,
        room: &mut Room,
        kind: ContentType,
        epoch: u64,
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        let log = room.context.mailbox;
        if kind == ContentType::Commit && tails::winner_is_lost(self.tx, &log, entry.incarnation, epoch)? {
            return self.behind(room);
        }
        Ok(())
    }

    /// A message of an epoch that we have not reached: it waits for the commits in between, which a relay that was put back
    /// may be given later.
    pub(super) fn early(
        &mut self,
        room: &mut Room,
        epoch: u64,
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        tails::set_early(self.tx, &room.context.mailbox, &digest(entry), epoch)?;
        if self.is_put_back(&room.id)? { Ok(()) } else { self.missed(room, epoch) }
    }

    /// An entry has brought us into another epoch: what of it came too early is read now.
    pub(super) fn advanced(
        &mut self,
        room: &mut Room,
        log: &MailboxId,
        entry: &ReceivedEntry,
        epoch: u64,
    ) -> Result<(), ConversationFault> {
        tails::won(self.tx, log, &digest(entry), epoch)?;
        let place = conversations::place(self.tx, log)?.ok_or(ConversationFault::Mls("mailbox"))?;
        while room.row.standing == Standing::Live && room.context.mailbox == *log {
            let epoch = room.mls.epoch().as_u64();
            let Some((at, entry)) = tails::take_early(self.tx, log, epoch)? else { break };
            intentions::withdraw_alarm(self.tx, &room.id, AlarmKind::MissingCommit.code(), &epoch.to_be_bytes())?;
            let head = sync::head_at(self.tx, log, at.incarnation, at.sequence)?.unwrap_or(Head::START);
            let (incarnation, sequence, expires) = (at.incarnation, at.sequence, Hour(0));
            let early = ReceivedEntry { incarnation, sequence, head, expires, entry };
            let Ok(plain) = open(&place.secrets.wrap, log, &early.entry) else { continue };
            if let Ok(LogItem::Mls { message }) = decode::<LogItem>(&plain) {
                self.mls(room, message.bytes(), &early)?;
                if room.mls.epoch().as_u64() != epoch {
                    tails::won(self.tx, log, &digest(&early), epoch)?;
                }
            }
        }
        Ok(())
    }
}

fn digest(entry: &ReceivedEntry) -> [u8; 32] {
    Sha256::digest(entry.entry.bytes()).into()
}
