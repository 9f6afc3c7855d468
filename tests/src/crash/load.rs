//! Several clients at once: they open mailboxes, append, read what is pushed, trim and put blobs, until the relay is gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use relevo_client::link::{BlobFault, Connected, Incoming, Link, RequestFault, Session};
use relevo_protocol::wire::{
    Answer, BlobId, Call, Cursor, Event, MailboxKind, Refusal, RelayAddress, Resumed, Sequence, Subscription,
    SubscriptionId,
};
use tokio::task::JoinSet;

use super::truth::{Promised, Truth, entry_of};
use crate::dice::Dice;

/// Appends of one session under way at once.
const PIPELINED: usize = 8;
/// Appending sessions.
const WRITERS: usize = 3;
/// Mailboxes of one life of a disk.
const MAILBOXES: usize = 6;
/// Longest pause between two puts of blobs.
const PAUSE: u64 = 60;

/// Truth shared by the clients.
pub type Shared = Arc<Mutex<Truth>>;

/// Locks the truth.
pub fn lock(truth: &Shared) -> MutexGuard<'_, Truth> {
    truth.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The mailboxes of a new disk.
#[must_use]
pub fn begin(dice: &mut Dice) -> Shared {
    let mut truth = Truth::default();
    for number in 0..MAILBOXES {
        let kind = if number % 3 == 0 { MailboxKind::Shared } else { MailboxKind::Personal };
        let mut owner = [0; 32];
        owner.iter_mut().zip(dice.next_number().to_be_bytes()).for_each(|(to, from)| *to = from);
        truth.mailboxes.push(Promised::new(owner, kind));
    }
    Arc::new(Mutex::new(truth))
}

/// Runs the load until every session has ended, or `until` resolves. What is answered goes into the truth.
///
/// # Errors
/// An answer contradicts an earlier one. That a session breaks is no error.
pub async fn run(
    address: &RelayAddress,
    truth: &Shared,
    dice: &mut Dice,
    until: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut clients = JoinSet::new();
    let link = Link::new()?;
    for number in 0..WRITERS {
        let Ok(connected) = link.connect(address).await else { return Ok(()) };
        clients.spawn(write(connected, Arc::clone(truth), dice.part(), number));
    }
    let Ok(connected) = link.connect(address).await else { return Ok(()) };
    clients.spawn(put(connected.session, Arc::clone(truth), dice.part()));
    let Ok(connected) = link.connect(address).await else { return Ok(()) };
    clients.spawn(listen(connected, Arc::clone(truth)));
    tokio::pin!(until);
    let mut asked = false;
    loop {
        tokio::select! {
            () = &mut until, if !asked => {
                asked = true;
                // Answers that were on their way still count; nothing else will come.
                tokio::time::sleep(Duration::from_millis(30)).await;
                clients.abort_all();
            }
            ended = clients.join_next() => match ended {
                None => return Ok(()),
                Some(Ok(outcome)) => outcome?,
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(error)) => return Err(error).context("a client panicked"),
            },
        }
    }
}

/// One writer: opens its mailboxes, sends again what was not answered, then appends and trims.
async fn write(connected: Connected, truth: Shared, mut dice: Dice, number: usize) -> anyhow::Result<()> {
    let session = connected.session;
    drop(connected.arrivals);
    for mailbox in (0..MAILBOXES).filter(|mailbox| mailbox % WRITERS == number) {
        let Some(call) = lock(&truth).mailboxes.get(mailbox).map(Promised::open) else { continue };
        match session.request(call).await {
            Ok(Answer::Opened { incarnation, .. }) => {
                if let Some(promised) = lock(&truth).mailboxes.get_mut(mailbox) {
                    promised.opened(incarnation)?;
                }
            }
            Ok(_) | Err(_) => return Ok(()),
        }
        let again = lock(&truth).sending_again(mailbox);
        for number in again {
            if !append(&session, &truth, mailbox, number).await? {
                return Ok(());
            }
        }
    }
    let mut under_way = JoinSet::new();
    loop {
        let mailbox = usize::try_from(dice.below(2)).unwrap_or(0) * WRITERS + number;
        while under_way.len() >= PIPELINED {
            match under_way.join_next().await {
                Some(Ok(Ok(true))) => {}
                Some(Ok(Err(fault))) => return Err(fault),
                Some(Ok(Ok(false)) | Err(_)) | None => return Ok(()),
            }
        }
        if dice.chance(3) && !trim(&session, &truth, mailbox).await {
            return Ok(());
        }
        let Some(entry) = lock(&truth).sending(mailbox) else { return Ok(()) };
        let (session, truth) = (session.clone(), Arc::clone(&truth));
        under_way.spawn(async move { append(&session, &truth, mailbox, entry).await });
    }
}

