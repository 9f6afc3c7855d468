//! Members who are taken into a conversation anew.

use relevo_protocol::content::{GroupId, MessageId};
use relevo_protocol::wire::MailboxId;

use super::hostile::{Trap, forget_group, is_not_joined, trap};
use crate::conversation::world::{World, again};
use crate::conversation::{Decision, MessageState, Standing};
use crate::vault::Vault;
use crate::vault::held;

/// Somebody whose device is off: nothing is sent or read.
pub(super) struct Off(usize, Vault);

impl Off {
    pub(super) fn turn(world: &mut World, person: usize) -> Self {
        Self(person, world.people[person].vault.take().unwrap())
    }

    pub(super) fn on(self, world: &mut World) {
        world.people[self.0].vault = Some(self.1);
    }
}

/// Four in a group whose relay signs, and in another one, where they have said how they are reached.
fn strike() -> (World, GroupId) {
    let mut world = World::new(4);
    world.signs();
    world.group("Other");
    let group = world.group("Strike");
    (world, group)
}

/// The group removes somebody and adds them anew, together with others.
pub(super) fn taken_out_and_in(world: &mut World, group: GroupId, person: usize, others: &[usize]) {
    let member = world.member(person);
    world.act(0, |desk| desk.remove(&group, &[member])).unwrap();
    world.settle();
    let people = world.contacts(others.iter().copied().chain([person]));
    world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
    world.settle();
}

/// The relay has forgotten what came to a log behind so many entries.
fn forget(world: &mut World, mailbox: MailboxId, entries: usize) {
    world.relay.logs.get_mut(&mailbox).unwrap().entries.truncate(entries);
}

/// Words of somebody that the relay takes and loses.
fn lost_word(world: &mut World, person: usize, group: GroupId) -> MessageId {
    let id = world.say(person, group, "among us");
    world.people[person].outbox.clear();
    id
}

/// How much waits for a conversation's log.
pub(super) fn held(world: &mut World, person: usize, group: GroupId) -> usize {
    world.act(person, |desk| Ok(held::of(desk.tx, &group)?.len())).unwrap()
}

#[test]
fn who_was_removed_captures_nobody_who_has_not_read_it_yet() {
    let mut world = World::new(4);
    world.signs();
    let group = world.group("Strike");
    let (old, removed) = (world.row(3, group).mailbox, world.member(1));
    let id = lost_word(&mut world, 3, group);
    let off = Off::turn(&mut world, 3);
    world.act(0, |desk| desk.remove(&group, &[removed])).unwrap();
    world.settle();
    off.on(&mut world);
    forget_group(&mut world, 1, group);
    let same = Trap { id: group, name: "Strike", epoch: 1000, ..Trap::new(&world) };
    let welcome = trap(&mut world, 1, 3, &same);
    // The inbox is read before the log.
    world.act(3, |desk| desk.join(&welcome, &removed)).unwrap();
    assert_eq!((held(&mut world, 3, group), world.row(3, group).mailbox), (1, old));
    world.settle();
    assert_eq!(held(&mut world, 3, group), 0);
    assert_eq!(world.row(3, group).mailbox, world.row(0, group).mailbox);
    assert_eq!(world.row(3, group).epoch, world.row(0, group).epoch);
    assert_eq!(world.state(3, group, id), MessageState::Sent);
    assert_eq!(world.texts(0, group), ["among us"]);
}

#[test]
fn who_was_taken_out_and_in_while_away_reads_the_log_first() {
    let mut world = World::new(3);
    world.signs();
    let group = world.group("Strike");
    let old = world.row(2, group).mailbox;
    let off = Off::turn(&mut world, 2);
    taken_out_and_in(&mut world, group, 2, &[]);
    off.on(&mut world);
    world.open_parcels(2);
    assert_eq!((held(&mut world, 2, group), world.row(2, group).mailbox), (1, old));
    while world.row(2, group).mailbox == old {
        assert!(world.read_one(2), "it has come in when the log tells that it was out");
    }
    assert_eq!(held(&mut world, 2, group), 0);
    world.settle();
    world.say(2, group, "back");
    world.settle();
    assert_eq!(world.texts(0, group), ["back"]);
}

