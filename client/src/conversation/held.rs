//! Welcomes into conversations in which we are still. Whether who welcomes us still administrates it, the log tells, which
//! may not be read yet: it is read first, as far as the relay says that it goes when the welcome is here (SPEC 11).

use core::convert::Infallible;

use relevo_protocol::content::{GroupId, Welcome};
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Answer, Call, Incarnation, MailboxId, Refusal, Sequence};

use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::room::Standing;
use crate::sync;
use crate::vault::held::{self, Held, Upto};
use crate::vault::{conversations, records};

impl Desk<'_> {
    /// Keeps a welcome, and asks the relay where the log stands.
    pub(super) fn hold_welcome(
        &mut self,
        welcome: &Welcome,
        bytes: &[u8],
        sender: &MemberKey,
    ) -> Result<(), ConversationFault> {
        // Looked at and put back: MLS gives up the key package that opens it.
        let look = || Err::<Infallible, _>(self.open_welcome(welcome, bytes, sender).map(drop));
        let Err(looked) = records::attempt(self.tx, look)?;
        looked?;
        if !held::put(self.tx, &welcome.group, sender, welcome, bytes)? {
            return Err(ConversationFault::Welcome);
        }
        self.ask_standing(&welcome.group, sender)
    }

    fn ask_standing(&mut self, group: &GroupId, sender: &MemberKey) -> Result<(), ConversationFault> {
        let Some(row) = conversations::find(self.tx, group)? else { return Ok(()) };
        let Some(place) = conversations::place(self.tx, &row.mailbox)? else { return Ok(()) };
        held::asked(self.tx, group, sender, &place.mailbox)?;
        let call = Call::Checkpoint { mailbox: place.mailbox, capability: place.secrets.read };
        let then = Awaited::Standing { group: *group, sender: *sender, mailbox: place.mailbox };
        self.effects.push(Effect::Call { relay: place.relay, call, then });
        Ok(())
    }

    /// The relay has said where a log stands, or that it does not say.
    pub(super) fn stands(
        &mut self,
        group: &GroupId,
        sender: &MemberKey,
        mailbox: &MailboxId,
        outcome: Result<&Answer, Refusal>,
    ) -> Result<(), ConversationFault> {
        let word = match (outcome, conversations::place(self.tx, mailbox)?) {
            (Ok(Answer::Checkpointed { checkpoint }), Some(place)) => {
                let relay = sync::relay_identity(self.tx, &place.relay)?;
                relay.and_then(|relay| checkpoint.verify(&relay).ok()).filter(|word| word.mailbox == *mailbox)
            }
            (Ok(_) | Err(_), _) => None,
        };
        let upto = word.map_or(Upto::Nothing, |word| Upto::Entry(word.incarnation, word.sequence));
        held::stands(self.tx, group, Some(sender), mailbox, upto)?;
        self.weigh(group)
    }

    /// The relay holds more of a log and does not give it.
    ///
    /// # Errors
    /// This device's own trouble.
    pub fn withheld(&mut self, group: &GroupId, mailbox: &MailboxId) -> Result<(), ConversationFault> {
        held::stands(self.tx, group, None, mailbox, Upto::Nothing)?;
        self.weigh(group)
    }

    /// Judges the welcomes that wait for nothing more to be read.
    pub(super) fn weigh(&mut self, group: &GroupId) -> Result<(), ConversationFault> {
        for Held { sender, mailbox, upto, welcome, bytes } in held::of(self.tx, group)? {
            let Some(row) = conversations::find(self.tx, group)? else { return Ok(()) };
            if row.standing == Standing::Live {
                if mailbox != Some(row.mailbox) {
                    // It has moved, and goes on there.
                    self.ask_standing(group, &sender)?;
                    continue;
                }
                let read = match upto {
                    Upto::Unknown => false,
                    Upto::Entry(incarnation, sequence) => self.has_read(&row.mailbox, incarnation, sequence)?,
                    Upto::Nothing => true,
                };
                if !read {
                    continue;
                }
            }
            held::remove(self.tx, group, &sender)?;
            let (tx, wanted) = (self.tx, self.effects.len());
            match records::attempt(tx, || self.enter_by(&welcome, &bytes, &sender))? {
                Ok(()) => {}
                Err(ConversationFault::Vault(fault)) => return Err(fault.into()),
                // What is wrong with it is its author's fault.
                Err(fault) => {
                    tracing::debug!(code = fault.code(), "welcome dropped");
                    self.effects.truncate(wanted);
                }
            }
        }
        Ok(())
    }

    fn has_read(
        &self,
        mailbox: &MailboxId,
        incarnation: Incarnation,
        sequence: Sequence,
    ) -> Result<bool, ConversationFault> {
        let cursor = sync::following(self.tx, mailbox)?.map(|followed| followed.cursor);
        Ok(cursor.is_some_and(|at| {
            sequence == Sequence::START || (at.incarnation == Some(incarnation) && at.after >= sequence)
        }))
    }
}
