use relevo_protocol::content::{GroupOwner, MessageId};
use relevo_protocol::wire::{Call, Capability};

use crate::conversation::world::{World, again};
use crate::conversation::{AlarmKind, ConversationFault, Decision, Kind, MessageState, Standing, conversation};
use crate::fixture::relay_address;
use crate::vault::conversations;

pub(super) fn names(world: &mut World, person: usize, group: relevo_protocol::content::GroupId) -> Vec<String> {
    let vault = world.people[person].vault.as_mut().unwrap();
    let shown = vault.transaction(|tx| conversation(tx, &group)).unwrap().unwrap();
    shown.members.into_iter().map(|seated| seated.pseudonym).collect()
}

#[test]
fn everybody_in_a_group_hears_everybody() {
    let mut world = World::new(4);
    let group = world.group("Mine 7");
    for person in 0..4 {
        world.say(person, group, &format!("from {person}"));
        world.settle();
    }
    for person in 0..4 {
        assert_eq!(world.texts(person, group), ["from 0", "from 1", "from 2", "from 3"]);
        assert_eq!(world.row(person, group).name, "Mine 7");
        assert_eq!(names(&mut world, person, group), ["Member 0", "Member 1", "Member 2", "Member 3"]);
        assert!(world.alarms(person).is_empty());
    }
}

#[test]
fn only_administrators_rename_add_and_remove() {
    let mut world = World::new(4);
    let group = world.group("Before");
    world.act(1, |desk| desk.rename(&group, "After")).unwrap();
    world.settle();
    assert_eq!(world.row(3, group).name, "After");
    let refused = world.act(2, |desk| desk.rename(&group, "No")).unwrap_err();
    assert!(matches!(refused, ConversationFault::NotAdministrator));
    let member = world.member(3);
    let refused = world.act(2, |desk| desk.remove(&group, &[member])).unwrap_err();
    assert!(matches!(refused, ConversationFault::NotAdministrator));
    let twice = world.contacts([3]);
    let refused = world.act(0, |desk| desk.add(&group, again(&twice))).unwrap_err();
    assert!(matches!(refused, ConversationFault::AlreadyMember));
    let refused = world.act(0, |desk| desk.rename(&group, " \u{202e} ")).unwrap_err();
    assert!(matches!(refused, ConversationFault::Name));
}

#[test]
fn a_newcomer_reads_what_comes_after_it_and_nothing_before() {
    let mut world = World::new(3);
    let group = world.group("Table");
    world.say(1, group, "before");
    world.settle();
    let member = world.alliance.admit(1, "Newcomer");
    let newcomer = world.enter(member);
    let people = world.contacts([newcomer]);
    world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
    world.settle();
    world.say(1, group, "after");
    world.settle();
    world.say(newcomer, group, "hello");
    world.settle();
    assert_eq!(world.texts(newcomer, group), ["after", "hello"]);
    assert_eq!(world.texts(2, group), ["before", "after", "hello"]);
    let alone = world.relay.logs.values().next().unwrap();
    assert_eq!(world.relay.logs.len(), 1, "adding does not move");
    assert!(!alone.frozen);
}

#[test]
fn a_removal_moves_the_group_and_the_removed_has_no_capability_there() {
    let mut world = World::new(4);
    let group = world.group("Cell");
    world.say(3, group, "I am the mole");
    world.settle();
    let before = world.row(0, group).mailbox;
    let mole = world.member(3);
    world.act(0, |desk| desk.remove(&group, &[mole])).unwrap();
    world.settle();
    let after = world.row(0, group).mailbox;
    assert_ne!(before, after);
    assert!(world.relay.logs[&before].frozen, "the mover freezes the old mailbox");
    assert_ne!(world.relay.logs[&before].read, world.relay.logs[&after].read);
    assert_ne!(world.relay.logs[&before].append, world.relay.logs[&after].append);
    assert_eq!(world.row(3, group).standing, Standing::Left);
    world.say(1, group, "now we can talk");
    world.settle();
    for person in 0..3 {
        assert_eq!(world.row(person, group).mailbox, after);
        assert_eq!(world.texts(person, group), ["I am the mole", "now we can talk"]);
        assert_eq!(names(&mut world, person, group).len(), 3);
    }
    assert_eq!(world.texts(3, group), ["I am the mole"]);
    let vault = world.people[3].vault.as_mut().unwrap();
    let place = vault.transaction(|tx| conversations::place(tx, &after)).unwrap();
    assert!(place.is_none(), "the removed derives nothing of the new mailbox");
    let refused = world.act(3, |desk| desk.leave(&group)).unwrap_err();
    assert!(matches!(refused, ConversationFault::NotIn));
}

