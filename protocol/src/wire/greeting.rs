//! How a session begins. What each line is for:
//!
//! ```text
//! POST /HMAC(path secret, exporter)    an interceptor has another exporter: it learns no path it can use
//! C -> R  Hello{nonce, versions}       nothing secret: the relay is not proved yet
//! R -> C  Welcome{body, signature}     identity over (exporter, Hello, body): an interceptor cannot forge or replay it
//! C -> R  Admit{id, HMAC(key, exporter)}  sent only after Welcome verifies: worthless on any other connection
//! ```

use core::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::blob::BlobCall;
use super::capability::labelled;
use super::{decode_exact, encode};
use crate::labels;
use crate::secret::Secret;

/// Version of the wire protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Version(#[n(0)] pub u16);

impl Version {
    /// The version that this crate speaks.
    pub const CURRENT: Self = Self(1);
}

/// 32 bytes of TLS exporter (RFC 8446, 7.5; label [`labels::EXPORTER`], no context): the same at both ends of one
/// connection, different at an interceptor's.
pub type Exporter = Secret<32>;

/// Public identity key of a relay (Ed25519).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct RelayIdentity(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl RelayIdentity {
    /// What addresses carry.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(labelled(labels::FINGERPRINT, &self.0))
    }
}

impl fmt::Debug for RelayIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayIdentity")
    }
}

/// SHA-256(label | 0x00 | identity key).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Fingerprint(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}

/// First frame of every stream: a session, or a blob of a session that is already admitted on this connection.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Opening {
    /// Begins the session.
    #[n(0)]
    Session {
        /// The client's half of the greeting.
        #[n(0)]
        hello: Hello,
    },
    /// Moves a blob.
    #[n(1)]
    Blob {
        /// Which, and which way.
        #[n(0)]
        call: BlobCall,
    },
}

/// The client's half of the greeting. It keeps the bytes it came as: the relay's signature covers those, so that a
/// client of a later version, whose Hello says more, is answered by a relay of this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    fields: HelloFields,
    bytes: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
struct HelloFields {
    /// Fresh randomness.
    #[cbor(n(0), with = "minicbor::bytes")]
    nonce: [u8; 32],
    /// Versions that the client speaks.
    #[n(1)]
    versions: Vec<Version>,
}

impl Hello {
    /// A Hello of fresh randomness and the versions that the client speaks.
    #[must_use]
    pub fn new(nonce: [u8; 32], versions: Vec<Version>) -> Self {
        let fields = HelloFields { nonce, versions };
        let bytes = encode(&fields);
        Self { fields, bytes }
    }

    /// Versions that the client speaks.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.fields.versions
    }
}

impl<C> Encode<C> for Hello {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.writer_mut().write_all(&self.bytes).map_err(minicbor::encode::Error::write)
    }
}

impl<'b, C> Decode<'b, C> for Hello {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let from = d.position();
        let fields = HelloFields::decode(d, ctx)?;
        let bytes = d.input().get(from..d.position()).unwrap_or_default().to_vec();
        Ok(Self { fields, bytes })
    }
}

/// What this relay allows, so that a client does not run into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct SessionLimits {
    /// Largest frame body in bytes.
    #[n(0)]
    pub frame: u32,
    /// Requests that may be unanswered at once.
    #[n(1)]
    pub requests: u32,
    /// Subscriptions of a session.
    #[n(2)]
    pub subscriptions: u32,
    /// Blob streams at once.
    #[n(3)]
    pub blobs: u32,
    /// Longest lease in hours.
    #[n(4)]
    pub lease_hours: u32,
}

/// What the relay says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct WelcomeBody {
    /// Its identity key.
    #[n(0)]
    pub identity: RelayIdentity,
    /// The version chosen among the client's.
    #[n(1)]
    pub version: Version,
    /// Its limits.
    #[n(2)]
    pub limits: SessionLimits,
    /// Its clock in seconds since the epoch, so that a wrong clock is noticed.
    #[n(3)]
    pub now: crate::time::Timestamp,
}

/// The relay's half of the greeting, signed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Welcome {
    /// CBOR of a [`WelcomeBody`], verified as received.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// Ed25519 over (label | 0x00 | exporter | SHA-256(Hello as it came) | body).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// Why a greeting ends the session. Nothing secret has been sent by then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GreetingFault {
    /// The identity is not the one that the address names.
    #[error("this is not the relay of the address: somebody may be intercepting the connection")]
    Fingerprint,
    /// The identity did not sign this connection.
    #[error("the relay did not prove its identity on this connection: somebody may be intercepting it")]
    Signature,
    /// Not one version in common.
    #[error("the relay speaks another version of the protocol")]
    Version,
    /// The relay's words do not parse.
    #[error("the relay's greeting is malformed")]
    Malformed,
}

impl Welcome {
    /// Signs the relay's half for this connection and this Hello.
    #[must_use]
    pub fn sign(body: &WelcomeBody, exporter: &Exporter, hello: &Hello, key: &SigningKey) -> Self {
        let body = encode(body);
        let signature = key.sign(&message(&body, exporter, hello)).to_bytes();
        Self { body, signature }
    }

    /// Opens the relay's half if the relay of `expected` signed it for this connection and this Hello.
    ///
    /// # Errors
    /// [`GreetingFault`]; the caller ends the session and sends nothing more.
    pub fn verify(
        &self,
        expected: &Fingerprint,
        exporter: &Exporter,
        hello: &Hello,
    ) -> Result<WelcomeBody, GreetingFault> {
        let body: WelcomeBody = decode_exact(&self.body).map_err(|_| GreetingFault::Malformed)?;
        if body.identity.fingerprint() != *expected {
            return Err(GreetingFault::Fingerprint);
        }
        VerifyingKey::from_bytes(&body.identity.0)
            .and_then(|key| {
                key.verify_strict(&message(&self.body, exporter, hello), &Signature::from_bytes(&self.signature))
            })
            .map_err(|_| GreetingFault::Signature)?;
        if hello.versions().contains(&body.version) { Ok(body) } else { Err(GreetingFault::Version) }
    }
}

fn message(body: &[u8], exporter: &Exporter, hello: &Hello) -> Vec<u8> {
    let hello = Sha256::digest(&hello.bytes);
    [labels::WELCOME.as_bytes(), &[0], exporter.expose(), &hello, body].concat()
}
