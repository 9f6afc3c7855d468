//! `relevo document verify`: who signed a file, checked offline and without an account.

use std::path::Path;

use data_encoding::HEXLOWER;
use relevo_protocol::trust::alliance_words;
use serde::Serialize;

use super::failure::Stop;
use super::screen::Screen;
use super::{shown, spoken, when};
use crate::document::{self, Attestation};

#[derive(Serialize)]
struct Attested<'a> {
    file: String,
    size: u64,
    sha256: String,
    media_type: &'a str,
    author: &'a str,
    union: &'a str,
    claimed: String,
    card_expires: String,
    alliance: &'a str,
    words: Vec<String>,
    numbers: [u16; 12],
}

/// Checks the document in `folder` against the proof beside it and says what it proves.
pub(crate) fn verify(folder: &Path, screen: &mut Screen) -> Result<(), Stop> {
    let attestation = document::verify(folder, None)?;
    let Attestation { attested, alliance, file } = &attestation;
    let (manifest, card) = (&attested.manifest, &attested.author.card);
    let union = attested.author.charter.unions.iter().find(|union| union.id == card.union);
    let numbers = alliance_words(alliance);
    let found = Attested {
        file: file.to_string_lossy().into_owned(),
        size: manifest.size,
        sha256: HEXLOWER.encode(&manifest.sha256),
        media_type: manifest.media_type.as_str(),
        author: card.pseudonym.as_str(),
        union: union.map_or("", |union| union.name.as_str()),
        claimed: when::utc(manifest.made),
        card_expires: when::utc(card.expires),
        alliance: attested.author.charter.name.as_str(),
        words: spoken::words(&numbers, screen.language()),
        numbers,
    };
    if screen.is_json() {
        return screen.object(&found);
    }
    let words = screen.words();
    let author = words.msg_attested_author_of(shown::name(found.author), shown::name(found.union));
    let fields = [
        (words.msg_attested_file(), shown::name(&found.file)),
        ("SHA-256".to_owned(), found.sha256.clone()),
        (words.msg_attested_author(), author),
        (words.msg_attested_claimed(), when::exact(manifest.made)),
        (words.msg_attested_card(), when::exact(card.expires)),
        (words.msg_attested_alliance(), shown::name(found.alliance)),
    ];
    let over = (manifest.made >= card.expires).then(|| words.msg_attested_card_over());
    let (yes, compare, digits) = (words.msg_attested_yes(), words.msg_attested_compare(), words.msg_attested_digits());
    screen.line(&yes)?;
    for (label, value) in fields {
        screen.field(&label, &value)?;
    }
    if let Some(over) = over {
        screen.line(&over)?;
    }
    screen.line("")?;
    screen.line(&compare)?;
    screen.line(&spoken::table(&found.words, 4))?;
    screen.field(digits.trim_end_matches([':', ' ']), &spoken::digits(&numbers))
}
