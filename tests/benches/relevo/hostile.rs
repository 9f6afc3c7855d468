//! What attackers cost: the relay's memory, and an honest client's wait beside them.

use std::time::Instant;

use hdrhistogram::Histogram;
use relevo_client::link::{Connected, Incoming, Session, Ticket};
use relevo_protocol::wire::{Call, Capability, Cursor, Request, Sequence, Subscription, SubscriptionId, encode};
use relevo_tests::hostile::{Attacker, HalfOpen, gappy_visit};
use tokio::task::JoinHandle;

use crate::load::{Client, stored};
use crate::report::{Row, Samples, float};
use crate::rig::{Mailbox, Rig, Settings, entry};

/// Appends of the honest client, one at a time.
const APPENDS: usize = 1000;
/// Connections of the attackers that hold something.
const HOLDERS: usize = 100;
/// Sessions that do not read.
const READERS: usize = 20;
/// Handshakes that are begun and left, again and again.
const HALF_OPEN: usize = 500;
/// Requests in flight of an attacker who asks without end.
const DEPTH: usize = 128;

#[derive(Clone, Copy)]
enum Attack {
    Handshakes,
    GappyVisitors,
    IdleStreams,
    SlowReaders,
    Guesses,
    Checkpoints,
    Resumes,
}

const ATTACKS: [(Attack, &str); 7] = [
    (Attack::Handshakes, "500 handshakes begun and left, again and again"),
    (Attack::GappyVisitors, "100 visitors with gaps in a stream"),
    (Attack::IdleStreams, "100 visitors with 16 idle streams each"),
    (Attack::SlowReaders, "20 sessions that do not read 16 MiB they asked for"),
    (Attack::Guesses, "128 guessed capabilities in flight"),
    (Attack::Checkpoints, "128 Checkpoints in flight"),
    (Attack::Resumes, "8 Resumes of 512 mailboxes in flight"),
];

#[derive(Default)]
struct Found {
    multiple: Samples,
    grown: Samples,
}

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Row>> {
    let (mut half, mut last) = (Samples::default(), Samples::default());
    let mut found: Vec<(Attack, &str, Found)> =
        ATTACKS.into_iter().map(|(attack, name)| (attack, name, Found::default())).collect();
    for _ in 0..settings.rounds {
        for (attack, _, found) in &mut found {
            let rig = Rig::start(settings)?;
            let honest = rig.client().await?;
            let mailbox = Mailbox::open(&honest.session).await?;
            let quiet = waits(settings, &honest.session, &mailbox).await?;
            half.push(quiet.0);
            last.push(quiet.1);
            rig.process().forget_peak()?;
            let before = rig.process().memory_kib()?;
            let attackers = attack.begin(&rig, settings).await?;
            let under = waits(settings, &honest.session, &mailbox).await?;
            found.multiple.push(under.1 / quiet.1);
            found.grown.push(float(rig.process().peak_kib()?.saturating_sub(before)) / 1024.0);
            drop(attackers);
            rig.stop()?;
        }
    }
    let mut rows = vec![
        Row::new("honest client alone, one append in flight, p50 ms", half, ""),
        Row::new("honest client alone, one append in flight, p99 ms", last, ""),
    ];
    for (_, name, found) in found {
        rows.push(Row::new(format!("p99 beside {name} / alone"), found.multiple, ""));
        rows.push(Row::new(format!("MiB that the relay grew by, {name}"), found.grown, ""));
    }
    Ok(rows)
}

/// p50 and p99 of one append in flight, in milliseconds.
async fn waits(settings: &Settings, session: &Session, mailbox: &Mailbox) -> anyhow::Result<(f64, f64)> {
    let entry = entry(settings.entry)?;
    let mut times = Histogram::<u64>::new(3)?;
    for _ in 0..settings.share(APPENDS) {
        let begun = Instant::now();
        stored(session.request(mailbox.append(&entry)).await?)?;
        times.record(u64::try_from(begun.elapsed().as_micros())?)?;
    }
    let at = |quantile| float(times.value_at_quantile(quantile)) / 1000.0;
    Ok((at(0.5), at(0.99)))
}

/// What goes on until it is dropped.
#[derive(Default)]
struct Going {
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
    held: Vec<Box<dyn std::any::Any + Send>>,
}

