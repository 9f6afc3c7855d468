//! What a relay says that cannot be true, one contradiction a test (SPEC 11, "What a relay is held to").

use std::time::Duration;

use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    Answer, Call, Capability, Cursor, Event, Head, Incarnation, MailboxId, Outcome, Refusal, Resumed, Sequence,
};

use super::super::*;
use super::relay::WALL;
use super::world::{World, capability, entry, mailbox, relay_print, then};
use crate::link::LinkFault;

/// Somebody who reads a mailbox in which one entry lies.
fn reader() -> World {
    let mut world = World::new();
    world.relay.append(mailbox(1), entry(2, 1));
    world.follow(1);
    world.settle();
    world
}

/// Appends, with the answer changed before it is delivered.
fn append_answered(world: &mut World, change: impl Fn(Answer) -> Outcome) {
    world.enqueue_append(1);
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    let change = |outcome| match outcome {
        Outcome::Done { answer } => change(answer),
        refused => refused,
    };
    world.deliver(answers.into_iter().map(|(ticket, outcome)| (ticket, change(outcome))).collect());
}

fn forget_last(world: &mut World) {
    let log = world.relay.open(mailbox(1));
    log.entries.pop();
    log.heads.pop();
}

#[test]
fn an_entry_that_was_answered_for_and_forgotten_is_missed_when_another_takes_its_place() {
    let mut world = reader();
    for _ in 0..2 {
        world.enqueue_append(1);
        world.execute();
        forget_last(&mut world);
        let answers = std::mem::take(&mut world.answers);
        world.deliver(answers);
    }
    assert_eq!(world.notices(), ["chain broken 2"]);
}

#[test]
fn an_entry_that_was_answered_for_and_forgotten_is_missed_in_the_next_session() {
    let mut world = reader();
    world.enqueue_append(1);
    world.execute();
    forget_last(&mut world);
    let answers = std::mem::take(&mut world.answers);
    world.deliver(answers);
    assert_eq!(world.notices(), [""; 0]);
    world.cut(LinkFault::Lost);
    world.settle();
    assert_eq!(world.notices(), ["chain broken 2"]);
}

#[test]
fn an_entry_stored_in_a_life_that_the_mailbox_does_not_have_is_missed_in_the_next_session() {
    let mut world = reader();
    append_answered(&mut world, |answer| match answer {
        Answer::Stored { sequence, head, expires, .. } => {
            Outcome::Done { answer: Answer::Stored { incarnation: Incarnation([99; 8]), sequence, head, expires } }
        }
        other => Outcome::Done { answer: other },
    });
    world.settle();
    world.cut(LinkFault::Lost);
    world.settle();
    assert_eq!(world.notices(), ["chain broken 2"]);
}

#[test]
fn an_answer_of_another_kind_is_none_and_the_entry_is_sent_again() {
    let mut world = reader();
    append_answered(&mut world, |_| Outcome::Done { answer: Answer::Done });
    assert_eq!(world.engine.status().relays[0].waiting, 1);
    assert_eq!(world.engine.status().relays[0].put_off, Some(Refusal::Failed));
    world.settle();
    assert_eq!(world.heard().iter().filter(|(what, _)| what == "done").count(), 1);
}

#[test]
fn every_request_is_ended_by_an_answer_of_its_own_kind_alone() {
    let (mailbox, expires) = (mailbox(1), Hour(9));
    let requests: [fn(MailboxId, Capability) -> Call; 6] = [
        |mailbox, capability| Call::Read {
            mailbox,
            capability,
            cursor: Cursor { incarnation: None, after: Sequence::START },
            limit: 1,
        },
        |mailbox, capability| Call::Take { mailbox, capability },
        |mailbox, capability| Call::Renew { mailbox, capability, lease_hours: 1 },
        |mailbox, capability| Call::Freeze { mailbox, capability },
        |mailbox, capability| Call::Close { mailbox, capability },
        |mailbox, capability| Call::Checkpoint { mailbox, capability },
    ];
    for request in requests {
        let mut world = World::new();
        world.change(|tx| enqueue(tx, &relay_print(), &request(mailbox, capability()), &then(1)).map(drop));
        world.accept();
        let [(ticket, call)] = &world.requests.make_contiguous()[..] else { panic!("one request") };
        let (ticket, wrong) = match call {
            Call::Renew { .. } => (*ticket, Answer::Done),
            _ => (*ticket, Answer::Renewed { expires }),
        };
        world.requests.clear();
        world.deliver(vec![(ticket, Outcome::Done { answer: wrong })]);
        assert_eq!(world.heard(), [], "nobody is told of it");
        let status = &world.engine.status().relays[0];
        assert_eq!((status.waiting, status.put_off), (1, Some(Refusal::Failed)));
    }
}

