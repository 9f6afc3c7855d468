//! What people copy and type, and what an operator writes.

use relevo_protocol::content::{CodeLink, FileName, Language, MediaType, Note, Text};
use relevo_protocol::limits::{MAX_FILE_NAME, MAX_NAME};
use relevo_protocol::trust::{Name, Pseudonym};
use relevo_protocol::wire::RelayAddress;
use relevo_relay::Config;

/// The address of a relay: it has one form, which is short enough for a QR code.
pub fn relay_address(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(address) = text.parse::<RelayAddress>() {
        let written = address.to_text();
        assert_eq!(written.parse(), Ok(address));
        assert_eq!(text.trim().to_ascii_uppercase().parse::<RelayAddress>().map(|read| read.to_text()), Ok(written));
    }
}

/// A code, whose check tells every slip of the pen.
pub fn code_link(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(link) = text.parse::<CodeLink>() {
        let written = link.to_text();
        assert_eq!(written.parse(), Ok(link));
    }
}

/// Names and words.
pub fn names(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(name) = text.parse::<Pseudonym>() {
        assert!((1..=MAX_NAME).contains(&name.as_str().chars().count()));
        assert_eq!(text.parse::<Name>().map(|name| name.as_str().to_owned()).as_deref(), Ok(text));
    }
    let nearest = FileName::nearest(text);
    assert!(nearest.as_str().len() <= MAX_FILE_NAME);
    assert_eq!(nearest.as_str().parse(), Ok(nearest.clone()), "the nearest name is allowed");
    assert_eq!(FileName::nearest(nearest.as_str()), nearest, "and nearest to itself");
    if let Ok(name) = text.parse::<FileName>() {
        assert_eq!(FileName::nearest(text), name, "an allowed name is nearest to itself");
    }
    for typed in [Text::typed(text).map(|t| t.as_str().to_owned()), Note::typed(text).map(|t| t.as_str().to_owned())]
        .into_iter()
        .flatten()
    {
        assert!(typed.parse::<Text>().is_ok());
    }
    let _language = text.parse::<Language>();
    let _kind = text.parse::<MediaType>();
}

/// A relay's configuration, and what follows from it.
pub fn config(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let Ok(config) = toml::from_str::<Config>(text) else { return };
    if config.check().is_ok() {
        let (_host, _drain) = (config.advertised_host(), config.limits.drain());
        let _pause = config.store.sweep_pause();
        // A configuration that is accepted is one that a relay can start with.
        assert!(relevo_relay::store::Store::in_memory(config.store).is_ok());
    }
}
