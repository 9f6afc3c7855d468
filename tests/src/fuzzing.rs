//! What the fuzz targets do, one `fn(&[u8])` each. `tests/fuzz` gives them to libFuzzer; `tests/tests/fuzz.rs` runs them
//! over the committed corpus and over mutations of it. A body panics when a fact that it states does not hold.

pub mod backup;
pub mod engine;
pub mod ledger;
pub mod mutation;
pub mod objects;
pub mod operations;
pub mod people;
pub mod said;
pub mod seals;
pub mod session;
pub mod sign;
pub mod slots;
pub mod text;
pub mod wire;

/// Who can reach a parser.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reach {
    /// Anybody on the network, or a relay that nobody has checked yet.
    Stranger,
    /// It holds state across inputs.
    State,
    /// Those who hold an admission, a key or a grant; or a damaged file.
    Insider,
}

/// A fuzz target.
#[derive(Debug)]
pub struct Target {
    /// Its name: the binary of `tests/fuzz` and the folder of its corpus.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
    /// Who can reach what it tries.
    pub reach: Reach,
    /// Mutations that CI tries: many where one takes microseconds, few where it opens a vault.
    pub rounds: usize,
}

/// Declares the list, and so the names.
macro_rules! targets {
    ($($module:ident :: $name:ident $reach:ident $rounds:literal;)*) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            run: $module::$name,
            reach: Reach::$reach,
            rounds: $rounds,
        }),*];
    };
}

targets! {
    wire::frames Stranger 60000;
    wire::openings Stranger 60000;
    wire::requests Stranger 60000;
    wire::welcome Stranger 6000;
    wire::replies Insider 60000;
    wire::blob_replies Insider 60000;
    wire::checkpoint Insider 6000;
    text::relay_address Stranger 60000;
    text::code_link Stranger 60000;
    text::names Insider 60000;
    text::config Insider 6000;
    seals::entries Insider 6000;
    seals::inbox Stranger 900;
    seals::chunk Insider 6000;
    objects::card Insider 3000;
    objects::charter Insider 900;
    objects::coordinator_set Insider 900;
    objects::device_set Insider 3000;
    objects::vouch Insider 3000;
    objects::revocations Insider 3000;
    objects::alert Insider 3000;
    objects::manifest Insider 3000;
    objects::leave Insider 3000;
    objects::pins Insider 30000;
    objects::leaf_credential Insider 1500;
    people::proof Insider 450;
    people::bundle Insider 450;
    people::invitation Insider 1500;
    people::parcel Insider 1500;
    said::parcel_body Insider 15000;
    said::message Insider 15000;
    said::log_item Insider 15000;
    said::location Insider 15000;
    slots::slots Insider 1500;
    backup::backup Insider 3000;
    session::session State 3000;
    ledger::ledger State 3000;
    engine::engine State 300;
}

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
