//! What others say of a conversation that is judged only when its log is read.

use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Incarnation, MailboxId, Sequence};
use rusqlite::{OptionalExtension, params};
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
        epoch        INTEGER NOT NULL,  -- into which a welcome leads
        at           INTEGER NOT NULL,  -- seconds
        came         INTEGER NOT NULL,  -- whether the sender was added since
        mailbox      BLOB,              -- the log of which the relay was asked where it stands
        incarnation  BLOB,              -- and its answer; absent where there is nothing to be read
        upto         INTEGER
    ) STRICT;
    CREATE INDEX held_of ON held (conversation, sender, kind);
";

/// Welcomes of one sender that wait. Three: a second one may come while the first waits, and of more the last counts.
pub(crate) const WELCOMES: u8 = 3;

/// What is judged.
pub(crate) enum Matter {
    /// A welcome into a conversation in which this device still is.
    Welcome {
        /// As it was sent, encoded.
        welcome: Zeroizing<Vec<u8>>,
        /// MLS's Welcome.
        bytes: Vec<u8>,
        /// The epoch into which it leads.
        epoch: u64,
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

/// What it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Welcome,
    ReAdd,
    Complaint,
    Succession,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Welcome, Self::ReAdd, Self::Complaint, Self::Succession];

    fn code(self) -> u8 {
        match self {
            Self::Welcome => 0,
            Self::ReAdd => 1,
            Self::Complaint => 2,
            Self::Succession => 3,
        }
    }

    fn of(code: u8) -> Result<Self, VaultFault> {
        let kind = Self::ALL.into_iter().find(|kind| kind.code() == code);
        kind.ok_or(VaultFault::Damaged { what: Part::Row })
    }
}

impl Matter {
    fn kind(&self) -> Kind {
        match self {
            Self::Welcome { .. } => Kind::Welcome,
            Self::ReAdd => Kind::ReAdd,
            Self::Complaint { .. } => Kind::Complaint,
            Self::Succession { .. } => Kind::Succession,
        }
    }

    fn epoch(&self) -> u64 {
        match self {
            Self::Welcome { epoch, .. } => *epoch,
            Self::ReAdd | Self::Complaint { .. } | Self::Succession { .. } => 0,
        }
    }

    /// Of one sender and for one conversation. A second asking is the better one; a second welcome leads behind what was said
    /// between the two, which only the first opens.
    fn of_each(&self) -> i64 {
        match self {
            Self::Welcome { .. } => i64::from(WELCOMES),
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
            Self::Welcome { welcome, bytes, epoch: _ } => (welcome, bytes),
            Self::ReAdd => (&[], &[]),
            Self::Complaint { commit } => (commit, &[]),
            Self::Succession { anew } => (&anew.0, &[]),
        }
    }

    fn of(kind: Kind, body: Vec<u8>, mls: Vec<u8>, epoch: u64) -> Option<Self> {
        Some(match kind {
            Kind::Welcome => Self::Welcome { welcome: Zeroizing::new(body), bytes: mls, epoch },
            Kind::ReAdd => Self::ReAdd,
            Kind::Complaint => Self::Complaint { commit: body.try_into().ok()? },
            Kind::Succession => Self::Succession { anew: GroupId(body.try_into().ok()?) },
        })
    }
}

/// What waits. [`matter`] has what it says.
#[derive(Clone)]
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
    pub(crate) kind: Kind,
    /// Into which a welcome leads.
    pub(crate) epoch: u64,
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

/// Whether a member's word that a conversation was founded anew waits.
pub(crate) fn waits(tx: &Transaction<'_>, conversation: &GroupId, sender: &MemberKey) -> Result<bool, VaultFault> {
    let kind = Kind::Succession.code();
    let mut statement =
        tx.sql().prepare_cached("SELECT 1 FROM held WHERE conversation = ? AND sender = ? AND kind = ?")?;
    Ok(statement.exists(params![conversation.0, sender.as_bytes(), kind])?)
}

