//! Objects that several people sign (`COSE_Sign`, RFC 9052, 4.1): drafted by one, signed by each, then put together.

use core::fmt;
use std::sync::Arc;

use coset::{CborSerializable, CoseSign, CoseSignBuilder, CoseSignature, CoseSignatureBuilder};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::keys::{Device, DeviceKey, DeviceSecret};
use super::object::{Object, ObjectFault, ObjectHash};
use super::signed::{Parts, Verified, carried, decode_payload, header, signer};
use super::walker::project;
use crate::wire::encode;

/// An object that is proposed for signing. It can be read, so that people see what they sign, and proves nothing.
/// Travels as a byte string of its CBOR.
pub struct Draft<T> {
    object: T,
    payload: Zeroizing<Vec<u8>>,
}

impl<T: CoSigned> Draft<T> {
    /// Proposes an object.
    ///
    /// # Errors
    /// What [`Draft::decode`] would refuse.
    pub fn new(object: &T) -> Result<Self, ObjectFault> {
        Self::decode(&Zeroizing::new(encode(object)))
    }

    /// Takes somebody's proposal.
    ///
    /// # Errors
    /// [`ObjectFault`], for what its CBOR is.
    pub fn decode(payload: &[u8]) -> Result<Self, ObjectFault> {
        if payload.len() > T::MAX {
            return Err(ObjectFault::TooLong { max: T::MAX });
        }
        Ok(Self { object: decode_payload(payload)?, payload: Zeroizing::new(payload.to_vec()) })
    }

    /// What is proposed.
    #[must_use]
    pub fn object(&self) -> &T {
        &self.object
    }

    /// The CBOR, to hand on.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.payload
    }

    /// The hash that the object will have, whoever signs.
    #[must_use]
    pub fn hash(&self) -> ObjectHash {
        hash::<T>(&self.payload)
    }

    /// Signs the proposal.
    #[must_use]
    pub fn sign(&self, secret: &DeviceSecret) -> CoSignature {
        let signer = secret.public();
        CoSignature { signer, signature: secret.sign(&message::<T>(&self.payload, &signer)) }
    }

    /// Whether a signature belongs under this proposal.
    ///
    /// # Errors
    /// [`ObjectFault::Signature`].
    pub fn accepts(&self, signature: &CoSignature) -> Result<(), ObjectFault> {
        signature.signer.verify(&message::<T>(&self.payload, &signature.signer), &signature.signature)
    }

    /// Puts the signatures under the proposal, in rising order of signers; of two by one signer, the first.
    ///
    /// # Errors
    /// [`ObjectFault::Unsigned`] without a signature, [`ObjectFault::TooLong`].
    pub fn seal(&self, signatures: &[CoSignature]) -> Result<MultiSigned<T>, ObjectFault> {
        let mut ordered: Vec<&CoSignature> = signatures.iter().collect();
        ordered.sort_by_key(|signature| signature.signer);
        ordered.dedup_by_key(|signature| signature.signer);
        let sign =
            ordered.into_iter().fold(CoseSignBuilder::new().payload(self.payload.to_vec()), |sign, signature| {
                sign.add_signature(CoseSignature {
                    signature: signature.signature.to_vec(),
                    ..unsigned(signature.signer.as_bytes())
                })
            });
        MultiSigned::decode(&sign.build().to_vec().map_err(|_| ObjectFault::Malformed)?)
    }
}

impl<T> fmt::Debug for Draft<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draft")
    }
}

impl<T> PartialEq for Draft<T> {
    fn eq(&self, other: &Self) -> bool {
        self.payload == other.payload
    }
}

impl<T> Eq for Draft<T> {}

impl<T, C> Encode<C> for Draft<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.payload)?.ok()
    }
}

impl<'b, T: CoSigned, C> Decode<'b, C> for Draft<T> {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        Self::decode(d.bytes()?).map_err(|_| minicbor::decode::Error::message("draft is refused").at(at))
    }
}

/// One person's signature under a draft.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CoSignature {
    /// Who signs.
    #[n(0)]
    pub signer: DeviceKey,
    /// Ed25519 over the `Sig_structure` of this signer.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// An object with several signatures. It decodes, but cannot be read before it is verified.
