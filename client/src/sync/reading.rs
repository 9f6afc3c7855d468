//! What a relay says of a followed mailbox, checked against what this device has of it.

use relevo_protocol::limits::MIN_ENTRY_HOURS;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Answer, Cursor, Entry, Head, MailboxId, Refusal, Sequence, Standing};
use sha2::{Digest, Sha256};

use super::{Logic, LogicFault, Notice, ReceivedEntry, Topic};
use crate::vault::followed::{self, Condition, FollowedRow, Held, ReadMark, Told};
use crate::vault::promises::{self, Promise};
use crate::vault::tails::{self, Place};
use crate::vault::{Transaction, VaultFault};

/// Seconds by which the clocks of a relay and this device may differ, together with what a sweep takes.
const CLOCKS: u64 = 48 * 3600;

/// What came of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Read {
    /// It is done with; the cursor stands here.
    Upto(Sequence),
    /// It was done with before.
    Known,
    /// The relay left something out before it.
    Skipped,
    /// The mailbox is not followed any more.
    Unfollowed,
}

/// What came of a subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resumption {
    /// Entries after the cursor come.
    Live { from: Cursor, last: Sequence },
    /// It has to be asked again, with the new cursor.
    AskAgain,
    /// The mailbox is not followed any more.
    Unfollowed,
}

/// The one transaction and the rules in it.
pub(super) struct Reading<'a, 'v> {
    pub(super) tx: &'a Transaction<'v>,
    pub(super) logic: &'a mut dyn Logic,
    pub(super) now: Timestamp,
}

/// Whether a relay is held to what it said before: always, but for the planted bug.
fn compares() -> bool {
    #[cfg(feature = "planted-bugs")]
    if relevo_protocol::planted::is(relevo_protocol::planted::Bug::HeadsUncompared) {
        return false;
    }
    true
}

impl Reading<'_, '_> {
    pub(super) fn entry(
        &mut self,
        mailbox: &MailboxId,
        sequence: Sequence,
        expires: Hour,
        entry: &Entry,
    ) -> Result<Read, LogicFault> {
        let Some(mut row) = self.row(mailbox)? else { return Ok(Read::Unfollowed) };
        let Some(incarnation) = row.followed.cursor.incarnation else { return Ok(Read::Skipped) };
        let after = row.followed.cursor.after;
        if sequence <= after {
            return Ok(Read::Known);
        }
        if sequence != after.next() {
            self.notice(&row, &Notice::ChainBroken { sequence: after.next() })?;
            return Ok(Read::Skipped);
        }
        let mut head = row.followed.head.extend(mailbox, incarnation, sequence, entry);
        // None is older: what is passed over takes its promises with it.
        let given = promises::take(self.tx, mailbox, incarnation, sequence)?;
        let promise = given.last().filter(|promise| promise.sequence == sequence);
        let mut promised = promise.map(|promise| promise.head);
        let expires = promise.map_or(expires, |promise| promise.expires.max(expires));
        if let Some(said) = promised.take_if(|_| row.told != Told::Nothing && compares()) {
            if said == head {
                followed::set_told(self.tx, mailbox, Told::Nothing)?;
            } else {
                self.notice(&row, &Notice::OtherThanTold { sequence })?;
                followed::begin_at(self.tx, &mut row, incarnation, sequence, said)?;
                head = said;
            }
        }
        // Known if the log goes back and is read again.
        let known = followed::head_at(self.tx, mailbox, incarnation, sequence)?;
        let digest: [u8; 32] = Sha256::digest(entry.bytes()).into();
        // The place and head of somebody else's entry, given for one of ours.
        let anothers = promise.and_then(|promise| promise.digest).is_some_and(|ours| ours != digest);
        let other = [promised, known].into_iter().flatten().any(|said| said != head);
        if (anothers || other) && compares() {
            self.notice(&row, &Notice::ChainBroken { sequence })?;
        }
        let repeated = followed::was_read(self.tx, mailbox, &digest)?;
        // Written down before the rules have it: what others say of this place meets its head.
        let mark = ReadMark { mailbox: *mailbox, incarnation, sequence, head, digest, expires };
        followed::mark_read(self.tx, &mark, self.now)?;
        if row.followed.topic == Topic::Conversation {
            tails::keep(self.tx, &Place { mailbox: *mailbox, incarnation, sequence }, &digest, entry, self.now)?;
        }
        if repeated {
            self.notice(&row, &Notice::Repeated { incarnation, sequence })?;
        } else {
            let received = ReceivedEntry { incarnation, sequence, head, expires, entry: entry.clone() };
            self.logic.received(self.tx, &row.followed, &received, self.now)?;
        }
        // A word that the entry brought may have taken a member's place, and what was read is chained to it.
        let now = followed::find_row(self.tx, mailbox)?.map(|now| now.followed);
        if now.as_ref().is_none_or(|now| now.cursor != row.followed.cursor) {
            // The entry has led to it being read from elsewhere, as by a welcome that waited for it.
            return Ok(Read::Skipped);
        }
        let chained = now.map(|now| now.head);
        row.followed.head = chained.filter(|chained| *chained != row.followed.head).unwrap_or(head);
        row.followed.cursor.after = sequence;
        followed::advance(self.tx, &row.followed)?;
        Ok(Read::Upto(sequence))
    }

