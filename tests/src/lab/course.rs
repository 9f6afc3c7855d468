//! The course of a trial: two members found an alliance over a good network; then it turns bad, and texts and a
//! document must arrive all the same, each once, in order, verified.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot::error::TryRecvError;

use super::host::Wire;
use super::member::{LOOK, Said, Seen, Wish};
use super::place::{Place, Who};
use super::trial::{Event, Setup};
use super::{Figures, Size, Trial};

const QUILLA: &str = "Quilla";
const MISTRAL: &str = "Mistral";
/// Texts beside each transfer.
const BESIDE: u32 = 5;
/// Between two of them.
const BETWEEN: Duration = Duration::from_secs(2);
/// Between two looks at a transfer.
const GLANCE: Duration = Duration::from_millis(20);

/// Runs a trial inside namespaces that are there already.
///
/// # Errors
/// Something was lost, doubled, out of order or changed, or it took longer than patience.
pub async fn run(trial: Trial, size: &Size) -> anyhow::Result<Figures> {
    let setup = trial.setup(size);
    let place = Place::new(&setup, size.seed).await.context("making the network")?;
    let mut course = Course {
        place,
        size: size.clone(),
        begun: Instant::now(),
        said: Vec::new(),
        failures: 0,
        founding: 0,
        figures: Figures { messages: size.messages, document: size.bytes.into(), ..Figures::default() },
    };
    match course.run(&setup).await {
        Ok(()) => Ok(course.figures),
        Err(fault) => {
            eprintln!(
                "Quilla: {:?}\nMistral: {:?}",
                course.place.quilla()?.looks().await,
                course.place.mistral()?.looks().await
            );
            Err(fault)
        }
    }
}

struct Course {
    place: Place,
    size: Size,
    begun: Instant,
    /// What Quilla has said so far, in order.
    said: Vec<String>,
    /// Failures of processes that have ended since.
    failures: u32,
    /// Failures before the network turned bad.
    founding: u32,
    figures: Figures,
}

impl Course {
    async fn run(&mut self, setup: &Setup) -> anyhow::Result<()> {
        self.found().await.context("founding")?;
        self.place.impose(setup.conditions)?;
        self.speak(setup.events[0]).await.context("the texts")?;
        self.hand_over(setup.events).await.context("the document")?;
        self.arrived(self.said.len()).await.context("at the end")?;
        self.settled().await.context("settling at the end")?;
        self.judge().await
    }

    async fn found(&mut self) -> anyhow::Result<()> {
        let relay = self.place.address()?;
        let Said::Link(link) = self.place.quilla()?.does(Wish::Found { relay }).await? else { bail!("no link") };
        // A link leads somewhere once its author's relay knows of it.
        self.until("the link to be good", |quilla, _| quilla.open && quilla.unsettled == 0).await?;
        self.place.mistral()?.does(Wish::Join { link }).await?;
        loop {
            self.place.mistral()?.does(Wish::Sign).await?;
            let (one, other) = (self.place.quilla()?.looks().await?, self.place.mistral()?.looks().await?);
            if one.is_member && other.is_member {
                break;
            }
            self.patience("both to be members")?;
            tokio::time::sleep(LOOK).await;
        }
        self.say("hola".to_owned()).await?;
        self.arrived(1).await?;
        self.settled().await?;
        self.founding = self.place.quilla()?.looks().await?.failures + self.place.mistral()?.looks().await?.failures;
        Ok(())
    }

    /// Texts one after the other, half of them before what happens and half after.
    async fn speak(&mut self, events: &[Event]) -> anyhow::Result<()> {
        let (begun, wires) = (Instant::now(), self.wires()?);
        let count = self.size.messages;
        for number in 0..count {
            if number == count / 2 {
                for event in events {
                    self.failures += self.place.happens(*event).await?;
                }
            }
            self.say(format!("Texto número {number}: la asamblea es el jueves a las siete, en el local de siempre."))
                .await?;
        }
        self.arrived(self.said.len()).await?;
        self.settled().await?;
        let each = |bytes: u64| bytes / u64::from(count.max(1));
        let [sender, reader] = self.wires()?;
        self.figures.sender_bytes = each(sender.since(wires[0]));
        self.figures.reader_bytes = each(reader.since(wires[1]));
        self.figures.messages_seconds = begun.elapsed().as_secs_f64();
        Ok(())
    }

    async fn hand_over(&mut self, [_, up, down]: [&[Event]; 3]) -> anyhow::Result<()> {
        let (file, copy) = (self.place.folder().join("acta.bin"), self.place.folder().join("copia.bin"));
        let bytes = noise(self.size.bytes, self.size.seed);
        std::fs::write(&file, &bytes)?;
        let size = f64::from(self.size.bytes);
        let ratio = |now: Wire, then: Wire| u32::try_from(now.since(then)).map_or(f64::MAX, f64::from) / size;

        let (begun, wires) = (Instant::now(), self.wires()?);
        let upload = Wish::Upload { to: MISTRAL.to_owned(), file };
        self.transfer(Who::Quilla, upload, up).await.context("to the relay")?;
        self.figures.up_seconds = begun.elapsed().as_secs_f64();
        self.until("the document to be offered", |_, mistral| mistral.offered).await?;
        self.figures.up_ratio = ratio(self.wires()?[0], wires[0]);

        let (begun, wires) = (Instant::now(), self.wires()?);
        self.transfer(Who::Mistral, Wish::Fetch { file: copy.clone() }, down).await.context("from the relay")?;
        self.figures.down_seconds = begun.elapsed().as_secs_f64();
        self.figures.down_ratio = ratio(self.wires()?[1], wires[1]);
        let read = std::fs::read(&copy).context("the copy")?;
        ensure!(Sha256::digest(&read) == Sha256::digest(&bytes), "the copy is not the document");
        Ok(())
    }

