//! What the operator's commands ask of the relay that runs: a socket in its data directory, which its user alone enters.
//!
//! One line of JSON is asked, [`Question`]. A backup is the whole answer to that question; to the others it is one line,
//! [`Answer`].

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use relevo_protocol::wire::{BlobId, MailboxId, Refusal, RelayAddress};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream as Stream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::backup;
use crate::observe::{self, Status};
use crate::relay::Parts;
use crate::store::{Change, Store};
use crate::transport::Endpoint;

/// Its name in the data directory.
const SOCKET: &str = "control";
/// Time for a question, and for a short answer.
const QUESTION: Duration = Duration::from_secs(10);
/// Bytes of a question.
const MOST: u64 = 1024;
/// Time in which whoever asked for a backup takes something of it.
const STALLED: Duration = Duration::from_secs(60);

/// What may be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Question {
    /// Everything that the relay is.
    Backup,
    /// How it is.
    Status,
    /// That mailboxes be opened or not, until its next start.
    Openings {
        /// Whether they are refused.
        paused: bool,
    },
    /// That a mailbox be removed, by its id in hex.
    RemoveMailbox(String),
    /// That a blob be removed, by its id in hex.
    RemoveBlob(String),
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// How the relay is.
    Status(Status),
    /// It is done, and on disk.
    Done,
    /// It is not.
    Refused(String),
}

/// Why the relay that runs did not do what its operator asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlFault {
    /// None runs there.
    #[error("no relay runs on {}", path.display())]
    NoRelay {
        /// The data directory.
        path: PathBuf,
    },
    /// It did not answer.
    #[error("the relay that runs on {} did not answer ({source})", path.display())]
    NoAnswer {
        /// The data directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It did not do it.
    #[error("{0}")]
    Refused(String),
}

/// Asks the relay that runs on a data directory; gives the stream with its answer.
///
/// # Errors
/// The operating system's.
pub(crate) fn ask(data: &Path, question: &Question) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(data.join(SOCKET))?;
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    Ok(stream)
}

fn answered(data: &Path, question: &Question) -> Result<Answer, ControlFault> {
    let path = || data.to_owned();
    let heard = || -> io::Result<Answer> {
        let mut answer = Vec::new();
        ask(data, question)?.take(1 << 20).read_to_end(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    };
    match heard() {
        Ok(Answer::Refused(why)) => Err(ControlFault::Refused(why)),
        Ok(answer) => Ok(answer),
        Err(_) if !crate::data::is_held(data) => Err(ControlFault::NoRelay { path: path() }),
        Err(source) => Err(ControlFault::NoAnswer { path: path(), source }),
    }
}

fn done(data: &Path, question: &Question) -> Result<(), ControlFault> {
    match answered(data, question)? {
        Answer::Done => Ok(()),
        Answer::Status(_) | Answer::Refused(_) => Err(ControlFault::Refused("it answered something else".to_owned())),
    }
}

/// How the relay is that runs on a data directory.
///
/// # Errors
/// [`ControlFault`].
pub fn status(data: &Path) -> Result<Status, ControlFault> {
    match answered(data, &Question::Status)? {
        Answer::Status(status) => Ok(status),
        Answer::Done | Answer::Refused(_) => Err(ControlFault::Refused("it answered something else".to_owned())),
    }
}

/// Has the relay that runs refuse new mailboxes, or take them again.
///
/// # Errors
/// [`ControlFault`].
pub fn pause_openings(data: &Path, paused: bool) -> Result<(), ControlFault> {
    done(data, &Question::Openings { paused })
}

/// Has the relay that runs remove a mailbox, by its id in hex.
///
/// # Errors
/// [`ControlFault`].
pub fn remove_mailbox(data: &Path, id: &str) -> Result<(), ControlFault> {
    done(data, &Question::RemoveMailbox(id.to_owned()))
}

/// Has the relay that runs remove a blob, by its id in hex.
///
/// # Errors
/// [`ControlFault`].
pub fn remove_blob(data: &Path, id: &str) -> Result<(), ControlFault> {
    done(data, &Question::RemoveBlob(id.to_owned()))
}

/// Answers the operator's commands until it is stopped.
pub(crate) struct Control {
    stop: oneshot::Sender<()>,
    stopping: Arc<AtomicBool>,
    answering: JoinHandle<()>,
}

/// What questions are about.
pub(crate) struct Asked {
    pub(crate) data: PathBuf,
    pub(crate) address: RelayAddress,
    pub(crate) endpoint: Endpoint,
    pub(crate) parts: Weak<Parts>,
}

impl Control {
    /// Begins to answer.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(crate) fn start(asked: Asked) -> io::Result<Self> {
        let path = asked.data.join(SOCKET);
        // Of a process that was killed: this one holds the directory.
        match std::fs::remove_file(&path) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        let (stop, stopped) = oneshot::channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let answering = tokio::spawn(listen(listener, asked, Arc::clone(&stopping), stopped));
        Ok(Self { stop, stopping, answering })
    }

    /// Breaks off what is under way, and answers nothing more.
    pub(crate) async fn stop(self) {
        let Self { stop, stopping, answering } = self;
        stopping.store(true, Ordering::Release);
        drop(stop);
        let _ended = answering.await;
    }
}