    pub(super) fn following(&mut self, mailbox: &MailboxId, standing: &Standing) -> Result<Resumption, LogicFault> {
        let Some(mut row) = self.row(mailbox)? else { return Ok(Resumption::Unfollowed) };
        let before = row.followed.cursor.incarnation;
        if before.is_some_and(|before| before != standing.incarnation) {
            return self.other_incarnation(mailbox, standing);
        }
        row.followed.cursor.incarnation = Some(standing.incarnation);
        followed::advance(self.tx, &row.followed)?;
        if row.told == Told::Place && standing.last >= row.followed.cursor.after {
            row.told = Told::Head;
            followed::set_told(self.tx, mailbox, Told::Head)?;
        }
        followed::set_lease(self.tx, mailbox, standing.expires)?;
        let broken = promises::take_broken(self.tx, mailbox, standing.incarnation, standing.last)?;
        if let Some(sequence) = broken.filter(|_| compares()) {
            self.notice(&row, &Notice::ChainBroken { sequence })?;
        }
        if standing.first_available > standing.last.next() {
            // Entries that never were cannot have expired: believed, this would end all reading here.
            self.notice(&row, &Notice::ChainBroken { sequence: standing.last.next() })?;
            return Ok(Resumption::AskAgain);
        }
        if standing.last < row.followed.cursor.after && compares() {
            self.shrunk(&mut row, standing)?;
            return Ok(Resumption::AskAgain);
        }
        self.first_available(&mut row, standing.first_available, standing.head_before_first)?;
        if row.followed.cursor.after == standing.last {
            // All that there is is read: what comes from now on lives so long at least.
            followed::set_fresh(self.tx, mailbox, self.week())?;
        }
        if standing.frozen {
            // Before the last entry is read, what explains it may still come; the next session asks again.
            if row.followed.cursor.after >= standing.last {
                self.frozen(mailbox)?;
            }
        } else if row.condition != Condition::Sound {
            followed::set_condition(self.tx, mailbox, Condition::Sound)?;
        }
        Ok(Resumption::Live { from: row.followed.cursor, last: standing.last })
    }

    /// The mailbox lives another life: everything it holds is read again, and what this device has is not given twice.
    pub(super) fn other_incarnation(
        &mut self,
        mailbox: &MailboxId,
        standing: &Standing,
    ) -> Result<Resumption, LogicFault> {
        let Some(mut row) = self.row(mailbox)? else { return Ok(Resumption::Unfollowed) };
        let before = row.followed.cursor.incarnation;
        if before == Some(standing.incarnation) {
            // Begun anew, the cursor would pass over what was never read, and say that the relay was restored.
            if compares() {
                self.notice(&row, &Notice::ChainBroken { sequence: row.followed.cursor.after.next() })?;
            }
            return self.following(mailbox, standing);
        }
        if let Some(before) = before {
            // Each life is named anew by lot: one that was left does not come back.
            let left = followed::knows_life(self.tx, mailbox, standing.incarnation)?;
            let notice = if row.told == Told::Place {
                Notice::OtherThanTold { sequence: row.followed.cursor.after }
            } else if left && compares() {
                Notice::ChainBroken { sequence: standing.first_available }
            } else {
                Notice::OtherIncarnation { before, standing: *standing }
            };
            self.put_back(&row, standing)?;
            self.notice(&row, &notice)?;
        }
        self.begin_anew(&mut row, standing)?;
        followed::set_lease(self.tx, mailbox, standing.expires)?;
        promises::forget_other_lives(self.tx, mailbox, standing.incarnation)?;
        Ok(Resumption::AskAgain)
    }

