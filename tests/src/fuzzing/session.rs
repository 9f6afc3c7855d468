//! Sessions of a relay over one store: frames of any kind in any order, and what is pushed to whom.

use std::collections::BTreeMap;

use relevo_protocol::limits::MAX_CREDIT;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    AdmissionId, AdmissionKey, Answer, Call, Capability, Cursor, Entry, Event, Grant, MailboxId, MailboxKind, Refusal,
    Request, Sequence, Subscription, SubscriptionId, encode,
};
use relevo_relay::session::core::{Admitted, Ask, Step, request, step};
use relevo_relay::session::subscriptions::Subscriptions;
use relevo_relay::store::{AdmissionKind, Change, Ledger, Most, Store};

use super::ledger::{apply, narrow};
use super::operations::Tape;

/// Somebody with an admission of their own.
pub const ENROLLED: Admitted = Admitted { id: AdmissionId([1; 16]), kind: AdmissionKind::Enrolled };

/// Mailboxes that the operations know.
const MAILBOXES: u8 = 3;

/// One session as the client sees it.
struct Session {
    admitted: Admitted,
    subscriptions: Subscriptions<()>,
    /// What the client follows: mailbox, last sequence, credit left.
    following: BTreeMap<SubscriptionId, (MailboxId, Sequence, u32)>,
}

struct World {
    store: Store,
    ledger: Ledger,
    sessions: Vec<Session>,
    now: Timestamp,
}

/// Frames and time, as the tape says.
pub fn session(bytes: &[u8]) {
    let Ok((store, ledger)) = Store::in_memory(narrow()) else { unreachable!("a store in memory") };
    let new = |admitted| Session { admitted, subscriptions: Subscriptions::new(), following: BTreeMap::new() };
    let shared = Admitted { id: AdmissionId([0; 16]), kind: AdmissionKind::Shared };
    let single = Admitted { id: AdmissionId([2; 16]), kind: AdmissionKind::SingleUse };
    let sessions = vec![new(shared), new(ENROLLED), new(single)];
    let mut world = World { store, ledger, sessions, now: Timestamp(500_000 * 3600) };
    let provide = Change::Provide { id: shared.id, key: key(0), expires: Hour(u32::MAX) };
    world.change(vec![provide]);
    let mut tape = Tape::new(bytes);
    while let Some(operation) = tape.next() {
        let who = usize::from(tape.below(3));
        match operation % 16 {
            0 => world.now = world.now.plus_seconds(u64::from(tape.byte()) * 1200),
            1 => drop(world.change(vec![Change::Sweep { limit: usize::from(tape.byte()) }])),
            2 | 3 => world.frame(who, tape.some()),
            4..=7 => drop(world.push(who, tape.below(4))),
            _ => {
                if let Some(call) = call(&mut tape) {
                    world.frame(who, &encode(&Request { number: 7, call }));
                }
            }
        }
    }
    for who in 0..world.sessions.len() {
        world.drain(who);
    }
}

impl World {
    /// One frame, answered as the session's task does.
    fn frame(&mut self, who: usize, frame: &[u8]) {
        let Some(session) = self.sessions.get_mut(who) else { return };
        let Ok(request) = request(frame) else { return };
        let Ok(request) = request else { return };
        match step(request.call, session.admitted) {
            Step::Answer(_) => {}
            Step::Change(change) => {
                let outcome = self.change(vec![change]);
                assert_ne!(outcome, vec![Err(Refusal::Failed)], "a store in memory does not fail");
            }
            Step::Enroll { change, then } => {
                let outcome = self.change(vec![change]);
                if let (Some(session), [Ok(Answer::Done)]) = (self.sessions.get_mut(who), outcome.as_slice()) {
                    assert_eq!(session.admitted.kind, AdmissionKind::SingleUse, "only a single use is replaced");
                    session.admitted = then;
                }
            }
            Step::Ask(ask) => self.ask(who, ask),
        }
    }

