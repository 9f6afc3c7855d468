//! Codes of others that this member follows: read once, then answered.

use minicbor::{Decode, Encode};
use relevo_protocol::content::{CodeKind, CodeLink, Invitation, Note, RequestId, decode};
use relevo_protocol::sealed::{CodeSecret, open_code};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{AllianceId, MemberKey, Pseudonym};
use relevo_protocol::wire::{Answer, Call, Cursor, Fingerprint, MailboxId, Refusal, Sequence};

use super::{MembershipFault, charter, code, contact, draft, founding, identity, joining, then_code};
use crate::inbox;
use crate::sync;
use crate::vault::Transaction;
use crate::vault::records::{self, Noun};
use crate::vault::relays::{self, Admissions};

/// What a code is followed for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub(super) enum Purpose {
    /// To become a member.
    #[n(0)]
    Join {
        /// Who else knows this member.
        #[n(0)]
        second: Option<Pseudonym>,
        /// Words for the inviter.
        #[n(1)]
        note: Note,
    },
    /// To found a union with who made the code.
    #[n(1)]
    CoFound,
    /// To bring the union that is being founded into an alliance.
    #[n(2)]
    Union,
    /// To become a contact.
    #[n(3)]
    Contact,
}

/// How far it is.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum ErrandState {
    /// The code is being read.
    #[n(0)]
    Reading,
    /// The code was read and answered; now others have to act.
    #[n(1)]
    Asked,
    /// It came to its end.
    #[n(2)]
    Done,
    /// It failed, for the reason of this code (see [`MembershipFault::code`]).
    #[n(3)]
    Failed {
        /// The reason.
        #[n(0)]
        code: String,
    },
}

/// The row of a code that is followed.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct ErrandRow {
    #[n(0)]
    pub(super) mailbox: MailboxId,
    #[n(1)]
    pub(super) kind: CodeKind,
    #[n(2)]
    pub(super) purpose: Purpose,
    #[n(3)]
    secret: Secret<32>,
    #[n(4)]
    relay: Fingerprint,
    #[n(5)]
    pub(super) state: ErrandState,
    #[n(6)]
    pub(super) inviter: Option<MemberKey>,
    #[n(7)]
    pub(super) alliance: Option<AllianceId>,
    #[n(8)]
    pub(super) request: Option<RequestId>,
    #[n(9)]
    since: Timestamp,
    /// When the code ends, as its link says.
    #[n(10)]
    expires: Timestamp,
}

/// A code that is followed, as people see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Errand {
    /// Names it.
    pub mailbox: MailboxId,
    /// What the code invites to.
    pub kind: CodeKind,
    /// How far it is.
    pub state: ErrandState,
    /// Since when.
    pub since: Timestamp,
}

/// All codes that were followed, in no order.
///
/// # Errors
/// [`MembershipFault::Vault`].
pub fn errands(tx: &Transaction<'_>) -> Result<Vec<Errand>, MembershipFault> {
    let rows = records::list::<ErrandRow>(tx, Noun::Errand)?;
    Ok(rows
        .into_iter()
        .map(|row| Errand { mailbox: row.mailbox, kind: row.kind, state: row.state, since: row.since })
        .collect())
}

/// Reads a code of somebody else. Followed again after a failure, it is read again.
pub(super) fn follow(
    tx: &Transaction<'_>,
    text: &str,
    kind: CodeKind,
    purpose: Purpose,
    now: Timestamp,
) -> Result<MailboxId, MembershipFault> {
    identity::me(tx)?;
    let link: CodeLink = text.parse()?;
    if link.kind != kind {
        return Err(MembershipFault::WrongLink);
    }
    let owner = link.secret.owner();
    let mailbox = owner.mailbox();
    if code::is_mine(tx, &mailbox)? {
        return Err(MembershipFault::OwnLink);
    }
    let known: Option<ErrandRow> = records::get(tx, Noun::Errand, &mailbox.0)?;
    if known.is_some_and(|row| !matches!(row.state, ErrandState::Failed { .. })) {
        return Ok(mailbox);
    }
    if link.expires <= now {
        return Err(MembershipFault::LinkExpired);
    }
    // A relay that lets this device in already keeps its admission; any other is reached with the code's own.
    let in_use = inbox::is_established(tx)? && inbox::home(tx)?.fingerprint == link.fingerprint;
    let relay = relays::find(tx, &link.fingerprint)?;
    if !in_use && !relay.is_some_and(|relay| matches!(relay.admissions, Admissions::Own(_) | Admissions::Proposed(_))) {
        sync::remember_relay(tx, &link.relay())?;
    }
    let call = Call::Read {
        mailbox,
        capability: owner,
        cursor: Cursor { incarnation: None, after: Sequence::START },
        limit: 1,
    };
    sync::enqueue(tx, &link.fingerprint, &call, &then_code(mailbox))?;
    let row = ErrandRow {
        mailbox,
        kind,
        purpose,
        secret: Secret::new(*link.secret.expose()),
        relay: link.fingerprint,
        state: ErrandState::Reading,
        inviter: None,
        alliance: None,
        request: None,
        since: now,
        expires: link.expires,
    };
    save(tx, &row)?;
    Ok(mailbox)
}

