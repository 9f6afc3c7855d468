//! What others say of a conversation that is judged only when its log is read.

use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Incarnation, MailboxId, Sequence};
use rusqlite::params;
use zeroize::Zeroizing;

use super::conversations::{sql, unsql};
use super::fault::Part;
use super::{Transaction, VaultFault};

/// So many of each sender and kind as [`Matter::of_each`] says.
pub(super) const TABLES: &str = "
    CREATE TABLE held (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation BLOB NOT NULL,
        sender       BLOB NOT NULL,
        kind         INTEGER NOT NULL,
        body         BLOB NOT NULL,
        mls          BLOB NOT NULL,     -- of a welcome: MLS's
        at           INTEGER NOT NULL,  -- seconds
        came         INTEGER NOT NULL,  -- whether the sender was added since
        mailbox      BLOB,              -- the log of which the relay was asked where it stands
        incarnation  BLOB,              -- and its answer; absent where there is nothing to be read
        upto         INTEGER
    ) STRICT;
    CREATE INDEX held_of ON held (conversation, sender, kind);
";

/// What is judged.
pub(crate) enum Matter {
    /// A welcome into a conversation in which this device still is.
    Welcome {
        /// As it was sent, encoded.
        welcome: Zeroizing<Vec<u8>>,
        /// MLS's Welcome.
        bytes: Vec<u8>,
    },
    /// A member asks to be added again.
    ReAdd,
    /// A member cannot process this commit.
    Complaint {
        /// Its hash.
        commit: [u8; 32],
    },
    /// The sender has founded the conversation anew.
    Succession {
        /// The new one.
        anew: GroupId,
    },
}

impl Matter {
    fn kind(&self) -> u8 {
        match self {
            Self::Welcome { .. } => 0,
            Self::ReAdd => 1,
            Self::Complaint { .. } => 2,
            Self::Succession { .. } => 3,
        }
    }

    /// Of one sender and for one conversation. A second asking is the better one; a second welcome leads behind what was said
    /// between the two, which only the first opens.
    fn of_each(&self) -> i64 {
        match self {
            Self::Welcome { .. } => 3,
            Self::ReAdd | Self::Complaint { .. } | Self::Succession { .. } => 1,
        }
    }

    /// Senders of whom any is kept for a conversation.
    fn senders(&self) -> i64 {
        match self {
            Self::Welcome { .. } | Self::Succession { .. } => 8,
            Self::ReAdd | Self::Complaint { .. } => 256,
        }
    }

    fn columns(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Welcome { welcome, bytes } => (welcome, bytes),
            Self::ReAdd => (&[], &[]),
            Self::Complaint { commit } => (commit, &[]),
            Self::Succession { anew } => (&anew.0, &[]),
        }
    }

    fn of(kind: u8, body: Vec<u8>, mls: Vec<u8>) -> Option<Self> {
        match kind {
            0 => Some(Self::Welcome { welcome: Zeroizing::new(body), bytes: mls }),
            1 => Some(Self::ReAdd),
            2 => Some(Self::Complaint { commit: body.try_into().ok()? }),
            3 => Some(Self::Succession { anew: GroupId(body.try_into().ok()?) }),
            _ => None,
        }
    }
}

/// What waits.
pub(crate) struct Held {
    pub(crate) number: i64,
    pub(crate) sender: MemberKey,
    /// When it came here.
    pub(crate) at: Timestamp,
    /// Whether its sender was added by a commit that was read since.
    pub(crate) came: bool,
    /// The log of which the relay was asked where it stands.
    pub(crate) mailbox: Option<MailboxId>,
    pub(crate) upto: Upto,
    pub(crate) matter: Matter,
}

/// What is to be read before it is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Upto {
    /// The relay has not answered.
    Unknown,
    /// Everything up to this entry.
    Entry(Incarnation, Sequence),
    /// Nothing more will come.
    Nothing,
}

/// Whether something still waits.
pub(crate) fn is_there(tx: &Transaction<'_>, number: i64) -> Result<bool, VaultFault> {
    Ok(tx.sql().prepare_cached("SELECT 1 FROM held WHERE number = ?")?.exists([number])?)
}

/// Whether a member's word that a conversation was founded anew waits.
pub(crate) fn waits(tx: &Transaction<'_>, conversation: &GroupId, sender: &MemberKey) -> Result<bool, VaultFault> {
    let kind = Matter::Succession { anew: *conversation }.kind();
    let mut statement =
        tx.sql().prepare_cached("SELECT 1 FROM held WHERE conversation = ? AND sender = ? AND kind = ?")?;
    Ok(statement.exists(params![conversation.0, sender.as_bytes(), kind])?)
}

