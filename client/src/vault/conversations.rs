//! Conversations, the mailboxes that they live or lived in, and who sits in them.

use relevo_protocol::content::GroupId;
use relevo_protocol::sealed::GroupSecrets;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{Charter, DeviceKey, MemberKey, MultiSigned, ObjectHash, PolicyVersion};
use relevo_protocol::wire::{Capability, Fingerprint, MailboxId, decode_exact, encode};
use rusqlite::{OptionalExtension, Row, params};
use zeroize::Zeroizing;

use super::fault::Part;
use super::{Transaction, VaultFault};
use crate::conversation::{Kind, Standing};

/// Mailboxes of one conversation whose *owner* may wait for the move that names them.
const EARLY_OWNERS: i64 = 8;

pub(super) const TABLES: &str = "
    CREATE TABLE conversations (
        id       BLOB PRIMARY KEY,
        kind     INTEGER NOT NULL,
        name     TEXT NOT NULL,
        standing INTEGER NOT NULL,
        epoch    INTEGER NOT NULL,
        mailbox  BLOB NOT NULL,               -- where the group is now
        heard    INTEGER NOT NULL DEFAULT 0,  -- somebody else wrote since our own leaf was last written
        rekeyed  INTEGER NOT NULL,            -- when our own leaf was last written
        active   INTEGER NOT NULL,            -- when anything was last said
        stamp    INTEGER NOT NULL,            -- counts the writes of the MLS state
        administrators BLOB NOT NULL,
        continues BLOB,                       -- the one that it continues, of those that we knew when we entered it,
        founder   BLOB,                       -- as this member said, who let us in
        excluded  BLOB NOT NULL,              -- members of that one who were not to come along
        successor BLOB                        -- the one in which it goes on
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE conversation_mailboxes (
        mailbox      BLOB PRIMARY KEY,
        conversation BLOB NOT NULL,
        relay        BLOB NOT NULL,
        secrets      BLOB NOT NULL,
        owner        BLOB,                    -- administrators only
        welcomer     BLOB                     -- who told where its log stood when we came
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE early_owners (               -- of mailboxes that their group has not moved to yet, as far as we have read
        number       INTEGER PRIMARY KEY,
        mailbox      BLOB NOT NULL UNIQUE,
        conversation BLOB NOT NULL,
        owner        BLOB NOT NULL
    ) STRICT;
    CREATE TABLE seats (
        conversation BLOB NOT NULL,
        leaf         INTEGER NOT NULL,
        member       BLOB NOT NULL,
        device       BLOB NOT NULL,
        pseudonym    TEXT NOT NULL,
        key          BLOB NOT NULL,           -- the leaf's signature key
        serial       INTEGER NOT NULL,
        devices      INTEGER NOT NULL,        -- number of the device set
        committed_at INTEGER,
        policy       INTEGER NOT NULL,
        inbox        BLOB,                    -- where the member said that it can be reached
        PRIMARY KEY (conversation, leaf)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE leaf_keys (
        key     BLOB PRIMARY KEY,
        secret  BLOB NOT NULL,
        grouped INTEGER NOT NULL              -- bound to one group, not to a key package
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE pinned (
        conversation BLOB NOT NULL,
        hash         BLOB NOT NULL,
        kind         INTEGER NOT NULL,
        object       BLOB NOT NULL,
        PRIMARY KEY (conversation, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE merged (
        conversation BLOB NOT NULL,
        hash         BLOB NOT NULL,           -- of a commit's MLS message
        PRIMARY KEY (conversation, hash)
    ) STRICT, WITHOUT ROWID;
";

/// A conversation's row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ConversationRow {
    pub(crate) id: GroupId,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) standing: Standing,
    pub(crate) epoch: u64,
    pub(crate) mailbox: MailboxId,
    pub(crate) heard: bool,
    pub(crate) rekeyed: Timestamp,
    pub(crate) active: Timestamp,
    pub(crate) stamp: u64,
    pub(crate) administrators: Vec<MemberKey>,
    /// Which conversation it says that it continues, and who let us into it. Written once.
    pub(crate) continues: Option<(GroupId, MemberKey)>,
    /// Members of that one who were not to come along. Written once.
    pub(crate) excluded: Vec<MemberKey>,
    /// The conversation in which it goes on. Written by [`set_successor`] alone.
    pub(crate) successor: Option<GroupId>,
}

/// A mailbox that a conversation lives or lived in.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) mailbox: MailboxId,
    pub(crate) conversation: GroupId,
    pub(crate) relay: Fingerprint,
    pub(crate) secrets: GroupSecrets,
    pub(crate) owner: Option<Capability>,
}

/// Who sits on a leaf.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SeatRow {
    pub(crate) leaf: u32,
    pub(crate) member: MemberKey,
    pub(crate) device: DeviceKey,
    pub(crate) pseudonym: String,
    pub(crate) key: [u8; 32],
    pub(crate) serial: u64,
    pub(crate) devices: u64,
    pub(crate) committed_at: Option<u64>,
    pub(crate) policy: PolicyVersion,
}

const COLUMNS: &str = "id, kind, name, standing, epoch, mailbox, heard, rekeyed, active, stamp, administrators, \
    continues, founder, successor, excluded";

/// Writes a conversation, new or known.
pub(crate) fn put(tx: &Transaction<'_>, row: &ConversationRow) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "INSERT INTO conversations
                (id, kind, name, standing, epoch, mailbox, heard, rekeyed, active, stamp, administrators,
                 continues, founder, excluded)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, name = excluded.name, standing = excluded.standing,
                epoch = excluded.epoch, mailbox = excluded.mailbox, heard = excluded.heard,
                rekeyed = excluded.rekeyed, active = excluded.active, stamp = excluded.stamp,
                administrators = excluded.administrators",
        )?
        .execute(params![
            row.id.0,
            row.kind.code(),
            row.name,
            row.standing.code(),
            sql(row.epoch),
            row.mailbox.0,
            row.heard,
            sql(row.rekeyed.0),
            sql(row.active.0),
            sql(row.stamp),
            encode(&row.administrators),
            row.continues.map(|(id, _)| id.0),
            row.continues.map(|(_, founder)| *founder.as_bytes()),
            encode(&row.excluded)
        ])?;
    Ok(())
}

pub(crate) fn find(tx: &Transaction<'_>, id: &GroupId) -> Result<Option<ConversationRow>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM conversations WHERE id = ?"))?
        .query_row([id.0], conversation_row)
        .optional()?)
}

