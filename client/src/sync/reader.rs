//! One followed mailbox in memory: whether the relay pushes it, and how far it has come. The cursor itself is a row.

use std::time::Duration;

use relevo_protocol::wire::{Cursor, Incarnation, Refusal, Sequence, SubscriptionId};

use super::backoff::{Backoff, Jitter};

/// Entries that a relay may push before more credit is given. The link bounds the bytes.
pub(super) const CREDIT: u32 = 512;

/// Credit goes back in one request for so many.
const CREDIT_BATCH: u32 = CREDIT / 2;

/// A mailbox that the relay refuses for good is asked for again so often within one session.
const HOPELESS: Duration = Duration::from_secs(3600);

/// A relay that says that it holds more, and gives nothing for so long, holds it back. The largest entry takes a minute at
/// 64 kbit/s, and eight others may come before it.
pub(super) const SILENCE: Duration = Duration::from_secs(600);

/// While it is waited for, the clock is looked at so often. Who looks more than twice as late was not there: asleep, or
/// held up, with what came meanwhile still to be read.
const LOOK: Duration = Duration::from_secs(60);

/// Why a mailbox is not read for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pause {
    /// The relay puts it off.
    PutOff(Refusal),
    /// The relay refuses; time alone will not help.
    Hopeless,
    /// The relay left something out, or answered for another life of the mailbox; it is asked again.
    AskAgain,
    /// A rule could not take what came.
    Stalled,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// `again`: what it was asked with is not all that is known by now, and a refusal is not the last word.
    Asked {
        id: SubscriptionId,
        again: bool,
    },
    Live {
        id: SubscriptionId,
        taken: u32,
    },
    Paused {
        until: Duration,
        why: Pause,
    },
    Gone,
}

#[derive(Debug)]
pub(super) struct Reader {
    state: State,
    /// The life of the mailbox in which it is read. None where it was never there: whoever asks for one that is still to be opened
    /// is refused for good.
    life: Option<Incarnation>,
    after: Sequence,
    /// Last entry that the relay is known to hold.
    target: Sequence,
    backoff: Backoff,
    /// When anything last came that was wanted, later by what this device has slept since.
    progress: Duration,
    /// When the clock was last looked at for it.
    looked: Duration,
    /// Whether it was said that nothing comes.
    silence_said: bool,
}

impl Reader {
    pub(super) fn new(cursor: Cursor) -> Self {
        Self {
            state: State::Idle,
            life: cursor.incarnation,
            after: cursor.after,
            target: cursor.after,
            backoff: Backoff::REFUSED,
            progress: Duration::ZERO,
            looked: Duration::ZERO,
            silence_said: false,
        }
    }

    pub(super) fn gone() -> Self {
        Self { state: State::Gone, ..Self::new(Cursor { incarnation: None, after: Sequence::START }) }
    }

