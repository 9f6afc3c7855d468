//! What people, machines and the weather do: the operations of a simulation. Each is one line of text, so that a list of
//! them is a file, and each makes sense in every world: what it names is taken modulo what there is.

use std::fmt;
use std::str::FromStr;

use super::dice::Dice;

/// One operation. Clients, relays and groups are numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Op {
    /// What.
    pub kind: Kind,
    /// Its numbers; what is missing is 0.
    pub numbers: Vec<u64>,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident $word:literal $weight:literal $numbers:literal,)*) => {
        /// The kinds of operations.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind { $($(#[doc = $doc])* $name,)* }

        /// Every kind: its word, how often it is drawn, how many numbers it has.
        const KINDS: &[(Kind, &str, u64, usize)] = &[$((Kind::$name, $word, $weight, $numbers),)*];
    };
}

kinds! {
    /// Somebody says something in a group: who, group.
    Send "send" 40 2,
    /// Somebody says something to a contact: who, whom.
    Tell "tell" 14 2,
    /// Somebody looks at what is new: who.
    Read "read" 10 1,
    /// Somebody posts a document in a group: who, group, size.
    Document "document" 12 3,
    /// Somebody fetches a document that is offered: who, document.
    Fetch "fetch" 10 2,
    /// Somebody starts a group: who, whom first, how many.
    Create "create" 6 3,
    /// An administrator adds a contact: who, group, whom.
    Add "add" 8 3,
    /// An administrator removes a member: who, group, whom.
    Remove "remove" 5 3,
    /// Somebody leaves: who, group.
    Leave "leave" 3 2,
    /// An administrator renames: who, group.
    Rename "rename" 3 2,
    /// Somebody moves a conversation to another relay: who, conversation, relay.
    Move "move" 6 3,
    /// An administrator founds a conversation anew, perhaps without somebody: who, conversation, whom not.
    Refound "refound" 4 3,
    /// A coordinator sends an alert: who, group.
    Alert "alert" 5 2,
    /// Somebody answers an alert: who.
    Answer "acknowledge" 6 1,
    /// Time passes: milliseconds.
    Pass "pass" 40 1,
    /// Everybody sleeps: seconds.
    Sleep "sleep" 5 1,
    /// Somebody closes the laptop: who, seconds.
    Offline "offline" 6 2,
    /// A client crashes after so many more effects: who, effects.
    Crash "crash" 8 2,
    /// The power of a client goes after so many more transactions: who, transactions.
    Power "power cut" 6 2,
    /// A client crashes at once and is back: who.
    Restart "restart" 4 1,
    /// A relay dies at its so-manieth store call from now, or from when a document next comes or goes: relay, calls, 0 or not.
    Stop "stop relay" 6 3,
    /// A session breaks: who, relay.
    Cut "cut" 8 2,
    /// Somebody cannot reach a relay for a while: who, relay, seconds.
    Part "part" 6 3,
    /// The line gets better or worse: longest delay in milliseconds, one cut in so many frames.
    Weather "weather" 6 2,
    /// A disk is full: relay.
    Fill "fill disk" 2 1,
    /// There is room again: relay.
    Free "free disk" 4 1,
    /// A clock is set: who, seconds ahead of 600.
    Skew "skew" 3 2,
    /// A relay removes what has expired: relay.
    Sweep "expire" 3 1,
    /// Somebody keeps a copy of the vault: who.
    Keep "keep vault" 2 1,
    /// Somebody puts the copy back: who.
    RollVault "roll vault" 2 1,
    /// An operator keeps a copy of the disk: relay.
    KeepRelay "keep relay" 2 1,
    /// An operator puts the copy back, and nobody is told: relay.
    RollRelay "roll relay" 1 1,
    /// An operator restores a backup that was made when the copy was kept: relay.
    RestoreRelay "restore relay" 2 1,
}

/// What a run may do beside what people do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Faults {
    /// Nothing: everybody is there and the line is good.
    None,
    /// Everything that loses nothing for good.
    Passing,
    /// Also what takes something back: vaults and relays go back to older copies, clocks and weeks that let entries expire.
    All,
}

impl Op {
    /// An operation of a kind.
    #[must_use]
    pub fn new(kind: Kind, numbers: &[u64]) -> Self {
        Self { kind, numbers: numbers.to_vec() }
    }

