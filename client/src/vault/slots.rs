//! The key slots: the database's key, sealed under what a person can type.
//!
//! ```text
//! slots = magic "relevo-vault" | format u16 | memory KiB u32 | passes u32 | lanes u32 | salt 32
//!         | 4 x (nonce 24 | XChaCha20-Poly1305(slot key, role 1 | database key 32)) | SHA-256 of all before
//! root     = Argon2id(NFKC passphrase, salt)
//! slot key = HKDF-SHA256(root, "relevo/1 vault slot" | index)
//! ```
//! Integers are big-endian. Unused slots are random, and all four are tried each time, so that neither the file nor the
//! time tells how many are used. The digest tells damage from a wrong passphrase; it authenticates nothing.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use relevo_protocol::{random, secret::Secret};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    cost::Cost,
    fault::{Part, VaultFault},
    passphrase::Passphrase,
};

const MAGIC: &[u8; 12] = b"relevo-vault";
const FORMAT: u16 = 1;
const SLOT_LABEL: &[u8] = b"relevo/1 vault slot";
const COUNT: usize = 4;
const NONCE: usize = 24;
const CONTENT: usize = 1 + 32;
const SLOT: usize = NONCE + CONTENT + 16;
const SALT: usize = 32;
const HEADER: usize = MAGIC.len() + 2 + 3 * 4 + SALT;
const DIGEST: usize = 32;
const LENGTH: usize = HEADER + COUNT * SLOT + DIGEST;

/// More than any format has.
const MOST: u64 = 64 * 1024;

const DAMAGED: VaultFault = VaultFault::Damaged { what: Part::Slots };

/// What a slot's key does. Values not listed belong to later versions (duress, a second passphrase).
const ROLE_OPEN: u8 = 1;

/// The file of slots, read or to be written.
pub(super) struct Slots {
    cost: Cost,
    salt: [u8; SALT],
    sealed: [[u8; SLOT]; COUNT],
}

impl Slots {
    /// New slots of which one, drawn by chance, opens to `key`.
    pub(super) fn seal(passphrase: &Passphrase, cost: Cost, key: &Secret<32>) -> Result<Self, VaultFault> {
        let mut slots = Self { cost, salt: [0; SALT], sealed: [[0; SLOT]; COUNT] };
        random::fill(&mut slots.salt)?;
        for slot in &mut slots.sealed {
            random::fill(slot)?;
        }
        let root = cost.root(passphrase, &slots.salt)?;
        let mut drawn = [0; 4];
        random::fill(&mut drawn)?;
        let drawn = u32::from_be_bytes(drawn);
        for (index, slot) in (0_u8..).zip(&mut slots.sealed) {
            if u32::from(index) != drawn % 4 {
                continue;
            }
            let mut content = Zeroizing::new([ROLE_OPEN; CONTENT]);
            content.iter_mut().skip(1).zip(key.expose()).for_each(|(to, from)| *to = *from);
            let (nonce, body) = slot.split_at_mut(NONCE);
            let sealed = slot_cipher(&root, index)?
                .encrypt(XNonce::from_slice(nonce), Payload { msg: content.as_slice(), aad: MAGIC })
                .map_err(|_| VaultFault::Bug { code: 0 })?;
            body.copy_from_slice(&sealed);
        }
        Ok(slots)
    }

    /// The database's key, if `passphrase` opens a slot.
    pub(super) fn open(&self, passphrase: &Passphrase) -> Result<Secret<32>, VaultFault> {
        let root = self.cost.root(passphrase, &self.salt)?;
        let mut found = Err(VaultFault::WrongPassphrase);
        for (index, slot) in (0_u8..).zip(&self.sealed) {
            let (nonce, body) = slot.split_at(NONCE);
            let opened =
                slot_cipher(&root, index)?.decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad: MAGIC });
            let Ok(content) = opened.map(Zeroizing::new) else { continue };
            found = match content.split_first() {
                Some((&ROLE_OPEN, key)) => key.try_into().map(Secret::new).map_err(|_| DAMAGED),
                _ => Err(VaultFault::TooNew),
            };
        }
        found
    }

    /// Reads and bounds the file; says [`VaultFault::Damaged`] of anything but what [`Slots::write`] wrote.
    pub(super) fn read(path: &Path) -> Result<Self, VaultFault> {
        let mut bytes = Vec::with_capacity(LENGTH);
        fs::File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
        Self::decode(&bytes)
    }

    /// Writes the file and has it on disk.
    pub(super) fn write(&self, path: &Path) -> Result<(), VaultFault> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&self.encode())?;
        Ok(file.sync_all()?)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_be_bytes());
        for number in self.cost.numbers() {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.salt);
        self.sealed.iter().for_each(|slot| bytes.extend_from_slice(slot));
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, VaultFault> {
        let mut rest = bytes;
        if &take::<12>(&mut rest)? != MAGIC {
            return Err(DAMAGED);
        }
        // Every format ends in this digest, whatever its length: damage is told from a later format first.
        let format = u16::from_be_bytes(take(&mut rest)?);
        let (body, digest) = bytes.split_last_chunk::<DIGEST>().ok_or(DAMAGED)?;
        if Sha256::digest(body).as_slice() != digest {
            return Err(DAMAGED);
        }
        if format != FORMAT {
            return Err(VaultFault::TooNew);
        }
        let mut number = || Ok::<_, VaultFault>(u32::from_be_bytes(take(&mut rest)?));
        let cost = Cost::parse(number()?, number()?, number()?)?;
        let salt = take(&mut rest)?;
        let mut sealed = [[0; SLOT]; COUNT];
        for slot in &mut sealed {
            *slot = take(&mut rest)?;
        }
        if rest.len() != DIGEST {
            return Err(DAMAGED);
        }
        Ok(Self { cost, salt, sealed })
    }
}