    /// Whether it is to be subscribed now.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        match self.state {
            State::Idle => true,
            State::Paused { until, why: _ } => until <= now,
            State::Asked { .. } | State::Live { .. } | State::Gone => false,
        }
    }

    /// Whether it is not asked for before its Open, if that waits, has been answered.
    pub(super) fn waits_for_open(&self) -> bool {
        self.life.is_none()
    }

    pub(super) fn asked(&mut self, id: SubscriptionId, from: Cursor) {
        self.state = State::Asked { id, again: false };
        (self.life, self.after) = (from.incarnation, from.after);
    }

    /// Whether it is read, or asked for, from another place than this one.
    pub(super) fn is_elsewhere(&self, cursor: &Cursor) -> bool {
        self.subscription().is_some() && (self.life, self.after) != (cursor.incarnation, cursor.after)
    }

    /// It is to be asked for once more if what it was asked with does not do. Two questions at a time would be answered for
    /// the same place, and the second be taken for news.
    pub(super) fn ask_again(&mut self) {
        if let State::Asked { again, id: _ } = &mut self.state {
            *again = true;
        }
    }

    pub(super) fn live(&mut self, id: SubscriptionId, from: Cursor, target: Sequence, now: Duration) {
        self.came(now);
        self.silence_said = false;
        self.state = State::Live { id, taken: 0 };
        (self.life, self.after) = (from.incarnation, from.after);
        // Not the larger of old and new: a restored relay may hold less than before.
        self.target = target;
    }

    /// Entries up to here have expired unread.
    pub(super) fn skipped(&mut self, upto: Sequence) {
        self.after = upto;
    }

    /// One more entry is done with; gives the credit to hand back, when it is worth a request.
    pub(super) fn took(&mut self, upto: Sequence, now: Duration) -> Option<(SubscriptionId, u32)> {
        self.after = upto;
        self.came(now);
        self.backoff.reset();
        let State::Live { id, taken } = &mut self.state else { return None };
        *taken = taken.saturating_add(1);
        if *taken < CREDIT_BATCH {
            return None;
        }
        Some((*id, std::mem::take(taken)))
    }

    /// The relay has answered for an entry here.
    pub(super) fn promised(&mut self, sequence: Sequence, now: Duration) {
        if self.after >= self.target {
            self.came(now);
        }
        self.target = self.target.max(sequence);
    }

    pub(super) fn pause(&mut self, why: Pause, now: Duration, jitter: &mut Jitter) {
        let delay = match why {
            Pause::Hopeless => HOPELESS,
            Pause::PutOff(_) | Pause::AskAgain | Pause::Stalled => self.backoff.next(jitter),
        };
        self.state = match self.state {
            State::Asked { again: true, id: _ } => State::Idle,
            State::Idle | State::Asked { .. } | State::Live { .. } | State::Paused { .. } | State::Gone => {
                State::Paused { until: now + delay, why }
            }
        };
    }

    fn came(&mut self, now: Duration) {
        (self.progress, self.looked) = (now, now);
    }

    /// Whether the relay holds more, gives nothing, and this is not said yet.
    fn waits(&self) -> bool {
        matches!(self.state, State::Live { .. }) && self.after < self.target && !self.silence_said
    }

    /// The first that is held back, when it is to be said; said from now on.
    pub(super) fn say_silence(&mut self, now: Duration) -> Option<Sequence> {
        if !self.waits() {
            return None;
        }
        let since = now.saturating_sub(std::mem::replace(&mut self.looked, now));
        if since > 2 * LOOK {
            self.progress += since;
        }
        if self.progress + SILENCE > now {
            return None;
        }
        self.silence_said = true;
        Some(self.after.next())
    }

    /// The session is over.
    pub(super) fn lost(&mut self) {
        match self.state {
            State::Asked { .. } | State::Live { .. } | State::Paused { .. } => self.state = State::Idle,
            State::Idle | State::Gone => {}
        }
    }

    pub(super) fn retry_now(&mut self) {
        if let State::Paused { .. } = self.state {
            self.state = State::Idle;
        }
    }

    pub(super) fn wake_at(&self) -> Option<Duration> {
        match self.state {
            State::Paused { until, why: _ } => Some(until),
            State::Live { .. } => self.waits().then_some((self.looked + LOOK).min(self.progress + SILENCE)),
            State::Idle | State::Asked { .. } | State::Gone => None,
        }
    }

    /// The subscription that is pushed, or asked for.
    pub(super) fn subscription(&self) -> Option<SubscriptionId> {
        match self.state {
            State::Asked { id, again: _ } | State::Live { id, taken: _ } => Some(id),
            State::Idle | State::Paused { .. } | State::Gone => None,
        }
    }

    pub(super) fn put_off(&self) -> Option<Refusal> {
        match self.state {
            State::Paused { why: Pause::PutOff(refusal), until: _ } => Some(refusal),
            State::Paused { .. } | State::Idle | State::Asked { .. } | State::Live { .. } | State::Gone => None,
        }
    }

    /// Whether a session is needed for it.
    pub(super) fn is_wanted(&self) -> bool {
        !matches!(self.state, State::Gone)
    }

    /// Whether everything that the relay is known to hold, and gives, is read.
    pub(super) fn is_caught_up(&self) -> bool {
        match self.state {
            State::Live { .. } => self.after >= self.target,
            State::Paused { why: Pause::Hopeless, until: _ } | State::Gone => true,
            State::Paused { .. } | State::Idle | State::Asked { .. } => false,
        }
    }
}