/// One question after the other: two backups at once would be one too many for the disk.
async fn listen(listener: UnixListener, asked: Asked, stopping: Arc<AtomicBool>, mut stopped: oneshot::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => return,
        };
        let Ok((mut stream, _)) = accepted else {
            // Too many files are open. It is asked again.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let asking = tokio::select! {
            asking = timeout(QUESTION, question(&mut stream)) => asking,
            _ = &mut stopped => return,
        };
        // Whoever asks nothing wanted to see whether somebody is here.
        let Ok(Ok(line)) = asking else { continue };
        if let Err(fault) = answer(&line, stream, &asked, &stopping).await {
            tracing::warn!(%fault, "an operator's command was broken off");
        }
    }
}

/// The one line that is asked.
async fn question(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(stream.take(MOST)).read_until(b'\n', &mut line).await?;
    Ok(line)
}

async fn answer(line: &[u8], mut stream: Stream, asked: &Asked, stopping: &Arc<AtomicBool>) -> io::Result<()> {
    let Some(parts) = asked.parts.upgrade() else { return Ok(()) };
    let answer = match serde_json::from_slice(line) {
        Ok(Question::Backup) => {
            let (data, store, stopping) = (asked.data.clone(), parts.service.store().clone(), Arc::clone(stopping));
            // Not held while it lasts: the relay may stop meanwhile.
            drop(parts);
            let stream = stream.into_std()?;
            let given = tokio::task::spawn_blocking(move || give(stream, &data, &store, &stopping));
            given.await.map_err(io::Error::other)??;
            tracing::info!("a backup was given");
            return Ok(());
        }
        Ok(Question::Status) => Answer::Status(observe::status(&asked.endpoint, &parts, &asked.address)),
        Ok(Question::Openings { paused }) => apply(&parts, Change::Openings { paused }).await,
        Ok(Question::RemoveMailbox(id)) => match parse(&id).map(MailboxId) {
            Some(mailbox) => apply(&parts, Change::RemoveMailbox { mailbox }).await,
            None => Answer::Refused("the id of a mailbox has 32 hexadecimal digits".to_owned()),
        },
        Ok(Question::RemoveBlob(id)) => match parse(&id).map(BlobId) {
            Some(id) => apply(&parts, Change::RemoveBlob { id }).await,
            None => Answer::Refused("the id of a blob has 64 hexadecimal digits".to_owned()),
        },
        Err(_) => Answer::Refused("the relay that runs does not know this question: is it of this version?".to_owned()),
    };
    drop(parts);
    let said = serde_json::to_vec(&answer)?;
    timeout(QUESTION, stream.write_all(&said)).await?
}

fn parse<const N: usize>(id: &str) -> Option<[u8; N]> {
    HEXLOWER_PERMISSIVE.decode(id.as_bytes()).ok()?.try_into().ok()
}

/// Has the writer do it, and those who follow what changes learn of it.
async fn apply(parts: &Parts, change: Change) -> Answer {
    match parts.service.writer().apply(change).await {
        Ok(_) => Answer::Done,
        Err(Refusal::NoSuchMailbox) => Answer::Refused("there is no such mailbox".to_owned()),
        Err(Refusal::NoSuchBlob) => Answer::Refused("there is no such blob".to_owned()),
        Err(refusal) => Answer::Refused(refusal.to_string()),
    }
}

fn give(stream: UnixStream, data: &Path, store: &Store, stopping: &AtomicBool) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(STALLED))?;
    let mut out = io::BufWriter::with_capacity(1 << 18, Stoppable { stream, stopping });
    backup::write(data, store, &mut out).map(drop).map_err(io::Error::other)
}

/// A stream that ends when the relay does.
struct Stoppable<'s> {
    stream: UnixStream,
    stopping: &'s AtomicBool,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(io::Error::other("the relay is stopping"));
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
