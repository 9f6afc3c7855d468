//! What a relay says that cannot be true, one contradiction a test (SPEC 11, "What a relay is held to").

use std::time::Duration;

use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    Answer, Call, Capability, Cursor, Event, Head, Incarnation, MailboxId, Outcome, Refusal, Resumed, Sequence,
};

use super::super::*;
use super::relay::WALL;
use super::world::{World, capability, entry, following_of, mailbox, relay_print, then};
use crate::link::LinkFault;

/// Somebody who reads a mailbox in which one entry lies.
pub(super) fn reader() -> World {
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

/// Answers an append of ours with the place of another entry, and its head.
fn append_answered_with_place(world: &mut World, place: usize) {
    let head = |world: &World| world.relay.mailboxes[&mailbox(1)].heads[place - 1];
    world.enqueue_append(1);
    world.execute();
    let (head, sequence) = (head(world), Sequence(u64::try_from(place).unwrap()));
    let answers = std::mem::take(&mut world.answers);
    let lie = |outcome| match outcome {
        Outcome::Done { answer: Answer::Stored { incarnation, expires, .. } } => {
            Outcome::Done { answer: Answer::Stored { incarnation, sequence, head, expires } }
        }
        other => other,
    };
    world.deliver(answers.into_iter().map(|(ticket, outcome)| (ticket, lie(outcome))).collect());
}

#[test]
fn an_entry_of_ours_that_does_not_lie_where_it_was_answered_for_is_missed_when_that_place_is_read() {
    let mut world = reader();
    world.relay.append(mailbox(1), entry(2, 9));
    append_answered_with_place(&mut world, 2);
    world.settle();
    assert_eq!(world.notices(), ["chain broken 2"]);
    assert_eq!(world.entries(1), [(2, 1), (2, 9), (1, 1)], "all is read for that");
}

#[test]
fn an_entry_of_ours_that_is_answered_for_with_a_place_read_before_is_missed_at_once() {
    let mut world = reader();
    append_answered_with_place(&mut world, 1);
    assert_eq!(world.notices(), ["chain broken 1"]);
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

/// Another session.
pub(super) fn again(world: &mut World) {
    world.cut(LinkFault::Lost);
    world.elapsed += Duration::from_secs(60);
    world.step(Input::Tick);
    world.accept();
}

/// Another session, with what is said of the one mailbox changed before it is delivered.
fn resume_answered(world: &mut World, change: impl Fn(Resumed) -> Resumed) {
    again(world);
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    let lied = answers.into_iter().map(|(ticket, outcome)| {
        let Outcome::Done { answer: Answer::Resumed { mailboxes } } = outcome else { panic!("a Resume") };
        let mailboxes = mailboxes.into_iter().map(&change).collect();
        (ticket, Outcome::Done { answer: Answer::Resumed { mailboxes } })
    });
    let lied = lied.collect();
    world.deliver(lied);
}

#[test]
fn another_life_of_the_same_name_is_a_contradiction_and_passes_over_nothing_unseen() {
    let mut world = reader();
    for number in 2..=4 {
        world.relay.append(mailbox(1), entry(2, number));
    }
    world.relay.open(mailbox(1)).first = 4;
    resume_answered(&mut world, |resumed| match resumed {
        Resumed::Following { id, standing } => Resumed::OtherIncarnation { id, standing },
        other => other,
    });
    world.settle();
    // That it was said at all, and that 2 and 3 are not there.
    assert_eq!(world.notices(), ["chain broken 2", "chain broken 2"]);
    assert_eq!(world.entries(1), [(2, 1), (2, 4)]);
}

#[test]
fn a_life_that_was_left_is_a_contradiction_when_it_comes_back() {
    let mut world = reader();
    let first = world.relay.open(mailbox(1)).incarnation;
    world.cut(LinkFault::Lost);
    world.relay.restore(mailbox(1), 1);
    world.settle();
    world.cut(LinkFault::Lost);
    world.relay.open(mailbox(1)).incarnation = first;
    world.settle();
    assert_eq!(world.notices(), ["other incarnation", "repeated 1", "chain broken 1", "repeated 1"]);
}

#[test]
fn an_entry_in_a_place_that_was_read_before_is_held_against_what_was_read_there() {
    let mut world = reader();
    for number in 2..=3 {
        world.relay.append(mailbox(1), entry(2, number));
    }
    world.cut(LinkFault::Lost);
    world.settle();
    world.cut(LinkFault::Lost);
    // Goes back before the third, and has another second.
    forget_last(&mut world);
    forget_last(&mut world);
    world.relay.append(mailbox(1), entry(3, 2));
    world.settle();
    assert_eq!(world.notices(), ["chain broken 3", "repeated 1", "chain broken 2"]);
    assert_eq!(world.entries(1), [(2, 1), (2, 2), (2, 3), (3, 2)]);
}

#[test]
fn a_first_entry_behind_the_last_ends_no_reading() {
    let mut world = reader();
    resume_answered(&mut world, |resumed| match resumed {
        Resumed::Following { id, mut standing } => {
            (standing.first_available, standing.head_before_first) = (Sequence(u64::MAX), Head([7; 32]));
            Resumed::Following { id, standing }
        }
        other => other,
    });
    assert_eq!(world.notices(), ["chain broken 2"]);
    world.relay.append(mailbox(1), entry(2, 2));
    world.settle();
    assert_eq!(world.entries(1), [(2, 1), (2, 2)]);
}

/// The answer to an append has come, the entry has not.
fn withholding() -> World {
    let mut world = reader();
    world.enqueue_append(1);
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    world.relay.subscriptions.clear();
    world.deliver(answers);
    world
}

#[test]
fn what_a_relay_holds_and_does_not_give_is_said_after_ten_minutes_and_once() {
    let mut world = withholding();
    for minute in 1..=70 {
        world.elapsed += Duration::from_secs(60);
        world.step(Input::Tick);
        assert_eq!(world.notices().len(), usize::from(minute >= 10));
    }
    assert_eq!(world.notices(), ["withheld 2"]);
}

#[test]
fn a_device_that_slept_calls_nothing_withheld_that_came_meanwhile() {
    let mut world = reader();
    world.enqueue_append(1);
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    let given = std::mem::take(&mut world.relay.subscriptions);
    world.deliver(answers);
    // It wakes, and what the relay gave in time is still to be read.
    world.elapsed += Duration::from_secs(8 * 3600);
    world.step(Input::Tick);
    world.relay.subscriptions = given;
    world.deliver(Vec::new());
    assert_eq!(world.notices(), [""; 0]);
    assert_eq!(world.entries(1).len(), 2);
}

#[test]
fn what_is_held_back_is_said_after_ten_minutes_without_those_that_the_device_slept() {
    let mut world = withholding();
    for minutes in [1, 1, 1, 60, 1, 1, 1, 1, 1, 1, 60] {
        world.elapsed += Duration::from_secs(60 * minutes);
        world.step(Input::Tick);
        assert_eq!(world.notices(), [""; 0]);
    }
    world.elapsed += Duration::from_secs(60);
    world.step(Input::Tick);
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

/// Somebody whom a member has told where a log of two entries stands.
fn told(change: impl FnOnce(Incarnation, Head) -> Start) -> World {
    let mut world = World::new();
    let (_, head) = world.relay.append(mailbox(1), entry(2, 1));
    world.relay.append(mailbox(1), entry(2, 2));
    let start = change(world.relay.open(mailbox(1)).incarnation, head);
    world.change(|tx| follow(tx, &Follow { start, ..following_of(1) }));
    world.settle();
    world
}

/// Whether the relay is held to what it answers.
fn is_held(world: &mut World, place: u64) {
    let before = world.notices().len();
    append_answered(world, |answer| match answer {
        Answer::Stored { incarnation, sequence, expires, .. } => {
            Outcome::Done { answer: Answer::Stored { incarnation, sequence, head: Head([9; 32]), expires } }
        }
        other => Outcome::Done { answer: other },
    });
    world.settle();
    assert_eq!(world.notices()[before..], [format!("chain broken {place}")]);
}

#[test]
fn a_head_that_a_member_made_up_is_no_contradiction_of_the_relay() {
    let mut world = told(|incarnation, _| Start::After { incarnation, sequence: Sequence(1), head: Head([7; 32]) });
    assert_eq!(world.notices(), [""; 0]);
    world.enqueue_append(1);
    world.settle();
    assert_eq!(world.notices(), ["other than told 3"]);
    assert_eq!(world.entries(1), [(2, 2), (1, 1)]);
    world.enqueue_append(1);
    world.settle();
    assert_eq!(world.notices().len(), 1, "what is read then is chained to the relay's head");
    is_held(&mut world, 5);
}

#[test]
fn the_relays_word_that_an_entry_brings_takes_the_place_of_a_members() {
    let mut world = told(|incarnation, _| Start::After { incarnation, sequence: Sequence(1), head: Head([7; 32]) });
    world.logic.word = Some((Sequence(1), world.relay.open(mailbox(1)).heads[0]));
    world.cut(LinkFault::Lost);
    world.relay.append(mailbox(1), entry(2, 3));
    world.settle();
    world.enqueue_append(1);
    world.settle();
    assert_eq!(world.notices(), ["OtherThanTold"], "what has been read since is chained to it");
    is_held(&mut world, 5);
}

#[test]
fn a_life_that_a_member_made_up_is_no_rollback() {
    let life = Incarnation([77; 8]);
    let mut world = told(|_, head| Start::After { incarnation: life, sequence: Sequence(1), head });
    assert_eq!(world.notices(), ["other than told 1"]);
    assert_eq!(world.entries(1), [(2, 1), (2, 2)]);
    is_held(&mut world, 3);
}

#[test]
fn a_place_that_a_member_made_up_is_no_contradiction_of_the_relay() {
    let mut world = told(|incarnation, head| Start::After { incarnation, sequence: Sequence(50), head });
    assert_eq!(world.notices(), ["other than told 3"]);
    assert_eq!(world.entries(1), [(2, 1), (2, 2)]);
    is_held(&mut world, 3);
}

#[test]
fn what_a_member_told_is_held_against_the_relay_once_the_relay_has_borne_it_out() {
    let mut world = told(|incarnation, head| Start::After { incarnation, sequence: Sequence(1), head });
    world.enqueue_append(1);
    world.settle();
    assert_eq!(world.notices(), [""; 0]);
    is_held(&mut world, 4);
}

/// Who reads from the beginning what is there, each entry of which, it is said, expires at once.
fn short_lived() -> World {
    let mut world = World::new();
    world.relay.expires = Hour(0);
    world.relay.append(mailbox(1), entry(2, 1));
    world.follow(1);
    world.settle();
    world
}

#[test]
fn an_entry_that_was_answered_for_and_is_passed_over_has_not_expired() {
    let mut world = short_lived();
    world.wall = WALL.plus_seconds(30 * 24 * 3600);
    world.enqueue_append(1);
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    world.cut_after(answers);
    world.relay.append(mailbox(1), entry(2, 3));
    world.relay.open(mailbox(1)).first = 3;
    world.settle();
    assert_eq!(world.notices(), ["chain broken 2"]);
    assert_eq!(world.entries(1), [(2, 1), (2, 3)]);
}

#[test]
fn what_came_after_all_had_been_read_has_not_expired_within_days() {
    for (hours, said) in [(24, "chain broken 2"), (24 * 30, "gap 2 4")] {
        let mut world = short_lived();
        // A session in which the relay says that there is no more.
        world.cut(LinkFault::Lost);
        world.settle();
        world.cut(LinkFault::Lost);
        for number in 2..=4 {
            world.relay.append(mailbox(1), entry(2, number));
        }
        world.relay.open(mailbox(1)).first = 4;
        world.wall = WALL.plus_seconds(hours * 3600);
        world.settle();
        assert_eq!(world.notices(), [said], "after {hours} hours");
    }
}

#[test]
fn a_head_before_the_first_entry_is_held_against_what_was_answered_for_that_place() {
    let mut world = short_lived();
    world.enqueue_append(1);
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    world.cut_after(answers);
    world.relay.append(mailbox(1), entry(2, 3));
    let log = world.relay.open(mailbox(1));
    (log.first, log.heads[1]) = (3, Head([9; 32]));
    // So long after that they may have expired.
    world.wall = WALL.plus_seconds(30 * 24 * 3600);
    world.settle();
    assert_eq!(world.notices(), ["chain broken 2"]);
}
