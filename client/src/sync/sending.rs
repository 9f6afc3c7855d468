//! What an open session is asked: subscriptions first, then the lanes, as far as the relay's limits go.

use std::time::Duration;

use relevo_protocol::wire::{Call, Fingerprint, MailboxId, Subscription};

use super::backoff::Jitter;
use super::engine::{Attempt, Effect};
use super::peer::{Asked, Open, Peer, Session, Stage, is_held_back};
use super::reader::{CREDIT, Reader};
use crate::link::LinkFault;
use crate::vault::{Transaction, VaultFault, followed, outbox, promises};

/// Bytes of dispatches under way at once, for one relay. One dispatch always goes.
const MAX_BYTES: usize = 4 << 20;

/// Subscriptions in one Resume: about 100 bytes each, far below a frame.
const RESUME_BATCH: usize = 256;

impl Peer {
    /// Opens the session if it is needed, and asks it for everything that may be asked now.
    pub(super) fn go_on(
        &mut self,
        tx: &Transaction<'_>,
        relay: Fingerprint,
        next: &mut dyn FnMut() -> Attempt,
        now: Duration,
        jitter: &mut Jitter,
        effects: &mut Vec<Effect>,
    ) -> Result<(), VaultFault> {
        self.connect(tx, relay, next, now, effects)?;
        let Session::Open(open) = &mut self.session else { return Ok(()) };
        match open.stage {
            Stage::Enrolling => return Ok(()),
            Stage::Draining if open.asked.is_empty() => {
                // No input follows: the end is ours to note, else the relay would never be asked again.
                let attempt = open.attempt;
                effects.push(Effect::Disconnect { relay, attempt });
                self.disconnected(attempt, LinkFault::Ended, now, jitter);
                return Ok(());
            }
            Stage::Draining => return Ok(()),
            Stage::Running => {}
        }
        self.subscribe(tx, relay, now, effects)?;
        self.send(tx, relay, now, effects)
    }

    fn subscribe(
        &mut self,
        tx: &Transaction<'_>,
        relay: Fingerprint,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) -> Result<(), VaultFault> {
        let Session::Open(open) = &mut self.session else { return Ok(()) };
        let room = open.subscriptions.saturating_sub(open.subscribed.len());
        let mut due: Vec<(&MailboxId, &mut Reader)> = self
            .readers
            .iter_mut()
            .filter(|(mailbox, reader)| reader.is_due(now) && !is_held_back(&self.lanes, mailbox, reader))
            .take(room)
            .collect();
        for batch in due.chunks_mut(RESUME_BATCH) {
            let mut subscriptions = Vec::with_capacity(batch.len());
            for (mailbox, reader) in batch {
                let Some(row) = followed::find_row(tx, mailbox)? else { continue };
                promises::call_in(tx, mailbox)?;
                let id = open.subscription(**mailbox);
                reader.asked(id, row.followed.cursor);
                subscriptions.push(Subscription {
                    id,
                    mailbox: **mailbox,
                    capability: row.capability,
                    cursor: row.followed.cursor,
                    credit: CREDIT,
                });
            }
            if !subscriptions.is_empty() {
                let ids = subscriptions.iter().map(|subscription| subscription.id).collect();
                effects.push(open.ask(relay, Asked::Resume(ids), Call::Resume { subscriptions }));
            }
        }
        Ok(())
    }

    /// One dispatch of each lane in turn, so that a long lane holds no other up.
    fn send(
        &mut self,
        tx: &Transaction<'_>,
        relay: Fingerprint,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) -> Result<(), VaultFault> {
        let Session::Open(open) = &mut self.session else { return Ok(()) };
        let mut went = true;
        while went {
            went = false;
            for (mailbox, lane) in &mut self.lanes {
                let Some((id, kind, size)) = lane.next(now) else { continue };
                if !has_room(open, size) {
                    return Ok(());
                }
                went = true;
                let Some(call) = outbox::send(tx, id)? else {
                    // The row is gone or unreadable: there is nothing to send. It stays for `doctor`.
                    tracing::error!("a dispatch in the outbox cannot be read");
                    lane.done(id);
                    continue;
                };
                lane.sent(id);
                open.bytes = open.bytes.saturating_add(size);
                effects.push(open.ask(relay, Asked::Dispatch { lane: *mailbox, id, kind, size }, call));
            }
        }
        self.lanes.retain(|_, lane| lane.len() > 0);
        Ok(())
    }
}

fn has_room(open: &Open, size: usize) -> bool {
    let fits = open.bytes == 0 || open.bytes.saturating_add(size) <= MAX_BYTES;
    fits && open.asked.len() < open.requests
}
