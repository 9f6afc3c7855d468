//! One of every frame.

use ed25519_dalek::SigningKey;
use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::{
    AdmissionId, AdmissionKey, Answer, BlobCall, BlobId, BlobReply, Call, CapabilityHash, Checkpoint, Cursor, Event,
    GrantTable, Hello, Lineage, MailboxKind, Opening, Outcome, ReadEntry, Refusal, RelayIdentity, Reply, Request,
    Resumed, SessionLimits, SignedCheckpoint, Standing, Subscription, SubscriptionId, Version, WelcomeBody,
};

use crate::dice::Dice;

pub(crate) const REFUSALS: [Refusal; 16] = [
    Refusal::NoSuchMailbox,
    Refusal::MailboxFull,
    Refusal::RelayFull,
    Refusal::RateExceeded,
    Refusal::Frozen,
    Refusal::WrongKind,
    Refusal::Malformed,
    Refusal::UnknownKind,
    Refusal::AllowanceSpent,
    Refusal::TooManyGrants,
    Refusal::TooManySubscriptions,
    Refusal::Empty,
    Refusal::NoSuchBlob,
    Refusal::BlobMismatch,
    Refusal::Busy,
    Refusal::Failed,
];

pub(crate) fn relay_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn kind(dice: &mut Dice) -> MailboxKind {
    if dice.coin() { MailboxKind::Personal } else { MailboxKind::Shared }
}

fn table(dice: &mut Dice) -> GrantTable {
    if dice.coin() { GrantTable::Append } else { GrantTable::Take }
}

fn cursor(dice: &mut Dice) -> Cursor {
    Cursor { incarnation: dice.maybe(Dice::incarnation), after: dice.sequence() }
}

fn standing(dice: &mut Dice) -> Standing {
    Standing {
        incarnation: dice.incarnation(),
        first_available: dice.sequence(),
        head_before_first: dice.head(),
        last: dice.sequence(),
        expires: dice.hour(),
        frozen: dice.coin(),
    }
}

pub(crate) fn checkpoint(dice: &mut Dice) -> Checkpoint {
    Checkpoint {
        mailbox: dice.mailbox(),
        incarnation: dice.incarnation(),
        sequence: dice.sequence(),
        head: dice.head(),
        first_available: dice.sequence(),
        restored_from: dice.maybe(|dice| Lineage {
            incarnation: dice.incarnation(),
            sequence: dice.sequence(),
            head: dice.head(),
        }),
    }
}

pub(crate) fn calls(d: &mut Dice) -> Vec<(&'static str, Call)> {
    vec![
        ("admit", Call::Admit { id: AdmissionId(d.bytes()), proof: d.bytes() }),
        ("enroll", Call::Enroll { id: AdmissionId(d.bytes()), key: AdmissionKey::new(d.secret()) }),
        (
            "sponsor",
            Call::Sponsor { id: AdmissionId(d.bytes()), key: AdmissionKey::new(d.secret()), expires: d.hour() },
        ),
        (
            "open",
            Call::Open {
                kind: kind(d),
                owner: CapabilityHash(d.bytes()),
                read: d.maybe(|d| CapabilityHash(d.bytes())),
                append: d.list(3, Dice::grant),
                take: d.list(3, Dice::grant),
                lease_hours: d.u32(),
            },
        ),
        ("append", Call::Append { mailbox: d.mailbox(), capability: d.capability(), entry: d.entry() }),
        ("read", Call::Read { mailbox: d.mailbox(), capability: d.capability(), cursor: cursor(d), limit: d.u16() }),
        (
            "resume",
            Call::Resume {
                subscriptions: d.list(3, |d| Subscription {
                    id: SubscriptionId(d.u32()),
                    mailbox: d.mailbox(),
                    capability: d.capability(),
                    cursor: cursor(d),
                    credit: d.u32(),
                }),
            },
        ),
        ("credit", Call::Credit { id: SubscriptionId(d.u32()), more: d.u32() }),
        ("unsubscribe", Call::Unsubscribe { id: SubscriptionId(d.u32()) }),
        (
            "trim",
            Call::Trim { mailbox: d.mailbox(), capability: d.capability(), upto: d.sequence(), incarnation: None },
        ),
        ("take", Call::Take { mailbox: d.mailbox(), capability: d.capability() }),
        ("last-resort", Call::LastResort { mailbox: d.mailbox(), capability: d.capability(), entry: d.entry() }),
        (
            "grants",
            Call::Grants {
                mailbox: d.mailbox(),
                capability: d.capability(),
                table: table(d),
                revoke: d.list(3, |d| CapabilityHash(d.bytes())),
                add: d.list(3, Dice::grant),
            },
        ),
        ("renew", Call::Renew { mailbox: d.mailbox(), capability: d.capability(), lease_hours: d.u32() }),
        ("freeze", Call::Freeze { mailbox: d.mailbox(), capability: d.capability() }),
        ("close", Call::Close { mailbox: d.mailbox(), capability: d.capability() }),
        ("ask-checkpoint", Call::Checkpoint { mailbox: d.mailbox(), capability: d.capability() }),
        ("ping", Call::Ping),
    ]
}

