//! What comes by standard input instead of the command line, where other programs of the device can see it.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use tokio::task::spawn_blocking;

use super::failure::{Failure, Stop};
use super::screen::Screen;

/// Bytes of a text, one more than may be sent, so that a longer one is refused and not cut.
const LONGEST: u64 = 16 * 1024 + 1;

/// A link, code or address: asked for where somebody sits at a terminal, else one line of the input. As typed, if it was
/// typed after the command in spite of the warning there.
pub(crate) async fn secret(typed: Option<String>, question: String, screen: &Screen) -> Result<String, Stop> {
    let piped = match typed {
        Some(typed) if typed != "-" => return Ok(typed),
        Some(_) => true,
        None => !io::stdin().is_terminal(),
    };
    if !piped && screen.is_json() {
        // Nobody is asked anything by a program.
        return Err(Failure::of("nothing-given").into());
    }
    apart(move || {
        if !piped {
            // Beside standard output, as passphrases are asked for.
            let _ = write!(io::stderr(), "{question}");
        }
        line().ok_or_else(|| Failure::of("nothing-given").into())
    })
    .await
}

fn line() -> Option<String> {
    let mut line = String::new();
    io::stdin().lock().take(LONGEST).read_line(&mut line).ok()?;
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// A text: all of the input, without its last line ending.
pub(crate) async fn text() -> Result<String, Stop> {
    apart(|| {
        let mut text = String::new();
        io::stdin().lock().take(LONGEST).read_to_string(&mut text).map_err(|_| Failure::of("no-input"))?;
        let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        if text.is_empty() { Err(Failure::of("no-input").into()) } else { Ok(text.to_owned()) }
    })
    .await
}

/// Waits on a thread of its own, so that Ctrl-C ends the waiting.
async fn apart(read: impl FnOnce() -> Result<String, Stop> + Send + 'static) -> Result<String, Stop> {
    spawn_blocking(read).await.unwrap_or_else(|_| Err(Failure::of("no-input").into()))
}
