use openmls::group::GroupId as MlsGroupId;
use openmls_traits::OpenMlsProvider;
use openmls_traits::storage::StorageProvider;
use relevo_protocol::wire::Call;

use crate::conversation::world::World;
use crate::conversation::{AlarmKind, ConversationFault, Keeper, MessageState, Standing, silent};

/// Somebody's keys of the path are gone, so that the next commit's path does not open for it.
pub(super) fn lose_keys(world: &mut World, person: usize, group: relevo_protocol::content::GroupId) {
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

#[test]
fn an_administrator_who_has_not_read_the_commit_yet_adds_the_complainant_again_when_it_has() {
    let mut world = World::new(4);
    world.signs();
    let group = world.group("Halting");
    lose_keys(&mut world, 3, group);
    let vault = world.people[0].vault.take();
    world.act(1, |desk| desk.rename(&group, "A commit with a path")).unwrap();
    while world.send_one(1) || world.read_one(1) {}
    world.read_all(3);
    world.people[1].parcels.clear();
    assert_eq!(world.row(3, group).standing, Standing::Halted);
    world.people[0].vault = vault;
    world.open_parcels(0);
    assert_eq!(world.row(0, group).name, "Halting");
    for _ in 0..3 {
        world.settle();
        world.now = world.now.plus_seconds(60);
        world.act(0, |desk| desk.tick()).unwrap();
    }
    world.settle();
    assert_eq!(world.row(3, group).standing, Standing::Live, "added again");
    assert_eq!(world.row(3, group).epoch, world.row(0, group).epoch);
}

#[test]
fn words_that_this_device_holds_back_are_not_said_to_be_held_by_the_relay() {
    let mut world = World::new(4);
    let group = world.group("Halting");
    lose_keys(&mut world, 3, group);
    world.act(0, |desk| desk.rename(&group, "A commit with a path")).unwrap();
    while world.send_one(0) || world.read_one(0) {}
    let keepers = |world: &mut World, person: usize| -> Vec<Keeper> {
        let now = world.now;
        let all = world.act(person, |desk| Ok(silent(desk.tx, now)?)).unwrap();
        all.into_iter().map(|(_, keeper, _)| keeper).collect()
    };
    // The relay takes it and does not give it back; for 3, until it stands still.
    let lost = [2, 3].map(|person| {
        let id = world.say(person, group, "to whom it concerns");
        world.people[person].outbox.clear();
        id
    });
    world.now = world.now.plus_seconds(599);
    assert!(keepers(&mut world, 3).is_empty());
    world.now = world.now.plus_seconds(1);
    assert_eq!(keepers(&mut world, 3), [Keeper::Relay]);
    world.read_all(3);
    assert_eq!(world.row(3, group).standing, Standing::Halted);
    assert_eq!((keepers(&mut world, 2), keepers(&mut world, 3)), (vec![Keeper::Relay], vec![Keeper::Device]));
    assert_eq!(world.state(2, group, lost[0]), MessageState::Waiting);
}

#[test]
fn words_that_waited_for_somebody_to_join_are_not_late_when_they_leave() {
    let mut world = World::new(2);
    let (contact, address) = (world.contact(1), world.address.duplicate());
    let group = world.act(0, |desk| desk.create_pair((contact.0, contact.1.duplicate()), &address)).unwrap();
    world.say(0, group, "written before");
    world.now = world.now.plus_seconds(3600);
    let late = |world: &mut World| world.act(0, |desk| Ok(silent(desk.tx, desk.now)?.len())).unwrap();
    while world.people[0].outbox.iter().all(|(call, _)| !matches!(call, Call::Append { .. })) {
        assert!(world.send_one(0));
    }
    while world.row(0, group).epoch == 0 {
        assert!(world.send_one(0) || world.read_one(0));
    }
    assert_eq!(late(&mut world), 0, "it has just left");
    world.people[0].outbox.clear();
    world.now = world.now.plus_seconds(600);
    assert_eq!(late(&mut world), 1);
}
