//! What the faces show of conversations, and what is done from time to time.

use relevo_protocol::content::{Body, GroupId, Kind as MaybeKnown, MessageId, decode};
use relevo_protocol::limits::{MAX_LEASE_HOURS, MAX_RECEIPTS};
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::Call;

use super::commit::{Unsure, unsure_until};
use super::context::Kind;
use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::intention::Intention;
use super::room::{AlarmKind, Keeper, MessageState, Standing};
use super::send::is_for_people;
use crate::caught::caught;
use crate::sync::{self, Topic};
use crate::vault::checkpoints;
pub use crate::vault::checkpoints::Conviction;
use crate::vault::conversations;
use crate::vault::intentions;
use crate::vault::messages;
use crate::vault::records;
use crate::vault::settings::Setting;
use crate::vault::{Transaction, VaultFault};

/// A pair writes its leaf anew at least this often, in seconds.
const DAY: u64 = 24 * 3600;

/// Leases are renewed when they end within so many hours.
const RENEW_WITHIN_HOURS: u32 = MAX_LEASE_HOURS / 2;

/// The hour in which leases were last looked at.
const RENEWED: Setting<Hour> = Setting::named("conversation.renewed");

/// A conversation as people see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Names it.
    pub id: GroupId,
    /// Two people, or many.
    pub kind: Kind,
    /// The group's name; empty for a pair.
    pub name: String,
    /// Who may add, remove and rename; both of a pair, also before the other has joined.
    pub administrators: Vec<MemberKey>,
    /// How it stands.
    pub standing: Standing,
    /// Who sits in it, ourselves too.
    pub members: Vec<Seated>,
    /// When anything was last said.
    pub active: Timestamp,
    /// The conversation in which it goes on, if it was founded anew.
    pub successor: Option<GroupId>,
    /// The one that it continues, as one of that one's administrators says.
    pub continues: Option<GroupId>,
}

/// Somebody in a conversation.
#[derive(Clone, PartialEq, Eq)]
pub struct Seated {
    /// Who.
    pub member: MemberKey,
    /// What its card calls it.
    pub pseudonym: String,
    /// Whether it may add, remove and rename.
    pub administrator: bool,
}

/// A message as people see it.
#[derive(PartialEq, Eq)]
pub struct Said {
    /// Rises with each message of this vault: where to go on reading.
    pub number: i64,
    /// The conversation.
    pub group: GroupId,
    /// Names it.
    pub id: MessageId,
    /// Who.
    pub author: MemberKey,
    /// When, as its author claims.
    pub sent: Timestamp,
    /// When it came here, or was written.
    pub received: Timestamp,
    /// How it stands.
    pub state: MessageState,
    /// What.
    pub body: MaybeKnown<Body>,
}

/// Something that people must see.
#[derive(Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Names it.
    pub number: i64,
    /// The conversation.
    pub group: GroupId,
    /// What.
    pub kind: AlarmKind,
    /// Whom it concerns, if it is about somebody.
    pub about: Option<MemberKey>,
    /// When.
    pub at: Timestamp,
    /// What the relay signed, of a lie.
    pub proof: Option<Conviction>,
}

/// All conversations, the most recently active first.
///
/// # Errors
/// The vault's.
pub fn conversations_of(tx: &Transaction<'_>) -> Result<Vec<Conversation>, VaultFault> {
    conversations::list(tx)?.into_iter().map(|row| shown(tx, row)).collect()
}

/// One conversation.
///
/// # Errors
/// The vault's.
pub fn conversation(tx: &Transaction<'_>, id: &GroupId) -> Result<Option<Conversation>, VaultFault> {
    conversations::find(tx, id)?.map(|row| shown(tx, row)).transpose()
}

