//! The inbox and the shelf that this member owns: opened once, then tended.

use minicbor::{Decode, Encode};
use relevo_protocol::limits::{MAX_GRANTS, MAX_LEASE_HOURS};
use relevo_protocol::sealed::{EntryKey, InboxKeyPair};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    Call, Capability, Grant, GrantTable, Incarnation, MailboxId, MailboxKind, RelayAddress, Sequence, encode,
};

use super::{Await, InboxFault, then_nothing};
use crate::sync::{self, Follow, Start, Then, Topic};
use crate::vault::Transaction;
use crate::vault::records::{self, Noun, ONE};

/// Grants that lie ready at the relay, so that an address works from the moment it is handed out.
const SPARES: usize = 16;
/// Grants that one request registers again: one that does not fit any more is no reason to refuse them all.
const GRANTS_AT_ONCE: usize = 64;
/// Hours that a grant lasts: a year. Contacts get a new one long before, at a key's rotation.
const GRANT_HOURS: u32 = 365 * 24;
/// Parcels an hour under one grant, and their bytes: a few welcomes of the largest size, or a day's answers.
const APPENDS_PER_HOUR: u32 = 600;
const BYTES_PER_HOUR: u64 = 64 << 20;
/// Key packages an hour under one grant: groups that one contact may pull this member into.
const TAKES_PER_HOUR: u32 = 30;

/// Seconds in a day.
const DAY: u64 = 24 * 3600;
/// Seconds after which an inbox key is replaced.
const KEY_LIFE: u64 = 7 * DAY;
/// Seconds after its replacement for which an old key is kept: no entry to it can still lie at the relay.
pub(super) const KEY_RETENTION: u64 = 91 * DAY;
/// Seconds between renewals of the leases.
const RENEWAL: u64 = 7 * DAY;

/// What somebody was given to reach this member.
pub(super) struct Held {
    /// Of the inbox.
    pub(super) append: Capability,
    /// Of the shelf.
    pub(super) take: Capability,
    /// When.
    pub(super) made: Timestamp,
}

/// The one row about the own inbox and shelf.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Mine {
    /// The relay as it is named to others: with an admission that may be shared.
    #[n(0)]
    pub(super) relay: RelayAddress,
    /// *owner* of the inbox.
    #[n(1)]
    pub(super) owner: Capability,
    /// *owner* of the shelf.
    #[n(2)]
    pub(super) shelf_owner: Capability,
    /// Own *append* of the shelf.
    #[n(3)]
    pub(super) shelf_append: Capability,
    /// Seals what lies on the shelf.
    #[n(4)]
    pub(super) shelf_key: EntryKey,
    /// *append* grants of the inbox that nobody has yet.
    #[n(5)]
    spare_append: Vec<Capability>,
    /// *take* grants of the shelf that nobody has yet.
    #[n(6)]
    spare_take: Vec<Capability>,
    /// Number of the present inbox key.
    #[n(7)]
    key: u64,
    /// When it was made.
    #[n(8)]
    key_made: Timestamp,
    /// When the leases were last renewed.
    #[n(9)]
    renewed: Timestamp,
    /// Last entry done with, and last one trimmed.
    #[n(10)]
    pub(super) read: Sequence,
    #[n(11)]
    pub(super) trimmed: Sequence,
    /// When the shelf was last looked at, and when its last resort was replaced.
    #[n(12)]
    pub(super) looked: Timestamp,
    #[n(13)]
    pub(super) last_resort: Timestamp,
    /// Whether something was put on the shelf since it was looked at, so that it is looked at again soon.
    #[n(14)]
    pub(super) restocked: bool,
    /// Whether the last look was such a one: two of them do not follow each other, whatever a relay does with what it is sent.
    #[n(15)]
    pub(super) hurried: bool,
    /// The life of the inbox in which `read` is a place.
    #[n(16)]
    pub(super) life: Option<Incarnation>,
}