/// A conversation goes on in another one.
pub(crate) fn set_successor(tx: &Transaction<'_>, id: &GroupId, successor: &GroupId) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE conversations SET successor = ? WHERE id = ?")?.execute([successor.0, id.0])?;
    Ok(())
}

/// How many logs are read.
pub(crate) fn count_live(tx: &Transaction<'_>) -> Result<usize, VaultFault> {
    let mut statement = tx.sql().prepare_cached("SELECT count(*) FROM conversations WHERE standing = 0")?;
    Ok(statement.query_row([], |row| row.get::<_, u32>(0)).map(|count| usize::try_from(count).unwrap_or(usize::MAX))?)
}

/// Those that say which one they continue.
pub(crate) fn continuing(tx: &Transaction<'_>) -> Result<Vec<ConversationRow>, VaultFault> {
    let mut statement = tx
        .sql()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM conversations WHERE continues IS NOT NULL ORDER BY id"))?;
    Ok(statement.query_map([], conversation_row)?.collect::<Result<_, _>>()?)
}

/// All, the most recently active first.
pub(crate) fn list(tx: &Transaction<'_>) -> Result<Vec<ConversationRow>, VaultFault> {
    let mut statement =
        tx.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM conversations ORDER BY active DESC, id"))?;
    Ok(statement.query_map([], conversation_row)?.collect::<Result<_, _>>()?)
}