#[test]
fn who_became_an_administrator_meanwhile_brings_somebody_back_with_the_help_of_one_whom_they_know() {
    for inbox_first in [false, true] {
        let mut world = World::new(4);
        world.signs();
        // Where they say how they are reached.
        world.group("Other");
        let group = world.group("Strike");
        let [first, third, gone] = [0, 2, 3].map(|person| world.member(person));
        world.act(0, |desk| desk.remove(&group, &[gone])).unwrap();
        world.settle();
        world.act(0, |desk| desk.set_administrators(&group, &[first, third])).unwrap();
        world.settle();
        let off = inbox_first.then(|| Off::turn(&mut world, 0));
        let people = world.contacts([3]);
        world.act(2, |desk| desk.add(&group, again(&people))).unwrap();
        world.settle();
        if let Some(off) = off {
            assert_eq!(world.row(3, group).standing, Standing::Left, "it knows nothing of an administrator called 2");
            off.on(&mut world);
            world.open_parcels(0);
            world.settle();
        }
        assert_eq!(world.row(3, group).standing, Standing::Live);
        assert_eq!(world.row(3, group).epoch, world.row(0, group).epoch);
        world.say(3, group, "back");
        world.settle();
        assert_eq!(world.texts(2, group), ["back"]);
        world.now = world.now.plus_seconds(2 * 24 * 3600);
        world.act(3, |desk| desk.tick()).unwrap();
        assert_eq!(world.people[3].left_out, 0);
    }
}

#[test]
fn who_was_put_out_comes_not_back_by_asking_an_administrator_who_has_not_read_it() {
    // A relay that gives the log late leaves an administrator to decide by what it knew.
    for (seated_between, withheld) in [(false, false), (true, false), (false, true), (true, true)] {
        let (mut world, group) = strike();
        let gone = world.member(3);
        let off = Off::turn(&mut world, 0);
        world.act(1, |desk| desk.remove(&group, &[gone])).unwrap();
        world.settle();
        if seated_between {
            let people = world.contacts([3]);
            world.act(1, |desk| desk.add(&group, again(&people))).unwrap();
            world.settle();
            world.act(1, |desk| desk.remove(&group, &[gone])).unwrap();
            world.settle();
        }
        off.on(&mut world);
        // It asks, and its asking is read before the log.
        world.act(0, |desk| desk.re_add_received(&gone, &group)).unwrap();
        if withheld {
            let mailbox = world.row(0, group).mailbox;
            world.act(0, |desk| desk.withheld(&group, &mailbox)).unwrap();
        }
        world.settle();
        assert_eq!(world.row(3, group).standing, Standing::Left);
        assert_eq!(super::group::names(&mut world, 0, group), ["Member 0", "Member 1", "Member 2"]);
    }
}

#[test]
fn who_was_taken_out_and_in_by_others_is_added_again_by_one_who_has_read_neither() {
    let (mut world, group) = strike();
    let gone = world.member(3);
    let off = Off::turn(&mut world, 0);
    world.act(1, |desk| desk.remove(&group, &[gone])).unwrap();
    world.settle();
    let people = world.contacts([3]);
    world.act(1, |desk| desk.add(&group, again(&people))).unwrap();
    while world.send_one(1) || world.read_one(1) {}
    world.people[3].parcels.clear();
    off.on(&mut world);
    // Its welcome did not come. It asks, and its asking is read before the log.
    world.act(0, |desk| desk.re_add_received(&gone, &group)).unwrap();
    assert_eq!(held(&mut world, 0, group), 1);
    world.settle();
    assert_eq!(held(&mut world, 0, group), 0);
    assert_eq!(world.row(3, group).standing, Standing::Live);
    assert_eq!(world.row(3, group).epoch, world.row(0, group).epoch);
}

#[test]
fn who_learns_from_the_log_that_it_was_out_asks_about_a_strangers_welcome_that_waited() {
    let (mut world, group) = strike();
    let [first, third, gone] = [0, 2, 3].map(|person| world.member(person));
    let off = Off::turn(&mut world, 3);
    world.act(0, |desk| desk.remove(&group, &[gone])).unwrap();
    world.settle();
    world.act(0, |desk| desk.set_administrators(&group, &[first, third])).unwrap();
    world.settle();
    let people = world.contacts([3]);
    world.act(2, |desk| desk.add(&group, again(&people))).unwrap();
    world.settle();
    off.on(&mut world);
    world.open_parcels(3);
    assert_eq!((held(&mut world, 3, group), world.row(3, group).standing), (1, Standing::Live));
    world.settle();
    assert_eq!(world.row(3, group).standing, Standing::Live);
    assert_eq!(world.row(3, group).epoch, world.row(0, group).epoch);
}

#[test]
fn who_was_added_again_by_one_administrator_is_not_by_another_who_comes_later() {
    let (mut world, group) = strike();
    let asker = world.member(3);
    let off = Off::turn(&mut world, 0);
    let rounds = |world: &mut World, people: &[usize]| {
        for _ in 0..4 {
            world.settle();
            world.now = world.now.plus_seconds(60);
            for person in people {
                world.act(*person, |desk| desk.tick()).unwrap();
            }
        }
        world.settle();
    };
    let before = world.row(1, group).mailbox;
    world.act(1, |desk| desk.re_add_received(&asker, &group)).unwrap();
    rounds(&mut world, &[1, 2, 3]);
    let (moved, epoch) = (world.row(1, group).mailbox, world.row(1, group).epoch);
    assert_ne!(moved, before, "it was added again");
    assert_eq!(world.row(3, group).epoch, epoch);
    off.on(&mut world);
    world.act(0, |desk| desk.re_add_received(&asker, &group)).unwrap();
    assert_eq!(held(&mut world, 0, group), 1);
    rounds(&mut world, &[0, 1, 2, 3]);
    assert_eq!(held(&mut world, 0, group), 0);
    for person in 0..4 {
        assert_eq!((world.row(person, group).mailbox, world.row(person, group).epoch), (moved, epoch), "{person}");
    }
}

