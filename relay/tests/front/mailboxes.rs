//! Mailboxes through a session.

use bytes::Bytes;
use relevo_protocol::limits::MAX_SUBSCRIPTIONS;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{
    Answer, Call, Capability, Cursor, Entry, Event, Grant, Incarnation, MailboxId, MailboxKind, Outcome, Refusal,
    Reply, Resumed, Sequence, Subscription, SubscriptionId, encode,
};

use crate::Trial;
use crate::client::Session;

const FIRST: SubscriptionId = SubscriptionId(1);

/// A mailbox with one append grant.
pub(crate) struct Mailbox {
    owner: Capability,
    append: Capability,
    id: MailboxId,
}

impl Mailbox {
    pub(crate) async fn open(session: &mut Session, kind: MailboxKind) -> Self {
        let (owner, append) = (Capability::random().unwrap(), Capability::random().unwrap());
        let grant = Grant { hash: append.hash(), per_hour: 100_000, bytes_per_hour: 1 << 30, expires: Hour(u32::MAX) };
        let (hash, id) = (owner.hash(), owner.mailbox());
        let call = Call::Open { kind, owner: hash, read: None, append: vec![grant], take: vec![], lease_hours: 48 };
        assert!(matches!(session.done(call).await, Answer::Opened { .. }));
        Self { owner, append, id }
    }

    pub(crate) fn append(&self, entry: Entry) -> Call {
        Call::Append { mailbox: self.id, capability: self.append.duplicate(), entry }
    }

    pub(crate) fn read(&self, after: u64, limit: u16) -> Call {
        let cursor = Cursor { incarnation: None, after: Sequence(after) };
        Call::Read { mailbox: self.id, capability: self.owner.duplicate(), cursor, limit }
    }

    fn resume(&self, id: SubscriptionId, cursor: Cursor, credit: u32) -> Call {
        let capability = self.owner.duplicate();
        Call::Resume { subscriptions: vec![Subscription { id, mailbox: self.id, capability, cursor, credit }] }
    }
}

pub(crate) fn entry(fill: u8) -> Entry {
    sized(fill, 512)
}

pub(crate) fn sized(fill: u8, size: usize) -> Entry {
    Entry::parse(Bytes::from(vec![fill; size])).unwrap()
}

const START: Cursor = Cursor { incarnation: None, after: Sequence::START };

async fn pushed(session: &mut Session) -> (u64, u8) {
    let event = session.event().await;
    let Event::Entry { id: FIRST, sequence, expires: _, entry } = event else { panic!("{event:?}") };
    (sequence.0, *entry.bytes().first().unwrap())
}

#[tokio::test]
async fn what_is_appended_is_read_in_order_with_its_chain() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    let mailbox = Mailbox::open(&mut session, MailboxKind::Personal).await;
    let mut head = relevo_protocol::wire::Head::START;
    for fill in 1..=3 {
        let Answer::Stored { incarnation, sequence, head: told, .. } = session.done(mailbox.append(entry(fill))).await
        else {
            panic!()
        };
        head = head.extend(&mailbox.id, incarnation, sequence, &entry(fill));
        assert_eq!((sequence, told), (Sequence(u64::from(fill)), head));
    }
    let Answer::Entries { standing, entries } = session.done(mailbox.read(1, 10)).await else { panic!() };
    assert_eq!(standing.last, Sequence(3));
    assert_eq!(
        entries.iter().map(|read| (read.sequence.0, read.entry.bytes()[0])).collect::<Vec<_>>(),
        [(2, 2), (3, 3)]
    );
}

#[tokio::test]
async fn a_wrong_capability_and_no_such_mailbox_are_one_answer() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    let mut mailbox = Mailbox::open(&mut session, MailboxKind::Personal).await;
    mailbox.append = Capability::random().unwrap();
    let wrong = session.call(mailbox.append(entry(1))).await;
    mailbox.id = MailboxId([9; 16]);
    let absent = session.call(mailbox.append(entry(1))).await;
    assert_eq!(wrong, Outcome::Refused { refusal: Refusal::NoSuchMailbox });
    assert_eq!(wrong, absent);
}

