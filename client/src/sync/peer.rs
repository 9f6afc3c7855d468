//! One relay as the engine sees it: its session, the lanes to it and the mailboxes read there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{Admission, Call, Fingerprint, MailboxId, RelayAddress, SubscriptionId, WelcomeBody};

use super::DispatchId;
use super::backoff::{Backoff, Jitter};
use super::engine::{Attempt, Effect, Now};
use super::lane::Lane;
use super::reader::Reader;
use super::status::{RelayStatus, SessionStatus};
use crate::link::{AdmissionKind, Admitted, LinkFault, Ticket};
use crate::vault::followed::{Condition, FollowedRow};
use crate::vault::outbox::{self, Dispatch, DispatchKind};
use crate::vault::relays::{self, Admissions};
use crate::vault::{Transaction, VaultFault};

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) session: Session,
    pub(super) lanes: BTreeMap<Option<MailboxId>, Lane>,
    pub(super) readers: BTreeMap<MailboxId, Reader>,
    backoff: Backoff,
    distrust: Backoff,
    /// What the next attempt shows, where there is a choice.
    credential: Credential,
    wanted: bool,
    fault: Option<LinkFault>,
    failures: u32,
}

#[derive(Debug)]
pub(super) enum Session {
    None {
        until: Duration,
    },
    NoAddress,
    /// To the address that is remembered.
    Connecting {
        attempt: Attempt,
        address: RelayAddress,
    },
    Open(Open),
}

/// Which admission is shown. An Enroll whose answer was lost leaves open which one the relay takes: both are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Credential {
    Own,
    Given,
}

/// An open session.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) attempt: Attempt,
    pub(super) stage: Stage,
    /// Requests that may be unanswered at once.
    pub(super) requests: usize,
    /// Mailboxes that may be subscribed at once.
    pub(super) subscriptions: usize,
    pub(super) asked: BTreeMap<Ticket, Asked>,
    /// Bytes of the dispatches that are under way.
    pub(super) bytes: usize,
    pub(super) subscribed: BTreeMap<SubscriptionId, MailboxId>,
    /// Those of them that the relay has confirmed.
    pub(super) live: BTreeSet<SubscriptionId>,
    tickets: u64,
    ids: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// The single-use admission is being replaced; nothing else is asked.
    Enrolling,
    Running,
    /// The relay is stopping: what is under way is finished, nothing is begun.
    Draining,
}

/// What a ticket was for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Dispatch {
        lane: Option<MailboxId>,
        id: DispatchId,
        kind: DispatchKind,
        size: usize,
    },
    Resume(Vec<SubscriptionId>),
    Enroll,
    /// Credit and Unsubscribe: whatever the answer, nothing follows.
    Passing,
}

impl Open {
    pub(super) fn ask(&mut self, relay: Fingerprint, asked: Asked, call: Call) -> Effect {
        self.tickets = self.tickets.saturating_add(1);
        let ticket = Ticket(self.tickets);
        self.asked.insert(ticket, asked);
        Effect::Request { relay, attempt: self.attempt, ticket, call }
    }

    pub(super) fn subscription(&mut self, mailbox: MailboxId) -> SubscriptionId {
        self.ids = self.ids.saturating_add(1);
        self.subscribed.insert(SubscriptionId(self.ids), mailbox);
        SubscriptionId(self.ids)
    }

    pub(super) fn end(&mut self, id: SubscriptionId) {
        self.subscribed.remove(&id);
        self.live.remove(&id);
    }
}

impl Peer {
    pub(super) fn new() -> Self {
        Self {
            session: Session::None { until: Duration::ZERO },
            lanes: BTreeMap::new(),
            readers: BTreeMap::new(),
            backoff: Backoff::LINK,
            distrust: Backoff::DISTRUST,
            credential: Credential::Own,
            wanted: false,
            fault: None,
            failures: 0,
        }
    }

    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    pub(super) fn retry_now(&mut self) {
        if let Session::None { until } = &mut self.session {
            *until = Duration::ZERO;
        }
        self.lanes.values_mut().for_each(Lane::retry_now);
        self.readers.values_mut().for_each(Reader::retry_now);
    }

    pub(super) fn enqueue(&mut self, dispatch: &Dispatch) {
        self.lanes.entry(dispatch.mailbox).or_insert_with(Lane::new).push(dispatch);
    }

    /// Forgets a dispatch that was taken back.
    pub(super) fn withdraw(&mut self, dispatch: DispatchId) {
        self.lanes.values_mut().for_each(|lane| lane.withdraw(dispatch));
        self.lanes.retain(|_, lane| lane.len() > 0);
    }

