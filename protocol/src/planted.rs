//! Bugs that are put in on purpose, one at a time, to see whether the simulator finds them. Behind the feature
//! `planted-bugs`, which no product build has (a test of the workspace holds that).

use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The bugs, in the order of [`BUGS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is told beside its name in BUGS")]
pub enum Bug {
    NoSync,
    CursorEarly,
    LeafUnchecked,
    HeadsUncompared,
    DeliveredTwice,
    LosingWelcome,
    LostWake,
    ForgottenRequest,
    UnaskedNewcomer,
    EarlyExpiry,
    StrandedWords,
    NonceRepeated,
    StillIn,
    NothingGivenBack,
}

/// Each bug: its name, and what is wrong with it in.
pub const BUGS: &[(Bug, &str, &str)] = &[
    (Bug::NoSync, "no-sync", "the relay answers Stored before the disk has it"),
    (Bug::CursorEarly, "cursor-early", "the cursor is saved before the transaction in which the rules take the entry"),
    (
        Bug::LeafUnchecked,
        "leaf-unchecked",
        "a leaf's key is not held against its binding, and one member forges theirs",
    ),
    (Bug::HeadsUncompared, "heads-uncompared", "heads and standings of a relay are not compared with what was read"),
    (Bug::DeliveredTwice, "delivered-twice", "a message is written down twice"),
    (Bug::LosingWelcome, "losing-welcome", "the welcome of a commit that has lost is sent"),
    (Bug::LostWake, "lost-wake", "subscribers of some mailboxes are not woken"),
    (Bug::ForgottenRequest, "forgotten-request", "what was under way in a session that broke is not asked again"),
    (Bug::UnaskedNewcomer, "unasked-newcomer", "words that wait are sent to somebody who was added meanwhile, unasked"),
    (Bug::EarlyExpiry, "early-expiry", "entries live a day instead of thirty"),
    (Bug::StrandedWords, "stranded-words", "words that landed behind a commit are not sent again"),
    (Bug::NonceRepeated, "nonce-repeated", "every entry is sealed under one nonce"),
    (Bug::StillIn, "still-in", "a member who was removed is not told"),
    (Bug::NothingGivenBack, "nothing-given-back", "a relay that was restored is not given what it has lost"),
];

static PLANTED: AtomicUsize = AtomicUsize::new(usize::MAX);

thread_local! {
    static FORGING: Cell<bool> = const { Cell::new(false) };
}

/// Puts a bug in by its name in place of the one before; none, and false, when there is none of this name.
pub fn plant(name: &str) -> bool {
    let place = BUGS.iter().position(|(_, known, _)| *known == name);
    PLANTED.store(place.unwrap_or(usize::MAX), Ordering::Relaxed);
    place.is_some()
}

/// Whether a bug is in.
#[must_use]
pub fn is(bug: Bug) -> bool {
    BUGS.get(PLANTED.load(Ordering::Relaxed)).is_some_and(|(planted, ..)| *planted == bug)
}

/// Whether whoever acts on this thread forges the bindings of their leaves.
pub fn set_forging(forging: bool) {
    FORGING.set(forging);
}

/// As [`set_forging`] said.
#[must_use]
pub fn forging() -> bool {
    FORGING.get()
}
