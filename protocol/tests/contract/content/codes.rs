//! Links that people hand to each other.

use proptest::prelude::*;
use relevo_protocol::content::{CodeKind, CodeLink, CodeLinkFault};
use relevo_protocol::sealed::CodeSecret;
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;

use crate::dice::Dice;

fn link(seed: u64) -> CodeLink {
    let mut dice = Dice(seed);
    let kinds = [CodeKind::Member, CodeKind::CoFounder, CodeKind::Union, CodeKind::Contact];
    let kind = kinds[dice.below(4)];
    CodeLink::new(
        kind,
        &dice.relay(),
        &CodeSecret::new(dice.secret()),
        Timestamp(u64::try_from(dice.below(1 << 40)).unwrap()),
    )
}

#[test]
fn a_code_admits_once_through_its_own_secret() {
    let mut dice = Dice(1);
    let (relay, secret) = (dice.relay(), CodeSecret::new(Secret::new([1; 32])));
    let link = CodeLink::new(CodeKind::Member, &relay, &secret, Timestamp(1_800_000_000));
    assert_eq!(link.relay(), relay.with_admission(&secret.admission()));
    assert_ne!(link.relay().admission, relay.admission);
}

#[test]
fn a_code_uses_only_characters_that_make_a_small_qr_code() {
    let secret = CodeSecret::new(Secret::new([1; 32]));
    let text = CodeLink::new(CodeKind::Member, &Dice(3).relay(), &secret, Timestamp(1_800_000_000)).to_text();
    let compact = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || " $%*+-./:".contains(c);
    let text = text.replace(['[', ']'], "");
    assert!(text.to_ascii_uppercase().chars().all(compact), "{text}");
}

#[test]
fn a_code_says_when_it_ends() {
    let secret = CodeSecret::new(Secret::new([1; 32]));
    for (given, said) in [(1_800_000_000, 1_800_000_000), (0, 0), (u64::MAX, (1 << 40) - 1)] {
        let link = CodeLink::new(CodeKind::Member, &Dice(3).relay(), &secret, Timestamp(given));
        assert_eq!(link.to_text().parse::<CodeLink>().unwrap().expires, Timestamp(said));
    }
}

#[test]
fn a_damaged_code_says_where() {
    let text = link(1).to_text();
    assert_eq!(text.replace("relevo:", "https:").parse::<CodeLink>(), Err(CodeLinkFault::Scheme));
    assert_eq!("relevo://marry/a/b".parse::<CodeLink>(), Err(CodeLinkFault::Scheme));
    assert_eq!("relevo://join/a b/c".parse::<CodeLink>(), Err(CodeLinkFault::Host));
    assert_eq!("relevo://join/a".parse::<CodeLink>(), Err(CodeLinkFault::Host));
    assert_eq!(text[..text.len() - 1].parse::<CodeLink>(), Err(CodeLinkFault::Damaged));
}

proptest! {
    #[test]
    fn any_code_comes_back_from_its_text_in_either_case(seed in any::<u64>()) {
        let text = link(seed).to_text();
        prop_assert_eq!(text.parse::<CodeLink>(), Ok(link(seed)));
        prop_assert_eq!(format!(" {}\n", text.to_ascii_uppercase()).parse::<CodeLink>(), Ok(link(seed)));
    }

    #[test]
    fn any_slip_of_the_pen_is_noticed(seed in any::<u64>(), at in any::<prop::sample::Index>(), by in "[a-z0-9/:.]") {
        let text = link(seed).to_text();
        let at = at.index(text.len());
        let changed = format!("{}{by}{}", &text[..at], &text[at + 1..]);
        prop_assume!(changed != text);
        prop_assert!(changed.parse::<CodeLink>().is_err(), "{changed}");
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(relevo://(join|found|union|contact)/)?\\PC{0,200}") {
        let _ = text.parse::<CodeLink>();
    }
}
