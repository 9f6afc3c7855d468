//! The dispatches to one mailbox of one relay, in the order in which they were enqueued.

use std::collections::VecDeque;
use std::time::Duration;

use relevo_protocol::wire::Refusal;

use super::DispatchId;
use super::backoff::{Backoff, Jitter};
use crate::vault::outbox::{Dispatch, DispatchKind};

/// How far the ids of what is sent go beyond the oldest append without an answer. So at most 64 go at once, of a session's
/// 256, and an append that the relay put off while it took those after it is overtaken by 63 of them at most, however often
/// answers are lost and whenever this device starts: what reads a log counts on it. Ids are of all lanes, so it may be fewer.
pub(crate) const WINDOW: u32 = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Waiting,
    Sent,
}

#[derive(Debug)]
struct Item {
    id: DispatchId,
    kind: DispatchKind,
    size: usize,
    place: Place,
}

/// First in, first out. Appends follow each other without waiting for answers; everything else waits for what is
/// before it, and what is after waits for it. After a refusal that passes, one at a time until the relay takes it
/// again, so that the order holds.
#[derive(Debug)]
pub(super) struct Lane {
    items: VecDeque<Item>,
    window: u32,
    backoff: Backoff,
    /// Nothing is sent before this moment, for this reason.
    paused: Option<(Duration, Refusal)>,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self { items: VecDeque::new(), window: WINDOW, backoff: Backoff::REFUSED, paused: None }
    }

    pub(super) fn push(&mut self, dispatch: &Dispatch) {
        let Dispatch { id, relay: _, mailbox: _, kind, size } = *dispatch;
        self.items.push_back(Item { id, kind, size, place: Place::Waiting });
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether the mailbox may not exist at the relay yet.
    pub(super) fn opens(&self) -> bool {
        self.items.iter().any(|item| item.kind == DispatchKind::Open)
    }

    /// The dispatch that may go next, with its kind and size.
    pub(super) fn next(&self, now: Duration) -> Option<(DispatchId, DispatchKind, usize)> {
        if self.paused.is_some_and(|(until, _)| now < until) {
            return None;
        }
        let is_idle = self.items.iter().all(|item| item.place == Place::Waiting);
        let (ahead, item) = self.items.iter().enumerate().find(|(_, item)| item.place == Place::Waiting)?;
        let barrier = self.items.iter().take(ahead).any(|before| before.kind != DispatchKind::Append);
        let oldest = self.items.front()?;
        let is_near = item.id.0.saturating_sub(oldest.id.0) < i64::from(self.window);
        let may_follow = item.kind == DispatchKind::Append && !barrier && is_near;
        (is_idle || may_follow).then_some((item.id, item.kind, item.size))
    }

    pub(super) fn sent(&mut self, id: DispatchId) {
        if let Some(item) = self.items.iter_mut().find(|item| item.id == id) {
            item.place = Place::Sent;
        }
        // It was let through, so the pause is over.
        self.paused = None;
    }

    /// The relay has had its last word, and the rules have it.
    pub(super) fn done(&mut self, id: DispatchId) {
        self.items.retain(|item| item.id != id);
        // A later neighbour of one that was put off may have been taken: that ends no pause.
        if self.paused.is_none() {
            self.window = (self.window * 2).min(WINDOW);
            self.backoff.reset();
        }
    }

    /// It is not wanted any more.
    pub(super) fn withdraw(&mut self, id: DispatchId) {
        self.items.retain(|item| item.id != id);
    }

    /// The relay put it off.
    pub(super) fn put_off(&mut self, id: DispatchId, why: Refusal, now: Duration, jitter: &mut Jitter) {
        self.lost(id);
        self.window = 1;
        // The refusals of one flight count once.
        if self.paused.is_none_or(|(until, _)| until <= now) {
            self.paused = Some((now + self.backoff.next(jitter), why));
        }
    }

    /// There will be no answer: it is sent again.
    fn lost(&mut self, id: DispatchId) {
        if let Some(item) = self.items.iter_mut().find(|item| item.id == id) {
            item.place = Place::Waiting;
        }
    }

    /// The session is over: whatever had no answer is sent again, the same bytes in the same order.
    pub(super) fn all_lost(&mut self) {
        #[cfg(feature = "planted-bugs")]
        if relevo_protocol::planted::is(relevo_protocol::planted::Bug::ForgottenRequest) {
            self.items.retain(|item| item.place == Place::Waiting);
        }
        for item in &mut self.items {
            item.place = Place::Waiting;
        }
    }

    pub(super) fn paused(&self) -> Option<(Duration, Refusal)> {
        self.paused.filter(|_| !self.items.is_empty())
    }

    pub(super) fn retry_now(&mut self) {
        self.paused = None;
    }
}

