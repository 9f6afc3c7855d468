//! The client that is killed: an account that sends without end and says each thing that it has done, on its output.
//!
//! ```text
//! has OURS TEXT   at opening, one line for each message of the history
//! alarm KIND      at opening
//! ready           the history is told
//! sent NUMBER     after `send` returned Ok: the transaction is on disk
//! seen TEXT       a message that a person would have been shown
//! fault CODE      a call failed, which without a fault of the disk is wrong
//! settled         with --settle, when nothing waits any more; then it ends
//! ```

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use relevo_client::account::{Account, What};
use relevo_client::vault::Passphrase;

use crate::world::PASSPHRASE;

/// What the worker does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Sends numbered texts from this number on, until it is killed.
    SendFrom(u64),
    /// Sends one text of this number, says what came of it, and ends.
    SendOne(u64),
    /// Sends and fetches what waits, and ends.
    Settle,
}

/// Name of the person it writes to.
pub const OTHER: &str = "Mistral";
/// Messages that are looked at: all of a campaign.
const ALL: u32 = 1 << 20;
/// How long settling may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the worker.
///
/// # Errors
/// The vault does not open, or the output is gone.
pub async fn run(vault: &Path, work: Work) -> anyhow::Result<()> {
    let account = Account::open(vault, &Passphrase::new(PASSPHRASE.to_owned()))?;
    let mut seen = 0;
    match work {
        Work::Settle => {
            let status = account.settle(PATIENCE).await?;
            tell_all(&account, &mut seen, "has").await?;
            for alarm in account.alarms().await? {
                say(&format!("alarm {:?}", alarm.kind))?;
            }
            say(if status.is_settled() { "settled" } else { "not settled" })?;
        }
        Work::SendFrom(first) => {
            tell_all(&account, &mut seen, "has").await?;
            say("ready")?;
            for number in first.. {
                send(&account, number).await?;
                tell_all(&account, &mut seen, "seen").await?;
                tokio::time::sleep(Duration::from_millis(number % 7 * 3)).await;
            }
        }
        Work::SendOne(number) => {
            tell_all(&account, &mut seen, "has").await?;
            say("ready")?;
            send(&account, number).await?;
        }
    }
    account.close().await;
    Ok(())
}

async fn send(account: &Account, number: u64) -> anyhow::Result<()> {
    match account.send(OTHER, &text(number), None).await {
        Ok(_) => say(&format!("sent {number}")),
        Err(fault) => say(&format!("fault {}", fault.code())),
    }
}

/// The text of a number.
#[must_use]
pub fn text(number: u64) -> String {
    // Longer than a page now and then, so that one transaction spans many.
    let filler = if number.is_multiple_of(5) { "largo ".repeat(800) } else { String::new() };
    format!("q-{number} {filler}")
}

async fn tell_all(account: &Account, after: &mut i64, word: &str) -> anyhow::Result<()> {
    let new = match account.messages(None, *after, ALL).await {
        Ok(new) => new,
        Err(fault) => return say(&format!("fault {}", fault.code())),
    };
    for message in new {
        *after = message.number;
        if let What::Text(text) = message.what {
            let first = text.split_whitespace().next().unwrap_or_default();
            say(&format!("{word} {} {first}", u8::from(message.is_ours)))?;
        }
    }
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
