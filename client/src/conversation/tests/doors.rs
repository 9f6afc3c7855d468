//! An attacker at each door through which a leaf or a commit comes in.

use openmls::group::{CommitBuilder, Initial, MlsGroup};
use openmls::prelude::{
    Credential, CredentialWithKey, KeyPackage, LeafNodeIndex, LeafNodeParameters, MlsMessageOut, NewSignerBundle,
};
use openmls_traits::OpenMlsProvider;
use relevo_protocol::content::{GroupId, Opaque, Welcome, WelcomeSource};
use relevo_protocol::sealed::seal_shelf;
use relevo_protocol::trust::{LeafBinding, LeafCredential, LeafKey, LeafUse};
use relevo_protocol::wire::{Head, Incarnation, Sequence};
use tls_codec::Serialize;

use crate::conversation::commit::{mls_id, moved_secrets};
use crate::conversation::context::{Context, Kind, LeafState};
use crate::conversation::desk::Desk;
use crate::conversation::room::Room;
use crate::conversation::signer::LeafSigner;
use crate::conversation::suite::{
    CREDENTIAL, SUITE, capabilities, context_extensions, create_config, leaf_extensions, lifetime,
};
use crate::conversation::world::World;
use crate::conversation::{AlarmKind, ConversationFault, Standing};
use crate::fixture::{Alliance, Member, NOW};

/// A commit before anything is checked.
type Building<'b> = CommitBuilder<'b, Initial, &'b mut MlsGroup>;

/// A commit as its author likes it, with the leaf state that its path is to show.
fn commit(
    desk: &mut Desk<'_>,
    room: &mut Room,
    state: Option<LeafState>,
    build: impl for<'b> FnOnce(Building<'b>) -> Building<'b>,
) -> MlsMessageOut {
    let provider = desk.provider();
    let signer = desk.signer(room).unwrap();
    let builder = build(room.mls.commit_builder());
    let builder = match state {
        Some(state) => builder.leaf_node_parameters(
            LeafNodeParameters::builder().with_extensions(leaf_extensions(state.bytes()).unwrap()).build(),
        ),
        None => builder,
    };
    let bundle = builder
        .load_psks(provider.storage())
        .unwrap()
        .create_group_info(false)
        .build(provider.rand(), provider.crypto(), &signer, |_| true)
        .unwrap()
        .stage_commit(&provider)
        .unwrap();
    bundle.into_commit()
}

/// A commit that does nothing but replace the context.
pub(super) fn change(desk: &mut Desk<'_>, room: &mut Room, context: Context) -> MlsMessageOut {
    let state = committed(room);
    commit(desk, room, state, |builder| {
        builder.propose_group_context_extensions(context_extensions(context.bytes()).unwrap()).unwrap()
    })
}

fn committed(room: &Room) -> Option<LeafState> {
    Some(LeafState::committed(room.mls.epoch().as_u64()))
}

/// Nobody moves, nobody halts but the forger, whose vault knows nothing of what it sent, and the next honest commit wins.
fn is_refused(world: &mut World, group: GroupId, epoch: u64) {
    let people = world.people.len();
    for person in 0..people {
        world.read_all(person);
        assert_eq!(world.row(person, group).epoch, epoch, "person {person} took it");
        let forged = world.alarms(person).contains(&AlarmKind::OlderCopy);
        let standing = world.row(person, group).standing;
        assert!(standing == Standing::Live || forged && standing == Standing::Behind, "person {person}: {standing:?}");
    }
    // By the other administrator, before whom the forger is added again.
    world.act(1, |desk| desk.rename(&group, "Honest")).unwrap();
    world.settle();
    for person in 0..people {
        assert_eq!(world.row(person, group).name, "Honest");
    }
}

/// A group of four whose leaves have all been written anew, so that everybody has a leaf key of the group.
fn settled(world: &mut World) -> (GroupId, u64) {
    let group = world.group("Doors");
    let epoch = world.row(0, group).epoch;
    (group, epoch)
}

/// A key package whose leaf shows the credential `bytes` for another signature key than it is bound to.
fn false_package(desk: &Desk<'_>, credential: Vec<u8>) -> KeyPackage {
    let signer = LeafSigner::random().unwrap();
    let credential = CredentialWithKey {
        credential: Credential::new(CREDENTIAL, credential),
        signature_key: signer.public().to_vec().into(),
    };
    KeyPackage::builder()
        .key_package_lifetime(lifetime())
        .leaf_node_capabilities(capabilities())
        .leaf_node_extensions(leaf_extensions(LeafState::FRESH.bytes()).unwrap())
        .build(SUITE, &desk.provider(), &signer, credential)
        .unwrap()
        .into_key_package()
}