/// An inbox key of this member.
#[derive(Encode, Decode)]
#[cbor(map)]
struct KeyRow {
    #[n(0)]
    number: u64,
    #[n(1)]
    seed: Secret<32>,
    /// When a newer one replaced it.
    #[n(2)]
    retired: Option<Timestamp>,
}

impl Mine {
    pub(super) fn load(tx: &Transaction<'_>) -> Result<Self, InboxFault> {
        records::get(tx, Noun::Inbox, ONE)?.ok_or(InboxFault::NoInbox)
    }

    pub(super) fn save(&self, tx: &Transaction<'_>) -> Result<(), InboxFault> {
        Ok(records::put(tx, Noun::Inbox, ONE, self)?)
    }

    pub(super) fn mailbox(&self) -> MailboxId {
        self.owner.mailbox()
    }

    pub(super) fn shelf(&self) -> MailboxId {
        self.shelf_owner.mailbox()
    }

    /// Who may write to the inbox and who may take from the shelf: those who hold a grant, and those who will.
    fn grants(&self, held: &[Held], now: Timestamp) -> (Vec<Grant>, Vec<Grant>) {
        let append = held.iter().map(|held| append_grant(&held.append, held.made));
        let take = held.iter().map(|held| take_grant(&held.take, held.made));
        let append = append.chain(self.spare_append.iter().map(|spare| append_grant(spare, now)));
        let take = take.chain(self.spare_take.iter().map(|spare| take_grant(spare, now)));
        (by_hash(append), by_hash(take))
    }

    fn open_inbox(&self, append: Vec<Grant>) -> Call {
        open(&self.owner, append, Vec::new())
    }

    fn open_shelf(&self, take: Vec<Grant>, now: Timestamp) -> Call {
        open(&self.shelf_owner, vec![append_grant(&self.shelf_append, now)], take)
    }

    /// The key that parcels are sealed to now.
    pub(super) fn current_key(&self, tx: &Transaction<'_>) -> Result<InboxKeyPair, InboxFault> {
        let row: KeyRow = records::get(tx, Noun::InboxKey, &self.key.to_be_bytes())?.ok_or(InboxFault::NoInbox)?;
        Ok(InboxKeyPair::from_seed(row.seed)?)
    }

    /// Hands out a spare *append* and a spare *take*, and has new ones registered in their place.
    pub(super) fn draw_grants(
        &mut self,
        tx: &Transaction<'_>,
        now: Timestamp,
    ) -> Result<(Capability, Capability), InboxFault> {
        let (append, new_append) = rotate_spare(&mut self.spare_append)?;
        let (take, new_take) = rotate_spare(&mut self.spare_take)?;
        let relay = self.relay.fingerprint;
        for (table, mailbox, owner, grant) in [
            (GrantTable::Append, self.mailbox(), &self.owner, append_grant(&new_append, now)),
            (GrantTable::Take, self.shelf(), &self.shelf_owner, take_grant(&new_take, now)),
        ] {
            let call =
                Call::Grants { mailbox, capability: owner.duplicate(), table, revoke: Vec::new(), add: vec![grant] };
            sync::enqueue(tx, &relay, &call, &then_nothing())?;
        }
        self.spare_append.push(new_append);
        self.spare_take.push(new_take);
        self.save(tx)?;
        Ok((append, take))
    }
}

