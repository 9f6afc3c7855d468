//! Relays: what reaches them, what they say, how they end and come back.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

use anyhow::{Context, ensure};
use relevo_client::link::LinkFault;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{Fingerprint, Reply, decode_exact};
use relevo_relay::driven::{BlobStream, Copied, DrivenRelay, SessionId, SimulatedDisk, Unsynced};
use relevo_relay::store::{StoreConfig, StoreFault};

use super::session::UNANSWERED;
use super::{START, World};
use crate::simulation::network::{Event, Link};

/// A relay and its disk.
pub struct Relay {
    pub(super) seed: u8,
    pub(super) fingerprint: Fingerprint,
    /// Outlives the relay.
    pub disk: SimulatedDisk,
    pub(super) driven: Option<DrivenRelay>,
    pub(super) config: StoreConfig,
    /// Store calls after which it dies, counted from when a document next comes or goes.
    pub(super) doomed: Option<u64>,
    pub(super) committing: bool,
    pub(super) swept: u64,
    /// Seconds by which its clock is ahead.
    pub skew: i64,
}

impl Relay {
    /// It is restored from a backup.
    ///
    /// # Errors
    /// Its store's.
    pub fn restore(&self, kept: &Copied) -> anyhow::Result<()> {
        Ok(self.disk.restore(kept, &self.config)?)
    }
}

impl World {
    /// Adds a relay on a disk.
    ///
    /// # Errors
    /// It does not open.
    pub fn relay(&mut self, seed: u8, disk: SimulatedDisk, config: StoreConfig) -> anyhow::Result<usize> {
        let fingerprint = DrivenRelay::address(seed).fingerprint;
        let driven = Some(DrivenRelay::open(&disk, config.clone(), seed, START)?);
        let swept = self.now;
        self.relays.push(Relay {
            seed,
            fingerprint,
            disk,
            driven,
            config,
            doomed: None,
            committing: false,
            swept,
            skew: 0,
        });
        Ok(self.relays.len() - 1)
    }

    /// A relay removes what has expired.
    ///
    /// # Errors
    /// Its store failed of itself.
    pub fn sweep(&mut self, relay: usize) -> anyhow::Result<()> {
        let now = self.relay_clock(relay);
        self.relays[relay].swept = self.now;
        let Some(driven) = &mut self.relays[relay].driven else { return Ok(()) };
        match driven.sweep(now) {
            Ok(()) => self.pump(relay),
            Err(fault) => self.stopped(relay, &fault),
        }
    }

    /// A relay dies now.
    pub fn stop_relay(&mut self, relay: usize) {
        let way = |stream: &BlobStream| self.links.get(&stream.session).is_some_and(|link| link.seat.relay == relay);
        let takes = self.relays[relay].driven.as_ref().map(DrivenRelay::takes_blobs);
        let is_under_way = || self.queue.values().any(|event| event.blob_stream().is_some_and(|stream| way(&stream)));
        if takes.is_some_and(|takes| takes || is_under_way()) {
            self.trace.count("relay crashed with a document under way");
        }
        self.relays[relay].driven = None;
        self.relays[relay].committing = false;
        // Not those that are still to knock: they find whoever is there then.
        let is_its = |link: &Link| link.relay && link.seat.relay == relay;
        let its: Vec<SessionId> = self.links.iter().filter(|(_, link)| is_its(link)).map(|(id, _)| *id).collect();
        for id in its {
            self.relay_gone(id);
        }
        self.trace.line(self.now, format_args!("r{relay} is gone"));
    }

    /// A relay dies at its so-manieth store call from now.
    pub fn stop_relay_after(&mut self, relay: usize, calls: u64) {
        self.relays[relay].disk.stop_after(calls);
    }

    /// The same, counted from when a document next comes or goes.
    pub fn stop_relay_in_document(&mut self, relay: usize, calls: u64) {
        self.relays[relay].doomed = Some(calls);
    }

    /// A relay dies of neither any more.
    pub fn spare_relay(&mut self, relay: usize) {
        self.relays[relay].doomed = None;
        self.relays[relay].disk.stop_after(u64::MAX);
    }

    /// A relay starts again.
    ///
    /// # Errors
    /// Its store does not open.
    pub fn start_relay(&mut self, relay: usize, unsynced: Unsynced) -> anyhow::Result<()> {
        if self.relays[relay].driven.is_some() {
            return Ok(());
        }
        let now = self.relay_clock(relay);
        let Relay { disk, config, seed, .. } = &self.relays[relay];
        disk.restart(unsynced)?;
        let driven = DrivenRelay::open(disk, config.clone(), *seed, now).context("the store does not open")?;
        self.relays[relay].driven = Some(driven);
        self.trace.line(self.now, format_args!("r{relay} is back {unsynced:?}"));
        Ok(())
    }

    /// A relay starts again after a while.
    pub fn start_relay_after(&mut self, relay: usize, milliseconds: u64) {
        self.post(milliseconds, Event::Restart { relay });
    }

