use ed25519_dalek::SigningKey;
use relevo_protocol::content::{CarriedCheckpoint, GroupId, ParcelBody, Welcome, decode, encode_secret};
use relevo_protocol::wire::{
    Answer, Call, Checkpoint, Cursor, Head, MailboxId, RelayIdentity, Sequence, SignedCheckpoint,
};

use crate::conversation::world::{World, again};
use crate::conversation::{Alarm, AlarmKind, Awaited, MessageState, alarms};
use crate::fixture::relay_address;
use crate::sync::Notice;
use crate::vault::{checkpoints, followed, relays};

/// The relay's identity key, which the tests hold.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[42; 32])
}

fn identity() -> RelayIdentity {
    RelayIdentity(key().verifying_key().to_bytes())
}

/// The world's relay is one that signs, which the charter does not name and everybody knows.
fn signs(world: &mut World) {
    world.address.fingerprint = identity().fingerprint();
    for person in 0..world.people.len() {
        knows_relay(world, person);
    }
}

fn knows_relay(world: &mut World, person: usize) {
    let address = world.address.duplicate();
    world
        .act(person, |desk| {
            crate::sync::remember_relay(desk.tx, &address)?;
            Ok(relays::proved(desk.tx, &address.fingerprint, &identity())?)
        })
        .unwrap();
}

/// What the relay signs of a place of its log.
fn signed(world: &World, mailbox: MailboxId, sequence: usize, head: Head) -> SignedCheckpoint {
    let checkpoint = Checkpoint {
        mailbox,
        incarnation: world.relay.logs[&mailbox].incarnation,
        sequence: Sequence(sequence.try_into().unwrap()),
        head,
        first_available: Sequence(1),
        restored_from: None,
    };
    SignedCheckpoint::sign(&checkpoint, &key())
}

/// What the log holds, and its head there.
fn end(world: &World, mailbox: MailboxId) -> (usize, Head) {
    let entries = &world.relay.logs[&mailbox].entries;
    (entries.len(), entries.last().unwrap().1)
}

/// The relay answers somebody who asked for its word before it had read anything.
fn answers(world: &mut World, person: usize, group: GroupId, mailbox: MailboxId, checkpoint: &SignedCheckpoint) {
    let read = Cursor { incarnation: None, after: Sequence::START };
    let answer = Answer::Checkpointed { checkpoint: checkpoint.clone() };
    world.act(person, |desk| desk.answered(&Awaited::Checkpoint { group, read, mailbox }, Ok(&answer))).unwrap();
}

fn alarms_of(world: &mut World, person: usize) -> Vec<Alarm> {
    world.people[person].vault.as_mut().unwrap().transaction(alarms).unwrap()
}

fn convictions(world: &mut World, person: usize) -> Vec<checkpoints::Conviction> {
    world.people[person].vault.as_mut().unwrap().transaction(checkpoints::convictions).unwrap()
}

/// A group of two into which a third is welcomed, with a welcome that its author has changed.
fn welcomed(change: impl Fn(&mut Welcome)) -> (World, GroupId, usize) {
    let mut world = World::new(2);
    signs(&mut world);
    let group = world.group("Table");
    let member = world.alliance.admit(1, "Newcomer");
    let newcomer = world.enter(member);
    knows_relay(&mut world, newcomer);
    let people = world.contacts([newcomer]);
    world.act(0, |desk| desk.add(&group, again(&people))).unwrap();
    while world.people[newcomer].parcels.is_empty() {
        assert!(world.send_one(0) || world.read_one(0), "the welcome goes out");
    }
    for (_, bytes) in &mut world.people[newcomer].parcels {
        let mut body: ParcelBody = decode(bytes).unwrap();
        if let ParcelBody::Welcome(welcome) = &mut body {
            change(welcome);
        }
        *bytes = encode_secret(&body).to_vec();
    }
    (world, group, newcomer)
}

