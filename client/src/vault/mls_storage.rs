//! openmls's storage on the vault's own transaction: MLS state commits and rolls back with everything else.
//!
//! One table: `kind` says what a value is, `owner` whose it is (a group, a key, a hash), `item` tells the elements of a
//! list apart and is empty for single values. Keys and values are CBOR, which describes itself: openmls's types need
//! that to load again.

use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use rusqlite::OptionalExtension;
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{
    Transaction,
    fault::{Part, VaultFault},
};

pub(super) const TABLES: &str = "
    CREATE TABLE mls (
        place INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL, owner BLOB NOT NULL, item BLOB NOT NULL, value BLOB NOT NULL,
        UNIQUE (kind, owner, item)
    ) STRICT;";

/// What a row holds. The numbers are stored: they are never reused.
#[derive(Clone, Copy)]
struct Kind(u8);

impl Kind {
    const JOIN_CONFIG: Self = Self(1);
    const OWN_LEAF_NODES: Self = Self(2);
    const QUEUED_PROPOSALS: Self = Self(3);
    const TREE: Self = Self(4);
    const INTERIM_TRANSCRIPT_HASH: Self = Self(5);
    const CONTEXT: Self = Self(6);
    const CONFIRMATION_TAG: Self = Self(7);
    const GROUP_STATE: Self = Self(8);
    const MESSAGE_SECRETS: Self = Self(9);
    const RESUMPTION_PSKS: Self = Self(10);
    const OWN_LEAF_INDEX: Self = Self(11);
    const EPOCH_SECRETS: Self = Self(12);
    const APPLICATION_EXPORT_TREE: Self = Self(13);
    const SIGNATURE_KEY_PAIR: Self = Self(14);
    const ENCRYPTION_KEY_PAIR: Self = Self(15);
    const EPOCH_KEY_PAIRS: Self = Self(16);
    const KEY_PACKAGE: Self = Self(17);
    const PSK: Self = Self(18);
}

/// Kinds whose values hold secrets.
pub(super) const SECRET_KINDS: [u8; 9] = [
    Kind::MESSAGE_SECRETS.0,
    Kind::RESUMPTION_PSKS.0,
    Kind::EPOCH_SECRETS.0,
    Kind::APPLICATION_EXPORT_TREE.0,
    Kind::SIGNATURE_KEY_PAIR.0,
    Kind::ENCRYPTION_KEY_PAIR.0,
    Kind::EPOCH_KEY_PAIRS.0,
    Kind::KEY_PACKAGE.0,
    Kind::PSK.0,
];

/// openmls's `StorageProvider` over one vault transaction.
#[derive(Debug)]
pub struct MlsStorage<'tx>(&'tx Transaction<'tx>);

impl<'tx> MlsStorage<'tx> {
    /// The storage as this transaction sees it.
    #[must_use]
    pub fn new(tx: &'tx Transaction<'tx>) -> Self {
        Self(tx)
    }

    fn put(&self, kind: Kind, owner: &[u8], item: &[u8], value: &impl Serialize) -> Result<(), VaultFault> {
        self.0
            .sql()
            .prepare_cached(
                "INSERT INTO mls (kind, owner, item, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (kind, owner, item) DO UPDATE SET value = excluded.value",
            )?
            .execute((kind.0, owner, item, encode(value)?.as_slice()))?;
        Ok(())
    }

    /// Adds an element behind those the list holds; its position is its item.
    fn append(&self, kind: Kind, owner: &[u8], value: &impl Serialize) -> Result<(), VaultFault> {
        let mut count = self.0.sql().prepare_cached("SELECT count(*) FROM mls WHERE kind = ?1 AND owner = ?2")?;
        let position: u32 = count.query_row((kind.0, owner), |row| row.get(0))?;
        self.put(kind, owner, &position.to_be_bytes(), value)
    }

    fn value<V: DeserializeOwned>(&self, kind: Kind, owner: &[u8]) -> Result<Option<V>, VaultFault> {
        let mut find =
            self.0.sql().prepare_cached("SELECT value FROM mls WHERE kind = ?1 AND owner = ?2 AND item = x''")?;
        let found: Option<Vec<u8>> = find.query_row((kind.0, owner), |row| row.get(0)).optional()?;
        found.map(Zeroizing::new).map(|value| decode(&value)).transpose()
    }

    /// A list's items and values, oldest first.
    fn list<T>(
        &self,
        kind: Kind,
        owner: &[u8],
        element: impl Fn(&[u8], &[u8]) -> Result<T, VaultFault>,
    ) -> Result<Vec<T>, VaultFault> {
        let mut find =
            self.0.sql().prepare_cached("SELECT item, value FROM mls WHERE kind = ?1 AND owner = ?2 ORDER BY place")?;
        let mut rows = find.query((kind.0, owner))?;
        let mut elements = Vec::new();
        while let Some(row) = rows.next()? {
            let value: Zeroizing<Vec<u8>> = row.get(1).map(Zeroizing::new)?;
            elements.push(element(&row.get::<_, Vec<u8>>(0)?, &value)?);
        }
        Ok(elements)
    }

