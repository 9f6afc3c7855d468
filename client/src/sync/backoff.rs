//! How long to wait before trying again.

use std::time::Duration;

/// Source of jitter, seeded from outside so that tests and simulations repeat. Nothing secret depends on it.
#[derive(Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        // The generator stands still at zero.
        Self(seed | 1)
    }

    /// Between half of `whole` and all of it, so that clients that lost one relay together do not return together.
    pub(super) fn shorten(&mut self, whole: Duration) -> Duration {
        // xorshift64 (Marsaglia 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let half = whole / 2;
        let thousandths = u32::try_from(self.0 % 1000).unwrap_or(0);
        half + half * thousandths / 1000
    }
}

/// Delays that double from `first` to `longest`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// For a relay that cannot be reached: half a second at first, a minute at last. Nobody should miss an alert for long
    /// after the network is back; 5,000 devices that try once a minute are 110 handshakes a second for the relay.
    pub(super) const LINK: Self = Self::new(Duration::from_millis(500), Duration::from_secs(60));

    /// For a relay that is not who it should be or does not admit us: a person has to act, so trying is rare.
    pub(super) const DISTRUST: Self = Self::new(Duration::from_secs(10), Duration::from_secs(600));

    /// For a request or a subscription that the relay puts off.
    pub(super) const REFUSED: Self = Self::new(Duration::from_secs(1), Duration::from_secs(300));

    const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The next delay.
    pub(super) fn next(&mut self, jitter: &mut Jitter) -> Duration {
        let whole = self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        jitter.shorten(whole)
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_longest_and_keep_half_at_least() {
        let (mut backoff, mut jitter) = (Backoff::LINK, Jitter::new(7));
        let mut whole = Duration::from_millis(500);
        for _ in 0..40 {
            let delay = backoff.next(&mut jitter);
            assert!(delay >= whole / 2 && delay <= whole, "{delay:?} of {whole:?}");
            whole = (whole * 2).min(Duration::from_secs(60));
        }
        backoff.reset();
        assert!(backoff.next(&mut jitter) <= Duration::from_millis(500));
    }
}