/// Appends one entry. False when the session is over.
async fn append(session: &Session, truth: &Shared, mailbox: usize, number: u64) -> anyhow::Result<bool> {
    let call = {
        let truth = lock(truth);
        let promised = truth.mailboxes.get(mailbox).context("there are so many mailboxes")?;
        Call::Append { mailbox: promised.id(), capability: promised.append(), entry: entry_of(number)? }
    };
    match session.request(call).await {
        Ok(Answer::Stored { sequence, head, .. }) => {
            let mut truth = lock(truth);
            let promised = truth.mailboxes.get_mut(mailbox).context("there are so many mailboxes")?;
            promised.lies_at(sequence, number, Some(head))?;
            Ok(true)
        }
        Ok(other) => anyhow::bail!("an append was answered by {other:?}"),
        // A relay that stops refuses what waits; nothing is promised by that.
        Err(RequestFault::Lost | RequestFault::Refused(Refusal::Failed | Refusal::Busy | Refusal::RelayFull)) => {
            Ok(false)
        }
        Err(RequestFault::Refused(other)) => anyhow::bail!("an append was refused: {other:?}"),
    }
}

async fn trim(session: &Session, truth: &Shared, mailbox: usize) -> bool {
    let (call, upto) = {
        let mut truth = lock(truth);
        let Some(promised) = truth.mailboxes.get_mut(mailbox) else { return false };
        if promised.kind == MailboxKind::Shared {
            return true;
        }
        let upto = promised.last() / 2;
        promised.trimming(upto);
        (
            Call::Trim {
                mailbox: promised.id(),
                capability: promised.owner(),
                upto: Sequence(upto),
                incarnation: None,
            },
            upto,
        )
    };
    let done = session.request(call).await.is_ok();
    if let (true, Some(promised)) = (done, lock(truth).mailboxes.get_mut(mailbox)) {
        promised.trimmed(upto);
    }
    done
}

async fn put(session: Session, truth: Shared, mut dice: Dice) -> anyhow::Result<()> {
    let again = lock(&truth).putting_again();
    for (blob, bytes) in again {
        loop {
            match session.put_blob(BlobId::of(&bytes), bytes.clone(), 24).await {
                Ok(_) => break lock(&truth).holds(blob),
                // Our part was not whole: all of it is sent now.
                Err(BlobFault::Refused(Refusal::Busy)) => {}
                // A relay that stops refuses what it cannot finish.
                Err(BlobFault::Lost | BlobFault::Refused(Refusal::Failed | Refusal::RelayFull)) => return Ok(()),
                Err(fault) => anyhow::bail!("a blob cannot be put again: {fault}"),
            }
        }
    }
    loop {
        let length = usize::try_from(1 + dice.below(60_000)).unwrap_or(1);
        let (blob, bytes) = lock(&truth).putting(length);
        if session.put_blob(BlobId::of(&bytes), bytes, 24).await.is_err() {
            return Ok(());
        }
        lock(&truth).holds(blob);
        tokio::time::sleep(Duration::from_millis(dice.below(PAUSE))).await;
    }
}

/// Reads what is pushed: a relay shows nothing that a crash can take back.
async fn listen(mut connected: Connected, truth: Shared) -> anyhow::Result<()> {
    let subscriptions = {
        let truth = lock(&truth);
        let open = (0_u32..).zip(&truth.mailboxes).filter(|(_, mailbox)| mailbox.is_open());
        open.map(|(number, mailbox)| Subscription {
            id: SubscriptionId(number),
            mailbox: mailbox.id(),
            capability: mailbox.owner(),
            cursor: Cursor { incarnation: None, after: Sequence(mailbox.last()) },
            credit: 1_000_000,
        })
        .collect::<Vec<_>>()
    };
    match connected.session.request(Call::Resume { subscriptions }).await {
        Ok(Answer::Resumed { mailboxes }) => {
            let all = mailboxes.iter().all(|one| matches!(one, Resumed::Following { .. }));
            anyhow::ensure!(all, "a mailbox that was acknowledged cannot be followed");
        }
        Ok(_) | Err(_) => return Ok(()),
    }
    while let Some(arrival) = connected.arrivals.recv().await {
        if let Incoming::Event(Event::Entry { id, sequence, entry, .. }) = arrival.incoming {
            let mut truth = lock(&truth);
            let place = usize::try_from(id.0).unwrap_or(usize::MAX);
            let promised = truth.mailboxes.get_mut(place).context("an event of no subscription")?;
            promised.seen(sequence, &entry, None)?;
        }
    }
    Ok(())
}
