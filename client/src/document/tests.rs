//! Documents between two vaults, with a map as the relay.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use relevo_protocol::content::FileName;
use relevo_protocol::limits::CHUNK;
use relevo_protocol::wire::BlobId;
use tempfile::TempDir;

use super::*;
use crate::fixture::{Alliance, Member, NOW, relay_address};
use crate::vault::{Cost, Passphrase, Vault};

const GROUP: &[u8] = b"a conversation";

struct Device {
    folder: TempDir,
    vault: Vault,
    member: Member,
}

impl Device {
    fn new(alliance: &Alliance, pseudonym: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        let vault = Vault::create(&path, &Passphrase::new("correct horse".to_owned()), Cost::FOR_TESTS).unwrap();
        Self { folder, vault, member: alliance.admit(0, pseudonym) }
    }

    fn parts(&self) -> Parts {
        Parts::of(&self.folder.path().join("vault"))
    }

    fn file(&self, size: usize) -> PathBuf {
        let path = self.folder.path().join("agreement.pdf");
        let bytes: Vec<u8> = (0..size).map(|i| u8::try_from(i * i % 251).unwrap()).collect();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn prepare(&mut self, alliance: &Alliance, source: &Path) -> DocumentNumber {
        let digest = digest(&mut fs::File::open(source).unwrap()).unwrap();
        let Member { keys, proof, .. } = &self.member;
        let author = Author { alliance: alliance.id, member: keys.member.public(), device: &keys.device, proof };
        let relay = relay_address(1);
        let new = NewDocument {
            conversation: GROUP,
            relay: &relay,
            source,
            name: FileName::nearest("agreement.pdf"),
            media_type: "application/pdf".parse().unwrap(),
            digest,
        };
        self.vault.transaction(|tx| prepare(tx, &author, &new, NOW)).unwrap()
    }

    /// Seals and stores chunks until `stop`, as a task that is cut off there would.
    fn send(
        &mut self,
        number: DocumentNumber,
        relay: &mut HashMap<BlobId, Bytes>,
        stop: u32,
    ) -> Result<(), DocumentFault> {
        let upload = self.vault.transaction(|tx| upload(tx, number))?;
        let mut file = fs::File::open(&upload.source)?;
        for (place, stored_before) in (0..).zip(&upload.stored) {
            if *stored_before || place >= stop {
                continue;
            }
            let mut chunk = vec![0; upload.chunk_length(place).unwrap()];
            file.seek(SeekFrom::Start(u64::from(place) * u64::try_from(CHUNK).unwrap()))?;
            file.read_exact(&mut chunk)?;
            let sealed = self.vault.transaction(|tx| seal(tx, &upload, place, &chunk))?;
            relay.insert(sealed.id, sealed.bytes);
            self.vault.transaction(|tx| stored(tx, number, place))?;
        }
        Ok(())
    }

    fn fetch(&self, download: &Download, relay: &HashMap<BlobId, Bytes>) {
        let missing: Vec<_> = download.missing(&self.parts()).collect();
        for (place, id) in missing {
            self.parts().write(download.number, place, &relay[&id]).unwrap();
        }
    }
}

/// A document that has gone from one device to another, all but the fetching.
fn posted(size: usize) -> (Alliance, Device, Device, HashMap<BlobId, Bytes>, Download) {
    let alliance = Alliance::found(1);
    let (mut from, mut to) = (Device::new(&alliance, "Quilla"), Device::new(&alliance, "Mistral"));
    let (source, mut relay) = (from.file(size), HashMap::new());
    let number = from.prepare(&alliance, &source);
    from.send(number, &mut relay, u32::MAX).unwrap();
    let read = digest(&mut fs::File::open(&source).unwrap()).unwrap();
    let (manifest, location) = from.vault.transaction(|tx| finish(tx, number, GROUP, &read)).unwrap();
    let proof = &from.member.proof;
    to.vault.transaction(|tx| received(tx, &alliance.id, GROUP, proof, &manifest, &location)).unwrap();
    // The same once more, as after a resend.
    to.vault.transaction(|tx| received(tx, &alliance.id, GROUP, proof, &manifest, &location)).unwrap();
    let all = to.vault.transaction(list).unwrap();
    assert_eq!(all.len(), 1, "the same document twice is kept once");
    let download = to.vault.transaction(|tx| download(tx, all[0].number)).unwrap();
    (alliance, from, to, relay, download)
}

#[test]
fn a_document_arrives_whole_at_every_size_around_a_chunk() {
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17] {
        let (_, from, to, relay, download) = posted(size);
        to.fetch(&download, &relay);
        let out = to.folder.path().join("out.pdf");
        save(&download, &to.parts(), &out).unwrap();
        assert_eq!(fs::read(out).unwrap(), fs::read(from.folder.path().join("agreement.pdf")).unwrap(), "{size}");
    }
}

