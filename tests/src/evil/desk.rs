//! Sessions: who each belongs to, what it has subscribed, and what it is told.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    AdmissionId, Answer, Call, Event, Incarnation, MailboxId, Outcome, Refusal, Reply, Request, Resumed, Sequence,
    Subscription, SubscriptionId,
};
use tokio::sync::watch;

use super::ledger::Ledger;
use super::lie::{Lie, Who};

/// What all sessions share.
pub(super) struct Hub {
    ledger: Ledger,
    lie: Option<Box<dyn Lie>>,
    /// Inboxes that their owners read, in the order in which they came: that is how members are told apart.
    inboxes: Vec<MailboxId>,
    invited: BTreeSet<AdmissionId>,
    told: u64,
    changed: watch::Sender<u64>,
}

/// One session.
pub(super) struct Desk {
    who: Who,
    subscriptions: BTreeMap<SubscriptionId, Row>,
}

struct Row {
    mailbox: MailboxId,
    incarnation: Incarnation,
    after: Sequence,
    credit: u32,
    frozen: bool,
}

impl Hub {
    pub(super) fn new(identity: SigningKey) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self {
            ledger: Ledger::new(identity, Timestamp(now.as_secs()).round_up()),
            lie: None,
            inboxes: Vec::new(),
            invited: BTreeSet::new(),
            told: 0,
            changed: watch::Sender::new(0),
        }
    }

    pub(super) fn set(&mut self, lie: Option<Box<dyn Lie>>) {
        self.lie = lie;
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn inbox(&self, member: usize) -> Option<MailboxId> {
        self.inboxes.get(member).copied()
    }

    pub(super) fn told(&self) -> u64 {
        self.told + self.ledger.told()
    }

    /// Counts what happens.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Lets anybody in, and says whether it is by an invitation.
    pub(super) fn admitted(&self, id: &AdmissionId) -> Answer {
        let single_use = self.invited.contains(id);
        Answer::Admitted {
            expires: self.ledger.now().plus(2160),
            bytes_left: 1 << 40,
            mailboxes_left: 1000,
            single_use,
        }
    }

    /// Answers a request.
    pub(super) fn ask(&mut self, desk: &mut Desk, request: &Request) -> Reply {
        let Request { number, call } = request;
        let instead = self.lie.as_mut().and_then(|lie| lie.instead(desk.who, call));
        self.told += u64::from(instead.is_some());
        let outcome = instead.unwrap_or_else(|| self.truly(desk, call));
        let before = outcome.clone();
        let outcome = match &mut self.lie {
            Some(lie) => lie.answer(desk.who, call, outcome),
            None => outcome,
        };
        self.told += u64::from(outcome != before);
        self.changed.send_modify(|count| *count += 1);
        Reply::Answer { number: *number, outcome }
    }

    fn truly(&mut self, desk: &mut Desk, call: &Call) -> Outcome {
        let done = Outcome::Done { answer: Answer::Done };
        match call {
            Call::Resume { subscriptions } => {
                // Whose session it is first: what each log is shown as depends on it.
                let inbox = subscriptions.iter().find(|wanted| wanted.capability.mailbox() == wanted.mailbox);
                inbox.into_iter().for_each(|inbox| desk.who = self.recognise(inbox.mailbox));
                let mailboxes = subscriptions.iter().map(|wanted| self.resume(desk, wanted)).collect();
                Outcome::Done { answer: Answer::Resumed { mailboxes } }
            }
            Call::Credit { id, more } => match desk.subscriptions.get_mut(id) {
                Some(row) => {
                    row.credit += more;
                    done
                }
                None => Outcome::Refused { refusal: Refusal::NoSuchMailbox },
            },
            Call::Unsubscribe { id } => {
                desk.subscriptions.remove(id);
                done
            }
            Call::Sponsor { id, .. } => {
                self.invited.insert(*id);
                done
            }
            _ => self.ledger.ask(desk.who, call, self.lie.as_deref()),
        }
    }

    /// The member who reads an inbox as its owner.
    fn recognise(&mut self, mailbox: MailboxId) -> Who {
        let known = self.inboxes.iter().position(|inbox| *inbox == mailbox);
        Who::Member(known.unwrap_or_else(|| {
            self.inboxes.push(mailbox);
            self.inboxes.len() - 1
        }))
    }

    fn resume(&mut self, desk: &mut Desk, wanted: &Subscription) -> Resumed {
        let Subscription { id, mailbox, capability: _, cursor, credit } = wanted;
        let log = match self.ledger.shown(desk.who, mailbox, self.lie.as_deref()) {
            Ok(log) => log,
            Err(refusal) => return Resumed::Refused { id: *id, refusal },
        };
        let standing = log.standing(mailbox, self.ledger.now());
        if cursor.incarnation.is_some_and(|life| life != standing.incarnation) {
            return Resumed::OtherIncarnation { id: *id, standing };
        }
        let (incarnation, frozen) = (log.incarnation, log.frozen);
        let row = Row { mailbox: *mailbox, incarnation, after: cursor.after, credit: *credit, frozen };
        desk.subscriptions.insert(*id, row);
        Resumed::Following { id: *id, standing }
    }

    /// What a session is told now.
    pub(super) fn news(&mut self, desk: &mut Desk) -> Vec<Reply> {
        let mut news = Vec::new();
        let mut over = Vec::new();
        for (id, row) in &mut desk.subscriptions {
            let Ok(log) = self.ledger.shown(desk.who, &row.mailbox, self.lie.as_deref()) else {
                over.push(*id);
                news.push((row.mailbox, Event::Closed { id: *id }));
                continue;
            };
            if log.incarnation != row.incarnation {
                // An honest relay is restored between sessions.
                over.push(*id);
                continue;
            }
            let standing = log.standing(&row.mailbox, self.ledger.now());
            if row.after.next() < standing.first_available {
                row.after = Sequence(standing.first_available.0.saturating_sub(1));
                let (first_available, head_before_first) = (standing.first_available, standing.head_before_first);
                news.push((row.mailbox, Event::Gap { id: *id, first_available, head_before_first }));
            }
            let after = row.after;
            for entry in log.standing_entries().filter(|entry| entry.sequence > after) {
                if row.credit == 0 {
                    break;
                }
                row.credit -= 1;
                row.after = entry.sequence;
                let event =
                    Event::Entry { id: *id, sequence: entry.sequence, expires: entry.expires, entry: entry.entry };
                news.push((row.mailbox, event));
            }
            if log.frozen && !row.frozen && row.after >= standing.last {
                row.frozen = true;
                news.push((row.mailbox, Event::Frozen { id: *id }));
            }
        }
        for id in &over {
            desk.subscriptions.remove(id);
        }
        self.say(desk.who, news)
    }

    fn say(&mut self, who: Who, news: Vec<(MailboxId, Event)>) -> Vec<Reply> {
        let mut said = Vec::new();
        for (mailbox, event) in news {
            let events = match &mut self.lie {
                Some(lie) => lie.event(who, &mailbox, event.clone()),
                None => vec![event.clone()],
            };
            self.told += u64::from(events != [event]);
            said.extend(events.into_iter().map(|event| Reply::Event { event }));
        }
        said
    }
}

impl Desk {
    pub(super) fn new() -> Self {
        Self { who: Who::Visitor, subscriptions: BTreeMap::new() }
    }
}
