//! Members who turn against others what they may send: welcomes, mailboxes, relays, names, keys.

use openmls::group::MlsGroup;
use openmls::prelude::{Credential, CredentialWithKey, KeyPackage, Lifetime};
use openmls_traits::OpenMlsProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::storage::{CURRENT_VERSION, Entity, StorageProvider, traits};
use relevo_protocol::content::{
    Body, GroupId, LeaveRequest, LogItem, Opaque, PinnedObject, Welcome, WelcomeSource, encode_secret,
};
use relevo_protocol::sealed::{EntryKey, seal};
use relevo_protocol::trust::{LeafBinding, LeafCredential, LeafKey, LeafUse, Pins, Signed};
use relevo_protocol::wire::{Capability, Head, Incarnation, MailboxId, RelayAddress, Sequence};
use tls_codec::{Serialize, VLBytes};

use crate::conversation::commit::{mls_id, moved_secrets};
use crate::conversation::context::{Context, Kind, LeafState};
use crate::conversation::desk::Desk;
use crate::conversation::signer::LeafSigner;
use crate::conversation::suite::{
    CREDENTIAL, EPOCHS, SUITE, capabilities, create_config, is_encryption_key, leaf_extensions, lifetime,
};
use crate::conversation::world::World;
use crate::conversation::{AlarmKind, ConversationFault, Standing};
use crate::fixture::{Alliance, NOW, relay_address};
use crate::sync::{self, Follow, Start, Topic};
use crate::vault::{Crypto, conversations, intentions};

/// What a trap is like.
pub(super) struct Trap {
    pub(super) id: GroupId,
    pub(super) name: &'static str,
    pub(super) mailbox: MailboxId,
    pub(super) relay: RelayAddress,
    /// The epoch that the welcome leads into.
    pub(super) epoch: u64,
}

impl Trap {
    pub(super) fn new(world: &World) -> Self {
        let mailbox = Capability::random().unwrap().mailbox();
        Self { id: GroupId::random().unwrap(), name: "Trap", mailbox, relay: world.address.duplicate(), epoch: 1 }
    }
}

/// What the library keeps of a group, read and written past the library.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
struct Kept(ciborium::Value);

impl Entity<CURRENT_VERSION> for Kept {}
impl traits::GroupContext<CURRENT_VERSION> for Kept {}

/// Has a group be in this epoch, as an author's own program could.
fn set_epoch(desk: &Desk<'_>, id: &GroupId, epoch: u64) -> MlsGroup {
    let provider = desk.provider();
    let (storage, id) = (provider.storage(), mls_id(id));
    let Kept(mut context) = storage.group_context(&id).unwrap().unwrap();
    let fields = context.as_map_mut().unwrap();
    fields.iter_mut().find(|(name, _)| name.as_text() == Some("epoch")).unwrap().1 = epoch.into();
    storage.write_context(&id, &Kept(context)).unwrap();
    MlsGroup::load(storage, &id).unwrap().unwrap()
}

/// A welcome for `victim` into a group that `author` has made as it likes.
pub(super) fn trap(world: &mut World, author: usize, victim: usize, trap: &Trap) -> Welcome {
    let package = world.act(victim, |desk| desk.publish_key_packages(1)).unwrap().remove(0);
    let victim = world.member(victim);
    let made = core::cell::Cell::new(None);
    world
        .act(author, |desk| {
            let charter = desk.me.charter()?.clone();
            let mut administrators = vec![desk.me.member, victim];
            administrators.sort_unstable();
            let context = Context {
                kind: Kind::Group,
                name: trap.name.to_owned(),
                administrators,
                relay: trap.relay.duplicate(),
                mailbox: trap.mailbox,
                pins: Pins::of(&charter),
                continues: None,
            };
            let (signer, own) = desk.new_group_leaf(&trap.id)?;
            let provider = desk.provider();
            let config = create_config(context.bytes(), LeafState::FRESH.bytes())?;
            MlsGroup::new_with_group_id(&provider, &signer, &config, mls_id(&trap.id), own).unwrap();
            let mut mls = set_epoch(desk, &trap.id, trap.epoch - 1);
            let package = desk.check_key_package(&package, &charter, NOW)?.0;
            let bundle = mls
                .commit_builder()
                .propose_adds([package])
                .load_psks(provider.storage())?
                .build(provider.rand(), provider.crypto(), &signer, |_| true)?
                .stage_commit(&provider)
                .unwrap();
            let staged = mls.pending_commit().unwrap();
            let secrets = moved_secrets(|label, length| staged.export_secret(provider.crypto(), label, &[], length))?;
            let welcome = bundle.to_welcome_msg().unwrap().tls_serialize_detached().unwrap();
            mls.delete(provider.storage())?;
            made.set(Some(Welcome {
                group: trap.id,
                welcome: WelcomeSource::Inline { welcome: Opaque::new(welcome) },
                secrets,
                relay: context.relay.duplicate(),
                mailbox: context.mailbox,
                incarnation: Incarnation([1; 8]),
                after: Sequence(1),
                head: Head::START,
                pinned: Vec::new(),
            }));
            Ok(())
        })
        .unwrap();
    made.into_inner().unwrap()
}

