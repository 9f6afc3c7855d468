//! One session's subscriptions: cursors and credit, without I/O. Entries are not kept here: whoever drives this asks
//! [`Subscriptions::next`] what to read and says with [`Subscriptions::pushed`] or its sisters what came of it.

use std::collections::{BTreeMap, VecDeque};

use relevo_protocol::limits::{MAX_CREDIT, MAX_READ, MAX_SUBSCRIPTIONS};
use relevo_protocol::wire::{Event, Incarnation, MailboxId, Refusal, Sequence, Standing, SubscriptionId};

/// The subscriptions of one session. `T` is what keeps the place in the delivery table.
pub struct Subscriptions<T> {
    rows: BTreeMap<SubscriptionId, Row<T>>,
    /// Those that may have something to read, each once, in turn, so that none starves another.
    due: VecDeque<SubscriptionId>,
}

struct Row<T> {
    mailbox: MailboxId,
    incarnation: Incarnation,
    after: Sequence,
    credit: u32,
    /// Whether it stands in `due`.
    due: bool,
    /// Whether the client knows that the mailbox is frozen.
    frozen: bool,
    _ticket: T,
}

/// What to read next for a subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pull {
    /// For this one.
    pub id: SubscriptionId,
    /// This mailbox.
    pub mailbox: MailboxId,
    /// Entries after this one.
    pub after: Sequence,
    /// Entries at most; not 0.
    pub limit: u16,
}

