//! Histories of the relay's store: a batch means what its changes mean one by one, and the log that readers see is the
//! one that its heads promise.

use relevo_protocol::limits::ENTRY_BUCKETS;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    AdmissionId, AdmissionKey, CapabilityHash, Cursor, Entry, Grant, GrantTable, Incarnation, MailboxId, MailboxKind,
    Refusal, Sequence,
};
use relevo_relay::store::{Applied, Batched, Change, Ledger, Most, Store, StoreConfig, Touch};

use super::operations::Tape;

/// Mailboxes that the histories know.
const MAILBOXES: u8 = 5;

/// Bounds so low that a short history meets each of them.
#[must_use]
pub fn narrow() -> StoreConfig {
    StoreConfig {
        bytes: 24 << 10,
        reserve_bytes: 8 << 10,
        mailboxes: 4,
        mailbox_entries: 6,
        mailbox_bytes: 12 << 10,
        entry_hours: 48,
        lease_hours: 200,
        admission_bytes: 16 << 10,
        admission_mailboxes: 3,
        admission_reserve: 2 << 10,
        shared_bytes: 40 << 10,
        shared_mailboxes: 9,
        shared_reserve: 6 << 10,
        sponsored: 2,
        shared_sponsored: 3,
        recent_bytes: 2 << 10,
        ..StoreConfig::default()
    }
}

/// *owner* of a mailbox, as the relay knows it.
fn owner(mailbox: u8) -> CapabilityHash {
    CapabilityHash([mailbox; 32])
}

fn granted(number: u8) -> CapabilityHash {
    CapabilityHash([100 + number; 32])
}

fn admission(number: u8) -> AdmissionId {
    AdmissionId([number; 16])
}

fn grant(tape: &mut Tape<'_>) -> Grant {
    Grant {
        hash: granted(tape.below(4)),
        per_hour: u32::from(tape.below(8)),
        bytes_per_hour: u64::from(tape.byte()) << 8,
        expires: tape.one_of(&[Hour(u32::MAX), Hour(500_010), Hour(0)], Hour(1)),
    }
}

fn entry(tape: &mut Tape<'_>) -> Option<Entry> {
    let size = tape.one_of(&[512, 512, 512, 2048, 8192], 512);
    debug_assert!(ENTRY_BUCKETS.contains(&size));
    Entry::parse(vec![tape.byte(); size].into()).ok()
}

/// One change as the tape says. Capabilities are right three times of four.
fn change(tape: &mut Tape<'_>) -> Option<Change> {
    let operation = tape.next()?;
    let number = tape.below(MAILBOXES);
    let mailbox = MailboxId::of(&owner(number));
    let by = admission(tape.below(4));
    let any = tape.byte();
    let capability = if any < 192 { owner(number) } else { granted(any % 4) };
    Some(match operation % 24 {
        0 | 1 => Change::Open {
            admission: by,
            kind: if any & 1 == 0 { MailboxKind::Personal } else { MailboxKind::Shared },
            owner: owner(number),
            read: (any & 2 == 0).then(|| granted(3)),
            append: (0..tape.below(3)).map(|_| grant(tape)).collect(),
            take: (0..tape.below(3)).map(|_| grant(tape)).collect(),
            lease_hours: u32::from(tape.byte()) * 4,
        },
        2..=9 => {
            let capability = if any < 128 { owner(number) } else { granted(any % 4) };
            Change::Append { admission: by, mailbox, capability, entry: entry(tape)? }
        }
        10 | 11 => Change::Trim { mailbox, capability, upto: Sequence(tape.number()), incarnation: None },
        12 => Change::Take { mailbox, capability: granted(any % 4) },
        13 => Change::LastResort { admission: by, mailbox, capability, entry: entry(tape)? },
        14 => Change::Grants {
            mailbox,
            capability,
            table: if any & 1 == 0 { GrantTable::Append } else { GrantTable::Take },
            revoke: (0..tape.below(3)).map(|_| granted(tape.below(4))).collect(),
            add: (0..tape.below(3)).map(|_| grant(tape)).collect(),
        },
        15 => Change::Renew { mailbox, capability, lease_hours: u32::try_from(tape.number()).unwrap_or(u32::MAX) },
        16 => Change::Freeze { mailbox, capability },
        17 => Change::Close { mailbox, capability },
        18 => Change::Provide { id: by, key: key(any), expires: Hour(500_000 + u32::from(tape.byte())) },
        19 => Change::Enroll { by, id: admission(any % 8), key: key(any) },
        20 => {
            let expires = Hour(u32::from(tape.byte()) << 12);
            Change::Sponsor { by, id: admission(any % 8), key: key(any), expires }
        }
        21 => Change::RenewBlob { id: relevo_protocol::wire::BlobId([any; 32]), lease_hours: 5 },
        22 if any < 8 => Change::RemoveMailbox { mailbox },
        22 if any < 16 => Change::RemoveBlob { id: relevo_protocol::wire::BlobId([any; 32]) },
        22 if any < 24 => Change::Openings { paused: any & 1 == 0 },
        _ => Change::Sweep { limit: usize::from(any % 8) },
    })
}

fn key(number: u8) -> AdmissionKey {
    AdmissionKey::new(Secret::new([number; 32]))
}