/// A conversation and those that go on in it.
///
/// # Errors
/// The vault's.
pub fn lineage(tx: &Transaction<'_>, id: &GroupId) -> Result<Vec<GroupId>, VaultFault> {
    let all = conversations::list(tx)?;
    let mut line = vec![*id];
    // Each row once, so that it ends.
    while let Some(before) = all
        .iter()
        .find(|row| !line.contains(&row.id) && row.successor.is_some_and(|successor| line.contains(&successor)))
    {
        line.push(before.id);
    }
    Ok(line)
}

/// The conversation of two with somebody.
///
/// # Errors
/// The vault's.
pub fn pair_with(tx: &Transaction<'_>, member: &MemberKey) -> Result<Option<GroupId>, VaultFault> {
    conversations::pair_with(tx, member)
}

/// At most `limit` messages of a conversation after a number, oldest first; what devices say among themselves is left
/// out.
///
/// # Errors
/// The vault's.
pub fn said(tx: &Transaction<'_>, group: &GroupId, after: i64, limit: u32) -> Result<Vec<Said>, VaultFault> {
    let rows = messages::after(tx, group, after, limit)?;
    let rows = rows.into_iter().filter(|row| is_for_people(row.kind));
    Ok(rows
        .map(|row| Said {
            number: row.number,
            group: row.conversation,
            id: row.id,
            author: row.member,
            sent: row.sent,
            received: row.received,
            state: row.state,
            // A kind that this version wrote as unknown stays so until the program is newer.
            body: decode(&row.body).unwrap_or(MaybeKnown::Newer(u32::from(row.kind))),
        })
        .collect())
}

/// What people must see, oldest first.
///
/// # Errors
/// The vault's.
pub fn alarms(tx: &Transaction<'_>) -> Result<Vec<Alarm>, VaultFault> {
    let mut proofs = checkpoints::convictions(tx)?;
    let rows = intentions::alarms(tx)?.into_iter().map(|row| {
        let kind = AlarmKind::from_code(row.kind);
        let person = matches!(
            kind,
            AlarmKind::NotAdded
                | AlarmKind::NotWelcomed
                | AlarmKind::Complaint
                | AlarmKind::Disagreement
                | AlarmKind::Refounded
                | AlarmKind::LeftBehind
        );
        let about = row.detail.first_chunk().filter(|_| person).map(|member| MemberKey::new(*member));
        let proves = |proof: &mut Conviction| kind == AlarmKind::Lie && proof.word.statement == row.detail;
        let proof = proofs.extract_if(.., proves).next();
        Alarm { number: row.number, group: row.conversation, kind, about, at: row.at, proof }
    });
    Ok(rows.collect())
}

/// Seconds after which words that have not left are said to wait.
const SILENCE: u64 = 600;

/// Conversations in which words of ours have waited for long, who holds them, and since when: the relay cannot be reached,
/// does not answer, or answers and does not give back what it took; or we hold them back.
///
/// # Errors
/// The vault's.
pub fn silent(tx: &Transaction<'_>, now: Timestamp) -> Result<Vec<(GroupId, Keeper, Timestamp)>, VaultFault> {
    let mut silent = messages::waiting_since(tx)?;
    silent.retain(|(_, _, since)| since.plus_seconds(SILENCE) <= now);
    Ok(silent)
}

/// A group in which changes of ours wait for what others may know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldBack {
    /// Which.
    pub group: GroupId,
    /// Why.
    pub why: Unsure,
    /// Until when at most.
    pub until: Timestamp,
}

/// Groups in which changes of ours wait for what others may know.
///
/// # Errors
/// The vault's.
pub fn changes_held_back(tx: &Transaction<'_>, now: Timestamp) -> Result<Vec<HeldBack>, VaultFault> {
    let mut held = Vec::new();
    for row in conversations::list(tx)?.into_iter().filter(|row| row.standing == Standing::Live) {
        let Some((until, why)) = unsure_until(tx, now, &row.id, &row.mailbox)? else { continue };
        let ours = intentions::of(tx, &row.id)?;
        let mut meant = ours.iter().filter(|one| one.echo.is_none() && one.due <= until).map(Intention::of);
        if meant.any(|one| one.is_ok_and(|one| one.changes_the_group() && one.is_ready())) {
            held.push(HeldBack { group: row.id, why, until });
        }
    }
    Ok(held)
}

