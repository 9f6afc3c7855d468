//! Words that people write.

use relevo_protocol::content::{Language, Note, Text, TextFault};
use relevo_protocol::limits::{MAX_LANGUAGE, MAX_NOTE, MAX_TEXT};

#[test]
fn a_text_holds_no_more_than_its_limit() {
    assert!("a".repeat(MAX_TEXT).parse::<Text>().is_ok());
    assert_eq!("a".repeat(MAX_TEXT + 1).parse::<Text>(), Err(TextFault::TooLong { max: MAX_TEXT }));
    assert_eq!("a".repeat(MAX_NOTE + 1).parse::<Note>(), Err(TextFault::TooLong { max: MAX_NOTE }));
}

#[test]
fn a_text_cannot_steer_a_terminal() {
    for text in ["\u{1b}[2J", "a\u{7}", "a\rb", "\u{9b}1m", "\0"] {
        assert_eq!(text.parse::<Text>(), Err(TextFault::Control), "{}", text.escape_debug());
    }
    assert_eq!("ligne\n\tsuite".parse::<Text>().unwrap().as_str(), "ligne\n\tsuite");
}

#[test]
fn what_was_typed_loses_only_what_is_refused() {
    assert_eq!(Text::typed("hola\r\nadiós\u{1b}").unwrap().as_str(), "hola\nadiós");
}

#[test]
fn a_language_is_a_tag() {
    for good in ["en", "es", "pt-br", "qu"] {
        assert!(good.parse::<Language>().is_ok());
    }
    for bad in ["", "e", "EN", "-en", "en_US", "é1", &"a".repeat(MAX_LANGUAGE + 1)] {
        assert!(bad.parse::<Language>().is_err(), "{bad}");
    }
}
