//! Sending: the file is read twice, once to sign it and once to seal it, and never held whole.

use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use relevo_protocol::content::{FileName, Location, Manifest, MediaType};
use relevo_protocol::limits::{CHUNK, MAX_DOCUMENT};
use relevo_protocol::sealed::{DocumentKey, chunk_count, chunk_length, seal_chunk};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{AllianceId, DeviceSecret, MemberKey, Proof, Signed};
use relevo_protocol::wire::{BlobId, Fingerprint, RelayAddress, encode};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{DocumentFault, DocumentNumber, DocumentState, location, row};
use crate::vault::Transaction;
use crate::vault::documents::{self, DocumentRow};

/// What the signature covers of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest {
    /// Bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Reads a file to its end.
///
/// # Errors
/// [`DocumentFault::TooLarge`], or the file's.
pub fn digest(file: &mut impl Read) -> Result<Digest, DocumentFault> {
    let mut buffer = Zeroizing::new(vec![0; CHUNK]);
    let (mut hash, mut size) = (Sha256::new(), 0_u64);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Digest { size, sha256: hash.finalize().into() });
        }
        size = size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if size > MAX_DOCUMENT {
            return Err(DocumentFault::TooLarge);
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}

/// Who signs a document.
#[derive(Debug)]
pub struct Author<'a> {
    /// The alliance of the author's card.
    pub alliance: AllianceId,
    /// The author.
    pub member: MemberKey,
    /// The device that signs.
    pub device: &'a DeviceSecret,
    /// What others will check the author by.
    pub proof: &'a Proof,
}

/// A file on its way to becoming a document.
#[derive(Debug)]
pub struct NewDocument<'a> {
    /// The conversation it is for.
    pub conversation: &'a [u8],
    /// Where its chunks will lie: the conversation's relay.
    pub relay: &'a RelayAddress,
    /// The file.
    pub source: &'a Path,
    /// What it is called for others.
    pub name: FileName,
    /// What kind it is.
    pub media_type: MediaType,
    /// What was read of it.
    pub digest: Digest,
}

/// Signs a document and draws its key.
///
/// # Errors
/// The vault's; [`DocumentFault::TooLarge`].
pub fn prepare(
    tx: &Transaction<'_>,
    author: &Author<'_>,
    new: &NewDocument<'_>,
    now: Timestamp,
) -> Result<DocumentNumber, DocumentFault> {
    let manifest = Manifest {
        alliance: author.alliance,
        author: author.member,
        name: new.name.clone(),
        media_type: new.media_type.clone(),
        size: new.digest.size,
        sha256: new.digest.sha256,
        made: now,
    };
    let key = DocumentKey::random().map_err(|_| DocumentFault::Randomness)?;
    let location = Location { relays: vec![new.relay.duplicate()], key, chunks: Vec::new() };
    let row = DocumentRow {
        number: 0,
        state: DocumentState::Sending,
        conversation: new.conversation.to_vec(),
        author: author.proof.encode(),
        manifest: Signed::sign(&manifest, author.device)?.bytes().to_vec(),
        location: Zeroizing::new(encode(&location)),
        source: Some(new.source.as_os_str().as_bytes().to_vec()),
    };
    Ok(DocumentNumber(documents::add(tx, &row)?))
}

/// A document that is being sent: what the task that moves its chunks needs.
#[derive(Debug)]
pub struct Upload {
    /// Which.
    pub number: DocumentNumber,
    /// The file.
    pub source: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Where the chunks go.
    pub relay: Fingerprint,
    /// For each chunk, whether the relay has it.
    pub stored: Vec<bool>,
    key: DocumentKey,
}