/// A credential for a fresh leaf key of somebody, as that person would make it.
fn credential(member: &Member, place: LeafUse, serial: u64, key: [u8; 32]) -> Vec<u8> {
    let binding = LeafBinding { leaf_key: LeafKey(key), place, serial, not_after: NOW.plus_seconds(9_999_999) };
    let keys = &member.keys;
    LeafCredential::new(member.card.clone(), keys.device_set.clone(), &binding, &keys.device).unwrap().encode()
}

fn shelve(world: &mut World, person: usize, package: &KeyPackage) {
    let shelf = world.contact(person).1.shelf.unwrap();
    let bytes = package.tls_serialize_detached().unwrap();
    let entry = seal_shelf(&shelf.key, &shelf.mailbox, &bytes).unwrap();
    world.relay.shelves.insert(shelf.mailbox, [entry].into());
}

fn package_from(world: &mut World, person: usize, credential: Vec<u8>) -> KeyPackage {
    let package = core::cell::Cell::new(None);
    world
        .act(person, |desk| {
            package.set(Some(false_package(desk, credential.clone())));
            Ok(())
        })
        .unwrap();
    package.into_inner().unwrap()
}

#[test]
fn a_key_package_bound_to_another_key_is_not_added() {
    let mut world = World::new(3);
    let victim = world.alliance.admit(1, "Victim");
    let stolen = credential(&victim, LeafUse::KeyPackage, 1, [9; 32]);
    let package = package_from(&mut world, 2, stolen);
    shelve(&mut world, 2, &package);
    let group = world.group("Doors");
    assert_eq!(world.row(0, group).standing, Standing::Live);
    assert_eq!(world.alarms(0), [AlarmKind::NotAdded]);
    assert_eq!(world.people[2].joined.len(), 0);
}

#[test]
fn a_key_package_of_somebody_else_is_not_added_in_a_persons_place() {
    let mut world = World::new(4);
    let shelf = world.contact(3).1.shelf.unwrap().mailbox;
    let other = world.act(3, |desk| desk.publish_key_packages(1)).unwrap().remove(0);
    let two = world.contact(2).1.shelf.unwrap();
    // 3 puts its own key package, well sealed, where 2's should be.
    let entry = seal_shelf(&two.key, &two.mailbox, &other).unwrap();
    world.relay.shelves.insert(two.mailbox, [entry].into());
    world.relay.shelves.insert(shelf, Default::default());
    let group = world.group("Doors");
    assert_eq!(world.alarms(0), [AlarmKind::NotAdded], "of 2 alone: 3's shelf is only empty");
    assert_eq!(world.row(1, group).administrators.len(), 2);
}

#[test]
fn an_add_of_a_leaf_that_proves_nothing_is_refused_by_everyone() {
    let mut world = World::new(3);
    let (group, epoch) = settled(&mut world);
    let strangers = Alliance::found(1);
    let stranger = strangers.admit(0, "Stranger");
    world.forge(0, group, |desk, room| {
        let signer = LeafSigner::random().unwrap();
        let bytes = credential(&stranger, LeafUse::KeyPackage, 1, signer.public());
        let with_key = CredentialWithKey {
            credential: Credential::new(CREDENTIAL, bytes),
            signature_key: signer.public().to_vec().into(),
        };
        let package = KeyPackage::builder()
            .key_package_lifetime(lifetime())
            .leaf_node_capabilities(capabilities())
            .leaf_node_extensions(leaf_extensions(LeafState::FRESH.bytes()).unwrap())
            .build(SUITE, &desk.provider(), &signer, with_key)
            .unwrap();
        commit(desk, room, None, |builder| builder.propose_adds([package.into_key_package()]))
    });
    is_refused(&mut world, group, epoch);
}

#[test]
fn an_add_by_who_is_no_administrator_is_refused_by_everyone() {
    let mut world = World::new(3);
    let (group, epoch) = settled(&mut world);
    let member = world.alliance.admit(1, "Newcomer");
    let newcomer = world.enter(member);
    let package = world.act(newcomer, |desk| desk.publish_key_packages(1)).unwrap().remove(0);
    world.forge(2, group, |desk, room| {
        let charter = desk.me.charter().unwrap().clone();
        let (package, _) = desk.check_key_package(&package, &charter, NOW).unwrap();
        let state = committed(room);
        commit(desk, room, state, |builder| builder.propose_adds([package]))
    });
    world.people.pop();
    is_refused(&mut world, group, epoch);
}

