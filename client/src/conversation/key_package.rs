//! Key packages: what others need to add us while we are away.

use minicbor::{Decode, Encode};
use openmls::prelude::{Credential, CredentialWithKey, KeyPackage, KeyPackageIn, KeyPackageRef, ProtocolVersion};
use openmls_traits::OpenMlsProvider;
use openmls_traits::storage::StorageProvider;
use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{Charter, LeafBinding, LeafCredential, LeafKey, LeafUse, Verified, VerifiedLeaf};
use tls_codec::Serialize;

use super::context::LeafState;
use super::desk::Desk;
use super::fault::ConversationFault;
use super::halt::DAY;
use super::leaf;
use super::signer::LeafSigner;
use super::suite::{CREDENTIAL, SUITE, capabilities, leaf_extensions, lifetime, read};
use crate::inbox;
use crate::vault::conversations;
use crate::vault::records::{self, Noun};
use crate::vault::settings::Setting;

/// Serial of the newest leaf key of this device.
const SERIAL: Setting<u64> = Setting::named("conversation.leaf-serial");

/// How long a key package may be used to add us.
const KEY_PACKAGE_SECONDS: u64 = 84 * 24 * 3600;

/// How long the binding of a leaf in a group stands.
const LEAF_SECONDS: u64 = 2 * 365 * 24 * 3600;

/// A key package of ours whose private keys are in the vault.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Shelved {
    #[cbor(n(0), with = "minicbor::bytes")]
    leaf: [u8; 32],
    /// When no welcome for it is taken any more.
    #[n(1)]
    until: Timestamp,
    /// When that was first seen to be past.
    #[n(2)]
    past: Option<Timestamp>,
}

impl Desk<'_> {
    /// Makes `count` key packages, to be sealed and put on the shelf.
    ///
    /// # Errors
    /// The vault's.
    pub fn publish_key_packages(&mut self, count: usize) -> Result<Vec<Vec<u8>>, ConversationFault> {
        (0..count).map(|_| self.key_package(false)).collect()
    }

    /// Makes the key package that the shelf keeps when the others are taken.
    ///
    /// # Errors
    /// The vault's.
    pub fn last_resort(&mut self) -> Result<Vec<u8>, ConversationFault> {
        self.key_package(true)
    }

    fn key_package(&mut self, last_resort: bool) -> Result<Vec<u8>, ConversationFault> {
        let (signer, credential) = self.new_leaf(LeafUse::KeyPackage, KEY_PACKAGE_SECONDS)?;
        let builder = KeyPackage::builder()
            .key_package_lifetime(lifetime())
            .leaf_node_capabilities(capabilities())
            .leaf_node_extensions(leaf_extensions(LeafState::FRESH.bytes())?);
        let builder = if last_resort { builder.mark_as_last_resort() } else { builder };
        let leaf = signer.public();
        let bundle = builder
            .build(SUITE, &self.provider(), &signer, credential)
            .map_err(|_| ConversationFault::Mls("key package"))?;
        let package = bundle.key_package();
        let fault = |_| ConversationFault::Mls("key package");
        let reference = package.hash_ref(self.provider().crypto());
        let reference =
            reference.map_err(|_| ConversationFault::Mls("key package"))?.tls_serialize_detached().map_err(fault)?;
        // A welcome that is older than a parcel may be is not read.
        let until = self.now.plus_seconds(KEY_PACKAGE_SECONDS.saturating_add(inbox::TOO_OLD));
        records::put(self.tx, Noun::Shelved, &reference, &Shelved { leaf, until, past: None })?;
        package.tls_serialize_detached().map_err(fault)
    }

    /// Destroys the private keys of key packages for which no welcome is taken any more: whoever gets hold of the vault
    /// later opens no welcome of those days with them. Seen twice a day apart: a clock that is wrong for an hour destroys nothing.
    pub(super) fn destroy_old_key_packages(&self) -> Result<(), ConversationFault> {
        let now = self.now;
        let is_past = |one: &Shelved| one.until <= now || one.past.is_some();
        for (key, one) in records::take(self.tx, Noun::Shelved, is_past)? {
            let past = one.past.filter(|past| *past <= now).or(Some(now)).filter(|_| one.until <= now);
            if past.is_none_or(|past| now < past.plus_seconds(DAY)) {
                records::put(self.tx, Noun::Shelved, &key, &Shelved { past, ..one })?;
                continue;
            }
            let reference: KeyPackageRef = read(&key).ok_or(ConversationFault::Mls("key package"))?;
            self.provider().storage().delete_key_package(&reference)?;
            conversations::destroy_leaf_key(self.tx, &one.leaf)?;
        }
        Ok(())
    }

    /// A new leaf key, bound to this device for one place and kept in the vault.
    pub(super) fn new_leaf(
        &mut self,
        place: LeafUse,
        seconds: u64,
    ) -> Result<(LeafSigner, CredentialWithKey), ConversationFault> {
        let serial = SERIAL.read(self.tx)?.unwrap_or(0).saturating_add(1);
        SERIAL.write(self.tx, &serial)?;
        let signer = LeafSigner::random()?;
        let key = signer.public();
        let grouped = place != LeafUse::KeyPackage;
        #[cfg(feature = "planted-bugs")]
        let key = if relevo_protocol::planted::forging() && !grouped { LeafSigner::random()?.public() } else { key };
        let binding = LeafBinding { leaf_key: LeafKey(key), place, serial, not_after: self.now.plus_seconds(seconds) };
        let me = self.me;
        let credential = LeafCredential::new(me.card.clone(), me.devices.clone(), &binding, &me.device)?;
        #[cfg(feature = "planted-bugs")]
        let key = signer.public();
        conversations::put_leaf_key(self.tx, &key, signer.secret().expose(), grouped)?;
        let credential = Credential::new(CREDENTIAL, credential.encode());
        Ok((signer, CredentialWithKey { credential, signature_key: key.to_vec().into() }))
    }

    /// A new leaf key for one group.
    pub(super) fn new_group_leaf(
        &mut self,
        group: &GroupId,
    ) -> Result<(LeafSigner, CredentialWithKey), ConversationFault> {
        self.new_leaf(LeafUse::Group(group.0.to_vec()), LEAF_SECONDS)
    }

    /// Reads and checks somebody's key package, as it came from its shelf.
    pub(super) fn check_key_package(
        &self,
        bytes: &[u8],
        charter: &Verified<Charter>,
        now: Timestamp,
    ) -> Result<(KeyPackage, VerifiedLeaf), ConversationFault> {
        let package: KeyPackageIn = read(bytes).ok_or(ConversationFault::KeyPackage)?;
        let package = package
            .validate(self.provider().crypto(), ProtocolVersion::Mls10)
            .map_err(|_| ConversationFault::KeyPackage)?;
        let (checked, _) = leaf::check_key_package(&package, charter)?;
        // Our own terms rule before an add; they are no part of a commit's validity.
        if package.ciphersuite() != SUITE || checked.is_expired(now) {
            return Err(ConversationFault::KeyPackage);
        }
        Ok((package, checked))
    }
}