#[tokio::test]
async fn a_thousand_appends_in_flight_are_all_answered_in_order() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    let mailbox = Mailbox::open(&mut session, MailboxKind::Personal).await;
    let mut numbers = Vec::new();
    for _ in 0..1000 {
        numbers.push(session.send(mailbox.append(sized(1, 2048))).await);
    }
    for (index, asked) in numbers.into_iter().enumerate() {
        let Some(Reply::Answer { number, outcome: Outcome::Done { answer: Answer::Stored { sequence, .. } } }) =
            session.reply().await
        else {
            panic!()
        };
        assert_eq!((number, sequence.0), (asked, u64::try_from(index).unwrap() + 1));
    }
}

#[tokio::test]
async fn two_subscribers_get_every_entry_and_a_newcomer_the_backlog() {
    let trial = Trial::start().await;
    let (mut writer, mut reader) = (trial.session().await, trial.session().await);
    let mailbox = Mailbox::open(&mut writer, MailboxKind::Shared).await;
    writer.done(mailbox.resume(FIRST, START, 100)).await;
    writer.done(mailbox.append(entry(1))).await;
    reader.done(mailbox.resume(FIRST, START, 100)).await;
    writer.done(mailbox.append(sized(2, 512 << 10))).await;
    for session in [&mut writer, &mut reader] {
        assert_eq!(pushed(session).await, (1, 1));
        assert_eq!(pushed(session).await, (2, 2));
    }
}

#[tokio::test]
async fn no_more_than_the_credit_is_pushed() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    let mailbox = Mailbox::open(&mut session, MailboxKind::Personal).await;
    for fill in 1..=5 {
        session.done(mailbox.append(entry(fill))).await;
    }
    session.done(mailbox.resume(FIRST, START, 2)).await;
    assert_eq!(pushed(&mut session).await.0, 1);
    assert_eq!(pushed(&mut session).await.0, 2);
    // An answer comes after whatever would have been pushed before it.
    let asked = session.send(Call::Ping).await;
    assert_eq!(
        session.reply().await,
        Some(Reply::Answer { number: asked, outcome: Outcome::Done { answer: Answer::Done } })
    );
    session.done(Call::Credit { id: FIRST, more: 1 }).await;
    assert_eq!(pushed(&mut session).await.0, 3);
    session.done(Call::Unsubscribe { id: FIRST }).await;
    assert_eq!(
        session.call(Call::Credit { id: FIRST, more: 1 }).await,
        Outcome::Refused { refusal: Refusal::NoSuchMailbox }
    );
}

#[tokio::test]
async fn one_resume_answers_for_each_mailbox() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    let (known, other) = (
        Mailbox::open(&mut session, MailboxKind::Personal).await,
        Mailbox::open(&mut session, MailboxKind::Personal).await,
    );
    let Call::Resume { mut subscriptions } = known.resume(FIRST, START, 1) else { panic!() };
    let stale = Cursor { incarnation: Some(Incarnation([0; 8])), after: Sequence(7) };
    let Call::Resume { subscriptions: second } = other.resume(SubscriptionId(2), stale, 1) else { panic!() };
    let absent =
        Mailbox { owner: Capability::random().unwrap(), append: Capability::random().unwrap(), id: MailboxId([3; 16]) };
    let Call::Resume { subscriptions: third } = absent.resume(SubscriptionId(3), START, 1) else { panic!() };
    subscriptions.extend(second);
    subscriptions.extend(third);
    let Answer::Resumed { mailboxes } = session.done(Call::Resume { subscriptions }).await else { panic!() };
    assert!(matches!(mailboxes[0], Resumed::Following { id: FIRST, .. }));
    assert!(matches!(mailboxes[1], Resumed::OtherIncarnation { id: SubscriptionId(2), .. }));
    assert_eq!(mailboxes[2], Resumed::Refused { id: SubscriptionId(3), refusal: Refusal::NoSuchMailbox });
}

#[tokio::test]
async fn a_subscriber_is_told_of_freezing_and_closing() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    let mailbox = Mailbox::open(&mut session, MailboxKind::Shared).await;
    session.done(mailbox.resume(FIRST, START, 10)).await;
    session.done(Call::Freeze { mailbox: mailbox.id, capability: mailbox.owner.duplicate() }).await;
    assert_eq!(session.event().await, Event::Frozen { id: FIRST });
    session.done(Call::Close { mailbox: mailbox.id, capability: mailbox.owner.duplicate() }).await;
    assert_eq!(session.event().await, Event::Closed { id: FIRST });
}

