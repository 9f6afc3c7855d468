//! The account's thread: it owns the vault, the rules and the engine, and is the only one that touches them. tokio's
//! tasks own the sockets and send their news here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use relevo_protocol::time::Timestamp;
use relevo_protocol::wire::Fingerprint;
use tokio::sync::{mpsc, oneshot};

use super::Logic;
use super::engine::{Engine, Input, Now, Reach};
use super::network::{BATCH, Desk, Network, News};
use super::status::Status;
use super::waiting::{Goal, Waiter, Waiting};
use crate::link::{Arrival, LinkFault, Session};
use crate::vault::Vault;

/// Messages not yet taken up. Each is work of a person or a batch of a session.
pub(super) const MESSAGES: usize = 64;

/// After the vault failed outside any rule, such as on a full disk.
const VAULT_PAUSE: Duration = Duration::from_secs(1);

/// How long the relays are given to hear that we leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// The account's thread has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the account is closed")]
pub struct Stopped;

pub(super) type Work<L> = Box<dyn FnOnce(&mut Vault, &mut L, Now) + Send>;

pub(super) enum Message<L> {
    Work(Work<L>),
    News(News),
    Wait(Waiter),
    Status(oneshot::Sender<Status>),
}

/// A handle on the account's thread. The thread ends when it is told to, or when the last handle is dropped. Both wait
/// until it is gone: a process that ends while SQLCipher works in it, or while OpenSSL still takes down what the thread
/// had, crashes in what OpenSSL takes down for the whole process.
pub struct Runner<L> {
    to: mpsc::Sender<Message<L>>,
    /// None where the thread is somebody else's.
    open: Option<Arc<Open>>,
}

/// The account's thread as its handles hold it together. None once it has ended.
struct Open(Mutex<Option<Running>>);

struct Running {
    stop: oneshot::Sender<Farewell>,
    thread: thread::JoinHandle<()>,
}

/// Whoever ends the thread gives the relays a moment to hear that we leave.
struct Farewell;

impl Open {
    /// Ends the thread, without a farewell unless given, and waits for it. Whoever comes second waits as long.
    fn end(&self, farewell: Option<Farewell>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Running { stop, thread }) = open.take() else { return };
        match farewell {
            Some(farewell) => drop(stop.send(farewell)),
            None => drop(stop),
        }
        // The thread itself may hold the last handle, in work that it drops.
        if thread::current().id() != thread.thread().id() {
            let _panicked = thread.join();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl<L> Clone for Runner<L> {
    fn clone(&self) -> Self {
        Self { to: self.to.clone(), open: self.open.clone() }
    }
}

impl<L> std::fmt::Debug for Runner<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runner")
    }
}

