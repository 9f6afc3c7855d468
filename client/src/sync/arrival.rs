//! A batch of answers and events: everything in one transaction with what the rules make of it. What changes in memory
//! changes after the commit. If a rule fails, the batch is rolled back and taken one by one, so that only what the
//! rule could not take waits.

use std::collections::BTreeSet;

use relevo_protocol::wire::{
    Answer, Call, Cursor, Event, Fingerprint, MailboxId, Outcome, Refusal, Resumed, Sequence, SubscriptionId,
};

use super::backoff::Jitter;
use super::engine::{Attempt, Effect, Engine, Now};
use super::peer::{Asked, Open, Peer, Stage};
use super::reader::Pause;
use super::reading::{Read, Reading, Resumption};
use super::{DispatchId, Logic, LogicFault};
use crate::caught::caught;
use crate::link::{Incoming, LinkFault, Ticket};
use crate::vault::outbox::DispatchKind;
use crate::vault::{Transaction, Vault, VaultFault, outbox, relays};

/// What a committed arrival changes in memory.
#[derive(Debug)]
enum Change {
    /// A request is answered for good.
    Finished(Ticket),
    /// A dispatch is put off.
    PutOff(Ticket, Refusal),
    /// The relay holds an entry here.
    Promised(MailboxId, Sequence),
    Live {
        mailbox: MailboxId,
        id: SubscriptionId,
        from: Cursor,
        last: Sequence,
    },
    Took {
        mailbox: MailboxId,
        upto: Sequence,
    },
    Skipped {
        mailbox: MailboxId,
        upto: Sequence,
    },
    Paused {
        mailbox: MailboxId,
        id: SubscriptionId,
        why: Pause,
    },
    Enrolled,
    Draining,
}

impl Engine {
    #[expect(clippy::too_many_arguments, reason = "one input of the engine, taken apart")]
    pub(super) fn arrived(
        &mut self,
        relay: &Fingerprint,
        attempt: Attempt,
        incoming: Vec<Incoming>,
        vault: &mut Vault,
        logic: &mut dyn Logic,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Self { peers, jitter, .. } = self;
        let Some(peer) = peers.get_mut(relay) else { return };
        let Some(open) = peer.open(attempt) else { return };
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::CursorEarly) {
            let mut later = super::planted::Later::default();
            let counted = vault.transaction(|tx| {
                let mut batch = Batch::new(*relay, open);
                for incoming in &incoming {
                    batch.take(tx, &mut later, incoming, now)?;
                }
                Ok::<_, LogicFault>(batch.changes)
            });
            let _lost = vault.transaction(|tx| later.give(tx, logic, now.wall));
            for change in counted.unwrap_or_default() {
                peer.apply(*relay, attempt, change, now, jitter, effects);
            }
            if let Some(Incoming::Over(why)) = incoming.last() {
                peer.disconnected(attempt, *why, now.elapsed, jitter);
            }
            return;
        }
        let whole = in_one(vault, |tx| {
            let mut batch = Batch::new(*relay, open);
            for incoming in &incoming {
                batch.take(tx, logic, incoming, now)?;
            }
            Ok(batch.changes)
        });
        let mut apply = |peer: &mut Peer, changes: Vec<Change>| {
            for change in changes {
                peer.apply(*relay, attempt, change, now, jitter, effects);
            }
        };
        if let Ok(changes) = whole {
            apply(peer, changes);
        } else {
            logic.rolled_back();
            for incoming in &incoming {
                let Some(open) = peer.open(attempt) else { return };
                let one = in_one(vault, |tx| {
                    let mut batch = Batch::new(*relay, open);
                    batch.take(tx, logic, incoming, now)?;
                    Ok(batch.changes)
                });
                let changes = one.unwrap_or_else(|fault| {
                    tracing::error!(%fault, "a rule could not take what came; it will be tried again");
                    logic.rolled_back();
                    stalled(open, incoming)
                });
                apply(peer, changes);
            }
        }
        if let Some(Incoming::Over(why)) = incoming.last() {
            peer.disconnected(attempt, *why, now.elapsed, jitter);
        }
    }
}

