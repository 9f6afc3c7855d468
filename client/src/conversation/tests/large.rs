use std::time::Instant;

use relevo_protocol::limits::MAX_INBOX_SEALED;

use crate::conversation::world::{World, again};
use crate::conversation::{AlarmKind, Standing};

/// As many leaves as a group may have, with real cards: all but three belong to people whose devices are off and who
/// have not re-keyed, which is the worst case for the size of a removal and of a welcome.
#[test]
fn a_group_of_250_leaves_welcomes_and_removes() {
    let mut world = World::new(3);
    let mut people = world.contacts([1]);
    people.extend((0..247).map(|number| world.ghost(0, &format!("Ghost {number}"))));
    let address = world.address.duplicate();
    let started = Instant::now();
    let second = Some(people[0].0);
    let group = world.act(0, |desk| desk.create_group("Full", again(&people), second, &address)).unwrap();
    world.settle();
    let filled = started.elapsed();
    assert!(!world.alarms(0).contains(&AlarmKind::NotDone) && !world.alarms(0).contains(&AlarmKind::NotAdded));
    let last = world.contacts([2]);
    let started = Instant::now();
    world.act(0, |desk| desk.add(&group, again(&last))).unwrap();
    world.settle();
    let welcomed = started.elapsed();
    assert_eq!(world.row(2, group).standing, Standing::Live);
    assert!(world.largest_parcel <= MAX_INBOX_SEALED, "a welcome of {} bytes fits an inbox", world.largest_parcel);
    world.say(2, group, "the 250th");
    world.settle();
    assert_eq!(world.texts(1, group), ["the 250th"]);
    let one_more = world.ghost(0, "One too many");
    world.act(0, |desk| desk.add(&group, again(core::slice::from_ref(&one_more)))).unwrap_err();
    let gone = people[100].0;
    let started = Instant::now();
    world.act(0, |desk| desk.remove(&group, &[gone])).unwrap();
    world.settle();
    let removed = started.elapsed();
    assert!(world.relay.logs.len() >= 3, "large welcomes lie in logs of their own");
    let old = world.relay.logs.values().find(|log| log.frozen).unwrap();
    let largest = old.entries.iter().map(|(entry, _)| entry.size()).max().unwrap();
    println!(
        "filled {filled:?}, welcomed {welcomed:?} ({} bytes), removed {removed:?} (entry of {largest} bytes)",
        world.largest_parcel
    );
    for person in 0..3 {
        assert_eq!(world.row(person, group).standing, Standing::Live);
        assert_eq!(world.row(person, group).epoch, world.row(0, group).epoch);
    }
    world.say(1, group, "without");
    world.settle();
    assert_eq!(world.texts(2, group), ["the 250th", "without"]);
}