    /// Removes a single value or a whole list.
    fn delete(&self, kind: Kind, owner: &[u8]) -> Result<(), VaultFault> {
        self.0.sql().prepare_cached("DELETE FROM mls WHERE kind = ?1 AND owner = ?2")?.execute((kind.0, owner))?;
        Ok(())
    }
}

fn encode(value: &(impl Serialize + ?Sized)) -> Result<Zeroizing<Vec<u8>>, VaultFault> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    ciborium::into_writer(value, &mut *bytes).map_err(|_| VaultFault::Bug { code: 0 })?;
    Ok(bytes)
}

fn decode<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, VaultFault> {
    ciborium::from_reader(bytes).map_err(|_| VaultFault::Damaged { what: Part::Row })
}

/// Single values: writer, reader and, where it has one type parameter, deleter.
macro_rules! values {
    ($($Value:ident of $Owner:ident: $kind:ident, $write:ident, $read:ident $(, $delete:ident)?;)*) => {$(
        fn $write<K: traits::$Owner<CURRENT_VERSION>, V: traits::$Value<CURRENT_VERSION>>(
            &self,
            owner: &K,
            value: &V,
        ) -> Result<(), VaultFault> {
            self.put(Kind::$kind, &encode(owner)?, &[], value)
        }

        fn $read<K: traits::$Owner<CURRENT_VERSION>, V: traits::$Value<CURRENT_VERSION>>(
            &self,
            owner: &K,
        ) -> Result<Option<V>, VaultFault> {
            self.value(Kind::$kind, &encode(owner)?)
        }

        $(fn $delete<K: traits::$Owner<CURRENT_VERSION>>(&self, owner: &K) -> Result<(), VaultFault> {
            self.delete(Kind::$kind, &encode(owner)?)
        })?
    )*};
}