/// What relays have signed that cannot all be true: proof for anybody.
///
/// # Errors
/// The vault's.
pub fn convictions(tx: &Transaction<'_>) -> Result<Vec<Conviction>, VaultFault> {
    checkpoints::convictions(tx)
}

/// Messages and commits of ours that still wait for the network.
///
/// # Errors
/// The vault's.
pub fn waiting(tx: &Transaction<'_>) -> Result<u64, VaultFault> {
    Ok(messages::waiting(tx)?.saturating_add(intentions::under_way(tx)?))
}

fn shown(tx: &Transaction<'_>, row: conversations::ConversationRow) -> Result<Conversation, VaultFault> {
    let seats = conversations::seats(tx, &row.id)?;
    let members = seats
        .into_iter()
        .map(|seat| Seated {
            administrator: row.administrators.contains(&seat.member),
            member: seat.member,
            pseudonym: seat.pseudonym,
        })
        .collect();
    let continues = match row.continues {
        Some((before, founder)) => {
            conversations::find(tx, &before)?.filter(|old| old.administrators.contains(&founder)).map(|old| old.id)
        }
        None => None,
    };
    let conversations::ConversationRow { id, kind, name, standing, active, administrators, successor, .. } = row;
    Ok(Conversation { id, kind, name, administrators, standing, members, active, successor, continues })
}

