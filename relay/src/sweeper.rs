//! Removes what has expired: asks the writer for small slices with pauses between them, so that appends pass.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::store::{Applied, Change, Clock, Rest, Store, Writer};

/// Leases or entries removed in one slice, each of them some rows: an append may come behind it.
const SLICE: usize = 16;
/// A pause takes so many times as long as the slice before it, and no longer than that: of a hundred appends meanwhile hardly
/// one meets the moment in which the index takes removals in. Five hundred in a second on a slow disk: a store of ten million
/// entries in six hours, and they came in thirty days.
const PAUSE: u32 = 4;
const MAX_PAUSE: Duration = Duration::from_millis(20);

/// Sweeps until `stop` changes or the writer stops. Owned by the relay's start.
pub async fn run(store: Store, writer: Writer, clock: Clock, mut stop: watch::Receiver<bool>) {
    let mut pause = tokio::time::interval(store.config().sweep_pause());
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pause.tick() => {}
            _ = stop.changed() => return,
        }
        let (store, now) = (store.clone(), clock());
        match tokio::task::spawn_blocking(move || store.sweep_partial_blobs(now)).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::warn!(%fault, "unfinished blobs could not be swept"),
            Err(_stopping) => return,
        }
        tokio::select! {
            () = sweep(&writer) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Removes all that has expired by now. It ends sooner when the writer has stopped, which ends the relay.
pub async fn sweep(writer: &Writer) {
    let mut begun = Instant::now();
    while let Ok(Applied::Swept { rest: Rest::More }) = writer.apply(Change::Sweep { limit: SLICE }).await {
        tokio::time::sleep(begun.elapsed().saturating_mul(PAUSE).min(MAX_PAUSE)).await;
        begun = Instant::now();
    }
}