#[test]
fn an_asking_whose_relay_says_that_the_log_goes_further_than_it_gives_is_judged_after_a_day() {
    let (mut world, group) = strike();
    let (log, asker) = (world.row(0, group).mailbox, world.member(3));
    world.act(0, |desk| desk.re_add_received(&asker, &group)).unwrap();
    let beyond = held::Upto::Entry(relevo_protocol::wire::Incarnation([9; 8]), relevo_protocol::wire::Sequence(999));
    world.people[0].outbox.clear();
    world.act(0, |desk| Ok(held::stands(desk.tx, &group, None, &log, beyond)?)).unwrap();
    for (hours, waits) in [(23, 1), (1, 0)] {
        world.now = world.now.plus_seconds(hours * 3600);
        world.act(0, |desk| desk.tick()).unwrap();
        assert_eq!(held(&mut world, 0, group), waits, "{hours}");
    }
}

#[test]
fn an_answer_for_an_earlier_asking_is_none_for_the_next_one() {
    let (mut world, group) = strike();
    let (old, gone) = (world.row(0, group).mailbox, world.member(3));
    world.act(0, |desk| desk.re_add_received(&gone, &group)).unwrap();
    // The relay says where the log stands, and its answer is slow: somebody removes them meanwhile, and they ask once more.
    let first = world.act(0, |desk| Ok(held::of(desk.tx, &group)?[0].number)).unwrap();
    for _ in 0..9 {
        world.act(0, |desk| desk.re_add_received(&gone, &group)).unwrap();
    }
    let asked = |world: &World| {
        let calls = world.people[0].outbox.iter();
        calls.filter(|(call, _)| matches!(call, relevo_protocol::wire::Call::Checkpoint { .. })).count()
    };
    assert_eq!(asked(&world), 1, "nobody has it asked without end");
    world.act(0, |desk| Ok(held::stands(desk.tx, &group, Some(first), &old, held::Upto::Nothing)?)).unwrap();
    let left = world.act(0, |desk| Ok(held::of(desk.tx, &group)?.pop().map(|held| held.upto))).unwrap();
    assert_eq!(left, Some(held::Upto::Unknown));
}

#[test]
fn a_removal_that_the_relay_keeps_back_keeps_nobody_out() {
    let mut world = World::new(3);
    world.signs();
    let group = world.group("Strike");
    let old = world.row(2, group).mailbox;
    let off = Off::turn(&mut world, 2);
    taken_out_and_in(&mut world, group, 2, &[]);
    let elsewhere = world.row(0, group).mailbox;
    off.on(&mut world);
    world.open_parcels(2);
    // The relay signs where the log stands, and gives nothing of it.
    world.send_all(2);
    assert_eq!(world.row(2, group).mailbox, old);
    world.act(2, |desk| desk.withheld(&group, &elsewhere)).unwrap();
    assert_eq!(world.row(2, group).mailbox, old, "another log");
    world.act(2, |desk| desk.withheld(&group, &old)).unwrap();
    assert_eq!(world.row(2, group).mailbox, elsewhere);
}

#[test]
fn an_administrator_who_was_taken_out_with_somebody_does_not_take_them_in() {
    let mut world = World::new(5);
    let group = world.group("Strike");
    let both = [1, 4].map(|person| world.member(person));
    world.act(0, |desk| desk.remove(&group, &both)).unwrap();
    world.settle();
    assert_eq!(world.row(4, group).standing, Standing::Left);
    forget_group(&mut world, 1, group);
    let same = Trap { id: group, name: "Strike", epoch: 1000, ..Trap::new(&world) };
    let welcome = trap(&mut world, 1, 4, &same);
    is_not_joined(&mut world, 4, 1, &welcome);
}

#[test]
fn a_pair_does_not_become_a_group_by_a_welcome() {
    let mut world = World::new(2);
    let pair = world.pair(0, 1);
    forget_group(&mut world, 0, pair);
    let group = Trap { id: pair, epoch: 1000, ..Trap::new(&world) };
    let welcome = trap(&mut world, 0, 1, &group);
    is_not_joined(&mut world, 1, 0, &welcome);
}

