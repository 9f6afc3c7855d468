//! Where verbs meet: conversations say what they want sent, inbox and sync carry it, all in one transaction.

use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::encode;

use super::AccountFault;
use crate::conversation::{ConversationFault, Desk, Effect, Me, Rooms};
use crate::inbox::{self, Holder, Stock};
use crate::membership::{self, MembershipFault};
use crate::sync::{self, Follow, Then, Topic};
use crate::vault::Transaction;

/// What is kept in memory between transactions; all of it can be made again from the vault.
#[derive(Debug, Default)]
pub(super) struct Kept {
    rooms: Rooms,
    /// Who we are to conversations, while card and charter have this stamp.
    me: Option<(u64, Me)>,
}

/// One transaction, and what verbs need in it.
pub(super) struct Converse<'a> {
    pub(super) tx: &'a Transaction<'a>,
    pub(super) now: Timestamp,
    pub(super) kept: &'a mut Kept,
}

impl<'a> Converse<'a> {
    /// Runs a verb of conversations and carries out what it wants sent.
    pub(super) fn desk<T, E: Into<AccountFault>>(
        &mut self,
        verb: impl FnOnce(&mut Desk<'_>) -> Result<T, E>,
    ) -> Result<T, AccountFault> {
        let tx = self.tx;
        let Kept { rooms, me } = self.kept;
        let me = current(tx, me)?.ok_or(MembershipFault::NotMember)?;
        let mut desk = Desk::new(tx, me, rooms, self.now);
        let done = verb(&mut desk).map_err(Into::into)?;
        let effects = desk.into_effects();
        for effect in effects {
            self.perform(effect)?;
        }
        Ok(done)
    }

    fn perform(&mut self, effect: Effect) -> Result<(), AccountFault> {
        let tx = self.tx;
        match effect {
            Effect::Remember(address) => sync::remember_relay(tx, &address)?,
            Effect::Call { relay, call, then } => {
                sync::enqueue(tx, &relay, &call, &Then { topic: Topic::Conversation, state: encode(&then) })?;
            }
            Effect::Follow { relay, mailbox, read, group, start } => {
                let key = group.0.to_vec();
                sync::follow(tx, &Follow { relay, mailbox, capability: read, topic: Topic::Conversation, key, start })?;
            }
            Effect::Unfollow(mailbox) => sync::unfollow(tx, &mailbox)?,
            Effect::Joined { group } => self.post_inbox(group)?,
            Effect::Parcel { member, to, body } => inbox::send_to(tx, &member, &to, &body, self.now)?,
        }
        Ok(())
    }

    /// Posts into a group how its members reach our inbox and shelf.
    fn post_inbox(&mut self, group: GroupId) -> Result<(), AccountFault> {
        let address = inbox::my_address_for(self.tx, &Holder::Group(group), self.now)?;
        self.desk(move |desk| desk.post_inbox(&group, address))
    }

    /// What time brings, what the shelf wants, what is to be acknowledged. After every verb, and soon after what comes.
    pub(super) fn tend(&mut self) -> Result<(), AccountFault> {
        let (tx, now) = (self.tx, self.now);
        inbox::tend(tx, now)?;
        membership::tend(tx, now)?;
        let Stock { packages, last_resort } = inbox::wanted(tx)?;
        if packages > 0 || last_resort {
            let count = usize::try_from(packages).unwrap_or(0);
            let made = self.desk(|desk| {
                let last = if last_resort { Some(desk.last_resort()?) } else { None };
                Ok::<_, ConversationFault>((desk.publish_key_packages(count)?, last))
            })?;
            inbox::restock(tx, &made.0, made.1.as_deref())?;
        }
        if membership::me(tx)?.card.is_some() {
            self.desk(|desk| {
                desk.charter_adopted()?;
                desk.acknowledge()?;
                desk.tick()
            })?;
        }
        Ok(())
    }
}

/// Who we are to conversations; none without a card. Verified again only when card or charter has changed.
fn current<'k>(tx: &Transaction<'_>, kept: &'k mut Option<(u64, Me)>) -> Result<Option<&'k Me>, AccountFault> {
    let stamp = membership::stamp(tx)?;
    if kept.as_ref().is_none_or(|(known, _)| *known != stamp) {
        *kept = membership::for_conversations(tx)?.map(|me| (stamp, me));
    }
    Ok(kept.as_ref().map(|(_, me)| me))
}

/// A conversation's id from what a followed mailbox or a document carries.
pub(super) fn group_id(key: &[u8]) -> Option<GroupId> {
    key.try_into().ok().map(GroupId)
}

/// People to add, with how each is reached.
pub(super) fn reached(
    tx: &Transaction<'_>,
    member: &MemberKey,
) -> Result<(MemberKey, relevo_protocol::content::InboxAddress), AccountFault> {
    let address = inbox::address_of(tx, member)?.ok_or(inbox::InboxFault::Unreachable)?;
    Ok((*member, address))
}
