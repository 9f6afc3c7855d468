//! A disk whose power can be cut: a file system in user space that remembers which bytes and names were synced.
//!
//! ```text
//! program under test -> kernel (FUSE, no caches) -> Face -> Disk { names, contents: durable | pending }
//! cut(): from now on every call fails. reboot(): durable, and by chance some of the pending; mounted again.
//! ```
//! What counts as synced is what POSIX and Linux promise and no more: fsync and fdatasync make one file's bytes
//! durable, fsync of a directory its names. `sync_file_range` never arrives here, so it does nothing, as on a disk
//! with a write cache. Files are opened past the page cache, which refuses shared writable mappings: a program
//! that wrote through memory would fail at once, not be tested wrongly.

mod content;
mod disk;
mod face;
mod names;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::dice::Dice;
use disk::Disk;

/// What becomes of a file's pending changes when the power goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// None reached the platter.
    Nothing,
    /// All did.
    Everything,
    /// Those up to a moment did; the one after it is torn.
    UpTo,
    /// Any did, in pieces.
    Anything,
}

impl Fate {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(8) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 | 3 => Self::UpTo,
            _ => Self::Anything,
        }
    }
}

/// What a disk writes whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Sector,
    Page,
}

impl Unit {
    fn bytes(self) -> usize {
        match self {
            Self::Sector => 512,
            Self::Page => 4096,
        }
    }
}

/// A fault planted in the disk, to prove that the tests find its like: a sync that is answered and not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Planted {
    /// None: an honest disk.
    #[default]
    Nothing,
    /// Syncs through read-only handles below a directory called `index` are not done. Those are the relay's own
    /// syncs of sled's files and of their directory, and no other: sled as it comes.
    SledAlone,
    /// Syncs of the vault's write-ahead log are not done.
    LogNotSynced,
    /// Syncs of directories are not done.
    NamesNotSynced,
    /// Syncs of the relay's journal and large bodies and of their directory are not done.
    BodiesNotSynced,
}

/// How often each thing was done on a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Writes.
    pub writes: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Syncs of directories.
    pub directory_syncs: u64,
    /// Names made, moved and removed.
    pub names: u64,
}

/// How long the last user of a disk may take to let it go.
const PATIENCE: Duration = Duration::from_secs(10);

/// The disk, mounted. Unmounted when dropped.
pub struct PowerCut {
    disk: Arc<Mutex<Disk>>,
    place: PathBuf,
    server: Option<JoinHandle<()>>,
}

impl PowerCut {
    /// Mounts an empty disk on an empty directory. Needs root, or root of a user namespace.
    ///
    /// # Errors
    /// The kernel refused: says what it needs.
    pub fn mount(place: &Path, planted: Planted) -> anyhow::Result<Self> {
        let mut disk = Self { disk: Arc::new(Mutex::new(Disk::new(planted))), place: place.to_owned(), server: None };
        disk.attach()?;
        Ok(disk)
    }

    fn attach(&mut self) -> anyhow::Result<()> {
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let device = device.context("/dev/fuse cannot be opened for reading and writing")?;
        let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        // The device is the command's standard input: file descriptor 0.
        let options = format!("fd=0,rootmode=40000,user_id={user},group_id={group}");
        let mounted = Command::new("mount")
            .args(["-i", "-t", "fuse", "-o", &options, "power-cut"])
            .arg(&self.place)
            .stdin(Stdio::from(device.try_clone()?))
            .output()
            .context("cannot run mount")?;
        ensure!(
            mounted.status.success(),
            "cannot mount a FUSE file system, which needs root or a user namespace: {}",
            String::from_utf8_lossy(&mounted.stderr).trim()
        );
        let disk = Arc::clone(&self.disk);
        let server = std::thread::Builder::new().name("power-cut".into()).spawn(move || face::serve(device, &disk))?;
        self.server = Some(server);
        Ok(())
    }

    /// Unmounts, and waits for the server's end.
    fn detach(&mut self) -> anyhow::Result<()> {
        let Some(server) = self.server.take() else { return Ok(()) };
        let asked = Instant::now();
        loop {
            let done = Command::new("umount").arg("-i").arg(&self.place).output().context("cannot run umount")?;
            if done.status.success() {
                break;
            }
            if asked.elapsed() > PATIENCE {
                self.server = Some(server);
                bail!("the disk is still in use: {}", String::from_utf8_lossy(&done.stderr).trim());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        ensure!(server.join().is_ok(), "the server of the disk panicked");
        Ok(())
    }

    /// Where it is mounted.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Cuts the power when so many more changes (writes, syncs, names) have been made.
    pub fn cut_after(&self, changes: u64) {
        self.lock().cut_after(changes);
    }

    /// Cuts the power.
    pub fn cut(&self) {
        self.lock().cut();
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.lock().is_cut()
    }

    /// What was done since the disk was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts()
    }

    /// Whether a program wrote to the disk and synced it: with neither, there is nothing that a cut could take.
    ///
    /// # Errors
    /// It did not.
    pub fn was_used(&self) -> anyhow::Result<()> {
        let counts = self.counts();
        ensure!(counts.writes > 0 && counts.syncs > 0, "the disk whose power was cut was not used: {counts:?}");
        Ok(())
    }

    /// Unmounts, draws what survived the cut, and mounts that. Every program that used the disk must have ended.
    ///
    /// # Errors
    /// It is still in use, or cannot be mounted again.
    pub fn reboot(&mut self, dice: &mut Dice) -> anyhow::Result<()> {
        self.detach()?;
        self.lock().reboot(dice);
        self.attach()
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }
}

impl Drop for PowerCut {
    fn drop(&mut self) {
        // Programs that still use it meet errors, never a server that is gone.
        self.cut();
        if self.detach().is_err() {
            let _detached = Command::new("umount").args(["-i", "-l"]).arg(&self.place).output();
        }
    }
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}
