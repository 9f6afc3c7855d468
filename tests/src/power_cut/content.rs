//! One file: what is on the platter, and what only the cache has.

use std::collections::BTreeMap;

use super::{Fate, Unit};
use crate::dice::Dice;

/// What was done to a file since it was last synced.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize { from: usize, to: usize },
    Punch { offset: usize, length: usize },
}

impl Change {
    /// The range of bytes that it changes.
    fn range(&self) -> std::ops::Range<usize> {
        match self {
            Self::Write { offset, bytes } => *offset..offset.saturating_add(bytes.len()),
            Self::Resize { from, to } => (*to).min(*from)..*from,
            Self::Punch { offset, length } => *offset..offset.saturating_add(*length),
        }
    }

    /// Does it within `within`; the file is long enough already or grows.
    fn apply(&self, bytes: &mut Vec<u8>, within: std::ops::Range<usize>) {
        let range = self.range();
        let (start, end) = (range.start.max(within.start), range.end.min(within.end));
        if start >= end {
            return;
        }
        let zeros = || vec![0; end.saturating_sub(start)];
        let new = match self {
            Self::Write { offset, bytes } => {
                bytes.get(start.saturating_sub(*offset)..end.saturating_sub(*offset)).map(<[u8]>::to_vec)
            }
            Self::Resize { .. } | Self::Punch { .. } => Some(zeros()),
        };
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        if let (Some(to), Some(new)) = (bytes.get_mut(start..end), new) {
            to.copy_from_slice(&new);
        }
    }
}

/// A file's bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    durable: Vec<u8>,
    now: Vec<u8>,
    pending: Vec<Change>,
}

impl Content {
    /// What a reader sees.
    pub(super) fn now(&self) -> &[u8] {
        &self.now
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if offset > self.now.len() {
            self.resize(offset);
        }
        self.change(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn resize(&mut self, to: usize) {
        let from = self.now.len();
        if from != to {
            self.change(Change::Resize { from, to });
            self.now.resize(to, 0);
        }
    }

    pub(super) fn punch(&mut self, offset: usize, length: usize) {
        let length = length.min(self.now.len().saturating_sub(offset));
        if length > 0 {
            self.change(Change::Punch { offset, length });
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now, 0..usize::MAX);
        self.pending.push(change);
    }

    /// fsync: everything is on the platter.
    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable, 0..usize::MAX);
        }
        // Growing by a resize changes no byte.
        self.durable.resize(self.now.len(), 0);
    }

    /// The power is gone: what of the pending writes reached the platter is drawn. Each unit of the disk holds what it
    /// held after one of the changes to it, whichever, and the file has one of the lengths that it had: writes are
    /// lost, torn and reordered as a disk may. (No disk puts an older write over a newer one of the same unit.)
    pub(super) fn cut(&mut self, fate: Fate, unit: Unit, dice: &mut Dice) {
        let unit = unit.bytes();
        let last = self.pending.len();
        let kept = match fate {
            Fate::Nothing => 0,
            Fate::Everything => last,
            // All up to a moment, and the rest by chance below.
            Fate::UpTo => pick(dice, last),
            Fate::Anything => 0,
        };
        let mut survivor = std::mem::take(&mut self.durable);
        let mut length = survivor.len();
        for change in self.pending.iter().take(kept) {
            change.apply(&mut survivor, 0..usize::MAX);
            length = after(change, length);
        }
        let loose: Vec<&Change> = match fate {
            Fate::Nothing | Fate::Everything => Vec::new(),
            // The write under way when the power went is torn.
            Fate::UpTo => self.pending.iter().skip(kept).take(1).collect(),
            Fate::Anything => self.pending.iter().collect(),
        };
        let mut lengths = vec![length];
        let mut touches: BTreeMap<usize, usize> = BTreeMap::new();
        for change in &loose {
            length = after(change, length);
            lengths.push(length);
            for place in units(change, unit) {
                *touches.entry(place).or_default() += 1;
            }
        }
        for left in touches.values_mut() {
            *left = pick(dice, *left);
        }
        for change in &loose {
            for place in units(change, unit) {
                if let Some(left) = touches.get_mut(&place).filter(|left| **left > 0) {
                    *left -= 1;
                    let start = place.saturating_mul(unit);
                    change.apply(&mut survivor, start..start.saturating_add(unit));
                }
            }
        }
        survivor.resize(dice.pick(&lengths).copied().unwrap_or(0), 0);
        self.durable = survivor.clone();
        self.now = survivor;
        self.pending.clear();
    }
}