impl<L: Logic + Send + 'static> Runner<L> {
    /// Starts the thread. Must be called inside a tokio runtime, which carries the sockets, if there are to be any.
    ///
    /// # Errors
    /// [`LinkFault::System`] when the machine gives no socket or no thread.
    pub fn start(vault: Vault, logic: L) -> Result<Self, LinkFault> {
        Self::start_reaching(Reach::Network, vault, logic)
    }

    /// As [`Runner::start`], reaching so far.
    ///
    /// # Errors
    /// As [`Runner::start`].
    pub fn start_reaching(reach: Reach, vault: Vault, logic: L) -> Result<Self, LinkFault> {
        let runtime = tokio::runtime::Handle::current();
        let (to, messages) = mpsc::channel(MESSAGES);
        let network = Network::new(runtime.clone(), WeakDesk(to.downgrade()), reach)?;
        let mut seed = [0; 8];
        relevo_protocol::random::fill(&mut seed).map_err(|_| LinkFault::System(std::io::ErrorKind::Other))?;
        let (stop, stopped) = oneshot::channel();
        let desk = Account {
            vault,
            logic,
            engine: Engine::reaching(reach, u64::from_le_bytes(seed)),
            network,
            reach,
            messages,
            stopped,
            set_aside: VecDeque::new(),
            waiting: Waiting::new(),
            begun: Instant::now(),
            vault_failed: None,
        };
        // A runtime of its own to wait in: the one that carries the sockets may end before the last handle is dropped.
        let waiting = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = thread::Builder::new().name("account".to_owned()).spawn(move || desk.run(&waiting))?;
        Ok(Self { to, open: Some(Arc::new(Open(Mutex::new(Some(Running { stop, thread }))))) })
    }

    /// A handle on what takes messages by itself.
    #[cfg(feature = "simulation")]
    pub(super) fn over(messages: mpsc::Sender<Message<L>>) -> Self {
        Self { to: messages, open: None }
    }

    /// Runs `work` on the thread; what it put into the outbox or followed is taken up at once. It is run to its end
    /// even if the caller goes away.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vault, &mut L, Now) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, done) = oneshot::channel();
        let work: Work<L> = Box::new(move |vault, logic, now| drop(reply.send(work(vault, logic, now))));
        self.to.send(Message::Work(work)).await.map_err(|_| Stopped)?;
        done.await.map_err(|_| Stopped)
    }

    /// Waits until the outbox is empty and everything followed is read, own entries included; at most for `within`,
    /// and not for relays that have failed in the meantime. What is not settled then, and why, is in the answer.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn settle(&self, within: Duration) -> Result<Status, Stopped> {
        let (reply, done) = oneshot::channel();
        self.wait(within, Goal::Settled(reply)).await?;
        done.await.map_err(|_| Stopped)
    }

    /// A session with a relay, for blobs; opened if there is none. Waits as [`Runner::settle`] does.
    ///
    /// # Errors
    /// [`Stopped`]; inside, the status that tells why there is no session.
    pub async fn session(&self, relay: Fingerprint, within: Duration) -> Result<Result<Session, Status>, Stopped> {
        let (reply, done) = oneshot::channel();
        self.wait(within, Goal::Session(relay, reply)).await?;
        done.await.map_err(|_| Stopped)
    }

    /// How things stand with each relay.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn status(&self) -> Result<Status, Stopped> {
        let (reply, done) = oneshot::channel();
        self.to.send(Message::Status(reply)).await.map_err(|_| Stopped)?;
        done.await.map_err(|_| Stopped)
    }

    /// Ends the sessions and closes the vault. What is in the outbox stays there.
    pub async fn stop(self) {
        if let Some(open) = self.open {
            let _ended = tokio::task::spawn_blocking(move || open.end(Some(Farewell))).await;
        }
    }

    async fn wait(&self, within: Duration, goal: Goal) -> Result<(), Stopped> {
        self.to.send(Message::Wait(Waiter { within, goal })).await.map_err(|_| Stopped)
    }
}

struct WeakDesk<L>(mpsc::WeakSender<Message<L>>);

impl<L> Clone for WeakDesk<L> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<L: Send + 'static> Desk for WeakDesk<L> {
    async fn tell(&self, news: News) -> Result<(), mpsc::error::SendError<()>> {
        let Some(desk) = self.0.upgrade() else { return Err(mpsc::error::SendError(())) };
        desk.send(Message::News(news)).await.map_err(|_| mpsc::error::SendError(()))
    }
}

/// What the thread owns.
struct Account<L> {
    vault: Vault,
    logic: L,
    engine: Engine,
    network: Network<WeakDesk<L>>,
    reach: Reach,
    messages: mpsc::Receiver<Message<L>>,
    /// Ends with the last handle.
    stopped: oneshot::Receiver<Farewell>,
    /// Taken from the channel while batching, not yet looked at.
    set_aside: VecDeque<Message<L>>,
    waiting: Waiting<Instant>,
    begun: Instant,
    vault_failed: Option<Instant>,
}

/// What the thread is to do.
enum Next<L> {
    Message(Message<L>),
    Tick,
    End(Option<Farewell>),
}

