//! `relevo init`: a vault and its member.

use std::io::{self, IsTerminal, Write};

use relevo_protocol::trust::Pseudonym;
use serde::Serialize;

use super::arguments::Global;
use super::failure::{Failure, Stop};
use super::screen::Screen;
use super::{passphrase, place, session, shown};
use crate::account::Account;
use crate::vault::{Cost, Vault, VaultFault};

#[derive(Serialize)]
struct Made<'a> {
    vault: String,
    pseudonym: &'a str,
}

/// Makes the vault, and says what its owner must know once.
pub(crate) fn make(global: &Global, pseudonym: Option<String>, screen: &mut Screen) -> Result<(), Stop> {
    let folder = place::vault(global)?;
    // Before anybody thinks up a passphrase in vain.
    match Vault::look(&folder) {
        Ok(()) => return Err(VaultFault::Exists.into()),
        Err(VaultFault::NotFound | VaultFault::HalfMade) => {}
        Err(fault) => return Err(fault.into()),
    }
    let pseudonym: Pseudonym = match pseudonym {
        Some(name) => name,
        None => asked(screen)?,
    }
    .parse()
    .map_err(|_| Failure::of("name-refused"))?;
    let passphrase = passphrase::choose(global, screen.words())?;
    session::runtime()?.block_on(async {
        Account::create(&folder, &passphrase, Cost::DEFAULT, &pseudonym)?.close().await;
        Ok::<(), Stop>(())
    })?;
    if screen.is_json() {
        return screen.object(&Made { vault: folder.to_string_lossy().into_owned(), pseudonym: pseudonym.as_str() });
    }
    let words = screen.words();
    let lines = [
        words.msg_init_made(shown::name(&folder.to_string_lossy()), shown::name(pseudonym.as_str())),
        words.msg_init_passphrase(),
        words.msg_init_employer(),
        words.msg_init_next(),
    ];
    lines.iter().try_for_each(|line| screen.line(line))
}

fn asked(screen: &mut Screen) -> Result<String, Stop> {
    if !io::stdin().is_terminal() || screen.is_json() {
        let missing = screen.words().msg_usage_missing("--pseudonym <PSEUDONYM>");
        return Err(Failure::usage(missing, screen.words().msg_usage_see("relevo init")).into());
    }
    // To standard error, as passphrases are asked for beside standard output too.
    let _ = write!(io::stderr(), "{}", screen.words().msg_prompt_pseudonym());
    let mut name = String::new();
    io::stdin().read_line(&mut name).map_err(|_| Failure::of("no-input"))?;
    Ok(name.trim().to_owned())
}