/// Length of a file after a change.
fn after(change: &Change, length: usize) -> usize {
    match change {
        Change::Resize { to, .. } => *to,
        Change::Write { .. } => length.max(change.range().end),
        Change::Punch { .. } => length,
    }
}

fn units(change: &Change, unit: usize) -> std::ops::Range<usize> {
    let range = change.range();
    if range.is_empty() { 0..0 } else { range.start / unit..range.end.div_ceil(unit) }
}

/// A number from 0 to `most`, both included.
fn pick(dice: &mut Dice, most: usize) -> usize {
    let drawn = dice.below(u64::try_from(most).unwrap_or(0).saturating_add(1));
    usize::try_from(drawn).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Content {
        let mut content = Content::default();
        content.write(0, &[1; 8192]);
        content.sync();
        content.write(1024, &[2; 2048]);
        content.write(8192, &[3; 1024]);
        content
    }

    #[test]
    fn what_was_synced_survives_every_cut() {
        for seed in 0..200 {
            let mut dice = Dice::new(seed);
            let mut content = written();
            let fate = Fate::draw(&mut dice);
            content.cut(fate, Unit::Sector, &mut dice);
            assert_eq!(content.now()[..1024], [1; 1024]);
            assert_eq!(content.now()[3072..8192], [1; 5120]);
            let mut synced = written();
            synced.sync();
            let before = synced.now().to_vec();
            synced.cut(fate, Unit::Sector, &mut dice);
            assert_eq!(synced.now(), before);
        }
    }

    #[test]
    fn pending_writes_are_lost_torn_and_reordered() {
        let (mut lost, mut torn, mut reordered, mut whole) = (0, 0, 0, 0);
        for seed in 0..200 {
            let mut content = written();
            content.cut(Fate::Anything, Unit::Sector, &mut Dice::new(seed));
            let bytes = content.now();
            let sectors: Vec<u8> = bytes.chunks(512).map(|sector| sector[0]).collect();
            assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "within a sector");
            let first = sectors[2..6].iter().filter(|sector| **sector == 2).count();
            let second = sectors.get(16..).map_or(0, |more| more.iter().filter(|sector| **sector == 3).count());
            match (first, second) {
                (0, 0) => lost += 1,
                (4, 2) => whole += 1,
                (0, 2) => reordered += 1,
                _ => torn += 1,
            }
        }
        assert!(lost > 0 && torn > 0 && reordered > 0 && whole > 0, "{lost} {torn} {reordered} {whole}");
    }

    #[test]
    fn holes_and_lengths_are_pending_too() {
        let mut content = written();
        content.sync();
        content.punch(0, 4096);
        content.resize(100);
        assert_eq!(content.now(), [0; 100]);
        let mut lost = content.clone();
        lost.cut(Fate::Nothing, Unit::Page, &mut Dice::new(1));
        assert_eq!((lost.now().len(), lost.now()[0]), (9216, 1));
        content.sync();
        content.cut(Fate::Nothing, Unit::Page, &mut Dice::new(1));
        assert_eq!(content.now(), [0; 100]);
    }

    #[test]
    fn a_gap_before_a_write_reads_as_zeros() {
        let mut content = Content::default();
        content.write(1000, &[9]);
        assert_eq!(content.now()[999..], [0, 9]);
    }
}
