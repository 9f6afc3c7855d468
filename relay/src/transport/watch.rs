//! Admitted connections, looked at together: timers of their own cost 5,000 idle ones a twentieth of a processor.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::connection::{ANSWERS, NO_ERROR, answers};

/// How often they are looked at: what one makes us hold in between, the processor bounds.
const LOOK: Duration = Duration::from_secs(1);

/// The admitted connections of a relay, by quinn's number of each.
#[derive(Default)]
pub(crate) struct Watch(Mutex<HashMap<usize, quinn::Connection>>);

/// A connection that is looked at until this goes.
pub(super) struct Watched<'w> {
    watch: &'w Watch,
    number: usize,
}

impl Watch {
    pub(super) fn add(&self, connection: &quinn::Connection) -> Watched<'_> {
        let number = connection.stable_id();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, connection.clone());
        Watched { watch: self, number }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Ends those of which QUIC itself has had to give too many answers. Never returns.
    pub(super) async fn look(&self) {
        loop {
            sleep(LOOK).await;
            let connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for connection in connections.values().filter(|connection| answers(connection) > ANSWERS) {
                connection.close(NO_ERROR, b"");
            }
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.watch.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}
