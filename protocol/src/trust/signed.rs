//! Objects signed by one key (`COSE_Sign1`, RFC 9052, 4.2), and what is left of any signed object once it is verified.

use core::fmt;
use core::ops::Deref;
use std::sync::Arc;

use coset::{CborSerializable, CoseSign1, CoseSign1Builder, Header, HeaderBuilder, ProtectedHeader, iana};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::device_set::DeviceSet;
use super::keys::{Device, DeviceKey, PublicKey, SigningSecret};
use super::object::{Object, ObjectFault, ObjectHash};
use super::walker::project;
use crate::wire::{decode_exact, encode};

/// An object as it came, with everything that verification and hashing need. Shared, so that cloning copies nothing.
pub(super) struct Parts<T> {
    pub(super) object: T,
    pub(super) payload: Zeroizing<Vec<u8>>,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) hash: ObjectHash,
    pub(super) signatures: Vec<([u8; 32], [u8; 64])>,
}

/// An object with one signature. It decodes, but cannot be read before it is verified.
pub struct Signed<T>(Arc<Parts<T>>);

impl<T: Object> Signed<T> {
    /// Signs an object.
    ///
    /// # Errors
    /// What [`Signed::decode`] would refuse: an object over its limit, above all.
    pub fn sign(object: &T, secret: &SigningSecret<T::Role>) -> Result<Self, ObjectFault> {
        let sign1 = CoseSign1Builder::new()
            .protected(header(secret.public().as_bytes()))
            .payload(encode(object))
            .create_signature(T::LABEL.as_bytes(), |message| secret.sign(message).to_vec())
            .build();
        Self::decode(&sign1.to_vec().map_err(|_| ObjectFault::Malformed)?)
    }

    /// Takes bytes as they came. Nothing is verified yet.
    ///
    /// # Errors
    /// [`ObjectFault`], all but [`ObjectFault::Signer`] and [`ObjectFault::Signature`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ObjectFault> {
        if bytes.len() > T::MAX {
            return Err(ObjectFault::TooLong { max: T::MAX });
        }
        project(bytes)?;
        let sign1 = CoseSign1::from_slice(bytes).map_err(|_| ObjectFault::Malformed)?;
        if !sign1.unprotected.is_empty() {
            return Err(ObjectFault::Unprotected);
        }
        let signer = signer(&sign1.protected)?;
        let signature: [u8; 64] = sign1.signature.as_slice().try_into().map_err(|_| ObjectFault::Malformed)?;
        let hash = ObjectHash(Sha256::digest(sign1.tbs_data(T::LABEL.as_bytes())).into());
        let payload = Zeroizing::new(sign1.payload.ok_or(ObjectFault::Malformed)?);
        let object = decode_payload(&payload)?;
        let bytes = Zeroizing::new(bytes.to_vec());
        Ok(Self(Arc::new(Parts { object, payload, bytes, hash, signatures: vec![(signer, signature)] })))
    }

    /// Opens the object if `key` signed it.
    ///
    /// # Errors
    /// [`ObjectFault::Signer`], [`ObjectFault::Signature`].
    pub fn verify_with(&self, key: &PublicKey<T::Role>) -> Result<Verified<T>, ObjectFault> {
        if self.claimed_signer() == *key { self.authenticate() } else { Err(ObjectFault::Signer) }
    }

    /// Opens the object if the key that it names signed it. Who that is, the caller has still to ask.
    pub(super) fn authenticate(&self) -> Result<Verified<T>, ObjectFault> {
        let [(signer, signature)] = self.0.signatures.as_slice() else { return Err(ObjectFault::Unsigned) };
        let message = CoseSign1Builder::new()
            .protected(header(signer))
            .payload(self.0.payload.to_vec())
            .build()
            .tbs_data(T::LABEL.as_bytes());
        PublicKey::<T::Role>::new(*signer).verify(&message, signature)?;
        Ok(Verified(Arc::clone(&self.0)))
    }

    /// The signer that the object names: a claim until it is verified. Tells which keys to look for.
    #[must_use]
    pub fn claimed_signer(&self) -> PublicKey<T::Role> {
        PublicKey::new(self.0.signatures.first().map_or([0; 32], |(signer, _)| *signer))
    }

    /// What the object claims, for code in this module that has verified it as part of another.
    pub(super) fn claimed(&self) -> &T {
        &self.0.object
    }
}

