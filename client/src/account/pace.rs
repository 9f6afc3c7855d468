//! How many chunks of a document are under way at once, and how far they are.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Enough to fill a long link (256 KiB each, 64 KiB of them ahead of the relay), little enough to hold in memory.
const MOST: usize = 8;
/// Before the link is known.
const FIRST: usize = 2;
/// A chunk that took no longer has room beside it. At 600 ms and no loss one takes 4 s.
const QUICK: Duration = Duration::from_secs(5);
/// A chunk that took longer is not alone on a narrow link. At 64 kbit/s eight at once take 5 minutes, in which a link
/// that drops every minute finishes none, and each text between them has a ninth of the link.
const SLOW: Duration = Duration::from_secs(15);

/// Goes up while chunks move quickly, and down while they crawl.
#[derive(Debug)]
pub(super) struct Pace(usize);

impl Pace {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    pub(super) fn at_once(&self) -> usize {
        self.0
    }

    /// A chunk has moved, in this time.
    pub(super) fn moved(&mut self, took: Duration) {
        if took <= QUICK {
            self.0 = (self.0 * 2).min(MOST);
        } else if took > SLOW {
            self.0 = (self.0 / 2).max(1);
        }
    }
}

/// How far the chunks are that are under way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Bytes moved of each, by place.
    moved: Mutex<BTreeMap<u32, usize>>,
    changed: Notify,
}

impl Tally {
    /// Notes how far a chunk is.
    pub(super) fn note(&self, place: u32, moved: usize) {
        self.lock().insert(place, moved);
        self.changed.notify_one();
    }

    /// The chunk has moved whole, and counts as that.
    pub(super) fn end(&self, place: u32) {
        self.lock().remove(&place);
    }

    /// Bytes of all that are under way.
    pub(super) fn bytes(&self) -> u64 {
        u64::try_from(self.lock().values().sum::<usize>()).unwrap_or(u64::MAX)
    }

    /// Resolves when one has moved since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, usize>> {
        // Nothing that can panic runs under this lock.
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_link_takes_eight_at_once_and_a_narrow_one_chunk_after_chunk() {
        let mut pace = Pace::new();
        for _ in 0..3 {
            pace.moved(Duration::from_millis(20));
        }
        assert_eq!(pace.at_once(), MOST);
        pace.moved(Duration::from_secs(10));
        assert_eq!(pace.at_once(), MOST);
        for _ in 0..5 {
            pace.moved(Duration::from_secs(33));
        }
        assert_eq!(pace.at_once(), 1);
    }
}
