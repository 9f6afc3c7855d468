//! The relay's own keys, drawn at the first start: who it proves to be, what names its path, what lets clients in.
//!
//! They lie in `keys/` of the data directory, one file each (0600), apart from the store, which holds no secret but
//! admission keys. The directory appears whole or not at all. `sums` holds the SHA-256 of each, so that a lost bit is
//! said by the file's name, where else the relay would be another one or let nobody in.
//!
//! The identity may be kept apart (`identity_key` of the configuration), such as in a systemd credential that this machine's TPM
//! opens: then who has the disk or a backup cannot pass for the relay. Its sum stays with the others.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use minicbor::{Decode, Encode};
use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{Admission, PathSecret, RelayIdentity};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::store::disk;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysFault {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is not as it was written.
    #[error("{} is damaged: restore it from your backup, since clients know the relay by these keys", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The identity is not where it is looked for.
    #[error("the relay's identity key cannot be read, {}: {source}; where it is kept apart, identity_key names the file", path.display())]
    Identity {
        /// Where it is looked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
    /// The certificate could not be made.
    #[error("the self-signed certificate could not be made")]
    Certificate,
}

/// Where the keys of a relay lie.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The data directory.
    data: &'a Path,
    /// Name of the directory of keys in it.
    directory: &'static str,
    /// The file with the identity, where it is kept apart.
    identity: Option<&'a Path>,
}

impl<'a> Place<'a> {
    /// In a data directory, all but an identity that is kept apart.
    pub(crate) fn new(data: &'a Path, identity: Option<&'a Path>) -> Self {
        Self { data, directory: DIRECTORY, identity }
    }

    /// Whether there is an identity in the directory of keys.
    pub(crate) fn has_identity_within(self) -> bool {
        self.directory().join(IDENTITY).exists()
    }

    /// Beside it, until they take its place.
    fn beside(self) -> Self {
        Self { directory: "keys.new", ..self }
    }

    fn directory(self) -> PathBuf {
        self.data.join(self.directory)
    }

    fn file(self, name: &str) -> PathBuf {
        match self.identity {
            Some(apart) if name == IDENTITY => apart.to_owned(),
            Some(_) | None => self.directory().join(name),
        }
    }

    fn read(self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeysFault> {
        let path = self.file(name);
        fs::read(&path).map(Zeroizing::new).map_err(|source| {
            // Of a relay that has no keys yet the sums are not there either.
            if name == IDENTITY && self.directory().join(SUMS).exists() {
                KeysFault::Identity { path, source }
            } else {
                KeysFault::File { path, source }
            }
        })
    }

    fn fixed<const N: usize>(self, name: &str) -> Result<Secret<N>, KeysFault> {
        let bytes = self.read(name)?;
        let damaged = |_| KeysFault::Damaged { path: self.file(name) };
        let mut array: [u8; N] = bytes.as_slice().try_into().map_err(damaged)?;
        let secret = Secret::new(array);
        array.zeroize();
        Ok(secret)
    }
}

/// What lets clients find and enter, without who the relay is.
pub(crate) fn way_in(place: Place<'_>) -> Result<(PathSecret, Admission), KeysFault> {
    Ok((PathSecret::new(place.fixed::<16>(PATH)?), Admission::new(place.fixed::<32>(ADMISSION)?)))
}

/// The relay's keys in memory.
pub(crate) struct Keys {
    /// Signs welcomes and checkpoints.
    pub(crate) identity: SigningKey,
    /// Names the session's path.
    pub(crate) path: PathSecret,
    /// The admission that the relay's own address carries.
    pub(crate) admission: Admission,
    /// X.509 certificate (DER), self-signed: TLS wants one, clients do not believe it.
    pub(crate) certificate: Vec<u8>,
    /// Its key (PKCS #8, DER).
    pub(crate) certificate_key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Loads the keys of a relay.
    ///
    /// # Errors
    /// [`KeysFault`]; in particular [`KeysFault::File`] with `NotFound` before the first start.
    pub(crate) fn load(place: Place<'_>) -> Result<Self, KeysFault> {
        compare_sums(place)?;
        let identity = place.fixed::<32>(IDENTITY)?;
        let (path, admission) = way_in(place)?;
        Ok(Self {
            identity: SigningKey::from_bytes(identity.expose()),
            path,
            admission,
            certificate: place.read(CERTIFICATE)?.to_vec(),
            certificate_key: place.read(CERTIFICATE_KEY)?,
        })
    }

