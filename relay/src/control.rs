//! What the operator's commands ask of the relay that runs: a socket in its data directory, which its user alone enters.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::backup;
use crate::store::Store;

/// Its name in the data directory.
pub(crate) const SOCKET: &str = "control";
/// Asks for a backup, which is the whole answer.
pub(crate) const BACKUP: &[u8] = b"backup\n";

/// Time for a question.
const QUESTION: Duration = Duration::from_secs(10);
/// Time in which whoever asked takes something of the answer.
const STALLED: Duration = Duration::from_secs(60);

/// Answers the operator's commands until it is stopped.
pub(crate) struct Control {
    stop: oneshot::Sender<()>,
    stopping: Arc<AtomicBool>,
    answering: JoinHandle<()>,
}

impl Control {
    /// Begins to answer.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(crate) fn start(data: &Path, store: Store) -> io::Result<Self> {
        let path = data.join(SOCKET);
        // Of a process that was killed: this one holds the directory.
        match std::fs::remove_file(&path) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        let (stop, stopped) = oneshot::channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let asked = Asked { data: data.to_owned(), store, stopping: Arc::clone(&stopping) };
        Ok(Self { stop, stopping, answering: tokio::spawn(answer(listener, asked, stopped)) })
    }

    /// Breaks off what is under way, and answers nothing more.
    pub(crate) async fn stop(self) {
        let Self { stop, stopping, answering } = self;
        stopping.store(true, Ordering::Release);
        drop(stop);
        let _ended = answering.await;
    }
}

struct Asked {
    data: PathBuf,
    store: Store,
    stopping: Arc<AtomicBool>,
}

/// One after the other: two backups at once would be one too many for the disk.
async fn answer(listener: UnixListener, asked: Asked, mut stopped: oneshot::Receiver<()>) {
    let asked = Arc::new(asked);
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
        let mut question = [0; BACKUP.len()];
        let heard = timeout(QUESTION, stream.read_exact(&mut question)).await;
        if !matches!(heard, Ok(Ok(_))) || question != BACKUP {
            continue;
        }
        let asked = Arc::clone(&asked);
        let given = tokio::task::spawn_blocking(move || give(stream.into_std()?, &asked)).await;
        match given {
            Ok(Ok(())) => tracing::info!("a backup was given"),
            Ok(Err(fault)) => tracing::warn!(%fault, "a backup was broken off"),
            Err(_stopping) => return,
        }
    }
}

fn give(stream: UnixStream, asked: &Asked) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(STALLED))?;
    let mut out = io::BufWriter::with_capacity(1 << 18, Stoppable { stream, stopping: &asked.stopping });
    backup::write(&asked.data, &asked.store, &mut out).map(drop).map_err(io::Error::other)
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
