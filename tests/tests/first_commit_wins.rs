//! "The first valid commit of an epoch in the log wins" (DESIGN 2, 7) as a model, every state of it: two administrators
//! who commit against each other over a relay that may lose answers, and a reader. Anybody may crash between any two steps
//! and keeps what one transaction wrote; requests are sent again, the same bytes, until their echo is seen.

#![expect(clippy::indexing_slicing, reason = "members are numbered")]

use std::collections::{HashSet, VecDeque};

const ADMINISTRATORS: usize = 2;
/// Commits that each administrator makes. One more has 40 times the states and no new kind of step.
const COMMITS: [u8; ADMINISTRATORS] = [2, 1];

/// A commit: whose, its number, the epoch that it was made in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Commit {
    author: usize,
    number: u8,
    epoch: usize,
}

/// What a member's vault holds: written whole, in one transaction, or not at all.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Member {
    /// Entries of the log that are done with.
    cursor: usize,
    /// Winners so far; their number is the epoch.
    winners: Vec<Commit>,
    /// The own commit in flight: applied when it is seen, never cleared before it won or lost.
    pending: Option<Commit>,
    made: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct World {
    log: Vec<Commit>,
    /// Administrators, then the reader.
    members: [Member; ADMINISTRATORS + 1],
    /// Whether a sender, since its last crash, has had an answer to its pending commit. Lost in a crash.
    answered: [bool; ADMINISTRATORS],
}

impl World {
    /// Every world that one step leads to.
    fn next(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        for (author, most) in COMMITS.into_iter().enumerate() {
            let member = &self.members[author];
            if member.pending.is_none() && member.made < most {
                worlds.push(self.with(|world| {
                    let member = &mut world.members[author];
                    let epoch = member.winners.len();
                    member.pending = Some(Commit { author, number: member.made, epoch });
                    member.made += 1;
                    world.answered[author] = false;
                }));
            }
            let unanswered = member.pending.filter(|_| !self.answered[author]);
            // Twice in the log is enough to try what being sent again does.
            if let Some(commit) = unanswered.filter(|one| self.log.iter().filter(|other| *other == one).count() < 2) {
                // Stored and answered; stored and the answer lost, so that it is sent again.
                worlds.push(self.with(|world| {
                    world.log.push(commit);
                    world.answered[author] = true;
                }));
                worlds.push(self.with(|world| world.log.push(commit)));
            }
            if self.answered[author] {
                worlds.push(self.with(|world| world.answered[author] = false));
            }
        }
        for who in 0..self.members.len() {
            if self.members[who].cursor < self.log.len() {
                worlds.push(self.with(|world| world.read(who)));
            }
        }
        worlds
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut world = self.clone();
        change(&mut world);
        world
    }

    /// One entry, in one transaction: cursor, epoch and pending commit together.
    fn read(&mut self, who: usize) {
        let member = &mut self.members[who];
        let commit = self.log[member.cursor];
        member.cursor += 1;
        if commit.epoch != member.winners.len() {
            return;
        }
        member.winners.push(commit);
        // Its own echo, or somebody else's who was first: either way nothing of this epoch can win any more.
        member.pending = None;
    }

    fn check(&self) {
        // What the log says, whoever reads it.
        let mut winners: Vec<Commit> = Vec::new();
        for commit in &self.log {
            if commit.epoch == winners.len() {
                winners.push(*commit);
            }
        }
        let distinct: HashSet<&Commit> = winners.iter().collect();
        assert_eq!(distinct.len(), winners.len(), "a commit wins once, however often it was sent: {self:?}");
        for member in &self.members {
            assert!(winners.starts_with(&member.winners), "two members disagree: {self:?}");
            if let Some(pending) = member.pending {
                assert_eq!(pending.epoch, member.winners.len(), "a loser is still waited for: {self:?}");
            }
        }
    }

    /// Nobody has anything left to do: all agree, and every commit won or lost.
    fn check_end(&self) {
        let [first, others @ ..] = &self.members;
        assert!(others.iter().all(|member| member.winners == first.winners), "{self:?}");
        assert!(self.members.iter().all(|member| member.pending.is_none()), "a commit waits for ever: {self:?}");
        assert!(!first.winners.is_empty(), "somebody wins");
    }
}

#[test]
fn every_history_of_commits_crashes_and_retries_ends_in_agreement() {
    let mut seen = HashSet::from([World::default()]);
    let mut waiting = VecDeque::from([World::default()]);
    let mut ends = 0;
    while let Some(world) = waiting.pop_front() {
        world.check();
        // A crash of the network alone changes nothing that a member keeps, so it is no way on.
        let next: Vec<World> = world.next();
        let goes_on = next.iter().any(|next| next.log.len() > world.log.len() || next.members != world.members);
        if !goes_on {
            ends += 1;
            world.check_end();
        }
        for next in next {
            if seen.insert(next.clone()) {
                waiting.push_back(next);
            }
        }
    }
    assert!(seen.len() > 1_000 && ends > 1, "{} states, {ends} ends", seen.len());
}
