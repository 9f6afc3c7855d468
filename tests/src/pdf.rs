//! Writes a PDF with many pages of text, big enough to be worth resuming: what a scanned agreement is to the demo.

use std::fmt::Write;

use anyhow::Context;

/// Characters of filler in one line of a page.
const LINE: usize = 84;
/// Lines on one page.
const LINES: usize = 52;

/// A valid PDF (ISO 32000-1, 7.5) of at least `size` bytes. Each page begins with `heading`; its lines are random, so
/// that nothing on the way can shrink it, and `needle` stands on every page.
///
/// # Errors
/// The operating system gave no randomness.
pub fn generate(heading: &str, needle: &str, size: usize) -> anyhow::Result<Vec<u8>> {
    let mut out = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut offsets = Vec::new();
    let mut object = |out: &mut Vec<u8>, body: &[u8]| {
        offsets.push(out.len());
        let number = offsets.len();
        out.extend(format!("{number} 0 obj\n").into_bytes());
        out.extend(body);
        out.extend(b"\nendobj\n");
        number
    };
    // Objects 1 and 2 are the catalogue and the font; the page tree is the last, when the pages are known.
    let page_size = LINES * (LINE + 16);
    let pages = size.div_ceil(page_size).max(1);
    let tree = 2 + 2 * pages + 1;
    object(&mut out, format!("<< /Type /Catalog /Pages {tree} 0 R >>").as_bytes());
    object(&mut out, b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>");
    let mut kids = String::new();
    for page in 1..=pages {
        let content = content(heading, needle, page, pages)?;
        let mut stream = format!("<< /Length {} >>\nstream\n", content.len()).into_bytes();
        stream.extend(content);
        stream.extend(b"\nendstream");
        let stream = object(&mut out, &stream);
        let page = object(
            &mut out,
            format!(
                "<< /Type /Page /Parent {tree} 0 R /MediaBox [0 0 595 842] /Contents {stream} 0 R \
                 /Resources << /Font << /F1 2 0 R >> >> >>"
            )
            .as_bytes(),
        );
        write!(kids, "{page} 0 R ")?;
    }
    let last = object(&mut out, format!("<< /Type /Pages /Kids [ {kids}] /Count {pages} >>").as_bytes());
    anyhow::ensure!(last == tree, "the page tree is not where the catalogue looks for it");
    let table = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1).into_bytes());
    for offset in &offsets {
        out.extend(format!("{offset:010} 00000 n \n").into_bytes());
    }
    let size = offsets.len() + 1;
    out.extend(format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n").into_bytes());
    Ok(out)
}

fn content(heading: &str, needle: &str, page: usize, pages: usize) -> anyhow::Result<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,";
    let mut text =
        format!("BT /F1 9 Tf 40 800 Td 14 TL\n({heading}, {page}/{pages}) Tj T*\n({needle}) Tj T*\n").into_bytes();
    let mut random = [0; LINE];
    for _ in 0..LINES {
        getrandom::fill(&mut random).context("the operating system gave no randomness")?;
        text.push(b'(');
        text.extend(random.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 64))));
        text.extend(b") Tj T*\n");
    }
    text.extend(b"ET");
    Ok(text)
}
