//! Small rows of membership, inbox and alerts: one CBOR value under a noun and a key. There are tens or hundreds of
//! each, so they are listed whole; what grows with traffic has tables of its own.

use minicbor::{Decode, Encode};
use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use super::{Part, Transaction, VaultFault};

pub(super) const TABLES: &str = "
CREATE TABLE records (
    noun INTEGER NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (noun, key)
) STRICT, WITHOUT ROWID;
";

/// What a record is about. The numbers are on disk: never reuse one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Noun {
    /// Own keys and pseudonym; one row.
    Me,
    /// Own inbox and shelf; one row.
    Inbox,
    /// Own inbox keys, by number.
    InboxKey,
    /// Grants handed out, by holder.
    Grant,
    /// Where members can be reached, by member key.
    Address,
    /// Last counter used towards a member.
    Counter,
    /// Parcels received, by sender and counter.
    ParcelSeen,
    /// Parcels that wait for a receipt, by hash.
    ParcelSent,
    /// Contacts, by member key.
    Contact,
    /// People whose identity was verified, by member key.
    Person,
    /// Member keys, by the hash of a card.
    PersonByCard,
    /// Own codes (invitations), by the id of their mailbox.
    Code,
    /// Codes of others that this member follows, by the id of their mailbox.
    Errand,
    /// What waits for this member's word, by number.
    Request,
    /// A union that this member is founding; one row.
    Founding,
    /// Drafts of charters that this member proposed or received, by hash.
    Draft,
    /// Charters, by version.
    Charter,
    /// Cards that this coordinator knows, by hash.
    Card,
    /// Entries of the roll, by the device that wrote them and position.
    Roll,
    /// Heads of the roll, by device.
    RollHead,
    /// Introductions, by the member to meet.
    Introduction,
    /// Vouches gathered for newcomers, by newcomer.
    Candidate,
    /// Comparisons of words with a contact, by member key.
    Comparison,
    /// What this member must know went wrong, by number.
    Warning,
    /// Alerts received, by hash.
    AlertReceived,
    /// Alerts sent, by hash.
    AlertSent,
    /// When somebody was asked to add us to a group again, by a hash of the reason.
    AskedIn,
    /// The log of a conversation of which its relay is being asked where it stands.
    StandingAsked,
    /// When entries of a conversation's log were found to be lost to us, until somebody else is heard in our epoch.
    LogGap,
    /// When a pair was last founded anew by this device itself, by the other's member key.
    PairRefounded,
    /// Members who were removed from conversations that continue others, by conversation and member key.
    TakenOut,
    /// Conversations into which words were carried from those that they continue, until they are sent.
    Carried,
    /// Words of ours that were meant for the people of a conversation which goes on in another one, by their number.
    Brought,
    /// When the relay of a conversation's log was found to be put back, and was given what it had lost, by the log.
    PutBack,
    /// Key packages of ours that may still be used, by the hash under which MLS keeps them.
    Shelved,
    /// Keys of ours that were passed over since our last words in a conversation, by its id.
    PassedOver,
    /// Answers to introductions that have not come yet, by the member who gave them.
    EarlyAnswer,
    /// Counters of this table, by name.
    Number,
}

impl Noun {
    const fn number(self) -> i64 {
        match self {
            Self::Me => 1,
            Self::Inbox => 2,
            Self::InboxKey => 3,
            Self::Address => 4,
            Self::Counter => 5,
            Self::ParcelSeen => 6,
            Self::ParcelSent => 7,
            Self::Contact => 8,
            Self::Code => 9,
            Self::Errand => 10,
            Self::Request => 11,
            Self::Founding => 12,
            Self::Draft => 13,
            Self::Charter => 14,
            Self::Card => 15,
            Self::Roll => 16,
            Self::Candidate => 17,
            Self::Comparison => 18,
            Self::Warning => 19,
            Self::AlertReceived => 20,
            Self::AlertSent => 21,
            Self::Number => 22,
            Self::Grant => 23,
            Self::RollHead => 26,
            Self::Introduction => 27,
            Self::AskedIn => 28,
            Self::StandingAsked => 29,
            Self::EarlyAnswer => 30,
            Self::LogGap => 31,
            Self::PutBack => 32,
            Self::Shelved => 33,
            Self::PassedOver => 34,
            Self::PairRefounded => 35,
            Self::Carried => 36,
            Self::TakenOut => 37,
            Self::Brought => 38,
            Self::Person => 24,
            Self::PersonByCard => 25,
        }
    }
}

/// Key of a noun that has one row.
pub(crate) const ONE: &[u8] = &[];

