//! A relay that was put back to an older copy is given again what it has lost of a log (DESIGN 2, SPEC 11).
//!
//! Whoever has read further than the relay now knows appends what is missing, as it lay there and in its old order. So do
//! all who have it, each in their turn; what has come back by then is left out, and what comes back twice is read once.

use minicbor::{Decode, Encode};
use openmls::prelude::ContentType;
use relevo_protocol::content::{GroupId, LogItem, decode, encode_secret};
use relevo_protocol::limits::MAX_RETURNED;
use relevo_protocol::sealed::{open, seal};
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::trust::ObjectHash;
use relevo_protocol::wire::{Head, Incarnation, MailboxId, Sequence};
use sha2::{Digest, Sha256};

use super::create::staggered;
use super::desk::Desk;
use super::effect::Awaited;
use super::fault::ConversationFault;
use super::intention::Intention;
use super::room::{AlarmKind, MessageState, Room, Standing};
use super::send::{RECEIPT, is_for_people};
use crate::sync::{self, Followed, ReceivedEntry};
use crate::vault::followed::{self, Restored};
use crate::vault::messages::{self, MessageRow};
use crate::vault::records::{self, Noun};
use crate::vault::tails::Doubt;
use crate::vault::{Transaction, VaultFault, conversations, intentions, tails};

/// Seconds between the members' turns, which begin when nothing has come back for a moment.
const TURN_SECONDS: u64 = 2;

/// Seconds for which nobody commits: what was lost may have been commits, and they come first. Once in a day, so that a
/// relay which says every hour that it was put back keeps nobody from removing anybody.
const NO_COMMITS: u64 = 3600;
const DAY: u64 = 24 * 3600;

/// Seconds between two times that a relay is given what it has lost, and what all turns take.
const PAUSE: u64 = 3 * 3600;
const TURNS: u64 = 600;

/// Commits of a log that are remembered as given back.
const RETURNED: usize = 16 * MAX_RETURNED;

/// Seconds for which a life of a log that we never heard of may be one that it had while we were away.
const REMEMBERED: u64 = 8 * DAY;

/// A log whose relay was put back.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
struct PutBack {
    /// When that was noticed, or something of what was lost last came back: turns count from here.
    #[n(0)]
    noticed: Timestamp,
    /// Since when nothing is committed.
    #[n(1)]
    held: Timestamp,
    /// When it was begun to be given.
    #[n(2)]
    given: Option<Timestamp>,
    /// Entries that are on their way to it.
    #[n(3)]
    under_way: u64,
    /// How many it is to be given still, once our turn has come.
    #[n(4)]
    left: Option<u64>,
    /// Commits of which somebody said that they are given back: SHA-256 of their entries, the newest.
    #[cbor(n(5), default)]
    returned: Vec<ObjectHash>,
}