#[test]
fn the_other_administrator_gets_the_owner_of_each_mailbox() {
    let mut world = World::new(4);
    let group = world.group("Two keys");
    let owns = |world: &mut World| {
        let mailbox = world.row(1, group).mailbox;
        let vault = world.people[1].vault.as_mut().unwrap();
        let place = vault.transaction(|tx| conversations::place(tx, &mailbox)).unwrap().unwrap();
        place.owner.is_some_and(|owner| owner.mailbox() == mailbox)
    };
    assert!(owns(&mut world), "with the welcome");
    let member = world.member(3);
    world.act(0, |desk| desk.remove(&group, &[member])).unwrap();
    world.settle();
    assert!(owns(&mut world), "after a move");
    let member = world.member(2);
    world.act(1, |desk| desk.remove(&group, &[member])).unwrap();
    world.settle();
    let old = world.row(0, group).mailbox;
    assert_eq!(world.row(1, group).mailbox, old);
    assert_eq!(world.relay.logs.values().filter(|log| !log.frozen).count(), 1);
}

#[test]
fn an_owner_that_comes_before_its_move_is_kept_until_then_and_few_are() {
    let mut world = World::new(4);
    let group = world.group("Two roads");
    let member = world.member(3);
    world.act(0, |desk| desk.remove(&group, &[member])).unwrap();
    // The mover's inbox traffic is faster than its log: the other administrator has not read the move yet.
    while world.row(0, group).mailbox == world.row(1, group).mailbox {
        world.send_one(0);
        world.read_one(0);
    }
    world.send_all(0);
    assert!(world.open_parcels(1), "the owner has come");
    assert_ne!(world.row(0, group).mailbox, world.row(1, group).mailbox, "the move has not");
    // Whoever sends owners of no log of the group displaces the older of those that wait, and fills nothing.
    let send = |world: &mut World, count| {
        for _ in 0..count {
            let owner = Capability::random().unwrap();
            let parcel = GroupOwner { group, mailbox: owner.mailbox(), owner };
            world.act(1, |desk| desk.owner_received(&parcel)).unwrap();
        }
    };
    send(&mut world, 6);
    world.settle();
    let mailbox = world.row(1, group).mailbox;
    let vault = world.people[1].vault.as_mut().unwrap();
    let place = vault.transaction(|tx| conversations::place(tx, &mailbox)).unwrap().unwrap();
    assert!(place.owner.is_some_and(|owner| owner.mailbox() == mailbox), "kept for the log");
    let rows = |tx: &crate::vault::Transaction<'_>| {
        Ok::<i64, crate::vault::VaultFault>(
            tx.sql().query_row("SELECT count(*) FROM early_owners", [], |row| row.get(0))?,
        )
    };
    assert_eq!(vault.transaction(rows).unwrap(), 6, "the one that was taken is gone");
    send(&mut world, 20);
    let vault = world.people[1].vault.as_mut().unwrap();
    assert_eq!(vault.transaction(rows).unwrap(), 8);
}

