//! Does what the engine decides: one task for each session, which ends with it.

use std::collections::HashMap;

use relevo_protocol::wire::{Fingerprint, RelayAddress, WelcomeBody};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::engine::{Attempt, Effect, Reach};
use crate::link::{Admitted, Arrival, Incoming, Link, LinkFault, Session};

/// Answers and events in one transaction at most.
pub(super) const BATCH: usize = 256;

/// What the tasks tell the account's thread.
pub(super) enum News {
    Connected { relay: Fingerprint, attempt: Attempt, session: Session, welcome: WelcomeBody, admitted: Admitted },
    Failed { relay: Fingerprint, attempt: Attempt, why: LinkFault },
    Arrived { relay: Fingerprint, attempt: Attempt, arrivals: Vec<Arrival> },
}

/// Where the tasks send their news. Bounded, so that a relay waits for the vault.
pub(super) trait Desk: Clone + Send + 'static {
    /// Gives the news, or says that nobody takes any more.
    fn tell(&self, news: News) -> impl Future<Output = Result<(), mpsc::error::SendError<()>>> + Send;
}

pub(super) struct Network<D> {
    /// None when nothing may be reached: then there is no socket either.
    link: Option<Link>,
    runtime: Handle,
    desk: D,
    sessions: HashMap<Fingerprint, (Attempt, Session)>,
    tasks: JoinSet<()>,
}

impl<D: Desk> Network<D> {
    pub(super) fn new(runtime: Handle, desk: D, reach: Reach) -> Result<Self, LinkFault> {
        let link = match reach {
            Reach::Network => {
                let _inside = runtime.enter();
                Some(Link::new()?)
            }
            Reach::Nothing => None,
        };
        Ok(Self { link, runtime, desk, sessions: HashMap::new(), tasks: JoinSet::new() })
    }

    pub(super) fn perform(&mut self, effects: Vec<Effect>) {
        while self.tasks.try_join_next().is_some() {}
        for effect in effects {
            match effect {
                Effect::Connect { relay, attempt, address } => {
                    let Some(link) = self.link.clone() else { continue };
                    let desk = self.desk.clone();
                    self.tasks.spawn_on(attend(link, desk, relay, attempt, address), &self.runtime);
                }
                Effect::Disconnect { relay, attempt } => self.forget(&relay, attempt),
                Effect::Request { relay, attempt, ticket, call } => {
                    let Some((_, session)) = self.sessions.get(&relay).filter(|(ours, _)| *ours == attempt) else {
                        continue;
                    };
                    // A session that takes no more requests than it was promised is broken; its end tells the engine.
                    if session.submit(ticket, call).is_err() {
                        session.close();
                    }
                }
            }
        }
    }

    pub(super) fn remember(&mut self, relay: Fingerprint, attempt: Attempt, session: Session) {
        self.sessions.insert(relay, (attempt, session));
    }

    pub(super) fn forget(&mut self, relay: &Fingerprint, attempt: Attempt) {
        if self.sessions.get(relay).is_some_and(|(ours, _)| *ours == attempt)
            && let Some((_, session)) = self.sessions.remove(relay)
        {
            session.close();
        }
    }

    pub(super) fn session(&self, relay: &Fingerprint) -> Option<&Session> {
        self.sessions.get(relay).map(|(_, session)| session)
    }

    /// Ends every session and lets the relays know.
    pub(super) async fn close(mut self) {
        for (_, session) in self.sessions.values() {
            session.close();
        }
        self.sessions.clear();
        self.tasks.abort_all();
        if let Some(link) = &self.link {
            link.close().await;
        }
    }
}

/// Opens a session and carries what comes of it to the desk.
async fn attend<D: Desk>(link: Link, desk: D, relay: Fingerprint, attempt: Attempt, address: RelayAddress) {
    let connected = match link.connect(&address).await {
        Ok(connected) => connected,
        Err(why) => {
            let _stopped = desk.tell(News::Failed { relay, attempt, why }).await;
            return;
        }
    };
    let crate::link::Connected { session, mut arrivals, welcome, admitted } = connected;
    if desk.tell(News::Connected { relay, attempt, session, welcome, admitted }).await.is_err() {
        return;
    }
    loop {
        let mut batch = Vec::new();
        let over = arrivals.recv_many(&mut batch, BATCH).await == 0
            || matches!(batch.last(), Some(Arrival { incoming: Incoming::Over(_), .. }));
        if desk.tell(News::Arrived { relay, attempt, arrivals: batch }).await.is_err() || over {
            return;
        }
    }
}
