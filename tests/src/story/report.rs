//! What the demo found, for people and for machines.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Narrator, Step};
use crate::scan::{Findings, Form, Scanner};

/// Everything that the demo did and found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Whether every step worked and nothing was found.
    pub ok: bool,
    /// What failed, in words.
    pub failed: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// Whether the relays' memory was searched.
    pub memory: Memory,
    /// Each search.
    pub searches: Vec<Search>,
    /// What is not looked for, and why.
    pub excluded: Vec<String>,
    /// What each operator can see.
    pub operators: Vec<Operator>,
}

/// Whether the relays' memory was searched.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Memory {
    /// It did not come to that.
    #[default]
    NotReached,
    /// Every readable mapping.
    Searched,
    /// Not, as was asked for.
    LeftOut,
    /// The system refused: that is no success.
    Refused {
        /// In words.
        why: String,
    },
}

impl Report {
    /// Says whether all is well: every step was done, nothing was found, and nothing was left unsearched unasked.
    pub(super) fn judge(&mut self, done: anyhow::Result<()>) {
        let found: usize = self.searches.iter().map(|search| search.found.len()).sum();
        self.failed = match (done, &self.memory) {
            (Err(fault), _) => Some(format!("{fault:#}")),
            (Ok(()), _) if found > 0 => Some(format!("{found} needles were found on relays")),
            (Ok(()), Memory::Refused { why }) => Some(why.clone()),
            (Ok(()), Memory::NotReached | Memory::Searched | Memory::LeftOut) => None,
        };
        self.ok = self.failed.is_none();
    }

    /// Tells people the tables.
    pub(super) fn show(&self, narrator: &mut Narrator) {
        narrator.job("What was found on the relays (expected: nothing)");
        self.searches.iter().for_each(|search| narrator.more(&search.row()));
        let kinds = self.searches.iter().max_by_key(|search| search.needles.len()).map(|search| &search.needles);
        let kinds: Vec<String> = kinds.into_iter().flatten().map(|(kind, count)| format!("{count} {kind}")).collect();
        narrator.more(&format!("looked for, by kind: {}", kinds.join("; ")));
        self.excluded.iter().for_each(|what| narrator.more(&format!("not looked for: {what}")));
        for found in self.searches.iter().flat_map(|search| &search.found) {
            narrator.more(&format!("FOUND {} as {} in {}", found.needle, found.form, found.places.join(", ")));
        }
        narrator.job("What the operator of each relay can see (and who seizes it)");
        self.operators.iter().flat_map(Operator::rows).for_each(|row| narrator.more(&row));
        narrator.more("and, while a session lasts, the address it comes from; nothing of it is written down");
    }
}

/// A search of one place.
#[derive(Debug, Serialize)]
pub struct Search {
    /// Whose relay.
    pub relay: String,
    /// `memory` or `disk`.
    pub place: String,
    /// Mappings or files that were read.
    pub parts: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Needles of each kind.
    pub needles: BTreeMap<String, usize>,
    /// Ways of writing each needle.
    pub forms: usize,
    /// What was found and must not be there.
    pub found: Vec<Found>,
}

/// A needle that was found.
#[derive(Debug, Serialize)]
pub struct Found {
    /// What it is.
    pub needle: String,
    /// How it was written.
    pub form: String,
    /// Where.
    pub places: Vec<String>,
}

/// What the operator of a relay can see.
#[derive(Debug, Serialize)]
pub struct Operator {
    /// Whose relay.
    pub relay: String,
    /// Inboxes, shelves and codes.
    pub personal_mailboxes: u64,
    /// Mailboxes of conversations.
    pub shared_mailboxes: u64,
    /// Entries by size in bytes.
    pub entries: BTreeMap<u64, u64>,
    /// Hours from now in which entries expire; no other time is kept.
    pub expire_in_hours: Vec<u32>,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of blobs.
    pub blob_bytes: u64,
    /// The mailboxes that each session reads, by the first bytes of their ids.
    pub sessions: Vec<Vec<String>>,
}