    /// The relay holds nothing before `first`. Gives where the cursor stands then.
    pub(super) fn gap(&mut self, mailbox: &MailboxId, first: Sequence, head: Head) -> Result<Read, LogicFault> {
        let Some(mut row) = self.row(mailbox)? else { return Ok(Read::Unfollowed) };
        self.first_available(&mut row, first, head)?;
        Ok(Read::Upto(row.followed.cursor.after))
    }

    pub(super) fn frozen(&mut self, mailbox: &MailboxId) -> Result<(), LogicFault> {
        self.condition(mailbox, Condition::Frozen, &Notice::Frozen)
    }

    pub(super) fn closed(&mut self, mailbox: &MailboxId) -> Result<(), LogicFault> {
        self.condition(mailbox, Condition::Closed, &Notice::Closed)
    }

    pub(super) fn withheld(&mut self, mailbox: &MailboxId, sequence: Sequence) -> Result<(), LogicFault> {
        match self.row(mailbox)? {
            Some(row) => self.notice(&row, &Notice::Withheld { sequence }),
            None => Ok(()),
        }
    }

    pub(super) fn damaged(&mut self, mailbox: &MailboxId) -> Result<(), LogicFault> {
        match self.row(mailbox)? {
            Some(row) => self.notice(&row, &Notice::Damaged { sequence: row.followed.cursor.after.next() }),
            None => Ok(()),
        }
    }

    pub(super) fn refused(&mut self, mailbox: &MailboxId, why: Refusal) -> Result<(), LogicFault> {
        if self.row(mailbox)?.is_some_and(|row| row.condition == Condition::Closed) {
            return Ok(());
        }
        self.condition(mailbox, Condition::Refused, &Notice::Refused(why))
    }

    /// Holds the relay to the place and head that it answered an append of ours with, and to what lies there.
    pub(super) fn stored(
        &mut self,
        mailbox: &MailboxId,
        answer: &Answer,
        ours: Option<([u8; 32], Option<Entry>)>,
    ) -> Result<Option<Sequence>, LogicFault> {
        let Answer::Stored { incarnation, sequence, head, expires } = *answer else { return Ok(None) };
        let expires = expires.max(self.week());
        let Some(row) = self.row(mailbox)? else { return Ok(None) };
        if let (Some((digest, Some(entry))), Topic::Conversation) = (&ours, row.followed.topic) {
            tails::keep(self.tx, &Place { mailbox: *mailbox, incarnation, sequence }, digest, entry, self.now)?;
        }
        let ours = ours.map(|(digest, _)| digest);
        if row.followed.cursor.incarnation.is_some_and(|ours| ours != incarnation) {
            // A restored relay will say so when it is asked where the mailbox stands; another one breaks it there.
            promises::promise(self.tx, mailbox, incarnation, sequence, head, expires, ours)?;
            return Ok(None);
        }
        if sequence > row.followed.cursor.after {
            let before = promises::promise(self.tx, mailbox, incarnation, sequence, head, expires, ours)?;
            if before.is_some_and(|before| before.denies(head, ours) && compares()) {
                self.notice(&row, &Notice::ChainBroken { sequence })?;
            }
        } else if compares() {
            let there = followed::digest_at(self.tx, mailbox, incarnation, sequence)?;
            let anothers = there.zip(ours).is_some_and(|(there, ours)| there != ours);
            match followed::hold(self.tx, mailbox, incarnation, sequence, head)? {
                Held::Unread | Held::Same if anothers => self.notice(&row, &Notice::ChainBroken { sequence })?,
                Held::Unread | Held::Same => {}
                Held::Other => self.notice(&row, &Notice::ChainBroken { sequence })?,
                Held::OtherThanTold => self.notice(&row, &Notice::OtherThanTold { sequence })?,
            }
        }
        Ok(Some(sequence))
    }

    fn first_available(&mut self, row: &mut FollowedRow, first: Sequence, head: Head) -> Result<(), LogicFault> {
        let next = row.followed.cursor.after.next();
        let before = Sequence(first.0.saturating_sub(1));
        if first > next {
            let notice = match self.passed_over(row, before, head)? {
                Some(sequence) => Notice::ChainBroken { sequence },
                None => Notice::Gap { from: next, first_available: first },
            };
            self.notice(row, &notice)?;
        } else if first < next || head == row.followed.head {
            return Ok(());
        } else if row.told == Told::Nothing {
            self.notice(row, &Notice::ChainBroken { sequence: row.followed.cursor.after })?;
        } else {
            self.notice(row, &Notice::OtherThanTold { sequence: row.followed.cursor.after })?;
        }
        if let (true, Some(incarnation)) = (row.told != Told::Nothing, row.followed.cursor.incarnation) {
            followed::begin_at(self.tx, row, incarnation, before, head)?;
        }
        row.followed.cursor.after = before;
        row.followed.head = head;
        Ok(followed::advance(self.tx, &row.followed)?)
    }

