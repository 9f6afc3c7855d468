//! What happened, in a form that a second run of the same seed must give again: kinds, sequences, sizes, verdicts.
//! Never bytes that a cryptographic library drew.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use relevo_protocol::wire::{Answer, Call, Event, MailboxId, Outcome, Refusal, Reply};

/// The lines of a run, or only their digest.
#[derive(Debug)]
pub struct Trace {
    digest: DefaultHasher,
    lines: Vec<String>,
    keep: usize,
    mailboxes: BTreeMap<MailboxId, usize>,
    counts: BTreeMap<String, u64>,
}

impl Trace {
    /// A trace that keeps its last `keep` lines.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        let digest = DefaultHasher::new();
        Self { digest, lines: Vec::new(), keep, mailboxes: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Adds a line.
    pub fn line(&mut self, at: u64, what: fmt::Arguments<'_>) {
        let line = format!("{at} {what}");
        line.hash(&mut self.digest);
        if self.keep > 0 {
            if self.lines.len() >= self.keep.saturating_mul(2) {
                self.lines.drain(..self.keep);
            }
            self.lines.push(line);
        }
    }

    /// Counts an operation or a fault that took place.
    pub fn count(&mut self, what: &str) {
        match self.counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(what.to_owned(), 1)),
        }
    }

    /// What took place how often.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// One number for everything that happened.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// The last lines.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.get(self.lines.len().saturating_sub(self.keep)..).unwrap_or_default()
    }

    /// A mailbox by the order in which it was first seen.
    pub fn mailbox(&mut self, id: &MailboxId) -> usize {
        let next = self.mailboxes.len();
        *self.mailboxes.entry(*id).or_insert(next)
    }

    /// A request in a few words.
    pub fn call(&mut self, call: &Call) -> String {
        match call {
            Call::Admit { .. } => "admit".to_owned(),
            Call::Enroll { .. } => "enroll".to_owned(),
            Call::Sponsor { .. } => "sponsor".to_owned(),
            Call::Open { owner, append, take, .. } => {
                format!("open m{} {}+{}", self.mailbox(&MailboxId::of(owner)), append.len(), take.len())
            }
            Call::Append { mailbox, entry, .. } => format!("append m{} {}", self.mailbox(mailbox), entry.size()),
            Call::Read { mailbox, cursor, limit, .. } => {
                format!("read m{} {} {limit}", self.mailbox(mailbox), cursor.after.0)
            }
            Call::Resume { subscriptions } => {
                let each: Vec<String> = subscriptions
                    .iter()
                    .map(|one| format!("m{}@{}", self.mailbox(&one.mailbox), one.cursor.after.0))
                    .collect();
                format!("resume {}", each.join(" "))
            }
            Call::Credit { id, more } => format!("credit {} {more}", id.0),
            Call::Unsubscribe { id } => format!("unsubscribe {}", id.0),
            Call::Trim { mailbox, upto, .. } => format!("trim m{} {}", self.mailbox(mailbox), upto.0),
            Call::Take { mailbox, .. } => format!("take m{}", self.mailbox(mailbox)),
            Call::LastResort { mailbox, entry, .. } => {
                format!("last resort m{} {}", self.mailbox(mailbox), entry.size())
            }
            Call::Grants { mailbox, revoke, add, .. } => {
                format!("grants m{} -{} +{}", self.mailbox(mailbox), revoke.len(), add.len())
            }
            Call::Renew { mailbox, lease_hours, .. } => format!("renew m{} {lease_hours}", self.mailbox(mailbox)),
            Call::Freeze { mailbox, .. } => format!("freeze m{}", self.mailbox(mailbox)),
            Call::Close { mailbox, .. } => format!("close m{}", self.mailbox(mailbox)),
            Call::Checkpoint { mailbox, .. } => format!("checkpoint m{}", self.mailbox(mailbox)),
            Call::Ping => "ping".to_owned(),
        }
    }

    /// An answer or event in a few words.
    #[must_use]
    pub fn reply(reply: &Reply) -> String {
        match reply {
            Reply::Answer { number, outcome } => format!("#{number} {}", Self::outcome(outcome)),
            Reply::Event { event } => match event {
                Event::Entry { id, sequence, expires, entry } => {
                    format!("entry s{} {} {} {}", id.0, sequence.0, expires.0, entry.size())
                }
                Event::Gap { id, first_available, .. } => format!("gap s{} {}", id.0, first_available.0),
                Event::Closed { id } => format!("closed s{}", id.0),
                Event::Frozen { id } => format!("frozen s{}", id.0),
                Event::Failed { id } => format!("failed s{}", id.0),
                Event::Draining => "draining".to_owned(),
            },
        }
    }

    fn outcome(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Refused { refusal } => format!("refused {}", refused(*refusal)),
            Outcome::Done { answer } => match answer {
                Answer::Stored { sequence, expires, .. } => format!("stored {} {}", sequence.0, expires.0),
                Answer::Resumed { mailboxes } => format!("resumed {}", mailboxes.len()),
                Answer::Entries { standing, entries } => format!("entries {} to {}", entries.len(), standing.last.0),
                Answer::Taken { last_resort, entry } => format!("taken {last_resort} {}", entry.size()),
                Answer::Admitted { .. }
                | Answer::Done
                | Answer::Opened { .. }
                | Answer::Renewed { .. }
                | Answer::Checkpointed { .. } => "done".to_owned(),
            },
        }
    }
}

fn refused(refusal: Refusal) -> String {
    format!("{refusal:?}")
}
