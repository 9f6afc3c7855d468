//! Moves documents: chunks go to and from the relay several at once, on streams of their own, in constant memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use relevo_protocol::content::{Body, FileName, MediaType};
use relevo_protocol::limits::CHUNK;
use relevo_protocol::wire::BlobId;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::chunks::Held;
use super::converse::group_id;
use super::machine::Machine;
use super::pace::{Pace, Tally};
use super::{Account, AccountFault};
use crate::document::{self, Attestation, Author, DocumentFault, DocumentNumber, DocumentView, Download, NewDocument};
use crate::inbox;

/// How far a document has come, in bytes of its chunks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Moved.
    pub done: u64,
    /// In all.
    pub total: u64,
}

impl Account {
    /// Signs a file and notes it for sending to a contact or a group; [`Account::upload`] moves it.
    ///
    /// # Errors
    /// [`DocumentFault::TooLarge`], the file's, or [`AccountFault::NoSuchName`].
    pub async fn prepare_document(&self, to: &str, file: &Path) -> Result<DocumentNumber, AccountFault> {
        // The path is kept for resuming, so it must mean the same from any folder.
        let source = std::path::absolute(file).map_err(DocumentFault::File)?;
        let path = source.clone();
        let read = move || {
            let mut file = File::open(&path)?;
            let mut start = Vec::new();
            file.by_ref().take(512).read_to_end(&mut start)?;
            file.seek(SeekFrom::Start(0))?;
            Ok((document::digest(&mut file)?, start))
        };
        let (digest, start) = self.machine.blocking(read).await?;
        let to = to.to_owned();
        self.converse(move |with| {
            let group = with.conversation_with(&to)?;
            let relay = with.relay_of(&group)?;
            let alliance = with.alliance()?;
            let me = crate::membership::me(with.tx)?;
            let proof = crate::membership::my_proof(with.tx)?;
            let author = Author { alliance, member: me.member, device: &me.device, proof: &proof };
            let name = source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let new = NewDocument {
                conversation: &group.0,
                relay: &relay,
                source: &source,
                name: FileName::nearest(&name),
                media_type: media_type(&start),
                digest,
            };
            inbox::learn_relay(with.tx, &relay)?;
            Ok(document::prepare(with.tx, &author, &new, with.now)?)
        })
        .await
    }

