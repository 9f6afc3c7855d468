//! Codes that this member hands out: each opens one mailbox, once.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{CodeKind, CodeLink, Invitation, Note, encode_secret};
use relevo_protocol::limits::MAX_LEASE_HOURS;
use relevo_protocol::sealed::{CodeSecret, seal_code};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{MemberKey, Verified};
use relevo_protocol::wire::{Call, Capability, Grant, MailboxId, MailboxKind};

use super::{MembershipFault, charter, identity, then_nothing};
use crate::inbox::{self, Holder};
use crate::sync;
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};

/// Seconds in an hour.
const HOUR: u64 = 3600;

/// Seconds for which the grant of a used code stays.
const KEPT_AFTER_USE: u64 = 30 * 24 * HOUR;

/// A code that this member handed out.
#[derive(Encode, Decode)]
#[cbor(map)]
struct CodeRow {
    #[n(0)]
    kind: CodeKind,
    #[n(1)]
    secret: Secret<32>,
    #[n(2)]
    expires: Timestamp,
    /// Who used it; it works once.
    #[n(3)]
    used_by: Option<MemberKey>,
    #[n(4)]
    closed: bool,
}

/// Makes a code, opens its mailbox, puts the invitation in, and sponsors the admission of whoever opens it.
///
/// # Errors
/// [`MembershipFault::Inbox`] before there is an inbox.
pub(super) fn create(
    tx: &Transaction<'_>,
    kind: CodeKind,
    note: Note,
    life_seconds: u64,
    now: Timestamp,
) -> Result<CodeLink, MembershipFault> {
    let secret = CodeSecret::random().map_err(|_| MembershipFault::Randomness)?;
    let (owner, relay) = (secret.owner(), inbox::home(tx)?);
    let mailbox = owner.mailbox();
    let hours = u32::try_from(life_seconds.div_ceil(HOUR)).unwrap_or(MAX_LEASE_HOURS).clamp(1, MAX_LEASE_HOURS);
    let expires = now.plus_seconds(life_seconds.min(u64::from(MAX_LEASE_HOURS) * HOUR));
    let invitation = Invitation {
        kind,
        alliance: charter::current(tx)?.as_ref().map(Verified::alliance),
        inviter: identity::my_contact_card(tx, &Holder::Code(mailbox), now)?,
        expires,
        note,
    };
    let append = Capability::random().map_err(|_| MembershipFault::Randomness)?;
    let grant =
        Grant { hash: append.hash(), per_hour: 4, bytes_per_hour: 4 << 20, expires: now.round_up().plus(hours) };
    let calls = [
        Call::Open {
            kind: MailboxKind::Personal,
            owner: owner.hash(),
            read: None,
            append: vec![grant],
            take: Vec::new(),
            lease_hours: hours,
        },
        Call::Append {
            mailbox,
            capability: append,
            entry: seal_code(&secret.key(), &mailbox, &encode_secret(&invitation))?,
        },
        Call::Sponsor { id: secret.admission().id(), key: secret.admission().key(), expires: expires.round_up() },
    ];
    for call in &calls {
        sync::enqueue(tx, &relay.fingerprint, call, &then_nothing())?;
    }
    let row = CodeRow { kind, secret: Secret::new(*secret.expose()), expires, used_by: None, closed: false };
    records::put(tx, Noun::Code, &mailbox.0, &row)?;
    Ok(CodeLink::new(kind, &relay, &secret, expires))
}

/// Whether a code still waits for somebody.
pub(super) fn is_live(tx: &Transaction<'_>, mailbox: &MailboxId, now: Timestamp) -> Result<bool, MembershipFault> {
    let row = records::get::<CodeRow>(tx, Noun::Code, &mailbox.0)?;
    Ok(row.is_some_and(|row| row.used_by.is_none() && !row.closed && now < row.expires))
}

/// Takes a code of one kind from somebody who followed it and ends it, so that nobody else can open it. The grant that
/// came with it stays: it is how that person reaches this member until they have one of their own.
///
/// # Errors
/// [`MembershipFault::LinkUsed`] when somebody else was first, which the member must hear of: one of the two was not
/// meant to have it. [`MembershipFault::LinkExpired`]; [`MembershipFault::Unexpected`] for a code that was never made.
pub(super) fn redeem(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    kind: CodeKind,
    by: &MemberKey,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let row = records::get::<CodeRow>(tx, Noun::Code, &mailbox.0)?.filter(|row| row.kind == kind);
    match row {
        None => Err(MembershipFault::Unexpected),
        Some(CodeRow { used_by: Some(first), .. }) if first == *by => Err(MembershipFault::Unexpected),
        Some(CodeRow { used_by: Some(_), .. }) => Err(MembershipFault::LinkUsed),
        Some(row) if row.closed || row.expires <= now => Err(MembershipFault::LinkExpired),
        Some(row) => close(tx, mailbox, CodeRow { used_by: Some(*by), ..row }),
    }
}

/// Forgets a code that was never used, with the inbox that its answers would have come to.
pub(super) fn abandon(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<(), MembershipFault> {
    sync::withdraw(tx, &inbox::home(tx)?.fingerprint, Some(mailbox))?;
    Ok(records::remove(tx, Noun::Code, &mailbox.0)?)
}

/// Ends the codes whose time is over and takes the grants away that came with them: at once where nobody used the code,
/// a month later where somebody did, who has a grant of their own by then.
pub(super) fn sweep(tx: &Transaction<'_>, now: Timestamp) -> Result<(), MembershipFault> {
    for row in records::list::<CodeRow>(tx, Noun::Code)? {
        let mailbox = CodeSecret::new(row.secret.duplicate()).owner().mailbox();
        if now < row.expires {
            continue;
        }
        if row.used_by.is_none() {
            inbox::revoke(tx, &Holder::Code(mailbox))?;
        }
        if row.expires.plus_seconds(KEPT_AFTER_USE) <= now {
            inbox::revoke(tx, &Holder::Code(mailbox))?;
            records::remove(tx, Noun::Code, &mailbox.0)?;
        } else if !row.closed {
            close(tx, &mailbox, row)?;
        }
    }
    Ok(())
}

fn close(tx: &Transaction<'_>, mailbox: &MailboxId, row: CodeRow) -> Result<(), MembershipFault> {
    let owner = CodeSecret::new(row.secret.duplicate()).owner();
    let relay = inbox::home(tx)?.fingerprint;
    sync::enqueue(tx, &relay, &Call::Close { mailbox: *mailbox, capability: owner }, &then_nothing())?;
    Ok(records::put(tx, Noun::Code, &mailbox.0, &CodeRow { closed: true, ..row })?)
}

/// Whether this member made a code.
pub(super) fn is_mine(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<bool, MembershipFault> {
    Ok(records::has(tx, Noun::Code, &mailbox.0)?)
}