    /// Draws one.
    pub fn draw(dice: &mut Dice, faults: Faults) -> Self {
        let all: u64 = KINDS.iter().filter(|row| row.0.is_drawn(faults)).map(|row| row.2).sum();
        let mut at = dice.below(all);
        for (kind, _, weight, numbers) in KINDS.iter().filter(|row| row.0.is_drawn(faults)) {
            if at < *weight {
                let numbers = (0..*numbers).map(|place| kind.number(place, dice, faults)).collect();
                return Self { kind: *kind, numbers };
            }
            at -= weight;
        }
        Self::new(Kind::Pass, &[1_000])
    }

    /// One of its numbers.
    #[must_use]
    pub fn number(&self, place: usize) -> u64 {
        self.numbers.get(place).copied().unwrap_or(0)
    }

    /// One of its numbers as a place among `length`.
    #[must_use]
    pub fn place(&self, at: usize, length: usize) -> usize {
        let length = u64::try_from(length).unwrap_or(1).max(1);
        usize::try_from(self.number(at) % length).unwrap_or(0)
    }
}

impl Kind {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    fn is_drawn(self, faults: Faults) -> bool {
        match self {
            Self::Send
            | Self::Tell
            | Self::Read
            | Self::Document
            | Self::Fetch
            | Self::Create
            | Self::Add
            | Self::Remove
            | Self::Leave
            | Self::Rename
            | Self::Move
            | Self::Refound
            | Self::Alert
            | Self::Answer
            | Self::Pass => true,
            Self::Offline
            | Self::Crash
            | Self::Power
            | Self::Restart
            | Self::Stop
            | Self::Cut
            | Self::Part
            | Self::Weather
            | Self::Fill
            | Self::Free
            | Self::Skew
            | Self::Sweep
            | Self::Sleep => faults != Faults::None,
            Self::Keep | Self::RollVault | Self::KeepRelay | Self::RollRelay | Self::RestoreRelay => {
                faults == Faults::All
            }
        }
    }

    fn number(self, place: usize, dice: &mut Dice, faults: Faults) -> u64 {
        const DAY: u64 = 86_400;
        match (self, place) {
            (Self::Pass, _) => match dice.below(20) {
                0..12 => dice.below(2_000),
                12..17 => dice.below(30_000),
                17..19 => dice.below(600_000),
                _ => dice.below(4 * 3_600_000),
            },
            (Self::Sleep, _) | (Self::Offline, 1) => match (dice.below(10), faults) {
                (0..6, _) => dice.below(3_600),
                (6..9, _) => dice.below(2 * DAY),
                // Longer than entries are kept, now and then.
                (_, Faults::All) => dice.below(40 * DAY),
                (_, Faults::None | Faults::Passing) => dice.below(5 * DAY),
            },
            (Self::Crash | Self::Power, 1) => dice.below(12),
            (Self::Stop, 1) => dice.below(60),
            (Self::Stop, 2) => dice.below(2),
            (Self::Part, 2) => dice.below(900),
            (Self::Weather, 0) => [20, 20, 200, 1_200].get(dice.place(4)).copied().unwrap_or(20),
            (Self::Weather, _) => [0, 0, 150, 40].get(dice.place(4)).copied().unwrap_or(0),
            (Self::Skew, 1) => dice.below(1_200),
            _ => dice.below(5),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        self.numbers.iter().try_for_each(|number| write!(f, " {number}"))
    }
}

impl FromStr for Op {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let words = line.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ').trim();
        let kind = KINDS.iter().find(|row| row.1 == words);
        let (kind, ..) = kind.ok_or_else(|| anyhow::anyhow!("no operation is called {words:?}"))?;
        let rest = line.trim().strip_prefix(words).unwrap_or_default();
        let numbers: Result<Vec<u64>, _> = rest.split_whitespace().map(str::parse).collect();
        Ok(Self { kind: *kind, numbers: numbers? })
    }
}

/// A list of operations from its lines; empty lines and those that begin with # say nothing.
///
/// # Errors
/// A line is no operation.
pub fn read(text: &str) -> anyhow::Result<Vec<Op>> {
    text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(str::parse).collect()
}

/// Every kind of operation, by its word.
pub fn words() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|row| row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_read_back_from_its_line() {
        let mut dice = Dice::new(1);
        for _ in 0..500 {
            let op = Op::draw(&mut dice, Faults::All);
            assert_eq!(op.to_string().parse::<Op>().unwrap(), op);
        }
        assert_eq!(read("# a comment\n\nsend 1 2\n").unwrap(), [Op::new(Kind::Send, &[1, 2])]);
        assert!("dance 1".parse::<Op>().is_err());
    }
}
