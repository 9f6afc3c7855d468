//! Sessions, the table of followers, the writer and the store under drawn schedules: no session sleeps beside an entry that
//! it has credit for, an end of its mailbox, or an answer.
//!
//! All is the relay's own code but [`write`], which takes the steps of `answers::write` without its stream.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use relevo_protocol::wire::{Answer, Cursor, Event, Outcome, Refusal, Resumed, Sequence, Subscription, SubscriptionId};
use shuttle::future::block_on;
use shuttle::thread::{JoinHandle, spawn};
use tokio::sync::mpsc;

use super::core::Ask;
use super::desk::{Desk, Pushed, Sources};
use super::queue::{self, Entrance, Exit, Next};
use crate::delivery::Delivery;
use crate::service::{self, Pending};
use crate::store::interleavings::stage::{Held, NOW, Stage};
use crate::store::{Change, Store, Writer};
use crate::threads::interleavings::every_way;

const ONE: SubscriptionId = SubscriptionId(1);
const TWO: SubscriptionId = SubscriptionId(2);
/// Entries of one turn: fewer than a mailbox has, so that turns are taken.
const SLICE: u16 = 2;

/// What a client has seen so far.
#[derive(Default)]
struct Seen {
    /// Answers to Resume.
    resumed: usize,
    /// Answers to changes.
    changed: usize,
    /// Last sequence of each subscription that was pushed, or told to be gone.
    after: BTreeMap<SubscriptionId, Sequence>,
    closed: bool,
}

impl Seen {
    fn last(&self, id: SubscriptionId) -> u64 {
        self.after.get(&id).map_or(0, |last| last.0)
    }

    fn answer(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Done { answer: Answer::Resumed { mailboxes } } => {
                self.resumed += 1;
                for resumed in mailboxes {
                    match resumed {
                        Resumed::Following { id, standing } => {
                            self.after.insert(id, Sequence(standing.first_available.0 - 1));
                        }
                        Resumed::Refused { refusal: Refusal::NoSuchMailbox, .. } => self.closed = true,
                        other @ (Resumed::OtherIncarnation { .. } | Resumed::Refused { .. }) => panic!("{other:?}"),
                    }
                }
            }
            Outcome::Done { answer: Answer::Stored { .. } } => self.changed += 1,
            Outcome::Done { answer: Answer::Done } => {}
            // Credit for a subscription that has ended.
            Outcome::Refused { refusal: Refusal::NoSuchMailbox } if self.closed => {}
            other @ (Outcome::Done { .. } | Outcome::Refused { .. }) => panic!("{other:?}"),
        }
    }

    fn pushed(&mut self, Pushed { before, id, entries, after }: Pushed) {
        before.into_iter().for_each(|event| self.event(&event));
        for read in entries {
            assert_eq!(read.sequence.0, self.last(id) + 1, "an entry was passed over or pushed twice");
            self.after.insert(id, read.sequence);
        }
        after.into_iter().for_each(|event| self.event(&event));
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Gap { id, first_available, .. } => {
                assert!(first_available.0 > self.last(*id) + 1, "a gap without anything in it");
                self.after.insert(*id, Sequence(first_available.0 - 1));
            }
            Event::Closed { .. } => self.closed = true,
            other @ (Event::Entry { .. } | Event::Frozen { .. } | Event::Failed { .. } | Event::Draining) => {
                panic!("{other:?}")
            }
        }
    }
}

/// The relay around the sessions of a test.
#[derive(Clone)]
struct Parts {
    store: Store,
    delivery: Arc<Delivery>,
    writer: Writer,
    identity: Arc<SigningKey>,
}

/// What a client asks for.
enum Call {
    Ask(Ask),
    Change(Change),
}

enum Queued {
    Ask(Ask),
    Change(Pending),
}

/// Reads what the client asks for, as `requests::read` does.
async fn read(mut calls: mpsc::Receiver<Call>, queue: Entrance<Queued>, writer: &Writer) {
    while let Some(call) = calls.recv().await {
        let queued = match call {
            Call::Ask(ask) => Queued::Ask(ask),
            Call::Change(change) => Queued::Change(Pending::submit(writer, change).await),
        };
        if queue.add(queued).await.is_err() {
            return;
        }
    }
}

/// Answers and pushes until the client has seen enough, in the steps of `answers::write`.
async fn write(mut queue: Exit<Queued>, parts: &Parts, enough: impl Fn(&Seen) -> bool) -> Seen {
    let Parts { store, delivery, writer: _, identity } = parts;
    let from = Sources { store, delivery, identity, now: NOW };
    let mut desk = Desk::new(delivery.listener());
    let mut waiting: Option<Pending> = None;
    let mut seen = Seen::default();
    loop {
        desk.listen();
        loop {
            loop {
                if let Some(mut pending) = waiting.take() {
                    match pending.settled() {
                        Some(outcome) => seen.answer(outcome),
                        None => {
                            waiting = Some(pending);
                            break;
                        }
                    }
                }
                match queue.next() {
                    Next::Item(Queued::Ask(ask)) => seen.answer(desk.ask(ask, &from)),
                    Next::Item(Queued::Change(pending)) => waiting = Some(pending),
                    Next::Empty | Next::Over => break,
                }
            }
            match desk.subscriptions.next(SLICE) {
                Some(pull) => seen.pushed(desk.push(pull, usize::MAX, &from)),
                None => break,
            }
        }
        if enough(&seen) {
            return seen;
        }
        // Which of them is looked at first must not be drawn behind the schedule's back.
        tokio::select! {
            biased;
            outcome = settled(&mut waiting) => {
                waiting = None;
                seen.answer(outcome);
            }
            () = queue.ready(), if waiting.is_none() => {}
            () = desk.listener.heard() => {}
        }
    }
}

