//! What a store holds in memory does not grow with what was written since it was opened. Alone in its process, which it
//! measures.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::sync::Arc;

use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Admission, Capability, Grant, MailboxKind};
use relevo_relay::store::{Change, Store, StoreConfig, Writer};

/// A hundred thousand mailboxes, which is as many as a relay has by default.
const MAILBOXES: usize = 100_000;

/// Their pages of the index, what it keeps of each, and what the allocator wastes. 142 MiB when sled had no turn to free what it gave up.
const MOST: u64 = 96 << 10;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn mailboxes_that_were_opened_since_the_start_take_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig { mailboxes: 1 << 20, shared_mailboxes: 1 << 20, ..StoreConfig::default() };
    let (_store, ledger) = Store::open(&folder.path().join("store"), config.clone()).unwrap();
    let now = || Timestamp(1_800_000_000);
    let (writer, thread) = Writer::spawn(ledger, &config, Arc::new(now), Box::new(|_| {})).unwrap();
    let admission = Admission::new(Secret::random().unwrap());
    let (id, key) = (admission.id(), admission.key());
    writer.apply(Change::Provide { id, key, expires: Hour(u32::MAX) }).await.unwrap();
    let before = resident_kib();
    let mut under_way = VecDeque::new();
    for _ in 0..MAILBOXES {
        let (owner, append) = (Capability::random().unwrap(), Capability::random().unwrap());
        let grant = Grant { hash: append.hash(), per_hour: 60, bytes_per_hour: 1 << 20, expires: Hour(u32::MAX) };
        let open = Change::Open {
            admission: id,
            kind: MailboxKind::Shared,
            owner: owner.hash(),
            read: None,
            append: vec![grant],
            take: Vec::new(),
            lease_hours: 24,
        };
        under_way.push_back(writer.submit(open).await.unwrap());
        if under_way.len() >= 4096 {
            under_way.pop_front().unwrap().await.unwrap();
        }
    }
    for opened in under_way {
        opened.await.unwrap();
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < MOST, "{grown} KiB");
    drop(writer);
    thread.join().unwrap();
}
