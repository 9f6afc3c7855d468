//! A needle and the forms in which it could lie around.

use core::fmt;

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use zeroize::Zeroizing;

/// Shortest needle in bytes: a shorter one would be found by chance.
pub const MIN_NEEDLE: usize = 12;

/// How a needle's bytes are written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Form {
    /// As they are.
    Raw,
    /// Two bytes a character, low byte first.
    Utf16Le,
    /// Two bytes a character, high byte first.
    Utf16Be,
    /// Hexadecimal, small letters.
    HexLower,
    /// Hexadecimal, capital letters.
    HexUpper,
    /// Numbers between commas, as Rust prints bytes for those who debug.
    Decimal,
    /// Base64, standard alphabet, when this many bytes precede in its group of three.
    Base64(u8),
    /// Base64, alphabet for addresses, when this many bytes precede in its group of three.
    Base64Url(u8),
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 12] = [
        Self::Raw,
        Self::Utf16Le,
        Self::Utf16Be,
        Self::HexLower,
        Self::HexUpper,
        Self::Decimal,
        Self::Base64(0),
        Self::Base64(1),
        Self::Base64(2),
        Self::Base64Url(0),
        Self::Base64Url(1),
        Self::Base64Url(2),
    ];
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw => f.write_str("raw"),
            Self::Utf16Le => f.write_str("UTF-16LE"),
            Self::Utf16Be => f.write_str("UTF-16BE"),
            Self::HexLower => f.write_str("hex"),
            Self::HexUpper => f.write_str("HEX"),
            Self::Decimal => f.write_str("decimal"),
            Self::Base64(shift) => write!(f, "base64+{shift}"),
            Self::Base64Url(shift) => write!(f, "base64url+{shift}"),
        }
    }
}

/// Why bytes are no needle.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NeedleFault {
    /// Too short to mean anything when found.
    #[error("the needle {name:?} has {length} bytes; it needs at least {MIN_NEEDLE}")]
    TooShort {
        /// What it is.
        name: String,
        /// Its length.
        length: usize,
    },
}

/// Something that must not be found.
pub struct Needle {
    name: String,
    bytes: Zeroizing<Vec<u8>>,
}

impl Needle {
    /// Names bytes that must not be found.
    ///
    /// # Errors
    /// [`NeedleFault::TooShort`].
    pub fn new(name: impl Into<String>, bytes: &[u8]) -> Result<Self, NeedleFault> {
        let name = name.into();
        if bytes.len() < MIN_NEEDLE {
            return Err(NeedleFault::TooShort { name, length: bytes.len() });
        }
        Ok(Self { name, bytes: Zeroizing::new(bytes.to_vec()) })
    }

    /// What it is, in words.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The needle written in a form.
    #[must_use]
    pub fn written(&self, form: Form) -> Vec<u8> {
        match form {
            Form::Raw => self.bytes.to_vec(),
            Form::Utf16Le => self.units().flat_map(u16::to_le_bytes).collect(),
            Form::Utf16Be => self.units().flat_map(u16::to_be_bytes).collect(),
            Form::HexLower => HEXLOWER.encode(&self.bytes).into_bytes(),
            Form::HexUpper => HEXUPPER.encode(&self.bytes).into_bytes(),
            Form::Decimal => self.bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ").into_bytes(),
            Form::Base64(shift) => self.base64(&BASE64, shift),
            Form::Base64Url(shift) => self.base64(&BASE64URL, shift),
        }
    }

    /// The needle in every form.
    pub fn forms(&self) -> impl Iterator<Item = (Form, Vec<u8>)> {
        Form::ALL.into_iter().map(|form| (form, self.written(form)))
    }

    /// Text as UTF-16 units; bytes that are no text, one unit each.
    fn units(&self) -> Box<dyn Iterator<Item = u16> + '_> {
        match core::str::from_utf8(&self.bytes) {
            Ok(text) => Box::new(text.encode_utf16()),
            Err(_) => Box::new(self.bytes.iter().copied().map(u16::from)),
        }
    }

    /// Only the characters that no neighbouring byte changes: 6 bits each, cut where a character is shared.
    fn base64(&self, alphabet: &data_encoding::Encoding, shift: u8) -> Vec<u8> {
        let shift = usize::from(shift);
        let padded = Zeroizing::new([vec![0; shift], self.bytes.to_vec()].concat());
        let text = alphabet.encode(&padded).into_bytes();
        let (from, to) = ((shift * 8).div_ceil(6), (padded.len() * 8) / 6);
        text.get(from..to).unwrap_or_default().to_vec()
    }
}

impl fmt::Debug for Needle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Needle({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_a_needle_among_any_neighbours_holds_one_of_its_three_forms() {
        for length in MIN_NEEDLE..20 {
            let bytes: Vec<u8> = (0..length).map(|i| u8::try_from(i * 37 % 251).unwrap()).collect();
            let needle = Needle::new("n", &bytes).unwrap();
            for before in 0..7 {
                for after in 0..4 {
                    let whole = [vec![0xfb; before], bytes.clone(), vec![0xd9; after]].concat();
                    for (encoding, form) in [
                        (BASE64, Form::Base64(u8::try_from(before % 3).unwrap())),
                        (BASE64URL, Form::Base64Url(u8::try_from(before % 3).unwrap())),
                    ] {
                        let text = encoding.encode(&whole).into_bytes();
                        let wanted = needle.written(form);
                        assert!(wanted.len() >= MIN_NEEDLE, "the form is too short to mean anything");
                        assert!(text.windows(wanted.len()).any(|window| window == wanted), "{length} {before} {after}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_short_needle_is_refused() {
        assert!(matches!(Needle::new("short", b"eleven byte"), Err(NeedleFault::TooShort { length: 11, .. })));
    }
}
