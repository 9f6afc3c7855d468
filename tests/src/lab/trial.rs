//! What is tried: one impairment each, and all of them together.

use std::time::Duration;

use clap::ValueEnum;

use super::Size;
use super::network::{FRONT, FRONT6, NAME, Way};
use crate::proxy::Conditions;

/// One trial.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Trial {
    /// Nothing: what the others are compared with.
    Clear,
    /// 20 % lost each way.
    Loss,
    /// 600 ms there and back.
    Delay,
    /// 64 kbit/s each way.
    Narrow,
    /// One in five comes twice.
    Doubled,
    /// One in four is overtaken, by up to 200 ms.
    Disorder,
    /// Bursts over 16 KiB are lost, as with a small receive buffer.
    Bursts,
    /// Packets of 1280 bytes at most.
    Mtu,
    /// Larger packets than 1280 bytes vanish without a word from the network.
    MtuSilent,
    /// IPv6 alone.
    Six,
    /// The NAT forgets its clients in mid-transfer.
    Nat,
    /// Members change their address in mid-transfer.
    Roaming,
    /// The relay is killed and started again in mid-transfer.
    Killed,
    /// The relay is stopped and started again in mid-transfer.
    Stopped,
    /// The relay cannot be reached for a while.
    Cut,
    /// The reader's process is killed in mid-transfer and started again.
    Reopened,
    /// The name server fails, then says nothing, and the session breaks meanwhile.
    Names,
    /// One member's clock is 24 hours fast.
    Fast,
    /// One member's clock is 24 hours slow.
    Slow,
    /// The relay's clock is 24 hours fast.
    RelayFast,
    /// The relay's clock is 24 hours slow.
    RelaySlow,
    /// Loss, delay, narrow link, doubles, disorder, small packets, NAT, restart, cut and clocks together.
    All,
}

/// What happens in mid-transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    Rebind,
    Roam,
    Kill,
    Stop,
    Cut(Duration),
    Reopen,
    NamesFail,
}

/// What a trial is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) way: Way,
    pub(super) host: &'static str,
    /// Of the members' links.
    pub(super) mtu: u32,
    pub(super) conditions: Conditions,
    /// While the texts go, the document goes to the relay, and comes from it.
    pub(super) events: [&'static [Event]; 3],
    /// Clocks of relay, Quilla and Mistral, in the words of libfaketime.
    pub(super) clocks: [Option<&'static str>; 3],
}

const FAST: Option<&str> = Some("+24h");
const SLOW: Option<&str> = Some("-24h");
/// 1280 less IPv4 and UDP headers.
const SMALL: usize = 1252;

impl Trial {
    /// Its name on the command line and in the table.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The size in which the tests run it: so much that it has a middle, so little that it is done within a minute.
    #[must_use]
    pub fn brief(self) -> Size {
        let (bytes, messages) = if self == Self::Narrow {
            (64 << 10, 20)
        } else if self == Self::All {
            (16 << 10, 10)
        } else {
            (256 << 10, 20)
        };
        Size { bytes, messages, patience: 300, seed: 1, full: false }
    }

    pub(super) fn setup(self, size: &Size) -> Setup {
        let bare = Setup {
            way: Way::Proxy,
            host: FRONT,
            mtu: 1500,
            conditions: Conditions::default(),
            events: [&[]; 3],
            clocks: [None; 3],
        };
        let on = |conditions| Setup { conditions, ..bare };
        let none = Conditions::default();
        // Wide enough to be quick, narrow enough to have a middle.
        let middling = on(Conditions { width: 2_000_000, queue: 64 << 10, delay: Duration::from_millis(20), ..none });
        let with = |event| Setup { events: [event; 3], ..middling };
        match self {
            Self::Clear => Setup { way: Way::Routed, ..bare },
            Self::Loss => on(Conditions { lost: 200, ..none }),
            Self::Delay => on(Conditions { delay: Duration::from_millis(300), ..none }),
            Self::Narrow => on(Conditions { width: 64_000, queue: 32 << 10, ..none }),
            Self::Doubled => on(Conditions { doubled: 200, ..none }),
            Self::Disorder => on(Conditions { reordered: 250, held: Duration::from_millis(200), ..none }),
            Self::Bursts => {
                let delay = Duration::from_millis(20);
                on(Conditions { width: 10_000_000, queue: 16 << 10, delay, ..none })
            }
            Self::Mtu => Setup { way: Way::Routed, mtu: 1280, ..bare },
            Self::MtuSilent => on(Conditions { largest: SMALL, ..none }),
            Self::Six => Setup { way: Way::RoutedSix, host: FRONT6, ..bare },
            Self::Nat => with(&[Event::Rebind]),
            Self::Roaming => with(&[Event::Roam]),
            Self::Killed => with(&[Event::Kill]),
            Self::Stopped => with(&[Event::Stop]),
            Self::Cut if size.full => with(&[Event::Cut(LONG)]),
            Self::Cut => with(&[Event::Cut(SHORT)]),
            Self::Reopened => Setup { events: [&[Event::Reopen], &[], &[Event::Reopen]], ..middling },
            Self::Names => Setup { host: NAME, events: [&[Event::NamesFail], &[], &[]], ..middling },
            Self::Fast => Setup { clocks: [None, FAST, None], ..bare },
            Self::Slow => Setup { clocks: [None, SLOW, None], ..bare },
            Self::RelayFast => Setup { clocks: [FAST, None, None], ..bare },
            Self::RelaySlow => Setup { clocks: [SLOW, None, None], ..bare },
            Self::All => Setup {
                conditions: Conditions {
                    lost: 200,
                    doubled: 50,
                    reordered: 100,
                    held: Duration::from_millis(200),
                    delay: Duration::from_millis(300),
                    width: 64_000,
                    queue: 32 << 10,
                    largest: SMALL,
                    cut: false,
                },
                events: [&[Event::Rebind, Event::Kill], &[Event::Cut(SHORT)], &[Event::Roam, Event::Rebind]],
                clocks: [SLOW, FAST, None],
                ..bare
            },
        }
    }
}

/// Shorter than a connection lives in silence (30 s): it is the same one afterwards.
const SHORT: Duration = Duration::from_secs(6);
/// Longer: the connection is given up, and a new one made.
const LONG: Duration = Duration::from_secs(90);
