//! Disks that are full: said politely, nothing lost, opened while still full, going on when there is room again.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use relevo_client::link::{BlobFault, Connected, Link, RequestFault};
use relevo_protocol::wire::{Answer, BlobId, Call, MailboxKind, Refusal, RelayAddress};

use super::Campaign;
use super::client_rounds::Site;
use super::client_worker::Work;
use super::load::{self, Shared, lock};
use super::truth::entry_of;
use crate::dice::Dice;
use crate::relay_process::RelayProcess;

/// Bytes of the small disk.
const SIZE: u64 = 64 << 20;
/// The relay's watermarks on it, in bytes: ordinary data, then also the reserve of administrators.
const WATERMARK: u64 = 16 << 20;
const LAST: u64 = 8 << 20;
const BALLAST: u64 = 4 << 20;

/// A file system of a fixed size in memory. Unmounted when dropped.
pub struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    /// Mounts one on an empty directory.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn mount(place: &Path) -> anyhow::Result<Self> {
        let options = format!("size={SIZE},mode=0700");
        let done = Command::new("mount").args(["-i", "-t", "tmpfs", "-o", &options, "small"]).arg(place).output()?;
        ensure!(done.status.success(), "cannot mount: {}", String::from_utf8_lossy(&done.stderr).trim());
        Ok(Self { place: place.to_owned() })
    }

    /// Writes a file until so many bytes are left.
    ///
    /// # Errors
    /// The disk failed otherwise than by being full.
    pub fn fill(&self, leave: u64) -> anyhow::Result<()> {
        let mut file = File::options().create(true).append(true).open(self.filler())?;
        let mut piece = vec![1; 64 << 10];
        loop {
            let left = self.free()?.saturating_sub(leave);
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX).min(piece.len()));
            if piece.is_empty() {
                return Ok(());
            }
            match file.write(&piece) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes what [`Self::fill`] wrote.
    ///
    /// # Errors
    /// The disk failed.
    pub fn empty(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }

    fn free(&self) -> anyhow::Result<u64> {
        let stat = rustix::fs::statvfs(&self.place)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").args(["-i", "-l"]).arg(&self.place).output();
    }
}

/// Fills the disk under a relay, to the watermarks and then to the last byte.
///
/// # Errors
/// What must hold does not.
pub fn relay(campaign: &Campaign) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut dice = Dice::new(campaign.seed);
        let folder = tempfile::tempdir()?;
        let place = folder.path().join("disk");
        std::fs::create_dir(&place)?;
        let disk = SmallDisk::mount(&place)?;
        let rig = Rig { campaign, folder: folder.path(), truth: load::begin(&mut dice) };
        watermarks(&rig, &disk, &mut dice).await.context("the disk is filled to the relay's watermarks")?;
        to_the_last_byte(&rig, &disk, &mut dice).await.context("the disk is filled to the last byte")
    })
}

/// Fills the disk under a client's vault.
///
/// # Errors
/// What must hold does not.
pub fn client(campaign: &Campaign) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let place = folder.path().join("disk");
        std::fs::create_dir(&place)?;
        let disk = SmallDisk::mount(&place)?;
        let mut site = Site::found_at(folder, None).await?;
        site.work(campaign, Work::SendOne(1)).await?;
        disk.fill(0)?;
        for round in 0..3 {
            site.say().await?;
            // Opened while it is full, the history is told; what cannot be written is refused by its name.
            let lines = site.work_full(campaign, Work::SendOne(2 + round)).await?;
            ensure!(lines.iter().any(|line| line == "ready"), "the vault does not open on a full disk: {lines:?}");
            ensure!(lines.iter().any(|line| line == "fault disk-full"), "a full disk is not said: {lines:?}");
        }
        disk.empty()?;
        site.work(campaign, Work::SendOne(9)).await?;
        site.compare(campaign).await?;
        Ok(())
    })
}

struct Rig<'c> {
    campaign: &'c Campaign,
    folder: &'c Path,
    truth: Shared,
}