impl Desk<'_> {
    /// What is due: intentions whose turn has come, leaves of pairs that are a day old, leases that end.
    ///
    /// # Errors
    /// This device's own trouble.
    pub fn tick(&mut self) -> Result<(), ConversationFault> {
        for row in conversations::pairs(self.tx)? {
            let old = row.rekeyed.plus_seconds(DAY) <= self.now;
            if row.standing == Standing::Live && old && !self.is_intended(&row.id, &Intention::Rekey)? {
                self.intend(&row.id, &Intention::Rekey, self.now)?;
            }
        }
        self.refound_pairs()?;
        self.give_back()?;
        let mut due = intentions::due(self.tx, self.now)?;
        due.extend(self.take_carried()?);
        for group in due {
            let (tx, wanted) = (self.tx, self.effects.len());
            let panicked = Err(ConversationFault::Mls("panic"));
            match records::attempt(tx, || caught(|| self.due(&group)).unwrap_or(panicked))? {
                Ok(()) => {}
                Err(ConversationFault::Vault(fault)) => return Err(fault.into()),
                // One conversation that cannot go on is no reason for the others to stand still.
                Err(fault) => {
                    tracing::error!(code = fault.code(), "what is due in a conversation could not be done");
                    self.effects.truncate(wanted);
                    self.alarm(&group, AlarmKind::NotDone, &[])?;
                }
            }
        }
        self.ask_checkpoints()?;
        self.renew()
    }

    fn due(&mut self, group: &GroupId) -> Result<(), ConversationFault> {
        let mut room = self.enter(group)?;
        self.go_on(&mut room)?;
        self.keep(room)
    }

    /// Renews leases that end, says who is still out and destroys old keys, looking at most once an hour.
    fn renew(&mut self) -> Result<(), ConversationFault> {
        let hour = self.now.round_up();
        if RENEWED.read(self.tx)? == Some(hour) {
            return Ok(());
        }
        RENEWED.write(self.tx, &hour)?;
        self.still_out()?;
        self.carry()?;
        self.weigh_all()?;
        self.destroy_old_key_packages()?;
        let soon = hour.plus(RENEW_WITHIN_HOURS);
        for followed in sync::leases_ending(self.tx, soon)? {
            let place = conversations::place(self.tx, &followed.mailbox)?;
            let row = place.as_ref().map(|place| conversations::find(self.tx, &place.conversation)).transpose()?;
            let present = row.flatten().is_none_or(|row| row.successor.is_none());
            if let Some(place) = place.filter(|_| present && followed.topic == Topic::Conversation) {
                let call = Call::Renew {
                    mailbox: place.mailbox,
                    capability: place.secrets.append,
                    lease_hours: MAX_LEASE_HOURS,
                };
                self.effects.push(Effect::Call { relay: place.relay, call, then: Awaited::Nothing });
            }
        }
        Ok(())
    }

    /// Tells the authors in conversations of two that their messages have reached this device. Once after a batch.
    ///
    /// # Errors
    /// This device's own trouble.
    pub fn acknowledge(&mut self) -> Result<(), ConversationFault> {
        for group in messages::unacknowledged(self.tx)? {
            let received = messages::in_state(self.tx, &group, MessageState::Received)?;
            let pair = conversations::find(self.tx, &group)?
                .is_some_and(|row| row.kind == Kind::Pair && row.standing == Standing::Live && row.successor.is_none());
            if pair {
                let mut room = self.enter(&group)?;
                for some in received.chunks(MAX_RECEIPTS) {
                    self.say(&mut room, Body::Receipt { of: some.iter().map(|message| message.id).collect() })?;
                }
                self.go_on(&mut room)?;
                self.keep(room)?;
            }
            for message in received {
                messages::set_state(self.tx, message.number, MessageState::Done)?;
            }
        }
        Ok(())
    }

    /// Decides about a message that somebody new would read: send it after all, or not.
    ///
    /// # Errors
    /// [`ConversationFault::NoSuchConversation`].
    pub fn decide(&mut self, group: &GroupId, id: MessageId, send: Decision) -> Result<(), ConversationFault> {
        // It may have gone on elsewhere since it was asked, and the words with it.
        let carried = messages::by_id(self.tx, group, &self.me.member, id)?.is_none();
        let group = &if carried { self.present(group)? } else { *group };
        let mut room = self.enter(group)?;
        let ours = messages::by_id(self.tx, group, &self.me.member, id)?;
        if let Some(ours) = ours.filter(|ours| ours.state == MessageState::Undecided) {
            let state = match send {
                Decision::Send => MessageState::Waiting,
                Decision::Drop => MessageState::NotSent,
            };
            messages::set_state(self.tx, ours.number, state)?;
            self.decided(ours.number, &room.seats, send)?;
        }
        self.go_on(&mut room)?;
        self.keep(room)
    }

    /// Tells a group how its administrators reach us outside of it.
    ///
    /// # Errors
    /// As [`Desk::send`].
    pub fn post_inbox(
        &mut self,
        group: &GroupId,
        inbox: relevo_protocol::content::InboxAddress,
    ) -> Result<(), ConversationFault> {
        let mut room = self.enter_live(group)?;
        self.say(&mut room, Body::Posted { inbox })?;
        self.go_on(&mut room)?;
        self.keep(room)
    }

    /// A newer charter stands: administrators pin it in their groups, once it lies in the log for all to read.
    ///
    /// # Errors
    /// This device's own trouble.
    pub fn charter_adopted(&mut self) -> Result<(), ConversationFault> {
        for row in conversations::list(self.tx)? {
            let present = row.standing == Standing::Live && row.successor.is_none();
            if !present || !row.administrators.contains(&self.me.member) {
                continue;
            }
            let mut room = self.enter(&row.id)?;
            let newer = self.me.charter()?.version > room.context.pins.charter.number;
            if newer && !self.is_intended(&row.id, &Intention::Pins)? {
                self.append_charters(&room)?;
                self.intend(&row.id, &Intention::Pins, self.now)?;
                self.go_on(&mut room)?;
            }
            self.keep(room)?;
        }
        Ok(())
    }
}

/// What to do with a message that somebody new would read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Send it.
    Send,
    /// Do not.
    Drop,
}
