//! Welcomes into large groups: the ratchet tree is larger than an inbox entry, so the Welcome lies in a log of its own,
//! once for all who were added with it (SPEC 11).

use minicbor::{Decode, Encode};
use relevo_protocol::content::{InboxAddress, ParcelBody, Welcome, WelcomeSource, decode, encode_secret};
use relevo_protocol::limits::{MAX_SEALED, MAX_WELCOME_PARTS};
use relevo_protocol::sealed::{EntryKey, GroupSecrets, open, seal};
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Call, Capability, MailboxId};
use sha2::{Digest, Sha256};

use super::commit::open_call;
use super::desk::{Desk, names};
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::join::carried;
use super::room::{AlarmKind, Room};
use crate::sync::{ReceivedEntry, Start};
use crate::vault::conversations;
use crate::vault::{held, porches, records};

/// Bytes of a Welcome that goes into the parcel itself; the rest of the parcel takes its place beside it.
const MAX_INLINE: usize = 256 << 10;

/// Logs of welcomes into other conversations that are read for one sender.
const OF_EACH: usize = 8;

/// Hours for which a newcomer finds the log.
const LEASE_HOURS: u32 = 30 * 24;

/// A welcome that waits for its log to be complete.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Guest {
    #[n(0)]
    member: MemberKey,
    #[n(1)]
    inbox: InboxAddress,
    #[n(2)]
    welcome: Welcome,
}

impl Desk<'_> {
    /// Sends welcomes: at once, or when the log that holds the Welcome is complete.
    pub(super) fn send_welcomes(
        &mut self,
        room: &Room,
        bytes: &[u8],
        guests: Vec<(MemberKey, InboxAddress, Welcome)>,
    ) -> Result<(), ConversationFault> {
        if bytes.len() <= MAX_INLINE {
            for (member, to, welcome) in guests {
                self.effects.push(Effect::Parcel { member, to, body: ParcelBody::Welcome(welcome) });
            }
            return Ok(());
        }
        let parts: Vec<&[u8]> = bytes.chunks(MAX_SEALED).collect();
        let count = u16::try_from(parts.len()).ok().filter(|count| *count <= MAX_WELCOME_PARTS);
        let count = count.ok_or(ConversationFault::TooLong)?;
        let owner = Capability::random()?;
        let mailbox = owner.mailbox();
        let secrets =
            GroupSecrets { wrap: EntryKey::random()?, read: Capability::random()?, append: Capability::random()? };
        let relay = room.context.relay.fingerprint;
        let call = open_call(owner.hash(), &secrets, LEASE_HOURS);
        self.effects.push(Effect::Call { relay, call, then: Awaited::Nothing });
        for (part, number) in parts.iter().zip(1..) {
            let entry = seal(&secrets.wrap, &mailbox, part)?;
            let call = Call::Append { mailbox, capability: secrets.append.duplicate(), entry };
            let then = if number == count { Awaited::Porch { group: room.id, mailbox } } else { Awaited::Nothing };
            self.effects.push(Effect::Call { relay, call, then });
        }
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let source = || WelcomeSource::Log {
            mailbox,
            read: secrets.read.duplicate(),
            key: secrets.wrap.duplicate(),
            parts: count,
            sha256,
        };
        let guests: Vec<Guest> = guests
            .into_iter()
            .map(|(member, inbox, welcome)| Guest { member, inbox, welcome: Welcome { welcome: source(), ..welcome } })
            .collect();
        Ok(porches::put_out(self.tx, &mailbox, &room.id, &encode_secret(&guests))?)
    }

    /// The log of a Welcome is complete, or cannot be.
    pub(super) fn porch_answered(
        &mut self,
        group: &relevo_protocol::content::GroupId,
        mailbox: &MailboxId,
        complete: bool,
    ) -> Result<(), ConversationFault> {
        let Some(guests) = porches::take_out(self.tx, mailbox)? else { return Ok(()) };
        let guests: Vec<Guest> = decode(&guests).map_err(|_| ConversationFault::Mls("guests"))?;
        for Guest { member, inbox: to, welcome } in guests {
            if complete {
                self.effects.push(Effect::Parcel { member, to, body: ParcelBody::Welcome(welcome) });
            } else {
                self.alarm(group, AlarmKind::NotWelcomed, member.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Reads the log that holds the Welcome; its last part lets us in.
    pub(super) fn wait_on_porch(&mut self, welcome: &Welcome, sender: &MemberKey) -> Result<(), ConversationFault> {
        let WelcomeSource::Log { mailbox, read, parts, .. } = &welcome.welcome else {
            return Err(ConversationFault::Welcome);
        };
        let carried = carried(welcome);
        let named = self.following_charters(&carried).last().is_some_and(|charter| names(&charter, &welcome.relay));
        let free = self.is_free(&welcome.group, mailbox)? && conversations::place(self.tx, mailbox)?.is_none();
        if !(1..=MAX_WELCOME_PARTS).contains(parts) || !named || !free {
            return Err(ConversationFault::Welcome);
        }
        // Nobody fills the mailboxes that we read with welcomes that never become whole: so many of each sender at a time, for one
        // conversation as many as wait for a log, and of more the first ones and the last.
        let others: Vec<_> = porches::of(self.tx, sender)?.into_iter().filter(|(other, _)| other != mailbox).collect();
        let (same, elsewhere): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, group)| *group == welcome.group);
        let same = same.into_iter().skip(usize::from(held::WELCOMES).saturating_sub(1));
        for (other, _) in same.chain(elsewhere.into_iter().skip(OF_EACH)) {
            porches::remove_in(self.tx, &other)?;
            self.effects.push(Effect::Unfollow(other));
        }
        porches::put_in(self.tx, mailbox, sender, welcome)?;
        self.effects.push(Effect::Remember(welcome.relay.duplicate()));
        self.effects.push(Effect::Follow {
            relay: welcome.relay.fingerprint,
            mailbox: *mailbox,
            read: read.duplicate(),
            group: welcome.group,
            start: Start::Beginning,
        });
        Ok(())
    }

    /// A part of a Welcome; whether the entry was one.
    pub(super) fn porch_entry(
        &mut self,
        mailbox: &MailboxId,
        entry: &ReceivedEntry,
    ) -> Result<bool, ConversationFault> {
        let Some((sender, welcome)) = porches::find_in(self.tx, mailbox)? else { return Ok(false) };
        let WelcomeSource::Log { key, parts, sha256, .. } = &welcome.welcome else { return Ok(false) };
        let Ok(part) = open(key, mailbox, &entry.entry) else { return Ok(true) };
        let all = porches::add_part(self.tx, mailbox, &part)?;
        if all.len() < usize::from(*parts) {
            return Ok(true);
        }
        porches::remove_in(self.tx, mailbox)?;
        self.effects.push(Effect::Unfollow(*mailbox));
        let bytes = all.concat();
        if Sha256::digest(&bytes).as_slice() != sha256 {
            return Ok(true);
        }
        let (tx, wanted) = (self.tx, self.effects.len());
        match records::attempt(tx, || self.join_with(&welcome, &bytes, &sender))? {
            Ok(()) => Ok(true),
            Err(ConversationFault::Vault(fault)) => Err(fault.into()),
            // What is wrong with it is its author's fault, as with a welcome in a parcel.
            Err(fault) => {
                self.effects.truncate(wanted);
                self.not_taken_in(&welcome.group, &fault)?;
                Ok(true)
            }
        }
    }
}
