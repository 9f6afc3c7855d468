//! What each grant has used of its hour. In memory only: on disk it would tell when whose grant was used.

use std::collections::HashMap;

use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{GrantTable, Refusal};

use super::engine::Key;
use super::record::GrantRow;
use super::rules;

/// Uses of the present hour, by the key of the grant's row. Lines go with their rows, so the grants on disk bound it.
pub(crate) struct Rates {
    hour: Hour,
    used: HashMap<Key, Used>,
    /// The 30 days that are counted in, and what enrolled admissions have sponsored in them, all together.
    sponsoring: (u32, u32),
}

#[derive(Clone, Copy, Default)]
struct Used {
    acts: u32,
    bytes: u64,
}

impl Rates {
    pub(crate) fn new() -> Self {
        Self { hour: Hour(0), used: HashMap::new(), sponsoring: (0, 0) }
    }

    /// Counts one act of `bytes` against a grant, or refuses and counts nothing.
    pub(crate) fn spend(
        &mut self,
        key: Key,
        table: GrantTable,
        grant: &GrantRow,
        bytes: u64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let hour = now.round_up();
        if hour != self.hour {
            self.hour = hour;
            self.used = HashMap::new();
        }
        let used = self.used.entry(key).or_default();
        let sum = used.bytes.saturating_add(bytes);
        let too_long = match table {
            GrantTable::Append => sum > grant.bytes_per_hour,
            GrantTable::Take => false,
        };
        if used.acts >= grant.per_hour || too_long {
            return Err(Refusal::RateExceeded);
        }
        *used = Used { acts: used.acts.saturating_add(1), bytes: sum };
        Ok(())
    }

    /// Whether enrolled admissions, all together, may sponsor one more in these 30 days.
    pub(crate) fn may_sponsor(&self, most: u32, now: Timestamp) -> Result<(), Refusal> {
        let (period, count) = self.sponsoring;
        if period == rules::period(now) && count >= most { Err(Refusal::RelayFull) } else { Ok(()) }
    }

    /// Counts one that an enrolled admission has sponsored.
    pub(crate) fn sponsored(&mut self, now: Timestamp) {
        let period = rules::period(now);
        let (counted, count) = self.sponsoring;
        self.sponsoring = (period, if counted == period { count.saturating_add(1) } else { 1 });
    }

    /// Forgets a grant whose row goes.
    pub(crate) fn forget(&mut self, key: &[u8]) {
        self.used.remove(key);
    }

    /// Grants that were used in this hour.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.used.len()
    }
}
