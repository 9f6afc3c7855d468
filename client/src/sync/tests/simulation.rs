//! Random faults, seeded: nothing is lost, nothing is given twice, everything is in order.

use std::time::Duration;

use super::super::*;
use super::world::{World, entry, mailbox, read_back};
use crate::link::LinkFault;

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Whether the relay refuses for a while now and then. An append that is put off may be overtaken by its neighbours
/// in flight, so that order is then promised for none.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Willing,
    Busy,
}

fn simulate(seed: u64, mood: Mood) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World::new();
    for number in 1..=3 {
        world.relay.open(mailbox(number));
        world.follow(number);
    }
    let mut sent: [Vec<u32>; 4] = Default::default();
    let mut foreign = 0;
    for _ in 0..400 {
        match dice.below(16) {
            0 | 1 => {
                let to = 1 + dice.below(3) as u8;
                let number = world.enqueue_append(to);
                sent[usize::from(to)].push(number);
            }
            2 => {
                foreign += 1;
                let _appended = world.relay.append(mailbox(1 + dice.below(3) as u8), entry(2, foreign));
            }
            3 if dice.below(4) == 0 => world.cut(LinkFault::Lost),
            4 if dice.below(6) == 0 => world.restart(),
            5 if dice.below(3) == 0 => world.refuse(LinkFault::Unreachable),
            6 => {
                world.elapsed += Duration::from_millis(dice.below(3000));
                world.step(Input::Tick);
            }
            7 if mood == Mood::Busy => world.relay.refusals.push(Refusal::Busy),
            8 => world.accept(),
            9..=12 => drop(world.execute()),
            _ => {
                // Some answers, in any order.
                let mut answers = Vec::new();
                for _ in 0..=dice.below(4) {
                    if !world.answers.is_empty() {
                        let any = dice.below(world.answers.len() as u64) as usize;
                        answers.push(world.answers.swap_remove(any));
                    }
                }
                world.deliver(answers);
            }
        }
    }
    world.relay.refusals.clear();
    world.settle();

    let mut done: Vec<i64> =
        world.heard().into_iter().filter(|(what, _)| what == "done").map(|(_, number)| number).collect();
    done.sort_unstable();
    let all: Vec<i64> = (1..=i64::from(world.numbers)).collect();
    assert_eq!(done, all, "each dispatch is answered once (seed {seed})");
    for number in 1..=3 {
        let log: Vec<_> =
            world.relay.mailboxes[&mailbox(number)].entries.iter().map(|entry| read_back(entry.bytes())).collect();
        let mut once = Vec::new();
        for item in log {
            if !once.contains(&item) {
                once.push(item);
            }
        }
        assert_eq!(world.entries(number), once, "each entry is given once and in order (seed {seed})");
        let mut ours: Vec<u32> = once.iter().filter(|(writer, _)| *writer == 1).map(|(_, number)| *number).collect();
        if mood == Mood::Busy {
            ours.sort_unstable();
        }
        assert_eq!(ours, sent[usize::from(number)], "nothing is lost, and the order holds (seed {seed})");
    }
    let alarms: Vec<_> = world.notices().into_iter().filter(|notice| !notice.starts_with("repeated")).collect();
    assert_eq!(alarms, [""; 0], "an honest relay raises no alarm (seed {seed})");
}

#[test]
fn nothing_is_lost_or_repeated_over_cuts_lost_answers_and_restarts() {
    for seed in 1..=25 {
        simulate(seed, Mood::Willing);
    }
}

#[test]
fn nothing_is_lost_or_repeated_when_the_relay_is_busy_besides() {
    for seed in 101..=125 {
        simulate(seed, Mood::Busy);
    }
}
