//! What an account has of the machine beside its vault: time that passes, and threads that may block on the disk.

use std::time::{Duration, Instant};

#[cfg(feature = "simulation")]
pub(super) use by_hand::HandClock;

use super::AccountFault;
use crate::document::DocumentFault;

/// The machine, or what stands for it.
#[derive(Clone, Debug)]
pub(super) enum Machine {
    /// tokio's clock and threads, since this moment.
    Real(Instant),
    /// A clock that is set, and no threads.
    #[cfg(feature = "simulation")]
    ByHand(std::sync::Arc<HandClock>),
}

impl Machine {
    pub(super) fn real() -> Self {
        Self::Real(Instant::now())
    }

    /// Time since some moment before.
    pub(super) fn elapsed(&self) -> Duration {
        match self {
            Self::Real(begun) => begun.elapsed(),
            #[cfg(feature = "simulation")]
            Self::ByHand(clock) => clock.elapsed(),
        }
    }

    pub(super) async fn sleep(&self, pause: Duration) {
        match self {
            Self::Real(_) => tokio::time::sleep(pause).await,
            #[cfg(feature = "simulation")]
            Self::ByHand(clock) => clock.sleep(pause).await,
        }
    }

    /// Does what blocks on the disk, where that holds nobody up.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, DocumentFault> + Send + 'static,
    ) -> Result<T, AccountFault> {
        match self {
            Self::Real(_) => Ok(tokio::task::spawn_blocking(work).await.map_err(|_| AccountFault::Closed)??),
            #[cfg(feature = "simulation")]
            Self::ByHand(_) => Ok(work()?),
        }
    }
}

#[cfg(feature = "simulation")]
mod by_hand {
    use std::collections::BTreeMap;
    use std::future::poll_fn;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::task::{Poll, Waker};
    use std::time::Duration;

    /// A clock that moves when it is told to.
    #[derive(Debug, Default)]
    pub(in crate::account) struct HandClock(Mutex<Hands>);

    #[derive(Debug, Default)]
    struct Hands {
        now: Duration,
        slept: u64,
        /// Whom to wake when; the number tells apart those of one moment.
        sleepers: BTreeMap<(Duration, u64), Waker>,
    }

    impl HandClock {
        pub(in crate::account) fn set(&self, now: Duration) {
            let mut hands = self.hold();
            hands.now = hands.now.max(now);
            let now = hands.now;
            while let Some(due) = hands.sleepers.first_entry().filter(|first| first.key().0 <= now) {
                due.remove().wake();
            }
        }

        /// When the first sleeper is due.
        pub(in crate::account) fn wake_at(&self) -> Option<Duration> {
            self.hold().sleepers.first_key_value().map(|((at, _), _)| *at)
        }

        pub(super) fn elapsed(&self) -> Duration {
            self.hold().now
        }

        pub(super) async fn sleep(&self, pause: Duration) {
            let key = {
                let mut hands = self.hold();
                hands.slept = hands.slept.saturating_add(1);
                (hands.now.saturating_add(pause), hands.slept)
            };
            poll_fn(|context| {
                let mut hands = self.hold();
                if hands.now >= key.0 {
                    return Poll::Ready(());
                }
                hands.sleepers.insert(key, context.waker().clone());
                Poll::Pending
            })
            .await;
        }

        fn hold(&self) -> MutexGuard<'_, Hands> {
            // Nothing that can panic runs under this lock.
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
