//! One fact each.

use relevo_protocol::time::Hour;
use relevo_protocol::wire::{CapabilityHash, Event, MailboxKind, SubscriptionId};

use super::super::*;
use super::world::{World, address, capability, entry, following_of, mailbox, relay_print, then};
use crate::link::{AdmissionKind, LinkFault};

#[test]
fn an_append_is_sent_answered_and_read_back() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.follow(1);
    let number = world.enqueue_append(1);
    world.settle();
    assert_eq!(world.heard(), [("done".to_owned(), i64::from(number)), ("entry".to_owned(), 1)]);
}

#[test]
fn nothing_is_connected_when_nothing_is_wanted() {
    let mut world = World::new();
    world.step(Input::Tick);
    assert!(world.attempts.is_empty());
    world.step(Input::Wanted { relay: relay_print() });
    assert_eq!(world.attempts.len(), 1);
}

#[test]
fn without_a_network_nothing_is_connected_and_nothing_asks_to_be_woken_for_it() {
    let mut world = World::new();
    world.engine = Engine::reaching(Reach::Nothing, 5);
    world.step(Input::Started);
    world.follow(1);
    world.enqueue_append(1);
    for input in [Input::RetryNow, Input::Tick, Input::Wanted { relay: relay_print() }] {
        world.step(input);
    }
    assert!(world.attempts.is_empty());
    assert!(world.engine.wake_at() > world.elapsed, "the thread would never sleep");
    let status = world.engine.status();
    assert_eq!((status.relays[0].waiting, status.relays[0].behind), (1, 1), "it is kept");
}

#[test]
fn what_is_taken_back_is_neither_sent_nor_waited_for() {
    let mut world = World::new();
    for number in [1, 2] {
        world.relay.open(mailbox(number));
        world.enqueue_append(number);
    }
    world.change(|tx| withdraw(tx, &relay_print(), Some(&mailbox(1))));
    assert_eq!(world.engine.status().relays[0].waiting, 1);
    world.settle();
    assert_eq!(world.heard(), [("done".to_owned(), 2)]);
    // Under way, it is not heard of.
    world.enqueue_append(1);
    while world.execute() {}
    world.change(|tx| withdraw(tx, &relay_print(), Some(&mailbox(1))));
    world.settle();
    assert_eq!(world.heard(), [("done".to_owned(), 2)]);
}

#[test]
fn an_address_that_is_corrected_is_tried_at_once() {
    let mut world = World::new();
    world.enqueue_append(1);
    let [(first, _)] = world.attempts[..] else { panic!("one attempt") };
    world.change(|tx| remember_relay(tx, &RelayAddress { port: 444, ..address() }));
    assert_eq!(world.attempts.len(), 2, "what comes of the old address is not waited for");
    world.step(Input::Disconnected { relay: relay_print(), attempt: first, why: LinkFault::Unreachable });
    assert_eq!(world.engine.status().relays[0].failures, 0, "nor does it count");
    world.change(|tx| remember_relay(tx, &RelayAddress { port: 444, ..address() }));
    assert_eq!(world.attempts.len(), 2, "the same address is no news");
}

#[test]
fn a_mailbox_is_opened_before_it_is_subscribed() {
    let mut world = World::new();
    let owner = CapabilityHash([4; 32]);
    let opened = MailboxId::of(&owner);
    let open =
        Call::Open { kind: MailboxKind::Personal, owner, read: None, append: vec![], take: vec![], lease_hours: 24 };
    world.change(|tx| {
        follow(tx, &Follow { mailbox: opened, ..following_of(1) })?;
        enqueue(tx, &relay_print(), &open, &then(1)).map(drop)
    });
    world.settle();
    assert_eq!(world.relay.calls, ["open", "resume"]);
    assert_eq!(world.notices(), [""; 0]);
}

