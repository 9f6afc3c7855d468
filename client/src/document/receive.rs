//! Receiving: chunks arrive in any order and stay sealed until the whole is written out and verified.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use relevo_protocol::content::{Location, Manifest};
use relevo_protocol::sealed::{DocumentKey, open_chunk};
use relevo_protocol::trust::{AllianceId, Proof, Signed, Verified};
use relevo_protocol::wire::{BlobId, RelayAddress, encode};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{DocumentFault, DocumentNumber, DocumentState, Parts, location, row, view};
use crate::vault::Transaction;
use crate::vault::documents::{self, DocumentRow};

/// Takes a document that was posted in a conversation. `author` is the proof of the member whom MLS says posted it; a
/// document signed by another is refused: forwarding is for a later version. The same one twice is kept once.
///
/// # Errors
/// [`DocumentFault::Author`], [`DocumentFault::NotAsSigned`] for a list of chunks that does not fit.
pub fn received(
    tx: &Transaction<'_>,
    alliance: &AllianceId,
    conversation: &[u8],
    author: &Proof,
    manifest: &Signed<Manifest>,
    location: &Location,
) -> Result<(), DocumentFault> {
    let proven = author.verify(*alliance).map_err(|_| DocumentFault::Author)?;
    let verified = manifest.verify_by(&proven.devices)?;
    if verified.author != proven.card.member || verified.alliance != *alliance {
        return Err(DocumentFault::Author);
    }
    if !location.fits(verified.size) {
        return Err(DocumentFault::NotAsSigned);
    }
    if documents::is_known(tx, conversation, manifest.bytes())? {
        return Ok(());
    }
    let row = DocumentRow {
        number: 0,
        state: DocumentState::Offered,
        conversation: conversation.to_vec(),
        author: author.encode(),
        manifest: manifest.bytes().to_vec(),
        location: Zeroizing::new(encode(location)),
        source: None,
    };
    documents::add(tx, &row)?;
    Ok(())
}

/// A document whose chunks are known: what the task that fetches them needs.
#[derive(Debug)]
pub struct Download {
    /// Which.
    pub number: DocumentNumber,
    /// What was signed.
    pub manifest: Verified<Manifest>,
    /// Where the chunks are.
    pub relays: Vec<RelayAddress>,
    /// The chunks, in order.
    pub chunks: Vec<BlobId>,
    key: DocumentKey,
}

/// What it takes to fetch a document, also one of mine that was sent.
///
/// # Errors
/// [`DocumentFault::NotFound`] also for one that is not sent yet.
pub fn download(tx: &Transaction<'_>, number: DocumentNumber) -> Result<Download, DocumentFault> {
    let row = row(tx, number)?;
    match row.state {
        DocumentState::Sent | DocumentState::Offered | DocumentState::Here => {}
        DocumentState::Sending | DocumentState::Failed => return Err(DocumentFault::NotFound),
    }
    let Location { relays, key, chunks } = location(&row)?;
    Ok(Download { number, manifest: view(&row)?.manifest, relays, chunks, key })
}

/// Records that all chunks are here and make the signed whole.
///
/// # Errors
/// The vault's.
pub fn here(tx: &Transaction<'_>, number: DocumentNumber) -> Result<(), DocumentFault> {
    match row(tx, number)?.state {
        DocumentState::Offered => Ok(documents::set_state(tx, number.0, DocumentState::Here)?),
        DocumentState::Sending | DocumentState::Sent | DocumentState::Here | DocumentState::Failed => Ok(()),
    }
}

impl Download {
    /// Chunks that are not here.
    pub fn missing(&self, parts: &Parts) -> impl Iterator<Item = (u32, BlobId)> {
        (0..).zip(&self.chunks).filter(|(place, _)| !parts.has(self.number, *place)).map(|(place, id)| (place, *id))
    }
}

