use openmls_traits::OpenMlsProvider;
use relevo_protocol::content::Body;

use crate::conversation::world::World;
use crate::conversation::{MessageState, Standing};
use crate::sync::WINDOW;
use crate::vault::conversations;

#[test]
fn two_people_talk_and_what_the_relay_holds_is_sealed() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    let hello = world.say(0, group, "Bonjour à tous");
    assert_eq!(world.state(0, group, hello), MessageState::Waiting);
    world.settle();
    assert_eq!(world.state(0, group, hello), MessageState::Sent);
    let answer = world.say(1, group, "Buenos días");
    world.settle();
    assert_eq!(world.state(1, group, answer), MessageState::Sent);
    let both = vec!["Bonjour à tous".to_owned(), "Buenos días".to_owned()];
    assert_eq!(world.texts(0, group), both);
    assert_eq!(world.texts(1, group), both);
    for log in world.relay.logs.values() {
        for (entry, _) in &log.entries {
            let bytes = entry.bytes();
            assert!(!bytes.windows(7).any(|window| window == b"Bonjour" || window == b"Buenos "));
        }
    }
    assert!(world.alarms(0).is_empty() && world.alarms(1).is_empty());
    assert_eq!(world.row(0, group).standing, Standing::Live);
}

#[test]
fn words_written_before_the_other_has_joined_reach_it() {
    let mut world = World::new(2);
    let (contact, address) = (world.contact(1), world.address.duplicate());
    let group = world.act(0, |desk| desk.create_pair((contact.0, contact.1.duplicate()), &address)).unwrap();
    world.say(0, group, "written offline");
    world.settle();
    assert_eq!(world.texts(1, group), ["written offline"]);
}

#[test]
fn a_pair_is_found_again_and_not_made_twice() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    let (contact, address) = (world.contact(1), world.address.duplicate());
    let again = world.act(0, |desk| desk.create_pair((contact.0, contact.1.duplicate()), &address)).unwrap();
    assert_eq!(again, group);
}

#[test]
fn a_pair_writes_its_leaf_anew_on_the_first_word_after_hearing_the_other_and_no_sooner() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    world.say(0, group, "one");
    world.say(0, group, "two");
    world.settle();
    let epoch = world.row(0, group).epoch;
    world.say(1, group, "three");
    world.settle();
    assert_eq!(world.row(0, group).epoch, epoch + 1, "the answer writes a leaf anew");
    world.say(1, group, "four");
    world.settle();
    assert_eq!(world.row(0, group).epoch, epoch + 1, "nothing was heard meanwhile");
    world.say(0, group, "five");
    world.settle();
    assert_eq!(world.row(1, group).epoch, epoch + 2);
    assert_eq!(world.texts(1, group), ["one", "two", "three", "four", "five"]);
}

#[test]
fn receipts_make_a_message_delivered_and_cost_no_commit() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    let id = world.say(0, group, "did you get this?");
    world.settle();
    let epoch = world.row(0, group).epoch;
    world.act(1, |desk| desk.acknowledge()).unwrap();
    world.settle();
    assert_eq!(world.state(0, group, id), MessageState::Delivered);
    assert_eq!(world.row(0, group).epoch, epoch);
    world.act(1, |desk| desk.acknowledge()).unwrap();
    assert!(world.people[1].outbox.is_empty(), "a message is acknowledged once");
}

#[test]
fn an_entry_that_the_relay_replays_is_not_a_second_message() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    world.say(0, group, "once");
    world.settle();
    for (mailbox, log) in &mut world.relay.logs {
        for (entry, _) in log.entries.clone() {
            log.push(mailbox, entry);
        }
    }
    world.settle();
    assert_eq!(world.texts(1, group), ["once"]);
    assert_eq!(world.texts(0, group), ["once"]);
    world.say(1, group, "still here");
    world.settle();
    assert_eq!(world.texts(0, group), ["once", "still here"]);
}

#[test]
fn words_that_the_most_others_overtake_are_read() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    let first = world.say(0, group, "first");
    for number in 1..WINDOW {
        world.say(0, group, &number.to_string());
    }
    assert_eq!(world.people[0].outbox.len(), usize::try_from(WINDOW).unwrap());
    // The relay puts the first off and takes the others.
    world.people[0].outbox.rotate_left(1);
    world.settle();
    assert_eq!(world.state(0, group, first), MessageState::Sent);
    let read = world.texts(1, group);
    assert_eq!((read.len(), read.last().map(String::as_str)), (usize::try_from(WINDOW).unwrap(), Some("first")));
}

#[test]
fn keys_of_a_leaf_do_not_outlive_the_transaction_that_failed() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    let count = |world: &mut World| {
        let vault = world.people[0].vault.as_mut().unwrap();
        vault.transaction(|tx| conversations::seats(tx, &group)).unwrap().len()
    };
    assert_eq!(count(&mut world), 2);
    let failed = world.act(0, |desk| {
        let text = "never sent".parse().unwrap();
        desk.send(&group, Body::Text { text, language: None })?;
        let room = desk.enter(&group)?;
        room.mls.export_secret(desk.provider().crypto(), "test", &[], 32).unwrap();
        Err::<(), _>(crate::conversation::ConversationFault::NotIn)
    });
    failed.unwrap_err();
    world.say(0, group, "sent");
    world.settle();
    assert_eq!(world.texts(1, group), ["sent"]);
    assert_eq!(world.texts(0, group), ["sent"]);
}
