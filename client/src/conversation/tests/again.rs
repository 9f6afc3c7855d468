//! Members who are taken into a conversation anew.

use relevo_protocol::content::{GroupId, MessageId};
use relevo_protocol::wire::MailboxId;

use crate::conversation::world::{World, again};
use crate::conversation::{Decision, MessageState, Standing};
use crate::vault::Vault;

/// Somebody whose device is off: nothing is sent or read.
struct Off(usize, Vault);

impl Off {
    fn turn(world: &mut World, person: usize) -> Self {
        Self(person, world.people[person].vault.take().unwrap())
    }

    fn on(self, world: &mut World) {
        world.people[self.0].vault = Some(self.1);
    }
}

/// The group removes somebody and adds them anew, together with others.
fn taken_out_and_in(world: &mut World, group: GroupId, person: usize, others: &[usize]) {
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

#[test]
fn words_that_wait_when_somebody_is_taken_in_anew_are_not_sent_unasked() {
    let mut world = World::new(3);
    let group = world.group("Strike");
    let member = world.alliance.admit(1, "Newcomer");
    let newcomer = world.enter(member);
    let (old, entries) = (world.row(2, group).mailbox, world.relay.logs[&world.row(2, group).mailbox].entries.len());
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
    let group = world.group("Strike");
    let (old, entries) = (world.row(1, group).mailbox, world.relay.logs[&world.row(1, group).mailbox].entries.len());
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