impl<T> Default for Subscriptions<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Subscriptions<T> {
    /// No subscriptions.
    pub fn new() -> Self {
        Self { rows: BTreeMap::new(), due: VecDeque::new() }
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Whether one more, or another of the same number, fits.
    ///
    /// # Errors
    /// [`Refusal::TooManySubscriptions`].
    pub fn room_for(&self, id: SubscriptionId) -> Result<(), Refusal> {
        if self.rows.len() < MAX_SUBSCRIPTIONS || self.rows.contains_key(&id) {
            Ok(())
        } else {
            Err(Refusal::TooManySubscriptions)
        }
    }

    /// Follows a mailbox from `after`; a subscription of the same number is replaced.
    pub fn follow(
        &mut self,
        id: SubscriptionId,
        mailbox: MailboxId,
        after: Sequence,
        credit: u32,
        standing: &Standing,
        ticket: T,
    ) {
        // The answer carries the standing, so a gap before `first_available` is told by it.
        let after = after.max(before(standing.first_available));
        let row = Row {
            mailbox,
            incarnation: standing.incarnation,
            after,
            credit: credit.min(MAX_CREDIT),
            due: false,
            frozen: standing.frozen,
            _ticket: ticket,
        };
        self.remove(id);
        self.rows.insert(id, row);
        self.mark(id);
    }

    /// Allows more entries.
    ///
    /// # Errors
    /// [`Refusal::NoSuchMailbox`] when there is no such subscription, as after its end was said.
    pub fn credit(&mut self, id: SubscriptionId, more: u32) -> Result<(), Refusal> {
        let row = self.rows.get_mut(&id).ok_or(Refusal::NoSuchMailbox)?;
        row.credit = row.credit.saturating_add(more).min(MAX_CREDIT);
        self.mark(id);
        Ok(())
    }

    /// Ends a subscription; one that is not there is ended already.
    pub fn remove(&mut self, id: SubscriptionId) {
        self.rows.remove(&id);
        self.due.retain(|due| *due != id);
    }

    /// Says that the mailbox of a subscription may have changed.
    pub fn mark(&mut self, id: SubscriptionId) {
        if let Some(row) = self.rows.get_mut(&id)
            && row.credit > 0
            && !row.due
        {
            row.due = true;
            self.due.push_back(id);
        }
    }

    /// What to read next, of at most `limit` entries. One of [`Subscriptions::pushed`], [`Subscriptions::closed`] and
    /// [`Subscriptions::failed`] must follow.
    pub fn next(&mut self, limit: u16) -> Option<Pull> {
        let id = self.due.pop_front()?;
        let row = self.rows.get_mut(&id)?;
        row.due = false;
        let limit = u16::try_from(row.credit).unwrap_or(u16::MAX).min(limit).clamp(1, MAX_READ);
        Some(Pull { id, mailbox: row.mailbox, after: row.after, limit })
    }

    /// Whether the mailbox is still the one that was subscribed; if not, [`Subscriptions::closed`] follows.
    pub fn is_same(&self, id: SubscriptionId, standing: &Standing) -> bool {
        self.rows.get(&id).is_some_and(|row| row.incarnation == standing.incarnation)
    }

    /// The entries were taken away before this subscriber had them: what to say before any entry.
    pub fn gap(&mut self, id: SubscriptionId, standing: &Standing) -> Option<Event> {
        let row = self.rows.get_mut(&id)?;
        let before = before(standing.first_available);
        if row.after >= before {
            return None;
        }
        row.after = before;
        Some(Event::Gap {
            id,
            first_available: standing.first_available,
            head_before_first: standing.head_before_first,
        })
    }

    /// `count` entries up to `last` were pushed, of a mailbox that stands so: what to say after them.
    pub fn pushed(
        &mut self,
        id: SubscriptionId,
        last: Option<Sequence>,
        count: u32,
        standing: &Standing,
    ) -> Option<Event> {
        let row = self.rows.get_mut(&id)?;
        row.after = row.after.max(last.unwrap_or(Sequence::START));
        row.credit = row.credit.saturating_sub(count);
        if row.after < standing.last {
            // None of them came: a batch that is not durable yet has removed them, and its touch marks the mailbox.
            // To look again before would be to look all the time.
            if count > 0 {
                self.mark(id);
            }
            return None;
        }
        if standing.frozen && !row.frozen {
            row.frozen = true;
            return Some(Event::Frozen { id });
        }
        None
    }

    /// The mailbox is gone: ends the subscription and says so.
    pub fn closed(&mut self, id: SubscriptionId) -> Event {
        self.remove(id);
        Event::Closed { id }
    }

    /// The next entry cannot be read: ends the subscription and says so. Kept, it would meet the same entry at every append.
    pub fn failed(&mut self, id: SubscriptionId) -> Event {
        self.remove(id);
        Event::Failed { id }
    }
}

/// The sequence before the first that can be read.
fn before(first_available: Sequence) -> Sequence {
    Sequence(first_available.0.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use relevo_protocol::time::Hour;
    use relevo_protocol::wire::Head;

    const ID: SubscriptionId = SubscriptionId(4);
    const MAILBOX: MailboxId = MailboxId([1; 16]);

    fn standing(first: u64, last: u64) -> Standing {
        Standing {
            incarnation: Incarnation([1; 8]),
            first_available: Sequence(first),
            head_before_first: Head::START,
            last: Sequence(last),
            expires: Hour(1),
            frozen: false,
        }
    }

    fn following(credit: u32, standing: &Standing) -> Subscriptions<()> {
        let mut subscriptions = Subscriptions::new();
        subscriptions.follow(ID, MAILBOX, Sequence::START, credit, standing, ());
        subscriptions
    }

    #[test]
    fn no_more_is_read_than_credit_allows() {
        let stands = standing(1, 10);
        let mut subscriptions = following(3, &stands);
        assert_eq!(subscriptions.next(100).unwrap().limit, 3);
        subscriptions.pushed(ID, Some(Sequence(3)), 3, &stands);
        assert_eq!(subscriptions.next(100), None);
        subscriptions.mark(ID);
        assert_eq!(subscriptions.next(100), None);
        subscriptions.credit(ID, 2).unwrap();
        let pull = subscriptions.next(100).unwrap();
        assert_eq!((pull.after, pull.limit), (Sequence(3), 2));
    }

    #[test]
    fn credit_is_bounded() {
        let mut subscriptions = following(u32::MAX, &standing(1, 0));
        subscriptions.credit(ID, u32::MAX).unwrap();
        assert_eq!(subscriptions.rows[&ID].credit, MAX_CREDIT);
    }

    #[test]
    fn what_expired_before_it_was_pushed_is_said() {
        let mut subscriptions = following(9, &standing(1, 10));
        let later = standing(6, 10);
        assert!(matches!(subscriptions.gap(ID, &later), Some(Event::Gap { first_available: Sequence(6), .. })));
        assert_eq!(subscriptions.gap(ID, &later), None);
    }

    #[test]
    fn a_gap_in_the_standing_of_the_answer_is_not_said_twice() {
        let stands = standing(6, 10);
        let mut subscriptions = following(9, &stands);
        assert_eq!(subscriptions.next(9).unwrap().after, Sequence(5));
        assert_eq!(subscriptions.gap(ID, &stands), None);
    }

    #[test]
    fn entries_that_are_just_being_removed_are_not_looked_for_until_they_are_gone() {
        let stands = standing(1, 10);
        let mut subscriptions = following(9, &stands);
        assert!(subscriptions.next(9).is_some());
        assert_eq!(subscriptions.pushed(ID, None, 0, &stands), None);
        assert_eq!(subscriptions.next(9), None);
        subscriptions.mark(ID);
        assert!(subscriptions.next(9).is_some());
    }

    #[test]
    fn freezing_is_said_once_and_after_the_last_entry() {
        let mut subscriptions = following(9, &standing(1, 2));
        let frozen = Standing { frozen: true, ..standing(1, 2) };
        assert_eq!(subscriptions.pushed(ID, Some(Sequence(1)), 1, &frozen), None);
        assert_eq!(subscriptions.pushed(ID, Some(Sequence(2)), 1, &frozen), Some(Event::Frozen { id: ID }));
        assert_eq!(subscriptions.pushed(ID, None, 0, &frozen), None);
    }

    #[test]
    fn subscriptions_are_read_in_turn() {
        let stands = standing(1, 100);
        let mut subscriptions = following(100, &stands);
        subscriptions.follow(SubscriptionId(5), MAILBOX, Sequence::START, 100, &stands, ());
        let first = subscriptions.next(1).unwrap();
        subscriptions.pushed(first.id, Some(Sequence(1)), 1, &stands);
        assert_ne!(subscriptions.next(1).unwrap().id, first.id);
    }

    #[test]
    fn a_session_has_only_so_many() {
        let stands = standing(1, 0);
        let mut subscriptions = Subscriptions::new();
        for number in 0..u32::try_from(MAX_SUBSCRIPTIONS).unwrap() {
            subscriptions.room_for(SubscriptionId(number)).unwrap();
            subscriptions.follow(SubscriptionId(number), MAILBOX, Sequence::START, 1, &stands, ());
        }
        assert_eq!(subscriptions.count(), MAX_SUBSCRIPTIONS);
        assert_eq!(subscriptions.room_for(SubscriptionId(u32::MAX)), Err(Refusal::TooManySubscriptions));
        assert_eq!(subscriptions.room_for(SubscriptionId(0)), Ok(()));
    }
}
