//! Words of a conversation that goes on in another one reach whom they were meant for, also those who come later.

use relevo_protocol::content::{Body, GroupId, MessageId};

use super::refound::{refound, uninvite};
use crate::conversation::world::{World, again};
use crate::conversation::{Decision, MessageState};
use crate::vault::{conversations, messages};

/// 0 has founded anew a conversation in which words of 1 had not left; 3 is not invited yet. Gives the new one, and the words.
fn without_3(world: &mut World) -> (GroupId, MessageId) {
    let group = world.group("Mesa");
    world.act(1, |desk| desk.rename(&group, "On its way")).unwrap();
    let words = world.say(1, group, "had not left");
    world.people[1].outbox.pop_front();
    let anew = refound(world, 0, group, &[]).unwrap().group;
    uninvite(world, anew, 3);
    world.settle();
    assert_eq!(world.state(1, anew, words), MessageState::Sent);
    assert_eq!(world.texts(2, anew), ["had not left"]);
    (anew, words)
}

fn add(world: &mut World, anew: GroupId, people: &[usize]) {
    let people = world.contacts(people.iter().copied());
    world.act(0, |desk| desk.add(&anew, again(&people))).unwrap();
    world.settle();
}

fn stranger(world: &mut World) -> usize {
    let member = world.alliance.admit(1, "Nadia");
    world.enter(member)
}

#[test]
fn words_that_were_meant_for_who_comes_later_are_said_once_more_for_them() {
    let mut world = World::new(4);
    let (anew, words) = without_3(&mut world);
    world.say(1, anew, "said here, for who is here");
    world.settle();
    add(&mut world, anew, &[3]);
    assert_eq!(world.texts(3, anew), ["had not left"]);
    assert_eq!(world.state(1, anew, words), MessageState::Sent);
    assert_eq!(world.texts(2, anew), ["had not left", "said here, for who is here"], "and nobody reads them twice");
    // Everybody who was meant is in: that is the end of it.
    let stranger = stranger(&mut world);
    add(&mut world, anew, &[stranger]);
    assert_eq!(world.texts(stranger, anew), [""; 0]);
    assert_eq!(world.state(1, anew, words), MessageState::Sent);
}

#[test]
fn their_author_is_asked_where_somebody_new_would_read_them_too() {
    let mut world = World::new(4);
    let (anew, words) = without_3(&mut world);
    let stranger = stranger(&mut world);
    add(&mut world, anew, &[stranger, 3]);
    assert_eq!(world.state(1, anew, words), MessageState::Undecided);
    assert_eq!(world.texts(3, anew), [""; 0]);
    world.act(1, |desk| desk.decide(&anew, words, Decision::Send)).unwrap();
    world.settle();
    for person in [2, 3, stranger] {
        assert_eq!(world.texts(person, anew), ["had not left"], "{person}");
    }
}

#[test]
fn their_author_is_asked_where_somebody_new_has_come_before() {
    let mut world = World::new(4);
    let (anew, words) = without_3(&mut world);
    let stranger = stranger(&mut world);
    add(&mut world, anew, &[stranger]);
    assert_eq!(world.state(1, anew, words), MessageState::Sent);
    add(&mut world, anew, &[3]);
    assert_eq!(world.state(1, anew, words), MessageState::Undecided);
    for person in [3, stranger] {
        assert_eq!(world.texts(person, anew), [""; 0], "{person}");
    }
}

#[test]
fn an_administrators_own_words_wait_for_no_stranger_whom_they_add() {
    let mut world = World::new(3);
    let group = world.group("Mesa");
    world.act(0, |desk| desk.rename(&group, "On its way")).unwrap();
    let words = world.say(0, group, "had not left");
    world.people[0].outbox.pop_front();
    let anew = refound(&mut world, 0, group, &[]).unwrap().group;
    let stranger = stranger(&mut world);
    let people = world.contacts([stranger]);
    world.act(0, |desk| desk.add(&anew, again(&people))).unwrap();
    world.settle();
    let seats = world.act(0, |desk| Ok(conversations::seats(desk.tx, &anew)?)).unwrap();
    assert_eq!(seats.len(), 4);
    assert_eq!(world.texts(stranger, anew), [""; 0]);
    // Said to those who came first, or asked about where the stranger came with them.
    let state = world.state(0, anew, words);
    let heard = world.texts(1, anew) == ["had not left"];
    assert!(state == if heard { MessageState::Sent } else { MessageState::Undecided }, "{state:?}");
    world.act(0, |desk| desk.decide(&anew, words, Decision::Send)).unwrap();
    world.settle();
    assert_eq!(world.texts(1, anew), ["had not left"]);
}