    /// Loads the keys, drawing them first if the data directory has none; an identity that is kept apart is there already.
    ///
    /// # Errors
    /// [`KeysFault`].
    pub(crate) fn load_or_draw(place: Place<'_>, host: &str) -> Result<Self, KeysFault> {
        if !place.directory().exists() {
            draw(place, host)?;
        }
        Self::load(place)
    }

    /// Draws another admission. The directory is replaced whole, so that no power cut leaves keys that contradict their sums.
    ///
    /// # Errors
    /// [`KeysFault`].
    pub(crate) fn rotate_admission(place: Place<'_>) -> Result<(), KeysFault> {
        let mut files = files(place)?;
        let secret = Secret::<32>::random().map_err(|_| KeysFault::Randomness)?;
        for file in files.iter_mut().filter(|file| file.name == ADMISSION) {
            file.bytes.zeroize();
            file.bytes = secret.expose().to_vec();
        }
        files.retain(|file| file.name != SUMS);
        let new = place.beside().directory();
        let fault = |source| KeysFault::File { path: new.clone(), source };
        disk::remove_directory(&new).map_err(fault)?;
        fs::DirBuilder::new().mode(0o700).create(&new).map_err(fault)?;
        for KeyFile { name, bytes } in &files {
            write(&new.join(name), bytes)?;
        }
        seal(place.beside())?;
        exchange(&new, &place.directory()).and_then(|()| disk::sync_directory(place.data)).map_err(fault)?;
        // What stands there now is the old one.
        fs::remove_dir_all(&new).and_then(|()| disk::sync_directory(place.data)).map_err(fault)
    }

