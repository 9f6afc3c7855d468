//! Words that people write, and the language they are in.

use core::fmt;
use core::str::FromStr;

use minicbor::{Decode, Encode};

use crate::limits::{MAX_LANGUAGE, MAX_NOTE, MAX_TEXT};

/// Why text is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextFault {
    /// Over the limit in bytes of UTF-8.
    #[error("a text is longer than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// It holds a control character other than newline and tab, which could steer a terminal.
    #[error("a text holds a control character")]
    Control,
}

/// Declares a type for text of bounded length without control characters. `Debug` does not print it.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $max:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Default)]
        pub struct $name(String);

        impl $name {
            /// What a person typed: line ends become newlines, other control characters go.
            ///
            /// # Errors
            /// [`TextFault::TooLong`].
            pub fn typed(text: &str) -> Result<Self, TextFault> {
                text.replace("\r\n", "\n").chars().filter(|c| !is_refused(*c)).collect::<String>().parse()
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextFault;

            fn from_str(text: &str) -> Result<Self, TextFault> {
                if text.len() > $max {
                    return Err(TextFault::TooLong { max: $max });
                }
                if text.chars().any(is_refused) { Err(TextFault::Control) } else { Ok(Self(text.to_owned())) }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        carried_as_text!($name, "text is refused");
    };
}

/// Encodes a type as its text and decodes it by `FromStr`.
macro_rules! carried_as_text {
    ($name:ident, $refusal:literal) => {
        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(self.as_str())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let at = d.position();
                d.str()?.parse().map_err(|_| minicbor::decode::Error::message($refusal).at(at))
            }
        }
    };
}
pub(super) use carried_as_text;

text! {
    /// A text of a message or an alert, at most [`MAX_TEXT`] bytes.
    Text, MAX_TEXT
}

text! {
    /// A few words beside a request, at most [`MAX_NOTE`] bytes.
    Note, MAX_NOTE
}

fn is_refused(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

/// Text is no language tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a language tag has letters, digits and hyphens")]
pub struct LanguageFault;

/// A language tag (RFC 5646): `en`, `es`, `fr`, `pt` or any other, in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Language(String);

impl Language {
    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Language {
    type Err = LanguageFault;

    fn from_str(text: &str) -> Result<Self, LanguageFault> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let known_form = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(allowed);
        if known_form && (2..=MAX_LANGUAGE).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(LanguageFault)
        }
    }
}

carried_as_text!(Language, "language tag is refused");