/// The pair with somebody, if there is one that stands: the one that both would choose, if both began one. Both
/// administrate it from the start, also before the other has joined.
pub(crate) fn pair_with(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<GroupId>, VaultFault> {
    let live = |row: &ConversationRow| row.standing == Standing::Live && row.is_with(member);
    let all: Vec<_> = pairs(tx)?.into_iter().filter(live).collect();
    // What says that it continues another one counts when that is judged.
    let judged =
        |row: &&ConversationRow| row.continues.is_none_or(|(before, _)| all.iter().all(|one| one.id != before));
    Ok(all.iter().find(judged).map(|row| row.id))
}

/// A pair with somebody in which we cannot go on.
pub(crate) fn stranded_pair_with(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<GroupId>, VaultFault> {
    Ok(pairs(tx)?.into_iter().find(|row| row.standing.is_stranded() && row.is_with(member)).map(|row| row.id))
}

/// Pairs that go on in no other one.
pub(crate) fn pairs(tx: &Transaction<'_>) -> Result<Vec<ConversationRow>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM conversations WHERE kind = 0 AND successor IS NULL ORDER BY id"
    ))?;
    Ok(statement.query_map([], conversation_row)?.collect::<Result<_, _>>()?)
}

impl ConversationRow {
    fn is_with(&self, member: &MemberKey) -> bool {
        self.administrators.contains(member)
    }
}

fn conversation_row(row: &Row<'_>) -> rusqlite::Result<ConversationRow> {
    Ok(ConversationRow {
        id: GroupId(row.get(0)?),
        kind: Kind::from_code(row.get(1)?),
        name: row.get(2)?,
        standing: Standing::from_code(row.get(3)?),
        epoch: unsql(row.get(4)?),
        mailbox: MailboxId(row.get(5)?),
        heard: row.get(6)?,
        rekeyed: Timestamp(unsql(row.get(7)?)),
        active: Timestamp(unsql(row.get(8)?)),
        stamp: unsql(row.get(9)?),
        administrators: decode_exact(&row.get::<_, Vec<u8>>(10)?).unwrap_or_default(),
        continues: row.get::<_, Option<_>>(11)?.map(GroupId).zip(row.get::<_, Option<_>>(12)?.map(MemberKey::new)),
        successor: row.get::<_, Option<_>>(13)?.map(GroupId),
        excluded: decode_exact(&row.get::<_, Vec<u8>>(14)?).unwrap_or_default(),
    })
}

pub(crate) fn put_place(tx: &Transaction<'_>, place: &Place) -> Result<(), VaultFault> {
    let secrets = Zeroizing::new(encode(&place.secrets));
    tx.sql()
        .prepare_cached(
            "INSERT INTO conversation_mailboxes (mailbox, conversation, relay, secrets, owner) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (mailbox) DO UPDATE SET secrets = excluded.secrets,
                owner = coalesce(excluded.owner, owner)",
        )?
        .execute(params![
            place.mailbox.0,
            place.conversation.0,
            place.relay.0,
            secrets.as_slice(),
            place.owner.as_ref().map(Capability::expose)
        ])?;
    tx.sql()
        .prepare_cached(
            "UPDATE conversation_mailboxes AS place SET owner = early.owner
             FROM early_owners AS early WHERE place.mailbox = ? AND early.mailbox = place.mailbox",
        )?
        .execute([place.mailbox.0])?;
    tx.sql().prepare_cached("DELETE FROM early_owners WHERE mailbox = ?")?.execute([place.mailbox.0])?;
    Ok(())
}