/// Opens the inbox and the shelf at a relay and follows the inbox. Called again, does nothing.
///
/// `relay` is named to contacts as it is: its admission is one that may be shared.
///
/// # Errors
/// [`InboxFault::Vault`], [`InboxFault::Seal`].
pub(crate) fn establish(tx: &Transaction<'_>, relay: &RelayAddress, now: Timestamp) -> Result<(), InboxFault> {
    if records::has(tx, Noun::Inbox, ONE)? {
        return Ok(());
    }
    let draw = || Capability::random().map_err(|_| InboxFault::Randomness);
    let spares = || (0..SPARES).map(|_| draw()).collect::<Result<Vec<_>, _>>();
    let mine = Mine {
        relay: relay.duplicate(),
        owner: draw()?,
        shelf_owner: draw()?,
        shelf_append: draw()?,
        shelf_key: EntryKey::random().map_err(|_| InboxFault::Randomness)?,
        spare_append: spares()?,
        spare_take: spares()?,
        key: make_key(tx)?,
        key_made: now,
        renewed: now,
        read: Sequence::START,
        trimmed: Sequence::START,
        looked: now,
        last_resort: now,
        restocked: false,
        hurried: false,
        life: None,
    };
    let relay = relay.fingerprint;
    let (append, take) = mine.grants(&[], now);
    sync::enqueue(tx, &relay, &mine.open_inbox(append), &then_nothing())?;
    sync::enqueue(tx, &relay, &mine.open_shelf(take, now), &then_nothing())?;
    follow(tx, &mine)?;
    mine.save(tx)
}

/// Follows the inbox. Followed already, it is asked for again, even if it was said to be gone.
pub(super) fn follow(tx: &Transaction<'_>, mine: &Mine) -> Result<(), InboxFault> {
    let follow = Follow {
        relay: mine.relay.fingerprint,
        mailbox: mine.mailbox(),
        capability: mine.owner.duplicate(),
        topic: Topic::Inbox,
        key: Vec::new(),
        start: Start::Beginning,
    };
    Ok(sync::follow(tx, &follow)?)
}

/// The relay has gone back: its places are others now, and what is read and trimmed is counted anew, so that nothing unread
/// is trimmed.
pub(super) fn went_back(tx: &Transaction<'_>) -> Result<(), InboxFault> {
    let mut mine = Mine::load(tx)?;
    (mine.read, mine.trimmed, mine.life) = (Sequence::START, Sequence::START, None);
    mine.save(tx)
}

/// Opens inbox and shelf again, with the grants that are held and those that nobody has yet. What is there already costs
/// nothing, and an inbox keeps what lies in it. The shelf is emptied: of what is on it now, some was taken before the relay
/// went back.
pub(super) fn open_again(
    tx: &Transaction<'_>,
    mine: &mut Mine,
    held: &[Held],
    now: Timestamp,
) -> Result<(), InboxFault> {
    let relay = mine.relay.fingerprint;
    let (append, take) = mine.grants(held, now);
    let reopened = Then { topic: Topic::Inbox, state: encode(&Await::Reopened) };
    sync::enqueue(tx, &relay, &mine.open_inbox(append.clone()), &reopened)?;
    register(tx, mine, &mine.owner, GrantTable::Append, &append)?;
    sync::enqueue(tx, &relay, &mine.open_shelf(take.clone(), now), &then_nothing())?;
    let (mailbox, capability) = (mine.shelf(), mine.shelf_owner.duplicate());
    let everything = Call::Trim { mailbox, capability, upto: Sequence(u64::MAX), incarnation: None };
    sync::enqueue(tx, &relay, &everything, &then_nothing())?;
    register(tx, mine, &mine.shelf_owner, GrantTable::Take, &take)?;
    // It is filled at once, and needs no look.
    mine.looked = now;
    mine.save(tx)
}

/// Adds grants to the inbox or the shelf, or their new ends to those that are there.
fn register(
    tx: &Transaction<'_>,
    mine: &Mine,
    owner: &Capability,
    table: GrantTable,
    add: &[Grant],
) -> Result<(), InboxFault> {
    for add in add.chunks(GRANTS_AT_ONCE) {
        let (mailbox, capability) = (owner.mailbox(), owner.duplicate());
        let call = Call::Grants { mailbox, capability, table, revoke: Vec::new(), add: add.to_vec() };
        sync::enqueue(tx, &mine.relay.fingerprint, &call, &then_nothing())?;
    }
    Ok(())
}

