use crate::conversation::Standing;
use crate::conversation::world::World;

#[test]
fn of_three_commits_the_first_in_the_log_wins_and_the_others_are_made_again() {
    let mut world = World::new(3);
    let group = world.group("Race");
    let three = [0, 1, 2].map(|person| world.member(person));
    world.act(0, |desk| desk.set_administrators(&group, &three)).unwrap();
    world.settle();
    let epoch = world.row(0, group).epoch;
    for (person, name) in [(2, "by 2"), (0, "by 0"), (1, "by 1")] {
        world.act(person, |desk| desk.rename(&group, name)).unwrap();
        world.say(person, group, &format!("and a word of {person}"));
    }
    // In the log: 1, then 2, then 0; nobody has read anything yet.
    for person in [1, 2, 0] {
        world.send_all(person);
    }
    world.settle();
    // Who lost twice waits a little before the third attempt.
    world.now = world.now.plus_seconds(10);
    for person in 0..3 {
        world.act(person, |desk| desk.tick()).unwrap();
    }
    world.settle();
    let rows: Vec<_> = (0..3).map(|person| world.row(person, group)).collect();
    assert!(rows.iter().all(|row| row.epoch == rows[0].epoch && row.name == rows[0].name), "all agree");
    assert_eq!(rows[0].epoch, epoch + 3, "each of the three was committed once");
    assert_ne!(rows[0].name, "by 1", "the first winner was renamed by the later ones");
    let mut texts = world.texts(0, group);
    assert_eq!(texts.len(), 3, "no word is lost or doubled");
    texts.sort();
    for person in 1..3 {
        let mut theirs = world.texts(person, group);
        theirs.sort();
        assert_eq!(theirs, texts);
    }
}

#[test]
fn two_removals_of_one_person_move_the_group_once() {
    let mut world = World::new(4);
    let group = world.group("Both act");
    let mole = world.member(3);
    for person in [0, 1] {
        world.act(person, |desk| desk.remove(&group, &[mole])).unwrap();
        // Both new mailboxes are opened and both commits are in the log before anybody reads.
        world.send_all(person);
    }
    assert_eq!(world.relay.logs.len(), 3);
    world.settle();
    assert_eq!(world.relay.logs.len(), 2, "the loser closes its unused mailbox");
    assert_eq!(world.row(3, group).standing, Standing::Left);
    assert_eq!(world.row(0, group).mailbox, world.row(1, group).mailbox);
    world.say(1, group, "together");
    world.settle();
    assert_eq!(world.texts(0, group), ["together"]);
    assert_eq!(world.texts(2, group), ["together"]);
}

#[test]
fn a_device_behind_by_several_moves_follows_the_log_from_mailbox_to_mailbox() {
    let mut world = World::new(6);
    let group = world.group("Moving on");
    for gone in [5, 4, 3] {
        let member = world.member(gone);
        world.act(0, |desk| desk.remove(&group, &[member])).unwrap();
        world.say(0, group, &format!("without {gone}"));
        for _ in 0..50 {
            world.send_all(0);
            world.read_all(0);
        }
    }
    assert_eq!(world.relay.logs.len(), 4);
    assert!(world.texts(2, group).is_empty(), "2 has been away all the time");
    world.settle();
    assert_eq!(world.texts(2, group), ["without 5", "without 4", "without 3"]);
    assert_eq!(world.row(2, group).mailbox, world.row(0, group).mailbox);
    world.say(2, group, "back");
    world.settle();
    assert_eq!(world.texts(1, group).last().unwrap(), "back");
}
