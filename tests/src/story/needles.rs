//! What no relay may hold: everything that the seven people said and named, and every key of their devices.

use std::collections::BTreeSet;

use anyhow::Context;
use relevo_client::disclosure::{self, Disclosed};
use relevo_client::vault::{Passphrase, Vault};
use relevo_protocol::wire::{Capability, Fingerprint, MailboxId};

use super::Story;
use super::cast::{PASSPHRASE, Person};
use crate::scan::{MIN_NEEDLE, Needle, Scanner};

/// Bytes of a long secret that are looked for: who leaks it leaks its beginning.
const LONGEST: usize = 48;

/// A mailbox that somebody's sessions read.
pub(super) struct ReadMailbox {
    pub(super) relay: Fingerprint,
    pub(super) mailbox: MailboxId,
    pub(super) read: Capability,
}

/// What is looked for, and what the story knows about what may be there.
pub(super) struct Secrets {
    /// Nowhere on a relay.
    everywhere: Vec<(String, Vec<u8>)>,
    /// Not on disk: capabilities, which sessions show.
    on_disk: Vec<(String, Vec<u8>)>,
    /// What each person's sessions read.
    pub(super) reading: Vec<Vec<ReadMailbox>>,
}

impl Secrets {
    /// Looks for what must not be in memory.
    pub(super) fn memory_scanner(&self) -> anyhow::Result<Scanner> {
        scanner(self.everywhere.iter())
    }

    /// Looks for what must not be in a log or lie open in a vault: mailboxes' ids too, which a relay's disk has to hold.
    pub(super) fn log_scanner(&self) -> anyhow::Result<Scanner> {
        let mailboxes = self.reading.iter().flatten().map(|one| one.mailbox.0.to_vec());
        // Two people read the log of their conversation: it is one needle.
        let mailboxes: BTreeSet<Vec<u8>> = mailboxes.collect();
        let ids: Vec<(String, Vec<u8>)> =
            mailboxes.into_iter().enumerate().map(|(number, id)| (format!("mailbox id {number}"), id)).collect();
        scanner(self.everywhere.iter().chain(&self.on_disk).chain(&ids))
    }

    /// Looks for what must not be on disk.
    pub(super) fn disk_scanner(&self) -> anyhow::Result<Scanner> {
        scanner(self.everywhere.iter().chain(&self.on_disk))
    }
}

impl Story {
    /// Gathers what must not be found. All laptops are closed for it and opened again.
    pub(super) async fn secrets(&mut self) -> anyhow::Result<Secrets> {
        self.cast.leave().await;
        let mut secrets = Secrets { everywhere: Vec::new(), on_disk: Vec::new(), reading: Vec::new() };
        let mut seen = BTreeSet::new();
        let mut add = |list: &mut Vec<(String, Vec<u8>)>, what: &str, bytes: &[u8]| {
            let bytes = bytes.get(..bytes.len().min(LONGEST)).unwrap_or_default();
            if bytes.len() >= MIN_NEEDLE && seen.insert(bytes.to_vec()) {
                list.push((format!("{what} {}", list.len() + 1), bytes.to_vec()));
            }
        };
        for (what, text) in &self.said {
            add(&mut secrets.everywhere, what, text.as_bytes());
        }
        add(&mut secrets.everywhere, "passphrase", PASSPHRASE.as_bytes());
        for person in self.cast.all() {
            add(&mut secrets.everywhere, "pseudonym", person.name.as_bytes());
            let held = held(person).with_context(|| format!("the vault of {}", person.name))?;
            for one in &held.keys {
                add(&mut secrets.everywhere, one.what, &one.bytes);
            }
            for one in &held.capabilities {
                add(&mut secrets.on_disk, one.what, &one.bytes);
            }
            secrets.reading.push(held.reading);
        }
        self.cast.come_back()?;
        for person in self.cast.all() {
            person.has_sent().await?;
        }
        Ok(secrets)
    }
}

struct Held {
    keys: Vec<Disclosed>,
    capabilities: Vec<Disclosed>,
    reading: Vec<ReadMailbox>,
}

fn held(person: &Person) -> anyhow::Result<Held> {
    let mut vault = Vault::open(person.vault(), &Passphrase::new(PASSPHRASE.to_owned()))?;
    vault.transaction(|tx| {
        let reading = disclosure::read_mailboxes(tx)?;
        let reading = reading.into_iter().map(|(relay, mailbox, read)| ReadMailbox { relay, mailbox, read });
        Ok(Held {
            keys: disclosure::keys(tx)?,
            capabilities: disclosure::capabilities(tx)?,
            reading: reading.collect(),
        })
    })
}

fn scanner<'s>(secrets: impl Iterator<Item = &'s (String, Vec<u8>)>) -> anyhow::Result<Scanner> {
    let needles: Result<Vec<_>, _> = secrets.map(|(what, bytes)| Needle::new(what, bytes)).collect();
    Scanner::new(needles?)
}
