//! A command line that cannot be understood, in the person's language.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::failure::Failure;
use super::shown;
use crate::i18n::L10nLanguage;

/// The language named on a command line that is not parsed yet, so that errors in it can be said in that language.
pub(crate) fn language_in(typed: &[OsString]) -> Option<String> {
    let mut words = options(typed);
    while let Some(word) = words.next() {
        if word == "--lang" {
            return words.next().map(str::to_owned);
        }
        if let Some(tag) = word.strip_prefix("--lang=") {
            return Some(tag.to_owned());
        }
    }
    None
}

/// Whether a command line that is not parsed yet asks for JSON.
pub(crate) fn wants_json(typed: &[OsString]) -> bool {
    options(typed).any(|word| word == "--json")
}

fn options(typed: &[OsString]) -> impl Iterator<Item = &str> {
    typed.iter().skip(1).map(|word| word.to_str().unwrap_or_default()).take_while(|word| *word != "--")
}

/// Whether clap's "error" is what was asked for: help, or the version.
pub(crate) fn is_answer(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

/// clap's error in our words.
pub(crate) fn reworded(error: &Error, command: &Command, typed: &[OsString], words: &L10nLanguage) -> Failure {
    let mut said = vec![what(error, words)];
    if let Some(choices) = context(error, ContextKind::ValidValue).filter(|choices| !choices.is_empty()) {
        said.push(words.msg_usage_choices(choices));
    }
    let suggested = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    if let Some(suggestion) = suggested.into_iter().find_map(|kind| context(error, kind)) {
        said.push(words.msg_usage_perhaps(suggestion));
    }
    Failure::usage(said.join(" "), words.msg_usage_see(path(command, typed)))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a foreign enum that may grow; what isn't named here is said in general"
)]
fn what(error: &Error, words: &L10nLanguage) -> String {
    let of = |kind| context(error, kind).unwrap_or_default();
    let argument = || of(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation if of(ContextKind::InvalidValue).is_empty() => {
            words.msg_usage_values(argument())
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            words.msg_usage_bad_value(argument(), of(ContextKind::InvalidValue))
        }
        ErrorKind::UnknownArgument => words.msg_usage_unknown_argument(argument()),
        ErrorKind::InvalidSubcommand => words.msg_usage_unknown_command(of(ContextKind::InvalidSubcommand)),
        ErrorKind::ArgumentConflict => words.msg_usage_conflict(argument(), of(ContextKind::PriorArg)),
        ErrorKind::MissingRequiredArgument => words.msg_usage_missing(argument()),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            words.msg_usage_missing_command()
        }
        ErrorKind::NoEquals | ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            words.msg_usage_values(argument())
        }
        ErrorKind::InvalidUtf8 => words.msg_usage_not_text(),
        _ => words.msg_usage_other(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
fn context(error: &Error, kind: ContextKind) -> Option<String> {
    let text = match error.get(kind)? {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) => texts.join(", "),
        ContextValue::StyledStr(text) => text.to_string(),
        _ => return None,
    };
    Some(shown::name(&text))
}

/// The deepest command that was named, to point at its help.
fn path(command: &Command, typed: &[OsString]) -> String {
    let (mut here, mut path) = (command, command.get_name().to_owned());
    for word in options(typed) {
        if let Some(below) = here.find_subcommand(word) {
            here = below;
            path = format!("{path} {word}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::arguments::Arguments;
    use crate::i18n::L10n;

    fn said(line: &str, language: L10n) -> (String, String) {
        let typed: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let mut command = crate::cli::localise::localised(Arguments::command(), language);
        let error = command.try_get_matches_from_mut(&typed).unwrap_err();
        let words = language.plain().unwrap();
        let failure = reworded(&error, &command, &typed, &words);
        (failure.what(&words), failure.advice(&words))
    }

    #[test]
    fn each_kind_of_mistake_is_named_in_every_language() {
        let lines = [
            "relevo",
            "relevo alert",
            "relevo sned Quilla",
            "relevo send --fast Quilla",
            "relevo send",
            "relevo --lang xx status",
            "relevo status --wait soon",
            "relevo invite --days 40",
            "relevo admit 1 --ask Mistral --refuse",
            "relevo status --wait",
            "relevo alert answer 1 maybe",
        ];
        for language in L10n::iter() {
            let other = language.load().msg_usage_other();
            for line in lines {
                let (what, _) = said(line, *language);
                assert!(!what.is_empty() && what != other && !what.contains("error"), "{language} {line}: {what}");
            }
        }
    }

    #[test]
    fn a_mistake_says_what_it_takes_and_where_to_look() {
        let (what, advice) = said("relevo alert answer 1 maybe", L10n::Es);
        assert_eq!(what, "<ANSWER> no admite el valor \"maybe\". Admite: read, help.");
        assert_eq!(advice, "Mira `relevo alert answer --help`.");
        let (what, _) = said("relevo sned Quilla", L10n::Fr);
        assert_eq!(what, "Il n'y a pas de commande sned. Vouliez-vous dire send ?");
        let (what, _) = said("relevo send", L10n::En);
        assert_eq!(what, "This is missing: <TO>");
    }

    #[test]
    fn language_and_form_are_found_before_parsing() {
        let typed = |line: &str| line.split_whitespace().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(language_in(&typed("relevo send --lang pt X")).as_deref(), Some("pt"));
        assert_eq!(language_in(&typed("relevo --lang=fr --nonsense")).as_deref(), Some("fr"));
        assert_eq!(language_in(&typed("relevo send X -- --lang pt")), None);
        assert!(wants_json(&typed("relevo sned --json")) && !wants_json(&typed("relevo send X -- --json")));
    }
}
