//! The one key derivation.

use hkdf::Hkdf;
use sha2::Sha256;

use crate::secret::Secret;

/// HKDF-SHA256 (RFC 5869) of a 32-byte secret, without salt, with the label as info.
pub(super) fn derive(from: &Secret<32>, label: &str) -> Secret<32> {
    let mut out = zeroize::Zeroizing::new([0; 32]);
    #[expect(clippy::expect_used, reason = "32 bytes are within HKDF-SHA256's 8160")]
    Hkdf::<Sha256>::new(None, from.expose())
        .expand(label.as_bytes(), out.as_mut_slice())
        .expect("HKDF-SHA256 expands to 32 bytes");
    Secret::new(*out)
}
