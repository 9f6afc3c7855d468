//! The client's sync engine against a relay that says anything in any order: each entry is given to the rules once, in
//! order and under the right head; each request is answered once; nothing but the vault's own fault stops it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use relevo_client::link::{AdmissionKind, Admitted, Incoming, LinkFault, Ticket};
use relevo_client::sync::{
    Attempt, Effect, Engine, Follow, Followed, Input, Logic, LogicFault, Notice, Now, ReceivedEntry, Start, Then,
    Topic, enqueue, follow, remember_relay, unfollow,
};
use relevo_client::vault::settings::Setting;
use relevo_client::vault::{Cost, Passphrase, Transaction, Vault, VaultFault};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    Admission, Answer, Call, Capability, Entry, Event, Fingerprint, Head, Incarnation, MailboxId, Outcome, PathSecret,
    Refusal, RelayAddress, RelayIdentity, Resumed, Sequence, SessionLimits, Standing, SubscriptionId, Version,
    WelcomeBody,
};
use tempfile::TempDir;

use super::operations::Tape;

const IDENTITY: RelayIdentity = RelayIdentity([9; 32]);
const WALL: Timestamp = Timestamp(1_800_000_000);
/// When everything at the relay ends: dedupe is promised until then.
const END: Hour = Hour(1_000_000);
/// Mailboxes that the operations know.
const MAILBOXES: u8 = 3;

/// Digests of the entries that the rules have, one after the other.
const HEARD: Setting<minicbor::bytes::ByteVec> = Setting::named("fuzzing.heard");
/// Numbers of the requests that were answered.
const ANSWERED: Setting<minicbor::bytes::ByteVec> = Setting::named("fuzzing.answered");

