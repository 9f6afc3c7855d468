//! Panics in rules.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a rule on what somebody else sent. One that panics is one that failed: none.
///
/// Asserted to be safe, since nothing outlives a panic half done where this is called: the transaction or savepoint around
/// it is rolled back, and what rules keep in memory is loaded again.
pub(crate) fn caught<T>(rule: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(rule)).ok()
}
