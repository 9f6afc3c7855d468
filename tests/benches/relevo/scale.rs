//! Relays that hold a thousand to a million mailboxes: what each costs, and what a restart and a sweep take.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use hdrhistogram::Histogram;
use relevo_client::link::{Connected, Link};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Admission, AdmissionId, Capability, CapabilityHash, Entry, MailboxId, MailboxKind};
use relevo_relay::store::{Change, Pending, Store, StoreConfig, Writer, WriterThread};
use relevo_relay::sweeper;

use crate::load::{Client, stored};
use crate::picture::{self, Curve};
use crate::report::{Row, Samples, float, milliseconds, rate};
use crate::rig::{Mailbox, Rig, Settings, entry, unbounded};

/// How many mailboxes.
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// One mailbox in so many has traffic, and so many entries each.
const QUIET: usize = 20;
const ENTRIES: usize = 4;
/// Appends measured at each size, and how many are in flight.
const APPENDS: usize = 20_000;
const DEPTH: usize = 128;
/// Hours of the leases that are swept, and of the others.
const SHORT: u32 = 24;
const LONG: u32 = 2000;
/// How long the sweep may take.
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Found {
    open: Samples,
    disk: Samples,
    clean: Samples,
    killed: Samples,
    memory: Samples,
    loaded: Samples,
    append: Samples,
    cpu: Samples,
}

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let curve = |title| Curve { title, points: Vec::new() };
    let (mut cost, mut memory) = (curve("processor ms for 1,000 appends"), curve("memory in use, MiB"));
    let (mut disk, mut start) = (curve("bytes of disk for each mailbox"), curve("start after a kill, s"));
    for size in SIZES {
        let size = settings.share(size);
        let mut found = Found::default();
        for _ in 0..settings.rounds {
            writeln!(std::io::stderr(), "{size} mailboxes ...")?;
            round(settings, size, &mut found).await?;
        }
        let on = |what: &str| format!("{size} mailboxes, {what}");
        let goal = |goal: &'static str| if size >= 1_000_000 { goal } else { "" };
        let known = rows.len();
        rows.push(Row::new(on("opened in process, each s"), &found.open, ""));
        rows.push(Row::new(on("bytes of disk for each"), &found.disk, ""));
        rows.push(Row::new(on("start after a clean stop, s"), &found.clean, goal("under 5")));
        rows.push(Row::new(on("start after a kill, s"), &found.killed, goal("under 30")));
        rows.push(Row::new(on("relay at rest, MiB"), &found.memory, ""));
        rows.push(Row::new(
            on(&format!("relay after {APPENDS} appends to as many as there are, MiB")),
            &found.loaded,
            goal("under 512"),
        ));
        rows.push(Row::new(on(&format!("1 client x {DEPTH}, appends/s")), &found.append, ""));
        rows.push(Row::new(on("relay, processor ms per 1,000 appends"), &found.cpu, ""));
        let curves = [
            (&mut cost, &found.cpu),
            (&mut memory, &found.loaded),
            (&mut disk, &found.disk),
            (&mut start, &found.killed),
        ];
        for (curve, samples) in curves {
            curve.points.push((float(size), samples.median()));
        }
        // What is known is said: the next size takes ten times as long.
        for row in rows.iter().skip(known) {
            writeln!(std::io::stderr(), "{row}")?;
        }
    }
    if let Some(file) = &settings.picture {
        std::fs::write(file, picture::svg(&[cost, memory, disk, start])?)?;
    }
    Ok(rows)
}

