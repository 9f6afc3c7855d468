//! A document: what its author signed, and where its encrypted chunks lie.
//!
//! The two are apart. The signature covers the plaintext alone, so it can be shown to anybody without the key, and a
//! document that is stored anew elsewhere keeps it. The place needs no signature: chunks from a wrong place do not
//! open, or do not hash to what was signed.

use core::fmt;
use core::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};

use super::codec::at_most;
use super::text::carried_as_text;
use crate::labels;
use crate::limits::{MAX_CHUNKS, MAX_DOCUMENT, MAX_FILE_NAME, MAX_MANIFEST, MAX_MEDIA_TYPE, MAX_PLACES};
use crate::sealed::{DocumentKey, chunk_count};
use crate::time::Timestamp;
use crate::trust::{AllianceId, Device, MemberKey, Object, is_invisible};
use crate::wire::{BlobId, RelayAddress};

/// What the author signs. Times and names are the author's claims; the hash is what binds.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Manifest {
    /// Alliance whose card the author shows.
    #[n(0)]
    pub alliance: AllianceId,
    /// Who signs, so that nobody else can list the device as its own and claim the document.
    #[n(1)]
    pub author: MemberKey,
    /// Name of the file.
    #[n(2)]
    pub name: FileName,
    /// What kind of file it says it is.
    #[n(3)]
    pub media_type: MediaType,
    /// Bytes of the plaintext, at most [`MAX_DOCUMENT`].
    #[cbor(n(4), decode_with = "document_size")]
    pub size: u64,
    /// SHA-256 of the plaintext, as `sha256sum` prints it.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub sha256: [u8; 32],
    /// When it was signed.
    #[n(6)]
    pub made: Timestamp,
}

impl Object for Manifest {
    type Role = Device;
    const LABEL: &'static str = labels::MANIFEST;
    const MAX: usize = MAX_MANIFEST;
}

/// Prints nothing: name, size and hash tell which document it is.
impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Manifest")
    }
}

fn document_size<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<u64, minicbor::decode::Error> {
    let at = d.position();
    let size = d.u64()?;
    if size <= MAX_DOCUMENT { Ok(size) } else { Err(minicbor::decode::Error::message("document too large").at(at)) }
}

/// Where a document's chunks lie, and the key that opens them.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Location {
    /// Relays that hold all chunks, 1 to [`MAX_PLACES`].
    #[cbor(n(0), decode_with = "at_most::<_, _, MAX_PLACES>")]
    pub relays: Vec<RelayAddress>,
    /// Key of this document alone.
    #[n(1)]
    pub key: DocumentKey,
    /// The chunks in order, at most [`MAX_CHUNKS`]; one byte string of 32 bytes each.
    #[cbor(n(2), with = "joined")]
    pub chunks: Vec<BlobId>,
}

impl Location {
    /// Whether it names as many chunks as a document of `size` bytes has, and a relay to get them from.
    #[must_use]
    pub fn fits(&self, size: u64) -> bool {
        !self.relays.is_empty() && chunk_count(size) == Ok(self.chunks.len())
    }

    /// A second holder of the same location, on purpose: to hand a document on.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let Self { relays, key, chunks } = self;
        Self {
            relays: relays.iter().map(RelayAddress::duplicate).collect(),
            key: key.duplicate(),
            chunks: chunks.clone(),
        }
    }
}

/// Ids of blobs as one byte string: 8,192 of them fit one entry so.
mod joined {
    use super::{BlobId, Decoder, Encoder, MAX_CHUNKS};

    pub(super) fn encode<C, W: minicbor::encode::Write>(
        ids: &[BlobId],
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&ids.iter().flat_map(|id| id.0).collect::<Vec<u8>>())?.ok()
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<BlobId>, minicbor::decode::Error> {
        let at = d.position();
        let (ids, rest) = d.bytes()?.as_chunks::<32>();
        if rest.is_empty() && ids.len() <= MAX_CHUNKS {
            Ok(ids.iter().copied().map(BlobId).collect())
        } else {
            Err(minicbor::decode::Error::message("list of blobs is damaged").at(at))
        }
    }
}

/// Text is no file name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a file name is too long or holds a character that a file name must not have")]
pub struct FileNameFault;

/// Name of a file, harmless on every system: one component, visible characters only. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// The name nearest to `text` that is allowed: refused characters become `_`, the middle of a long one goes.
    #[must_use]
    pub fn nearest(text: &str) -> Self {
        let replaced: String = text.chars().map(|c| if is_refused(c) { '_' } else { c }).collect();
        let trimmed = replaced.trim_matches(|c: char| c == ' ' || c == '.');
        if trimmed.is_empty() {
            return Self("_".to_owned());
        }
        if trimmed.len() <= MAX_FILE_NAME {
            return Self(trimmed.to_owned());
        }
        let (stem, extension) = match trimmed.rsplit_once('.') {
            Some((stem, extension)) if extension.len() <= 16 => (stem, format!(".{extension}")),
            _ => (trimmed, String::new()),
        };
        let kept = stem.floor_char_boundary(MAX_FILE_NAME.saturating_sub(extension.len()));
        let stem = stem.split_at(kept).0.trim_end_matches([' ', '.']);
        Self(if extension.is_empty() { stem.to_owned() } else { format!("{stem}{extension}") })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FileName {
    type Err = FileNameFault;

    fn from_str(text: &str) -> Result<Self, FileNameFault> {
        let ends_badly = text.starts_with([' ', '.']) || text.ends_with([' ', '.']);
        if text.is_empty() || text.len() > MAX_FILE_NAME || ends_badly || text.chars().any(is_refused) {
            return Err(FileNameFault);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileName")
    }
}

carried_as_text!(FileName, "file name is refused");

/// Separators, what Windows refuses, and what cannot be seen.
fn is_refused(c: char) -> bool {
    matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') || is_invisible(c)
}

/// Text is no media type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a media type is two words with a slash between them")]
pub struct MediaTypeFault;

/// A media type (RFC 6838, 4.2), such as `application/pdf`. A claim: nothing is ever run because of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaType(String);

impl MediaType {
    /// The type of a file of which nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self("application/octet-stream".to_owned())
    }

    /// The type.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MediaType {
    type Err = MediaTypeFault;

    fn from_str(text: &str) -> Result<Self, MediaTypeFault> {
        let is_word = |word: &str| {
            let mut chars = word.chars();
            chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
                && chars.all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
        };
        let two_words = text.split_once('/').is_some_and(|(kind, subtype)| is_word(kind) && is_word(subtype));
        if two_words && text.len() <= MAX_MEDIA_TYPE { Ok(Self(text.to_owned())) } else { Err(MediaTypeFault) }
    }
}

carried_as_text!(MediaType, "media type is refused");