/// One transaction of rules. A panic in them is a fault like another: else one arrival would end the account, and again at
/// every start.
fn in_one(
    vault: &mut Vault,
    work: impl FnOnce(&Transaction<'_>) -> Result<Vec<Change>, LogicFault>,
) -> Result<Vec<Change>, LogicFault> {
    caught(|| vault.transaction(work)).unwrap_or(Err(LogicFault::Rule("panic")))
}

/// What an arrival that no rule could take leaves behind: its mailbox or its lane waits.
fn stalled(open: &Open, incoming: &Incoming) -> Vec<Change> {
    let pause = |id: &SubscriptionId| {
        open.subscribed.get(id).map(|mailbox| Change::Paused { mailbox: *mailbox, id: *id, why: Pause::Stalled })
    };
    match incoming {
        Incoming::Answered { ticket, outcome: _ } => match open.asked.get(ticket) {
            Some(Asked::Resume(ids)) => ids.iter().filter_map(pause).chain([Change::Finished(*ticket)]).collect(),
            Some(Asked::Dispatch { .. }) => vec![Change::PutOff(*ticket, Refusal::Failed)],
            Some(Asked::Enroll | Asked::Passing) | None => vec![Change::Finished(*ticket)],
        },
        Incoming::Event(
            Event::Entry { id, .. }
            | Event::Gap { id, .. }
            | Event::Closed { id }
            | Event::Frozen { id }
            | Event::Failed { id },
        ) => pause(id).into_iter().collect(),
        Incoming::Event(Event::Draining) | Incoming::Over(_) => Vec::new(),
    }
}

struct Batch<'a> {
    relay: Fingerprint,
    open: &'a Open,
    changes: Vec<Change>,
    /// Subscriptions that began within this batch.
    live: BTreeSet<SubscriptionId>,
    /// Subscriptions that ended within this batch.
    ended: BTreeSet<SubscriptionId>,
}

impl<'a> Batch<'a> {
    fn new(relay: Fingerprint, open: &'a Open) -> Self {
        Self { relay, open, changes: Vec::new(), live: BTreeSet::new(), ended: BTreeSet::new() }
    }

    fn take(
        &mut self,
        tx: &Transaction<'_>,
        logic: &mut dyn Logic,
        incoming: &Incoming,
        now: Now,
    ) -> Result<(), LogicFault> {
        let mut reading = Reading { tx, logic, now: now.wall };
        match incoming {
            Incoming::Answered { ticket, outcome } => self.answered(&mut reading, *ticket, outcome),
            Incoming::Event(event) => self.event(&mut reading, event),
            Incoming::Over(_) => Ok(()),
        }
    }

    fn answered(&mut self, reading: &mut Reading<'_, '_>, ticket: Ticket, outcome: &Outcome) -> Result<(), LogicFault> {
        match self.open.asked.get(&ticket) {
            Some(Asked::Dispatch { lane, id, kind, size: _ }) => {
                let outcome = match outcome {
                    // Neither done nor refused: asked again, and seen to wait.
                    Outcome::Done { answer } if !answers(reading.tx, *id, *kind, answer)? => {
                        self.changes.push(Change::PutOff(ticket, Refusal::Failed));
                        return Ok(());
                    }
                    Outcome::Refused { refusal } if passes(*refusal) => {
                        self.changes.push(Change::PutOff(ticket, *refusal));
                        return Ok(());
                    }
                    Outcome::Refused { refusal } => Err(*refusal),
                    Outcome::Done { answer } => Ok(answer),
                };
                let mut finished = outbox::finish(reading.tx, *id)?;
                if let (Some(mailbox), Ok(answer)) = (lane, outcome) {
                    let ours = finished.as_mut().and_then(|finished| finished.appended.take());
                    let promised = reading.stored(mailbox, answer, ours)?;
                    self.changes.extend(promised.map(|sequence| Change::Promised(*mailbox, sequence)));
                }
                if let Some(finished) = finished {
                    reading.logic.answered(reading.tx, &finished.then, outcome, reading.now)?;
                }
            }
            Some(Asked::Resume(ids)) => self.resumed(reading, ids, outcome)?,
            Some(Asked::Enroll) => {
                if matches!(outcome, Outcome::Done { .. }) {
                    relays::enrolled(reading.tx, &self.relay)?;
                    self.changes.push(Change::Enrolled);
                }
            }
            Some(Asked::Passing) | None => {}
        }
        self.changes.push(Change::Finished(ticket));
        Ok(())
    }

    fn resumed(
        &mut self,
        reading: &mut Reading<'_, '_>,
        ids: &[SubscriptionId],
        outcome: &Outcome,
    ) -> Result<(), LogicFault> {
        let mut left: BTreeSet<SubscriptionId> = ids.iter().copied().collect();
        let whole = match outcome {
            Outcome::Done { answer: Answer::Resumed { mailboxes } } => {
                for resumed in mailboxes {
                    let (Resumed::Following { id, .. }
                    | Resumed::OtherIncarnation { id, .. }
                    | Resumed::Refused { id, .. }) = resumed;
                    if left.remove(id) {
                        self.resumed_one(reading, *id, resumed)?;
                    }
                }
                // What the relay left out of its answer.
                Refusal::Failed
            }
            Outcome::Done { answer: _ } => Refusal::Failed,
            Outcome::Refused { refusal } => *refusal,
        };
        for id in left {
            self.pause(id, Pause::PutOff(whole));
        }
        Ok(())
    }