#[test]
fn a_welcome_with_a_false_head_is_its_authors_word_and_convicts_no_relay() {
    let (mut world, group, newcomer) = welcomed(|welcome| welcome.head = Head([7; 32]));
    let mailbox = world.row(0, group).mailbox;
    let (place, head) = end(&world, mailbox);
    world.settle();
    let honest = signed(&world, mailbox, place, head);
    answers(&mut world, newcomer, group, mailbox, &honest);
    let said: Vec<_> = alarms_of(&mut world, newcomer).iter().map(|alarm| (alarm.kind, alarm.about)).collect();
    assert_eq!(said, [(AlarmKind::Disagreement, Some(world.member(0)))]);
    assert_eq!(convictions(&mut world, newcomer), []);
    // From there on it has the relay's own word, which holds.
    let (last, head) = end(&world, mailbox);
    assert!(last > place);
    let honest = signed(&world, mailbox, last, head);
    answers(&mut world, newcomer, group, mailbox, &honest);
    assert_eq!(world.alarms(newcomer), [AlarmKind::Disagreement]);
    let lie = signed(&world, mailbox, last, Head([9; 32]));
    answers(&mut world, newcomer, group, mailbox, &lie);
    assert_eq!(world.alarms(newcomer), [AlarmKind::Disagreement, AlarmKind::Lie]);
}

#[test]
fn two_members_who_are_shown_two_logs_find_out_when_one_hears_the_other() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    world.say(0, group, "seen by both");
    world.settle();
    let mailbox = world.row(0, group).mailbox;
    // The relay gives 1 another head for the same place.
    world.say(0, group, "the fork");
    world.send_all(0);
    world.read_all(0);
    let log = world.relay.logs.get_mut(&mailbox).unwrap();
    let honest = log.entries.last().unwrap().1;
    log.entries.last_mut().unwrap().1 = Head([7; 32]);
    world.read_all(1);
    world.relay.logs.get_mut(&mailbox).unwrap().entries.last_mut().unwrap().1 = honest;
    assert!(world.alarms(0).is_empty() && world.alarms(1).is_empty());
    world.say(1, group, "I saw something else");
    world.settle();
    assert_eq!(world.alarms(0), [AlarmKind::Disagreement]);
}

#[test]
fn an_honest_relay_raises_no_alarm_in_a_long_talk() {
    let mut world = World::new(3);
    let group = world.group("Long");
    for round in 0..12 {
        for person in 0..3 {
            world.say(person, group, &format!("{round} {person}"));
            if (round + person) % 3 == 0 {
                world.settle();
            }
        }
    }
    world.settle();
    for person in 0..3 {
        assert!(world.alarms(person).is_empty());
        assert_eq!(world.texts(person, group).len(), 36);
    }
}

#[test]
fn a_commit_that_the_relay_withholds_is_missed_at_the_next_message() {
    let mut world = World::new(3);
    let group = world.group("Withheld");
    let mailbox = world.row(0, group).mailbox;
    let before = world.relay.logs[&mailbox].entries.len();
    world.act(0, |desk| desk.rename(&group, "New")).unwrap();
    while world.send_one(0) || world.read_one(0) {}
    world.say(0, group, "in the new epoch");
    world.send_all(0);
    // For 2 alone the relay drops the commit.
    let dropped = world.relay.logs.get_mut(&mailbox).unwrap().entries.remove(before);
    world.read_all(2);
    assert_eq!(world.alarms(2), [AlarmKind::MissingCommit]);
    world.relay.logs.get_mut(&mailbox).unwrap().entries.insert(before, dropped);
}

#[test]
fn what_the_engine_notices_becomes_an_alarm_once() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    let mailbox = world.row(0, group).mailbox;
    for _ in 0..2 {
        let gap = Notice::Gap { from: Sequence(5), first_available: Sequence(9) };
        world.act(0, |desk| desk.noticed(&group, &mailbox, &gap)).unwrap();
        let broken = Notice::ChainBroken { sequence: Sequence(3) };
        world.act(0, |desk| desk.noticed(&group, &mailbox, &broken)).unwrap();
    }
    assert_eq!(world.alarms(0), [AlarmKind::Gap, AlarmKind::ChainBroken]);
}

