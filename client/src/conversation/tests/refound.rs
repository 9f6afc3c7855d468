//! Conversations that cannot go on are founded anew.

use relevo_protocol::content::{Body, GroupId};
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Call, Refusal};

use super::halt::lose_keys;
use super::put_back::{parted, pass};
use crate::conversation::context::Origin;
use crate::conversation::refound::{Anew, Sure};
use crate::conversation::world::{World, again};
use crate::conversation::{
    AlarmKind, Awaited, ConversationFault, Decision, Kind, MessageState, Standing, alarms, lineage, pair_with,
};
use crate::vault::conversations::{self, ConversationRow};
use crate::vault::intentions;

pub(super) fn refound(
    world: &mut World,
    person: usize,
    group: GroupId,
    without: &[MemberKey],
) -> Result<Anew, ConversationFault> {
    let address = world.address.duplicate();
    world.act(person, |desk| desk.refound(&group, without, &address))
}

/// Whoever founded a conversation anew, 0, invites somebody no more.
pub(super) fn uninvite(world: &mut World, anew: GroupId, person: usize) {
    let missing = world.member(person);
    world
        .act(0, |desk| {
            for one in desk.meant(&anew)? {
                desk.uninvite(one, |member| *member == missing)?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn who_followed_two_logs_is_together_again_in_the_one_that_is_founded_anew() {
    let mut world = World::new(3);
    let group = parted(&mut world);
    world.say(1, group, "nobody else reads this");
    world.settle();
    assert_eq!(world.texts(0, group), ["before"]);
    let anew = refound(&mut world, 0, group, &[]).unwrap();
    assert_eq!((anew.invited.len(), anew.unreached.len()), (2, 0));
    world.settle();
    let fresh = anew.group;
    for person in 0..3 {
        assert_eq!(world.row(person, group).successor, Some(fresh), "{person}");
        assert_eq!(world.row(person, fresh).administrators.len(), 2, "whoever administrated it does");
        world.say(person, fresh, "together");
        let late = || Body::Text { text: "too late".parse().unwrap(), language: None };
        let refused = world.act(person, |desk| desk.send(&group, late()));
        assert!(matches!(refused.unwrap_err(), ConversationFault::GoesOnElsewhere));
        let told = world.alarms(person);
        assert_eq!(told.contains(&AlarmKind::Refounded), person != 0, "{person}: {told:?}");
        assert!(!told.contains(&AlarmKind::MissingCommit), "{person}: {told:?}");
    }
    world.settle();
    for person in 0..3 {
        assert_eq!(world.texts(person, fresh), ["together"; 3]);
        assert_eq!(world.row(person, fresh).name, "Won");
    }
    let about = world.act(1, |desk| Ok(alarms(desk.tx)?)).unwrap();
    let said = about.iter().find(|alarm| alarm.kind == AlarmKind::Refounded).unwrap();
    assert_eq!((said.group, said.about), (fresh, Some(world.member(0))));
}

#[test]
fn what_has_not_left_is_said_in_the_new_one_and_what_is_on_its_way_is_not_said_twice() {
    let mut world = World::new(3);
    let group = world.group("Words");
    // Behind a commit of its own; and what has left already.
    world.act(1, |desk| desk.rename(&group, "On its way")).unwrap();
    let behind = world.say(1, group, "behind a commit");
    let lost = world.people[1].outbox.pop_front();
    let left = world.say(2, group, "on its way");
    world.send_all(2);
    let anew = refound(&mut world, 0, group, &[]).unwrap().group;
    world.settle();
    assert_eq!(world.state(2, group, left), MessageState::Sent);
    assert_eq!(world.state(1, anew, behind), MessageState::Sent);
    for person in 0..3 {
        assert_eq!(world.texts(person, anew), ["behind a commit"], "{person}");
        assert_eq!(world.texts(person, group), ["on its way"], "{person}: the old one is read on");
    }
    // The commit wins late, which changes nothing.
    world.people[1].outbox.extend(lost);
    world.settle();
    assert_eq!((world.row(0, group).name.as_str(), world.row(0, anew).name.as_str()), ("On its way", "Words"));
    assert_eq!(world.row(0, group).successor, Some(anew));
}

#[test]
fn who_halts_the_others_is_left_behind_and_told() {
    let mut world = World::new(4);
    let group = world.group("Halting");
    lose_keys(&mut world, 3, group);
    world.act(1, |desk| desk.rename(&group, "A commit with a path")).unwrap();
    while world.send_one(1) || world.read_one(1) {}
    world.read_all(3);
    assert_eq!(world.row(3, group).standing, Standing::Halted);
    world.read_all(0);
    world.people[0].parcels.clear();
    let without = [world.member(1)];
    let anew = refound(&mut world, 0, group, &without).unwrap().group;
    world.settle();
    assert_eq!(world.row(1, group).standing, Standing::Left, "removed where it still could be");
    let people: Vec<_> = [0, 2, 3].map(|person| world.member(person)).into();
    for person in [0, 2, 3] {
        assert_eq!(world.row(person, group).successor, Some(anew));
        let seats = world.act(person, |desk| Ok(conversations::seats(desk.tx, &anew)?)).unwrap();
        assert!(seats.len() == 3 && seats.iter().all(|seat| people.contains(&seat.member)));
        assert_eq!(world.row(person, anew).administrators.len(), 2, "and another one administrates it");
    }
    assert!(!world.alarms(3).contains(&AlarmKind::Halted), "it goes on");
    let found = world.act(1, |desk| Ok(conversations::find(desk.tx, &anew)?.is_some())).unwrap();
    assert!(!found);
}

#[test]
fn only_who_administrates_a_conversation_takes_it_over() {
    let mut world = World::new(4);
    let group = world.group("Coveted");
    let refused = refound(&mut world, 2, group, &[]).unwrap_err();
    assert!(matches!(refused, ConversationFault::NotAdministrator));
    // So it is made by hand, and everybody comes.
    let origin = Origin { line: vec![group], without: Vec::new() };
    let trap = claim(&mut world, 2, &origin, &[0, 1, 3], &[2]);
    world.settle();
    for person in [0, 1, 3] {
        assert_eq!(world.row(person, trap).standing, Standing::Live);
        assert_eq!(world.row(person, group).successor, None, "{person}");
        assert!(!world.alarms(person).contains(&AlarmKind::Refounded));
        world.say(person, group, "here");
    }
    world.settle();
    assert_eq!(world.texts(3, group), ["here"; 3]);
    // Whoever becomes one is believed.
    let administrators = [0, 1, 2].map(|person| world.member(person));
    world.act(0, |desk| desk.set_administrators(&group, &administrators)).unwrap();
    world.settle();
    pass(&mut world, 3600);
    for person in [0, 1, 3] {
        assert_eq!(world.row(person, group).successor, Some(trap), "{person}");
    }
}

#[test]
fn two_who_found_it_anew_at_once_end_in_the_same_one() {
    let mut world = World::new(4);
    let group = world.group("Twice");
    let ours = refound(&mut world, 0, group, &[]).unwrap().group;
    world.say(0, ours, "before the other is known");
    let theirs = refound(&mut world, 1, group, &[]).unwrap().group;
    world.settle();
    let (winner, loser) = (ours.min(theirs), ours.max(theirs));
    for person in 0..4 {
        let present = [group, loser, winner].map(|one| world.act(person, |desk| desk.present(&one)).unwrap());
        assert_eq!(present, [winner; 3], "{person}");
        let line = world.act(person, |desk| Ok(lineage(desk.tx, &winner)?)).unwrap();
        assert!(line.len() == 3 && [group, loser, winner].iter().all(|one| line.contains(one)));
        world.say(person, winner, "in one place");
    }
    world.settle();
    for person in 0..4 {
        let mut texts = world.texts(person, winner);
        texts.extend(world.texts(person, loser));
        texts.sort();
        assert_eq!(
            texts,
            ["before the other is known", "in one place", "in one place", "in one place", "in one place"]
        );
    }
}

#[test]
fn it_is_not_founded_anew_twice_by_one_who_asks_twice() {
    let mut world = World::new(3);
    let group = world.group("Patience");
    let anew = refound(&mut world, 0, group, &[]).unwrap().group;
    assert!(matches!(refound(&mut world, 0, group, &[]).unwrap_err(), ConversationFault::GoesOnElsewhere));
    assert!(matches!(refound(&mut world, 0, anew, &[]).unwrap_err(), ConversationFault::JustRefounded));
    world.settle();
    let stranger = [MemberKey::new([7; 32])];
    assert!(matches!(refound(&mut world, 0, anew, &stranger).unwrap_err(), ConversationFault::NoSuchMember));
    let myself = [world.member(0)];
    assert!(matches!(refound(&mut world, 0, anew, &myself).unwrap_err(), ConversationFault::NoSuchMember));
    let others = [1, 2].map(|person| world.member(person));
    assert!(matches!(refound(&mut world, 0, anew, &others).unwrap_err(), ConversationFault::NobodyReached));
    assert_eq!(world.row(0, anew).successor, None, "nothing of it was done");
}

#[test]
fn a_pair_in_which_one_cannot_go_on_is_founded_anew_by_its_device() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    world.say(1, group, "before");
    world.settle();
    lose_keys(&mut world, 1, group);
    // The answer brings a path, which does not open.
    world.say(0, group, "with a new leaf");
    while world.send_one(0) || world.read_one(0) {}
    let held = world.say(1, group, "written meanwhile");
    world.read_all(1);
    assert_eq!(world.row(1, group).standing, Standing::Halted);
    world.act(1, |desk| desk.tick()).unwrap();
    world.settle();
    let anew = world.row(1, group).successor.unwrap();
    for (person, other) in [(0, 1), (1, 0)] {
        let other = world.member(other);
        assert_eq!(world.row(person, group).successor, Some(anew), "{person}");
        assert_eq!(world.act(person, |desk| Ok(pair_with(desk.tx, &other)?)).unwrap(), Some(anew));
        world.say(person, anew, "after");
    }
    assert_eq!(world.state(1, anew, held), MessageState::Undecided, "it may have been read");
    world.act(1, |desk| desk.decide(&anew, held, Decision::Send)).unwrap();
    world.settle();
    let mut texts = world.texts(0, anew);
    texts.sort();
    assert_eq!(texts, ["after", "after", "written meanwhile"]);
    // Whoever stops it again and again makes no more of them.
    for person in [0, 1, 0, 1] {
        world.say(person, anew, "to and fro");
        world.settle();
    }
    lose_keys(&mut world, 1, anew);
    world.say(0, anew, "with a new leaf");
    while world.send_one(0) || world.read_one(0) {}
    world.read_all(1);
    assert_eq!(world.row(1, anew).standing, Standing::Halted);
    pass(&mut world, 60);
    assert_eq!(world.row(1, anew).successor, None);
    let (contact, address) = (world.contact(0), world.address.duplicate());
    let third = world.act(1, |desk| desk.create_pair((contact.0, contact.1.duplicate()), &address)).unwrap();
    world.settle();
    assert_eq!((world.row(1, anew).successor, world.row(0, anew).successor), (Some(third), Some(third)));
}

#[test]
fn conversations_that_each_say_they_continue_the_other_do_not_go_round_in_circles() {
    let mut world = World::new(2);
    let group = world.group("Circle");
    let like = world.row(0, group);
    let founder = world.member(1);
    let ids = [GroupId([1; 16]), GroupId([2; 16]), GroupId([3; 16])];
    world
        .act(0, |desk| {
            for (at, id) in ids.iter().enumerate() {
                let before = ids[(at + 1) % 3];
                let administrators = vec![founder];
                conversations::put(
                    desk.tx,
                    &ConversationRow { id: *id, continues: Some((before, founder)), administrators, ..like.clone() },
                )?;
            }
            for _ in 0..2 {
                for (at, id) in ids.iter().enumerate() {
                    desk.succeed(&ids[(at + 1) % 3], id, &founder, Sure::Yes)?;
                }
            }
            Ok(())
        })
        .unwrap();
    let open = ids.iter().filter(|id| world.row(0, **id).successor.is_none()).count();
    assert_eq!(open, 1, "one of them is where words go");
}

/// A group that says whatever its author likes about what it continues.
fn claim(world: &mut World, person: usize, origin: &Origin, people: &[usize], administrators: &[usize]) -> GroupId {
    let (people, address) = (world.contacts(people.iter().copied()), world.address.duplicate());
    let administrators: Vec<_> = administrators.iter().map(|one| world.member(*one)).collect();
    let made = world.act(person, |desk| {
        let name = "Claimed".to_owned();
        let made =
            desk.create(Kind::Group, name, administrators.clone(), again(&people), &address, Some(origin.clone()))?;
        // An honest program would let nobody into it.
        conversations::set_successor(desk.tx, &origin.line[0], &made)?;
        Ok(made)
    });
    world.settle();
    made.unwrap()
}

fn present(world: &mut World, person: usize, group: GroupId) -> GroupId {
    world.act(person, |desk| desk.present(&group)).unwrap()
}

#[test]
fn an_administrator_who_was_left_out_does_not_take_it_over() {
    let mut world = World::new(4);
    let group = world.group("Left out");
    let without = [world.member(1)];
    let anew = refound(&mut world, 0, group, &without).unwrap().group;
    // The removal is lost, so that all who read on in the old one believe that 1 administrates it.
    world.act(0, |desk| Ok(intentions::remove_all(desk.tx, &group)?)).unwrap();
    world.settle();
    let origin = Origin { line: vec![group], without: Vec::new() };
    for _ in 0..6 {
        claim(&mut world, 1, &origin, &[0, 2, 3], &[1]);
    }
    for person in [0, 2, 3] {
        assert!(world.row(person, group).administrators.contains(&without[0]));
        assert_eq!(present(&mut world, person, group), anew, "{person}");
    }
}

#[test]
fn nobody_says_for_another_what_a_conversation_continues() {
    let mut world = World::new(4);
    let group = world.group("Deputy");
    let origin = Origin { line: vec![group], without: Vec::new() };
    let picnic = claim(&mut world, 2, &origin, &[0], &[0, 2]);
    assert_eq!(world.row(0, picnic).standing, Standing::Live);
    let person = world.contacts([3]);
    world.act(0, |desk| desk.add(&picnic, again(&person))).unwrap();
    world.settle();
    pass(&mut world, 60);
    assert!(world.alarms(0).contains(&AlarmKind::NotDone));
    world.act(2, |desk| desk.add(&picnic, again(&person))).unwrap();
    world.settle();
    assert_eq!(world.row(3, picnic).standing, Standing::Live);
    for person in [0, 3] {
        assert_eq!(present(&mut world, person, group), group, "{person}");
    }
}

#[test]
fn who_was_removed_takes_it_over_from_nobody_who_has_not_read_it_yet() {
    let mut world = World::new(4);
    world.signs();
    let group = world.group("Stale");
    let asleep = world.people[3].vault.take();
    let removed = [world.member(1)];
    world.act(0, |desk| desk.remove(&group, &removed)).unwrap();
    world.settle();
    let origin = Origin { line: vec![group], without: Vec::new() };
    let trap = claim(&mut world, 1, &origin, &[3], &[1]);
    world.people[3].vault = asleep;
    world.open_parcels(3);
    assert_eq!(world.row(3, trap).standing, Standing::Live);
    assert_eq!(present(&mut world, 3, group), group, "not judged yet");
    let words = world.say(3, group, "for those who are in it");
    world.settle();
    pass(&mut world, 2 * 3600);
    assert_eq!(present(&mut world, 3, group), group);
    assert_eq!(world.state(3, group, words), MessageState::Sent);
    assert_eq!(world.texts(1, trap), [""; 0]);
}

#[test]
fn where_its_relay_says_nothing_it_is_judged_after_an_hour_and_authors_are_asked() {
    let mut world = World::new(3);
    let group = world.group("Silent");
    world.act(1, |desk| desk.rename(&group, "Never leaves")).unwrap();
    let words = world.say(1, group, "behind it");
    world.people[1].outbox.clear();
    let anew = refound(&mut world, 0, group, &[]).unwrap().group;
    for _ in 0..200 {
        for person in 0..3 {
            // The old log's relay answers nobody.
            let place = world.row(person, group).mailbox;
            world.people[person]
                .outbox
                .retain(|(call, _)| !matches!(call, Call::Checkpoint { mailbox, .. } if *mailbox == place));
            world.send_one(person);
            world.read_one(person);
            world.open_parcels(person);
        }
    }
    assert_eq!(world.row(1, anew).standing, Standing::Live);
    assert_eq!(present(&mut world, 1, group), group, "it may have more to read");
    world.now = world.now.plus_seconds(2 * 3600);
    for person in 0..3 {
        world.act(person, |desk| desk.tick()).unwrap();
    }
    assert_eq!(present(&mut world, 1, group), anew);
    assert_eq!(world.state(1, anew, words), MessageState::Undecided);
}

#[test]
fn words_whose_echo_does_not_come_are_asked_about_after_a_day() {
    let mut world = World::new(3);
    let group = world.group("No echo");
    let words = world.say(2, group, "on its way for ever");
    world.people[2].outbox.clear();
    let anew = refound(&mut world, 0, group, &[]).unwrap().group;
    world.settle();
    assert_eq!(world.state(2, group, words), MessageState::Waiting);
    pass(&mut world, 25 * 3600);
    assert_eq!(world.state(2, anew, words), MessageState::Undecided);
    world.act(2, |desk| desk.decide(&anew, words, Decision::Send)).unwrap();
    world.settle();
    assert_eq!(world.texts(0, anew), ["on its way for ever"]);
}

#[test]
fn one_that_no_relay_opens_is_founded_anew_once_more() {
    let mut world = World::new(3);
    let group = world.group("Refused");
    let anew = refound(&mut world, 0, group, &[]).unwrap().group;
    world.people[0].outbox.clear();
    let founder = world.member(0);
    let refused = Awaited::Opening { group: anew };
    world.act(0, |desk| desk.answered(&refused, Err(Refusal::RelayFull))).unwrap();
    let third = refound(&mut world, 0, anew, &[]).unwrap().group;
    world.settle();
    for person in 0..3 {
        assert_eq!(present(&mut world, person, group), third, "{person}");
    }
    assert_eq!(world.row(1, third).continues, Some((group, founder)), "nobody has heard of the second");
}

#[test]
fn who_did_not_hear_of_the_first_one_follows_the_second() {
    let mut world = World::new(4);
    let group = world.group("Twice anew");
    let asleep = world.people[3].vault.take();
    let first = refound(&mut world, 0, group, &[]).unwrap().group;
    world.settle();
    // The welcome into the first never comes.
    world.people[3].parcels.clear();
    let second = refound(&mut world, 1, first, &[]).unwrap().group;
    world.settle();
    world.people[3].vault = asleep;
    world.settle();
    for person in 0..4 {
        assert_eq!(present(&mut world, person, group), second, "{person}");
        world.say(person, second, "all");
    }
    world.settle();
    assert_eq!(world.texts(3, second), ["all"; 4]);
}

#[test]
fn whoever_was_left_behind_is_added_by_another_and_follows() {
    let mut world = World::new(4);
    let group = world.group("Left behind");
    let asleep = world.people[3].vault.take();
    let anew = refound(&mut world, 0, group, &[]).unwrap().group;
    // There is nothing on the shelf of 3.
    uninvite(&mut world, anew, 3);
    world.settle();
    world.people[3].vault = asleep;
    world.say(3, group, "is anybody there?");
    world.settle();
    for person in [0, 1] {
        assert!(world.alarms(person).contains(&AlarmKind::LeftBehind), "{person}");
    }
    assert!(!world.alarms(2).contains(&AlarmKind::LeftBehind), "who can do nothing about it");
    let person = world.contacts([3]);
    world.act(1, |desk| desk.add(&anew, again(&person))).unwrap();
    world.settle();
    assert_eq!(present(&mut world, 3, group), anew);
    assert!(!world.alarms(1).contains(&AlarmKind::LeftBehind));
}

#[test]
fn rivals_end_in_the_same_one_in_whatever_order_they_are_heard_of() {
    let orders = [[0, 1, 2, 3], [2, 1, 0, 3], [1, 3, 0, 2], [3, 2, 1, 0], [2, 0, 3, 1], [0, 3, 1, 2]];
    let mut ends = Vec::new();
    for order in orders {
        let mut world = World::new(2);
        let old = world.group("Rivals");
        let like = world.row(0, old);
        let founder = world.member(1);
        // Three continue the old one; the fourth continues the one that comes first.
        let ids = [5, 3, 7, 9].map(|id| GroupId([id; 16]));
        let before = [old, old, old, ids[1]];
        world
            .act(0, |desk| {
                let administrators = vec![founder, desk.me.member];
                for at in order {
                    let continues = Some((before[at], founder));
                    let row = ConversationRow {
                        id: ids[at],
                        continues,
                        administrators: administrators.clone(),
                        ..like.clone()
                    };
                    conversations::put(desk.tx, &row)?;
                    desk.succeed(&before[at], &ids[at], &founder, Sure::Yes)?;
                }
                for at in order {
                    desk.succeed(&before[at], &ids[at], &founder, Sure::Yes)?;
                }
                Ok(())
            })
            .unwrap();
        let open: Vec<_> = ids.into_iter().filter(|id| world.row(0, *id).successor.is_none()).collect();
        assert_eq!(open.len(), 1, "{order:?}");
        assert_eq!(present(&mut world, 0, old), open[0], "{order:?}");
        ends.push(open[0]);
    }
    assert_eq!(ends, [ends[0]; 6]);
}
