//! A relay in memory, with the faults that a test asks for.

use std::collections::BTreeMap;

use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    Answer, Call, Entry, Event, Head, Incarnation, MailboxId, Outcome, Refusal, Resumed, Sequence, Standing,
    Subscription, SubscriptionId,
};

pub(super) const LEASE_END: Hour = Hour(1_000_000);
pub(super) const WALL: Timestamp = Timestamp(1_800_000_000);

pub(super) struct Relay {
    pub(super) mailboxes: BTreeMap<MailboxId, Mailbox>,
    /// The next requests are refused so.
    pub(super) refusals: Vec<Refusal>,
    pub(super) subscriptions: BTreeMap<SubscriptionId, Pushed>,
    pub(super) calls: Vec<&'static str>,
    /// When entries expire, it says.
    pub(super) expires: Hour,
    lives: u8,
}

pub(super) struct Mailbox {
    pub(super) incarnation: Incarnation,
    pub(super) entries: Vec<Entry>,
    pub(super) heads: Vec<Head>,
    pub(super) first: u64,
    pub(super) frozen: bool,
}

pub(super) struct Pushed {
    mailbox: MailboxId,
    after: u64,
    credit: u32,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            mailboxes: BTreeMap::new(),
            refusals: Vec::new(),
            subscriptions: BTreeMap::new(),
            calls: Vec::new(),
            expires: LEASE_END,
            lives: 0,
        }
    }
}

impl Relay {
    pub(super) fn open(&mut self, mailbox: MailboxId) -> &mut Mailbox {
        let lives = &mut self.lives;
        self.mailboxes.entry(mailbox).or_insert_with(|| {
            *lives += 1;
            Mailbox { incarnation: Incarnation([*lives; 8]), entries: vec![], heads: vec![], first: 1, frozen: false }
        })
    }

    pub(super) fn append(&mut self, mailbox: MailboxId, entry: Entry) -> (Sequence, Head) {
        let log = self.open(mailbox);
        let sequence = Sequence(log.entries.len() as u64 + 1);
        let before = log.heads.last().copied().unwrap_or(Head::START);
        let head = before.extend(&mailbox, log.incarnation, sequence, &entry);
        log.entries.push(entry);
        log.heads.push(head);
        (sequence, head)
    }

    /// Goes back to an older copy, as after a restoration.
    pub(super) fn restore(&mut self, mailbox: MailboxId, upto: usize) {
        self.lives += 1;
        let incarnation = Incarnation([self.lives; 8]);
        let log = self.open(mailbox);
        log.incarnation = incarnation;
        log.entries.truncate(upto);
        log.heads.truncate(upto);
    }

    pub(super) fn call(&mut self, call: Call) -> Outcome {
        if let Some(refusal) = self.refusals.pop() {
            self.calls.push("refused");
            return Outcome::Refused { refusal };
        }
        let answer = match call {
            Call::Append { mailbox, entry, .. } => {
                self.calls.push("append");
                match self.mailboxes.get(&mailbox) {
                    None => return Outcome::Refused { refusal: Refusal::NoSuchMailbox },
                    Some(log) if log.frozen => return Outcome::Refused { refusal: Refusal::Frozen },
                    Some(_) => {}
                }
                let (sequence, head) = self.append(mailbox, entry);
                let incarnation = self.open(mailbox).incarnation;
                Answer::Stored { incarnation, sequence, head, expires: self.expires }
            }
            Call::Open { owner, .. } => {
                self.calls.push("open");
                let incarnation = self.open(MailboxId::of(&owner)).incarnation;
                Answer::Opened { incarnation, expires: LEASE_END }
            }
            Call::Resume { subscriptions } => {
                self.calls.push("resume");
                Answer::Resumed { mailboxes: subscriptions.into_iter().map(|one| self.resume(one)).collect() }
            }
            Call::Credit { id, more } => {
                self.calls.push("credit");
                self.subscriptions.get_mut(&id).unwrap().credit += more;
                Answer::Done
            }
            Call::Unsubscribe { id } => {
                self.subscriptions.remove(&id);
                Answer::Done
            }
            Call::Enroll { .. } => {
                self.calls.push("enroll");
                Answer::Done
            }
            _ => Answer::Done,
        };
        Outcome::Done { answer }
    }

    fn resume(&mut self, asked: Subscription) -> Resumed {
        let Subscription { id, mailbox, cursor, credit, capability: _ } = asked;
        let Some(log) = self.mailboxes.get(&mailbox) else {
            return Resumed::Refused { id, refusal: Refusal::NoSuchMailbox };
        };
        let standing = log.standing();
        if cursor.incarnation.is_some_and(|life| life != log.incarnation) {
            return Resumed::OtherIncarnation { id, standing };
        }
        let after = cursor.after.0.max(log.first - 1);
        self.subscriptions.insert(id, Pushed { mailbox, after, credit });
        Resumed::Following { id, standing }
    }

    /// What there is to push now.
    pub(super) fn push(&mut self) -> Vec<Event> {
        let (mut events, expires) = (Vec::new(), self.expires);
        for (id, pushed) in &mut self.subscriptions {
            let log = &self.mailboxes[&pushed.mailbox];
            if pushed.after + 1 < log.first {
                let head_before_first = log.head_before_first();
                events.push(Event::Gap { id: *id, first_available: Sequence(log.first), head_before_first });
                pushed.after = log.first - 1;
            }
            while pushed.credit > 0 && (pushed.after as usize) < log.entries.len() {
                let entry = log.entries[pushed.after as usize].clone();
                pushed.after += 1;
                pushed.credit -= 1;
                events.push(Event::Entry { id: *id, sequence: Sequence(pushed.after), expires, entry });
            }
        }
        events
    }
}

impl Mailbox {
    pub(super) fn standing(&self) -> Standing {
        Standing {
            incarnation: self.incarnation,
            first_available: Sequence(self.first),
            head_before_first: self.head_before_first(),
            last: Sequence(self.entries.len() as u64),
            expires: LEASE_END,
            frozen: self.frozen,
        }
    }

    fn head_before_first(&self) -> Head {
        if self.first == 1 { Head::START } else { self.heads[self.first as usize - 2] }
    }
}
