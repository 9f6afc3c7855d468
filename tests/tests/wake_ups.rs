//! Subscribe, wake and group commit as a model of the steps that `relay/src/delivery.rs`, `store.rs`, `store/ledger.rs` and
//! `session/subscriptions.rs` take, in every interleaving of them: a subscriber is never left asleep beside an entry that it
//! has credit for, and no reader sees an entry that a power cut could still take back.
//!
//! It proves the order of the steps and nothing of the code, which may change without it. `interleavings.rs` of the relay's
//! store and sessions leads the code itself, through a sample of the interleavings.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// Walks every state that steps lead to.
fn every<S: Clone + Eq + Hash>(start: S, next: impl Fn(&S) -> Vec<S>, mut check: impl FnMut(&S, bool)) -> usize {
    let mut seen = HashSet::from([start.clone()]);
    let mut waiting = VecDeque::from([start]);
    while let Some(state) = waiting.pop_front() {
        let all = next(&state);
        check(&state, all.is_empty());
        for state in all {
            if seen.insert(state.clone()) {
                waiting.push_back(state);
            }
        }
    }
    seen.len()
}

/// The writer's steps for one batch, in the order of `Ledger::apply` and the writer's loop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Writer {
    Idle,
    Hidden,
    /// The engine has the rows; a power cut would still lose them.
    Written,
    Durable,
    Shown,
}

/// What one session does, as `Answers::gather` and `Subscriptions` do it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Session {
    /// Before its Resume.
    New,
    /// The ticket is in the table; the standing is not read yet.
    Following,
    /// Looks for marks, then for what is due.
    Awake,
    /// Reads the engine's row, then asks whether it is hidden: two steps.
    Loaded { row: u8 },
    /// Waits to be notified.
    Asleep,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    writer: Writer,
    /// Batches of one entry each that are still to come.
    batches: u8,
    /// Last sequence in the engine, last that is durable, and what readers are shown instead while a batch is under way.
    engine: u8,
    durable: u8,
    hidden: Option<u8>,
    session: Session,
    ticket: bool,
    /// The listener's set and its permit.
    marked: bool,
    permit: bool,
    /// The subscription: last sequence pushed, credit, whether it stands in the queue of those due.
    after: u8,
    credit: u8,
    due: bool,
    /// Credit that the client will still give.
    gifts: u8,
}

impl World {
    fn start(batches: u8, credit: u8, gifts: u8) -> Self {
        Self {
            writer: Writer::Idle,
            batches,
            engine: 0,
            durable: 0,
            hidden: None,
            session: Session::New,
            ticket: false,
            marked: false,
            permit: false,
            after: 0,
            credit,
            due: false,
            gifts,
        }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut world = self.clone();
        change(&mut world);
        world
    }

    fn next(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        worlds.extend(self.writer_goes_on());
        worlds.extend(self.session_goes_on());
        if self.gifts > 0 && !matches!(self.session, Session::New | Session::Following | Session::Loaded { .. }) {
            // A Credit request: it wakes the session by its queue, and marks the subscription.
            worlds.push(self.with(|world| {
                world.gifts -= 1;
                world.credit += 1;
                world.due = true;
                world.session = Session::Awake;
            }));
        }
        worlds
    }

    fn writer_goes_on(&self) -> Option<Self> {
        Some(match self.writer {
            Writer::Idle if self.batches == 0 => return None,
            Writer::Idle => self.with(|world| {
                world.batches -= 1;
                world.hidden = Some(world.engine);
                world.writer = Writer::Hidden;
            }),
            Writer::Hidden => self.with(|world| {
                world.engine += 1;
                world.writer = Writer::Written;
            }),
            Writer::Written => self.with(|world| {
                world.durable = world.engine;
                world.writer = Writer::Durable;
            }),
            Writer::Durable => self.with(|world| {
                world.hidden = None;
                world.writer = Writer::Shown;
            }),
            // The witness: marks whoever is in the table, and notifies when the mark is new.
            Writer::Shown => self.with(|world| {
                if world.ticket && !world.marked {
                    world.marked = true;
                    world.permit = true;
                }
                world.writer = Writer::Idle;
            }),
        })
    }

    fn session_goes_on(&self) -> Option<Self> {
        Some(match self.session {
            Session::New => self.with(|world| {
                world.ticket = true;
                world.session = Session::Following;
            }),
            // The standing is read, and the subscription begins marked.
            Session::Following => self.with(|world| {
                world.due = world.credit > 0;
                world.session = Session::Awake;
            }),
            Session::Awake if self.marked => self.with(|world| {
                world.marked = false;
                world.due |= world.credit > 0;
            }),
            Session::Awake if self.due => self.with(|world| {
                world.due = false;
                world.session = Session::Loaded { row: world.engine };
            }),
            Session::Awake => self.with(|world| world.session = Session::Asleep),
            Session::Loaded { row } => self.with(|world| {
                let last = world.hidden.unwrap_or(row);
                if world.after < last {
                    world.after += 1;
                    world.credit -= 1;
                    world.due = world.after < last && world.credit > 0;
                }
                world.session = Session::Awake;
            }),
            Session::Asleep if self.permit => self.with(|world| {
                world.permit = false;
                world.session = Session::Awake;
            }),
            Session::Asleep => return None,
        })
    }
}

#[test]
fn no_subscriber_is_left_asleep_beside_an_entry() {
    for (credit, gifts) in [(0, 1), (1, 0), (1, 2), (3, 0)] {
        let mut ends = 0;
        let states = every(World::start(3, credit, gifts), World::next, |world, over| {
            if over {
                ends += 1;
                let reachable = 3.min(credit + gifts);
                assert_eq!(world.after, reachable, "{world:?}");
            }
        });
        assert!(states > 50 && ends > 0, "{states} states, {ends} ends");
    }
}

#[test]
fn no_reader_sees_what_a_power_cut_could_take_back() {
    every(World::start(3, 3, 0), World::next, |world, _| {
        assert!(world.after <= world.durable, "{world:?}");
    });
}