#[test]
fn a_mailbox_that_was_read_is_read_on_while_it_waits_to_be_opened_again() {
    let mut world = World::new();
    let owner = CapabilityHash([4; 32]);
    let opened = MailboxId::of(&owner);
    world.relay.open(opened);
    world.change(|tx| follow(tx, &Follow { mailbox: opened, ..following_of(1) }));
    world.settle();
    world.relay.refusals = vec![Refusal::RelayFull];
    let open =
        Call::Open { kind: MailboxKind::Personal, owner, read: None, append: vec![], take: vec![], lease_hours: 24 };
    world.change(|tx| enqueue(tx, &relay_print(), &open, &then(1)).map(drop));
    while world.execute() {}
    let answers = std::mem::take(&mut world.answers);
    world.deliver(answers);
    world.cut(LinkFault::Lost);
    world.settle();
    assert_eq!(world.relay.calls, ["resume", "refused", "resume", "open"]);
}

#[test]
fn a_refusal_for_good_reaches_the_rules_and_what_follows_goes_on() {
    let mut world = World::new();
    world.relay.open(mailbox(1)).frozen = true;
    world.relay.open(mailbox(2));
    world.enqueue_append(1);
    world.enqueue_append(2);
    world.settle();
    assert_eq!(world.heard(), [("refused".to_owned(), 1), ("done".to_owned(), 2)]);
}

#[test]
fn a_refusal_that_passes_is_tried_again_and_told_to_nobody() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.relay.refusals = vec![Refusal::RelayFull, Refusal::Busy, Refusal::RateExceeded, Refusal::Failed];
    let number = world.enqueue_append(1);
    world.accept();
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    world.deliver(answers);
    let status = world.engine.status();
    assert_eq!((status.relays[0].waiting, status.relays[0].put_off), (1, Some(Refusal::Failed)));
    world.settle();
    assert_eq!(world.heard(), [("done".to_owned(), i64::from(number))]);
    assert_eq!(world.relay.calls, ["refused", "refused", "refused", "refused", "append"]);
}

#[test]
fn a_lost_answer_is_asked_again_with_the_same_bytes_and_read_once() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.follow(1);
    world.enqueue_append(1);
    world.accept();
    while world.execute() {}
    world.cut(LinkFault::Lost);
    world.settle();
    let log = &world.relay.mailboxes[&mailbox(1)];
    assert_eq!(log.entries, [entry(1, 1), entry(1, 1)]);
    assert_eq!(world.entries(1), [(1, 1)]);
    assert_eq!(world.notices(), ["repeated 2"]);
}

#[test]
fn what_is_to_be_sent_once_is_sent_once_though_answers_are_lost_and_devices_restart() {
    for restarts in [false, true] {
        let mut world = World::new();
        world.relay.open(mailbox(1));
        let call = |number| Call::Append { mailbox: mailbox(1), capability: capability(), entry: entry(1, number) };
        world.change(|tx| enqueue_once(tx, &relay_print(), &call(1), &then(1)).map(drop));
        world.accept();
        while world.execute() {}
        world.cut(LinkFault::Lost);
        // This one has not been sent when the device stops.
        world.change(|tx| enqueue_once(tx, &relay_print(), &call(2), &then(2)).map(drop));
        if restarts {
            world.restart();
        }
        world.settle();
        assert_eq!(world.relay.mailboxes[&mailbox(1)].entries, [entry(1, 1), entry(1, 2)]);
        assert_eq!(world.heard(), [("done".to_owned(), 2)]);
        assert_eq!(world.engine.status().relays[0].waiting, 0);
    }
}

#[test]
fn expired_entries_are_a_gap_that_is_said_once() {
    let mut world = World::new();
    for number in 1..=5 {
        world.relay.append(mailbox(1), entry(2, number));
    }
    world.relay.open(mailbox(1)).first = 4;
    world.follow(1);
    world.settle();
    world.cut(LinkFault::Lost);
    world.settle();
    assert_eq!(world.notices(), ["gap 1 4"]);
    assert_eq!(world.entries(1), [(2, 4), (2, 5)]);
}

