//! Where verbs meet: conversations say what they want sent, inbox and sync carry it, all in one transaction.

use relevo_protocol::content::GroupId;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::encode;

use super::AccountFault;
use crate::alert;
use crate::caught::caught;
use crate::conversation::{ConversationFault, Desk, Effect, Me, Rooms};
use crate::inbox::{self, Holder, Stock};
use crate::membership::{self, MembershipFault, warning};
use crate::sync::{self, Follow, Then, Topic};
use crate::vault::{Transaction, records, relays};

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
            // Of a charter that the conversation has checked; one that is known keeps the address that works.
            Effect::Remember(address) => {
                if relays::find(tx, &address.fingerprint)?.is_none() {
                    sync::remember_relay(tx, &address)?;
                }
            }
            Effect::Call { relay, call, then } => {
                sync::enqueue(tx, &relay, &call, &Then { topic: Topic::Conversation, state: encode(&then) })?;
            }
            Effect::Follow { relay, mailbox, read, group, start } => {
                let key = group.0.to_vec();
                sync::follow(tx, &Follow { relay, mailbox, capability: read, topic: Topic::Conversation, key, start })?;
            }
            Effect::Unfollow(mailbox) => sync::unfollow(tx, &mailbox)?,
            Effect::Joined { group } => self.post_inbox(group)?,
            Effect::AlertLeft { group, alert } => alert::left(tx, &group, &alert)?,
            Effect::NotTakenIn => warning::raise(self.tx, &warning::Kind::ParcelRefused, self.now)?,
            Effect::Parcel { member, to, body } => {
                let sent = records::attempt(tx, || inbox::send_to(tx, &member, &to, &body, self.now))?;
                match sent.map_err(AccountFault::from) {
                    // An address that others gave: what is wrong with it stops nobody but who gave it.
                    Err(fault) if fault.vaults().is_none() => {
                        tracing::debug!(code = fault.code(), "parcel not sent");
                        warning::raise(tx, &warning::Kind::Undelivered { to: member }, self.now)?;
                    }
                    done => done?,
                }
            }
        }
        Ok(())
    }

    /// Posts into a group how its members reach our inbox and shelf.
    fn post_inbox(&mut self, group: GroupId) -> Result<(), AccountFault> {
        let address = inbox::my_address_for(self.tx, &Holder::Group(group), self.now)?;
        self.desk(move |desk| desk.post_inbox(&group, address))
    }

    /// What time brings, what the shelf wants, what is to be acknowledged. After every verb, and soon after what comes.
    ///
    /// Each part by itself: one that cannot be done, for what others sent us perhaps, is no reason to refuse the verb, and
    /// is tried again.
    pub(super) fn tend(&mut self) -> Result<(), AccountFault> {
        self.part(|with| Ok(inbox::tend(with.tx, with.now)?))?;
        self.part(|with| Ok(membership::tend(with.tx, with.now)?))?;
        self.part(Self::restock)?;
        if membership::me(self.tx)?.card.is_some() {
            self.part(|with| with.desk(|desk| desk.charter_adopted()))?;
            self.part(|with| with.desk(|desk| desk.acknowledge()))?;
            self.part(|with| with.desk(|desk| desk.tick()))?;
        }
        Ok(())
    }

    fn part(&mut self, work: impl FnOnce(&mut Self) -> Result<(), AccountFault>) -> Result<(), AccountFault> {
        let panicked = || Err(ConversationFault::Mls("panic").into());
        let done = records::attempt(self.tx, || caught(|| work(self)).unwrap_or_else(panicked))?;
        match done {
            Err(fault) if fault.vaults().is_none() => {
                tracing::error!(code = fault.code(), "what is due could not be done");
                Ok(())
            }
            done => done,
        }
    }

    /// Makes the key packages that the shelf wants.
    fn restock(&mut self) -> Result<(), AccountFault> {
        let tx = self.tx;
        let Stock { packages, last_resort } = inbox::wanted(tx)?;
        if packages > 0 || last_resort {
            let count = usize::try_from(packages).unwrap_or(0);
            let made = self.desk(|desk| {
                let last = if last_resort { Some(desk.last_resort()?) } else { None };
                Ok::<_, ConversationFault>((desk.publish_key_packages(count)?, last))
            })?;
            inbox::restock(tx, &made.0, made.1.as_deref())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::settings::Setting;
    use crate::vault::{Cost, Passphrase, Vault, VaultFault};

    const NOTE: Setting<u64> = Setting::named("test.note");

    #[test]
    fn what_is_due_and_panics_leaves_no_trace_and_ends_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let passphrase = Passphrase::new("correct horse".to_owned());
        let mut vault = Vault::create(&directory.path().join("vault"), &passphrase, Cost::FOR_TESTS).unwrap();
        let mut kept = Kept::default();
        let note = vault.transaction(|tx| {
            let mut with = Converse { tx, now: Timestamp(1), kept: &mut kept };
            with.part(|with| {
                NOTE.write(with.tx, &7)?;
                panic!("as the test wished")
            })?;
            with.part(|with| Ok(NOTE.write(with.tx, &8)?))?;
            with.part(|with| {
                NOTE.write(with.tx, &9)?;
                panic!("as the test wished")
            })?;
            NOTE.read(tx).map_err(AccountFault::from)
        });
        assert_eq!(note.unwrap(), Some(8));
        assert_eq!(vault.transaction::<_, VaultFault>(|tx| NOTE.read(tx)).unwrap(), Some(8));
    }
}
