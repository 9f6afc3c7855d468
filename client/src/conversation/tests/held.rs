//! Welcomes into a conversation in which we are still, as far as its log was read: they wait until it is read.

use relevo_protocol::content::{GroupId, encode_secret};

use super::again::{Off, held, taken_out_and_in};
use super::hostile::{Trap, forget_group, trap};
use crate::conversation::ConversationFault;
use crate::conversation::world::World;
use crate::vault::held::{self, Matter};

/// The group takes somebody out and in so many times while their device is off, and says something after each. The welcomes come in
/// the order that `order` makes, before anything of the log is read.
fn taken_out_and_in_while_off(times: u8, order: impl Fn(&mut World)) -> (World, GroupId) {
    let mut world = World::new(3);
    world.signs();
    let group = world.group("Strike");
    world.stock(2, 5);
    let off = Off::turn(&mut world, 2);
    for time in 1..=times {
        taken_out_and_in(&mut world, group, 2, &[]);
        world.say(0, group, &format!("word {time}"));
        world.settle();
    }
    off.on(&mut world);
    order(&mut world);
    world.open_parcels(2);
    assert_eq!(held(&mut world, 2, group), usize::from(times.min(held::WELCOMES)));
    (world, group)
}

/// An administrator who brings somebody back adds those anew too who have not been heard of: one welcome may be under way.
#[test]
fn who_was_taken_out_and_in_twice_while_away_reads_what_was_said_between() {
    let in_turn: fn(&mut World) = |_| {};
    let overtaken: fn(&mut World) = |world| world.people[2].parcels.make_contiguous().reverse();
    for order in [in_turn, overtaken] {
        let (mut world, group) = taken_out_and_in_while_off(2, order);
        world.settle();
        assert_eq!(held(&mut world, 2, group), 0);
        assert_eq!(world.texts(2, group), ["word 1", "word 2"]);
        world.say(2, group, "back");
        world.settle();
        assert_eq!(world.texts(0, group), ["word 1", "word 2", "back"]);
    }
}

#[test]
fn who_was_taken_out_and_in_more_often_than_welcomes_wait_comes_in_by_the_last() {
    let (mut world, group) = taken_out_and_in_while_off(5, |_| {});
    world.settle();
    assert_eq!(held(&mut world, 2, group), 0);
    let read = world.texts(2, group);
    assert!(["word 1", "word 2", "word 5"].iter().all(|word| read.iter().any(|text| text == word)), "{read:?}");
    world.say(2, group, "back");
    world.settle();
    assert_eq!(world.texts(0, group).last().unwrap(), "back");
}

/// What the relay says of the log before the first welcome says nothing of the log behind it.
#[test]
fn a_second_welcome_is_not_judged_by_what_the_relay_said_before_the_first() {
    let (mut world, group) = taken_out_and_in_while_off(2, |_| {});
    let old = world.row(2, group).mailbox;
    world.act(2, |desk| desk.withheld(&group, &old)).unwrap();
    assert_eq!(held(&mut world, 2, group), 1, "the first takes us in, and the second waits for its log");
    world.settle();
    assert_eq!(
        (world.texts(2, group), held(&mut world, 2, group)),
        (vec!["word 1".to_owned(), "word 2".to_owned()], 0)
    );
}

#[test]
fn of_many_welcomes_of_one_sender_the_first_epochs_and_the_last_wait() {
    let mut world = World::new(2);
    let group = world.group("Strike");
    let sender = world.member(0);
    let mut kept = |epochs: &[u64]| {
        world
            .act(1, |desk| {
                for held in held::of(desk.tx, &group)? {
                    held::remove(desk.tx, held.number)?;
                }
                for epoch in epochs {
                    let matter = Matter::Welcome { welcome: Vec::new().into(), bytes: vec![], epoch: *epoch };
                    held::put(desk.tx, &group, &sender, &matter, desk.now)?;
                }
                Ok(held::of(desk.tx, &group)?.iter().map(|held| held.epoch).collect::<Vec<_>>())
            })
            .unwrap()
    };
    assert_eq!(kept(&[5, 9, 4]), [4, 5, 9]);
    assert_eq!(kept(&[5, 9, 4, 7]), [4, 5, 9]);
    assert_eq!(kept(&[9, 7, 5, 3]), [3, 5, 9]);
    assert_eq!(kept(&[1, 2, 3, 4, 5]), [1, 2, 5]);
}

/// The key package opens one welcome alone: the first would leave us outside behind the second.
#[test]
fn of_two_welcomes_for_one_key_package_the_later_takes_us_in() {
    let mut world = World::new(3);
    world.signs();
    let group = world.group("Strike");
    let shelf = world.contact(2).1.shelf.unwrap().mailbox;
    let off = Off::turn(&mut world, 2);
    let package = world.relay.shelves[&shelf][0].clone();
    taken_out_and_in(&mut world, group, 2, &[]);
    // A relay that was put back gives what it gave before.
    world.relay.shelves.get_mut(&shelf).unwrap().push_front(package);
    taken_out_and_in(&mut world, group, 2, &[]);
    world.say(0, group, "welcome back");
    world.settle();
    off.on(&mut world);
    world.open_parcels(2);
    assert_eq!(held(&mut world, 2, group), 1);
    let left = world.relay.shelves[&shelf].len();
    world.settle();
    assert_eq!((world.texts(2, group), world.relay.shelves[&shelf].len()), (vec!["welcome back".to_owned()], left));
}

#[test]
fn welcomes_that_wait_are_of_a_bounded_number_of_senders() {
    let mut world = World::new(3);
    let group = world.group("Strike");
    let any = Trap::new(&world);
    let welcome = trap(&mut world, 0, 1, &any);
    let encoded = encode_secret(&welcome);
    let mut waits = |sender: u8, matter: &Matter| {
        let sender = relevo_protocol::trust::MemberKey::new([sender; 32]);
        world.act(1, |desk| desk.wait_for_log(&group, &sender, matter)).unwrap()
    };
    let matter = Matter::Welcome { welcome: encoded, bytes: vec![], epoch: 9 };
    assert_eq!((0..10).filter(|sender| waits(*sender, &matter)).count(), 8);
    for _ in 0..4 {
        assert!(waits(0, &matter), "in the place of its last one");
    }
    // Askings are small, and many may have the same reason.
    assert_eq!((0..=255).filter(|sender| waits(*sender, &Matter::ReAdd)).count(), 256);
    assert!(waits(255, &Matter::ReAdd), "in the place of its first one");
    assert_eq!(held(&mut world, 1, group), 8 + 2 + 256);
    // What is no welcome of a later epoch is not kept at all.
    let author = world.member(0);
    let same = Trap { id: group, name: "Strike", epoch: 1, ..Trap::new(&world) };
    forget_group(&mut world, 0, group);
    let early = trap(&mut world, 0, 2, &same);
    let refused = world.act(2, |desk| desk.join(&early, &author)).unwrap_err();
    assert!(matches!(refused, ConversationFault::AlreadyMember), "{refused:?}");
    assert_eq!(held(&mut world, 2, group), 0);
}
