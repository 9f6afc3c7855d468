//! How many chunks of a document are under way at once, and how far they are.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use relevo_protocol::limits::MAX_BLOB;
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
pub(super) struct Pace {
    at_once: usize,
    part: Part,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { at_once: FIRST, part: Part::default() }
    }

    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// How much of the next chunk is asked for first.
    pub(super) fn part(&self) -> Part {
        self.part
    }

    /// A chunk has moved, in this time.
    pub(super) fn moved(&mut self, took: Duration) {
        if took <= QUICK {
            self.at_once = (self.at_once * 2).min(MOST);
        } else if took > SLOW {
            self.at_once = (self.at_once / 2).max(1);
        }
    }

    /// Of a chunk that came, so much was asked for in the end.
    pub(super) fn parts(&mut self, part: Part) {
        self.part = part;
    }
}

/// How much of a chunk is asked for at once. All of what was asked for may be on its way, and texts wait behind it: on a
/// narrow link it is to be a few seconds of that link. Whatever a relay is asked for costs a round trip, so on a wide one it
/// is a whole chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part(u64);

/// Two seconds of 64 kbit/s. Two steps make a whole chunk of it.
const LEAST_PART: u64 = MAX_BLOB / (STEP * STEP);
/// Parts grow and shrink by this.
const STEP: u64 = 4;
/// A part that took no longer may be larger; one that took longer than [`LONG`], smaller.
const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(8);

impl Default for Part {
    fn default() -> Self {
        Self(LEAST_PART)
    }
}

impl Part {
    pub(super) fn bytes(self) -> u64 {
        self.0
    }

    /// A part has come, in this time.
    pub(super) fn came(&mut self, took: Duration) {
        if took <= SHORT {
            self.0 = (self.0 * STEP).min(MAX_BLOB);
        } else if took > LONG {
            self.0 = (self.0 / STEP).max(LEAST_PART);
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

    #[test]
    fn a_narrow_link_is_asked_for_two_seconds_and_a_wide_one_for_whole_chunks() {
        let part_of = |bits_a_second: u64, parts: usize| {
            let mut part = Part::default();
            for _ in 0..parts {
                part.came(Duration::from_millis(part.bytes() * 8_000 / bits_a_second));
            }
            part.bytes()
        };
        assert_eq!(part_of(64_000, 10), LEAST_PART);
        assert_eq!(part_of(256_000, 10), 4 * LEAST_PART);
        assert_eq!((part_of(10_000_000, 1), part_of(10_000_000, 2)), (4 * LEAST_PART, MAX_BLOB));
        let mut part = Part(MAX_BLOB);
        part.came(Duration::from_secs(33));
        part.came(Duration::from_secs(9));
        part.came(Duration::from_secs(9));
        assert_eq!(part, Part::default());
    }
}
