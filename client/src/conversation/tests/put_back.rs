//! A relay that was restored is given again what it has lost.

use relevo_protocol::content::GroupId;
use relevo_protocol::wire::{Call, Sequence};
use sha2::{Digest, Sha256};

use crate::conversation::world::{World, again};
use crate::conversation::{AlarmKind, Decision, MessageState, Standing, changes_held_back};
use crate::vault::Vault;
use crate::vault::tails::{self, Place};

/// The relay loses all but so many entries of the group's log.
fn goes_back(world: &mut World, group: GroupId, upto: usize) {
    let mailbox = world.row(0, group).mailbox;
    world.relay.logs.get_mut(&mailbox).unwrap().go_back(&mailbox, upto);
}

fn entries(world: &mut World, group: GroupId) -> usize {
    let mailbox = world.row(0, group).mailbox;
    world.relay.logs[&mailbox].entries.len()
}

/// So many seconds pass.
pub(super) fn pass(world: &mut World, seconds: u64) {
    world.now = world.now.plus_seconds(seconds);
    for person in 0..world.people.len() {
        if world.people[person].vault.is_some() {
            world.act(person, |desk| desk.tick()).unwrap();
        }
    }
    world.settle();
}

/// A group of three, of whom one reads nothing for now; and how far its log goes.
fn without(world: &mut World, person: usize) -> (GroupId, usize, Vault) {
    let group = world.group("Put back");
    world.say(1, group, "before");
    world.settle();
    let upto = entries(world, group);
    let asleep = world.people[person].vault.take().unwrap();
    (group, upto, asleep)
}

#[test]
fn words_behind_a_lost_commit_are_read_by_who_was_away_in_their_order() {
    let mut world = World::new(3);
    let (group, upto, asleep) = without(&mut world, 2);
    world.say(1, group, "first");
    world.settle();
    world.act(0, |desk| desk.rename(&group, "Renamed")).unwrap();
    world.settle();
    world.say(1, group, "second");
    world.settle();
    goes_back(&mut world, group, upto);
    world.people[2].vault = Some(asleep);
    world.settle();
    assert_eq!(world.texts(2, group), ["before"]);
    pass(&mut world, 10);
    assert_eq!(world.texts(2, group), ["before", "first", "second"]);
    assert_eq!(world.row(2, group).name, "Renamed");
    assert_eq!(world.texts(0, group), ["before", "first", "second"], "nothing twice");
    for person in 0..3 {
        assert_eq!(world.alarms(person), [AlarmKind::Rollback], "{person}");
    }
}

#[test]
fn what_comes_before_its_commit_waits_for_it() {
    let mut world = World::new(3);
    let (group, upto, asleep) = without(&mut world, 2);
    world.act(0, |desk| desk.rename(&group, "Renamed")).unwrap();
    world.settle();
    goes_back(&mut world, group, upto);
    // Said at once, before the turn of anybody who has the commit.
    world.say(1, group, "at once");
    world.people[2].vault = Some(asleep);
    world.settle();
    assert_eq!(world.texts(2, group), ["before"]);
    pass(&mut world, 10);
    assert_eq!(world.texts(2, group), ["before", "at once"]);
    assert_eq!(world.alarms(2), [AlarmKind::Rollback], "no commit is missing");
}

#[test]
fn nobody_commits_for_an_hour_and_once_a_day() {
    let mut world = World::new(3);
    let group = world.group("Put back");
    world.say(1, group, "before");
    world.settle();
    let upto = entries(&mut world, group);
    goes_back(&mut world, group, upto);
    world.settle();
    world.act(0, |desk| desk.rename(&group, "Too soon")).unwrap();
    world.settle();
    let held = |world: &mut World| world.act(0, |desk| Ok(changes_held_back(desk.tx, desk.now)?.len())).unwrap();
    pass(&mut world, 3000);
    assert_eq!((world.row(1, group).name.as_str(), held(&mut world)), ("Put back", 1), "and people are told");
    pass(&mut world, 700);
    assert_eq!((world.row(1, group).name.as_str(), held(&mut world)), ("Too soon", 0));
    // Again: until it was given what is put off, and no longer.
    let upto = entries(&mut world, group);
    goes_back(&mut world, group, upto);
    world.settle();
    world.act(0, |desk| desk.rename(&group, "Later")).unwrap();
    world.settle();
    assert_eq!(world.row(1, group).name, "Too soon");
    pass(&mut world, 3 * 3600);
    assert_eq!(world.row(1, group).name, "Later");
    // And then a relay that says so again keeps nobody from anything.
    for _ in 0..3 {
        goes_back(&mut world, group, upto);
        world.settle();
        pass(&mut world, 600);
    }
    world.act(0, |desk| desk.rename(&group, "At once")).unwrap();
    world.settle();
    assert_eq!(world.row(1, group).name, "At once");
}

