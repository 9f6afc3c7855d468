//! One direction of one client's link: what is lost, and when the rest arrives.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::time::Instant;

use super::Conditions;

/// IPv4 and UDP headers, which take their share of a narrow link.
const HEADERS: usize = 28;
/// Datagrams under way at most; what comes beyond is lost.
const UNDER_WAY: usize = 8192;

/// Decides the fate of each datagram when it comes.
pub(super) struct Shaper {
    random: Random,
    /// Until when the narrow link is busy.
    busy: Instant,
    /// What is under way, by arrival; the number keeps the order of those that arrive together.
    under_way: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    taken: u64,
}

impl Shaper {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random(seed | 1), busy: Instant::now(), under_way: BinaryHeap::new(), taken: 0 }
    }

    /// Takes a datagram; false when it is lost.
    pub(super) fn take(&mut self, datagram: Vec<u8>, conditions: &Conditions, now: Instant) -> bool {
        let too_large = conditions.largest > 0 && datagram.len() > conditions.largest;
        if conditions.cut || too_large || self.random.happens(conditions.lost) || self.under_way.len() >= UNDER_WAY {
            return false;
        }
        let start = self.busy.max(now);
        let takes = |bytes: usize| match conditions.width {
            0 => Duration::ZERO,
            width => {
                Duration::from_secs_f64(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) * 8.0 / f64::from(width))
            }
        };
        let queue = takes(usize::try_from(conditions.queue).unwrap_or(usize::MAX));
        if conditions.width > 0 && start - now > queue {
            return false;
        }
        self.busy = start + takes(datagram.len() + HEADERS);
        let mut arrives = self.busy + conditions.delay;
        if self.random.happens(conditions.reordered) {
            arrives += conditions.held.mul_f64(f64::from(self.random.below(1000)) / 1000.0);
        }
        if self.random.happens(conditions.doubled) {
            let after = Duration::from_millis(u64::from(self.random.below(50)));
            self.push(arrives + after, datagram.clone());
        }
        self.push(arrives, datagram);
        true
    }

    fn push(&mut self, arrives: Instant, datagram: Vec<u8>) {
        self.taken += 1;
        self.under_way.push(Reverse((arrives, self.taken, datagram)));
    }

    /// When the next datagram arrives.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse((arrives, ..))| *arrives)
    }

    /// A datagram that has arrived.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.next_arrival().filter(|arrives| *arrives <= now)?;
        self.under_way.pop().map(|Reverse((_, _, datagram))| datagram)
    }
}

/// Repeatable chance (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 16) % u64::from(bound.max(1))).unwrap_or(0)
    }

    /// Whether something happens that does so `of_thousand` times in a thousand.
    fn happens(&mut self, of_thousand: u32) -> bool {
        of_thousand > 0 && self.below(1000) < of_thousand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(conditions: Conditions, count: u8) -> (Vec<u8>, Duration) {
        let mut shaper = Shaper::new(7);
        let now = Instant::now();
        for number in 0..count {
            shaper.take(vec![number; 100], &conditions, now);
        }
        let last = shaper.under_way.iter().map(|Reverse((arrives, ..))| *arrives).max();
        let end = now + Duration::from_secs(3600);
        let order = std::iter::from_fn(|| shaper.arrived(end)).map(|datagram| datagram[0]).collect();
        (order, last.map_or(Duration::ZERO, |last| last - now))
    }

    #[test]
    fn a_good_link_carries_all_in_order_at_once() {
        let (order, last) = arrivals(Conditions::default(), 200);
        assert_eq!(order, (0..200).collect::<Vec<u8>>());
        assert_eq!(last, Duration::ZERO);
    }

    #[test]
    fn a_lossy_link_loses_about_its_share_and_a_cut_one_all() {
        let (order, _) = arrivals(Conditions { lost: 200, ..Conditions::default() }, 250);
        assert!((150..250).contains(&order.len()), "{} of 250 arrived", order.len());
        assert!(arrivals(Conditions { cut: true, ..Conditions::default() }, 250).0.is_empty());
    }

    #[test]
    fn a_narrow_link_takes_its_time_and_drops_what_does_not_fit_its_queue() {
        let narrow = Conditions { width: 64_000, queue: 100_000, ..Conditions::default() };
        let (order, last) = arrivals(narrow, 100);
        assert_eq!(order.len(), 100);
        assert_eq!(last.as_millis(), 1600, "100 x 128 bytes at 8,000 a second");
        let (order, _) = arrivals(Conditions { queue: 1000, ..narrow }, 100);
        assert_eq!(order.len(), 8);
    }

    #[test]
    fn datagrams_overtake_each_other_and_come_twice_where_they_should() {
        let held = Duration::from_millis(100);
        let (order, _) = arrivals(Conditions { reordered: 300, held, ..Conditions::default() }, 200);
        assert_eq!(order.len(), 200);
        assert!(!order.is_sorted());
        let (order, _) = arrivals(Conditions { doubled: 300, ..Conditions::default() }, 200);
        assert!((230..300).contains(&order.len()), "{} arrived", order.len());
        let largest = Conditions { largest: 99, ..Conditions::default() };
        assert!(arrivals(largest, 10).0.is_empty());
    }
}