    /// The first of the entries behind our last one, up to `before`, that cannot have expired: it lives longer than that
    /// last one, whose time is not over, or as long as the relay answered. Or the place whose head was another.
    fn passed_over(&self, row: &FollowedRow, before: Sequence, head: Head) -> Result<Option<Sequence>, VaultFault> {
        let Cursor { incarnation: Some(incarnation), after } = row.followed.cursor else { return Ok(None) };
        let mailbox = &row.followed.mailbox;
        let lives = |hour: Hour| compares() && !hour.is_past(self.now.plus_seconds(CLOCKS));
        let given = promises::take(self.tx, mailbox, incarnation, before)?;
        let known = followed::expiry_at(self.tx, mailbox, incarnation, after)?.unwrap_or(Hour(0));
        if lives(known.max(row.fresh)) {
            return Ok(Some(after.next()));
        }
        let broken = |promise: &&Promise| {
            lives(promise.expires) || (promise.sequence == before && promise.head != head && compares())
        };
        Ok(given.iter().find(broken).map(|promise| promise.sequence))
    }

    /// The hour before which nothing expires that is stored from now on.
    fn week(&self) -> Hour {
        self.now.round_up().plus(MIN_ENTRY_HOURS)
    }

    /// The same life with fewer entries than this device has read: the relay contradicts itself. Everything is read
    /// again, and what this device has is not given twice.
    fn shrunk(&mut self, row: &mut FollowedRow, standing: &Standing) -> Result<(), LogicFault> {
        let sequence = standing.last.next();
        // Of a place that the relay never named, a member alone says that it is there.
        let told = row.told == Told::Place;
        let last = Place { mailbox: row.followed.mailbox, incarnation: standing.incarnation, sequence: standing.last };
        tails::unplace(self.tx, &last)?;
        self.put_back(row, standing)?;
        self.notice(row, &if told { Notice::OtherThanTold { sequence } } else { Notice::ChainBroken { sequence } })?;
        followed::unplace(self.tx, &row.followed.mailbox, standing.incarnation, standing.last)?;
        self.begin_anew(row, standing)
    }

    /// What this device has of a log is given to its relay again, once it is known what the relay still has.
    fn put_back(&self, row: &FollowedRow, standing: &Standing) -> Result<(), VaultFault> {
        if row.followed.topic != Topic::Conversation {
            return Ok(());
        }
        followed::set_restored(self.tx, &row.followed.mailbox, Some(standing.last))
    }

    /// From the first entry that the relay has, by its own word.
    fn begin_anew(&mut self, row: &mut FollowedRow, standing: &Standing) -> Result<(), LogicFault> {
        let before = Sequence(standing.first_available.0.saturating_sub(1));
        followed::set_fresh(self.tx, &row.followed.mailbox, Hour(0))?;
        if row.told != Told::Nothing {
            followed::begin_at(self.tx, row, standing.incarnation, before, standing.head_before_first)?;
        }
        row.followed.cursor = Cursor { incarnation: Some(standing.incarnation), after: before };
        row.followed.head = standing.head_before_first;
        Ok(followed::advance(self.tx, &row.followed)?)
    }

    fn condition(&mut self, mailbox: &MailboxId, condition: Condition, notice: &Notice) -> Result<(), LogicFault> {
        let Some(row) = self.row(mailbox)? else { return Ok(()) };
        if row.condition == condition {
            return Ok(());
        }
        followed::set_condition(self.tx, mailbox, condition)?;
        self.notice(&row, notice)
    }

    fn row(&self, mailbox: &MailboxId) -> Result<Option<FollowedRow>, VaultFault> {
        Ok(followed::find_row(self.tx, mailbox)?.filter(|row| row.condition != Condition::Unfollowed))
    }

    fn notice(&mut self, row: &FollowedRow, what: &Notice) -> Result<(), LogicFault> {
        self.logic.noticed(self.tx, &row.followed, what, self.now)
    }
}