#[test]
fn a_relay_that_signed_another_log_is_convicted_in_another_conversation() {
    let mut world = World::new(3);
    let key = SigningKey::from_bytes(&[42; 32]);
    let identity = RelayIdentity(key.verifying_key().to_bytes());
    // The group is on this relay, the pair on another; 0 and 1 are in both.
    world.address.fingerprint = identity.fingerprint();
    let lying = world.address.duplicate();
    for person in 1..3 {
        // One that the charter does not name, and that they know.
        world.act(person, |desk| Ok(crate::sync::remember_relay(desk.tx, &lying)?)).unwrap();
    }
    let group = world.group("Lied to");
    world.address.fingerprint = relay_address(2).fingerprint;
    let pair = world.pair(0, 1);
    world.say(0, group, "hello");
    world.settle();
    let mailbox = world.row(0, group).mailbox;
    let log = &world.relay.logs[&mailbox];
    let word = |head| {
        let checkpoint = Checkpoint {
            mailbox,
            incarnation: log.incarnation,
            sequence: Sequence(log.entries.len().try_into().unwrap()),
            head,
            first_available: Sequence(1),
            restored_from: None,
        };
        SignedCheckpoint::sign(&checkpoint, &key)
    };
    let (honest, lie) = (word(log.entries.last().unwrap().1), word(Head([9; 32])));
    for (signed, alarms) in [(honest, vec![]), (lie, vec![AlarmKind::Lie])] {
        world.act(1, |desk| Ok(checkpoints::put(desk.tx, &group, &identity, &signed)?)).unwrap();
        let id = world.say(1, pair, "by the way");
        world.settle();
        assert_eq!(world.state(1, pair, id), MessageState::Sent);
        assert_eq!(world.alarms(0), alarms);
    }
    world.act(1, |desk| desk.tick()).unwrap();
    let asked = world.people[1].outbox.iter().filter(|(call, _)| matches!(call, Call::Checkpoint { .. })).count();
    assert_eq!(asked, 2, "once a day for each conversation");
    world.people[1].outbox.clear();
    world.act(1, |desk| desk.tick()).unwrap();
    assert!(world.people[1].outbox.is_empty());
}

#[test]
fn a_welcome_to_a_place_that_is_not_there_makes_no_honest_checkpoint_too_old() {
    let (mut world, group, newcomer) = welcomed(|welcome| welcome.after = Sequence(50));
    world.settle();
    world.people[newcomer].outbox.clear();
    world.act(newcomer, |desk| desk.tick()).unwrap();
    let is_asked = |(call, _): &(Call, Awaited)| matches!(call, Call::Checkpoint { .. });
    let (_, then) = world.people[newcomer].outbox.iter().find(|asked| is_asked(asked)).unwrap();
    let then = then.clone();
    let mailbox = world.row(0, group).mailbox;
    let (last, head) = end(&world, mailbox);
    let answer = Answer::Checkpointed { checkpoint: signed(&world, mailbox, last, head) };
    world.act(newcomer, |desk| desk.answered(&then, Ok(&answer))).unwrap();
    assert_eq!(world.alarms(newcomer), []);
}

/// A group of two at the signing relay, whose founder others tell what the relay signed.
fn carried_to() -> (World, GroupId, MailboxId) {
    let mut world = World::new(2);
    signs(&mut world);
    let group = world.group("Table");
    let mailbox = world.row(0, group).mailbox;
    (world, group, mailbox)
}

/// Somebody carries a word in from elsewhere.
fn carry(world: &mut World, person: usize, checkpoint: &SignedCheckpoint) {
    let carried = CarriedCheckpoint { relay: identity(), checkpoint: checkpoint.clone() };
    world.act(person, |desk| desk.hold_and_ask(&carried)).unwrap();
}

