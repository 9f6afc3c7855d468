//! Joining by a welcome.

use openmls::group::{StagedWelcome, WelcomeError};
use openmls::prelude::{MlsMessageBodyIn, MlsMessageIn};
use openmls_traits::OpenMlsProvider;
use relevo_protocol::content::{GroupOwner, PinnedObject, Welcome, WelcomeSource};
use relevo_protocol::trust::{Charter, MemberKey, MultiSigned, Verified};

use super::commit::{hash, mls_id};
use super::context::{Context, Kind, LeafState};
use super::create::staggered;
use super::desk::{Desk, names};
use super::effect::Effect;
use super::fault::{CommitFault, ConversationFault};
use super::intention::Intention;
use super::leaf::{self, Door};
use super::room::{MessageState, Room, Standing};
use super::send::is_for_people;
use super::suite::{EPOCHS, MAX_LEAVES, SUITE, join_config, read};
use crate::sync::Start;
use crate::vault::conversations::{self, ConversationRow, Place};
use crate::vault::intentions;
use crate::vault::messages;
use crate::vault::relays;

/// Seconds between the joiners' turns to write their leaves anew.
const REKEY_SECONDS: u64 = 15;

/// Conversations into which we let others put us: below MAX_SUBSCRIPTIONS of a session.
pub(super) const MAX_CONVERSATIONS: usize = 400;

/// Members up to which joiners write their leaves anew at once.
const SMALL: usize = 8;

