//! The lies. Each is a change of data: of a log as somebody is shown it (sequences and heads then fit what is shown), of
//! an answer, or of an event.

use bytes::Bytes;
use relevo_protocol::wire::{Answer, Call, Entry, Event, Incarnation, Lineage, MailboxId, Outcome, Resumed};

use super::ledger::{Log, Written, sequence};
use super::lie::{Lie, Who};

/// A log from some entry on.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    /// Whose.
    pub mailbox: MailboxId,
    /// Entries before the first that is lied about.
    pub since: usize,
}

/// A log as it is shown.
pub struct Shown<F>(F);

impl<F: Fn(Who, &MailboxId, Log) -> Log + Send> Lie for Shown<F> {
    fn log(&self, who: Who, mailbox: &MailboxId, log: Log) -> Log {
        self.0(who, mailbox, log)
    }
}

/// An answer.
pub struct Answered<F>(F);

impl<F: FnMut(Who, &Call, Outcome) -> Outcome + Send> Lie for Answered<F> {
    fn answer(&mut self, who: Who, call: &Call, outcome: Outcome) -> Outcome {
        self.0(who, call, outcome)
    }
}

/// An event.
pub struct Happened<F>(F);

impl<F: FnMut(Who, &MailboxId, Event) -> Vec<Event> + Send> Lie for Happened<F> {
    fn event(&mut self, who: Who, mailbox: &MailboxId, event: Event) -> Vec<Event> {
        self.0(who, mailbox, event)
    }
}

/// Shows some of those entries of a log that came after the lie began.
fn only(spot: Spot, keep: impl Fn(Who, usize, &Written) -> bool + Send) -> impl Lie {
    entries(spot, move |who, before, after| {
        let numbered = after.into_iter().enumerate();
        let kept = numbered.filter(|(at, written)| keep(who, *at, written)).map(|(_, written)| written);
        before.into_iter().chain(kept).collect()
    })
}

/// Shows others in the place of the entries that came after the lie began.
fn entries(spot: Spot, change: impl Fn(Who, Vec<Written>, Vec<Written>) -> Vec<Written> + Send) -> impl Lie {
    Shown(move |who: Who, mailbox: &MailboxId, mut log: Log| {
        if *mailbox == spot.mailbox {
            let after = log.entries.split_off(spot.since.min(log.entries.len()));
            log.entries = change(who, log.entries, after);
        }
        log
    })
}

/// Every k-th entry is gone for everybody, and the others close ranks.
#[must_use]
pub fn drop_every(spot: Spot, k: usize) -> impl Lie {
    only(spot, move |_, at, _| !(at + 1).is_multiple_of(k.max(1)))
}

/// So many entries are gone for everybody, and the others close ranks.
#[must_use]
pub fn lose(spot: Spot, count: usize) -> impl Lie {
    only(spot, move |_, at, _| at >= count)
}

/// One member sees nothing of what others write from here on, only its own.
#[must_use]
pub fn withhold_from(spot: Spot, victim: Who) -> impl Lie {
    only(spot, move |who, _, written| who != victim || written.by == victim)
}

/// One member sees nothing any more. What it appends is taken, and answered for.
#[must_use]
pub fn silence(spot: Spot, victim: Who) -> impl Lie {
    only(spot, move |who, _, _| who != victim)
}

/// Two logs: what one member writes from here on only it sees, and it sees nothing else.
#[must_use]
pub fn fork(spot: Spot, victim: Who) -> impl Lie {
    only(spot, move |who, _, written| (who == victim) == (written.by == victim))
}

/// What one member appends is answered for and forgotten.
#[must_use]
pub fn forget(spot: Spot, author: Who) -> impl Lie {
    only(spot, move |_, _, written| written.by != author)
}

/// Goes back to an older state without saying so: the entries up to `upto` never were.
#[must_use]
pub fn roll_back(spot: Spot, upto: usize) -> impl Lie {
    only(spot, move |_, at, _| spot.since + at >= upto)
}