/// Drops the state of a group, which is in the way of a trap of the same id.
pub(super) fn forget_group(world: &mut World, person: usize, group: GroupId) {
    let forget = |desk: &mut Desk<'_>| {
        let mut mls = MlsGroup::load(desk.provider().storage(), &mls_id(&group))?.unwrap();
        Ok(mls.delete(desk.provider().storage())?)
    };
    world.act(person, forget).unwrap();
}

pub(super) fn is_not_joined(world: &mut World, victim: usize, author: usize, welcome: &Welcome) {
    let author = world.member(author);
    match world.act(victim, |desk| desk.join(welcome, &author)) {
        Ok(()) => assert_ne!(world.row(victim, welcome.group).standing, Standing::Live),
        Err(ConversationFault::Welcome) => {}
        // Those whom it knows are asked about it.
        Err(ConversationFault::NotTakenIn { ask, why, quiet }) => {
            world.act(victim, |desk| desk.ask_in(&welcome.group, &ask, &why, quiet)).unwrap();
        }
        Err(refused) => panic!("{refused:?}"),
    }
}

/// Somebody reads a mailbox as its inbox.
fn follow_inbox(world: &mut World, person: usize) -> MailboxId {
    let owner = Capability::random().unwrap();
    let relay = world.address.fingerprint;
    world
        .act(person, |desk| {
            let follow = Follow {
                relay,
                mailbox: owner.mailbox(),
                capability: owner.duplicate(),
                topic: Topic::Inbox,
                key: Vec::new(),
                start: Start::Beginning,
            };
            Ok(sync::follow(desk.tx, &follow)?)
        })
        .unwrap();
    owner.mailbox()
}

fn topic(world: &mut World, person: usize, mailbox: &MailboxId) -> Topic {
    world.act(person, |desk| Ok(sync::following(desk.tx, mailbox)?.unwrap().topic)).unwrap()
}

#[test]
fn an_honest_trap_is_joined() {
    let mut world = World::new(2);
    let honest = Trap::new(&world);
    let welcome = trap(&mut world, 0, 1, &honest);
    let author = world.member(0);
    world.act(1, |desk| desk.join(&welcome, &author)).unwrap();
    assert_eq!(world.row(1, honest.id).name, "Trap");
}

#[test]
fn a_welcome_into_an_epoch_that_no_group_reaches_is_refused() {
    let mut world = World::new(2);
    for epoch in [u64::MAX, u64::MAX - 1, EPOCHS] {
        let late = Trap { epoch, ..Trap::new(&world) };
        let welcome = trap(&mut world, 0, 1, &late);
        is_not_joined(&mut world, 1, 0, &welcome);
    }
    let last = Trap { epoch: EPOCHS - 1, ..Trap::new(&world) };
    let welcome = trap(&mut world, 0, 1, &last);
    let author = world.member(0);
    world.act(1, |desk| desk.join(&welcome, &author)).unwrap();
    assert_eq!(world.row(1, last.id).epoch, EPOCHS - 1);
}

#[test]
fn a_welcome_that_names_our_inbox_as_its_log_does_not_take_the_inbox_away() {
    let mut world = World::new(2);
    let inbox = follow_inbox(&mut world, 1);
    let false_place = Trap { mailbox: inbox, ..Trap::new(&world) };
    let welcome = trap(&mut world, 0, 1, &false_place);
    is_not_joined(&mut world, 1, 0, &welcome);
    assert_eq!(topic(&mut world, 1, &inbox), Topic::Inbox);
}

