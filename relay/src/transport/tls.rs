//! TLS as the relay speaks it: 1.3 only, X25519MLKEM768 only, nothing that outlives the connection.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use quinn::crypto::rustls::QuicServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::Config;
use crate::keys::Keys;

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// A file of the operator's cannot be read.
    #[error("{}: {source}: the relay's own user must be able to read it", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Certificate and key do not belong together, or the key is of a kind that is not known.
    #[error("the certificate {} and its key do not fit: {source}", path.display())]
    Pair {
        /// The certificate.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The relay's own is of no use.
    #[error("the certificate in keys/ is damaged: {0}")]
    Own(rustls::Error),
}

/// The certificate that visitors are shown. Clients do not believe it: who the relay is, it proves inside the session.
pub(crate) struct ShownCertificate {
    now: RwLock<Arc<CertifiedKey>>,
    /// None for the relay's own.
    from: Option<(PathBuf, PathBuf)>,
}

impl std::fmt::Debug for ShownCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShownCertificate")
    }
}

impl ResolvesServerCert for ShownCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl ShownCertificate {
    /// The operator's, if the configuration names one, else the relay's own.
    ///
    /// # Errors
    /// [`CertificateFault`].
    pub(crate) fn of(config: &Config, keys: &Keys) -> Result<Self, CertificateFault> {
        let from = config.certificate.clone().zip(config.certificate_key.clone());
        let now = match &from {
            Some((chain, key)) => read(chain, key)?,
            None => {
                let key = PrivatePkcs8KeyDer::from(keys.certificate_key.to_vec()).into();
                let chain = vec![CertificateDer::from(keys.certificate.clone())];
                CertifiedKey::from_der(chain, key, &provider()).map_err(CertificateFault::Own)?
            }
        };
        Ok(Self { now: RwLock::new(Arc::new(now)), from })
    }

    /// Reads the operator's files again: handshakes from now on show them. Sessions that are open go on. Says whether there
    /// are such files.
    ///
    /// # Errors
    /// [`CertificateFault`]; then what was shown before is shown on.
    pub(crate) fn reload(&self) -> Result<bool, CertificateFault> {
        let Some((chain, key)) = &self.from else { return Ok(false) };
        let new = Arc::new(read(chain, key)?);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }
}

/// A certificate with its chain, and its key, both PEM.
fn read(chain: &Path, key: &Path) -> Result<CertifiedKey, CertificateFault> {
    let file = |path: &Path| {
        let path = path.to_owned();
        |source| CertificateFault::File { path, source }
    };
    let certificates = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect).map_err(file(chain))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(file(key))?;
    let pair = |source| CertificateFault::Pair { path: chain.to_owned(), source };
    CertifiedKey::from_der(certificates, secret, &provider()).map_err(pair)
}

fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    // One group: a handshake without ML-KEM is refused, so that what is recorded today stays closed.
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    provider
}

/// The server side of every handshake.
///
/// # Errors
/// The library does not speak what we want of it.
pub(super) fn server(shown: Arc<ShownCertificate>) -> Result<QuicServerConfig, rustls::Error> {
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    tls.alpn_protocols = vec![b"h3".to_vec()];
    // No tickets, no stored sessions, no early data: nothing links two visits, nothing can be replayed.
    tls.send_tls13_tickets = 0;
    tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    tls.max_early_data_size = 0;
    QuicServerConfig::try_from(tls).map_err(|_| rustls::Error::General("no initial cipher suite".to_owned()))
}
