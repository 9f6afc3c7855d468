//! Blob streams between clients and relays: each on its own way, so that one never waits for another.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

use bytes::Bytes;
use relevo_client::link::{Said, StreamId};
use relevo_protocol::wire::{BlobReply, decode_exact};
use relevo_relay::driven::{BlobSaid, BlobStream, SessionId};

use super::World;
use crate::simulation::network::Event;

/// A relay's bytes reach the client in pieces.
const PIECE: usize = 16 << 10;

impl World {
    /// What a client says on blob streams goes on its way.
    pub(super) fn carry(&mut self, client: usize) {
        let Some(driven) = &self.clients[client].driven else { return };
        for (relay, attempt, stream, said) in driven.said() {
            let Some(link) = self.clients[client].links.get(&(relay, attempt)).copied() else { continue };
            self.send_blob_up(link, stream, said);
        }
    }

    fn send_blob_up(&mut self, id: SessionId, stream: StreamId, said: Said) {
        let delay = self.delay();
        let Some(link) = self.links.get(&id).filter(|link| link.client) else { return };
        let seat = link.seat;
        if self.breaks(seat) {
            self.lose(id);
            return;
        }
        let way = self.ways.entry(BlobStream { session: id, number: stream.0 }).or_default();
        way.up = way.up.max(self.now + delay);
        let at = way.up;
        self.trace.line(self.now, format_args!("c{} -> {} blob {} {}", seat.client, id.0, stream.0, words(&said)));
        self.post_at(at, Event::BlobUp { link: id, stream, said });
    }

    /// A client's words on a blob stream reach the relay.
    pub(super) fn blob_asked(&mut self, id: SessionId, stream: StreamId, said: Said) -> anyhow::Result<()> {
        let Some(seat) = self.links.get(&id).filter(|link| link.relay).map(|link| link.seat) else { return Ok(()) };
        let now = self.relay_clock(seat.relay);
        if self.relays[seat.relay].driven.is_some()
            && let Some(calls) = self.relays[seat.relay].doomed.take()
        {
            self.stop_relay_after(seat.relay, calls);
        }
        let Some(driven) = &mut self.relays[seat.relay].driven else { return Ok(()) };
        let said = match said {
            Said::Opened(opening) => BlobSaid::Opened(opening),
            Said::Bytes(bytes) => BlobSaid::Bytes(bytes),
            Said::Finished => BlobSaid::Finished,
            Said::Left => BlobSaid::Left,
        };
        driven.blob(BlobStream { session: id, number: stream.0 }, said, now);
        if self.relays[seat.relay].disk.has_stopped() {
            return self.died(seat.relay);
        }
        self.gather(seat.relay);
        self.pump_blobs(seat.relay);
        Ok(())
    }

    /// Everything that a relay has to say on blob streams goes on its way.
    pub(super) fn pump_blobs(&mut self, relay: usize) {
        let Some(driven) = &mut self.relays[relay].driven else { return };
        for (stream, bytes) in driven.take_blobs() {
            let Some(mut bytes) = bytes else {
                self.send_blob_down(stream, None);
                continue;
            };
            while !bytes.is_empty() {
                let piece = bytes.split_to(PIECE.min(bytes.len()));
                self.send_blob_down(stream, Some(piece));
            }
        }
    }

    fn send_blob_down(&mut self, stream: BlobStream, bytes: Option<Bytes>) {
        let delay = self.delay();
        let Some(link) = self.links.get(&stream.session).copied() else { return };
        if link.down == u64::MAX {
            return;
        }
        if self.breaks(link.seat) {
            self.lose(stream.session);
            return;
        }
        let way = self.ways.entry(stream).or_default();
        way.down = way.down.max(self.now + delay);
        let at = way.down;
        self.post_at(at, Event::BlobDown { link: stream.session, stream: StreamId(stream.number), bytes });
    }

    /// A relay's words on a blob stream reach the client; none at their end.
    pub(super) fn blob_heard(&mut self, id: SessionId, stream: StreamId, bytes: Option<Bytes>) -> anyhow::Result<()> {
        let Some((client, relay, attempt)) = self.believed(id) else { return Ok(()) };
        let heard = bytes.as_ref().map_or_else(|| "end".to_owned(), heard);
        self.trace.line(self.now, format_args!("c{client} <- {} blob {} {heard}", id.0, stream.0));
        let now = self.clock(client);
        self.acts(client);
        let Some(driven) = &mut self.clients[client].driven else { return Ok(()) };
        let heard = driven.hear((relay, attempt), stream, bytes, now);
        if driven.has_stopped() {
            self.power_cut(client);
            return Ok(());
        }
        let effects = heard?;
        self.perform(client, effects)
    }
}

/// A relay's answer by its name, else how many bytes.
fn heard(bytes: &Bytes) -> String {
    let reply = bytes.get(4..).and_then(|frame| decode_exact::<BlobReply>(frame).ok());
    reply.map_or_else(|| bytes.len().to_string(), |reply| format!("{reply:?}"))
}

fn words(said: &Said) -> String {
    match said {
        Said::Opened(_) => "opened".to_owned(),
        Said::Bytes(bytes) => bytes.len().to_string(),
        Said::Finished => "finished".to_owned(),
        Said::Left => "left".to_owned(),
    }
}