pub(crate) fn requests(d: &mut Dice) -> Vec<(&'static str, Request)> {
    calls(d).into_iter().map(|(name, call)| (name, Request { number: d.u32(), call })).collect()
}

pub(crate) fn answers(d: &mut Dice) -> Vec<(&'static str, Answer)> {
    let refusal = REFUSALS[d.below(16)];
    vec![
        ("done", Answer::Done),
        (
            "admitted",
            Answer::Admitted { expires: d.hour(), bytes_left: d.u64(), mailboxes_left: d.u64(), single_use: d.coin() },
        ),
        ("opened", Answer::Opened { incarnation: d.incarnation(), expires: d.hour() }),
        (
            "stored",
            Answer::Stored { incarnation: d.incarnation(), sequence: d.sequence(), head: d.head(), expires: d.hour() },
        ),
        (
            "entries",
            Answer::Entries {
                standing: standing(d),
                entries: d.list(2, |d| ReadEntry { sequence: d.sequence(), expires: d.hour(), entry: d.entry() }),
            },
        ),
        (
            "resumed",
            Answer::Resumed {
                mailboxes: vec![
                    Resumed::Following { id: SubscriptionId(d.u32()), standing: standing(d) },
                    Resumed::OtherIncarnation { id: SubscriptionId(d.u32()), standing: standing(d) },
                    Resumed::Refused { id: SubscriptionId(d.u32()), refusal },
                ],
            },
        ),
        ("taken", Answer::Taken { entry: d.entry(), last_resort: d.coin() }),
        ("renewed", Answer::Renewed { expires: d.hour() }),
        ("checkpointed", Answer::Checkpointed { checkpoint: SignedCheckpoint::sign(&checkpoint(d), &relay_key()) }),
    ]
}

pub(crate) fn events(d: &mut Dice) -> Vec<(&'static str, Event)> {
    let id = SubscriptionId(d.u32());
    vec![
        ("entry-event", Event::Entry { id, sequence: d.sequence(), expires: d.hour(), entry: d.entry() }),
        ("gap", Event::Gap { id, first_available: d.sequence(), head_before_first: d.head() }),
        ("closed", Event::Closed { id }),
        ("frozen", Event::Frozen { id }),
        ("draining", Event::Draining),
        ("failed", Event::Failed { id }),
    ]
}

pub(crate) fn replies(d: &mut Dice) -> Vec<(&'static str, Reply)> {
    let number = d.u32();
    let done = answers(d).into_iter().map(|(name, answer)| (name, Outcome::Done { answer }));
    let refused = REFUSALS.into_iter().map(|refusal| ("refused", Outcome::Refused { refusal }));
    let answers = done.chain(refused).map(|(name, outcome)| (name, Reply::Answer { number, outcome }));
    let answers: Vec<_> = answers.collect();
    let events = events(d).into_iter().map(|(name, event)| (name, Reply::Event { event }));
    answers.into_iter().chain(events).collect()
}

pub(crate) fn hello(d: &mut Dice) -> Hello {
    Hello::new(d.bytes(), vec![Version::CURRENT, Version(d.u16())])
}

pub(crate) fn openings(d: &mut Dice) -> Vec<(&'static str, Opening)> {
    let (put, get) = blob_calls(d);
    vec![
        ("session", Opening::Session { hello: hello(d) }),
        ("put", Opening::Blob { call: put }),
        ("get", Opening::Blob { call: get }),
    ]
}

fn blob_calls(d: &mut Dice) -> (BlobCall, BlobCall) {
    let id = BlobId(d.bytes());
    (
        BlobCall::Put { id, length: d.u64(), lease_hours: d.u32() },
        BlobCall::Get { id, offset: d.u64(), length: d.u64() },
    )
}

pub(crate) fn blob_replies(d: &mut Dice) -> Vec<(&'static str, BlobReply)> {
    vec![
        ("have", BlobReply::Have { offset: d.u64() }),
        ("blob-stored", BlobReply::Stored { expires: d.hour() }),
        ("sending", BlobReply::Sending { length: d.u64(), total: d.u64() }),
        ("blob-refused", BlobReply::Refused { refusal: REFUSALS[d.below(16)] }),
    ]
}

pub(crate) fn welcome_body() -> WelcomeBody {
    WelcomeBody {
        identity: RelayIdentity(relay_key().verifying_key().to_bytes()),
        version: Version::CURRENT,
        limits: SessionLimits { frame: 528_384, requests: 128, subscriptions: 512, blobs: 8, lease_hours: 2160 },
        now: Timestamp(1_795_000_000),
    }
}
