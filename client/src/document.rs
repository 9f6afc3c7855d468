//! Documents: signed whole, sealed in chunks, moved in any order, resumed both ways. No network here.
//!
//! ```text
//! prepare (hash, sign) -> seal each chunk -> store its blob -> finish: post manifest and location
//! received (verify)    -> fetch each blob into parts -> assemble (open, verify the whole) -> file | file and proof
//! ```
//!
//! What lies on this device is the ciphertext of the chunks, under keys that are in the vault. A clear file is written
//! only where its reader asked for it.

mod fault;
mod parts;
mod proof;
mod receive;
mod send;

pub use fault::DocumentFault;
pub use parts::Parts;
pub use proof::{Attestation, export, verify};
pub use receive::{Download, assemble, download, here, received, save};
pub use send::{Author, Digest, NewDocument, SealedChunk, Upload, digest, fail, finish, prepare, seal, stored, upload};

pub use crate::vault::documents::DocumentState;

use relevo_protocol::content::{Location, Manifest};
use relevo_protocol::trust::{Proof, Signed, Verified};
use relevo_protocol::wire::decode_exact;

use crate::vault::documents::{self, DocumentRow};
use crate::vault::{Part, Transaction, VaultFault};

/// Number of a document in this vault: what people type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DocumentNumber(pub i64);

/// A document as shown in a list.
#[derive(Clone, Debug)]
pub struct DocumentView {
    /// Its number here.
    pub number: DocumentNumber,
    /// How far it has come.
    pub state: DocumentState,
    /// The conversation it was posted in.
    pub conversation: Vec<u8>,
    /// What its author signed, verified when it came.
    pub manifest: Verified<Manifest>,
    /// Who the author is.
    pub author: Proof,
}

/// All documents, oldest first.
///
/// # Errors
/// The vault's.
pub fn list(tx: &Transaction<'_>) -> Result<Vec<DocumentView>, DocumentFault> {
    documents::list(tx)?.iter().map(view).collect()
}

/// One document.
///
/// # Errors
/// [`DocumentFault::NotFound`].
pub fn find(tx: &Transaction<'_>, number: DocumentNumber) -> Result<DocumentView, DocumentFault> {
    view(&row(tx, number)?)
}

/// Mine that are not sent whole, to go on with after a start.
///
/// # Errors
/// The vault's.
pub fn unfinished(tx: &Transaction<'_>) -> Result<Vec<DocumentNumber>, DocumentFault> {
    let rows = documents::list(tx)?;
    Ok(rows.iter().filter(|row| row.state == DocumentState::Sending).map(|row| DocumentNumber(row.number)).collect())
}

fn view(row: &DocumentRow) -> Result<DocumentView, DocumentFault> {
    let author: Proof = decode_exact(&row.author).map_err(|_| damaged())?;
    let manifest = Signed::<Manifest>::decode(&row.manifest).map_err(|_| damaged())?;
    let devices = relevo_protocol::trust::DeviceSet::verify(&author.device_set).map_err(|_| damaged())?;
    Ok(DocumentView {
        number: DocumentNumber(row.number),
        state: row.state,
        conversation: row.conversation.clone(),
        manifest: manifest.verify_by(&devices).map_err(|_| damaged())?,
        author,
    })
}

fn row(tx: &Transaction<'_>, number: DocumentNumber) -> Result<DocumentRow, DocumentFault> {
    documents::find(tx, number.0)?.ok_or(DocumentFault::NotFound)
}

fn location(row: &DocumentRow) -> Result<Location, DocumentFault> {
    decode_exact(&row.location).map_err(|_| damaged())
}

fn damaged() -> DocumentFault {
    VaultFault::Damaged { what: Part::Row }.into()
}

#[cfg(test)]
mod tests;
