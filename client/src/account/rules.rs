//! What the sync engine calls: each topic's half goes to its module, all in one transaction.

use relevo_protocol::content::{Body, GroupId, Kind, Location, Manifest, ParcelBody, Welcome, decode};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{MemberKey, Signed};
use relevo_protocol::wire::{Answer, Refusal, decode_exact};
use tokio::sync::watch;

use super::AccountFault;
use super::converse::{Converse, Kept, group_id};
use crate::alert;
use crate::conversation::{Awaited, ConversationFault, Desk, MessageState};
use crate::document;
use crate::inbox;
use crate::membership::{self, warning};
use crate::sync::{Followed, Logic, LogicFault, Notice, ReceivedEntry, Then, Topic};
use crate::vault::{Transaction, messages, records};

/// The rules of every topic, and what they keep in memory between transactions.
#[derive(Debug)]
pub(super) struct Rules {
    kept: Kept,
    changes: watch::Sender<u64>,
}

impl Rules {
    /// The rules, and a count that grows with everything that comes.
    pub(super) fn new() -> (Self, watch::Receiver<u64>) {
        let (changes, seen) = watch::channel(0);
        (Self { kept: Kept::default(), changes }, seen)
    }

    /// Where verbs are called in one transaction.
    pub(super) fn with<'a>(&'a mut self, tx: &'a Transaction<'a>, now: Timestamp) -> Converse<'a> {
        Converse { tx, now, kept: &mut self.kept }
    }

    /// Drops what was kept in memory: a transaction was rolled back.
    pub(super) fn forget(&mut self) {
        self.kept = Kept::default();
    }

    /// Runs one call of the engine. What follows from a batch of them, the ticker does soon after.
    fn take<'a>(
        &'a mut self,
        tx: &'a Transaction<'a>,
        now: Timestamp,
        rule: impl FnOnce(&mut Converse<'a>) -> Result<(), AccountFault>,
    ) -> Result<(), LogicFault> {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        let mut with = Converse { tx, now, kept: &mut self.kept };
        rule(&mut with).map_err(AccountFault::into_logic)
    }
}

impl Logic for Rules {
    fn received(
        &mut self,
        tx: &Transaction<'_>,
        from: &Followed,
        entry: &ReceivedEntry,
        now: Timestamp,
    ) -> Result<(), LogicFault> {
        self.take(tx, now, |with| match from.topic {
            Topic::Conversation => with.heard(from, entry),
            Topic::Inbox => with.parcel(entry),
            // Nothing of these is followed.
            Topic::Membership | Topic::Document | Topic::Alert => Ok(()),
        })
    }

    fn noticed(
        &mut self,
        tx: &Transaction<'_>,
        from: &Followed,
        what: &Notice,
        now: Timestamp,
    ) -> Result<(), LogicFault> {
        self.take(tx, now, |with| match (from.topic, group_id(&from.key)) {
            (Topic::Conversation, Some(group)) => with.desk(|desk| desk.noticed(&group, &from.mailbox, what)),
            (Topic::Inbox, _) => Ok(inbox::noticed(with.tx, what, now)?),
            (Topic::Conversation | Topic::Membership | Topic::Document | Topic::Alert, _) => Ok(()),
        })
    }

    fn answered(
        &mut self,
        tx: &Transaction<'_>,
        then: &Then,
        outcome: Result<&Answer, Refusal>,
        now: Timestamp,
    ) -> Result<(), LogicFault> {
        self.take(tx, now, |with| match then.topic {
            Topic::Conversation => match decode_exact::<Awaited>(&then.state) {
                Ok(awaited) => with.desk(|desk| desk.answered(&awaited, outcome)),
                Err(_) => Ok(()),
            },
            Topic::Inbox => Ok(inbox::answered(with.tx, then, outcome, now)?),
            Topic::Membership => Ok(membership::answered(with.tx, then, outcome, now)?),
            Topic::Document | Topic::Alert => Ok(()),
        })
    }

    fn rolled_back(&mut self) {
        self.forget();
    }
}