impl Desk<'_> {
    /// Enters a group by a welcome that `sender` sent to our inbox.
    ///
    /// # Errors
    /// [`ConversationFault::AlreadyMember`] where we are still, in that epoch or a later one.
    /// [`ConversationFault::Welcome`], [`ConversationFault::NotTakenIn`] and [`ConversationFault::Leaf`] when it is refused:
    /// drop the parcel. Any other is this device's own trouble.
    pub fn join(&mut self, welcome: &Welcome, sender: &MemberKey) -> Result<(), ConversationFault> {
        match &welcome.welcome {
            WelcomeSource::Inline { welcome: bytes } => self.join_with(welcome, bytes.bytes(), sender),
            WelcomeSource::Log { .. } => self.wait_on_porch(welcome, sender),
            // Kept for a later version.
            WelcomeSource::Blobs { .. } => Err(ConversationFault::Welcome),
        }
    }

    /// Enters a group by MLS's Welcome; one in which we are still, when its log is read.
    pub(super) fn join_with(
        &mut self,
        welcome: &Welcome,
        bytes: &[u8],
        sender: &MemberKey,
    ) -> Result<(), ConversationFault> {
        let row = conversations::find(self.tx, &welcome.group)?;
        if row.is_some_and(|row| row.standing == Standing::Live) {
            self.hold_welcome(welcome, bytes, sender)
        } else {
            self.enter_by(welcome, bytes, sender)
        }
    }

    /// Opens MLS's Welcome and looks at all of it. Writes nothing but that MLS has used a key package.
    pub(super) fn open_welcome(
        &self,
        welcome: &Welcome,
        bytes: &[u8],
        sender: &MemberKey,
    ) -> Result<(StagedWelcome, Verified<Charter>), ConversationFault> {
        let message: MlsMessageIn = read(bytes).ok_or(ConversationFault::Welcome)?;
        let MlsMessageBodyIn::Welcome(mls) = message.extract() else { return Err(ConversationFault::Welcome) };
        if mls.ciphersuite() != SUITE {
            return Err(ConversationFault::Welcome);
        }
        let packages: Vec<u8> =
            mls.secrets().iter().flat_map(|secret| secret.new_member().as_slice().to_vec()).collect();
        let packages = hash(&[&welcome.group.0[..], &packages].concat());
        // Lifetimes are not compared with the clock: see `suite::lifetime`.
        let staged = StagedWelcome::build_from_welcome(&self.provider(), &join_config(), mls)
            .map_err(|fault| {
                let unopened = matches!(fault, WelcomeError::NoMatchingKeyPackage);
                let fault = ConversationFault::NotTakenIn { ask: vec![*sender], why: packages, quiet: false };
                if unopened { fault } else { ConversationFault::Welcome }
            })?
            .skip_lifetime_validation()
            .replace_old_group()
            .build()
            .map_err(|_| ConversationFault::Welcome)?;
        // Where we are still, only a later epoch takes us in: a relay may have kept from us that we were taken out, or
        // shown us a log of its own.
        let epoch = staged.group_context().epoch().as_u64();
        let before = conversations::find(self.tx, &welcome.group)?;
        if before.is_some_and(|row| row.standing == Standing::Live && epoch <= row.epoch) {
            return Err(ConversationFault::AlreadyMember);
        }
        let charter = self.admit(&staged, welcome, sender)?;
        Ok((staged, charter))
    }

    /// Enters a group by MLS's Welcome.
    pub(super) fn enter_by(
        &mut self,
        welcome: &Welcome,
        bytes: &[u8],
        sender: &MemberKey,
    ) -> Result<(), ConversationFault> {
        let before = conversations::find(self.tx, &welcome.group)?;
        // Who knows a group's id may make another of that id: only those who administrated it take us back into it.
        if let Some(row) = before.as_ref().filter(|row| !row.administrators.contains(sender)) {
            let live = row.standing == Standing::Live;
            return Err(if live { ConversationFault::Welcome } else { self.unknown_welcomer(row, sender) });
        }
        // The relays let so many mailboxes be read: whoever welcomes us everywhere pushes none of ours out.
        if conversations::count_live(self.tx)? >= MAX_CONVERSATIONS {
            return Err(ConversationFault::Welcome);
        }
        let (staged, charter) = self.open_welcome(welcome, bytes, sender)?;
        if let Some(row) = &before {
            self.leave_behind(row)?;
        }
        let provider = self.provider();
        let mut mls = staged.into_group(&provider).map_err(|_| ConversationFault::Welcome)?;
        let seats = mls.treesync().full_leaves().map(|(index, node)| {
            let (checked, state) = leaf::check_node(node, Door::Tree(&welcome.group), &charter)?;
            Ok(leaf::seat(index.u32(), &checked, state))
        });
        let Ok(seats) = seats.collect::<Result<Vec<_>, CommitFault>>() else {
            mls.delete(provider.storage())?;
            return Err(ConversationFault::Welcome);
        };
        let carried = carried(welcome);
        // Of what came with the welcome, our charters and what follows them: the rest proves nothing.
        let ours = self.me.charters.iter().map(|(_, known)| known.hash());
        let proven: Vec<_> = ours.chain(self.following_charters(&carried).map(|charter| charter.hash())).collect();
        for charter in carried.iter().filter(|charter| proven.contains(&charter.hash())) {
            conversations::put_charter(self.tx, &welcome.group, charter)?;
        }
        let context = Context::of(mls.extensions())?;
        let row = ConversationRow {
            id: welcome.group,
            kind: context.kind,
            name: context.name.clone(),
            standing: Standing::Live,
            epoch: mls.epoch().as_u64(),
            mailbox: context.mailbox,
            heard: true,
            rekeyed: self.now,
            active: self.now,
            stamp: before.as_ref().map_or(0, |row| row.stamp),
            administrators: context.administrators.clone(),
            continues: self.known_of(&context, &welcome.group)?.map(|before| (before, *sender)),
            excluded: context.continues.as_ref().map(|origin| origin.without.clone()).unwrap_or_default(),
            successor: before.and_then(|before| before.successor),
        };
        conversations::put(self.tx, &row)?;
        // Who came while we could not go on.
        self.tell_latecomers(&welcome.group, &conversations::seats(self.tx, &welcome.group)?, &seats)?;
        conversations::put_seats(self.tx, &welcome.group, &seats)?;
        let mut room = Room { id: welcome.group, mls, row, context, seats };
        self.read_from(welcome, sender)?;
        self.heard_in_epoch(&room.id)?;
        self.rekey_soon(&room)?;
        self.effects.push(Effect::Joined { group: room.id });
        self.go_on(&mut room)?;
        let entered = room.id;
        self.keep(room)?;
        self.claims(&entered)
    }

    /// The door of the welcome: its sender, its place and every leaf of its tree, before the group is entered.
    fn admit(
        &self,
        staged: &StagedWelcome,
        welcome: &Welcome,
        sender: &MemberKey,
    ) -> Result<Verified<Charter>, ConversationFault> {
        let group = staged.group_context();
        let context = Context::of(group.extensions()).map_err(|_| ConversationFault::Welcome)?;
        let same_place = context.mailbox == welcome.mailbox
            && context.relay == welcome.relay
            && self.is_free(&welcome.group, &welcome.mailbox)?;
        let bounded = group.epoch().as_u64() < EPOCHS && staged.members().count() <= MAX_LEAVES;
        if *group.group_id() != mls_id(&welcome.group) || !same_place || !bounded {
            return Err(ConversationFault::Welcome);
        }
        let charter = self.charter_among(&context.pins.charter, &carried(welcome)).ok_or(ConversationFault::Welcome)?;
        if !names(&charter, &context.relay) && relays::find(self.tx, &context.relay.fingerprint)?.is_none() {
            return Err(ConversationFault::Welcome);
        }
        let mut members = Vec::new();
        for member in staged.members() {
            let checked = leaf::check_member(&member, &welcome.group, &charter)?;
            members.push((member.index, checked.member));
        }
        let author = staged.welcome_sender_index();
        let ours = staged.own_leaf_index();
        let is = |index, member: &MemberKey| members.iter().any(|(at, who)| *at == index && who == member);
        let all: Vec<MemberKey> = members.iter().map(|(_, member)| *member).collect();
        let distinct = all.iter().enumerate().all(|(at, member)| !all.iter().take(at).any(|other| other == member));
        let administrators = context.administrators.iter().all(|member| all.contains(member));
        let same = conversations::find(self.tx, &welcome.group)?.is_none_or(|row| row.kind == context.kind);
        let pair = context.kind != Kind::Pair || (all.len() == 2 && context.administrators.len() == 2);
        let sound = is(author, sender) && is(ours, &self.me.member) && context.is_administrator(sender);
        if sound && distinct && administrators && pair && same { Ok(charter) } else { Err(ConversationFault::Welcome) }
    }

    /// What we meant in a group and where we read it, when we are taken into it anew.
    fn leave_behind(&mut self, row: &ConversationRow) -> Result<(), ConversationFault> {
        if let Some(place) = conversations::place(self.tx, &row.mailbox)? {
            for meant in intentions::of(self.tx, &row.id)? {
                self.close_unused(&Intention::of(&meant)?, &place.relay);
            }
        }
        intentions::remove_all(self.tx, &row.id)?;
        // Others may sit there than those for whom it was written: ask.
        for message in messages::in_state(self.tx, &row.id, MessageState::Waiting)? {
            if is_for_people(message.kind) {
                messages::set_state(self.tx, message.number, MessageState::Undecided)?;
            }
        }
        // Where it could not move, its mailbox is ours for something else.
        if self.is_free(&row.id, &row.mailbox)? {
            self.effects.push(Effect::Unfollow(row.mailbox));
        }
        Ok(())
    }

    fn read_from(&mut self, welcome: &Welcome, sender: &MemberKey) -> Result<(), ConversationFault> {
        let place = Place {
            mailbox: welcome.mailbox,
            conversation: welcome.group,
            relay: welcome.relay.fingerprint,
            secrets: welcome.secrets.duplicate(),
            owner: None,
        };
        conversations::put_place(self.tx, &place)?;
        conversations::put_welcomer(self.tx, &welcome.mailbox, sender)?;
        self.effects.push(Effect::Remember(welcome.relay.duplicate()));
        self.effects.push(Effect::Follow {
            relay: welcome.relay.fingerprint,
            mailbox: welcome.mailbox,
            read: welcome.secrets.read.duplicate(),
            group: welcome.group,
            start: Start::After { incarnation: welcome.incarnation, sequence: welcome.after, head: welcome.head },
        });
        Ok(())
    }

    /// A joiner's leaf still holds the keys of its key package, which lay on a shelf. A pair writes its leaf anew with
    /// its first word; in a group, the more have joined, the longer each waits its turn.
    fn rekey_soon(&mut self, room: &Room) -> Result<(), ConversationFault> {
        if room.context.kind == Kind::Pair {
            return Ok(());
        }
        let rank = usize::try_from(room.mls.own_leaf_index().u32()).unwrap_or(0);
        let rank = if room.seats.len() <= SMALL { 0 } else { rank };
        let fresh = room.mls.own_leaf().and_then(|leaf| LeafState::of(leaf).ok());
        if fresh.is_some_and(|state| state.committed_at.is_none()) {
            self.intend(&room.id, &Intention::Rekey, staggered(self.now, rank, REKEY_SECONDS))?;
        }
        Ok(())
    }

    /// Another administrator hands us the *owner* of the group's mailbox.
    ///
    /// # Errors
    /// The vault's.
    pub fn owner_received(&mut self, parcel: &GroupOwner) -> Result<(), ConversationFault> {
        // Only the true owner hashes to the mailbox, so it does not matter who sends it.
        if parcel.owner.mailbox() == parcel.mailbox {
            conversations::put_owner(self.tx, &parcel.group, &parcel.mailbox, &parcel.owner)?;
        }
        Ok(())
    }
}

/// The charters that a welcome carries.
pub(super) fn carried(welcome: &Welcome) -> Vec<MultiSigned<Charter>> {
    let charter = |object: &PinnedObject| match object {
        PinnedObject::Charter { charter } => Some(charter.clone()),
        PinnedObject::CoordinatorSet { .. } | PinnedObject::RevocationList { .. } => None,
    };
    welcome.pinned.iter().filter_map(charter).collect()
}