#[test]
fn a_relay_that_says_again_and_again_that_it_was_restored_is_given_things_now_and_then() {
    let mut world = World::new(3);
    let (group, upto, asleep) = without(&mut world, 2);
    world.people[2].vault = Some(asleep);
    world.say(1, group, "lost");
    world.settle();
    let whole = entries(&mut world, group);
    for _ in 0..10 {
        goes_back(&mut world, group, upto);
        world.settle();
        pass(&mut world, 60);
    }
    assert_eq!(entries(&mut world, group), upto, "it was given everything once, and has lost that too");
    pass(&mut world, 2 * 3600);
    assert_eq!(entries(&mut world, group), upto);
    pass(&mut world, 3000);
    for _ in 0..200 {
        pass(&mut world, 1);
    }
    assert_eq!(entries(&mut world, group), whole, "by one of them, whose turn came first");
}

#[test]
fn a_clock_that_was_ahead_puts_nothing_off() {
    let mut world = World::new(3);
    let (group, upto, asleep) = without(&mut world, 2);
    world.say(1, group, "lost");
    world.settle();
    let now = world.now;
    world.now = now.plus_seconds(365 * 86_400);
    goes_back(&mut world, group, upto);
    for person in 0..2 {
        world.read_all(person);
    }
    world.now = now;
    world.people[2].vault = Some(asleep);
    for _ in 0..10 {
        pass(&mut world, 5);
    }
    assert_eq!(world.texts(2, group), ["before", "lost"]);
}

#[test]
fn a_commit_that_won_in_place_of_a_lost_one_is_not_passed_over() {
    let mut world = World::new(3);
    let (group, upto, asleep) = without(&mut world, 1);
    world.act(0, |desk| desk.rename(&group, "Lost")).unwrap();
    world.settle();
    let awake = [0, 2].map(|person| world.people[person].vault.take().unwrap());
    world.people[1].vault = Some(asleep);
    // It was under way when the relay went back, before anybody could give the lost one back.
    world.act(1, |desk| desk.rename(&group, "Another")).unwrap();
    let mailbox = world.row(1, group).mailbox;
    world.relay.logs.get_mut(&mailbox).unwrap().go_back(&mailbox, upto);
    world.send_all(1);
    for (person, vault) in [0, 2].into_iter().zip(awake) {
        world.people[person].vault = Some(vault);
    }
    world.settle();
    assert_eq!(world.row(1, group).name, "Another");
    for person in [0, 2] {
        assert!(world.alarms(person).contains(&AlarmKind::MissingCommit), "{person} is told");
        assert_eq!(world.row(person, group).standing, Standing::Live, "whoever made it look so stops nobody");
    }
}

#[test]
fn words_that_were_lost_before_a_commit_under_way_are_sent_again_by_their_author() {
    for moves in [false, true] {
        let mut world = World::new(3);
        let (group, upto, asleep) = without(&mut world, 2);
        world.say(1, group, "lost");
        world.settle();
        assert_eq!(world.texts(0, group), ["before", "lost"]);
        // A commit that the relay takes after it has gone back, before whoever has the word could give it back.
        let here = world.address.duplicate();
        world.act(0, |desk| if moves { desk.move_to(&group, &here) } else { desk.rename(&group, "Renamed") }).unwrap();
        goes_back(&mut world, group, upto);
        world.send_all(0);
        let author = world.people[1].vault.take().unwrap();
        world.people[2].vault = Some(asleep);
        world.settle();
        assert_eq!(world.texts(2, group), ["before"]);
        world.people[1].vault = Some(author);
        world.settle();
        pass(&mut world, 10);
        assert_eq!(world.texts(2, group), ["before", "lost"], "moves: {moves}");
        assert_eq!(world.texts(0, group), ["before", "lost"], "nothing twice");
    }
}

