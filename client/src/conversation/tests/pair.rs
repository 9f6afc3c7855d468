use crate::conversation::world::World;
use crate::conversation::{MessageState, Standing};

#[test]
fn two_people_talk_and_what_the_relay_holds_is_sealed() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    let hello = world.say(0, group, "Bonjour à tous");
    assert_eq!(world.state(0, group, hello), MessageState::Waiting);
    world.settle();
    assert_eq!(world.state(0, group, hello), MessageState::Sent);
    let answer = world.say(1, group, "Buenos días");
    world.settle();
    assert_eq!(world.state(1, group, answer), MessageState::Sent);
    let both = vec!["Bonjour à tous".to_owned(), "Buenos días".to_owned()];
    assert_eq!(world.texts(0, group), both);
    assert_eq!(world.texts(1, group), both);
    for log in world.relay.logs.values() {
        for (entry, _) in &log.entries {
            let bytes = entry.bytes();
            assert!(!bytes.windows(7).any(|window| window == b"Bonjour" || window == b"Buenos "));
        }
    }
    assert!(world.alarms(0).is_empty() && world.alarms(1).is_empty());
    assert_eq!(world.row(0, group).standing, Standing::Live);
}