#[test]
fn a_path_leaf_that_takes_another_members_name_is_refused_by_everyone() {
    let mut world = World::new(3);
    let (group, epoch) = settled(&mut world);
    let other = world.alliance.admit(0, "Member 9");
    world.forge(0, group, |desk, room| {
        let provider = desk.provider();
        let old = desk.signer(room).unwrap();
        let new = LeafSigner::random().unwrap();
        let bytes = credential(&other, LeafUse::Group(group.0.to_vec()), 99, new.public());
        let with_key = CredentialWithKey {
            credential: Credential::new(CREDENTIAL, bytes),
            signature_key: new.public().to_vec().into(),
        };
        let state = leaf_extensions(committed(room).unwrap().bytes()).unwrap();
        let bundle = room
            .mls
            .commit_builder()
            .leaf_node_parameters(LeafNodeParameters::builder().with_extensions(state).build())
            .load_psks(provider.storage())
            .unwrap()
            .create_group_info(false)
            .build_with_new_signer(
                provider.rand(),
                provider.crypto(),
                &old,
                NewSignerBundle { signer: &new, credential_with_key: with_key },
                |_| true,
            )
            .unwrap()
            .stage_commit(&provider)
            .unwrap();
        bundle.into_commit()
    });
    is_refused(&mut world, group, epoch);
}

#[test]
fn a_path_leaf_still_bound_to_a_key_package_is_refused_by_everyone() {
    let mut world = World::new(4);
    let (group, _) = settled(&mut world);
    // Fresh from its key package: a path must show a leaf key of the group.
    let member = world.alliance.admit(1, "Newcomer");
    let newcomer = world.enter(member);
    let people = world.contacts([newcomer]);
    world.act(0, |desk| desk.add(&group, crate::conversation::world::again(&people))).unwrap();
    for _ in 0..20 {
        world.send_all(0);
        world.read_all(0);
    }
    world.open_parcels(newcomer);
    world.people[newcomer].outbox.clear();
    for person in 1..4 {
        world.read_all(person);
    }
    let epoch = world.row(0, group).epoch;
    let stale = world.people[newcomer].me.member;
    let mailbox = world.row(0, group).mailbox;
    let before = world.relay.logs[&mailbox].entries.len();
    // Its own honest commit is pending and held back; the forged one is written from the same epoch.
    world.forge(newcomer, group, |desk, room| {
        room.mls.clear_pending_commit(desk.provider().storage()).unwrap();
        let state = committed(room);
        commit(desk, room, state, |builder| builder.force_self_update(true))
    });
    assert_eq!(world.relay.logs[&mailbox].entries.len(), before + 1);
    for person in 0..4 {
        world.read_all(person);
        assert_eq!(world.row(person, group).epoch, epoch, "person {person} took it from {stale:?}");
    }
}

#[test]
fn a_leaf_that_lies_about_its_epoch_is_refused_by_everyone() {
    let mut world = World::new(3);
    let (group, epoch) = settled(&mut world);
    for lie in [LeafState::FRESH, LeafState::committed(epoch + 1), LeafState::committed(0)] {
        world.forge(2, group, |desk, room| commit(desk, room, Some(lie), |builder| builder.force_self_update(true)));
    }
    is_refused(&mut world, group, epoch);
}

#[test]
fn who_updates_its_leaf_again_too_soon_is_refused_by_everyone() {
    let mut world = World::new(3);
    let (group, epoch) = settled(&mut world);
    // Members of a small group write their leaves when they join, so the last of them was too soon ago.
    let seats = {
        let vault = world.people[0].vault.as_mut().unwrap();
        vault.transaction(|tx| crate::vault::conversations::seats(tx, &group)).unwrap()
    };
    let last = seats.iter().filter_map(|seat| seat.committed_at).max().unwrap();
    assert_eq!(last + 1, epoch);
    let author = seats.iter().find(|seat| seat.committed_at == Some(last)).unwrap().member;
    let author = (0..3).find(|person| world.member(*person) == author).unwrap();
    world.forge(author, group, |desk, room| {
        let state = committed(room);
        commit(desk, room, state, |builder| builder.force_self_update(true))
    });
    is_refused(&mut world, group, epoch);
}

