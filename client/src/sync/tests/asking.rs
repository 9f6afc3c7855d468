//! From where a mailbox is asked for, once at a time: an honest relay is accused of nothing.

use std::time::Duration;

use relevo_protocol::wire::{Call, Outcome};

use super::super::*;
use super::lies::{again, reader};
use super::world::{World, entry, following_of, mailbox};
use crate::link::Ticket;

/// Somebody asks for a mailbox to be read again while the relay is asked where it stands.
fn follow_again(world: &mut World) -> Vec<(Ticket, Outcome)> {
    again(world);
    while world.execute() {}
    let answers = std::mem::take(&mut world.answers);
    assert_eq!(answers.len(), 1);
    world.follow(1);
    assert!(!world.requests.iter().any(|(_, call)| matches!(call, Call::Resume { .. })), "asked twice at a time");
    answers
}

#[test]
fn a_mailbox_that_is_to_be_read_again_while_it_is_asked_for_is_asked_for_once_and_nobody_is_accused() {
    let mut world = reader();
    world.relay.restore(mailbox(1), 0);
    let answers = follow_again(&mut world);
    world.deliver(answers);
    world.settle();
    world.relay.append(mailbox(1), entry(2, 9));
    world.settle();
    assert_eq!(world.notices(), ["other incarnation"]);
    assert_eq!(world.entries(1).last(), Some(&(2, 9)), "and it is pushed");
}

#[test]
fn a_mailbox_that_is_to_be_read_again_while_it_is_refused_is_asked_for_again_soon() {
    let mut world = reader();
    world.relay.mailboxes.clear();
    let answers = follow_again(&mut world);
    world.relay.append(mailbox(1), entry(2, 9));
    let before = world.elapsed;
    world.deliver(answers);
    world.settle();
    assert_eq!(world.entries(1).last(), Some(&(2, 9)));
    assert!(world.elapsed < before + Duration::from_secs(60), "a refusal is waited out for an hour");
}

#[test]
fn a_mailbox_that_is_to_be_read_from_another_place_is_asked_for_from_there() {
    let mut world = reader();
    let (sequence, head) = world.relay.append(mailbox(1), entry(2, 2));
    world.relay.append(mailbox(1), entry(2, 3));
    world.settle();
    let incarnation = world.relay.open(mailbox(1)).incarnation;
    again(&mut world);
    while world.execute() {}
    let answers = std::mem::take(&mut world.answers);
    // As a welcome says, which comes while the relay is asked.
    let start = Start::After { incarnation, sequence, head };
    world.change(|tx| {
        unfollow(tx, &mailbox(1))?;
        follow(tx, &Follow { start, ..following_of(1) })
    });
    world.relay.append(mailbox(1), entry(2, 4));
    world.deliver(answers);
    world.settle();
    assert_eq!(world.entries(1), [(2, 1), (2, 2), (2, 3), (2, 4)]);
    assert_eq!(world.notices(), ["repeated 3"], "nothing was passed over");
}

#[test]
fn an_entry_that_leads_elsewhere_in_its_log_accuses_nobody() {
    let mut world = reader();
    let places = [2, 3, 4].map(|number| world.relay.append(mailbox(1), entry(2, number)));
    let incarnation = world.relay.open(mailbox(1)).incarnation;
    // As a welcome that waited for this entry, and names the place behind the next one.
    let start = Start::After { incarnation, sequence: places[1].0, head: places[1].1 };
    world.logic.elsewhere = Some(Follow { start, ..following_of(1) });
    world.settle();
    assert_eq!(world.entries(1), [(2, 1), (2, 2), (2, 4)]);
    assert_eq!(world.notices(), [""; 0]);
}
