//! Puts the words of one language into the command line's structure.
//!
//! A command's help is the message `help-` and its path; an argument's is `arg-` and its name, or, where the same name
//! means another thing, `arg-` and the word listed in [`SPECIAL`]. A test walks the whole tree.

use clap::{Arg, Command};

use crate::i18n::L10n;

/// Arguments whose help differs from that of their name: command path, name, key.
const SPECIAL: &[(&str, &str, &str)] = &[
    ("found", "union", "union-name"),
    ("introduce", "second", "second-contact"),
    ("group-move", "relay", "relay-of-charter"),
    ("group-refound", "relay", "relay-of-charter"),
    ("document-get", "to", "path"),
    ("document-export", "to", "folder"),
];

const GLOBAL_ORDER: usize = 500;

/// Examples of each command, the same in every language.
const EXAMPLES: &[(&str, &str)] = &[
    ("", "relevo init\nrelevo join\nrelevo send Quilla \"...\"\nrelevo read"),
    ("init", "relevo init --pseudonym Quilla"),
    (
        "found",
        "relevo found --alliance Relevo --union \"Sindicato Norte\"\n\
         relevo found --union \"Local 9000\"\n\
         relevo found --undo",
    ),
    ("charter", "relevo charter show\nrelevo charter sign"),
    ("charter-show", "relevo charter show"),
    ("charter-propose", "relevo charter propose"),
    ("charter-sign", "relevo charter sign"),
    ("charter-compare", "relevo charter compare"),
    ("invite", "relevo invite --days 3\nrelevo invite --union"),
    ("join", "relevo join\nrelevo join --second Mistral < link.txt"),
    ("requests", "relevo requests"),
    ("vouch", "relevo vouch 1"),
    ("admit", "relevo admit 1\nrelevo admit 1 --ask Mistral\nrelevo admit 1 --refuse"),
    ("contacts", "relevo contacts list\nrelevo contacts code"),
    ("contacts-list", "relevo contacts list"),
    ("contacts-add", "relevo contacts add\nrelevo contacts add < code.txt"),
    ("contacts-code", "relevo contacts code"),
    ("introduce", "relevo introduce Quilla Mistral"),
    ("verify", "relevo verify Quilla\nrelevo verify Quilla --same"),
    ("send", "relevo send Quilla \"...\"\nrelevo send Quilla < text.txt"),
    ("read", "relevo read\nrelevo read Quilla --all"),
    ("listen", "relevo listen --json"),
    ("group", "relevo group create Table Quilla Mistral\nrelevo group list"),
    ("group-create", "relevo group create Table Quilla Mistral"),
    ("group-add", "relevo group add Table Ceibo"),
    ("group-remove", "relevo group remove Table Ceibo"),
    ("group-leave", "relevo group leave Table"),
    ("group-rename", "relevo group rename Table \"Table 2027\""),
    ("group-move", "relevo group move Table relay.example.org\nrelevo group move Quilla relay.example.org"),
    (
        "group-refound",
        "relevo group refound Table\nrelevo group refound Table --without Ceibo --relay relay.example.org",
    ),
    ("group-list", "relevo group list"),
    ("alert", "relevo alert list\nrelevo alert answer 1 read"),
    ("alert-send", "relevo alert send Table --text es=\"...\" --text fr=\"...\" --hours 12"),
    ("alert-list", "relevo alert list"),
    ("alert-answer", "relevo alert answer 1 help"),
    ("alert-status", "relevo alert status 1"),
    ("document", "relevo document send Table agreement.pdf\nrelevo document list"),
    ("document-send", "relevo document send Table agreement.pdf"),
    ("document-get", "relevo document get 1 --to agreement.pdf"),
    ("document-list", "relevo document list"),
    ("document-export", "relevo document export 1 --to proof"),
    ("document-verify", "relevo document verify proof"),
    ("status", "relevo status"),
    ("doctor", "relevo doctor"),
    ("completions", "relevo completions bash > /usr/share/bash-completion/completions/relevo"),
    ("man", "relevo man /usr/local/share/man/man1"),
];

/// Examples of the command at `path`, one a line.
pub(crate) fn examples(path: &str) -> Option<&'static str> {
    EXAMPLES.iter().find(|(of, _)| *of == path).map(|(_, examples)| *examples)
}