#[test]
fn words_that_wait_when_somebody_is_taken_in_anew_are_not_sent_unasked() {
    let mut world = World::new(3);
    world.signs();
    let group = world.group("Strike");
    let member = world.alliance.admit(1, "Newcomer");
    let newcomer = world.enter(member);
    let old = world.row(2, group).mailbox;
    let entries = world.relay.logs[&old].entries.len();
    let id = lost_word(&mut world, 2, group);
    let off = Off::turn(&mut world, 2);
    taken_out_and_in(&mut world, group, 2, &[newcomer]);
    forget(&mut world, old, entries);
    off.on(&mut world);
    world.settle();
    assert_eq!(world.row(2, group).mailbox, world.row(0, group).mailbox, "taken in");
    assert_eq!(world.state(2, group, id), MessageState::Undecided);
    assert!(world.texts(newcomer, group).is_empty());
    world.act(2, |desk| desk.decide(&group, id, Decision::Send)).unwrap();
    world.settle();
    assert_eq!(world.texts(newcomer, group), ["among us"]);
}

#[test]
fn a_mailbox_opened_for_a_move_is_closed_by_who_is_taken_in_anew() {
    let mut world = World::new(3);
    world.signs();
    let group = world.group("Strike");
    let old = world.row(1, group).mailbox;
    let entries = world.relay.logs[&old].entries.len();
    let before: Vec<MailboxId> = world.relay.logs.keys().copied().collect();
    let address = world.address.duplicate();
    world.act(1, |desk| desk.move_to(&group, &address)).unwrap();
    assert!(world.send_one(1), "it is opened");
    let opened = *world.relay.logs.keys().find(|mailbox| !before.contains(mailbox)).unwrap();
    let off = Off::turn(&mut world, 1);
    taken_out_and_in(&mut world, group, 1, &[]);
    forget(&mut world, old, entries);
    off.on(&mut world);
    world.settle();
    assert_eq!(world.row(1, group).mailbox, world.row(0, group).mailbox, "taken in");
    assert!(!world.relay.logs.contains_key(&opened));
    assert_eq!(world.row(1, group).standing, Standing::Live);
}

#[test]
fn who_is_added_by_a_used_key_package_is_added_again_by_another() {
    let mut world = World::new(3);
    // Where they say how they are reached.
    world.group("Other");
    let shelf = world.contact(2).1.shelf.unwrap().mailbox;
    let used = world.relay.shelves[&shelf][0].clone();
    let group = world.group("Strike");
    // A relay that was put back: it gives what it gave before.
    world.relay.shelves.get_mut(&shelf).unwrap().push_front(used);
    taken_out_and_in(&mut world, group, 2, &[]);
    assert_eq!(world.row(2, group).standing, Standing::Live);
    assert_eq!(world.row(2, group).epoch, world.row(0, group).epoch);
    world.say(0, group, "all of you");
    world.settle();
    assert_eq!(world.texts(2, group), ["all of you"]);
}

#[test]
fn a_key_package_that_is_given_for_ever_has_nobody_ask_for_ever() {
    let mut world = World::new(3);
    world.group("Other");
    let shelf = world.contact(2).1.shelf.unwrap().mailbox;
    let used = world.relay.shelves[&shelf][0].clone();
    let group = world.group("Strike");
    world.relay.shelves.insert(shelf, core::iter::repeat_n(used, 20).collect());
    taken_out_and_in(&mut world, group, 2, &[]);
    assert_eq!(world.row(2, group).standing, Standing::Left);
    // Added, asked for another, added by the same, and not asked again.
    assert_eq!(world.relay.shelves[&shelf].len(), 18);
}

#[test]
fn whose_welcome_went_with_its_authors_days_is_added_again_with_that_author() {
    let mut world = World::new(4);
    world.group("Other");
    let (people, address) = (world.contacts([1]), world.address.duplicate());
    let group = world.act(0, |desk| desk.create_group("Strike", again(&people), None, &address)).unwrap();
    world.settle();
    let people = world.contacts([2, 3]);
    world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
    // Its commit, which makes another one administrator, is stored; its device never sees that, since all of it expires
    // meanwhile.
    world.send_all(0);
    world.read_all(1);
    assert_eq!(world.row(1, group).epoch, world.row(0, group).epoch + 1);
    world
        .act(0, |desk| {
            let mut room = desk.enter(&group)?;
            desk.behind(&mut room)?;
            desk.keep(room)
        })
        .unwrap();
    for _ in 0..3 {
        world.settle();
        world.now = world.now.plus_seconds(60);
        for person in 0..4 {
            world.act(person, |desk| desk.tick()).unwrap();
        }
    }
    world.settle();
    world.say(1, group, "all of you");
    world.settle();
    for person in [0, 2, 3] {
        assert_eq!(world.texts(person, group), ["all of you"], "{person}");
        assert_eq!(world.row(person, group).epoch, world.row(1, group).epoch);
    }
}