#[test]
fn a_removal_without_a_move_is_refused_by_everyone() {
    let mut world = World::new(4);
    let (group, epoch) = settled(&mut world);
    world.forge(0, group, |desk, room| {
        let victim = LeafNodeIndex::new(room.seats.last().unwrap().leaf);
        let state = committed(room);
        commit(desk, room, state, |builder| builder.propose_removals([victim]))
    });
    is_refused(&mut world, group, epoch);
}

#[test]
fn a_removal_by_who_is_no_administrator_is_refused_by_everyone() {
    let mut world = World::new(4);
    let (group, epoch) = settled(&mut world);
    world.forge(3, group, |desk, room| {
        let mut context = room.context.duplicate();
        context.mailbox = relevo_protocol::wire::Capability::random().unwrap().mailbox();
        let state = committed(room);
        commit(desk, room, state, |builder| {
            builder
                .propose_removals([LeafNodeIndex::new(0)])
                .propose_group_context_extensions(context_extensions(context.bytes()).unwrap())
                .unwrap()
        })
    });
    is_refused(&mut world, group, epoch);
}

#[test]
fn a_rename_by_who_is_no_administrator_is_refused_by_everyone() {
    let mut world = World::new(4);
    let (group, epoch) = settled(&mut world);
    world.forge(3, group, |desk, room| {
        let mut context = room.context.duplicate();
        context.name = "Taken over".to_owned();
        context.administrators = vec![desk.me.member];
        let state = committed(room);
        commit(desk, room, state, |builder| {
            builder.propose_group_context_extensions(context_extensions(context.bytes()).unwrap()).unwrap()
        })
    });
    is_refused(&mut world, group, epoch);
}

#[test]
fn a_pin_whose_object_is_not_in_the_log_is_refused_by_everyone() {
    let mut world = World::new(3);
    let (group, epoch) = settled(&mut world);
    world.forge(0, group, |desk, room| {
        let mut context = room.context.duplicate();
        context.pins.charter.number += 1;
        context.pins.charter.hash.0 = [5; 32];
        let state = committed(room);
        commit(desk, room, state, |builder| {
            builder.propose_group_context_extensions(context_extensions(context.bytes()).unwrap()).unwrap()
        })
    });
    is_refused(&mut world, group, epoch);
}

#[test]
fn a_standalone_proposal_is_passed_over() {
    let mut world = World::new(3);
    let (group, epoch) = settled(&mut world);
    world.forge(2, group, |desk, room| {
        let signer = desk.signer(room).unwrap();
        room.mls.leave_group(&desk.provider(), &signer).unwrap()
    });
    is_refused(&mut world, group, epoch);
}