#[test]
fn a_word_about_a_place_ahead_convicts_when_the_place_is_read_and_the_relay_says_no_more() {
    let (mut world, group, mailbox) = carried_to();
    let (last, _) = end(&world, mailbox);
    let lie = signed(&world, mailbox, last + 1, Head([9; 32]));
    carry(&mut world, 0, &lie);
    assert_eq!(world.alarms(0), []);
    world.say(1, group, "comes where the lie was");
    // Read, without any answer of the relay's to a question of ours.
    world.send_all(1);
    world.read_all(0);
    assert_eq!(world.alarms(0), [AlarmKind::Lie]);
    assert_eq!(convictions(&mut world, 0).len(), 1);
}

#[test]
fn a_word_that_is_not_what_the_relay_answered_with_convicts_at_once() {
    let (mut world, group, mailbox) = carried_to();
    let (last, _) = end(&world, mailbox);
    let life = world.relay.logs[&mailbox].incarnation;
    let place = Sequence((last + 1).try_into().unwrap());
    // As the engine does when an append of ours is answered.
    world.act(0, |desk| Ok(crate::sync::hold_to(desk.tx, &mailbox, life, place, Head([1; 32]))?)).unwrap();
    let lie = signed(&world, mailbox, last + 1, Head([9; 32]));
    carry(&mut world, 0, &lie);
    assert_eq!(world.alarms(0), [AlarmKind::Lie]);
    assert!(convictions(&mut world, 0).iter().all(|proof| proof.conversation == group && proof.word == lie));
}

#[test]
fn two_words_about_one_place_convict_also_where_the_first_was_true() {
    let (mut world, _, mailbox) = carried_to();
    let (last, head) = end(&world, mailbox);
    let (honest, lie) = (signed(&world, mailbox, last, head), signed(&world, mailbox, last, Head([9; 32])));
    carry(&mut world, 0, &honest);
    assert_eq!(world.alarms(0), []);
    carry(&mut world, 0, &lie);
    assert_eq!(convictions(&mut world, 0)[0].against, Some(honest), "both are kept, for anybody to see");
}

/// Moves a group of the signing relay away from its log.
fn move_away(world: &mut World, group: GroupId) {
    // After lost entries somebody has to be heard first.
    world.say(1, group, "still here");
    world.settle();
    let relay = world.address.duplicate();
    world.act(0, |desk| desk.move_to(&group, &relay)).unwrap();
    world.settle();
}

#[test]
fn a_word_about_a_log_that_was_left_convicts_its_relay() {
    let (mut world, group, mailbox) = carried_to();
    let (last, head) = end(&world, mailbox);
    move_away(&mut world, group);
    assert_ne!(world.row(1, group).mailbox, mailbox);
    let honest = signed(&world, mailbox, last, head);
    carry(&mut world, 0, &honest);
    assert_eq!(world.alarms(0), []);
    let lie = signed(&world, mailbox, last - 1, Head([9; 32]));
    carry(&mut world, 0, &lie);
    assert_eq!(world.alarms(0), [AlarmKind::Lie]);
    assert_eq!(convictions(&mut world, 0).len(), 1);
}

#[test]
fn a_checkpoint_that_is_answered_after_the_move_convicts_too() {
    let (mut world, group, mailbox) = carried_to();
    let (last, _) = end(&world, mailbox);
    move_away(&mut world, group);
    let lie = signed(&world, mailbox, last, Head([9; 32]));
    answers(&mut world, 0, group, mailbox, &lie);
    assert_eq!(world.alarms(0), [AlarmKind::Lie]);
}

#[test]
fn what_was_read_and_signed_of_a_log_that_was_left_is_forgotten_in_the_end() {
    let (mut world, group, mailbox) = carried_to();
    let (last, head) = end(&world, mailbox);
    let honest = signed(&world, mailbox, last, head);
    carry(&mut world, 0, &honest);
    move_away(&mut world, group);
    let life = world.relay.logs[&mailbox].incarnation;
    let place = Sequence(last.try_into().unwrap());
    for (days, kept) in [(29, true), (181, false)] {
        let later = world.now.plus_seconds(days * 24 * 3600);
        let here = world.act(0, |desk| {
            followed::forget_expired(desk.tx, later)?;
            checkpoints::forget_expired(desk.tx, later)?;
            let read = crate::sync::head_at(desk.tx, &mailbox, life, place)?.is_some();
            Ok((read, checkpoints::signed_at(desk.tx, &mailbox, life, place)?.is_some()))
        });
        assert_eq!(here.unwrap(), (kept, kept), "after {days} days");
    }
}

