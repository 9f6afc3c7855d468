//! Appends and reads: one client, fifty clients, one request at a time.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use relevo_client::link::{Connected, Ticket};
use relevo_protocol::wire::{Answer, Call, Entry, SubscriptionId};
use tokio::task::JoinSet;

use crate::direct::Direct;
use crate::load::{Client, stored};
use crate::machine::Process;
use crate::report::{Row, Samples, float, milliseconds, rate};
use crate::rig::{Mailbox, Rig, Settings, entry};

/// Requests of the one client in flight.
const DEPTH: usize = 128;
/// Clients that share the relay, and requests of each in flight.
const CLIENTS: usize = 50;
const DEPTH_OF_EACH: usize = 8;
/// Entries asked for in one Read, and Reads in flight: 1 MiB on its way.
const READ: u16 = 128;
const READS: usize = 4;
/// Entries that a subscriber allows to be on their way.
const CREDIT: u32 = 1024;

#[derive(Default)]
struct Found {
    direct: Samples,
    relay: Samples,
    ratio: Samples,
    direct_many: Samples,
    relay_many: Samples,
    many_to_one: Samples,
    relay_cpu: Samples,
    relay_cpu_many: Samples,
    client_cpu: Samples,
    direct_cpu: Samples,
    half: Samples,
    last: Samples,
    direct_half: Samples,
    read: Samples,
    read_ratio: Samples,
    subscribe: Samples,
    subscribe_ratio: Samples,
}

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Row>> {
    let entry = entry(settings.entry)?;
    let mut found = Found::default();
    for _ in 0..settings.rounds {
        let direct = in_process(settings, &entry, &mut found).await?;
        over_the_wire(settings, &entry, direct, &mut found).await?;
    }
    Ok(found.rows(settings))
}

async fn in_process(settings: &Settings, entry: &Entry, found: &mut Found) -> anyhow::Result<f64> {
    let count = settings.share(40_000);
    let one = Direct::open(settings, 1).await?;
    let before = Process::own().cpu()?;
    let direct = rate(count, one.append(DEPTH, count, entry).await?);
    found.direct.push(direct);
    found.direct_cpu.push(per_thousand(Process::own().cpu()? - before, count));
    let alone = settings.share(500);
    found.direct_half.push(milliseconds(one.append(1, alone, entry).await?) / float(alone));
    one.close()?;
    let many = Direct::open(settings, CLIENTS).await?;
    found.direct_many.push(rate(count, many.append(CLIENTS * DEPTH_OF_EACH, count, entry).await?));
    many.close()?;
    Ok(direct)
}

/// `direct` is what the store did in process in the same round.
async fn over_the_wire(settings: &Settings, entry: &Entry, direct: f64, found: &mut Found) -> anyhow::Result<()> {
    let count = settings.share(40_000);
    let rig = Rig::start(settings)?;
    let (relay, own) = (rig.process(), Process::own());
    let Connected { session, arrivals, .. } = rig.client().await?;
    let mut client = Client { session, arrivals };
    let mailbox = Mailbox::open(&client.session).await?;

    let (relay_before, own_before) = (relay.cpu()?, own.cpu()?);
    let time = client.keep_in_flight(DEPTH, count, |_| mailbox.append(entry), stored).await?;
    found.relay_cpu.push(per_thousand(relay.cpu()? - relay_before, count));
    found.client_cpu.push(per_thousand(own.cpu()? - own_before, count));
    let appended = rate(count, time);
    found.relay.push(appended);
    found.ratio.push(direct / appended);

    let read = rate(count, read(&mut client, &mailbox, count).await?);
    found.read.push(read);
    found.read_ratio.push(read / appended);
    let subscribed = rate(count, subscribe(&mut client, &mailbox, count).await?);
    found.subscribe.push(subscribed);
    found.subscribe_ratio.push(subscribed / appended);

    one_at_a_time(settings, &client, entry, found).await?;

    let before = relay.cpu()?;
    let many = rate(count, fifty(&rig, count, entry).await?);
    found.relay_cpu_many.push(per_thousand(relay.cpu()? - before, count));
    found.relay_many.push(many);
    found.many_to_one.push(many / appended);
    drop(client);
    rig.stop()
}

async fn one_at_a_time(settings: &Settings, client: &Client, entry: &Entry, found: &mut Found) -> anyhow::Result<()> {
    let mailbox = Mailbox::open(&client.session).await?;
    let mut times = Histogram::<u64>::new(3)?;
    for _ in 0..settings.share(1000) {
        let begun = Instant::now();
        stored(client.session.request(mailbox.append(entry)).await?)?;
        times.record(u64::try_from(begun.elapsed().as_micros())?)?;
    }
    found.half.push(float(times.value_at_quantile(0.5)) / 1000.0);
    found.last.push(float(times.value_at_quantile(0.99)) / 1000.0);
    Ok(())
}