/// Goes back to an older state and says so, by another incarnation that names the one before, as an honest relay does that
/// was restored from a backup.
#[must_use]
pub fn restored(spot: Spot, upto: usize, incarnation: Incarnation) -> impl Lie {
    let older = roll_back(spot, upto);
    Shown(move |who: Who, mailbox: &MailboxId, log: Log| {
        let before = Lineage {
            incarnation: log.incarnation,
            sequence: sequence(spot.since),
            head: log.head(mailbox, spot.since),
        };
        let mut log = older.log(who, mailbox, log);
        if *mailbox == spot.mailbox {
            (log.incarnation, log.restored_from) = (incarnation, Some(before));
        }
        log
    })
}

/// One member sees each two entries in the other order.
#[must_use]
pub fn reorder(spot: Spot, victim: Who) -> impl Lie {
    entries(spot, move |who, mut before, after| {
        for pair in after.chunks(2) {
            if who == victim { before.extend(pair.iter().rev().cloned()) } else { before.extend_from_slice(pair) }
        }
        before
    })
}

/// Everything that came before stands once more behind each new entry.
#[must_use]
pub fn replay(spot: Spot) -> impl Lie {
    entries(spot, |_, before, after| {
        let mut shown = before.clone();
        for written in after {
            shown.push(written);
            shown.extend_from_slice(&before);
        }
        shown
    })
}

/// Others see so many entries with one byte changed; their author sees them as they are.
#[must_use]
pub fn alter(spot: Spot, count: usize) -> impl Lie {
    entries(spot, move |who, mut before, after| {
        let changed = |(at, written): (usize, Written)| {
            if written.by == who || at >= count { written } else { flipped(written) }
        };
        before.extend(after.into_iter().enumerate().map(changed));
        before
    })
}

/// Everybody, the author too, sees each entry with one byte changed.
#[must_use]
pub fn alter_for_all(spot: Spot) -> impl Lie {
    entries(spot, |_, mut before, after| {
        before.extend(after.into_iter().map(flipped));
        before
    })
}

/// Entries from elsewhere stand before each new one: another mailbox's, or what the relay made itself.
#[must_use]
pub fn inject(spot: Spot, foreign: Vec<Entry>) -> impl Lie {
    entries(spot, move |_, mut before, after| {
        for written in after {
            let (by, expires) = (Who::Visitor, written.expires);
            before.extend(foreign.iter().map(|entry| Written { by, expires, entry: entry.clone() }));
            before.push(written);
        }
        before
    })
}

/// Entries from elsewhere in the place of each new one.
#[must_use]
pub fn replace(spot: Spot, foreign: Vec<Entry>) -> impl Lie {
    entries(spot, move |_, mut before, after| {
        let others = foreign.iter().cycle();
        before
            .extend(after.into_iter().zip(others).map(|(written, entry)| Written { entry: entry.clone(), ..written }));
        before
    })
}

/// One member is shown the log under another incarnation, as if it had been opened apart for it.
#[must_use]
pub fn other_life(mailbox: MailboxId, victim: Who) -> impl Lie {
    Shown(move |who: Who, shown: &MailboxId, mut log: Log| {
        if who == victim && *shown == mailbox {
            log.incarnation = Incarnation([0xee; 8]);
        }
        log
    })
}

/// One member is shown every log but this one under another incarnation.
#[must_use]
pub fn other_life_than(mailbox: MailboxId, victim: Who) -> impl Lie {
    Shown(move |who: Who, shown: &MailboxId, mut log: Log| {
        if who == victim && log.is_shared() && *shown != mailbox {
            log.incarnation = Incarnation([0xee; 8]);
        }
        log
    })
}

/// As [`fork`], under another incarnation for one of the two.
#[must_use]
pub fn fork_of_lives(spot: Spot, victim: Who) -> impl Lie {
    let (forked, reborn) = (fork(spot, victim), other_life(spot.mailbox, victim));
    Shown(move |who: Who, mailbox: &MailboxId, log: Log| reborn.log(who, mailbox, forked.log(who, mailbox, log)))
}

/// Entries up to here have expired, it says, long before they could have.
#[must_use]
pub fn expire_early(spot: Spot, upto: usize, victim: Who) -> impl Lie {
    Shown(move |who: Who, mailbox: &MailboxId, mut log: Log| {
        if who == victim && *mailbox == spot.mailbox && log.entries.len() >= upto {
            log.gone = upto;
        }
        log
    })
}