pub struct MultiSigned<T>(Arc<Parts<T>>);

impl<T: CoSigned> MultiSigned<T> {
    /// Takes bytes as they came. Nothing is verified yet.
    ///
    /// # Errors
    /// [`ObjectFault`], all but [`ObjectFault::Signer`] and [`ObjectFault::Signature`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ObjectFault> {
        if bytes.len() > T::MAX {
            return Err(ObjectFault::TooLong { max: T::MAX });
        }
        project(bytes)?;
        let sign = CoseSign::from_slice(bytes).map_err(|_| ObjectFault::Malformed)?;
        if !sign.unprotected.is_empty() || sign.signatures.iter().any(|signature| !signature.unprotected.is_empty()) {
            return Err(ObjectFault::Unprotected);
        }
        // RFC 9052, 3: an empty protected header is a byte string of no bytes, and has no second form.
        if sign.protected.original_data.as_deref() != Some(&[]) {
            return Err(ObjectFault::Headers);
        }
        let signatures = sign.signatures.iter().map(|one| {
            let bytes = one.signature.as_slice().try_into().map_err(|_| ObjectFault::Malformed)?;
            Ok((signer(&one.protected)?, bytes))
        });
        let signatures: Vec<([u8; 32], [u8; 64])> = signatures.collect::<Result<_, ObjectFault>>()?;
        if signatures.is_empty() {
            return Err(ObjectFault::Unsigned);
        }
        if !signatures.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(ObjectFault::SignatureOrder);
        }
        let payload = Zeroizing::new(sign.payload.ok_or(ObjectFault::Malformed)?);
        let object = decode_payload(&payload)?;
        let hash = hash::<T>(&payload);
        Ok(Self(Arc::new(Parts { object, payload, bytes: Zeroizing::new(bytes.to_vec()), hash, signatures })))
    }

    /// Opens the object if every key that it names signed it. Who those are, the caller has still to ask.
    pub(super) fn authenticate(&self) -> Result<Verified<T>, ObjectFault> {
        for (signer, signature) in &self.0.signatures {
            let signer = DeviceKey::new(*signer);
            signer.verify(&message::<T>(&self.0.payload, &signer), signature)?;
        }
        Ok(Verified(Arc::clone(&self.0)))
    }

    /// The same object as a draft, for one more signature.
    ///
    /// # Errors
    /// None that [`MultiSigned::decode`] has let through.
    pub fn draft(&self) -> Result<Draft<T>, ObjectFault> {
        Draft::decode(&self.0.payload)
    }

    /// The signatures, none of them checked, to gather with others under one draft.
    pub fn signatures(&self) -> impl Iterator<Item = CoSignature> {
        let wrap = |(signer, signature): &([u8; 32], [u8; 64])| CoSignature {
            signer: DeviceKey::new(*signer),
            signature: *signature,
        };
        self.0.signatures.iter().map(wrap)
    }

    /// What the object claims, for code in this module that has verified it as part of another.
    pub(super) fn claimed(&self) -> &T {
        &self.0.object
    }
}

impl<T> MultiSigned<T> {
    /// The bytes as they came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// SHA-256 of the `Sig_structure` without a signer: the same whoever signed.
    #[must_use]
    pub fn hash(&self) -> ObjectHash {
        self.0.hash
    }
}

carried!(MultiSigned, decoded where CoSigned);

/// Objects that devices sign: those that several may sign.
pub trait CoSigned: Object<Role = Device> {}

impl<T: Object<Role = Device>> CoSigned for T {}

fn unsigned(signer: &[u8; 32]) -> CoseSignature {
    CoseSignatureBuilder::new().protected(header(signer)).build()
}

fn message<T: Object>(payload: &[u8], signer: &DeviceKey) -> Vec<u8> {
    body(payload).tbs_data(T::LABEL.as_bytes(), &unsigned(signer.as_bytes()))
}

pub(super) fn hash<T: Object>(payload: &[u8]) -> ObjectHash {
    ObjectHash(Sha256::digest(body(payload).tbs_data(T::LABEL.as_bytes(), &CoseSignature::default())).into())
}

fn body(payload: &[u8]) -> CoseSign {
    CoseSignBuilder::new().payload(payload.to_vec()).build()
}
