//! `document`: send, get, list, export.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use data_encoding::HEXLOWER;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::timeout;

use super::failure::{Failure, Stop};
use super::session::{Session, unsettled};
use super::{shown, status, when};
use crate::account::{Account, AccountFault, Progress};
use crate::document::{DocumentNumber, DocumentState, DocumentView};

/// Even with `--wait 0` a chunk is given a moment.
const LEAST_WAIT: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct DocumentObject<'a> {
    document: i64,
    name: &'a str,
    size: u64,
    media_type: &'a str,
    sha256: String,
    author: String,
    conversation: String,
    claimed: String,
    state: &'static str,
}

#[derive(Serialize)]
struct Moved<'a> {
    document: i64,
    state: &'a str,
    path: Option<String>,
}

/// `document send`
pub(crate) async fn send(session: &mut Session<'_>, to: &str, file: &Path) -> Result<(), Stop> {
    let number = session.account.prepare_document(to, file).await?;
    upload(session, number).await
}

async fn upload(session: &mut Session<'_>, number: DocumentNumber) -> Result<(), Stop> {
    let moved = watched(session, async |account, report| account.upload(number, report).await).await;
    if moved.is_err() {
        kept(session, number)?;
    }
    moved?;
    let settled = session.settle().await;
    let says = session.screen.words().msg_document_posted(number.0.to_string());
    session.tell(&says, &Moved { document: number.0, state: "sent", path: None })?;
    settled
}

/// `document get`: a document of somebody is fetched and written; one of ours that is not sent whole goes on.
pub(crate) async fn get(session: &mut Session<'_>, document: &str, to: Option<&Path>) -> Result<(), Stop> {
    let view = find(session, document).await?;
    if view.state == DocumentState::Sending {
        return upload(session, view.number).await;
    }
    let number = view.number;
    if view.state == DocumentState::Offered {
        let moved = watched(session, async |account, report| account.fetch(number, report).await).await;
        if moved.is_err() {
            kept(session, number)?;
        }
        moved?;
    }
    let name = view.manifest.name.as_str();
    let path = match to {
        Some(folder) if folder.is_dir() => folder.join(name),
        Some(path) => path.to_owned(),
        None => PathBuf::from(name),
    };
    session.account.save_document(number, &path).await?;
    let path = path.to_string_lossy().into_owned();
    let says = session.screen.words().msg_document_saved(shown::name(&path));
    session.tell(&says, &Moved { document: number.0, state: "here", path: Some(path) })
}

/// `document export`
pub(crate) async fn export(session: &mut Session<'_>, document: &str, to: &Path) -> Result<(), Stop> {
    let number = find(session, document).await?.number;
    let path = session.account.export_document(number, to).await?.to_string_lossy().into_owned();
    let says = session.screen.words().msg_document_exported(shown::name(&path));
    session.tell(&says, &Moved { document: number.0, state: "exported", path: Some(path) })
}

/// `document list`
pub(crate) async fn list(session: &mut Session<'_>) -> Result<(), Stop> {
    let documents = session.account.documents().await?;
    let conversations = status::conversation_names(session).await?;
    if documents.is_empty() && !session.screen.is_json() {
        let none = session.screen.words().msg_document_none();
        return session.screen.line(&none);
    }
    for document in &documents {
        let manifest = &document.manifest;
        let author = session.name_of(Some(&manifest.author)).await?;
        let conversation = conversations.iter().find(|(id, _)| id.0.as_slice() == document.conversation);
        let object = DocumentObject {
            document: document.number.0,
            name: manifest.name.as_str(),
            size: manifest.size,
            media_type: manifest.media_type.as_str(),
            sha256: HEXLOWER.encode(&manifest.sha256),
            author,
            conversation: conversation.map(|(_, name)| name.clone()).unwrap_or_default(),
            claimed: when::utc(manifest.made),
            state: match document.state {
                DocumentState::Sending => "sending",
                DocumentState::Sent => "sent",
                DocumentState::Offered => "offered",
                DocumentState::Here => "here",
                DocumentState::Failed => "failed",
            },
        };
        if session.screen.is_json() {
            session.screen.object(&object)?;
        } else {
            print(session, document, &object)?;
        }
    }
    Ok(())
}

fn print(session: &mut Session<'_>, document: &DocumentView, object: &DocumentObject<'_>) -> Result<(), Stop> {
    let words = session.screen.words();
    let number = object.document.to_string();
    let state = match document.state {
        DocumentState::Sending => words.msg_document_kept(&number),
        DocumentState::Sent => words.msg_document_sent(),
        DocumentState::Offered => words.msg_document_offered(&number),
        DocumentState::Here => words.msg_document_here(),
        DocumentState::Failed => words.msg_document_failed(),
    };
    let title = words.msg_document_number(&number, shown::name(object.name), size(object.size));
    let from = format!("{} → {}", shown::name(&object.author), shown::name(&object.conversation));
    session.screen.line(&title)?;
    session.screen.line(&format!("    {}  {from}", when::local(document.manifest.made)))?;
    session.screen.line(&format!("    {state}"))
}

/// Says that the rest is not lost, before the failure says why it stopped.
fn kept(session: &mut Session<'_>, number: DocumentNumber) -> Result<(), Stop> {
    let says = session.screen.words().msg_document_kept(number.0.to_string());
    session.tell(&says, &Moved { document: number.0, state: "kept", path: None })
}

async fn find(session: &Session<'_>, typed: &str) -> Result<DocumentView, Stop> {
    let number: i64 = typed.parse().map_err(|_| Failure::of("document-not-found"))?;
    let found = session.account.documents().await?.into_iter().find(|document| document.number.0 == number);
    found.ok_or_else(|| Failure::of("document-not-found").into())
}

/// Moves a document with a bar for who watches, until it stands still for longer than was to be waited.
async fn watched(
    session: &Session<'_>,
    transfer: impl AsyncFnOnce(&Account, &mut (dyn FnMut(Progress) + Send)) -> Result<(), AccountFault>,
) -> Result<(), Stop> {
    let Some(wait) = session.wait else { return Err(Failure::of("not-settled").into()) };
    let bar = if session.screen.is_json() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes} / {total_bytes}  {binary_bytes_per_sec}") {
        bar.set_style(style);
    }
    let (moving, mut moved) = watch::channel(());
    let mut report = |progress: Progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        moving.send_replace(());
    };
    let mut transfer = pin!(transfer(&session.account, &mut report));
    let done = loop {
        tokio::select! {
            done = &mut transfer => break done.map_err(Stop::from),
            still = timeout(wait.max(LEAST_WAIT), moved.changed()) => if still.is_err() {
                let status = session.account.status().await?;
                break Err(unsettled(&status).unwrap_or_else(|| Failure::of("not-settled")).into());
            },
        }
    };
    bar.finish_and_clear();
    done
}

/// A size to read: 5.2 MB.
fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_to_read() {
        let shown: Vec<_> = [0, 999, 1_000, 5_242_880, 2_147_483_648].into_iter().map(size).collect();
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "5.2 MB", "2.1 GB"]);
    }
}