/// A history.
pub fn ledger(bytes: &[u8]) {
    let (Ok((whole, mut batches)), Ok((single, mut one_by_one))) =
        (Store::in_memory(narrow()), Store::in_memory(narrow()))
    else {
        unreachable!("a store in memory");
    };
    let mut now = Timestamp(500_000 * 3600);
    for ledger in [&mut batches, &mut one_by_one] {
        let provide = Change::Provide { id: admission(0), key: key(0), expires: Hour(u32::MAX) };
        assert!(apply(ledger, vec![provide], now).outcomes.iter().all(Result::is_ok));
    }
    let mut tape = Tape::new(bytes);
    while let Some(size) = tape.next() {
        now = now.plus_seconds(if size & 0x80 == 0 { 0 } else { u64::from(tape.byte()) * 1200 });
        let mut list = Vec::new();
        let mut outcomes = Vec::new();
        let mut touches = Vec::new();
        for _ in 0..=(size & 7) {
            let part = tape.some();
            // A change is not cloned in the product: it is read twice.
            let (Some(one), Some(same)) = (change(&mut Tape::new(part)), change(&mut Tape::new(part))) else {
                continue;
            };
            // A sweep looks for what is due as the disk had it before the batch: it does the same only in front of the others.
            if matches!(one, Change::Sweep { .. }) && !list.is_empty() {
                continue;
            }
            list.push(one);
            let batched = apply(&mut one_by_one, vec![same], now);
            outcomes.extend(batched.outcomes);
            touches.extend(batched.touches);
        }
        let batched = apply(&mut batches, list, now);
        assert_eq!(
            batched.outcomes.iter().map(blurred).collect::<Vec<_>>(),
            outcomes.iter().map(blurred).collect::<Vec<_>>()
        );
        assert_eq!(
            batched.touches.iter().map(touched).collect::<Vec<_>>(),
            touches.iter().map(touched).collect::<Vec<_>>()
        );
        assert_eq!(whole.totals(), single.totals());
        assert!(whole.totals().bytes() <= narrow().bytes + narrow().reserve_bytes);
        assert!(whole.totals().mailboxes <= narrow().mailboxes);
        for number in 0..MAILBOXES {
            assert_eq!(log(&whole, number, now), log(&single, number, now));
        }
    }
}

/// Applies changes to a store that never fails.
#[expect(clippy::expect_used, reason = "memory does not fail; what else fails is a finding")]
pub(super) fn apply(ledger: &mut Ledger, changes: Vec<Change>, now: Timestamp) -> Batched {
    ledger.apply(changes, now).expect("a store in memory does not fail")
}

/// An outcome without what each store draws for itself.
fn blurred(outcome: &Result<Applied, Refusal>) -> String {
    match outcome {
        Ok(Applied::Opened { incarnation: _, expires }) => format!("opened until {expires:?}"),
        Ok(Applied::Appended(appended)) => format!("{:?} until {:?}", appended.sequence(), appended.expires()),
        Ok(applied @ (Applied::Done | Applied::Taken { .. } | Applied::Renewed { .. } | Applied::Swept { .. })) => {
            format!("{applied:?}")
        }
        Err(refusal) => format!("{refusal:?}"),
    }
}

/// A touch without the incarnation.
fn touched((mailbox, touch): &(MailboxId, Touch)) -> (MailboxId, Touch) {
    let touch = match touch {
        Touch::Appended { incarnation: _, sequence, expires, entry } => Touch::Appended {
            incarnation: Incarnation([0; 8]),
            sequence: *sequence,
            expires: *expires,
            entry: entry.clone(),
        },
        Touch::Trimmed { .. } | Touch::Frozen | Touch::Closed => touch.clone(),
    };
    (*mailbox, touch)
}

/// The whole log of a mailbox, read in pages, checked against its heads.
fn log(store: &Store, number: u8, now: Timestamp) -> Option<(Sequence, Vec<Entry>)> {
    let id = MailboxId::of(&owner(number));
    let checkpoint = store.checkpoint(&id, &owner(number), now).ok()?;
    let mut cursor = Cursor { incarnation: None, after: Sequence(0) };
    let mut found: Vec<Entry> = Vec::new();
    let mut head = None;
    loop {
        let slice = store.read(&id, &owner(number), &cursor, Most { entries: 3, bytes: 3000 }, now);
        let Ok(slice) = slice else { unreachable!("a mailbox that has a checkpoint is read") };
        assert_eq!(slice.standing.first_available, checkpoint.first_available);
        let start = head.get_or_insert(slice.standing.head_before_first);
        for read in &slice.entries {
            let expected = checkpoint.first_available.0 + u64::try_from(found.len()).unwrap_or(u64::MAX);
            assert_eq!(read.sequence, Sequence(expected), "no gap in a log");
            *start = start.extend(&id, checkpoint.incarnation, read.sequence, &read.entry);
            found.push(read.entry.clone());
        }
        match slice.entries.last() {
            Some(last) => cursor.after = last.sequence,
            None => break,
        }
    }
    assert_eq!(head, Some(checkpoint.head), "the heads promise these entries");
    assert_eq!(
        checkpoint.sequence.0 + 1,
        checkpoint.first_available.0 + u64::try_from(found.len()).unwrap_or(u64::MAX)
    );
    Some((checkpoint.first_available, found))
}
