//! The same work at other servers: messages stored and answered, over TLS, durable where the server can be.
//!
//! Each is a real server from its own package with its own directory on the measured disk, told nothing but what it needs
//! to be as durable as it can. What they do besides, queries, topics, consumers, is theirs; the table says which of them answer
//! before the disk has it.

mod dialect;
mod server;
mod stream;

use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use self::dialect::{AWAY, Dialect};
use self::server::{Kind, Server};
use self::stream::Client;
use crate::load;
use crate::report::{Row, Samples, float, milliseconds};
use crate::rig::{Mailbox, Rig, Settings, entry};

/// Requests of the one client in flight; clients that share a server, and requests of each.
const DEPTH: usize = 128;
const CLIENTS: usize = 50;
const DEPTH_OF_EACH: usize = 8;
/// How long each work goes on, at most, and how many answers end it sooner.
const TIME: Duration = Duration::from_secs(3);
const ENOUGH: usize = 40_000;
/// Requests one at a time.
const ALONE: usize = 1_000;

/// What one server did, once a round.
#[derive(Clone, Debug, Default)]
struct Found {
    one: Samples,
    many: Samples,
    half: Samples,
    cpu: Samples,
    syncs: Samples,
    memory: Samples,
    /// The relay's pace by this one's, in the same round.
    by_one: Samples,
    by_many: Samples,
    by_half: Samples,
    by_cpu: Samples,
}

/// One round of one server.
#[derive(Clone, Copy, Debug)]
struct Round {
    one: f64,
    many: f64,
    half: f64,
    cpu: f64,
    syncs: f64,
    memory: f64,
}

/// Measures all, or those that are named.
///
/// # Errors
/// A server is not installed, or did not do its work.
pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Row>> {
    let kinds = Kind::ALL;
    let mut relay = Found::default();
    let mut found = vec![Found::default(); kinds.len()];
    for _ in 0..settings.rounds {
        let ours = relay_round(settings).await.context("the relay")?;
        relay.push(&ours, &ours);
        for (kind, found) in kinds.iter().zip(&mut found) {
            let theirs = peer_round(settings, *kind).await.with_context(|| kind.name())?;
            found.push(&theirs, &ours);
        }
    }
    let mut rows = relay.rows("relay", settings, None);
    for (kind, found) in kinds.iter().zip(&found) {
        rows.extend(found.rows(kind.name(), settings, Some(*kind)));
    }
    Ok(rows)
}

async fn relay_round(settings: &Settings) -> anyhow::Result<Round> {
    let rig = Rig::start(settings)?;
    let (entry, process) = (entry(settings.entry)?, rig.process());
    let connected = rig.client().await?;
    let mut client = load::Client { session: connected.session, arrivals: connected.arrivals };
    let mailbox = Mailbox::open(&client.session).await?;
    let memory = f64::from(process.memory_kib()?) / 1024.0;
    let (cpu, syncs) = (process.tree_cpu()?, settings.syncs());
    // As long as the others have: what takes less is measured by its count.
    let (mut answered, begun) = (0, Instant::now());
    while begun.elapsed() < TIME && answered < ENOUGH {
        client.keep_in_flight(DEPTH, ENOUGH / 8, |_| mailbox.append(&entry), load::stored).await?;
        answered += ENOUGH / 8;
    }
    let one = float(answered) / begun.elapsed().as_secs_f64();
    let cpu = milliseconds(process.tree_cpu()?.saturating_sub(cpu)) * 1000.0 / float(answered);
    let syncs = (settings.syncs() - syncs) * 1000.0 / float(answered);
    let mut times = Histogram::<u64>::new(3)?;
    for _ in 0..settings.share(ALONE) {
        let begun = Instant::now();
        load::stored(client.session.request(mailbox.append(&entry)).await?)?;
        times.record(u64::try_from(begun.elapsed().as_micros())?)?;
    }
    let mut ready = Vec::new();
    for _ in 0..CLIENTS {
        let connected = rig.client().await?;
        let client = load::Client { session: connected.session, arrivals: connected.arrivals };
        let mailbox = Mailbox::open(&client.session).await?;
        ready.push((client, mailbox));
    }
    let (mut working, begun) = (JoinSet::new(), Instant::now());
    for (mut client, mailbox) in ready {
        let entry = entry.clone();
        let each = ENOUGH / CLIENTS;
        working.spawn(async move {
            client.keep_in_flight(DEPTH_OF_EACH, each, |_| mailbox.append(&entry), load::stored).await
        });
    }
    while let Some(done) = working.join_next().await {
        done??;
    }
    let many = float(ENOUGH) / begun.elapsed().as_secs_f64();
    drop(client);
    rig.stop()?;
    Ok(Round { one, many, half: float(times.value_at_quantile(0.5)) / 1000.0, cpu, syncs, memory })
}