#[test]
fn a_restored_relay_is_said_and_nothing_is_read_twice() {
    let mut world = World::new();
    world.follow(1);
    for number in 1..=4 {
        world.relay.append(mailbox(1), entry(2, number));
    }
    world.settle();
    world.cut(LinkFault::Lost);
    world.relay.restore(mailbox(1), 2);
    world.relay.append(mailbox(1), entry(2, 7));
    world.settle();
    assert_eq!(world.entries(1), [(2, 1), (2, 2), (2, 3), (2, 4), (2, 7)]);
    assert_eq!(world.notices(), ["other incarnation", "repeated 1", "repeated 2"]);
}

#[test]
fn a_relay_that_leaves_an_entry_out_is_caught_and_asked_again() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.follow(1);
    world.settle();
    let id = *world.relay.subscriptions.keys().next().unwrap();
    let (_, expires) = (world.relay.append(mailbox(1), entry(2, 1)), Hour(1));
    world.event(Event::Entry { id, sequence: Sequence(2), expires, entry: entry(2, 9) });
    assert_eq!(world.notices(), ["chain broken 1"]);
    assert_eq!(world.entries(1), []);
    world.settle();
    assert_eq!(world.entries(1), [(2, 1)]);
}

#[test]
fn what_a_relay_pushes_before_it_answers_is_asked_for_again() {
    let mut world = World::new();
    world.relay.append(mailbox(1), entry(2, 1));
    world.follow(1);
    world.accept();
    let id = SubscriptionId(1);
    world.event(Event::Entry { id, sequence: Sequence(1), expires: Hour(1), entry: entry(2, 1) });
    assert_eq!(world.heard(), []);
    world.settle();
    assert_eq!(world.heard(), [("entry".to_owned(), 1)]);
}

#[test]
fn a_relay_that_swaps_an_acknowledged_entry_is_caught() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.follow(1);
    world.settle();
    world.enqueue_append(1);
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    let log = world.relay.open(mailbox(1));
    log.entries[0] = entry(2, 66);
    world.deliver(answers);
    assert_eq!(world.notices(), ["chain broken 1"]);
    assert_eq!(world.entries(1), [(2, 66)]);
}

#[test]
fn a_relay_that_forgets_without_saying_so_is_caught_and_still_read() {
    let mut world = World::new();
    world.follow(1);
    for number in 1..=3 {
        world.relay.append(mailbox(1), entry(2, number));
    }
    world.settle();
    world.cut(LinkFault::Lost);
    let log = world.relay.open(mailbox(1));
    log.entries.truncate(1);
    log.heads.truncate(1);
    world.relay.append(mailbox(1), entry(2, 8));
    world.settle();
    assert_eq!(world.notices(), ["chain broken 3", "repeated 1", "chain broken 2"]);
    assert_eq!(world.entries(1), [(2, 1), (2, 2), (2, 3), (2, 8)]);
}

#[test]
fn a_frozen_mailbox_is_said_once_and_stays_readable() {
    let mut world = World::new();
    world.relay.append(mailbox(1), entry(2, 1));
    world.relay.open(mailbox(1)).frozen = true;
    world.follow(1);
    world.settle();
    world.cut(LinkFault::Lost);
    world.settle();
    assert_eq!(world.notices(), ["frozen"]);
    assert_eq!(world.entries(1), [(2, 1)]);
}

#[test]
fn a_refused_mailbox_is_said_once_and_read_when_it_is_there() {
    let mut world = World::new();
    world.follow(1);
    world.settle();
    world.cut(LinkFault::Lost);
    world.settle();
    assert_eq!(world.notices(), ["refused NoSuchMailbox"]);
    world.relay.append(mailbox(1), entry(2, 1));
    world.cut(LinkFault::Lost);
    world.settle();
    assert_eq!(world.entries(1), [(2, 1)]);
}

#[test]
fn a_closed_mailbox_is_said_once_and_asked_for_again_in_the_next_session() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.follow(1);
    world.settle();
    let id = *world.relay.subscriptions.keys().next().unwrap();
    world.event(Event::Closed { id });
    // It was a lie: there is more.
    world.relay.append(mailbox(1), entry(2, 1));
    world.restart();
    world.settle();
    assert_eq!(world.notices(), ["closed"]);
    assert_eq!(world.entries(1), [(2, 1)]);
}