fn notice(world: &mut World, group: GroupId, mailbox: MailboxId, what: &Notice) {
    world.act(0, |desk| desk.noticed(&group, &mailbox, what)).unwrap();
}

#[test]
fn what_was_said_of_one_log_hides_nothing_of_the_next() {
    let (mut world, group, first) = carried_to();
    let gap = Notice::Gap { from: Sequence(5), first_available: Sequence(9) };
    let broken = Notice::ChainBroken { sequence: Sequence(3) };
    let all = [Notice::Frozen, Notice::Closed, broken, gap, Notice::Frozen, Notice::Closed];
    for what in &all {
        notice(&mut world, group, first, what);
    }
    let of_one_log = [AlarmKind::Frozen, AlarmKind::Closed, AlarmKind::ChainBroken, AlarmKind::Gap];
    assert_eq!(world.alarms(0), of_one_log);
    move_away(&mut world, group);
    let second = world.row(0, group).mailbox;
    for what in &all {
        notice(&mut world, group, second, what);
    }
    assert_eq!(world.alarms(0)[of_one_log.len()..], of_one_log);
}

#[test]
fn a_gap_explains_what_is_missing_in_its_own_log_alone() {
    let (mut world, group, first) = carried_to();
    notice(&mut world, group, first, &Notice::Gap { from: Sequence(5), first_available: Sequence(9) });
    notice(&mut world, group, first, &Notice::Frozen);
    assert_eq!(world.alarms(0), [AlarmKind::Gap], "the move may have been in it");
    move_away(&mut world, group);
    let second = world.row(0, group).mailbox;
    notice(&mut world, group, second, &Notice::Frozen);
    assert_eq!(world.alarms(0), [AlarmKind::Gap, AlarmKind::Frozen]);
}

#[test]
fn each_disagreement_is_said_and_each_time_the_relay_is_asked() {
    let mut world = World::new(2);
    let group = world.pair(0, 1);
    let mailbox = world.row(0, group).mailbox;
    for number in 1..=2 {
        // What it says next needs no new keys.
        world.say(0, group, "seen by both");
        world.settle();
        world.act(0, |desk| desk.tick()).unwrap();
        asks(&mut world);
        // The relay gives 1 another head for the same place.
        world.say(0, group, "the fork");
        world.send_all(0);
        world.read_all(0);
        let honest = end(&world, mailbox).1;
        world.relay.logs.get_mut(&mailbox).unwrap().entries.last_mut().unwrap().1 = Head([7; 32]);
        world.read_all(1);
        world.relay.logs.get_mut(&mailbox).unwrap().entries.last_mut().unwrap().1 = honest;
        world.say(1, group, "I saw something else");
        world.settle();
        let said: Vec<_> = alarms_of(&mut world, 0).iter().map(|alarm| (alarm.kind, alarm.about)).collect();
        assert_eq!(said, vec![(AlarmKind::Disagreement, Some(world.member(1))); number]);
        world.act(0, |desk| desk.tick()).unwrap();
        assert_eq!(asks(&mut world), 1);
    }
}

/// How often the relay is asked for its word.
fn asks(world: &mut World) -> usize {
    let calls = std::mem::take(&mut world.people[0].outbox);
    calls.iter().filter(|(call, _)| matches!(call, Call::Checkpoint { .. })).count()
}

#[test]
fn an_accusation_that_was_said_before_has_the_relay_asked_again() {
    let (mut world, group, mailbox) = carried_to();
    for _ in 0..2 {
        world.act(0, |desk| desk.tick()).unwrap();
        asks(&mut world);
        notice(&mut world, group, mailbox, &Notice::ChainBroken { sequence: Sequence(3) });
        world.act(0, |desk| desk.tick()).unwrap();
        assert_eq!(asks(&mut world), 1);
    }
    assert_eq!(world.alarms(0), [AlarmKind::ChainBroken]);
}