/// How far a document has been sent.
///
/// # Errors
/// [`DocumentFault::NotFound`] also for one that is not mine or is sent already.
pub fn upload(tx: &Transaction<'_>, number: DocumentNumber) -> Result<Upload, DocumentFault> {
    let row = row(tx, number)?;
    let source = row.source.clone().filter(|_| row.state == DocumentState::Sending).ok_or(DocumentFault::NotFound)?;
    let location = location(&row)?;
    let size = super::view(&row)?.manifest.size;
    let mut stored = vec![false; chunk_count(size)?];
    for (slot, (_, done)) in stored.iter_mut().zip(documents::chunks(tx, number.0)?) {
        *slot = done;
    }
    Ok(Upload {
        number,
        source: PathBuf::from(std::ffi::OsString::from_vec(source)),
        size,
        relay: location.relays.first().ok_or_else(super::damaged)?.fingerprint,
        stored,
        key: location.key,
    })
}

/// A chunk, ready for the relay.
pub struct SealedChunk {
    /// Its address.
    pub id: BlobId,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Upload {
    /// Bytes of the file in chunk `place`.
    #[must_use]
    pub fn chunk_length(&self, place: u32) -> Option<usize> {
        chunk_length(self.size, usize::try_from(place).ok()?)
    }
}

/// Seals a chunk. Chunks are sealed in order the first time; a chunk that was sealed before must come out the same,
/// or nothing of it may leave: the same nonce would cover two texts.
///
/// # Errors
/// [`DocumentFault::Changed`] when the file gives other bytes than before.
pub fn seal(tx: &Transaction<'_>, upload: &Upload, place: u32, chunk: &[u8]) -> Result<SealedChunk, DocumentFault> {
    let index = usize::try_from(place).map_err(|_| DocumentFault::TooLarge)?;
    if upload.chunk_length(place) != Some(chunk.len()) {
        return Err(DocumentFault::Changed);
    }
    let bytes = Bytes::from(seal_chunk(&upload.key, upload.size, index, chunk)?);
    let id = BlobId::of(&bytes);
    documents::add_chunk(tx, upload.number.0, place, &id)?;
    match documents::chunk(tx, upload.number.0, place)? {
        Some(first) if first == id => Ok(SealedChunk { id, bytes }),
        _ => Err(DocumentFault::Changed),
    }
}

/// Records that the relay has a chunk on its disk.
///
/// # Errors
/// The vault's.
pub fn stored(tx: &Transaction<'_>, number: DocumentNumber, place: u32) -> Result<(), DocumentFault> {
    Ok(documents::chunk_done(tx, number.0, place)?)
}

/// Ends the sending once the relay has every chunk: gives what is posted in a conversation, in the transaction that posts it.
/// `read` is what was read while sealing, from the first byte to the last.
///
/// # Errors
/// [`DocumentFault::Changed`] when that is not what was signed; the document has then failed.
pub fn finish(
    tx: &Transaction<'_>,
    number: DocumentNumber,
    conversation: &[u8],
    read: &Digest,
) -> Result<(Signed<Manifest>, Location), DocumentFault> {
    let row = row(tx, number)?;
    let manifest = super::view(&row)?.manifest;
    let chunks = documents::chunks(tx, number.0)?;
    if (Digest { size: manifest.size, sha256: manifest.sha256 }) != *read {
        return Err(DocumentFault::Changed);
    }
    if let Some(place) = chunks.iter().position(|(_, done)| !done) {
        return Err(DocumentFault::Missing { place: u32::try_from(place).unwrap_or(u32::MAX) });
    }
    let mut location = location(&row)?;
    location.chunks = chunks.into_iter().map(|(id, _)| id).collect();
    if !location.fits(manifest.size) {
        return Err(DocumentFault::Missing { place: 0 });
    }
    documents::posted(tx, number.0, conversation, &Zeroizing::new(encode(&location)))?;
    Ok((Signed::decode(&row.manifest)?, location))
}

/// Gives a document up: its file changed or vanished.
///
/// # Errors
/// The vault's.
pub fn fail(tx: &Transaction<'_>, number: DocumentNumber) -> Result<(), DocumentFault> {
    Ok(documents::set_state(tx, number.0, DocumentState::Failed)?)
}
