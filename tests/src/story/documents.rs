//! Job 6: a document goes through a link that is cut, arrives verified, and can be checked by anybody, offline.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use relevo_client::account::Progress;
use relevo_client::document;
use relevo_client::membership::words;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::cast::Person;
use super::talking::GROUP;
use super::{Story, until};
use crate::pdf;
use crate::proxy::UdpProxy;

/// Bytes of the document, at least.
const SIZE: usize = 5 << 20;
/// Its name.
const NAME: &str = "convenio-colectivo-arequipa.pdf";
/// First and second line of each page.
const HEADING: &str = "Convenio colectivo de la mina de Arequipa";
const CLAUSE: &str = "Clausula 14: el bono de altura se paga desde el primer turno";
/// Lines of the document that are looked for on the relays, besides those.
const LINES: usize = 60;
/// How long the link is cut.
const CUT: Duration = Duration::from_secs(2);

impl Story {
    pub(super) async fn carry_document(&mut self) -> anyhow::Result<()> {
        let folder = self.settings.folder.join("files");
        fs::create_dir_all(&folder)?;
        let Self { cast, relays, narrator, .. } = self;
        narrator.job("6. Documents: through a link that is cut, resumed, verified; checked by anybody, offline");
        let file = folder.join(NAME);
        let bytes = pdf::generate(HEADING, CLAUSE, SIZE)?;
        fs::write(&file, &bytes)?;
        let digest = hex(&bytes);
        narrator.done(format!("a PDF of {:.1} MiB, SHA-256 {digest:.16}...", mib(bytes.len())));

        let link = &relays.north_link;
        let sent = cast.wayra.prepare_document(GROUP, &file).await?;
        let cuts = while_cut(link, async |progress| Ok(cast.wayra.upload(sent, progress).await?)).await?;
        ensure!(cuts == 2, "the link was cut {cuts} times while sending");
        narrator.done(format!("{} sends it to the group; the link is cut twice on the way", cast.wayra.name));

        let offered = until("the document is offered", async || Ok(cast.boreale.documents().await?.pop())).await?;
        cut_and_leave(&mut cast.boreale, link, offered.number).await?;
        cast.boreale.come_back()?;
        let mut first = None;
        let cuts = while_cut(link, async |mut progress| {
            let seen = |now: Progress| {
                first.get_or_insert(now);
                progress(now);
            };
            Ok(cast.boreale.fetch(offered.number, seen).await?)
        })
        .await?;
        let resumed = first.context("no progress")?;
        ensure!(resumed.done * 3 >= resumed.total, "the download began anew at {} bytes", resumed.done);
        narrator.done(format!(
            "{} fetches it; the link is cut, the laptop closed, opened again: it goes on at {} %{}",
            cast.boreale.name,
            resumed.done * 100 / resumed.total.max(1),
            if cuts > 0 { ", and the link is cut again" } else { "" }
        ));

        let copy = folder.join("arrived.pdf");
        cast.boreale.save_document(offered.number, &copy).await?;
        let arrived = hex(&fs::read(&copy)?);
        ensure!(arrived == digest, "another document arrived");
        narrator.done(format!("it arrived whole: SHA-256 {arrived:.16}... is the same"));

        let bundle = folder.join("proof");
        cast.boreale.export_document(offered.number, &bundle).await?;
        let proven = document::verify(&bundle, None)?;
        let author = proven.attested.author.card.pseudonym.as_str().to_owned();
        ensure!(author == cast.wayra.name, "the proof names {author}");
        let shown = words::in_language(&words::alliance(&proven.alliance), "en");
        ensure!(shown == cast.quilla.alliance_words("en").await?, "the proof is of another alliance");
        narrator.done(format!("somebody without an account checks the exported copy, offline: signed by {author}"));
        alter(&bundle.join(NAME))?;
        ensure!(document::verify(&bundle, None).is_err(), "an altered copy was accepted");
        narrator.done("with one byte changed, the copy is refused");

        self.note("name of a file", NAME);
        self.note("line of a document", HEADING);
        self.note("line of a document", CLAUSE);
        for line in random_lines(&bytes) {
            self.note("line of a document", line);
        }
        Ok(())
    }
}

/// Cuts the link at one third and at two thirds of what `moving` moves, for two seconds each. Gives how often it was cut.
async fn while_cut(
    link: &UdpProxy,
    moving: impl AsyncFnOnce(Box<dyn FnMut(Progress) + Send + '_>) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let (tell, mut cut) = mpsc::channel::<()>(2);
    let mut thirds = 1;
    let progress = Box::new(move |now: Progress| {
        if thirds <= 2 && now.done < now.total && now.done * 3 >= now.total * thirds && !link.is_cut() {
            // What has come already counts for this third, not for the next one.
            thirds = now.done * 3 / now.total + 1;
            link.cut();
            let _told = tell.try_send(());
        }
    });
    let mend = async {
        let mut cuts = 0;
        while cut.recv().await.is_some() {
            cuts += 1;
            tokio::time::sleep(CUT).await;
            link.mend();
        }
        cuts
    };
    let (moved, cuts) = tokio::join!(moving(progress), mend);
    moved.map(|()| cuts)
}

/// Fetches until a third is there; then the link is cut and the laptop closed.
async fn cut_and_leave(person: &mut Person, link: &UdpProxy, number: document::DocumentNumber) -> anyhow::Result<()> {
    let (tell, mut third) = mpsc::channel::<()>(1);
    let fetching = person.fetch(number, |now| {
        if now.done * 3 >= now.total && !link.is_cut() {
            link.cut();
            let _told = tell.try_send(());
        }
    });
    tokio::select! {
        done = fetching => {
            done?;
            bail!("the document came whole over a link that was cut");
        }
        _ = third.recv() => {}
    }
    tokio::time::sleep(CUT).await;
    link.mend();
    // With the link there, so that the relay hears of it and need not wait for the session to time out.
    person.leave().await;
    Ok(())
}

/// Lines of random letters from all over the document.
fn random_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix('(')?.strip_suffix(") Tj T*"))
        .filter(|line| line.len() > HEADING.len() + 20 && !line.contains(CLAUSE))
        .collect();
    lines.iter().step_by((lines.len() / LINES).max(1)).map(|line| (*line).to_owned()).collect()
}

fn alter(file: &Path) -> anyhow::Result<()> {
    let mut bytes = fs::read(file)?;
    let middle = bytes.len() / 2;
    let byte = bytes.get_mut(middle).context("an empty file")?;
    *byte ^= 1;
    Ok(fs::write(file, bytes)?)
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

fn mib(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / f64::from(1 << 20)
}