    fn resumed_one(
        &mut self,
        reading: &mut Reading<'_, '_>,
        id: SubscriptionId,
        resumed: &Resumed,
    ) -> Result<(), LogicFault> {
        let Some(mailbox) = self.mailbox(id) else { return Ok(()) };
        let resumption = match resumed {
            Resumed::Following { standing, id: _ } => reading.following(&mailbox, standing)?,
            Resumed::OtherIncarnation { standing, id: _ } => reading.other_incarnation(&mailbox, standing)?,
            Resumed::Refused { refusal, id: _ } if passes(*refusal) || *refusal == Refusal::TooManySubscriptions => {
                self.pause(id, Pause::PutOff(*refusal));
                return Ok(());
            }
            Resumed::Refused { refusal, id: _ } => {
                reading.refused(&mailbox, *refusal)?;
                self.pause(id, Pause::Hopeless);
                return Ok(());
            }
        };
        match resumption {
            Resumption::Live { from, last } => {
                self.live.insert(id);
                self.changes.push(Change::Live { mailbox, id, from, last });
            }
            Resumption::AskAgain => self.pause(id, Pause::AskAgain),
            Resumption::Unfollowed => {}
        }
        Ok(())
    }

    fn event(&mut self, reading: &mut Reading<'_, '_>, event: &Event) -> Result<(), LogicFault> {
        match event {
            Event::Entry { id, sequence, expires, entry } => {
                let Some(mailbox) = self.live(*id) else { return Ok(()) };
                match reading.entry(&mailbox, *sequence, *expires, entry)? {
                    Read::Upto(upto) => self.changes.push(Change::Took { mailbox, upto }),
                    Read::Known | Read::Unfollowed => {}
                    Read::Skipped => self.pause(*id, Pause::AskAgain),
                }
            }
            Event::Gap { id, first_available, head_before_first } => {
                let Some(mailbox) = self.live(*id) else { return Ok(()) };
                if let Read::Upto(after) = reading.gap(&mailbox, *first_available, *head_before_first)? {
                    self.changes.push(Change::Skipped { mailbox, upto: after });
                }
            }
            Event::Closed { id } => {
                let Some(mailbox) = self.live(*id) else { return Ok(()) };
                reading.closed(&mailbox)?;
                self.pause(*id, Pause::Hopeless);
            }
            Event::Frozen { id } => {
                let Some(mailbox) = self.live(*id) else { return Ok(()) };
                reading.frozen(&mailbox)?;
            }
            Event::Failed { id } => {
                let Some(mailbox) = self.live(*id) else { return Ok(()) };
                reading.damaged(&mailbox)?;
                self.pause(*id, Pause::Hopeless);
            }
            Event::Draining => self.changes.push(Change::Draining),
        }
        Ok(())
    }

    /// The mailbox of a subscription that has begun. A relay that pushes before it has answered the Resume breaks
    /// SPEC 7: what it pushed cannot be placed, so it is asked again.
    fn live(&mut self, id: SubscriptionId) -> Option<MailboxId> {
        if !self.open.live.contains(&id) && !self.live.contains(&id) {
            self.pause(id, Pause::AskAgain);
        }
        self.mailbox(id)
    }

    fn mailbox(&self, id: SubscriptionId) -> Option<MailboxId> {
        self.open.subscribed.get(&id).copied().filter(|_| !self.ended.contains(&id))
    }

    fn pause(&mut self, id: SubscriptionId, why: Pause) {
        let Some(mailbox) = self.mailbox(id) else { return };
        self.ended.insert(id);
        self.changes.push(Change::Paused { mailbox, id, why });
    }
}

