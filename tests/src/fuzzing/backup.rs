//! Backups of a relay: whatever a file holds, it is refused or restored.

/// A file.
pub fn backup(bytes: &[u8]) {
    // Most are refused; what is restored has been counted and summed.
    if let Ok(contents) = relevo_relay::backup::rehearse(bytes) {
        assert!(usize::try_from(contents.bytes).is_ok_and(|counted| counted <= bytes.len()));
    }
}