impl<L: Logic + Send + 'static> Account<L> {
    fn run(mut self, runtime: &tokio::runtime::Runtime) {
        self.step(Input::Started);
        let farewell = loop {
            let wake = self.wake_at();
            let next = match self.set_aside.pop_front() {
                Some(message) => Next::Message(message),
                None => runtime.block_on(async {
                    tokio::select! {
                        biased;
                        told = &mut self.stopped => Next::End(told.ok()),
                        message = self.messages.recv() => message.map_or(Next::End(None), Next::Message),
                        () = tokio::time::sleep_until(wake.into()) => Next::Tick,
                    }
                }),
            };
            match next {
                Next::Message(Message::Work(work)) => self.work(work),
                Next::Message(Message::News(news)) => self.hear(news),
                Next::Message(Message::Wait(waiter)) => self.wait(waiter),
                Next::Message(Message::Status(reply)) => drop(reply.send(self.engine.status())),
                Next::Tick => self.step(Input::Tick),
                Next::End(farewell) => break farewell,
            }
            self.answer_waiters();
        };
        self.finish();
        let Self { vault, network, .. } = self;
        drop(vault);
        if let Some(Farewell) = farewell {
            runtime.block_on(async { drop(tokio::time::timeout(FAREWELL, network.close()).await) });
        }
    }

    fn work(&mut self, work: Work<L>) {
        let now = self.now();
        work(&mut self.vault, &mut self.logic, now);
        self.step(Input::Changed);
    }

    /// Does what was asked for before the end. Nobody waits for another answer, and what relays say comes again.
    fn finish(&mut self) {
        self.messages.close();
        while let Some(message) = self.set_aside.pop_front().or_else(|| self.messages.try_recv().ok()) {
            if let Message::Work(work) = message {
                self.work(work);
            }
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Connected { relay, attempt, session, welcome, admitted } => {
                self.network.remember(relay, attempt, session);
                self.step(Input::Connected { relay, attempt, welcome, admitted });
            }
            News::Failed { relay, attempt, why } => self.step(Input::Disconnected { relay, attempt, why }),
            News::Arrived { relay, attempt, mut arrivals } => {
                // What came meanwhile from the same session shares the transaction.
                while arrivals.len() < BATCH {
                    match self.messages.try_recv() {
                        Ok(Message::News(News::Arrived { relay: r, attempt: a, arrivals: more }))
                            if (r, a) == (relay, attempt) =>
                        {
                            arrivals.extend(more);
                        }
                        Ok(other) => {
                            self.set_aside.push_back(other);
                            break;
                        }
                        Err(_empty) => break,
                    }
                }
                let over = arrivals.iter().any(|arrival| matches!(arrival.incoming, crate::link::Incoming::Over(_)));
                // The room they took is given back when the step is done.
                let (incoming, room): (Vec<_>, Vec<_>) = arrivals.into_iter().map(Arrival::into_parts).unzip();
                self.step(Input::Arrived { relay, attempt, incoming });
                drop(room);
                if over {
                    self.network.forget(&relay, attempt);
                }
            }
        }
    }

    fn step(&mut self, input: Input) {
        let now = self.now();
        match self.engine.step(input, &mut self.vault, &mut self.logic, now) {
            Ok(effects) => {
                self.vault_failed = None;
                self.network.perform(effects);
            }
            Err(fault) => {
                tracing::error!(%fault, "the vault failed");
                self.vault_failed = Some(Instant::now());
            }
        }
    }

    fn wait(&mut self, waiter: Waiter) {
        let begun = self.engine.status();
        let within = if self.reach == Reach::Nothing { Duration::ZERO } else { waiter.within };
        if let Goal::Session(relay, _) = &waiter.goal {
            let relay = *relay;
            self.step(Input::Wanted { relay });
        }
        self.waiting.add(waiter.goal, Instant::now() + within, begun);
        // Somebody is there: no reason to sit a pause out.
        self.step(Input::RetryNow);
    }

    fn answer_waiters(&mut self) {
        if !self.waiting.is_empty() {
            let network = &self.network;
            self.waiting.answer(Instant::now(), &self.engine.status(), |relay| network.session(relay));
        }
    }

    fn wake_at(&self) -> Instant {
        let engine = match self.vault_failed {
            Some(failed) => failed + VAULT_PAUSE,
            None => self.begun + self.engine.wake_at(),
        };
        self.waiting.until().map_or(engine, |until| until.min(engine))
    }

    fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { wall: Timestamp(since.as_secs()), elapsed: self.begun.elapsed() }
    }
}
