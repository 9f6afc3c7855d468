//! Completions and manual pages, generated from the command line itself in the language of the person.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use serde::Serialize;

use super::arguments::Arguments;
use super::failure::{Failure, Stop};
use super::localise::{examples, localised};
use super::screen::Screen;
use crate::i18n::L10nLanguage;

/// Prints completions for a shell.
pub(crate) fn completions(shell: Shell, screen: &mut Screen) -> Result<(), Stop> {
    let mut command = localised(Arguments::command(), screen.language());
    // Into memory first: clap_complete panics when it can't write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "relevo", &mut script);
    screen.text(&String::from_utf8_lossy(&script))
}

#[derive(Serialize)]
struct Written {
    pages: usize,
}

/// Writes one page a command into a folder, which is made if it isn't there.
pub(crate) fn pages(folder: &Path, screen: &mut Screen) -> Result<(), Stop> {
    let command = localised(Arguments::command(), screen.language());
    let mut all = Vec::new();
    page(&command, "", screen.words(), &mut all).map_err(|_| Failure::of("folder"))?;
    let written = fs::create_dir_all(folder)
        .and_then(|()| all.iter().try_for_each(|(name, text)| fs::write(folder.join(name), text)));
    written.map_err(|_| Failure::of("folder"))?;
    if screen.is_json() {
        return screen.object(&Written { pages: all.len() });
    }
    let line = screen.words().msg_man_written(all.len());
    screen.line(&line)
}

/// The page of a command and of all below it, as file name and text.
fn page(command: &Command, path: &str, words: &L10nLanguage, all: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let name = if path.is_empty() { "relevo".to_owned() } else { format!("relevo-{path}") };
    let man = Man::new(command.clone().display_name(&name).bin_name(name.replace('-', " ")))
        .source(concat!("relevo ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut text = headings(&String::from_utf8_lossy(&text), words);
    if let Some(examples) = examples(path) {
        text.push_str(&format!(
            ".SH {}\n.nf\n{}\n.fi\n",
            words.msg_man_extra(),
            examples.replace('\\', "\\e").replace('-', "\\-")
        ));
    }
    all.push((format!("{name}.1"), text));
    for sub in command.get_subcommands() {
        let below = if path.is_empty() { sub.get_name().to_owned() } else { format!("{path}-{}", sub.get_name()) };
        page(sub, &below, words, all)?;
    }
    Ok(())
}

fn headings(text: &str, words: &L10nLanguage) -> String {
    let lines = text.lines().map(|line| match line {
        ".SH NAME" => format!(".SH {}", words.msg_man_name()),
        ".SH SYNOPSIS" => format!(".SH {}", words.msg_man_synopsis()),
        ".SH DESCRIPTION" => format!(".SH {}", words.msg_man_description()),
        ".SH OPTIONS" => format!(".SH {}", words.msg_man_options()),
        ".SH SUBCOMMANDS" => format!(".SH {}", words.msg_man_commands()),
        other => other.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}
