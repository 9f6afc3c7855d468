//! One client, one relay, and the network between them, moved by hand.

use std::collections::VecDeque;
use std::time::Duration;

use relevo_protocol::secret::Secret;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    Admission, Answer, Call, Capability, Entry, Event, Fingerprint, MailboxId, Outcome, PathSecret, Refusal,
    RelayAddress, RelayIdentity, SessionLimits, Version, WelcomeBody,
};

use super::super::*;
use super::relay::{LEASE_END, Relay, WALL};
use crate::link::{AdmissionKind, Admitted, Incoming, LinkFault, Ticket};
use crate::vault::{Cost, Passphrase, Vault};

pub(super) const IDENTITY: RelayIdentity = RelayIdentity([9; 32]);

pub(super) fn relay_print() -> Fingerprint {
    IDENTITY.fingerprint()
}

pub(super) fn mailbox(number: u8) -> MailboxId {
    MailboxId([number; 16])
}

pub(super) fn capability() -> Capability {
    Capability::new(Secret::new([1; 32]))
}

/// An entry that tells who wrote it and its number.
pub(super) fn entry(writer: u8, number: u32) -> Entry {
    let mut bytes = vec![writer; 512];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Entry::parse(bytes.into()).unwrap()
}

pub(super) fn read_back(entry: &[u8]) -> (u8, u32) {
    (entry[511], u32::from_be_bytes(entry[..4].try_into().unwrap()))
}

/// Rules that write what they hear into the vault, so that a rollback takes it back.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) fail: Vec<Entry>,
    pub(super) panic: Vec<Entry>,
    pub(super) rollbacks: usize,
    /// What the next entry brings of the relay's signed words: a place, and the head there.
    /// With the next entry it is to be read from elsewhere.
    pub(super) elsewhere: Option<Follow>,
    pub(super) word: Option<(Sequence, Head)>,
}

impl Recorder {
    fn write(tx: &Transaction<'_>, what: &str, number: i64, bytes: &[u8]) -> Result<(), LogicFault> {
        tx.sql()
            .execute("INSERT INTO heard (what, number, bytes) VALUES (?, ?, ?)", rusqlite::params![what, number, bytes])
            .map_err(VaultFault::from)?;
        Ok(())
    }
}

impl Logic for Recorder {
    fn received(
        &mut self,
        tx: &Transaction<'_>,
        from: &Followed,
        entry: &ReceivedEntry,
        _: Timestamp,
    ) -> Result<(), LogicFault> {
        Self::write(tx, "entry", i64::from(from.mailbox.0[0]), entry.entry.bytes())?;
        if let Some((sequence, head)) = self.word.take() {
            let held = hold(tx, &from.mailbox, entry.incarnation, sequence, head)?;
            Self::write(tx, &format!("{held:?}"), 0, &[])?;
        }
        if let Some(elsewhere) = self.elsewhere.take() {
            unfollow(tx, &from.mailbox)?;
            follow(tx, &elsewhere)?;
        }
        assert!(!self.panic.contains(&entry.entry), "as the test wished");
        if self.fail.contains(&entry.entry) { Err(LogicFault::Rule("as the test wished")) } else { Ok(()) }
    }

    fn noticed(
        &mut self,
        tx: &Transaction<'_>,
        from: &Followed,
        what: &Notice,
        _: Timestamp,
    ) -> Result<(), LogicFault> {
        let words = match what {
            Notice::Gap { from, first_available } => format!("gap {} {}", from.0, first_available.0),
            Notice::OtherIncarnation { .. } => "other incarnation".to_owned(),
            Notice::ChainBroken { sequence } => format!("chain broken {}", sequence.0),
            Notice::OtherThanTold { sequence } => format!("other than told {}", sequence.0),
            Notice::Repeated { sequence, .. } => format!("repeated {}", sequence.0),
            Notice::Withheld { sequence } => format!("withheld {}", sequence.0),
            Notice::Damaged { sequence } => format!("damaged {}", sequence.0),
            Notice::Frozen => "frozen".to_owned(),
            Notice::Closed => "closed".to_owned(),
            Notice::Refused(why) => format!("refused {why:?}"),
        };
        Self::write(tx, &words, i64::from(from.mailbox.0[0]), &[])
    }

    fn answered(
        &mut self,
        tx: &Transaction<'_>,
        then: &Then,
        outcome: Result<&Answer, Refusal>,
        _: Timestamp,
    ) -> Result<(), LogicFault> {
        let number = i64::from(u32::from_be_bytes(then.state[..4].try_into().unwrap()));
        Self::write(tx, if outcome.is_ok() { "done" } else { "refused" }, number, &[])
    }

