use openmls::group::GroupId as MlsGroupId;
use openmls_traits::OpenMlsProvider;
use openmls_traits::storage::StorageProvider;

use crate::conversation::world::World;
use crate::conversation::{AlarmKind, ConversationFault, Standing};

/// Somebody's keys of the path are gone, so that the next commit's path does not open for it.
fn lose_keys(world: &mut World, person: usize, group: relevo_protocol::content::GroupId) {
    world
        .act(person, |desk| {
            let room = desk.enter(&group)?;
            let (epoch, leaf) = (room.mls.epoch(), room.mls.own_leaf_index().u32());
            let id = MlsGroupId::from_slice(&group.0);
            desk.provider().storage().delete_encryption_epoch_key_pairs(&id, &epoch, leaf)?;
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_commit_that_does_not_open_halts_and_an_administrator_adds_the_complainant_again() {
    let mut world = World::new(4);
    let group = world.group("Halting");
    world.say(3, group, "before");
    world.settle();
    lose_keys(&mut world, 3, group);
    world.act(0, |desk| desk.rename(&group, "A commit with a path")).unwrap();
    while world.send_one(0) || world.read_one(0) {}
    world.read_all(3);
    assert_eq!(world.row(3, group).standing, Standing::Halted);
    assert!(!world.people[0].parcels.is_empty(), "complained to the administrator");
    assert!(world.alarms(3).contains(&AlarmKind::Halted));
    let text = "nothing leaves".parse().unwrap();
    let refused = world.act(3, |desk| {
        desk.send(&group, relevo_protocol::content::Body::Text { text: Clone::clone(&text), language: None })
    });
    assert!(matches!(refused.unwrap_err(), ConversationFault::Halted));
    for _ in 0..4 {
        world.settle();
        world.now = world.now.plus_seconds(60);
        for person in 0..3 {
            world.act(person, |desk| desk.tick()).unwrap();
        }
    }
    world.settle();
    assert!(world.alarms(0).contains(&AlarmKind::Complaint));
    assert_eq!(world.row(3, group).standing, Standing::Live, "added again");
    world.say(3, group, "after");
    world.settle();
    assert_eq!(world.texts(3, group), ["before", "after"]);
    for person in 0..3 {
        assert_eq!(world.texts(person, group), ["before", "after"]);
        assert_eq!(world.row(person, group).epoch, world.row(3, group).epoch);
    }
}