/// A code's mailbox was read, or the relay refused.
pub(super) fn answered(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    outcome: Result<&Answer, Refusal>,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let Some(row) = records::get::<ErrandRow>(tx, Noun::Errand, &mailbox.0)? else { return Ok(()) };
    if row.state != ErrandState::Reading {
        return Ok(());
    }
    match records::attempt(tx, || read(tx, &row, outcome, now))? {
        Ok(()) => Ok(()),
        Err(fault) if fault.is_vaults() => Err(fault),
        Err(fault) => fail(tx, mailbox, &fault),
    }
}

fn read(
    tx: &Transaction<'_>,
    row: &ErrandRow,
    outcome: Result<&Answer, Refusal>,
    now: Timestamp,
) -> Result<(), MembershipFault> {
    let entry = match outcome {
        Ok(Answer::Entries { entries, .. }) => entries.first(),
        Err(Refusal::NoSuchMailbox) => None,
        // It says nothing of the code: not that somebody else came in with it.
        Ok(_) | Err(_) => return Err(MembershipFault::LinkRefused),
    };
    // A relay has nothing of a code that was used and nothing of one that has expired: the link says which it is.
    let gone = || if row.expires <= now { MembershipFault::LinkExpired } else { MembershipFault::LinkUsed };
    let entry = entry.ok_or_else(gone)?;
    let secret = CodeSecret::new(row.secret.duplicate());
    let invitation: Invitation = decode(&open_code(&secret.key(), &row.mailbox, &entry.entry)?)?;
    if invitation.kind != row.kind {
        return Err(MembershipFault::WrongLink);
    }
    if invitation.expires <= now {
        return Err(MembershipFault::LinkExpired);
    }
    let known = charter::known_alliance(tx)?;
    if known.is_some() && invitation.alliance.is_some() && known != invitation.alliance {
        return Err(MembershipFault::OtherAlliance);
    }
    // From here on the inviter's identity is checked against this alliance: it is trusted because the link was.
    let mut kept = load(tx, &row.mailbox)?;
    kept.alliance = invitation.alliance;
    kept.state = ErrandState::Asked;
    save(tx, &kept)?;
    match &row.purpose {
        Purpose::Join { second, note } => joining::code_read(tx, &row.mailbox, &invitation, second.as_ref(), note, now),
        Purpose::CoFound => founding::cofounder_code_read(tx, &row.mailbox, &invitation, now),
        Purpose::Union => founding::union_code_read(tx, &row.mailbox, &invitation, now),
        Purpose::Contact => {
            contact::code_read(tx, &row.mailbox, &invitation.inviter, now)?;
            finish(tx, &row.mailbox)
        }
    }
}

/// The alliance that a code named which this member follows, or whose first charter it has signed, while it belongs
/// to none.
pub(super) fn expected_alliance(tx: &Transaction<'_>) -> Result<Option<AllianceId>, MembershipFault> {
    let rows = records::list::<ErrandRow>(tx, Noun::Errand)?;
    let named = rows.into_iter().filter(|row| row.state == ErrandState::Asked).find_map(|row| row.alliance);
    Ok(named.or(draft::first_signed(tx)?))
}

/// The errand of some kind on which others have to act, begun with a member.
pub(super) fn asked_of(
    tx: &Transaction<'_>,
    kind: CodeKind,
    inviter: &MemberKey,
) -> Result<Option<ErrandRow>, MembershipFault> {
    let rows = records::list::<ErrandRow>(tx, Noun::Errand)?;
    Ok(rows
        .into_iter()
        .find(|row| row.kind == kind && row.state == ErrandState::Asked && row.inviter.as_ref() == Some(inviter)))
}

/// The request to join that this member has made, if it is open.
pub(super) fn by_request(tx: &Transaction<'_>, request: &RequestId) -> Result<Option<ErrandRow>, MembershipFault> {
    let rows = records::list::<ErrandRow>(tx, Noun::Errand)?;
    Ok(rows.into_iter().find(|row| row.request.as_ref() == Some(request) && row.state == ErrandState::Asked))
}