impl Search {
    pub(super) fn new(relay: &str, place: &str, scanner: &Scanner, findings: &Findings) -> Self {
        let mut needles = BTreeMap::new();
        for needle in scanner.needles() {
            // The number at the end tells needles of one kind apart.
            let kind = needle.name().rsplit_once(' ').map_or(needle.name(), |(kind, _)| kind);
            *needles.entry(kind.to_owned()).or_default() += 1;
        }
        let found = findings.rows().map(|(needle, form, places)| Found {
            needle: needle.to_owned(),
            form: form.to_string(),
            places: places.to_vec(),
        });
        Self {
            relay: relay.to_owned(),
            place: place.to_owned(),
            parts: 0,
            bytes: 0,
            needles,
            forms: Form::ALL.len(),
            found: found.collect(),
        }
    }

    /// One row of the table.
    pub(super) fn row(&self) -> String {
        let needles: usize = self.needles.values().sum();
        let found = if self.found.is_empty() { "nothing".to_owned() } else { format!("{} FOUND", self.found.len()) };
        let parts = if self.place == "memory" { "mappings" } else { "files" };
        format!(
            "{:<28} {:<7} {:>5} {parts:<8} {:>7.1} MiB   {needles:>5} needles in {} forms   {found}",
            self.relay,
            self.place,
            self.parts,
            mib(self.bytes),
            self.forms
        )
    }
}

impl Operator {
    /// The lines of the table.
    pub(super) fn rows(&self) -> Vec<String> {
        let entries: Vec<String> = self.entries.iter().map(|(size, count)| format!("{count} of {size} B")).collect();
        let hours: Vec<String> = self.expire_in_hours.iter().map(ToString::to_string).collect();
        let sessions: Vec<String> = self.sessions.iter().map(|read| format!("({})", read.join(" "))).collect();
        vec![
            format!("{}:", self.relay),
            format!(
                "  mailboxes: {} of one owner, {} of conversations",
                self.personal_mailboxes, self.shared_mailboxes
            ),
            format!("  entries: {}; they expire in {} hours", entries.join(", "), hours.join(", ")),
            format!("  blobs: {}, {:.1} MiB", self.blobs, mib(self.blob_bytes)),
            format!("  mailboxes that one session reads: {}", sessions.join(" ")),
        ]
    }
}

#[expect(clippy::as_conversions, reason = "rounded to a tenth on screen")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Needle, Scanner};

    fn searched(text: &[u8]) -> Report {
        let scanner = Scanner::new(vec![Needle::new("pseudonym 1", b"Quilla de Antofagasta").unwrap()]).unwrap();
        let mut findings = Findings::default();
        scanner.bytes("here", text, &mut findings);
        let searches = vec![Search::new("relay", "disk", &scanner, &findings)];
        Report { memory: Memory::Searched, searches, ..Report::default() }
    }

    #[test]
    fn a_needle_that_was_found_is_a_failure() {
        let mut report = searched(b"51 75696c6c61206465 Quilla de Antofagasta");
        report.judge(Ok(()));
        assert_eq!((report.ok, report.failed.as_deref()), (false, Some("1 needles were found on relays")));
        assert_eq!(report.searches[0].needles["pseudonym"], 1);
    }

    #[test]
    fn nothing_found_anywhere_is_a_success() {
        let mut report = searched(b"nothing of the kind");
        report.judge(Ok(()));
        assert!(report.ok);
    }

    #[test]
    fn memory_that_the_system_refuses_is_a_failure_and_memory_left_out_on_purpose_is_not() {
        for (memory, ok) in [(Memory::Refused { why: "memory NOT scanned".to_owned() }, false), (Memory::LeftOut, true)]
        {
            let mut report = Report { memory, ..searched(b"nothing") };
            report.judge(Ok(()));
            assert_eq!(report.ok, ok);
        }
    }
}
