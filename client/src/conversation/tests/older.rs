//! A vault that is an older copy of itself.

use relevo_protocol::content::GroupId;
use relevo_protocol::wire::{Cursor, Sequence};

use crate::conversation::receive::{PASSED_OVER, PassedOver};
use crate::conversation::world::{World, again};
use crate::conversation::{AlarmKind, HeldBack, Standing, Unsure, changes_held_back};
use crate::sync::Notice;
use crate::vault::followed;
use crate::vault::records::{self, Noun};

/// Each administrator's turn comes.
fn later(world: &mut World) {
    world.now = world.now.plus_seconds(600);
    for person in 0..world.people.len() {
        world.act(person, |desk| desk.tick()).unwrap();
    }
    world.settle();
}

fn everybody_hears(world: &mut World, person: usize, group: GroupId) {
    world.say(person, group, "is heard");
    world.settle();
    for reader in 0..world.people.len() {
        assert_eq!(world.texts(reader, group).last().unwrap(), "is heard", "by {reader}");
    }
}

#[test]
fn an_older_copy_that_has_sent_words_is_said_and_uses_no_key_again() {
    let mut world = World::new(3);
    let group = world.group("Older");
    world.say(1, group, "before");
    world.settle();
    let copy = world.copy(0);
    world.say(0, group, "forgotten");
    world.settle();
    world.put_back(0, copy);
    world.settle();
    assert_eq!(world.alarms(0), [AlarmKind::OlderCopy]);
    // The same key would be used for it as for what was forgotten, and nobody would open it.
    everybody_hears(&mut world, 0, group);
    assert_eq!(world.texts(1, group), ["before", "forgotten", "is heard"]);
    assert!(world.alarms(1).is_empty() && world.alarms(2).is_empty());
}

#[test]
fn an_older_copy_that_may_not_write_its_leaf_anew_yet_uses_no_key_again() {
    let mut world = World::new(3);
    let group = world.group("Older");
    // Its leaf is of the epoch before, and has to wait for a commit of somebody else.
    world.act(0, |desk| desk.rename(&group, "Old")).unwrap();
    world.settle();
    let copy = world.copy(0);
    let epoch = world.row(0, group).epoch;
    world.say(0, group, "forgotten");
    world.say(0, group, "and more");
    world.settle();
    world.put_back(0, copy);
    world.settle();
    assert_eq!(world.alarms(0), [AlarmKind::OlderCopy]);
    everybody_hears(&mut world, 0, group);
    assert_eq!(world.row(0, group).epoch, epoch);
    assert_eq!(world.texts(1, group), ["forgotten", "and more", "is heard"]);
}

#[test]
fn who_makes_it_look_as_if_a_device_had_forgotten_its_words_silences_it_for_nobody() {
    let mut world = World::new(3);
    let group = world.group("Forged");
    let epoch = world.row(0, group).epoch;
    let passed_over = |world: &mut World| -> Option<u32> {
        let row = world.act(0, |desk| Ok(records::get::<PassedOver>(desk.tx, Noun::PassedOver, &group.0)?));
        row.unwrap().map(|row| row.keys)
    };
    // As after an hour in which somebody has done nothing else.
    let nearly = PassedOver { epoch, keys: PASSED_OVER - 1 };
    world.act(0, |desk| Ok(records::put(desk.tx, Noun::PassedOver, &group.0, &nearly)?)).unwrap();
    for _ in 0..2 {
        world.forge(0, group, |desk, room| {
            let signer = desk.signer(room).unwrap();
            room.mls.create_message(&desk.provider(), &signer, b"not its own").unwrap()
        });
        world.read_all(0);
    }
    assert!(passed_over(&mut world).unwrap() <= PASSED_OVER);
    // It neither uses keys that readers may not bear, nor those that it may have used: others take it in anew.
    assert_eq!(world.row(0, group).standing, Standing::Behind);
    world.settle();
    later(&mut world);
    assert_eq!(world.row(0, group).standing, Standing::Live);
    everybody_hears(&mut world, 0, group);
}

#[test]
fn an_older_copy_that_has_changed_the_group_stands_still_and_is_added_again() {
    let mut world = World::new(3);
    let group = world.group("Older");
    let copy = world.copy(0);
    world.act(0, |desk| desk.rename(&group, "Newer")).unwrap();
    world.settle();
    world.put_back(0, copy);
    // Before it has read what it sent, it may mean to change the group once more: nobody follows that.
    world.act(0, |desk| desk.rename(&group, "Another")).unwrap();
    world.settle();
    assert_eq!(world.alarms(0), [AlarmKind::OlderCopy]);
    later(&mut world);
    assert_eq!(world.row(0, group).standing, Standing::Live);
    assert_eq!(world.row(0, group).epoch, world.row(1, group).epoch);
    everybody_hears(&mut world, 0, group);
}