    /// Moves the document, with texts beside it; what happens does so once a quarter of its bytes was on the wire.
    async fn transfer(&mut self, who: Who, wish: Wish, events: &[Event]) -> anyhow::Result<()> {
        let quarter = self.place.wire(who)?.total() + u64::from(self.size.bytes) / 4;
        let mut moving = self.place.person(who)?.tell(&wish)?;
        let mut pending = events.iter();
        let (mut texts, mut next_text) = (0, Instant::now());
        loop {
            if self.place.wire(who)?.total() >= quarter
                && let Some(event) = pending.next()
            {
                self.failures += self.place.happens(*event).await?;
                if self.place.reopened(who) {
                    moving = self.place.person(who)?.tell(&wish)?;
                }
                let back = self.word("después").await?;
                let longest = self.figures.back_seconds.unwrap_or(0.0).max(back);
                self.figures.back_seconds = Some(longest);
                continue;
            }
            match moving.try_recv() {
                Ok(Said::Done) => break,
                Ok(Said::Failed(why)) => bail!("{why}"),
                Ok(said @ (Said::Link(_) | Said::Seen(_))) => bail!("a transfer gave {said:?}"),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Closed) => bail!("the member has ended"),
            }
            if texts < BESIDE && next_text <= Instant::now() && (events.is_empty() || pending.len() == 0) {
                let took = self.word("entretanto").await?;
                self.figures.beside_seconds = self.figures.beside_seconds.max(took);
                (texts, next_text) = (texts + 1, Instant::now() + BETWEEN);
            }
            self.patience("the transfer to end")?;
            tokio::time::sleep(GLANCE).await;
        }
        ensure!(pending.len() == 0, "the transfer ended before everything had happened");
        Ok(())
    }

    /// One text; seconds until the other has it.
    async fn word(&mut self, what: &str) -> anyhow::Result<f64> {
        let begun = Instant::now();
        self.say(format!("{what} {}", self.said.len())).await?;
        self.arrived(self.said.len()).await?;
        Ok(begun.elapsed().as_secs_f64())
    }

    async fn say(&mut self, text: String) -> anyhow::Result<()> {
        self.place.quilla()?.does(Wish::Send { to: MISTRAL.to_owned(), text: text.clone() }).await?;
        self.said.push(text);
        Ok(())
    }

    async fn arrived(&self, count: usize) -> anyhow::Result<()> {
        self.until(&format!("{count} texts to arrive"), |_, mistral| mistral.texts.len() >= count).await
    }

    async fn settled(&self) -> anyhow::Result<()> {
        let settled = |one: &Seen| one.unsettled == 0 && one.unacknowledged == 0 && one.open;
        self.until("everything to be acknowledged", |quilla, mistral| settled(quilla) && settled(mistral)).await
    }

    /// Everything once, in order, nobody alarmed, nothing grown out of bounds.
    async fn judge(&mut self) -> anyhow::Result<()> {
        let (quilla, mistral) = (self.place.quilla()?.looks().await?, self.place.mistral()?.looks().await?);
        ensure!(mistral.texts == self.said, "said {:?}\nread {:?}", self.said, mistral.texts);
        for (name, seen) in [(QUILLA, &quilla), (MISTRAL, &mistral)] {
            ensure!(seen.troubles.is_empty(), "{name} was alarmed: {:?}", seen.troubles);
        }
        self.figures.failures = (quilla.failures + mistral.failures + self.failures).saturating_sub(self.founding);
        self.figures.relay_mib = self.place.relay_mib()?;
        self.figures.member_mib = self.place.member_mib()?;
        ensure!(self.figures.relay_mib <= RELAY_MIB, "the relay grew to {} MiB", self.figures.relay_mib);
        ensure!(self.figures.member_mib <= MEMBER_MIB, "a member grew to {} MiB", self.figures.member_mib);
        Ok(())
    }

    fn wires(&self) -> anyhow::Result<[Wire; 2]> {
        Ok([self.place.wire(Who::Quilla)?, self.place.wire(Who::Mistral)?])
    }

    async fn until(&self, what: &str, holds: impl Fn(&Seen, &Seen) -> bool) -> anyhow::Result<()> {
        loop {
            let (quilla, mistral) = (self.place.quilla()?.looks().await?, self.place.mistral()?.looks().await?);
            if holds(&quilla, &mistral) {
                return Ok(());
            }
            self.patience(what)?;
            tokio::time::sleep(LOOK).await;
        }
    }

    fn patience(&self, what: &str) -> anyhow::Result<()> {
        ensure!(self.begun.elapsed() < self.size.patience(), "no patience to wait for {what}");
        Ok(())
    }
}

/// Resident memory that a relay with two members may have at most: DESIGN's 30 MiB when idle, and its caches.
const RELAY_MIB: u64 = 96;
/// Resident memory of a member at most: eight chunks each way, windows, MLS.
const MEMBER_MIB: u64 = 128;

/// Bytes that nothing can compress.
fn noise(count: u32, seed: u64) -> Vec<u8> {
    let blocks = (0..u64::from(count).div_ceil(32)).flat_map(|block| {
        <[u8; 32]>::from(Sha256::new().chain_update(seed.to_be_bytes()).chain_update(block.to_be_bytes()).finalize())
    });
    blocks.take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
}

/// A file that is found beside another program.
pub(super) fn beside(program: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = program.with_file_name(name);
    ensure!(path.is_file(), "{} is missing: build the workspace's programs first", path.display());
    Ok(path)
}