    /// Reads a mailbox from its row on. A row written anew for a mailbox that is read from there already changes no session.
    pub(super) fn read(&mut self, row: &FollowedRow) {
        let reader = match row.condition {
            Condition::Unfollowed => Reader::gone(),
            // Asked for again all the same: that it is gone may have been a lie.
            Condition::Sound | Condition::Frozen | Condition::Refused | Condition::Closed => {
                Reader::new(row.followed.cursor)
            }
        };
        let known = self.readers.entry(row.followed.mailbox).or_insert_with(Reader::gone);
        match known.subscription() {
            None => *known = reader,
            Some(_) => known.ask_again(),
        }
    }

    /// Whether a mailbox is read from another place than its row says by now, as after a welcome that names a later one.
    pub(super) fn reads_elsewhere(&self, row: &FollowedRow) -> bool {
        let reader = self.readers.get(&row.followed.mailbox);
        reader.is_some_and(|reader| reader.is_elsewhere(&row.followed.cursor))
    }

    pub(super) fn stop_reading(&mut self, relay: Fingerprint, mailbox: &MailboxId, effects: &mut Vec<Effect>) {
        let Some(reader) = self.readers.remove(mailbox) else { return };
        if let (Session::Open(open), Some(id)) = (&mut self.session, reader.subscription()) {
            open.end(id);
            effects.push(open.ask(relay, Asked::Passing, Call::Unsubscribe { id }));
        }
    }

    pub(super) fn open(&mut self, attempt: Attempt) -> Option<&mut Open> {
        match &mut self.session {
            Session::Open(open) if open.attempt == attempt => Some(open),
            Session::Open(_) | Session::None { .. } | Session::NoAddress | Session::Connecting { .. } => None,
        }
    }

    pub(super) fn connected(
        &mut self,
        tx: &Transaction<'_>,
        attempt: Attempt,
        welcome: &WelcomeBody,
        admitted: Admitted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), VaultFault> {
        let relay = welcome.identity.fingerprint();
        if !matches!(self.session, Session::Connecting { attempt: ours, .. } if ours == attempt) {
            effects.push(Effect::Disconnect { relay, attempt });
            return Ok(());
        }
        // A vault that fails here leaves a session that nobody feeds; the next attempt makes up for it.
        self.session = Session::None { until: now.elapsed };
        relays::proved(tx, &relay, &welcome.identity)?;
        outbox::withdraw_sent(tx, &relay)?;
        let limit = |limit: u32| usize::try_from(limit).unwrap_or(1).max(1);
        let mut open = Open {
            attempt,
            stage: Stage::Running,
            requests: limit(welcome.limits.requests).min(MAX_REQUESTS),
            subscriptions: limit(welcome.limits.subscriptions),
            asked: BTreeMap::new(),
            bytes: 0,
            subscribed: BTreeMap::new(),
            live: BTreeSet::new(),
            tickets: 0,
            ids: 0,
        };
        match (admitted.kind, own_admission(tx, &relay)?) {
            (AdmissionKind::SingleUse, own) => {
                let own = match own {
                    Some(own) => own,
                    None => propose(tx, &relay)?,
                };
                open.stage = Stage::Enrolling;
                let call = Call::Enroll { id: own.id(), key: own.key() };
                effects.push(open.ask(relay, Asked::Enroll, call));
            }
            (AdmissionKind::Lasting, Some(_)) if self.credential == Credential::Own => relays::enrolled(tx, &relay)?,
            // It refused ours a moment ago: it was put back to before it knew it, or its time is over.
            (AdmissionKind::Lasting, Some(_)) => relays::forget_own(tx, &relay)?,
            (AdmissionKind::Lasting, None) => {}
        }
        self.session = Session::Open(open);
        self.fault = None;
        self.distrust.reset();
        Ok(())
    }

    /// Begins anew with a session of its own, whatever is under way.
    pub(super) fn give_up(&mut self, now: Duration, jitter: &mut Jitter) {
        if let Some(attempt) = self.attempt() {
            self.disconnected(attempt, LinkFault::Lost, now, jitter);
        }
    }

    fn attempt(&self) -> Option<Attempt> {
        match &self.session {
            Session::Connecting { attempt, .. } | Session::Open(Open { attempt, .. }) => Some(*attempt),
            Session::None { .. } | Session::NoAddress => None,
        }
    }

    /// The session or the attempt is over. Everything unanswered is asked again in the next.
    pub(super) fn disconnected(&mut self, attempt: Attempt, why: LinkFault, now: Duration, jitter: &mut Jitter) {
        if self.attempt() != Some(attempt) {
            return;
        }
        self.fault = Some(why);
        self.failures = self.failures.saturating_add(1);
        let delay = if is_distrust(why) { self.distrust.next(jitter) } else { self.backoff.next(jitter) };
        self.session = Session::None { until: now + delay };
        if why == LinkFault::NotAdmitted {
            self.credential = match self.credential {
                Credential::Own => Credential::Given,
                Credential::Given => Credential::Own,
            };
        }
        self.lanes.values_mut().for_each(Lane::all_lost);
        self.readers.values_mut().for_each(Reader::lost);
    }

    /// The relay does what it is asked: the next failure is a first one again.
    pub(super) fn proved_useful(&mut self) {
        self.backoff.reset();
    }

