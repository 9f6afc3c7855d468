//! Looks for secrets where there must be none: in the memory of a running relay and in its data directory.
//!
//! A needle is searched in every form in which software tends to leave text behind. The scanner proves itself
//! before it is believed: see [`proof`].

mod directory;
mod needle;
mod process;
pub mod proof;

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, MatchKind};

pub use directory::DirectoryScan;
pub use needle::{Form, MIN_NEEDLE, Needle, NeedleFault};
pub use process::{NotScanned, ProcessScan};

/// Searches for many needles, each in all its forms, in one pass.
#[derive(Debug)]
pub struct Scanner {
    needles: Vec<Needle>,
    /// Pattern number -> needle and form.
    patterns: Vec<(usize, Form)>,
    search: AhoCorasick,
    longest: usize,
}

/// What was found: for each needle and form, the places, by the name the caller gave them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    found: BTreeMap<(String, Form), Vec<String>>,
}

impl Findings {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether a needle was found in a form, anywhere.
    #[must_use]
    pub fn has(&self, needle: &str, form: Form) -> bool {
        self.found.contains_key(&(needle.to_owned(), form))
    }

    /// Needle, form and places, in the order of the needles' names.
    pub fn rows(&self) -> impl Iterator<Item = (&str, Form, &[String])> {
        self.found.iter().map(|((needle, form), places)| (needle.as_str(), *form, places.as_slice()))
    }

    /// Adds what another scan found.
    pub fn merge(&mut self, other: Self) {
        for (key, places) in other.found {
            self.found.entry(key).or_default().extend(places);
        }
    }

    fn add(&mut self, needle: &str, form: Form, place: &str) {
        let places = self.found.entry((needle.to_owned(), form)).or_default();
        if places.last().is_none_or(|last| last != place) {
            places.push(place.to_owned());
        }
    }
}

impl Scanner {
    /// Prepares the search.
    ///
    /// # Errors
    /// The patterns do not fit the search engine.
    pub fn new(needles: Vec<Needle>) -> anyhow::Result<Self> {
        let (mut patterns, mut texts) = (Vec::new(), Vec::new());
        for (number, needle) in needles.iter().enumerate() {
            for (form, text) in needle.forms() {
                patterns.push((number, form));
                texts.push(text);
            }
        }
        let longest = texts.iter().map(Vec::len).max().unwrap_or(1);
        // Overlapping search needs the standard match kind: one needle may begin inside another.
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&texts)?;
        Ok(Self { needles, patterns, search, longest })
    }

    /// The needles.
    #[must_use]
    pub fn needles(&self) -> &[Needle] {
        &self.needles
    }

    /// Looks through bytes that lie whole in memory.
    pub fn bytes(&self, place: &str, bytes: &[u8], findings: &mut Findings) {
        for found in self.search.find_overlapping_iter(bytes) {
            let Some((needle, form)) = self.patterns.get(found.pattern().as_usize()) else { continue };
            if let Some(needle) = self.needles.get(*needle) {
                findings.add(needle.name(), *form, place);
            }
        }
    }

    /// Looks through a stream of unknown length in constant memory. `fill` gives the next bytes, none at the end.
    ///
    /// # Errors
    /// Those of `fill`.
    fn stream<E>(
        &self,
        place: &str,
        findings: &mut Findings,
        mut fill: impl FnMut(&mut [u8]) -> Result<usize, E>,
    ) -> Result<u64, E> {
        const CHUNK: usize = 1 << 20;
        let keep = self.longest.saturating_sub(1);
        let mut buffer = vec![0; keep + CHUNK];
        let (mut held, mut total) = (0, 0);
        loop {
            let read = fill(buffer.get_mut(held..).unwrap_or_default())?;
            if read == 0 {
                return Ok(total);
            }
            total += u64::try_from(read).unwrap_or(u64::MAX);
            let end = held + read;
            self.bytes(place, buffer.get(..end).unwrap_or_default(), findings);
            // What a needle cut in two by the edge would need is carried over.
            let from = end.saturating_sub(keep);
            buffer.copy_within(from..end, 0);
            held = end - from;
        }
    }
}
