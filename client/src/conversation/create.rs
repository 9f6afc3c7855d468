//! Starting a conversation.

use openmls::group::MlsGroup;
use openmls_traits::OpenMlsProvider;
use relevo_protocol::content::{GroupId, InboxAddress};
use relevo_protocol::limits::MAX_LEASE_HOURS;
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{MemberKey, Pins};
use relevo_protocol::wire::{Capability, RelayAddress};

use super::commit::{mls_id, moved_secrets, open_call};
use super::context::{Context, Kind, LeafState, Origin};
use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::leaf::{self, Door};
use super::room::{Room, Standing};
use super::suite::{MAX_LEAVES, create_config};
use crate::sync::Start;
use crate::vault::conversations::{self, ConversationRow, Place};

/// Longest name of a group, in characters.
const MAX_NAME: usize = 64;

impl Desk<'_> {
    /// Starts a conversation of two, or finds the one that is there.
    ///
    /// # Errors
    /// [`ConversationFault::NoSuchMember`] when the person has no shelf.
    pub fn create_pair(
        &mut self,
        person: (MemberKey, InboxAddress),
        relay: &RelayAddress,
    ) -> Result<GroupId, ConversationFault> {
        if let Some(known) = conversations::pair_with(self.tx, &person.0)? {
            let mut room = self.enter(&known)?;
            if room.row.standing == Standing::Live && room.seat_of(&person.0).is_none() {
                self.invite(&room, vec![person])?;
                self.go_on(&mut room)?;
            }
            self.keep(room)?;
            return Ok(known);
        }
        if let Some(stranded) = conversations::stranded_pair_with(self.tx, &person.0)? {
            return self.refound(&stranded, &[], relay).map(|anew| anew.group);
        }
        let administrators = vec![self.me.member, person.0];
        self.create(Kind::Pair, String::new(), administrators, vec![person], relay, None)
    }

    /// Starts a group and invites people into it. `second` helps to administrate it, from when it joins.
    ///
    /// # Errors
    /// [`ConversationFault::Name`], [`ConversationFault::TooMany`], [`ConversationFault::NoSuchMember`].
    pub fn create_group(
        &mut self,
        name: &str,
        people: Vec<(MemberKey, InboxAddress)>,
        second: Option<MemberKey>,
        relay: &RelayAddress,
    ) -> Result<GroupId, ConversationFault> {
        let name = group_name(name)?;
        let mut people = people;
        if let Some(second) = second {
            // In the first commit, so that the group never lacks its second administrator.
            let at = people.iter().position(|(member, _)| *member == second);
            people.swap(0, at.ok_or(ConversationFault::NoSuchMember)?);
        }
        let administrators = core::iter::once(self.me.member).chain(second).collect();
        self.create(Kind::Group, name, administrators, people, relay, None)
    }

    /// Makes the group, which continues another one or none.
    pub(super) fn create(
        &mut self,
        kind: Kind,
        name: String,
        mut administrators: Vec<MemberKey>,
        people: Vec<(MemberKey, InboxAddress)>,
        relay: &RelayAddress,
        origin: Option<Origin>,
    ) -> Result<GroupId, ConversationFault> {
        if people.len() >= MAX_LEAVES {
            return Err(ConversationFault::TooMany { max: MAX_LEAVES });
        }
        administrators.sort_unstable();
        administrators.dedup();
        let id = GroupId::random()?;
        let owner = Capability::random()?;
        let charter = self.me.charter()?;
        let context = Context {
            kind,
            name,
            administrators,
            relay: relay.duplicate(),
            mailbox: owner.mailbox(),
            pins: Pins::of(charter),
            continues: origin.clone(),
        };
        let (signer, credential) = self.new_group_leaf(&id)?;
        let provider = self.provider();
        let config = create_config(context.bytes(), LeafState::FRESH.bytes())?;
        let mls = MlsGroup::new_with_group_id(&provider, &signer, &config, mls_id(&id), credential)
            .map_err(|_| ConversationFault::Mls("create group"))?;
        let own = mls.own_leaf().ok_or(ConversationFault::Mls("own leaf"))?;
        let (checked, state) = leaf::check_node(own, Door::Path(&id), charter)?;
        let seats = vec![leaf::seat(mls.own_leaf_index().u32(), &checked, state)];
        let secrets = moved_secrets(|label, length| mls.export_secret(provider.crypto(), label, &[], length))?;
        let row = ConversationRow {
            id,
            kind,
            name: context.name.clone(),
            standing: Standing::Live,
            epoch: 0,
            mailbox: context.mailbox,
            heard: false,
            rekeyed: self.now,
            active: self.now,
            stamp: 0,
            administrators: context.administrators.clone(),
            continues: origin.as_ref().and_then(|origin| origin.line.first()).map(|before| (*before, self.me.member)),
            excluded: origin.map(|origin| origin.without).unwrap_or_default(),
            successor: None,
        };
        conversations::put(self.tx, &row)?;
        conversations::put_seats(self.tx, &id, &seats)?;
        for (charter, _) in &self.me.charters {
            conversations::put_charter(self.tx, &id, charter)?;
        }
        self.effects.push(Effect::Remember(relay.duplicate()));
        self.effects.push(Effect::Call {
            relay: relay.fingerprint,
            call: open_call(owner.hash(), &secrets, MAX_LEASE_HOURS),
            then: Awaited::Opening { group: id },
        });
        self.effects.push(Effect::Follow {
            relay: relay.fingerprint,
            mailbox: context.mailbox,
            read: secrets.read.duplicate(),
            group: id,
            start: Start::Beginning,
        });
        let place =
            Place { mailbox: context.mailbox, conversation: id, relay: relay.fingerprint, secrets, owner: Some(owner) };
        conversations::put_place(self.tx, &place)?;
        self.effects.push(Effect::Joined { group: id });
        let room = Room { id, mls, row, context, seats };
        self.invite(&room, people)?;
        self.keep(room)?;
        Ok(id)
    }

    /// Names a group. Only administrators do.
    ///
    /// # Errors
    /// [`ConversationFault::Name`], [`ConversationFault::Pair`], [`ConversationFault::NotAdministrator`].
    pub fn rename(&mut self, group: &GroupId, name: &str) -> Result<(), ConversationFault> {
        let name = group_name(name)?;
        self.administrate(group, super::intention::Intention::Rename { name })
    }

    /// Means to do what only administrators of a group do.
    pub(super) fn administrate(
        &mut self,
        group: &GroupId,
        intention: super::intention::Intention,
    ) -> Result<(), ConversationFault> {
        let mut room = self.enter_present(group)?;
        if room.context.kind == Kind::Pair {
            return Err(ConversationFault::Pair);
        }
        if !room.context.is_administrator(&self.me.member) {
            return Err(ConversationFault::NotAdministrator);
        }
        self.intend(group, &intention, self.now)?;
        self.go_on(&mut room)?;
        self.keep(room)
    }
}

/// A group's name: seen, not empty, and not long.
fn group_name(name: &str) -> Result<String, ConversationFault> {
    let parsed: Result<relevo_protocol::trust::Name, _> = name.trim().parse();
    match parsed {
        Ok(parsed) if parsed.as_str().chars().count() <= MAX_NAME => Ok(parsed.as_str().to_owned()),
        Ok(_) | Err(_) => Err(ConversationFault::Name),
    }
}

/// When something that several devices would do at once is due on this one: in the order of their leaves.
pub(crate) fn staggered(now: Timestamp, rank: usize, seconds: u64) -> Timestamp {
    now.plus_seconds(u64::try_from(rank).unwrap_or(u64::MAX).saturating_mul(seconds))
}
