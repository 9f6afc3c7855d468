//! The address of a relay, which people hand on as text or QR code, and the admission it carries. SPEC 4.

use core::fmt;
use core::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use hmac::{Hmac, Mac};
use minicbor::{Decode, Encode};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::capability::labelled;
use super::greeting::{Exporter, Fingerprint};
use crate::labels;
use crate::secret::{Secret, named_secret};

/// Port that an address means when it names none.
const DEFAULT_PORT: u16 = 443;

/// Longest host name (RFC 1035, 2.3.4).
const MAX_HOST: usize = 253;

named_secret! {
    /// Secret that names the session's path. Never sent: the path is an HMAC under it.
    PathSecret, 16
}

impl PathSecret {
    /// Path of the session request on the connection of `exporter`: `/` and base64url of HMAC-SHA256(secret, label | 0x00 | exporter).
    #[must_use]
    pub fn path(&self, exporter: &Exporter) -> String {
        format!("/{}", BASE64URL_NOPAD.encode(&mac(self.0.expose(), labels::PATH, exporter)))
    }

    /// Whether `path` is the session's path on this connection. Takes constant time for a path of the right length.
    #[must_use]
    pub fn matches(&self, path: &str, exporter: &Exporter) -> bool {
        path.as_bytes().ct_eq(self.path(exporter).as_bytes()).into()
    }
}

/// Public id of an admission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct AdmissionId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl fmt::Debug for AdmissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdmissionId")
    }
}

named_secret! {
    /// What a relay keeps of an admission: SHA-256(label | 0x00 | admission).
    AdmissionKey, 32
}

impl AdmissionKey {
    /// HMAC-SHA256(key, label | 0x00 | exporter): worthless on any other connection.
    #[must_use]
    pub fn proof(&self, exporter: &Exporter) -> [u8; 32] {
        mac(self.0.expose(), labels::ADMISSION_PROOF, exporter)
    }

    /// Whether `proof` belongs to this connection. Takes constant time.
    #[must_use]
    pub fn accepts(&self, proof: &[u8; 32], exporter: &Exporter) -> bool {
        self.proof(exporter).ct_eq(proof).into()
    }
}

named_secret! {
    /// The secret that lets a client use a relay at all.
    Admission, 32
}

impl Admission {
    /// First 16 bytes of SHA-256(label | 0x00 | admission).
    #[must_use]
    pub fn id(&self) -> AdmissionId {
        let mut id = [0; 16];
        id.copy_from_slice(labelled(labels::ADMISSION_ID, self.0.expose()).split_at(16).0);
        AdmissionId(id)
    }

    /// The key that proves it.
    #[must_use]
    pub fn key(&self) -> AdmissionKey {
        AdmissionKey(Secret::new(labelled(labels::ADMISSION_KEY, self.0.expose())))
    }
}

/// Why text is no relay address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressFault {
    /// It does not begin with `relevo://`.
    #[error("a relay address begins with relevo://")]
    Scheme,
    /// The fingerprint is missing or damaged.
    #[error("the relay's fingerprint in the address is damaged")]
    Fingerprint,
    /// The host or port is missing or damaged.
    #[error("the host or port in the address is damaged")]
    Host,
    /// The part after # is missing or damaged.
    #[error("the part of the address after # is missing or damaged: copy the whole address")]
    Secrets,
}

/// `relevo://<fingerprint>@host[:port]/#<path secret>.<admission>`, the three in base32 without padding (RFC 4648, 6),
/// in either case, so that a QR code can use its compact alphabet.
#[derive(PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelayAddress {
    /// Who the relay must prove to be.
    #[n(0)]
    pub fingerprint: Fingerprint,
    /// Host name in lower case or IP address; an IPv6 address without brackets.
    #[cbor(n(1), decode_with = "decode_host")]
    pub host: String,
    /// UDP port, not 0.
    #[cbor(n(2), decode_with = "decode_port")]
    pub port: u16,
    /// Names the session's path.
    #[n(3)]
    pub path: PathSecret,
    /// Lets the client in.
    #[n(4)]
    pub admission: Admission,
}

