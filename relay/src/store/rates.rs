//! What each grant has used of its hour. In memory only: on disk it would tell when whose grant was used.

use std::collections::HashMap;

use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{CapabilityHash, GrantTable, MailboxId, Refusal};

use super::record::GrantRow;

/// Uses of the present hour. Holds one line per grant used in it, so the grants on disk bound it.
pub(crate) struct Rates {
    hour: Hour,
    used: HashMap<([u8; 32], MailboxId, Table), Used>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Table {
    Append,
    Take,
}

#[derive(Clone, Copy, Default)]
struct Used {
    acts: u32,
    bytes: u64,
}

impl Rates {
    pub(crate) fn new() -> Self {
        Self { hour: Hour(0), used: HashMap::new() }
    }

    /// Counts one act of `bytes` against a grant, or refuses and counts nothing.
    pub(crate) fn spend(
        &mut self,
        mailbox: &MailboxId,
        table: GrantTable,
        hash: &CapabilityHash,
        grant: &GrantRow,
        bytes: u64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let hour = now.round_up();
        if hour != self.hour {
            self.hour = hour;
            self.used = HashMap::new();
        }
        let table = match table {
            GrantTable::Append => Table::Append,
            GrantTable::Take => Table::Take,
        };
        let used = self.used.entry((hash.0, *mailbox, table)).or_default();
        let sum = used.bytes.saturating_add(bytes);
        if used.acts >= grant.per_hour || (table == Table::Append && sum > grant.bytes_per_hour) {
            return Err(Refusal::RateExceeded);
        }
        *used = Used { acts: used.acts.saturating_add(1), bytes: sum };
        Ok(())
    }
}