#[test]
fn an_older_copy_that_has_begun_a_group_brings_nobody_into_another_one() {
    let mut world = World::new(3);
    let (people, address) = (world.contacts([1, 2]), world.address.duplicate());
    let second = Some(world.member(1));
    let group = world.act(0, |desk| desk.create_group("Older", again(&people), second, &address)).unwrap();
    let copy = world.copy(0);
    world.settle();
    world.put_back(0, copy);
    world.settle();
    assert_eq!(world.alarms(0), [AlarmKind::OlderCopy]);
    later(&mut world);
    assert_eq!(world.row(0, group).standing, Standing::Live);
    assert_eq!(world.row(0, group).epoch, world.row(2, group).epoch);
    everybody_hears(&mut world, 0, group);
}

/// What somebody has not read of the group's log has expired.
fn misses_the_log(world: &mut World, person: usize, group: GroupId) {
    let mailbox = world.row(person, group).mailbox;
    let log = &world.relay.logs[&mailbox];
    let (incarnation, head) = (log.incarnation, log.entries.last().unwrap().1);
    let after = Sequence(log.entries.len().try_into().unwrap());
    world
        .act(person, |desk| {
            let row = followed::newer(desk.tx, 0)?.into_iter().find(|row| row.followed.mailbox == mailbox).unwrap();
            let mut at = row.followed;
            let from = at.cursor.after.next();
            at.cursor = Cursor { incarnation: Some(incarnation), after };
            at.head = head;
            followed::advance(desk.tx, &at)?;
            desk.noticed(&group, &mailbox, &Notice::Gap { from, first_available: after.next() })
        })
        .unwrap();
}

fn renames(world: &mut World, person: usize, group: GroupId, name: &str) {
    world.act(person, |desk| desk.rename(&group, name)).unwrap();
    world.settle();
}

#[test]
fn who_may_have_missed_a_commit_commits_nothing_until_somebody_is_heard() {
    let mut world = World::new(3);
    let group = world.group("Older");
    let both = [world.member(0), world.member(1)];
    world.act(0, |desk| desk.set_administrators(&group, &both)).unwrap();
    world.settle();
    let copy = world.copy(0);
    world.say(1, group, "missed");
    renames(&mut world, 1, group, "Newer");
    world.put_back(0, copy);
    misses_the_log(&mut world, 0, group);
    let epoch = world.row(0, group).epoch;
    renames(&mut world, 0, group, "Apart");
    assert_eq!(world.row(0, group).epoch, epoch, "a commit that the others have left behind");
    let until = world.now.plus_seconds(24 * 3600);
    let said = |world: &mut World| world.act(0, |desk| Ok(changes_held_back(desk.tx, desk.now)?)).unwrap();
    assert!(
        matches!(said(&mut world)[..], [HeldBack { group: held, why: Unsure::Missed, until: at }] if held == group && at <= until),
        "and people are told"
    );
    // They are heard in an epoch that cannot be reached.
    world.say(1, group, "here we are");
    world.settle();
    later(&mut world);
    assert_eq!(world.row(0, group).standing, Standing::Live);
    assert_eq!(world.row(0, group).epoch, world.row(1, group).epoch);
    assert!(said(&mut world).is_empty());
    everybody_hears(&mut world, 0, group);
    // It has come in anew, and need not hear anybody again.
    world.act(1, |desk| desk.set_administrators(&group, &both)).unwrap();
    world.settle();
    renames(&mut world, 0, group, "Together");
    assert_eq!(world.row(2, group).name, "Together");
}

#[test]
fn who_has_missed_words_alone_commits_as_soon_as_somebody_is_heard() {
    let mut world = World::new(3);
    let group = world.group("Older");
    let copy = world.copy(0);
    world.say(1, group, "missed");
    world.settle();
    world.put_back(0, copy);
    misses_the_log(&mut world, 0, group);
    renames(&mut world, 0, group, "Newer");
    assert_eq!(world.row(1, group).name, "Older");
    world.say(1, group, "here we are");
    world.settle();
    assert_eq!(world.row(1, group).name, "Newer");
}

#[test]
fn where_nobody_says_anything_a_group_can_be_changed_after_a_day() {
    let mut world = World::new(3);
    let group = world.group("Older");
    world.say(1, group, "missed");
    world.send_all(1);
    for person in 0..3 {
        misses_the_log(&mut world, person, group);
    }
    renames(&mut world, 0, group, "Newer");
    assert_eq!(world.row(1, group).name, "Older");
    world.now = world.now.plus_seconds(24 * 3600);
    later(&mut world);
    assert_eq!(world.row(1, group).name, "Newer");
}