/// Gives up the inbox and the shelf, as if they had never been opened: what waits for them is taken back, and the relay
/// is forgotten unless something else needs it. Mailboxes that it has opened end with their leases.
///
/// # Errors
/// [`InboxFault::Vault`].
pub(crate) fn abandon(tx: &Transaction<'_>) -> Result<(), InboxFault> {
    let mine = Mine::load(tx)?;
    let relay = mine.relay.fingerprint;
    sync::unfollow(tx, &mine.mailbox())?;
    for mailbox in [Some(&mine.mailbox()), Some(&mine.shelf()), None] {
        sync::withdraw(tx, &relay, mailbox)?;
    }
    for noun in [Noun::Inbox, Noun::InboxKey, Noun::Grant] {
        records::clear(tx, noun)?;
    }
    super::forget_registration(tx)?;
    Ok(sync::forget_relay(tx, &relay)?)
}

/// Whether this member has an inbox.
///
/// # Errors
/// [`InboxFault::Vault`].
pub(crate) fn is_established(tx: &Transaction<'_>) -> Result<bool, InboxFault> {
    Ok(records::has(tx, Noun::Inbox, ONE)?)
}

/// The relay that holds the own inbox, as it is named to others.
///
/// # Errors
/// [`InboxFault::NoInbox`].
pub(crate) fn home(tx: &Transaction<'_>) -> Result<RelayAddress, InboxFault> {
    Ok(Mine::load(tx)?.relay)
}

/// The pairs that entries of the inbox may be sealed to, newest first.
pub(super) fn keys(tx: &Transaction<'_>) -> Result<Vec<InboxKeyPair>, InboxFault> {
    let rows: Vec<KeyRow> = records::list(tx, Noun::InboxKey)?;
    rows.into_iter().rev().map(|row| Ok(InboxKeyPair::from_seed(row.seed)?)).collect()
}

/// What the own inbox keys grow from, for [`crate::disclosure`].
pub(crate) fn seeds(tx: &Transaction<'_>) -> Result<Vec<Secret<32>>, InboxFault> {
    Ok(keys(tx)?.iter().map(|pair| pair.seed().duplicate()).collect())
}

/// All capabilities for the own inbox and shelf that nobody else has, for [`crate::disclosure`].
pub(crate) fn capabilities(tx: &Transaction<'_>) -> Result<Vec<Capability>, InboxFault> {
    let Mine { owner, shelf_owner, shelf_append, spare_append, spare_take, .. } = Mine::load(tx)?;
    let spares = spare_append.into_iter().chain(spare_take);
    Ok([owner, shelf_owner, shelf_append].into_iter().chain(spares).collect())
}

/// Replaces a key that is a week old and destroys those that nothing can be sealed to any more. Says whether contacts
/// must be told of a new one.
pub(super) fn rotate_key(tx: &Transaction<'_>, mine: &mut Mine, now: Timestamp) -> Result<bool, InboxFault> {
    for row in records::list::<KeyRow>(tx, Noun::InboxKey)? {
        if row.retired.is_some_and(|retired| retired.plus_seconds(KEY_RETENTION) < now) {
            records::remove(tx, Noun::InboxKey, &row.number.to_be_bytes())?;
        }
    }
    if mine.key_made.plus_seconds(KEY_LIFE) > now {
        return Ok(false);
    }
    let old = mine.key.to_be_bytes();
    if let Some(row) = records::get::<KeyRow>(tx, Noun::InboxKey, &old)? {
        records::put(tx, Noun::InboxKey, &old, &KeyRow { retired: Some(now), ..row })?;
    }
    mine.key = make_key(tx)?;
    mine.key_made = now;
    mine.save(tx)?;
    Ok(true)
}