/// A welcome into a group that its author has filled as it likes.
fn false_welcome(world: &mut World, author: usize, victim: usize, third: Option<&Member>) -> Welcome {
    let package = world.act(victim, |desk| desk.publish_key_packages(1)).unwrap().remove(0);
    let (victim, address) = (world.member(victim), world.address.duplicate());
    let made = core::cell::Cell::new(None);
    world
        .act(author, |desk| {
            let id = GroupId::random()?;
            let charter = desk.me.charter()?.clone();
            let mut administrators = vec![desk.me.member, victim];
            administrators.sort_unstable();
            let context = Context {
                kind: Kind::Group,
                name: "Trap".to_owned(),
                administrators,
                relay: address.duplicate(),
                mailbox: relevo_protocol::wire::Capability::random()?.mailbox(),
                pins: relevo_protocol::trust::Pins::of(&charter),
                continues: None,
            };
            let (signer, own) = desk.new_group_leaf(&id)?;
            let provider = desk.provider();
            let config = create_config(context.bytes(), LeafState::FRESH.bytes())?;
            let mut mls = MlsGroup::new_with_group_id(&provider, &signer, &config, mls_id(&id), own).unwrap();
            let mut packages = vec![desk.check_key_package(&package, &charter, NOW)?.0];
            if let Some(third) = third {
                packages.push(false_package(desk, credential(third, LeafUse::KeyPackage, 1, [9; 32])));
            }
            let bundle = mls
                .commit_builder()
                .propose_adds(packages)
                .load_psks(provider.storage())?
                .build(provider.rand(), provider.crypto(), &signer, |_| true)?
                .stage_commit(&provider)
                .unwrap();
            mls.merge_pending_commit(&provider).unwrap();
            let secrets = moved_secrets(|label, length| mls.export_secret(provider.crypto(), label, &[], length))?;
            made.set(Some(Welcome {
                group: id,
                welcome: WelcomeSource::Inline {
                    welcome: Opaque::new(bundle.to_welcome_msg().unwrap().tls_serialize_detached().unwrap()),
                },
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

#[test]
fn a_welcome_into_a_tree_with_one_unproven_leaf_is_refused() {
    let mut world = World::new(3);
    let honest = false_welcome(&mut world, 0, 1, None);
    let author = world.member(0);
    world.act(1, |desk| desk.join(&honest, &author)).unwrap();
    let other = world.alliance.admit(1, "Not asked");
    let trap = false_welcome(&mut world, 0, 2, Some(&other));
    let refused = world.act(2, |desk| desk.join(&trap, &author)).unwrap_err();
    assert!(matches!(refused, ConversationFault::Leaf(_) | ConversationFault::Welcome), "{refused:?}");
    let vault = world.people[2].vault.as_mut().unwrap();
    assert!(vault.transaction(crate::vault::conversations::list).unwrap().is_empty());
}

#[test]
fn a_welcome_sent_by_another_than_its_author_is_refused() {
    let mut world = World::new(3);
    let welcome = false_welcome(&mut world, 0, 1, None);
    let messenger = world.member(2);
    let refused = world.act(1, |desk| desk.join(&welcome, &messenger)).unwrap_err();
    assert!(matches!(refused, ConversationFault::Welcome));
}

#[test]
fn a_welcome_that_names_another_mailbox_than_its_group_is_refused() {
    let mut world = World::new(2);
    let mut welcome = false_welcome(&mut world, 0, 1, None);
    welcome.mailbox = relevo_protocol::wire::Capability::random().unwrap().mailbox();
    let author = world.member(0);
    let refused = world.act(1, |desk| desk.join(&welcome, &author)).unwrap_err();
    assert!(matches!(refused, ConversationFault::Welcome));
}

#[test]
fn a_key_package_that_is_cut_short_is_not_added() {
    let mut world = World::new(2);
    let bytes = world.act(1, |desk| desk.publish_key_packages(1)).unwrap().remove(0);
    world
        .act(0, |desk| {
            let charter = desk.me.charter()?.clone();
            for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                assert!(desk.check_key_package(&bytes[..cut], &charter, NOW).is_err());
            }
            let long = [&bytes[..], &[0]].concat();
            assert!(desk.check_key_package(&long, &charter, NOW).is_err());
            let late = NOW.plus_seconds(85 * 24 * 3600);
            assert!(desk.check_key_package(&bytes, &charter, late).is_err(), "past its term");
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_key_package_that_mls_refuses_blocks_nobody_elses_words() {
    let mut world = World::new(3);
    let member = world.alliance.admit(1, "Blocker");
    let blocker = world.enter(Alliance::admit(&world.alliance, 1, "Host"));
    let package = core::cell::Cell::new(None);
    let key = LeafSigner::random().unwrap();
    let bytes = credential(&member, LeafUse::KeyPackage, 1, key.public());
    world
        .act(blocker, |desk| {
            let with_key = CredentialWithKey {
                credential: Credential::new(CREDENTIAL, bytes.clone()),
                signature_key: key.public().to_vec().into(),
            };
            // It lists no more than its own extension: what the group requires is missing.
            let poor = openmls::prelude::Capabilities::builder()
                .ciphersuites(vec![SUITE])
                .extensions(vec![openmls::prelude::ExtensionType::Unknown(0xF0C2)])
                .credentials(vec![CREDENTIAL])
                .build();
            let made = KeyPackage::builder()
                .key_package_lifetime(lifetime())
                .leaf_node_capabilities(poor)
                .leaf_node_extensions(leaf_extensions(LeafState::FRESH.bytes()).unwrap())
                .build(SUITE, &desk.provider(), &key, with_key)
                .unwrap();
            package.set(Some(made.into_key_package()));
            Ok(())
        })
        .unwrap();
    shelve(&mut world, blocker, &package.into_inner().unwrap());
    world.people[blocker].me.member = member.keys.member.public();
    let person = world.contact(blocker);
    let others = world.contacts([1, 2]);
    let address = world.address.duplicate();
    let group =
        world.act(0, |desk| desk.create_group("Open", crate::conversation::world::again(&others), None, &address));
    let group = group.unwrap();
    world.settle();
    world.act(0, |desk| desk.add(&group, crate::conversation::world::again(core::slice::from_ref(&person)))).unwrap();
    world.settle();
    assert!(world.alarms(0).contains(&AlarmKind::NotDone) || world.alarms(0).contains(&AlarmKind::NotAdded));
    world.say(1, group, "we go on");
    world.say(0, group, "so do we");
    world.settle();
    assert_eq!(world.texts(2, group).len(), 2);
}