/// As [`expire_early`], passed off as another life of the log, which has the name of the one before.
#[must_use]
pub fn same_life(spot: Spot, upto: usize, victim: Who) -> impl Lie {
    SameLife { mailbox: spot.mailbox, victim, gone: expire_early(spot, upto, victim) }
}

struct SameLife<L> {
    mailbox: MailboxId,
    victim: Who,
    gone: L,
}

impl<L: Lie> Lie for SameLife<L> {
    fn log(&self, who: Who, mailbox: &MailboxId, log: Log) -> Log {
        self.gone.log(who, mailbox, log)
    }

    fn answer(&mut self, who: Who, call: &Call, outcome: Outcome) -> Outcome {
        let (Call::Resume { subscriptions }, Outcome::Done { answer: Answer::Resumed { mailboxes } }) =
            (call, &outcome)
        else {
            return outcome;
        };
        let lied =
            |id| who == self.victim && subscriptions.iter().any(|one| one.id == id && one.mailbox == self.mailbox);
        let mailboxes = mailboxes.iter().map(|resumed| match resumed {
            Resumed::Following { id, standing } if lied(*id) => {
                Resumed::OtherIncarnation { id: *id, standing: *standing }
            }
            other => other.clone(),
        });
        Outcome::Done { answer: Answer::Resumed { mailboxes: mailboxes.collect() } }
    }
}

/// A log takes no more entries, it says, though nobody has frozen it.
#[must_use]
pub fn frozen(mailbox: MailboxId) -> impl Lie {
    Shown(move |_: Who, shown: &MailboxId, mut log: Log| {
        log.frozen |= *shown == mailbox;
        log
    })
}

/// A mailbox is gone, it says, when something comes that it would have to give.
#[must_use]
pub fn closed(mailbox: MailboxId) -> impl Lie {
    events(mailbox, |event| match event {
        Event::Entry { id, .. } => vec![Event::Closed { id }],
        event => vec![event],
    })
}

/// Changes each `Stored`.
#[must_use]
pub fn stored(spot: Spot, change: impl Fn(Answer) -> Answer + Send) -> impl Lie {
    Answered(move |_: Who, call: &Call, outcome: Outcome| match (call, outcome) {
        (Call::Append { mailbox, .. }, Outcome::Done { answer }) if *mailbox == spot.mailbox => {
            Outcome::Done { answer: change(answer) }
        }
        (_, outcome) => outcome,
    })
}

/// Changes each event of a mailbox.
#[must_use]
pub fn events(mailbox: MailboxId, change: impl Fn(Event) -> Vec<Event> + Send) -> impl Lie {
    Happened(move |_: Who, of: &MailboxId, event: Event| if *of == mailbox { change(event) } else { vec![event] })
}

/// Each `Take` gets what `other` makes of the key package that was due.
#[must_use]
pub fn taken(mut other: impl FnMut(Entry) -> Entry + Send) -> impl Lie {
    Answered(move |_: Who, _: &Call, outcome: Outcome| match outcome {
        Outcome::Done { answer: Answer::Taken { entry, last_resort } } => {
            Outcome::Done { answer: Answer::Taken { entry: other(entry), last_resort } }
        }
        outcome => outcome,
    })
}

/// Changes each signed checkpoint.
#[must_use]
pub fn checkpoints(mut change: impl FnMut(Who, Answer) -> Answer + Send) -> impl Lie {
    Answered(move |who: Who, call: &Call, outcome: Outcome| match (call, outcome) {
        (Call::Checkpoint { .. }, Outcome::Done { answer }) => Outcome::Done { answer: change(who, answer) },
        (_, outcome) => outcome,
    })
}

/// An entry with one byte changed.
#[must_use]
pub fn flip(entry: &Entry) -> Entry {
    let mut bytes = entry.bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    // As many bytes as before.
    Entry::parse(Bytes::from(bytes)).unwrap_or_else(|_| entry.clone())
}

fn flipped(written: Written) -> Written {
    Written { entry: flip(&written.entry), ..written }
}
