//! What comes out of a log, entry by entry, in its order.

use minicbor::{Decode, Encode};
use openmls::group::{ProcessMessageError, StageCommitError};
use openmls::prelude::{
    ContentType, LeafNodeIndex, MlsMessageBodyIn, MlsMessageIn, ProcessedMessageContent, ProtocolMessage, Sender,
};
use relevo_protocol::content::{Body, GroupId, Kind as MaybeKnown, LogItem, Message, PinnedObject, decode};
use relevo_protocol::sealed::open;
use relevo_protocol::trust::{Charter, MemberKey, Verified};
use relevo_protocol::wire::MailboxId;

use super::commit::hash;
use super::context::Kind;
use super::desk::{Desk, following};
use super::effect::Effect;
use super::fault::ConversationFault;
use super::intention::Intention;
use super::room::{AlarmKind, MessageState, Room, Standing};
use super::send::{ALERT, is_for_people, kind_number};
use super::suite::{FORWARD, read};
use crate::sync::ReceivedEntry;
use crate::vault::conversations;
use crate::vault::intentions;
use crate::vault::messages;
use crate::vault::records::{self, Noun};

/// Words of one epoch that an older copy may not have read yet when it finds the first that it has forgotten, and sends
/// others: keys for so many are passed over. What reads them bears more ([`super::suite`]).
const FORGOTTEN: u32 = 256;

/// Keys that are passed over at most between two words of ours in one epoch: half of what those who read them bear. Any member can
/// make it look as if we had forgotten an entry. Beyond them a device asks to be added again: the next keys may have been used.
pub(super) const PASSED_OVER: u32 = FORWARD / 2;

/// Keys that were passed over since our last words.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct PassedOver {
    #[n(0)]
    pub(super) epoch: u64,
    #[n(1)]
    pub(super) keys: u32,
}

