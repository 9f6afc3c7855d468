//! Keys of key packages that lay on the shelf.

use crate::conversation::room::Standing;
use crate::conversation::world::World;
use crate::vault::disclosed;

const DAY: u64 = 24 * 3600;

/// Secrets in somebody's vault: of MLS, and keys that sign in leaves.
fn secrets(world: &mut World, person: usize) -> (usize, usize) {
    world.act(person, |desk| Ok((disclosed::mls(desk.tx)?.len(), disclosed::leaf_keys(desk.tx)?.len()))).unwrap()
}

#[test]
fn key_packages_for_which_no_welcome_comes_any_more_are_destroyed_with_their_keys() {
    let mut world = World::new(2);
    let before = secrets(&mut world, 1);
    world.stock(1, 3);
    world.act(1, |desk| desk.last_resort()).unwrap();
    let stocked = secrets(&mut world, 1);
    assert_eq!(stocked.1, before.1 + 4);
    world.now = world.now.plus_seconds(183 * DAY);
    world.act(1, |desk| desk.tick()).unwrap();
    assert_eq!(secrets(&mut world, 1), stocked, "a welcome may still be on its way");
    let rightly = world.now;
    world.now = rightly.plus_seconds(900 * DAY);
    world.act(1, |desk| desk.tick()).unwrap();
    world.now = rightly.plus_seconds(DAY / 2);
    world.act(1, |desk| desk.tick()).unwrap();
    assert_eq!(secrets(&mut world, 1), stocked, "its clock was wrong for a while");
    world.now = rightly.plus_seconds(2 * DAY);
    world.act(1, |desk| desk.tick()).unwrap();
    assert_eq!(secrets(&mut world, 1), stocked, "seen once");
    world.now = rightly.plus_seconds(3 * DAY);
    world.act(1, |desk| desk.tick()).unwrap();
    assert_eq!(secrets(&mut world, 1), (0, 0));
}

#[test]
fn the_key_of_a_leaf_that_stands_in_a_tree_is_kept() {
    let mut world = World::new(2);
    // Who was added to a pair has the leaf of its key package until it says something.
    let group = world.pair(0, 1);
    world.now = world.now.plus_seconds(185 * DAY);
    world.act(1, |desk| desk.destroy_old_key_packages()).unwrap();
    world.now = world.now.plus_seconds(DAY);
    world.act(1, |desk| desk.destroy_old_key_packages()).unwrap();
    assert_eq!(secrets(&mut world, 1).1, 1);
    world.say(1, group, "after half a year");
    world.settle();
    assert_eq!(world.texts(0, group), ["after half a year"]);
    assert_eq!(world.row(1, group).standing, Standing::Live);
}
