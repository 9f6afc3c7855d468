//! Curves as a picture: one panel each, sizes from left to right by powers of ten, amounts from nought upwards.

use std::fmt::Write;

use crate::report::number;

/// What grows, with its unit, and a point for each size.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) title: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 240.0;
/// Of a panel: left, right, above and below its field.
const MARGIN: (f64, f64, f64, f64) = (20.0, 40.0, 50.0, 40.0);
const COLUMNS: usize = 2;

/// The curves as SVG, two beside each other.
pub(crate) fn svg(curves: &[Curve]) -> anyhow::Result<String> {
    let (mut out, mut panels) = (String::new(), String::new());
    let (mut column, mut row) = (0, 0);
    let (mut left, mut top) = (0.0, 0.0);
    for curve in curves {
        panel(&mut panels, curve, left, top)?;
        column += 1;
        left += WIDTH;
        if column == COLUMNS {
            (column, left) = (0, 0.0);
            row += 1;
            top = HEIGHT * f64::from(row);
        }
    }
    let height = if column == 0 { top } else { top + HEIGHT };
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{height}" font-family="sans-serif" font-size="12">
<rect width="{0}" height="{height}" fill="#fff"/>"##,
        2.0 * WIDTH
    )?;
    out.push_str(&panels);
    out.push_str("</svg>\n");
    Ok(out)
}

fn panel(out: &mut String, Curve { title, points }: &Curve, left: f64, top: f64) -> anyhow::Result<()> {
    let (before, behind, above, below) = MARGIN;
    let most = points.iter().map(|(_, amount)| *amount).fold(f64::MIN_POSITIVE, f64::max);
    let sizes = || points.iter().map(|(size, _)| size.log10());
    let (first, last) = (sizes().fold(f64::MAX, f64::min), sizes().fold(f64::MIN, f64::max));
    let x = |size: f64| {
        left + before + (size.log10() - first) / (last - first).max(f64::EPSILON) * (WIDTH - before - behind)
    };
    let y = |amount: f64| top + above + (1.0 - amount / most) * (HEIGHT - above - below);
    writeln!(out, r#"<text x="{}" y="{}" font-weight="bold">{title}</text>"#, left + before, top + 24.0)?;
    let (floor, end) = (y(0.0), left + WIDTH - behind);
    writeln!(out, r##"<path d="M{} {floor}H{end}" stroke="#666"/>"##, left + before)?;
    let line: Vec<String> = points.iter().map(|(size, amount)| format!("{:.1},{:.1}", x(*size), y(*amount))).collect();
    writeln!(out, r##"<polyline points="{}" fill="none" stroke="#06c" stroke-width="2"/>"##, line.join(" "))?;
    for (size, amount) in points {
        let (at, height) = (x(*size), y(*amount));
        writeln!(out, r##"<circle cx="{at:.1}" cy="{height:.1}" r="3" fill="#06c"/>"##)?;
        writeln!(out, r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"#, height - 8.0, number(*amount))?;
        writeln!(
            out,
            r##"<text x="{at:.1}" y="{:.1}" text-anchor="middle" fill="#666">{}</text>"##,
            floor + 18.0,
            number(*size)
        )?;
    }
    Ok(())
}
