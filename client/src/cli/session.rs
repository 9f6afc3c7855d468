//! A command that needs the account: opens the vault, does its work, gives the network its time, closes.

use std::io;
use std::time::Duration;

use relevo_protocol::trust::MemberKey;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::arguments::{Global, MemberCommand};
use super::failure::{Failure, Stop};
use super::screen::Screen;
use super::{dispatch, passphrase, place};
use crate::account::Account;
use crate::link::LinkFault;
use crate::sync::{RelayStatus, SessionStatus, Status};
use crate::vault::Vault;

/// One command's account and screen.
pub(crate) struct Session<'a> {
    pub(crate) account: Account,
    pub(crate) screen: &'a mut Screen,
    /// How long to wait for the network; none when it is not to be used.
    pub(crate) wait: Option<Duration>,
}

/// Runs a command on the account in its vault. Ctrl-C ends it with everything kept.
pub(crate) fn run(global: &Global, command: MemberCommand, screen: &mut Screen) -> Result<(), Stop> {
    let folder = place::vault(global)?;
    Vault::look(&folder)?;
    let passphrase = passphrase::ask(global, screen.words())?;
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        // Before there is anything to close: one that comes while the listening begins would be lost.
        let mut interrupt = signal(SignalKind::interrupt());
        let open = if global.offline { Account::open_offline } else { Account::open };
        let account = open(&folder, &passphrase)?;
        drop(passphrase);
        let wait = (!global.offline).then(|| Duration::from_secs(global.wait));
        let mut session = Session { account: account.clone(), screen, wait };
        let done = tokio::select! {
            done = dispatch::dispatch(&mut session, command) => done,
            () = interrupted(&mut interrupt) => Err(Stop::Interrupted),
        };
        // Relays have a second to hear of it. The vault is waited for, since a process must not end while it works.
        account.close().await;
        done
    });
    // The process ends now. To take the runtime down would wait for a thread that still reads a line of the keyboard.
    std::mem::forget(runtime);
    done
}

/// The runtime that carries the sockets.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Stop> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|_| Failure::of("system").into())
}

async fn interrupted(interrupt: &mut io::Result<Signal>) {
    let heard = match interrupt {
        Ok(signal) => signal.recv().await,
        Err(_) => None,
    };
    if heard.is_none() {
        std::future::pending::<()>().await;
    }
}

impl Session<'_> {
    /// Lets what waits leave and what lies at the relays come. With `--offline` it stays.
    pub(crate) async fn settle(&self) -> Result<(), Stop> {
        let Some(wait) = self.wait else { return Ok(()) };
        let status = self.account.settle(wait).await?;
        unsettled(&status).map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Says one thing to people, or gives one object to programs.
    pub(crate) fn tell(&mut self, words: &str, object: &impl serde::Serialize) -> Result<(), Stop> {
        if self.screen.is_json() { self.screen.object(object) } else { self.screen.line(words) }
    }

    /// How people call a member that this device may know.
    pub(crate) async fn name_of(&self, member: Option<&MemberKey>) -> Result<String, Stop> {
        let somebody = self.screen.words().msg_message_somebody();
        let Some(member) = member else { return Ok(somebody) };
        let me = self.account.about_me().await?;
        if me.member == *member {
            return Ok(me.pseudonym.as_str().to_owned());
        }
        let contacts = self.account.contacts().await?;
        let known = contacts.into_iter().find(|contact| contact.member == *member);
        Ok(known.map_or(somebody, |contact| contact.pseudonym.as_str().to_owned()))
    }
}

/// Why not everything has left and come, if so: the relay's own fault where there is one.
pub(crate) fn unsettled(status: &Status) -> Option<Failure> {
    let open: Vec<&RelayStatus> = status.relays.iter().filter(|relay| !relay.is_settled()).collect();
    let silent = |relay: &&RelayStatus| match relay.session {
        SessionStatus::Connecting | SessionStatus::Offline { .. } => true,
        SessionStatus::Idle | SessionStatus::NoAddress | SessionStatus::Open => false,
    };
    let fault = open.iter().find_map(|relay| relay.fault).or_else(|| {
        // Still trying when the time was up.
        open.iter().any(silent).then_some(LinkFault::Unreachable)
    });
    (!open.is_empty()).then(|| Failure::of(fault.map_or("not-settled", |fault| fault.code())))
}
