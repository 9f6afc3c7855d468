//! TLS as the relay speaks it: 1.3 only, X25519MLKEM768 only, nothing that outlives the connection.

use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::keys::Keys;

/// The server side of every handshake.
///
/// # Errors
/// The certificate or its key is damaged.
pub(super) fn server(keys: &Keys) -> Result<QuicServerConfig, rustls::Error> {
    let mut provider = aws_lc_rs::default_provider();
    // One group: a handshake without ML-KEM is refused, so that what is recorded today stays closed.
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    let certificate = CertificateDer::from(keys.certificate.clone());
    let key = PrivatePkcs8KeyDer::from(keys.certificate_key.to_vec());
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    // No tickets, no stored sessions, no early data: nothing links two visits, nothing can be replayed.
    tls.send_tls13_tickets = 0;
    tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    tls.max_early_data_size = 0;
    QuicServerConfig::try_from(tls).map_err(|_| rustls::Error::General("no initial cipher suite".to_owned()))
}