    /// The public identity.
    pub(crate) fn public(&self) -> RelayIdentity {
        RelayIdentity(self.identity.verifying_key().to_bytes())
    }
}

/// A file of the keys, as a backup holds it.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct KeyFile {
    #[n(0)]
    name: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    bytes: Vec<u8>,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// All files of the directory of keys, once they are found sound: not an identity that is kept apart.
///
/// # Errors
/// [`KeysFault`].
pub(crate) fn files(place: Place<'_>) -> Result<Vec<KeyFile>, KeysFault> {
    compare_sums(place)?;
    let mut files = Vec::new();
    for name in SUMMED.into_iter().chain([SUMS]) {
        // Keys of the first version have no sums.
        let is_here = (name != SUMS || place.file(name).exists()) && (name != IDENTITY || place.identity.is_none());
        if is_here {
            files.push(KeyFile { name: name.to_owned(), bytes: place.read(name)?.to_vec() });
        }
    }
    Ok(files)
}

/// Writes the files of a backup into a data directory that has no keys, and compares them.
///
/// # Errors
/// [`KeysFault`].
pub(crate) fn put_files(place: Place<'_>, files: &[KeyFile]) -> Result<Keys, KeysFault> {
    let directory = place.directory();
    let file = |source| KeysFault::File { path: directory.clone(), source };
    fs::DirBuilder::new().mode(0o700).create(&directory).map_err(file)?;
    for KeyFile { name, bytes } in files {
        let path = directory.join(name);
        if !SUMMED.contains(&name.as_str()) && name != SUMS {
            return Err(KeysFault::Damaged { path: directory });
        }
        write(&path, bytes)?;
    }
    disk::sync_directory(&directory).map_err(file)?;
    Keys::load(place)
}

/// Their place in the data directory.
pub(crate) const DIRECTORY: &str = "keys";
const IDENTITY: &str = "identity";
const PATH: &str = "path";
const ADMISSION: &str = "admission";
const CERTIFICATE: &str = "certificate.der";
const CERTIFICATE_KEY: &str = "certificate.key";
/// SHA-256 of the others, in this order, and of what stands before it: so that its own damage is not blamed on a key.
const SUMS: &str = "sums";
const SUMMED: [&str; 5] = [IDENTITY, PATH, ADMISSION, CERTIFICATE, CERTIFICATE_KEY];

/// Writes all keys beside the final directory, then renames it into place.
fn draw(place: Place<'_>, host: &str) -> Result<(), KeysFault> {
    let directory = place.beside().directory();
    let file = |source| KeysFault::File { path: directory.clone(), source };
    disk::remove_directory(&directory).map_err(file)?;
    fs::DirBuilder::new().mode(0o700).create(&directory).map_err(file)?;
    let secret = || Secret::<32>::random().map_err(|_| KeysFault::Randomness);
    if place.identity.is_none() {
        write(&directory.join(IDENTITY), secret()?.expose())?;
    }
    write(&directory.join(PATH), Secret::<16>::random().map_err(|_| KeysFault::Randomness)?.expose())?;
    write(&directory.join(ADMISSION), secret()?.expose())?;
    let (certificate, key) = self_signed(host).map_err(|_| KeysFault::Certificate)?;
    write(&directory.join(CERTIFICATE), certificate.der())?;
    write(&directory.join(CERTIFICATE_KEY), &Zeroizing::new(key.serialize_der()))?;
    seal(place.beside())?;
    fs::rename(&directory, place.directory()).and_then(|()| disk::sync_directory(place.data)).map_err(file)
}

/// Writes the sums of keys that are all there, and makes their names durable.
fn seal(place: Place<'_>) -> Result<(), KeysFault> {
    let mut sums = Vec::new();
    for name in SUMMED {
        sums.extend(Sha256::digest(&*place.read(name)?));
    }
    sums.extend(Sha256::digest(&sums));
    let directory = place.directory();
    write(&directory.join(SUMS), &sums)?;
    disk::sync_directory(&directory).map_err(|source| KeysFault::File { path: directory, source })
}

/// Puts each of two directories in the other's place, in one step.
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Compares each key with its sum. Keys of the first version have none, those of the second none of the sums.
fn compare_sums(place: Place<'_>) -> Result<(), KeysFault> {
    let path = place.file(SUMS);
    let sums = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read.map_err(|source| KeysFault::File { path: path.clone(), source })?,
    };
    let (sums, own) = sums.split_at_checked(SUMMED.len() * 32).unwrap_or((sums.as_slice(), b"cut short".as_slice()));
    if !own.is_empty() && own != Sha256::digest(sums).as_slice() {
        return Err(KeysFault::Damaged { path });
    }
    let mut sums = sums.chunks(32);
    for name in SUMMED {
        if sums.next() != Some(Sha256::digest(&*place.read(name)?).as_slice()) {
            return Err(KeysFault::Damaged { path: place.file(name) });
        }
    }
    Ok(())
}

