use crate::conversation::Standing;
use crate::conversation::world::{World, again};

/// A whole life of a group; after each step of anybody, the step was once rolled back before it was done.
#[test]
fn a_crash_before_the_end_of_any_transaction_loses_and_doubles_nothing() {
    let mut world = World::new(4);
    world.flaky = true;
    let group = world.group("Flaky");
    for person in 0..4 {
        world.say(person, group, &format!("first of {person}"));
    }
    world.settle();
    let member = world.member(3);
    world.act(0, |desk| desk.remove(&group, &[member])).unwrap();
    world.say(1, group, "meanwhile");
    world.settle();
    world.act(1, |desk| desk.rename(&group, "Renamed")).unwrap();
    world.settle();
    let people = world.contacts([3]);
    world.act(1, |desk| desk.add(&group, again(&people))).unwrap();
    world.settle();
    world.say(3, group, "back");
    world.settle();
    let mut all = world.texts(0, group);
    for person in [1, 2] {
        let mut theirs = world.texts(person, group);
        theirs.sort();
        all.sort();
        assert_eq!(theirs, all);
    }
    assert_eq!(all.len(), 6);
    assert_eq!(world.row(3, group).standing, Standing::Live);
    assert_eq!(world.row(3, group).name, "Renamed");
}

/// The process dies and starts again between any two steps.
#[test]
fn a_restart_between_any_two_steps_goes_on_where_it_was() {
    let mut world = World::new(3);
    let (people, address) = (world.contacts([1, 2]), world.address.duplicate());
    let group = world.act(0, |desk| desk.create_group("Restarts", again(&people), None, &address)).unwrap();
    world.say(0, group, "hello");
    for round in 0..200 {
        let mut busy = false;
        for person in 0..3 {
            world.restart(person);
            busy |= if round % 2 == 0 { world.send_one(person) } else { world.read_one(person) };
            busy |= world.open_parcels(person);
        }
        if round == 12 {
            world.say(1, group, "one");
            world.say(2, group, "two");
        }
        if round > 20 && !busy && world.people.iter().all(|person| person.outbox.is_empty()) {
            break;
        }
    }
    world.settle();
    for person in 0..3 {
        let mut texts = world.texts(person, group);
        texts.sort();
        assert_eq!(texts, ["hello", "one", "two"], "person {person}");
    }
}