/// Overwrites the slots, has that on disk, then removes them. Nothing to do if they are gone.
pub(super) fn overwrite(path: &Path) -> Result<(), VaultFault> {
    if !path.try_exists()? {
        return Ok(());
    }
    let mut noise = [0; LENGTH];
    random::fill(&mut noise)?;
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(&noise)?;
    file.sync_all()?;
    Ok(fs::remove_file(path)?)
}

fn slot_cipher(root: &[u8; 32], index: u8) -> Result<XChaCha20Poly1305, VaultFault> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, root)
        .expand_multi_info(&[SLOT_LABEL, &[index]], key.as_mut_slice())
        .map_err(|_| VaultFault::Bug { code: 0 })?;
    Ok(XChaCha20Poly1305::new(key.as_ref().into()))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], VaultFault> {
    let (taken, left) = rest.split_first_chunk().ok_or(DAMAGED)?;
    *rest = left;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    fn sealed() -> Slots {
        Slots::seal(&passphrase("caf\u{e9} noir"), Cost::FOR_TESTS, &Secret::new([9; 32])).unwrap()
    }

    /// The file as somebody who knows the format would forge it: any content, right digest.
    fn forged(mut bytes: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
        bytes[at] = value;
        bytes.truncate(bytes.len() - DIGEST);
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }

    #[test]
    fn accents_open_however_they_were_composed() {
        assert_eq!(sealed().open(&passphrase("cafe\u{301} noir")).unwrap(), Secret::new([9; 32]));
    }

    /// Frozen: vaults made by the first version open for ever.
    #[test]
    fn a_file_of_the_first_format_opens() {
        let hex: String = include_str!("slots_v1.hex").split_whitespace().collect();
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        let slots = Slots::decode(&bytes).unwrap();
        assert_eq!(slots.open(&passphrase("caf\u{e9} noir")).unwrap(), Secret::new([9; 32]));
        assert_eq!(slots.encode(), bytes);
    }

    #[test]
    fn every_flipped_bit_is_damage() {
        let bytes = sealed().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Slots::decode(&flipped), Err(DAMAGED)), "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_is_damage() {
        let bytes = sealed().encode();
        for length in 0..bytes.len() {
            assert!(matches!(Slots::decode(&bytes[..length]), Err(DAMAGED)), "{length} bytes");
        }
    }

    #[test]
    fn a_forged_file_never_opens_to_another_key() {
        let bytes = sealed().encode();
        for at in 14..bytes.len() - DIGEST {
            let forged = forged(bytes.clone(), at, bytes[at] ^ 0x10);
            match Slots::decode(&forged).and_then(|slots| slots.open(&passphrase("caf\u{e9} noir"))) {
                Ok(key) => assert_eq!(key, Secret::new([9; 32]), "byte {at} is in an unused slot"),
                Err(VaultFault::WrongPassphrase | DAMAGED) => {}
                Err(other) => panic!("byte {at}: {other}"),
            }
        }
    }

    #[test]
    fn a_later_format_is_told_from_damage() {
        let bytes = sealed().encode();
        assert!(matches!(Slots::decode(&forged(bytes, 13, 2)), Err(VaultFault::TooNew)));
    }

    #[test]
    fn two_files_for_the_same_key_share_nothing_but_their_head() {
        let (one, other) = (sealed().encode(), sealed().encode());
        let head = HEADER - SALT;
        assert_eq!(one[..head], other[..head]);
        for (one, other) in one[head..].chunks_exact(16).zip(other[head..].chunks_exact(16)) {
            assert_ne!(one, other);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Slots::decode(&bytes);
        }
    }
}