#[test]
fn words_that_were_lost_before_their_author_was_removed_are_shown_as_not_sent() {
    let mut world = World::new(3);
    let (group, upto, asleep) = without(&mut world, 2);
    let heard = world.say(1, group, "given back");
    world.settle();
    let lost = world.say(1, group, "lost");
    world.settle();
    let author = world.member(1);
    world.act(0, |desk| desk.remove(&group, &[author])).unwrap();
    goes_back(&mut world, group, upto + 1);
    world.send_all(0);
    world.people[2].vault = Some(asleep);
    world.settle();
    assert_eq!(world.texts(2, group), ["before", "given back"]);
    assert_eq!(world.row(1, group).standing, Standing::Left);
    assert_eq!(world.state(1, group, heard), MessageState::Sent);
    assert_eq!(world.state(1, group, lost), MessageState::NotSent);
}

#[test]
fn words_said_in_an_epoch_that_the_others_have_left_are_sent_again() {
    for days in [0, 3] {
        let mut world = World::new(3);
        let (group, upto, asleep) = without(&mut world, 1);
        world.act(0, |desk| desk.rename(&group, "Renamed")).unwrap();
        world.settle();
        goes_back(&mut world, group, upto);
        let awake = [0, 2].map(|person| world.people[person].vault.take().unwrap());
        world.people[1].vault = Some(asleep);
        world.settle();
        // Nobody else is there, also not when the hour is over.
        pass(&mut world, days * 24 * 3600);
        let word = world.say(1, group, "said where the commit is lost");
        world.settle();
        assert_eq!(world.state(1, group, word), MessageState::Sent);
        for (person, vault) in [0, 2].into_iter().zip(awake) {
            world.people[person].vault = Some(vault);
        }
        world.settle();
        assert_eq!(world.texts(0, group), ["before"], "they are in the next epoch");
        pass(&mut world, 10);
        for person in [0, 2] {
            assert_eq!(world.texts(person, group), ["before", "said where the commit is lost"], "{days}");
        }
        let before = entries(&mut world, group);
        world.act(0, |desk| desk.rename(&group, "Once more")).unwrap();
        pass(&mut world, 2 * 3600);
        // In the hour in which anything may come back what was sent again is sent once more.
        let again = if days == 0 { 1 } else { 0 };
        assert_eq!(entries(&mut world, group), before + 1 + again, "{days}: the commit alone");
    }
}

#[test]
fn words_that_were_given_back_too_late_are_sent_again() {
    let mut world = World::new(3);
    let (group, upto, asleep) = without(&mut world, 2);
    world.say(1, group, "lost");
    world.settle();
    world.act(0, |desk| desk.rename(&group, "Renamed")).unwrap();
    goes_back(&mut world, group, upto);
    world.read_all(1);
    world.now = world.now.plus_seconds(10);
    world.act(1, |desk| desk.tick()).unwrap();
    // A commit comes first that was under way, and the answer for the word before either is read.
    world.send_all(0);
    world.send_all(1);
    let mailbox = world.row(1, group).mailbox;
    let log = &world.relay.logs[&mailbox];
    let (entry, sequence) = (log.entries.last().unwrap().0.clone(), Sequence(log.entries.len().try_into().unwrap()));
    let place = Place { mailbox, incarnation: log.incarnation, sequence };
    let digest = Sha256::digest(entry.bytes()).into();
    world.act(1, |desk| Ok(tails::keep(desk.tx, &place, &digest, &entry, desk.now)?)).unwrap();
    world.people[2].vault = Some(asleep);
    world.settle();
    assert_eq!(world.row(1, group).name, "Renamed");
    for person in [0, 2] {
        assert_eq!(world.texts(person, group), ["before", "lost"]);
    }
}

