//! What a relay says of a followed mailbox, checked against what this device has of it.

use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Answer, Cursor, Entry, Head, Incarnation, MailboxId, Refusal, Sequence, Standing};
use sha2::{Digest, Sha256};

use super::{Logic, LogicFault, Notice, ReceivedEntry};
use crate::vault::followed::{self, Condition, FollowedRow, ReadMark};
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
    Live { after: Sequence, last: Sequence },
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
        let head = row.followed.head.extend(mailbox, incarnation, sequence, entry);
        if followed::take_promise(self.tx, mailbox, incarnation, sequence)?
            .is_some_and(|promised| promised != head && compares())
        {
            self.notice(&row, &Notice::ChainBroken { sequence })?;
        }
        let digest: [u8; 32] = Sha256::digest(entry.bytes()).into();
        if followed::was_read(self.tx, mailbox, &digest)? {
            self.notice(&row, &Notice::Repeated { sequence, head })?;
        } else {
            let received = ReceivedEntry { incarnation, sequence, head, expires, entry: entry.clone() };
            self.logic.received(self.tx, &row.followed, &received, self.now)?;
        }
        let mark = ReadMark { mailbox: *mailbox, incarnation, sequence, head, digest, expires };
        followed::mark_read(self.tx, &mark, self.now)?;
        row.followed.cursor.after = sequence;
        row.followed.head = head;
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
        followed::set_lease(self.tx, mailbox, standing.expires)?;
        let broken = followed::take_broken_promises(self.tx, mailbox, standing.incarnation, standing.last)?;
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
        if standing.frozen {
            // Before the last entry is read, what explains it may still come; the next session asks again.
            if row.followed.cursor.after >= standing.last {
                self.frozen(mailbox)?;
            }
        } else if row.condition != Condition::Sound {
            followed::set_condition(self.tx, mailbox, Condition::Sound)?;
        }
        Ok(Resumption::Live { after: row.followed.cursor.after, last: standing.last })
    }

    /// The mailbox lives another life: everything it holds is read again, and what this device has is not given twice.
    pub(super) fn other_incarnation(
        &mut self,
        mailbox: &MailboxId,
        standing: &Standing,
    ) -> Result<Resumption, LogicFault> {
        let Some(mut row) = self.row(mailbox)? else { return Ok(Resumption::Unfollowed) };
        if let Some(before) = row.followed.cursor.incarnation {
            self.notice(&row, &Notice::OtherIncarnation { before, standing: *standing })?;
        }
        row.followed.cursor = Cursor {
            incarnation: Some(standing.incarnation),
            after: Sequence(standing.first_available.0.saturating_sub(1)),
        };
        row.followed.head = standing.head_before_first;
        followed::advance(self.tx, &row.followed)?;
        followed::set_lease(self.tx, mailbox, standing.expires)?;
        followed::forget_promises(self.tx, mailbox, standing.incarnation)?;
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

    /// Holds the relay to the head that it answered an append with.
    pub(super) fn stored(&mut self, mailbox: &MailboxId, answer: &Answer) -> Result<Option<Sequence>, LogicFault> {
        let Answer::Stored { incarnation, sequence, head, expires: _ } = *answer else { return Ok(None) };
        let Some(row) = self.row(mailbox)? else { return Ok(None) };
        if row.followed.cursor.incarnation.is_some_and(|ours| ours != incarnation) {
            // A restored relay will say so when it is asked where the mailbox stands; another one breaks it there.
            followed::promise(self.tx, mailbox, incarnation, sequence, head)?;
            return Ok(None);
        }
        if sequence > row.followed.cursor.after {
            let before = followed::promise(self.tx, mailbox, incarnation, sequence, head)?;
            if before.is_some_and(|before| before != head && compares()) {
                self.notice(&row, &Notice::ChainBroken { sequence })?;
            }
        } else if self.contradicts(mailbox, incarnation, sequence, head)? {
            self.notice(&row, &Notice::ChainBroken { sequence })?;
        }
        Ok(Some(sequence))
    }

    fn first_available(&mut self, row: &mut FollowedRow, first: Sequence, head: Head) -> Result<(), LogicFault> {
        let next = row.followed.cursor.after.next();
        if first > next {
            let notice = if self.expired_early(row)? {
                Notice::ChainBroken { sequence: next }
            } else {
                Notice::Gap { from: next, first_available: first }
            };
            self.notice(row, &notice)?;
        } else if first < next || head == row.followed.head {
            return Ok(());
        } else {
            self.notice(row, &Notice::ChainBroken { sequence: row.followed.cursor.after })?;
        }
        row.followed.cursor.after = Sequence(first.0.saturating_sub(1));
        row.followed.head = head;
        Ok(followed::advance(self.tx, &row.followed)?)
    }

    /// Whether entries behind our last one cannot have expired: they live longer than that one, and its time is not over.
    fn expired_early(&self, row: &FollowedRow) -> Result<bool, VaultFault> {
        let Cursor { incarnation: Some(incarnation), after } = row.followed.cursor else { return Ok(false) };
        let expires = followed::expiry_at(self.tx, &row.followed.mailbox, incarnation, after)?;
        Ok(expires.is_some_and(|hour| !hour.is_past(self.now.plus_seconds(CLOCKS))))
    }

    /// The same life with fewer entries than this device has read: the relay contradicts itself. Everything is read
    /// again, and what this device has is not given twice.
    fn shrunk(&mut self, row: &mut FollowedRow, standing: &Standing) -> Result<(), LogicFault> {
        self.notice(row, &Notice::ChainBroken { sequence: standing.last.next() })?;
        followed::unplace(self.tx, &row.followed.mailbox, standing.incarnation, standing.last)?;
        row.followed.cursor.after = Sequence(standing.first_available.0.saturating_sub(1));
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

    fn contradicts(
        &self,
        mailbox: &MailboxId,
        incarnation: Incarnation,
        sequence: Sequence,
        head: Head,
    ) -> Result<bool, VaultFault> {
        Ok(followed::head_at(self.tx, mailbox, incarnation, sequence)?.is_some_and(|ours| ours != head && compares()))
    }

    fn row(&self, mailbox: &MailboxId) -> Result<Option<FollowedRow>, VaultFault> {
        Ok(followed::find_row(self.tx, mailbox)?.filter(|row| row.condition != Condition::Unfollowed))
    }

    fn notice(&mut self, row: &FollowedRow, what: &Notice) -> Result<(), LogicFault> {
        self.logic.noticed(self.tx, &row.followed, what, self.now)
    }
}