/// Keeps the leases of inbox and shelf alive, and trims what is done with.
pub(super) fn keep(tx: &Transaction<'_>, mine: &mut Mine, now: Timestamp) -> Result<(), InboxFault> {
    let relay = mine.relay.fingerprint;
    if mine.renewed.plus_seconds(RENEWAL) <= now {
        for owner in [&mine.owner, &mine.shelf_owner] {
            let call =
                Call::Renew { mailbox: owner.mailbox(), capability: owner.duplicate(), lease_hours: MAX_LEASE_HOURS };
            sync::enqueue(tx, &relay, &call, &then_nothing())?;
        }
        // What nobody has yet ends a year after it was registered, not after it is handed out.
        let (append, take) = mine.grants(&[], now);
        register(tx, mine, &mine.owner, GrantTable::Append, &append)?;
        register(tx, mine, &mine.shelf_owner, GrantTable::Take, &take)?;
        let own = append_grant(&mine.shelf_append, now);
        register(tx, mine, &mine.shelf_owner, GrantTable::Append, &[own])?;
        mine.renewed = now;
    }
    // On its way to a relay that goes back it must find nothing there that is not read.
    if mine.read > mine.trimmed && mine.life.is_some() {
        let (mailbox, capability) = (mine.mailbox(), mine.owner.duplicate());
        let call = Call::Trim { mailbox, capability, upto: mine.read, incarnation: mine.life };
        sync::enqueue(tx, &relay, &call, &then_nothing())?;
        mine.trimmed = mine.read;
    }
    mine.save(tx)
}

/// Takes one grant away from whoever holds it.
pub(super) fn revoke(
    tx: &Transaction<'_>,
    mine: &Mine,
    append: &Capability,
    take: &Capability,
) -> Result<(), InboxFault> {
    for (table, owner, gone) in [(GrantTable::Append, &mine.owner, append), (GrantTable::Take, &mine.shelf_owner, take)]
    {
        let call = Call::Grants {
            mailbox: owner.mailbox(),
            capability: owner.duplicate(),
            table,
            revoke: vec![gone.hash()],
            add: Vec::new(),
        };
        sync::enqueue(tx, &mine.relay.fingerprint, &call, &then_nothing())?;
    }
    Ok(())
}

fn make_key(tx: &Transaction<'_>) -> Result<u64, InboxFault> {
    let number = records::next_number(tx, Noun::InboxKey)?;
    let seed = Secret::random().map_err(|_| InboxFault::Randomness)?;
    records::put(tx, Noun::InboxKey, &number.to_be_bytes(), &KeyRow { number, seed, retired: None })?;
    Ok(number)
}

/// The oldest spare, and a new one to take its place.
fn rotate_spare(spares: &mut Vec<Capability>) -> Result<(Capability, Capability), InboxFault> {
    let new = Capability::random().map_err(|_| InboxFault::Randomness)?;
    Ok(if spares.is_empty() { (new.duplicate(), new) } else { (spares.remove(0), new) })
}

/// As many as a mailbox may hold. Their order in the vault would tell the relay whose each is.
fn by_hash(grants: impl Iterator<Item = Grant>) -> Vec<Grant> {
    let mut grants: Vec<_> = grants.take(MAX_GRANTS).collect();
    grants.sort_unstable_by_key(|grant| grant.hash.0);
    grants
}

fn open(owner: &Capability, append: Vec<Grant>, take: Vec<Grant>) -> Call {
    Call::Open {
        kind: MailboxKind::Personal,
        owner: owner.hash(),
        read: None,
        append,
        take,
        lease_hours: MAX_LEASE_HOURS,
    }
}

fn append_grant(capability: &Capability, now: Timestamp) -> Grant {
    Grant {
        hash: capability.hash(),
        per_hour: APPENDS_PER_HOUR,
        bytes_per_hour: BYTES_PER_HOUR,
        expires: now.round_up().plus(GRANT_HOURS),
    }
}

fn take_grant(capability: &Capability, now: Timestamp) -> Grant {
    Grant { per_hour: TAKES_PER_HOUR, bytes_per_hour: 0, ..append_grant(capability, now) }
}
