//! Numbers that people compare by voice, as words (BIP 39). The lists do not correspond across languages, so both sides
//! use one language, or the numbers.

use bip39::Language;
use unicode_normalization::UnicodeNormalization;

use crate::i18n::L10n;

/// The words of some numbers below 2,048, composed as keyboards write them (the lists are decomposed).
pub(crate) fn words(numbers: &[u16], language: L10n) -> Vec<String> {
    let list = match language {
        L10n::En => Language::English,
        L10n::Es => Language::Spanish,
        L10n::Fr => Language::French,
        L10n::Pt => Language::Portuguese,
    };
    let word = |number: &u16| list.word_list().get(usize::from(*number)).map(|word| word.nfc().collect());
    numbers.iter().filter_map(word).collect()
}

/// Words or numbers in columns of `columns`, each with its place, to be read out.
pub(crate) fn table(words: &[String], columns: usize) -> String {
    let width = words.iter().map(|word| word.chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for (row, line) in words.chunks(columns.max(1)).enumerate() {
        let cells = (1..).zip(line).map(|(at, word)| format!("{:>4} {word:width$}", row * columns + at));
        lines.push(cells.collect::<String>().trim_end().to_owned());
    }
    lines.join("\n")
}

/// The numbers themselves, for two people without a common language.
pub(crate) fn digits(numbers: &[u16]) -> String {
    numbers.iter().map(|number| format!("{number:04}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_has_one_composed_word_in_each_language() {
        let numbers: Vec<u16> = (0..2048).collect();
        for language in L10n::iter() {
            let words = words(&numbers, *language);
            assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), 2048, "{language}");
            assert!(words.iter().all(|word| word.chars().all(char::is_alphabetic)), "{language}: a mark stands alone");
        }
    }

    #[test]
    fn the_table_counts_its_words() {
        let words = ["one", "three", "five", "seven"].map(str::to_owned);
        assert_eq!(table(&words, 3), "   1 one     2 three   3 five\n   4 seven");
        assert_eq!(digits(&[7, 2047]), "0007 2047");
    }
}