impl<T: Object<Role = Device>> Signed<T> {
    /// Opens the object if one of a member's devices signed it.
    ///
    /// # Errors
    /// [`ObjectFault::Signer`], [`ObjectFault::Signature`].
    pub fn verify_by(&self, devices: &Verified<DeviceSet>) -> Result<Verified<T>, ObjectFault> {
        if devices.holds(&self.claimed_signer()) { self.authenticate() } else { Err(ObjectFault::Signer) }
    }
}

impl<T> Signed<T> {
    /// The bytes as they came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// SHA-256 of the `Sig_structure`: names the object, whether or not it verifies.
    #[must_use]
    pub fn hash(&self) -> ObjectHash {
        self.0.hash
    }
}

/// An object whose signatures and signers have been checked. It reads, but cannot be decoded.
pub struct Verified<T>(pub(super) Arc<Parts<T>>);

impl<T> Verified<T> {
    /// The bytes as they came, to keep and to hand on.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// SHA-256 of the `Sig_structure`.
    #[must_use]
    pub fn hash(&self) -> ObjectHash {
        self.0.hash
    }
}

impl<T: Object> Verified<T> {
    /// The keys whose signatures were checked, in rising order.
    pub fn signers(&self) -> impl Iterator<Item = PublicKey<T::Role>> {
        self.0.signatures.iter().map(|(signer, _)| PublicKey::new(*signer))
    }
}

impl<T: Object<Role = Device>> Verified<T> {
    /// Whether a device's signature was checked.
    #[must_use]
    pub fn is_signed_by(&self, device: &DeviceKey) -> bool {
        self.signers().any(|signer| signer == *device)
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.object
    }
}

/// An object in deterministic CBOR whose every critical field this version knows.
///
/// The object is written again only to compare: what is verified and hashed are the bytes that came.
pub(super) fn decode_payload<T: Object>(payload: &[u8]) -> Result<T, ObjectFault> {
    let projection = project(payload)?;
    let object = decode_exact(payload).map_err(|_| ObjectFault::Malformed)?;
    if *project(&Zeroizing::new(encode(&object)))? == *projection { Ok(object) } else { Err(ObjectFault::UnknownField) }
}

/// `{1: -8, 4: signer}`: EdDSA and who signs (RFC 9052, 3.1).
pub(super) fn header(signer: &[u8; 32]) -> Header {
    HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(signer.to_vec()).build()
}

/// The signer of a protected header that is exactly [`header`], byte for byte.
pub(super) fn signer(protected: &ProtectedHeader) -> Result<[u8; 32], ObjectFault> {
    let signer = protected.header.key_id.as_slice().try_into().map_err(|_| ObjectFault::Headers)?;
    let written = header(&signer).to_vec().map_err(|_| ObjectFault::Headers)?;
    if protected.original_data == Some(written) { Ok(signer) } else { Err(ObjectFault::Headers) }
}

/// Implements what signed objects of both kinds share: they are cheap to clone, compare by their bytes, print nothing,
/// and travel inside other objects as a byte string of the bytes that came.
macro_rules! carried {
    ($name:ident) => {
        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                Self(Arc::clone(&self.0))
            }
        }

        impl<T> PartialEq for $name<T> {
            fn eq(&self, other: &Self) -> bool {
                self.0.bytes == other.0.bytes
            }
        }

        impl<T> Eq for $name<T> {}

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
    ($name:ident, decoded where $bound:path) => {
        carried!($name);

        impl<T, C> Encode<C> for $name<T> {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0.bytes)?.ok()
            }
        }

        impl<'b, T: $bound, C> Decode<'b, C> for $name<T> {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let at = d.position();
                Self::decode(d.bytes()?)
                    .map_err(|_| minicbor::decode::Error::message("signed object is refused").at(at))
            }
        }
    };
}
pub(super) use carried;

carried!(Signed, decoded where Object);
carried!(Verified);
