//! What a lie is: a change of what an honest relay would say. Plain data in and out, so that a simulator can tell the
//! same lies.

use relevo_protocol::wire::{Call, Event, MailboxId, Outcome};

use super::ledger::Log;

/// Whom a session belongs to, as far as a relay can tell: the devices that it has seen reading their own inbox, in the
/// order in which they came; everybody else is a visitor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// The owner of an inbox here.
    Member(usize),
    /// Somebody whose inbox lies elsewhere, or who has not read it yet.
    Visitor,
}

/// A lie. Each method gets what is true and gives what is said; none of them says what is true.
pub trait Lie: Send {
    /// Answers a call without anything being done about it.
    fn instead(&mut self, _who: Who, _call: &Call) -> Option<Outcome> {
        None
    }

    /// The log that somebody is shown. Sequences, heads and checkpoints are made to fit what is shown: this is the lie
    /// that holds together.
    fn log(&self, _who: Who, _mailbox: &MailboxId, log: Log) -> Log {
        log
    }

    /// Changes an answer.
    fn answer(&mut self, _who: Who, _call: &Call, outcome: Outcome) -> Outcome {
        outcome
    }

    /// Changes an event of a mailbox.
    fn event(&mut self, _who: Who, _mailbox: &MailboxId, event: Event) -> Vec<Event> {
        vec![event]
    }
}
