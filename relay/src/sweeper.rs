//! Removes what has expired: asks the writer for bounded slices, so that appends pass between them.

use tokio::sync::watch;

use crate::store::{Applied, Change, Clock, Rest, Store, Writer};

/// Rows removed in one slice: about as many as one batch of appends.
const SLICE: usize = 512;

/// Sweeps until `stop` changes or the writer stops. Owned by the relay's start.
pub async fn run(store: Store, writer: Writer, clock: Clock, mut stop: watch::Receiver<bool>) {
    let mut pause = tokio::time::interval(store.config().sweep_pause());
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pause.tick() => {}
            _ = stop.changed() => return,
        }
        // A refusal means that the writer has stopped, which ends the relay.
        while let Ok(Applied::Swept { rest: Rest::More }) = writer.apply(Change::Sweep { limit: SLICE }).await {
            tokio::task::yield_now().await;
        }
        let (store, now) = (store.clone(), clock());
        match tokio::task::spawn_blocking(move || store.sweep_partial_blobs(now)).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::warn!(%fault, "unfinished blobs could not be swept"),
            Err(_stopping) => return,
        }
    }
}
