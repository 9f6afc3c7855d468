//! The last entries appended, for the readers that wait for them: a thousand subscribers read memory, not disk.

use std::collections::{HashMap, VecDeque};

use relevo_protocol::wire::{Incarnation, MailboxId, ReadEntry, Sequence};

type Place = (MailboxId, Incarnation, Sequence);

/// Entries by place, the oldest forgotten first, within a bound of bytes.
pub(crate) struct Recent {
    entries: HashMap<Place, ReadEntry>,
    order: VecDeque<Place>,
    bytes: usize,
    max_bytes: usize,
}

impl Recent {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), bytes: 0, max_bytes }
    }

    pub(crate) fn keep(&mut self, mailbox: MailboxId, incarnation: Incarnation, entry: ReadEntry) {
        let place = (mailbox, incarnation, entry.sequence);
        self.bytes += entry.entry.size();
        self.order.push_back(place);
        self.entries.insert(place, entry);
        while self.bytes > self.max_bytes {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(entry) = self.entries.remove(&oldest) {
                self.bytes -= entry.entry.size();
            }
        }
    }

    pub(crate) fn entry(&self, mailbox: &MailboxId, incarnation: Incarnation, sequence: Sequence) -> Option<ReadEntry> {
        self.entries.get(&(*mailbox, incarnation, sequence)).cloned()
    }
}
