//! Ten thousand messages that wait for a member who was away: relay, seal, MLS and vault, all of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use relevo_client::account::Account;
use relevo_client::membership::request::RequestKind;
use relevo_client::vault::{Cost, Passphrase};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::report::{Row, Samples, rate};
use crate::rig::{Rig, Settings};

/// Messages that wait.
const WAITING: usize = 10_000;
/// Letters of each: a short paragraph, which seals into 2 KiB.
const TEXT: usize = 300;
const PATIENCE: Duration = Duration::from_secs(600);
/// How long any step of the founding may take.
const STEP: Duration = Duration::from_secs(60);

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Row>> {
    let waiting = settings.share(WAITING);
    let (mut written, mut caught_up) = (Samples::default(), Samples::default());
    for _ in 0..settings.rounds {
        let rig = Rig::start(settings)?;
        let (writer, reader) = (Member::new(settings, "Quilla")?, Member::new(settings, "Mistral")?);
        found(&rig, &writer.account, &reader.account).await?;
        // The first message starts the conversation, which the reader must have joined before it leaves.
        writer.account.send("Mistral", "¿Cuándo vence su convenio?", None).await?;
        until("the first message comes", &[&writer.account, &reader.account], async || {
            Ok((!reader.account.messages(None, 0, 10).await?.is_empty()).then_some(()))
        })
        .await?;
        let reader = reader.leave().await;

        let text = "a ".repeat(TEXT / 2);
        let begun = Instant::now();
        for _ in 0..waiting {
            writer.account.send("Mistral", &text, None).await?;
        }
        settle(&writer.account).await?;
        written.push(rate(waiting, begun.elapsed()));
        let _writer = writer.leave().await;

        let begun = Instant::now();
        let reader = reader.come_back()?;
        settle(&reader.account).await?;
        caught_up.push(rate(waiting, begun.elapsed()));
        let have = reader.account.messages(Some("Quilla"), 0, u32::MAX).await?.len();
        anyhow::ensure!(have == waiting + 1, "{have} messages came of {}", waiting + 1);
        let _reader = reader.leave().await;
        rig.stop()?;
    }
    Ok(vec![
        Row::new(format!("{waiting} messages written one by one and stored at the relay, messages/s"), written, ""),
        Row::new(
            format!("{waiting} waiting messages caught up with MLS, from closed vault to settled, messages/s"),
            caught_up,
            "at least 1,000",
        ),
    ])
}

/// A member with a vault on the disk that is measured.
struct Member {
    account: Account,
    absent: Absent,
}

/// A member whose vault is closed.
struct Absent {
    vault: PathBuf,
    _folder: TempDir,
}

impl Member {
    fn new(settings: &Settings, name: &str) -> anyhow::Result<Self> {
        let folder = settings.folder()?;
        let vault = folder.path().join("vault");
        let account = Account::create(&vault, &passphrase(), Cost::FOR_TESTS, &name.parse()?)?;
        Ok(Self { account, absent: Absent { vault, _folder: folder } })
    }

    async fn leave(self) -> Absent {
        self.account.close().await;
        self.absent
    }
}

impl Absent {
    fn come_back(self) -> anyhow::Result<Member> {
        Ok(Member { account: Account::open(&self.vault, &passphrase())?, absent: self })
    }
}

fn passphrase() -> Passphrase {
    Passphrase::new("an honest day's work".to_owned())
}

async fn settle(account: &Account) -> anyhow::Result<()> {
    let status = account.settle(PATIENCE).await?;
    anyhow::ensure!(status.is_settled(), "not settled: {status:?}");
    Ok(())
}

/// An alliance of one union with two coordinators, who are contacts.
async fn found(rig: &Rig, first: &Account, second: &Account) -> anyhow::Result<()> {
    let both = [first, second];
    let link = first.found("Alianza", "Sindicato", &rig.address.to_text()).await?;
    first.settle(STEP).await?;
    second.join(&link, None, "").await?;
    let draft = until("a charter to sign comes", &both, async || {
        let requests = second.requests().await?;
        Ok(requests.into_iter().find(|one| matches!(one.kind, RequestKind::Charter { .. })))
    })
    .await?;
    second.sign(Some(draft.number)).await?;
    until("both are contacts", &both, async || {
        let contacts = (first.contacts().await?.len(), second.contacts().await?.len());
        let cards = (first.about_me().await?.card_expires, second.about_me().await?.card_expires);
        Ok((contacts == (1, 1) && cards.0.is_some() && cards.1.is_some()).then_some(()))
    })
    .await
}

async fn until<T>(
    what: &str,
    accounts: &[&Account],
    mut holds: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    while begun.elapsed() < STEP {
        if let Some(found) = holds().await? {
            return Ok(found);
        }
        for account in accounts {
            account.settle(Duration::from_secs(2)).await?;
        }
        sleep(Duration::from_millis(20)).await;
    }
    bail!("not within {} s: {what}", STEP.as_secs())
}
