use crate::conversation::AlarmKind;
use crate::conversation::world::World;
use crate::sync::Notice;
use relevo_protocol::wire::{Head, Sequence};

#[test]
fn two_members_who_are_shown_two_logs_find_out_when_one_hears_the_other() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    world.say(0, group, "seen by both");
    world.settle();
    let mailbox = world.row(0, group).mailbox;
    // The relay gives 1 another head for the same place.
    world.say(0, group, "the fork");
    world.send_all(0);
    world.read_all(0);
    let log = world.relay.logs.get_mut(&mailbox).unwrap();
    let honest = log.entries.last().unwrap().1;
    log.entries.last_mut().unwrap().1 = Head([7; 32]);
    world.read_all(1);
    world.relay.logs.get_mut(&mailbox).unwrap().entries.last_mut().unwrap().1 = honest;
    assert!(world.alarms(0).is_empty() && world.alarms(1).is_empty());
    world.say(1, group, "I saw something else");
    world.settle();
    assert_eq!(world.alarms(0), [AlarmKind::Disagreement]);
}

#[test]
fn an_honest_relay_raises_no_alarm_in_a_long_talk() {
    let mut world = World::new(3);
    let group = world.group("Long");
    for round in 0..12 {
        for person in 0..3 {
            world.say(person, group, &format!("{round} {person}"));
            if (round + person) % 3 == 0 {
                world.settle();
            }
        }
    }
    world.settle();
    for person in 0..3 {
        assert!(world.alarms(person).is_empty());
        assert_eq!(world.texts(person, group).len(), 36);
    }
}

#[test]
fn a_commit_that_the_relay_withholds_is_missed_at_the_next_message() {
    let mut world = World::new(3);
    let group = world.group("Withheld");
    let mailbox = world.row(0, group).mailbox;
    let before = world.relay.logs[&mailbox].entries.len();
    world.act(0, |desk| desk.rename(&group, "New")).unwrap();
    while world.send_one(0) || world.read_one(0) {}
    world.say(0, group, "in the new epoch");
    world.send_all(0);
    // For 2 alone the relay drops the commit.
    let dropped = world.relay.logs.get_mut(&mailbox).unwrap().entries.remove(before);
    world.read_all(2);
    assert_eq!(world.alarms(2), [AlarmKind::MissingCommit]);
    world.relay.logs.get_mut(&mailbox).unwrap().entries.insert(before, dropped);
}

#[test]
fn what_the_engine_notices_becomes_an_alarm_once() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    for _ in 0..2 {
        let gap = Notice::Gap { from: Sequence(5), first_available: Sequence(9) };
        world.act(0, |desk| desk.noticed(&group, &gap)).unwrap();
        let broken = Notice::ChainBroken { sequence: Sequence(3) };
        world.act(0, |desk| desk.noticed(&group, &broken)).unwrap();
    }
    assert_eq!(world.alarms(0), [AlarmKind::Gap, AlarmKind::ChainBroken]);
}
