//! Every count that the relay keeps of itself: unit and meaning beside each. Counts of the whole process only, so that
//! no count tells of one client, mailbox or admission.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the counters, and the snapshot with the same names.
macro_rules! counters {
    ($(#[doc = $doc:literal] $name:ident,)*) => {
        /// The live counters.
        #[derive(Debug, Default)]
        pub(crate) struct Metrics { $(#[doc = $doc] pub(crate) $name: Counter,)* }

        /// The counters at one moment.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
        pub struct Snapshot { $(#[doc = $doc] pub $name: u64,)* }

        impl Metrics {
            /// Reads every counter once.
            pub(crate) fn snapshot(&self) -> Snapshot {
                Snapshot { $($name: self.$name.read(),)* }
            }
        }

        impl Snapshot {
            /// Name, meaning and count of each.
            pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), $doc.trim_ascii(), self.$name)),*].into_iter()
            }

            /// Writes the counters as one line of the log.
            pub(crate) fn log(&self) {
                let Self { $($name),* } = self;
                tracing::debug!($($name),*, "counters");
            }
        }
    };
}

counters! {
    /// Connections whose handshake was begun.
    connections_begun,
    /// Connections refused because the relay holds as many as it may.
    connections_refused,
    /// Connection attempts sent back to prove their address.
    retries_asked,
    /// Connections that never finished the handshake.
    handshakes_failed,
    /// Requests answered by the web site, 404s included.
    site_answers,
    /// Sessions admitted.
    sessions_admitted,
    /// Sessions ended for the peer's fault, wrong admissions included.
    sessions_faulted,
    /// Requests taken off session streams.
    requests,
    /// Requests refused, for whatever reason.
    refusals,
    /// Entries acknowledged as durable.
    entries_stored,
    /// Entries pushed to subscribers.
    entries_pushed,
    /// Blobs acknowledged as durable.
    blobs_stored,
    /// Ranges of blobs sent.
    blobs_sent,
}

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub(crate) fn one(&self) {
        self.many(1);
    }

    /// Counts several.
    pub(crate) fn many(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