#[test]
fn a_mailbox_that_does_not_open_stops_the_move_and_is_said() {
    let mut world = World::new(3);
    let group = world.group("Stuck");
    world.relay.refuse_opens = true;
    let member = world.member(2);
    world.act(0, |desk| desk.remove(&group, &[member])).unwrap();
    world.settle();
    assert_eq!(world.alarms(0), [AlarmKind::NotMoved]);
    world.say(0, group, "still talking");
    world.settle();
    assert_eq!(world.texts(2, group), ["still talking"]);
    world.relay.refuse_opens = false;
    world.now = world.now.plus_seconds(3601);
    world.act(0, |desk| desk.tick()).unwrap();
    world.settle();
    assert_eq!(world.row(2, group).standing, Standing::Left, "tried again later");
}

#[test]
fn who_asks_to_leave_is_removed_by_the_first_administrator_online() {
    let mut world = World::new(4);
    let group = world.group("Free to go");
    world.act(2, |desk| desk.leave(&group)).unwrap();
    world.settle();
    assert_eq!(world.row(2, group).standing, Standing::Left);
    assert_eq!(names(&mut world, 0, group), ["Member 0", "Member 1", "Member 3"]);
    world.now = world.now.plus_seconds(600);
    for person in [0, 1, 3] {
        world.act(person, |desk| desk.tick()).unwrap();
    }
    world.settle();
    assert_eq!(world.row(0, group).epoch, world.row(1, group).epoch);
    assert_eq!(names(&mut world, 1, group).len(), 3, "the others' turn finds it done");
}

#[test]
fn an_administrator_who_leaves_has_a_successor() {
    let mut world = World::new(4);
    let group = world.group("Succession");
    world.act(1, |desk| desk.leave(&group)).unwrap();
    world.settle();
    assert_eq!(world.row(1, group).standing, Standing::Left);
    let administrators = world.row(3, group).administrators;
    assert_eq!(administrators.len(), 2);
    assert!(administrators.contains(&world.member(2)), "the lowest leaf that is none yet");
    world.act(2, |desk| desk.rename(&group, "Renamed by the successor")).unwrap();
    world.settle();
    assert_eq!(world.row(0, group).name, "Renamed by the successor");
}

#[test]
fn whoever_became_administrator_by_a_removal_takes_the_removed_back() {
    let mut world = World::new(4);
    let group = world.group("Table");
    let removed = world.member(1);
    world.act(0, |desk| desk.remove(&group, &[removed])).unwrap();
    world.settle();
    assert_eq!(world.row(1, group).standing, Standing::Left);
    assert_eq!(world.row(3, group).administrators.len(), 2, "the removal names another");
    let people = world.contacts([1]);
    world.act(2, |desk| desk.add(&group, again(&people))).unwrap();
    world.settle();
    assert_eq!(world.row(1, group).standing, Standing::Live);
}

#[test]
fn administrators_change_and_a_demotion_moves() {
    let mut world = World::new(4);
    let group = world.group("Offices");
    let before = world.row(0, group).mailbox;
    let three = [0, 1, 2].map(|person| world.member(person));
    world.act(0, |desk| desk.set_administrators(&group, &three)).unwrap();
    world.settle();
    assert_eq!(world.row(3, group).administrators.len(), 3);
    assert_eq!(world.row(3, group).mailbox, before, "nobody lost anything");
    let two = [0, 2].map(|person| world.member(person));
    world.act(0, |desk| desk.set_administrators(&group, &two)).unwrap();
    world.settle();
    assert_ne!(world.row(3, group).mailbox, before);
    assert!(matches!(world.act(1, |desk| desk.rename(&group, "No")).unwrap_err(), ConversationFault::NotAdministrator));
    let one = [world.member(0)];
    let refused = world.act(0, |desk| desk.set_administrators(&group, &one)).unwrap_err();
    assert!(matches!(refused, ConversationFault::TooFewAdministrators));
}

#[test]
fn a_group_that_grows_above_two_gets_a_second_administrator() {
    let mut world = World::new(3);
    let (people, address) = (world.contacts([1]), world.address.duplicate());
    let group = world.act(0, |desk| desk.create_group("Two", again(&people), None, &address)).unwrap();
    world.settle();
    assert_eq!(world.row(1, group).administrators, [world.member(0)]);
    assert_eq!(world.row(1, group).kind, Kind::Group);
    let people = world.contacts([2]);
    world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
    world.settle();
    assert_eq!(world.row(2, group).administrators.len(), 2);
}

