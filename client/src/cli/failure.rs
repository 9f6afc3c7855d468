//! Why a command ended early: a stable code, words for people, an exit code for programs.

use std::borrow::Cow;

use crate::account::AccountFault;
use crate::document::DocumentFault;
use crate::i18n::L10nLanguage;
use crate::link::LinkFault;
use crate::vault::VaultFault;

/// What the program tells the shell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    /// What was asked is kept and leaves when the network is back.
    Network,
    /// A rule of the alliance or group forbids it.
    Policy,
    /// Ctrl-C: 128 and the signal's number, as shells say it.
    Interrupted,
}

impl Exit {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Network => 3,
            Self::Policy => 4,
            Self::Interrupted => 130,
        }
    }
}

/// Codes for which the network has to come back.
const NETWORK: &[&str] =
    &["not-settled", "relay-unknown-host", "relay-unreachable", "relay-lost", "relay-ended", "relay-no-socket"];

/// Codes of what a rule forbids.
const POLICY: &[&str] = &[
    "not-a-member",
    "not-a-coordinator",
    "card-expired",
    "already-vouched",
    "too-few-vouches",
    "vouch-for-oneself",
    "vouch-refused",
    "voucher-without-card",
    "charter-fork",
    "charter-rollback",
    "signed-another-charter",
    "unknown-relay",
    "not-administrator",
    "conversation-pair",
    "conversation-halted",
    "goes-on-elsewhere",
    "just-refounded",
    "too-few-administrators",
    "too-many-members",
    "commit",
    "leaf",
];

/// What went wrong, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Cow<'static, str>,
    exit: Exit,
    what: Option<String>,
    advice: Option<String>,
}

impl Failure {
    /// The failure of a code, whose words are `err-CODE` and `rec-CODE`.
    pub(crate) fn of(code: &'static str) -> Self {
        Self::coded(Cow::Borrowed(code))
    }

    /// The failure of a code that was kept as text.
    pub(crate) fn told(code: &str) -> Self {
        Self::coded(Cow::Owned(code.to_owned()))
    }

    fn coded(code: Cow<'static, str>) -> Self {
        let exit = if NETWORK.contains(&code.as_ref()) {
            Exit::Network
        } else if POLICY.contains(&code.as_ref()) {
            Exit::Policy
        } else {
            Exit::Failed
        };
        Self { code, exit, what: None, advice: None }
    }

    /// A command line that cannot be understood; it brings its own words.
    pub(crate) fn usage(what: String, advice: String) -> Self {
        Self { code: Cow::Borrowed("usage"), exit: Exit::Usage, what: Some(what), advice: Some(advice) }
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What happened.
    pub(crate) fn what(&self, words: &L10nLanguage) -> String {
        self.what
            .clone()
            .or_else(|| words.of_key(&format!("err-{}", self.code)))
            .unwrap_or_else(|| self.code.to_string())
    }

    /// What to do.
    pub(crate) fn advice(&self, words: &L10nLanguage) -> String {
        self.advice.clone().or_else(|| words.of_key(&format!("rec-{}", self.code))).unwrap_or_default()
    }
}

/// Why a command ended before it was done.
#[derive(Debug)]
pub(crate) enum Stop {
    Failure(Failure),
    /// Something is wrong, and the output has said what.
    Said,
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// Whoever read the output has enough.
    PipeClosed,
}

impl Stop {
    /// Whether what was asked is kept and only the network is missing.
    pub(crate) fn is_network(&self) -> bool {
        matches!(self, Self::Failure(failure) if failure.exit == Exit::Network)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<VaultFault> for Stop {
    fn from(fault: VaultFault) -> Self {
        Failure::of(fault.code()).into()
    }
}

impl From<AccountFault> for Stop {
    fn from(fault: AccountFault) -> Self {
        Failure::of(fault.code()).into()
    }
}

impl From<LinkFault> for Stop {
    fn from(fault: LinkFault) -> Self {
        Failure::of(fault.code()).into()
    }
}

impl From<DocumentFault> for Stop {
    fn from(fault: DocumentFault) -> Self {
        Failure::of(fault.code()).into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::i18n::L10n;

    /// Every string that a `fn code(&self) -> &'static str` below `folder` gives, and every one that the command line
    /// names itself, from the sources: a fault that is new is found without being listed anywhere.
    fn codes_in(folder: &Path, found: &mut BTreeSet<String>) {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                codes_in(&path, found);
            } else if path.file_name().is_some_and(|name| name != "failure.rs" && name != "warning.rs") {
                let source = fs::read_to_string(&path).unwrap();
                let functions = source.split("fn code(&self) -> &'static str {").skip(1);
                found.extend(functions.flat_map(|rest| literals(rest.split("\n    }\n").next().unwrap())));
                let named = source.split("Failure::of(").skip(1);
                found.extend(named.flat_map(|rest| literals(rest.split(')').next().unwrap())));
            }
        }
    }

    fn literals(source: &str) -> impl Iterator<Item = String> {
        source.split('"').skip(1).step_by(2).map(str::to_owned)
    }

    #[test]
    fn every_fault_of_the_client_has_words_for_what_happened_and_what_to_do() {
        let mut codes = BTreeSet::new();
        codes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
        assert!(codes.contains("relay-unreachable") && codes.contains("wrong-passphrase"), "the search finds nothing");
        for language in L10n::iter() {
            let words = language.load();
            let missing: Vec<_> = codes
                .iter()
                .flat_map(|code| [format!("err-{code}"), format!("rec-{code}")])
                .filter(|key| words.of_key(key).is_none())
                .collect();
            assert!(missing.is_empty(), "{language} lacks {missing:?}");
        }
        let words = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("locales/en/errors.ftl")).unwrap();
        let known = words.lines().filter_map(|line| line.strip_prefix("err-")?.split_once(" = "));
        let surplus: Vec<_> = known.map(|(code, _)| code).filter(|code| !codes.contains(*code)).collect();
        assert!(surplus.is_empty(), "nothing says {surplus:?} any more");
    }

    #[test]
    fn what_happened_never_comes_without_what_to_do() {
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("locales/en/errors.ftl")).unwrap();
        let keys: BTreeSet<_> = source.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
        for key in &keys {
            let (kind, code) = key.split_once('-').unwrap();
            let twin = if kind == "err" { "rec" } else { "err" };
            assert!(keys.contains(format!("{twin}-{code}").as_str()), "{key} has no {twin}-");
        }
    }

    #[test]
    fn exit_codes_follow_the_kind_of_failure() {
        assert_eq!(Failure::of(LinkFault::Unreachable.code()).exit().number(), 3);
        assert_eq!(Failure::of(LinkFault::WrongRelay.code()).exit().number(), 1);
        assert_eq!(Failure::of(VaultFault::WrongPassphrase.code()).exit().number(), 1);
        assert_eq!(Failure::of("not-a-coordinator").exit().number(), 4);
        assert_eq!(Failure::usage(String::new(), String::new()).exit().number(), 2);
    }
}
