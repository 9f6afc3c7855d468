//! The client without its rules: opening a vault, syncing when nothing waits, and catching up.

use std::time::{Duration, Instant};

use relevo_client::link::Connected;
use relevo_client::sync::{
    Follow, Followed, Logic, LogicFault, Notice, ReceivedEntry, Runner, Start, Then, Topic, follow, remember_relay,
};
use relevo_client::vault::{Cost, Passphrase, Transaction, Vault, VaultFault};
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{Answer, Refusal};

use crate::load::{Client, stored};
use crate::report::{Row, Samples, milliseconds, rate};
use crate::rig::{Mailbox, Rig, Settings, entry};

/// Conversations that are followed, and say nothing.
const QUIET: usize = 20;
/// Entries that wait in the one that speaks.
const WAITING: usize = 10_000;
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Row>> {
    let waiting = settings.share(WAITING);
    let (mut argon, mut opened, mut synced) = (Samples::default(), Samples::default(), Samples::default());
    let mut caught_up = Samples::default();
    for _ in 0..settings.rounds {
        let folder = settings.folder()?;
        argon.push(passphrase_costs(&folder.path().join("guarded"))?);

        let rig = Rig::start(settings)?;
        let Connected { session, arrivals, .. } = rig.client().await?;
        let mut writer = Client { session, arrivals };
        let mut quiet = Vec::new();
        for _ in 0..QUIET {
            let mailbox = Mailbox::open(&writer.session).await?;
            stored(writer.session.request(mailbox.append(&entry(512)?)).await?)?;
            quiet.push(mailbox);
        }
        let directory = folder.path().join("vault");
        let mut vault = Vault::create(&directory, &passphrase(), Cost::FOR_TESTS)?;
        vault.transaction::<(), VaultFault>(|tx| {
            remember_relay(tx, &rig.address)?;
            quiet.iter().try_for_each(|mailbox| add(tx, &rig, mailbox))
        })?;
        // The first sync reads what there is; the next one finds nothing.
        sync(vault).await?;

        let begun = Instant::now();
        let vault = Vault::open(&directory, &passphrase())?;
        opened.push(milliseconds(begun.elapsed()));
        sync(vault).await?;
        synced.push(milliseconds(begun.elapsed()));

        let busy = Mailbox::open(&writer.session).await?;
        let message = entry(settings.entry)?;
        writer.keep_in_flight(128, waiting, |_| busy.append(&message), stored).await?;
        let mut vault = Vault::open(&directory, &passphrase())?;
        vault.transaction::<(), VaultFault>(|tx| add(tx, &rig, &busy))?;
        caught_up.push(rate(waiting, sync(vault).await?));
        drop(writer);
        rig.stop()?;
    }
    Ok(vec![
        Row::new("opening a vault, ms", opened, ""),
        Row::new(
            format!("opening a vault and syncing {QUIET} quiet mailboxes, ms, without Argon2id"),
            synced,
            "under 300",
        ),
        Row::new("Argon2id at its default, ms", argon, ""),
        Row::new(
            format!("{waiting} waiting entries caught up by sync engine and vault, without MLS, entries/s"),
            caught_up,
            "",
        ),
    ])
}

/// What the default passphrase cost adds to an opening.
fn passphrase_costs(directory: &std::path::Path) -> anyhow::Result<f64> {
    drop(Vault::create(directory, &passphrase(), Cost::DEFAULT)?);
    let begun = Instant::now();
    drop(Vault::open(directory, &passphrase())?);
    Ok(milliseconds(begun.elapsed()))
}

fn passphrase() -> Passphrase {
    Passphrase::new("an honest day's work".to_owned())
}

fn add(tx: &Transaction<'_>, rig: &Rig, mailbox: &Mailbox) -> Result<(), VaultFault> {
    let row = Follow {
        relay: rig.address.fingerprint,
        mailbox: mailbox.id,
        capability: mailbox.read_capability(),
        topic: Topic::Conversation,
        key: Vec::new(),
        start: Start::Beginning,
    };
    follow(tx, &row)
}

/// Everything that waits, from opened vault to closed account.
async fn sync(vault: Vault) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let account = Runner::start(vault, Deaf)?;
    let status = account.settle(PATIENCE).await?;
    let time = begun.elapsed();
    anyhow::ensure!(status.is_settled(), "the sync did not settle");
    account.stop().await;
    Ok(time)
}

/// Rules that do nothing, so that what is measured is everything else.
struct Deaf;

impl Logic for Deaf {
    fn received(
        &mut self,
        _: &Transaction<'_>,
        _: &Followed,
        _: &ReceivedEntry,
        _: Timestamp,
    ) -> Result<(), LogicFault> {
        Ok(())
    }

    fn noticed(&mut self, _: &Transaction<'_>, _: &Followed, _: &Notice, _: Timestamp) -> Result<(), LogicFault> {
        Ok(())
    }

    fn answered(
        &mut self,
        _: &Transaction<'_>,
        _: &Then,
        _: Result<&Answer, Refusal>,
        _: Timestamp,
    ) -> Result<(), LogicFault> {
        Ok(())
    }
}
