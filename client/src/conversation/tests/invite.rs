//! Those who are meant and have no key package yet.

use std::collections::VecDeque;

use relevo_protocol::content::GroupId;

use super::again::Off;
use super::group::names;
use crate::conversation::intention::Intention;
use crate::conversation::world::{World, again};
use crate::conversation::{AlarmKind, ConversationFault, MessageState};
use crate::vault::intentions;

/// A world in which one person's shelf is empty.
fn without_a_key_package(people: usize, person: usize) -> World {
    let mut world = World::new(people);
    world.people[person].parcels.clear();
    let shelf = world.contact(person).1.shelf.unwrap().mailbox;
    world.relay.shelves.insert(shelf, VecDeque::new());
    world
}

/// Time passes for somebody.
fn later(world: &mut World, person: usize, seconds: u64) {
    world.now = world.now.plus_seconds(seconds);
    world.act(person, |desk| desk.tick()).unwrap();
    world.settle();
}

#[test]
fn who_has_no_key_package_is_added_once_they_have_one() {
    let mut world = without_a_key_package(4, 2);
    let group = world.group("Without 2");
    assert_eq!(names(&mut world, 3, group), ["Member 0", "Member 1", "Member 3"]);
    assert_eq!(world.alarms(0), []);
    for _ in 0..10 {
        later(&mut world, 0, 60);
        assert_eq!(world.alarms(0), [], "said before they could have come");
    }
    // It is asked after 1, 2, 4, 8 and 16 minutes.
    later(&mut world, 0, 6 * 60);
    assert_eq!(world.alarms(0), [AlarmKind::NotAdded]);
    world.stock(2, 1);
    later(&mut world, 0, 15 * 60);
    assert_eq!(names(&mut world, 3, group).len(), 3, "asked again sooner than in twice the time");
    later(&mut world, 0, 60);
    assert_eq!(names(&mut world, 3, group), ["Member 0", "Member 1", "Member 3", "Member 2"]);
    assert_eq!(world.alarms(0), [], "the alarm outlives its reason");
}

#[test]
fn words_to_somebody_without_a_key_package_wait_until_they_have_one() {
    let mut world = without_a_key_package(2, 1);
    let pair = world.pair(0, 1);
    let id = world.say(0, pair, "welcome");
    later(&mut world, 0, 60);
    assert_eq!(world.state(0, pair, id), MessageState::Waiting);
    world.restart(0);
    world.stock(1, 1);
    later(&mut world, 0, 120);
    assert_eq!(world.state(0, pair, id), MessageState::Sent);
    assert_eq!(world.texts(1, pair), ["welcome"]);
}

#[test]
fn who_is_added_again_by_hand_is_asked_for_at_once_and_once() {
    let mut world = without_a_key_package(3, 2);
    let group = world.group("Again");
    later(&mut world, 0, 3_600);
    world.stock(2, 2);
    let people = world.contacts([2]);
    world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
    world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
    later(&mut world, 0, 0);
    assert_eq!(names(&mut world, 1, group).len(), 3);
    let shelf = world.contact(2).1.shelf.unwrap().mailbox;
    assert_eq!(world.relay.shelves[&shelf].len(), 1, "a key package was taken for nothing");
}

#[test]
fn who_is_removed_before_they_are_in_does_not_come_in() {
    let mut world = without_a_key_package(3, 2);
    let group = world.group("Not 2");
    later(&mut world, 0, 3_600);
    let (two, nobody) = (world.member(2), world.alliance.admit(0, "Nobody").keys.member.public());
    let refused = world.act(0, |desk| desk.remove(&group, &[two, nobody]));
    assert!(matches!(refused, Err(ConversationFault::NoSuchMember)));
    world.act(0, |desk| desk.remove(&group, &[two])).unwrap();
    world.stock(2, 1);
    later(&mut world, 0, 7 * 3_600);
    assert_eq!(names(&mut world, 1, group).len(), 2);
    assert_eq!(world.alarms(0), []);
}

#[test]
fn whoever_never_has_a_key_package_is_given_up_after_four_weeks_but_in_a_pair() {
    let mut world = without_a_key_package(3, 2);
    let (group, pair) = (world.group("Two"), world.pair(0, 2));
    for _ in 0..29 * 4 {
        later(&mut world, 0, 6 * 3_600);
    }
    assert_eq!(world.alarms(0), [AlarmKind::NotAdded, AlarmKind::NotAdded]);
    assert_eq!((meant(&mut world, 0, group), meant(&mut world, 0, pair)), (0, 1));
}

/// How many intentions to add people somebody has.
fn meant(world: &mut World, person: usize, group: GroupId) -> usize {
    let vault = world.people[person].vault.as_mut().unwrap();
    let rows = vault.transaction(|tx| intentions::of(tx, &group)).unwrap();
    rows.iter().filter(|row| matches!(Intention::of(row).unwrap(), Intention::Add { .. })).count()
}

/// Two administrators mean somebody whose shelf is empty; the second gets them in while the first waits.
fn meant_by_two() -> (World, GroupId) {
    let mut world = without_a_key_package(4, 3);
    let group = world.group("Two mean one");
    later(&mut world, 0, 3_600);
    world.stock(3, 8);
    let people = world.contacts([3]);
    world.act(1, |desk| desk.add(&group, again(&people))).unwrap();
    world.settle();
    assert_eq!(names(&mut world, 2, group).len(), 4);
    (world, group)
}

