//! The words that people see, in English, Spanish, French and Portuguese.

#[expect(
    missing_docs,
    clippy::derivable_impls,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "generated from locales/, whose keys say what each is; the build has proved every key"
)]
mod words {
    include!(concat!(env!("OUT_DIR"), "/words.rs"));

    impl L10n {
        /// The words of this language without the isolation marks that Fluent puts around arguments: terminals show them as
        /// boxes, and text of others goes through `cli/shown` before it becomes an argument.
        ///
        /// # Errors
        /// The words embedded in this program do not parse: a bug of its build.
        pub fn plain(&self) -> Result<L10nLanguage, L10nError> {
            let bytes = LANG_DATA.get(self.byte_range()).unwrap_or_default();
            L10nBundle::new_without_isolation(self, bytes).map(L10nLanguage)
        }
    }

    impl L10nLanguage {
        /// The words of a key that is known only at run time, such as that of a fault's code; no arguments.
        #[must_use]
        pub fn of_key(&self, key: &str) -> Option<String> {
            self.0.msg(key, None).ok()
        }
    }
}
pub use words::*;

/// The language that a person asked for, or that the environment names (`RELEVO_LANG`, then the locale as POSIX orders
/// it). None when nobody names one of ours.
#[must_use]
pub fn choose(asked: Option<&str>, environment: impl Fn(&str) -> Option<String>) -> Option<L10n> {
    let named = |name: &str| environment(name).filter(|value| !value.is_empty());
    let locale = || ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(named);
    asked
        .and_then(parse)
        .or_else(|| named("RELEVO_LANG").and_then(|tag| parse(&tag)))
        .or_else(|| locale().and_then(|tag| parse(&tag)))
}

/// `es`, `es-PE` and `es_PE.UTF-8` are Spanish.
fn parse(tag: &str) -> Option<L10n> {
    let primary = tag.split(['_', '-', '.', '@']).next()?;
    primary.to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(asked: Option<&str>, environment: &[(&str, &str)]) -> Option<L10n> {
        let find = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        choose(asked, find)
    }

    #[test]
    fn what_is_asked_for_goes_before_the_environment() {
        assert_eq!(chosen(Some("pt"), &[("RELEVO_LANG", "fr"), ("LANG", "es_PE.UTF-8")]), Some(L10n::Pt));
        assert_eq!(chosen(None, &[("RELEVO_LANG", "fr"), ("LANG", "es_PE.UTF-8")]), Some(L10n::Fr));
        assert_eq!(chosen(None, &[("LC_ALL", ""), ("LANG", "es_PE.UTF-8")]), Some(L10n::Es));
        assert_eq!(chosen(None, &[("LC_ALL", "pt-BR"), ("LANG", "es_PE.UTF-8")]), Some(L10n::Pt));
    }

    #[test]
    fn a_locale_that_is_none_of_ours_leaves_the_choice_open() {
        assert_eq!(chosen(None, &[("LC_ALL", "C"), ("LANG", "es_PE.UTF-8")]), None, "LC_ALL rules, as POSIX says");
        assert_eq!(chosen(Some("de"), &[]), None);
        assert_eq!(chosen(None, &[]), None);
    }
}
