//! The requests of one session that wait for their answers to be written, in order.
//!
//! Both ends are futures of one task. A channel of tokio's keeps room for 32 of them for as long as it lives (1.7 KiB);
//! this one keeps none while it is empty, and sessions idle for days.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A queue of at most so many.
pub(super) fn bounded<T>(most: usize) -> (Entrance<T>, Exit<T>) {
    let line = Arc::new(Line {
        waiting: Mutex::new(Waiting { items: VecDeque::new(), open: true }),
        most,
        moved: Notify::new(),
    });
    (Entrance(Arc::clone(&line)), Exit(line))
}

/// Where requests come in.
pub(super) struct Entrance<T>(Arc<Line<T>>);

/// Where they are taken out.
pub(super) struct Exit<T>(Arc<Line<T>>);

struct Line<T> {
    waiting: Mutex<Waiting<T>>,
    most: usize,
    /// Told of whatever the other end does. One waits at a time: the entrance when it is full, the exit when it is empty.
    moved: Notify,
}

struct Waiting<T> {
    items: VecDeque<T>,
    /// Whether both ends are there.
    open: bool,
}

/// What is at the head.
pub(super) enum Next<T> {
    Item(T),
    /// Nothing as yet.
    Empty,
    /// Nothing, and nothing will come.
    Over,
}

/// The other end is gone.
pub(super) struct Gone;

impl<T> Line<T> {
    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().open = false;
        self.moved.notify_one();
    }
}

impl<T> Entrance<T> {
    /// Adds an item, waiting for room.
    ///
    /// # Errors
    /// [`Gone`]: the item is dropped.
    ///
    /// # Cancel safety
    /// A cancelled call drops the item.
    pub(super) async fn add(&self, item: T) -> Result<(), Gone> {
        loop {
            {
                let mut waiting = self.0.lock();
                if !waiting.open {
                    return Err(Gone);
                }
                if waiting.items.len() < self.0.most {
                    waiting.items.push_back(item);
                    self.0.moved.notify_one();
                    return Ok(());
                }
            }
            self.0.moved.notified().await;
        }
    }
}

impl<T> Exit<T> {
    /// Takes the head without waiting.
    pub(super) fn next(&mut self) -> Next<T> {
        let mut waiting = self.0.lock();
        match waiting.items.pop_front() {
            Some(item) => {
                if waiting.items.len() + 1 == self.0.most {
                    self.0.moved.notify_one();
                }
                Next::Item(item)
            }
            None => {
                waiting.items = VecDeque::new();
                if waiting.open { Next::Empty } else { Next::Over }
            }
        }
    }

    /// Waits until there is something to look at with [`Exit::next`].
    ///
    /// # Cancel safety
    /// A cancelled wait loses nothing.
    pub(super) async fn ready(&mut self) {
        loop {
            {
                let waiting = self.0.lock();
                if !waiting.items.is_empty() || !waiting.open {
                    return;
                }
            }
            self.0.moved.notified().await;
        }
    }
}

impl<T> Drop for Entrance<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<T> Drop for Exit<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item<T>(next: Next<T>) -> Option<T> {
        match next {
            Next::Item(item) => Some(item),
            Next::Empty | Next::Over => None,
        }
    }

    #[tokio::test]
    async fn everything_comes_out_in_order_through_a_narrow_queue() {
        let (entrance, mut exit) = bounded(2);
        let adding = async {
            for number in 0..1000 {
                assert!(entrance.add(number).await.is_ok());
                if number % 7 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            drop(entrance);
        };
        let taking = async {
            let mut all = Vec::new();
            loop {
                exit.ready().await;
                match exit.next() {
                    Next::Item(number) => all.push(number),
                    Next::Empty => {}
                    Next::Over => return all,
                }
            }
        };
        let ((), all) = tokio::join!(adding, taking);
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_empty_queue_keeps_no_room() {
        let (entrance, mut exit) = bounded(100);
        for number in 0..100 {
            assert!(entrance.add(number).await.is_ok());
        }
        while item(exit.next()).is_some() {}
        assert_eq!(exit.0.lock().items.capacity(), 0);
    }

    #[tokio::test]
    async fn what_was_added_before_the_entrance_closed_still_comes() {
        let (entrance, mut exit) = bounded(4);
        assert!(entrance.add(1).await.is_ok());
        drop(entrance);
        assert_eq!(item(exit.next()), Some(1));
        assert!(matches!(exit.next(), Next::Over));
        let (entrance, exit) = bounded(4);
        drop(exit);
        assert!(entrance.add(1).await.is_err());
    }
}