pub(crate) fn place(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<Option<Place>, VaultFault> {
    let found = tx
        .sql()
        .prepare_cached("SELECT conversation, relay, secrets, owner FROM conversation_mailboxes WHERE mailbox = ?")?
        .query_row([mailbox.0], |row| {
            let secrets = Zeroizing::new(row.get::<_, Vec<u8>>(2)?);
            Ok((GroupId(row.get(0)?), Fingerprint(row.get(1)?), secrets, row.get::<_, Option<[u8; 32]>>(3)?))
        })
        .optional()?;
    let Some((conversation, relay, secrets, owner)) = found else { return Ok(None) };
    Ok(Some(Place {
        mailbox: *mailbox,
        conversation,
        relay,
        secrets: decode_exact(&secrets).map_err(|_| VaultFault::Damaged { what: Part::Row })?,
        owner: owner.map(|owner| Capability::new(relevo_protocol::secret::Secret::new(owner))),
    }))
}

/// Every log of every conversation, those that were left too.
#[cfg(feature = "simulation")]
pub(crate) fn places(tx: &Transaction<'_>) -> Result<Vec<(GroupId, MailboxId)>, VaultFault> {
    let mut statement = tx.sql().prepare_cached("SELECT conversation, mailbox FROM conversation_mailboxes")?;
    let rows = statement.query_map([], |row| Ok((GroupId(row.get(0)?), MailboxId(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps who told us where a log stood.
pub(crate) fn put_welcomer(tx: &Transaction<'_>, mailbox: &MailboxId, member: &MemberKey) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE conversation_mailboxes SET welcomer = ? WHERE mailbox = ?")?
        .execute(params![member.as_bytes(), mailbox.0])?;
    Ok(())
}

/// Who told us where a log stood, of one into which we were welcomed.
pub(crate) fn welcomer(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<Option<MemberKey>, VaultFault> {
    let found: Option<Option<[u8; 32]>> = tx
        .sql()
        .prepare_cached("SELECT welcomer FROM conversation_mailboxes WHERE mailbox = ?")?
        .query_row([mailbox.0], |row| row.get(0))
        .optional()?;
    Ok(found.flatten().map(MemberKey::new))
}

/// Keeps the *owner* of a mailbox that another administrator opened. It comes by another way than the commit which moves
/// there, perhaps before it: then it waits, with [`EARLY_OWNERS`] of one conversation at most.
pub(crate) fn put_owner(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    mailbox: &MailboxId,
    owner: &Capability,
) -> Result<(), VaultFault> {
    let known = tx
        .sql()
        .prepare_cached("UPDATE conversation_mailboxes SET owner = ? WHERE mailbox = ?")?
        .execute(params![owner.expose(), mailbox.0])?;
    if known > 0 || find(tx, conversation)?.is_none() {
        return Ok(());
    }
    tx.sql()
        .prepare_cached("INSERT OR IGNORE INTO early_owners (mailbox, conversation, owner) VALUES (?, ?, ?)")?
        .execute(params![mailbox.0, conversation.0, owner.expose()])?;
    tx.sql()
        .prepare_cached(
            "DELETE FROM early_owners WHERE conversation = ?1 AND number NOT IN
                (SELECT number FROM early_owners WHERE conversation = ?1 ORDER BY number DESC LIMIT ?2)",
        )?
        .execute(params![conversation.0, EARLY_OWNERS])?;
    Ok(())
}

/// Replaces the seats of a conversation; what members said about their inboxes stays with those who stay.
pub(crate) fn put_seats(tx: &Transaction<'_>, conversation: &GroupId, seats: &[SeatRow]) -> Result<(), VaultFault> {
    let mut known = tx.sql().prepare_cached("SELECT member, inbox FROM seats WHERE conversation = ?")?;
    let inboxes: Vec<([u8; 32], Option<Vec<u8>>)> =
        known.query_map([conversation.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    tx.sql().prepare_cached("DELETE FROM seats WHERE conversation = ?")?.execute([conversation.0])?;
    let mut insert = tx.sql().prepare_cached(
        "INSERT INTO seats
            (conversation, leaf, member, device, pseudonym, key, serial, devices, committed_at, policy, inbox)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for seat in seats {
        let inbox = inboxes.iter().find(|(member, _)| member == seat.member.as_bytes());
        insert.execute(params![
            conversation.0,
            seat.leaf,
            seat.member.as_bytes(),
            seat.device.as_bytes(),
            seat.pseudonym,
            seat.key,
            sql(seat.serial),
            sql(seat.devices),
            seat.committed_at.map(sql),
            seat.policy.0,
            inbox.and_then(|(_, inbox)| inbox.as_ref())
        ])?;
    }
    Ok(())
}

/// The seats in leaf order.
pub(crate) fn seats(tx: &Transaction<'_>, conversation: &GroupId) -> Result<Vec<SeatRow>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "SELECT leaf, member, device, pseudonym, key, serial, devices, committed_at, policy FROM seats
         WHERE conversation = ? ORDER BY leaf",
    )?;
    let rows = statement.query_map([conversation.0], |row| {
        Ok(SeatRow {
            leaf: row.get(0)?,
            member: MemberKey::new(row.get(1)?),
            device: DeviceKey::new(row.get(2)?),
            pseudonym: row.get(3)?,
            key: row.get(4)?,
            serial: unsql(row.get(5)?),
            devices: unsql(row.get(6)?),
            committed_at: row.get::<_, Option<i64>>(7)?.map(unsql),
            policy: PolicyVersion(row.get(8)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps where a member said that it can be reached.
pub(crate) fn put_inbox(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    member: &MemberKey,
    inbox: &[u8],
) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("UPDATE seats SET inbox = ? WHERE conversation = ? AND member = ?")?.execute(params![
        inbox,
        conversation.0,
        member.as_bytes()
    ])?;
    Ok(())
}

/// Where a member said in any conversation that it can be reached.
pub(crate) fn inbox_of(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<Vec<u8>>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT inbox FROM seats WHERE member = ? AND inbox IS NOT NULL LIMIT 1")?
        .query_row([member.as_bytes()], |row| row.get(0))
        .optional()?)
}

pub(crate) fn put_leaf_key(
    tx: &Transaction<'_>,
    key: &[u8; 32],
    secret: &[u8; 32],
    grouped: bool,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("INSERT OR REPLACE INTO leaf_keys (key, secret, grouped) VALUES (?, ?, ?)")?
        .execute(params![key, secret, grouped])?;
    Ok(())
}

/// Whether a leaf key of ours is bound to one group.
pub(crate) fn is_group_leaf(tx: &Transaction<'_>, key: &[u8; 32]) -> Result<bool, VaultFault> {
    Ok(tx.sql().prepare_cached("SELECT 1 FROM leaf_keys WHERE key = ? AND grouped = 1")?.exists([key])?)
}

pub(crate) fn leaf_secret(tx: &Transaction<'_>, key: &[u8; 32]) -> Result<Option<[u8; 32]>, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT secret FROM leaf_keys WHERE key = ?")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

/// Destroys a leaf key of ours that stands in no group's tree.
pub(crate) fn destroy_leaf_key(tx: &Transaction<'_>, key: &[u8; 32]) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "DELETE FROM leaf_keys WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM seats WHERE seats.key = ?1)",
        )?
        .execute([key])?;
    Ok(())
}

/// Keeps a charter that travelled in the log or with the welcome.
pub(crate) fn put_charter(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    charter: &MultiSigned<Charter>,
) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("INSERT OR IGNORE INTO pinned (conversation, hash, kind, object) VALUES (?, ?, 0, ?)")?
        .execute(params![conversation.0, charter.hash().0, charter.bytes()])?;
    Ok(())
}

/// Remembers a commit that this device has applied.
pub(crate) fn put_merged(tx: &Transaction<'_>, conversation: &GroupId, hash: &[u8; 32]) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("INSERT OR IGNORE INTO merged (conversation, hash) VALUES (?, ?)")?
        .execute(params![conversation.0, hash])?;
    Ok(())
}

/// Whether this device has applied a commit.
pub(crate) fn is_merged(tx: &Transaction<'_>, conversation: &GroupId, hash: &[u8; 32]) -> Result<bool, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT 1 FROM merged WHERE conversation = ? AND hash = ?")?
        .exists(params![conversation.0, hash])?)
}

/// Whether an object travelled in the log or with the welcome.
pub(crate) fn is_pinned(tx: &Transaction<'_>, conversation: &GroupId, hash: &ObjectHash) -> Result<bool, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT 1 FROM pinned WHERE conversation = ? AND hash = ?")?
        .exists(params![conversation.0, hash.0])?)
}

/// The charters that a conversation carries.
pub(crate) fn pinned_charters(
    tx: &Transaction<'_>,
    conversation: &GroupId,
) -> Result<Vec<MultiSigned<Charter>>, VaultFault> {
    let mut statement =
        tx.sql().prepare_cached("SELECT object FROM pinned WHERE conversation = ? AND kind = 0 ORDER BY hash")?;
    let objects: Vec<Vec<u8>> = statement.query_map([conversation.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
    objects
        .iter()
        .map(|object| MultiSigned::decode(object).map_err(|_| VaultFault::Damaged { what: Part::Row }))
        .collect()
}

/// SQLite's integers are signed; none of ours comes near the end.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// See [`sql`].
pub(super) fn unsql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