impl Desk<'_> {
    /// The relay of a conversation's log has gone back. What it is said to be, a restoration or a contradiction, is others' to
    /// say.
    pub(super) fn relay_put_back(&self, group: &GroupId, mailbox: &MailboxId) -> Result<(), ConversationFault> {
        // Not one that the conversation has left, nor the log of a welcome.
        if conversations::find(self.tx, group)?.is_none_or(|row| row.mailbox != *mailbox) {
            return Ok(());
        }
        intentions::unplace(self.tx, group)?;
        let before = self.put_back_row(mailbox)?;
        let today = |held: &Timestamp| (held.0..held.0.saturating_add(DAY)).contains(&self.now.0);
        let held = before.as_ref().map(|before| before.held).filter(today).unwrap_or(self.now);
        let noticed = match before {
            // It was not given anything since.
            Some(PutBack { noticed, given: None, .. }) => noticed,
            Some(PutBack { given: Some(given), .. }) => given.plus_seconds(PAUSE).max(self.now),
            None => self.now,
        };
        // What is on its way to it stays so, however often it says this.
        let (under_way, returned) = before.map_or((0, Vec::new()), |before| (before.under_way, before.returned));
        self.keep_put_back(mailbox, &PutBack { noticed, held, given: None, under_way, left: None, returned })
    }

    /// Whether the relay went back a moment ago, so that commits which others know may be missing from the log.
    pub(super) fn is_put_back(&self, mailbox: &MailboxId) -> Result<bool, ConversationFault> {
        Ok(is_put_back_until(self.tx, self.now, mailbox)?.is_some())
    }

    /// Whether the relay has gone back in these days.
    pub(super) fn has_been_put_back(&self, mailbox: &MailboxId) -> Result<bool, ConversationFault> {
        let row = self.put_back_row(mailbox)?;
        Ok(row.is_some_and(|row| self.now < row.noticed.plus_seconds(REMEMBERED)))
    }

    /// Gives relays what they have lost, where all is read that they still have and our turn has come.
    pub(super) fn give_back(&mut self) -> Result<(), ConversationFault> {
        for Restored { followed: log, is_read } in followed::restored(self.tx)? {
            let (tx, wanted) = (self.tx, self.effects.len());
            match records::attempt(tx, || self.give_back_to(&log, is_read))? {
                Err(ConversationFault::Vault(fault)) => return Err(fault.into()),
                Err(fault) => {
                    tracing::error!(code = fault.code(), "a log could not be given back to its relay");
                    self.effects.truncate(wanted);
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn give_back_to(&mut self, log: &Followed, is_read: bool) -> Result<(), ConversationFault> {
        let place = conversations::place(self.tx, &log.mailbox)?;
        let group = place.map(|place| place.conversation);
        let here = group.map(|group| conversations::find(self.tx, &group)).transpose()?.flatten();
        let (Some(group), Some(mut row), true) =
            (group, self.put_back_row(&log.mailbox)?, here.is_some_and(|here| here.mailbox == log.mailbox))
        else {
            // The log of a welcome, or one that was left, which is frozen.
            return Ok(followed::set_restored(self.tx, &log.mailbox, None)?);
        };
        let Some(life) = log.cursor.incarnation else { return Ok(()) };
        if row.noticed > self.now.plus_seconds(PAUSE) {
            // By a clock that was ahead.
            row.noticed = self.now;
            return self.keep_put_back(&log.mailbox, &row);
        }
        let seats = conversations::seats(self.tx, &group)?;
        let rank = seats.iter().position(|seat| seat.member == self.me.member).unwrap_or(seats.len());
        let is_turn = row.left.is_some() || self.now >= staggered(row.noticed, rank, TURN_SECONDS);
        if !is_read || !is_turn || row.under_way > 0 {
            return Ok(());
        }
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::NothingGivenBack) {
            return Ok(());
        }
        let left = match row.left {
            Some(left) => left,
            None => tails::count_lost(self.tx, &log.mailbox, life)?,
        };
        let room = self.enter(&group)?;
        let slice = if left > 0 { tails::lost(self.tx, &log.mailbox, life)? } else { Vec::new() };
        row.under_way = u64::try_from(slice.len()).unwrap_or(u64::MAX);
        row.left = Some(left.saturating_sub(row.under_way));
        row.given = row.given.or(Some(self.now));
        if slice.is_empty() {
            // All is there again. A commit of ours that is not came neither with it nor from the outbox.
            (row.under_way, row.left) = (0, None);
            followed::set_restored(self.tx, &log.mailbox, None)?;
            // One that moves goes out when the new log is open, and no sooner.
            let ours = match intentions::in_flight(self.tx, &group)? {
                Some(intended) if Intention::of(&intended)?.owner().is_none() => intended.echo.zip(intended.commit),
                Some(_) | None => None,
            };
            if let Some((echo, bytes)) = ours {
                let (_, entry) = self.seal(&room, &bytes)?;
                self.say_returned(&room, &[ObjectHash(Sha256::digest(entry.bytes()).into())])?;
                self.append(&room, entry, Awaited::Commit { group, echo, reserve: false })?;
            }
        }
        let commits: Vec<_> = slice.iter().filter(|lost| lost.is_winner).map(|lost| ObjectHash(lost.digest)).collect();
        for some in commits.chunks(MAX_RETURNED) {
            self.say_returned(&room, some)?;
        }
        for lost in slice {
            self.append(&room, lost.entry, Awaited::GivenBack { mailbox: log.mailbox })?;
        }
        self.keep_put_back(&log.mailbox, &row)?;
        self.keep(room)
    }

    /// Says in the log which commits follow that it had lost.
    fn say_returned(&mut self, room: &Room, commits: &[ObjectHash]) -> Result<(), ConversationFault> {
        let place = self.place(room)?;
        let item = LogItem::Returned { commits: commits.to_vec() };
        let entry = seal(&place.secrets.wrap, &place.mailbox, &encode_secret(&item))?;
        self.append(room, entry, Awaited::Nothing)
    }

    /// Somebody says which commits follow that the log had lost. Any member may say so of any: then words of ours that came
    /// since it went back are sent once more than they need.
    pub(super) fn returned(&self, log: &MailboxId, commits: &[ObjectHash]) -> Result<(), ConversationFault> {
        let row = self.put_back_row(log)?.filter(|row| self.now < row.noticed.plus_seconds(REMEMBERED));
        let Some(mut row) = row else { return Ok(()) };
        row.returned.retain(|known| !commits.contains(known));
        row.returned.extend_from_slice(commits);
        let old = row.returned.len().saturating_sub(RETURNED);
        row.returned.drain(..old);
        self.keep_put_back(log, &row)
    }

    /// The relay has one more of what it had lost, or takes no more.
    pub(super) fn given_back(&self, mailbox: &MailboxId, is_stored: bool) -> Result<(), ConversationFault> {
        let Some(mut row) = self.put_back_row(mailbox)? else { return Ok(()) };
        row.under_way = row.under_way.saturating_sub(1);
        if !is_stored {
            row.left = Some(0);
        }
        self.keep_put_back(mailbox, &row)
    }

    /// An entry of a log is there once more: read again after its relay went back, or given back by somebody.
    pub(super) fn repeated(
        &self,
        group: &GroupId,
        mailbox: &MailboxId,
        incarnation: Incarnation,
        sequence: Sequence,
    ) -> Result<(), ConversationFault> {
        if let Some(row) = self.put_back_row(mailbox)?
            && row.given.is_none()
            && row.noticed < self.now
        {
            self.keep_put_back(mailbox, &PutBack { noticed: self.now, ..row })?;
        }
        let Some(digest) = followed::digest_at(self.tx, mailbox, incarnation, sequence)? else { return Ok(()) };
        match tails::rival(self.tx, mailbox, &digest)? {
            Some(epoch) => self.overtaken(group, mailbox, incarnation, epoch),
            None => Ok(()),
        }
    }

    /// An entry of the log carries a message of ours. While a log is given back, commits that others have read may be missing
    /// before it. Receipts are no loss.
    pub(super) fn carries(
        &self,
        room: &Room,
        entry: &ReceivedEntry,
        message: &MessageRow,
    ) -> Result<(), ConversationFault> {
        if message.kind == RECEIPT {
            return Ok(());
        }
        let log = &room.context.mailbox;
        let doubt = if self.is_put_back(log)? {
            Doubt::Now
        } else if self.has_been_put_back(log)? {
            Doubt::IfSaid
        } else {
            Doubt::None
        };
        Ok(tails::set_message(self.tx, log, &digest(entry), message.number, doubt)?)
    }

    /// A commit ends an epoch. What its log had lost and was not given back before it, nobody opens who reads it from here on;
    /// and what we said while the log was given back, nobody who had read the commit before. Such words of ours wait to be sent
    /// once more, for who was there when they were said: whoever has them keeps them once.
    pub(super) fn send_lost_again(
        &self,
        room: &Room,
        commit: &ReceivedEntry,
        adds: bool,
    ) -> Result<(), ConversationFault> {
        for message in self.lost_words(room, commit)? {
            if adds && is_for_people(message.kind) {
                messages::set_state(self.tx, message.number, MessageState::Undecided)?;
            } else {
                messages::wait_again(self.tx, message.number, self.now)?;
            }
        }
        Ok(())
    }

    /// As [`Self::send_lost_again`], where the commit removes us: such words are said nowhere any more.
    pub(super) fn give_lost_up(&self, room: &Room, commit: &ReceivedEntry) -> Result<(), ConversationFault> {
        for message in self.lost_words(room, commit)? {
            // What somebody has acknowledged was heard.
            if message.state == MessageState::Sent && is_for_people(message.kind) {
                messages::set_state(self.tx, message.number, MessageState::NotSent)?;
            }
        }
        Ok(())
    }

    fn lost_words(&self, room: &Room, commit: &ReceivedEntry) -> Result<Vec<MessageRow>, ConversationFault> {
        let ReceivedEntry { incarnation, sequence, .. } = *commit;
        let log = room.context.mailbox;
        let said = self.put_back_row(&log)?.is_some_and(|row| row.returned.contains(&ObjectHash(digest(commit))));
        let place = tails::Place { mailbox: log, incarnation, sequence };
        let mut lost = Vec::new();
        for number in tails::take_messages(self.tx, &place, said)? {
            let Some(message) = messages::numbered(self.tx, number)? else { continue };
            let is_needed = match message.state {
                MessageState::Sent => true,
                // Where there is one other alone, who has it is the last who needs it.
                MessageState::Delivered => room.seats.len() > 2,
                MessageState::Waiting
                | MessageState::NotSent
                | MessageState::Undecided
                | MessageState::Received
                | MessageState::Done => false,
            };
            if is_needed {
                lost.push(message);
            }
        }
        Ok(lost)
    }

    /// A message of an epoch that has passed here.
    pub(super) fn late(
        &self,
        room: &Room,
        kind: ContentType,
        epoch: u64,
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        if kind != ContentType::Commit {
            return Ok(());
        }
        let log = &room.context.mailbox;
        tails::set_rival(self.tx, log, &digest(entry), epoch)?;
        self.overtaken(&room.id, log, entry.incarnation, epoch)
    }

    /// A commit of an epoch that another one has ended here. While that other one is lost to the log, this one has won there:
    /// who had not read ours follows it. That is said and no more: anybody can make it look so, and whoever stands still because
    /// of it adds nobody again.
    fn overtaken(
        &self,
        group: &GroupId,
        log: &MailboxId,
        incarnation: Incarnation,
        epoch: u64,
    ) -> Result<(), ConversationFault> {
        if tails::winner_is_lost(self.tx, log, incarnation, epoch)? {
            self.alarm(group, AlarmKind::MissingCommit, &[b"won", &epoch.to_be_bytes()[..]].concat())?;
        }
        Ok(())
    }

    fn put_back_row(&self, mailbox: &MailboxId) -> Result<Option<PutBack>, ConversationFault> {
        Ok(row_of(self.tx, mailbox)?)
    }

    fn keep_put_back(&self, mailbox: &MailboxId, row: &PutBack) -> Result<(), ConversationFault> {
        Ok(records::put(self.tx, Noun::PutBack, &mailbox.0, row)?)
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
        if self.is_put_back(&room.context.mailbox)? {
            // Taken back when it comes; whoever has lost entries before does not stand still because of it yet.
            return self.alarm(&room.id, AlarmKind::MissingCommit, &epoch.to_be_bytes());
        }
        self.missed(room, epoch)
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

/// Until when the others are waited for, to give a relay that went back what it has lost.
pub(super) fn is_put_back_until(
    tx: &Transaction<'_>,
    now: Timestamp,
    mailbox: &MailboxId,
) -> Result<Option<Timestamp>, VaultFault> {
    let Some(row) = row_of(tx, mailbox)? else { return Ok(None) };
    // What is put off to be given later is waited for, up to a bound.
    let later = row.given.is_none() && now < row.noticed.plus_seconds(TURNS);
    let until = row.held.plus_seconds(if later { NO_COMMITS + PAUSE } else { NO_COMMITS });
    Ok((row.held.0..until.0).contains(&now.0).then_some(until))
}

fn row_of(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<Option<PutBack>, VaultFault> {
    records::get(tx, Noun::PutBack, &mailbox.0)
}

fn digest(entry: &ReceivedEntry) -> [u8; 32] {
    Sha256::digest(entry.entry.bytes()).into()
}
