//! Codes: links that people hand to each other, and what lies in the mailbox that a link opens.

use core::str::FromStr;

use data_encoding::BASE32_NOPAD;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::contact::ContactCard;
use super::text::Note;
use crate::labels;
use crate::sealed::CodeSecret;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::trust::AllianceId;
use crate::wire::{Fingerprint, PathSecret, RelayAddress, authority, parse_authority};

/// What a code invites to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum CodeKind {
    /// To become a member.
    #[n(0)]
    Member,
    /// To found a union together.
    #[n(1)]
    CoFounder,
    /// To bring another union into the alliance.
    #[n(2)]
    Union,
    /// To become a contact of a member.
    #[n(3)]
    Contact,
}

impl CodeKind {
    const ALL: [Self; 4] = [Self::Member, Self::CoFounder, Self::Union, Self::Contact];

    /// The word in links.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Member => "join",
            Self::CoFounder => "found",
            Self::Union => "union",
            Self::Contact => "contact",
        }
    }
}

/// Why text is no code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodeLinkFault {
    /// It does not begin with `relevo://` and one of the four words.
    #[error("a code begins with relevo://join/, relevo://found/, relevo://union/ or relevo://contact/")]
    Scheme,
    /// The host or port is missing or damaged.
    #[error("the host or port in the code is damaged: copy the whole code")]
    Host,
    /// Characters are missing or wrong.
    #[error("the code is damaged: copy the whole code")]
    Damaged,
}

/// `relevo://<kind>/<host>[:port]/<base32 of fingerprint | path secret | code secret | expiry | check>`, in either case.
/// Every character but the brackets of an IPv6 address is in the compact alphabet of QR codes. The check is the first
/// 5 bytes of SHA-256(label | 0x00 | all before the last slash, in lower case | 0x00 | the 85 bytes before it), so that
/// a slip of the pen is told from an interception. The expiry is there so that a code whose time is over is told, even
/// without a network, from one that somebody else has used: a relay says nothing of either.
#[derive(Debug, PartialEq, Eq)]
pub struct CodeLink {
    /// What it invites to.
    pub kind: CodeKind,
    /// Who the relay must prove to be.
    pub fingerprint: Fingerprint,
    /// Host name or IP address of the relay; an IPv6 address without brackets.
    pub host: String,
    /// UDP port of the relay.
    pub port: u16,
    /// Names the session's path.
    pub path: PathSecret,
    /// Opens the code's mailbox.
    pub secret: CodeSecret,
    /// When it ends; the invitation in the mailbox says the same.
    pub expires: Timestamp,
}

/// The latest expiry that a code can carry.
const LAST: u64 = (1 << (8 * EXPIRY)) - 1;
/// Bytes of fingerprint, path secret and code secret.
const SECRETS: usize = 32 + 16 + 32;
/// Bytes of the expiry: seconds, as far as the year 36812.
const EXPIRY: usize = 5;
/// Bytes of the check. With it, 90 bytes are 144 characters of base32 without a remainder.
const CHECK: usize = 5;

impl CodeLink {
    /// A code on a relay.
    #[must_use]
    pub fn new(kind: CodeKind, relay: &RelayAddress, secret: &CodeSecret, expires: Timestamp) -> Self {
        let RelayAddress { fingerprint, host, port, path, admission: _ } = relay.duplicate();
        Self {
            kind,
            fingerprint,
            host,
            port,
            path,
            secret: secret.duplicate(),
            expires: Timestamp(expires.0.min(LAST)),
        }
    }

    /// The relay, with the single-use admission of the code.
    #[must_use]
    pub fn relay(&self) -> RelayAddress {
        RelayAddress {
            fingerprint: self.fingerprint,
            host: self.host.clone(),
            port: self.port,
            path: self.path.duplicate(),
            admission: self.secret.admission(),
        }
    }

    /// The code as text, secrets and all.
    #[must_use]
    pub fn to_text(&self) -> String {
        let before = format!("relevo://{}/{}", self.kind.word(), authority(&self.host, self.port));
        let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(SECRETS + EXPIRY + CHECK));
        bytes.extend_from_slice(&self.fingerprint.0);
        bytes.extend_from_slice(self.path.expose());
        bytes.extend_from_slice(self.secret.expose());
        let [_, _, _, expiry @ ..] = self.expires.0.to_be_bytes();
        bytes.extend(expiry);
        let check = check(&before, &bytes);
        bytes.extend(check);
        format!("{before}/{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl FromStr for CodeLink {
    type Err = CodeLinkFault;

    fn from_str(text: &str) -> Result<Self, CodeLinkFault> {
        let text = zeroize::Zeroizing::new(text.trim().to_ascii_lowercase());
        let rest = text.strip_prefix("relevo://").ok_or(CodeLinkFault::Scheme)?;
        let (word, rest) = rest.split_once('/').ok_or(CodeLinkFault::Scheme)?;
        let kind = CodeKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or(CodeLinkFault::Scheme)?;
        let (place, code) = rest.split_once('/').ok_or(CodeLinkFault::Host)?;
        let (host, port) = parse_authority(place).ok_or(CodeLinkFault::Host)?;
        let bytes = BASE32_NOPAD.decode(code.to_ascii_uppercase().as_bytes()).map_err(|_| CodeLinkFault::Damaged)?;
        let bytes: zeroize::Zeroizing<[u8; SECRETS + EXPIRY + CHECK]> =
            zeroize::Zeroizing::new(bytes.try_into().map_err(|_| CodeLinkFault::Damaged)?);
        let (secrets, claimed) = bytes.split_at(SECRETS + EXPIRY);
        if check(&format!("relevo://{word}/{}", authority(&host, port)), secrets) != claimed {
            return Err(CodeLinkFault::Damaged);
        }
        let (fingerprint, secrets) = secrets.split_first_chunk().ok_or(CodeLinkFault::Damaged)?;
        let (path, secrets) = secrets.split_first_chunk().ok_or(CodeLinkFault::Damaged)?;
        let (secret, expiry) = secrets.split_first_chunk().ok_or(CodeLinkFault::Damaged)?;
        let expires = expiry.iter().fold(0, |seconds, byte| seconds << 8 | u64::from(*byte));
        Ok(Self {
            kind,
            fingerprint: Fingerprint(*fingerprint),
            host,
            port,
            path: PathSecret::new(Secret::new(*path)),
            secret: CodeSecret::new(Secret::new(*secret)),
            expires: Timestamp(expires),
        })
    }
}

fn check(before: &str, secrets: &[u8]) -> [u8; CHECK] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(labels::CODE_CHECK)
        .chain_update([0])
        .chain_update(before)
        .chain_update([0])
        .chain_update(secrets)
        .finalize()
        .into();
    let mut check = [0; CHECK];
    check.copy_from_slice(digest.split_at(CHECK).0);
    check
}

/// Content of a code's mailbox, sealed under the code's key.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Invitation {
    /// What it invites to; the same as in the link.
    #[n(0)]
    pub kind: CodeKind,
    /// The alliance; none while it is being founded. Compared by voice, or trusted because the link was.
    #[n(1)]
    pub alliance: Option<AllianceId>,
    /// Who invites, and how to answer. A member's identity carries the charter.
    #[n(2)]
    pub inviter: ContactCard,
    /// When the code ends.
    #[n(3)]
    pub expires: Timestamp,
    /// Words of the inviter.
    #[n(4)]
    pub note: Note,
}
