//! Where every simulation begins: an alliance of two unions, each on a relay of its own, whose members are each other's
//! contacts. Of two or three people it is one union on one relay. Founded once by the real steps over a good network,
//! then copied for each seed.

#![expect(clippy::indexing_slicing, reason = "people are named by their places in a town of fixed size")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use relevo_client::membership::request::RequestKind;
use relevo_protocol::random::seeded::Seeded;
use relevo_relay::driven::{Copied, DrivenRelay, SimulatedDisk};
use relevo_relay::store::StoreConfig;
use tempfile::TempDir;

use super::world::World;

/// Pseudonyms, in the order in which people arrive: two coordinators of the first union, two of the second, a member.
pub const NAMES: [&str; 5] = ["Quilla", "Mistral", "Ceibo", "Aurore", "Tala"];

/// How many of so many people are coordinators: the first.
#[must_use]
pub fn coordinators(people: usize) -> usize {
    if people < ALLIED { 2 } else { ALLIED }
}

/// So many make two unions.
const ALLIED: usize = 4;
/// The seeds of the relays' keys.
const RELAYS: [u8; 2] = [1, 2];
/// The sequence from which the town is made.
const SEED: u64 = 0x7265_6c65_766f;

/// A founded alliance, to be copied.
pub struct Town {
    ground: TempDir,
    /// Of the relays, in order.
    disks: Vec<Copied>,
    people: usize,
    founded: u64,
    forger: Option<usize>,
}

impl Town {
    /// Founds an alliance of so many people, two at least.
    ///
    /// # Errors
    /// A step did not come to its end.
    pub fn found(people: usize) -> anyhow::Result<Self> {
        let _seeded = Seeded::begin(SEED);
        let ground = ground()?;
        let disks: Vec<SimulatedDisk> =
            RELAYS.iter().take(coordinators(people) / 2).map(|_| SimulatedDisk::default()).collect();
        let mut world = World::new(SEED, ground.path(), 0);
        let forger = forger(people);
        world.forger = forger;
        for (seed, disk) in RELAYS.iter().zip(&disks) {
            world.relay(*seed, disk.clone(), StoreConfig::default())?;
        }
        for name in NAMES.iter().take(people.max(2)) {
            world.arrive(name)?;
        }
        found_first(&mut world)?;
        if people >= ALLIED {
            found_second(&mut world)?;
        }
        for newcomer in coordinators(people)..people {
            // Those of the union that came last.
            take_in(&mut world, newcomer, [coordinators(people) - 2, coordinators(people) - 1])?;
        }
        for one in 0..people {
            for (other, name) in NAMES.iter().enumerate().take(one) {
                let known = verb(&mut world, one, async |me| me.contacts().await)?;
                if known.iter().any(|contact| contact.pseudonym.as_str() == *name) {
                    continue;
                }
                let code = verb(&mut world, one, async |me| me.contact_code().await)?;
                rest(&mut world)?;
                verb(&mut world, other, async |me| me.add_contact(&code).await)?;
                rest(&mut world)?;
            }
        }
        for (one, name) in NAMES.iter().enumerate().take(people) {
            let known = verb(&mut world, one, async |me| me.contacts().await)?;
            if known.len() + 1 != people {
                bail!("{name} knows {} of {people}: {}", known.len(), world.standing());
            }
        }
        let founded = world.now;
        drop(world);
        let disks = disks.iter().map(SimulatedDisk::copy).collect::<Result<_, _>>()?;
        Ok(Self { ground, disks, people, founded, forger })
    }