async fn round(settings: &Settings, size: usize, found: &mut Found) -> anyhow::Result<()> {
    // A relay makes its keys, and leaves the store to us for a while.
    let rig = Rig::start(settings)?;
    let folder = rig.rest()?;
    let data = folder.path().join("data");
    let fill = Fill::open(&data.join("store"), &settings.config(&folder)?.1.store).await?;
    let entry = entry(settings.entry)?;
    let time = fill.mailboxes(size, LONG, Some(&entry)).await?;
    found.open.push(rate(size, time));
    writeln!(std::io::stderr(), "filled in {} s", time.as_secs())?;
    let targets = fill.close()?;
    found.disk.push(float(disk_kib(&data)?) * 1024.0 / float(size));

    let begun = Instant::now();
    let rig = Rig::again(settings, folder)?;
    found.clean.push(begun.elapsed().as_secs_f64());
    let process = rig.process();
    found.memory.push(f64::from(process.memory_kib()?) / 1024.0);
    let Connected { session, arrivals, .. } = Link::new()?.connect(&rig.address).await?;
    let mut client = Client { session, arrivals };
    let cpu = process.cpu()?;
    let first = targets.first().context("no mailbox")?;
    // A prime stride: neighbours in time are none in the store.
    let target = |turn: usize| targets.get(turn.wrapping_mul(7919) % targets.len()).unwrap_or(first);
    let time = client.keep_in_flight(DEPTH, APPENDS, |turn| target(turn).append(&entry), stored).await?;
    found.append.push(rate(APPENDS, time));
    found.cpu.push(milliseconds(process.cpu()?.saturating_sub(cpu)) * 1000.0 / float(APPENDS));
    found.loaded.push(f64::from(process.memory_kib()?) / 1024.0);
    drop(client);

    let folder = rig.kill()?;
    let begun = Instant::now();
    let rig = Rig::again(settings, folder)?;
    found.killed.push(begun.elapsed().as_secs_f64());
    rig.stop()
}

/// A million leases end at once: what appends take meanwhile.
pub(crate) async fn sweeping(settings: &Settings) -> anyhow::Result<Vec<Row>> {
    let size = settings.share(1_000_000);
    let folder = settings.folder()?;
    let fill = Fill::open(&folder.path().join("store"), &settings.config(&folder)?.1.store).await?;
    fill.mailboxes(size, SHORT, None).await?;
    let target = fill.mailbox(LONG).await?;
    let entry = entry(settings.entry)?;
    let quiet = fill.appends(&target, &entry, Duration::from_secs(5), None).await?;
    fill.pass(Duration::from_secs(u64::from(SHORT + 2) * 3600));
    let done = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let (writer, is_done) = (fill.writer.clone(), Arc::clone(&done));
    let sweep = tokio::spawn(async move {
        sweeper::sweep(&writer).await;
        is_done.store(true, Ordering::Relaxed);
    });
    let swept = fill.appends(&target, &entry, PATIENCE, Some(&done)).await?;
    sweep.abort();
    anyhow::ensure!(done.load(Ordering::Relaxed), "{size} leases are not swept after {PATIENCE:?}");
    let time = begun.elapsed();
    fill.close()?;
    let p99 = |times: &Histogram<u64>| float(times.value_at_quantile(0.99)) / 1000.0;
    let one = |value: f64| {
        let mut samples = Samples::default();
        samples.push(value);
        samples
    };
    Ok(vec![
        Row::new(format!("sweeping {size} ended leases, s"), one(time.as_secs_f64()), ""),
        Row::new("append in process, one in flight, quiet, p99 ms", one(p99(&quiet)), ""),
        Row::new("append in process, one in flight, beside the sweep, p99 ms", one(p99(&swept)), ""),
        Row::new("p99 beside the sweep / quiet", one(p99(&swept) / p99(&quiet)), "under 5"),
    ])
}

/// A store that is filled in this process.
struct Fill {
    writer: Writer,
    thread: WriterThread,
    admission: AdmissionId,
    ahead: Arc<AtomicU64>,
    targets: std::sync::Mutex<Vec<Mailbox>>,
}

