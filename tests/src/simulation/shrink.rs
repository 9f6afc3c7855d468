//! From a list of operations that breaks something to a shorter one that does.

use super::op::Op;
use super::run::{Report, play};
use super::town::Town;

/// Tries at most; each is a whole run.
const TRIES: usize = 400;

/// Leaves out what can be left out: halves first, single operations last (Zeller's delta debugging). Gives the shortest
/// run that still breaks what broke at first, whoever it befalls.
///
/// # Errors
/// The town cannot be copied.
pub fn shrink(town: &Town, seed: u64, first: Report) -> anyhow::Result<Report> {
    let broke = kind(&first);
    let mut best = first;
    let mut size = best.ops.len().div_ceil(2).max(1);
    let mut tries = 0;
    loop {
        let mut from = 0;
        let mut shorter = false;
        while from < best.ops.len() && tries < TRIES {
            let left: Vec<Op> = best
                .ops
                .iter()
                .enumerate()
                .filter(|(at, _)| *at < from || *at >= from + size)
                .map(|(_, op)| op.clone())
                .collect();
            tries += 1;
            let report = play(town, seed, left, best.lines.len().max(1))?;
            if kind(&report) == broke {
                best = report;
                shorter = true;
            } else {
                from += size;
            }
        }
        if tries >= TRIES || (size == 1 && !shorter) {
            return Ok(best);
        }
        size = size.div_ceil(2).max(1);
    }
}

/// What broke, without places, numbers and names.
fn kind(report: &Report) -> Option<String> {
    let last = report.broken.as_deref()?.lines().last()?;
    let said = last.rsplit_once("fault None: ").map_or(last, |(_, said)| said);
    let words: Vec<&str> =
        said.split(' ').filter(|word| word.chars().all(|letter| letter.is_ascii_lowercase())).collect();
    Some(words.join(" "))
}