#[test]
fn a_large_welcome_that_names_our_inbox_as_its_log_does_not_take_the_inbox_away() {
    let mut world = World::new(2);
    let inbox = follow_inbox(&mut world, 1);
    let any = Trap::new(&world);
    let mut welcome = trap(&mut world, 0, 1, &any);
    let log = |mailbox| WelcomeSource::Log {
        mailbox,
        read: Capability::random().unwrap(),
        key: EntryKey::random().unwrap(),
        parts: 2,
        sha256: [0; 32],
    };
    welcome.welcome = log(inbox);
    is_not_joined(&mut world, 1, 0, &welcome);
    assert_eq!(topic(&mut world, 1, &inbox), Topic::Inbox);
    // Nor does somebody who sends many of them have us read more than three logs for it.
    let author = world.member(0);
    let logs: Vec<MailboxId> = (0..5).map(|_| Capability::random().unwrap().mailbox()).collect();
    for mailbox in &logs {
        welcome.welcome = log(*mailbox);
        world.act(1, |desk| desk.join(&welcome, &author)).unwrap();
    }
    let read = |mailbox: &&MailboxId| world.act(1, |desk| Ok(sync::following(desk.tx, mailbox)?.is_some())).unwrap();
    let read: Vec<&MailboxId> = logs.iter().filter(read).collect();
    assert_eq!(read, [&logs[0], &logs[1], &logs[4]]);
}

#[test]
fn a_welcome_that_names_the_log_of_another_group_does_not_take_that_group_away() {
    let mut world = World::new(3);
    let group = world.group("Strike");
    let mailbox = world.row(0, group).mailbox;
    let false_place = Trap { mailbox, ..Trap::new(&world) };
    let welcome = trap(&mut world, 2, 1, &false_place);
    is_not_joined(&mut world, 1, 2, &welcome);
    world.say(0, group, "still here");
    world.settle();
    assert_eq!(world.texts(1, group), ["still here"]);
}

#[test]
fn a_group_that_moves_onto_the_log_of_another_is_left_and_the_other_stays() {
    let mut world = World::new(3);
    let group = world.group("Strike");
    let other = world.group("Other");
    let mailbox = world.row(0, group).mailbox;
    world.forge(1, other, |desk, room| {
        let mut context = room.context.duplicate();
        context.mailbox = mailbox;
        super::doors::change(desk, room, context)
    });
    world.read_all(0);
    assert_eq!(world.row(0, other).standing, Standing::Behind);
    world.say(2, group, "still here");
    world.settle();
    assert_eq!(world.texts(0, group), ["still here"]);
}

#[test]
fn a_welcome_to_a_relay_outside_of_the_charter_is_refused() {
    let mut world = World::new(2);
    let elsewhere = Trap { relay: relay_address(9), ..Trap::new(&world) };
    let welcome = trap(&mut world, 0, 1, &elsewhere);
    is_not_joined(&mut world, 1, 0, &welcome);
}

#[test]
fn a_move_to_a_relay_outside_of_the_charter_is_refused_by_everyone() {
    let mut world = World::new(3);
    let group = world.group("Strike");
    let epoch = world.row(0, group).epoch;
    world.forge(1, group, |desk, room| {
        let mut context = room.context.duplicate();
        (context.relay, context.mailbox) = (relay_address(9), Capability::random().unwrap().mailbox());
        super::doors::change(desk, room, context)
    });
    (0..3).for_each(|person| world.read_all(person));
    assert_eq!([0, 1, 2].map(|person| world.row(person, group).epoch), [epoch; 3]);
}

#[test]
fn a_group_whose_name_hides_something_is_not_joined() {
    let mut world = World::new(2);
    for name in ["", "Strike\u{202e}", "Strike\u{1b}[2J", "Strike\nBruno: yes"] {
        let named = Trap { name, ..Trap::new(&world) };
        let welcome = trap(&mut world, 0, 1, &named);
        is_not_joined(&mut world, 1, 0, &welcome);
    }
}

#[test]
fn only_its_administrators_take_somebody_back_into_a_group() {
    let mut world = World::new(4);
    // Where they say how they are reached.
    world.group("Other");
    let group = world.group("Strike");
    let third = world.member(3);
    world.act(0, |desk| desk.remove(&group, &[third])).unwrap();
    world.settle();
    assert_eq!(world.row(3, group).standing, Standing::Left);
    let same_id = Trap { id: group, name: "Strike", ..Trap::new(&world) };
    // 2 was never an administrator of it.
    forget_group(&mut world, 2, group);
    for _ in 0..2 {
        let welcome = trap(&mut world, 2, 3, &same_id);
        is_not_joined(&mut world, 3, 2, &welcome);
    }
    assert_eq!(world.people[0].parcels.len(), 1, "those whom it knows are asked once a day about one sender");
    world.settle();
    assert_eq!(world.row(3, group).standing, Standing::Left);
    assert_eq!(super::group::names(&mut world, 0, group).len(), 3, "who asks and was not added is not");
    // Asked in silence, since it mostly helps. It is said when it has not, once.
    for (hours, said) in [(23, 0), (1, 1), (24, 1)] {
        world.now = world.now.plus_seconds(hours * 3600);
        world.act(3, |desk| desk.tick()).unwrap();
        assert_eq!(world.people[3].left_out, said);
    }
}