impl Desk<'_> {
    /// An entry of a conversation's log, each once and in order. Entries that are not what they should be are passed
    /// over: what is wrong with them is their author's business or the relay's, and told by alarms.
    ///
    /// # Errors
    /// This device's own trouble: the transaction is rolled back and the entry comes again.
    pub fn received(
        &mut self,
        group: &GroupId,
        mailbox: &MailboxId,
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        self.hold_read(mailbox, entry.incarnation, entry.sequence)?;
        if self.porch_entry(mailbox, entry)? {
            return Ok(());
        }
        // A log of a welcome that was refused: nothing of it is waited for any more.
        if conversations::find(self.tx, group)?.is_none() {
            return Ok(());
        }
        let mut room = self.enter(group)?;
        if room.row.standing != Standing::Live || room.context.mailbox != *mailbox {
            return self.keep(room);
        }
        let place = self.place(&room)?;
        if let Ok(plain) = open(&place.secrets.wrap, mailbox, &entry.entry) {
            match decode::<LogItem>(&plain) {
                Ok(LogItem::Mls { message }) => {
                    let epoch = room.mls.epoch().as_u64();
                    self.mls(&mut room, message.bytes(), entry)?;
                    if room.mls.epoch().as_u64() != epoch {
                        self.advanced(&mut room, mailbox, entry, epoch)?;
                    }
                }
                Ok(LogItem::Pinned { object }) => self.pin(&room, &object)?,
                Ok(LogItem::Returned { commits }) => self.returned(mailbox, &commits)?,
                Err(_) => {}
            }
        }
        self.missing_commit(&room, entry)?;
        self.keep(room)?;
        self.weigh(group)
    }

    /// Keeps an object that a later commit may pin. Only what follows the charter that the group pins is kept: it is
    /// bounded, and everybody who has the same log decides the same.
    fn pin(&self, room: &Room, object: &PinnedObject) -> Result<(), ConversationFault> {
        match object {
            PinnedObject::Charter { charter } => {
                let kept = conversations::pinned_charters(self.tx, &room.id)?;
                let follows = |last: &Verified<Charter>| Charter::verify_amendment(charter, last).is_ok();
                let stands = self.charter(&room.id, &room.context.pins.charter)?;
                if following(stands, &kept).any(|known| follows(&known)) {
                    conversations::put_charter(self.tx, &room.id, charter)?;
                }
                Ok(())
            }
            PinnedObject::CoordinatorSet { .. } | PinnedObject::RevocationList { .. } => Ok(()),
        }
    }

    pub(super) fn mls(
        &mut self,
        room: &mut Room,
        bytes: &[u8],
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        let echo = hash(bytes);
        if let Some(row) = intentions::in_flight(self.tx, &room.id)?.filter(|row| row.echo == Some(echo)) {
            return self.merge_own(room, &row, entry);
        }
        if let Some(ours) = messages::by_echo(self.tx, &echo)?.filter(|ours| ours.conversation == room.id) {
            return self.echoed(room, &ours, entry);
        }
        let Some(message) = private_message(bytes) else { return Ok(()) };
        let epoch = room.mls.epoch().as_u64();
        match message.epoch().as_u64() {
            // Behind a commit: it lost, or its author sends it again.
            late if late < epoch => return self.late(room, message.content_type(), late, entry),
            early if early > epoch => return self.early(room, early, entry),
            _ => {}
        }
        let commit = message.content_type() == ContentType::Commit;
        match room.mls.process_message(&self.provider(), message) {
            Ok(processed) => {
                let Sender::Member(leaf) = *processed.sender() else { return Ok(()) };
                let content = processed.into_content();
                if matches!(content, ProcessedMessageContent::OwnPrivateMessage) {
                    return self.ours_forgotten(room, commit);
                }
                self.processed(room, leaf, content, &echo, entry)
            }
            Err(ProcessMessageError::StorageError(fault)) => Err(fault.into()),
            Err(ProcessMessageError::InvalidCommit(fault)) if commit && is_ours_alone(&fault) => {
                self.halt(room, &echo, entry)
            }
            Err(_) => Ok(()),
        }
    }

    fn processed(
        &mut self,
        room: &mut Room,
        leaf: LeafNodeIndex,
        content: ProcessedMessageContent,
        hash: &[u8; 32],
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        match content {
            ProcessedMessageContent::ApplicationMessage(message) => self.said(room, leaf, &message.into_bytes(), entry),
            ProcessedMessageContent::StagedCommitMessage(staged) => match self.judge(room, &staged, leaf)? {
                Ok(judged) => self.merge_other(room, *staged, &judged, hash, entry),
                // Invalid for everyone: the next commit of this epoch may win.
                Err(_) => Ok(()),
            },
            // Proposals come inside commits or not at all; the others cannot be PrivateMessages of a member.
            ProcessedMessageContent::ProposalMessage(_)
            | ProcessedMessageContent::ExternalJoinProposalMessage(_)
            | ProcessedMessageContent::OwnPendingCommit
            | ProcessedMessageContent::OwnPrivateMessage
            | ProcessedMessageContent::UnresolvedAppDataCommit(_) => Ok(()),
        }
    }

    /// Somebody said something in this epoch.
    fn said(
        &mut self,
        room: &mut Room,
        leaf: LeafNodeIndex,
        plain: &[u8],
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        let Some(author) = room.seat(leaf.u32()).map(|seat| seat.member) else { return Ok(()) };
        let Ok(message) = decode::<Message>(plain) else { return Ok(()) };
        self.compare(room, &author, &message, entry)?;
        self.write(room, &author, &message)?;
        if is_for_people(kind_number(&message.body)) {
            self.left_behind(room, &author)?;
        }
        // Commits waited for this.
        if self.heard_in_epoch(&room.id)? { self.go_on(room) } else { Ok(()) }
    }

    /// Our own message came back: it is on disk at the relay, in its epoch.
    fn echoed(
        &mut self,
        room: &Room,
        ours: &messages::MessageRow,
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        if ours.epoch == Some(room.mls.epoch().as_u64()) {
            if ours.kind == ALERT
                && let Ok(MaybeKnown::Known(Body::Alert { alert })) = decode(&ours.body)
            {
                self.effects.push(Effect::AlertLeft { group: room.id, alert: alert.hash() });
            }
            messages::set_state(self.tx, ours.number, MessageState::Sent)?;
            self.carries(room, entry, ours)?;
        }
        Ok(())
    }

    /// Something of ours in this epoch that this device knows nothing of: its vault is an older copy. (Or a member has made it
    /// look so.) Keys may have been used that would be used again, so they are passed over, and the leaf is written anew as
    /// soon as it may be. Behind a commit of ours the others are in an epoch that we cannot reach.
    fn ours_forgotten(&mut self, room: &mut Room, commit: bool) -> Result<(), ConversationFault> {
        if room.row.successor.is_some() {
            // Perhaps what was given up there, to be said where it goes on; nothing more is said here.
            return Ok(());
        }
        let epoch = room.mls.epoch().as_u64();
        let detail = [&room.context.mailbox.0[..], &epoch.to_be_bytes()].concat();
        let first = intentions::alarm(self.tx, &room.id, AlarmKind::OlderCopy.code(), &detail, self.now)?;
        if commit {
            return self.behind(room);
        }
        let before: Option<PassedOver> = records::get(self.tx, Noun::PassedOver, &room.id.0)?;
        let before = before.filter(|before| before.epoch == epoch).map_or(0, |before| before.keys);
        let keys = before.saturating_add(if first { FORGOTTEN } else { 1 });
        // In a pair words wait for the leaf to be written anew, and nobody else is there to take us in.
        if keys > PASSED_OVER && room.context.kind == Kind::Group {
            return self.behind(room);
        }
        let keys = keys.min(PASSED_OVER);
        records::put(self.tx, Noun::PassedOver, &room.id.0, &PassedOver { epoch, keys })?;
        let signer = self.signer(room)?;
        for _ in before..keys {
            // Never sent: a key of ours that is good for one message is gone with it.
            room.mls
                .create_message(&self.provider(), &signer, &[])
                .map_err(|_| ConversationFault::Mls("create message"))?;
        }
        if !self.is_intended(&room.id, &Intention::Rekey)? {
            self.intend(&room.id, &Intention::Rekey, self.now)?;
        }
        self.go_on(room)
    }

    /// Halt, never skip: a commit of a current leaf that only we may be unable to process.
    fn halt(&mut self, room: &mut Room, commit: &[u8; 32], entry: &ReceivedEntry) -> Result<(), ConversationFault> {
        room.row.standing = Standing::Halted;
        self.alarm(&room.id, AlarmKind::Halted, commit)?;
        self.complain(room, commit, entry)
    }

    /// The relay said that our commit is stored at a place that has gone by without it.
    fn missing_commit(&self, room: &Room, entry: &ReceivedEntry) -> Result<(), ConversationFault> {
        match intentions::in_flight(self.tx, &room.id)?.and_then(|row| row.sequence) {
            Some(sequence) if sequence <= entry.sequence.0 => {
                self.alarm(&room.id, AlarmKind::LostCommit, &sequence.to_be_bytes())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Where a member can be reached: as it said in a group, or as a contact.
    pub(super) fn inbox_of(
        &self,
        member: &MemberKey,
    ) -> Result<Option<relevo_protocol::content::InboxAddress>, ConversationFault> {
        let posted = crate::inbox::posted(self.tx, member)?;
        if posted.is_some() { Ok(posted) } else { Ok(crate::inbox::address_of(self.tx, member)?) }
    }
}

/// Groups here speak by PrivateMessage alone; openmls would let a public commit of an outsider pass its own policy.
fn private_message(bytes: &[u8]) -> Option<ProtocolMessage> {
    let MlsMessageBodyIn::PrivateMessage(message) = read::<MlsMessageIn>(bytes)?.extract() else { return None };
    Some(message.into())
}

/// Whether a commit failed on what only this device holds (its keys of the path, its key schedule), so that others may
/// have applied it. Everything else that MLS checks is public, and fails alike for everyone.
fn is_ours_alone(fault: &StageCommitError) -> bool {
    matches!(
        fault,
        StageCommitError::UpdatePathError(_)
            | StageCommitError::VerifiedUpdatePathError(_)
            | StageCommitError::ConfirmationTagMismatch
            | StageCommitError::MissingDecryptionKey
            | StageCommitError::OwnKeyNotFound
            | StageCommitError::LibraryError(_)
    )
}

impl From<ConversationFault> for crate::sync::LogicFault {
    fn from(fault: ConversationFault) -> Self {
        let code = fault.code();
        if let ConversationFault::Vault(fault) = fault { Self::Vault(fault) } else { Self::Rule(code) }
    }
}