/// Keeps what somebody says, in the place of the last one where there are enough of theirs; not of one more sender than there is
/// room for.
pub(crate) fn put(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    sender: &MemberKey,
    matter: &Matter,
    now: Timestamp,
) -> Result<bool, VaultFault> {
    let (body, mls) = matter.columns();
    tx.sql()
        .prepare_cached(
            "DELETE FROM held WHERE number IN (SELECT number FROM held WHERE conversation = ? AND sender = ? AND kind = ?
             ORDER BY number LIMIT -1 OFFSET ?)",
        )?
        .execute(params![conversation.0, sender.as_bytes(), matter.kind(), matter.of_each().saturating_sub(1)])?;
    let put = tx
        .sql()
        .prepare_cached(
            "INSERT INTO held (conversation, sender, kind, body, mls, at, came) SELECT ?1, ?2, ?3, ?4, ?5, ?7, 0
             WHERE (SELECT count(DISTINCT sender) FROM held WHERE conversation = ?1 AND kind = ?3 AND sender <> ?2) < ?6",
        )?
        .execute(params![conversation.0, sender.as_bytes(), matter.kind(), body, mls, matter.senders(), sql(now.0)])?;
    Ok(put > 0)
}

/// Notes that the relay is asked where a log stands, for all that was not asked about that log yet. Gives the last one's
/// number.
pub(crate) fn asked(tx: &Transaction<'_>, conversation: &GroupId, mailbox: &MailboxId) -> Result<i64, VaultFault> {
    tx.sql()
        .prepare_cached(
            "UPDATE held SET mailbox = ?1, incarnation = NULL, upto = NULL
             WHERE conversation = ?2 AND mailbox IS NOT ?1",
        )?
        .execute(params![mailbox.0, conversation.0])?;
    let last = tx
        .sql()
        .prepare_cached("SELECT max(number) FROM held WHERE conversation = ?")?
        .query_row([conversation.0], |row| row.get::<_, Option<i64>>(0))?;
    Ok(last.unwrap_or(0))
}

/// Forgets what the relay has answered about a conversation's log: it is to be asked again.
pub(crate) fn ask_again(tx: &Transaction<'_>, conversation: &GroupId) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached(
            "UPDATE held SET mailbox = NULL, incarnation = NULL, upto = NULL
             WHERE conversation = ? AND upto IS NOT NULL",
        )?
        .execute([conversation.0])?;
    Ok(())
}

/// Notes that somebody was added to a conversation.
pub(crate) fn came(tx: &Transaction<'_>, conversation: &GroupId, member: &MemberKey) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("UPDATE held SET came = 1 WHERE conversation = ? AND sender = ?")?
        .execute(params![conversation.0, member.as_bytes()])?;
    Ok(())
}

/// Conversations for whose logs anything waits.
pub(crate) fn conversations(tx: &Transaction<'_>) -> Result<Vec<GroupId>, VaultFault> {
    let mut statement = tx.sql().prepare_cached("SELECT DISTINCT conversation FROM held")?;
    let rows = statement.query_map([], |row| row.get(0).map(GroupId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes what is to be read of a log before all up to a number, or each that waits for that log, is judged.
pub(crate) fn stands(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    number: Option<i64>,
    mailbox: &MailboxId,
    upto: Upto,
) -> Result<(), VaultFault> {
    let (incarnation, sequence) = match upto {
        Upto::Unknown => (None, None),
        Upto::Entry(incarnation, sequence) => (Some(incarnation.0), Some(sql(sequence.0))),
        Upto::Nothing => (None, Some(0)),
    };
    tx.sql()
        .prepare_cached(
            "UPDATE held SET incarnation = ?1, upto = ?2
             WHERE conversation = ?3 AND mailbox = ?4 AND (?5 IS NULL OR number <= ?5)",
        )?
        .execute(params![incarnation, sequence, conversation.0, mailbox.0, number])?;
    Ok(())
}

/// What waits for a conversation's log, in the order in which it came.
pub(crate) fn of(tx: &Transaction<'_>, conversation: &GroupId) -> Result<Vec<Held>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "SELECT number, sender, mailbox, incarnation, upto, kind, body, mls, at, came FROM held
         WHERE conversation = ? ORDER BY number",
    )?;
    let rows = statement.query_map([conversation.0], |row| {
        let upto = match (row.get::<_, Option<[u8; 8]>>(3)?, row.get::<_, Option<i64>>(4)?) {
            (_, None) => Upto::Unknown,
            (Some(incarnation), Some(upto)) => Upto::Entry(Incarnation(incarnation), Sequence(unsql(upto))),
            (None, Some(_)) => Upto::Nothing,
        };
        let mailbox = row.get::<_, Option<[u8; 16]>>(2)?.map(MailboxId);
        let matter = Matter::of(row.get(5)?, row.get(6)?, row.get(7)?);
        let (at, came) = (Timestamp(unsql(row.get(8)?)), row.get(9)?);
        Ok((
            Held {
                number: row.get(0)?,
                sender: MemberKey::new(row.get(1)?),
                at,
                came,
                mailbox,
                upto,
                matter: Matter::ReAdd,
            },
            matter,
        ))
    })?;
    rows.map(|row| {
        let (held, matter) = row?;
        Ok(Held { matter: matter.ok_or(VaultFault::Damaged { what: Part::Row })?, ..held })
    })
    .collect()
}

/// Forgets it.
pub(crate) fn remove(tx: &Transaction<'_>, number: i64) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM held WHERE number = ?")?.execute([number])?;
    Ok(())
}
