//! A member as a process: an account that does what it is told on its input, one JSON object a line, several at a time.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use relevo_client::account::{Account, What};
use relevo_client::document::{DocumentNumber, DocumentState};
use relevo_client::membership::request::RequestKind;
use relevo_client::sync::SessionStatus;
use relevo_client::vault::{Cost, Passphrase};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Passphrase of every vault.
const PASSPHRASE: &str = "una frase larga que nadie adivina";

/// What a member is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Wish {
    /// Found an alliance with one union; says the co-founder's link.
    Found { relay: String },
    /// Follow a link.
    Join { link: String },
    /// Sign the charter that waits, if one does.
    Sign,
    /// Say something.
    Send { to: String, text: String },
    /// Sign a file and bring it to the relay, or go on with the one that was begun.
    Upload { to: String, file: PathBuf },
    /// Fetch the document that came, verify it and write it here.
    Fetch { file: PathBuf },
    /// Look.
    Look,
}

/// What a member says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Said {
    Done,
    Link(String),
    Seen(Box<Seen>),
    Failed(String),
}

/// What a member sees.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Whether it has a card and a contact.
    pub(super) is_member: bool,
    /// Texts of others, in their order.
    pub(super) texts: Vec<String>,
    /// Own texts that nobody has acknowledged.
    pub(super) unacknowledged: usize,
    /// Whether a document of somebody else's has come.
    pub(super) offered: bool,
    /// Bytes of the document under way that have moved.
    pub(super) moved: u64,
    /// Requests that wait, mailboxes not caught up with.
    pub(super) unsettled: usize,
    /// Sessions, or attempts to have one, that failed since the start.
    pub(super) failures: u32,
    /// Whether a session is open.
    pub(super) open: bool,
    /// Code of the last failure that no success followed.
    pub(super) fault: Option<String>,
    /// Alarms and warnings.
    pub(super) troubles: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) number: u64,
    pub(super) wish: Wish,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) number: u64,
    pub(super) said: Said,
}

/// Wishes under way at once.
const AT_ONCE: usize = 16;

/// Serves one member's account until the input ends.
///
/// # Errors
/// The vault's.
pub async fn serve(vault: &Path, name: &str) -> anyhow::Result<()> {
    let passphrase = Passphrase::new(PASSPHRASE.to_owned());
    let account = if vault.exists() {
        Account::open(vault, &passphrase)?
    } else {
        Account::create(vault, &passphrase, Cost::FOR_TESTS, &name.parse()?)?
    };
    let (tell, mut wishes) = mpsc::channel(AT_ONCE);
    std::thread::Builder::new().name("input".into()).spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    let moved = Arc::new(AtomicU64::new(0));
    while let Some(line) = wishes.recv().await {
        let Asked { number, wish } = serde_json::from_str(&line)?;
        let (account, moved) = (account.clone(), moved.clone());
        tokio::spawn(async move {
            let said = fulfil(&account, wish, moved).await.unwrap_or_else(|fault| Said::Failed(format!("{fault:#}")));
            if let Ok(line) = serde_json::to_string(&Answered { number, said }) {
                // Nobody listens any more: nothing to tell.
                let _told = writeln!(std::io::stdout().lock(), "{line}");
            }
        });
    }
    account.close().await;
    Ok(())
}

async fn fulfil(account: &Account, wish: Wish, moved: Arc<AtomicU64>) -> anyhow::Result<Said> {
    match wish {
        Wish::Found { relay } => Ok(Said::Link(account.found("Alianza Minera", "Sindicato Norte", &relay).await?)),
        Wish::Join { link } => account.join(&link, None, "").await.map(|()| Said::Done).map_err(Into::into),
        Wish::Sign => {
            let asks = account.requests().await?;
            let charter = asks.iter().find(|request| matches!(request.kind, RequestKind::Charter { .. }));
            if let Some(charter) = charter {
                account.sign(Some(charter.number)).await?;
            }
            Ok(Said::Done)
        }
        Wish::Send { to, text } => account.send(&to, &text, None).await.map(|_| Said::Done).map_err(Into::into),
        Wish::Upload { to, file } => {
            let number = match account.unfinished_documents().await?.first() {
                Some(begun) => *begun,
                None => account.prepare_document(&to, &file).await?,
            };
            account.upload(number, |now| moved.store(now.done, Ordering::Relaxed)).await?;
            Ok(Said::Done)
        }
        Wish::Fetch { file } => {
            let number = offered(account).await?.context("no document has come")?;
            // Of a process that was killed after it had written the file, and before it could say so.
            if file.exists() {
                std::fs::remove_file(&file)?;
            }
            account.fetch(number, |now| moved.store(now.done, Ordering::Relaxed)).await?;
            account.save_document(number, &file).await?;
            Ok(Said::Done)
        }
        Wish::Look => Ok(Said::Seen(Box::new(look(account, moved.load(Ordering::Relaxed)).await?))),
    }
}

/// Messages and documents that a look takes in.
const SEEN: u32 = 10_000;

async fn look(account: &Account, moved: u64) -> anyhow::Result<Seen> {
    let (status, messages) = (account.status().await?.relays, account.messages(None, 0, SEEN).await?);
    let (ours, theirs): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| message.is_ours);
    let texts = theirs.into_iter().filter_map(|message| match message.what {
        What::Text(text) => Some(text),
        What::Document(_) | What::Alert | What::Leave | What::Newer => None,
    });
    let delivered = relevo_client::conversation::MessageState::Delivered;
    let mut troubles: Vec<String> = account.alarms().await?.iter().map(|alarm| format!("{:?}", alarm.kind)).collect();
    troubles.extend(account.warnings().await?.iter().map(|warning| format!("{:?}", warning.kind)));
    Ok(Seen {
        is_member: account.about_me().await?.card_expires.is_some() && !account.contacts().await?.is_empty(),
        texts: texts.collect(),
        unacknowledged: ours.iter().filter(|message| message.state != delivered).count(),
        offered: offered(account).await?.is_some(),
        moved,
        unsettled: status.iter().map(|relay| relay.waiting + relay.behind).sum(),
        failures: status.iter().map(|relay| relay.failures).sum(),
        open: status.iter().any(|relay| relay.session == SessionStatus::Open),
        fault: status.iter().find_map(|relay| relay.fault).map(|fault| fault.code().to_owned()),
        troubles,
    })
}

async fn offered(account: &Account) -> anyhow::Result<Option<DocumentNumber>> {
    let theirs = |state| matches!(state, DocumentState::Offered | DocumentState::Here);
    Ok(account.documents().await?.iter().find(|document| theirs(document.state)).map(|document| document.number))
}

/// How often somebody looks.
pub(super) const LOOK: Duration = Duration::from_millis(100);
