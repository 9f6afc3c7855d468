//! What a relay holds that nobody asks anything of.

use std::time::Duration;

use anyhow::Context;
use relevo_client::link::{Connected, Link};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::report::{Row, Samples, float};
use crate::rig::{Rig, Settings};

/// Idle sessions at each look.
const STEPS: [usize; 2] = [500, AGAIN];
/// As many come again when those have gone: the allocator keeps what is free, and has to use it.
const AGAIN: usize = 5000;
/// UDP sockets of the clients.
const SOCKETS: usize = 8;
/// Handshakes at once: below the number from which the relay asks for a Retry.
const HANDSHAKES: usize = 16;
/// Time for buffers to drain and acknowledgements to arrive.
const REST: Duration = Duration::from_secs(3);
/// Time that all sessions are held: longer than the 30 s after which a dead one would be gone.
const HELD: Duration = Duration::from_secs(35);

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Row>> {
    let mut idle = Samples::default();
    let mut each = STEPS.map(|step| (settings.share(step), Samples::default()));
    let mut handshake = Samples::default();
    let mut resting = Samples::default();
    let mut held = Samples::default();
    let mut growth = Samples::default();
    for _ in 0..settings.rounds {
        let rig = Rig::start(settings)?;
        sleep(REST).await;
        let alone = rig.process().memory_kib()?;
        idle.push(float(alone) / 1024.0);
        let mut sessions = Vec::new();
        let links = clients()?;
        // The first brings a mebibyte of the program's own text into memory, which is nobody's session.
        connect(&rig, &links, &mut sessions, 1).await?;
        sleep(REST).await;
        let first = rig.process().memory_kib()?;
        let before = rig.process().cpu()?;
        for (count, samples) in &mut each {
            connect(&rig, &links, &mut sessions, *count).await?;
            sleep(REST).await;
            let now = rig.process().memory_kib()?;
            samples.push(float(now.saturating_sub(first)) / float(count.saturating_sub(1)));
        }
        let cpu = rig.process().cpu()? - before;
        handshake.push(cpu.as_secs_f64() * 1000.0 / float(sessions.len()));
        let before = rig.process().cpu()?;
        sleep(HELD).await;
        let cpu = rig.process().cpu()? - before;
        resting.push(cpu.as_secs_f64() * 1e6 / HELD.as_secs_f64() / float(sessions.len()));
        held.push(float(sessions.iter().filter(|connected| !connected.arrivals.is_closed()).count()));
        let most = rig.process().memory_kib()?.saturating_sub(alone);
        drop(sessions);
        drop(links);
        sleep(HELD).await;
        let (mut sessions, links) = (Vec::new(), clients()?);
        connect(&rig, &links, &mut sessions, settings.share(AGAIN)).await?;
        sleep(REST).await;
        let again = rig.process().memory_kib()?.saturating_sub(alone);
        growth.push(100.0 * (float(again) / float(most) - 1.0));
        rig.stop()?;
    }
    let mut rows = vec![Row::new("idle relay, MiB", idle, "under 30")];
    for (count, samples) in each {
        rows.push(Row::new(format!("KiB of the relay for each of {count} idle sessions"), samples, "under 48"));
    }
    rows.push(Row::new("sessions of those still open after 35 s", held, "5,000"));
    rows.push(Row::new("processor us of the relay in a second for each idle session", resting, ""));
    rows.push(Row::new("growth in per cent when as many come after they have gone", growth, "0"));
    rows.push(Row::new("processor ms of the relay for a session's handshake and greeting", handshake, ""));
    Ok(rows)
}

fn clients() -> anyhow::Result<Vec<Link>> {
    Ok((0..SOCKETS).map(|_| Link::new()).collect::<Result<_, _>>()?)
}

async fn connect(rig: &Rig, links: &[Link], sessions: &mut Vec<Connected>, count: usize) -> anyhow::Result<()> {
    while sessions.len() < count {
        let missing = (count - sessions.len()).min(HANDSHAKES);
        let mut coming = JoinSet::new();
        for link in links.iter().cycle().take(missing) {
            let (link, address) = (link.clone(), rig.address.duplicate());
            coming.spawn(async move { link.connect(&address).await });
        }
        while let Some(connected) = coming.join_next().await {
            let number = sessions.len();
            sessions.push(connected?.with_context(|| format!("session {number}"))?);
        }
    }
    Ok(())
}
