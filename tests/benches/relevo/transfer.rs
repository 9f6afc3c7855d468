//! A document up and down, against the same bytes over raw QUIC; and what sealing costs beside it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use relevo_client::link::Connected;
use relevo_protocol::limits::CHUNK;
use relevo_protocol::sealed::{DocumentKey, open_chunk, seal_chunk};
use relevo_protocol::wire::BlobId;

use crate::machine::Process;
use crate::raw::{Raw, all};
use crate::report::{Row, Samples, float};
use crate::rig::{Rig, Settings};

/// Chunks of the document: 128 MiB.
const CHUNKS: usize = 512;
/// Chunks on their way at once: what the relay allows by default.
const AT_ONCE: usize = 8;

#[derive(Default)]
struct Found {
    seal: Samples,
    open: Samples,
    put: Samples,
    get: Samples,
    raw_put: Samples,
    raw_get: Samples,
    put_ratio: Samples,
    get_ratio: Samples,
    relay_put: Samples,
    relay_get: Samples,
    client_put: Samples,
    client_get: Samples,
    server_put: Samples,
    server_get: Samples,
}

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Row>> {
    let count = settings.share(CHUNKS);
    let mut found = Found::default();
    for _ in 0..settings.rounds {
        let chunks = sealed(count, &mut found)?;
        let raw = raw(count, &mut found).await?;
        relay(settings, &chunks, raw, &mut found).await?;
    }
    Ok(found.rows(count))
}

/// Seals a document and opens it again, as sender and reader do beside moving it.
fn sealed(count: usize, found: &mut Found) -> anyhow::Result<Vec<(BlobId, Bytes)>> {
    let key = DocumentKey::random()?;
    let size = u64::try_from(count * CHUNK)?;
    let mut plain = vec![0; CHUNK];
    getrandom::fill(&mut plain)?;
    let begun = Instant::now();
    let mut chunks = Vec::new();
    for place in 0..count {
        let bytes = Bytes::from(seal_chunk(&key, size, place, &plain)?);
        chunks.push((BlobId::of(&bytes), bytes));
    }
    found.seal.push(megabytes(count, begun.elapsed()));
    let begun = Instant::now();
    for (place, (_, bytes)) in chunks.iter().enumerate() {
        open_chunk(&key, size, place, bytes)?;
    }
    found.open.push(megabytes(count, begun.elapsed()));
    Ok(chunks)
}

/// Up and down, in MB/s.
async fn raw(count: usize, found: &mut Found) -> anyhow::Result<(f64, f64)> {
    let raw = Raw::start().await?;
    let server = raw.process();
    let before = server.cpu()?;
    let put = megabytes(count, raw.put(count, CHUNK, AT_ONCE).await?);
    let between = server.cpu()?;
    let get = megabytes(count, raw.get(count, CHUNK, AT_ONCE).await?);
    found.raw_put.push(put);
    found.raw_get.push(get);
    found.server_put.push(per_gigabyte(between - before, count));
    found.server_get.push(per_gigabyte(server.cpu()? - between, count));
    Ok((put, get))
}

/// `raw` is what the same round moved over raw QUIC.
async fn relay(
    settings: &Settings,
    chunks: &[(BlobId, Bytes)],
    raw: (f64, f64),
    found: &mut Found,
) -> anyhow::Result<()> {
    let count = chunks.len();
    let rig = Rig::start(settings)?;
    // The arrivals must live as long as the session, though nothing comes.
    let Connected { session, arrivals: _arrivals, .. } = rig.client().await?;
    let (relay, own) = (rig.process(), Process::own());

    let (relay_before, own_before) = (relay.cpu()?, own.cpu()?);
    let mut each = chunks.iter().cloned();
    let time = all(count, AT_ONCE, || {
        let (session, chunk) = (session.clone(), each.next());
        async move {
            let Some((id, bytes)) = chunk else { return Ok(()) };
            session.put_blob(id, bytes, 48).await?;
            Ok(())
        }
    })
    .await?;
    let put = megabytes(count, time);
    found.relay_put.push(per_gigabyte(relay.cpu()? - relay_before, count));
    found.client_put.push(per_gigabyte(own.cpu()? - own_before, count));

    let (relay_before, own_before) = (relay.cpu()?, own.cpu()?);
    let mut each = chunks.iter().map(|(id, bytes)| (*id, bytes.len())).collect::<Vec<_>>().into_iter();
    let time = all(count, AT_ONCE, || {
        let (session, chunk) = (session.clone(), each.next());
        async move {
            let Some((id, length)) = chunk else { return Ok(()) };
            let part = session.get_blob(id, 0..u64::try_from(length)?).await?;
            anyhow::ensure!(part.bytes.len() == length, "a chunk came short");
            Ok(())
        }
    })
    .await?;
    let get = megabytes(count, time);
    found.relay_get.push(per_gigabyte(relay.cpu()? - relay_before, count));
    found.client_get.push(per_gigabyte(own.cpu()? - own_before, count));

    found.put.push(put);
    found.get.push(get);
    found.put_ratio.push(put / raw.0);
    found.get_ratio.push(get / raw.1);
    drop(session);
    rig.stop()
}

/// Millions of bytes each second.
fn megabytes(chunks: usize, time: Duration) -> f64 {
    float(chunks * CHUNK) / 1e6 / time.as_secs_f64()
}

/// Seconds of processor for a thousand million bytes.
fn per_gigabyte(cpu: Duration, chunks: usize) -> f64 {
    cpu.as_secs_f64() * 1e9 / float(chunks * CHUNK)
}

impl Found {
    fn rows(self, count: usize) -> Vec<Row> {
        let size = (count * CHUNK) >> 20;
        vec![
            Row::new(format!("document of {size} MiB to the relay, on its disk, MB/s"), self.put, ""),
            Row::new(format!("document of {size} MiB from the relay, MB/s"), self.get, ""),
            Row::new("raw QUIC with the same limits, to the server, not stored, MB/s", self.raw_put, ""),
            Row::new("raw QUIC with the same limits, from the server, MB/s", self.raw_get, ""),
            Row::new("to the relay / raw QUIC", self.put_ratio, "bounded by QUIC"),
            Row::new("from the relay / raw QUIC", self.get_ratio, "bounded by QUIC"),
            Row::new("processor s per GB, relay taking", self.relay_put, ""),
            Row::new("processor s per GB, raw server taking", self.server_put, ""),
            Row::new("processor s per GB, relay giving", self.relay_get, ""),
            Row::new("processor s per GB, raw server giving", self.server_get, ""),
            Row::new("processor s per GB, client sending", self.client_put, ""),
            Row::new("processor s per GB, client fetching, hash checked", self.client_get, ""),
            Row::new("sealing and naming chunks, one thread, MB/s", self.seal, ""),
            Row::new("opening chunks, one thread, MB/s", self.open, ""),
        ]
    }
}
