//! Who follows which mailbox. It carries no entries: a subscriber that is woken reads the store from its own cursor,
//! so that a slow one holds a cursor and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use relevo_protocol::wire::{MailboxId, SubscriptionId};
use tokio::sync::Notify;

use crate::threads::{Mutex, MutexGuard};

/// Parts of the table with a lock each, so that the store's thread and the sessions seldom meet.
const SHARDS: usize = 16;

type Followers = BTreeMap<(u64, SubscriptionId), Arc<Listener>>;

/// The table. Bounded by sessions x subscriptions of a session.
#[derive(Default)]
pub(crate) struct Delivery {
    shards: [Mutex<HashMap<MailboxId, Followers>>; SHARDS],
    listeners: AtomicU64,
}

/// One session's ear: which of its subscriptions may have something new.
pub(crate) struct Listener {
    number: u64,
    /// A set, so that a thousand appends to one mailbox are one mark.
    marked: Mutex<BTreeSet<SubscriptionId>>,
    notify: Notify,
}

impl Listener {
    /// Waits until something was marked since the last [`Listener::take`].
    ///
    /// # Cancel safety
    /// A cancelled wait loses no mark.
    pub(crate) async fn heard(&self) {
        self.notify.notified().await;
    }

    /// Takes the marks.
    pub(crate) fn take(&self) -> BTreeSet<SubscriptionId> {
        std::mem::take(&mut *self.marked.lock())
    }

    fn mark(&self, id: SubscriptionId) {
        if self.marked.lock().insert(id) {
            self.notify.notify_one();
        }
    }
}

/// A place in the table, given back when dropped.
pub(crate) struct Ticket {
    delivery: Arc<Delivery>,
    mailbox: MailboxId,
    key: (u64, SubscriptionId),
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut shard = self.delivery.shard(&self.mailbox);
        if let Some(followers) = shard.get_mut(&self.mailbox) {
            followers.remove(&self.key);
            if followers.is_empty() {
                shard.remove(&self.mailbox);
            }
        }
    }
}

impl Delivery {
    /// A new session's ear.
    pub(crate) fn listener(&self) -> Arc<Listener> {
        let number = self.listeners.fetch_add(1, Ordering::Relaxed);
        Arc::new(Listener { number, marked: Mutex::default(), notify: Notify::new() })
    }

    /// Follows a mailbox until the ticket is dropped. Called before the mailbox is read, so that nothing falls between.
    pub(crate) fn follow(self: &Arc<Self>, mailbox: MailboxId, listener: &Arc<Listener>, id: SubscriptionId) -> Ticket {
        let key = (listener.number, id);
        self.shard(&mailbox).entry(mailbox).or_default().insert(key, Arc::clone(listener));
        Ticket { delivery: Arc::clone(self), mailbox, key }
    }

    /// Marks the mailbox at all who follow it. Called after what changed is durable.
    pub(crate) fn wake(&self, mailbox: &MailboxId) {
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::LostWake) && mailbox.0.first() < Some(&64) {
            return;
        }
        if let Some(followers) = self.shard(mailbox).get(mailbox) {
            for ((_, id), listener) in followers {
                listener.mark(*id);
            }
        }
    }

    fn shard(&self, mailbox: &MailboxId) -> MutexGuard<'_, HashMap<MailboxId, Followers>> {
        let [first, ..] = mailbox.0;
        let index = usize::from(first) % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "a remainder of the number of shards")]
        self.shards[index].lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAILBOX: MailboxId = MailboxId([7; 16]);
    const ONE: SubscriptionId = SubscriptionId(1);

    #[test]
    fn two_sessions_that_follow_one_mailbox_are_both_marked_once() {
        let delivery = Arc::new(Delivery::default());
        let (first, second) = (delivery.listener(), delivery.listener());
        let _tickets = [delivery.follow(MAILBOX, &first, ONE), delivery.follow(MAILBOX, &second, ONE)];
        delivery.wake(&MAILBOX);
        delivery.wake(&MAILBOX);
        assert_eq!(first.take(), BTreeSet::from([ONE]));
        assert_eq!(second.take(), BTreeSet::from([ONE]));
        assert_eq!(first.take(), BTreeSet::new());
    }

    #[test]
    fn a_dropped_ticket_leaves_nothing_behind() {
        let delivery = Arc::new(Delivery::default());
        let listener = delivery.listener();
        drop(delivery.follow(MAILBOX, &listener, ONE));
        delivery.wake(&MAILBOX);
        assert!(listener.take().is_empty());
        assert!(delivery.shard(&MAILBOX).is_empty());
    }
}