/// Whether this member is on its way into an alliance.
pub(super) fn is_joining(tx: &Transaction<'_>) -> Result<bool, MembershipFault> {
    let open = |state: &ErrandState| matches!(state, ErrandState::Reading | ErrandState::Asked);
    Ok(records::list::<ErrandRow>(tx, Noun::Errand)?
        .iter()
        .any(|row| matches!(row.kind, CodeKind::Member | CodeKind::CoFounder) && open(&row.state)))
}

/// Whether a link of some kinds was answered, so that others act on it.
pub(super) fn is_answered(tx: &Transaction<'_>, kinds: &[CodeKind]) -> Result<bool, MembershipFault> {
    let rows = records::list::<ErrandRow>(tx, Noun::Errand)?;
    Ok(rows.iter().any(|row| kinds.contains(&row.kind) && row.state == ErrandState::Asked))
}

/// Who made a code that was answered.
pub(super) fn inviter_of(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<Option<MemberKey>, MembershipFault> {
    let row: Option<ErrandRow> = records::get(tx, Noun::Errand, &mailbox.0)?;
    Ok(row.filter(|row| row.state == ErrandState::Asked).and_then(|row| row.inviter))
}

/// Gives up the codes of some kinds that could not be read yet, but for one: nobody has heard of this member by them.
pub(super) fn give_up_unread(
    tx: &Transaction<'_>,
    kinds: &[CodeKind],
    but: Option<&MailboxId>,
) -> Result<(), MembershipFault> {
    for row in records::list::<ErrandRow>(tx, Noun::Errand)? {
        if row.state == ErrandState::Reading && kinds.contains(&row.kind) && but != Some(&row.mailbox) {
            records::remove(tx, Noun::Errand, &row.mailbox.0)?;
            stop_reading(tx, &row)?;
        }
    }
    Ok(())
}

/// Ends the codes whose time was over before they could be read.
pub(super) fn sweep(tx: &Transaction<'_>, now: Timestamp) -> Result<(), MembershipFault> {
    for row in records::list::<ErrandRow>(tx, Noun::Errand)? {
        if row.state == ErrandState::Reading && row.expires <= now {
            stop_reading(tx, &row)?;
            fail(tx, &row.mailbox, &MembershipFault::LinkExpired)?;
        }
    }
    Ok(())
}

fn stop_reading(tx: &Transaction<'_>, row: &ErrandRow) -> Result<(), MembershipFault> {
    sync::withdraw(tx, &row.relay, Some(&row.mailbox))?;
    // The relay of a charter stays: whoever is in it may be met there.
    if charter::current(tx)?.is_none() {
        sync::forget_relay(tx, &row.relay)?;
    }
    Ok(())
}

/// Notes who invited and under which name the request goes on.
pub(super) fn note_inviter(
    tx: &Transaction<'_>,
    mailbox: &MailboxId,
    inviter: &MemberKey,
    request: Option<RequestId>,
) -> Result<(), MembershipFault> {
    let mut row = load(tx, mailbox)?;
    row.inviter = Some(*inviter);
    row.request = request;
    save(tx, &row)
}

/// An errand came to its end.
pub(super) fn finish(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<(), MembershipFault> {
    let row = ErrandRow { state: ErrandState::Done, ..load(tx, mailbox)? };
    save(tx, &row)
}

/// All errands that lead into an alliance came to their end.
pub(super) fn finish_joining(tx: &Transaction<'_>) -> Result<(), MembershipFault> {
    for row in records::list::<ErrandRow>(tx, Noun::Errand)? {
        if row.kind != CodeKind::Contact && row.state == ErrandState::Asked {
            finish(tx, &row.mailbox)?;
        }
    }
    Ok(())
}

fn fail(tx: &Transaction<'_>, mailbox: &MailboxId, fault: &MembershipFault) -> Result<(), MembershipFault> {
    let state = ErrandState::Failed { code: fault.code().to_owned() };
    let row = ErrandRow { state, ..load(tx, mailbox)? };
    save(tx, &row)
}

fn load(tx: &Transaction<'_>, mailbox: &MailboxId) -> Result<ErrandRow, MembershipFault> {
    records::get(tx, Noun::Errand, &mailbox.0)?.ok_or(MembershipFault::Unexpected)
}

fn save(tx: &Transaction<'_>, row: &ErrandRow) -> Result<(), MembershipFault> {
    Ok(records::put(tx, Noun::Errand, &row.mailbox.0, row)?)
}