async fn peer_round(settings: &Settings, kind: Kind) -> anyhow::Result<Round> {
    let server = Server::start(settings, kind).await?;
    let payload: Vec<u8> = entry(settings.entry)?.bytes().to_vec();
    if kind == Kind::Mosquitto {
        // For whom it keeps what is said to nobody else.
        drop(Client::enter_first(&server, Dialect::of(kind), AWAY).await?);
    }
    let mut client = Client::enter_first(&server, Dialect::of(kind), 0).await?;
    let process = server.process();
    let memory = f64::from(process.tree_memory_kib()?) / 1024.0;
    let (cpu, syncs) = (process.tree_cpu()?, settings.syncs());
    let (answered, time) = client.keep_in_flight(DEPTH, ENOUGH, TIME, &payload).await?;
    let one = float(answered) / time.as_secs_f64();
    let cpu = milliseconds(process.tree_cpu()?.saturating_sub(cpu)) * 1000.0 / float(answered);
    let syncs = (settings.syncs() - syncs) * 1000.0 / float(answered);
    let mut times = Histogram::<u64>::new(3)?;
    let begun = Instant::now();
    for _ in 0..settings.share(ALONE) {
        let (_, time) = client.keep_in_flight(1, 1, TIME, &payload).await?;
        times.record(u64::try_from(time.as_micros())?)?;
        if begun.elapsed() > TIME {
            break;
        }
    }
    let mut ready = Vec::new();
    for number in 1..=CLIENTS {
        ready.push(Client::enter(&server, Dialect::of(kind), number).await?);
    }
    let (mut working, begun) = (JoinSet::new(), Instant::now());
    for mut client in ready {
        let payload = payload.clone();
        working.spawn(async move { client.keep_in_flight(DEPTH_OF_EACH, ENOUGH / CLIENTS, TIME, &payload).await });
    }
    let mut answered = 0;
    while let Some(done) = working.join_next().await {
        answered += done??.0;
    }
    let many = float(answered) / begun.elapsed().as_secs_f64();
    drop(client);
    server.stop()?;
    Ok(Round { one, many, half: float(times.value_at_quantile(0.5)) / 1000.0, cpu, syncs, memory })
}

impl Found {
    fn push(&mut self, round: &Round, relay: &Round) {
        self.one.push(round.one);
        self.many.push(round.many);
        self.half.push(round.half);
        self.cpu.push(round.cpu);
        self.syncs.push(round.syncs);
        self.memory.push(round.memory);
        self.by_one.push(relay.one / round.one);
        self.by_many.push(relay.many / round.many);
        self.by_half.push(relay.half / round.half);
        self.by_cpu.push(relay.cpu / round.cpu);
    }

    fn rows(&self, name: &str, settings: &Settings, kind: Option<Kind>) -> Vec<Row> {
        let goals = kind.map(|kind| kind.goals(settings.slow_sync)).unwrap_or_default();
        let mut rows = vec![
            Row::new(format!("{name}: 1 client x {DEPTH}, answers/s"), &self.one, ""),
            Row::new(format!("{name}: {CLIENTS} clients x {DEPTH_OF_EACH}, answers/s"), &self.many, ""),
            Row::new(format!("{name}: one in flight, p50 ms"), &self.half, ""),
            Row::new(format!("{name}: processor ms per 1,000 answers, 1 client"), &self.cpu, ""),
            Row::new(format!("{name}: MiB at rest"), &self.memory, ""),
        ];
        if settings.slow_sync {
            let goal = if kind.is_none() { "at most 30" } else { "" };
            rows.push(Row::new(format!("{name}: syncs per 1,000 answers, 1 client"), &self.syncs, goal));
        }
        if kind.is_some() {
            rows.push(Row::new(format!("relay / {name}, 1 client"), &self.by_one, goals.one));
            rows.push(Row::new(format!("relay / {name}, {CLIENTS} clients"), &self.by_many, goals.many));
            rows.push(Row::new(format!("relay / {name}, p50 with one in flight"), &self.by_half, goals.half));
            rows.push(Row::new(format!("relay / {name}, processor per answer"), &self.by_cpu, goals.cpu));
        }
        rows
    }
}
