//! A conversation in memory, and how it and its messages stand.

use openmls::group::MlsGroup;
use relevo_protocol::content::GroupId;
use relevo_protocol::trust::MemberKey;

use super::context::Context;
use super::validity::Seat;
use crate::vault::conversations::{ConversationRow, SeatRow};

/// A group with what the vault keeps beside it.
pub(crate) struct Room {
    pub(crate) id: GroupId,
    pub(crate) mls: MlsGroup,
    pub(crate) row: ConversationRow,
    pub(crate) context: Context,
    pub(crate) seats: Vec<SeatRow>,
}

impl Room {
    /// The tree as [`super::validity`] sees it.
    pub(crate) fn tree(&self) -> Vec<Seat> {
        self.seats.iter().map(SeatRow::seat).collect()
    }

    /// The seat on a leaf.
    pub(crate) fn seat(&self, leaf: u32) -> Option<&SeatRow> {
        self.seats.iter().find(|seat| seat.leaf == leaf)
    }

    /// The seat of a member.
    pub(crate) fn seat_of(&self, member: &MemberKey) -> Option<&SeatRow> {
        self.seats.iter().find(|seat| seat.member == *member)
    }
}

impl SeatRow {
    /// As [`super::validity`] sees it.
    pub(crate) fn seat(&self) -> Seat {
        Seat { index: self.leaf, member: self.member, committed_at: self.committed_at, policy: self.policy }
    }
}

/// How a conversation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// One can speak.
    Live,
    /// A commit could not be processed: nothing is sent or applied until an administrator adds us again.
    Halted,
    /// We left or were removed.
    Left,
    /// The log went on without us for longer than the relay keeps it: an administrator must add us again.
    Behind,
}

impl Standing {
    /// Whether we belong to it and cannot go on.
    pub(crate) fn is_stranded(self) -> bool {
        matches!(self, Self::Halted | Self::Behind)
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Live => 0,
            Self::Halted => 1,
            Self::Left => 2,
            Self::Behind => 3,
        }
    }

    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Live,
            1 => Self::Halted,
            2 => Self::Left,
            _ => Self::Behind,
        }
    }
}

/// How a message stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageState {
    /// Ours, not yet seen in the log.
    Waiting,
    /// Ours, and its echo was seen in its epoch: it is on disk at the relay, and valid.
    Sent,
    /// Ours, and somebody's device says that it has it.
    Delivered,
    /// Ours, and it will not be sent.
    NotSent,
    /// Ours, and somebody was added meanwhile: send it to them too?
    Undecided,
    /// Somebody else's, not acknowledged yet.
    Received,
    /// Somebody else's, acknowledged or not to be.
    Done,
}

impl MessageState {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Waiting => 0,
            Self::Sent => 1,
            Self::Delivered => 2,
            Self::NotSent => 3,
            Self::Undecided => 4,
            Self::Received => 5,
            Self::Done => 6,
        }
    }

    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Waiting,
            1 => Self::Sent,
            2 => Self::Delivered,
            3 => Self::NotSent,
            4 => Self::Undecided,
            5 => Self::Received,
            _ => Self::Done,
        }
    }
}

/// Who holds words that wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeper {
    /// The relay has not taken them, or does not give them back.
    Relay,
    /// This device, in a conversation in which one cannot speak.
    Device,
}

/// What a conversation has to tell that people must see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AlarmKind {
    /// The relay was restored from a backup: entries may be gone.
    Rollback,
    /// Entries expired before this device read them.
    Gap,
    /// The relay contradicts what it said before.
    ChainBroken,
    /// Somebody claims to have seen another log than we: a claim alone.
    Disagreement,
    /// The relay has signed another log than it gave us.
    Lie,
    /// A message of an epoch that we have not reached: a commit is missing.
    MissingCommit,
    /// A commit that could not be processed: the conversation is halted.
    Halted,
    /// The relay acknowledged our commit, and it is not there.
    LostCommit,
    /// Somebody is not in yet: their shelf has no key package that is theirs.
    NotAdded,
    /// Somebody else's device reports that it could not process a commit.
    Complaint,
    /// The relay does not open a mailbox for the conversation, or takes its commit no more.
    NotMoved,
    /// Something that we meant to change in the group breaks its rules or is too large.
    NotDone,
    /// The relay says that it holds more of the log, and does not give it.
    Withheld,
    /// The relay says that the log takes no more entries, though nobody has moved the conversation.
    Frozen,
    /// The relay says that the log is not there, or lets it be read no more.
    Closed,
    /// The relay's disk has damaged an entry: what lies behind it cannot be read.
    Damaged,
    /// Somebody was added, and the relay does not take what lets them in.
    NotWelcomed,
    /// There is something of ours that this device knows nothing of: its vault is an older copy of itself.
    OlderCopy,
    /// Somebody has founded the conversation anew: it goes on in this one.
    Refounded,
    /// Somebody writes in the conversation that this one continues, and is not in this one.
    LeftBehind,
    /// A kind of a later version of this program.
    Other,
}

impl AlarmKind {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Rollback => 0,
            Self::Gap => 1,
            Self::ChainBroken => 2,
            Self::Disagreement => 3,
            Self::Lie => 4,
            Self::MissingCommit => 5,
            Self::Halted => 6,
            Self::LostCommit => 7,
            Self::NotAdded => 8,
            Self::Complaint => 9,
            Self::NotMoved => 10,
            Self::NotDone => 11,
            Self::Withheld => 12,
            Self::Frozen => 13,
            Self::Closed => 14,
            Self::Damaged => 15,
            Self::NotWelcomed => 16,
            Self::OlderCopy => 17,
            Self::Refounded => 18,
            Self::LeftBehind => 19,
            Self::Other => u8::MAX,
        }
    }

    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Rollback,
            1 => Self::Gap,
            2 => Self::ChainBroken,
            3 => Self::Disagreement,
            4 => Self::Lie,
            5 => Self::MissingCommit,
            6 => Self::Halted,
            7 => Self::LostCommit,
            8 => Self::NotAdded,
            9 => Self::Complaint,
            10 => Self::NotMoved,
            11 => Self::NotDone,
            12 => Self::Withheld,
            13 => Self::Frozen,
            14 => Self::Closed,
            15 => Self::Damaged,
            16 => Self::NotWelcomed,
            17 => Self::OlderCopy,
            18 => Self::Refounded,
            19 => Self::LeftBehind,
            _ => Self::Other,
        }
    }
}