async fn settled(waiting: &mut Option<Pending>) -> Outcome {
    match waiting {
        Some(pending) => pending.outcome().await,
        None => std::future::pending().await,
    }
}

/// A client's session on a thread of its own, and where its requests go in. It ends when the client has seen enough;
/// if it is left asleep before, shuttle sees that nobody can go on.
fn session(parts: &Parts, enough: impl Fn(&Seen) -> bool + Send + 'static) -> (mpsc::Sender<Call>, JoinHandle<Seen>) {
    let parts = parts.clone();
    let (calls, called) = mpsc::channel(8);
    let thread = spawn(move || {
        block_on(async {
            let (queue, queued) = queue::bounded(2);
            let mut reading = pin!(read(called, queue, &parts.writer));
            let mut writing = pin!(write(queued, &parts, enough));
            tokio::select! {
                biased;
                () = &mut reading => panic!("the client left too early"),
                seen = &mut writing => seen,
            }
        })
    });
    (calls, thread)
}

fn send(calls: &mpsc::Sender<Call>, call: Call) {
    block_on(calls.send(call)).ok();
}

fn resume(held: Held, id: SubscriptionId, credit: u32) -> Call {
    let cursor = Cursor { incarnation: None, after: Sequence::START };
    Call::Ask(Ask::Resume(vec![Subscription { id, mailbox: held.id(), capability: held.owner(), cursor, credit }]))
}

fn credit(id: SubscriptionId, more: u32) -> Call {
    Call::Ask(Ask::Credit { id, more })
}

/// A relay with one mailbox, and sessions in it; joined, all has ended well.
fn relay(test: impl FnOnce(&Parts, Held)) {
    let mut stage = Stage::set(2);
    let held = stage.open(1);
    let delivery = Arc::<Delivery>::default();
    let (store, _, writer, thread) = stage.write(service::witness(Arc::clone(&delivery)));
    let parts = Parts { store, delivery, writer, identity: Arc::new(SigningKey::from_bytes(&[5; 32])) };
    test(&parts, held);
    drop(parts);
    thread.join().unwrap();
}

/// Has a thread make changes one after the other, each when the one before is answered.
fn change(parts: &Parts, changes: impl IntoIterator<Item = Change> + Send + 'static) -> JoinHandle<()> {
    let writer = parts.writer.clone();
    spawn(move || changes.into_iter().for_each(|change| drop(block_on(writer.apply(change)).unwrap())))
}

#[test]
fn two_sessions_get_what_two_others_append_however_late_they_follow_and_give_credit() {
    every_way(|| {
        relay(|parts, held| {
            let (first, first_seen) = session(parts, |seen| seen.last(ONE) == 4);
            let (second, second_seen) = session(parts, |seen| seen.last(TWO) == 4);
            send(&first, resume(held, ONE, 9));
            let appending = [10, 20].map(|fill| change(parts, [held.append(fill), held.append(fill + 1)]));
            send(&second, resume(held, TWO, 1));
            send(&second, credit(TWO, 1));
            send(&second, credit(TWO, 7));
            for thread in appending {
                thread.join().unwrap();
            }
            first_seen.join().unwrap();
            second_seen.join().unwrap();
        });
    });
}

#[test]
fn a_place_that_is_given_up_or_taken_again_loses_nobody_an_entry() {
    every_way(|| {
        relay(|parts, held| {
            let (stays, stays_seen) = session(parts, |seen| seen.resumed == 3 && seen.last(ONE) == 3);
            // Leaves in the middle, with its place in the table.
            let (leaves, leaves_seen) = session(parts, |seen| seen.last(ONE) >= 1);
            send(&leaves, resume(held, ONE, 9));
            send(&stays, resume(held, ONE, 9));
            send(&stays, resume(held, TWO, 9));
            let appending = change(parts, [held.append(1), held.append(2), held.append(3)]);
            send(&stays, Call::Ask(Ask::Unsubscribe(TWO)));
            send(&stays, resume(held, ONE, 9));
            appending.join().unwrap();
            leaves_seen.join().unwrap();
            stays_seen.join().unwrap();
        });
    });
}

#[test]
fn a_subscriber_hears_of_what_was_removed_before_it_came_and_of_the_end() {
    every_way(|| {
        relay(|parts, held| {
            let (calls, seen) = session(parts, |seen| seen.closed);
            let (others, others_seen) = session(parts, |seen| seen.last(ONE) >= 3);
            send(&calls, resume(held, ONE, 1));
            send(&others, resume(held, ONE, 9));
            let changing = change(parts, [held.append(1), held.append(2), held.trim(2), held.append(3)]);
            send(&calls, credit(ONE, 9));
            changing.join().unwrap();
            others_seen.join().unwrap();
            change(parts, [held.close()]).join().unwrap();
            seen.join().unwrap();
        });
    });
}

#[test]
fn a_session_gets_the_answers_to_its_own_changes_between_the_entries() {
    every_way(|| {
        relay(|parts, held| {
            let (calls, seen) = session(parts, |seen| seen.changed == 3 && seen.last(ONE) == 4);
            send(&calls, Call::Change(held.append(1)));
            send(&calls, resume(held, ONE, 9));
            send(&calls, Call::Change(held.append(2)));
            let appending = change(parts, [held.append(10)]);
            send(&calls, Call::Change(held.append(3)));
            appending.join().unwrap();
            seen.join().unwrap();
        });
    });
}
