//! What a relay has promised, and whether it keeps it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use relevo_client::link::{BlobFault, RequestFault, Session};
use relevo_protocol::limits::ENTRY_BUCKETS;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    Answer, BlobId, Call, Capability, Cursor, Entry, Grant, Head, Incarnation, MailboxId, MailboxKind, ReadEntry,
    Refusal, RelayIdentity, Sequence,
};

use crate::dice::Dice;

/// A mailbox of the load: what was asked, what was answered, what was read.
#[derive(Debug)]
pub struct Promised {
    owner: [u8; 32],
    /// Its kind.
    pub kind: MailboxKind,
    incarnation: Option<Incarnation>,
    /// How often each entry was sent, by its number.
    sent: BTreeMap<u64, u64>,
    /// What lies where, by an answer or by a reading, with the head if it was told.
    stored: BTreeMap<u64, (u64, Option<Head>)>,
    trim_asked: u64,
    trim_done: u64,
}

/// Everything that was promised.
#[derive(Debug, Default)]
pub struct Truth {
    /// The mailboxes.
    pub mailboxes: Vec<Promised>,
    blobs_sent: BTreeMap<u64, usize>,
    blobs_stored: BTreeSet<u64>,
    next: u64,
}

/// What a check looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checked {
    /// Entries read and compared.
    pub entries: u64,
    /// Blobs read and compared.
    pub blobs: u64,
}

impl Promised {
    /// A mailbox that nobody has opened yet.
    #[must_use]
    pub fn new(owner: [u8; 32], kind: MailboxKind) -> Self {
        Self {
            owner,
            kind,
            incarnation: None,
            sent: BTreeMap::new(),
            stored: BTreeMap::new(),
            trim_asked: 0,
            trim_done: 0,
        }
    }

    /// Its *owner* capability.
    #[must_use]
    pub fn owner(&self) -> Capability {
        Capability::new(Secret::new(self.owner))
    }

    /// Its *append* capability.
    #[must_use]
    pub fn append(&self) -> Capability {
        Capability::new(Secret::new(self.owner.map(|byte| byte ^ 0x55)))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> MailboxId {
        self.owner().mailbox()
    }

    /// The call that opens it.
    #[must_use]
    pub fn open(&self) -> Call {
        let grant =
            Grant { hash: self.append().hash(), per_hour: 1_000_000, bytes_per_hour: 1 << 40, expires: Hour(u32::MAX) };
        Call::Open {
            kind: self.kind,
            owner: self.owner().hash(),
            read: None,
            append: vec![grant],
            take: vec![],
            lease_hours: 24,
        }
    }

    /// Whether the relay has said that it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.incarnation.is_some()
    }

    /// The relay said that it is open.
    ///
    /// # Errors
    /// It said so before, of another life.
    pub fn opened(&mut self, incarnation: Incarnation) -> anyhow::Result<()> {
        let before = *self.incarnation.get_or_insert(incarnation);
        ensure!(before == incarnation, "a mailbox that was acknowledged was opened anew");
        Ok(())
    }

    /// The relay said, or a reader saw, that an entry lies there.
    ///
    /// # Errors
    /// Another one was there before, or it was never sent.
    pub fn lies_at(&mut self, sequence: Sequence, number: u64, head: Option<Head>) -> anyhow::Result<()> {
        ensure!(self.sent.contains_key(&number), "an entry that nobody sent: {number}");
        let held = self.stored.entry(sequence.0).or_insert((number, head));
        ensure!(
            held.0 == number,
            "a promise was broken: entry {} was acknowledged at {}, now there is {number}",
            held.0,
            sequence.0
        );
        if let (Some(before), Some(now)) = (held.1, head) {
            ensure!(before == now, "the chain has another head at {} than was acknowledged", sequence.0);
        }
        held.1 = held.1.or(head);
        Ok(())
    }

    /// As [`Self::lies_at`], for an entry that was pushed or read: its bytes are compared too.
    ///
    /// # Errors
    /// It is not what was sent.
    pub fn seen(&mut self, sequence: Sequence, entry: &Entry, head: Option<Head>) -> anyhow::Result<u64> {
        let number = number_of(entry)?;
        ensure!(entry_of(number)? == *entry, "entry {number} has other bytes than were sent");
        self.lies_at(sequence, number, head)?;
        Ok(number)
    }

