//! Blobs as layouts before the third kept them: two levels of directories by the first byte of the id, one file each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use relevo_protocol::wire::BlobId;

use super::super::draft::Draft;
use super::super::engine::Engine;
use super::super::fault::StoreFault;
use super::super::record::Blob;
use super::super::verify::is_unreadable;
use super::super::{keys, random_incarnation};
use super::{parse, remove};

/// Bytes after which what was taken in is made durable.
const BATCH: usize = 4 << 20;

/// Has the engine take in every file that belongs to a row, and removes the directory. Cut short, it goes on at the next
/// opening; a file that does not read now is left for it. A row whose file is damaged or gone stays without bytes until they
/// are put again.
pub(super) fn take_in(engine: &dyn Engine, whole: &Path) -> Result<(), StoreFault> {
    let folders = match fs::read_dir(whole) {
        Ok(folders) => folders,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let folders = folders.collect::<Result<Vec<_>, _>>()?;
    let all = folders.len();
    let mut batch =
        Taken { engine, draft: Draft::new(engine), waiting: 0, files: Vec::new(), damaged: 0, unreadable: 0 };
    for (done, folder) in folders.into_iter().enumerate() {
        if done % 16 == 0 {
            tracing::info!("the documents' parts move into the store, once: {done} of {all} folders");
        }
        let folder = folder.path();
        let unreadable = batch.unreadable;
        for file in fs::read_dir(&folder)? {
            batch.take(file?.path())?;
        }
        batch.commit()?;
        if batch.unreadable == unreadable {
            fs::remove_dir(&folder)?;
        }
    }
    let Taken { damaged, unreadable, .. } = batch;
    if damaged > 0 {
        tracing::error!(damaged, "parts of documents were damaged and were removed: their authors can send them again");
    }
    if unreadable > 0 {
        tracing::error!(unreadable, "parts of documents do not read: they are tried again at the next start");
        return Ok(());
    }
    Ok(fs::remove_dir(whole)?)
}

struct Taken<'e> {
    engine: &'e dyn Engine,
    draft: Draft<'e>,
    waiting: usize,
    /// To remove when what they hold is durable.
    files: Vec<PathBuf>,
    damaged: u64,
    unreadable: u64,
}

impl Taken<'_> {
    fn take(&mut self, file: PathBuf) -> Result<(), StoreFault> {
        let id = file.file_name().and_then(parse);
        let row = id.map(|id| self.draft.blob(&id)).transpose()?.flatten();
        if let (Some(id), Some(blob @ Blob { life: None, .. })) = (id, row) {
            match fs::read(&file) {
                Ok(bytes) if BlobId::of(&bytes) == id => {
                    let life = random_incarnation()?;
                    self.waiting = self.waiting.saturating_add(bytes.len());
                    self.draft.put(keys::blob_bytes(&id, life), Bytes::new(), bytes.into());
                    self.draft.set_blob(&id, Some(&Blob { life: Some(life), ..blob }))?;
                }
                Ok(_) => self.damaged += 1,
                Err(error) if is_unreadable(&error) => {
                    self.unreadable += 1;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.files.push(file);
        if self.waiting >= BATCH { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), StoreFault> {
        let batch = std::mem::replace(&mut self.draft, Draft::new(self.engine)).finish();
        if !batch.is_empty() {
            self.engine.commit(batch)?;
        }
        self.waiting = 0;
        self.files.drain(..).try_for_each(|file| remove(&file))
    }
}
