//! What the operator's commands ask of the relay that runs: a socket in its data directory, which its user alone enters.
//!
//! One line of JSON is asked, [`Question`]. A backup is the whole answer to that question; to the others it is one line,
//! [`Answer`].

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use relevo_protocol::wire::{BlobId, MailboxId, Refusal};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream as Stream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::backup;
use crate::config::Config;
use crate::observe::{self, Status};
use crate::relay::Parts;
use crate::store::{Change, Store, disk};
use crate::transport::Endpoint;

/// Its name in the data directory.
const SOCKET: &str = "control";
/// Time for a question, and for a short answer.
const QUESTION: Duration = Duration::from_secs(10);
/// Questions at once.
const AT_ONCE: usize = 4;
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

/// What begins an answer that is none of the bytes of a backup.
pub(crate) const SHORT: u8 = b'{';

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
        let stream = ask(data, question)?;
        stream.set_read_timeout(Some(2 * QUESTION))?;
        stream.take(1 << 20).read_to_end(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    };
    match heard() {
        Ok(Answer::Refused(why)) => Err(ControlFault::Refused(why)),
        Ok(answer) => Ok(answer),
        Err(_) if !crate::data::is_held(data) => Err(ControlFault::NoRelay { path: path() }),
        Err(source) => Err(ControlFault::NoAnswer { path: path(), source }),
    }
}

/// Why a backup was refused.
pub(crate) fn refusal(from: impl Read) -> io::Result<String> {
    match serde_json::from_reader(from.take(1 << 16))? {
        Answer::Refused(why) => Ok(why),
        Answer::Done | Answer::Status(_) => Err(io::ErrorKind::InvalidData.into()),
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
    path: PathBuf,
    stop: oneshot::Sender<()>,
    giving: Arc<Giving>,
    answering: JoinHandle<()>,
}

/// What questions are about.
pub(crate) struct Asked {
    pub(crate) data: PathBuf,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) endpoint: Endpoint,
    pub(crate) parts: Weak<Parts>,
}

/// The backup that is being given: two at once would be one too many for the disk.
#[derive(Default)]
struct Giving {
    stopping: watch::Sender<bool>,
    /// Where it goes, so that a stop can break it off while nobody reads.
    to: Mutex<Option<UnixStream>>,
}

impl Giving {
    fn to(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.to.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control {
    /// Begins to answer.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(crate) fn start(asked: Asked) -> io::Result<Self> {
        let path = asked.data.join(SOCKET);
        // Of a process that was killed: this one holds the directory.
        disk::remove_file(&path)?;
        let listener = UnixListener::bind(&path)?;
        let (stop, stopped) = oneshot::channel();
        let giving = Arc::new(Giving::default());
        let answering = tokio::spawn(listen(listener, Arc::new(asked), Arc::clone(&giving), stopped));
        Ok(Self { path, stop, giving, answering })
    }

    /// Breaks off what is under way, and answers nothing more.
    pub(crate) async fn stop(self) {
        let Self { path, stop, giving, answering } = self;
        // Whoever copies the directory of a stopped relay finds files alone.
        let _gone = std::fs::remove_file(path);
        giving.stopping.send_replace(true);
        if let Some(stream) = giving.to().take() {
            // Whoever was reading it sees it cut short.
            let _gone = stream.shutdown(Shutdown::Both);
        }
        drop(stop);
        let _ended = answering.await;
    }
}

async fn listen(listener: UnixListener, asked: Arc<Asked>, giving: Arc<Giving>, mut stopped: oneshot::Receiver<()>) {
    let mut talks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            Some(_) = talks.join_next() => continue,
            accepted = listener.accept(), if talks.len() < AT_ONCE => accepted,
        };
        match accepted {
            Ok((stream, _)) => drop(talks.spawn(talk(stream, Arc::clone(&asked), Arc::clone(&giving)))),
            // Too many files are open. It is asked again.
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
    // A backup ends by itself, since its stream is closed, and nobody else is waited for.
    while talks.join_next().await.is_some() {}
}

/// One question and its answer.
async fn talk(mut stream: Stream, asked: Arc<Asked>, giving: Arc<Giving>) {
    let mut stopping = giving.stopping.subscribe();
    let asking = tokio::select! {
        asking = timeout(QUESTION, question(&mut stream)) => asking,
        _ = stopping.wait_for(|stopping| *stopping) => return,
    };
    // Whoever asks nothing wanted to see whether somebody is here.
    let Ok(Ok(line)) = asking else { return };
    if let Err(fault) = answer(&line, stream, &asked, &giving).await {
        tracing::warn!(%fault, "an operator's command was broken off");
    }
}

/// The one line that is asked.
async fn question(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(stream.take(MOST)).read_until(b'\n', &mut line).await?;
    Ok(line)
}

async fn answer(line: &[u8], mut stream: Stream, asked: &Asked, giving: &Arc<Giving>) -> io::Result<()> {
    let Some(parts) = asked.parts.upgrade() else { return Ok(()) };
    let answer = match serde_json::from_slice(line) {
        Ok(Question::Backup) => {
            let std = stream.into_std()?;
            let taken = {
                let mut to = giving.to();
                let free = to.is_none() && !*giving.stopping.borrow();
                if free {
                    *to = Some(std.try_clone()?);
                }
                free
            };
            if taken {
                let (config, store, mine) = (parts.config.clone(), parts.service.store().clone(), Arc::clone(giving));
                // Not held while it lasts: the relay may stop meanwhile.
                drop(parts);
                let given = tokio::task::spawn_blocking(move || give(std, &config, &store, &mine.stopping)).await;
                giving.to().take();
                given.map_err(io::Error::other)??;
                tracing::info!("a backup was given");
                return Ok(());
            }
            stream = Stream::from_std(std)?;
            Answer::Refused("another backup is under way, or the relay is stopping".to_owned())
        }
        Ok(Question::Status) => Answer::Status(observe::status(&asked.endpoint, &parts, (&asked.host, asked.port))),
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

/// Has the writer do it, of which those who follow what changes learn.
async fn apply(parts: &Parts, change: Change) -> Answer {
    match parts.service.writer().apply(change).await {
        Ok(_) => Answer::Done,
        Err(Refusal::NoSuchMailbox) => Answer::Refused("there is no such mailbox".to_owned()),
        Err(Refusal::NoSuchBlob) => Answer::Refused("there is no such blob".to_owned()),
        Err(refusal) => Answer::Refused(refusal.to_string()),
    }
}

fn give(stream: UnixStream, config: &Config, store: &Store, stopping: &watch::Sender<bool>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(STALLED))?;
    let mut out = io::BufWriter::with_capacity(1 << 18, Stoppable { stream, stopping });
    backup::write(config, store, &mut out).map(drop).map_err(io::Error::other)
}

/// A stream that ends when the relay does.
struct Stoppable<'s> {
    stream: UnixStream,
    stopping: &'s watch::Sender<bool>,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if *self.stopping.borrow() {
            return Err(io::Error::other("the relay is stopping"));
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