    /// Moves a document's chunks to the relay and posts it, going on where an earlier call stopped. Waits out broken
    /// links; to give up for now, drop the future.
    ///
    /// # Errors
    /// [`DocumentFault::Changed`] when the file is not what was signed; the relay's refusals.
    ///
    /// # Cancel safety
    /// What has been moved is remembered.
    pub async fn upload(
        &self,
        number: DocumentNumber,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<(), AccountFault> {
        let done = self.move_up(number, &mut progress).await;
        if let Err(AccountFault::Document(DocumentFault::Changed | DocumentFault::File(_))) = &done {
            self.act(move |tx, _| document::fail(tx, number)).await?;
        }
        done
    }

    async fn move_up(
        &self,
        number: DocumentNumber,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), AccountFault> {
        let upload = self.act(move |tx, _| document::upload(tx, number)).await?;
        let source = upload.source.clone();
        let (relay, size) = (upload.relay, upload.size);
        let waiting: Vec<u32> = (0..).zip(&upload.stored).filter(|(_, stored)| !**stored).map(|(at, _)| at).collect();
        let mut done = u64::try_from(upload.stored.len() - waiting.len()).unwrap_or(0) * CHUNK_BYTES;
        progress(Progress { done: done.min(size), total: size });
        let upload = Arc::new(upload);
        let (mut waiting, mut under_way, mut pace) = (waiting.into_iter(), JoinSet::new(), Pace::new());
        let tally = Arc::new(Tally::default());
        loop {
            while under_way.len() < pace.at_once() {
                let Some(place) = waiting.next() else { break };
                let chunk = chunk_of(&self.machine, &source, &upload, place).await?;
                let sealing = upload.clone();
                // On disk before any of it leaves: a chunk is never sealed over other bytes.
                let sealed = self.act(move |tx, _| document::seal(tx, &sealing, place, &chunk)).await?;
                let (account, moving) = (self.clone(), tally.clone());
                under_way.spawn(async move {
                    let begun = account.machine.elapsed();
                    account.put(relay, sealed.id, sealed.bytes, |left| moving.note(place, left)).await?;
                    Ok::<_, AccountFault>((place, account.machine.elapsed().saturating_sub(begun)))
                });
            }
            let moved = tokio::select! {
                moved = under_way.join_next() => moved,
                () = tally.changed() => {
                    progress(Progress { done: done.saturating_add(tally.bytes()).min(size), total: size });
                    continue;
                }
            };
            let Some(moved) = moved else { break };
            let (place, took) = moved.map_err(|_| AccountFault::Closed)??;
            pace.moved(took);
            tally.end(place);
            self.act(move |tx, _| document::stored(tx, number, place)).await?;
            done += CHUNK_BYTES;
            progress(Progress { done: done.saturating_add(tally.bytes()).min(size), total: size });
        }
        let read = self.machine.blocking(move || document::digest(&mut File::open(source)?)).await?;
        self.converse(move |with| {
            let conversation = document::find(with.tx, number)?.conversation;
            let begun_for = group_id(&conversation).ok_or(DocumentFault::NotFound)?;
            // It may have been founded anew meanwhile.
            let group = with.desk(|desk| desk.present(&begun_for))?;
            let (manifest, location) = document::finish(with.tx, number, &group.0, &read)?;
            with.desk(|desk| desk.send_from(&begun_for, &group, Body::Document { manifest, location })).map(drop)
        })
        .await
    }

    /// Fetches a document's chunks, going on where an earlier call stopped, and verifies the whole. It stays sealed on
    /// this device; [`Account::save_document`] writes it where a person wants it.
    ///
    /// # Errors
    /// [`DocumentFault::NotAsSigned`]; the relay's refusals.
    ///
    /// # Cancel safety
    /// What has been fetched is kept.
    pub async fn fetch(
        &self,
        number: DocumentNumber,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<(), AccountFault> {
        let download = Arc::new(self.download(number).await?);
        loop {
            self.fetch_missing(&download, &mut progress).await?;
            let (whole, parts) = (download.clone(), self.parts.clone());
            match self.machine.blocking(move || document::assemble(&whole, &parts, &mut std::io::sink())).await {
                // A part that was cut short by a crash: it is there, and not whole.
                Err(AccountFault::Document(DocumentFault::Missing { place })) => self.parts.discard(number, place),
                done => {
                    done?;
                    return self.act(move |tx, _| document::here(tx, number)).await;
                }
            }
        }
    }

    async fn fetch_missing(
        &self,
        download: &Download,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), AccountFault> {
        let size = download.manifest.size;
        let relay = download.relays.first().ok_or(DocumentFault::NotAsSigned)?.duplicate();
        let at = relay.fingerprint;
        self.act(move |tx, _| inbox::learn_relay(tx, &relay)).await?;
        let missing: Vec<(u32, BlobId)> = download.missing(&self.parts).collect();
        let mut done = u64::try_from(download.chunks.len() - missing.len()).unwrap_or(0) * CHUNK_BYTES;
        let tally = Arc::new(Tally::default());
        // What was begun before counts from the first: a bar that goes back looks like a loss.
        missing.iter().for_each(|(place, _)| tally.note(*place, self.parts.begun(download.number, *place)));
        progress(Progress { done: done.saturating_add(tally.bytes()).min(size), total: size });
        let (mut missing, mut under_way, mut pace) = (missing.into_iter(), JoinSet::new(), Pace::new());
        loop {
            while under_way.len() < pace.at_once() {
                let Some((place, id)) = missing.next() else { break };
                let (account, number, moving) = (self.clone(), download.number, tally.clone());
                let mut part = pace.part();
                under_way.spawn(async move {
                    let begun = account.machine.elapsed();
                    let mut held = Held::of(&account.parts, number, place);
                    account.get(at, id, &mut held.bytes, &mut part, |came| moving.note(place, came)).await?;
                    let bytes = std::mem::take(&mut held.bytes);
                    let parts = account.parts.clone();
                    account.machine.blocking(move || Ok(parts.write(number, place, &bytes)?)).await?;
                    Ok::<_, AccountFault>((place, account.machine.elapsed().saturating_sub(begun), part))
                });
            }
            let moved = tokio::select! {
                moved = under_way.join_next() => moved,
                () = tally.changed() => {
                    progress(Progress { done: done.saturating_add(tally.bytes()).min(size), total: size });
                    continue;
                }
            };
            let Some(moved) = moved else { return Ok(()) };
            let (place, took, part) = moved.map_err(|_| AccountFault::Closed)??;
            pace.moved(took);
            pace.parts(part);
            tally.end(place);
            done += CHUNK_BYTES;
            progress(Progress { done: done.saturating_add(tally.bytes()).min(size), total: size });
        }
    }

    /// Writes a fetched document to `path`, in clear, whole and verified. A file that is there is left alone.
    ///
    /// # Errors
    /// [`DocumentFault::Missing`] before [`Account::fetch`], [`DocumentFault::Exists`].
    pub async fn save_document(&self, number: DocumentNumber, path: &Path) -> Result<(), AccountFault> {
        let (download, parts, path) = (self.download(number).await?, self.parts.clone(), path.to_owned());
        self.machine.blocking(move || document::save(&download, &parts, &path)).await
    }

    /// Writes a fetched document and its proof into a folder, to be checked by anybody, offline.
    ///
    /// # Errors
    /// [`DocumentFault::Missing`] before [`Account::fetch`], [`DocumentFault::Exists`].
    pub async fn export_document(&self, number: DocumentNumber, folder: &Path) -> Result<PathBuf, AccountFault> {
        let view = self.act(move |tx, _| document::find(tx, number)).await?;
        let (download, parts, folder) = (self.download(number).await?, self.parts.clone(), folder.to_owned());
        self.machine.blocking(move || document::export(&view, &download, &parts, &folder)).await
    }

    /// Checks an exported document against our own alliance.
    ///
    /// # Errors
    /// [`DocumentFault::Bundle`], [`DocumentFault::NoProof`].
    pub async fn verify_document(&self, path: &Path) -> Result<Attestation, AccountFault> {
        let alliance = self.converse(|with| with.alliance()).await?;
        let path = path.to_owned();
        self.machine.blocking(move || document::verify(&path, Some(&alliance))).await
    }

    /// All documents, oldest first.
    ///
    /// # Errors
    /// The vault's.
    pub async fn documents(&self) -> Result<Vec<DocumentView>, AccountFault> {
        self.look(|tx, _| document::list(tx)).await
    }

    /// Documents of ours that are not sent whole: to be given to [`Account::upload`] again.
    ///
    /// # Errors
    /// The vault's.
    pub async fn unfinished_documents(&self) -> Result<Vec<DocumentNumber>, AccountFault> {
        self.look(|tx, _| document::unfinished(tx)).await
    }

    async fn download(&self, number: DocumentNumber) -> Result<Download, AccountFault> {
        self.act(move |tx, _| document::download(tx, number)).await
    }
}

/// Bytes of a whole chunk.
#[expect(clippy::as_conversions, reason = "widening of a constant")]
const CHUNK_BYTES: u64 = CHUNK as u64;

async fn chunk_of(
    machine: &Machine,
    source: &Path,
    upload: &document::Upload,
    place: u32,
) -> Result<Zeroizing<Vec<u8>>, AccountFault> {
    let (source, length) = (source.to_owned(), upload.chunk_length(place).unwrap_or(0));
    let read = move || {
        let mut chunk = Zeroizing::new(vec![0; length]);
        let mut file = File::open(source)?;
        file.seek(SeekFrom::Start(u64::from(place) * CHUNK_BYTES))?;
        file.read_exact(&mut chunk).map_err(|fault| {
            let shorter = fault.kind() == std::io::ErrorKind::UnexpectedEof;
            if shorter { DocumentFault::Changed } else { fault.into() }
        })?;
        Ok(chunk)
    };
    machine.blocking(read).await
}

/// What kind of file it is, by its first bytes and not by its name.
fn media_type(start: &[u8]) -> MediaType {
    let text = || if core::str::from_utf8(start).is_ok() { "text/plain" } else { "application/octet-stream" };
    let found = infer::get(start).map_or_else(text, |kind| kind.mime_type());
    found.parse().unwrap_or_else(|_| MediaType::unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_file_has_a_media_type() {
        for (start, expected) in [
            (&b"%PDF-1.4"[..], "application/pdf"),
            (b"\x89PNG\r\n", "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"PK\x03\x04", "application/zip"),
            ("acuerdo colectivo ñ".as_bytes(), "text/plain"),
            (b"\xfe\xfe\xfe", "application/octet-stream"),
        ] {
            assert_eq!(media_type(start).as_str(), expected);
        }
    }
}
