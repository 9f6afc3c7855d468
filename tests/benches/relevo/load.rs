//! A client that keeps so many requests in flight.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use relevo_client::link::{Arrival, Incoming, Session, Ticket};
use relevo_protocol::wire::{Answer, Call, Event, Outcome};
use tokio::sync::mpsc::Receiver;

/// A session with what comes of it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) session: Session,
    pub(crate) arrivals: Receiver<Arrival>,
}

impl Client {
    /// Makes `count` calls, `depth` of them unanswered at any moment, and gives each answer to `heard`.
    pub(crate) async fn keep_in_flight(
        &mut self,
        depth: usize,
        count: usize,
        mut call: impl FnMut(usize) -> Call,
        mut heard: impl FnMut(Answer) -> anyhow::Result<()>,
    ) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut asked = 0;
        while asked < depth.min(count) {
            self.session.submit(Ticket(0), call(asked))?;
            asked += 1;
        }
        let mut answered = 0;
        while answered < count {
            match self.next().await? {
                Incoming::Answered { ticket: _, outcome: Outcome::Done { answer } } => heard(answer)?,
                Incoming::Answered { ticket: _, outcome: Outcome::Refused { refusal } } => bail!("refused: {refusal}"),
                Incoming::Event(_) => continue,
                Incoming::Over(fault) => bail!("the session ended: {fault}"),
            }
            answered += 1;
            if asked < count {
                self.session.submit(Ticket(0), call(asked))?;
                asked += 1;
            }
        }
        Ok(begun.elapsed())
    }

    /// The next entry of a subscription.
    pub(crate) async fn next_entry(&mut self) -> anyhow::Result<usize> {
        loop {
            match self.next().await? {
                Incoming::Event(Event::Entry { entry, .. }) => return Ok(entry.size()),
                Incoming::Event(_) | Incoming::Answered { .. } => {}
                Incoming::Over(fault) => bail!("the session ended: {fault}"),
            }
        }
    }

    async fn next(&mut self) -> anyhow::Result<Incoming> {
        let arrival = self.arrivals.recv().await.context("the session ended without a word")?;
        Ok(arrival.into_parts().0)
    }
}

/// An append's answer and nothing else.
pub(crate) fn stored(answer: Answer) -> anyhow::Result<()> {
    anyhow::ensure!(matches!(answer, Answer::Stored { .. }), "an append was answered by something else");
    Ok(())
}
