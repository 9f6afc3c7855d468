//! Fixed-size secrets: wiped on drop, never copied by accident, never printed.

use core::fmt;

use minicbor::{Decode, Encode};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `N` secret bytes. No `Clone`, no `Serialize`; `Debug` prints `Secret`; equality takes constant time.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes the bytes over. The caller wipes its own copy, if it keeps one.
    #[must_use]
    pub fn new(bytes: [u8; N]) -> Self {
        Self(Box::new(bytes))
    }

    /// Draws `N` bytes from the operating system.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut secret = Self::new([0; N]);
        crate::random::fill(secret.0.as_mut_slice())?;
        Ok(secret)
    }

    /// The bytes, for the one computation that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// A second owner of the same secret, on purpose: written out so that a reader sees it.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Gives a secret a name of its own, so that it cannot be taken for another, and what all of them have.
macro_rules! named_secret {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] $crate::secret::Secret<$length>);

        impl $name {
            /// Wraps secret bytes, drawn at random or derived under a label of their own.
            #[must_use]
            pub fn new(secret: $crate::secret::Secret<$length>) -> Self {
                Self(secret)
            }

            /// Draws a new one from the operating system.
            ///
            /// # Errors
            /// The operating system gave no randomness.
            pub fn random() -> Result<Self, getrandom::Error> {
                $crate::secret::Secret::random().map(Self)
            }

            /// The secret bytes, for the one computation or the one store that needs them.
            #[must_use]
            pub fn expose(&self) -> &[u8; $length] {
                self.0.expose()
            }

            /// A second holder of the same secret, on purpose.
            #[must_use]
            pub fn duplicate(&self) -> Self {
                Self(self.0.duplicate())
            }
        }
    };
}
pub(crate) use named_secret;

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<C, const N: usize> Encode<C> for Secret<N> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.0.as_slice())?.ok()
    }
}

impl<'b, C, const N: usize> Decode<'b, C> for Secret<N> {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        let bytes: [u8; N] =
            d.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("secret of another length").at(at))?;
        Ok(Self::new(bytes))
    }
}
