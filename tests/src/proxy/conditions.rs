//! How a link behaves.

use std::time::Duration;

/// What a link does to datagrams. The default carries everything at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// Everything is lost.
    pub cut: bool,
    /// Lost, of a thousand.
    pub lost: u32,
    /// Carried twice, of a thousand.
    pub doubled: u32,
    /// Held back while others pass, of a thousand.
    pub reordered: u32,
    /// How long one is held back at most.
    pub held: Duration,
    /// Time from one end to the other.
    pub delay: Duration,
    /// Width in bits per second; 0 is as wide as the machine allows.
    pub width: u32,
    /// Bytes that wait for a narrow link at most; what comes beyond is lost.
    pub queue: u32,
    /// Largest datagram that fits; larger ones vanish without a word. 0 carries all.
    pub largest: usize,
}
