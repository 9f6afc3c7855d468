//! What we say, until its echo is seen; and what others say, written down once.

use openmls::prelude::MlsMessageOut;
use relevo_protocol::content::{Body, GroupId, Kind as MaybeKnown, LogSeen, Message, MessageId, decode, encode_secret};
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Head, Incarnation, Sequence, encode};
use sha2::{Digest, Sha256};

use super::commit::hash;
use super::context::Kind;
use super::desk::Desk;
use super::effect::Awaited;
use super::fault::ConversationFault;
use super::intention::Intention;
use super::room::{MessageState, Room, Standing};
use crate::sync;
use crate::vault::conversations;
use crate::vault::intentions;
use crate::vault::messages::{self, MessageRow, NewMessage};
use crate::vault::records::{self, Noun};

impl Desk<'_> {
    /// Says something in a conversation. It is `Waiting` until its echo is seen.
    ///
    /// # Errors
    /// [`ConversationFault::NotIn`], [`ConversationFault::Halted`], [`ConversationFault::TooLong`].
    pub fn send(&mut self, group: &GroupId, body: Body) -> Result<MessageId, ConversationFault> {
        self.send_from(group, group, body)
    }

    /// As [`Desk::send`], of something that was begun for a conversation which may have gone on in this one meanwhile.
    ///
    /// # Errors
    /// As [`Desk::send`].
    pub fn send_from(&mut self, from: &GroupId, group: &GroupId, body: Body) -> Result<MessageId, ConversationFault> {
        let mut room = self.enter_present(group)?;
        let id = self.say(&mut room, body)?;
        self.came_from(&room, from, id)?;
        // A pair writes its leaf anew on the first word after hearing the other: what was lost to a thief before is
        // of no use from here.
        if room.context.kind == Kind::Pair && room.row.heard && !self.is_intended(group, &Intention::Rekey)? {
            self.intend(group, &Intention::Rekey, self.now)?;
        }
        room.row.active = self.now;
        self.go_on(&mut room)?;
        self.keep(room)?;
        Ok(id)
    }

    /// Writes down what we say; [`Desk::flush`] sends it.
    pub(super) fn say(&mut self, room: &mut Room, body: Body) -> Result<MessageId, ConversationFault> {
        let id = MessageId::random()?;
        let body = MaybeKnown::Known(body);
        let bytes = encode_secret(&body);
        let new = NewMessage {
            conversation: &room.id,
            member: &self.me.member,
            id,
            digest: Sha256::digest(&bytes).into(),
            kind: kind_number(&body),
            body: &bytes,
            sent: self.now,
            received: self.now,
            state: MessageState::Waiting,
        };
        messages::add(self.tx, &new)?;
        Ok(id)
    }

    /// Sends what waits in this epoch, unless a commit of ours is in flight: everything behind it would come too late.
    pub(super) fn flush(&mut self, room: &mut Room) -> Result<(), ConversationFault> {
        // Alone in it, there is nobody yet to hear: words wait for the first who joins. Where it goes on in another one, they are
        // said there.
        let alone = room.seats.len() < 2;
        if alone
            || room.row.successor.is_some()
            || room.row.standing != Standing::Live
            || intentions::in_flight(self.tx, &room.id)?.is_some()
        {
            return Ok(());
        }
        let epoch = room.mls.epoch().as_u64();
        for waiting in messages::unsent(self.tx, &room.id, epoch)? {
            self.post(room, &waiting)?;
        }
        Ok(())
    }

    /// Encrypts and appends a message, for the first time or again: its id stays.
    fn post(&mut self, room: &mut Room, waiting: &MessageRow) -> Result<(), ConversationFault> {
        let body = decode(&waiting.body).map_err(|_| ConversationFault::Mls("message"))?;
        let seen = self.seen(room)?;
        let carried = self.carried(room)?;
        let message = Message { id: waiting.id, sent: waiting.sent, seen, carried, timer: None, body };
        let signer = self.signer(room)?;
        let out = room
            .mls
            .create_message(&self.provider(), &signer, &encode_secret(&message))
            .map_err(|_| ConversationFault::Mls("create message"))?;
        records::remove(self.tx, Noun::PassedOver, &room.id.0)?;
        let bytes = to_bytes(&out)?;
        let echo = hash(&bytes);
        let (_, entry) = self.seal(room, &bytes)?;
        messages::under_way(self.tx, waiting.number, room.mls.epoch().as_u64(), &echo, self.now)?;
        self.append(room, entry, Awaited::Message { group: room.id, echo })
    }

    /// Where we stand in the group's log.
    pub(super) fn seen(&self, room: &Room) -> Result<LogSeen, ConversationFault> {
        let followed = sync::following(self.tx, &room.context.mailbox)?;
        let authenticator = room.mls.epoch_authenticator().as_slice();
        let authenticator = authenticator.try_into().map_err(|_| ConversationFault::Mls("epoch authenticator"))?;
        // Before the first entry there is no life of the mailbox to name.
        let nothing = (Incarnation([0; 8]), Sequence::START, Head::START);
        let (incarnation, sequence, head) = followed
            .and_then(|followed| Some((followed.cursor.incarnation?, followed.cursor.after, followed.head)))
            .unwrap_or(nothing);
        Ok(LogSeen { authenticator, incarnation, sequence, head })
    }

    /// Writes down what somebody said, unless it is here already, and does what it asks.
    pub(super) fn write(
        &mut self,
        room: &mut Room,
        author: &MemberKey,
        message: &Message,
    ) -> Result<(), ConversationFault> {
        let bytes = encode(&message.body);
        let kind = kind_number(&message.body);
        room.row.heard |= is_for_people(kind);
        let state = match &message.body {
            MaybeKnown::Known(Body::Receipt { of }) => {
                self.delivered(room, of)?;
                return Ok(());
            }
            MaybeKnown::Known(Body::Posted { inbox }) => {
                let inbox = encode_secret(inbox);
                conversations::put_inbox(self.tx, &room.id, author, &inbox)?;
                // An administrator who has come, or has moved its inbox, gets what administrators share.
                let owner = self.place(room)?.owner.filter(|_| room.context.is_administrator(author));
                return match owner {
                    Some(owner) => self.share_owner(room, &owner, &[*author]),
                    None => Ok(()),
                };
            }
            MaybeKnown::Known(Body::Leave { request }) => {
                self.leaves(room, author, request)?;
                MessageState::Done
            }
            // A forged or expired alert is noted as such, and its words are not kept.
            MaybeKnown::Known(Body::Alert { alert }) => {
                match crate::alert::received(self.tx, &room.id, author, alert, self.now)? {
                    crate::alert::Verdict::Believed => MessageState::Received,
                    crate::alert::Verdict::Refused => return Ok(()),
                }
            }
            MaybeKnown::Known(Body::Text { .. } | Body::Reaction { .. } | Body::Document { .. }) => {
                MessageState::Received
            }
            MaybeKnown::Newer(_) => MessageState::Done,
        };
        let new = NewMessage {
            conversation: &room.id,
            member: author,
            id: message.id,
            digest: Sha256::digest(&bytes).into(),
            kind,
            body: &bytes,
            sent: message.sent,
            received: self.now,
            state,
        };
        // Said once more for others, where the conversation goes on or comes from.
        let in_line = room.row.continues.is_some() || room.row.successor.is_some();
        if in_line && messages::was_heard(self.tx, &room.id, author, message.id, &bytes)? {
            return Ok(());
        }
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::DeliveredTwice) {
            messages::add(self.tx, &NewMessage { digest: [0; 32], id: MessageId::random()?, ..new })?;
        }
        if messages::add(self.tx, &new)?.is_some() {
            room.row.active = self.now;
        }
        Ok(())
    }

    /// Somebody's device has these.
    fn delivered(&self, room: &Room, of: &[MessageId]) -> Result<(), ConversationFault> {
        for id in of {
            let ours = messages::by_id(self.tx, &room.id, &self.me.member, *id)?;
            if let Some(ours) = ours.filter(|ours| ours.state == MessageState::Sent) {
                messages::set_state(self.tx, ours.number, MessageState::Delivered)?;
            }
        }
        Ok(())
    }
}

fn to_bytes(message: &MlsMessageOut) -> Result<Vec<u8>, ConversationFault> {
    message.to_bytes().map_err(|_| ConversationFault::Mls("message"))
}

/// What a receipt and an alert are, in the vault's rows.
pub(super) const RECEIPT: u16 = 1;
pub(super) const ALERT: u16 = 3;

/// What a kind of message is, in the vault's rows.
pub(crate) fn kind_number(body: &MaybeKnown<Body>) -> u16 {
    match body {
        MaybeKnown::Known(Body::Text { .. }) => 0,
        MaybeKnown::Known(Body::Receipt { .. }) => RECEIPT,
        MaybeKnown::Known(Body::Reaction { .. }) => 2,
        MaybeKnown::Known(Body::Alert { .. }) => ALERT,
        MaybeKnown::Known(Body::Document { .. }) => 4,
        MaybeKnown::Known(Body::Posted { .. }) => 5,
        MaybeKnown::Known(Body::Leave { .. }) => 6,
        MaybeKnown::Newer(_) => u16::MAX,
    }
}

/// Whether people wrote it and read it, and not their devices.
pub(crate) fn is_for_people(kind: u16) -> bool {
    !matches!(kind, RECEIPT | 5 | 6)
}
