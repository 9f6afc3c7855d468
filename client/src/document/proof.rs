//! A document and its proof, to be checked anywhere, offline, with no account.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use relevo_protocol::content::{Attested, Bundle, BundleFault};
use relevo_protocol::limits::MAX_BUNDLE;
use relevo_protocol::trust::{AllianceId, Signed};

use super::{DocumentFault, DocumentView, Download, Parts, digest, save};

/// Ending of a proof's name.
const ENDING: &str = "relevo-proof";

/// Writes the document and its proof into a folder, which is made if it is missing. Gives the file's path.
///
/// # Errors
/// Those of [`save`].
pub fn export(
    document: &DocumentView,
    download: &Download,
    parts: &Parts,
    folder: &Path,
) -> Result<PathBuf, DocumentFault> {
    fs::create_dir_all(folder)?;
    let name = document.manifest.name.as_str();
    let (file, proof) = (folder.join(name), folder.join(format!("{name}.{ENDING}")));
    if proof.try_exists()? {
        return Err(DocumentFault::Exists);
    }
    let bundle = Bundle { manifest: Signed::decode(document.manifest.bytes())?, author: document.author.clone() };
    save(download, parts, &file)?;
    fs::write(proof, bundle.to_file())?;
    Ok(file)
}

/// What a proof proves about a file.
#[derive(Clone, Debug)]
pub struct Attestation {
    /// What was signed and by whom.
    pub attested: Attested,
    /// The alliance whose member signed. When the caller named none, it is the proof's own word: compare its words.
    pub alliance: AllianceId,
    /// The file that was checked.
    pub file: PathBuf,
}

/// Checks the document in a folder against the proof beside it. `path` is the folder or the proof. Without `alliance`
/// the proof's own is taken, and whoever reads the answer has to compare the alliance's words.
///
/// # Errors
/// [`DocumentFault::NoProof`], [`DocumentFault::Bundle`].
pub fn verify(path: &Path, alliance: Option<&AllianceId>) -> Result<Attestation, DocumentFault> {
    let proof = if path.is_dir() { proof_in(path)? } else { path.to_owned() };
    let file = match (proof.extension(), proof.file_stem()) {
        (Some(ending), Some(stem)) if ending == OsStr::new(ENDING) => proof.with_file_name(stem),
        _ => return Err(DocumentFault::NoProof),
    };
    let length = fs::metadata(&proof)?.len();
    if usize::try_from(length).map_or(true, |length| length > MAX_BUNDLE) {
        return Err(BundleFault::Malformed.into());
    }
    let bundle = Bundle::from_file(&fs::read(&proof)?)?;
    let found = digest(&mut File::open(&file)?)?;
    let own = bundle.author.charters.first().map(|first| AllianceId(first.hash())).ok_or(BundleFault::Malformed)?;
    let alliance = alliance.copied().unwrap_or(own);
    let attested = bundle.verify(&alliance, found.size, &found.sha256)?;
    Ok(Attestation { attested, alliance, file })
}

fn proof_in(folder: &Path) -> Result<PathBuf, DocumentFault> {
    let mut found = None;
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.extension() == Some(OsStr::new(ENDING)) && found.replace(path).is_some() {
            return Err(DocumentFault::NoProof);
        }
    }
    found.ok_or(DocumentFault::NoProof)
}