    /// Whether a relay runs.
    #[must_use]
    pub fn relay_is_up(&self, relay: usize) -> bool {
        self.relays[relay].driven.is_some()
    }

    /// The name by which people know a relay.
    #[must_use]
    pub fn host(&self, relay: usize) -> String {
        DrivenRelay::address(self.relays[relay].seed).host
    }

    /// A relay that runs.
    #[must_use]
    pub fn store(&self, relay: usize) -> Option<&DrivenRelay> {
        self.relays[relay].driven.as_ref()
    }

    pub(super) fn knock(&mut self, id: SessionId, address: &relevo_protocol::wire::RelayAddress) -> anyhow::Result<()> {
        let Some(seat) = self.links.get(&id).map(|link| link.seat) else { return Ok(()) };
        let now = self.relay_clock(seat.relay);
        let Some(driven) = &mut self.relays[seat.relay].driven else {
            self.post(UNANSWERED, Event::Failed { link: id, why: LinkFault::Unreachable });
            return Ok(());
        };
        let greeted = driven.greet(id, address, now);
        if self.relays[seat.relay].disk.has_stopped() {
            self.relay_gone(id);
            return self.died(seat.relay);
        }
        let delay = self.delay();
        match greeted {
            Some((welcome, answer)) => {
                let at = self.now + delay;
                if let Some(link) = self.links.get_mut(&id) {
                    link.relay = true;
                    link.down = at;
                }
                self.post_at(at, Event::Welcomed { link: id, welcome: Box::new(welcome), answer });
            }
            None => self.post(delay, Event::Failed { link: id, why: LinkFault::NotAdmitted }),
        }
        Ok(())
    }

    pub(super) fn asked(&mut self, id: SessionId, frame: &[u8]) -> anyhow::Result<()> {
        let Some(seat) = self.links.get(&id).filter(|link| link.relay).map(|link| link.seat) else { return Ok(()) };
        let Some(driven) = &mut self.relays[seat.relay].driven else { return Ok(()) };
        if !driven.request(id, frame) {
            self.relay_gone(id);
        }
        self.gather(seat.relay);
        Ok(())
    }

    /// A relay's writer takes what waits, and what comes within a moment.
    pub(super) fn gather(&mut self, relay: usize) {
        if !self.relays[relay].committing {
            self.relays[relay].committing = true;
            let gather = self.dice.between(0, 5);
            self.post(gather, Event::Commit { relay });
        }
    }

    /// Everything that a relay has to say goes on its way.
    pub(super) fn pump(&mut self, relay: usize) -> anyhow::Result<()> {
        let now = self.relay_clock(relay);
        self.pump_blobs(relay);
        let Some(driven) = &mut self.relays[relay].driven else { return Ok(()) };
        let sessions: Vec<SessionId> = driven.sessions().collect();
        for id in sessions {
            let Some(driven) = &mut self.relays[relay].driven else { return Ok(()) };
            let frames = driven.take(id, now);
            if self.relays[relay].disk.has_stopped() {
                return self.died(relay);
            }
            let Some(link) = self.links.get(&id).copied() else { continue };
            let mut replies = Vec::with_capacity(frames.len());
            for frame in frames {
                replies.push(decode_exact::<Reply>(&frame).context("a relay's frame does not parse")?);
            }
            let replies = self.adversary.down(link.seat, id, replies);
            if replies.is_empty() || link.down == u64::MAX {
                continue;
            }
            if self.breaks(link.seat) {
                self.lose(id);
                continue;
            }
            let delay = self.delay();
            let at = link.down.max(self.now + delay);
            if let Some(link) = self.links.get_mut(&id) {
                link.down = at;
            }
            // What comes together is sometimes taken together and sometimes not.
            let cut = self.dice.place(replies.len() + 1);
            let mut first = replies;
            let second = first.split_off(cut);
            for replies in [first, second] {
                if !replies.is_empty() {
                    self.post_at(at, Event::Down { link: id, replies });
                }
            }
        }
        Ok(())
    }

    /// A store call has failed: by our will, or by a fault of its own.
    pub(super) fn stopped(&mut self, relay: usize, fault: &StoreFault) -> anyhow::Result<()> {
        ensure!(self.relays[relay].disk.has_stopped(), "the store of r{relay} failed of itself: {fault}");
        self.died(relay)
    }

    pub(super) fn died(&mut self, relay: usize) -> anyhow::Result<()> {
        self.trace.count("relay crashed at a store call");
        self.stop_relay(relay);
        let pause = self.dice.between(1, 120_000);
        self.start_relay_after(relay, pause);
        Ok(())
    }

    pub(super) fn relay_clock(&self, relay: usize) -> Timestamp {
        Timestamp((START.0 + self.now / 1_000).saturating_add_signed(self.relays[relay].skew))
    }
}
