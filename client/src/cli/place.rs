//! Where the vault lies when nobody says.

use std::path::PathBuf;

use super::arguments::Global;
use super::failure::{Failure, Stop};

/// The folder that `--vault` names, else `relevo` in the folder for programs' data (XDG Base Directory Specification).
pub(crate) fn vault(global: &Global) -> Result<PathBuf, Stop> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match &global.vault {
        Some(folder) => Ok(folder.clone()),
        None => named("XDG_DATA_HOME")
            .or_else(|| named("HOME").map(|home| home.join(".local/share")))
            .map(|data| data.join("relevo"))
            .ok_or_else(|| Failure::of("no-home").into()),
    }
}
