//! Where every simulation begins: one union on one relay, its members each other's contacts. Founded once by the real
//! steps over a good network, then copied for each seed.

#![expect(clippy::indexing_slicing, reason = "people are named by their places in a town of fixed size")]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use relevo_client::membership::request::RequestKind;
use relevo_protocol::random::seeded::Seeded;
use relevo_relay::driven::{Copied, DrivenRelay, SimulatedDisk};
use relevo_relay::store::StoreConfig;
use tempfile::TempDir;

use super::world::World;

/// Pseudonyms, in the order in which people arrive. The first two are coordinators.
pub const NAMES: [&str; 5] = ["Quilla", "Mistral", "Ceibo", "Aurore", "Tala"];

/// The seed of the one relay's keys.
const RELAY: u8 = 1;
/// The sequence from which the town is made.
const SEED: u64 = 0x7265_6c65_766f;

/// A founded union, to be copied.
pub struct Town {
    ground: TempDir,
    disk: Copied,
    people: usize,
    founded: u64,
    forger: Option<usize>,
}

impl Town {
    /// Founds a union of so many people, two at least.
    ///
    /// # Errors
    /// A step did not come to its end.
    pub fn found(people: usize) -> anyhow::Result<Self> {
        let _seeded = Seeded::begin(SEED);
        let ground = ground()?;
        let disk = SimulatedDisk::default();
        let mut world = World::new(SEED, ground.path(), 0);
        let forger = forger(people);
        world.forger = forger;
        world.relay(RELAY, disk.clone(), StoreConfig::default())?;
        for name in NAMES.iter().take(people.max(2)) {
            world.arrive(name)?;
        }
        let address = DrivenRelay::address(RELAY).to_text();
        let link = verb(&mut world, 0, async |one| one.found("Alianza Minera", "Sindicato Norte", &address).await)?;
        rest(&mut world)?;
        verb(&mut world, 1, async |one| one.join(&link, None, "").await)?;
        let draft = asked(&mut world, 1, |kind| matches!(kind, RequestKind::Charter { .. }))?;
        verb(&mut world, 1, async |one| one.sign(Some(draft)).await)?;
        rest(&mut world)?;
        for newcomer in 2..people {
            let life = core::time::Duration::from_secs(86_400);
            let link = verb(&mut world, 0, async |one| one.invite("", life).await)?;
            rest(&mut world)?;
            verb(&mut world, newcomer, async |one| one.join(&link, Some(NAMES[1]), "").await)?;
            for voucher in [0, 1] {
                let request = asked(&mut world, voucher, |kind| matches!(kind, RequestKind::Join { .. }))?;
                verb(&mut world, voucher, async |one| one.vouch(request).await)?;
                rest(&mut world)?;
            }
            let request = asked(&mut world, 0, |kind| matches!(kind, RequestKind::Join { .. }))?;
            verb(&mut world, 0, async |one| one.admit(request).await)?;
            rest(&mut world)?;
        }
        for one in 0..people {
            for other in 0..one {
                let known = verb(&mut world, one, async |me| me.contacts().await)?;
                if known.iter().any(|contact| contact.pseudonym.as_str() == NAMES[other]) {
                    continue;
                }
                let code = verb(&mut world, one, async |me| me.contact_code().await)?;
                rest(&mut world)?;
                verb(&mut world, other, async |me| me.add_contact(&code).await)?;
                rest(&mut world)?;
            }
        }
        for one in 0..people {
            let known = verb(&mut world, one, async |me| me.contacts().await)?;
            if known.len() + 1 != people {
                bail!("{} knows {} of {people}: {}", NAMES[one], known.len(), world.standing());
            }
        }
        let founded = world.now;
        drop(world);
        Ok(Self { ground, disk: disk.copy()?, people, founded, forger })
    }

    /// A world of this town for a seed, whose vaults lie in `ground`.
    ///
    /// # Errors
    /// A copy cannot be made, or a vault does not open.
    pub fn world(&self, seed: u64, ground: &Path, keep: usize) -> anyhow::Result<World> {
        copy(self.ground.path(), ground)?;
        let disk = SimulatedDisk::default();
        disk.put_back(&self.disk)?;
        let mut world = World::new(seed, ground, keep);
        world.now = self.founded;
        world.forger = self.forger;
        world.relay(RELAY, disk, StoreConfig::default())?;
        for name in NAMES.iter().take(self.people) {
            world.come_back(name)?;
        }
        Ok(world)
    }
}

impl std::fmt::Debug for Town {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Town")
    }
}

/// A folder in memory where the machine has one: a vault's fsync costs nothing there.
///
/// # Errors
/// No folder can be made.
pub fn ground() -> anyhow::Result<TempDir> {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.context("no folder for the vaults")
}

/// Copies a folder whole.
///
/// # Errors
/// The file system's.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from)? {
        let item = item?;
        let target = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            copy(&item.path(), &target)?
        } else {
            fs::copy(item.path(), target).map(drop)?
        }
    }
    Ok(())
}

/// Who forges, where that bug is planted: the last who came.
fn forger(people: usize) -> Option<usize> {
    #[cfg(feature = "planted-bugs")]
    if relevo_protocol::planted::is(relevo_protocol::planted::Bug::LeafUnchecked) {
        return people.checked_sub(1);
    }
    let _nobody = people;
    None
}

fn verb<T>(
    world: &mut World,
    who: usize,
    verb: impl AsyncFnOnce(&relevo_client::account::Account) -> Result<T, relevo_client::account::AccountFault>,
) -> anyhow::Result<T> {
    let done = world.act(who, verb)?.context("nobody there")?;
    done.with_context(|| format!("{} could not", NAMES.get(who).copied().unwrap_or_default()))
}

/// Runs until nothing moves any more.
fn rest(world: &mut World) -> anyhow::Result<()> {
    for _ in 0..600 {
        world.run_until(world.now + 3_000)?;
        if world.is_quiet() {
            return Ok(());
        }
    }
    bail!("it does not settle: {}", world.standing())
}

fn asked(world: &mut World, who: usize, wanted: impl Fn(&RequestKind) -> bool) -> anyhow::Result<u64> {
    for _ in 0..20 {
        rest(world)?;
        let waiting = verb(world, who, async |one| one.requests().await)?;
        if let Some(found) = waiting.into_iter().find(|one| wanted(&one.kind)) {
            return Ok(found.number);
        }
    }
    bail!("nothing is asked of {who}: {}", world.standing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_town_is_founded_by_the_real_steps() {
        let begun = std::time::Instant::now();
        let town = Town::found(4).unwrap();
        eprintln!("founded in {:?}, {} ms of its time", begun.elapsed(), town.founded);
    }
}