    /// Last entry that was acknowledged or seen.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.stored.last_key_value().map_or(0, |(last, _)| *last)
    }

    /// A trim is being asked.
    pub fn trimming(&mut self, upto: u64) {
        self.trim_asked = self.trim_asked.max(upto);
    }

    /// A trim was acknowledged.
    pub fn trimmed(&mut self, upto: u64) {
        self.trim_done = self.trim_done.max(upto);
    }

    /// Reads the whole mailbox and compares.
    async fn check(&mut self, session: &Session, relay: &RelayIdentity) -> anyhow::Result<u64> {
        let checkpoint = match session.request(Call::Checkpoint { mailbox: self.id(), capability: self.owner() }).await
        {
            Ok(Answer::Checkpointed { checkpoint }) => checkpoint.verify(relay)?,
            Err(RequestFault::Refused(Refusal::NoSuchMailbox)) if !self.is_open() => return Ok(0),
            other => bail!("no checkpoint of a mailbox: {other:?}"),
        };
        self.opened(checkpoint.incarnation)?;
        let mut after = Sequence::START;
        let mut head = None;
        let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
        let mut read = 0;
        loop {
            let cursor = Cursor { incarnation: None, after };
            let call = Call::Read { mailbox: self.id(), capability: self.owner(), cursor, limit: 64 };
            let answer = session.request(call).await;
            let Ok(Answer::Entries { standing, entries }) = answer else {
                bail!("a mailbox does not read: {answer:?}")
            };
            if head.is_none() {
                let first = standing.first_available.0;
                ensure!(first <= self.trim_asked + 1, "entries are gone that nobody trimmed: the first is {first}");
                ensure!(first > self.trim_done, "entries are back that were trimmed: the first is {first}");
                after = Sequence(first.saturating_sub(1));
            }
            let mut chain = head.unwrap_or(standing.head_before_first);
            for ReadEntry { sequence, entry, .. } in &entries {
                ensure!(*sequence == after.next(), "after {} comes {}", after.0, sequence.0);
                chain = chain.extend(&self.id(), checkpoint.incarnation, *sequence, entry);
                let number = self.seen(*sequence, entry, Some(chain))?;
                *seen.entry(number).or_default() += 1;
                after = *sequence;
                read += 1;
            }
            head = Some(chain);
            if after >= standing.last {
                break;
            }
            ensure!(!entries.is_empty(), "entry {} of {} does not come", after.next().0, standing.last.0);
        }
        ensure!(after == checkpoint.sequence, "the checkpoint says {}, the log has {}", checkpoint.sequence.0, after.0);
        ensure!(head == Some(checkpoint.head), "the checkpoint has another head than the log");
        let last = self.last();
        ensure!(last <= after.0, "the last acknowledged entry is {last}, the log ends at {}", after.0);
        for (number, times) in seen {
            let sent = self.sent.get(&number).copied().unwrap_or(0);
            ensure!(times <= sent, "entry {number} was sent {sent} times and is there {times} times");
        }
        Ok(read)
    }
}

impl Truth {
    /// A number for a new entry of a mailbox, which is about to be sent.
    pub fn sending(&mut self, mailbox: usize) -> Option<u64> {
        self.next += 1;
        let number = self.next;
        *self.mailboxes.get_mut(mailbox)?.sent.entry(number).or_default() += 1;
        Some(number)
    }

    /// Entries of a mailbox that were sent once and never answered: what a client would send again.
    pub fn sending_again(&mut self, mailbox: usize) -> Vec<u64> {
        let Some(promised) = self.mailboxes.get_mut(mailbox) else { return Vec::new() };
        let answered: BTreeSet<u64> = promised.stored.values().map(|(number, _)| *number).collect();
        let mut again = Vec::new();
        for (number, times) in &mut promised.sent {
            if *times == 1 && !answered.contains(number) {
                *times += 1;
                again.push(*number);
            }
        }
        again
    }

    /// A new blob, which is about to be put.
    pub fn putting(&mut self, length: usize) -> (u64, Bytes) {
        self.next += 1;
        self.blobs_sent.insert(self.next, length);
        (self.next, filled(self.next, length))
    }

    /// Blobs that were put and never answered: what a client would put again.
    #[must_use]
    pub fn putting_again(&self) -> Vec<(u64, Bytes)> {
        let unanswered = self.blobs_sent.iter().filter(|(blob, _)| !self.blobs_stored.contains(blob));
        unanswered.map(|(blob, length)| (*blob, filled(*blob, *length))).collect()
    }

    /// The relay said that it holds a blob.
    pub fn holds(&mut self, blob: u64) {
        self.blobs_stored.insert(blob);
    }

    /// Entries and blobs that the relay has promised to keep.
    #[must_use]
    pub fn promises(&self) -> usize {
        self.mailboxes.iter().map(|mailbox| mailbox.stored.len()).sum::<usize>() + self.blobs_stored.len()
    }

    /// Reads everything back and compares.
    ///
    /// # Errors
    /// A promise was broken.
    pub async fn check(&mut self, session: &Session, relay: &RelayIdentity) -> anyhow::Result<Checked> {
        let mut checked = Checked::default();
        for (place, mailbox) in self.mailboxes.iter_mut().enumerate() {
            let read = mailbox.check(session, relay).await;
            checked.entries += read.with_context(|| format!("mailbox {place} ({:?})", mailbox.kind))?;
        }
        for (blob, length) in &self.blobs_sent {
            let bytes = filled(*blob, *length);
            match session.get_blob(BlobId::of(&bytes), 0..1 << 20).await {
                Ok(part) => {
                    ensure!(part.bytes == bytes, "blob {blob} has other bytes than were put");
                    checked.blobs += 1;
                }
                Err(BlobFault::Refused(Refusal::NoSuchBlob)) => {
                    ensure!(!self.blobs_stored.contains(blob), "blob {blob} was acknowledged and is gone");
                }
                Err(fault) => bail!("blob {blob}: {fault}"),
            }
        }
        // What was read is durable: no later crash may take it back.
        Ok(checked)
    }
}

/// The entry of a number: its size and bytes follow from it.
///
/// # Errors
/// None: every number has one.
pub fn entry_of(number: u64) -> anyhow::Result<Entry> {
    let weights = [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4];
    let bucket = Dice::new(number).pick(&weights).copied().unwrap_or(0);
    let size = ENTRY_BUCKETS.get(bucket).copied().context("there are six sizes")?;
    Ok(Entry::parse(filled(number, size))?)
}

fn number_of(entry: &Entry) -> anyhow::Result<u64> {
    let first = entry.bytes().first_chunk().context("an entry is longer than a number")?;
    Ok(u64::from_be_bytes(*first))
}

/// The number, then bytes that it decides.
fn filled(number: u64, length: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(length.saturating_add(8));
    bytes.extend(number.to_be_bytes());
    let mut dice = Dice::new(number);
    while bytes.len() < length {
        bytes.extend(dice.next_number().to_be_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}
