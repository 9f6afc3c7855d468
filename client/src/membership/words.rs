//! Numbers that people compare by voice, as words (BIP 39). The lists do not correspond across languages: both sides
//! use one language, or the digits.

use bip39::Language;
use relevo_protocol::trust::{AllianceId, alliance_words};

/// The twelve numbers, each below 2,048, that name an alliance.
#[must_use]
pub fn alliance(alliance: &AllianceId) -> [u16; 12] {
    alliance_words(alliance)
}

/// The words of some numbers in a language: `en`, `es`, `fr` or `pt`, else English.
#[must_use]
pub fn in_language(numbers: &[u16], language: &str) -> Vec<&'static str> {
    let list = match language {
        "es" => Language::Spanish,
        "fr" => Language::French,
        "pt" => Language::Portuguese,
        _ => Language::English,
    };
    numbers.iter().filter_map(|number| list.word_list().get(usize::from(*number)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_word_in_each_language() {
        let numbers: Vec<u16> = (0..2048).collect();
        for language in ["en", "es", "fr", "pt"] {
            let words = in_language(&numbers, language);
            let distinct: std::collections::BTreeSet<_> = words.iter().collect();
            assert_eq!((words.len(), distinct.len()), (2048, 2048), "{language}");
        }
    }
}
