//! Stateless resets (RFC 9000, 10.3). A relay that was killed and started again knows none of its connections. Told so by
//! its first packet, a client connects anew; untold, it waits for 30 s until its connection counts as dead. So the keys
//! of resets outlive the process: they come from the relay's identity. The ids themselves are random: any rule that they
//! followed would let who sees them pass recognise the relay, at another address too.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use quinn::EndpointConfig;
use quinn_proto::RandomConnectionIdGenerator;
use quinn_proto::crypto::{CryptoError, HmacKey};
use relevo_protocol::labels;
use relevo_protocol::secret::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Between two resets: 200 a second tell 6,000 clients within the 30 s that they would wait otherwise. A reset is smaller
/// than the packet that it answers. Who sends packets of nobody's can use them up, and clients wait as if there were none.
const BETWEEN: Duration = Duration::from_millis(5);

/// Bytes of an id: 2^64 of them, each with a token of its own. Who collects tokens never sees one again.
const CONNECTION_ID: usize = 8;

/// The endpoint's configuration, the same at each start of one relay.
pub(super) fn endpoint(identity: &SigningKey) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(ResetKey(derived(labels::RESET, identity))));
    config.cid_generator(|| Box::new(RandomConnectionIdGenerator::new(CONNECTION_ID))).min_reset_interval(BETWEEN);
    config
}

fn derived(label: &str, identity: &SigningKey) -> Secret<32> {
    Secret::new(Sha256::new().chain_update(label).chain_update([0]).chain_update(identity.as_bytes()).finalize().into())
}

/// Makes the token of a connection id: SHA-256 of key and id. Ids have one length and half of the hash is shown, so that
/// nothing can be appended.
struct ResetKey(Secret<32>);

impl ResetKey {
    fn token(&self, id: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(self.0.expose()).chain_update(id).finalize().into()
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.iter_mut().zip(self.token(data)).for_each(|(out, byte)| *out = byte);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        if bool::from(self.token(data).as_slice().ct_eq(signature)) { Ok(()) } else { Err(CryptoError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_makes_the_same_tokens_at_each_start_and_no_other_relay_does() {
        let token = |seed, id: &[u8]| {
            let mut out = [0; 32];
            let key = ResetKey(derived(labels::RESET, &SigningKey::from_bytes(&[seed; 32])));
            key.sign(id, &mut out);
            assert!(key.verify(id, &out).is_ok() && key.verify(b"another", &out).is_err());
            out
        };
        assert_eq!(token(1, b"8 bytes."), token(1, b"8 bytes."));
        assert_ne!(token(1, b"8 bytes."), token(1, b"8 others"));
        assert_ne!(token(1, b"8 bytes."), token(2, b"8 bytes."));
    }
}