impl Peer {
    fn apply(
        &mut self,
        relay: Fingerprint,
        attempt: Attempt,
        change: Change,
        now: Now,
        jitter: &mut Jitter,
        effects: &mut Vec<Effect>,
    ) {
        let Some(open) = self.open(attempt) else { return };
        match change {
            Change::Finished(ticket) => match open.asked.remove(&ticket) {
                Some(Asked::Dispatch { lane, id, size, kind: _ }) => {
                    open.bytes = open.bytes.saturating_sub(size);
                    if let Some(lane) = self.lanes.get_mut(&lane) {
                        lane.done(id);
                    }
                    self.proved_useful();
                }
                // Refused: the single-use admission is spent, or was never good.
                Some(Asked::Enroll) if open.stage == Stage::Enrolling => {
                    effects.push(Effect::Disconnect { relay, attempt });
                    self.disconnected(attempt, LinkFault::NotAdmitted, now.elapsed, jitter);
                }
                Some(Asked::Enroll | Asked::Resume(_) | Asked::Passing) | None => {}
            },
            Change::PutOff(ticket, why) => {
                let Some(Asked::Dispatch { lane, id, size, kind: _ }) = open.asked.remove(&ticket) else { return };
                open.bytes = open.bytes.saturating_sub(size);
                if let Some(lane) = self.lanes.get_mut(&lane) {
                    lane.put_off(id, why, now.elapsed, jitter);
                }
                self.proved_useful();
            }
            Change::Promised(mailbox, sequence) => {
                if let Some(reader) = self.readers.get_mut(&mailbox) {
                    reader.promised(sequence, now.elapsed);
                }
            }
            Change::Live { mailbox, id, from, last } => {
                open.live.insert(id);
                if let Some(reader) = self.readers.get_mut(&mailbox) {
                    reader.live(id, from, last, now.elapsed);
                }
                self.proved_useful();
            }
            Change::Took { mailbox, upto } => {
                let credit = self.readers.get_mut(&mailbox).and_then(|reader| reader.took(upto, now.elapsed));
                if let (Some((id, more)), Some(open)) = (credit, self.open(attempt)) {
                    let call = Call::Credit { id, more };
                    effects.push(open.ask(relay, Asked::Passing, call));
                }
            }
            Change::Skipped { mailbox, upto } => {
                if let Some(reader) = self.readers.get_mut(&mailbox) {
                    reader.skipped(upto);
                }
            }
            Change::Paused { mailbox, id, why } => {
                open.end(id);
                let call = Call::Unsubscribe { id };
                effects.push(open.ask(relay, Asked::Passing, call));
                if let Some(reader) = self.readers.get_mut(&mailbox) {
                    reader.pause(why, now.elapsed, jitter);
                }
            }
            Change::Enrolled => open.stage = Stage::Running,
            Change::Draining => open.stage = Stage::Draining,
        }
    }
}

/// Whether an answer is one to this request. Appends, which are many and large, are not read again for it.
fn answers(tx: &Transaction<'_>, id: DispatchId, kind: DispatchKind, answer: &Answer) -> Result<bool, VaultFault> {
    Ok(match kind {
        DispatchKind::Append => matches!(answer, Answer::Stored { .. }),
        DispatchKind::Open => matches!(answer, Answer::Opened { .. }),
        // Of a row that is gone nobody waits for the answer.
        DispatchKind::Other => outbox::call(tx, id)?.is_none_or(|call| is_answer(&call, answer)),
    })
}

/// Whether an answer is of the kind that this request has (SPEC 6).
fn is_answer(call: &Call, answer: &Answer) -> bool {
    match call {
        Call::Append { .. } => matches!(answer, Answer::Stored { .. }),
        Call::Open { .. } => matches!(answer, Answer::Opened { .. }),
        Call::Read { .. } => matches!(answer, Answer::Entries { .. }),
        Call::Resume { .. } => matches!(answer, Answer::Resumed { .. }),
        Call::Take { .. } => matches!(answer, Answer::Taken { .. }),
        Call::Renew { .. } => matches!(answer, Answer::Renewed { .. }),
        Call::Checkpoint { .. } => matches!(answer, Answer::Checkpointed { .. }),
        Call::Admit { .. } => matches!(answer, Answer::Admitted { .. }),
        Call::Enroll { .. }
        | Call::Sponsor { .. }
        | Call::Credit { .. }
        | Call::Unsubscribe { .. }
        | Call::Trim { .. }
        | Call::LastResort { .. }
        | Call::Grants { .. }
        | Call::Freeze { .. }
        | Call::Close { .. }
        | Call::Ping => matches!(answer, Answer::Done),
    }
}

/// Refusals that time alone ends: tried again here, and told to people as "Waiting".
fn passes(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Busy | Refusal::Failed | Refusal::RateExceeded | Refusal::RelayFull => true,
        Refusal::NoSuchMailbox
        | Refusal::MailboxFull
        | Refusal::Frozen
        | Refusal::WrongKind
        | Refusal::Malformed
        | Refusal::UnknownKind
        | Refusal::AllowanceSpent
        | Refusal::TooManyGrants
        | Refusal::TooManySubscriptions
        | Refusal::Empty
        | Refusal::NoSuchBlob
        | Refusal::BlobMismatch => false,
    }
}