#[test]
fn an_entry_that_the_relay_cannot_read_is_said_and_asked_for_again_later() {
    let mut world = World::new();
    world.relay.append(mailbox(1), entry(2, 1));
    world.follow(1);
    world.settle();
    let id = *world.relay.subscriptions.keys().next().unwrap();
    world.event(Event::Failed { id });
    assert_eq!(world.notices(), ["damaged 2"]);
    // What comes meanwhile is not lost.
    world.relay.append(mailbox(1), entry(2, 2));
    world.elapsed += std::time::Duration::from_secs(3600);
    world.step(Input::Tick);
    world.settle();
    assert_eq!(world.entries(1), [(2, 1), (2, 2)]);
}

#[test]
fn an_unfollowed_mailbox_is_not_read_any_more() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.follow(1);
    world.settle();
    world.change(|tx| unfollow(tx, &mailbox(1)));
    world.relay.append(mailbox(1), entry(2, 1));
    world.settle();
    assert_eq!(world.entries(1), []);
    assert!(world.relay.subscriptions.is_empty());
}

#[test]
fn an_entry_that_a_rule_cannot_take_waits_and_the_rest_goes_on() {
    let mut world = World::new();
    for number in 1..=3 {
        world.relay.append(mailbox(1), entry(2, number));
        world.relay.append(mailbox(2), entry(2, number));
    }
    world.logic.fail = vec![world.relay.mailboxes[&mailbox(1)].entries[1].clone()];
    // Both mailboxes hold equal entries: the rule fails for the second entry of each.
    world.follow(1);
    world.follow(2);
    world.accept();
    while world.execute() {}
    let answers = std::mem::take(&mut world.answers);
    world.deliver(answers);
    assert_eq!((world.entries(1), world.entries(2)), (vec![(2, 1)], vec![(2, 1)]));
    assert!(world.logic.rollbacks >= 2);
    world.logic.fail.clear();
    world.settle();
    assert_eq!((world.entries(1), world.entries(2)), (vec![(2, 1), (2, 2), (2, 3)], vec![(2, 1), (2, 2), (2, 3)]));
}

#[test]
fn an_entry_at_which_a_rule_panics_waits_and_the_rest_goes_on() {
    let mut world = World::new();
    for number in 1..=3 {
        world.relay.append(mailbox(1), entry(2, number));
        world.relay.append(mailbox(2), entry(3, number));
    }
    world.logic.panic = vec![world.relay.mailboxes[&mailbox(1)].entries[1].clone()];
    world.follow(1);
    world.follow(2);
    world.accept();
    while world.execute() {}
    let answers = std::mem::take(&mut world.answers);
    world.deliver(answers);
    assert_eq!((world.entries(1), world.entries(2)), (vec![(2, 1)], vec![(3, 1), (3, 2), (3, 3)]));
    assert!(world.logic.rollbacks >= 2);
    world.logic.panic.clear();
    world.settle();
    assert_eq!(world.entries(1), [(2, 1), (2, 2), (2, 3)]);
}

#[test]
fn a_relay_without_an_address_is_said() {
    let mut world = World::new();
    let elsewhere = Fingerprint([77; 32]);
    let call = Call::Append { mailbox: mailbox(1), capability: capability(), entry: entry(1, 1) };
    world.change(|tx| enqueue(tx, &elsewhere, &call, &then(1)).map(drop));
    let status = world.engine.status();
    assert_eq!(status.relays[0].session, SessionStatus::NoAddress);
    let address = RelayAddress { fingerprint: elsewhere, ..address() };
    world.change(|tx| remember_relay(tx, &address));
    assert_eq!(world.attempts.len(), 1);
}