#[cfg(test)]
mod tests {
    use relevo_protocol::wire::Fingerprint;

    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn lane(kinds: &[DispatchKind]) -> Lane {
        let mut lane = Lane::new();
        for (id, kind) in (1..).zip(kinds) {
            let relay = Fingerprint([0; 32]);
            lane.push(&Dispatch { id: DispatchId(id), relay, mailbox: None, kind: *kind, size: 10 });
        }
        lane
    }

    fn send_all(lane: &mut Lane, now: Duration) -> Vec<i64> {
        let mut sent = Vec::new();
        while let Some((id, ..)) = lane.next(now) {
            lane.sent(id);
            sent.push(id.0);
        }
        sent
    }

    #[test]
    fn appends_follow_each_other_and_others_wait() {
        use DispatchKind::{Append, Open, Other};
        let mut lane = lane(&[Open, Append, Append, Other, Append]);
        assert_eq!(send_all(&mut lane, NOW), [1]);
        lane.done(DispatchId(1));
        assert_eq!(send_all(&mut lane, NOW), [2, 3]);
        lane.done(DispatchId(3));
        assert_eq!(send_all(&mut lane, NOW), [0; 0]);
        lane.done(DispatchId(2));
        assert_eq!(send_all(&mut lane, NOW), [4]);
        lane.done(DispatchId(4));
        assert_eq!(send_all(&mut lane, NOW), [5]);
    }

    #[test]
    fn what_was_put_off_goes_again_in_order_one_at_a_time() {
        let mut jitter = Jitter::new(3);
        let mut lane = lane(&[DispatchKind::Append; 4]);
        assert_eq!(send_all(&mut lane, NOW), [1, 2, 3, 4]);
        for id in 2..=4 {
            lane.put_off(DispatchId(id), Refusal::Busy, NOW, &mut jitter);
        }
        lane.done(DispatchId(1));
        assert_eq!(send_all(&mut lane, NOW), [0; 0]);
        let later = NOW + Duration::from_secs(10);
        assert_eq!(send_all(&mut lane, later), [2]);
        lane.done(DispatchId(2));
        assert_eq!(send_all(&mut lane, later), [3, 4]);
    }

    #[test]
    fn nothing_goes_far_ahead_of_what_has_no_answer() {
        let mut lane = lane(&[DispatchKind::Append; 200]);
        assert_eq!(send_all(&mut lane, NOW), (1..=64).collect::<Vec<_>>());
        for id in 2..=64 {
            lane.done(DispatchId(id));
        }
        lane.all_lost();
        assert_eq!(send_all(&mut lane, NOW), [1], "who is asked again is waited for");
        lane.done(DispatchId(1));
        assert_eq!(send_all(&mut lane, NOW), (65..=128).collect::<Vec<_>>());
    }

    #[test]
    fn a_lost_session_sends_everything_unanswered_again() {
        let mut lane = lane(&[DispatchKind::Append; 3]);
        assert_eq!(send_all(&mut lane, NOW), [1, 2, 3]);
        lane.done(DispatchId(2));
        lane.all_lost();
        assert_eq!(send_all(&mut lane, NOW), [1, 3]);
    }
}
