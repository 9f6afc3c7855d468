//! What members say inside a seal, once it is open.

use relevo_protocol::content::{Kind, Location, LogItem, Message, ParcelBody, decode, encode_secret};

/// Body of a parcel.
pub fn parcel_body(bytes: &[u8]) {
    if let Ok(body) = decode::<Kind<ParcelBody>>(bytes) {
        assert_eq!(decode(&encode_secret(&body)).as_ref(), Ok(&body));
    }
}

/// A message of a conversation.
pub fn message(bytes: &[u8]) {
    if let Ok(message) = decode::<Message>(bytes) {
        assert_eq!(decode(&encode_secret(&message)).as_ref(), Ok(&message));
    }
}

/// An entry of a group's log.
pub fn log_item(bytes: &[u8]) {
    if let Ok(item) = decode::<LogItem>(bytes) {
        assert_eq!(decode(&encode_secret(&item)).as_ref(), Ok(&item));
    }
}

/// Where a document lies.
pub fn location(bytes: &[u8]) {
    if let Ok(location) = decode::<Location>(bytes) {
        assert_eq!(decode(&encode_secret(&location)).as_ref(), Ok(&location));
        let size = u64::try_from(location.chunks.len()).unwrap_or(u64::MAX).saturating_mul(256 << 10);
        assert!(location.fits(size) || location.relays.is_empty() || location.chunks.is_empty());
    }
}