/// A certificate like anybody's: rcgen's own subject and dates would let one scan find every relay.
fn self_signed(host: &str) -> Result<(rcgen::Certificate, rcgen::KeyPair), rcgen::Error> {
    let mut params = rcgen::CertificateParams::new([host.to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, host);
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2035, 1, 1);
    let key = rcgen::KeyPair::generate()?;
    Ok((params.self_signed(&key)?, key))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), KeysFault> {
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened
        .and_then(|mut opened| opened.write_all(bytes).and_then(|()| opened.sync_all()))
        .map_err(|source| KeysFault::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn here(data: &tempfile::TempDir) -> Place<'_> {
        Place::new(data.path(), None)
    }

    #[test]
    fn an_identity_that_is_kept_apart_is_in_no_backup_and_needed_to_be_that_relay() {
        let (data, apart) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Keys::load_or_draw(here(&data), "localhost").unwrap().public();
        let (here_it_was, file) = (data.path().join(DIRECTORY).join(IDENTITY), apart.path().join("credential"));
        fs::copy(&here_it_was, &file).unwrap();
        let place = Place::new(data.path(), Some(&file));
        assert!(place.has_identity_within());
        fs::remove_file(&here_it_was).unwrap();
        assert!(!place.has_identity_within());
        assert!(matches!(Keys::load(here(&data)), Err(KeysFault::Identity { path, .. }) if path == here_it_was));
        assert_eq!(Keys::load_or_draw(place, "localhost").unwrap().public(), first);
        let kept = files(place).unwrap();
        assert!(kept.iter().all(|one| one.name != IDENTITY) && kept.iter().any(|one| one.name == SUMS));
        Keys::rotate_admission(place).unwrap();
        assert_eq!(Keys::load(place).unwrap().public(), first);
        assert!(!here_it_was.exists());

        // Restored: with the identity it is that relay, without or with another it is none.
        let back = tempfile::tempdir().unwrap();
        put_files(Place::new(back.path(), Some(&file)), &kept).unwrap();
        assert!(matches!(Keys::load(here(&back)), Err(KeysFault::Identity { .. })));
        fs::write(&file, [7; 32]).unwrap();
        let other = Keys::load(Place::new(back.path(), Some(&file)));
        assert!(matches!(other, Err(KeysFault::Damaged { path }) if path == file));
    }

    #[test]
    fn keys_are_drawn_around_an_identity_that_is_kept_apart() {
        let (data, apart) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = apart.path().join("credential");
        let place = Place::new(data.path(), Some(&file));
        assert!(Keys::load_or_draw(place, "localhost").is_err(), "none is made in its place");
        fs::write(&file, [7; 32]).unwrap();
        let keys = Keys::load_or_draw(place, "localhost").unwrap();
        assert_eq!(keys.identity.to_bytes(), [7; 32]);
        assert!(!data.path().join(DIRECTORY).join(IDENTITY).exists());
    }

    #[test]
    fn the_second_start_finds_the_keys_of_the_first() {
        let data = tempfile::tempdir().unwrap();
        let first = Keys::load_or_draw(here(&data), "localhost").unwrap();
        let second = Keys::load_or_draw(here(&data), "localhost").unwrap();
        assert_eq!(first.public(), second.public());
        assert_eq!(first.path, second.path);
        assert_eq!(first.admission, second.admission);
    }

    #[test]
    fn only_the_operator_may_read_the_keys() {
        let data = tempfile::tempdir().unwrap();
        Keys::load_or_draw(here(&data), "localhost").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.path().join(DIRECTORY)), 0o700);
        for entry in fs::read_dir(data.path().join(DIRECTORY)).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn a_flipped_bit_in_any_key_is_said_by_the_files_name() {
        let data = tempfile::tempdir().unwrap();
        Keys::load_or_draw(here(&data), "localhost").unwrap();
        for name in SUMMED.into_iter().chain([SUMS]) {
            let file = data.path().join(DIRECTORY).join(name);
            let sound = fs::read(&file).unwrap();
            let mut flipped = sound.clone();
            flipped[7] ^= 1;
            fs::write(&file, flipped).unwrap();
            let found = Keys::load_or_draw(here(&data), "localhost").err();
            assert!(matches!(&found, Some(KeysFault::Damaged { path }) if *path == file), "{name}: {found:?}");
            fs::write(&file, sound).unwrap();
        }
    }

    #[test]
    fn sums_that_were_cut_short_are_named_and_those_of_the_second_version_are_read() {
        let data = tempfile::tempdir().unwrap();
        Keys::load_or_draw(here(&data), "localhost").unwrap();
        let file = data.path().join(DIRECTORY).join(SUMS);
        let sums = fs::read(&file).unwrap();
        for length in [0, 159, 161, 191] {
            fs::write(&file, &sums[..length]).unwrap();
            let found = Keys::load_or_draw(here(&data), "localhost").err();
            assert!(matches!(&found, Some(KeysFault::Damaged { path }) if *path == file), "{length}: {found:?}");
        }
        fs::write(&file, &sums[..160]).unwrap();
        assert!(Keys::load_or_draw(here(&data), "localhost").is_ok());
    }

    #[test]
    fn the_certificate_does_not_say_what_made_it() {
        let data = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_draw(here(&data), "relay.example").unwrap();
        let held = |text: &[u8]| keys.certificate.windows(text.len()).any(|part| part == text);
        assert!(held(b"relay.example"));
        assert!(!held(b"rcgen"));
    }

    #[test]
    fn a_damaged_key_is_not_replaced_in_silence() {
        let data = tempfile::tempdir().unwrap();
        Keys::load_or_draw(here(&data), "localhost").unwrap();
        fs::write(data.path().join(DIRECTORY).join(IDENTITY), b"short").unwrap();
        assert!(matches!(Keys::load_or_draw(here(&data), "localhost"), Err(KeysFault::Damaged { .. })));
    }
}