    /// Opens a session if one is needed and due.
    pub(super) fn connect(
        &mut self,
        tx: &Transaction<'_>,
        relay: Fingerprint,
        next: &mut dyn FnMut() -> Attempt,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) -> Result<(), VaultFault> {
        if let Session::Connecting { attempt, address } = &self.session
            && relays::find(tx, &relay)?.is_none_or(|known| known.address != *address)
        {
            // Somebody has corrected the address: what comes of the old one is of no interest.
            effects.push(Effect::Disconnect { relay, attempt: *attempt });
            self.session = Session::None { until: now };
        }
        match self.session {
            Session::None { until } if until <= now => {}
            Session::NoAddress => {}
            Session::None { .. } | Session::Connecting { .. } | Session::Open(_) => return Ok(()),
        }
        if !self.is_needed() {
            return Ok(());
        }
        let Some(known) = relays::find(tx, &relay)? else {
            self.session = Session::NoAddress;
            return Ok(());
        };
        let remembered = known.address.duplicate();
        let address = match (known.admissions, self.credential) {
            (Admissions::Proposed(own) | Admissions::Own(own), Credential::Own) => known.address.with_admission(&own),
            (Admissions::Given, Credential::Own | Credential::Given)
            | (Admissions::Proposed(_) | Admissions::Own(_), Credential::Given) => known.address,
        };
        let attempt = next();
        self.session = Session::Connecting { attempt, address: remembered };
        effects.push(Effect::Connect { relay, attempt, address });
        Ok(())
    }

    fn is_needed(&self) -> bool {
        self.wanted || !self.lanes.is_empty() || self.readers.values().any(Reader::is_wanted)
    }

    pub(super) fn wake_at(&self) -> Option<Duration> {
        match &self.session {
            Session::None { until } if self.is_needed() => Some(*until),
            Session::None { .. } | Session::NoAddress | Session::Connecting { .. } => None,
            Session::Open(_) => {
                let lanes = self.lanes.values().filter_map(|lane| lane.paused().map(|(until, _)| until));
                let may_ask = |(mailbox, reader): &(&MailboxId, &Reader)| !is_held_back(&self.lanes, mailbox, reader);
                let readers = self.readers.iter().filter(may_ask).filter_map(|(_, reader)| reader.wake_at());
                lanes.chain(readers).min()
            }
        }
    }

    pub(super) fn status(&self, relay: Fingerprint) -> RelayStatus {
        let session = match &self.session {
            Session::None { until } if self.is_needed() => SessionStatus::Offline { until: *until },
            Session::None { .. } => SessionStatus::Idle,
            Session::NoAddress => SessionStatus::NoAddress,
            Session::Connecting { .. } => SessionStatus::Connecting,
            Session::Open(_) => SessionStatus::Open,
        };
        let paused = self.lanes.values().find_map(|lane| lane.paused().map(|(_, why)| why));
        RelayStatus {
            relay,
            session,
            waiting: self.lanes.values().map(Lane::len).sum(),
            behind: self.readers.values().filter(|reader| !reader.is_caught_up()).count(),
            put_off: paused.or_else(|| self.readers.values().find_map(Reader::put_off)),
            fault: self.fault,
            failures: self.failures,
        }
    }
}

/// Whether a mailbox is not asked for until its Open has been answered.
pub(super) fn is_held_back(lanes: &BTreeMap<Option<MailboxId>, Lane>, mailbox: &MailboxId, reader: &Reader) -> bool {
    reader.waits_for_open() && lanes.get(&Some(*mailbox)).is_some_and(Lane::opens)
}

/// Requests that the engine has unanswered at once; others of the same session share the relay's limit.
const MAX_REQUESTS: usize = 256;

/// Whether a person has to act before trying again makes sense.
fn is_distrust(why: LinkFault) -> bool {
    match why {
        LinkFault::NotARelay
        | LinkFault::WrongRelay
        | LinkFault::NotProved
        | LinkFault::WrongVersion
        | LinkFault::NotAdmitted
        | LinkFault::Handshake => true,
        LinkFault::UnknownHost
        | LinkFault::Unreachable
        | LinkFault::Malformed
        | LinkFault::Lost
        | LinkFault::Ended
        | LinkFault::System(_) => false,
    }
}

fn own_admission(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<Option<Admission>, VaultFault> {
    Ok(relays::find(tx, relay)?.and_then(|known| match known.admissions {
        Admissions::Given => None,
        Admissions::Proposed(own) | Admissions::Own(own) => Some(own),
    }))
}

/// Makes an admission of our own and keeps it before the relay hears of it, so that a crash locks nobody out.
fn propose(tx: &Transaction<'_>, relay: &Fingerprint) -> Result<Admission, VaultFault> {
    let own = Admission::new(Secret::random()?);
    relays::propose(tx, relay, &own)?;
    Ok(own)
}