/// The command line in one language.
pub(crate) fn localised(command: Command, language: L10n) -> Command {
    let words = language.load();
    let word = |key: &str| words.of_key(key).unwrap_or_else(|| key.to_owned());
    let mut command = command;
    // Building first gives every command its own help and version flags, so that they get words too.
    command.build();
    dress(command, "", &word)
}

fn dress(command: Command, path: &str, word: &impl Fn(&str) -> String) -> Command {
    let key = if path.is_empty() { "help".to_owned() } else { format!("help-{path}") };
    let mut template = String::from("{about}\n\n");
    template.push_str(&format!("{}: {{usage}}\n", word("heading-usage")));
    if command.get_positionals().next().is_some() {
        template.push_str(&format!("\n{}:\n{{positionals}}\n", word("heading-arguments")));
    }
    if command.has_subcommands() {
        template.push_str(&format!("\n{}:\n{{subcommands}}\n", word("heading-commands")));
    }
    template.push_str(&format!("\n{}:\n{{options}}\n", word("heading-options")));
    if let Some(examples) = examples(path) {
        let lines: String = examples.lines().map(|line| format!("\n  {line}")).collect();
        template.push_str(&format!("\n{}:{lines}\n", word("heading-examples")));
    }
    let mut command = command.about(word(&key)).help_template(template);
    command = command.mut_args(|argument| {
        let mut text = word(&argument_key(path, &argument));
        if let Some(default) = argument.get_default_values().first().filter(|_| argument.get_action().takes_values()) {
            text = format!("{text} ({}: {})", word("word-default"), default.to_string_lossy());
        }
        // clap's own notes would be in English; the help texts name the values.
        let argument = argument.help(text).hide_default_value(true).hide_possible_values(true);
        // What holds for every command stands after what is this command's own.
        if argument.is_global_set() { argument.display_order(GLOBAL_ORDER) } else { argument }
    });
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        let below = if path.is_empty() { name.clone() } else { format!("{path}-{name}") };
        command = command.mut_subcommand(name, |sub| dress(sub, &below, word));
    }
    command
}

fn argument_key(path: &str, argument: &Arg) -> String {
    let name = argument.get_id().as_str().replace('_', "-");
    let special = SPECIAL.iter().find(|(of, id, _)| *of == path && *id == name);
    format!("arg-{}", special.map_or(name.as_str(), |(_, _, key)| key))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::arguments::Arguments;

    fn walk(command: &Command, path: &str, missing: &mut Vec<String>, word: &dyn Fn(&str) -> Option<String>) {
        let key = if path.is_empty() { "help".to_owned() } else { format!("help-{path}") };
        let mut need = vec![key];
        need.extend(command.get_arguments().map(|argument| argument_key(path, argument)));
        missing.extend(need.into_iter().filter(|key| word(key).is_none()));
        if !EXAMPLES.iter().any(|(of, _)| *of == path) {
            missing.push(format!("example of {path:?}"));
        }
        for sub in command.get_subcommands() {
            let below = if path.is_empty() { sub.get_name().to_owned() } else { format!("{path}-{}", sub.get_name()) };
            walk(sub, &below, missing, word);
        }
    }

    #[test]
    fn every_command_and_argument_has_words_in_every_language_and_an_example() {
        for language in L10n::iter() {
            let words = language.load();
            let mut missing = Vec::new();
            let mut command = Arguments::command();
            command.build();
            walk(&command, "", &mut missing, &|key| words.of_key(key));
            assert!(missing.is_empty(), "{language}: {missing:?}");
        }
    }

    #[test]
    fn help_speaks_the_chosen_language_throughout() {
        let mut help = localised(Arguments::command(), L10n::Es);
        let text = help.render_help().to_string();
        assert!(text.contains("Crea tu bóveda") && text.contains("Uso:") && text.contains("Órdenes:"), "{text}");
        assert!(!text.contains("Usage") && !text.contains("Print help"), "{text}");
        let sub = help.find_subcommand_mut("alert").unwrap().find_subcommand_mut("send").unwrap();
        let text = sub.render_help().to_string();
        assert!(text.contains("Horas hasta que venza") && text.contains("Ejemplos:"), "{text}");
    }
}