thread_local! {
    /// A fresh vault, to copy: making one costs more than opening it.
    static TEMPLATE: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// Rules that remember in the vault, so that a rollback takes it back, and fail when told to.
#[derive(Default)]
struct Recorder {
    fail: bool,
    /// Whether a mailbox was followed from its beginning again, after which its entries may come once more.
    forgets: bool,
}

impl Recorder {
    fn once(tx: &Transaction<'_>, what: &Setting<minicbor::bytes::ByteVec>, item: &[u8]) -> Result<bool, VaultFault> {
        let mut all = what.read(tx)?.map(|all| all.to_vec()).unwrap_or_default();
        let new = all.chunks(item.len().max(1)).all(|known| known != item);
        all.extend_from_slice(item);
        what.write(tx, &all.into())?;
        Ok(new)
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
        assert_eq!(entry.sequence, from.cursor.after.next(), "in order");
        assert_eq!(Some(entry.incarnation), from.cursor.incarnation, "of the life that is read");
        let head = from.head.extend(&from.mailbox, entry.incarnation, entry.sequence, &entry.entry);
        assert_eq!(entry.head, head, "under its head");
        let (bytes, [first, ..]) = (entry.entry.bytes(), from.mailbox.0);
        let named = [&[first], bytes.first_chunk::<8>().map(<[u8; 8]>::as_slice).unwrap_or_default()].concat();
        let new = Self::once(tx, &HEARD, &named)?;
        assert!(new || self.forgets, "an entry is given once");
        if self.fail { Err(LogicFault::Rule("as the tape says")) } else { Ok(()) }
    }

    fn noticed(&mut self, _: &Transaction<'_>, _: &Followed, _: &Notice, _: Timestamp) -> Result<(), LogicFault> {
        if self.fail { Err(LogicFault::Rule("as the tape says")) } else { Ok(()) }
    }

    fn answered(
        &mut self,
        tx: &Transaction<'_>,
        then: &Then,
        _: Result<&Answer, Refusal>,
        _: Timestamp,
    ) -> Result<(), LogicFault> {
        assert!(Self::once(tx, &ANSWERED, &then.state)?, "a request is answered once");
        if self.fail { Err(LogicFault::Rule("as the tape says")) } else { Ok(()) }
    }
}

struct World {
    vault: Vault,
    engine: Engine,
    logic: Recorder,
    elapsed: Duration,
    attempts: Vec<Attempt>,
    session: Option<Attempt>,
    tickets: Vec<Ticket>,
    used: BTreeSet<(Attempt, Ticket)>,
    subscriptions: Vec<SubscriptionId>,
    numbers: u32,
}

/// What happens to the engine, as the tape says.
#[expect(clippy::expect_used, reason = "without a vault there is nothing to try")]
pub fn engine(bytes: &[u8]) {
    let folder = scratch().expect("a place for a vault");
    let path = folder.path().join("vault");
    template(&path).expect("a vault to copy");
    let vault = open(&path).expect("a vault opens");
    let mut world = World {
        vault,
        engine: Engine::new(5),
        logic: Recorder::default(),
        elapsed: Duration::from_secs(1),
        attempts: Vec::new(),
        session: None,
        tickets: Vec::new(),
        used: BTreeSet::new(),
        subscriptions: Vec::new(),
        numbers: 0,
    };
    world.step(Input::Started);
    let mut tape = Tape::new(bytes);
    while let Some(operation) = tape.next() {
        world.operate(operation, &mut tape);
    }
}

impl World {
    fn operate(&mut self, operation: u8, tape: &mut Tape<'_>) {
        self.logic.fail = operation & 0x80 != 0 && operation & 0x40 != 0;
        match operation % 16 {
            0 => self.change(|tx| follow(tx, &following(tape.below(MAILBOXES)))),
            1 => {
                // Followed anew, a mailbox is read from its beginning. Nobody promises to remember what was read before.
                self.logic.forgets = true;
                self.change(|tx| unfollow(tx, &mailbox(tape.below(MAILBOXES))));
            }
            2 => {
                self.numbers += 1;
                let (number, to) = (self.numbers, tape.below(MAILBOXES));
                let then = Then { topic: Topic::Conversation, state: number.to_be_bytes().to_vec() };
                let call = request(to, tape);
                self.change(|tx| enqueue(tx, &IDENTITY.fingerprint(), &call, &then).map(drop));
            }
            3 => {
                self.elapsed += Duration::from_secs(u64::from(tape.byte()) * 8);
                self.step(Input::Tick);
            }
            4 => self.connect(tape),
            5 => {
                let Some(attempt) = self.attempts.pop() else { return };
                let why = tape.one_of(&[LinkFault::NotAdmitted, LinkFault::WrongRelay], LinkFault::Unreachable);
                self.step(Input::Disconnected { relay: IDENTITY.fingerprint(), attempt, why });
            }
            6 => self.restart(),
            7 => self.step(Input::RetryNow),
            8 => self.step(Input::Wanted { relay: IDENTITY.fingerprint() }),
            _ => {
                let Some(attempt) = self.session else { return self.connect(tape) };
                let incoming: Vec<Incoming> = (0..=tape.below(6)).map(|_| self.incoming(tape)).collect();
                let over = matches!(incoming.last(), Some(Incoming::Over(_)));
                self.step(Input::Arrived { relay: IDENTITY.fingerprint(), attempt, incoming });
                if over {
                    self.lose();
                }
            }
        }
    }

    /// As after a crash: only the vault is left.
    fn restart(&mut self) {
        self.engine = Engine::new(6);
        self.attempts.clear();
        self.used.clear();
        self.lose();
        self.step(Input::Started);
    }

    fn lose(&mut self) {
        self.session = None;
        self.tickets.clear();
        self.subscriptions.clear();
    }

    #[expect(clippy::expect_used, reason = "the vault is sound: a fault outside any rule is a finding")]
    fn step(&mut self, input: Input) {
        let now = Now { wall: WALL, elapsed: self.elapsed };
        let effects = self.engine.step(input, &mut self.vault, &mut self.logic, now);
        let effects = effects.expect("the engine goes on");
        assert!(effects.len() < 10_000, "what one input brings is bounded");
        for effect in effects {
            match effect {
                Effect::Connect { attempt, .. } => self.attempts.push(attempt),
                Effect::Disconnect { attempt, .. } if self.session == Some(attempt) => self.lose(),
                Effect::Disconnect { .. } => {}
                Effect::Request { attempt, ticket, call, .. } => {
                    assert_eq!(self.session, Some(attempt), "asked in a session that is over");
                    assert!(self.used.insert((attempt, ticket)), "a ticket names one request");
                    self.tickets.push(ticket);
                    if let Call::Resume { subscriptions } = call {
                        self.subscriptions.extend(subscriptions.iter().map(|one| one.id));
                    }
                }
            }
        }
        let _until = (self.engine.wake_at(), self.engine.status());
    }

    #[expect(clippy::expect_used, reason = "the vault is sound: a fault is a finding")]
    fn change(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<(), VaultFault>) {
        self.vault.transaction(work).expect("a row is written");
        self.step(Input::Changed);
    }

    fn connect(&mut self, tape: &mut Tape<'_>) {
        let Some(attempt) = self.attempts.pop() else { return };
        self.lose();
        self.session = Some(attempt);
        let limits = SessionLimits {
            frame: 1 << 20,
            requests: tape.one_of(&[0, 1, 2, 100, u32::MAX], 100),
            subscriptions: tape.one_of(&[0, 1, 512, u32::MAX], 512),
            blobs: 4,
            lease_hours: 24,
        };
        let welcome = WelcomeBody { identity: IDENTITY, version: Version::CURRENT, limits, now: WALL };
        let kind = tape.one_of(&[AdmissionKind::Lasting, AdmissionKind::SingleUse], AdmissionKind::Lasting);
        let admitted = Admitted { expires: END, bytes_left: 1 << 30, mailboxes_left: 9, kind };
        self.step(Input::Connected { relay: IDENTITY.fingerprint(), attempt, welcome, admitted });
    }

    fn incoming(&mut self, tape: &mut Tape<'_>) -> Incoming {
        match tape.byte() % 16 {
            0 => Incoming::Over(tape.one_of(&[LinkFault::Lost, LinkFault::Malformed], LinkFault::Ended)),
            1..=7 => {
                let at = usize::from(tape.byte()) % self.tickets.len().max(1);
                // A link gives back tickets that it was given, each once, but in any order.
                match (at < self.tickets.len()).then(|| self.tickets.swap_remove(at)) {
                    Some(ticket) => Incoming::Answered { ticket, outcome: self.outcome(tape) },
                    None => Incoming::Event(self.event(tape)),
                }
            }
            _ => Incoming::Event(self.event(tape)),
        }
    }

    fn subscription(&self, tape: &mut Tape<'_>) -> SubscriptionId {
        let at = usize::from(tape.byte()) % (self.subscriptions.len() + 1);
        self.subscriptions.get(at).copied().unwrap_or(SubscriptionId(u32::MAX))
    }

    fn outcome(&self, tape: &mut Tape<'_>) -> Outcome {
        const REFUSALS: [Refusal; 6] = [
            Refusal::Busy,
            Refusal::NoSuchMailbox,
            Refusal::Frozen,
            Refusal::TooManySubscriptions,
            Refusal::Failed,
            Refusal::Malformed,
        ];
        let refusal = tape.one_of(&REFUSALS, Refusal::Busy);
        let answer = match tape.byte() % 8 {
            0 => return Outcome::Refused { refusal },
            1 => Answer::Done,
            2 => Answer::Stored {
                incarnation: incarnation(tape),
                sequence: Sequence(tape.number()),
                head: Head([tape.byte(); 32]),
                expires: END,
            },
            3 => Answer::Opened { incarnation: incarnation(tape), expires: END },
            _ => {
                let mut mailboxes: Vec<Resumed> = self.subscriptions.iter().map(|id| resumed(*id, tape)).collect();
                if tape.byte() & 15 == 0 {
                    mailboxes.push(resumed(SubscriptionId(77), tape));
                }
                Answer::Resumed { mailboxes }
            }
        };
        Outcome::Done { answer }
    }

    fn event(&self, tape: &mut Tape<'_>) -> Event {
        let id = self.subscription(tape);
        match tape.byte() % 12 {
            0 => Event::Closed { id },
            1 => Event::Frozen { id },
            2 => Event::Draining,
            4 => Event::Failed { id },
            3 => {
                Event::Gap { id, first_available: Sequence(tape.number()), head_before_first: Head([tape.byte(); 32]) }
            }
            _ => Event::Entry { id, sequence: Sequence(tape.number()), expires: END, entry: entry(tape.byte()) },
        }
    }
}

fn resumed(id: SubscriptionId, tape: &mut Tape<'_>) -> Resumed {
    let standing = Standing {
        incarnation: incarnation(tape),
        first_available: Sequence(tape.number()),
        head_before_first: tape.one_of(&[Head::START, Head([1; 32])], Head::START),
        last: Sequence(tape.number()),
        expires: END,
        frozen: tape.byte() & 7 == 0,
    };
    match tape.byte() % 8 {
        0 => Resumed::OtherIncarnation { id, standing },
        1 => Resumed::Refused { id, refusal: tape.one_of(&[Refusal::Busy, Refusal::NoSuchMailbox], Refusal::Busy) },
        _ => Resumed::Following { id, standing },
    }
}

fn incarnation(tape: &mut Tape<'_>) -> Incarnation {
    Incarnation([tape.below(2); 8])
}

fn mailbox(number: u8) -> MailboxId {
    MailboxId([number; 16])
}

fn capability() -> Capability {
    Capability::new(Secret::new([1; 32]))
}

#[expect(clippy::expect_used, reason = "512 bytes are an entry")]
fn entry(number: u8) -> Entry {
    Entry::parse(vec![number; 512].into()).expect("512 bytes are an entry")
}

fn request(to: u8, tape: &mut Tape<'_>) -> Call {
    match tape.byte() % 4 {
        0 => Call::Checkpoint { mailbox: mailbox(to), capability: capability() },
        1 => Call::Ping,
        _ => Call::Append { mailbox: mailbox(to), capability: capability(), entry: entry(tape.byte()) },
    }
}

fn following(number: u8) -> Follow {
    Follow {
        relay: IDENTITY.fingerprint(),
        mailbox: mailbox(number),
        capability: capability(),
        topic: Topic::Conversation,
        key: vec![number],
        start: Start::Beginning,
    }
}

fn address() -> RelayAddress {
    RelayAddress {
        fingerprint: Fingerprint(IDENTITY.fingerprint().0),
        host: "relay.invalid".to_owned(),
        port: 443,
        path: PathSecret::new(Secret::new([2; 16])),
        admission: Admission::new(Secret::new([3; 32])),
    }
}

/// In memory where there is such a place: each input has a vault of its own.
fn scratch() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

fn open(path: &Path) -> Result<Vault, VaultFault> {
    Vault::open(path, &Passphrase::new("a passphrase".to_owned()))
}

/// Copies a fresh vault to `path`.
fn template(path: &Path) -> anyhow::Result<()> {
    let template: PathBuf = TEMPLATE.with_borrow_mut(|template| {
        if let Some(folder) = template {
            return Ok::<_, anyhow::Error>(folder.path().join("vault"));
        }
        let folder = scratch()?;
        let path = folder.path().join("vault");
        let passphrase = Passphrase::new("a passphrase".to_owned());
        let mut vault = Vault::create(&path, &passphrase, Cost::FOR_TESTS)?;
        vault.transaction(|tx| {
            remember_relay(tx, &address())?;
            (0..MAILBOXES).try_for_each(|number| follow(tx, &following(number)))
        })?;
        vault.purge()?;
        drop(vault);
        *template = Some(folder);
        Ok(path)
    })?;
    fs::create_dir(path)?;
    for file in fs::read_dir(template)? {
        let file = file?;
        fs::copy(file.path(), path.join(file.file_name()))?;
    }
    Ok(())
}
