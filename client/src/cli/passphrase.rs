//! How the passphrase comes in: by prompt, file or descriptor. Never by argument or environment, which other programs
//! and the shell's history can see.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::arguments::Global;
use super::failure::{Failure, Stop};
use crate::i18n::L10nLanguage;
use crate::vault::Passphrase;

/// Bytes read at most: far more than anybody types, far less than a file named by mistake.
const LONGEST: u64 = 4096;

/// The passphrase of a vault that is there.
pub(crate) fn ask(global: &Global, words: &L10nLanguage) -> Result<Passphrase, Stop> {
    let typed = match given(global)? {
        Some(given) => given,
        None => prompt(&words.msg_prompt_passphrase())?,
    };
    not_empty(typed)
}

/// The passphrase of a vault that is being made: typed twice, since a slip would lock its owner out for ever.
pub(crate) fn choose(global: &Global, words: &L10nLanguage) -> Result<Passphrase, Stop> {
    if let Some(given) = given(global)? {
        return not_empty(given);
    }
    let first = prompt(&words.msg_prompt_new_passphrase())?;
    if first.is_empty() {
        return not_empty(first);
    }
    let again = prompt(&words.msg_prompt_again())?;
    if *first == *again { not_empty(first) } else { Err(Failure::of("passphrase-differs").into()) }
}

fn not_empty(mut typed: Zeroizing<String>) -> Result<Passphrase, Stop> {
    let passphrase = Passphrase::new(std::mem::take(&mut *typed));
    if passphrase.is_empty() { Err(Failure::of("passphrase-empty").into()) } else { Ok(passphrase) }
}

fn given(global: &Global) -> Result<Option<Zeroizing<String>>, Stop> {
    let path = match (&global.passphrase_file, global.passphrase_fd) {
        (Some(file), _) => file.clone(),
        // The kernel's own name for a descriptor: no unsafe adoption of a number somebody typed.
        (None, Some(number)) => PathBuf::from(format!("/dev/fd/{number}")),
        (None, None) => return Ok(None),
    };
    let read = File::open(path).and_then(read_line);
    read.map(Some).map_err(|_| Failure::of("passphrase-unreadable").into())
}

/// All of a file, without the ending of its one line.
fn read_line(source: impl Read) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or_default() + 1));
    source.take(LONGEST + 1).read_to_end(&mut bytes)?;
    let ended = bytes.strip_suffix(b"\n").map_or(bytes.as_slice(), |line| line.strip_suffix(b"\r").unwrap_or(line));
    let text = std::str::from_utf8(ended).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    if text.contains(['\n', '\0']) || bytes.len() > usize::try_from(LONGEST).unwrap_or_default() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn prompt(question: &str) -> Result<Zeroizing<String>, Stop> {
    let typed = rpassword::prompt_password(question).map_err(|error| {
        let ended = error.kind() == io::ErrorKind::UnexpectedEof;
        Failure::of(if ended { "passphrase-empty" } else { "passphrase-no-terminal" })
    })?;
    Ok(Zeroizing::new(typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_ending_is_not_part_of_the_passphrase() {
        for (bytes, passphrase) in [("a b\n", "a b"), ("a b\r\n", "a b"), ("a b", "a b"), (" a \n", " a "), ("\n", "")]
        {
            assert_eq!(*read_line(bytes.as_bytes()).unwrap(), passphrase);
        }
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused() {
        assert!(read_line(&b"two\nlines\n"[..]).is_err());
        assert!(read_line(&[0xff, 0xfe, 0x00][..]).is_err());
        assert!(read_line(&[b'a'; 4097][..]).is_err());
    }
}