/// Keeps what somebody says; not of one more sender than there is room for, and then false. Where there are too many of one sender,
/// the oldest goes; of welcomes that before the one which leads farthest.
pub(crate) fn put(
    tx: &Transaction<'_>,
    conversation: &GroupId,
    sender: &MemberKey,
    matter: &Matter,
    now: Timestamp,
) -> Result<bool, VaultFault> {
    let (body, mls) = matter.columns();
    let kind = matter.kind().code();
    let put = tx
        .sql()
        .prepare_cached(
            "INSERT INTO held (conversation, sender, kind, body, mls, at, came, epoch) SELECT ?1, ?2, ?3, ?4, ?5, ?7, 0, ?8
             WHERE (SELECT count(DISTINCT sender) FROM held WHERE conversation = ?1 AND kind = ?3 AND sender <> ?2) < ?6",
        )?
        .execute(params![
            conversation.0,
            sender.as_bytes(),
            kind,
            body,
            mls,
            matter.senders(),
            sql(now.0),
            sql(matter.epoch())
        ])?;
    tx.sql()
        .prepare_cached(
            "DELETE FROM held WHERE number IN (
                SELECT number FROM held WHERE conversation = ?1 AND sender = ?2 AND kind = ?3 ORDER BY epoch, number
                LIMIT max(0, (SELECT count(*) FROM held WHERE conversation = ?1 AND sender = ?2 AND kind = ?3) - ?4)
                OFFSET ?4 - 1)",
        )?
        .execute(params![conversation.0, sender.as_bytes(), kind, matter.of_each()])?;
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

/// What waits for a conversation's log, in the order in which it came, but welcomes among themselves in that of their epochs:
/// the first opens what was said before the next.
pub(crate) fn of(tx: &Transaction<'_>, conversation: &GroupId) -> Result<Vec<Held>, VaultFault> {
    let mut statement = tx.sql().prepare_cached(
        "SELECT number, sender, mailbox, incarnation, upto, kind, at, came, epoch FROM held
         WHERE conversation = ? ORDER BY number",
    )?;
    let rows = statement.query_map([conversation.0], |row| {
        let upto = match (row.get::<_, Option<[u8; 8]>>(3)?, row.get::<_, Option<i64>>(4)?) {
            (_, None) => Upto::Unknown,
            (Some(incarnation), Some(upto)) => Upto::Entry(Incarnation(incarnation), Sequence(unsql(upto))),
            (None, Some(_)) => Upto::Nothing,
        };
        let held = Held {
            number: row.get(0)?,
            sender: MemberKey::new(row.get(1)?),
            at: Timestamp(unsql(row.get(6)?)),
            came: row.get(7)?,
            mailbox: row.get::<_, Option<[u8; 16]>>(2)?.map(MailboxId),
            upto,
            kind: Kind::Welcome,
            epoch: unsql(row.get(8)?),
        };
        Ok((held, row.get(5)?))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (held, kind) = row?;
        found.push(Held { kind: Kind::of(kind)?, ..held });
    }
    let mut welcomes: Vec<Held> = found.iter().filter(|held| held.kind == Kind::Welcome).cloned().collect();
    welcomes.sort_by_key(|held| held.epoch);
    let places = found.iter_mut().filter(|held| held.kind == Kind::Welcome);
    for (place, held) in places.zip(welcomes) {
        *place = held;
    }
    Ok(found)
}

/// What it says, if it still waits.
pub(crate) fn matter(tx: &Transaction<'_>, number: i64) -> Result<Option<Matter>, VaultFault> {
    let mut statement = tx.sql().prepare_cached("SELECT kind, body, mls, epoch FROM held WHERE number = ?")?;
    let row =
        statement.query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).optional()?;
    let Some((kind, body, mls, epoch)) = row else { return Ok(None) };
    let matter = Matter::of(Kind::of(kind)?, body, mls, unsql(epoch));
    Ok(Some(matter.ok_or(VaultFault::Damaged { what: Part::Row })?))
}

/// Forgets it.
pub(crate) fn remove(tx: &Transaction<'_>, number: i64) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM held WHERE number = ?")?.execute([number])?;
    Ok(())
}
