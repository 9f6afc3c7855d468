//! Links and codes that one person hands to another: as text, and to be scanned.

use std::io::IsTerminal;

use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;

use super::failure::Stop;
use super::session::Session;

/// Light modules around the code, which scanners need; the standard's four would not fit 24 lines with the words.
const MARGIN: usize = 2;

#[derive(Serialize)]
struct Link<'a> {
    link: &'a str,
    days: u32,
}

/// Prints a link with what to do with it, and a picture of it where there is a terminal.
pub(crate) fn print(session: &mut Session<'_>, says: &str, link: &str, days: u32) -> Result<(), Stop> {
    if session.screen.is_json() {
        return session.screen.object(&Link { link, days });
    }
    let once = session.screen.words().msg_link_once(days);
    session.screen.line(says)?;
    session.screen.line(&format!("\n{link}\n"))?;
    if let Some(picture) = std::io::stdout().is_terminal().then(|| picture(link)).flatten() {
        session.screen.text(&picture)?;
    }
    session.screen.line(&once)
}

/// The code in half blocks, black on white whatever the terminal's colours are. Links read the same in capitals, and
/// capitals make a smaller picture.
fn picture(link: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(link.to_ascii_uppercase(), EcLevel::L).ok()?;
    let (colors, width) = (code.to_colors(), code.width());
    let is_dark = |x: usize, y: usize| {
        let inside = x.checked_sub(MARGIN).zip(y.checked_sub(MARGIN)).filter(|(x, y)| *x < width && *y < width);
        inside.and_then(|(x, y)| colors.get(y * width + x)).is_some_and(|color| *color == Color::Dark)
    };
    let side = width + 2 * MARGIN;
    let rows = (0..side).step_by(2).map(|y| {
        let blocks = (0..side).map(|x| match (is_dark(x, y), is_dark(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
        format!("\u{1b}[30;107m{}\u{1b}[0m\n", blocks.collect::<String>())
    });
    Some(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_usual_length_fits_a_terminal_of_80_by_24() {
        let link = format!("relevo://join/relay.example.org/{}", "a".repeat(144));
        let picture = picture(&link).unwrap();
        let widest = picture.lines().map(|line| line.chars().count()).max().unwrap() - "\u{1b}[30;107m\u{1b}[0m".len();
        assert!(widest <= 80 && picture.lines().count() <= 24, "{widest} by {}", picture.lines().count());
    }
}
