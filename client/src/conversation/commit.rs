//! Our own commits: built when due, judged before they leave, one in flight.

use openmls::group::CommitMessageBundle;
use openmls::prelude::{
    CredentialWithKey, KeyPackage, LeafNodeIndex, LeafNodeParameters, MlsMessageOut, NewSignerBundle,
};
use openmls_traits::OpenMlsProvider;
use relevo_protocol::content::{GroupId, LogItem, Opaque, PinnedObject, encode_secret};
use relevo_protocol::labels;
use relevo_protocol::limits::MAX_LEASE_HOURS;
use relevo_protocol::sealed::{GroupSecrets, seal};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::trust::{MemberKey, Pins};
use relevo_protocol::wire::{Call, Capability, CapabilityHash, Entry, Grant, MailboxId, MailboxKind};
use sha2::{Digest, Sha256};
use tls_codec::Serialize;

use super::context::{Context, Kind, LeafState};
use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::{CommitFault, ConversationFault};
use super::halt::may_have_missed_commits_until;
use super::intention::Intention;
use super::put_back::is_put_back_until;
use super::room::{AlarmKind, Room};
use super::signer::LeafSigner;
use super::suite::{context_extensions, leaf_extensions};
use super::validity::own_leaf_limit;
use crate::vault::conversations::{self, Place};
use crate::vault::intentions::{self, IntentionRow};
use crate::vault::{Transaction, VaultFault};

/// Appends that a group's grant allows in an hour, and their bytes: a full group that talks all the time, with room for
/// a removal.
const APPENDS_PER_HOUR: u32 = 20_000;
const BYTES_PER_HOUR: u64 = 512 << 20;

/// Seconds until what this device means by itself, and MLS or the rules refused, is tried again.
const GIVEN_UP: u64 = 3600;

/// Seconds that people to be added wait for each other's key packages.
const ADD_PATIENCE: u64 = 20;

/// A commit to build.
#[derive(Default)]
struct Plan {
    adds: Vec<KeyPackage>,
    removes: Vec<LeafNodeIndex>,
    context: Option<Context>,
    /// *owner* of the mailbox to move to.
    owner: Option<Capability>,
}

/// What became of an intention.
enum Started {
    InFlight,
    Pointless,
    NotYet,
}

/// What is left of an intention when it comes to commit it.
enum Step {
    Build(Box<Plan>),
    /// It has become true or pointless.
    Drop,
    /// Not now: a later commit or tick tries again.
    Later,
}

/// Why others may know of commits that this device, or the log, does not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Unsure {
    /// The log's relay has gone back, and is given what it has lost.
    PutBack,
    /// Entries are lost to this device.
    Missed,
}

/// Until when this device commits nothing, because others may know of commits that it does not; for the longer-lasting reason.
pub(super) fn unsure_until(
    tx: &Transaction<'_>,
    now: Timestamp,
    group: &GroupId,
    mailbox: &MailboxId,
) -> Result<Option<(Timestamp, Unsure)>, VaultFault> {
    let missed = may_have_missed_commits_until(tx, now, group)?.map(|until| (until, Unsure::Missed));
    let put_back = is_put_back_until(tx, now, mailbox)?.map(|until| (until, Unsure::PutBack));
    Ok(missed.max(put_back))
}

