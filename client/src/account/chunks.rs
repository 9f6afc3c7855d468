//! One chunk of a document, to the relay or from it, however often the link breaks.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use relevo_protocol::wire::{BlobId, Fingerprint};

use super::pace::Part;
use super::{Account, AccountFault};
use crate::document::{DocumentNumber, Parts};
use crate::link::Session;

/// How long a chunk's lease is asked for, in hours: as long as entries live.
const LEASE_HOURS: u32 = relevo_protocol::limits::MAX_LEASE_HOURS;
/// How long to wait for a session each time.
const SESSION: Duration = Duration::from_secs(20);
/// Between two attempts to have a session.
const PAUSE: Duration = Duration::from_millis(500);

impl Account {
    /// Stores a blob, however often the link breaks.
    pub(super) async fn put(
        &self,
        relay: Fingerprint,
        id: BlobId,
        bytes: Bytes,
        mut left: impl FnMut(usize) + Send,
    ) -> Result<(), AccountFault> {
        loop {
            let session = self.session(relay).await?;
            match session.put_blob_watched(id, bytes.clone(), LEASE_HOURS, &mut left).await {
                Ok(_) => return Ok(()),
                Err(fault) if fault.is_passing() => self.machine.sleep(PAUSE).await,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// Fetches a blob, part by part, however often the link breaks; what came of it before a break is not asked for again.
    pub(super) async fn get(
        &self,
        relay: Fingerprint,
        id: BlobId,
        held: &mut BytesMut,
        part: &mut Part,
        mut came: impl FnMut(usize) + Send,
    ) -> Result<(), AccountFault> {
        let mut doubtful = !held.is_empty();
        loop {
            let session = self.session(relay).await?;
            // From its first bytes on: how long the way is says nothing of how wide it is.
            let mut first = None;
            let watch = |bytes| {
                first.get_or_insert_with(|| self.machine.elapsed());
                came(bytes);
            };
            match session.fetch_blob(id, held, part.bytes(), watch).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    let now = self.machine.elapsed();
                    part.came(first.map_or(Duration::ZERO, |first| now.saturating_sub(first)));
                }
                Err(fault) if fault.is_passing() => {
                    *part = Part::default();
                    self.machine.sleep(PAUSE).await;
                }
                // Its beginning was kept by a process that ended, and may not be what was written.
                Err(_) if doubtful => {
                    held.clear();
                    doubtful = false;
                }
                Err(fault) => {
                    held.clear();
                    return Err(fault.into());
                }
            }
        }
    }

    /// A session, waited for as long as there is hope of one: a relay that is not who it should be ends the waiting.
    async fn session(&self, relay: Fingerprint) -> Result<Session, AccountFault> {
        loop {
            match self.runner.session(relay, SESSION).await? {
                Ok(session) => return Ok(session),
                Err(status) => match status.relays.iter().find(|row| row.relay == relay).and_then(|row| row.fault) {
                    Some(fault) if !fault.is_passing() => return Err(fault.into()),
                    _ => self.machine.sleep(PAUSE).await,
                },
            }
        }
    }
}

/// What has come of a chunk. What is in it when it is dropped is kept for the next time, also when the fetching was given
/// up: at 64 kbit/s a chunk takes half a minute.
pub(super) struct Held {
    parts: Parts,
    document: DocumentNumber,
    place: u32,
    pub(super) bytes: BytesMut,
}

impl Held {
    pub(super) fn of(parts: &Parts, document: DocumentNumber, place: u32) -> Self {
        let bytes = BytesMut::from(parts.take_begun(document, place).as_slice());
        Self { parts: parts.clone(), document, place, bytes }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            // What cannot be kept is fetched again.
            let _kept = self.parts.keep(self.document, self.place, &self.bytes);
        }
    }
}