    fn rolled_back(&mut self) {
        self.rollbacks += 1;
    }
}

pub(super) struct World {
    _directory: tempfile::TempDir,
    pub(super) vault: Vault,
    pub(super) engine: Engine,
    pub(super) logic: Recorder,
    pub(super) relay: Relay,
    pub(super) elapsed: Duration,
    pub(super) wall: Timestamp,
    pub(super) kind: AdmissionKind,
    /// Attempts not yet answered, with the admission shown.
    pub(super) attempts: Vec<(Attempt, Admission)>,
    pub(super) session: Option<Attempt>,
    pub(super) requests: VecDeque<(Ticket, Call)>,
    pub(super) answers: Vec<(Ticket, Outcome)>,
    pub(super) numbers: u32,
}

impl World {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let passphrase = Passphrase::new("a passphrase".to_owned());
        let mut vault = Vault::create(&directory.path().join("vault"), &passphrase, Cost::FOR_TESTS).unwrap();
        vault
            .transaction(|tx| {
                tx.sql()
                    .execute_batch("CREATE TABLE heard (id INTEGER PRIMARY KEY, what TEXT, number INTEGER, bytes BLOB)")
                    .map_err(VaultFault::from)?;
                remember_relay(tx, &address())
            })
            .unwrap();
        let mut world = Self {
            _directory: directory,
            vault,
            engine: Engine::new(5),
            logic: Recorder::default(),
            relay: Relay::default(),
            elapsed: Duration::from_secs(1),
            wall: WALL,
            kind: AdmissionKind::Lasting,
            attempts: Vec::new(),
            session: None,
            requests: VecDeque::new(),
            answers: Vec::new(),
            numbers: 0,
        };
        world.step(Input::Started);
        world
    }

    pub(super) fn step(&mut self, input: Input) {
        let now = Now { wall: self.wall, elapsed: self.elapsed };
        let effects = self.engine.step(input, &mut self.vault, &mut self.logic, now).unwrap();
        for effect in effects {
            match effect {
                Effect::Connect { attempt, address, .. } => self.attempts.push((attempt, address.admission)),
                Effect::Disconnect { attempt, .. } if self.session == Some(attempt) => self.leave(),
                Effect::Disconnect { .. } => {}
                Effect::Request { attempt, ticket, call, .. } => {
                    if self.session == Some(attempt) {
                        self.requests.push_back((ticket, call));
                    }
                }
            }
        }
    }

    /// A transaction of somebody else, and the news of it.
    pub(super) fn change(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<(), VaultFault>) {
        self.vault.transaction(work).unwrap();
        self.step(Input::Changed);
    }

    pub(super) fn follow(&mut self, number: u8) {
        self.change(|tx| follow(tx, &following_of(number)));
    }

    pub(super) fn enqueue_append(&mut self, to: u8) -> u32 {
        self.numbers += 1;
        let number = self.numbers;
        let call = Call::Append { mailbox: mailbox(to), capability: capability(), entry: entry(1, number) };
        self.change(|tx| enqueue(tx, &relay_print(), &call, &then(number)).map(drop));
        number
    }

    pub(super) fn accept(&mut self) {
        let Some((attempt, _)) = self.attempts.pop() else { return };
        self.requests.clear();
        self.answers.clear();
        self.relay.subscriptions.clear();
        self.session = Some(attempt);
        let limits =
            SessionLimits { frame: 1 << 20, requests: 100, subscriptions: 512, blobs: 4, lease_hours: 24 * 90 };
        let welcome = WelcomeBody { identity: IDENTITY, version: Version::CURRENT, limits, now: WALL };
        let admitted = Admitted { expires: LEASE_END, bytes_left: 1 << 30, mailboxes_left: 9, kind: self.kind };
        self.step(Input::Connected { relay: relay_print(), attempt, welcome, admitted });
    }

    pub(super) fn refuse(&mut self, why: LinkFault) {
        let Some((attempt, _)) = self.attempts.pop() else { return };
        self.step(Input::Disconnected { relay: relay_print(), attempt, why });
    }

    /// The engine ends the session: no input follows.
    fn leave(&mut self) {
        self.session = None;
        self.requests.clear();
        self.answers.clear();
        self.relay.subscriptions.clear();
    }

    pub(super) fn cut(&mut self, why: LinkFault) {
        let Some(attempt) = self.session else { return };
        self.leave();
        self.step(Input::Arrived { relay: relay_print(), attempt, incoming: vec![Incoming::Over(why)] });
    }

    /// Answers come, nothing is pushed, and the session is over.
    pub(super) fn cut_after(&mut self, answers: Vec<(Ticket, Outcome)>) {
        self.relay.subscriptions.clear();
        self.deliver(answers);
        self.cut(LinkFault::Lost);
    }

    /// The relay does the oldest request; its answer waits to be delivered.
    pub(super) fn execute(&mut self) -> bool {
        let Some((ticket, call)) = self.requests.pop_front() else { return false };
        let outcome = self.relay.call(call);
        self.answers.push((ticket, outcome));
        true
    }

    /// Delivers answers and whatever the relay pushes.
    pub(super) fn deliver(&mut self, answers: Vec<(Ticket, Outcome)>) {
        let Some(attempt) = self.session else { return };
        let answered = answers.into_iter().map(|(ticket, outcome)| Incoming::Answered { ticket, outcome });
        // A relay pushes nothing before its answer to the Resume has gone.
        let resuming =
            |(_, outcome): &(Ticket, Outcome)| matches!(outcome, Outcome::Done { answer: Answer::Resumed { .. } });
        let pushed = if self.answers.iter().any(resuming) { Vec::new() } else { self.relay.push() };
        let incoming: Vec<Incoming> = answered.chain(pushed.into_iter().map(Incoming::Event)).collect();
        if !incoming.is_empty() {
            self.step(Input::Arrived { relay: relay_print(), attempt, incoming });
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        let attempt = self.session.unwrap();
        self.step(Input::Arrived { relay: relay_print(), attempt, incoming: vec![Incoming::Event(event)] });
    }

    /// Everything works and time passes until nothing happens any more.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            self.accept();
            while self.execute() {}
            let answers = std::mem::take(&mut self.answers);
            let quiet = answers.is_empty();
            self.deliver(answers);
            if quiet && self.requests.is_empty() {
                if self.engine.status().is_settled() {
                    return;
                }
                self.elapsed = self.elapsed.max(self.engine.wake_at());
                self.step(Input::Tick);
            }
        }
        panic!("it does not settle: {:?}", self.engine.status());
    }

    /// As after a crash: only the vault is left.
    pub(super) fn restart(&mut self) {
        self.session = None;
        self.attempts.clear();
        self.requests.clear();
        self.answers.clear();
        self.relay.subscriptions.clear();
        self.engine = Engine::new(6);
        self.step(Input::Started);
    }

    pub(super) fn heard(&mut self) -> Vec<(String, i64)> {
        self.rows("SELECT what, number, bytes FROM heard ORDER BY id").into_iter().map(|(w, n, _)| (w, n)).collect()
    }

    /// Entries as the rules got them, by mailbox.
    pub(super) fn entries(&mut self, number: u8) -> Vec<(u8, u32)> {
        self.rows("SELECT what, number, bytes FROM heard WHERE what = 'entry' ORDER BY id")
            .into_iter()
            .filter(|(_, mailbox, _)| *mailbox == i64::from(number))
            .map(|(_, _, bytes)| read_back(&bytes))
            .collect()
    }

    pub(super) fn notices(&mut self) -> Vec<String> {
        let quiet = ["entry", "done"];
        self.heard().into_iter().map(|(what, _)| what).filter(|what| !quiet.contains(&what.as_str())).collect()
    }

    fn rows(&mut self, query: &str) -> Vec<(String, i64, Vec<u8>)> {
        self.vault
            .transaction(|tx| {
                let mut statement = tx.sql().prepare(query).map_err(VaultFault::from)?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
                Ok::<_, VaultFault>(rows.map_err(VaultFault::from)?.map(Result::unwrap).collect())
            })
            .unwrap()
    }
}

pub(super) fn following_of(number: u8) -> Follow {
    Follow {
        relay: relay_print(),
        mailbox: mailbox(number),
        capability: capability(),
        topic: Topic::Conversation,
        key: vec![number],
        start: Start::Beginning,
    }
}

pub(super) fn then(number: u32) -> Then {
    Then { topic: Topic::Conversation, state: number.to_be_bytes().to_vec() }
}

pub(super) fn address() -> RelayAddress {
    RelayAddress {
        fingerprint: relay_print(),
        host: "relay.invalid".to_owned(),
        port: 443,
        path: PathSecret::new(Secret::new([2; 16])),
        admission: Admission::new(Secret::new([3; 32])),
    }
}
