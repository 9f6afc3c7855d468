//! Files, directories and power: the disk without the kernel's side of it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::Errno;

use super::content::Content;
use super::names::{Names, Node};
use super::{Counts, Fate, Planted, Unit};
use crate::dice::Dice;

/// The root directory, as the kernel numbers it.
pub(super) const ROOT: Node = 1;

/// What a node is.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// None for a directory.
    pub(super) content: Option<Content>,
    pub(super) mode: u32,
    pub(super) modified: SystemTime,
    /// Its last name, and the directory that has it.
    name: (Node, OsString),
}

/// The disk.
#[derive(Debug)]
pub(super) struct Disk {
    items: BTreeMap<Node, Item>,
    names: Names,
    next: Node,
    planted: Planted,
    power: Power,
    counts: Counts,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Power {
    On,
    /// Until so many more changes have been made.
    For(u64),
    Off,
}

/// How a file was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Handle {
    ReadOnly,
    Writable,
}

impl Disk {
    pub(super) fn new(planted: Planted) -> Self {
        let root = Item { content: None, mode: 0o700, modified: UNIX_EPOCH, name: (0, OsString::new()) };
        Self {
            items: BTreeMap::from([(ROOT, root)]),
            names: Names::default(),
            next: ROOT + 1,
            planted,
            power: Power::On,
            counts: Counts::default(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn cut_after(&mut self, changes: u64) {
        self.power = if changes == 0 { Power::Off } else { Power::For(changes) };
    }

    pub(super) fn cut(&mut self) {
        self.power = Power::Off;
    }

    pub(super) fn is_cut(&self) -> bool {
        self.power == Power::Off
    }

    /// Whether there is power for a reading call.
    pub(super) fn powered(&self) -> Result<(), Errno> {
        if self.is_cut() { Err(Errno::IO) } else { Ok(()) }
    }

    /// Takes one change from what the power lasts for.
    fn change(&mut self) -> Result<(), Errno> {
        self.powered()?;
        if let Power::For(left) = self.power {
            // The last change is still done: the cut comes between two calls.
            self.power = if left <= 1 { Power::Off } else { Power::For(left - 1) };
        }
        Ok(())
    }

    pub(super) fn item(&self, node: Node) -> Result<&Item, Errno> {
        self.powered()?;
        self.items.get(&node).ok_or(Errno::NOENT)
    }

    pub(super) fn item_mut(&mut self, node: Node) -> Result<&mut Item, Errno> {
        self.powered()?;
        self.items.get_mut(&node).ok_or(Errno::NOENT)
    }

    pub(super) fn find(&self, directory: Node, name: &OsStr) -> Result<Node, Errno> {
        self.powered()?;
        self.names.find(directory, name).ok_or(Errno::NOENT)
    }

    pub(super) fn list(&self, directory: Node) -> Vec<(OsString, Node)> {
        self.names.list(directory).map(|(name, node)| (name.to_owned(), node)).collect()
    }

    /// Makes a file, or a directory if `content` is none.
    pub(super) fn make(
        &mut self,
        directory: Node,
        name: &OsStr,
        mode: u32,
        content: Option<Content>,
    ) -> Result<Node, Errno> {
        self.change()?;
        if self.names.find(directory, name).is_some() {
            return Err(Errno::EXIST);
        }
        let node = self.next;
        self.next += 1;
        let name = (directory, name.to_owned());
        self.names.link(directory, &name.1, node);
        self.items.insert(node, Item { content, mode, modified: SystemTime::now(), name });
        self.counts.names += 1;
        Ok(node)
    }

    pub(super) fn remove(&mut self, directory: Node, name: &OsStr) -> Result<(), Errno> {
        self.change()?;
        let node = self.names.find(directory, name).ok_or(Errno::NOENT)?;
        if self.names.list(node).next().is_some() {
            return Err(Errno::NOTEMPTY);
        }
        // Its bytes stay for those who have it open, until the power goes.
        self.names.unlink(directory, name);
        self.counts.names += 1;
        Ok(())
    }

    pub(super) fn rename(&mut self, from: (Node, &OsStr), to: (Node, &OsStr)) -> Result<(), Errno> {
        self.change()?;
        let node = self.names.find(from.0, from.1).ok_or(Errno::NOENT)?;
        self.names.rename(from, to, node);
        if let Some(item) = self.items.get_mut(&node) {
            item.name = (to.0, to.1.to_owned());
        }
        self.counts.names += 1;
        Ok(())
    }

    /// Changes the bytes of a file.
    pub(super) fn alter(&mut self, node: Node, how: impl FnOnce(&mut Content)) -> Result<(), Errno> {
        self.change()?;
        let item = self.items.get_mut(&node).ok_or(Errno::NOENT)?;
        how(item.content.as_mut().ok_or(Errno::ISDIR)?);
        item.modified = SystemTime::now();
        self.counts.writes += 1;
        Ok(())
    }

    pub(super) fn sync(&mut self, node: Node, handle: Handle) -> Result<(), Errno> {
        self.change()?;
        self.counts.syncs += 1;
        let skipped = match self.planted {
            Planted::Nothing | Planted::NamesNotSynced => false,
            Planted::SledAlone => handle == Handle::ReadOnly && self.is_below("index", node),
            Planted::BodiesNotSynced => self.is_below("bodies", node),
            Planted::LogNotSynced => {
                self.items.get(&node).is_some_and(|item| item.name.1.to_string_lossy().ends_with("-wal"))
            }
        };
        if !skipped {
            let item = self.items.get_mut(&node).ok_or(Errno::NOENT)?;
            item.content.as_mut().ok_or(Errno::ISDIR)?.sync();
        }
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, node: Node) -> Result<(), Errno> {
        self.change()?;
        self.counts.directory_syncs += 1;
        let skipped = match self.planted {
            Planted::Nothing | Planted::LogNotSynced => false,
            Planted::SledAlone => self.is_below("index", node),
            Planted::BodiesNotSynced => self.is_below("bodies", node),
            Planted::NamesNotSynced => true,
        };
        if !skipped {
            self.names.sync(node);
        }
        Ok(())
    }

    /// Whether a directory of this name is a node or lies above it.
    fn is_below(&self, name: &str, mut node: Node) -> bool {
        while let Some(item) = self.items.get(&node).filter(|_| node != ROOT) {
            if item.name.1 == name {
                return true;
            }
            node = item.name.0;
        }
        false
    }

    /// Draws what survived, forgets the rest, and has power again.
    pub(super) fn reboot(&mut self, dice: &mut Dice) {
        let unit = if dice.chance(50) { Unit::Sector } else { Unit::Page };
        self.names.cut(Fate::draw(dice), dice);
        let reachable = self.names.reachable(ROOT);
        self.items.retain(|node, _| reachable.contains(node));
        for item in self.items.values_mut() {
            if let Some(content) = &mut item.content {
                content.cut(Fate::draw(dice), unit, dice);
            }
        }
        self.power = Power::On;
    }
}