#[test]
fn who_was_brought_in_by_another_is_not_brought_in_again_after_a_removal() {
    for remover in [0, 1] {
        let (mut world, group) = meant_by_two();
        let three = world.member(3);
        world.act(remover, |desk| desk.remove(&group, &[three])).unwrap();
        world.settle();
        later(&mut world, 0, 12 * 3_600);
        assert_eq!(names(&mut world, 2, group).len(), 3, "whom {remover} removed is in again");
    }
}

#[test]
fn who_came_and_went_while_an_administrator_was_away_is_not_brought_in_by_what_it_meant() {
    let mut world = without_a_key_package(4, 3);
    let group = world.group("Away");
    let three = world.member(3);
    let off = Off::turn(&mut world, 0);
    let people = world.contacts([3]);
    world.act(1, |desk| desk.add(&group, again(&people))).unwrap();
    world.stock(3, 8);
    later(&mut world, 1, 60);
    world.act(1, |desk| desk.remove(&group, &[three])).unwrap();
    world.settle();
    off.on(&mut world);
    // The shelf is to be asked before the log is read, and answers behind it.
    world.now = world.now.plus_seconds(3_600);
    world.act(0, |desk| desk.tick()).unwrap();
    while world.read_one(0) {}
    world.settle();
    later(&mut world, 0, 12 * 3_600);
    assert_eq!(names(&mut world, 2, group).len(), 3);
}

#[test]
fn who_is_to_be_added_again_and_has_no_key_package_is_added_when_there_is_one() {
    for meant_before in [false, true] {
        let mut world = World::new(4);
        let group = world.group("Again");
        let three = world.member(3);
        let shelf = world.contact(3).1.shelf.unwrap().mailbox;
        world.relay.shelves.insert(shelf, VecDeque::new());
        if meant_before {
            world.act(0, |desk| desk.remove(&group, &[three])).unwrap();
            world.settle();
            let people = world.contacts([3]);
            world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
            world.settle();
            world.stock(3, 1);
            later(&mut world, 0, 60);
            assert_eq!(names(&mut world, 2, group).len(), 4);
        }
        world.act(0, |desk| desk.re_add_received(&three, &group)).unwrap();
        world.settle();
        assert_eq!(names(&mut world, 2, group).len(), 3, "removed, and not back yet");
        world.stock(3, 1);
        later(&mut world, 0, 120);
        assert_eq!(names(&mut world, 2, group).len(), 4, "never added again");
    }
}

#[test]
fn who_asks_again_while_the_shelf_is_asked_takes_no_second_key_package() {
    let mut world = without_a_key_package(3, 2);
    let group = world.group("Again");
    world.stock(2, 2);
    let people = world.contacts([2]);
    world.now = world.now.plus_seconds(60);
    world.act(0, |desk| desk.tick()).unwrap();
    // The question is on its way.
    world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
    world.settle();
    assert_eq!(names(&mut world, 1, group).len(), 3);
    let shelf = world.contact(2).1.shelf.unwrap().mailbox;
    assert_eq!(world.relay.shelves[&shelf].len(), 1, "a key package was taken for nothing");
}

#[test]
fn who_is_removed_while_they_come_in_is_removed_behind_that() {
    let mut world = without_a_key_package(3, 2);
    let group = world.group("Coming");
    world.stock(2, 1);
    world.now = world.now.plus_seconds(60);
    world.act(0, |desk| desk.tick()).unwrap();
    let (two, off) = (world.member(2), Off::turn(&mut world, 1));
    world.send_all(0);
    world.act(0, |desk| desk.remove(&group, &[two])).unwrap();
    off.on(&mut world);
    world.settle();
    later(&mut world, 0, 120);
    assert_eq!(names(&mut world, 1, group).len(), 2);
}

#[test]
fn who_is_no_administrator_any_more_means_nobody() {
    let mut world = without_a_key_package(4, 3);
    let group = world.group("Demoted");
    later(&mut world, 0, 3_600);
    assert_eq!(world.alarms(0), [AlarmKind::NotAdded]);
    let others = [world.member(1), world.member(2)];
    world.act(1, |desk| desk.set_administrators(&group, &others)).unwrap();
    world.settle();
    later(&mut world, 0, 12 * 3_600);
    assert_eq!((world.alarms(0), meant(&mut world, 0, group)), (Vec::new(), 0));
}

#[test]
fn a_clock_that_was_set_back_asks_no_shelf_more_often() {
    let mut world = without_a_key_package(3, 2);
    let group = world.group("Ahead");
    world.now = relevo_protocol::time::Timestamp(world.now.0 - 86_400);
    let people = world.contacts([2]);
    world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
    for _ in 0..10 {
        later(&mut world, 0, 60);
    }
    let vault = world.people[0].vault.as_mut().unwrap();
    let due = vault.transaction(|tx| intentions::of(tx, &group)).unwrap()[0].due;
    assert!(due.0 > world.now.0 + 60, "the pause does not grow");
}
