//! Chunks that have arrived, as they lay on the relay: ciphertext under numbers that mean nothing outside the vault.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use relevo_protocol::limits::MAX_BLOB;
use relevo_protocol::wire::BlobId;

use super::DocumentNumber;

/// Folder inside the vault's.
const FOLDER: &str = "parts";

/// The chunks of all documents, beside the vault's database.
#[derive(Clone, Debug)]
pub struct Parts {
    folder: PathBuf,
}

impl Parts {
    /// The parts of the vault in `directory`.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self { folder: directory.join(FOLDER) }
    }

    /// Keeps a chunk. It appears whole or not at all; whether it survived is asked again when it is read.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, document: DocumentNumber, place: u32, blob: &[u8]) -> io::Result<()> {
        let folder = self.folder.join(document.0.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let draft = folder.join(format!("{place}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(blob)?;
        fs::rename(draft, folder.join(place.to_string()))
    }

    /// Keeps the beginning of a chunk whose transfer broke off.
    ///
    /// # Errors
    /// The file system's.
    pub fn keep(&self, document: DocumentNumber, place: u32, begun: &[u8]) -> io::Result<()> {
        let folder = self.folder.join(document.0.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let begin = |path: &Path| OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        begin(&folder.join(format!("{place}.part")))?.write_all(begun)
    }

    /// Bytes of the beginning of a chunk that was kept.
    #[must_use]
    pub fn begun(&self, document: DocumentNumber, place: u32) -> usize {
        let path = self.folder.join(document.0.to_string()).join(format!("{place}.part"));
        fs::metadata(path).map_or(0, |kept| usize::try_from(kept.len()).unwrap_or(0))
    }

    /// Takes the beginning of a chunk that was kept. Whether it is its beginning, only the whole tells.
    #[must_use]
    pub fn take_begun(&self, document: DocumentNumber, place: u32) -> Vec<u8> {
        let path = self.folder.join(document.0.to_string()).join(format!("{place}.part"));
        let mut begun = Vec::new();
        // One that cannot be read is fetched again.
        let read = fs::File::open(&path).and_then(|file| file.take(MAX_BLOB).read_to_end(&mut begun));
        let _removed = fs::remove_file(path);
        if read.is_ok() { begun } else { Vec::new() }
    }

    /// The chunk, if it is here whole.
    ///
    /// # Errors
    /// The file system's, but for a file that is not there.
    pub fn read(&self, document: DocumentNumber, place: u32, id: &BlobId) -> io::Result<Option<Vec<u8>>> {
        let path = self.folder.join(document.0.to_string()).join(place.to_string());
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let mut blob = Vec::new();
        file.take(MAX_BLOB + 1).read_to_end(&mut blob)?;
        Ok((BlobId::of(&blob) == *id).then_some(blob))
    }

    /// Throws a chunk away that turned out not to be whole.
    pub fn discard(&self, document: DocumentNumber, place: u32) {
        // One that cannot be removed is found not whole again.
        let _removed = fs::remove_file(self.folder.join(document.0.to_string()).join(place.to_string()));
    }

    /// Whether a chunk lies here. Whether it is whole, reading tells.
    #[must_use]
    pub fn has(&self, document: DocumentNumber, place: u32) -> bool {
        self.folder.join(document.0.to_string()).join(place.to_string()).is_file()
    }
}