/// Reads the whole mailbox, oldest first.
async fn read(client: &mut Client, mailbox: &Mailbox, count: usize) -> anyhow::Result<Duration> {
    let page = usize::from(READ);
    let mut got = 0;
    let call = |turn: usize| mailbox.read(u64::try_from(turn * page).unwrap_or(u64::MAX), READ);
    let heard = |answer| {
        if let Answer::Entries { entries, .. } = answer {
            got += entries.len();
        }
        Ok(())
    };
    let time = client.keep_in_flight(READS, count.div_ceil(page), call, heard).await?;
    anyhow::ensure!(got == count, "{got} entries of {count} were read");
    Ok(time)
}

/// Follows the mailbox from its beginning, giving credit as entries come.
async fn subscribe(client: &mut Client, mailbox: &Mailbox, count: usize) -> anyhow::Result<Duration> {
    let id = SubscriptionId(1);
    let begun = Instant::now();
    client.session.submit(Ticket(1), mailbox.resume(id, CREDIT))?;
    let half = CREDIT / 2;
    let mut since = 0;
    for _ in 0..count {
        client.next_entry().await?;
        since += 1;
        if since == half {
            client.session.submit(Ticket(2), Call::Credit { id, more: half })?;
            since = 0;
        }
    }
    let time = begun.elapsed();
    client.session.request(Call::Unsubscribe { id }).await?;
    Ok(time)
}

/// Fifty clients, each with a mailbox of its own.
async fn fifty(rig: &Rig, count: usize, entry: &Entry) -> anyhow::Result<Duration> {
    let mut ready = Vec::new();
    for _ in 0..CLIENTS {
        let Connected { session, arrivals, .. } = rig.client().await?;
        let client = Client { session, arrivals };
        let mailbox = Mailbox::open(&client.session).await?;
        ready.push((client, mailbox));
    }
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for (mut client, mailbox) in ready {
        let entry = entry.clone();
        working.spawn(async move {
            client.keep_in_flight(DEPTH_OF_EACH, count / CLIENTS, |_| mailbox.append(&entry), stored).await
        });
    }
    while let Some(done) = working.join_next().await {
        done??;
    }
    Ok(begun.elapsed())
}

/// Milliseconds of processor for a thousand.
fn per_thousand(cpu: Duration, count: usize) -> f64 {
    milliseconds(cpu) * 1000.0 / float(count)
}

impl Found {
    fn rows(&self, settings: &Settings) -> Vec<Row> {
        let size = settings.entry;
        vec![
            Row::new(format!("store in process, {size} B entries, {DEPTH} in flight, appends/s"), &self.direct, ""),
            Row::new(format!("relay, 1 client, {DEPTH} in flight, appends/s"), &self.relay, ""),
            Row::new("in process / relay, 1 client", &self.ratio, "at most 2"),
            Row::new(
                format!("store in process, {CLIENTS} mailboxes, {} in flight, appends/s", CLIENTS * DEPTH_OF_EACH),
                &self.direct_many,
                "",
            ),
            Row::new(format!("relay, {CLIENTS} clients x {DEPTH_OF_EACH} in flight, appends/s"), &self.relay_many, ""),
            Row::new(format!("{CLIENTS} clients / 1 client"), &self.many_to_one, "at least 1"),
            Row::new("relay, processor ms per 1,000 appends, 1 client", &self.relay_cpu, ""),
            Row::new(format!("relay, processor ms per 1,000 appends, {CLIENTS} clients"), &self.relay_cpu_many, ""),
            Row::new("client, processor ms per 1,000 appends", &self.client_cpu, ""),
            Row::new("store in process, processor ms per 1,000 appends", &self.direct_cpu, ""),
            Row::new("relay, one in flight, p50 ms", &self.half, ""),
            Row::new("relay, one in flight, p99 ms", &self.last, ""),
            Row::new("store in process, one in flight, mean ms", &self.direct_half, ""),
            Row::new(format!("relay, Read of {READ}, {READS} in flight, entries/s"), &self.read, ""),
            Row::new("Read / append", &self.read_ratio, "at least 1.5, wished 5"),
            Row::new(format!("relay, subscribed with credit {CREDIT}, entries/s"), &self.subscribe, ""),
            Row::new("subscribe / append", &self.subscribe_ratio, "at least 1.5, wished 5"),
        ]
    }
}