#[test]
fn a_message_behind_somebody_elses_rename_is_sent_again_with_its_id() {
    let mut world = World::new(3);
    let group = world.group("Old");
    world.act(1, |desk| desk.rename(&group, "New")).unwrap();
    world.send_all(1);
    let id = world.say(2, group, "crossed");
    world.send_all(2);
    world.settle();
    assert_eq!(world.state(2, group, id), MessageState::Sent);
    assert_eq!(world.texts(0, group), ["crossed"]);
    assert_eq!(world.texts(1, group), ["crossed"]);
}

#[test]
fn a_message_behind_an_add_asks_first() {
    let mut world = World::new(3);
    let group = world.group("Who reads this");
    let member = world.alliance.admit(1, "Newcomer");
    let newcomer = world.enter(member);
    let people = world.contacts([newcomer]);
    world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
    world.send_all(0);
    let [kept, dropped]: [MessageId; 2] = ["for all", "not for the newcomer"].map(|text| world.say(2, group, text));
    world.send_all(2);
    world.settle();
    assert_eq!(world.state(2, group, kept), MessageState::Undecided);
    assert!(world.texts(newcomer, group).is_empty());
    world.act(2, |desk| desk.decide(&group, kept, Decision::Send)).unwrap();
    world.act(2, |desk| desk.decide(&group, dropped, Decision::Drop)).unwrap();
    world.settle();
    assert_eq!(world.state(2, group, kept), MessageState::Sent);
    assert_eq!(world.state(2, group, dropped), MessageState::NotSent);
    assert_eq!(world.texts(newcomer, group), ["for all"]);
    assert_eq!(world.texts(0, group), ["for all"]);
}

#[test]
fn people_whose_shelf_does_not_answer_do_not_keep_the_others_out() {
    let mut world = World::new(3);
    let (people, address) = (world.contacts([1, 2]), world.address.duplicate());
    let group = world.act(0, |desk| desk.create_group("Late", again(&people), None, &address)).unwrap();
    let at = world.people[0].outbox.iter().rposition(|(call, _)| matches!(call, Call::Take { .. })).unwrap();
    let unanswered = world.people[0].outbox.remove(at).unwrap();
    world.settle();
    assert_eq!(names(&mut world, 0, group).len(), 1);
    world.now = world.now.plus_seconds(30);
    world.act(0, |desk| desk.tick()).unwrap();
    world.settle();
    assert_eq!(names(&mut world, 1, group), ["Member 0", "Member 1"]);
    world.people[0].outbox.push_back(unanswered);
    world.settle();
    assert_eq!(names(&mut world, 2, group), ["Member 0", "Member 1", "Member 2"]);
}

#[test]
fn a_relay_that_only_the_newest_charter_names_is_told_from_one_that_none_does() {
    let mut world = World::new(3);
    let group = world.group("Moving");
    let (new, unknown) = (relay_address(7), relay_address(9));
    let newest = world.alliance.with_relay(&new);
    world.people[0].me.charters.push(newest);
    let refused = world.act(0, |desk| desk.move_to(&group, &new)).unwrap_err();
    assert!(matches!(refused, ConversationFault::RelayNotPinned), "{refused:?}");
    let refused = world.act(0, |desk| desk.move_to(&group, &unknown)).unwrap_err();
    assert!(matches!(refused, ConversationFault::NoSuchRelay), "{refused:?}");
    world.act(0, |desk| desk.charter_adopted()).unwrap();
    world.settle();
    // The commit that pins it goes out when the charter has come back.
    world.act(0, |desk| desk.tick()).unwrap();
    world.settle();
    world.act(0, |desk| desk.move_to(&group, &new)).unwrap();
}
