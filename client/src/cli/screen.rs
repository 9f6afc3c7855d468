//! Where words and objects go: results to standard output, failures to standard error.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::failure::{Exit, Failure, Stop};
use super::shown;
use crate::i18n::{L10n, L10nLanguage};

/// One run's output, in one language, for people or for programs.
pub(crate) struct Screen {
    words: L10nLanguage,
    language: L10n,
    json: bool,
}

/// A failure as programs read it.
#[derive(Serialize)]
struct ErrorObject<'a> {
    error: &'a str,
    what: &'a str,
    r#do: &'a str,
}

impl Screen {
    pub(crate) fn new(language: L10n, json: bool) -> Self {
        Self { words: language.plain().unwrap_or_else(|_| language.load()), language, json }
    }

    pub(crate) fn words(&self) -> &L10nLanguage {
        &self.words
    }

    pub(crate) fn language(&self) -> L10n {
        self.language
    }

    /// Whether programs read along: then nothing but objects goes to standard output.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line for people. Text of others in it must have come through [`shown`].
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Stop> {
        self.write(&format!("{text}\n"))
    }

    /// Prints `label: value`.
    pub(crate) fn field(&mut self, label: &str, value: &str) -> Result<(), Stop> {
        self.line(&format!("{label}: {value}"))
    }

    /// Prints text as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Stop> {
        self.write(text)
    }

    /// Prints an object on a line of its own, for programs.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Stop> {
        let text = serde_json::to_string(object).map_err(|_| Failure::of("bug"))?;
        self.write(&format!("{}\n", shown::json(&text)))
    }

    fn write(&mut self, text: &str) -> Result<(), Stop> {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| {
            let closed = error.kind() == ErrorKind::BrokenPipe;
            if closed { Stop::PipeClosed } else { Failure::of("output").into() }
        })
    }

    /// Says why the run stopped, if it did, and gives its exit code.
    pub(crate) fn end(&self, done: Result<(), Stop>) -> ExitCode {
        let exit = match done {
            Ok(()) | Err(Stop::PipeClosed) => Exit::Done,
            Err(Stop::Said) => Exit::Failed,
            Err(Stop::Interrupted) => Exit::Interrupted,
            Err(Stop::Failure(failure)) => {
                self.explain(&failure);
                failure.exit()
            }
        };
        ExitCode::from(exit.number())
    }

    fn explain(&self, failure: &Failure) {
        let (what, advice) = (failure.what(&self.words), failure.advice(&self.words));
        let text = if self.json {
            let object = ErrorObject { error: failure.code(), what: &what, r#do: &advice };
            shown::json(&serde_json::to_string(&object).unwrap_or_default())
        } else {
            let (error, to_do) = (self.words.msg_heading_error(), self.words.msg_heading_do());
            format!("{error}: {what}\n{to_do}: {advice}")
        };
        // Nobody is left to tell if standard error is closed too.
        let _ = writeln!(io::stderr(), "{text}");
    }
}
