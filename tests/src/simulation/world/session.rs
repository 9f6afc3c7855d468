//! Sessions between clients and relays: how frames pass, and how either end learns that there is none any more.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

use relevo_client::link::{Incoming, LinkFault, Ticket};
use relevo_client::sync::{Attempt, Input};
use relevo_protocol::wire::{Fingerprint, Reply};
use relevo_relay::driven::SessionId;

use super::World;
use crate::simulation::network::{Event, Seat};
use crate::simulation::trace::Trace;

/// An attempt that nobody answers fails after so long.
pub(super) const UNANSWERED: u64 = 15_000;
/// A dead session is noticed after at most so long.
const IDLE: u64 = 30_000;

impl World {
    /// Cuts every session of a seat. Requests under way may still arrive.
    pub fn cut(&mut self, seat: Seat) {
        let its: Vec<SessionId> = self.links.iter().filter(|(_, link)| link.seat == seat).map(|(id, _)| *id).collect();
        for id in its {
            self.lose(id);
        }
    }

    pub(super) fn send_up(&mut self, id: SessionId, frame: Vec<u8>) {
        let delay = self.delay();
        let now = self.now;
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.client {
            return;
        }
        let at = link.up.max(now + delay);
        link.up = at;
        let seat = link.seat;
        if self.breaks(seat) {
            self.lose(id);
            return;
        }
        self.post_at(at, Event::Up { link: id, frame });
    }

    /// The network breaks a session. Both sides notice in their own time.
    pub(super) fn lose(&mut self, id: SessionId) {
        let Some(link) = self.links.get(&id).copied() else { return };
        self.trace.line(self.now, format_args!("link {} breaks", id.0));
        let (client, relay) = (self.dice.between(0, IDLE), self.dice.between(0, IDLE));
        if link.client {
            self.post(client, Event::Failed { link: id, why: LinkFault::Lost });
        }
        self.post(relay, Event::Forgotten { link: id });
        // What was on its way to the client is gone; what was on its way to the relay may still arrive.
        let lost: Vec<(u64, u64)> = self
            .queue
            .iter()
            .filter(
                |(_, event)| matches!(event, Event::Down { link, .. } | Event::BlobDown { link, .. } | Event::Welcomed { link, .. } if *link == id),
            )
            .map(|(key, _)| *key)
            .collect();
        for key in lost {
            self.queue.remove(&key);
        }
        if self.dice.one_in(2) {
            let up: Vec<(u64, u64)> = self
                .queue
                .iter()
                .filter(
                    |(_, event)| matches!(event, Event::Up { link, .. } | Event::BlobUp { link, .. } if *link == id),
                )
                .map(|(key, _)| *key)
                .collect();
            for key in up {
                self.queue.remove(&key);
            }
        } else {
            self.trace.count("requests of a broken session arrive");
        }
        if let Some(link) = self.links.get_mut(&id) {
            // Nothing more gets through in either direction.
            link.down = u64::MAX;
        }
    }

    /// The client has left a session.
    pub(super) fn give_up(&mut self, id: SessionId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.client = false;
        }
        let delay = self.dice.between(0, IDLE);
        self.post(delay, Event::Forgotten { link: id });
    }

    /// The relay has left a session.
    pub(super) fn relay_gone(&mut self, id: SessionId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.relay = false;
        link.down = u64::MAX;
        let noticed = self.dice.between(0, IDLE);
        self.post(noticed, Event::Failed { link: id, why: LinkFault::Lost });
    }

    pub(super) fn heard(&mut self, id: SessionId, replies: Vec<Reply>) -> anyhow::Result<()> {
        let Some((client, relay, attempt)) = self.believed(id) else { return Ok(()) };
        let mut incoming = Vec::with_capacity(replies.len());
        for reply in replies {
            self.trace.line(self.now, format_args!("c{client} <- {} {}", id.0, Trace::reply(&reply)));
            incoming.push(match reply {
                Reply::Answer { number, outcome } => Incoming::Answered { ticket: Ticket(number.into()), outcome },
                Reply::Event { event } => Incoming::Event(event),
            });
        }
        self.input(client, Input::Arrived { relay, attempt, incoming })
    }

    /// The client of a session, if it believes in it.
    pub(super) fn believed(&self, id: SessionId) -> Option<(usize, Fingerprint, Attempt)> {
        let link = self.links.get(&id).filter(|link| link.client)?;
        Some((link.seat.client, self.relays[link.seat.relay].fingerprint, link.attempt))
    }

    pub(super) fn forget_if_done(&mut self, id: SessionId) {
        if self.links.get(&id).is_some_and(|link| !link.client && !link.relay) {
            self.links.remove(&id);
            self.ways.retain(|stream, _| stream.session != id);
        }
    }

    /// Whether weather breaks a session of this seat now.
    pub(super) fn breaks(&mut self, seat: Seat) -> bool {
        let breaks = self.is_parted(seat) || (self.weather.cut > 0 && self.dice.one_in(self.weather.cut));
        if breaks {
            self.trace.count("session cut");
        }
        breaks
    }

    pub(super) fn delay(&mut self) -> u64 {
        let most = self.weather.delay;
        self.dice.between(most / 10, most)
    }

    pub(super) fn is_parted(&self, seat: Seat) -> bool {
        self.weather.parted.get(&seat).is_some_and(|until| self.now < *until)
    }
}
