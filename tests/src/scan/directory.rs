//! Looks through every file below a folder, and its names.

use std::fs::{File, read_dir};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Context;

use super::{Findings, Scanner};

/// What a scan of a folder read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DirectoryScan {
    /// What was found.
    pub findings: Findings,
    /// Files read to their ends.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
}

impl Scanner {
    /// Looks through a folder and all below it. A file that cannot be read is an error: silence would look like success.
    ///
    /// # Errors
    /// A file or folder could not be read.
    pub fn directory(&self, folder: &Path) -> anyhow::Result<DirectoryScan> {
        let mut scan = DirectoryScan::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for item in read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
                let item = item?;
                let place = item.path().display().to_string();
                self.bytes(&place, item.file_name().as_bytes(), &mut scan.findings);
                let kind = item.file_type()?;
                if kind.is_dir() {
                    folders.push(item.path());
                } else if kind.is_file() {
                    self.file(&item.path(), &mut scan)?;
                }
            }
        }
        Ok(scan)
    }

    /// Looks through one file.
    ///
    /// # Errors
    /// It could not be read.
    pub fn file(&self, file: &Path, scan: &mut DirectoryScan) -> anyhow::Result<()> {
        let place = file.display().to_string();
        let mut file = File::open(file).with_context(|| format!("cannot read {place}"))?;
        scan.bytes += self.stream(&place, &mut scan.findings, |buffer| file.read(buffer))?;
        scan.files += 1;
        Ok(())
    }
}