impl RelayAddress {
    /// A second holder of the same address, on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        self.with_admission(&self.admission)
    }

    /// The same relay with another admission.
    #[must_use]
    pub fn with_admission(&self, admission: &Admission) -> Self {
        Self {
            fingerprint: self.fingerprint,
            host: self.host.clone(),
            port: self.port,
            path: self.path.duplicate(),
            admission: admission.duplicate(),
        }
    }

    /// The address as text, secrets and all.
    #[must_use]
    pub fn to_text(&self) -> String {
        let low = |bytes: &[u8]| BASE32_NOPAD.encode(bytes).to_ascii_lowercase();
        format!(
            "relevo://{}@{}/#{}.{}",
            low(&self.fingerprint.0),
            authority(&self.host, self.port),
            low(self.path.expose()),
            low(self.admission.expose())
        )
    }
}

/// Prints nothing: where a member's relay is tells where the member is.
impl fmt::Debug for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayAddress")
    }
}

impl FromStr for RelayAddress {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, AddressFault> {
        let text = text.trim().to_ascii_lowercase();
        let rest = text.strip_prefix("relevo://").ok_or(AddressFault::Scheme)?;
        let (fingerprint, rest) = rest.split_once('@').ok_or(AddressFault::Fingerprint)?;
        let fingerprint = Fingerprint(base32(fingerprint).ok_or(AddressFault::Fingerprint)?);
        let (place, secrets) = rest.split_once("/#").ok_or(AddressFault::Secrets)?;
        let (host, port) = parse_authority(place).ok_or(AddressFault::Host)?;
        let (path, admission) = secrets.split_once('.').ok_or(AddressFault::Secrets)?;
        Ok(Self {
            fingerprint,
            host,
            port,
            path: PathSecret(Secret::new(base32(path).ok_or(AddressFault::Secrets)?)),
            admission: Admission(Secret::new(base32(admission).ok_or(AddressFault::Secrets)?)),
        })
    }
}

/// `host[:port]`, with brackets around an IPv6 address and without the port that everybody means.
pub(crate) fn authority(host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == DEFAULT_PORT { host } else { format!("{host}:{port}") }
}

/// Host and port of [`authority`]'s text, in lower case.
pub(crate) fn parse_authority(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.contains(':').then_some(())?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        // `parse` alone would take a sign.
        Some(port) => port.parse().ok().filter(|n| *n != 0 && port.bytes().all(|b| b.is_ascii_digit()))?,
        None => DEFAULT_PORT,
    };
    is_host(host).then(|| (host.to_owned(), port))
}

/// Letters, digits, dots and hyphens; or an IPv6 address.
fn is_host(host: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let is_name = !host.is_empty() && host.len() <= MAX_HOST && host.chars().all(allowed);
    is_name || host.parse::<core::net::Ipv6Addr>().is_ok()
}

fn decode_host<C>(d: &mut minicbor::Decoder<'_>, _: &mut C) -> Result<String, minicbor::decode::Error> {
    let at = d.position();
    let host = d.str()?;
    if is_host(host) { Ok(host.to_owned()) } else { Err(minicbor::decode::Error::message("host is refused").at(at)) }
}

fn decode_port<C>(d: &mut minicbor::Decoder<'_>, _: &mut C) -> Result<u16, minicbor::decode::Error> {
    let at = d.position();
    let port = d.u16()?;
    if port == 0 { Err(minicbor::decode::Error::message("port is 0").at(at)) } else { Ok(port) }
}

fn base32<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?.try_into().ok()
}

fn mac(key: &[u8], label: &str, exporter: &Exporter) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(label.as_bytes());
    mac.update(&[0]);
    mac.update(exporter.expose());
    mac.finalize().into_bytes().into()
}