/// What becomes of a new member's key package of this lifetime.
fn package_of(world: &mut World, life: Lifetime) -> Result<(), ConversationFault> {
    let member = world.alliance.admit(1, "Infiltrator");
    let key = LeafSigner::random().unwrap();
    let binding = LeafBinding {
        leaf_key: LeafKey(key.public()),
        place: LeafUse::KeyPackage,
        serial: 1,
        not_after: NOW.plus_seconds(9_999_999),
    };
    let keys = &member.keys;
    let bytes =
        LeafCredential::new(member.card.clone(), keys.device_set.clone(), &binding, &keys.device).unwrap().encode();
    world.act(0, |desk| {
        let credential = CredentialWithKey {
            credential: Credential::new(CREDENTIAL, bytes.clone()),
            signature_key: key.public().to_vec().into(),
        };
        let bundle = KeyPackage::builder()
            .key_package_lifetime(life)
            .leaf_node_capabilities(capabilities())
            .leaf_node_extensions(leaf_extensions(LeafState::FRESH.bytes())?)
            .build(SUITE, &desk.provider(), &key, credential)
            .unwrap();
        let written = bundle.key_package().tls_serialize_detached().unwrap();
        let charter = desk.me.charter()?.clone();
        desk.check_key_package(&written, &charter, NOW).map(drop)
    })
}

#[test]
fn a_key_package_with_a_lifetime_that_clocks_could_disagree_on_is_not_added() {
    let mut world = World::new(1);
    package_of(&mut world, lifetime()).unwrap();
    let refused = package_of(&mut world, Lifetime::new(3600)).unwrap_err();
    assert!(matches!(refused, ConversationFault::Commit(_)), "{refused:?}");
}

#[test]
fn a_leaf_to_which_nobody_can_encrypt_is_told_from_one_to_which_one_can() {
    let pair = Crypto::default().derive_hpke_keypair(SUITE.hpke_config(), &[7; 32]).unwrap();
    let written = |key: &[u8]| VLBytes::new(key.to_vec()).tls_serialize_detached().unwrap();
    assert!(is_encryption_key(&written(&pair.public)));
    assert!(!is_encryption_key(&written(&pair.public[1..])));
    assert!(!is_encryption_key(&written(&[])));
    // As long as it should be, and no ML-KEM key: its numbers are above the modulus.
    assert!(!is_encryption_key(&written(&[0xff; 1216])));
}

#[test]
fn charters_that_prove_nothing_are_not_kept_for_the_group() {
    let mut world = World::new(3);
    let group = world.group("Strike");
    let kept = |world: &mut World| world.act(0, |desk| Ok(conversations::pinned_charters(desk.tx, &group)?.len()));
    let before = kept(&mut world).unwrap();
    for _ in 0..3 {
        let foreign = Alliance::found(1).signed;
        let sealed = world.act(2, |desk| {
            let room = desk.enter(&group)?;
            let place = desk.place(&room)?;
            let item = LogItem::Pinned { object: PinnedObject::Charter { charter: foreign.clone() } };
            let entry = seal(&place.secrets.wrap, &place.mailbox, &encode_secret(&item))?;
            desk.keep(room)?;
            Ok((place.mailbox, entry))
        });
        let (mailbox, entry) = sealed.unwrap();
        world.relay.logs.get_mut(&mailbox).unwrap().push(&mailbox, entry);
    }
    world.settle();
    assert_eq!(kept(&mut world).unwrap(), before);
}

#[test]
fn who_asks_to_leave_again_and_again_is_removed_once() {
    let mut world = World::new(4);
    let group = world.group("Strike");
    for _ in 0..3 {
        world.act(3, |desk| desk.leave(&group)).unwrap();
    }
    world.send_all(3);
    world.read_all(0);
    let meant = world.act(0, |desk| Ok(intentions::of(desk.tx, &group)?.len())).unwrap();
    assert_eq!(meant, 1);
    let pair = world.pair(0, 1);
    let (member, device) = (world.member(1), world.people[1].me.device.public());
    assert_ne!(member.as_bytes(), device.as_bytes());
    world
        .act(1, |desk| {
            let mut room = desk.enter(&pair)?;
            let request = LeaveRequest { group: pair, member: desk.me.member, asked: desk.now };
            let request = Signed::sign(&request, &desk.me.device).unwrap();
            desk.say(&mut room, Body::Leave { request })?;
            desk.go_on(&mut room)?;
            desk.keep(room)
        })
        .unwrap();
    world.settle();
    assert!(!world.alarms(0).contains(&AlarmKind::NotDone), "a pair is not left");
}