/// Writes the whole to `out` and verifies it: what `out` has when this fails is worth nothing.
///
/// # Errors
/// [`DocumentFault::Missing`], [`DocumentFault::NotAsSigned`], or those of `out`.
pub fn assemble(download: &Download, parts: &Parts, out: &mut impl Write) -> Result<(), DocumentFault> {
    let mut hash = Sha256::new();
    for (place, id) in (0..).zip(&download.chunks) {
        let blob = parts.read(download.number, place, id)?.ok_or(DocumentFault::Missing { place })?;
        let index = usize::try_from(place).map_err(|_| DocumentFault::NotAsSigned)?;
        let chunk = open_chunk(&download.key, download.manifest.size, index, &blob)?;
        hash.update(&chunk[..]);
        out.write_all(&chunk)?;
    }
    if <[u8; 32]>::from(hash.finalize()) == download.manifest.sha256 { Ok(()) } else { Err(DocumentFault::NotAsSigned) }
}

/// Writes the document to `path`, where its reader wants it in clear. The file appears whole and verified, or not at
/// all; one that is there already is left alone.
///
/// # Errors
/// [`DocumentFault::Exists`] and those of [`assemble`].
pub fn save(download: &Download, parts: &Parts, path: &Path) -> Result<(), DocumentFault> {
    if path.try_exists()? {
        return Err(DocumentFault::Exists);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(io::Error::from(io::ErrorKind::InvalidFilename))?);
    name.push(".relevo-part");
    let draft = folder.join(name);
    let written = write_draft(download, parts, &draft).and_then(|()| {
        let named =
            name_draft(&draft, path, |draft, path| Ok(renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE)?));
        named.map_err(
            |fault| {
                if fault.kind() == io::ErrorKind::AlreadyExists { DocumentFault::Exists } else { fault.into() }
            },
        )
    });
    // The draft is in clear: it goes, whatever happened.
    match fs::remove_file(&draft) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => written.and(Err(fault.into())),
        _ => written,
    }
}

/// Gives the draft its name in one step that never takes a name which has come to exist meanwhile. Where the file system
/// cannot (some on memory sticks), the name is taken with an empty file first, which nobody else can then have made, and
/// that one is replaced.
fn name_draft(draft: &Path, path: &Path, in_one_step: impl FnOnce(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    match in_one_step(draft, path) {
        Err(fault) if matches!(fault.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
        done => return done,
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    fs::rename(draft, path).inspect_err(|_| {
        // Ours, and empty.
        let _gone = fs::remove_file(path);
    })
}

fn write_draft(download: &Download, parts: &Parts, draft: &Path) -> Result<(), DocumentFault> {
    // One left by a crash goes; a link that somebody else laid there is not followed.
    match fs::remove_file(draft) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault.into()),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    assemble(download, parts, &mut file)?;
    Ok(file.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file system answers that has no renaming without replacing.
    fn cannot(_: &Path, _: &Path) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::InvalidInput))
    }

    fn can(draft: &Path, path: &Path) -> io::Result<()> {
        Ok(renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE)?)
    }

    #[test]
    fn a_draft_gets_its_name_on_any_file_system_and_takes_nobody_elses() {
        for in_one_step in [can, cannot] {
            let folder = tempfile::tempdir().unwrap();
            let (draft, path) = (folder.path().join("draft"), folder.path().join("acta.pdf"));
            fs::write(&draft, b"whole").unwrap();
            name_draft(&draft, &path, in_one_step).unwrap();
            assert_eq!((fs::read(&path).unwrap().as_slice(), draft.exists()), (&b"whole"[..], false));
            fs::write(&draft, b"another").unwrap();
            let taken = name_draft(&draft, &path, in_one_step).unwrap_err();
            assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&path).unwrap(), b"whole", "nothing is replaced");
        }
    }

    #[test]
    fn a_draft_that_cannot_be_named_leaves_no_empty_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acta.pdf");
        name_draft(&folder.path().join("no draft"), &path, cannot).unwrap_err();
        assert!(!path.exists());
    }
}