#[test]
fn words_go_along_where_it_is_founded_anew_once_more() {
    let mut world = World::new(4);
    let (anew, words) = without_3(&mut world);
    let last = refound(&mut world, 0, anew, &[]).unwrap().group;
    world.settle();
    add(&mut world, last, &[3]);
    assert_eq!(world.state(1, last, words), MessageState::Sent);
    assert_eq!(world.texts(3, last), ["had not left"]);
    assert_eq!((world.texts(2, anew), world.texts(2, last)), (vec!["had not left".to_owned()], vec![]), "once");
}

#[test]
fn who_was_left_out_on_the_way_is_not_meant_any_more() {
    let mut world = World::new(4);
    let (anew, words) = without_3(&mut world);
    let left_out = world.member(2);
    let middle = refound(&mut world, 0, anew, &[left_out]).unwrap().group;
    world.settle();
    let last = refound(&mut world, 0, middle, &[]).unwrap().group;
    world.settle();
    add(&mut world, last, &[2]);
    assert_eq!(world.texts(2, last), [""; 0]);
    add(&mut world, last, &[3]);
    assert_eq!(world.state(1, last, words), MessageState::Undecided, "2 would read it once more");
}

#[test]
fn words_that_wait_while_those_come_who_were_meant_are_not_asked_about() {
    let mut world = World::new(4);
    let (anew, _) = without_3(&mut world);
    let group = world.row(1, anew).continues.unwrap().0;
    let document = || Body::Text { text: "begun before".parse().unwrap(), language: None };
    let words = world.act(1, |desk| desk.send_from(&group, &anew, document())).unwrap();
    let fresh = world.say(1, anew, "said here");
    let held = std::mem::take(&mut world.people[1].outbox);
    add(&mut world, anew, &[3]);
    world.people[1].outbox.extend(held);
    world.settle();
    assert_eq!(world.state(1, anew, words), MessageState::Sent);
    assert_eq!(world.state(1, anew, fresh), MessageState::Undecided, "who was not here when they were said");
    assert_eq!(world.texts(3, anew), ["had not left", "begun before"]);
    // Where somebody is by now who was not there when it was begun.
    let stranger = stranger(&mut world);
    add(&mut world, anew, &[stranger]);
    let words = world.act(1, |desk| desk.send_from(&group, &anew, document())).unwrap();
    world.settle();
    assert_eq!(world.state(1, anew, words), MessageState::Undecided);
    assert_eq!(world.texts(stranger, anew), [""; 0]);
}

#[test]
fn what_was_heard_in_the_old_one_is_not_read_again_in_the_new_one() {
    let mut world = World::new(3);
    let group = world.group("Mesa");
    let words = world.say(1, group, "heard");
    world.settle();
    // As where a restored relay may not have given it to all.
    world
        .act(1, |desk| {
            let said = messages::by_id(desk.tx, &group, &desk.me.member, words)?.unwrap();
            Ok(messages::wait_again(desk.tx, said.number, desk.now)?)
        })
        .unwrap();
    let asleep = world.people[2].vault.take();
    let anew = refound(&mut world, 0, group, &[]).unwrap().group;
    world.settle();
    let again = world.act(1, |desk| Ok(messages::in_state(desk.tx, &anew, MessageState::Undecided)?)).unwrap();
    for message in again {
        world.act(1, |desk| desk.decide(&anew, message.id, Decision::Send)).unwrap();
    }
    world.people[2].vault = asleep;
    world.settle();
    assert_eq!(world.state(1, anew, words), MessageState::Sent);
    for person in [0, 2] {
        assert_eq!(world.texts(person, group), ["heard"], "{person}");
        assert_eq!(world.texts(person, anew), [""; 0], "{person}");
    }
}
