//! Tells what happens, one short line a step, and keeps it for machines.

use std::time::Instant;

use serde::Serialize;

/// One thing that was done.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Step {
    /// The job that it belongs to.
    pub job: String,
    /// What was done.
    pub done: String,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Writes to standard output, or keeps quiet for machines.
#[derive(Debug)]
pub struct Narrator {
    quiet: bool,
    job: String,
    since: Instant,
    steps: Vec<Step>,
}

impl Default for Narrator {
    fn default() -> Self {
        Self { quiet: true, job: String::new(), since: Instant::now(), steps: Vec::new() }
    }
}

impl Narrator {
    /// Tells people.
    #[must_use]
    pub fn aloud() -> Self {
        Self { quiet: false, ..Self::default() }
    }

    /// Begins a job.
    pub fn job(&mut self, title: &str) {
        title.clone_into(&mut self.job);
        self.since = Instant::now();
        self.line(&format!("\n{title}"));
    }

    /// A step is done; it took the time since the one before.
    pub fn done(&mut self, what: impl Into<String>) {
        let what = what.into();
        let seconds = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        self.line(&format!("  ok  {what} ({seconds:.1} s)"));
        self.steps.push(Step { job: self.job.clone(), done: what, seconds });
    }

    /// Something to look at, which belongs to the step before.
    pub fn more(&self, what: &str) {
        self.line(&format!("      {what}"));
    }

    /// What was done so far.
    #[must_use]
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    fn line(&self, text: &str) {
        if !self.quiet {
            println!("{text}");
        }
    }
}
