//! Names that people read, without characters that would make them read something else.

use core::fmt;
use core::str::FromStr;

use minicbor::{Decode, Encode};

use crate::limits::MAX_NAME;

/// Why text is no name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameFault {
    /// Nothing but space, or space at an end.
    #[error("a name is not empty and neither begins nor ends with a space")]
    Blank,
    /// More characters than a name may have.
    #[error("a name has at most {max} characters")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// It holds a control character, an invisible one, or one that turns the direction of writing.
    #[error("a name holds an invisible character")]
    Invisible,
}

/// Declares a name type: 1 to [`MAX_NAME`] characters that can all be seen.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameFault;

            fn from_str(text: &str) -> Result<Self, NameFault> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let at = d.position();
                d.str()?.parse().map_err(|_| minicbor::decode::Error::message("name is refused").at(at))
            }
        }
    };
}

name! {
    /// What a member calls themselves on a card. `Debug` does not print it.
    Pseudonym
}

name! {
    /// Name of an alliance, a union or a conversation. `Debug` does not print it.
    Name
}

fn check(text: &str) -> Result<(), NameFault> {
    if text.trim().len() != text.len() || text.is_empty() {
        return Err(NameFault::Blank);
    }
    if text.chars().count() > MAX_NAME {
        return Err(NameFault::TooLong { max: MAX_NAME });
    }
    if text.chars().any(is_invisible) { Err(NameFault::Invisible) } else { Ok(()) }
}

/// Controls, soft hyphen, zero-width and bidirectional characters, line and paragraph separators, fillers, variation
/// selectors, private use and tags: what would let one name look like another, or turn the text around it.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_letters_of_every_language() {
        for text in ["Ana", "Zoë Peña", "Łucja", "María-José", "Юлия", "李", "local 6500"] {
            assert_eq!(text.parse::<Pseudonym>().map(|name| name.as_str().to_owned()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_name_that_hides_something_is_refused() {
        for text in ["a\u{202e}b", "a\u{200b}b", "a\nb", "a\u{7}", "\u{feff}a", "a\u{2066}b"] {
            assert_eq!(text.parse::<Name>(), Err(NameFault::Invisible), "{}", text.escape_unicode());
        }
    }

    #[test]
    fn a_blank_or_long_name_is_refused() {
        for text in ["", " ", " a", "a ", "\u{a0}a"] {
            assert_eq!(text.parse::<Name>(), Err(NameFault::Blank));
        }
        assert!("é".repeat(MAX_NAME).parse::<Name>().is_ok());
        assert_eq!("é".repeat(MAX_NAME + 1).parse::<Name>(), Err(NameFault::TooLong { max: MAX_NAME }));
    }

    #[test]
    fn a_name_does_not_print_itself() {
        assert_eq!(format!("{:?}", "Ana".parse::<Pseudonym>().unwrap()), "Pseudonym");
    }
}
