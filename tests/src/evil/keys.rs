//! The keys of a relay, read from its data directory as whoever seized the machine reads them.

use std::path::Path;

use anyhow::Context;
use ed25519_dalek::SigningKey;
use relevo_protocol::secret::Secret;
use relevo_protocol::wire::PathSecret;

/// What makes one that relay.
pub(super) struct Keys {
    pub(super) identity: SigningKey,
    pub(super) path: PathSecret,
    pub(super) certificate: Vec<u8>,
    pub(super) certificate_key: Vec<u8>,
}

impl Keys {
    /// Reads them.
    ///
    /// # Errors
    /// A file is missing or of another length.
    pub(super) fn load(data: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| std::fs::read(data.join("keys").join(name)).context("a key of the relay");
        let identity: [u8; 32] = read("identity")?.as_slice().try_into()?;
        let path: [u8; 16] = read("path")?.as_slice().try_into()?;
        Ok(Self {
            identity: SigningKey::from_bytes(&identity),
            path: PathSecret::new(Secret::new(path)),
            certificate: read("certificate.der")?,
            certificate_key: read("certificate.key")?,
        })
    }
}
