//! One entry to a thousand subscribers of one mailbox, each with a session of its own.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context;
use relevo_client::link::{Connected, Link, Session};
use relevo_protocol::limits::ENTRY_BUCKETS;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Admission, Capability, MailboxId, MailboxKind, Sequence, SubscriptionId};
use relevo_relay::store::{Change, Most, Store, StoreConfig};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::load::{Client, stored};
use crate::report::{Row, Samples, float, milliseconds};
use crate::rig::{Mailbox, Rig, Settings, entry, unbounded};

/// Subscribers.
const SUBSCRIBERS: usize = 1000;
/// Entries delivered in a round.
const ENTRIES: usize = 10;
/// UDP sockets of the subscribers, so that one socket's buffer is not what is measured.
const SOCKETS: usize = 8;
/// Handshakes at once: below the number from which the relay asks for a Retry.
const HANDSHAKES: usize = 16;
/// Size of the entry whose memory is watched.
const LARGE: usize = 128 << 10;

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Row>> {
    let subscribers = settings.share(SUBSCRIBERS);
    let (mut last, mut cpu, mut growth) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..settings.rounds {
        let rig = Rig::start(settings)?;
        let publisher = rig.client().await?;
        let mailbox = Mailbox::open(&publisher.session).await?;
        let mut audience = Audience::gather(&rig, &mailbox, subscribers).await?;
        let small = entry(settings.entry)?;
        // The first delivery warms every connection up.
        audience.deliver(&publisher.session, &mailbox, &small).await?;

        let before = rig.process().cpu()?;
        let mut times = Samples::default();
        for _ in 0..ENTRIES {
            times.push(milliseconds(audience.deliver(&publisher.session, &mailbox, &small).await?));
        }
        last.push(times.median());
        cpu.push(milliseconds(rig.process().cpu()? - before) / float(ENTRIES));

        let large = entry(LARGE)?;
        rig.process().forget_peak()?;
        let before = rig.process().peak_kib()?;
        audience.deliver(&publisher.session, &mailbox, &large).await?;
        growth.push(float(rig.process().peak_kib()?.saturating_sub(before)) / 1024.0);
        drop(audience);
        drop(publisher);
        rig.stop()?;
    }
    let copies = distinct_bodies(subscribers)?;
    let size = settings.entry;
    Ok(vec![
        Row::new(format!("1 entry of {size} B to {subscribers} sessions, last one after ms"), &last, ""),
        Row::new(format!("the same, processor ms of the relay for {subscribers} deliveries"), &cpu, ""),
        Row::new(
            format!("1 entry of 128 KiB to {subscribers} sessions, growth of the relay's peak in MiB"),
            &growth,
            "bounded by what is in flight",
        ),
        Row::new(format!("bodies in memory that {subscribers} readings of one entry give"), copies, "1"),
    ])
}

/// Sessions that follow a mailbox, and what they hear.
struct Audience {
    heard: mpsc::Receiver<anyhow::Result<Instant>>,
    size: usize,
    /// Ended when dropped, and their sessions with them.
    _listening: JoinSet<()>,
}

impl Audience {
    async fn gather(rig: &Rig, mailbox: &Mailbox, size: usize) -> anyhow::Result<Self> {
        let links = (0..SOCKETS).map(|_| Link::new()).collect::<Result<Vec<_>, _>>()?;
        let (tell, heard) = mpsc::channel(size);
        let mut listening = JoinSet::new();
        let mut numbers = 0..size;
        while !numbers.is_empty() {
            let mut coming = JoinSet::new();
            for (number, link) in numbers.by_ref().take(HANDSHAKES).zip(links.iter().cycle()) {
                let (link, address) = (link.clone(), rig.address.duplicate());
                let resume = mailbox.resume(SubscriptionId(1), 1024);
                coming.spawn(async move {
                    let Connected { session, arrivals, .. } =
                        link.connect(&address).await.with_context(|| format!("subscriber {number}"))?;
                    session.request(resume).await?;
                    anyhow::Ok(Client { session, arrivals })
                });
            }
            while let Some(client) = coming.join_next().await {
                listening.spawn(listen(client??, tell.clone()));
            }
        }
        Ok(Self { heard, size, _listening: listening })
    }

    /// From the append to the last subscriber.
    async fn deliver(
        &mut self,
        session: &Session,
        mailbox: &Mailbox,
        entry: &relevo_protocol::wire::Entry,
    ) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let answer = session.request(mailbox.append(entry)).await?;
        stored(answer)?;
        let mut last = begun;
        for _ in 0..self.size {
            let heard = self.heard.recv().await.context("the audience has left")??;
            last = last.max(heard);
        }
        Ok(last - begun)
    }
}

async fn listen(mut client: Client, tell: mpsc::Sender<anyhow::Result<Instant>>) {
    loop {
        let heard = client.next_entry().await.map(|_| Instant::now());
        let over = heard.is_err();
        if tell.send(heard).await.is_err() || over {
            return;
        }
    }
}

/// How many different places in memory the body of one entry has when so many readers read it, by the store that the
/// relay delivers from.
fn distinct_bodies(readers: usize) -> anyhow::Result<usize> {
    const NOW: Timestamp = Timestamp(1_800_000_000);
    let config = StoreConfig { free_bytes: 0, last_free_bytes: 0, ..StoreConfig::default() };
    let (store, mut ledger) = Store::in_memory(config)?;
    let secret = Admission::new(Secret::random()?);
    let (owner, append) = (Capability::random()?, Capability::random()?);
    let admission = secret.id();
    let [_, _, _, _, size, _] = ENTRY_BUCKETS;
    let changes = vec![
        Change::Provide { id: admission, key: secret.key(), expires: Hour(u32::MAX) },
        Change::Open {
            admission,
            kind: MailboxKind::Shared,
            owner: owner.hash(),
            read: None,
            append: vec![unbounded(&append)],
            take: Vec::new(),
            lease_hours: 48,
        },
        Change::Append {
            admission,
            mailbox: MailboxId::of(&owner.hash()),
            capability: append.hash(),
            entry: entry(size)?,
        },
    ];
    for outcome in ledger.apply(changes, NOW)?.outcomes {
        outcome?;
    }
    let most = Most { entries: 1, bytes: usize::MAX };
    // Held all at once: what is freed could come back at the same place.
    let mut slices = Vec::new();
    for _ in 0..readers {
        slices.push(store.follow(&owner.mailbox(), Sequence(0), most, NOW)?);
    }
    let places: BTreeSet<_> =
        slices.iter().flat_map(|slice| &slice.entries).map(|read| read.entry.bytes().as_ptr()).collect();
    Ok(places.len())
}
