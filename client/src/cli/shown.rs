//! Text of others made harmless before it reaches a terminal: it can neither move the cursor nor turn the writing around
//! it nor pretend to be a line of ours.

const REPLACEMENT: char = '\u{fffd}';

/// A name on one line: what cannot be seen shows as U+FFFD.
pub(crate) fn name(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || is_harmful(c) { REPLACEMENT } else { c }).collect()
}

/// A text, whose further lines are indented under its first.
pub(crate) fn text(text: &str, indent: &str) -> String {
    let lines = text.lines().map(|line| {
        let line: String = line.chars().map(|c| if c != '\t' && is_harmful(c) { REPLACEMENT } else { c }).collect();
        line
    });
    lines.collect::<Vec<_>>().join(&format!("\n{indent}"))
}

/// JSON whose strings hold no character that a terminal would obey: such a one is written as its number.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls, line separators, and marks that change the direction of writing. Joiners stay: emoji and Indic need them.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor_or_turn_the_writing() {
        assert_eq!(name("Qui\u{1b}[2Jlla\u{202e}\n\u{9b}A"), "Qui\u{fffd}[2Jlla\u{fffd}\u{fffd}\u{fffd}A");
        assert_eq!(name("Zoë Peña, 李"), "Zoë Peña, 李");
    }

    #[test]
    fn a_text_keeps_its_lines_but_cannot_look_like_ours() {
        assert_eq!(text("one\nMistral: two\r\u{7}", "  "), "one\n  Mistral: two\u{fffd}\u{fffd}");
        assert_eq!(text("👩‍🔧 a\tb", "  "), "👩‍🔧 a\tb");
    }

    #[test]
    fn json_stays_json_and_says_the_same() {
        let object = serde_json::json!({ "text": "a\u{202e}b\u{9b}c\nd" });
        let shown = json(&object.to_string());
        assert!(shown.is_ascii());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), object);
    }
}