impl Rig<'_> {
    fn start(&self, watermark: u64, last: u64) -> anyhow::Result<(RelayProcess, RelayAddress)> {
        let config = self.folder.join("relay.toml");
        let text = format!("[store]\nballast_bytes = {BALLAST}\nfree_bytes = {watermark}\nlast_free_bytes = {last}\n");
        std::fs::write(&config, text)?;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let log = File::options().create(true).append(true).open(self.log())?;
        let data = self.folder.join("disk").join("relay");
        let relay = RelayProcess::start_logged(&self.campaign.relay, &data, listen, &config, log);
        let relay = relay.with_context(|| format!("the relay does not start: {}", self.last_words()))?;
        let address = relay.address().parse::<RelayAddress>()?;
        Ok((relay, address))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().rev().take(3).collect::<Vec<_>>().join(" | ")
    }

    async fn check(&self, address: &RelayAddress) -> anyhow::Result<Connected> {
        let connected = Link::new()?.connect(address).await?;
        let mut truth = std::mem::take(&mut *lock(&self.truth));
        let checked = truth.check(&connected.session, &connected.welcome.identity).await;
        *lock(&self.truth) = truth;
        let checked = checked.context("a promise was broken")?;
        ensure!(checked.entries > 0 && checked.blobs > 0, "nothing was compared");
        Ok(connected)
    }

    async fn load(&self, address: &RelayAddress, dice: &mut Dice, time: Duration) -> anyhow::Result<()> {
        load::run(address, &self.truth, &mut dice.part(), tokio::time::sleep(time)).await
    }

    /// Appends one entry, by a grant or by *owner*, to mailbox 0, which is shared.
    async fn append(&self, connected: &Connected, who: Who) -> anyhow::Result<Result<(), Refusal>> {
        let (call, number) = {
            let mut truth = lock(&self.truth);
            let number = truth.sending(0).context("there is a mailbox")?;
            let promised = truth.mailboxes.first().context("there is a mailbox")?;
            ensure!(promised.kind == MailboxKind::Shared, "the first mailbox is shared");
            let capability = match who {
                Who::Granted => promised.append(),
                Who::Owner => promised.owner(),
            };
            (Call::Append { mailbox: promised.id(), capability, entry: entry_of(number)? }, number)
        };
        match connected.session.request(call).await {
            Ok(Answer::Stored { sequence, head, .. }) => {
                let mut truth = lock(&self.truth);
                let promised = truth.mailboxes.first_mut().context("there is a mailbox")?;
                promised.lies_at(sequence, number, Some(head))?;
                Ok(Ok(()))
            }
            Err(RequestFault::Refused(refusal)) => Ok(Err(refusal)),
            other => bail!("an append was answered by {other:?}"),
        }
    }
}

#[derive(Clone, Copy)]
enum Who {
    Granted,
    Owner,
}

async fn watermarks(rig: &Rig<'_>, disk: &SmallDisk, dice: &mut Dice) -> anyhow::Result<()> {
    let (mut relay, address) = rig.start(WATERMARK, LAST)?;
    rig.load(&address, dice, Duration::from_millis(400)).await?;
    disk.fill(WATERMARK - (1 << 20))?;
    let connected = rig.check(&address).await?;
    ensure!(rig.append(&connected, Who::Granted).await? == Err(Refusal::RelayFull), "a full relay does not say so");
    ensure!(rig.append(&connected, Who::Owner).await? == Ok(()), "the reserve of administrators is not kept");
    let bytes = bytes::Bytes::from_static(b"a blob that does not fit");
    let put = connected.session.put_blob(BlobId::of(&bytes), bytes.clone(), 24).await;
    ensure!(put == Err(BlobFault::Refused(Refusal::RelayFull)), "a full relay takes a blob: {put:?}");
    disk.fill(LAST - (1 << 20))?;
    ensure!(rig.append(&connected, Who::Owner).await? == Err(Refusal::RelayFull), "the last space is given away");
    // A restart in which not one byte is free: the ballast makes room.
    relay.stop()?;
    disk.fill(0)?;
    let (mut relay, address) = rig.start(WATERMARK, LAST)?;
    let connected = rig.check(&address).await?;
    ensure!(rig.append(&connected, Who::Granted).await? == Err(Refusal::RelayFull), "a full relay does not say so");
    disk.empty()?;
    ensure!(rig.append(&connected, Who::Granted).await? == Ok(()), "the relay does not go on when there is room");
    relay.stop()
}

async fn to_the_last_byte(rig: &Rig<'_>, disk: &SmallDisk, dice: &mut Dice) -> anyhow::Result<()> {
    // Without watermarks, as when another program is faster: the write itself fails, and the relay ends.
    let (mut relay, address) = rig.start(0, 0)?;
    disk.fill(2 << 20)?;
    let begun = Instant::now();
    while !relay.has_ended()? {
        ensure!(begun.elapsed() < Duration::from_secs(30), "the disk is full and the relay goes on");
        rig.load(&address, dice, Duration::from_millis(300)).await?;
    }
    ensure!(rig.last_words().contains("the disk is full"), "the log does not say why: {}", rig.last_words());
    disk.fill(0)?;
    let (mut relay, address) = rig.start(0, 0)?;
    rig.check(&address).await?;
    relay.stop()?;
    disk.empty()?;
    let (mut relay, address) = rig.start(0, 0)?;
    rig.load(&address, dice, Duration::from_millis(300)).await?;
    rig.check(&address).await?;
    relay.stop()
}