impl StorageProvider<CURRENT_VERSION> for MlsStorage<'_> {
    type Error = VaultFault;

    values! {
        MlsGroupJoinConfig of GroupId: JOIN_CONFIG, write_mls_join_config, mls_group_join_config, delete_group_config;
        TreeSync of GroupId: TREE, write_tree, tree, delete_tree;
        InterimTranscriptHash of GroupId: INTERIM_TRANSCRIPT_HASH,
            write_interim_transcript_hash, interim_transcript_hash, delete_interim_transcript_hash;
        GroupContext of GroupId: CONTEXT, write_context, group_context, delete_context;
        ConfirmationTag of GroupId: CONFIRMATION_TAG,
            write_confirmation_tag, confirmation_tag, delete_confirmation_tag;
        MessageSecrets of GroupId: MESSAGE_SECRETS, write_message_secrets, message_secrets, delete_message_secrets;
        ResumptionPskStore of GroupId: RESUMPTION_PSKS,
            write_resumption_psk_store, resumption_psk_store, delete_all_resumption_psk_secrets;
        LeafNodeIndex of GroupId: OWN_LEAF_INDEX, write_own_leaf_index, own_leaf_index, delete_own_leaf_index;
        GroupEpochSecrets of GroupId: EPOCH_SECRETS,
            write_group_epoch_secrets, group_epoch_secrets, delete_group_epoch_secrets;
        ApplicationExportTree of GroupId: APPLICATION_EXPORT_TREE,
            write_application_export_tree, application_export_tree;
        SignatureKeyPair of SignaturePublicKey: SIGNATURE_KEY_PAIR,
            write_signature_key_pair, signature_key_pair, delete_signature_key_pair;
        KeyPackage of HashReference: KEY_PACKAGE, write_key_package, key_package, delete_key_package;
    }

    // Those whose type parameters openmls declares in another order or number.

    fn delete_application_export_tree<
        K: traits::GroupId<CURRENT_VERSION>,
        V: traits::ApplicationExportTree<CURRENT_VERSION>,
    >(
        &self,
        group: &K,
    ) -> Result<(), VaultFault> {
        self.delete(Kind::APPLICATION_EXPORT_TREE, &encode(group)?)
    }

    fn write_group_state<V: traits::GroupState<CURRENT_VERSION>, K: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group: &K,
        state: &V,
    ) -> Result<(), VaultFault> {
        self.put(Kind::GROUP_STATE, &encode(group)?, &[], state)
    }

    fn group_state<V: traits::GroupState<CURRENT_VERSION>, K: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group: &K,
    ) -> Result<Option<V>, VaultFault> {
        self.value(Kind::GROUP_STATE, &encode(group)?)
    }

    fn delete_group_state<K: traits::GroupId<CURRENT_VERSION>>(&self, group: &K) -> Result<(), VaultFault> {
        self.delete(Kind::GROUP_STATE, &encode(group)?)
    }

    fn write_encryption_key_pair<K: traits::EncryptionKey<CURRENT_VERSION>, V: traits::HpkeKeyPair<CURRENT_VERSION>>(
        &self,
        public: &K,
        pair: &V,
    ) -> Result<(), VaultFault> {
        self.put(Kind::ENCRYPTION_KEY_PAIR, &encode(public)?, &[], pair)
    }

    fn encryption_key_pair<V: traits::HpkeKeyPair<CURRENT_VERSION>, K: traits::EncryptionKey<CURRENT_VERSION>>(
        &self,
        public: &K,
    ) -> Result<Option<V>, VaultFault> {
        self.value(Kind::ENCRYPTION_KEY_PAIR, &encode(public)?)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<CURRENT_VERSION>>(
        &self,
        public: &K,
    ) -> Result<(), VaultFault> {
        self.delete(Kind::ENCRYPTION_KEY_PAIR, &encode(public)?)
    }

    fn write_psk<K: traits::PskId<CURRENT_VERSION>, V: traits::PskBundle<CURRENT_VERSION>>(
        &self,
        id: &K,
        psk: &V,
    ) -> Result<(), VaultFault> {
        self.put(Kind::PSK, &encode(id)?, &[], psk)
    }

    fn psk<V: traits::PskBundle<CURRENT_VERSION>, K: traits::PskId<CURRENT_VERSION>>(
        &self,
        id: &K,
    ) -> Result<Option<V>, VaultFault> {
        self.value(Kind::PSK, &encode(id)?)
    }

    fn delete_psk<K: traits::PskId<CURRENT_VERSION>>(&self, id: &K) -> Result<(), VaultFault> {
        self.delete(Kind::PSK, &encode(id)?)
    }

    // Keys of one epoch: a single value, absent means none.

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        V: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[V],
    ) -> Result<(), VaultFault> {
        self.put(Kind::EPOCH_KEY_PAIRS, &encode(&(group, epoch, leaf))?, &[], &pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        V: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<Vec<V>, VaultFault> {
        Ok(self.value(Kind::EPOCH_KEY_PAIRS, &encode(&(group, epoch, leaf))?)?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<CURRENT_VERSION>, E: traits::EpochKey<CURRENT_VERSION>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<(), VaultFault> {
        self.delete(Kind::EPOCH_KEY_PAIRS, &encode(&(group, epoch, leaf))?)
    }

    // Lists.

    fn append_own_leaf_node<G: traits::GroupId<CURRENT_VERSION>, V: traits::LeafNode<CURRENT_VERSION>>(
        &self,
        group: &G,
        leaf: &V,
    ) -> Result<(), VaultFault> {
        self.append(Kind::OWN_LEAF_NODES, &encode(group)?, leaf)
    }

    fn own_leaf_nodes<G: traits::GroupId<CURRENT_VERSION>, V: traits::LeafNode<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Result<Vec<V>, VaultFault> {
        self.list(Kind::OWN_LEAF_NODES, &encode(group)?, |_, leaf| decode(leaf))
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<CURRENT_VERSION>>(&self, group: &G) -> Result<(), VaultFault> {
        self.delete(Kind::OWN_LEAF_NODES, &encode(group)?)
    }

    fn queue_proposal<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        V: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        reference: &R,
        proposal: &V,
    ) -> Result<(), VaultFault> {
        self.put(Kind::QUEUED_PROPOSALS, &encode(group)?, &encode(reference)?, proposal)
    }

    fn queued_proposal_refs<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Result<Vec<R>, VaultFault> {
        self.list(Kind::QUEUED_PROPOSALS, &encode(group)?, |reference, _| decode(reference))
    }

    fn queued_proposals<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        V: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Result<Vec<(R, V)>, VaultFault> {
        let pair = |reference: &[u8], proposal: &[u8]| Ok((decode(reference)?, decode(proposal)?));
        self.list(Kind::QUEUED_PROPOSALS, &encode(group)?, pair)
    }

    fn remove_proposal<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        group: &G,
        reference: &R,
    ) -> Result<(), VaultFault> {
        self.0.sql().prepare_cached("DELETE FROM mls WHERE kind = ?1 AND owner = ?2 AND item = ?3")?.execute((
            Kind::QUEUED_PROPOSALS.0,
            encode(group)?.as_slice(),
            encode(reference)?.as_slice(),
        ))?;
        Ok(())
    }

    fn clear_proposal_queue<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Result<(), VaultFault> {
        self.delete(Kind::QUEUED_PROPOSALS, &encode(group)?)
    }
}