    fn ask(&mut self, who: usize, ask: Ask) {
        let Self { store, sessions, now, .. } = self;
        let Some(session) = sessions.get_mut(who) else { return };
        match ask {
            Ask::Read { mailbox, capability, cursor, limit } => {
                let most = Most { entries: usize::from(limit), bytes: 4000 };
                if let Ok(slice) = store.read(&mailbox, &capability, &cursor, most, *now) {
                    assert!(slice.entries.iter().all(|read| read.sequence > cursor.after));
                    assert!(slice.entries.len() <= usize::from(limit));
                }
            }
            Ask::Checkpoint { mailbox, capability } => drop(store.checkpoint(&mailbox, &capability, *now)),
            Ask::Credit { id, more } => {
                let known = session.following.get_mut(&id);
                assert_eq!(session.subscriptions.credit(id, more).is_ok(), known.is_some());
                if let Some((_, _, credit)) = known {
                    *credit = credit.saturating_add(more).min(MAX_CREDIT);
                }
            }
            Ask::Unsubscribe(id) => {
                session.subscriptions.remove(id);
                session.following.remove(&id);
            }
            Ask::Resume(subscriptions) => {
                for Subscription { id, mailbox, capability, cursor, credit } in subscriptions {
                    if session.subscriptions.room_for(id).is_err() {
                        continue;
                    }
                    let Ok(standing) = store.standing(&mailbox, &capability.hash(), *now) else { continue };
                    if cursor.incarnation.is_some_and(|life| life != standing.incarnation) {
                        continue;
                    }
                    session.subscriptions.follow(id, mailbox, cursor.after, credit, &standing, ());
                    let after = cursor.after.max(Sequence(standing.first_available.0.saturating_sub(1)));
                    session.following.insert(id, (mailbox, after, credit.min(MAX_CREDIT)));
                }
            }
        }
    }

    /// Changes the store and marks whoever follows what changed, as the writer's witness does.
    fn change(&mut self, changes: Vec<Change>) -> Vec<Result<Answer, Refusal>> {
        let batched = apply(&mut self.ledger, changes, self.now);
        for session in &mut self.sessions {
            for (mailbox, _) in &batched.touches {
                for (id, _) in session.following.iter().filter(|(_, (followed, _, _))| followed == mailbox) {
                    session.subscriptions.mark(*id);
                }
            }
        }
        batched.outcomes.into_iter().map(|outcome| outcome.map(Answer::from)).collect()
    }

    /// One slice for one subscription; whether there was one.
    fn push(&mut self, who: usize, limit: u8) -> bool {
        let Self { store, sessions, now, .. } = self;
        let Some(Session { subscriptions, following, .. }) = sessions.get_mut(who) else { return false };
        let Some(pull) = subscriptions.next(u16::from(limit)) else { return false };
        let Some((mailbox, after, credit)) = following.get_mut(&pull.id) else {
            unreachable!("something is pushed that nobody follows");
        };
        assert_eq!((pull.mailbox, pull.after), (*mailbox, *after));
        assert!(pull.limit > 0 && u32::from(pull.limit) <= *credit, "no more than credit allows");
        let most = Most { entries: usize::from(pull.limit), bytes: 4000 };
        let slice = match store.follow(&pull.mailbox, pull.after, most, *now) {
            Ok(slice) if subscriptions.is_same(pull.id, &slice.standing) => slice,
            Ok(_) | Err(_) => {
                assert_eq!(subscriptions.closed(pull.id), Event::Closed { id: pull.id });
                following.remove(&pull.id);
                return true;
            }
        };
        if let Some(Event::Gap { first_available, .. }) = subscriptions.gap(pull.id, &slice.standing) {
            assert!(first_available.0 > after.0 + 1, "a gap is told where something is missing");
            *after = Sequence(first_available.0 - 1);
        }
        let mut count = 0;
        for read in &slice.entries {
            assert_eq!(read.sequence, after.next(), "each entry once, in order");
            *after = read.sequence;
            count += 1;
        }
        *credit -= count;
        let last = slice.entries.last().map(|read| read.sequence);
        let _frozen = subscriptions.pushed(pull.id, last, count, &slice.standing);
        true
    }

