//! Times as the protocol knows them. Reading a clock is the caller's business.

use minicbor::{Decode, Encode};

/// Seconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] pub u64);

impl Timestamp {
    /// This time moved forward by `seconds`, saturating.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The hour that ends at or after this time.
    #[must_use]
    pub fn round_up(self) -> Hour {
        Hour(u32::try_from(self.0.div_ceil(3600)).unwrap_or(u32::MAX))
    }
}

/// Hours since the Unix epoch: all that a relay keeps of any time, so that what it stores tells no arrival time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Hour(#[n(0)] pub u32);

impl Hour {
    /// This hour moved forward by `hours`, saturating.
    #[must_use]
    pub fn plus(self, hours: u32) -> Self {
        Self(self.0.saturating_add(hours))
    }

    /// Whether `now` is past the end of this hour.
    #[must_use]
    pub fn is_past(self, now: Timestamp) -> bool {
        now.0 >= u64::from(self.0).saturating_mul(3600)
    }

    /// The moment at which this hour is over.
    #[must_use]
    pub fn end(self) -> Timestamp {
        Timestamp(u64::from(self.0).saturating_mul(3600))
    }
}