#[tokio::test]
async fn a_subscriber_behind_a_damaged_entry_is_told_and_the_rest_goes_on() {
    // Entries are read from the disk, not from memory.
    let trial = Trial::start_with(|config| config.store.recent_bytes = 0).await;
    let mut session = trial.session().await;
    let (damaged, whole) = (
        Mailbox::open(&mut session, MailboxKind::Shared).await,
        Mailbox::open(&mut session, MailboxKind::Shared).await,
    );
    let large = |fill: u8| Entry::parse(vec![fill; 8192].into()).unwrap();
    for fill in 1..=3 {
        session.done(damaged.append(large(fill))).await;
    }
    let bodies = trial.data.path().join("relay/store/bodies");
    let segment = std::fs::read_dir(bodies).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    // Bodies begin at pages.
    let second = (0..bytes.len()).step_by(4096).find(|at| bytes[*at..].starts_with(&[2; 8192])).unwrap();
    bytes[second + 100] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    session.done(damaged.resume(FIRST, START, 10)).await;
    assert_eq!(pushed(&mut session).await.0, 1);
    assert_eq!(session.event().await, Event::Failed { id: FIRST });
    // The subscription is over: what is appended behind wakes nobody.
    session.done(damaged.append(large(4))).await;
    let second = SubscriptionId(2);
    session.done(whole.resume(second, START, 10)).await;
    session.done(whole.append(large(5))).await;
    assert!(matches!(session.event().await, Event::Entry { id, .. } if id == second));
    // Asked again, it says the same again.
    session.done(damaged.resume(FIRST, Cursor { incarnation: None, after: Sequence(1) }, 10)).await;
    assert_eq!(session.event().await, Event::Failed { id: FIRST });
    session.done(damaged.resume(FIRST, Cursor { incarnation: None, after: Sequence(2) }, 10)).await;
    assert_eq!(pushed(&mut session).await.0, 3);
}

#[tokio::test]
async fn a_checkpoint_is_signed_by_the_relay_of_the_address() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    let mailbox = Mailbox::open(&mut session, MailboxKind::Personal).await;
    let Answer::Stored { head, .. } = session.done(mailbox.append(entry(1))).await else { panic!() };
    let call = Call::Checkpoint { mailbox: mailbox.id, capability: mailbox.owner.duplicate() };
    let Answer::Checkpointed { checkpoint } = session.done(call).await else { panic!() };
    assert_eq!(session.welcome.identity.fingerprint(), trial.running.address().fingerprint);
    let checkpoint = checkpoint.verify(&session.welcome.identity).unwrap();
    assert_eq!((checkpoint.sequence, checkpoint.head), (Sequence(1), head));
}

#[tokio::test]
async fn too_many_subscriptions_are_refused() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    let mailbox = Mailbox::open(&mut session, MailboxKind::Personal).await;
    let mut subscriptions = Vec::new();
    for number in 0..=u32::try_from(MAX_SUBSCRIPTIONS).unwrap() {
        let Call::Resume { subscriptions: one } = mailbox.resume(SubscriptionId(number), START, 1) else { panic!() };
        subscriptions.extend(one);
    }
    assert_eq!(
        session.call(Call::Resume { subscriptions }).await,
        Outcome::Refused { refusal: Refusal::TooManySubscriptions }
    );
}

#[tokio::test]
async fn an_unknown_kind_and_an_entry_of_another_size_are_refused_by_their_numbers() {
    let trial = Trial::start().await;
    let mut session = trial.session().await;
    // {0: 900, 1: [99, {}]}
    session.stream.write(&[0xa2, 0x00, 0x19, 0x03, 0x84, 0x01, 0x82, 0x18, 99, 0xa0]).await;
    let refused = |number, refusal| Some(Reply::Answer { number, outcome: Outcome::Refused { refusal } });
    assert_eq!(session.reply().await, refused(900, Refusal::UnknownKind));
    let mailbox = Mailbox::open(&mut session, MailboxKind::Personal).await;
    let request = relevo_protocol::wire::Request { number: 77, call: mailbox.append(entry(1)) };
    let mut frame = encode(&request);
    // The entry is the last field: one byte less, in its head (0x59 0x02 0x00) and in its body.
    let head = frame.len() - 512 - 3;
    assert_eq!(frame[head..head + 3], [0x59, 0x02, 0x00]);
    frame[head + 1] = 0x01;
    frame[head + 2] = 0xff;
    frame.pop();
    session.stream.write(&frame).await;
    assert_eq!(session.reply().await, refused(77, Refusal::Malformed));
    assert_eq!(session.done(Call::Ping).await, Answer::Done);
}