/// Writes a record, replacing the one under the same key.
pub(crate) fn put<T: Encode<()>>(tx: &Transaction<'_>, noun: Noun, key: &[u8], value: &T) -> Result<(), VaultFault> {
    let bytes = Zeroizing::new(relevo_protocol::wire::encode(value));
    tx.sql()
        .prepare_cached("INSERT OR REPLACE INTO records (noun, key, value) VALUES (?1, ?2, ?3)")?
        .execute(params![noun.number(), key, &bytes[..]])?;
    Ok(())
}

/// The record under a key.
pub(crate) fn get<T: for<'b> Decode<'b, ()>>(
    tx: &Transaction<'_>,
    noun: Noun,
    key: &[u8],
) -> Result<Option<T>, VaultFault> {
    tx.sql()
        .prepare_cached("SELECT value FROM records WHERE noun = ?1 AND key = ?2")?
        .query_row(params![noun.number(), key], |row| row.get::<_, Vec<u8>>(0))
        .optional()?
        .map(|bytes| read(bytes))
        .transpose()
}

/// All records of a noun, in the order of their keys.
pub(crate) fn list<T: for<'b> Decode<'b, ()>>(tx: &Transaction<'_>, noun: Noun) -> Result<Vec<T>, VaultFault> {
    tx.sql()
        .prepare_cached("SELECT value FROM records WHERE noun = ?1 ORDER BY key")?
        .query_map(params![noun.number()], |row| row.get::<_, Vec<u8>>(0))?
        .map(|bytes| read(bytes?))
        .collect()
}

/// Whether there is a record under a key.
pub(crate) fn has(tx: &Transaction<'_>, noun: Noun, key: &[u8]) -> Result<bool, VaultFault> {
    Ok(tx
        .sql()
        .prepare_cached("SELECT 1 FROM records WHERE noun = ?1 AND key = ?2")?
        .exists(params![noun.number(), key])?)
}

/// Removes the record under a key, if there is one.
pub(crate) fn remove(tx: &Transaction<'_>, noun: Noun, key: &[u8]) -> Result<(), VaultFault> {
    tx.sql()
        .prepare_cached("DELETE FROM records WHERE noun = ?1 AND key = ?2")?
        .execute(params![noun.number(), key])?;
    Ok(())
}

/// Removes all records of a noun.
pub(crate) fn clear(tx: &Transaction<'_>, noun: Noun) -> Result<(), VaultFault> {
    tx.sql().prepare_cached("DELETE FROM records WHERE noun = ?1")?.execute([noun.number()])?;
    Ok(())
}

/// Keeps only the records of a noun that `wanted` says.
pub(crate) fn retain<T: for<'b> Decode<'b, ()>>(
    tx: &Transaction<'_>,
    noun: Noun,
    wanted: impl Fn(&T) -> bool,
) -> Result<(), VaultFault> {
    take(tx, noun, |record| !wanted(record)).map(drop)
}

/// Takes out the records of a noun that `wanted` says, with their keys.
pub(crate) fn take<T: for<'b> Decode<'b, ()>>(
    tx: &Transaction<'_>,
    noun: Noun,
    wanted: impl Fn(&T) -> bool,
) -> Result<Vec<(Vec<u8>, T)>, VaultFault> {
    let mut statement = tx.sql().prepare_cached("SELECT key, value FROM records WHERE noun = ?1")?;
    let rows = statement.query_map(params![noun.number()], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))?;
    let mut taken = Vec::new();
    for (key, value) in rows.collect::<Result<Vec<_>, _>>()? {
        let record = read(value)?;
        if wanted(&record) {
            remove(tx, noun, &key)?;
            taken.push((key, record));
        }
    }
    Ok(taken)
}

/// The next number of a noun, from 1; numbers are not used twice.
pub(crate) fn next_number(tx: &Transaction<'_>, noun: Noun) -> Result<u64, VaultFault> {
    let key = noun.number().to_be_bytes();
    let next = get::<u64>(tx, Noun::Number, &key)?.unwrap_or(0).saturating_add(1);
    put(tx, Noun::Number, &key, &next)?;
    Ok(next)
}

/// Runs `work` so that a refusal leaves no trace, while the transaction around it goes on: what strangers send may be
/// refused half-way.
pub(crate) fn attempt<T, E>(
    tx: &Transaction<'_>,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<Result<T, E>, VaultFault> {
    tx.sql().execute_batch("SAVEPOINT attempt")?;
    let done = work();
    tx.sql().execute_batch(if done.is_ok() { "RELEASE attempt" } else { "ROLLBACK TO attempt; RELEASE attempt" })?;
    Ok(done)
}

fn read<T: for<'b> Decode<'b, ()>>(bytes: Vec<u8>) -> Result<T, VaultFault> {
    let bytes = Zeroizing::new(bytes);
    relevo_protocol::wire::decode_exact(&bytes).map_err(|_| VaultFault::Damaged { what: Part::Row })
}
