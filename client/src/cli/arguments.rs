//! The words of the command line. Help texts are not here but in the language files, by the path of each command. What
//! people type holds their texts and links that are secrets, so none of these types has `Debug`.

use std::os::fd::RawFd;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// `relevo`
#[derive(Parser)]
#[command(name = "relevo", version, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Args)]
pub(crate) struct Global {
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) vault: Option<PathBuf>,
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "passphrase_fd")]
    pub(crate) passphrase_file: Option<PathBuf>,
    #[arg(long, global = true, value_name = "NUMBER")]
    pub(crate) passphrase_fd: Option<RawFd>,
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[arg(long, global = true, value_name = "LANGUAGE", value_parser = ["en", "es", "fr", "pt"])]
    pub(crate) lang: Option<String>,
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 20)]
    pub(crate) wait: u64,
    #[arg(long, global = true)]
    pub(crate) offline: bool,
}

/// What there is to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Alone(LoneCommand),
    #[command(flatten)]
    Member(MemberCommand),
}

/// What needs no account, or makes or examines one.
#[derive(Subcommand)]
pub(crate) enum LoneCommand {
    Init {
        #[arg(long)]
        pseudonym: Option<String>,
    },
    Doctor,
    Completions {
        shell: clap_complete::Shell,
    },
    Man {
        folder: PathBuf,
    },
}

/// What is done with an account.
#[derive(Subcommand)]
pub(crate) enum MemberCommand {
    Found {
        #[arg(long, conflicts_with = "link")]
        alliance: Option<String>,
        #[arg(long, required_unless_present = "undo")]
        union: Option<String>,
        #[arg(long, value_name = "ADDRESS")]
        relay: Option<String>,
        #[arg(long)]
        link: Option<String>,
        #[arg(long, conflicts_with_all = ["alliance", "union", "relay", "link"])]
        undo: bool,
    },
    Charter {
        #[command(subcommand)]
        act: Charter,
    },
    Invite {
        #[arg(long)]
        union: bool,
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=30))]
        days: u32,
        #[arg(long)]
        note: Option<String>,
    },
    Join {
        link: Option<String>,
        #[arg(long, value_name = "NAME")]
        second: Option<String>,
        #[arg(long)]
        note: Option<String>,
    },
    Requests,
    Vouch {
        request: String,
    },
    Admit {
        request: String,
        #[arg(long, value_name = "NAME", conflicts_with = "refuse")]
        ask: Option<String>,
        #[arg(long)]
        refuse: bool,
    },
    Contacts {
        #[command(subcommand)]
        act: Contacts,
    },
    Introduce {
        first: String,
        second: String,
        #[arg(long)]
        note: Option<String>,
    },
    Verify {
        contact: String,
        #[arg(long)]
        same: bool,
        #[arg(long, conflicts_with = "same")]
        different: bool,
    },
    Send {
        to: String,
        text: Option<String>,
    },
    Read {
        from: Option<String>,
        #[arg(long)]
        all: bool,
    },
    Listen,
    Group {
        #[command(subcommand)]
        act: Group,
    },
    Alert {
        #[command(subcommand)]
        act: Alert,
    },
    Document {
        #[command(subcommand)]
        act: Document,
    },
    Status,
}

#[derive(Subcommand)]
pub(crate) enum Charter {
    Show,
    Propose,
    Sign { draft: Option<String> },
    Compare,
}

#[derive(Subcommand)]
pub(crate) enum Contacts {
    List,
    Add { code: Option<String> },
    Code,
}

#[derive(Subcommand)]
pub(crate) enum Group {
    Create {
        name: String,
        #[arg(required = true)]
        members: Vec<String>,
    },
    Add {
        group: String,
        #[arg(required = true)]
        members: Vec<String>,
    },
    Remove {
        group: String,
        member: String,
    },
    Leave {
        group: String,
    },
    Rename {
        group: String,
        name: String,
    },
    Move {
        to: String,
        relay: String,
    },
    Refound {
        to: String,
        #[arg(long, value_name = "MEMBER")]
        without: Vec<String>,
        #[arg(long)]
        relay: Option<String>,
    },
    List,
}

#[derive(Subcommand)]
pub(crate) enum Alert {
    Send {
        group: String,
        #[arg(long = "text", value_name = "LANGUAGE=TEXT", required = true)]
        texts: Vec<String>,
        #[arg(long, value_enum, default_value_t = Severity::Urgent)]
        severity: Severity,
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=720))]
        hours: u32,
        #[arg(long)]
        no_answer: bool,
        #[arg(long)]
        drill: bool,
    },
    List,
    Answer {
        alert: String,
        #[arg(value_enum)]
        answer: AnswerWord,
    },
    Status {
        alert: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum Document {
    Send {
        to: String,
        file: PathBuf,
    },
    Get {
        document: String,
        #[arg(long, value_name = "PATH")]
        to: Option<PathBuf>,
    },
    List,
    Export {
        document: String,
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    Verify {
        folder: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Severity {
    Info,
    Urgent,
    Emergency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerWord {
    Read,
    Help,
}