impl Desk<'_> {
    /// Starts the oldest intention that is due and ready, unless one is in flight.
    pub(super) fn launch(&mut self, room: &mut Room) -> Result<(), ConversationFault> {
        self.ask_shelves(room)?;
        if intentions::in_flight(self.tx, &room.id)?.is_some() {
            return Ok(());
        }
        self.split_adds(room)?;
        for row in intentions::of(self.tx, &room.id)? {
            let mut intention = Intention::of(&row)?;
            if row.due > self.now || !intention.is_ready() {
                // Whoever is to be removed may be added again behind it: not before.
                if matches!(intention, Intention::Remove { .. }) {
                    return Ok(());
                }
                continue;
            }
            match self.start(room, &row, &mut intention) {
                Ok(Started::InFlight) => return Ok(()),
                Ok(Started::Pointless) => intentions::remove(self.tx, row.number)?,
                Ok(Started::NotYet) => {}
                // What breaks the rules or does not fit is given up, and said; nothing of it has left.
                Err(ConversationFault::Commit(_) | ConversationFault::TooLong | ConversationFault::KeyPackage) => {
                    room.mls.clear_pending_commit(self.provider().storage())?;
                    match intention {
                        // What this device means by itself it would mean again at once.
                        Intention::Rekey | Intention::Pins => {
                            intentions::lost(self.tx, row.number, &row.body, self.now.plus_seconds(GIVEN_UP))?;
                            self.alarm(&room.id, AlarmKind::NotDone, &[])?;
                        }
                        Intention::Add { .. }
                        | Intention::Remove { .. }
                        | Intention::Rename { .. }
                        | Intention::Administrators { .. }
                        | Intention::Move { .. } => {
                            intentions::remove(self.tx, row.number)?;
                            self.alarm(&room.id, AlarmKind::NotDone, &row.number.to_be_bytes())?;
                        }
                    }
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// After a while, those whose key packages are in no longer wait for those whose shelf does not answer.
    fn split_adds(&mut self, room: &Room) -> Result<(), ConversationFault> {
        for row in intentions::of(self.tx, &room.id)? {
            let Intention::Add { people } = Intention::of(&row)? else { continue };
            let (ready, rest): (Vec<_>, Vec<_>) = people.into_iter().partition(|person| person.package.is_some());
            if ready.is_empty() || rest.is_empty() || row.due.plus_seconds(ADD_PATIENCE) > self.now {
                continue;
            }
            // The requests to the shelves name this row: it stays with those who are missing.
            intentions::set_body(self.tx, row.number, &encode_secret(&Intention::Add { people: rest }), row.due)?;
            self.intend(&room.id, &Intention::Add { people: ready }, self.now)?;
        }
        Ok(())
    }

    fn start(
        &mut self,
        room: &mut Room,
        row: &IntentionRow,
        intention: &mut Intention,
    ) -> Result<Started, ConversationFault> {
        match self.plan(room, intention)? {
            Step::Drop => Ok(Started::Pointless),
            Step::Later => Ok(Started::NotYet),
            Step::Build(plan) => self.build(room, row, intention, *plan).map(|()| Started::InFlight),
        }
    }

    fn plan(&mut self, room: &Room, intention: &Intention) -> Result<Step, ConversationFault> {
        let me = self.me.member;
        let administrator = room.context.is_administrator(&me);
        let plan = match intention {
            Intention::Rekey => {
                let epoch = room.mls.epoch().as_u64();
                if own_leaf_limit(epoch, &room.context, &room.tree(), &me).is_err() {
                    return Ok(Step::Later);
                }
                Plan::default()
            }
            _ if !administrator => return Ok(Step::Drop),
            Intention::Add { people } => {
                let charter = self
                    .charter(&room.id, &room.context.pins.charter)?
                    .ok_or(ConversationFault::Mls("the pinned charter"))?;
                let mut adds = Vec::new();
                let mut members = Vec::new();
                for person in people.iter().filter(|person| room.seat_of(&person.member).is_none()) {
                    let bytes = person.package.as_ref().map_or(&[][..], Opaque::bytes);
                    let (package, leaf) = self.check_key_package(bytes, &charter, self.now)?;
                    adds.push(package);
                    members.push(leaf.member);
                }
                if adds.is_empty() {
                    return Ok(Step::Drop);
                }
                if !self.is_vouched(room)? {
                    // Whom we let in would believe us that it continues what does not go on here.
                    return Err(CommitFault::Context.into());
                }
                let named = people.iter().filter(|person| person.administrator).map(|person| person.member);
                let context = enough_administrators(room, &members, named);
                Plan { adds, context, ..Plan::default() }
            }
            Intention::Remove { members, .. } => {
                let leaves: Vec<_> = room.seats.iter().filter(|seat| members.contains(&seat.member)).collect();
                if leaves.is_empty() {
                    return Ok(Step::Drop);
                }
                let mut context = room.context.duplicate();
                context.administrators.retain(|member| !members.contains(member));
                let all = room.seats.iter().map(|seat| seat.member);
                promote(&mut context, &all.filter(|member| !members.contains(member)).collect::<Vec<_>>());
                let owner = Capability::random()?;
                context.mailbox = owner.mailbox();
                let removes = leaves.iter().map(|seat| LeafNodeIndex::new(seat.leaf)).collect();
                Plan { removes, context: Some(context), owner: Some(owner), ..Plan::default() }
            }
            Intention::Rename { name } => {
                if room.context.name == *name {
                    return Ok(Step::Drop);
                }
                let mut context = room.context.duplicate();
                context.name.clone_from(name);
                Plan { context: Some(context), ..Plan::default() }
            }
            Intention::Administrators { members, .. } => {
                let mut context = room.context.duplicate();
                context.administrators =
                    members.iter().copied().filter(|member| room.seat_of(member).is_some()).collect();
                context.administrators.sort_unstable();
                context.administrators.dedup();
                if context.administrators == room.context.administrators {
                    return Ok(Step::Drop);
                }
                let demotes = room.context.administrators.iter().any(|member| !context.is_administrator(member));
                let owner = if demotes { Some(Capability::random()?) } else { None };
                if let Some(owner) = &owner {
                    context.mailbox = owner.mailbox();
                }
                Plan { context: Some(context), owner, ..Plan::default() }
            }
            Intention::Move { relay, from, .. } => {
                if room.context.mailbox != *from {
                    return Ok(Step::Drop);
                }
                let owner = Capability::random()?;
                let mut context = room.context.duplicate();
                context.relay = relay.duplicate();
                context.mailbox = owner.mailbox();
                Plan { context: Some(context), owner: Some(owner), ..Plan::default() }
            }
            Intention::Pins => {
                let mut context = room.context.duplicate();
                context.pins = Pins { policy: context.pins.policy, ..Pins::of(self.me.charter()?) };
                let raises = room.context.pins.never_decreases(&context.pins).is_ok();
                if !raises || context.pins == room.context.pins {
                    return Ok(Step::Drop);
                }
                if !conversations::is_pinned(self.tx, &room.id, &context.pins.charter.hash)? {
                    // It is on its way into the log.
                    return Ok(Step::Later);
                }
                Plan { context: Some(context), ..Plan::default() }
            }
        };
        Ok(Step::Build(Box::new(plan)))
    }

    fn build(
        &mut self,
        room: &mut Room,
        row: &IntentionRow,
        intention: &mut Intention,
        plan: Plan,
    ) -> Result<(), ConversationFault> {
        let bundle = self.stage(room, &plan)?;
        let staged = room.mls.pending_commit().ok_or(ConversationFault::Mls("pending commit"))?;
        self.judge(room, staged, room.mls.own_leaf_index())??;
        let secrets = match &plan.owner {
            Some(_) => {
                Some(moved_secrets(|label, length| staged.export_secret(self.provider().crypto(), label, &[], length))?)
            }
            None => None,
        };
        let message = bundle.commit().to_bytes().map_err(|_| ConversationFault::Mls("commit"))?;
        let welcome = match bundle.to_welcome_msg() {
            Some(welcome) => Some(welcome_bytes(&welcome)?),
            None => None,
        };
        let echo = hash(&message);
        // Sealed now even if it leaves later, so that a commit that does not fit never becomes pending.
        let (_, entry) = self.seal(room, &message)?;
        intention.set_owner(plan.owner.as_ref().map(Capability::duplicate));
        intentions::launch(self.tx, row.number, &encode_secret(intention), &echo, &message, welcome.as_deref())?;
        match (plan.owner, secrets) {
            (Some(owner), Some(secrets)) => {
                let to = plan.context.as_ref().map_or(&room.context.relay, |context| &context.relay);
                let relay = to.fingerprint;
                self.effects.push(Effect::Remember(to.duplicate()));
                let call = open_call(owner.hash(), &secrets, MAX_LEASE_HOURS);
                self.effects.push(Effect::Call { relay, call, then: Awaited::Moving { group: room.id, echo } });
            }
            _ => self.append(room, entry, Awaited::Commit { group: room.id, echo, reserve: false })?,
        }
        Ok(())
    }

    /// Builds the commit and makes it the group's pending one.
    fn stage(&mut self, room: &mut Room, plan: &Plan) -> Result<CommitMessageBundle, ConversationFault> {
        let provider = self.provider();
        let epoch = room.mls.epoch().as_u64();
        let signer = self.signer(room)?;
        // An add alone needs no path: three kilobytes at any size of the group.
        let path = plan.adds.is_empty() || plan.context.is_some();
        let fresh = if path { self.fresh_leaf(room)? } else { None };
        let mut builder = room
            .mls
            .commit_builder()
            .consume_proposal_store(false)
            .propose_adds(plan.adds.iter().cloned())
            .propose_removals(plan.removes.iter().copied());
        if let Some(context) = &plan.context {
            builder = builder.propose_group_context_extensions(context_extensions(context.bytes())?)?;
        }
        if path {
            let extensions = leaf_extensions(LeafState::committed(epoch).bytes())?;
            builder = builder
                .leaf_node_parameters(LeafNodeParameters::builder().with_extensions(extensions).build())
                .force_self_update(true);
        }
        let builder = builder.load_psks(provider.storage())?.create_group_info(false);
        let builder = match &fresh {
            Some((new, credential)) => {
                let new = NewSignerBundle { signer: new, credential_with_key: credential.clone() };
                builder.build_with_new_signer(provider.rand(), provider.crypto(), &signer, new, |_| true)?
            }
            None => builder.build(provider.rand(), provider.crypto(), &signer, |_| true)?,
        };
        builder.stage_commit(&provider).map_err(|_| ConversationFault::Mls("stage commit"))
    }

    /// A leaf key for this group, if our leaf still has the one of its key package.
    fn fresh_leaf(&mut self, room: &Room) -> Result<Option<(LeafSigner, CredentialWithKey)>, ConversationFault> {
        let own = room.mls.own_leaf().ok_or(ConversationFault::NotIn)?;
        let key = own.signature_key().as_slice().try_into().map_err(|_| ConversationFault::Mls("own leaf"))?;
        let grouped = conversations::is_group_leaf(self.tx, &key)?;
        if grouped { Ok(None) } else { self.new_group_leaf(&room.id).map(Some) }
    }

    /// Seals an MLS message for the group's present mailbox.
    pub(super) fn seal(
        &self,
        room: &Room,
        message: &[u8],
    ) -> Result<(relevo_protocol::wire::Fingerprint, Entry), ConversationFault> {
        let place = self.place(room)?;
        let item = LogItem::Mls { message: Opaque::new(message.to_vec()) };
        Ok((place.relay, seal(&place.secrets.wrap, &place.mailbox, &encode_secret(&item))?))
    }

    /// Puts our newest charters into the log, so that a commit may pin the last of them.
    pub(super) fn append_charters(&mut self, room: &Room) -> Result<(), ConversationFault> {
        let me = self.me;
        let place = self.place(room)?;
        for (signed, charter) in &me.charters {
            if charter.version > room.context.pins.charter.number {
                let item = LogItem::Pinned { object: PinnedObject::Charter { charter: signed.clone() } };
                let entry = seal(&place.secrets.wrap, &place.mailbox, &encode_secret(&item))?;
                self.append(room, entry, Awaited::Nothing)?;
            }
        }
        Ok(())
    }

    /// Where the group is.
    pub(super) fn place(&self, room: &Room) -> Result<Place, ConversationFault> {
        conversations::place(self.tx, &room.context.mailbox)?.ok_or(ConversationFault::Mls("mailbox"))
    }

    /// Appends an entry to the group's present mailbox.
    pub(super) fn append(&mut self, room: &Room, entry: Entry, then: Awaited) -> Result<(), ConversationFault> {
        let place = self.place(room)?;
        let call = Call::Append { mailbox: place.mailbox, capability: place.secrets.append.duplicate(), entry };
        self.effects.push(Effect::Call { relay: place.relay, call, then });
        Ok(())
    }
}

/// SHA-256 of an MLSMessage, by which its author knows its echo.
pub(crate) fn hash(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// Wrap key and capabilities of the epoch that moves, from its exporter.
pub(crate) fn moved_secrets<E>(
    export: impl FnOnce(&str, usize) -> Result<Vec<u8>, E>,
) -> Result<GroupSecrets, ConversationFault> {
    let bytes = zeroize::Zeroizing::new(export(labels::GROUP, 32).map_err(|_| ConversationFault::Mls("exporter"))?);
    let exporter = bytes.as_slice().try_into().map_err(|_| ConversationFault::Mls("exporter"))?;
    Ok(GroupSecrets::derive(&Secret::new(exporter)))
}

/// Opens a group's mailbox.
pub(crate) fn open_call(owner: CapabilityHash, secrets: &GroupSecrets, lease_hours: u32) -> Call {
    let grant = Grant {
        hash: secrets.append.hash(),
        per_hour: APPENDS_PER_HOUR,
        bytes_per_hour: BYTES_PER_HOUR,
        expires: Hour(u32::MAX),
    };
    Call::Open {
        kind: MailboxKind::Shared,
        owner,
        read: Some(secrets.read.hash()),
        append: vec![grant],
        take: Vec::new(),
        lease_hours,
    }
}

fn welcome_bytes(welcome: &MlsMessageOut) -> Result<Vec<u8>, ConversationFault> {
    welcome.tls_serialize_detached().map_err(|_| ConversationFault::Mls("welcome"))
}

/// The context with administrators who are all members, and enough of them; none if it has those already.
fn enough_administrators(room: &Room, added: &[MemberKey], named: impl Iterator<Item = MemberKey>) -> Option<Context> {
    if room.context.kind == Kind::Pair {
        return None;
    }
    let members: Vec<MemberKey> = room.seats.iter().map(|seat| seat.member).chain(added.iter().copied()).collect();
    let mut context = room.context.duplicate();
    context.administrators.retain(|member| members.contains(member));
    // Enough without those who come now, too: their welcome may go with its author.
    promote(&mut context, &members);
    context.administrators.extend(named);
    context.administrators.retain(|member| members.contains(member));
    context.administrators.sort_unstable();
    context.administrators.dedup();
    if context.administrators == room.context.administrators { None } else { Some(context) }
}

/// Makes members at the lowest leaves administrators until there are enough.
fn promote(context: &mut Context, members: &[MemberKey]) {
    let needed = if members.len() > 2 { 2 } else { 1 };
    for member in members {
        if context.administrators.len() >= needed {
            break;
        }
        if !context.administrators.contains(member) {
            context.administrators.push(*member);
        }
    }
    context.administrators.sort_unstable();
}

/// A group id as openmls writes it.
pub(crate) fn mls_id(group: &GroupId) -> openmls::group::GroupId {
    openmls::group::GroupId::from_slice(&group.0)
}