    /// With credit enough, everybody comes to have everything.
    fn drain(&mut self, who: usize) {
        let ids: Vec<SubscriptionId> =
            self.sessions.get(who).map(|session| session.following.keys().copied().collect()).unwrap_or_default();
        for id in ids {
            self.ask(who, Ask::Credit { id, more: MAX_CREDIT });
        }
        let mut slices = 0;
        while self.push(who, 64) {
            slices += 1;
            assert!(slices < 10_000, "pushing comes to an end");
        }
        let Self { store, sessions, now, .. } = self;
        for (mailbox, after, _) in sessions.get(who).map(|session| session.following.values()).into_iter().flatten() {
            let most = Most { entries: 1, bytes: 1 };
            let left = store.follow(mailbox, *after, most, *now).map(|slice| slice.entries.len());
            assert!(matches!(left, Ok(0) | Err(Refusal::NoSuchMailbox)), "a subscriber was forgotten");
        }
    }
}

fn key(number: u8) -> AdmissionKey {
    AdmissionKey::new(Secret::new([number; 32]))
}

/// *owner* (0), *read* (1), *append* (2) or *take* (3) of a mailbox.
fn capability(mailbox: u8, which: u8) -> Capability {
    Capability::new(Secret::new([mailbox * 4 + which; 32]))
}

fn grant(mailbox: u8, which: u8) -> Grant {
    Grant { hash: capability(mailbox, which).hash(), per_hour: 20, bytes_per_hour: 1 << 20, expires: Hour(u32::MAX) }
}

fn entry(tape: &mut Tape<'_>) -> Option<Entry> {
    Entry::parse(vec![tape.byte(); tape.one_of(&[512, 512, 2048], 512)].into()).ok()
}

/// A call as the tape says.
fn call(tape: &mut Tape<'_>) -> Option<Call> {
    let operation = tape.next()?;
    let number = tape.below(MAILBOXES);
    let mailbox = MailboxId::of(&capability(number, 0).hash());
    let which = tape.below(4);
    let right = |which| capability(number, which);
    let cursor = |tape: &mut Tape<'_>| Cursor { incarnation: None, after: Sequence(tape.number()) };
    Some(match operation % 24 {
        0 | 1 => Call::Open {
            kind: if which & 1 == 0 { MailboxKind::Shared } else { MailboxKind::Personal },
            owner: right(0).hash(),
            read: Some(right(1).hash()),
            append: vec![grant(number, 2)],
            take: if which & 1 == 0 { Vec::new() } else { vec![grant(number, 3)] },
            lease_hours: 150,
        },
        2..=9 => Call::Append { mailbox, capability: right(if which == 0 { 0 } else { 2 }), entry: entry(tape)? },
        10 => Call::Read { mailbox, capability: right(1), cursor: cursor(tape), limit: u16::from(tape.byte()) },
        11..=13 => Call::Resume {
            subscriptions: (0..tape.below(3))
                .map(|_| Subscription {
                    id: SubscriptionId(u32::from(tape.below(3))),
                    mailbox,
                    capability: right(1),
                    cursor: cursor(tape),
                    credit: u32::try_from(tape.number()).unwrap_or(u32::MAX),
                })
                .collect(),
        },
        14 | 15 => Call::Credit {
            id: SubscriptionId(u32::from(which)),
            more: u32::try_from(tape.number()).unwrap_or(u32::MAX),
        },
        16 => Call::Unsubscribe { id: SubscriptionId(u32::from(which)) },
        17 => Call::Trim { mailbox, capability: right(0), upto: Sequence(tape.number()), incarnation: None },
        18 => Call::Take { mailbox, capability: right(3) },
        19 => Call::LastResort { mailbox, capability: right(0), entry: entry(tape)? },
        20 => Call::Freeze { mailbox, capability: right(0) },
        21 => Call::Close { mailbox, capability: right(0) },
        22 => Call::Sponsor { id: AdmissionId([2; 16]), key: key(2), expires: Hour(u32::MAX - 1) },
        _ => Call::Enroll { id: AdmissionId([1 + which; 16]), key: key(which) },
    })
}