#[test]
fn entries_that_cannot_have_expired_yet_are_a_contradiction_and_no_gap() {
    let mut world = reader();
    world.cut(LinkFault::Lost);
    for number in 2..=4 {
        world.relay.append(mailbox(1), entry(2, number));
    }
    // The entry before them lives until LEASE_END, years away.
    world.relay.open(mailbox(1)).first = 4;
    world.settle();
    assert_eq!(world.notices(), ["chain broken 2"]);
    assert_eq!(world.entries(1), [(2, 1), (2, 4)]);
}

#[test]
fn an_entry_said_to_expire_at_once_is_remembered_all_the_same() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.follow(1);
    world.settle();
    let id = *world.relay.subscriptions.keys().next().unwrap();
    let (sequence, head) = world.relay.append(mailbox(1), entry(2, 1));
    world.event(Event::Entry { id, sequence, expires: Hour(0), entry: entry(2, 1) });
    let incarnation = world.relay.open(mailbox(1)).incarnation;
    // The sweep of a new start forgets what has expired.
    world.restart();
    world.settle();
    let ours = world.vault.transaction(|tx| head_at(tx, &mailbox(1), incarnation, sequence)).unwrap();
    assert_eq!(ours, Some(head));
}

#[test]
fn an_entry_said_to_expire_never_is_forgotten_in_the_end() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.follow(1);
    world.settle();
    let id = *world.relay.subscriptions.keys().next().unwrap();
    let (sequence, _) = world.relay.append(mailbox(1), entry(2, 1));
    world.event(Event::Entry { id, sequence, expires: Hour(u32::MAX), entry: entry(2, 1) });
    let incarnation = world.relay.open(mailbox(1)).incarnation;
    let year = WALL.plus_seconds(366 * 24 * 3600);
    let ours = world.vault.transaction(|tx| {
        crate::vault::followed::forget_expired(tx, year)?;
        head_at(tx, &mailbox(1), incarnation, sequence)
    });
    assert_eq!(ours.unwrap(), None);
}

#[test]
fn a_first_entry_behind_the_last_ends_no_reading() {
    let mut world = reader();
    world.cut(LinkFault::Lost);
    world.elapsed += Duration::from_secs(60);
    world.step(Input::Tick);
    world.accept();
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    let lied = answers.into_iter().map(|(ticket, outcome)| {
        let Outcome::Done { answer: Answer::Resumed { mut mailboxes } } = outcome else { panic!("a Resume") };
        let Resumed::Following { standing, .. } = &mut mailboxes[0] else { panic!("followed") };
        (standing.first_available, standing.head_before_first) = (Sequence(u64::MAX), Head([7; 32]));
        (ticket, Outcome::Done { answer: Answer::Resumed { mailboxes } })
    });
    let lied = lied.collect();
    world.deliver(lied);
    assert_eq!(world.notices(), ["chain broken 2"]);
    world.relay.append(mailbox(1), entry(2, 2));
    world.settle();
    assert_eq!(world.entries(1), [(2, 1), (2, 2)]);
}

#[test]
fn what_a_relay_holds_and_does_not_give_is_said_after_ten_minutes_and_once() {
    let mut world = reader();
    world.enqueue_append(1);
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    // The answer comes, the entry does not.
    world.relay.subscriptions.clear();
    world.deliver(answers);
    for minutes in [9, 1, 1, 60] {
        world.elapsed += Duration::from_secs(60 * minutes);
        world.step(Input::Tick);
        let said = world.elapsed >= Duration::from_secs(600);
        assert_eq!(world.notices().len(), usize::from(said));
    }
    assert_eq!(world.notices(), ["withheld 2"]);
}

#[test]
fn a_mailbox_said_to_be_frozen_before_its_last_entry_is_read_is_not_called_so_yet() {
    let mut world = reader();
    world.cut(LinkFault::Lost);
    world.relay.append(mailbox(1), entry(2, 2));
    world.relay.open(mailbox(1)).frozen = true;
    world.settle();
    assert_eq!(world.notices(), [""; 0]);
    world.cut(LinkFault::Lost);
    world.settle();
    assert_eq!(world.notices(), ["frozen"]);
}