impl Converse<'_> {
    /// An entry of a conversation's log, and what the message in it asks of others than conversations.
    fn heard(&mut self, from: &Followed, entry: &ReceivedEntry) -> Result<(), AccountFault> {
        let Some(group) = group_id(&from.key) else { return Ok(()) };
        let before = messages::newest(self.tx)?;
        self.desk(|desk| desk.received(&group, &from.mailbox, entry))?;
        for message in messages::newer(self.tx, before, u32::MAX)? {
            if message.state != MessageState::Received {
                continue;
            }
            match decode::<Kind<Body>>(&message.body) {
                Ok(Kind::Known(Body::Document { manifest, location })) => {
                    self.document(&group, &message.member, &manifest, &location)?;
                }
                Ok(Kind::Known(Body::Alert { alert })) => {
                    // What is not believed is noted there, and its words are not shown.
                    alert::received(self.tx, &group, &message.member, &alert, self.now)?;
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// A document that a member posted. One that is not what its author signed is not shown; the message stays.
    fn document(
        &mut self,
        group: &GroupId,
        author: &MemberKey,
        manifest: &Signed<Manifest>,
        location: &Location,
    ) -> Result<(), AccountFault> {
        if membership::me(self.tx)?.member == *author {
            return Ok(());
        }
        self.tolerant_of(|with| {
            let proof = with.desk(|desk| desk.proof_of(group, author))?;
            let alliance = with.alliance()?;
            Ok(document::received(with.tx, &alliance, &group.0, &proof, manifest, location)?)
        })
    }

    /// An entry of the inbox, and what the parcel in it asks of others than membership.
    fn parcel(&mut self, entry: &ReceivedEntry) -> Result<(), AccountFault> {
        let mut rest = Vec::new();
        inbox::received(
            self.tx,
            entry,
            &mut |_, person, body| {
                rest.push((person.member, body));
                Ok(())
            },
            self.now,
        )?;
        for (sender, body) in rest {
            self.deliver(&sender, body)?;
        }
        Ok(())
    }

    fn deliver(&mut self, sender: &MemberKey, body: ParcelBody) -> Result<(), AccountFault> {
        match body {
            ParcelBody::Welcome(welcome) => self.welcomed(&welcome, sender),
            ParcelBody::GroupOwner(owner) => self.tolerant(|desk| desk.owner_received(&owner)),
            ParcelBody::Complaint(complaint) => self.tolerant(|desk| desk.complaint_received(sender, &complaint)),
            ParcelBody::AlertAnswer { alert, answer } => {
                self.tolerant_of(|with| Ok(alert::answered(with.tx, sender, &alert, answer, with.now)?))
            }
            ParcelBody::ReAdd { group } => self.tolerant(|desk| desk.re_add_received(sender, &group)),
            // Taken by the inbox and by membership before; a leave goes through its group's log.
            ParcelBody::JoinRequest(_)
            | ParcelBody::VouchRequest(_)
            | ParcelBody::VouchGiven(_)
            | ParcelBody::Admission(_)
            | ParcelBody::Contact { .. }
            | ParcelBody::Introduction(_)
            | ParcelBody::Receipt(_)
            | ParcelBody::Founder { .. }
            | ParcelBody::SetDraft(_)
            | ParcelBody::SetSignature { .. }
            | ParcelBody::UnionDraft(_)
            | ParcelBody::CharterDraft(_)
            | ParcelBody::CharterSignature { .. }
            | ParcelBody::CharterPublished { .. }
            | ParcelBody::Leave(_)
            | ParcelBody::Roll { .. }
            | ParcelBody::Safety(_) => Ok(()),
        }
    }

    /// A welcome. Whoever sent one that does not open believes that we are in: people are told, and the sender is asked for
    /// another where that may help.
    fn welcomed(&mut self, welcome: &Welcome, sender: &MemberKey) -> Result<(), AccountFault> {
        match records::attempt(self.tx, || self.desk(|desk| desk.join(welcome, sender)))? {
            Err(AccountFault::Conversation(ConversationFault::AlreadyMember)) => Ok(()),
            Err(fault) if fault.vaults().is_none() => {
                tracing::debug!(code = fault.code(), "welcome dropped");
                if let AccountFault::Conversation(ConversationFault::NotTakenIn { ask, why, quiet }) = fault {
                    self.tolerant(|desk| desk.ask_in(&welcome.group, &ask, &why, quiet))?;
                    if quiet {
                        return Ok(());
                    }
                }
                Ok(warning::raise(self.tx, &warning::Kind::ParcelRefused, self.now)?)
            }
            done => done,
        }
    }

    /// A conversation's rule on what somebody sent.
    fn tolerant(
        &mut self,
        rule: impl FnOnce(&mut Desk<'_>) -> Result<(), ConversationFault>,
    ) -> Result<(), AccountFault> {
        self.tolerant_of(|with| with.desk(rule))
    }

    /// Runs a rule on what somebody sent: what is wrong with it is dropped without a trace, what is wrong with our own
    /// vault is not.
    fn tolerant_of(&mut self, rule: impl FnOnce(&mut Self) -> Result<(), AccountFault>) -> Result<(), AccountFault> {
        match records::attempt(self.tx, || rule(self))? {
            Err(fault) if fault.vaults().is_none() => {
                tracing::debug!(code = fault.code(), "parcel dropped");
                Ok(())
            }
            done => done,
        }
    }
}
