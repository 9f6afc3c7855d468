//! Bounds of the store: each default stands beside its field with its sum.

use std::time::Duration;

use relevo_protocol::limits;
use serde::{Deserialize, Serialize};

/// How much a relay keeps and for how long. Every field has a default; unknown fields are refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Bytes of entries, blobs and grants in all. 8 GiB: four fifths of a 10 GiB disk, of which `free_bytes` stays free.
    pub bytes: u64,
    /// Bytes beyond `bytes` that owners of shared mailboxes may append, all together, when the relay or their allowance is
    /// full. 1 GiB: on a 10 GiB disk half of what `bytes` leaves.
    pub reserve_bytes: u64,
    /// Free bytes of the disk below which new data is refused. 512 MiB: room for the ballast eight times over.
    pub free_bytes: u64,
    /// Free bytes below which even the reserve is refused. 128 MiB.
    pub last_free_bytes: u64,
    /// Bytes of the ballast file, given up when the disk is found full at a start. 64 MiB: sled reopens in a fraction.
    pub ballast_bytes: u64,
    /// Mailboxes in all. 100,000 rows of about 250 bytes are 25 MB on disk.
    pub mailboxes: u64,
    /// Entries of one mailbox by grants. 16,384: 250 members, two entries a day each, for a month.
    pub mailbox_entries: u64,
    /// Bytes of one mailbox by grants. 256 MiB: 16,384 entries, half of them 32 KiB.
    pub mailbox_bytes: u64,
    /// Hours that an entry is kept. 30 days.
    pub entry_hours: u32,
    /// Longest lease in hours of mailboxes and blobs, at most [`limits::MAX_LEASE_HOURS`].
    pub lease_hours: u32,
    /// Bytes that one admission may store in 30 days. 4 GiB: two of the largest documents.
    pub admission_bytes: u64,
    /// Mailboxes that one admission may open in 30 days. 512: every conversation moves monthly.
    pub admission_mailboxes: u64,
    /// Bytes of the reserve that one admission may use in 30 days. 8 MiB: 64 removals from groups of a hundred.
    pub admission_reserve: u64,
    /// Bytes that the shared admission of the address may store in 30 days: all that the relay holds.
    pub shared_bytes: u64,
    /// Mailboxes that the shared admission may open in 30 days: all that the relay holds.
    pub shared_mailboxes: u64,
    /// Bytes of the reserve that holders of the shared admission may use in 30 days, together. 256 MiB: a quarter of it.
    pub shared_reserve: u64,
    /// Single-use admissions that one admission may sponsor in 30 days. 64: more is no longer vetting.
    pub sponsored: u32,
    /// Single-use admissions that holders of the shared one may sponsor in 30 days, together. 4,096: a union's first month.
    pub shared_sponsored: u32,
    /// Admissions in all. 20,000 of about 150 bytes are 3 MB on disk. Its last eighth is kept for the shared one's
    /// sponsoring, so that those whom one another sponsored do not fill it alone. Raise it when it is full.
    pub admissions: u64,
    /// Single-use admissions that all enrolled ones may sponsor in 30 days, together: 64 who sponsor 64 each. Without it
    /// whoever is invited could invite 64 who invite 64. Counted in memory: a restart gives it anew, and `admissions` stays.
    pub all_sponsored: u32,
    /// Hours that an enrolled admission lasts after the last 30 days in which it was used. 400 days.
    pub admission_hours: u32,
    /// Unfinished blobs at once. 1,024 of 256 KiB are 256 MiB.
    pub partial_blobs: u64,
    /// Hours that an unfinished blob waits for its rest. 24.
    pub partial_hours: u32,
    /// Bytes of the engine's page cache. 16 MiB: half of what an idle relay may take.
    pub cache_bytes: u64,
    /// Bytes of recent entries kept for readers. 4 MiB: the last 4,096 of 1 KiB.
    pub recent_bytes: usize,
    /// Changes in one batch, made durable together. 1,024: 64 give half the throughput, more only waits (measured).
    pub batch: usize,
    /// Bytes of entries and blobs that wait for the writer. 32 MiB: 64 of the largest.
    pub queue_bytes: usize,
    /// Seconds between two sweeps. Expiry is by the hour; a minute spreads the work.
    pub sweep_seconds: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            bytes: 8 << 30,
            reserve_bytes: 1 << 30,
            free_bytes: 512 << 20,
            last_free_bytes: 128 << 20,
            ballast_bytes: 64 << 20,
            mailboxes: 100_000,
            mailbox_entries: 16_384,
            mailbox_bytes: 256 << 20,
            entry_hours: 30 * 24,
            lease_hours: limits::MAX_LEASE_HOURS,
            admission_bytes: 4 << 30,
            admission_mailboxes: 512,
            admission_reserve: 8 << 20,
            shared_bytes: 8 << 30,
            shared_mailboxes: 100_000,
            shared_reserve: 256 << 20,
            sponsored: 64,
            shared_sponsored: 4096,
            admissions: 20_000,
            all_sponsored: 4096,
            admission_hours: 400 * 24,
            partial_blobs: 1024,
            partial_hours: 24,
            cache_bytes: 16 << 20,
            recent_bytes: 4 << 20,
            batch: 1024,
            queue_bytes: 32 << 20,
            sweep_seconds: 60,
        }
    }
}

impl StoreConfig {
    /// Pause between two sweeps.
    #[must_use]
    pub fn sweep_pause(&self) -> Duration {
        Duration::from_secs(self.sweep_seconds.max(1))
    }
}