    /// A world of this town for a seed, whose vaults lie in `ground`.
    ///
    /// # Errors
    /// A copy cannot be made, or a vault does not open.
    pub fn world(&self, seed: u64, ground: &Path, keep: usize) -> anyhow::Result<World> {
        copy(self.ground.path(), ground)?;
        let mut world = World::new(seed, ground, keep);
        world.now = self.founded;
        world.forger = self.forger;
        for (seed, copied) in RELAYS.iter().zip(&self.disks) {
            let disk = SimulatedDisk::with_blobs(&ground.join(format!("r{seed}")));
            disk.put_back(copied)?;
            world.relay(*seed, disk, StoreConfig::default())?;
        }
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

/// The first two found an alliance with their union, on the first relay.
fn found_first(world: &mut World) -> anyhow::Result<()> {
    let address = DrivenRelay::address(RELAYS[0]).to_text();
    let link = verb(world, 0, async |one| one.found("Alianza Minera", "Sindicato Norte", &address).await)?;
    rest(world)?;
    verb(world, 1, async |one| one.join(&link, None, "").await)?;
    let draft = asked(world, 1, is_charter)?;
    verb(world, 1, async |one| one.sign(Some(draft)).await)?;
    rest(world)
}

/// The next two found a union on the second relay, and all four sign the charter that takes it in.
fn found_second(world: &mut World) -> anyhow::Result<()> {
    let address = DrivenRelay::address(RELAYS[1]).to_text();
    let link = verb(world, 0, async |one| one.invite_union("").await)?;
    rest(world)?;
    verb(world, 2, async |one| one.found_union("Section du Nord", &address, &link).await)?;
    let link = until(world, |world| {
        let founding = verb(world, 2, async |one| one.founding().await)?;
        Ok(founding.and_then(|founding| founding.cofounder_link))
    })?;
    rest(world)?;
    verb(world, 3, async |one| one.join(&link, None, "").await)?;
    let request = asked(world, 0, |kind| matches!(kind, RequestKind::Union { .. }))?;
    verb(world, 0, async |one| one.propose(Some(request)).await)?;
    for signer in 1..ALLIED {
        let draft = asked(world, signer, is_charter)?;
        verb(world, signer, async |one| one.sign(Some(draft)).await)?;
        rest(world)?;
    }
    for one in 0..ALLIED {
        until(world, |world| {
            let is_member = verb(world, one, async |me| me.about_me().await)?.card_expires.is_some();
            let unions = verb(world, one, async |me| me.charter().await)?.unions.len();
            Ok((is_member && unions == 2).then_some(()))
        })?;
    }
    Ok(())
}

/// Two coordinators vouch for a newcomer, and the first takes them in.
fn take_in(world: &mut World, newcomer: usize, [first, second]: [usize; 2]) -> anyhow::Result<()> {
    let is_join = |kind: &RequestKind| matches!(kind, RequestKind::Join { .. });
    let link = verb(world, first, async |one| one.invite("", Duration::from_secs(86_400)).await)?;
    rest(world)?;
    verb(world, newcomer, async |one| one.join(&link, Some(NAMES[second]), "").await)?;
    for voucher in [first, second] {
        let request = asked(world, voucher, is_join)?;
        verb(world, voucher, async |one| one.vouch(request).await)?;
        rest(world)?;
    }
    let request = asked(world, first, is_join)?;
    verb(world, first, async |one| one.admit(request).await)?;
    rest(world)
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
    let found = until(world, |world| {
        let waiting = verb(world, who, async |one| one.requests().await)?;
        Ok(waiting.into_iter().find(|one| wanted(&one.kind)).map(|found| found.number))
    });
    found.with_context(|| format!("nothing is asked of {}", NAMES[who]))
}

fn is_charter(kind: &RequestKind) -> bool {
    matches!(kind, RequestKind::Charter { .. })
}

fn until<T>(world: &mut World, look: impl Fn(&mut World) -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    for _ in 0..20 {
        rest(world)?;
        if let Some(found) = look(world)? {
            return Ok(found);
        }
    }
    bail!("it does not come: {}", world.standing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_town_is_founded_by_the_real_steps() {
        for people in 2..=NAMES.len() {
            let town = Town::found(people).unwrap();
            assert_eq!(town.disks.len(), if people < 4 { 1 } else { 2 });
        }
    }
}