impl Drop for Going {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Attack {
    async fn begin(self, rig: &Rig, settings: &Settings) -> anyhow::Result<Going> {
        let to = rig.socket()?;
        let mut going = Going::default();
        match self {
            Self::Handshakes => {
                let mut flood = HalfOpen::record(settings.share(HALF_OPEN)).await?;
                going.tasks.push(tokio::spawn(async move {
                    loop {
                        flood.send(to).await?;
                        flood.forget();
                    }
                }));
            }
            Self::GappyVisitors => {
                for _ in 0..settings.share(HOLDERS) {
                    let attacker = Attacker::connect(to).await?;
                    attacker.inject(gappy_visit()).await?;
                    going.held.push(Box::new(attacker));
                }
            }
            Self::IdleStreams => {
                for _ in 0..settings.share(HOLDERS) {
                    let attacker = Attacker::connect(to).await?;
                    for _ in 0..16 {
                        let (mut send, receive) = attacker.connection.open_bi().await?;
                        send.write_all(&[1]).await?;
                        going.held.push(Box::new((send, receive)));
                    }
                    going.held.push(Box::new(attacker));
                }
            }
            Self::SlowReaders => slow_readers(rig, settings, &mut going).await?,
            Self::Guesses => {
                let mailbox = Capability::random()?.mailbox();
                let entry = entry(settings.entry)?;
                flood(rig, &mut going, DEPTH, move || {
                    Ok(Call::Append { mailbox, capability: Capability::random()?, entry: entry.clone() })
                })
                .await?;
            }
            Self::Checkpoints => {
                let (owner, open) = mailbox();
                let Connected { session, .. } = rig.client().await?;
                session.request(open).await?;
                flood(rig, &mut going, DEPTH, move || {
                    Ok(Call::Checkpoint { mailbox: owner.mailbox(), capability: owner.duplicate() })
                })
                .await?;
            }
            Self::Resumes => {
                let (owner, open) = mailbox();
                let Connected { session, .. } = rig.client().await?;
                session.request(open).await?;
                flood(rig, &mut going, 8, move || {
                    let cursor = Cursor { incarnation: None, after: Sequence::START };
                    let subscription = |id| Subscription {
                        id: SubscriptionId(id),
                        mailbox: owner.mailbox(),
                        capability: owner.duplicate(),
                        cursor,
                        credit: 1,
                    };
                    Ok(Call::Resume { subscriptions: (0..512).map(subscription).collect() })
                })
                .await?;
            }
        }
        Ok(going)
    }
}

/// A personal mailbox: its *owner*, and the call that opens it.
fn mailbox() -> (Capability, Call) {
    let owner = Capability::new(relevo_protocol::secret::Secret::new([7; 32]));
    let open = Call::Open {
        kind: relevo_protocol::wire::MailboxKind::Personal,
        owner: owner.hash(),
        read: None,
        append: Vec::new(),
        take: Vec::new(),
        lease_hours: 48,
    };
    (owner, open)
}

/// Asks without end, so many unanswered, whatever the answers are.
async fn flood(
    rig: &Rig,
    going: &mut Going,
    depth: usize,
    call: impl Fn() -> anyhow::Result<Call> + Send + 'static,
) -> anyhow::Result<()> {
    let Connected { session, mut arrivals, .. } = rig.client().await?;
    going.tasks.push(tokio::spawn(async move {
        for _ in 0..depth {
            session.submit(Ticket(0), call()?)?;
        }
        while let Some(arrival) = arrivals.recv().await {
            match arrival.into_parts().0 {
                Incoming::Answered { .. } => session.submit(Ticket(0), call()?)?,
                Incoming::Event(_) => {}
                Incoming::Over(fault) => anyhow::bail!("the flood ended: {fault}"),
            }
        }
        Ok(())
    }));
    Ok(())
}

async fn slow_readers(rig: &Rig, settings: &Settings, going: &mut Going) -> anyhow::Result<()> {
    let Connected { session, arrivals, .. } = rig.client().await?;
    let full = Mailbox::open(&session).await?;
    let large = entry(128 << 10)?;
    let mut writer = Client { session, arrivals };
    writer.keep_in_flight(8, 128, |_| full.append(&large), stored).await?;
    for _ in 0..settings.share(READERS) {
        let attacker = Attacker::connect(rig.socket()?).await?;
        let (http, mut stream) = attacker.admitted(&rig.address).await?;
        let call = full.resume(SubscriptionId(1), 1024);
        stream.write(&encode(&Request { number: 1, call })).await?;
        going.held.push(Box::new((http, stream, attacker)));
    }
    Ok(())
}