#[test]
fn a_dead_relay_is_tried_less_and_less_often() {
    let mut world = World::new();
    world.enqueue_append(1);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        world.refuse(LinkFault::Unreachable);
        assert!(world.attempts.is_empty());
        pauses.push(world.engine.wake_at() - world.elapsed);
        world.elapsed = world.engine.wake_at();
        world.step(Input::Tick);
        assert_eq!(world.attempts.len(), 1);
    }
    assert!(pauses[0] <= std::time::Duration::from_millis(500));
    // Half of the longest pause at least: the other half is jitter.
    assert!(pauses[11] >= std::time::Duration::from_secs(30));
    let status = world.engine.status();
    assert_eq!((status.relays[0].failures, status.relays[0].fault), (12, Some(LinkFault::Unreachable)));
}

#[test]
fn a_single_use_admission_is_replaced_before_anything_else() {
    let mut world = World::new();
    world.kind = AdmissionKind::SingleUse;
    world.relay.open(mailbox(1));
    world.enqueue_append(1);
    world.accept();
    // The relay does it, and the answer is lost.
    while world.execute() {}
    assert_eq!(world.relay.calls, ["enroll"]);
    world.cut(LinkFault::Lost);
    world.elapsed = world.engine.wake_at();
    world.step(Input::Tick);
    let given = address().admission;
    assert!(world.attempts[0].1 != given, "our own is tried first");
    // Had the relay not done it, the one that was given still works.
    world.refuse(LinkFault::NotAdmitted);
    world.elapsed = world.engine.wake_at();
    world.step(Input::Tick);
    assert!(world.attempts[0].1 == given);
    world.settle();
    world.kind = AdmissionKind::Lasting;
    assert_eq!(world.relay.calls, ["enroll", "enroll", "append"]);
    world.restart();
    world.enqueue_append(1);
    assert!(world.attempts[0].1 != given);
}

#[test]
fn a_draining_relay_gets_nothing_new_and_is_left() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.enqueue_append(1);
    world.accept();
    world.event(Event::Draining);
    world.enqueue_append(1);
    assert_eq!(world.requests.len(), 1);
    world.execute();
    let answers = std::mem::take(&mut world.answers);
    world.deliver(answers);
    assert!(world.session.is_none());
    world.settle();
    assert_eq!(world.heard(), [("done".to_owned(), 1), ("done".to_owned(), 2)]);
}

#[test]
fn credit_is_given_back_so_that_a_long_log_is_read_whole() {
    let mut world = World::new();
    for number in 1..=2000 {
        world.relay.append(mailbox(1), entry(2, number));
    }
    world.follow(1);
    world.settle();
    assert_eq!(world.entries(1).len(), 2000);
    assert!(world.relay.calls.iter().filter(|call| **call == "credit").count() <= 8);
}

#[test]
fn events_of_an_unknown_subscription_are_ignored() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.follow(1);
    world.settle();
    world.event(Event::Entry { id: SubscriptionId(99), sequence: Sequence(1), expires: Hour(1), entry: entry(2, 1) });
    assert_eq!(world.heard(), []);
}

#[test]
fn a_vault_that_fails_for_a_while_loses_nothing() {
    let mut world = World::new();
    world.relay.open(mailbox(1));
    world.follow(1);
    world.accept();
    let rename = |world: &mut World, from: &str, to: &str| {
        let statement = format!("ALTER TABLE {from} RENAME TO {to}");
        let renamed = |tx: &Transaction<'_>| tx.sql().execute_batch(&statement).map_err(VaultFault::from);
        world.vault.transaction(renamed).unwrap();
    };
    let number = world.enqueue_append(1);
    rename(&mut world, "outbox", "outbox_elsewhere");
    let now = Now { wall: super::relay::WALL, elapsed: world.elapsed };
    let failed = world.engine.step(Input::Tick, &mut world.vault, &mut world.logic, now);
    assert!(failed.is_err());
    rename(&mut world, "outbox_elsewhere", "outbox");
    world.elapsed = world.engine.wake_at();
    world.step(Input::Tick);
    world.settle();
    assert_eq!(world.heard(), [("done".to_owned(), i64::from(number)), ("entry".to_owned(), 1)]);
}
