//! The command line: parses, calls the account, prints.

mod alerts;
mod arguments;
mod attention;
mod attest;
mod charter;
mod contacts;
mod dispatch;
mod doctor;
mod documents;
mod failure;
mod founding;
mod group;
mod handout;
mod init;
mod input;
mod localise;
mod manual;
mod passphrase;
mod place;
mod requests;
mod screen;
mod session;
mod shown;
mod spoken;
mod status;
mod talk;
mod usage;
mod when;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use self::arguments::{Arguments, Command, Document, LoneCommand, MemberCommand};
use self::failure::Stop;
use self::screen::Screen;
use crate::i18n::{self, L10n};

/// Runs one command line, prints what comes of it and gives its exit code: 0 done, 1 failed, 2 usage, 3 network
/// unreachable, 4 refused by a rule of the alliance.
pub fn run(typed: impl IntoIterator<Item = OsString>) -> ExitCode {
    let typed: Vec<OsString> = typed.into_iter().collect();
    let asked = usage::language_in(&typed);
    let language = i18n::choose(asked.as_deref(), |name| std::env::var(name).ok()).unwrap_or(L10n::En);
    let mut screen = Screen::new(language, usage::wants_json(&typed));
    let done = parse(&typed, language, &mut screen).and_then(|arguments| match arguments {
        Some(arguments) => perform(arguments, &mut screen),
        None => Ok(()),
    });
    screen.end(done)
}

/// None when the words asked for were help or a version, which are printed.
fn parse(typed: &[OsString], language: L10n, screen: &mut Screen) -> Result<Option<Arguments>, Stop> {
    let mut command = localise::localised(Arguments::command(), language);
    let parsed =
        command.try_get_matches_from_mut(typed).and_then(|mut found| Arguments::from_arg_matches_mut(&mut found));
    match parsed {
        Ok(arguments) => Ok(Some(arguments)),
        Err(error) if usage::is_answer(&error) => screen.text(&error.render().to_string()).map(|()| None),
        Err(error) => Err(usage::reworded(&error, &command, typed, screen.words()).into()),
    }
}

fn perform(arguments: Arguments, screen: &mut Screen) -> Result<(), Stop> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Alone(LoneCommand::Init { pseudonym }) => init::make(&global, pseudonym, screen),
        Command::Alone(LoneCommand::Doctor) => doctor::examine(&global, screen),
        Command::Alone(LoneCommand::Completions { shell }) => manual::completions(shell, screen),
        Command::Alone(LoneCommand::Man { folder }) => manual::pages(&folder, screen),
        // Proofs are checked by anybody, without a vault.
        Command::Member(MemberCommand::Document { act: Document::Verify { folder } }) => {
            attest::verify(&folder, screen)
        }
        Command::Member(command) => session::run(&global, command, screen),
    }
}