#[test]
fn sending_resumes_where_it_was_cut() {
    let alliance = Alliance::found(1);
    let mut from = Device::new(&alliance, "Quilla");
    let (source, mut relay) = (from.file(4 * CHUNK), HashMap::new());
    let number = from.prepare(&alliance, &source);
    from.send(number, &mut relay, 2).unwrap();
    let upload = from.vault.transaction(|tx| upload(tx, number)).unwrap();
    assert_eq!(upload.stored, [true, true, false, false]);
    let read = digest(&mut fs::File::open(&source).unwrap()).unwrap();
    let early = from.vault.transaction(|tx| finish(tx, number, GROUP, &read)).unwrap_err();
    assert!(matches!(early, DocumentFault::Missing { .. }), "{early:?}");
    from.send(number, &mut relay, u32::MAX).unwrap();
    from.vault.transaction(|tx| finish(tx, number, GROUP, &read)).unwrap();
    assert_eq!(from.vault.transaction(unfinished).unwrap(), []);
}

#[test]
fn a_chunk_is_never_sealed_over_other_bytes() {
    let alliance = Alliance::found(1);
    let mut from = Device::new(&alliance, "Quilla");
    let source = from.file(CHUNK);
    let number = from.prepare(&alliance, &source);
    let upload = from.vault.transaction(|tx| upload(tx, number)).unwrap();
    from.vault.transaction(|tx| seal(tx, &upload, 0, &vec![1; CHUNK])).unwrap();
    let again = from.vault.transaction(|tx| seal(tx, &upload, 0, &vec![2; CHUNK]));
    assert!(matches!(again, Err(DocumentFault::Changed)));
}

#[test]
fn a_file_that_changed_on_the_way_is_not_posted() {
    let alliance = Alliance::found(1);
    let mut from = Device::new(&alliance, "Quilla");
    let (source, mut relay) = (from.file(2 * CHUNK), HashMap::new());
    let number = from.prepare(&alliance, &source);
    fs::write(&source, vec![9; 2 * CHUNK]).unwrap();
    from.send(number, &mut relay, u32::MAX).unwrap();
    let read = digest(&mut fs::File::open(&source).unwrap()).unwrap();
    assert!(matches!(from.vault.transaction(|tx| finish(tx, number, GROUP, &read)), Err(DocumentFault::Changed)));
}

#[test]
fn a_damaged_part_is_fetched_again_and_nothing_is_written_before() {
    let (_, _, to, relay, download) = posted(3 * CHUNK);
    to.fetch(&download, &relay);
    to.parts().write(download.number, 1, b"damaged").unwrap();
    let out = to.folder.path().join("out.pdf");
    assert!(matches!(save(&download, &to.parts(), &out), Err(DocumentFault::Missing { place: 1 })));
    let left: Vec<_> = fs::read_dir(to.folder.path()).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert_eq!(left, ["vault"], "neither the file nor a draft in clear is left");
    to.parts().write(download.number, 1, &relay[&download.chunks[1]]).unwrap();
    save(&download, &to.parts(), &out).unwrap();
}

#[test]
fn a_file_that_is_there_is_left_alone() {
    let (_, _, to, relay, download) = posted(10);
    to.fetch(&download, &relay);
    let out = to.folder.path().join("out.pdf");
    fs::write(&out, "mine").unwrap();
    assert!(matches!(save(&download, &to.parts(), &out), Err(DocumentFault::Exists)));
    assert_eq!(fs::read(&out).unwrap(), b"mine");
}

#[test]
fn a_document_in_the_name_of_another_is_refused() {
    let alliance = Alliance::found(1);
    let (mut from, mut to) = (Device::new(&alliance, "Quilla"), Device::new(&alliance, "Mistral"));
    let (source, mut relay) = (from.file(10), HashMap::new());
    let number = from.prepare(&alliance, &source);
    from.send(number, &mut relay, u32::MAX).unwrap();
    let read = digest(&mut fs::File::open(&source).unwrap()).unwrap();
    let (manifest, location) = from.vault.transaction(|tx| finish(tx, number, GROUP, &read)).unwrap();
    let other = alliance.admit(0, "Ceibo").proof;
    let refused = to.vault.transaction(|tx| received(tx, &alliance.id, GROUP, &other, &manifest, &location));
    assert!(matches!(refused, Err(DocumentFault::Author)));
    let elsewhere = Alliance::found(1).id;
    let proof = &from.member.proof;
    let refused = to.vault.transaction(|tx| received(tx, &elsewhere, GROUP, proof, &manifest, &location));
    assert!(matches!(refused, Err(DocumentFault::Author)));
}

#[test]
fn an_exported_document_verifies_and_an_altered_one_does_not() {
    let (alliance, _, mut to, relay, download) = posted(CHUNK + 5);
    to.fetch(&download, &relay);
    let document = to.vault.transaction(|tx| find(tx, download.number)).unwrap();
    let folder = to.folder.path().join("proof");
    let file = export(&document, &download, &to.parts(), &folder).unwrap();
    let attestation = verify(&folder, Some(&alliance.id)).unwrap();
    assert_eq!(attestation.attested.author.card.pseudonym.as_str(), "Quilla");
    assert_eq!(verify(&folder, None).unwrap().alliance, alliance.id);
    let elsewhere = Alliance::found(1).id;
    assert!(matches!(verify(&folder, Some(&elsewhere)), Err(DocumentFault::Bundle(_))));
    let mut bytes = fs::read(&file).unwrap();
    bytes[CHUNK] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(matches!(verify(&folder, Some(&alliance.id)), Err(DocumentFault::Bundle(_))));
    assert!(matches!(verify(to.folder.path(), None), Err(DocumentFault::NoProof)));
}
