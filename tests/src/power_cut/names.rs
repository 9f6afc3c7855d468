//! Names in directories: which are on the platter, and which changes to them are not yet.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use super::Fate;
use crate::dice::Dice;

/// Number of a file or directory.
pub(super) type Node = u64;
/// A name in a directory.
type Place = (Node, OsString);

/// A change of names, whole or not at all: file systems promise that of a rename.
#[derive(Clone, Debug)]
struct Change {
    /// Names that come to stand for a node, or for none.
    places: Vec<(Place, Option<Node>)>,
}

impl Change {
    fn touches(&self, places: &BTreeSet<&Place>) -> bool {
        self.places.iter().any(|(place, _)| places.contains(place))
    }

    fn apply(&self, names: &mut BTreeMap<Place, Node>) {
        for (place, node) in &self.places {
            match node {
                Some(node) => names.insert(place.clone(), *node),
                None => names.remove(place),
            };
        }
    }
}

/// All names of a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    durable: BTreeMap<Place, Node>,
    now: BTreeMap<Place, Node>,
    pending: Vec<Change>,
}

impl Names {
    pub(super) fn find(&self, directory: Node, name: &OsStr) -> Option<Node> {
        self.now.get(&(directory, name.to_owned())).copied()
    }

    pub(super) fn list(&self, directory: Node) -> impl Iterator<Item = (&OsStr, Node)> {
        let from = (directory, OsString::new());
        let inside = self.now.range(from..).take_while(move |((parent, _), _)| *parent == directory);
        inside.map(|((_, name), node)| (name.as_os_str(), *node))
    }

    pub(super) fn link(&mut self, directory: Node, name: &OsStr, node: Node) {
        self.change(vec![((directory, name.to_owned()), Some(node))]);
    }

    pub(super) fn unlink(&mut self, directory: Node, name: &OsStr) {
        self.change(vec![((directory, name.to_owned()), None)]);
    }

    pub(super) fn rename(&mut self, from: (Node, &OsStr), to: (Node, &OsStr), node: Node) {
        let from = (from.0, from.1.to_owned());
        let to = (to.0, to.1.to_owned());
        if from != to {
            self.change(vec![(from, None), (to, Some(node))]);
        }
    }

    fn change(&mut self, places: Vec<(Place, Option<Node>)>) {
        let change = Change { places };
        change.apply(&mut self.now);
        self.pending.push(change);
    }

    /// fsync of a directory: its names, and the changes elsewhere that they came from, are on the platter.
    pub(super) fn sync(&mut self, directory: Node) {
        let mut wanted: BTreeSet<&Place> = BTreeSet::new();
        let mut chosen = vec![false; self.pending.len()];
        for (change, chosen) in self.pending.iter().zip(&mut chosen).rev() {
            let inside = change.places.iter().any(|((parent, _), _)| *parent == directory);
            if inside || change.touches(&wanted) {
                *chosen = true;
                wanted.extend(change.places.iter().map(|(place, _)| place));
            }
        }
        let mut chosen = chosen.into_iter();
        self.pending.retain(|change| {
            let now = chosen.next().unwrap_or(false);
            if now {
                change.apply(&mut self.durable);
            }
            !now
        });
    }

    /// The power is gone: what of the pending changes reached the platter is drawn. None is kept without those before
    /// it that touched the same names.
    pub(super) fn cut(&mut self, fate: Fate, dice: &mut Dice) {
        let count = u64::try_from(self.pending.len()).unwrap_or(0);
        let upto = dice.below(count.saturating_add(1));
        let mut dropped: BTreeSet<&Place> = BTreeSet::new();
        for (number, change) in (0_u64..).zip(&self.pending) {
            let drawn = match fate {
                Fate::Nothing => false,
                Fate::Everything => true,
                Fate::UpTo => number < upto,
                Fate::Anything => dice.chance(50),
            };
            if drawn && !change.touches(&dropped) {
                change.apply(&mut self.durable);
            } else {
                dropped.extend(change.places.iter().map(|(place, _)| place));
            }
        }
        self.pending.clear();
        self.now = self.durable.clone();
    }

    /// Everything that can be reached from the root.
    pub(super) fn reachable(&self, root: Node) -> BTreeSet<Node> {
        let (mut found, mut open) = (BTreeSet::from([root]), vec![root]);
        while let Some(directory) = open.pop() {
            for (_, node) in self.list(directory) {
                if found.insert(node) {
                    open.push(node);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Node = 1;

    #[test]
    fn a_name_lasts_from_the_directorys_sync_on() {
        let mut names = Names::default();
        names.link(ROOT, OsStr::new("kept"), 2);
        names.sync(ROOT);
        names.link(ROOT, OsStr::new("lost"), 3);
        names.unlink(ROOT, OsStr::new("kept"));
        names.cut(Fate::Nothing, &mut Dice::new(1));
        assert_eq!(names.list(ROOT).collect::<Vec<_>>(), [(OsStr::new("kept"), 2)]);
    }

    #[test]
    fn a_rename_is_whole_or_not_at_all_and_never_without_its_source() {
        for seed in 0..100 {
            let mut names = Names::default();
            names.link(5, OsStr::new("new"), 2);
            names.rename((5, OsStr::new("new")), (6, OsStr::new("final")), 2);
            let mut synced = names.clone();
            names.cut(Fate::Anything, &mut Dice::new(seed));
            assert!(!(names.find(5, OsStr::new("new")).is_some() && names.find(6, OsStr::new("final")).is_some()));
            synced.sync(6);
            synced.cut(Fate::Nothing, &mut Dice::new(seed));
            assert_eq!(synced.find(6, OsStr::new("final")), Some(2));
        }
    }
}
