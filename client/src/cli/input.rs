//! What comes by standard input instead of the command line, where other programs of the device can see it.

use std::io::{self, BufRead, Read};

use super::failure::{Failure, Stop};

/// Bytes of a text, one more than may be sent, so that a longer one is refused and not cut.
const LONGEST: u64 = 16 * 1024 + 1;

/// A link, code or address: as typed, or one line of the input for `-`.
pub(crate) fn secret(typed: String) -> Result<String, Stop> {
    if typed != "-" {
        return Ok(typed);
    }
    let mut line = String::new();
    let read = io::stdin().lock().take(LONGEST).read_line(&mut line);
    let line = line.trim();
    if read.is_err() || line.is_empty() { Err(Failure::of("no-input").into()) } else { Ok(line.to_owned()) }
}

/// A text: all of the input, without its last line ending.
pub(crate) fn text() -> Result<String, Stop> {
    let mut text = String::new();
    io::stdin().lock().take(LONGEST).read_to_string(&mut text).map_err(|_| Failure::of("no-input"))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() { Err(Failure::of("no-input").into()) } else { Ok(text.to_owned()) }
}