impl Fill {
    async fn open(store: &Path, config: &StoreConfig) -> anyhow::Result<Self> {
        let (_, ledger) = Store::open(store, config.clone())?;
        let ahead = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&ahead);
        let now = move || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            Timestamp(now.saturating_add(clock.load(Ordering::Relaxed)))
        };
        let (writer, thread) = Writer::spawn(ledger, config, Arc::new(now), Box::new(|_| {}))?;
        let admission = Admission::new(Secret::random()?);
        let id = admission.id();
        writer.apply(Change::Provide { id, key: admission.key(), expires: Hour(u32::MAX) }).await?;
        Ok(Self { writer, thread, admission: id, ahead, targets: std::sync::Mutex::default() })
    }

    /// Its clock goes ahead.
    fn pass(&self, time: Duration) {
        self.ahead.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    fn opening(&self, lease_hours: u32) -> anyhow::Result<(Change, Mailbox)> {
        let (owner, read, append) = (Capability::random()?, Capability::random()?, Capability::random()?);
        let change = Change::Open {
            admission: self.admission,
            kind: MailboxKind::Shared,
            owner: owner.hash(),
            read: Some(read.hash()),
            append: vec![unbounded(&append)],
            take: Vec::new(),
            lease_hours,
        };
        Ok((change, Mailbox::known(owner.mailbox(), read, append)))
    }

    async fn mailbox(&self, lease_hours: u32) -> anyhow::Result<(MailboxId, CapabilityHash)> {
        let (change, mailbox) = self.opening(lease_hours)?;
        self.writer.apply(change).await?;
        Ok((mailbox.id, mailbox.append_hash()))
    }

    /// Opens so many, one in [`QUIET`] with entries.
    async fn mailboxes(&self, count: usize, lease_hours: u32, entry: Option<&Entry>) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut waiting: VecDeque<Pending> = VecDeque::new();
        for number in 0..count {
            let (change, mailbox) = self.opening(lease_hours)?;
            waiting.push_back(self.writer.submit(change).await?);
            if number % QUIET == 0
                && let Some(entry) = entry
            {
                for _ in 0..ENTRIES {
                    let (mailbox, capability) = (mailbox.id, mailbox.append_hash());
                    let change =
                        Change::Append { admission: self.admission, mailbox, capability, entry: entry.clone() };
                    waiting.push_back(self.writer.submit(change).await?);
                }
                self.targets.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push(mailbox);
            }
            while waiting.len() >= 2048 {
                waiting.pop_front().context("nothing is under way")?.await?;
            }
        }
        for pending in waiting {
            pending.await?;
        }
        Ok(begun.elapsed())
    }

    /// Appends one after the other, for a time or until something is done.
    async fn appends(
        &self,
        (mailbox, capability): &(MailboxId, CapabilityHash),
        entry: &Entry,
        time: Duration,
        done: Option<&AtomicBool>,
    ) -> anyhow::Result<Histogram<u64>> {
        let mut times = Histogram::<u64>::new(3)?;
        let begun = Instant::now();
        while begun.elapsed() < time && !done.is_some_and(|done| done.load(Ordering::Relaxed)) {
            let (mailbox, capability, admission) = (*mailbox, *capability, self.admission);
            let one = Instant::now();
            self.writer.apply(Change::Append { admission, mailbox, capability, entry: entry.clone() }).await?;
            times.record(u64::try_from(one.elapsed().as_micros())?)?;
        }
        Ok(times)
    }

    fn close(self) -> anyhow::Result<Vec<Mailbox>> {
        drop(self.writer);
        self.thread.join()?;
        self.targets.into_inner().map_err(|_| anyhow::anyhow!("poisoned"))
    }
}

fn disk_kib(folder: &Path) -> anyhow::Result<u32> {
    let said = std::process::Command::new("du").args(["-sk", "--exclude=ballast"]).arg(folder).output()?;
    let text = String::from_utf8(said.stdout)?;
    Ok(text.split_whitespace().next().context("du said nothing")?.parse()?)
}
