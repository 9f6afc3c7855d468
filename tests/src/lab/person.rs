//! A member's process as the lab handles it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use tokio::sync::oneshot;

use super::member::{Answered, Asked, Said, Seen, Wish};

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Said>>>>;

/// A member's process. Ends when dropped, by its pid.
#[derive(Debug)]
pub(super) struct Person {
    child: Child,
    input: Mutex<ChildStdin>,
    waiting: Waiting,
    asked: AtomicU64,
}

impl Person {
    pub(super) fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start a member")?;
        let input = child.stdin.take().context("no input")?;
        let output = child.stdout.take().context("no output")?;
        let waiting = Waiting::default();
        let answers = waiting.clone();
        std::thread::Builder::new().name("member-output".into()).spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(Answered { number, said }) = serde_json::from_str(&line) else { continue };
                if let Some(to) = lock(&answers).remove(&number) {
                    // Who asked may have given up.
                    let _told = to.send(said);
                }
            }
            // Whoever still waits learns that there will be no answer.
            lock(&answers).clear();
        })?;
        Ok(Self { child, input: Mutex::new(input), waiting, asked: AtomicU64::new(0) })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells the member what to do; the answer comes in its time.
    pub(super) fn tell(&self, wish: &Wish) -> anyhow::Result<oneshot::Receiver<Said>> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let (to, said) = oneshot::channel();
        lock(&self.waiting).insert(number, to);
        let line = serde_json::to_string(&Asked { number, wish: wish.clone() })?;
        writeln!(self.input.lock().unwrap_or_else(PoisonError::into_inner), "{line}")
            .context("the member has ended")?;
        Ok(said)
    }

    /// Tells the member what to do and waits until it is done.
    pub(super) async fn does(&self, wish: Wish) -> anyhow::Result<Said> {
        match self.tell(&wish)?.await.context("the member has ended")? {
            Said::Failed(why) => bail!("{wish:?}: {why}"),
            said @ (Said::Done | Said::Link(_) | Said::Seen(_)) => Ok(said),
        }
    }

    pub(super) async fn looks(&self) -> anyhow::Result<Seen> {
        match self.does(Wish::Look).await? {
            Said::Seen(seen) => Ok(*seen),
            said @ (Said::Done | Said::Link(_) | Said::Failed(_)) => bail!("a look gave {said:?}"),
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // Ended already: nothing to do.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
