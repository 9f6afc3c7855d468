//! The relay's store without a relay: the same writer, batching and bounds, called in this process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{Admission, AdmissionId, Capability, CapabilityHash, Entry, MailboxId, MailboxKind};
use relevo_relay::store::{Applied, Change, Pending, Store, Writer, WriterThread};
use tempfile::TempDir;

use crate::rig::{Settings, unbounded};

/// An open store with mailboxes to append to.
pub(crate) struct Direct {
    writer: Writer,
    thread: WriterThread,
    admission: AdmissionId,
    mailboxes: Vec<(MailboxId, CapabilityHash)>,
    _folder: TempDir,
}

impl Direct {
    pub(crate) async fn open(settings: &Settings, mailboxes: usize) -> anyhow::Result<Self> {
        let folder = settings.folder()?;
        let config = settings.config(&folder)?.1.store;
        let (_, ledger) = Store::open(&folder.path().join("store"), config.clone())?;
        let (writer, thread) = Writer::spawn(ledger, &config, Arc::new(now), Box::new(|_| {}))?;
        let secret = Admission::new(Secret::random()?);
        let admission = secret.id();
        writer.apply(Change::Provide { id: admission, key: secret.key(), expires: Hour(u32::MAX) }).await?;
        let mut direct = Self { writer, thread, admission, mailboxes: Vec::new(), _folder: folder };
        for _ in 0..mailboxes {
            direct.open_mailbox().await?;
        }
        Ok(direct)
    }

    async fn open_mailbox(&mut self) -> anyhow::Result<()> {
        let (owner, append) = (Capability::random()?, Capability::random()?);
        let change = Change::Open {
            admission: self.admission,
            kind: MailboxKind::Shared,
            owner: owner.hash(),
            read: None,
            append: vec![unbounded(&append)],
            take: Vec::new(),
            lease_hours: 48,
        };
        self.writer.apply(change).await?;
        self.mailboxes.push((owner.mailbox(), append.hash()));
        Ok(())
    }

    /// Appends `count` entries to the mailboxes in turn, `depth` of them unanswered at any moment.
    pub(crate) async fn append(&self, depth: usize, count: usize, entry: &Entry) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut waiting: VecDeque<Pending> = VecDeque::new();
        let mut targets = self.mailboxes.iter().cycle();
        for _ in 0..count {
            if waiting.len() == depth {
                settle(waiting.pop_front()).await?;
            }
            let (mailbox, capability) = *targets.next().context("no mailbox")?;
            let change = Change::Append { admission: self.admission, mailbox, capability, entry: entry.clone() };
            waiting.push_back(self.writer.submit(change).await?);
        }
        while !waiting.is_empty() {
            settle(waiting.pop_front()).await?;
        }
        Ok(begun.elapsed())
    }

    pub(crate) fn close(self) -> anyhow::Result<()> {
        drop(self.writer);
        Ok(self.thread.join()?)
    }
}

async fn settle(pending: Option<Pending>) -> anyhow::Result<()> {
    let applied = pending.context("nothing is under way")?.await?;
    anyhow::ensure!(matches!(applied, Applied::Appended(_)), "an append came to something else");
    Ok(())
}

fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
}
