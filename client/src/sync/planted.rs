//! The planted bug "cursor-early": what came is counted as done in one transaction, and done in the next.

use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{Answer, Refusal};

use super::{Followed, Logic, LogicFault, Notice, ReceivedEntry, Then};
use crate::vault::Transaction;

/// Notes what the rules should have been given.
#[derive(Default)]
pub(super) struct Later(Vec<Given>);

enum Given {
    Received(Followed, ReceivedEntry),
    Noticed(Followed, Notice),
    Answered(Then, Result<Answer, Refusal>),
}

impl Later {
    /// Gives it to them.
    pub(super) fn give(self, tx: &Transaction<'_>, logic: &mut dyn Logic, now: Timestamp) -> Result<(), LogicFault> {
        for given in self.0 {
            match given {
                Given::Received(from, entry) => logic.received(tx, &from, &entry, now)?,
                Given::Noticed(from, what) => logic.noticed(tx, &from, &what, now)?,
                Given::Answered(then, outcome) => logic.answered(tx, &then, outcome.as_ref().map_err(|no| *no), now)?,
            }
        }
        Ok(())
    }
}

impl Logic for Later {
    fn received(
        &mut self,
        _: &Transaction<'_>,
        from: &Followed,
        entry: &ReceivedEntry,
        _: Timestamp,
    ) -> Result<(), LogicFault> {
        self.0.push(Given::Received(from.clone(), entry.clone()));
        Ok(())
    }

    fn noticed(&mut self, _: &Transaction<'_>, from: &Followed, what: &Notice, _: Timestamp) -> Result<(), LogicFault> {
        self.0.push(Given::Noticed(from.clone(), what.clone()));
        Ok(())
    }

    fn answered(
        &mut self,
        _: &Transaction<'_>,
        then: &Then,
        outcome: Result<&Answer, Refusal>,
        _: Timestamp,
    ) -> Result<(), LogicFault> {
        self.0.push(Given::Answered(then.clone(), outcome.cloned()));
        Ok(())
    }
}