#[test]
fn words_said_while_a_log_is_given_back_leave_once_more_and_not_to_newcomers() {
    let mut world = World::new(4);
    let (people, address) = (world.contacts(1..3), world.address.duplicate());
    let group = world.act(0, |desk| desk.create_group("Put back", again(&people), None, &address)).unwrap();
    world.settle();
    world.say(1, group, "before");
    world.settle();
    let upto = entries(&mut world, group);
    goes_back(&mut world, group, upto);
    world.settle();
    let words = [0, 1].map(|person| world.say(person, group, "meanwhile"));
    world.settle();
    pass(&mut world, 3700);
    world.say(1, group, "later");
    world.settle();
    let newcomer = world.contacts([3]);
    world.act(0, |desk| desk.add(&group, again(&newcomer))).unwrap();
    world.settle();
    assert_eq!(world.texts(3, group), [""; 0], "they were not there");
    for (person, word) in [0, 1].into_iter().zip(words) {
        assert_eq!(world.state(person, group, word), MessageState::Undecided);
        world.act(person, |desk| desk.decide(&group, word, Decision::Send)).unwrap();
    }
    world.settle();
    assert_eq!(world.texts(3, group), ["meanwhile"; 2]);
    assert_eq!(world.texts(2, group), ["before", "meanwhile", "meanwhile", "later"], "nothing twice");
    let before = entries(&mut world, group);
    world.act(0, |desk| desk.rename(&group, "Renamed")).unwrap();
    world.settle();
    assert_eq!(entries(&mut world, group), before + 1, "the commit alone");
}

/// A group of three in which 1 follows a commit and the others another one, which the log has lost.
pub(super) fn parted(world: &mut World) -> GroupId {
    let (group, upto, asleep) = without(world, 1);
    let mailbox = world.row(0, group).mailbox;
    world.act(0, |desk| desk.rename(&group, "Won")).unwrap();
    world.settle();
    let awake = [0, 2].map(|person| world.people[person].vault.take().unwrap());
    world.people[1].vault = Some(asleep);
    world.act(1, |desk| desk.rename(&group, "Lost")).unwrap();
    world.send_all(1);
    // Everybody but its author reads that it has lost.
    let asleep = world.people[1].vault.take().unwrap();
    for (person, vault) in [0, 2].into_iter().zip(awake) {
        world.people[person].vault = Some(vault);
        world.read_all(person);
    }
    let rival = world.relay.logs[&mailbox].entries.last().unwrap().0.clone();
    let log = world.relay.logs.get_mut(&mailbox).unwrap();
    log.go_back(&mailbox, upto);
    log.push(&mailbox, rival);
    world.people[1].vault = Some(asleep);
    world.settle();
    assert_eq!((world.row(0, group).name.as_str(), world.row(1, group).name.as_str()), ("Won", "Lost"));
    group
}

#[test]
fn a_commit_that_had_lost_and_wins_now_is_not_passed_over() {
    let mut world = World::new(3);
    parted(&mut world);
    for person in [0, 2] {
        assert!(world.alarms(person).contains(&AlarmKind::MissingCommit), "{person} is told");
    }
}

#[test]
fn what_a_relay_does_not_take_is_not_given_to_it_without_end() {
    let mut world = World::new(3);
    let (group, upto, asleep) = without(&mut world, 2);
    world.people[2].vault = Some(asleep);
    for _ in 0..5 {
        world.say(1, group, "lost");
    }
    world.settle();
    goes_back(&mut world, group, upto);
    for person in 0..3 {
        world.read_all(person);
    }
    // It answers nothing, and says again that it was put back.
    for _ in 0..5 {
        world.now = world.now.plus_seconds(600);
        for person in 0..3 {
            world.act(person, |desk| desk.tick()).unwrap();
        }
        goes_back(&mut world, group, upto);
        for person in 0..3 {
            world.read_all(person);
        }
    }
    for person in 0..3 {
        let given = |call: &Call| matches!(call, Call::Append { .. });
        let waiting = world.people[person].outbox.iter().filter(|(call, _)| given(call)).count();
        assert!(waiting <= 5, "{waiting} wait at {person}");
    }
    // It takes it after all.
    for _ in 0..20 {
        pass(&mut world, 10);
    }
    assert_eq!(world.texts(2, group).len(), 6);
}
